//! Puts the parts together: from configuration to ports, and from ports to what runs.
//!
//! [`Builder`] opens everything that the domain asks of the outside; the [`Instance`] it makes is
//! what commands and the server work with. Nothing runs until [`Instance::start`].

use gna_domain::connect::Credential;
use gna_domain::connect::inbox::{Dispatcher, HookTaker};
use gna_domain::error::{Error, Result};
use gna_domain::model::{Endpoint, HookReceiver, SigningKey};
use gna_domain::port::jobs::{Handler, Jobs};
use gna_domain::port::recipes::Recipes;
use gna_domain::port::vault::{Sealing, SealingOf};
use gna_domain::port::{AdopterTokens, Apps, Clock, Ids, Keyring, Search, Store};
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_domain::secret::Secret;
use gna_domain::service::bulk::run::BulkHandler;
use gna_domain::service::connect::integration::work::IntegrationHandler;
use gna_domain::service::connect::integration::{self, IntegrationHooks};
use gna_domain::service::function::Function;
use gna_domain::service::hook::{HookHandler, Inbox};
use gna_domain::service::metrics::RebuildHandler;
use gna_domain::service::tidy::{self, TidyHandler};
use gna_domain::service::triage_rule::run::TriageRunHandler;
use gna_domain::service::webhook::{self, DeliverHandler};
use gna_domain::service::{
    feeds::FeedHandler, import::ImportHandler, index, priority::RescoreHandler, schedule,
    settle::SettleHandler, sweep::SweepHandler,
};
use gna_domain::{Actor, Ctx, Grants, Ports};
use gna_integrations::framework::egress::{EgressConfig, HttpEgress};
use gna_integrations::framework::vault::EnvelopeVault;
use gna_integrations::framework::vault::keyring::{FileKeyring, HeldKeyring};
use gna_integrations::framework::vault::rotation::RotationHandler;
use gna_integrations::modules::Catalogue;
use gna_parsers::{Reader, Registry};
#[cfg(feature = "postgres")]
use gna_storage::backend::postgres::PostgresDb;
use gna_storage::backend::registry::{self, Opened};
use gna_storage::backend::sqlite::{SqliteDb, SqliteOptions};
use gna_storage::copy;
use gna_storage::kernel;
use gna_storage::repo::{KernelStore, StoreJobs};
#[cfg(feature = "postgres")]
use gna_storage::search::PostgresSearch;
use gna_storage::search::{MemorySearch, SqliteSearch};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::apps;
use crate::config::{Config, KeyringKind};
use crate::formats;
use crate::modules;
use crate::numbers::Counted;
use crate::outside::{Argon2Passwords, ObjectBlobs, SystemClock, SystemIds};
use crate::recipes;
use crate::worker::{Worker, follow, keep_schedules};

/// Assembles an instance; what is not said is as the configuration says.
pub struct Builder {
    config: Config,
    handlers: Vec<Arc<dyn Handler>>,
    takers: Vec<Arc<dyn HookTaker>>,
}

