//! Wakes those who wait for commits of other processes: PostgreSQL tells them by NOTIFY.
//!
//! A message says who committed and which announced collections were written; `feed` stands for
//! entries in the feed. What this process commits it knows itself. After a lost connection
//! everybody is woken, since messages may have been missed.

use super::connection::PostgresDb;
use crate::collection::ANNOUNCED;
use crate::kernel::{Batch, Op};
use sqlx::postgres::PgListener;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Wait between attempts to listen again.
const AGAIN: Duration = Duration::from_secs(1);
const FEED: &str = "feed";

/// Who waits for what.
pub(super) struct Wakes {
    feed: watch::Sender<u64>,
    collections: HashMap<&'static str, watch::Sender<u64>>,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self {
            feed: watch::Sender::new(0),
            collections: ANNOUNCED
                .iter()
                .map(|name| (*name, watch::Sender::new(0)))
                .collect(),
        }
    }

    pub(super) fn feed(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }

    pub(super) fn of(&self, collection: &str) -> Option<watch::Receiver<u64>> {
        self.collections
            .get(collection)
            .map(watch::Sender::subscribe)
    }

    /// This process committed a batch that touches these announced collections.
    pub(super) fn committed(&self, written: &[&str]) {
        self.feed.send_modify(|count| *count += 1);
        for name in written {
            self.wake(name);
        }
    }

    fn wake(&self, name: &str) {
        if name == FEED {
            self.feed.send_modify(|count| *count += 1);
        } else if let Some(sender) = self.collections.get(name) {
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
pub(super) fn written(batch: &Batch) -> Vec<&'static str> {
    let touches = |name: &str| {
        batch.ops.iter().any(|op| match op {
            Op::Put { item, .. } => item.key.collection == name,
            Op::Delete { key, .. } => key.collection == name,
            Op::Check { .. } | Op::Append(_) => false,
        })
    };
    ANNOUNCED
        .iter()
        .copied()
        .filter(|name| touches(name))
        .collect()
}

/// What the others are told of a batch; empty where it concerns nobody.
pub(super) fn message(who: &str, batch: &Batch, written: &[&str]) -> String {
    let tells = batch.ops.iter().any(|op| matches!(op, Op::Append(_)));
    if !tells && written.is_empty() {
        return String::new();
    }
    let mut message = who.to_owned();
    if tells {
        message.push(' ');
        message.push_str(FEED);
    }
    for name in written {
        message.push(' ');
        message.push_str(name);
    }
    message
}

/// Listens from now on, or where the server has no connection to spare, from when it has; until the
/// task is aborted.
pub(super) async fn listen(
    db: PostgresDb,
    channel: String,
    who: String,
    wakes: Arc<Wakes>,
) -> JoinHandle<()> {
    let mut heard = connect(&db, &channel).await;
    tokio::spawn(async move {
        loop {
            let ended = match heard {
                Ok(mut listener) => hear(&mut listener, &who, &wakes).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "listening to PostgreSQL failed; trying again");
            }
            tokio::time::sleep(AGAIN).await;
            heard = connect(&db, &channel).await;
            // What was said meanwhile nobody heard.
            wakes.wake_all();
        }
    })
}

async fn connect(db: &PostgresDb, channel: &str) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(db.search_pool()).await?;
    listener.listen(channel).await?;
    Ok(listener)
}

/// Until the connection ends.
async fn hear(listener: &mut PgListener, who: &str, wakes: &Wakes) -> Result<(), sqlx::Error> {
    while let Some(message) = listener.try_recv().await? {
        let mut words = message.payload().split(' ');
        if words.next() != Some(who) {
            words.for_each(|name| wakes.wake(name));
        }
    }
    Ok(())
}
