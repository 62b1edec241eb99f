//! Members who have not come for longer than the policy lets them: told, then removed, once a day. The
//! decision is [`crate::rules::inactivity`].

use async_trait::async_trait;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

use super::access::{self, Access, Edit, edit_roles, retrying};
use super::notice::post;
use super::schedule::NewSchedule;
use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::{OrganizationId, UserId};
use crate::model::{
    AuditEntry, Group, Leaving, Letter, Membership, NoticeQueue, Organization, Overlap, OwnerRoll,
    Policy, Scope, Timing, User,
};
use crate::page::{Page, PageRequest};
use crate::policy::{Action, Role};
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::inactivity::{Verdict, judge, last_active};
use crate::time::Timestamp;

/// The kind of the job, and the name of its schedule.
pub const KIND: &str = "members.inactive";

/// Memberships that are read at once.
const PAGE: usize = 500;

/// Once a day, within an hour from 01:00 UTC on.
#[must_use]
pub fn schedule() -> NewSchedule {
    NewSchedule {
        organization: None,
        name: KIND.to_owned(),
        timing: Timing::Cron {
            expression: "0 1 * * *".to_owned(),
            zone: "UTC".to_owned(),
        },
        overlap: Overlap::Skip,
        spread_ms: 3_600_000,
        job: KIND.to_owned(),
        payload: json!({}),
    }
}

/// A membership that inactivity is about to end, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inactive {
    pub membership: Membership,
    pub user: User,
    /// When they last acted, to the day.
    pub active: Timestamp,
    pub verdict: Verdict,
}

/// A page of what the job would do now, by user, with the policy as it is, or with another number of days
/// everywhere. Nothing is written.
///
/// # Errors
/// Not permitted (`member.manage`), `policy.range`, `page.cursor`, or the store's.
pub async fn preview(
    ctx: &Ctx,
    organization: OrganizationId,
    days: Option<u32>,
    wanted: PageRequest,
) -> Result<Page<Inactive>> {
    ctx.permit(Action::MemberManage, Resource::Organization(organization))?;
    if let Some(inactivity_days) = days {
        crate::rules::policy::check(&Policy {
            inactivity_days,
            ..Policy::default()
        })?;
    }
    let terms = Terms::of(ctx, organization, days).await?;
    let mut found: Vec<(Inactive, PageRequest)> = Vec::new();
    let mut read = PageRequest {
        first: PAGE,
        after: wanted.after,
    };
    // One more than is wanted tells whether anything follows.
    while !terms.is_never() && found.len() <= wanted.first {
        let listed = page_of(ctx, organization, read.clone()).await?;
        for (at, held) in listed.items.into_iter().enumerate() {
            let Some((membership, user)) = held else {
                continue;
            };
            let verdict = terms.verdict(&user, &membership, ctx.now());
            if verdict == Verdict::Active {
                continue;
            }
            let up_to_it = PageRequest {
                first: at + 1,
                after: read.after.clone(),
            };
            let one = Inactive {
                active: last_active(&user, &membership),
                membership,
                user,
                verdict,
            };
            found.push((one, up_to_it));
        }
        match listed.next {
            Some(next) => read.after = Some(next),
            None => break,
        }
    }
    let is_more = found.len() > wanted.first;
    found.truncate(wanted.first);
    // The store tells where a page of its own ends: one that ends with the last that is shown.
    let next = match found.last() {
        Some((_, up_to_it)) if is_more => {
            memberships(ctx, organization, up_to_it.clone()).await?.next
        }
        _ => None,
    };
    Ok(Page {
        items: found.into_iter().map(|(one, _)| one).collect(),
        next,
    })
}

