//! Wakes those who wait for commits of other processes, of which a change stream tells: of the end of
//! the feed, and of documents of announced collections. What this process commits it knows itself.
//! After a stream that ended everybody is woken, since something may have been missed; and now and then
//! while one is silent, since a stream that was cut and resumed may have skipped something.

use super::connection::MongoDb;
use super::document::WRITER;
use super::layout::{all_of, key};
use super::schema::{COUNT, HEAD};
use crate::collection::ANNOUNCED;
use crate::kernel::{Batch, Op};
use futures::StreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::error::Error as MongoError;
use mongodb::options::ReadConcern;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Wait between attempts to listen again.
const AGAIN: Duration = Duration::from_secs(1);
/// Silence after which everybody looks for themselves.
const SILENCE: Duration = Duration::from_secs(15);

/// Who waits for what.
pub(super) struct Wakes {
    feed: watch::Sender<u64>,
    collections: HashMap<&'static str, watch::Sender<u64>>,
    /// The newest entry of the feed that was seen. Locked while senders are told, so that nobody is
    /// told late of what was seen before.
    head: Mutex<i64>,
}

impl Wakes {
    pub(super) fn new(head: i64) -> Self {
        Self {
            feed: watch::Sender::new(0),
            collections: ANNOUNCED
                .iter()
                .map(|name| (*name, watch::Sender::new(0)))
                .collect(),
            head: Mutex::new(head),
        }
    }

    fn locked(&self) -> MutexGuard<'_, i64> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest entry that this process has seen.
    pub(super) fn head(&self) -> i64 {
        *self.locked()
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
    pub(super) fn committed(&self, batch: &Batch, end: Option<i64>) {
        let mut head = self.locked();
        *head = (*head).max(end.unwrap_or(0));
        self.feed.send_modify(|count| *count += 1);
        for name in written(batch) {
            self.wake(name);
        }
    }

    /// The feed ends there, by whomever.
    pub(super) fn noticed(&self, end: i64) {
        let mut head = self.locked();
        if end > *head {
            *head = end;
            self.feed.send_modify(|count| *count += 1);
        }
    }

    fn wake(&self, name: &str) {
        if let Some(sender) = self.collections.get(name) {
            sender.send_modify(|count| *count += 1);
        }
    }

    fn wake_all(&self) {
        self.feed.send_modify(|count| *count += 1);
        for sender in self.collections.values() {
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

/// Not as the driver's own type: a projection leaves out what that one requires.
type Changes = ChangeStream<Document>;

/// Listens from now on, or where that is refused, from when it is not; until the task is aborted.
pub(super) async fn listen(db: MongoDb, who: String, wakes: Arc<Wakes>) -> JoinHandle<()> {
    let mut heard = open(&db).await;
    tokio::spawn(async move {
        let mut failing = false;
        loop {
            if let Ok(changes) = &mut heard {
                failing = false;
                let ended = loop {
                    match tokio::time::timeout(SILENCE, changes.next()).await {
                        Ok(Some(Ok(change))) => tell(&change, &who, &wakes),
                        Ok(Some(Err(error))) => break Some(error),
                        Ok(None) => break None,
                        Err(_) => wakes.wake_all(),
                    }
                };
                if let Some(error) = ended {
                    heard = Err(error);
                }
            }
            // Once per time of trouble; meanwhile everybody looks once a second.
            if !failing {
                let error = heard.as_ref().err().map(tracing::field::display);
                tracing::warn!(error, "listening to MongoDB ended; trying again");
                failing = true;
            }
            drop(heard);
            tokio::time::sleep(AGAIN).await;
            heard = open(&db).await;
            // What was said meanwhile nobody heard.
            wakes.wake_all();
        }
    })
}

async fn open(db: &MongoDb) -> Result<Changes, MongoError> {
    let mut wanted = vec![doc! { "ns.coll": db.meta.name(), "documentKey._id": HEAD }];
    for name in ANNOUNCED {
        let span = all_of(name);
        wanted.push(doc! {
            "ns.coll": db.items.name(),
            "documentKey._id": { "$gte": span.lo, "$lt": span.hi },
        });
    }
    // Bodies need not travel.
    let count = format!("updateDescription.updatedFields.{COUNT}");
    let writer = format!("fullDocument.{WRITER}");
    let pipeline = [
        doc! { "$match": { "$or": wanted } },
        doc! { "$project": { "operationType": 1, "ns": 1, "documentKey": 1, count: 1, writer: 1 } },
    ];
    // Streams are refused at the read concern that all else has.
    let changes = db
        .database()
        .watch()
        .pipeline(pipeline)
        .read_concern(ReadConcern::majority())
        .await?;
    Ok(changes.with_type())
}

fn tell(change: &Document, who: &str, wakes: &Wakes) {
    let within = |outer: &str| change.get_document(outer).ok();
    let Some(id) = within("documentKey").and_then(|key| key.get_str("_id").ok()) else {
        return;
    };
    if id == HEAD {
        let update = within("updateDescription");
        let fields = update.and_then(|update| update.get_document("updatedFields").ok());
        match fields.and_then(|fields| fields.get(COUNT)) {
            Some(Bson::Int64(end)) => wakes.noticed(*end),
            Some(Bson::Int32(end)) => wakes.noticed((*end).into()),
            // It was put there as a whole: by `gna store init`, or by hand.
            _ => wakes.wake_all(),
        }
        return;
    }
    let writer = within("fullDocument").and_then(|document| document.get_str(WRITER).ok());
    if writer != Some(who)
        && let Some(key) = key(id)
    {
        wakes.wake(key.collection);
    }
}
