//! The world of a test: ports over a store, and a worker that runs when it is told.

use gna_domain::ctx::{Actor, Ctx, Grants, Ports};
use gna_domain::error::{Error, Result};
use gna_domain::port::vault::KeyBytes;
use gna_domain::port::{Clock, Handler, Jobs, Outcome};
use gna_domain::service::blocker::resume::ResumeHandler;
use gna_domain::service::bulk::run::BulkHandler;
use gna_domain::service::feeds::FeedHandler;
use gna_domain::service::import::ImportHandler;
use gna_domain::service::index;
use gna_domain::service::metrics::RebuildHandler;
use gna_domain::service::priority::RescoreHandler;
use gna_domain::service::settle::SettleHandler;
use gna_domain::service::sweep::SweepHandler;
use gna_domain::service::triage_rule::run::TriageRunHandler;
use gna_domain::service::weakness_acceptance::run::AcceptanceRunHandler;
use gna_integrations::framework::client::AppClient;
use gna_integrations::framework::vault::EnvelopeVault;
use gna_integrations::framework::vault::keyring::HeldKeyring;
use gna_parsers::data::Runner;
use gna_parsers::{Limits, Reader, Registry};
use gna_storage::backend::Now;
use gna_storage::backend::counting::Counting;
#[cfg(feature = "dynamodb")]
use gna_storage::backend::dynamodb::DynamoBackend;
use gna_storage::backend::lagging::{Lag, Lagging};
use gna_storage::backend::memory::MemoryBackend;
#[cfg(feature = "mongodb")]
use gna_storage::backend::mongodb::MongoBackend;
use gna_storage::backend::postgres::PostgresBackend;
use gna_storage::backend::sqlite::{SqliteBackend, SqliteDb, SqliteOptions};
#[cfg(feature = "dynamodb")]
use gna_storage::conformance::dynamodb;
#[cfg(feature = "mongodb")]
use gna_storage::conformance::mongodb;
#[cfg(feature = "opensearch")]
use gna_storage::conformance::opensearch;
use gna_storage::conformance::postgres::Place;
use gna_storage::kernel::Backend;
use gna_storage::repo::{KernelStore, StoreJobs};
use gna_storage::search::memory::MemorySearch;
use gna_storage::search::sqlite::SqliteSearch;
use gna_storage::search::{LaggingSearch, PostgresSearch};
use std::sync::Arc;

use crate::apps;
use crate::egress::FakeEgress;
use crate::late::{BEHIND, LAG_MS, Late};
use crate::outside::{FakeClock, MemoryBlobs, PlainPasswords, SequenceIds};

/// Which store a world stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    Memory,
    /// In memory, with lists and a feed that show what was written only once [`World::caught_up`] was
    /// called or the world's clock was moved by a second.
    Lagging,
    /// A file in a folder that goes with the world.
    Sqlite,
    /// A schema that goes with the world, in the server that `TEST_POSTGRES_URL` names.
    Postgres,
    /// A table that goes with the world, in the engine that `TEST_DYNAMODB_URL` names, with a search
    /// index in memory.
    #[cfg(feature = "dynamodb")]
    Dynamodb,
    /// A database that goes with the world, in the replica set that `TEST_MONGODB_URL` names, with a
    /// search index in memory.
    #[cfg(feature = "mongodb")]
    Mongodb,
}

impl Stores {
    pub const ALL: [Self; 2] = [Self::Memory, Self::Sqlite];

    /// What stands in for memory: with `TEST_STORE=postgres` (or `sqlite`, `lagging`) every test that asks for
    /// no particular file runs on that store instead.
    fn chosen(self) -> Self {
        match (self, std::env::var("TEST_STORE").as_deref()) {
            (Self::Memory, Ok("postgres")) => Self::Postgres,
            (Self::Memory, Ok("sqlite")) => Self::Sqlite,
            (Self::Memory, Ok("lagging")) => Self::Lagging,
            #[cfg(feature = "dynamodb")]
            (Self::Memory, Ok("dynamodb")) => Self::Dynamodb,
            #[cfg(feature = "mongodb")]
            (Self::Memory, Ok("mongodb")) => Self::Mongodb,
            (Self::Memory, Ok("memory") | Err(_)) => self,
            (Self::Memory, Ok(other)) => panic!("TEST_STORE={other} is no store of this build"),
            (_, _) => self,
        }
    }
}

pub struct World {
    pub ports: Ports,
    pub clock: Arc<FakeClock>,
    pub blobs: Arc<MemoryBlobs>,
    /// What is sent to other systems ends here.
    pub egress: Arc<FakeEgress>,
    /// A tracker and a keyed app, which answer once [`World::answer_apps`] was called.
    pub apps: Arc<AppClient>,
    /// The same as in the ports, as what it is.
    pub vault: Arc<EnvelopeVault>,
    /// Counts what is asked of the store.
    pub calls: Arc<Counting>,
    /// What is behind, to be waited for.
    pub late: Late,
    handlers: Vec<Arc<dyn Handler>>,
    /// A folder or a schema that goes with the world.
    _place: Box<dyn Send + Sync>,
}

