//! Endpoints: where an organization has its events sent to.

use serde_json::json;

use super::super::access::retrying;
use super::super::feed;
use super::super::lookup::permitted;
use super::follow;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{EndpointId, GroupId, OrganizationId};
use crate::model::{
    AuditEntry, Change, Delivery, ENDPOINTS_MAX, Endpoint, EndpointBook, Group, Level, OldSecret,
};
use crate::policy::Action;
use crate::port::jobs::Claimed;
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::rules::event_type::is_known;
use crate::rules::webhook as rules;
use crate::rules::webhook_filter;
use crate::secret::Secret;
use crate::time::Timestamp;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct NewEndpoint {
    pub url: String,
    pub description: String,
    /// Names of event types; all if empty.
    pub events: Vec<String>,
    /// Only events of these groups; of all if empty.
    pub groups: Vec<GroupId>,
    pub min_level: Option<Level>,
    /// In CEL, over what a message holds; of all events if there is none.
    pub condition: Option<String>,
}

/// What is to be changed.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    pub url: Option<String>,
    pub description: Option<String>,
    pub events: Option<Vec<String>>,
    pub groups: Option<Vec<GroupId>>,
    pub min_level: Change<Level>,
    pub condition: Change<String>,
    pub enabled: Option<bool>,
}

/// Makes an endpoint. The secret is shown this once.
///
/// # Errors
/// Not permitted (`webhook.manage`), `webhook.*` and `condition.*` for what is wrong with it, or the
/// store's.
pub async fn create(
    ctx: &Ctx,
    organization: OrganizationId,
    new: NewEndpoint,
) -> Result<(Secret, Stored<Endpoint>)> {
    ctx.permit(Action::WebhookManage, Resource::Organization(organization))?;
    let wanted = NewEndpoint {
        url: checked_url(ctx, &new.url)?,
        description: rules::check_description(&new.description)?,
        events: checked_events(new.events)?,
        groups: checked_groups(ctx, organization, new.groups).await?,
        min_level: new.min_level,
        condition: new.condition.map(checked_condition).transpose()?,
    };
    let secret = rules::new_secret(ctx.ports.ids.random());
    // What happens from here on is followed for it, also where no follower has started yet.
    feed::begin(ctx, follow::READER).await?;
    let made = retrying(|| async { make(ctx, organization, &wanted, &secret).await }).await?;
    Ok((secret, made))
}

async fn make(
    ctx: &Ctx,
    organization: OrganizationId,
    wanted: &NewEndpoint,
    secret: &Secret,
) -> Result<Stored<Endpoint>> {
    let book = book(ctx, organization).await?;
    let known = book
        .as_ref()
        .map_or_else(Vec::new, |book| book.endpoints.clone());
    if known.len() >= ENDPOINTS_MAX {
        return Err(Error::limit(
            "webhook.too_many",
            format!("an organization has at most {ENDPOINTS_MAX} endpoints; remove one first"),
        ));
    }
    let id = fresh(ctx.ports.ids.as_ref());
    let binding = Endpoint::binding(organization, id);
    let endpoint = Endpoint {
        id,
        organization,
        url: wanted.url.clone(),
        description: wanted.description.clone(),
        events: wanted.events.clone(),
        groups: wanted.groups.clone(),
        min_level: wanted.min_level,
        condition: wanted.condition.clone(),
        condition_failing_since: None,
        secret: ctx.ports.vault.seal(&binding, secret).await?,
        old_secret: None,
        enabled: true,
        disabled_reason: None,
        failing_since: None,
        since: ctx.now(),
        created: ctx.now(),
        by: ctx.actor.label(),
    };
    let next = EndpointBook {
        organization,
        endpoints: known.into_iter().chain([id]).collect(),
    };
    let mut changes = ChangeSet::new();
    match &book {
        Some(book) => changes.update(book, &next, None)?,
        None => changes.create(&next, None)?,
    }
    changes.create(&endpoint, None)?;
    commit(ctx, &endpoint, "webhook.created", changes).await?;
    Ok(Stored {
        value: endpoint,
        version: 1,
    })
}

async fn book(ctx: &Ctx, organization: OrganizationId) -> Result<Option<Stored<EndpointBook>>> {
    let key = EndpointBook::key_of(organization);
    Ok(repo::get_keys::<EndpointBook>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten())
}

/// The address as it may be saved. Where its name leads is checked again with every request.
fn checked_url(ctx: &Ctx, url: &str) -> Result<String> {
    let url = rules::check_url(url)?;
    match ctx.ports.egress.permits(&url) {
        Ok(()) => Ok(url),
        Err(refused) => Err(Error::invalid("webhook.url", refused.message).on_field("url")),
    }
}

