//! Puts the parts together: from configuration to ports, and from ports to what runs.
//!
//! [`Builder`] opens everything that the domain asks of the outside; the [`Instance`] it makes is
//! what commands and the server work with. Nothing runs until [`Instance::start`].

use gna_api::Streams;
use gna_domain::connect::Credential;
use gna_domain::connect::inbox::Dispatcher;
use gna_domain::error::{Error, Result};
use gna_domain::model::{Endpoint, HookReceiver, SigningKey};
use gna_domain::port::jobs::{Handler, Jobs};
use gna_domain::port::recipes::Recipes;
use gna_domain::port::vault::{Sealing, SealingOf};
use gna_domain::port::{AdopterTokens, Apps, Clock, Egress, Ids, Keyring, Search, Store};
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_domain::secret::Secret;
use gna_domain::service::blocker::resume::ResumeHandler;
use gna_domain::service::bulk::run::BulkHandler;
use gna_domain::service::connect::integration::IntegrationHooks;
use gna_domain::service::connect::integration::work::IntegrationHandler;
use gna_domain::service::function::Function;
use gna_domain::service::hook::{HookHandler, Inbox};
use gna_domain::service::inactivity::InactiveHandler;
use gna_domain::service::metrics::RebuildHandler;
use gna_domain::service::tidy::TidyHandler;
use gna_domain::service::triage_rule::run::TriageRunHandler;
use gna_domain::service::weakness_acceptance::run::AcceptanceRunHandler;
use gna_domain::service::webhook::DeliverHandler;
use gna_domain::service::{
    feeds::FeedHandler, import::ImportHandler, notice, priority::RescoreHandler,
    settle::SettleHandler, sweep::SweepHandler,
};
use gna_domain::{Actor, Ctx, Grants, Ports};
use gna_integrations::framework::egress::{EgressConfig, HttpEgress};
use gna_integrations::framework::vault::EnvelopeVault;
#[cfg(feature = "kms")]
use gna_integrations::framework::vault::keyring::KmsKeyring;
use gna_integrations::framework::vault::keyring::{FileKeyring, HeldKeyring};
use gna_integrations::framework::vault::rotation::RotationHandler;
use gna_integrations::modules::Catalogue;
use gna_parsers::{Reader, Registry};
#[cfg(feature = "postgres")]
use gna_storage::backend::postgres::PostgresDb;
use gna_storage::backend::registry::{self, Opened};
#[cfg(feature = "sqlite")]
use gna_storage::backend::sqlite::{SqliteDb, SqliteOptions};
use gna_storage::copy;
use gna_storage::kernel::{self, Backend};
use gna_storage::repo::{KernelStore, StoreJobs};
use gna_storage::search::MemorySearch;
#[cfg(feature = "postgres")]
use gna_storage::search::PostgresSearch;
#[cfg(feature = "sqlite")]
use gna_storage::search::SqliteSearch;
#[cfg(feature = "opensearch")]
use gna_storage::search::opensearch::{self, OpenSearch};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::additions::Additions;
use crate::apps;
use crate::config::{Config, KeyringKind};
use crate::formats;
use crate::modules;
use crate::numbers::Counted;
use crate::outside::{Argon2Passwords, ObjectBlobs, SystemClock, SystemIds, agree};
#[cfg(feature = "mail")]
use crate::outside::{MailEgress, SmtpMailer, Templates};
use crate::recipes;
use crate::worker::{Kept, Worker};

mod background;

pub use background::Running;