impl Builder {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            handlers: vec![
                Arc::new(ImportHandler),
                Arc::new(SettleHandler),
                Arc::new(SweepHandler),
                Arc::new(FeedHandler),
                Arc::new(RescoreHandler),
                Arc::new(TidyHandler),
                Arc::new(DeliverHandler),
                Arc::new(BulkHandler),
                Arc::new(TriageRunHandler),
                Arc::new(RebuildHandler),
            ],
            takers: Vec::new(),
        }
    }

    /// Adds a kind of durable job.
    #[must_use]
    pub fn handler(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handlers.push(handler);
        self
    }

    /// Adds someone who does what follows from the webhooks of some apps.
    #[must_use]
    pub fn taker(mut self, taker: Arc<dyn HookTaker>) -> Self {
        self.takers.push(taker);
        self
    }

    /// Opens the store (which must be free), search, blobs and the rest.
    ///
    /// # Errors
    /// `store.*`, `blob.*`, `format.invalid`, `module.invalid`, `recipe.invalid`, each with what to do.
    pub async fn open(self) -> Result<Instance> {
        let config = self.config;
        // Before anything that counts.
        gna_api::rest::install_metrics();
        let registry = Arc::new(
            formats::registry(&config).map_err(|error| Error::invalid("format.invalid", error))?,
        );
        let modules = Arc::new(
            modules::catalogue(&config).map_err(|error| Error::invalid("module.invalid", error))?,
        );
        let recipes: Arc<dyn Recipes> = Arc::new(
            recipes::book(&config).map_err(|error| Error::invalid("recipe.invalid", error))?,
        );
        let url = config.store_url();
        make_folder_of(&url)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids = Arc::new(SystemIds);
        let time = Arc::clone(&clock);
        let opened = registry::open(&url, Arc::new(move || time.now()))
            .await
            .map_err(unopened)?;
        let paused = match copy::progress(opened.backend.as_ref())
            .await
            .map_err(unopened)?
        {
            Some((progress, _)) if progress.stage == copy::Stage::Copying => {
                return Err(Error::unavailable(
                    "store.copying",
                    "a copy into this store is not complete; run `gna store copy` again, it goes on where it stopped",
                ));
            }
            paused => paused.is_some(),
        };
        let search = open_search(&config.store.search, &opened).await?;
        let store = KernelStore::new(opened.backend, Arc::clone(&clock));
        let store: Arc<dyn Store> = Arc::new(Counted::new(Arc::new(store)));
        let jobs: Arc<dyn Jobs> = Arc::new(StoreJobs::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            ids.clone(),
        ));
        let vault = Arc::new(EnvelopeVault::new(
            Arc::clone(&store),
            keyring(&config, ids.clone())?,
            ids.clone(),
            Arc::clone(&clock),
        ));
        // Every kind of record that holds sealed texts must be named here.
        let sealings: Vec<Arc<dyn Sealing>> = vec![
            Arc::new(SealingOf::<Credential>::new()),
            Arc::new(SealingOf::<Endpoint>::new()),
            Arc::new(SealingOf::<HookReceiver>::new()),
            Arc::new(SealingOf::<SigningKey>::new()),
        ];
        let rotation = RotationHandler::new(Arc::clone(&vault), sealings);
        let mut handlers = self.handlers;
        handlers.push(Arc::new(rotation));
        let mut takers = self.takers;
        takers.push(Arc::new(IntegrationHooks(Arc::clone(&recipes))));
        let hooks: Arc<dyn Dispatcher> = Arc::new(Inbox::new(modules.clone(), takers));
        handlers.push(Arc::new(HookHandler(Arc::clone(&hooks))));
        let ports = Ports {
            store,
            search,
            blobs: Arc::new(ObjectBlobs::open(&config.blobs_url())?),
            parsing: Arc::new(Reader::new(Arc::clone(&registry), config.limits())),
            clock,
            passwords: Arc::new(Argon2Passwords::new(ids.clone())?),
            egress: Arc::new(HttpEgress::new(egress_config(&config)?)?),
            vault,
            ids,
        };
        let apps = apps::client(&config, &modules, &ports)?;
        let adopter = apps::adopter(&config, &ports)?;
        handlers.extend(IntegrationHandler::all(&apps, &recipes));
        Ok(Instance {
            config,
            ports,
            apps,
            recipes,
            adopter,
            jobs,
            registry,
            modules,
            hooks,
            file: opened.sqlite,
            paused,
            #[cfg(feature = "postgres")]
            shared: opened.postgres,
            handlers,
        })
    }
}

/// Everything that a server or a command works with.
pub struct Instance {
    pub config: Config,
    pub ports: Ports,
    /// The way to the external apps, with their modules and our registrations.
    pub apps: Arc<dyn Apps>,
    /// The types of integrations that there are.
    pub recipes: Arc<dyn Recipes>,
    /// Checks tokens that an adopter signs, where that is set up.
    pub adopter: Option<Arc<dyn AdopterTokens>>,
    pub jobs: Arc<dyn Jobs>,
    pub registry: Arc<Registry>,
    /// The external apps that there are.
    pub modules: Arc<Catalogue>,
    /// For whom the webhooks of apps are.
    pub hooks: Arc<dyn Dispatcher>,
    /// The store's file, where it is one.
    pub file: Option<SqliteDb>,
    /// Whether the store is a copy that nobody has activated: its jobs wait.
    pub paused: bool,
    /// The server that has the store, where other processes may share it.
    #[cfg(feature = "postgres")]
    pub shared: Option<PostgresDb>,
    handlers: Vec<Arc<dyn Handler>>,
}

