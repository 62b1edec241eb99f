//! Wakes those who wait for commits of other processes. DynamoDB tells nobody, so every process looks
//! once a second at a few small rows: the count of the feed, and one per announced collection that
//! whoever writes to it counts on.

use super::client::DynamoDb;
use super::error::map;
use super::feed::COUNT;
use super::get::rows;
use super::layout::{HEAD, Place, wake};
use super::row::{keys, number, number_in};
use crate::collection::ANNOUNCED;
use crate::kernel::{Batch, Error, Op};
use aws_sdk_dynamodb::types::ReturnValue;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Between two looks. Each costs half a unit of reading per row.
const LOOK: Duration = Duration::from_secs(1);

/// Who waits for what.
pub(super) struct Wakes {
    feed: watch::Sender<u64>,
    collections: HashMap<&'static str, watch::Sender<u64>>,
    seen: Mutex<Seen>,
    /// Somebody else is to be told.
    due: Notify,
}

/// Locked while senders are told, so that nobody is told late of what was seen before.
#[derive(Default)]
struct Seen {
    /// The newest page of the feed.
    head: u64,
    marks: HashMap<&'static str, u64>,
    untold: BTreeSet<&'static str>,
}

impl Wakes {
    pub(super) fn new(head: u64) -> Self {
        Self {
            feed: watch::Sender::new(0),
            collections: ANNOUNCED
                .iter()
                .map(|name| (*name, watch::Sender::new(0)))
                .collect(),
            seen: Mutex::new(Seen {
                head,
                ..Seen::default()
            }),
            due: Notify::new(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest page that this process has seen.
    pub(super) fn head(&self) -> u64 {
        self.seen().head
    }

    pub(super) fn feed(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }

    pub(super) fn of(&self, collection: &str) -> Option<watch::Receiver<u64>> {
        self.collections
            .get(collection)
            .map(watch::Sender::subscribe)
    }

    /// This process committed, with the feed's new end where it told something.
    pub(super) fn committed(&self, batch: &Batch, end: Option<u64>) {
        let mut seen = self.seen();
        seen.head = seen.head.max(end.unwrap_or(0));
        self.feed.send_modify(|count| *count += 1);
        for name in written(batch) {
            self.wake(name);
            seen.untold.insert(name);
            self.due.notify_one();
        }
    }

    /// The feed ends there, by whomever.
    pub(super) fn noticed(&self, head: u64) {
        let mut seen = self.seen();
        if head > seen.head {
            seen.head = head;
            self.feed.send_modify(|count| *count += 1);
        }
    }

    /// A mark stands there; `mine` is by how much this process itself moved it just now.
    fn marked(&self, name: &'static str, mark: u64, mine: u64) {
        let mut seen = self.seen();
        let before = seen.marks.insert(name, mark);
        // What was there when the process began concerns nobody.
        if before.is_some_and(|before| mark > before.saturating_add(mine)) {
            self.wake(name);
        }
        if let Some(before) = before {
            seen.marks.insert(name, before.max(mark));
        }
    }

    fn wake(&self, name: &str) {
        if let Some(sender) = self.collections.get(name) {
            sender.send_modify(|count| *count += 1);
        }
    }
}

/// The announced collections that a batch writes.
fn written(batch: &Batch) -> impl Iterator<Item = &'static str> + '_ {
    let touches = |name: &str| {
        batch.ops.iter().any(|op| match op {
            Op::Put { item, .. } => item.key.collection == name,
            Op::Delete { key, .. } => key.collection == name,
            Op::Check { .. } | Op::Append(_) => false,
        })
    };
    ANNOUNCED.iter().copied().filter(move |name| touches(name))
}

/// Looks and tells until the task is aborted.
pub(super) fn watch(db: DynamoDb, wakes: Arc<Wakes>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            let done = tokio::select! {
                () = wakes.due.notified() => tell(&db, &wakes).await,
                _ = ticks.tick() => look(&db, &wakes).await,
            };
            // Once per time of trouble; the counts are compared, so nothing is missed.
            match done {
                Err(error) if !failing => {
                    tracing::warn!(%error, "looking for commits of other processes failed; trying on");
                    failing = true;
                }
                Err(_) => {}
                Ok(()) => failing = false,
            }
        }
    })
}

/// Counts the marks on of what this process wrote; several commits are told at once.
async fn tell(db: &DynamoDb, wakes: &Wakes) -> Result<(), Error> {
    let untold = std::mem::take(&mut wakes.seen().untold);
    for name in untold {
        let sent = db
            .client
            .update_item()
            .table_name(&db.table)
            .set_key(Some(keys(&wake(name))))
            .update_expression("ADD n :one")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await;
        match sent {
            Ok(answer) => {
                let mark = answer.attributes().and_then(|row| number_in(row, COUNT));
                wakes.marked(name, mark.unwrap_or(0), 1);
            }
            Err(error) => {
                wakes.seen().untold.insert(name);
                return Err(map("UpdateItem", &error));
            }
        }
    }
    Ok(())
}

async fn look(db: &DynamoDb, wakes: &Wakes) -> Result<(), Error> {
    let head = Place::own(HEAD);
    let marks: Vec<(&'static str, Place)> =
        ANNOUNCED.iter().map(|name| (*name, wake(name))).collect();
    let mut wanted = vec![head.clone()];
    wanted.extend(marks.iter().map(|(_, place)| place.clone()));
    let found = rows(db, &wanted, false).await?;
    let count = |place: &Place| found.get(place).and_then(|row| number_in(row, COUNT));
    wakes.noticed(count(&head).unwrap_or(0));
    for (name, place) in marks {
        wakes.marked(name, count(&place).unwrap_or(0), 0);
    }
    // What could not be told before.
    match wakes.seen().untold.is_empty() {
        true => {}
        false => wakes.due.notify_one(),
    }
    Ok(())
}
