//! Watching what happens in an organization: the events that webhooks carry, told to one caller as
//! they happen, of what this caller may see.
//!
//! A [`Watch`] stands somewhere in the feed. [`Watch::wait`] sleeps until there is more, which takes
//! no rights and tells nothing; [`Watch::tell`] makes of it what the caller may know, and is given
//! who that is by then. The two are apart so that rights are read after what they are asked for.
//! Nothing is written: two who watch from the same position are told the same.

use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;

use super::lookup::permitted;
use super::message::{Message, Messages, Subjects};
use super::organization;
use crate::ctx::{Ctx, Grants, Resource};
use crate::error::{Error, Result};
use crate::id::{AssetId, BlockerId, GroupId, OrganizationId, ReportId, VulnerabilityId};
use crate::model::{Asset, Blocker, Comment, Group, Report, Vulnerability};
use crate::policy::Action;
use crate::port::store::{Entity, FeedItem, FeedPosition};
use crate::rules::event_type::type_of;
use crate::rules::watch::{About, Watched, action_for, checked_events};
use crate::time::Timestamp;

/// Entries of the feed that are looked at together, and so the most events of a [`Batch`].
pub const BATCH: usize = 100;
/// After so many entries of which none was told a batch without events brings the position along, so
/// that who goes on from there does not fall behind what the feed keeps.
const QUIET: usize = 1_000;
/// How long commits gather after the one that woke us: an import makes many, and each look takes
/// calls of the store.
const GATHER: Duration = Duration::from_millis(100);

/// What to watch.
#[derive(Clone, Debug)]
pub struct WatchChanges {
    pub organization: OrganizationId,
    /// All of the organization's that the caller may see if there is none.
    pub group: Option<GroupId>,
    pub asset: Option<AssetId>,
    /// Types of events; all if there are none.
    pub events: Vec<String>,
    /// From where on; from now if there is none.
    pub after: Option<FeedPosition>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub position: FeedPosition,
    pub at: Timestamp,
    /// One of [`EVENT_TYPES`](crate::rules::event_type::EVENT_TYPES).
    pub event: &'static str,
    pub group: GroupId,
    /// What it is about, or what that is about: all that apply. Some may be gone by now.
    pub asset: Option<AssetId>,
    pub vulnerability: Option<VulnerabilityId>,
    pub report: Option<ReportId>,
    pub blocker: Option<BlockerId>,
    /// `data` of the webhook message (`docs/WEBHOOKS.md`).
    pub data: Value,
}

/// What happened up to a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// At or behind the last event.
    pub position: FeedPosition,
    /// In the order in which they happened; may be empty.
    pub events: Vec<Change>,
}

/// One caller who watches.
pub struct Watch {
    watched: Watched,
    /// The rights with which it began. What is read of an event afterwards is read with them.
    grants: Arc<Grants>,
    commits: Receiver<u64>,
    at: FeedPosition,
    /// Entries since something was told.
    quiet: usize,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// `auth.required`, `not_found` for what the caller may not know of or what is somewhere else, not
    /// permitted, `changes.event`, `changes.gap`, or the store's.
    pub async fn begin(ctx: &Ctx, input: WatchChanges) -> Result<Self> {
        let watched = Watched {
            organization: input.organization,
            group: input.group,
            asset: input.asset,
            events: checked_events(input.events)?,
        };
        permit(ctx, &watched).await?;
        // Before the position: what commits after that wakes us.
        let commits = ctx.store().signals().feed;
        let at = match input.after {
            Some(after) => after,
            None => ctx.store().feed_end().await?,
        };
        // Where the feed does not reach back so far, nothing begins.
        ctx.store().feed(Some(&at), 1).await.map_err(explained)?;
        Ok(Self {
            watched,
            grants: Arc::clone(&ctx.grants),
            commits,
            at,
            quiet: 0,
        })
    }

    /// Up to where it is told.
    #[must_use]
    pub fn position(&self) -> &FeedPosition {
        &self.at
    }

