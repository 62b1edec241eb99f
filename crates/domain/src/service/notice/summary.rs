//! Periodic reports by e-mail: subscribing, and the job that makes those that are due.

use async_trait::async_trait;
use serde_json::Value;

use super::super::access::{retrying, signed_in};
use super::super::group::tallies;
use super::super::schedule::NewSchedule;
use super::{post, preferences};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, UserId};
use crate::model::{
    AuditEntry, Group, Letter, Membership, NoticePreferences, NoticeQueue, Organization, Overlap,
    ReportEvery, ReportSubscription, SUBSCRIPTIONS_MAX, Scope, Tally, Timing, User,
};
use crate::page::PageRequest;
use crate::policy::{Action, Role, allows};
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::store::{ChangeSet, Stored};
use crate::port::{fresh, repo};
use crate::rules::summary as rules;

/// The kind of the job.
pub const KIND: &str = "notice.reports";

/// Subscriptions read at once.
const PAGE: usize = 100;

/// Looks every half hour whose report is due: zones differ by halves of hours.
#[must_use]
pub fn schedule() -> NewSchedule {
    NewSchedule {
        organization: None,
        name: KIND.to_owned(),
        timing: Timing::Cron {
            expression: "*/30 * * * *".to_owned(),
            zone: "UTC".to_owned(),
        },
        overlap: Overlap::Skip,
        spread_ms: 0,
        job: KIND.to_owned(),
        payload: Value::Null,
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub group: GroupId,
    pub every: ReportEvery,
    pub hour: u8,
    pub zone: String,
}

/// The caller gets a periodic report on a group from now on, or another one than before.
///
/// # Errors
/// `not_found`, not permitted (`group.read`), `auth.person_required`, `notice.hour`, `schedule.zone`,
/// `subscription.too_many`, or the store's.
pub async fn subscribe(ctx: &Ctx, wish: &Wish) -> Result<Stored<ReportSubscription>> {
    let group = super::super::group::require(ctx, wish.group).await?;
    ctx.permit(
        Action::GroupRead,
        Resource::Group(group.organization, group.id),
    )?;
    let user = signed_in(ctx)?;
    let rhythm = rules::rhythm(wish.every, wish.hour, &wish.zone)?;
    let now = ctx.now();
    let next = rhythm.after(now).ok_or_else(|| {
        Error::invalid(
            "schedule.never",
            "that date never comes; check day and month",
        )
    })?;
    retrying(|| async {
        let current = found(ctx, user, wish.group).await?;
        if current.is_none() && all_of(ctx, user).await?.len() >= SUBSCRIPTIONS_MAX {
            return Err(Error::limit(
                "subscription.too_many",
                format!("there are {SUBSCRIPTIONS_MAX} subscriptions already; end one first"),
            ));
        }
        let subscription = ReportSubscription {
            user,
            organization: group.organization,
            group: group.id,
            every: wish.every,
            hour: wish.hour,
            zone: wish.zone.clone(),
            next,
            since: current.as_ref().map_or(now, |current| current.since),
            tally: match &current {
                Some(current) => current.tally.clone(),
                None => numbers(ctx, group.id).await?,
            },
            created: current.as_ref().map_or(now, |current| current.created),
        };
        let mut changes = ChangeSet::new();
        match &current {
            Some(current) => changes.update(current, &subscription, None)?,
            None => changes.create(&subscription, None)?,
        }
        audit(ctx, &mut changes, &subscription, "subscription.made")?;
        ctx.store().commit(changes).await?;
        Ok(Stored {
            value: subscription,
            version: current.map_or(1, |current| current.version + 1),
        })
    })
    .await
}

/// The caller's own, by group.
///
/// # Errors
/// `auth.required`, `auth.person_required` for tokens of nobody, or the store's.
pub async fn list(ctx: &Ctx) -> Result<Vec<Stored<ReportSubscription>>> {
    let user = preferences::person(ctx)?;
    all_of(ctx, user).await
}

/// Ends one of the caller's own.
///
/// # Errors
/// `auth.required`, `auth.person_required`, `not_found`, or the store's.
pub async fn unsubscribe(ctx: &Ctx, group: GroupId) -> Result<()> {
    let user = preferences::person(ctx)?;
    retrying(|| async {
        let current = found(ctx, user, group).await?;
        let current = current.ok_or_else(repo::missing::<ReportSubscription>)?;
        let mut changes = ChangeSet::new();
        changes.delete(&current, None);
        audit(ctx, &mut changes, &current, "subscription.ended")?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

async fn found(
    ctx: &Ctx,
    user: UserId,
    group: GroupId,
) -> Result<Option<Stored<ReportSubscription>>> {
    let key = ReportSubscription::key_of(user, group);
    let found = repo::get_keys::<ReportSubscription>(ctx.store(), &[key]).await?;
    Ok(found.into_iter().next().flatten())
}

async fn all_of(ctx: &Ctx, user: UserId) -> Result<Vec<Stored<ReportSubscription>>> {
    repo::all_children::<ReportSubscription>(ctx.store(), &user.to_string()).await
}

async fn numbers(ctx: &Ctx, group: GroupId) -> Result<Tally> {
    Ok(tallies(ctx, &[group]).await?.pop().unwrap_or_default())
}

fn audit(ctx: &Ctx, changes: &mut ChangeSet, of: &ReportSubscription, what: &str) -> Result<()> {
    let subject = [of.user.to_string(), of.group.to_string()];
    changes.create(
        &AuditEntry::new(ctx, Some(of.organization), what, subject),
        None,
    )
}

/// Makes the reports that are due.
pub struct ReportsHandler;

#[async_trait]
impl Handler for ReportsHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Makes the periodic reports that people subscribed to and that are due"
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let now = ctx.now();
        let mut page = PageRequest::first(PAGE);
        loop {
            let store = ctx.store();
            let listed =
                repo::list::<ReportSubscription>(store, "due", &[], false, page.clone()).await?;
            for subscription in &listed.items {
                if subscription.next > now {
                    // In the order of their times: all that follow are later.
                    return Ok(Outcome::done());
                }
                send(ctx, claimed, subscription).await?;
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => return Ok(Outcome::done()),
            }
        }
    }
}

/// One report, if its reader may still read it; the subscription of one who may not is over.
async fn send(ctx: &Ctx, claimed: &Claimed, listed: &Stored<ReportSubscription>) -> Result<()> {
    // The list may lag behind the record.
    let Some(current) = found(ctx, listed.user, listed.group).await? else {
        return Ok(());
    };
    if current.next > ctx.now() {
        return Ok(());
    }
    let mut changes = ChangeSet::new();
    match reader(ctx, &current).await? {
        None => {
            changes.delete(&current, None);
            audit(ctx, &mut changes, &current, "subscription.ended")?;
        }
        Some((person, name)) => {
            let tally = numbers(ctx, current.group).await?;
            let (summary, next) = rules::told(&current, name, tally, ctx.now());
            changes.update(&current, &next, None)?;
            if !person.muted {
                let letter = Letter {
                    id: fresh(ctx.ports.ids.as_ref()),
                    user: current.user,
                    queue: NoticeQueue::Digest,
                    notices: Vec::new(),
                    more: 0,
                    summary: Some(summary),
                    leaving: None,
                    created: ctx.now(),
                };
                changes.create(&letter, None)?;
                changes.create(&post::job(ctx, &letter), None)?;
            }
        }
    }
    claimed.fence(&mut changes);
    ctx.store().commit(changes).await.map(|_| ())
}

/// The person and the group's name, where they are and the one may read the other.
async fn reader(ctx: &Ctx, of: &ReportSubscription) -> Result<Option<(NoticePreferences, String)>> {
    let user = repo::get::<User>(ctx.store(), of.user).await?;
    let is_here = user.is_some_and(|user| !user.is_disabled() && !user.is_deleted());
    let group = repo::get::<Group>(ctx.store(), of.group).await?;
    let organization = repo::get::<Organization>(ctx.store(), of.organization).await?;
    let (Some(group), Some(organization), true) = (group, organization, is_here) else {
        return Ok(None);
    };
    let scopes = [Scope::Group(of.group), Scope::Organization(of.organization)];
    let keys = scopes.map(|scope| Membership::key_of(of.user, scope));
    let held = repo::get_keys::<Membership>(ctx.store(), &keys).await?;
    let may = held.iter().flatten().any(|held| {
        allows(Action::GroupRead, held.role)
            && (held.scope == Scope::Group(of.group) || held.role == Role::Owner)
    });
    if !may {
        return Ok(None);
    }
    let wishes = preferences::stored(ctx, &[of.user])
        .await?
        .into_iter()
        .next();
    let wishes = wishes.flatten().map(|wishes| wishes.value);
    let wishes = wishes.unwrap_or_else(|| NoticePreferences::default_of(of.user));
    let name = format!("{}/{}", organization.slug, group.slug);
    Ok(Some((wishes, name)))
}