/// The parts that run in the background.
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Instance {
    /// The person at this machine, who has the store in hand.
    #[must_use]
    pub fn operator(&self) -> Ctx {
        Ctx::new(
            self.ports.clone(),
            Actor::LocalOperator,
            Grants::unlimited(),
        )
    }

    /// Whether other processes may have the store open, too.
    fn is_shared(&self) -> bool {
        #[cfg(feature = "postgres")]
        return self.shared.is_some();
        #[cfg(not(feature = "postgres"))]
        false
    }

    /// What a worker runs, by name.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        self.handlers
            .iter()
            .map(|handler| Function {
                name: handler.kind().to_owned(),
                trigger: "job",
                description: handler.description().to_owned(),
            })
            .collect()
    }

    /// Starts the worker, the search indexer and the schedules.
    ///
    /// # Errors
    /// The store's.
    pub async fn start(&self) -> Result<Running> {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        if !self.config.has_role("worker") {
            return Ok(Running { stop, tasks });
        }
        // A store that belongs to one process: leases found now are of a dead one. Where others
        // share it, theirs may well be alive; those of the dead run out by themselves.
        if !self.is_shared() && !self.paused {
            let freed = self.jobs.free_all().await?;
            if freed > 0 {
                tracing::info!(jobs = freed, "taking up jobs that were interrupted");
            }
        }
        let worker = self.handlers.iter().fold(
            Worker::new(
                self.ports.clone(),
                Arc::clone(&self.jobs),
                self.config.worker.slots,
            ),
            |worker, handler| worker.with(Arc::clone(handler)),
        );
        if self.paused {
            tracing::warn!(
                "this store is a copy: its jobs wait for `gna store activate` and a restart"
            );
        } else {
            tasks.spawn(worker.run(stop.clone()));
        }
        let indexing = Ctx::system(self.ports.clone(), "index");
        let commits = self.ports.store.signals().feed;
        #[cfg(feature = "postgres")]
        let shared = self.shared.clone();
        tasks.spawn(follow("index", commits, stop.clone(), move || {
            let ctx = indexing.clone();
            #[cfg(feature = "postgres")]
            let shared = shared.clone();
            async move {
                let step = async { index::catch_up(&ctx).await.map(|_| ()) };
                // One at a time: an older state must not be written over a newer one.
                #[cfg(feature = "postgres")]
                if let Some(shared) = shared {
                    return shared.alone("index", step).await.map_err(unopened)?;
                }
                step.await
            }
        }));
        tasks.spawn(upkeep(stop.clone()));
        if !self.paused {
            tasks.spawn(self.follow_for_webhooks(stop.clone()));
            tasks.spawn(self.follow_for_integrations(stop.clone()));
            let scheduling = Ctx::system(self.ports.clone(), "schedule");
            schedule::ensure(&scheduling, tidy::schedule(self.config.worker.feed_days)).await?;
            tasks.spawn(keep_schedules(scheduling, stop.clone()));
        }
        Ok(Running { stop, tasks })
    }

    /// Turns what happens into deliveries. Several processes may do so: each stretch of the feed
    /// counts once.
    fn follow_for_webhooks(&self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let ctx = Ctx::system(self.ports.clone(), "webhooks");
        let commits = self.ports.store.signals().feed;
        let follower = Arc::new(webhook::follow::follower());
        follow("webhooks", commits, stop, move || {
            let (ctx, follower) = (ctx.clone(), Arc::clone(&follower));
            async move { follower.catch_up(&ctx).await }
        })
    }

    /// Tells integrations what happens, as [`Instance::follow_for_webhooks`] tells webhooks.
    fn follow_for_integrations(&self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let ctx = Ctx::system(self.ports.clone(), "integrations");
        let commits = self.ports.store.signals().feed;
        let follower = Arc::new(integration::follower(Arc::clone(&self.recipes)));
        follow("integrations", commits, stop, move || {
            let (ctx, follower) = (ctx.clone(), Arc::clone(&follower));
            async move { follower.catch_up(&ctx).await }
        })
    }

    /// Tells other commands on this machine where the server answers.
    ///
    /// # Errors
    /// `store.unavailable` when the lock file can't be written.
    pub fn announce(&self, address: &str) -> Result<()> {
        match &self.file {
            Some(file) => file.announce(address).map_err(unopened),
            None => Ok(()),
        }
    }
}

