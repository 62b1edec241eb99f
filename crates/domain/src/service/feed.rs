//! Following the feed of changes for what must follow from each exactly once: messages to webhooks,
//! notices to people.
//!
//! What is owed and the follower's own place in the feed are one commit, on condition that the place
//! is as it was read: of several followers one moves on, and none twice. Entries that nothing is owed
//! for move the place in memory only, so that following costs few writes where nobody listens: the
//! durable place is moved after [`BATCH`] of them and once an hour. After a restart they are looked at
//! once more.

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::ctx::Ctx;
use crate::error::{Kind, Result};
use crate::model::FeedReader;
use crate::port::repo;
use crate::port::store::{ChangeSet, Effect, FeedItem, FeedPosition, Key, Stored};
use crate::time::Timestamp;

/// Feed entries read at once; also the longest stretch that a restart looks at again.
const BATCH: usize = 500;
/// Longest time that entries lie behind without the durable place being moved, in milliseconds: much
/// less than the feed keeps.
const LONGEST_BEHIND_MS: i64 = 60 * 60 * 1000;

/// What a write may add to a commit beside itself: its entries in lists, a unique value.
const WEIGHT: usize = 3;

/// Says what is owed.
#[async_trait]
pub trait Owes: Send + Sync + 'static {
    /// Of its place in the feed; stable.
    fn name(&self) -> &'static str;

    /// What follows from each entry, in order: records to be created. Called again for the same
    /// entries it makes the same records, or none where they are. What follows from one entry is one
    /// commit with the place, unless that is more than a store takes: then parts of it go ahead, and what
    /// must not exist without the rest, or has another key each time, is better left to jobs.
    ///
    /// # Errors
    /// The store's; the entries are then looked at again.
    async fn owed(&self, ctx: &Ctx, items: &[FeedItem]) -> Result<Vec<ChangeSet>>;
}

/// Where a follower is: at or behind what it looked at last.
struct Place {
    /// The last entry that was looked at.
    at: FeedPosition,
    /// The durable place; nothing is owed for what lies between.
    stored: Stored<FeedReader>,
    /// Entries that lie between.
    between: usize,
    /// When the first of them was written.
    since: Option<Timestamp>,
}

impl Place {
    fn is_far(&self, now: Timestamp) -> bool {
        let is_old = |since: Timestamp| now.millis() - since.millis() > LONGEST_BEHIND_MS;
        self.between >= BATCH || self.since.is_some_and(is_old)
    }

    /// Commits what is owed up to the place together with the place.
    async fn settle(&mut self, ctx: &Ctx, changes: ChangeSet) -> Result<()> {
        self.stored = moved(ctx, &self.stored, &self.at, changes).await?;
        self.between = 0;
        self.since = None;
        Ok(())
    }
}

/// Follows the feed for one [`Owes`].
pub struct Follower<O> {
    owes: O,
    place: Mutex<Option<Place>>,
}

impl<O: Owes> Follower<O> {
    #[must_use]
    pub fn new(owes: O) -> Self {
        Self {
            owes,
            place: Mutex::new(None),
        }
    }