/// Assembles an instance; what is not said is as the configuration says.
pub struct Builder {
    config: Config,
    additions: Additions,
    handlers: Vec<Arc<dyn Handler>>,
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
                Arc::new(ResumeHandler),
                Arc::new(TriageRunHandler),
                Arc::new(AcceptanceRunHandler),
                Arc::new(RebuildHandler),
            ],
            additions: Additions::new(),
        }
    }

    /// With what the program adds.
    #[must_use]
    pub fn with(mut self, additions: &Additions) -> Self {
        self.additions = additions.clone();
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
            modules::catalogue(&config, &self.additions)
                .map_err(|error| Error::invalid("module.invalid", error))?,
        );
        let recipes: Arc<dyn Recipes> = Arc::new(
            recipes::book(&config, &self.additions, &modules)
                .map_err(|error| Error::invalid("recipe.invalid", error))?,
        );
        let url = config.store_url();
        make_folder_of(&url)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids = Arc::new(SystemIds);
        let time = Arc::clone(&clock);
        let opened = registry::open(&url, Arc::new(move || time.now()))
            .await
            .map_err(unopened)?;
        agree(opened.backend.as_ref(), clock.as_ref()).await?;
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
        let kernel = Arc::clone(&opened.backend);
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
        handlers.extend(self.additions.handlers().iter().cloned());
        let mut takers = self.additions.takers().to_vec();
        takers.push(Arc::new(IntegrationHooks(Arc::clone(&recipes))));
        let hooks: Arc<dyn Dispatcher> = Arc::new(Inbox::new(modules.clone(), takers));
        handlers.push(Arc::new(HookHandler(Arc::clone(&hooks))));
        handlers.extend(mail_handlers(&config)?);
        let ports = Ports {
            store,
            search,
            blobs: Arc::new(ObjectBlobs::open(&config.blobs_url())?),
            parsing: Arc::new(Reader::new(Arc::clone(&registry), config.limits())),
            clock,
            passwords: Arc::new(Argon2Passwords::new(ids.clone())?),
            egress: egress(egress_config(&config)?)?,
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
            #[cfg(feature = "sqlite")]
            file: opened.sqlite,
            paused,
            kept: Arc::default(),
            streams: Arc::default(),
            #[cfg(feature = "postgres")]
            shared: opened.postgres,
            kernel,
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
    #[cfg(feature = "sqlite")]
    pub file: Option<SqliteDb>,
    /// Whether the store is a copy that nobody has activated: its jobs wait.
    pub paused: bool,
    /// How what runs in the background is.
    pub kept: Arc<Kept>,
    /// The streams of changes that are open.
    pub streams: Arc<Streams>,
    /// The server that has the store, where other processes may share it.
    #[cfg(feature = "postgres")]
    pub shared: Option<PostgresDb>,
    kernel: Arc<dyn Backend>,
    handlers: Vec<Arc<dyn Handler>>,
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
        !matches!(self.ports.store.backend(), "memory" | "sqlite")
    }

    /// Whether this process must keep its search index itself, whatever others do: unless that is in a
    /// shared store's own server, or on a search server, it is this process's.
    fn has_own_search(&self) -> bool {
        if self.is_shared() && self.config.store.search.starts_with("opensearch") {
            return false;
        }
        #[cfg(feature = "postgres")]
        if self.shared.is_some() {
            return !self.config.store.search.is_empty();
        }
        true
    }

    /// Whether people are told by e-mail.
    #[must_use]
    pub fn sends_mail(&self) -> bool {
        !self.paused && !self.config.mail.server.is_empty()
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
                routes: Vec::new(),
            })
            .collect()
    }

    /// A worker with everything that there is to do.
    #[must_use]
    pub fn worker(&self) -> Worker {
        let (ports, jobs) = (self.ports.clone(), Arc::clone(&self.jobs));
        let worker = Worker::new(ports, jobs, self.config.worker.room());
        self.handlers
            .iter()
            .fold(worker, |worker, handler| worker.with(Arc::clone(handler)))
    }

    /// Tells other commands on this machine where the server answers.
    ///
    /// # Errors
    /// `store.unavailable` when the lock file can't be written.
    pub fn announce(&self, address: &str) -> Result<()> {
        #[cfg(feature = "sqlite")]
        if let Some(file) = &self.file {
            return file.announce(address).map_err(unopened);
        }
        let _ = address;
        Ok(())
    }
}

