//! What every handler is given: the ports, and how this server is reached.

use gna_domain::connect::inbox::{Dispatcher, HookApps};
use gna_domain::connect::module::Webhook;
use gna_domain::ctx::Ports;
use gna_domain::port::recipes::{Recipe, Recipes};
use gna_domain::port::{AdopterTokens, Apps};
use gna_domain::service::function::Function;
use std::sync::Arc;
use std::time::Duration;

use crate::middleware::RateLimits;
use crate::numbers::{Gauges, Tasks};
use crate::operator::Operator;
use crate::streams::Streams;

/// What Frigg's clients may do besides what all callers may; nothing unless it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FriggConfig {
    /// Slug of the organization of people who come without a customer.
    pub organization: Option<String>,
    /// Whether everybody may register.
    pub open_registration: bool,
    /// SHA-256, in hexadecimal, of the key by which an adopter speaks for its people.
    pub key: Option<String>,
    /// Names of the integration types whose own routes are served, to everybody.
    pub routes: Vec<String>,
    /// SHA-256, in hexadecimal, of a key that opens `/health/detailed`.
    pub health_key: Option<String>,
}

/// How this server is reached and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Address under which people reach the server, without a slash at the end:
    /// `https://gna.example.com`. Links are made of it.
    pub public_url: String,
    /// Cookies only over https. Follows from the public address.
    pub secure_cookies: bool,
    /// Largest report, in bytes as sent.
    pub max_upload_bytes: u64,
    /// Whether a proxy in front is believed about where a call comes from (the last entry of
    /// `X-Forwarded-For`). Without one anybody could claim any source.
    pub trust_proxy: bool,
    /// Longest time that an upload may wait for the end of its import.
    pub wait_max: Duration,
    /// Requests per minute of one caller (a person, a token, or an address of nobody known); 0 for
    /// no limit.
    pub rate_per_minute: u32,
    /// SHA-256, in hexadecimal, of a key that opens `/metrics` beside tokens with `instance.read`.
    pub metrics_key: Option<String>,
    /// Whether programs on this machine may read `/metrics` without a key.
    pub metrics_on_loopback: bool,
    /// SHA-256, in hexadecimal, of the key by which commands on this machine act as its operator.
    pub operator_key: Option<String>,
    /// Where browsers go that come back from an app, without a slash at its end; our own page if there is
    /// no other front end.
    pub frontend_url: Option<String>,
    pub frigg: FriggConfig,
    /// What can be run by name: groups of routes, and what a worker runs.
    pub functions: Vec<Function>,
}

impl ApiConfig {
    /// For an address, with 1 GiB uploads and no proxy.
    #[must_use]
    pub fn at(public_url: &str) -> Self {
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            secure_cookies: public_url.starts_with("https://"),
            max_upload_bytes: 1 << 30,
            trust_proxy: false,
            wait_max: Duration::from_secs(300),
            rate_per_minute: 0,
            metrics_key: None,
            metrics_on_loopback: false,
            operator_key: None,
            frontend_url: None,
            frigg: FriggConfig::default(),
            functions: crate::rest::functions(),
        }
    }

    /// With what a worker runs.
    #[must_use]
    pub fn with_functions(mut self, functions: Vec<Function>) -> Self {
        self.functions.extend(functions);
        self
    }

    /// The kinds of jobs that a worker runs.
    #[must_use]
    pub fn job_kinds(&self) -> Vec<String> {
        let jobs = self.functions.iter().filter(|of| of.trigger == "job");
        jobs.map(|function| function.name.clone()).collect()
    }

    /// An absolute address of ours.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// Name of the session's cookie. The prefix makes browsers insist on `Secure`, on path `/` and
    /// on no other host (RFC 6265bis, section 4.1.3.2).
    #[must_use]
    pub fn cookie_name(&self) -> &'static str {
        if self.secure_cookies {
            "__Host-gna_session"
        } else {
            "gna_session"
        }
    }
}

/// Of a server without types of integrations.
struct NoRecipes;

impl Recipes for NoRecipes {
    fn get(&self, _: &str) -> Option<Arc<dyn Recipe>> {
        None
    }

    fn all(&self) -> Vec<Arc<dyn Recipe>> {
        Vec::new()
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub ports: Ports,
    /// The external apps that accounts are connected with.
    pub apps: Arc<dyn Apps>,
    /// The types of integrations.
    pub recipes: Arc<dyn Recipes>,
    pub config: Arc<ApiConfig>,
    /// Checks tokens that an adopter signs, where that is set up.
    pub(crate) adopter: Option<Arc<dyn AdopterTokens>>,
    pub(crate) rates: Arc<RateLimits>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) operator: Arc<Operator>,
    pub(crate) gauges: Option<Arc<dyn Gauges>>,
    pub(crate) tasks: Option<Arc<dyn Tasks>>,
    pub(crate) hooks: Option<Arc<dyn Dispatcher>>,
    pub(crate) hook_apps: Arc<dyn HookApps>,
}

/// Where no module is known.
struct NoApps;

impl HookApps for NoApps {
    fn webhook(&self, _app: &str) -> Option<Webhook> {
        None
    }
}

impl AppState {
    #[must_use]
    pub fn new(ports: Ports, apps: Arc<dyn Apps>, config: ApiConfig) -> Self {
        Self {
            ports,
            apps,
            recipes: Arc::new(NoRecipes),
            rates: Arc::new(RateLimits::new(config.rate_per_minute)),
            streams: Arc::default(),
            operator: Arc::new(Operator::new(config.operator_key.clone())),
            config: Arc::new(config),
            gauges: None,
            tasks: None,
            adopter: None,
            hooks: None,
            hook_apps: Arc::new(NoApps),
        }
    }

    /// With those for whom the webhooks of other apps are.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Arc<dyn Dispatcher>) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// With the apps whose webhooks can be received.
    #[must_use]
    pub fn with_hook_apps(mut self, apps: Arc<dyn HookApps>) -> Self {
        self.hook_apps = apps;
        self
    }

    /// With streams of changes that somebody ends.
    #[must_use]
    pub fn with_streams(mut self, streams: Arc<Streams>) -> Self {
        self.streams = streams;
        self
    }

    /// With types of integrations.
    #[must_use]
    pub fn with_recipes(mut self, recipes: Arc<dyn Recipes>) -> Self {
        self.recipes = recipes;
        self
    }

    /// With tokens that an adopter signs.
    #[must_use]
    pub fn with_adopter(mut self, tokens: Arc<dyn AdopterTokens>) -> Self {
        self.adopter = Some(tokens);
        self
    }

    /// With tasks that go on in the background.
    #[must_use]
    pub fn with_tasks(mut self, tasks: Arc<dyn Tasks>) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// With numbers that are looked up when `/metrics` is read.
    #[must_use]
    pub fn with_gauges(mut self, gauges: Arc<dyn Gauges>) -> Self {
        self.gauges = Some(gauges);
        self
    }
}