fn checked_events(mut events: Vec<String>) -> Result<Vec<String>> {
    events.sort_unstable();
    events.dedup();
    match events.iter().find(|name| !is_known(name)) {
        None => Ok(events),
        Some(unknown) => {
            let unknown: String = unknown.chars().take(100).collect();
            Err(Error::invalid(
                "webhook.event",
                format!("there is no type of event {unknown:?}; docs/WEBHOOKS.md lists them"),
            )
            .on_field("events"))
        }
    }
}

/// The condition as it is kept, if it can be asked.
fn checked_condition(source: String) -> Result<String> {
    let condition = webhook_filter::compile(&source)?;
    Ok(condition.source().to_owned())
}

async fn checked_groups(
    ctx: &Ctx,
    organization: OrganizationId,
    mut groups: Vec<GroupId>,
) -> Result<Vec<GroupId>> {
    groups.sort_unstable();
    groups.dedup();
    let found = repo::get_many::<Group>(ctx.store(), &groups).await?;
    let are_own = found
        .iter()
        .all(|group| matches!(group, Some(group) if group.organization == organization));
    if are_own {
        return Ok(groups);
    }
    Err(Error::invalid(
        "webhook.group",
        "a group is not one of this organization; name its groups by id",
    )
    .on_field("groups"))
}

/// All of an organization, oldest first.
async fn own(ctx: &Ctx, organization: OrganizationId) -> Result<Vec<Stored<Endpoint>>> {
    let Some(book) = book(ctx, organization).await? else {
        return Ok(Vec::new());
    };
    let found = repo::get_many::<Endpoint>(ctx.store(), &book.endpoints).await?;
    Ok(found.into_iter().flatten().collect())
}

