//! Triage rules of organizations and groups: read, changed, ordered. [`run`] applies them to what there
//! is; imports apply them to what they create or change.

pub mod run;

use serde_json::json;

use super::access::retrying;
use super::triage::assignable;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, RuleId};
use crate::model::{AuditEntry, RULES_MAX, RuleActions, RuleBook, Scope, TriageRule};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::rules::triage_rule::{self as rules, Ready};

/// What a rule is to be.
#[derive(Clone, Debug)]
pub struct RuleDraft {
    pub name: String,
    pub condition: String,
    pub actions: RuleActions,
    pub reason: String,
    pub enabled: bool,
}

/// The rules of an organization or a group itself, first one first.
///
/// # Errors
/// Not permitted (`rule.read`, `organization.read`), or the store's.
pub async fn list(ctx: &Ctx, place: Resource) -> Result<Vec<TriageRule>> {
    let action = match place {
        Resource::Group(..) => Action::RuleRead,
        _ => Action::OrganizationRead,
    };
    ctx.permit(action, place)?;
    let book = book(ctx, place).await?;
    Ok(book.map_or_else(Vec::new, |book| book.value.rules))
}

/// Makes a rule, or changes the one with this id. `position` counts from 0; a new one goes to the end
/// and a changed one stays where it is if it is left out.
///
/// # Errors
/// Not permitted (`rule.manage`, `organization.update`), `not_found`, `rule.too_many`, `assignee.unknown`,
/// what [`rules::check`] refuses, or the store's.
pub async fn save(
    ctx: &Ctx,
    place: Resource,
    id: Option<RuleId>,
    draft: &RuleDraft,
    position: Option<usize>,
) -> Result<TriageRule> {
    permit_change(ctx, place)?;
    let wanted = checked(ctx, place, draft).await?;
    retrying(|| async { put(ctx, place, id, &wanted, position).await }).await
}

async fn put(
    ctx: &Ctx,
    place: Resource,
    id: Option<RuleId>,
    wanted: &TriageRule,
    position: Option<usize>,
) -> Result<TriageRule> {
    let book = book(ctx, place).await?;
    let mut list = book
        .as_ref()
        .map_or_else(Vec::new, |book| book.rules.clone());
    let at = id
        .map(|id| {
            list.iter()
                .position(|rule| rule.id == id)
                .ok_or_else(missing)
        })
        .transpose()?;
    let (rule, what) = match at {
        Some(at) => {
            let old = list.remove(at);
            let same = (&old.condition, &old.actions, &old.reason)
                == (&wanted.condition, &wanted.actions, &wanted.reason);
            let rule = TriageRule {
                id: old.id,
                version: old.version + u32::from(!same),
                ..wanted.clone()
            };
            list.insert(position.unwrap_or(at).min(list.len()), rule.clone());
            (rule, "rule.changed")
        }
        None if list.len() >= RULES_MAX => {
            return Err(Error::limit(
                "rule.too_many",
                format!("there are at most {RULES_MAX} rules in one place; remove or join some"),
            ));
        }
        None => {
            list.insert(
                position.unwrap_or(list.len()).min(list.len()),
                wanted.clone(),
            );
            (wanted.clone(), "rule.created")
        }
    };
    commit(ctx, place, book, list, &rule, what).await?;
    Ok(rule)
}

/// Removes a rule. What it decided stays decided.
///
/// # Errors
/// Not permitted (`rule.manage`, `organization.update`), `not_found`, or the store's.
pub async fn remove(ctx: &Ctx, place: Resource, id: RuleId) -> Result<()> {
    permit_change(ctx, place)?;
    retrying(|| async {
        let book = book(ctx, place).await?;
        let mut list = book
            .as_ref()
            .map_or_else(Vec::new, |book| book.rules.clone());
        let at = list
            .iter()
            .position(|rule| rule.id == id)
            .ok_or_else(missing)?;
        let rule = list.remove(at);
        commit(ctx, place, book, list, &rule, "rule.removed").await
    })
    .await
}

fn missing() -> Error {
    Error::not_found("not_found", "there is no such triage rule here")
}

