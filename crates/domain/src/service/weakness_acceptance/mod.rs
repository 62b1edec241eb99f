//! Weaknesses that an organization bears in all its groups: submitted, decided on by a second person,
//! ended. The rules are in [`crate::rules::weakness_acceptance`]; [`run`] takes what was decided over
//! what there is, imports apply it to what is new.

pub mod run;

use serde_json::json;
use std::collections::BTreeMap;

use super::access::retrying;
use super::organization::check_version;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, RuleId};
use crate::model::{
    AcceptanceRun, AuditEntry, Note, WEAKNESS_ACCEPTANCES_MAX, WeaknessAcceptance,
    WeaknessAcceptanceBook, WeaknessAcceptanceStatus as Status,
};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::triage_rule::Ready;
use crate::rules::weakness_acceptance::{self as rules, is_in_force};
pub use crate::rules::weakness_acceptance::{Command, Draft};
use crate::time::Timestamp;

/// Those of an organization, oldest first.
///
/// # Errors
/// Not permitted (`organization.read`), or the store's.
pub async fn list(
    ctx: &Ctx,
    organization: OrganizationId,
) -> Result<Vec<Stored<WeaknessAcceptance>>> {
    ctx.permit(
        Action::OrganizationRead,
        Resource::Organization(organization),
    )?;
    all(ctx, organization).await
}

/// One of them.
///
/// # Errors
/// Not permitted (`organization.read`), `not_found`, or the store's.
pub async fn require(
    ctx: &Ctx,
    organization: OrganizationId,
    id: RuleId,
) -> Result<Stored<WeaknessAcceptance>> {
    ctx.permit(
        Action::OrganizationRead,
        Resource::Organization(organization),
    )?;
    find(ctx, organization, id)
        .await?
        .ok_or_else(repo::missing::<WeaknessAcceptance>)
}

/// How it went over what there is, latest first.
///
/// # Errors
/// The store's; the caller already has the acceptance.
pub async fn runs(
    ctx: &Ctx,
    acceptance: &WeaknessAcceptance,
    page: PageRequest,
) -> Result<Page<Stored<AcceptanceRun>>> {
    repo::children(ctx.store(), &acceptance.id.to_string(), true, page).await
}

/// Asks for a weakness to be accepted; again, where `id` names one that was rejected or has ended.
///
/// # Errors
/// Not permitted (`weakness_acceptance.submit`), `not_found`, `weakness_acceptance.too_many`, what
/// [`rules::submitted_again`] refuses, or the store's.
pub async fn submit(
    ctx: &Ctx,
    organization: OrganizationId,
    id: Option<RuleId>,
    draft: &Draft,
    reason: Option<&str>,
) -> Result<Stored<WeaknessAcceptance>> {
    ctx.permit(
        Action::WeaknessAcceptanceSubmit,
        Resource::Organization(organization),
    )?;
    let note = Note::new(&ctx.actor, ctx.now(), reason);
    retrying(|| async {
        let mut changes = ChangeSet::new();
        let event = || Some(Event::named("weakness_acceptance.submitted"));
        let (value, version) = match id {
            Some(id) => {
                let current = require(ctx, organization, id).await?;
                let next = rules::submitted_again(&current, draft, &note)?;
                changes.update(&current, &next, event())?;
                (next, current.version + 1)
            }
            None => {
                let id = fresh(ctx.ports.ids.as_ref());
                let new = rules::submitted(id, organization, draft, &note)?;
                // Before they are counted: what comes between makes the commit fail.
                write_down(ctx, organization, &mut changes).await?;
                if all(ctx, organization).await?.len() >= WEAKNESS_ACCEPTANCES_MAX {
                    return Err(Error::limit(
                        "weakness_acceptance.too_many",
                        format!("an organization has at most {WEAKNESS_ACCEPTANCES_MAX}; remove some that were rejected or are inactive"),
                    ));
                }
                changes.create(&new, event())?;
                (new, 1)
            }
        };
        changes.create(&audit(ctx, &value, "weakness_acceptance.submitted"), None)?;
        ctx.store().commit(changes).await?;
        Ok(Stored { value, version })
    })
    .await
}

/// Decides on it, as another person than the one who asked; who asked may withdraw it by rejecting it. What
/// follows from it for vulnerabilities is a job's. `expected` is the version of the record that the caller
/// saw.
///
/// # Errors
/// Not permitted (`weakness_acceptance.decide`; to withdraw `weakness_acceptance.submit`), `not_found`,
/// what [`rules::decide`] refuses, `store.conflict`, or the store's.
pub async fn decide(
    ctx: &Ctx,
    organization: OrganizationId,
    id: RuleId,
    command: Command,
    reason: Option<&str>,
    expected: Option<u64>,
) -> Result<Stored<WeaknessAcceptance>> {
    let note = Note::new(&ctx.actor, ctx.now(), reason);
    let place = Resource::Organization(organization);
    let may_decide = ctx.permit(Action::WeaknessAcceptanceDecide, place);
    let may_withdraw =
        command == Command::Reject && ctx.can(Action::WeaknessAcceptanceSubmit, place);
    if !may_withdraw {
        may_decide.clone()?;
    }
    retrying(|| async {
        let current = require(ctx, organization, id).await?;
        if !rules::is_withdrawal(&current, &note) {
            may_decide.clone()?;
        }
        check_version(current.version, expected)?;
        let next = rules::decide(&current, command, &note)?;
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, Some(Event::named(command.name())))?;
        if command != Command::Reject {
            run::begin(ctx, &next, None, &mut changes)?;
        }
        changes.create(&audit(ctx, &next, command.name()), None)?;
        ctx.store().commit(changes).await?;
        Ok(Stored {
            value: next,
            version: current.version + 1,
        })
    })
    .await
}