impl World {
    /// A world in memory.
    pub async fn new() -> Self {
        Self::on(Stores::Memory).await
    }

    pub async fn on(stores: Stores) -> Self {
        let world = Self::with_its_own_search(stores.chosen()).await;
        match std::env::var("TEST_SEARCH").as_deref() {
            #[cfg(feature = "opensearch")]
            Ok("opensearch") => {
                let place = opensearch::Place::fresh();
                let place = place.expect("TEST_OPENSEARCH_URL names a server");
                let search = Arc::new(place.open().await);
                world.searching(search, place)
            }
            Ok("lagging") => world.searching_late(),
            Ok(other) => panic!("TEST_SEARCH={other} is no search of this build"),
            Err(_) => world,
        }
    }

    /// With a search index that holds back the newest changes.
    #[must_use]
    pub fn searching_late(mut self) -> Self {
        let late = Arc::new(LaggingSearch::new(self.ports.search.clone(), BEHIND));
        self.ports.search = late.clone();
        self.apps = Arc::new(apps::client(&self.ports));
        self.late.search = Some(late);
        self
    }

    /// With another search index, which goes with the world.
    #[cfg(feature = "opensearch")]
    fn searching(
        mut self,
        search: Arc<dyn gna_domain::port::Search>,
        place: opensearch::Place,
    ) -> Self {
        self.ports.search = search;
        self.apps = Arc::new(apps::client(&self.ports));
        self._place = Box::new((self._place, place));
        self
    }

    async fn with_its_own_search(stores: Stores) -> Self {
        match stores {
            Stores::Memory => {
                let clock = Arc::new(FakeClock::default());
                let backend = Arc::new(MemoryBackend::new(now(&clock)));
                Self::with(backend, Arc::new(MemorySearch::new()), clock, Box::new(()))
            }
            Stores::Lagging => {
                let clock = Arc::new(FakeClock::default());
                let memory = Arc::new(MemoryBackend::new(now(&clock)));
                let lagging = Arc::new(Lagging::new(memory, now(&clock), Lag::Clock(LAG_MS)));
                let search = Arc::new(MemorySearch::new());
                let mut world = Self::with(lagging.clone(), search, clock, Box::new(()));
                world.late.store = Some(lagging);
                world
            }
            Stores::Sqlite => {
                let clock = Arc::new(FakeClock::default());
                let folder = tempfile::tempdir().expect("a temporary folder");
                let db = SqliteDb::open(&folder.path().join("gna.db"), &SqliteOptions::default())
                    .expect("the file opens");
                let backend = SqliteBackend::open(db.clone(), now(&clock))
                    .await
                    .expect("the store opens");
                let search = SqliteSearch::open(db).await.expect("the index opens");
                Self::with(Arc::new(backend), Arc::new(search), clock, Box::new(folder))
            }
            Stores::Postgres => {
                let clock = Arc::new(FakeClock::default());
                let place = Place::fresh().expect("TEST_POSTGRES_URL names a server");
                let db = place.open().await;
                let backend = PostgresBackend::open(db.clone(), now(&clock))
                    .await
                    .expect("the store opens");
                let search = PostgresSearch::open(db).await.expect("the index opens");
                Self::with(Arc::new(backend), Arc::new(search), clock, Box::new(place))
            }
            #[cfg(feature = "dynamodb")]
            Stores::Dynamodb => {
                let clock = Arc::new(FakeClock::default());
                let place = dynamodb::Place::fresh().await;
                let place = place.expect("TEST_DYNAMODB_URL names an engine");
                let backend = DynamoBackend::open(place.open().await, now(&clock))
                    .await
                    .expect("the store opens");
                let search = Arc::new(MemorySearch::new());
                Self::with(Arc::new(backend), search, clock, Box::new(place))
            }
            #[cfg(feature = "mongodb")]
            Stores::Mongodb => {
                let clock = Arc::new(FakeClock::default());
                let place = mongodb::Place::fresh().expect("TEST_MONGODB_URL names a server");
                let backend = MongoBackend::open(place.open().await, now(&clock))
                    .await
                    .expect("the store opens");
                let search = Arc::new(MemorySearch::new());
                Self::with(Arc::new(backend), search, clock, Box::new(place))
            }
        }
    }

    /// A world in memory whose store and search are watched by whoever made them.
    #[must_use]
    pub fn over(
        backend: Arc<dyn Backend>,
        search: Arc<dyn gna_domain::port::Search>,
        clock: Arc<FakeClock>,
    ) -> Self {
        Self::with(backend, search, clock, Box::new(()))
    }

