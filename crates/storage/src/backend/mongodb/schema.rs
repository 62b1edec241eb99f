//! Makes the collections, and checks that the database is one of ours.

use super::connection::MongoDb;
use super::document::number;
use super::error::{code, map};
use super::layout::FIELDS;
use crate::kernel::Error;
use mongodb::bson::{Document, doc};

/// The way in which this program lays items into documents.
const FORMAT: i64 = 1;
/// Documents of `meta`: what the store is, the newest entry of the feed, the newest that was dropped.
const META: &str = "format";
pub(super) const HEAD: &str = "head";
pub(super) const TAIL: &str = "tail";
/// Their one number.
pub(super) const COUNT: &str = "n";

const COLLECTION_IS_THERE: i32 = 48;

/// Makes what is not there yet. Processes that start at the same time make the same.
///
/// # Errors
/// [`Error::Unavailable`] when a newer program wrote the database, or another one uses it.
pub(super) async fn prepare(db: &MongoDb) -> Result<(), Error> {
    match format(db).await? {
        Some(FORMAT) => return Ok(()),
        Some(other) => {
            return Err(Error::Unavailable(format!(
                "a newer version of this program wrote the store (format {other}, this program knows {FORMAT}); run that version"
            )));
        }
        None => {}
    }
    // Asked once more: another process may just have made it all.
    if is_used(db).await? && format(db).await?.is_none() {
        return Err(Error::Unavailable(format!(
            "another program uses the database {}; name one in store.url that is not there yet, or that is empty",
            db.name()
        )));
    }
    for name in [db.items.name(), db.feed.name(), db.meta.name()] {
        match db.database().create_collection(name).await {
            Err(error) if code(&error) != Some(COLLECTION_IS_THERE) => {
                return Err(map("create", &error));
            }
            _ => {}
        }
    }
    let indexes: Vec<Document> = FIELDS
        .iter()
        .chain([&super::document::EXPIRES])
        .map(|field| doc! { "key": { *field: 1 }, "name": *field, "sparse": true })
        .collect();
    let make = doc! {
        "createIndexes": db.items.name(), "indexes": indexes, "writeConcern": { "w": "majority" },
    };
    let made = db.database().run_command(make).await;
    made.map_err(|e| map("createIndexes", &e))?;
    for (id, value) in [(HEAD, 0), (TAIL, 0), (META, FORMAT)] {
        // The format comes last: a database that has it has all.
        db.meta
            .update_one(
                doc! { "_id": id },
                doc! { "$setOnInsert": { COUNT: value } },
            )
            .upsert(true)
            .await
            .map_err(|e| map("update", &e))?;
    }
    Ok(())
}

/// Whether anything is in the database that is not what this program makes before it says so.
async fn is_used(db: &MongoDb) -> Result<bool, Error> {
    let names = db.database().list_collection_names().await;
    let names = names.map_err(|e| map("listCollections", &e))?;
    let ours = [db.items.name(), db.feed.name(), db.meta.name()];
    if names.iter().any(|name| is_foreign(name, &ours)) {
        return Ok(true);
    }
    let begun = doc! { "_id": { "$nin": [HEAD, TAIL] } };
    for (collection, other) in [(&db.items, doc! {}), (&db.feed, doc! {}), (&db.meta, begun)] {
        let other = collection.find_one(other).await;
        if other.map_err(|e| map("find", &e))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a collection is neither one of ours nor one that the server keeps for itself.
fn is_foreign(name: &str, ours: &[&str]) -> bool {
    !ours.contains(&name) && !name.starts_with("system.")
}

async fn format(db: &MongoDb) -> Result<Option<i64>, Error> {
    let found = db.meta.find_one(doc! { "_id": META }).await;
    let found = found.map_err(|e| map("find", &e))?;
    match found {
        None => Ok(None),
        Some(meta) => number(&meta, COUNT)
            .map(Some)
            .ok_or_else(|| Error::Corrupt("the format of the store can't be read".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_keeps_for_itself_is_nobody_elses() {
        let ours = ["items", "feed", "meta"];
        for (name, foreign) in [
            ("items", false),
            ("system.views", false),
            ("system.profile", false),
            ("users", true),
            ("items2", true),
            ("systems", true),
        ] {
            assert_eq!(is_foreign(name, &ours), foreign, "{name}");
        }
    }
}
