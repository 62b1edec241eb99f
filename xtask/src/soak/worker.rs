//! A child: several workers that call the providers in the name of many accounts, on one SQLite file, or
//! on one PostgreSQL schema with the workers of another child.

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use gna_domain::connect::oauth2::{JwtSigner, SigningInput};
use gna_domain::connect::{ConnectedEntity, Module};
use gna_domain::ctx::{Actor, Ctx, Grants, Ports};
use gna_domain::error::Error;
use gna_domain::id::{OrganizationId, TypedId, UserId};
use gna_domain::policy::Role;
use gna_domain::port::apps::{Ask, Registration};
use gna_domain::port::egress::{Egress, EgressError, Header, OutRequest, OutResponse};
use gna_domain::port::vault::KeyBytes;
use gna_domain::port::{Apps, Clock, Ids, Store, repo};
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_domain::rules::refresh::LEASE_MS;
use gna_domain::secret::Secret;
use gna_domain::service::connect::authorize::{Begin, Complete, Requirements, begin, complete};
use gna_domain::time::Timestamp;
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::framework::egress::{EgressConfig, HttpEgress};
use gna_integrations::framework::vault::EnvelopeVault;
use gna_integrations::framework::vault::keyring::HeldKeyring;
use gna_storage::backend::Now;
use gna_storage::backend::postgres::{Address, PostgresBackend, PostgresDb};
use gna_storage::backend::sqlite::{SqliteBackend, SqliteDb, SqliteOptions};
use gna_storage::kernel::Backend;
use gna_storage::repo::KernelStore;
use gna_testkit::World;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

use super::provider::{KINDS, LEEWAY_SECONDS, Random, SENT, real_ms};

/// Workers of one process; each has one account in its hands at a time.
pub const WORKERS: u64 = 4;

/// The variable that names the PostgreSQL schema; without it the store is a file in the folder.
pub const STORE: &str = "SOAK_STORE";

#[derive(clap::Args)]
pub struct Args {
    #[arg(long)]
    url: String,
    #[arg(long)]
    folder: PathBuf,
    /// Number of this child, so that its ids are like no other's
    #[arg(long)]
    child: u64,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    speed: u32,
    #[arg(long)]
    accounts: u32,
    /// Connect every account, and end
    #[arg(long)]
    connect: bool,
    /// Call every account once, and say what came of it
    #[arg(long)]
    check: bool,
}

/// Time that runs faster.
struct FastClock {
    speed: i64,
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(real_ms()).unwrap_or(i64::MAX);
        // From a recent moment on, so that the product stays a date.
        Timestamp::from_millis(
            millis
                .saturating_sub(1_767_225_600_000)
                .saturating_mul(self.speed),
        )
    }
}

/// Timeouts as short as time is fast.
struct FastEgress {
    inner: HttpEgress,
    speed: u64,
}

#[async_trait]
impl Egress for FastEgress {
    async fn send(&self, request: OutRequest) -> Result<OutResponse, EgressError> {
        let millis = (request.timeout_ms / self.speed).max(1);
        let sent = Header::plain(SENT, real_ms().to_string());
        let request = request.header(sent).timeout_ms(millis);
        self.inner.send(request).await
    }
}

/// Ids and secrets by seed and child.
struct SeededIds {
    seed: u64,
    child: u64,
    next: AtomicU64,
}

impl Ids for SeededIds {
    fn uuid(&self) -> Uuid {
        let next = self.next.fetch_add(1, Ordering::SeqCst);
        let number = (u128::from(self.child) << 32) | u128::from(next);
        Uuid::from_u128((0x0190_0000_0000_7000_8000_u128 << 48) | number)
    }

    fn random(&self) -> [u8; 32] {
        let next = self.next.fetch_add(1, Ordering::SeqCst);
        Sha256::digest(format!("{} {} {next}", self.seed, self.child)).into()
    }
}

struct NoSigner;

impl JwtSigner for NoSigner {
    fn sign(&self, _: &SigningInput) -> Result<Secret, Error> {
        Err(Error::invalid("jwt.key", "there is no key"))
    }
}

fn modules(url: &str) -> Result<Vec<Module>> {
    let reuse = [
        json!("non_rotating"),
        json!({"rotating_with_leeway": {"seconds": LEEWAY_SECONDS}}),
        json!("rotating_family_revocation"),
    ];
    let module = |(name, reuse): (&&str, &serde_json::Value)| {
        let base = format!("{url}/{name}");
        serde_json::from_value(json!({
            "name": name,
            "display": {"label": name, "description": "A fake.", "category": "issue_tracker", "details_url": url},
            "docs": [],
            "urls": {"api": base},
            "auth": {"oauth2_code": {
                "authorize_url": format!("{base}/authorize"),
                "token_url": format!("{base}/token"),
                "token": {"refresh": reuse}
            }},
            "test": {"path": "/me"},
            "identity": {
                "calls": [{"call": {"path": "/me"}, "keep": {"id": "/id"}}],
                "external_id": "{kept.id}", "display_name": "{kept.id}"
            }
        }))
        .context("a module")
    };
    KINDS.iter().zip(&reuse).map(module).collect()
}