    /// Entries of the feed that were not told yet, as soon as there are some; none when the store is
    /// closed. May be dropped and called again.
    ///
    /// # Errors
    /// `changes.gap`, or the store's.
    pub async fn wait(&mut self, ctx: &Ctx) -> Result<Vec<FeedItem>> {
        loop {
            self.commits.mark_unchanged();
            let found = ctx.store().feed(Some(&self.at), BATCH).await;
            let items = found.map_err(explained)?;
            if !items.is_empty() || self.commits.changed().await.is_err() {
                return Ok(items);
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Of what [`Self::wait`] answered, what the caller wants and may know, who is whoever `ctx` says
    /// it is by now. Nothing where nothing is worth telling.
    ///
    /// # Errors
    /// `changes.rights` where they are others than in the beginning, `auth.required` and `not_found`
    /// where they do not reach so far any more, or the store's. Then nothing was told.
    pub async fn tell(&mut self, ctx: &Ctx, items: &[FeedItem]) -> Result<Option<Batch>> {
        if ctx.grants != self.grants {
            permit(ctx, &self.watched).await?;
            return Err(Error::conflict(
                "changes.rights",
                "your rights have changed; subscribe again with the last position as after",
            ));
        }
        let events = self.changes(ctx, items).await?;
        let Some(last) = items.last() else {
            return Ok(None);
        };
        self.at = last.position.clone();
        self.quiet += items.len();
        if events.is_empty() && self.quiet < QUIET {
            return Ok(None);
        }
        self.quiet = 0;
        Ok(Some(Batch {
            position: self.at.clone(),
            events,
        }))
    }

    async fn changes(&self, ctx: &Ctx, items: &[FeedItem]) -> Result<Vec<Change>> {
        let is_wanted = |item: &&FeedItem| {
            type_of(&item.event.name).is_some_and(|event| self.watched.has_type(event))
        };
        let mut items: Vec<FeedItem> = items.iter().filter(is_wanted).cloned().collect();
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let subjects = Subjects::load(ctx, &items).await?;
        let ours = Some(self.watched.organization);
        items.retain(|item| subjects.organization(item) == ours);
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let ours = BTreeSet::from([self.watched.organization]);
        let messages = Messages::load(ctx, subjects, &ours).await?;
        let told = items.iter().filter_map(|item| {
            let message = messages.of(item)?;
            self.may_know(ctx, &message).then(|| change(item, message))
        });
        Ok(told.collect())
    }

    fn may_know(&self, ctx: &Ctx, message: &Message) -> bool {
        let about = About {
            event: message.event,
            organization: message.organization,
            group: message.group,
            asset: message.asset,
        };
        let place = Resource::Group(message.organization, message.group);
        self.watched.wants(&about)
            && action_for(message.event).is_some_and(|action| ctx.can(action, place))
    }
}

/// Whether the caller may know of what is watched, and it is where they say.
async fn permit(ctx: &Ctx, watched: &Watched) -> Result<()> {
    let organization = organization::require(ctx, watched.organization).await?.id;
    if let Some(group) = watched.group {
        let group = permitted::<Group>(ctx, group, Action::GroupRead).await?;
        if group.organization != organization {
            return Err(ctx.absent::<Group>());
        }
    }
    if let Some(asset) = watched.asset {
        let asset = permitted::<Asset>(ctx, asset, Action::AssetRead).await?;
        let is_elsewhere = watched.group.is_some_and(|group| group != asset.group);
        if asset.organization != organization || is_elsewhere {
            return Err(ctx.absent::<Asset>());
        }
    }
    Ok(())
}

fn change(item: &FeedItem, message: Message) -> Change {
    let key = &item.key;
    let of = |collection: &str| (key.collection == collection).then_some(&key.partition);
    // A comment is kept with its vulnerability.
    let vulnerability = of(Vulnerability::COLLECTION).or_else(|| of(Comment::COLLECTION));
    Change {
        position: item.position.clone(),
        at: item.at,
        event: message.event,
        group: message.group,
        asset: message.asset,
        vulnerability: vulnerability.and_then(|id| id.parse().ok()),
        report: of(Report::COLLECTION).and_then(|id| id.parse().ok()),
        blocker: of(Blocker::COLLECTION).and_then(|id| id.parse().ok()),
        data: message.data,
    }
}

fn explained(error: Error) -> Error {
    if error.code() != "feed.gap" {
        return error;
    }
    Error::conflict(
        "changes.gap",
        "what followed this position is not kept any more, or it is of a store that was replaced; read anew what you show, and subscribe without after",
    )
}