fn permit_change(ctx: &Ctx, place: Resource) -> Result<()> {
    let action = match place {
        Resource::Group(..) => Action::RuleManage,
        _ => Action::OrganizationUpdate,
    };
    ctx.permit(action, place)
}

/// The draft as a new rule, with everything asked of it that can be asked before it is kept.
async fn checked(ctx: &Ctx, place: Resource, draft: &RuleDraft) -> Result<TriageRule> {
    let rule = rules::check(TriageRule {
        id: fresh(ctx.ports.ids.as_ref()),
        name: draft.name.clone(),
        condition: draft.condition.clone(),
        actions: draft.actions.clone(),
        reason: draft.reason.clone(),
        enabled: draft.enabled,
        version: 1,
        changed: ctx.now(),
        by: ctx.actor.label(),
    })?;
    match (rule.actions.assignee, place) {
        (Some(user), Resource::Group(..)) => assignable(ctx, user, place).await?,
        (Some(_), _) => {
            return Err(Error::invalid(
                "rule.assignee",
                "who may work on a vulnerability depends on its group: assign in a group's rule",
            )
            .on_field("actions.assignee"));
        }
        (None, _) => {}
    }
    Ok(rule)
}

async fn book(ctx: &Ctx, place: Resource) -> Result<Option<Stored<RuleBook>>> {
    let key = RuleBook::key_of(Scope::from(place));
    Ok(repo::get_keys::<RuleBook>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten())
}

async fn commit(
    ctx: &Ctx,
    place: Resource,
    book: Option<Stored<RuleBook>>,
    list: Vec<TriageRule>,
    rule: &TriageRule,
    what: &'static str,
) -> Result<()> {
    let (organization, group) = match place {
        Resource::Group(organization, group) => (organization, Some(group)),
        Resource::Organization(organization) => (organization, None),
        Resource::Instance => return Err(missing()),
    };
    let next = RuleBook {
        organization,
        group,
        rules: list,
    };
    let mut changes = ChangeSet::new();
    match &book {
        Some(book) => changes.update(book, &next, None)?,
        None => changes.create(&next, None)?,
    }
    let subject = group
        .map(|group| group.to_string())
        .into_iter()
        .chain([rule.id.to_string()]);
    let entry = AuditEntry::new(ctx, Some(organization), what, subject);
    let position = next.rules.iter().position(|other| other.id == rule.id);
    let detail = json!({
        "name": rule.name,
        "version": rule.version,
        "condition": rule.condition,
        "actions": rule.actions,
        "enabled": rule.enabled,
        "position": position,
    });
    changes.create(&entry.with(detail), None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// The rules that apply in a group, in the order in which they are asked: the organization's, then the
/// group's.
///
/// # Errors
/// The store's.
pub(super) async fn effective(
    ctx: &Ctx,
    organization: OrganizationId,
    group: GroupId,
) -> Result<Vec<TriageRule>> {
    let keys = [Scope::Organization(organization), Scope::Group(group)].map(RuleBook::key_of);
    let books = repo::get_keys::<RuleBook>(ctx.store(), &keys).await?;
    Ok(books
        .into_iter()
        .flatten()
        .flat_map(|book| book.value.rules)
        .collect())
}

/// The rules, ready to be asked. One that this program can't read any more is left out, with a warning in
/// the log: an import must not fail for it.
///
/// # Errors
/// The store's.
pub(super) async fn ready(
    ctx: &Ctx,
    rules: Vec<TriageRule>,
    group: Resource,
) -> Result<Vec<Ready>> {
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules.into_iter().filter(|rule| rule.enabled) {
        let (id, assignee) = (rule.id, rule.actions.assignee);
        match Ready::new(rule) {
            Ok(mut ready) => {
                if let Some(user) = assignee {
                    ready.may_assign = match assignable(ctx, user, group).await {
                        Ok(()) => true,
                        Err(error) if error.code() == "assignee.unknown" => false,
                        Err(error) => return Err(error),
                    };
                }
                all.push(ready);
            }
            Err(error) => {
                tracing::warn!(rule = %id, code = error.code(), "a triage rule can't be read and is left out");
            }
        }
    }
    Ok(all)
}