/// What each worker has.
struct Desk {
    ctx: Ctx,
    apps: AppClient,
    organization: OrganizationId,
    user: UserId,
    /// People connect an account again one at a time, whatever process they came to: this file is
    /// locked by whoever does.
    turns: PathBuf,
}

/// # Errors
/// The store does not open.
pub fn run(args: &Args) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let desk = Arc::new(open(args).await?);
        if args.connect {
            connect_all(&desk, args.accounts).await?;
            return Ok(true);
        }
        if args.check {
            // What those who were killed began holds nobody up any more.
            let lease = u64::try_from(LEASE_MS).unwrap_or(0) / u64::from(args.speed.max(1));
            tokio::time::sleep(Duration::from_millis(lease)).await;
            check(&desk, args.accounts).await?;
            return Ok(true);
        }
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..WORKERS {
            let desk = Arc::clone(&desk);
            let random = Random::new(args.seed ^ (args.child * WORKERS + worker + 1));
            workers.spawn(work(desk, random, args.accounts));
        }
        // They end when they are killed, or by a defect.
        match workers.join_next().await {
            Some(Ok(Err(error))) => Err(error),
            _ => Err(anyhow!("a worker ended")),
        }
    })
}

async fn open(args: &Args) -> Result<Desk> {
    let clock: Arc<dyn Clock> = Arc::new(FastClock {
        speed: i64::from(args.speed),
    });
    let ids: Arc<dyn Ids> = Arc::new(SeededIds {
        seed: args.seed,
        child: args.child,
        next: AtomicU64::new(1),
    });
    let backend = backend(args, Arc::clone(&clock)).await?;
    let store: Arc<dyn Store> = Arc::new(KernelStore::new(backend, Arc::clone(&clock)));
    let keyring = HeldKeyring::from_keys(&[KeyBytes::new([9; 32])], Arc::clone(&ids))?;
    let vault = Arc::new(EnvelopeVault::new(
        Arc::clone(&store),
        Arc::new(keyring),
        Arc::clone(&ids),
        Arc::clone(&clock),
    ));
    let allowed = AllowList::parse(&["127.0.0.0/8"]).map_err(|error| anyhow!(error))?;
    let config = EgressConfig {
        target: TargetPolicy {
            allowed,
            ports: Vec::new(),
            http_anywhere: false,
        },
        proxy: None,
    };
    let egress: Arc<dyn Egress> = Arc::new(FastEgress {
        inner: HttpEgress::new(config)?,
        speed: u64::from(args.speed),
    });
    let ports = AppPorts {
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        egress: Arc::clone(&egress),
        vault: vault.clone(),
        signer: Arc::new(NoSigner),
    };
    let ours = Registration {
        id: "gna".to_owned(),
        secret: Some(Secret::new("soak")),
        scopes: Vec::new(),
    };
    let registrations: BTreeMap<String, Registration> = KINDS
        .iter()
        .map(|name| ((*name).to_owned(), ours.clone()))
        .collect();
    let apps = AppClient::new(ports, modules(&args.url)?, registrations, &args.url);
    let organization = OrganizationId::from_uuid(Uuid::from_u128(1));
    let user = UserId::from_uuid(Uuid::from_u128(2));
    let grants = Grants {
        organizations: [(organization, Role::Owner)].into(),
        ..Grants::default()
    };
    // The ports that nothing here asks for are those of a test.
    let ports = Ports {
        store,
        clock,
        ids,
        egress,
        vault,
        ..World::new().await.ports
    };
    Ok(Desk {
        ctx: Ctx::new(ports, Actor::User(user), grants),
        apps,
        organization,
        user,
        turns: args.folder.join("turns"),
    })
}

