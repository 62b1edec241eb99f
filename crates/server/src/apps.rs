//! The external apps of this installation: modules, our registrations with them, the way to them.

use gna_domain::Ports;
use gna_domain::error::{Error, Result};
use gna_domain::port::apps::Registration;
use gna_domain::port::{AdopterTokens, Apps};
use gna_domain::secret::Secret;
use gna_domain::service::connect::module::needs_registration;
use gna_integrations::framework::adopter::{Claims, Keys, Tokens};
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::modules::{Catalogue, Signer};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{ClientConfig, Config};

/// What calls the apps.
///
/// # Errors
/// `module.invalid` for a registration with an app that there is no module of.
pub fn client(config: &Config, modules: &Catalogue, ports: &Ports) -> Result<Arc<dyn Apps>> {
    let registrations =
        registrations(config, modules).map_err(|text| Error::invalid("module.invalid", text))?;
    let ports = AppPorts {
        store: Arc::clone(&ports.store),
        clock: Arc::clone(&ports.clock),
        ids: Arc::clone(&ports.ids),
        egress: Arc::clone(&ports.egress),
        vault: Arc::clone(&ports.vault),
        signer: Arc::new(Signer),
    };
    let all = modules.all().map(|loaded| loaded.module.clone());
    let client = AppClient::new(ports, all, registrations, &config.public_url());
    Ok(Arc::new(client))
}

/// # Errors
/// A sentence about the first section that names no module.
pub fn registrations(
    config: &Config,
    modules: &Catalogue,
) -> Result<BTreeMap<String, Registration>, String> {
    let clients = config.modules.clients.iter();
    clients
        .map(|(name, client)| match modules.by_name(name) {
            Some(_) => Ok((name.clone(), registration(client))),
            None => Err(format!(
                "modules.{name} is configured, but there is no module {name:?}; `gna modules list` names them"
            )),
        })
        .collect()
}

fn registration(client: &ClientConfig) -> Registration {
    let secret = Some(client.client_secret.as_str()).filter(|secret| !secret.is_empty());
    Registration {
        id: client.client_id.clone(),
        secret: secret.map(Secret::new),
        scopes: client.scopes.clone(),
    }
}

/// What checks the tokens that an adopter signs.
///
/// # Errors
/// `adopter.key`.
pub fn adopter(config: &Config, ports: &Ports) -> Result<Option<Arc<dyn AdopterTokens>>> {
    let frigg = &config.frigg;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let secret = some(&frigg.jwt_secret).map(|text| Keys::Secret(Secret::new(text)));
    let pem = some(&frigg.jwt_public_key).map(|text| Keys::Pem(Secret::new(text)));
    let published = some(&frigg.jwt_jwks_url).map(Keys::Published);
    let Some(keys) = secret.or(pem).or(published) else {
        return Ok(None);
    };
    let claims = Claims {
        issuer: some(&frigg.jwt_issuer),
        audience: some(&frigg.jwt_audience),
        user: frigg.jwt_user_claim.clone(),
        organization: frigg.jwt_organization_claim.clone(),
    };
    let (clock, egress) = (Arc::clone(&ports.clock), Arc::clone(&ports.egress));
    Ok(Some(Arc::new(Tokens::new(keys, claims, clock, egress)?)))
}

/// Names of the apps that can't be connected before this server is registered with them.
pub fn unregistered<'a>(
    config: &'a Config,
    modules: &'a Catalogue,
) -> impl Iterator<Item = &'a str> {
    let all = modules.all().map(|loaded| &loaded.module);
    all.filter(|module| needs_registration(module))
        .map(|module| module.name.as_str())
        .filter(|name| !config.modules.clients.contains_key(*name))
}