async fn memberships(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Stored<Membership>>> {
    let of = organization.to_string();
    repo::list(ctx.store(), "by_organization", &[&of], false, page).await
}

/// A page of memberships with whose they are; none in place of one whose person is gone.
async fn page_of(
    ctx: &Ctx,
    organization: OrganizationId,
    page: PageRequest,
) -> Result<Page<Option<(Membership, User)>>> {
    let listed = memberships(ctx, organization, page).await?;
    let ids: BTreeSet<UserId> = listed.items.iter().map(|held| held.user).collect();
    let ids: Vec<UserId> = ids.into_iter().collect();
    let users = repo::get_many::<User>(ctx.store(), &ids).await?;
    let users: BTreeMap<UserId, User> = users
        .into_iter()
        .flatten()
        .map(|user| (user.id, user.value))
        .collect();
    Ok(listed.map(|held| {
        let user = users.get(&held.user)?.clone();
        Some((held.value, user))
    }))
}

/// How long who may stay away where, and which owner stays.
struct Terms {
    /// Of the organization and of each group whose policy says something.
    days: BTreeMap<Scope, u32>,
    keeper: Option<UserId>,
}

impl Terms {
    async fn of(ctx: &Ctx, id: OrganizationId, wanted: Option<u32>) -> Result<Self> {
        let organization = repo::require::<Organization>(ctx.store(), id).await?;
        let groups =
            repo::list_all::<Group>(ctx.store(), "by_organization", &[&id.to_string()]).await?;
        let days = |group: Option<&Group>| {
            let over = group.map(|group| group.policy.clone()).unwrap_or_default();
            wanted.unwrap_or_else(|| Policy::effective(&organization.policy, &over).inactivity_days)
        };
        let of_groups = groups
            .iter()
            .map(|group| (Scope::Group(group.id), days(Some(&group.value))));
        let days: BTreeMap<Scope, u32> = std::iter::once((Scope::Organization(id), days(None)))
            .chain(of_groups)
            .collect();
        let keeper = match days.values().any(|days| *days != 0) {
            true => keeper(ctx, Scope::Organization(id)).await?,
            false => None,
        };
        Ok(Self { days, keeper })
    }

    fn is_never(&self) -> bool {
        self.days.values().all(|days| *days == 0)
    }

    fn verdict(&self, user: &User, membership: &Membership, now: Timestamp) -> Verdict {
        let days = self.days.get(&membership.scope).copied().unwrap_or(0);
        let is_keeper = membership.role == Role::Owner && self.keeper == Some(membership.user);
        let active = last_active(user, membership);
        judge(active, membership.warned, is_keeper, days, now)
    }
}

/// The owner who came last, of those that can act as one.
async fn keeper(ctx: &Ctx, scope: Scope) -> Result<Option<UserId>> {
    let roll: Option<(OwnerRoll, _)> = access::rolls(ctx.store(), &[scope]).await?.pop();
    let ids: Vec<UserId> = roll.into_iter().flat_map(|(roll, _)| roll.users).collect();
    let keys: Vec<_> = ids
        .iter()
        .map(|id| Membership::key_of(*id, scope))
        .collect();
    let held = repo::get_keys::<Membership>(ctx.store(), &keys).await?;
    let users = repo::get_many::<User>(ctx.store(), &ids).await?;
    let owners = users.iter().zip(&held).filter_map(|(user, held)| {
        let (user, held) = (user.as_ref()?, held.as_ref()?);
        Some((last_active(user, held), user.id))
    });
    Ok(owners.max().map(|(_, id)| id))
}

/// Tells and removes.
pub struct InactiveHandler {
    /// Whether letters can be sent; without a mail server people learn of it from nobody but owners.
    pub letters: bool,
}

#[async_trait]
impl Handler for InactiveHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Tells members who have not come for long, and removes them a week later, as policies say"
    }

    /// Done again from the start it finds done what was done.
    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let ctx = Ctx::system(ctx.ports.clone(), KIND);
        let mut page = PageRequest::first(PAGE);
        loop {
            let listed =
                repo::list::<Organization>(ctx.store(), "all", &[], false, page.clone()).await?;
            for organization in &listed.items {
                self.organization(&ctx, claimed, organization).await?;
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => return Ok(Outcome::done()),
            }
        }
    }
}

