//! The second half of a connection: test, identity, and the one commit.

pub mod step;

mod store;

use serde_json::{Map, Value};

use super::{secrets, tokens};
use crate::connect::oauth2::Tokens;
use crate::connect::{AuthorizationSession, ConnectedEntity, Credential, Module, Owner, Values};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::id::{EntityId, OrganizationId};
use crate::port::apps::Apps;
use crate::port::store::Stored;
use crate::time::Timestamp;

/// What is known of an account before it is stored.
#[derive(Clone)]
pub struct Found {
    pub organization: OrganizationId,
    pub owner: Owner,
    /// The entity that is connected again.
    pub entity: Option<EntityId>,
    pub connection: Map<String, Value>,
    /// All values that will be sealed.
    pub sealed: Map<String, Value>,
    /// Values for later calls, of which the module says what is stored.
    pub kept: Map<String, Value>,
    pub access_expires: Option<Timestamp>,
    pub refresh_expires: Option<Timestamp>,
    /// The session of the last of several steps, which ends with the commit that stores the account.
    pub session: Option<Stored<AuthorizationSession>>,
}

impl Found {
    pub fn new(
        organization: OrganizationId,
        owner: Owner,
        entity: Option<EntityId>,
        connection: Map<String, Value>,
        sealed: Map<String, Value>,
    ) -> Self {
        Self {
            organization,
            owner,
            entity,
            connection,
            sealed,
            kept: Map::new(),
            access_expires: None,
            refresh_expires: None,
            session: None,
        }
    }

    pub fn take_tokens(&mut self, tokens: Tokens) {
        self.access_expires = tokens.expires_at;
        self.refresh_expires = tokens.refresh_expires_at;
        self.sealed = tokens::over(&self.sealed, &tokens);
        self.kept.extend(tokens.kept);
    }
}

/// A connected account.
#[derive(Clone, Debug)]
pub struct Connected {
    pub credential: Credential,
    pub entity: ConnectedEntity,
    /// Whether the entity was not known before.
    pub is_new: bool,
}

/// Who the account is.
pub struct Identity {
    pub external_id: String,
    pub name: String,
    pub properties: Map<String, Value>,
}

/// Tests, identifies, and stores credential and entity together.
///
/// # Errors
/// The app's where test or identity fail, `authorization.other_account`, `authorization.expired` where the
/// last of several steps was taken twice at once, `vault.*`, or the store's.
pub async fn connect(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    mut found: Found,
) -> Result<Connected> {
    let kept = Values::new().with("kept", Value::Object(found.kept.clone()));
    // What every later call will have: not the codes of steps, but what they were given for.
    let mut lasting = module.step_fields(&found.sealed);
    lasting.extend(module.credential_properties(&kept));
    let values = secrets::values(module, &found.connection, &lasting, &Map::new());
    let values = tokens::with_jwt(apps, module, values, ctx.now())?;
    if let Some(call) = &module.test {
        let request = module.request("test", call, &values)?;
        let repeatable = request.method.is_idempotent();
        apps.send(module, request, repeatable).await?;
    }
    // The identity may name what was typed, as an address, although it is not stored.
    let mut whole = found.sealed.clone();
    whole.extend(lasting.clone());
    let values = values
        .with("credential", Value::Object(whole))
        .with("kept", Value::Object(found.kept.clone()));
    let identity = identify(apps, module, &mut found, values).await?;
    let kept = Values::new().with("kept", Value::Object(found.kept.clone()));
    lasting.extend(module.credential_properties(&kept));
    found.sealed = lasting;
    store::store(ctx, apps, module, &found, &identity).await
}

async fn identify(
    apps: &dyn Apps,
    module: &Module,
    found: &mut Found,
    mut values: Values,
) -> Result<Identity> {
    for (number, step) in module.identity.calls.iter().enumerate() {
        let request = module.request(&format!("identity{}", number + 1), &step.call, &values)?;
        let repeatable = request.method.is_idempotent();
        let answer = apps.send(module, request, repeatable).await?;
        for (name, take) in &step.keep {
            if let Some(value) = take.from(&answer.body, &values) {
                found.kept.insert(name.clone(), value.clone());
            }
        }
        values = values.with("kept", Value::Object(found.kept.clone()));
    }
    let text = |template: &crate::connect::Template, what: &str| {
        let text = template.text(&values).unwrap_or_default();
        let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        let missing = || {
            Error::new(
                Kind::Upstream,
                "authorization.identity",
                format!(
                    "{} did not say {what} of the account; check the module's identity call and its scopes",
                    module.display.label
                ),
            )
        };
        (!text.trim().is_empty())
            .then(|| text.trim().to_owned())
            .ok_or_else(missing)
    };
    let external_id = text(&module.identity.external_id, "the id")?;
    let name =
        text(&module.identity.display_name, "the name").unwrap_or_else(|_| external_id.clone());
    let properties = module
        .persist
        .entity
        .iter()
        .filter_map(|name| Some((name.clone(), found.kept.get(name)?.clone())))
        .collect();
    Ok(Identity {
        external_id,
        name,
        properties,
    })
}