/// Removes one that was rejected or is inactive. What an inactive one has set is taken back all the same.
///
/// # Errors
/// Not permitted (`weakness_acceptance.decide`), `not_found`, `weakness_acceptance.state`, or the store's.
pub async fn remove(ctx: &Ctx, organization: OrganizationId, id: RuleId) -> Result<()> {
    ctx.permit(
        Action::WeaknessAcceptanceDecide,
        Resource::Organization(organization),
    )?;
    retrying(|| async {
        let current = require(ctx, organization, id).await?;
        if !matches!(current.status, Status::Rejected | Status::Inactive) {
            return Err(Error::conflict(
                "weakness_acceptance.state",
                "reject it or make it inactive before it is removed",
            ));
        }
        let mut changes = ChangeSet::new();
        changes.delete(&current, Some(Event::named("weakness_acceptance.removed")));
        changes.create(&audit(ctx, &current, "weakness_acceptance.removed"), None)?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

fn audit(ctx: &Ctx, value: &WeaknessAcceptance, what: &'static str) -> AuditEntry {
    AuditEntry::new(ctx, Some(value.organization), what, [value.id.to_string()]).with(json!({
        "weakness": value.weakness.to_string(),
        "version": value.version,
        "until": value.until,
        "tags": value.tags,
        "asset_tags": value.asset_tags,
    }))
}

async fn write_down(
    ctx: &Ctx,
    organization: OrganizationId,
    changes: &mut ChangeSet,
) -> Result<()> {
    let key = WeaknessAcceptanceBook::key_of(organization);
    let books = repo::get_keys::<WeaknessAcceptanceBook>(ctx.store(), &[key]).await?;
    let next = WeaknessAcceptanceBook { organization };
    match books.into_iter().next().flatten() {
        Some(book) => changes.update(&book, &next, None),
        None => changes.create(&next, None),
    }
}

async fn find(
    ctx: &Ctx,
    organization: OrganizationId,
    id: RuleId,
) -> Result<Option<Stored<WeaknessAcceptance>>> {
    let key = WeaknessAcceptance::key_of(organization, id);
    Ok(repo::get_keys(ctx.store(), &[key]).await?.pop().flatten())
}

/// The last version of one of which nothing may hold any more; 0 where there is none, or where the id is no
/// acceptance's but a triage rule's. The changes then rest on that.
///
/// # Errors
/// The store's.
pub(super) async fn last_ended(
    ctx: &Ctx,
    organization: OrganizationId,
    id: RuleId,
    changes: &mut ChangeSet,
) -> Result<u32> {
    if let Some(current) = find(ctx, organization, id).await? {
        changes.require(&current);
        return Ok(rules::last_ended(&current));
    }
    // Of one that was removed its runs are left; rules have none.
    let page = PageRequest::first(1);
    let ran = repo::children::<AcceptanceRun>(ctx.store(), &id.to_string(), false, page).await?;
    Ok(if ran.items.is_empty() { 0 } else { u32::MAX })
}

/// All of an organization, for those who have already been let in.
///
/// # Errors
/// The store's.
pub(super) async fn all(
    ctx: &Ctx,
    organization: OrganizationId,
) -> Result<Vec<Stored<WeaknessAcceptance>>> {
    repo::all_children(ctx.store(), &organization.to_string()).await
}

/// Those in force, to be asked before any triage rule.
pub(super) fn ready(all: &[Stored<WeaknessAcceptance>], now: Timestamp) -> Vec<Ready> {
    all.iter()
        .filter(|acceptance| is_in_force(acceptance, now))
        .map(|acceptance| Ready::of_acceptance(acceptance.value.clone()))
        .collect()
}

/// What an import remembers of them, to see at its end whether any changed meanwhile.
pub(super) fn seen(all: &[Stored<WeaknessAcceptance>]) -> BTreeMap<RuleId, u64> {
    all.iter()
        .map(|acceptance| (acceptance.id, acceptance.version))
        .collect()
}

/// Adds what an import of a group has missed: acceptances that began to be in force, or ended, while it
/// ran with those that it saw at its beginning. One that was submitted again meanwhile is another version:
/// what the import set by the one before goes first, whatever has become of the new one.
///
/// # Errors
/// The store's.
pub(super) async fn catch_up(
    ctx: &Ctx,
    organization: OrganizationId,
    group: GroupId,
    seen_then: &BTreeMap<RuleId, u64>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let there = all(ctx, organization).await?;
    for current in &there {
        let then = seen_then.get(&current.id);
        if then == Some(&current.version) {
            continue;
        }
        let before = current.value.version.saturating_sub(1);
        let takes_all_back = current.status == Status::Inactive;
        if then.is_some() && before > 0 && !takes_all_back {
            run::begin_back(ctx, organization, current.id, before, Some(group), changes)?;
        }
        if takes_all_back || current.status == Status::Approved {
            run::begin(ctx, current, Some(group), changes)?;
        }
    }
    let there = seen(&there);
    for gone in seen_then.keys().filter(|id| !there.contains_key(*id)) {
        run::begin_back(ctx, organization, *gone, u32::MAX, Some(group), changes)?;
    }
    Ok(())
}