    /// Follows the feed to its end. One that never followed starts at the end.
    ///
    /// # Errors
    /// The store's; call again later.
    pub async fn catch_up(&self, ctx: &Ctx) -> Result<()> {
        let mut held = self.place.lock().await;
        loop {
            // Whatever goes wrong from here on, the durable place is read again.
            let place = match held.take() {
                Some(place) => place,
                None => place(ctx, self.owes.name()).await?,
            };
            let items = match ctx.store().feed(Some(&place.at), BATCH).await {
                Ok(items) => items,
                Err(error) if error.code() == "feed.gap" => {
                    tracing::error!(
                        follower = self.owes.name(),
                        "fell behind what the feed keeps; what happened before is not told"
                    );
                    go_to_end(ctx, &place.stored).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if items.is_empty() {
                let mut place = place;
                if place.is_far(ctx.now()) {
                    place.settle(ctx, ChangeSet::new()).await?;
                }
                *held = Some(place);
                return Ok(());
            }
            match self.follow(ctx, place, &items).await {
                Ok(place) => *held = Some(place),
                // Someone else followed the same stretch.
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn follow(&self, ctx: &Ctx, mut place: Place, items: &[FeedItem]) -> Result<Place> {
        let limits = ctx.store().limits();
        let (most, largest) = ((limits.writes / WEIGHT).max(2) - 1, limits.bytes / 2);
        let owed = self.owes.owed(ctx, items).await?;
        let mut changes = ChangeSet::new();
        let mut bytes = 0;
        let at_most = limits.writes.saturating_sub(1).max(1);
        for (item, more) in items.iter().zip(owed) {
            let more = ahead(ctx, more, at_most).await?;
            let size = size(&more);
            let is_full = changes.writes.len() + more.writes.len() > most || bytes + size > largest;
            if is_full && !changes.is_empty() {
                place.settle(ctx, std::mem::take(&mut changes)).await?;
                bytes = 0;
            }
            changes.writes.extend(more.writes);
            bytes += size;
            place.at = item.position.clone();
            place.between += 1;
            place.since.get_or_insert(item.at);
        }
        if !changes.is_empty() || place.is_far(ctx.now()) {
            place.settle(ctx, changes).await?;
        }
        Ok(place)
    }
}

/// Commits what one entry owes beyond what fits into a commit, a part at a time, and answers the rest,
/// for the commit of the place. Where that fails half way, the same entry is looked at again: what is
/// there by then is passed over.
async fn ahead(ctx: &Ctx, more: ChangeSet, at_most: usize) -> Result<ChangeSet> {
    let mut writes = more.writes;
    while writes.len() > at_most {
        let rest = writes.split_off(at_most);
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let there = ctx.store().get(&keys).await?;
        let new = writes.into_iter().zip(there);
        let new = new.filter(|(_, there)| there.is_none());
        let part = ChangeSet {
            writes: new.map(|(write, _)| write).collect(),
        };
        if !part.is_empty() {
            ctx.store().commit(part).await?;
        }
        writes = rest;
    }
    Ok(ChangeSet { writes })
}

/// The durable place. One that is not there is made at the end of the feed.
async fn place(ctx: &Ctx, name: &str) -> Result<Place> {
    let at_end = begin(ctx, name).await?;
    let stored = match at_end {
        Some(stored) => stored,
        None => repo::get_keys::<FeedReader>(ctx.store(), &[FeedReader::key_of(name)])
            .await?
            .pop()
            .flatten()
            .ok_or_else(repo::missing::<FeedReader>)?,
    };
    Ok(Place {
        at: stored.position.clone(),
        stored,
        between: 0,
        since: None,
    })
}

/// Makes a follower's place at the end of the feed, unless it has one; answers the one it made.
/// Whoever begins to listen calls it first, so that what happens from then on is followed also where
/// the follower has not started yet.
///
/// # Errors
/// The store's.
pub async fn begin(ctx: &Ctx, name: &str) -> Result<Option<Stored<FeedReader>>> {
    let found = repo::get_keys::<FeedReader>(ctx.store(), &[FeedReader::key_of(name)]).await?;
    if found.iter().any(Option::is_some) {
        return Ok(None);
    }
    let reader = FeedReader {
        name: name.to_owned(),
        position: ctx.store().feed_end().await?,
    };
    let mut changes = ChangeSet::new();
    changes.create(&reader, None)?;
    match ctx.store().commit(changes).await {
        Ok(_) => Ok(Some(Stored {
            value: reader,
            version: 1,
        })),
        // Another one is made at this moment.
        Err(error) if error.kind() == Kind::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

async fn go_to_end(ctx: &Ctx, from: &Stored<FeedReader>) -> Result<()> {
    let end = ctx.store().feed_end().await?;
    match moved(ctx, from, &end, ChangeSet::new()).await {
        Err(error) if error.kind() == Kind::Conflict => Ok(()),
        done => done.map(|_| ()),
    }
}

/// Commits what is owed together with the place.
async fn moved(
    ctx: &Ctx,
    from: &Stored<FeedReader>,
    to: &FeedPosition,
    mut changes: ChangeSet,
) -> Result<Stored<FeedReader>> {
    let next = FeedReader {
        position: to.clone(),
        ..from.value.clone()
    };
    changes.update(from, &next, None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: next,
        version: from.version + 1,
    })
}

fn size(changes: &ChangeSet) -> usize {
    let bodies = changes.writes.iter().map(|write| match &write.effect {
        Effect::Put { body, .. } => body.len(),
        Effect::Delete | Effect::Check => 0,
    });
    bodies.sum()
}
