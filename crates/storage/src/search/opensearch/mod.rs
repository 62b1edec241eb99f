//! Search in OpenSearch, 2 or newer: for stores that have none of their own, and for any number of
//! processes.
//!
//! One index holds a document per vulnerability, one per finding's words, and how far the store has been
//! followed. `address` says where it is, `client` asks, `index` makes indexes and puts them in each
//! other's place, `source` says what is kept, `write` keeps it, `plan` and `told` turn a selection
//! into a query, `answer` asks it. Nothing needs a script or a plugin.

mod address;
mod answer;
mod client;
mod index;
mod plan;
mod source;
mod told;
mod write;

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::page::Count;
use gna_domain::port::search::{
    Facet, Rebuilding, Removed, Search, SearchPage, SearchRequest, SearchUpdate, Selection, moved,
};
use gna_domain::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Mutex;

use super::{check, cursor};
use client::{Client, in_time};
use index::Names;
use write::{Change, Place};

pub use address::Address;

/// The version that the tests run on.
pub const PROVED: &str = "2.19.3";

/// A search index on a server.
pub struct OpenSearch {
    shared: Arc<Shared>,
    /// The index that is being built; without one, that which answers.
    building: Option<String>,
    /// Counts what was written, and how much of that is shown.
    written: AtomicU64,
    shown: AtomicU64,
    /// Whether what was built has taken its place.
    is_in_place: AtomicBool,
}

struct Shared {
    client: Client,
    address: Address,
    names: Names,
    /// Whether the server was understood, and had an index.
    is_ready: AtomicBool,
    /// Held by the one of this process who makes the index anew.
    rebuilding: Arc<Mutex<()>>,
}

/// How a server was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says of itself.
    pub version: String,
    /// Whether it has an index of this version of Gna.
    pub has_index: bool,
}

impl OpenSearch {
    /// The index at an address. Nothing is asked before it is used: then it is made where there is none.
    /// Versions of Gna that declare other fields have an index of their own; a new one has no position:
    /// the caller fills it from the store.
    ///
    /// Everything that asks may fail with `search.version` when the server is no OpenSearch, or one that
    /// is too old; `search.unavailable` when it does not answer; `search.refused` when it does not let
    /// this user in.
    ///
    /// # Errors
    /// `search.url` where the address's certificates can't be read; `search.unavailable`.
    pub fn new(address: &Address) -> Result<Self> {
        let shared = Shared {
            client: Client::new(address)?,
            address: address.clone(),
            names: Names::of(address),
            is_ready: AtomicBool::new(false),
            rebuilding: Arc::default(),
        };
        Ok(Self::of(Arc::new(shared), None))
    }

    /// Looks who answers, and changes nothing.
    ///
    /// # Errors
    /// As [`OpenSearch::new`] says.
    pub async fn look(&self) -> Result<Found> {
        in_time(async {
            let version = index::version(self.client()).await?;
            let behind = index::behind(self.client(), &self.shared.names.live).await?;
            Ok(Found {
                version,
                has_index: !behind.is_empty(),
            })
        })
        .await
    }

