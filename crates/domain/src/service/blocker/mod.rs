//! Blockers: what keeps people from testing or repairing. Here they are opened, read and decided on;
//! [`resume`] lets what waited go on once one is solved.

pub mod resume;

use super::access::retrying;
use super::lookup::permitted;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{AssetId, BlockerId};
use crate::model::{
    Asset, AuditEntry, Blocker, BlockerEntry, BlockerEntryKind, BlockerHold, BlockerKind,
    BlockerStatus, Group, Note, blocker_description, blocker_title,
};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::blocker::{Command, decide};
use crate::rules::desk;

use super::organization::check_version;
use super::provisional;

/// What is in the way, as a person says it.
#[derive(Clone, Debug, Default)]
pub struct OpenBlocker {
    pub kind: BlockerKind,
    pub title: String,
    pub description: String,
    /// None: it is about all of the group.
    pub asset: Option<AssetId>,
}

/// Opens one.
///
/// # Errors
/// Not permitted, `blocker.title`, `blocker.description`, `blocker.unknown_asset`, or the store's.
pub async fn open(ctx: &Ctx, group: &Group, input: OpenBlocker) -> Result<Stored<Blocker>> {
    let place = Resource::Group(group.organization, group.id);
    ctx.permit(Action::BlockerWrite, place)?;
    let mut changes = ChangeSet::new();
    if let Some(asset) = input.asset {
        let known = repo::get::<Asset>(ctx.store(), asset).await?;
        let known = known
            .filter(|known| known.group == group.id)
            .ok_or_else(|| {
                Error::invalid("blocker.unknown_asset", "the group has no such asset")
                    .on_field("asset")
            })?;
        provisional::keep(&known, None, &mut changes)?;
    }
    let opened = Note::new(&ctx.actor, ctx.now(), None);
    let blocker = Blocker {
        id: fresh(ctx.ports.ids.as_ref()),
        organization: group.organization,
        group: group.id,
        asset: input.asset,
        kind: input.kind,
        title: blocker_title(&input.title)?,
        description: blocker_description(&input.description)?,
        status: BlockerStatus::Open,
        opened: opened.clone(),
        proposed: None,
        solved: None,
        entries: 1,
        created: opened.at,
    };
    let entry = BlockerEntry {
        blocker: blocker.id,
        number: blocker.entries,
        kind: BlockerEntryKind::Opened,
        note: opened,
    };
    changes.create(&blocker, Some(Event::named("blocker.opened")))?;
    changes.create(&entry, None)?;
    changes.create(&audit(ctx, &blocker, "blocker.opened"), None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: blocker,
        version: 1,
    })
}

fn audit(ctx: &Ctx, blocker: &Blocker, action: &'static str) -> AuditEntry {
    let subject = [blocker.group.to_string(), blocker.id.to_string()];
    let detail = serde_json::json!({ "kind": blocker.kind, "status": blocker.status });
    AuditEntry::new(ctx, Some(blocker.organization), action, subject).with(detail)
}

/// Does something about one. What waits for a blocker that is solved goes on by a job that comes
/// with the change. `expected` is the version the caller saw, if it wants to lose no race.
///
/// # Errors
/// Not permitted, what [`decide`] refuses, `store.conflict`, or the store's.
pub async fn act(
    ctx: &Ctx,
    id: BlockerId,
    command: &Command,
    reason: Option<&str>,
    expected: Option<u64>,
) -> Result<Stored<Blocker>> {
    retrying(|| async {
        let current = permitted::<Blocker>(ctx, id, command.action()).await?;
        check_version(current.version, expected)?;
        let note = Note::new(&ctx.actor, ctx.now(), reason);
        let Some((next, entry)) = decide(&current.value, command, &note)? else {
            return Ok(current);
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, Some(Event::named(command.name())))?;
        changes.create(&entry, None)?;
        changes.create(&audit(ctx, &next, command.name()), None)?;
        if *command == Command::Solve {
            changes.create(&resume::job(ctx, &next), None)?;
        }
        ctx.store().commit(changes).await?;
        Ok(Stored {
            value: next,
            version: current.version + 1,
        })
    })
    .await
}

/// # Errors
/// `not_found` also where the caller may not see it, or the store's.
pub async fn require(ctx: &Ctx, id: BlockerId) -> Result<Stored<Blocker>> {
    permitted(ctx, id, Action::BlockerRead).await
}

/// The blockers of a group, newest first; with a status, only those.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn of_group(
    ctx: &Ctx,
    group: &Group,
    status: Option<BlockerStatus>,
    page: PageRequest,
) -> Result<Page<Stored<Blocker>>> {
    let place = Resource::Group(group.organization, group.id);
    ctx.permit(Action::BlockerRead, place)?;
    let of = group.id.to_string();
    match status {
        None => repo::list(ctx.store(), "by_group", &[&of], true, page).await,
        Some(status) => {
            let of = [of.as_str(), status.as_str()];
            repo::list(ctx.store(), "by_status", &of, true, page).await
        }
    }
}

/// What happened to one, oldest first.
///
/// # Errors
/// The store's; the caller already has the blocker.
pub async fn entries(
    ctx: &Ctx,
    id: BlockerId,
    page: PageRequest,
) -> Result<Page<Stored<BlockerEntry>>> {
    repo::children(ctx.store(), &id.to_string(), false, page).await
}

/// The vulnerabilities whose retests wait for one.
///
/// # Errors
/// The store's; the caller already has the blocker.
pub async fn held(
    ctx: &Ctx,
    id: BlockerId,
    page: PageRequest,
) -> Result<Page<Stored<BlockerHold>>> {
    repo::children(ctx.store(), &id.to_string(), false, page).await
}

/// The blocker that a decision names, if it names one; of another group it is as if there were none.
///
/// # Errors
/// `blocker.unknown`, or the store's.
pub(super) async fn named(
    ctx: &Ctx,
    command: &desk::Command,
    place: Resource,
) -> Result<Option<Stored<Blocker>>> {
    let Some(id) = command.blocker() else {
        return Ok(None);
    };
    let found = repo::get::<Blocker>(ctx.store(), id).await?;
    let here = found.filter(|found| Resource::Group(found.organization, found.group) == place);
    here.map(Some).ok_or_else(|| {
        Error::invalid("blocker.unknown", "the group has no such blocker").on_field("blocker")
    })
}