async fn open_search(url: &str, opened: &Opened) -> Result<Arc<dyn Search>> {
    #[cfg(feature = "postgres")]
    if let ("", Some(db)) = (url, &opened.postgres) {
        return Ok(Arc::new(PostgresSearch::open(db.clone()).await?));
    }
    let store = opened.backend.name();
    if url.is_empty() && ["dynamodb", "mongodb"].contains(&store) {
        return Err(Error::invalid(
            "search.url",
            format!(
                "a {store}: store holds no search index; name one with --search (or store.search): opensearch://HOST/INDEX, which all processes share, or sqlite:PATH, a file of this process that is rebuilt where it is lost"
            ),
        ));
    }
    #[cfg(feature = "sqlite")]
    if let ("", Some(db)) = (url, &opened.sqlite) {
        return Ok(Arc::new(SqliteSearch::open(db.clone()).await?));
    }
    if url.starts_with("opensearch") {
        return search_server(url).await;
    }
    let path = match url.split_once(':') {
        None if url.is_empty() => None,
        Some(("memory", "")) => None,
        Some(("sqlite", path)) if !path.is_empty() => Some(PathBuf::from(path)),
        _ => {
            return Err(Error::invalid(
                "search.url",
                "store.search must be empty, memory:, sqlite:PATH or opensearch://HOST/INDEX",
            ));
        }
    };
    match path {
        None => Ok(Arc::new(MemorySearch::new())),
        Some(path) => search_file(&path).await,
    }
}

#[cfg(feature = "sqlite")]
async fn search_file(path: &Path) -> Result<Arc<dyn Search>> {
    let db = SqliteDb::open(path, &SqliteOptions::default()).map_err(unopened)?;
    Ok(Arc::new(SqliteSearch::open(db).await?))
}

#[cfg(feature = "opensearch")]
async fn search_server(url: &str) -> Result<Arc<dyn Search>> {
    let address = opensearch::Address::parse(url)?;
    Ok(Arc::new(OpenSearch::new(&address)?))
}

#[cfg(not(feature = "opensearch"))]
async fn search_server(_: &str) -> Result<Arc<dyn Search>> {
    Err(Error::invalid(
        "search.url",
        "this build leaves out opensearch: search; build it with the cargo feature `opensearch`",
    ))
}

/// What makes and sends letters, where a mail server is named.
fn mail_handlers(config: &Config) -> Result<Vec<Arc<dyn Handler>>> {
    #[cfg(feature = "mail")]
    if !config.mail.server.is_empty() {
        let own = (!config.mail.templates.is_empty()).then(|| Path::new(&config.mail.templates));
        let post = notice::PostHandler {
            mailer: Arc::new(SmtpMailer::new(&config.mail)?),
            texts: Arc::new(Templates::new(own)?),
            public_url: config.public_url(),
        };
        return Ok(vec![
            Arc::new(notice::GatherHandler),
            Arc::new(notice::ReportsHandler),
            Arc::new(post),
            Arc::new(InactiveHandler { letters: true }),
        ]);
    }
    // Refused already when the configuration was read.
    let _ = config;
    Ok(vec![Arc::new(InactiveHandler { letters: false })])
}

#[cfg(not(feature = "sqlite"))]
async fn search_file(_: &Path) -> Result<Arc<dyn Search>> {
    Err(Error::invalid(
        "search.url",
        "this build leaves out sqlite: search; build it with the cargo feature `sqlite`",
    ))
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
        #[cfg(feature = "kms")]
        KeyringKind::Kms => Ok(Arc::new(KmsKeyring::new(&config.keyring.kms_key)?)),
        #[cfg(not(feature = "kms"))]
        KeyringKind::Kms => Err(Error::invalid(
            "keyring.invalid",
            "this build of Gna has no AWS KMS: use one that was built with the feature kms, or another keyring.kind",
        )),
    }
}

/// The way out, to mail servers too where this build knows mail.
#[cfg(feature = "mail")]
fn egress(config: EgressConfig) -> Result<Arc<dyn Egress>> {
    let policy = config.target.clone();
    let http = Arc::new(HttpEgress::new(config)?);
    Ok(Arc::new(MailEgress::new(http, policy)))
}

#[cfg(not(feature = "mail"))]
fn egress(config: EgressConfig) -> Result<Arc<dyn Egress>> {
    Ok(Arc::new(HttpEgress::new(config)?))
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
