//! Three OAuth2 providers over HTTP, which differ in what becomes of refresh tokens, and know what
//! truly happened.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::worker::WORKERS;

/// For so long an old token stays good at the provider with leeway, in its own seconds.
pub const LEEWAY_SECONDS: u32 = 60;

/// The header with which a process says when it sent a request, in milliseconds since 1970.
pub const SENT: &str = "x-soak-sent";

/// Real time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "several processes share it")]
pub fn real_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Kill the process that asked, so long after the answer went out.
pub struct Kill {
    pub child: u64,
    pub after_micros: u64,
}

/// Numbers by a seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end.max(1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stable,
    Leeway,
    Family,
}

pub const KINDS: [&str; 3] = ["stable", "leeway", "family"];

/// What goes wrong with one refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Slow,
    /// The answer breaks off after the work is done.
    LosesAnswer,
    /// The connection breaks before anything is done.
    LosesRequest,
    /// 500 after the work is done.
    Fails,
    /// 429 or 503; nothing is done.
    Busy(u16),
    /// 200 with an error in it; nothing is done.
    RefusesIn200,
    /// The same refresh token stays, and is left out.
    OmitsToken,
    OmitsExpiry,
    /// All is well, and the worker is killed before it can store it.
    Kills,
}

#[derive(Clone, Default)]
struct Token {
    account: String,
    family: u64,
    /// When it was used first, in the provider's milliseconds.
    used: Option<u64>,
}

struct Access {
    account: String,
    /// Calls that it is good for.
    left: u64,
    given: Instant,
}

/// For so long at least an access token is good, so that it can be used by whoever got it.
const ACCESS: Duration = Duration::from_millis(250);

/// What happened at one provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub runs: u64,
    pub connects: u64,
    pub refreshes: u64,
    pub granted: u64,
    /// Presentations whose outcome the worker could not know.
    pub unknown: u64,
    /// Presentations of a used token, as far as they are allowed.
    pub again: u64,
    /// Presentations of a used token that are not allowed.
    pub doubled: u64,
    /// Those that were allowed when they were sent, and were held up on their way for longer than the
    /// leeway.
    pub late: u64,
    /// The stored token was not the one that counts, and nobody had said so.
    pub lost: u64,
    /// Accounts that had to be connected again.
    pub reconnects: u64,
    /// Those of them for which nothing had gone wrong, and those that are more than the processes that
    /// were killed can have had in their hands.
    pub unexplained: u64,
    /// Reconnections after an answer that went out whole and was never used, though nobody was killed:
    /// whoever asked had stopped waiting.
    pub unread: u64,
    /// Connections that a lost request or answer ended for good: each must be connected again.
    pub ended: u64,
    /// Accounts that were left in doubt by a process that was killed, and were seen to by one that had
    /// lived beside it.
    pub taken_over: u64,
}

/// Why an account may have to be connected again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// A request or an answer of it was lost.
    Fault,
    /// A process was killed that may have had it in its hands.
    Kill,
    /// An answer went out, and its access token was not used yet.
    Unread,
}

#[derive(Default)]
struct Account {
    connected: bool,
    reason: Option<Reason>,
    /// The newest access token, until it is used; empty when it was, or never came to whoever asked.
    newest: String,
    /// Number of the connection; refresh tokens belong to one.
    family: u64,
    /// Whose answer is in doubt since the process was killed: the youngest process of that time.
    left_with: Option<u64>,
    /// The process that asked last.
    by: u64,
}

#[derive(Default)]
struct One {
    figures: Figures,
    refresh: BTreeMap<String, Token>,
    access: BTreeMap<String, Access>,
    ended: Vec<u64>,
    accounts: BTreeMap<String, Account>,
    made: u64,
}

struct Inner {
    one: [One; 3],
    random: Random,
    behaves: bool,
    kills: u64,
    /// Reconnections that are due to kills.
    by_kills: u64,
}

pub struct Providers {
    inner: Mutex<Inner>,
    begun: Instant,
    speed: u32,
    kill: Mutex<Sender<Kill>>,
}

