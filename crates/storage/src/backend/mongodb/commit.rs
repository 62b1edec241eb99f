//! Writes a batch as one transaction.
//!
//! A transaction sees the store as it was at its first question; should somebody change a document
//! meanwhile that it changes too, it fails and is done once more from the beginning. So it looks at
//! what is there, compares that with what is expected, and changes every document that its outcome
//! depends on: those that are only checked get a new mark, and where nothing may be, a placeholder.
//!
//! A commit that tells something counts the feed on, first of all. Commits of one process therefore
//! take turns; those of several processes meet there at once, before they have done anything.

use super::connection::MongoDb;
use super::document::{EXPIRES, TOUCHED, VERSION, document, number, placeholder, text, weight};
use super::error::{is_transient, map, met_another, said};
use super::feed;
use super::layout::id;
use super::range::KEYS;
use super::schema::{COUNT, HEAD};
use crate::backend::rules::{holds, live};
use crate::backend::waits::backoff;
use crate::kernel::{Batch, Error, Expect, FeedRecord, ItemKey, Op};
use gna_domain::time::Timestamp;
use mongodb::ClientSession;
use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use mongodb::error::{Error as MongoError, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::ReturnDocument;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a batch waits for its turn, and how long it is tried that meets others, or connections that
/// are lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of documents in one command: the server takes 16 MiB.
const COMMAND: usize = 8 * 1_024 * 1_024;

/// Held by whoever adds to the feed.
#[derive(Default)]
pub(super) struct Writer(Mutex<()>);

/// Why an attempt came to nothing; it has written nothing.
enum Failed {
    /// Somebody else was at the same documents, or the primary changed.
    Again,
    For(Error),
}

impl Failed {
    fn of(doing: &'static str, error: &MongoError) -> Self {
        match is_transient(error) {
            true => Self::Again,
            false => Self::For(map(doing, error)),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::For(error)
    }
}

/// Applies all operations; answers the newest entry of the feed where one was added.
pub(super) async fn apply(
    db: &MongoDb,
    writer: &Writer,
    batch: &Batch,
    now: Timestamp,
    who: &str,
) -> Result<Option<i64>, Error> {
    let told: Vec<&FeedRecord> = batch
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Append(record) => Some(record),
            _ => None,
        })
        .collect();
    // What always holds needs no look.
    let idle = |op: &Op| {
        matches!(
            op,
            Op::Check {
                expect: Expect::Any,
                ..
            }
        )
    };
    if batch.ops.iter().all(idle) {
        return Ok(None);
    }
    let _turn = match told.is_empty() {
        true => None,
        false => {
            let turn = tokio::time::timeout(PATIENCE, writer.0.lock()).await;
            Some(turn.map_err(|_| crowded())?)
        }
    };
    let began = Instant::now();
    for failures in 0.. {
        match attempt(db, batch, &told, now, who, began).await {
            Ok(end) => return Ok(end),
            Err(Failed::For(error)) => return Err(error),
            Err(Failed::Again) if began.elapsed() > PATIENCE => break,
            Err(Failed::Again) => tokio::time::sleep(backoff(failures)).await,
        }
    }
    Err(crowded())
}

fn crowded() -> Error {
    Error::Unavailable(
        "others write at the same place all the time, or connections to MongoDB are lost; try again"
            .into(),
    )
}

async fn attempt(
    db: &MongoDb,
    batch: &Batch,
    told: &[&FeedRecord],
    now: Timestamp,
    who: &str,
    began: Instant,
) -> Result<Option<i64>, Failed> {
    let begun = db.begin().await;
    let mut session = begun.map_err(|e| Failed::of("startTransaction", &e))?;
    match write(db, &mut session, batch, told, now, who).await {
        Ok(end) => {
            finish(&mut session, began).await?;
            Ok(end)
        }
        Err(failed) => {
            // Otherwise its locks would stay until the server loses patience. Where it can't be
            // reached, that is what happens.
            if let Err(error) = session.abort_transaction().await {
                tracing::debug!(%error, "a transaction was not aborted");
            }
            Err(failed)
        }
    }
}

/// Commits, and asks again while the outcome is not known: the server answers what it answered first.
async fn finish(session: &mut ClientSession, began: Instant) -> Result<(), Failed> {
    for failures in 0.. {
        let Err(error) = session.commit_transaction().await else {
            return Ok(());
        };
        if !error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) {
            return Err(Failed::of("commitTransaction", &error));
        }
        if began.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(backoff(failures)).await;
    }
    Err(Failed::For(Error::Unavailable(
        "MongoDB did not confirm a commit; whether it took place shows when the primary is back"
            .into(),
    )))
}

