//! Reading what one has just written. Lists and exports come from the search index, which follows the
//! store a moment late. So whoever wrote is told how far its commits reach (`X-Gna-Position`), and sends
//! that with what it reads next: then the index is asked only once it has come so far, or after
//! [`PATIENCE`], and then the answer says that it is stale (`X-Gna-Stale`).
//!
//! A [`Recency`] belongs to one request. [`crate::middleware::recency`] makes it; the extractors of
//! [`crate::auth`] lay it over the ports, so that no handler can forget it. What is read from the store
//! itself needs none of this. Read next: [`store`], [`search`].

mod search;
mod store;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use gna_domain::ctx::Ports;
use gna_domain::error::{Error, Result};
use gna_domain::port::{FeedPosition, Search, Store};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

use crate::state::AppState;

/// In an answer: how far the feed was when the request's last commit was made. In a request: how far
/// what it reads must be.
pub const POSITION: HeaderName = HeaderName::from_static("x-gna-position");
/// In an answer, `true`: it may lack what the request's position tells of.
pub const STALE: HeaderName = HeaderName::from_static("x-gna-stale");

/// Longest wait for the search index.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// First and longest wait between two looks at where the index stands. It may be another process that
/// keeps it, so there is nothing here to be woken by.
const STEPS: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
/// Longest position, in bytes.
const LONGEST: usize = 100;

/// What one request has committed, and how recent what it finds must be. Cheap to clone.
#[derive(Clone)]
pub struct Recency(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    search: Arc<dyn Search>,
    wanted: Option<FeedPosition>,
    committed: Mutex<Option<FeedPosition>>,
    /// Whether the index came so far in time; nothing before it is asked.
    arrived: OnceCell<bool>,
}

impl Recency {
    /// Of a request.
    ///
    /// # Errors
    /// `position.malformed`; `position.foreign` for one of another kind of store.
    pub(crate) fn of(headers: &HeaderMap, ports: &Ports) -> Result<Self> {
        let mut sent = headers.get_all(&POSITION).iter();
        let wanted = match (sent.next(), sent.next()) {
            (None, _) => None,
            (Some(value), None) => Some(read(value, ports.store.as_ref())?),
            (Some(_), Some(_)) => return Err(malformed()),
        };
        Ok(Self::new(ports, wanted))
    }

    fn new(ports: &Ports, wanted: Option<FeedPosition>) -> Self {
        Self(Arc::new(Inner {
            store: Arc::clone(&ports.store),
            search: Arc::clone(&ports.search),
            wanted,
            committed: Mutex::new(None),
            arrived: OnceCell::new(),
        }))
    }

    /// Ports whose commits are noted, and whose index is asked only when it is recent enough.
    pub(crate) fn over(&self, ports: Ports) -> Ports {
        let search: Arc<dyn Search> = if self.0.wanted.is_some() {
            Arc::new(search::Waiting::new(ports.search, self.clone()))
        } else {
            ports.search
        };
        Ports {
            store: Arc::new(store::Noting::new(ports.store, self.clone())),
            search,
            ..ports
        }
    }

    /// The request has committed something, or tells of something, that reaches so far.
    pub(crate) fn note(&self, position: FeedPosition) {
        let mut committed = self.committed();
        let is_further = committed
            .as_ref()
            .is_none_or(|known| self.0.store.feed_reached(&position, known));
        if is_further {
            *committed = Some(position);
        }
    }

    fn committed(&self) -> MutexGuard<'_, Option<FeedPosition>> {
        self.0
            .committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of [`POSITION`], where something was committed.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let committed = self.committed().clone()?;
        HeaderValue::from_str(&shown(&committed, self.0.store.as_ref())).ok()
    }

    /// Waits until the index has come so far as the request wants, at most [`PATIENCE`] in all. Answers
    /// whether it has.
    pub(crate) async fn arrived(&self) -> bool {
        let Some(wanted) = &self.0.wanted else {
            return true;
        };
        let wait = || async {
            tokio::time::timeout(PATIENCE, self.follow(wanted))
                .await
                .unwrap_or(false)
        };
        *self.0.arrived.get_or_init(wait).await
    }

    async fn follow(&self, wanted: &FeedPosition) -> bool {
        let (mut step, longest) = STEPS;
        loop {
            let at = match self.0.search.position().await {
                Ok(at) => at.map(FeedPosition),
                // The question itself will meet the same, and tells of it.
                Err(_) => return false,
            };
            if at.is_some_and(|at| self.0.store.feed_reached(&at, wanted)) {
                return true;
            }
            tokio::time::sleep(step).await;
            step = (step * 2).min(longest);
        }
    }

    /// Whether the index was asked though it had not come so far.
    pub(crate) fn is_stale(&self) -> bool {
        self.0.arrived.get() == Some(&false)
    }
}

impl FromRequestParts<AppState> for Recency {
    type Rejection = Infallible;

    /// What the layer made; where there is no layer, one that wants nothing.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let made = parts.extensions.get::<Self>().cloned();
        Ok(made.unwrap_or_else(|| Self::new(&state.ports, None)))
    }
}

/// A position as it was sent in the header.
fn read(value: &HeaderValue, store: &dyn Store) -> Result<FeedPosition> {
    let text = value.to_str().map_err(|_| malformed())?;
    match place(text, store) {
        Ok(position) => Ok(position),
        Err(Unread::Malformed) => Err(malformed()),
        Err(Unread::Foreign) => Err(Error::invalid(
            "position.foreign",
            format!(
                "X-Gna-Position is of another store than this server's ({}); leave it out",
                store.backend()
            ),
        )),
    }
}

/// A position as it was sent in an argument of that name.
///
/// # Errors
/// `position.malformed`; `position.foreign` for one of another kind of store.
pub(crate) fn given(text: &str, argument: &str, store: &dyn Store) -> Result<FeedPosition> {
    let refused = |why: Unread| match why {
        Unread::Malformed => Error::invalid(
            "position.malformed",
            "this is no position of this server; send one as it was told, or leave it out",
        ),
        Unread::Foreign => Error::invalid(
            "position.foreign",
            format!(
                "this position is of another store than this server's ({}); leave it out",
                store.backend()
            ),
        ),
    };
    place(text, store).map_err(|why| refused(why).on_field(argument))
}

/// A position as it is told.
pub(crate) fn shown(position: &FeedPosition, store: &dyn Store) -> String {
    format!("{}.{}", store.backend(), position.0)
}

/// Why a position can't be read.
enum Unread {
    Malformed,
    Foreign,
}

/// The name of the kind of store, a dot, and what that store calls it.
fn place(text: &str, store: &dyn Store) -> Result<FeedPosition, Unread> {
    let text = Some(text).filter(|text| text.len() <= LONGEST);
    let (backend, place) = text
        .and_then(|text| text.split_once('.'))
        .ok_or(Unread::Malformed)?;
    if backend != store.backend() {
        return Err(Unread::Foreign);
    }
    let position = FeedPosition(place.to_owned());
    // Each position that the store can read has been reached by a reader who is there.
    if store.feed_reached(&position, &position) {
        Ok(position)
    } else {
        Err(Unread::Malformed)
    }
}

fn malformed() -> Error {
    Error::invalid(
        "position.malformed",
        "X-Gna-Position is sent once, as an answer of this server had it; leave it out to read what there is",
    )
}
