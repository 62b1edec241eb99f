//! Looks for damage: reads all documents once.

use super::connection::MongoDb;
use super::document::{BODY, EXPIRES, item, number, text};
use super::error::map;
use super::feed::{self, ends};
use crate::kernel::{Damage, Error};
use mongodb::bson::{RawDocument, doc};

/// The first tell what the rest would.
const MOST: usize = 100;

/// Items that can't be read, index entries that name another item, entries that the feed lacks. Whether
/// the engine's own indexes are whole says the engine: `db.items.validate()`.
pub(super) async fn check(db: &MongoDb) -> Result<Vec<Damage>, Error> {
    let mut damage = Vec::new();
    let mut items = db.items.find(doc! {}).await.map_err(|e| map("find", &e))?;
    while damage.len() < MOST && items.advance().await.map_err(|e| map("find", &e))? {
        let document = items.current();
        if is_placeholder(document) {
            continue;
        }
        if let Err(problem) = item(document) {
            // The part before the partition: what follows may be somebody's data.
            let collection = text(document, "_id").and_then(|id| id.split_once('\0'));
            let place = collection.map_or("a document of items", |(name, _)| name);
            damage.push(Damage {
                place: place.to_owned(),
                problem: problem.to_string(),
            });
        }
    }
    check_feed(db, &mut damage).await?;
    Ok(damage)
}

fn is_placeholder(document: &RawDocument) -> bool {
    matches!(document.get(BODY), Ok(None)) && number(document, EXPIRES) == Some(0)
}

async fn check_feed(db: &MongoDb, damage: &mut Vec<Damage>) -> Result<(), Error> {
    let ends = ends(db).await?;
    let mut next = ends.tail + 1;
    let mut entries = db
        .feed
        .find(doc! { "_id": { "$gt": ends.tail, "$lte": ends.head } })
        .sort(doc! { "_id": 1 })
        .await
        .map_err(|e| map("find", &e))?;
    while damage.len() < MOST && entries.advance().await.map_err(|e| map("find", &e))? {
        let (there, problem) = match feed::entry(entries.current()) {
            Ok((there, _)) => (Some(there), None),
            Err(problem) => (number(entries.current(), "_id"), Some(problem.to_string())),
        };
        let there = there.unwrap_or(next);
        for missing in (next..there).take(MOST) {
            damage.push(lacking(missing));
        }
        next = there + 1;
        damage.extend(problem.map(|problem| Damage {
            place: format!("feed, entry {there}"),
            problem,
        }));
    }
    // Where all was read, what is behind the last one is missing too.
    let room = MOST.saturating_sub(damage.len());
    damage.extend((next..=ends.head).take(room).map(lacking));
    damage.truncate(MOST);
    Ok(())
}

fn lacking(number: i64) -> Damage {
    Damage {
        place: format!("feed, entry {number}"),
        problem: "an entry that is missing".to_owned(),
    }
}
