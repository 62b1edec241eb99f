//! The settings as types, and what must hold of them.

use gna_domain::rules::address::AllowList;
use gna_parsers::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::telemetry::TelemetryConfig;
use crate::worker::Slots;

/// Parts of the work that processes can share among them.
pub const ROLES: [&str; 3] = ["api", "worker", "scheduler"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: ServerConfig,
    pub metrics: MetricsConfig,
    pub feeds: FeedsConfig,
    pub data: DataConfig,
    pub store: StoreConfig,
    pub blobs: BlobsConfig,
    pub import: ImportConfig,
    pub formats: FormatsConfig,
    pub egress: EgressSection,
    pub keyring: KeyringConfig,
    pub modules: ModulesConfig,
    pub recipes: RecipesConfig,
    pub frigg: FriggSection,
    pub mail: MailConfig,
    pub worker: WorkerConfig,
    pub lambda: LambdaConfig,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub public_url: String,
    pub trust_proxy: bool,
    pub rate_per_minute: u32,
    pub frontend_url: String,
    pub roles: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    #[serde(deserialize_with = "text")]
    pub key: String,
    pub on_loopback: bool,
}

/// Feeds of threats, which priorities rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedsConfig {
    /// Whether they are fetched every day from where they are published.
    pub daily: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    pub dir: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    pub url: String,
    pub search: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobsConfig {
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportConfig {
    pub max_upload_bytes: u64,
    pub max_bytes: u64,
    pub max_depth: u32,
    pub max_findings: u64,
    pub max_warnings: usize,
    pub max_text: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatsConfig {
    pub dir: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressSection {
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub ports: Vec<u16>,
    pub http: bool,
    pub proxy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyringKind {
    File,
    Env,
    Kms,
}

/// Printed by `gna config` only, which masks the keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyringConfig {
    pub kind: KeyringKind,
    pub file: String,
    pub key: String,
    pub old_keys: String,
    pub kms_key: String,
}

impl std::fmt::Debug for KeyringConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyringConfig")
            .field("kind", &self.kind)
            .field("file", &self.file)
            .field("kms_key", &self.kms_key)
            .finish_non_exhaustive()
    }
}

/// `dir`, and beside it a section per module that this server is registered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModulesConfig {
    pub dir: String,
    /// By the module's name. Variables of the environment have `_` where the name has `-`.
    #[serde(flatten)]
    pub clients: BTreeMap<String, ClientConfig>,
}

/// Our registration with an app. Printed by `gna config` only, which masks the secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    #[serde(deserialize_with = "text")]
    pub client_id: String,
    #[serde(deserialize_with = "text")]
    pub client_secret: String,
    /// Scopes that people are asked for beside those of the module. The app must let this registration
    /// ask for them.
    #[serde(deserialize_with = "list")]
    pub scopes: Vec<String>,
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A text that may look like a number: some apps give out ids that are.
pub(super) fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Number(u64),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
    })
}

/// A list, also as a variable of the environment has one: its items with commas between them.
fn list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de> + std::str::FromStr<Err: std::fmt::Display>,
    D: serde::Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written<T> {
        List(Vec<T>),
        Text(String),
        Number(u64),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::List(list) => return Ok(list),
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
    };
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let read = items.map(|item| item.parse().map_err(serde::de::Error::custom));
    read.collect()
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipesConfig {
    pub dir: String,
}

/// Printed by `gna config` only, which masks the keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FriggSection {
    #[serde(deserialize_with = "text")]
    pub organization: String,
    pub open_registration: bool,
    pub routes: Vec<String>,
    #[serde(deserialize_with = "text")]
    pub api_key: String,
    #[serde(deserialize_with = "text")]
    pub health_key: String,
    #[serde(deserialize_with = "text")]
    pub jwt_secret: String,
    pub jwt_public_key: String,
    pub jwt_jwks_url: String,
    #[serde(deserialize_with = "text")]
    pub jwt_issuer: String,
    #[serde(deserialize_with = "text")]
    pub jwt_audience: String,
    pub jwt_user_claim: String,
    pub jwt_organization_claim: String,
}