async fn backend(args: &Args, clock: Arc<dyn Clock>) -> Result<Arc<dyn Backend>> {
    let now: Now = Arc::new(move || clock.now());
    if let Ok(url) = std::env::var(STORE) {
        let address = Address::parse(&url).map_err(|error| anyhow!("the store: {error}"))?;
        let db = PostgresDb::open(&address)
            .await
            .map_err(|error| anyhow!("the store: {error}"))?;
        let backend = PostgresBackend::open(db, now)
            .await
            .map_err(|error| anyhow!("the store: {error}"))?;
        return Ok(Arc::new(backend));
    }
    let db = SqliteDb::open(&args.folder.join("gna.db"), &SqliteOptions::default())
        .map_err(|error| anyhow!("the store: {error}"))?;
    let backend = SqliteBackend::open(db, now)
        .await
        .map_err(|error| anyhow!("the store: {error}"))?;
    Ok(Arc::new(backend))
}

impl Desk {
    /// Held until it is dropped, or its process is killed.
    async fn turn(&self) -> Result<File, Error> {
        let path = self.turns.clone();
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::create(path)?;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        });
        let broken = || Error::internal("soak.turn", "the file of turns can't be locked");
        let locked = locked.await.map_err(|_| broken())?;
        locked.map_err(|_| broken())
    }

    async fn entity(&self, kind: &str, account: &str) -> Result<Option<ConnectedEntity>, Error> {
        let values = [
            &self.organization.to_string(),
            &self.user.to_string(),
            kind,
            account,
        ];
        let store = self.ctx.store();
        let found = repo::find::<ConnectedEntity>(store, "account", &values).await?;
        Ok(found.map(|found| found.value))
    }

    async fn connect(&self, kind: &str, account: &str) -> Result<(), Error> {
        let wanted = Begin {
            organization: self.organization,
            module: kind.to_owned(),
            shared: false,
            connection: None,
            entity: None,
        };
        let required = begin(&self.ctx, &self.apps, wanted).await?;
        let Requirements::Redirect { state, .. } = required else {
            return Err(Error::internal("soak.form", "a form"));
        };
        let input = Complete {
            organization: self.organization,
            module: kind.to_owned(),
            shared: false,
            state: Some(state),
            entity: None,
            data: json!({ "code": format!("code-{account}") }),
        };
        complete(&self.ctx, &self.apps, input).await.map(|_| ())
    }

    async fn call(&self, kind: &str, account: &str) -> Result<(), Error> {
        let missing = || Error::internal("soak.account", "an account was not connected");
        let entity = self.entity(kind, account).await?.ok_or_else(missing)?;
        match self.apps.call(&entity, Ask::Test).await {
            Err(error) if error.code() == "credential.reconnect" => {
                let _turn = self.turn().await?;
                // Somebody else may have done it while we waited for our turn.
                match self.apps.call(&entity, Ask::Test).await {
                    Err(error) if error.code() == "credential.reconnect" => {
                        self.connect(kind, account).await
                    }
                    done => done.map(|_| ()),
                }
            }
            done => done.map(|_| ()),
        }
    }
}

/// Calls for ever. Only what the app does wrong is expected to fail.
async fn work(desk: Arc<Desk>, mut random: Random, accounts: u32) -> Result<()> {
    loop {
        let at = usize::try_from(random.below(3)).unwrap_or(0);
        let kind = KINDS.get(at).copied().unwrap_or("stable");
        let account = format!("{kind}-{}", random.below(u64::from(accounts)));
        if let Err(error) = desk.call(kind, &account).await {
            // The other process may have changed the same meanwhile: whoever called would call again.
            let expected = [
                "app.",
                "egress.",
                "credential.",
                "authorization.",
                "store.conflict",
            ];
            if !expected.iter().any(|start| error.code().starts_with(start)) {
                return Err(anyhow!("{}: {error}", error.code()));
            }
        }
    }
}

async fn connect_all(desk: &Desk, accounts: u32) -> Result<()> {
    for kind in KINDS {
        for account in 0..accounts {
            let connected = desk.connect(kind, &format!("{kind}-{account}")).await;
            connected.map_err(|error| anyhow!("{}: {error}", error.code()))?;
        }
    }
    Ok(())
}

async fn check(desk: &Desk, accounts: u32) -> Result<()> {
    let (mut working, mut waiting, mut silent) = (0, [0_u64; 3], 0);
    for (kind, waiting) in KINDS.iter().zip(&mut waiting) {
        for account in 0..accounts {
            let account = format!("{kind}-{account}");
            let Some(entity) = desk.entity(kind, &account).await? else {
                continue;
            };
            match desk.apps.call(&entity, Ask::Test).await {
                Ok(_) => working += 1,
                Err(error) if error.code() == "credential.reconnect" => *waiting += 1,
                Err(error) => {
                    eprintln!("{account}: {} {error}", error.code());
                    silent += 1;
                }
            }
        }
    }
    println!(
        "{}",
        json!({ "working": working, "waiting": waiting, "silent": silent })
    );
    Ok(())
}
