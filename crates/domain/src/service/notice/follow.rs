//! From the feed to what waits for each person.

use async_trait::async_trait;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::super::feed::{self, Follower, Owes};
use super::super::message::{Message, Messages, Subjects};
use super::{gather, preferences};
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{GroupId, OrganizationId, UserId};
use crate::model::{Job, Membership, Notice, NoticePreferences, NoticeQueue, Scope};
use crate::policy::Role;
use crate::port::store::{ChangeSet, FeedItem};
use crate::port::{fresh, repo};
use crate::rules::notice::{Happened, kind_of, queue_for};
use crate::rules::webhook::delivery_id;

/// What happens within so many milliseconds is one letter.
const TOGETHER_MS: i64 = 10_000;

/// What people are owed.
pub struct Notices;

/// Of its place in the feed.
const READER: &str = "notices";

/// Follows the feed for all people.
#[must_use]
pub fn follower() -> Follower<Notices> {
    Follower::new(Notices)
}

/// Makes the follower's place, unless it has one: what happens from then on is told, also what
/// happens before the follower looks for the first time.
///
/// # Errors
/// The store's.
pub async fn begin(ctx: &Ctx) -> Result<()> {
    feed::begin(ctx, READER).await.map(|_| ())
}

/// Who may be told of what happens in a group, with the role by which.
type Members = BTreeMap<GroupId, Vec<(NoticePreferences, Role)>>;

#[async_trait]
impl Owes for Notices {
    fn name(&self) -> &'static str {
        READER
    }

    async fn owed(&self, ctx: &Ctx, items: &[FeedItem]) -> Result<Vec<ChangeSet>> {
        let mut owed: Vec<ChangeSet> = items.iter().map(|_| ChangeSet::new()).collect();
        if !items.iter().any(|item| kind_of(&item.event.name).is_some()) {
            return Ok(owed);
        }
        let subjects = Subjects::load(ctx, items).await?;
        let concerned: BTreeSet<OrganizationId> = items
            .iter()
            .filter(|item| kind_of(&item.event.name).is_some())
            .filter_map(|item| subjects.organization(item))
            .collect();
        let messages = Messages::load(ctx, subjects, &concerned).await?;
        let told: Vec<Option<Message>> = items
            .iter()
            .map(|item| kind_of(&item.event.name).and_then(|_| messages.of(item)))
            .collect();
        let groups = told
            .iter()
            .flatten()
            .map(|told| (told.group, told.organization));
        let members = members(ctx, groups.collect()).await?;
        let mut last = None;
        for (at, ((item, message), changes)) in items.iter().zip(&told).zip(&mut owed).enumerate() {
            if let Some(message) = message
                && owe(changes, &members, item, message)?
            {
                last = Some(at);
            }
        }
        // One job for the whole stretch, with the last that waits: it finds all that is before.
        if let Some(changes) = last.and_then(|at| owed.get_mut(at)) {
            let job = gather::job(fresh(ctx.ports.ids.as_ref()), NoticeQueue::Now, ctx.now());
            let job: Job = job.due_at(ctx.now().plus_millis(TOGETHER_MS));
            changes.create(&job, None)?;
        }
        Ok(owed)
    }
}

/// People with a role in these groups, owners of their organizations included.
async fn members(ctx: &Ctx, groups: BTreeSet<(GroupId, OrganizationId)>) -> Result<Members> {
    let mut roles: BTreeMap<GroupId, BTreeMap<UserId, Role>> = BTreeMap::new();
    for (group, organization) in &groups {
        let of = roles.entry(*group).or_default();
        let above = Scope::Organization(*organization).to_string();
        let own = Scope::Group(*group).to_string();
        let mut all = repo::list_all::<Membership>(ctx.store(), "by_scope", &[&own]).await?;
        let owners = repo::list_all::<Membership>(ctx.store(), "by_scope", &[&above]).await?;
        all.extend(owners.into_iter().filter(|of| of.role == Role::Owner));
        for membership in all {
            // An owner may do all that a role in the group allows.
            let role = of.entry(membership.user).or_insert(membership.role);
            if membership.role == Role::Owner {
                *role = Role::Owner;
            }
        }
    }
    let users: BTreeSet<UserId> = roles.values().flat_map(|of| of.keys().copied()).collect();
    let users: Vec<UserId> = users.into_iter().collect();
    let found = preferences::stored(ctx, &users).await?;
    let wishes: BTreeMap<UserId, NoticePreferences> = users
        .into_iter()
        .zip(found)
        .map(|(user, found)| {
            let own = found.map(|found| found.value);
            (
                user,
                own.unwrap_or_else(|| NoticePreferences::default_of(user)),
            )
        })
        .collect();
    let with_wishes = |of: BTreeMap<UserId, Role>| {
        of.into_iter()
            .filter_map(|(user, role)| Some((wishes.get(&user)?.clone(), role)))
            .collect()
    };
    Ok(roles
        .into_iter()
        .map(|(group, of)| (group, with_wishes(of)))
        .collect())
}

/// Adds what waits for each who wants it; answers whether something is to be told at once.
fn owe(
    changes: &mut ChangeSet,
    members: &Members,
    item: &FeedItem,
    message: &Message,
) -> Result<bool> {
    let Some(kind) = kind_of(message.event) else {
        return Ok(false);
    };
    let happened = Happened {
        event: message.event,
        kind,
        level: message.level,
        assignee: message.assignee,
    };
    let mut at_once = false;
    for (person, role) in members.get(&message.group).into_iter().flatten() {
        let Some(queue) = queue_for(&happened, person, *role) else {
            continue;
        };
        at_once |= queue == NoticeQueue::Now;
        let notice = Notice {
            id: delivery_id(&item.position.0, item.at, person.user),
            queue,
            user: person.user,
            kind,
            event: message.event.to_owned(),
            title: title(&message.data),
            place: place(&message.data),
            organization: message.organization,
            of: message.group,
            group: group(&message.data),
            level: message.level,
            subject: subject(&message.data),
            at: item.at,
        };
        changes.create(&notice, None)?;
    }
    Ok(at_once)
}

fn text<'a>(data: &'a Value, pointer: &str) -> &'a str {
    let text = data.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

fn title(data: &Value) -> String {
    if let Some(blocker) = data.get("blocker") {
        return text(blocker, "/title").to_owned();
    }
    if let Some(run) = data.get("gate_run") {
        let counts = &run["counts"];
        return format!(
            "{}: {} of {} break the gate",
            text(run, "/ref"),
            counts["breaking"],
            counts["judged"]
        );
    }
    match data.get("report") {
        Some(report) => {
            let reason = text(report, "/refusal/message");
            let file = text(report, "/file_name");
            if reason.is_empty() {
                file.to_owned()
            } else {
                format!("{file}: {reason}")
            }
        }
        None => text(data, "/vulnerability/title").to_owned(),
    }
}

fn place(data: &Value) -> String {
    let location = text(data, "/vulnerability/location");
    let asset = text(data, "/asset/name");
    if location.is_empty() {
        asset.to_owned()
    } else {
        format!("{asset}, {location}")
    }
}

fn group(data: &Value) -> String {
    let organization = text(data, "/organization/slug");
    format!("{organization}/{}", text(data, "/group/slug"))
}

fn subject(data: &Value) -> String {
    let found = [
        "/vulnerability/id",
        "/report/id",
        "/blocker/id",
        "/gate_run/id",
    ]
    .map(|pointer| text(data, pointer));
    found
        .into_iter()
        .find(|id| !id.is_empty())
        .unwrap_or_default()
        .to_owned()
}