async fn write(
    db: &MongoDb,
    session: &mut ClientSession,
    batch: &Batch,
    told: &[&FeedRecord],
    now: Timestamp,
    who: &str,
) -> Result<Option<i64>, Failed> {
    let end = match told.len() {
        0 => None,
        many => Some(count_on(db, session, many).await?),
    };
    let there = look(db, session, batch).await?;
    let writes = Writes::of(batch, &there, now, who)?;
    let items = db.items.name();
    send(db, session, ("insert", "documents", items), writes.inserts).await?;
    send(db, session, ("update", "updates", items), writes.updates).await?;
    send(db, session, ("delete", "deletes", items), writes.deletes).await?;
    if let Some(end) = end {
        let first = end - signed(told.len()) + 1;
        let entries = (first..).zip(told).map(|(number, record)| {
            let weight = record.data.len() + record.event.len() + 4_000;
            Ok((weight, feed::document(number, record)?))
        });
        let entries = entries.collect::<Result<Vec<_>, Error>>()?;
        let feed = db.feed.name();
        send(db, session, ("insert", "documents", feed), entries).await?;
    }
    Ok(end)
}

/// Takes so many numbers of the feed; answers the last.
async fn count_on(db: &MongoDb, session: &mut ClientSession, many: usize) -> Result<i64, Failed> {
    let head = db
        .meta
        .find_one_and_update(
            doc! { "_id": HEAD },
            doc! { "$inc": { COUNT: signed(many) } },
        )
        .return_document(ReturnDocument::After)
        .session(&mut *session)
        .await
        .map_err(|e| Failed::of("findAndModify", &e))?;
    let end = head.and_then(|head| number(&head, COUNT));
    end.ok_or_else(|| Error::Corrupt("the store does not know where its feed ends".into()).into())
}

/// What lies in a document: version and expiry.
type Stored = (u64, Option<Timestamp>);

/// What is there of all that the batch speaks of.
async fn look(
    db: &MongoDb,
    session: &mut ClientSession,
    batch: &Batch,
) -> Result<HashMap<String, Stored>, Failed> {
    let ids: Vec<String> = batch
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Put { item, .. } => Some(id(&item.key)),
            Op::Check {
                expect: Expect::Any,
                ..
            }
            | Op::Append(_) => None,
            Op::Delete { key, .. } | Op::Check { key, .. } => Some(id(key)),
        })
        .collect();
    let mut there = HashMap::with_capacity(ids.len());
    for some in ids.chunks(KEYS) {
        let mut found = db
            .items
            .find(doc! { "_id": { "$in": some } })
            .projection(doc! { VERSION: 1, EXPIRES: 1 })
            .session(&mut *session)
            .await
            .map_err(|e| Failed::of("find", &e))?;
        while let Some(document) = found.next(session).await {
            let document = document.map_err(|e| Failed::of("find", &e))?;
            let version = number(&document, VERSION).and_then(|number| u64::try_from(number).ok());
            let (Some(id), Some(version)) = (text(&document, "_id"), version) else {
                return Err(Error::Corrupt("an item has no key or no version".into()).into());
            };
            let expires = number(&document, EXPIRES).map(Timestamp::from_millis);
            there.insert(id.to_owned(), (version, expires));
        }
    }
    Ok(there)
}

/// Documents as a command takes them, with their size in bytes.
type Parts = Vec<(usize, Document)>;

#[derive(Default)]
struct Writes {
    inserts: Parts,
    updates: Parts,
    deletes: Parts,
}

impl Writes {
    /// What the batch writes over what is there.
    fn of(
        batch: &Batch,
        there: &HashMap<String, Stored>,
        now: Timestamp,
        who: &str,
    ) -> Result<Self, Error> {
        let mut writes = Self::default();
        for (op, operation) in batch.ops.iter().enumerate() {
            let (key, expect) = match operation {
                Op::Put { item, expect } => (&item.key, *expect),
                Op::Delete { key, expect } | Op::Check { key, expect } => (key, *expect),
                Op::Append(_) => continue,
            };
            let id = id(key);
            let stored = there.get(&id);
            let alive = stored.filter(|(_, expires)| live(*expires, now));
            if !holds(expect, alive.map(|(version, _)| *version)) {
                return Err(Error::Conflict {
                    op,
                    key: key.clone(),
                });
            }
            match operation {
                Op::Put { item, .. } => {
                    let (weight, document) = (weight(item), document(item, who)?);
                    match stored {
                        Some(_) => writes.replace(&id, weight, document),
                        None => writes.inserts.push((weight, document)),
                    }
                }
                Op::Delete { .. } if stored.is_some() => writes.delete(&id, key),
                Op::Delete { .. } | Op::Check { .. } => writes.guard(&id, key, expect, stored),
                Op::Append(_) => {}
            }
        }
        Ok(writes)
    }

    fn replace(&mut self, id: &str, weight: usize, document: Document) {
        let update = doc! { "q": { "_id": id }, "u": document };
        self.updates.push((weight + id.len(), update));
    }

    fn delete(&mut self, id: &str, key: &ItemKey) {
        let delete = doc! { "q": { "_id": id }, "limit": 1 };
        self.deletes.push((size(key), delete));
    }

    /// Makes the commit fail where somebody changes what it found.
    fn guard(&mut self, id: &str, key: &ItemKey, expect: Expect, stored: Option<&Stored>) {
        match (expect, stored) {
            (Expect::Any, _) => {}
            (_, Some(_)) => {
                let update = doc! {
                    "q": { "_id": id }, "u": { "$set": { TOUCHED: ObjectId::new() } },
                };
                self.updates.push((size(key), update));
            }
            (_, None) => self.inserts.push((size(key), placeholder(id))),
        }
    }
}

