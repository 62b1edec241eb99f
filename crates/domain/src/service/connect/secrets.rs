//! The values of a connection: sealed in the store, and as templates name them.

use serde_json::{Map, Value};

use crate::connect::module::{Auth, ClientFrom};
use crate::connect::oauth2::{Client, Tokens};
use crate::connect::{Credential, Module, Values};
use crate::error::{Error, Result};
use crate::id::{CredentialId, OrganizationId};
use crate::port::apps::Apps;
use crate::port::vault::{Binding, Sealed, Vault};
use crate::secret::Secret;

/// Seals the values of a credential.
///
/// # Errors
/// The vault's.
pub async fn seal(
    vault: &dyn Vault,
    organization: OrganizationId,
    credential: CredentialId,
    values: &Map<String, Value>,
) -> Result<Sealed> {
    seal_as(
        vault,
        &Credential::binding(organization, credential),
        values,
    )
    .await
}

pub(super) async fn seal_as(
    vault: &dyn Vault,
    binding: &Binding,
    values: &Map<String, Value>,
) -> Result<Sealed> {
    let text = serde_json::to_string(values)
        .map_err(|_| Error::internal("store.encode", "the values can't be written"))?;
    vault.seal(binding, &Secret::new(text)).await
}

/// The values of a credential.
///
/// # Errors
/// The vault's.
pub async fn open(vault: &dyn Vault, credential: &Credential) -> Result<Map<String, Value>> {
    let binding = Credential::binding(credential.organization, credential.id);
    open_as(vault, &binding, &credential.sealed).await
}

pub(super) async fn open_as(
    vault: &dyn Vault,
    binding: &Binding,
    sealed: &Sealed,
) -> Result<Map<String, Value>> {
    let text = vault.open(binding, sealed).await?;
    serde_json::from_str(text.expose())
        .map_err(|_| Error::internal("vault.unreadable", "the values can't be read"))
}

/// The values as templates name them. `sealed` also holds the connection parameters that are secret.
#[must_use]
pub fn values(
    module: &Module,
    connection: &Map<String, Value>,
    sealed: &Map<String, Value>,
    entity: &Map<String, Value>,
) -> Values {
    let mut connection = connection.clone();
    for field in module.connection.iter().filter(|field| field.secret) {
        if let Some(value) = sealed.get(&field.name) {
            connection.insert(field.name.clone(), value.clone());
        }
    }
    Values::new()
        .with("connection", Value::Object(connection))
        .with("credential", Value::Object(sealed.clone()))
        .with("entity", Value::Object(entity.clone()))
}

/// Our registration with the app: from the configuration, or what the user said.
///
/// # Errors
/// `module.unregistered` with what to configure.
pub fn client(apps: &dyn Apps, module: &Module, values: &Values) -> Result<Client> {
    let redirect_uri = Some(apps.redirect_uri(module));
    let scope = match &module.auth {
        Auth::Oauth2Code(kind) if kind.client_from == ClientFrom::Connection => Some("connection"),
        Auth::Oauth2Password(kind) if kind.client_from == ClientFrom::Connection => {
            Some("connection")
        }
        Auth::Oauth2ClientCredentials(_) => Some("credential"),
        _ => None,
    };
    let said = scope.and_then(|scope| {
        let id = values.text(scope, "client_id")?.to_owned();
        let secret = values.text(scope, "client_secret").map(Secret::new);
        Some((id, secret, Vec::new()))
    });
    let known = || {
        apps.registration(module)
            .map(|client| (client.id, client.secret, client.scopes))
    };
    let (id, secret, scopes) = said.or_else(known).ok_or_else(|| {
        Error::invalid(
            "module.unregistered",
            format!(
                "this server is not registered with {}; the operator sets modules.{}.client_id and client_secret",
                module.display.label, module.name
            ),
        )
    })?;
    Ok(Client {
        id,
        secret,
        redirect_uri,
        scopes,
    })
}

/// A token answer as values.
#[must_use]
pub fn of_tokens(tokens: &Tokens) -> Map<String, Value> {
    let mut values = tokens.kept.clone();
    values.insert(
        "access_token".to_owned(),
        Value::from(tokens.access_token.expose()),
    );
    if let Some(token) = &tokens.refresh_token {
        values.insert("refresh_token".to_owned(), Value::from(token.expose()));
    }
    if let Some(scope) = &tokens.scope {
        values.insert("scope".to_owned(), Value::from(scope.as_str()));
    }
    values
}

/// The tokens among a credential's values, as they were before a refresh.
#[must_use]
pub fn tokens_of(credential: &Credential, values: &Map<String, Value>) -> Option<Tokens> {
    let text = |name: &str| values.get(name).and_then(Value::as_str);
    Some(Tokens {
        access_token: Secret::new(text("access_token")?),
        refresh_token: text("refresh_token").map(Secret::new),
        expires_at: credential.access_expires,
        refresh_expires_at: credential.refresh_expires,
        scope: text("scope").map(str::to_owned),
        kept: Map::new(),
    })
}
