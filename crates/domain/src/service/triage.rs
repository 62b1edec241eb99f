//! The triage desk: decisions on one vulnerability. The rules are in [`crate::rules::desk`].

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, UserId, VulnerabilityId};
use crate::model::{
    Asset, Group, Membership, Note, Organization, Policy, Scope, User, Vulnerability,
};
use crate::policy::{Action, Role, allows};
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::blocker::may_hold;
use crate::rules::decide::Decision;
use crate::rules::desk::{self, Command};

use super::blocker;
use super::lookup::permitted;
use super::organization::check_version;
use super::vulnerability::{Step, commit_with};

/// How often a decision is made anew when an import changed the vulnerability meanwhile.
const RACES: usize = 5;

/// Decides about one vulnerability. `expected` is the version the caller saw, if it wants to lose
/// no race; without it the decision is made on what is there.
///
/// # Errors
/// Not permitted, what [`desk::decide`] refuses, `assignee.unknown`, `store.conflict`, or the store's.
pub async fn act(
    ctx: &Ctx,
    id: VulnerabilityId,
    command: &Command,
    reason: Option<&str>,
    expected: Option<u64>,
) -> Result<Stored<Vulnerability>> {
    let note = Note::new(&ctx.actor, ctx.now(), reason);
    for race in 0.. {
        let current = permitted::<Vulnerability>(ctx, id, command.action()).await?;
        check_version(current.version, expected)?;
        let place = Resource::Group(current.organization, current.group);
        if let Some(user) = command.assignee() {
            assignable(ctx, user, place).await?;
        }
        let mut changes = ChangeSet::new();
        let blocker = blocker::named(ctx, command, place).await?;
        if let Some(blocker) = &blocker {
            may_hold(blocker, &current)?;
            changes.require(blocker);
        }
        let asset = repo::require::<Asset>(ctx.store(), current.asset).await?;
        let policy = policy_of(ctx, current.organization, current.group).await?;
        let events = desk::decide(&current.value, command, &policy, asset.default_ref, &note)?;
        if events.is_empty() {
            return Ok(current);
        }
        let step = Step { current, events };
        let reason = note.reason.as_deref();
        match commit_with(ctx, vec![step], changes, command.name(), reason).await {
            Ok(mut changed) => {
                return changed
                    .pop()
                    .ok_or_else(|| Error::internal("vulnerability.lost", "nothing was changed"));
            }
            Err(error)
                if error.code() == "store.conflict" && expected.is_none() && race < RACES => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::conflict(
        "store.conflict",
        "it changes too often; try again",
    ))
}

/// Decides about its state or its tags; see [`act`].
///
/// # Errors
/// Those of [`act`].
pub async fn decide(
    ctx: &Ctx,
    id: VulnerabilityId,
    decision: Decision,
    reason: Option<&str>,
    expected: Option<u64>,
) -> Result<Stored<Vulnerability>> {
    act(ctx, id, &Command::State(decision), reason, expected).await
}

/// What applies in a group; for those who have already been let in.
pub(super) async fn policy_of(
    ctx: &Ctx,
    organization: OrganizationId,
    group: GroupId,
) -> Result<Policy> {
    let organization = repo::require::<Organization>(ctx.store(), organization).await?;
    let group = repo::require::<Group>(ctx.store(), group).await?;
    Ok(Policy::effective(&organization.policy, &group.policy))
}

/// Only who may work on it can be made responsible: a member of the group whose role lets them
/// treat vulnerabilities, or an owner of its organization.
///
/// # Errors
/// `assignee.unknown`, or the store's.
pub(super) async fn assignable(ctx: &Ctx, user: UserId, place: Resource) -> Result<()> {
    let Resource::Group(organization, group) = place else {
        return Ok(());
    };
    let scopes = [Scope::Group(group), Scope::Organization(organization)];
    let keys = scopes.map(|scope| Membership::key_of(user, scope));
    let held = repo::get_keys::<Membership>(ctx.store(), &keys).await?;
    let may = held.iter().flatten().any(|membership| {
        allows(Action::VulnerabilityTreat, membership.role)
            && (membership.scope == Scope::Group(group) || membership.role == Role::Owner)
    });
    let person = repo::get::<User>(ctx.store(), user).await?;
    if may && person.is_none_or(|person| !person.is_disabled()) {
        Ok(())
    } else {
        Err(Error::invalid(
            "assignee.unknown",
            "no member of the group with that id may work on its vulnerabilities",
        )
        .on_field("assignee"))
    }
}