fn size(key: &ItemKey) -> usize {
    2 * (key.partition.len() + key.sort.len()) + 200
}

/// Sends documents in as few commands as hold them.
async fn send(
    db: &MongoDb,
    session: &mut ClientSession,
    (command, field, collection): (&'static str, &'static str, &str),
    parts: Parts,
) -> Result<(), Failed> {
    let mut parts = parts.into_iter().peekable();
    while parts.peek().is_some() {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while let Some((weight, _)) = parts.peek()
            && (some.is_empty() || bytes + weight <= COMMAND)
        {
            bytes += weight;
            some.extend(parts.next().map(|(_, document)| Bson::from(document)));
        }
        let many = signed(some.len());
        let sent = db
            .database()
            .run_command(doc! { command: collection, field: some, "ordered": true })
            .session(&mut *session)
            .await
            .map_err(|e| Failed::of(command, &e))?;
        judge(command, &sent, many)?;
    }
    Ok(())
}

/// What a command answered that was carried out, at least in part.
fn judge(command: &'static str, answer: &Document, many: i64) -> Result<(), Failed> {
    if let Ok(errors) = answer.get_array("writeErrors")
        && let Some(Bson::Document(error)) = errors.first()
    {
        let code = error.get_i32("code").unwrap_or_default();
        return Err(match met_another(code) {
            true => Failed::Again,
            false => Failed::For(Error::Unavailable(said(command, code, "a write error"))),
        });
    }
    let done = match answer.get("n") {
        Some(Bson::Int32(n)) => i64::from(*n),
        Some(Bson::Int64(n)) => *n,
        _ => -1,
    };
    // A document that was seen in a transaction can't be gone later in it.
    match done == many {
        true => Ok(()),
        false => Err(Failed::Again),
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::make::{create, delete, item, put};

    fn writes(ops: Vec<Op>, there: &[(&str, Stored)]) -> Result<[usize; 3], Error> {
        let there = there
            .iter()
            .map(|(sort, stored)| (id(&item("p", sort).key), *stored))
            .collect();
        let now = Timestamp::from_millis(1_000);
        let writes = Writes::of(&Batch { ops }, &there, now, "me")?;
        Ok([writes.inserts, writes.updates, writes.deletes].map(|parts| parts.len()))
    }

    /// Whatever a batch depends on, it changes: [inserts, updates, deletes].
    #[test]
    fn a_commit_changes_all_that_it_depends_on() {
        let (alive, gone) = ((1, None), (1, Some(Timestamp::from_millis(1_000))));
        let check = |expect| {
            vec![Op::Check {
                key: item("p", "a").key,
                expect,
            }]
        };
        let one = item("p", "a");
        for (ops, there, expected) in [
            (vec![create(&one)], None, [1, 0, 0]),
            (vec![create(&one)], Some(gone), [0, 1, 0]),
            (vec![put(&one, Expect::Version(1))], Some(alive), [0, 1, 0]),
            (vec![put(&one, Expect::Any)], None, [1, 0, 0]),
            (vec![delete(&one.key, Expect::Any)], None, [0, 0, 0]),
            (vec![delete(&one.key, Expect::Any)], Some(gone), [0, 0, 1]),
            (vec![delete(&one.key, Expect::Absent)], None, [1, 0, 0]),
            (check(Expect::Any), Some(alive), [0, 0, 0]),
            (check(Expect::Absent), None, [1, 0, 0]),
            (check(Expect::Absent), Some(gone), [0, 1, 0]),
            (check(Expect::Version(1)), Some(alive), [0, 1, 0]),
        ] {
            let there: Vec<_> = there.into_iter().map(|stored| ("a", stored)).collect();
            assert_eq!(
                writes(ops.clone(), &there).unwrap(),
                expected,
                "{ops:?} {there:?}"
            );
        }
        for (ops, there) in [
            (vec![create(&one)], Some(alive)),
            (vec![put(&one, Expect::Version(2))], Some(alive)),
            (check(Expect::Version(1)), Some(gone)),
            (check(Expect::Version(1)), None),
        ] {
            let there: Vec<_> = there.into_iter().map(|stored| ("a", stored)).collect();
            let lost = writes(ops, &there);
            assert!(
                matches!(lost, Err(Error::Conflict { op: 0, .. })),
                "{lost:?}"
            );
        }
    }

    #[test]
    fn answers_are_judged() {
        let done = |answer: Document| match judge("insert", &answer, 2) {
            Ok(()) => "done",
            Err(Failed::Again) => "again",
            Err(Failed::For(_)) => "failed",
        };
        assert_eq!(done(doc! { "n": 2 }), "done");
        assert_eq!(done(doc! { "n": 2_i64 }), "done");
        assert_eq!(done(doc! { "n": 1 }), "again");
        let errors = |code: i32| doc! { "n": 0, "writeErrors": [{ "index": 0, "code": code }] };
        assert_eq!(done(errors(11_000)), "again");
        assert_eq!(done(errors(112)), "again");
        assert_eq!(done(errors(121)), "failed");
    }
}
