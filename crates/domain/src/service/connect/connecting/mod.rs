//! The second half of a connection: test, identity, and the one commit.

pub mod step;

mod store;

use serde_json::{Map, Value};

use super::{secrets, tokens};
use crate::connect::module::Account;
use crate::connect::oauth2::Tokens;
use crate::connect::{AuthorizationSession, ConnectedEntity, Credential, Module, Owner, Values};
use crate::ctx::Ctx;
use crate::error::Result;
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
    pub account: Account,
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
    let entity = module.entity_properties(&kept);
    let values = secrets::values(module, &found.connection, &lasting, &entity);
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
    let values = identified(apps, module, values).await?;
    let identity = Identity {
        account: module.account(&values)?,
        properties: module.entity_properties(&values),
    };
    lasting.extend(module.credential_properties(&values));
    found.sealed = lasting;
    store::store(ctx, apps, module, &found, &identity).await
}

/// The values with what all identity calls keep.
async fn identified(apps: &dyn Apps, module: &Module, mut values: Values) -> Result<Values> {
    let mut number = 0;
    while let Some(request) = module.identity_request(number, &values)? {
        let repeatable = request.method.is_idempotent();
        let answer = apps.send(module, request, repeatable).await?;
        values = module.identity_kept(number, &answer, values);
        number += 1;
    }
    Ok(values)
}