impl InactiveHandler {
    async fn organization(
        &self,
        ctx: &Ctx,
        claimed: &Claimed,
        organization: &Organization,
    ) -> Result<()> {
        let terms = Terms::of(ctx, organization.id, None).await?;
        let mut page = PageRequest::first(PAGE);
        while !terms.is_never() {
            let listed = page_of(ctx, organization.id, page).await?;
            for (membership, user) in listed.items.into_iter().flatten() {
                if matches!(
                    terms.verdict(&user, &membership, ctx.now()),
                    Verdict::Warn { .. } | Verdict::Remove
                ) {
                    retrying(|| self.act(ctx, claimed, organization, &terms, &membership)).await?;
                }
            }
            match listed.next {
                Some(next) => {
                    page = PageRequest {
                        first: PAGE,
                        after: Some(next),
                    }
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Decides anew on what is there, and commits it.
    async fn act(
        &self,
        ctx: &Ctx,
        claimed: &Claimed,
        organization: &Organization,
        terms: &Terms,
        of: &Membership,
    ) -> Result<()> {
        let Some(access) = access::load(ctx.store(), of.user).await? else {
            return Ok(());
        };
        let held = access
            .memberships
            .iter()
            .find(|held| held.scope == of.scope);
        let Some(held) = held else {
            return Ok(());
        };
        let mut changes = ChangeSet::new();
        match terms.verdict(&access.user, held, ctx.now()) {
            Verdict::Warn { ends } => {
                self.warn(ctx, organization, &access, held, ends, &mut changes)
                    .await?;
            }
            Verdict::Remove => remove(ctx, organization, &access, held, &mut changes).await?,
            Verdict::Active | Verdict::Warned { .. } | Verdict::Keeper => return Ok(()),
        }
        claimed.fence(&mut changes);
        ctx.store().commit(changes).await.map(|_| ())
    }

    async fn warn(
        &self,
        ctx: &Ctx,
        organization: &Organization,
        access: &Access,
        held: &Stored<Membership>,
        ends: Timestamp,
        changes: &mut ChangeSet,
    ) -> Result<()> {
        let next = Membership {
            warned: Some(ctx.now()),
            ..held.value.clone()
        };
        let detail =
            json!({ "role": held.role, "active": last_active(&access.user, held), "ends": ends });
        let event = Event {
            name: "member.inactive_warned".to_owned(),
            data: detail.clone(),
        };
        changes.update(held, &next, Some(event))?;
        // Who comes at this moment is not told.
        changes.require(&access.user);
        let subject = [held.scope.to_string(), held.user.to_string()];
        let entry = AuditEntry::new(
            ctx,
            Some(organization.id),
            "member.inactive_warned",
            subject,
        );
        changes.create(&entry.with(detail), None)?;
        if self.letters {
            let leaving = Leaving {
                place: place(ctx, organization, held.scope).await?,
                role: held.role,
                ends,
            };
            let letter = Letter {
                id: fresh(ctx.ports.ids.as_ref()),
                user: held.user,
                queue: NoticeQueue::Now,
                notices: Vec::new(),
                more: 0,
                summary: None,
                leaving: Some(leaving),
                created: ctx.now(),
            };
            changes.create(&letter, None)?;
            changes.create(&post::job(ctx, &letter), None)?;
        }
        Ok(())
    }
}

/// As people know it: `acme`, `acme/shop`.
async fn place(ctx: &Ctx, organization: &Organization, scope: Scope) -> Result<String> {
    let slug = &organization.slug;
    Ok(match scope {
        Scope::Group(group) => {
            let group = repo::require::<Group>(ctx.store(), group).await?;
            format!("{slug}/{}", group.slug)
        }
        Scope::Organization(_) | Scope::Instance => slug.to_string(),
    })
}

/// A role in the organization takes all roles in its groups with it.
async fn remove(
    ctx: &Ctx,
    organization: &Organization,
    access: &Access,
    held: &Stored<Membership>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let goes = |other: &&Stored<Membership>| match held.scope {
        Scope::Organization(of) => other.organization == Some(of),
        scope => other.scope == scope,
    };
    let gone = access.memberships.iter().filter(goes);
    let edits: Vec<Edit> = gone
        .filter_map(|held| Some((held.resource()?, None)))
        .collect();
    let user = access.user.id;
    edit_roles(ctx, changes, user, &access.memberships, &edits).await?;
    changes.update(&access.user, &access.user_changed(ctx), None)?;
    let detail = json!({ "role": held.role, "active": last_active(&access.user, held), "warned": held.warned });
    let subject = [held.scope.to_string(), user.to_string()];
    let entry = AuditEntry::new(
        ctx,
        Some(organization.id),
        "member.inactive_removed",
        subject,
    );
    changes.create(&entry.with(detail), None)
}
