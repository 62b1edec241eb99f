//! Configuration: built-in defaults, then a file, then `.env` and the environment, then flags.
//!
//! Every setting stands with its meaning in `default.toml`. A key that is not there is an error,
//! wherever it comes from. Read next: `model.rs` (the types and their checks), `env.rs`.

mod env;
mod load;
mod model;
mod show;
mod telemetry;

pub use env::Environment;
pub use load::{ConfigError, Overrides, load};
pub use model::{
    BlobsConfig, ClientConfig, Config, DataConfig, EgressSection, FeedsConfig, FormatsConfig,
    FriggSection, ImportConfig, KeyringConfig, KeyringKind, LambdaConfig, LogConfig, LogFormat,
    MailConfig, MailSecurity, MetricsConfig, RecipesConfig, ServerConfig, StoreConfig,
    WorkerConfig,
};
pub use show::{masked_json, masked_toml};
pub use telemetry::{ENDPOINT, TelemetryConfig, is_endpoint, share};

/// The built-in values, with what each setting means.
pub const DEFAULTS: &str = include_str!("default.toml");