async fn commit(ctx: &Ctx, of: &Endpoint, what: &str, mut changes: ChangeSet) -> Result<()> {
    let subject = [of.id.to_string()];
    let entry = AuditEntry::new(ctx, Some(of.organization), what, subject);
    let detail = json!({
        "url": crate::rules::redact::redacted_text(&of.url),
        "events": of.events,
        "condition": of.condition,
        "enabled": of.enabled,
    });
    changes.create(&entry.with(detail), None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// All of an organization, oldest first.
///
/// # Errors
/// Not permitted (`webhook.read`), or the store's.
pub async fn list(ctx: &Ctx, organization: OrganizationId) -> Result<Vec<Stored<Endpoint>>> {
    ctx.permit(Action::WebhookRead, Resource::Organization(organization))?;
    own(ctx, organization).await
}

/// One endpoint.
///
/// # Errors
/// `not_found` also where the caller may not know of it, not permitted, or the store's.
pub async fn get(ctx: &Ctx, id: EndpointId) -> Result<Stored<Endpoint>> {
    permitted(ctx, id, Action::WebhookRead).await
}

/// Changes an endpoint. Switched on again it starts with a clean record.
///
/// # Errors
/// As [`get`], and as [`create`] for what is wrong.
pub async fn update(ctx: &Ctx, id: EndpointId, change: EndpointChange) -> Result<Stored<Endpoint>> {
    retrying(|| async {
        let change = change.clone();
        let current = permitted::<Endpoint>(ctx, id, Action::WebhookManage).await?;
        let now_enabled = change.enabled.unwrap_or(current.enabled);
        let is_fresh = now_enabled && !current.enabled;
        let next = Endpoint {
            url: change
                .url
                .map_or_else(|| Ok(current.url.clone()), |url| checked_url(ctx, &url))?,
            description: change.description.map_or_else(
                || Ok(current.description.clone()),
                |text| rules::check_description(&text),
            )?,
            events: change
                .events
                .map_or_else(|| Ok(current.events.clone()), checked_events)?,
            groups: match change.groups {
                Some(groups) => checked_groups(ctx, current.organization, groups).await?,
                None => current.groups.clone(),
            },
            min_level: change.min_level.apply(current.min_level),
            condition: match change.condition {
                Change::Set(source) => Some(checked_condition(source)?),
                other => other.apply(current.condition.clone()),
            },
            enabled: now_enabled,
            disabled_reason: current.disabled_reason.clone().filter(|_| !is_fresh),
            failing_since: current.failing_since.filter(|_| !is_fresh),
            ..current.value.clone()
        };
        if next == current.value {
            return Ok(current);
        }
        let is_other = is_fresh
            || (&next.events, &next.groups, next.min_level, &next.condition)
                != (
                    &current.events,
                    &current.groups,
                    current.min_level,
                    &current.condition,
                );
        let next = Endpoint {
            since: if is_other { ctx.now() } else { next.since },
            condition_failing_since: next.condition_failing_since.filter(|_| !is_other),
            ..next
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, None)?;
        commit(ctx, &next, "webhook.updated", changes).await?;
        Ok(after(&current, next))
    })
    .await
}

/// Gives it a new secret, shown this once. For a day messages are signed with the old one too, so
/// that the receiver can be changed without losing any.
///
/// # Errors
/// As [`get`], the vault's, or the store's.
pub async fn rotate(ctx: &Ctx, id: EndpointId) -> Result<(Secret, Stored<Endpoint>)> {
    retrying(|| async {
        let current = permitted::<Endpoint>(ctx, id, Action::WebhookManage).await?;
        let vault = &ctx.ports.vault;
        let binding = Endpoint::binding(current.organization, id);
        let old_binding = Endpoint::old_binding(current.organization, id);
        let old = vault.open(&binding, &current.secret).await?;
        let secret = rules::new_secret(ctx.ports.ids.random());
        let next = Endpoint {
            secret: vault.seal(&binding, &secret).await?,
            old_secret: Some(OldSecret {
                sealed: vault.seal(&old_binding, &old).await?,
                until: ctx.now().plus_millis(rules::OVERLAP_MS),
            }),
            ..current.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, None)?;
        commit(ctx, &next, "webhook.secret_rotated", changes).await?;
        Ok((secret, after(&current, next)))
    })
    .await
}

/// Removes it with its secret. What was to be sent to it is not.
///
/// # Errors
/// As [`get`], or the store's.
pub async fn delete(ctx: &Ctx, id: EndpointId) -> Result<()> {
    retrying(|| async {
        let current = permitted::<Endpoint>(ctx, id, Action::WebhookManage).await?;
        let mut changes = ChangeSet::new();
        changes.delete(&current, None);
        if let Some(book) = book(ctx, current.organization).await? {
            let mut next = book.value.clone();
            next.endpoints.retain(|one| *one != id);
            match next.endpoints.is_empty() {
                true => changes.delete(&book, None),
                false => changes.update(&book, &next, None)?,
            }
        }
        commit(ctx, &current, "webhook.deleted", changes).await
    })
    .await
}

/// Switches it off because of how it answers, with a message for people. Only whoever has the delivery's
/// job can.
pub(super) async fn disable(
    ctx: &Ctx,
    claimed: &Claimed,
    id: EndpointId,
    reason: &str,
) -> Result<()> {
    retrying(|| async {
        let Some(current) = repo::get::<Endpoint>(ctx.store(), id).await? else {
            return Ok(());
        };
        if !current.enabled {
            return Ok(());
        }
        let next = Endpoint {
            enabled: false,
            disabled_reason: Some(reason.to_owned()),
            ..current.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, None)?;
        claimed.fence(&mut changes);
        commit(ctx, &next, "webhook.disabled", changes).await
    })
    .await
}

/// Whether it would change anything to note that a message was taken. Where another one fails at the
/// same moment, the next that is taken notes it.
pub(super) fn is_news(endpoint: &Endpoint, taken: &Delivery) -> bool {
    endpoint.failing_since.is_some() || taken.condition_error.is_some()
}

/// Notes whether it takes messages, and whether its condition could be asked about this one; answers
/// since when it takes none. Only whoever has the delivery's job can.
pub(super) async fn note(
    ctx: &Ctx,
    claimed: &Claimed,
    of: &Delivery,
    takes: bool,
) -> Result<Option<Timestamp>> {
    retrying(|| async {
        let Some(current) = repo::get::<Endpoint>(ctx.store(), of.endpoint).await? else {
            return Ok(None);
        };
        let failing_since = match (takes, current.failing_since) {
            (true, _) => None,
            (false, since) => Some(since.unwrap_or_else(|| ctx.now())),
        };
        // One from before may have met another condition.
        let is_unasked = of.condition_error.is_some() && of.created >= current.since;
        let unasked_since = is_unasked.then_some(of.created);
        let next = Endpoint {
            failing_since,
            condition_failing_since: current.condition_failing_since.or(unasked_since),
            ..current.value.clone()
        };
        if next == current.value {
            return Ok(failing_since);
        }
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, None)?;
        claimed.fence(&mut changes);
        ctx.store().commit(changes).await?;
        Ok(failing_since)
    })
    .await
}

fn after(before: &Stored<Endpoint>, value: Endpoint) -> Stored<Endpoint> {
    Stored {
        value,
        version: before.version + 1,
    }
}
