//! The feed: numbered entries. Numbers are taken from the one document `head`, in the transaction that
//! they belong to: two transactions that change it can't both commit, so numbers become visible in
//! their order, and none is ever skipped.

use super::connection::MongoDb;
use super::document::{number, text};
use super::error::map;
use super::layout::{id, key};
use super::schema::{COUNT, HEAD, TAIL};
use crate::kernel::{Error, FeedCursor, FeedEntry, FeedRecord};
use futures::TryStreamExt;
use gna_domain::time::Timestamp;
use mongodb::bson::{Document, RawDocument, doc};
use mongodb::options::ReadConcern;
use std::time::Duration;

/// Longest wait for most members to follow a primary that was just elected.
const SETTLE: Duration = Duration::from_secs(15);

pub(super) fn cursor(number: i64) -> FeedCursor {
    FeedCursor(number.to_string())
}

pub(super) fn place(cursor: &FeedCursor) -> Result<i64, Error> {
    let number = cursor.0.parse().ok().filter(|number| *number >= 0);
    number.ok_or(Error::BadCursor)
}

/// How an entry is written.
pub(super) fn document(number: i64, record: &FeedRecord) -> Result<Document, Error> {
    let data = std::str::from_utf8(&record.data)
        .map_err(|_| Error::Misuse("the data of a feed entry is no text"))?;
    let version =
        i64::try_from(record.version).map_err(|_| Error::Misuse("a version is out of range"))?;
    Ok(doc! {
        "_id": number, "at": record.at.millis(), "event": &record.event, "key": id(&record.key),
        "v": version, "data": data,
    })
}

pub(super) fn entry(document: &RawDocument) -> Result<(i64, FeedRecord), Error> {
    let read = || {
        let record = FeedRecord {
            event: text(document, "event")?.to_owned(),
            key: key(text(document, "key")?)?,
            version: u64::try_from(number(document, "v")?).ok()?,
            at: Timestamp::from_millis(number(document, "at")?),
            data: text(document, "data")?.to_owned().into(),
        };
        Some((number(document, "_id")?, record))
    };
    read().ok_or_else(|| Error::Corrupt("an entry of the feed can't be read".into()))
}

/// The newest entry, and the newest that was dropped; 0 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub head: i64,
    pub tail: i64,
}

/// What most members have: nobody is told of an entry that a lost primary takes with it.
pub(super) async fn ends(db: &MongoDb) -> Result<Ends, Error> {
    let found = db
        .meta
        .find(doc! { "_id": { "$in": [HEAD, TAIL] } })
        .read_concern(ReadConcern::majority())
        .await
        .map_err(|e| map("find", &e))?;
    let found: Vec<_> = found.try_collect().await.map_err(|e| map("find", &e))?;
    let of = |name: &str| {
        let meta = found.iter().find(|meta| text(meta, "_id") == Some(name));
        meta.and_then(|meta| number(meta, COUNT))
            .ok_or_else(|| Error::Corrupt("the store does not know where its feed ends".into()))
    };
    Ok(Ends {
        head: of(HEAD)?,
        tail: of(TAIL)?,
    })
}

/// What a look at the feed comes to.
enum Seen {
    Entries(Vec<FeedEntry>),
    /// The reader has seen more than there is: the store was restored and the reader was not, or this
    /// primary does not know yet what most members have.
    Beyond,
    /// An entry is not where it must be.
    Missing(i64),
}

