//! What the server answers: the API crate's routes over an instance, and the links into its pages.

use axum::Router;
use gna_api::{ApiConfig, AppState, FriggConfig};
use gna_domain::secret::Secret;
use std::sync::Arc;

use crate::config::Config;
use crate::numbers::Backlog;
use crate::telemetry;
use crate::wiring::Instance;

/// How the API learns what it needs of the configuration.
#[must_use]
pub fn api_config(config: &Config) -> ApiConfig {
    ApiConfig {
        max_upload_bytes: config.import.max_upload_bytes,
        trust_proxy: config.server.trust_proxy,
        rate_per_minute: config.server.rate_per_minute,
        metrics_key: digest(&config.metrics.key),
        metrics_on_loopback: config.metrics.on_loopback,
        frigg: FriggConfig {
            organization: some(&config.frigg.organization),
            open_registration: config.frigg.open_registration,
            routes: config.frigg.routes.clone(),
            key: digest(&config.frigg.api_key),
            health_key: digest(&config.frigg.health_key),
        },
        frontend_url: some(config.server.frontend_url.trim_end_matches('/')),
        ..ApiConfig::at(&config.public_url())
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn digest(key: &str) -> Option<String> {
    some(key).map(|key| Secret::new(key).digest())
}

/// All routes, for calls from outside; whoever has the key is the operator of this machine.
pub fn router(instance: &Instance, operator: Option<&Secret>) -> Router {
    let config = ApiConfig {
        operator_key: operator.map(Secret::digest),
        ..api_config(&instance.config)
    };
    let backlog = Backlog::new(
        Arc::clone(&instance.jobs),
        Arc::clone(&instance.ports.clock),
    );
    let config = config.with_functions(instance.functions());
    let apps = Arc::clone(&instance.apps);
    let state = AppState::new(instance.ports.clone(), apps, config)
        .with_gauges(Arc::new(backlog))
        .with_tasks(instance.kept.clone())
        .with_streams(Arc::clone(&instance.streams))
        .with_recipes(Arc::clone(&instance.recipes))
        .with_hooks(Arc::clone(&instance.hooks))
        .with_hook_apps(instance.modules.clone());
    let state = match &instance.adopter {
        Some(tokens) => state.with_adopter(Arc::clone(tokens)),
        None => state,
    };
    telemetry::continuing(gna_api::app(state))
}

/// The page that makes whoever opens it first the administrator.
#[must_use]
pub fn claim_link(url: &str, secret: &Secret) -> String {
    format!("{url}/claim/{}", secret.expose())
}

/// The page where a person sets a password.
#[must_use]
pub fn password_link(url: &str, secret: &Secret) -> String {
    format!("{url}/reset/{}", secret.expose())
}

/// The page where an invitation is accepted.
#[must_use]
pub fn invitation_link(url: &str, secret: &Secret) -> String {
    format!("{url}/invitations/{}", secret.expose())
}