/// Serves on a port of its own.
///
/// # Errors
/// No port.
pub async fn serve(providers: Arc<Providers>) -> anyhow::Result<SocketAddr> {
    let app = axum::Router::new()
        .route("/{child}/{kind}/token", post(token))
        .route("/{child}/{kind}/me", get(me))
        .with_state(providers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

fn kind(name: &str) -> Option<(usize, Kind)> {
    let at = KINDS.iter().position(|kind| *kind == name)?;
    let kind = [Kind::Stable, Kind::Leeway, Kind::Family]
        .get(at)
        .copied()?;
    Some((at, kind))
}

type Shared = State<Arc<Providers>>;

async fn me(
    State(all): Shared,
    Path((_, name)): Path<(u64, String)>,
    headers: HeaderMap,
) -> Response {
    let bearer = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .unwrap_or_default()
        .to_owned();
    let Some((at, _)) = kind(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut inner = all.inner();
    let Some(one) = inner.one.get_mut(at) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    one.figures.runs += 1;
    let Some(access) = one.access.get_mut(&bearer) else {
        return refusal(401, "bad_token");
    };
    let account = access.account.clone();
    // Whoever shows the newest token has stored it.
    let known = one.accounts.entry(account.clone()).or_default();
    if known.newest == bearer {
        known.newest.clear();
        known.reason = None;
    }
    access.left = access.left.saturating_sub(1);
    if access.left == 0 && access.given.elapsed() >= ACCESS {
        one.access.remove(&bearer);
        return refusal(401, "expired");
    }
    axum::Json(json!({ "id": account })).into_response()
}

fn refusal(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, axum::Json(json!({ "error": error }))).into_response()
}

/// An answer that breaks off.
fn broken() -> Response {
    let pieces = [
        Ok(Bytes::from_static(b"{\"access_")),
        Err(std::io::Error::other("broken off")),
    ];
    Body::from_stream(futures::stream::iter(pieces)).into_response()
}

async fn token(
    State(all): Shared,
    Path((child, name)): Path<(u64, String)>,
    headers: HeaderMap,
    axum::Form(form): axum::Form<BTreeMap<String, String>>,
) -> Response {
    let Some((at, kind)) = kind(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    if field("grant_type") != "refresh_token" {
        let code = field("code");
        let account = code.strip_prefix("code-").unwrap_or_default().to_owned();
        return axum::Json(all.connect(at, child, account)).into_response();
    }
    let presented = field("refresh_token");
    let sent = headers
        .get(SENT)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let (fault, wait_ms) = all.fault(at, kind);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    match fault {
        Fault::Busy(status) => return refusal(status, "slow_down"),
        Fault::RefusesIn200 => return refusal(200, "temporarily_unavailable"),
        Fault::LosesRequest => {
            all.lose_request(at, kind, &presented);
            return broken();
        }
        _ => {}
    }
    // How long it was on its way and waited here, in the faster time.
    let held = sent.map_or(0, |sent| real_ms().saturating_sub(sent));
    let shown = Shown {
        child,
        presented: &presented,
        held: held.saturating_mul(u64::from(all.speed)),
    };
    let Some(body) = all.refresh(at, kind, &shown, fault) else {
        return refusal(400, "invalid_grant");
    };
    match fault {
        Fault::LosesAnswer => broken(),
        Fault::Fails => refusal(500, "server_error"),
        Fault::Kills => {
            all.kill(child);
            axum::Json(body).into_response()
        }
        _ => axum::Json(body).into_response(),
    }
}

/// A refresh token as it was presented.
struct Shown<'a> {
    child: u64,
    presented: &'a str,
    /// Since it was sent, in the provider's milliseconds.
    held: u64,
}

impl Providers {
    pub fn new(seed: u64, speed: u32, kill: Sender<Kill>) -> Self {
        let inner = Inner {
            one: Default::default(),
            random: Random::new(seed),
            behaves: false,
            kills: 0,
            by_kills: 0,
        };
        Self {
            inner: Mutex::new(inner),
            begun: Instant::now(),
            speed,
            kill: Mutex::new(kill),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds of the faster time.
    fn now(&self) -> u64 {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        millis.saturating_mul(u64::from(self.speed))
    }

    pub fn runs(&self) -> u64 {
        self.inner().one.iter().map(|one| one.figures.runs).sum()
    }

    pub fn figures(&self) -> [Figures; 3] {
        let inner = self.inner();
        [0, 1, 2].map(|at: usize| inner.one.get(at).map(|one| one.figures).unwrap_or_default())
    }

    /// From now on nothing goes wrong.
    pub fn behave(&self) {
        self.inner().behaves = true;
    }

    /// Any account may be one of those that the process had in its hands. `youngest` is the number of the
    /// process that was started last.
    pub fn note_kill(&self, child: u64, youngest: u64) {
        let mut inner = self.inner();
        inner.kills += 1;
        for account in inner
            .one
            .iter_mut()
            .flat_map(|one| one.accounts.values_mut())
        {
            if account.by == child && (account.reason.is_some() || !account.newest.is_empty()) {
                account.left_with = Some(youngest);
            }
            if account.reason != Some(Reason::Fault) {
                account.reason = Some(Reason::Kill);
                account.newest.clear();
            }
        }
    }

    fn kill(&self, child: u64) {
        let after_micros = self.inner().random.below(4_000);
        let sender = self.kill.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens any more at the very end.
        let _ = sender.send(Kill {
            child,
            after_micros,
        });
    }

    fn fault(&self, at: usize, kind: Kind) -> (Fault, u64) {
        let mut inner = self.inner();
        if let Some(one) = inner.one.get_mut(at) {
            one.figures.refreshes += 1;
        }
        if inner.behaves {
            return (Fault::None, 0);
        }
        let fault = match inner.random.below(100) {
            0..=3 => Fault::LosesAnswer,
            4..=6 => Fault::LosesRequest,
            7..=8 => Fault::Fails,
            9..=11 => Fault::Busy(429),
            12..=14 => Fault::Busy(503),
            15..=17 => Fault::RefusesIn200,
            18..=24 => Fault::OmitsToken,
            25..=32 => Fault::OmitsExpiry,
            33..=38 => Fault::Kills,
            39..=50 => Fault::Slow,
            _ => Fault::None,
        };
        let is_unknown = matches!(
            fault,
            Fault::LosesAnswer | Fault::LosesRequest | Fault::Fails
        );
        if let Some(one) = inner.one.get_mut(at) {
            one.figures.unknown += u64::from(is_unknown);
        }
        let wait = match (fault, kind) {
            (Fault::Slow, _) => inner.random.below(120),
            _ => inner.random.below(4),
        };
        (fault, wait)
    }

    fn connect(&self, at: usize, child: u64, account: String) -> Value {
        let mut inner = self.inner();
        let uses = inner.random.below(3) + 1;
        let Inner {
            one,
            kills,
            by_kills,
            ..
        } = &mut *inner;
        let Some(one) = one.get_mut(at) else {
            return Value::Null;
        };
        one.figures.connects += 1;
        one.made += 1;
        let family = one.made;
        let known = one.accounts.entry(account.clone()).or_default();
        if known.connected {
            one.figures.reconnects += 1;
            match known.reason {
                Some(Reason::Fault) => {}
                Some(Reason::Unread) => one.figures.unread += 1,
                Some(Reason::Kill) => {
                    // Each worker of a process has one account in its hands at a time.
                    *by_kills += 1;
                    one.figures.unexplained += u64::from(*by_kills > *kills * WORKERS);
                }
                None => one.figures.unexplained += 1,
            }
        }
        one.figures.taken_over += known.taken_over(child);
        *known = Account {
            connected: true,
            family,
            by: child,
            ..Account::default()
        };
        one.give(account, family, uses, None, Some(3_600))
    }

    /// Nothing was done, and whoever asked can't know.
    fn lose_request(&self, at: usize, kind: Kind, presented: &str) {
        let mut inner = self.inner();
        let Some(one) = inner.one.get_mut(at) else {
            return;
        };
        if let Some(token) = one.refresh.get(presented).cloned() {
            one.lose(kind, &token);
        }
    }

    fn refresh(&self, at: usize, kind: Kind, shown: &Shown<'_>, fault: Fault) -> Option<Value> {
        let presented = shown.presented;
        let now = self.now();
        let mut inner = self.inner();
        let uses = inner.random.below(3) + 1;
        let one = inner.one.get_mut(at)?;
        let found = one.refresh.get(presented).cloned();
        let Some(token) = found.filter(|token| !one.ended.contains(&token.family)) else {
            one.figures.lost += 1;
            return None;
        };
        if let Some(used) = token.used {
            let within = now.saturating_sub(used) < u64::from(LEEWAY_SECONDS) * 1_000;
            if kind != Kind::Leeway || !within {
                let was_sent = now.saturating_sub(shown.held);
                let was_within = was_sent.saturating_sub(used) < u64::from(LEEWAY_SECONDS) * 1_000;
                if kind == Kind::Leeway && was_within {
                    one.figures.late += 1;
                } else {
                    one.figures.doubled += 1;
                }
                one.ended.push(token.family);
                return None;
            }
            one.figures.again += 1;
        }
        one.figures.granted += 1;
        let keeps = kind == Kind::Stable || fault == Fault::OmitsToken;
        if let Some(stored) = one.refresh.get_mut(presented) {
            // Where the answer says that the same token stays, it is good from now on like a new one.
            stored.used = match keeps {
                true => None,
                false => Some(stored.used.unwrap_or(now)),
            };
        }
        let kept = keeps.then(|| presented.to_owned());
        let expires = (fault != Fault::OmitsExpiry).then_some(3_600);
        let mut body = one.give(token.account.clone(), token.family, uses, kept, expires);
        let access = body["access_token"].as_str().unwrap_or_default().to_owned();
        let known = one.accounts.entry(token.account.clone()).or_default();
        one.figures.taken_over += known.taken_over(shown.child);
        known.by = shown.child;
        known.newest = access;
        known.reason = Some(Reason::Unread);
        if matches!(fault, Fault::LosesAnswer | Fault::Fails) {
            one.lose(kind, &token);
        }
        if fault == Fault::OmitsToken
            && let Some(body) = body.as_object_mut()
        {
            body.remove("refresh_token");
        }
        Some(body)
    }
}

impl Account {
    /// 1 where a process sees to it that had lived beside the one that was killed over it.
    fn taken_over(&mut self, child: u64) -> u64 {
        let youngest = self.left_with.take();
        u64::from(youngest.is_some_and(|youngest| child <= youngest))
    }
}

impl One {
    /// What became of a token that was presented is not known to whoever did. Where a family of tokens
    /// is revoked for one that comes twice, that is the end of the connection.
    fn lose(&mut self, kind: Kind, token: &Token) {
        let Some(account) = self.accounts.get_mut(&token.account) else {
            return;
        };
        if account.family != token.family {
            return;
        }
        let is_first = account.reason != Some(Reason::Fault);
        self.figures.ended += u64::from(is_first && kind == Kind::Family);
        account.reason = Some(Reason::Fault);
        account.newest.clear();
    }

    fn give(
        &mut self,
        account: String,
        family: u64,
        uses: u64,
        kept: Option<String>,
        expires: Option<u32>,
    ) -> Value {
        self.made += 1;
        let access = format!("access-{}", self.made);
        let new = Access {
            account: account.clone(),
            left: uses,
            given: Instant::now(),
        };
        self.access.insert(access.clone(), new);
        let refresh = kept.unwrap_or_else(|| format!("refresh-{}", self.made));
        self.refresh.entry(refresh.clone()).or_insert(Token {
            account,
            family,
            used: None,
        });
        let mut body = json!({"access_token": access, "refresh_token": refresh});
        if let (Some(seconds), Some(body)) = (expires, body.as_object_mut()) {
            body.insert("expires_in".to_owned(), seconds.into());
        }
        body
    }
}
