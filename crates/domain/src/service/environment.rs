//! Environments of assets: adding, changing and removing them. What lies in one follows from its
//! addresses ([`crate::rules::environment`]); the index learns of a change by the feed.

use super::access::retrying;
use super::lookup::permitted;
use super::provisional;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{AssetId, EnvironmentId};
use crate::model::{
    Asset, AuditEntry, Environment, EnvironmentBook, EnvironmentKind, ReportEnvironment,
};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::environment as rules;

/// What the feed calls a change; the index follows it.
const CHANGED: &str = "environments.changed";

/// A new environment, as a person describes it.
#[derive(Clone, Debug, Default)]
pub struct NewEnvironment {
    pub name: String,
    pub kind: EnvironmentKind,
    pub addresses: Vec<String>,
}

/// What may change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentChange {
    pub name: Option<String>,
    pub kind: Option<EnvironmentKind>,
    /// All of them.
    pub addresses: Option<Vec<String>>,
}

/// The environments of an asset, by name.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn of_asset(ctx: &Ctx, asset: &Asset) -> Result<Vec<Environment>> {
    let place = Resource::Group(asset.organization, asset.group);
    ctx.permit(Action::AssetRead, place)?;
    let books = books(ctx, &[asset.id]).await?;
    let book = books.into_iter().next().flatten();
    Ok(book.map_or_else(Vec::new, |book| book.value.environments))
}

/// The books of these assets, in their order; for those who have already been let in.
///
/// # Errors
/// The store's.
pub async fn books(ctx: &Ctx, assets: &[AssetId]) -> Result<Vec<Option<Stored<EnvironmentBook>>>> {
    let keys: Vec<_> = assets
        .iter()
        .map(|asset| EnvironmentBook::key_of(*asset))
        .collect();
    repo::get_keys(ctx.store(), &keys).await
}

/// Adds one.
///
/// # Errors
/// Not permitted, `environment.name`, `environment.address`, `environment.too_many_addresses`,
/// `environment.exists`, `environment.too_many`, or the store's.
pub async fn add(ctx: &Ctx, asset: AssetId, new: NewEnvironment) -> Result<Environment> {
    let id = fresh(ctx.ports.ids.as_ref());
    change(ctx, asset, "environment.added", |book| {
        let environment = Environment {
            id,
            name: rules::name(&new.name)?,
            kind: new.kind,
            addresses: rules::addresses(new.kind, &new.addresses)?,
            created: ctx.now(),
        };
        Ok((rules::with(book, environment.clone())?, environment))
    })
    .await
}

/// Changes one.
///
/// # Errors
/// Those of [`add`], and `not_found`.
pub async fn update(
    ctx: &Ctx,
    asset: AssetId,
    id: EnvironmentId,
    input: EnvironmentChange,
) -> Result<Environment> {
    change(ctx, asset, "environment.changed", |book| {
        let known = require(book, id)?;
        let kind = input.kind.unwrap_or(known.kind);
        let name = input.name.as_deref().map(rules::name).transpose()?;
        let texts = input.addresses.as_ref().unwrap_or(&known.addresses);
        let next = Environment {
            name: name.unwrap_or_else(|| known.name.clone()),
            kind,
            // Also those that stay: another kind may not take them.
            addresses: rules::addresses(kind, texts)?,
            ..known.clone()
        };
        Ok((rules::with(book, next.clone())?, next))
    })
    .await
}

/// Removes one. Reports that were about it stay as they are.
///
/// # Errors
/// Not permitted, `not_found`, or the store's.
pub async fn remove(ctx: &Ctx, asset: AssetId, id: EnvironmentId) -> Result<Environment> {
    change(ctx, asset, "environment.removed", |book| {
        let known = require(book, id)?.clone();
        Ok((rules::without(book, id), known))
    })
    .await
}

fn require(book: &EnvironmentBook, id: EnvironmentId) -> Result<&Environment> {
    let mut all = book.environments.iter();
    all.find(|known| known.id == id)
        .ok_or_else(|| Error::not_found("not_found", "the asset has no such environment"))
}

/// Loads, decides and commits; answers the environment that it is about.
async fn change(
    ctx: &Ctx,
    asset: AssetId,
    action: &'static str,
    decide: impl Fn(&EnvironmentBook) -> Result<(EnvironmentBook, Environment)>,
) -> Result<Environment> {
    retrying(|| async {
        let asset = permitted::<Asset>(ctx, asset, Action::AssetRead).await?;
        let place = Resource::Group(asset.organization, asset.group);
        ctx.permit(Action::AssetWrite, place)?;
        let current = books(ctx, &[asset.id]).await?.into_iter().next().flatten();
        let before = match &current {
            Some(current) => current.value.clone(),
            None => EnvironmentBook {
                organization: asset.organization,
                group: asset.group,
                asset: asset.id,
                environments: Vec::new(),
            },
        };
        let (next, about) = decide(&before)?;
        if next == before {
            return Ok(about);
        }
        let mut changes = ChangeSet::new();
        let event = Some(Event::named(CHANGED));
        match &current {
            Some(current) => changes.update(current, &next, event)?,
            None => changes.create(&next, event)?,
        }
        provisional::keep(&asset, None, &mut changes)?;
        let of = |book: &EnvironmentBook| {
            let mut all = book.environments.iter();
            all.find(|known| known.id == about.id).cloned()
        };
        let subject = [
            asset.group.to_string(),
            asset.id.to_string(),
            about.id.to_string(),
        ];
        let audit = AuditEntry::new(ctx, Some(asset.organization), action, subject);
        let detail = serde_json::json!({ "before": of(&before), "after": of(&next) });
        changes.create(&audit.with(detail), None)?;
        ctx.store().commit(changes).await?;
        Ok(about)
    })
    .await
}

/// The environment of an asset that a report is said to be about; none where the asset is yet to be made.
///
/// # Errors
/// On the field `environment`: `environment.name`, `environment.unknown`; or the store's.
pub(super) async fn named(
    ctx: &Ctx,
    asset: Option<AssetId>,
    name: &str,
) -> Result<ReportEnvironment> {
    let wanted = rules::name(name).map_err(|error| error.on_field("environment"))?;
    let book = match asset {
        Some(asset) => books(ctx, &[asset]).await?.into_iter().next().flatten(),
        None => None,
    };
    let known = book.as_ref().and_then(|book| book.named(&wanted));
    known
        .map(|known| ReportEnvironment {
            id: known.id,
            name: known.name.clone(),
        })
        .ok_or_else(|| {
            Error::invalid(
                "environment.unknown",
                "the asset has no environment of that name; add it with its addresses first",
            )
            .on_field("environment")
        })
}