impl std::fmt::Debug for FriggSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FriggSection")
            .field("organization", &self.organization)
            .field("open_registration", &self.open_registration)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

impl FriggSection {
    /// How many kinds of keys for an adopter's tokens are set.
    fn token_keys(&self) -> usize {
        [&self.jwt_secret, &self.jwt_public_key, &self.jwt_jwks_url]
            .iter()
            .filter(|text| !text.is_empty())
            .count()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// Encrypted from the first answer on, or not at all.
    Starttls,
    /// Encrypted from the start.
    Tls,
    None,
}

/// Printed by `gna config` only, which masks the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    pub server: String,
    pub security: MailSecurity,
    pub user: String,
    pub password: String,
    pub from: String,
    pub templates: String,
}

impl std::fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailConfig")
            .field("server", &self.server)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// Of jobs that work on what is here.
    pub slots: usize,
    pub webhook_slots: usize,
    pub app_slots: usize,
    pub mail_slots: usize,
    pub feed_days: u32,
}

impl WorkerConfig {
    /// How many jobs of each class are done at the same time.
    #[must_use]
    pub fn room(&self) -> Slots {
        Slots {
            own: self.slots,
            webhooks: self.webhook_slots,
            apps: self.app_slots,
            mail: self.mail_slots,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LambdaConfig {
    pub trial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub level: String,
    pub format: LogFormat,
}

impl Config {
    /// The store's address, with the default filled in.
    #[must_use]
    pub fn store_url(&self) -> String {
        if self.store.url.is_empty() {
            format!("sqlite:{}", self.data.dir.join("gna.db").display())
        } else {
            self.store.url.clone()
        }
    }

    /// The blobs' address, with the default filled in.
    #[must_use]
    pub fn blobs_url(&self) -> String {
        if self.blobs.url.is_empty() {
            format!("file:{}", self.data.dir.join("blobs").display())
        } else {
            self.blobs.url.clone()
        }
    }

    /// How people reach the server, without a slash at the end.
    #[must_use]
    pub fn public_url(&self) -> String {
        if self.server.public_url.is_empty() {
            format!("http://{}", self.server.listen)
        } else {
            self.server.public_url.trim_end_matches('/').to_owned()
        }
    }

    /// The key file of the vault, with the default filled in.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        if self.keyring.file.is_empty() {
            self.data.dir.join("gna.keys")
        } else {
            PathBuf::from(&self.keyring.file)
        }
    }

    /// Whether this process does that part of the work, one of [`ROLES`].
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.server.roles.split(',').any(|one| one.trim() == role)
    }