    /// Several may do so at once: it is the same for all.
    async fn ready(&self) -> Result<()> {
        let shared = &self.shared;
        if !shared.is_ready.load(Ordering::SeqCst) {
            index::prepare(&shared.client, &shared.address, &shared.names).await?;
            shared.is_ready.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    fn of(shared: Arc<Shared>, building: Option<String>) -> Self {
        Self {
            shared,
            building,
            written: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            is_in_place: AtomicBool::new(false),
        }
    }

    fn client(&self) -> &Client {
        &self.shared.client
    }

    /// What this asks: an alias of the index.
    fn alias(&self) -> String {
        match &self.building {
            Some(index) => index::at(index),
            None => self.shared.names.live.clone(),
        }
    }

    async fn change(&self, to: &str, changes: BTreeMap<String, Change>) -> Result<u64> {
        // Also where it is cut or fails: some of it may be done.
        self.written.fetch_add(1, Ordering::SeqCst);
        let changed = write::change(self.client(), to, changes).await;
        self.written.fetch_add(1, Ordering::SeqCst);
        changed
    }

    /// Answers a question in time, by what this process wrote before.
    async fn asked<T>(&self, question: impl Future<Output = Result<T>>) -> Result<T> {
        in_time(async {
            self.ready().await?;
            self.show().await?;
            question.await
        })
        .await
    }

    /// What this process wrote is seen by what it asks afterwards.
    async fn show(&self) -> Result<()> {
        let written = self.written.load(Ordering::SeqCst);
        if self.shown.load(Ordering::SeqCst) < written {
            index::refresh(self.client(), &self.alias()).await?;
            self.shown.fetch_max(written, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn move_on(&self, update: &SearchUpdate, place: Place, to: &str) -> Result<()> {
        let mut place = place;
        loop {
            if place.move_on(self.client(), to).await? {
                break;
            }
            if update.after.is_some() {
                return Err(moved());
            }
            place = Place::read(self.client(), &self.alias()).await?;
        }
        if let Some(index) = &self.building {
            index::put_in_place(self.client(), &self.shared.names, index).await?;
            self.is_in_place.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// What was being built and was not finished is given up.
impl Drop for OpenSearch {
    fn drop(&mut self) {
        let Some(index) = self.building.take() else {
            return;
        };
        if self.is_in_place.load(Ordering::SeqCst) {
            return;
        }
        // Where this fails, whoever builds the next one removes it after a while.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move { index::remove(&shared.client, &index).await });
        }
    }
}

/// The newest of each, the first where versions are equal; what is removed is removed.
fn changes(update: &SearchUpdate) -> BTreeMap<String, Change> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let findings = update.findings.iter().map(|finding| {
        let key = source::key(finding.group, finding.id);
        (
            key,
            source::signed(finding.version),
            source::finding(finding),
        )
    });
    let documents = update.documents.iter().map(|document| {
        let version = source::signed(document.version);
        (name(document.id), version, source::document(document))
    });
    for (id, version, source) in findings.chain(documents) {
        let is_newer = match changes.get(&id) {
            Some(Change::Put { version: there, .. }) => *there < version,
            _ => true,
        };
        if is_newer {
            changes.insert(id, Change::Put { version, source });
        }
    }
    for Removed { id, version } in &update.removed {
        let version = version.map(source::signed);
        changes.insert(name(*id), Change::Remove { version });
    }
    changes
}

/// The id of a vulnerability's document.
fn name(id: VulnerabilityId) -> String {
    id.uuid().to_string()
}

#[async_trait]
impl Search for OpenSearch {
    fn name(&self) -> &'static str {
        "opensearch"
    }

    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        update.documents.iter().try_for_each(check::document)?;
        self.ready().await?;
        // Read first: what is written is of the index that is moved on in the end.
        let place = match (&update.position, &update.after) {
            (None, None) => None,
            _ => Some(Place::read(self.client(), &self.alias()).await?),
        };
        if let (Some(place), Some(after)) = (&place, &update.after)
            && place.position() != Some(after)
        {
            return Err(moved());
        }
        let to = place.as_ref().map_or_else(|| self.alias(), Place::index);
        self.change(&to, changes(&update)).await?;
        match (place, &update.position) {
            (Some(place), Some(to)) => self.move_on(&update, place, to).await,
            _ => Ok(()),
        }
    }

    async fn position(&self) -> Result<Option<String>> {
        in_time(async {
            self.ready().await?;
            write::position(self.client(), &self.alias()).await
        })
        .await
    }

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        check::request(request)?;
        plan::check(&request.selection.condition)?;
        let after = request
            .after
            .as_ref()
            .map(|after| cursor::decode(request.sort, after))
            .transpose()?;
        let alias = self.alias();
        self.asked(answer::query(self.client(), &alias, request, after))
            .await
    }

    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        check::selection(selection)?;
        plan::check(&selection.condition)?;
        let alias = self.alias();
        self.asked(answer::count(self.client(), &alias, selection, bound))
            .await
    }

    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        check::selection(selection)?;
        plan::check(&selection.condition)?;
        check::facets(fields)?;
        let alias = self.alias();
        self.asked(answer::facets(
            self.client(),
            &alias,
            selection,
            fields,
            limit,
        ))
        .await
    }

    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        let touched = |id: &VulnerabilityId| {
            let change = Change::Set {
                field: "f_last_seen",
                to: last_seen.millis(),
                when: |there, to| there.is_none_or(|there| there < to),
            };
            (name(*id), change)
        };
        self.ready().await?;
        let changes = ids.iter().map(touched).collect();
        self.change(&self.alias(), changes).await.map(drop)
    }

    /// Also in indexes that are being built, by whatever process: what was described there before knows
    /// only the old ones.
    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        let changes = || -> BTreeMap<String, Change> {
            let scored = |(id, score): &(VulnerabilityId, i64)| {
                let change = Change::Set {
                    field: "f_priority",
                    to: *score,
                    when: |there, to| there != Some(to),
                };
                (name(*id), change)
            };
            scores.iter().map(scored).collect()
        };
        if scores.is_empty() {
            return Ok(0);
        }
        self.ready().await?;
        for index in index::behind(self.client(), &self.shared.names.building).await? {
            let told = write::change(self.client(), &index::at(&index), changes()).await;
            // One that is gone by now needs nothing any more.
            if told.is_err() && index::behind(self.client(), &index::at(&index)).await? != [].into()
            {
                told?;
            }
        }
        self.change(&self.alias(), changes()).await
    }

    async fn clear(&self) -> Result<()> {
        self.ready().await?;
        let Shared {
            client,
            address,
            names,
            ..
        } = self.shared.as_ref();
        let fresh = index::begin(client, address, names).await?;
        index::put_in_place(client, names, &fresh).await
    }

    /// In this process; another one may do so, too, in an index of its own.
    async fn rebuilding(&self) -> Result<Rebuilding> {
        let mine = Arc::clone(&self.shared.rebuilding).lock_owned().await;
        Ok(Box::new(mine))
    }

    async fn renew(&self) -> Result<Option<Arc<dyn Search>>> {
        self.ready().await?;
        let Shared {
            client,
            address,
            names,
            ..
        } = self.shared.as_ref();
        let index = index::begin(client, address, names).await?;
        let fresh = Self::of(Arc::clone(&self.shared), Some(index));
        Ok(Some(Arc::new(fresh)))
    }
}