/// Entries after `after`, oldest first.
pub(super) async fn read(
    db: &MongoDb,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<FeedEntry>, Error> {
    surely(|| look(db, after, limit), || settle(db)).await
}

/// What a second look shows where the first shows less than there should be. A primary that was just
/// elected has all that was acknowledged, but reads what most members have as it was until its own first
/// entry is with most of them: so that is waited for between the two.
async fn surely<L, S>(look: impl Fn() -> L, settle: impl Fn() -> S) -> Result<Vec<FeedEntry>, Error>
where
    L: Future<Output = Result<Seen, Error>>,
    S: Future<Output = Result<(), Error>>,
{
    if let Seen::Entries(entries) = look().await? {
        return Ok(entries);
    }
    settle().await?;
    match look().await? {
        Seen::Entries(entries) => Ok(entries),
        Seen::Beyond => Err(Error::FeedGap),
        Seen::Missing(number) => Err(Error::Corrupt(format!(
            "entry {number} of the feed is missing"
        ))),
    }
}

/// Waits until the primary has shown that it is one, by having most members follow it: what it reads from
/// then on at `majority` is not older than what anybody was told before.
async fn settle(db: &MongoDb) -> Result<(), Error> {
    db.meta
        .find_one(doc! { "_id": HEAD })
        .read_concern(ReadConcern::linearizable())
        .max_time(SETTLE)
        .await
        .map(drop)
        .map_err(|e| map("find", &e))
}

async fn look(db: &MongoDb, after: Option<i64>, limit: usize) -> Result<Seen, Error> {
    let ends = ends(db).await?;
    let after = after.unwrap_or(ends.tail);
    if after < ends.tail {
        return Err(Error::FeedGap);
    }
    if after > ends.head {
        return Ok(Seen::Beyond);
    }
    if after == ends.head || limit == 0 {
        return Ok(Seen::Entries(Vec::new()));
    }
    let found = db
        .feed
        .find(doc! { "_id": { "$gt": after } })
        .sort(doc! { "_id": 1 })
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .read_concern(ReadConcern::majority())
        .await
        .map_err(|e| map("find", &e))?;
    let found: Vec<_> = found.try_collect().await.map_err(|e| map("find", &e))?;
    let mut entries = Vec::with_capacity(found.len());
    for (number, document) in (after + 1..).zip(&found) {
        let (there, record) = entry(document)?;
        if there != number {
            return missing(db, after, number).await;
        }
        entries.push(FeedEntry {
            cursor: cursor(number),
            record,
        });
    }
    match entries.is_empty() {
        true => missing(db, after, after + 1).await,
        false => Ok(Seen::Entries(entries)),
    }
}

/// Dropped since the ends were read, or lost.
async fn missing(db: &MongoDb, after: i64, number: i64) -> Result<Seen, Error> {
    match ends(db).await?.tail > after {
        true => Err(Error::FeedGap),
        false => Ok(Seen::Missing(number)),
    }
}

/// Drops the oldest entries; answers how many. The tail moves first: a reader that is behind it is
/// told, even where the entries are still there.
pub(super) async fn trim(db: &MongoDb, before: Timestamp) -> Result<u64, Error> {
    let ends = ends(db).await?;
    let keep = db
        .feed
        .find_one(doc! { "_id": { "$gt": ends.tail }, "at": { "$gte": before.millis() } })
        .sort(doc! { "_id": 1 })
        .projection(doc! { "_id": 1 })
        .await
        .map_err(|e| map("find", &e))?;
    let keep = keep.and_then(|entry| number(&entry, "_id"));
    let tail = keep.map_or(ends.head, |keep| (keep - 1).min(ends.head));
    if tail > ends.tail {
        db.meta
            .update_one(doc! { "_id": TAIL }, doc! { "$max": { COUNT: tail } })
            .await
            .map_err(|e| map("update", &e))?;
    }
    // Also what somebody began to drop and did not.
    let dropped = db.feed.delete_many(doc! { "_id": { "$lte": tail } }).await;
    Ok(dropped.map_err(|e| map("delete", &e))?.deleted_count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// What `read` answers where looks show these one after the other, and whether it waited for most
    /// members in between. The looks are invented: there is no election where the tests run.
    async fn invented(looks: Vec<Result<Seen, Error>>) -> (Result<Vec<FeedEntry>, Error>, bool) {
        let (looks, settled) = (RefCell::new(looks.into_iter()), Cell::new(false));
        let look = || {
            let shown = looks.borrow_mut().next();
            async move { shown.expect("two looks at most") }
        };
        let settle = || {
            settled.set(true);
            async { Ok(()) }
        };
        (surely(look, settle).await, settled.get())
    }

    #[tokio::test]
    async fn a_primary_that_lags_after_its_election_is_no_gap() {
        let none = || Ok(Seen::Entries(Vec::new()));
        // The reader has seen more than the new primary knows to be with most members.
        for first in [Seen::Beyond, Seen::Missing(8)] {
            let (answer, settled) = invented(vec![Ok(first), none()]).await;
            assert!(settled && answer.is_ok_and(|entries| entries.is_empty()));
        }
        // Also afterwards it is not there: the store was restored, or is damaged.
        let (answer, _) = invented(vec![Ok(Seen::Beyond), Ok(Seen::Beyond)]).await;
        assert!(matches!(answer, Err(Error::FeedGap)), "{answer:?}");
        let (answer, _) = invented(vec![Ok(Seen::Missing(8)), Ok(Seen::Missing(8))]).await;
        assert!(matches!(answer, Err(Error::Corrupt(_))), "{answer:?}");
        // Nothing is waited for where all is as it should be, nor where the reader fell behind.
        for first in [none(), Err(Error::FeedGap)] {
            let (_, settled) = invented(vec![first]).await;
            assert!(!settled);
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        assert_eq!(place(&cursor(7)).unwrap(), 7);
        for text in ["", "-1", "1.0", "7 ", "no place", "9223372036854775808"] {
            let refused = place(&FeedCursor(text.into()));
            assert!(matches!(refused, Err(Error::BadCursor)), "{text}");
        }
    }
}