    /// Limits under which reports are read.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.import.max_bytes,
            max_depth: self.import.max_depth,
            max_findings: self.import.max_findings,
            max_warnings: self.import.max_warnings,
            max_text: self.import.max_text,
        }
    }

    /// Everything that is wrong with the values, one sentence each.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |holds: bool, message: &str| {
            if !holds {
                wrong.push(message.to_owned());
            }
        };
        let public = &self.server.public_url;
        check(
            public.is_empty() || public.starts_with("http://") || public.starts_with("https://"),
            "server.public_url must start with http:// or https://, or be empty",
        );
        let front_end = &self.server.frontend_url;
        check(
            front_end.is_empty()
                || front_end.starts_with("http://")
                || front_end.starts_with("https://"),
            "server.frontend_url must start with http:// or https://, or be empty",
        );
        check(
            self.server
                .roles
                .split(',')
                .all(|role| ROLES.contains(&role.trim())),
            "server.roles must be some of api, worker and scheduler: api,worker,scheduler",
        );
        let url = self.store_url();
        let is_shared = !url.starts_with("sqlite:") && !url.starts_with("memory:");
        for role in ROLES {
            check(
                self.has_role(role) || is_shared,
                &format!(
                    "server.roles leaves out {role}, but only a store on a server, such as postgres:, can have it in another process"
                ),
            );
        }
        check(
            !self.data.dir.as_os_str().is_empty(),
            "data.dir must name a folder, such as ./gna-data",
        );
        let store = &self.store.url;
        check(
            store.is_empty() || store.contains(':'),
            "store.url must be an address such as sqlite:/var/lib/gna/gna.db",
        );
        let blobs = &self.blobs.url;
        check(
            blobs.is_empty()
                || blobs.starts_with("file:")
                || blobs.starts_with("s3://")
                || blobs == "memory:",
            "blobs.url must be file:FOLDER or s3://BUCKET/FOLDER (memory: keeps nothing and is for trials)",
        );
        let import = &self.import;
        check(
            import.max_upload_bytes >= 1_024,
            "import.max_upload_bytes must be at least 1024",
        );
        check(
            import.max_bytes >= 1_024,
            "import.max_bytes must be at least 1024",
        );
        check(
            (8..=1_024).contains(&import.max_depth),
            "import.max_depth must be between 8 and 1024",
        );
        check(
            import.max_findings >= 1,
            "import.max_findings must be at least 1",
        );
        check(
            (256..=1_048_576).contains(&import.max_text),
            "import.max_text must be between 256 and 1048576",
        );
        let allow = AllowList::parse(&self.egress.allow);
        check(
            allow.is_ok(),
            "egress.allow must list networks such as 10.1.0.0/16 or fd12::/16",
        );
        let proxy = &self.egress.proxy;
        check(
            proxy.is_empty() || proxy.starts_with("http://") || proxy.starts_with("https://"),
            "egress.proxy must start with http:// or https://, or be empty",
        );
        check(
            self.keyring.kind != KeyringKind::Env || !self.keyring.key.is_empty(),
            "keyring.kind is env: give the key, 32 bytes in base64, as GNA_KEYRING__KEY (or GNA_KEYRING__KEY_FILE)",
        );
        check(
            self.keyring.kind != KeyringKind::Kms || !self.keyring.kms_key.is_empty(),
            "keyring.kind is kms: name the key, by id, ARN or alias, in keyring.kms_key",
        );
        let frigg = &self.frigg;
        check(
            frigg.api_key.is_empty() || frigg.api_key.len() >= 32,
            "frigg.api_key must have 32 characters or more; whoever has it speaks for all people of the product",
        );
        check(
            frigg.health_key.is_empty() || frigg.health_key.len() >= 16,
            "frigg.health_key must have 16 characters or more",
        );
        check(
            frigg.token_keys() <= 1,
            "frigg: give one of jwt_secret, jwt_public_key and jwt_jwks_url",
        );
        check(
            !frigg.open_registration || !frigg.organization.is_empty(),
            "frigg.open_registration needs frigg.organization, the slug of the organization that people become members of",
        );
        for (name, client) in &self.modules.clients {
            check(
                !client.client_id.is_empty(),
                &format!(
                    "modules.{name} has no client_id; it is what the app calls this server's registration"
                ),
            );
        }
        let mail = &self.mail;
        let port = mail.server.rsplit_once(':').map(|(_, port)| port);
        check(
            mail.server.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok()),
            "mail.server must be like mail.example.com:587, or empty",
        );
        check(
            mail.server.is_empty() || mail.from.contains('@'),
            "mail.from must say whom letters are from, like Gna <gna@example.com>",
        );
        check(
            mail.server.is_empty() || cfg!(feature = "mail"),
            "mail.server is set, but this binary was built without the feature mail",
        );
        let worker = &self.worker;
        for (name, slots) in [
            ("slots", worker.slots),
            ("webhook_slots", worker.webhook_slots),
            ("app_slots", worker.app_slots),
            ("mail_slots", worker.mail_slots),
        ] {
            check(
                (1..=64).contains(&slots),
                &format!("worker.{name} must be between 1 and 64"),
            );
        }
        check(
            self.worker.feed_days >= 1,
            "worker.feed_days must be at least 1",
        );
        check(
            self.log
                .level
                .parse::<tracing_subscriber::EnvFilter>()
                .is_ok(),
            "log.level must be error, warn, info, debug, trace or a filter such as info,gna_storage=debug",
        );
        for problem in self.telemetry.problems() {
            check(false, &problem);
        }
        wrong
    }
}
