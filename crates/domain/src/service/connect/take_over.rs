//! Taking over an account that was connected in another system, with the secrets that one kept of it.
//! Nothing is asked of the app: whether the account still works shows when it is used.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

use super::access::{Wish, module, permit};
use super::authorize::parts;
use super::secrets;
use crate::connect::credential::refresh_digest;
use crate::connect::{ConnectedEntity, Credential, Module, Owner};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{EntityId, OrganizationId};
use crate::model::AuditEntry;
use crate::port::apps::Apps;
use crate::port::store::{ChangeSet, Event};
use crate::port::{fresh, repo};
use crate::service::access::{self, retrying};
use crate::time::Timestamp;

/// What a module with tokens knows of them.
const TOKENS: [&str; 3] = ["access_token", "refresh_token", "scope"];
/// Longest id and name of an account, in characters.
const NAME_CHARS: usize = 300;

/// An account as it was connected elsewhere. It holds secrets, and is not printed.
pub struct Elsewhere {
    pub organization: OrganizationId,
    pub owner: Owner,
    /// Name of the module.
    pub module: String,
    /// The app's own id of the account.
    pub external_id: String,
    /// Connection parameters, what the module's form asks, tokens, and what it keeps: by the names that
    /// the module gives them.
    pub values: Map<String, Value>,
    pub access_expires: Option<Timestamp>,
    pub refresh_expires: Option<Timestamp>,
    /// Whether it worked there.
    pub valid: bool,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub entity: EntityId,
    /// False where the account was connected here already: it stays as it is.
    pub is_new: bool,
    /// Names of the values that the module does not know.
    pub left_out: Vec<String>,
}

/// Stores account and credential, in one commit, unless the account is there: what is here is newer.
///
/// # Errors
/// `module.unknown`, `form.invalid` with what the module needs and was not given, or where the owner is
/// no member of the organization, not permitted, `vault.*`, or the store's.
pub async fn take_over(ctx: &Ctx, apps: &dyn Apps, account: &Elsewhere) -> Result<Taken> {
    permit(ctx, Wish::Change, account.organization, account.owner)?;
    let module = module(apps, &account.module)?;
    owns(ctx, account).await?;
    let sorted = sorted(&module, &account.values)?;
    retrying(|| once(ctx, apps, &module, account, &sorted)).await
}

async fn owns(ctx: &Ctx, account: &Elsewhere) -> Result<()> {
    let Owner::User(user) = account.owner else {
        return Ok(());
    };
    let resource = Resource::Organization(account.organization);
    let found = access::load(ctx.store(), user).await?;
    if found.is_some_and(|found| found.grants().knows(resource)) {
        return Ok(());
    }
    let text = "the person is no member of the organization; make them one first";
    Err(Error::invalid("form.invalid", text).on_field("owner"))
}

/// The values, by where they are kept.
struct Sorted {
    connection: Map<String, Value>,
    sealed: Map<String, Value>,
    properties: Map<String, Value>,
    left_out: Vec<String>,
}

fn sorted(module: &Module, given: &Map<String, Value>) -> Result<Sorted> {
    let steps = module.auth.steps();
    let of_steps = (0..steps).flat_map(|step| module.auth.fields(step));
    let fields: BTreeSet<&str> = module
        .connection
        .iter()
        .chain(of_steps)
        .map(|field| field.name.as_str())
        .collect();
    let has_tokens = module.auth.token().is_some();
    let is_sealed = |name: &str| {
        let mut extras = module.persist.credential.iter();
        (has_tokens && TOKENS.contains(&name)) || extras.any(|extra| extra.name == name)
    };
    let is_property = |name: &str| module.persist.entity.iter().any(|known| known == name);
    let only = |wanted: &dyn Fn(&str) -> bool| -> Map<String, Value> {
        given
            .iter()
            .filter(|(name, _)| wanted(name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let form = only(&|name: &str| fields.contains(name));
    let (connection, mut sealed): (Map<String, Value>, Map<String, Value>) = match steps {
        1 => parts::read(module, 0, &Value::Object(form))?,
        // What later forms ask, like a code that is sent by mail, nobody keeps.
        _ => form.into_iter().partition(|(name, _)| {
            let mut known = module.connection.iter();
            known.any(|field| !field.secret && field.name == *name)
        }),
    };
    sealed.extend(only(&is_sealed));
    if has_tokens && !sealed.contains_key("access_token") {
        let text = "access_token is missing; connect the account instead";
        return Err(Error::invalid("form.invalid", text).on_field("access_token"));
    }
    let is_known = |name: &str| fields.contains(name) || is_sealed(name) || is_property(name);
    let left_out = given.keys().filter(|name| !is_known(name.as_str()));
    Ok(Sorted {
        connection,
        sealed,
        properties: only(&is_property),
        left_out: left_out.cloned().collect(),
    })
}

async fn once(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    account: &Elsewhere,
    sorted: &Sorted,
) -> Result<Taken> {
    let external_id: String = account
        .external_id
        .chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS)
        .collect();
    let external_id = external_id.trim().to_owned();
    if external_id.is_empty() {
        let text = "the id of the account is missing";
        return Err(Error::invalid("form.invalid", text).on_field("external_id"));
    }
    let taken = |entity, is_new| Taken {
        entity,
        is_new,
        left_out: sorted.left_out.clone(),
    };
    let (organization, owner) = (account.organization.to_string(), account.owner.to_string());
    let key = [
        organization.as_str(),
        &owner,
        module.name.as_str(),
        &external_id,
    ];
    if let Some(found) = repo::find::<ConnectedEntity>(ctx.store(), "account", &key).await? {
        return Ok(taken(found.id, false));
    }
    let now = ctx.now();
    let (entity, credential) = (fresh(ctx.ports.ids.as_ref()), fresh(ctx.ports.ids.as_ref()));
    let vault = apps.vault();
    let secret = Credential {
        id: credential,
        organization: account.organization,
        owner: account.owner,
        module: module.name.clone(),
        external_id: external_id.clone(),
        connection: sorted.connection.clone(),
        sealed: secrets::seal(vault, account.organization, credential, &sorted.sealed).await?,
        refresh_digest: refresh_digest(&sorted.sealed),
        issued: now,
        access_expires: account.access_expires,
        refresh_expires: account.refresh_expires,
        valid: account.valid,
        message: (!account.valid)
            .then(|| "it did not work where it was taken over from; connect it again".to_owned()),
        generation: 1,
        refusals: None,
        intent: None,
        entities: vec![entity],
        created: now,
        updated: now,
    };
    let connected = ConnectedEntity {
        id: entity,
        organization: account.organization,
        owner: account.owner,
        module: module.name.clone(),
        credential,
        name: external_id.clone(),
        external_id,
        properties: sorted.properties.clone(),
        created: now,
        updated: now,
    };
    let subject = [credential.to_string(), entity.to_string()];
    let detail = serde_json::json!({ "module": module.name.as_str(), "owner": account.owner });
    let organization = Some(account.organization);
    let entry = AuditEntry::new(ctx, organization, "entity.taken_over", subject).with(detail);
    let mut changes = ChangeSet::new();
    changes.create(&secret, Some(Event::named("credential.created")))?;
    changes.create(&connected, Some(Event::named("entity.connected")))?;
    changes.create(&entry, None)?;
    ctx.store().commit(changes).await?;
    Ok(taken(entity, true))
}