impl Running {
    /// Ends when asked to; jobs that take longer are put back.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// How often what was measured is put into its buckets, so that memory stays small where nobody
/// reads the numbers.
const UPKEEP: Duration = Duration::from_secs(5);

async fn upkeep(stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UPKEEP) => gna_api::rest::upkeep_metrics(),
        }
    }
}

async fn open_search(url: &str, opened: &Opened) -> Result<Arc<dyn Search>> {
    #[cfg(feature = "postgres")]
    if let ("", Some(db)) = (url, &opened.postgres) {
        return Ok(Arc::new(PostgresSearch::open(db.clone()).await?));
    }
    let db = match (url, &opened.sqlite) {
        ("", Some(db)) => db.clone(),

        ("" | "memory:", _) => return Ok(Arc::new(MemorySearch::new())),
        (url, _) => {
            let path = url
                .strip_prefix("sqlite:")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .ok_or_else(|| {
                    Error::invalid(
                        "search.url",
                        "store.search must be empty, memory: or sqlite:PATH",
                    )
                })?;
            SqliteDb::open(&path, &SqliteOptions::default()).map_err(unopened)?
        }
    };
    Ok(Arc::new(SqliteSearch::open(db).await?))
}

/// The keyring that the configuration names. Its file is not touched before it is needed.
///
/// # Errors
/// `keyring.invalid`.
pub fn keyring(config: &Config, ids: Arc<dyn Ids>) -> Result<Arc<dyn Keyring>> {
    match config.keyring.kind {
        KeyringKind::File => Ok(Arc::new(FileKeyring::new(config.key_file(), ids))),
        KeyringKind::Env => {
            let older: Vec<Secret> = config
                .keyring
                .old_keys
                .split(',')
                .filter(|key| !key.trim().is_empty())
                .map(Secret::new)
                .collect();
            let current = Secret::new(config.keyring.key.clone());
            Ok(Arc::new(HeldKeyring::parse(&current, &older, ids)?))
        }
    }
}

fn egress_config(config: &Config) -> Result<EgressConfig> {
    let egress = &config.egress;
    let allowed = AllowList::parse(&egress.allow).map_err(|network| {
        Error::invalid(
            "egress.allow",
            format!("{network:?} is not a network such as 10.1.0.0/16"),
        )
    })?;
    Ok(EgressConfig {
        target: TargetPolicy {
            allowed,
            ports: egress.ports.clone(),
            http_anywhere: egress.http,
        },
        proxy: (!egress.proxy.is_empty()).then(|| egress.proxy.clone()),
    })
}

/// The path in a `sqlite:` address.
#[must_use]
pub fn sqlite_path(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite:")?;
    Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
}

/// Makes the folder of a store's file, for its owner only.
pub(crate) fn make_folder_of(url: &str) -> Result<()> {
    let Some(folder) = sqlite_path(url).and_then(Path::parent) else {
        return Ok(());
    };
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Error::invalid(
            "data.dir",
            format!(
                "the folder {} can't be made ({error}); choose another with --data",
                folder.display()
            ),
        )
    })
}

/// What a backend's refusal at the start is to a person.
pub(crate) fn unopened(error: kernel::Error) -> Error {
    match error {
        kernel::Error::Unavailable(reason) => Error::unavailable("store.unavailable", reason),
        kernel::Error::Corrupt(place) => Error::internal(
            "store.corrupt",
            format!(
                "the store is damaged ({place}); see `gna store check`, or restore a backup with `gna store restore`"
            ),
        ),
        other => Error::unavailable("store.unavailable", other.to_string()),
    }
}