    fn with(
        backend: Arc<dyn Backend>,
        search: Arc<dyn gna_domain::port::Search>,
        clock: Arc<FakeClock>,
        place: Box<dyn Send + Sync>,
    ) -> Self {
        let calls = Arc::new(Counting::new(backend));
        let blobs = Arc::new(MemoryBlobs::default());
        let egress = Arc::new(FakeEgress::default());
        let ids = Arc::new(SequenceIds::default());
        let store = Arc::new(KernelStore::new(calls.clone(), clock.clone()));
        let keyring = HeldKeyring::from_keys(&[KeyBytes::new([7; 32])], ids.clone())
            .expect("the keyring has a key");
        let vault = Arc::new(EnvelopeVault::new(
            store.clone(),
            Arc::new(keyring),
            ids.clone(),
            clock.clone(),
        ));
        let ports = Ports {
            store,
            search,
            blobs: blobs.clone(),
            parsing: Arc::new(Reader::new(
                Arc::new(
                    Registry::with_data(None, Runner::default())
                        .expect("the built-in formats load"),
                ),
                Limits::default(),
            )),
            clock: clock.clone(),
            ids,
            passwords: Arc::new(PlainPasswords),
            egress: egress.clone(),
            vault: vault.clone(),
        };
        Self {
            apps: Arc::new(apps::client(&ports)),
            ports,
            clock,
            blobs,
            egress,
            vault,
            calls,
            late: Late::default(),
            handlers: vec![
                Arc::new(ImportHandler),
                Arc::new(SettleHandler),
                Arc::new(SweepHandler),
                Arc::new(FeedHandler),
                Arc::new(RescoreHandler),
                Arc::new(BulkHandler),
                Arc::new(ResumeHandler),
                Arc::new(TriageRunHandler),
                Arc::new(AcceptanceRunHandler),
                Arc::new(RebuildHandler),
            ],
            _place: place,
        }
    }

    /// From now on the world's apps answer: the tracker gives tokens for any code and any refresh token,
    /// the keyed app takes [`crate::RIGHT_KEY`].
    pub fn answer_apps(&self) {
        self.egress.respond(apps::answer);
    }

    /// Adds a handler that [`World::run_jobs`] knows.
    #[must_use]
    pub fn handling(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handlers.push(handler);
        self
    }

    /// Gna itself, which may do everything.
    #[must_use]
    pub fn system(&self) -> Ctx {
        Ctx::system(self.ports.clone(), "test")
    }

    #[must_use]
    pub fn anonymous(&self) -> Ctx {
        Ctx::new(self.ports.clone(), Actor::Anonymous, Grants::default())
    }

    /// The jobs of this world's store.
    #[must_use]
    pub fn jobs(&self) -> StoreJobs {
        StoreJobs::new(
            self.ports.store.clone(),
            self.ports.clock.clone(),
            self.ports.ids.clone(),
        )
    }

    /// Waits for what is behind: see [`Late::caught_up`].
    pub async fn caught_up(&self) {
        self.late.caught_up().await;
    }

    /// Does all jobs that are due, then brings the index up to date. Where lists lag, it waits for them
    /// before it looks for a job, as a worker does, but not while it does one.
    ///
    /// # Errors
    /// The first error of a handler; its job is put back.
    pub async fn run_jobs(&self) -> Result<()> {
        let jobs = self.jobs();
        let ctx = self.system();
        let kinds: Vec<&str> = self.handlers.iter().map(|handler| handler.kind()).collect();
        loop {
            self.caught_up().await;
            let Some(claimed) = jobs.claim("test-worker", &kinds).await? else {
                break;
            };
            let handler = self
                .handlers
                .iter()
                .find(|handler| handler.kind() == claimed.job().kind);
            let outcome = match handler {
                Some(handler) if claimed.job().cancelled_by.is_some() => {
                    let reason = Error::conflict("job.cancelled", "the job was cancelled");
                    let told = handler.give_up(&ctx, claimed.job(), &reason).await?;
                    Ok(Outcome::Done(told))
                }
                Some(handler) => handler.run(&ctx, &claimed).await,
                None => continue,
            };
            match outcome {
                Ok(Outcome::Done(changes)) => jobs.complete(&claimed, changes).await?,
                Ok(Outcome::Later { at, payload }) => {
                    jobs.continue_later(&claimed, at.max(self.clock.now()), payload)
                        .await?
                }
                Err(error) => {
                    jobs.retry(&claimed, error.message()).await?;
                    return Err(error);
                }
            }
        }
        while index::catch_up(&ctx).await? > 0 && self.late.is_late() {
            self.caught_up().await;
        }
        self.caught_up().await;
        Ok(())
    }
}

fn now(clock: &Arc<FakeClock>) -> Now {
    let clock = clock.clone();
    Arc::new(move || clock.now())
}
