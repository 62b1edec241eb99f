//! Looks for damage: pages that can't be read, and items and index entries that do not agree.

use super::names::Names;
use crate::kernel::{Damage, Error};
use rusqlite::Connection;

/// Reports at most so many problems of each kind: the first tell what the rest would.
const REPORTED: u32 = 100;

/// Reads the whole file: half a minute per gigabyte.
pub(super) fn check(conn: &Connection, names: &Names) -> Result<Vec<Damage>, Error> {
    let mut damage = pages(conn)?;
    // Damaged pages make the rest of the checks fail or lie.
    if damage.is_empty() {
        damage.extend(entries(
            conn,
            names,
            ORPHANS,
            "an index entry without its item",
        )?);
        damage.extend(entries(
            conn,
            names,
            MISSING,
            "an item without its index entry",
        )?);
        damage.extend(entries(
            conn,
            names,
            UNREADABLE,
            "the entries of an item can't be read",
        )?);
    }
    Ok(damage)
}

/// SQLite's own look at its pages, trees and indexes.
pub(super) fn pages(conn: &Connection) -> Result<Vec<Damage>, Error> {
    let mut statement = conn.prepare(&format!("PRAGMA integrity_check({REPORTED})"))?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut damage = Vec::new();
    for problem in found {
        let problem = problem?;
        if problem != "ok" {
            damage.push(Damage {
                place: "file".into(),
                problem,
            });
        }
    }
    Ok(damage)
}

// Both answer: collection, index, number of the item.
const ORPHANS: &str = "
    SELECT e.collection, e.idx, e.item FROM entries e LEFT JOIN items i ON i.id = e.item
    WHERE i.id IS NULL OR i.collection <> e.collection OR NOT EXISTS (
        SELECT 1 FROM json_each(iif(json_valid(i.entries), i.entries, '[]')) j
        WHERE j.value ->> 0 = e.idx AND j.value ->> 1 = e.part AND j.value ->> 2 = e.sort)
    LIMIT ?1";
const MISSING: &str = "
    SELECT i.collection, j.value ->> 0, i.id
    FROM items i, json_each(iif(json_valid(i.entries), i.entries, '[]')) j
    WHERE NOT EXISTS (
        SELECT 1 FROM entries e
        WHERE e.collection = i.collection AND e.idx = j.value ->> 0
          AND e.part = j.value ->> 1 AND e.sort = j.value ->> 2 AND e.item = i.id)
    LIMIT ?1";
const UNREADABLE: &str = "SELECT i.collection, NULL, i.id FROM items i WHERE i.entries IS NOT NULL AND NOT json_valid(i.entries) LIMIT ?1";

fn entries(
    conn: &Connection,
    names: &Names,
    sql: &str,
    problem: &str,
) -> Result<Vec<Damage>, Error> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([REPORTED])?;
    let mut damage = Vec::new();
    while let Some(row) = rows.next()? {
        let name = |at| -> Result<&'static str, Error> {
            let code: Option<i64> = row.get(at)?;
            Ok(code.and_then(|code| names.name(code).ok()).unwrap_or("?"))
        };
        let item: i64 = row.get(2)?;
        let place = format!(
            "collection {}, index {}, item number {item}",
            name(0)?,
            name(1)?
        );
        damage.push(Damage {
            place,
            problem: problem.to_owned(),
        });
    }
    Ok(damage)
}

#[cfg(test)]
mod tests {
    use crate::backend::sqlite::{SqliteBackend, SqliteDb, SqliteOptions};
    use crate::kernel::{Backend, Batch, Expect, IndexEntry, Item, ItemKey, Op};
    use gna_domain::time::Timestamp;
    use std::sync::Arc;

    #[tokio::test]
    async fn finds_entries_without_item_and_items_without_entry() {
        let folder = tempfile::tempdir().unwrap();
        let db = SqliteDb::open(&folder.path().join("gna.db"), &SqliteOptions::default()).unwrap();
        let store = SqliteBackend::open(db, Arc::new(Timestamp::default))
            .await
            .unwrap();
        for n in 0..3 {
            let item = Item {
                key: ItemKey {
                    collection: "note",
                    partition: "p".into(),
                    sort: format!("{n}"),
                },
                version: 1,
                body: "{}".into(),
                // Escapes and letters outside ASCII must compare equal after JSON.
                entries: vec![IndexEntry {
                    index: "all",
                    partition: "é\u{1f}\"".into(),
                    sort: format!("\\{n}"),
                }],
                expires: None,
            };
            store
                .commit(Batch {
                    ops: vec![Op::Put {
                        item,
                        expect: Expect::Absent,
                    }],
                })
                .await
                .unwrap();
        }
        assert_eq!(store.check().await.unwrap(), []);

        for (harm, found) in [
            (
                "DELETE FROM items WHERE id = 1",
                "an index entry without its item",
            ),
            (
                "DELETE FROM entries WHERE item = 2",
                "an item without its index entry",
            ),
            (
                "UPDATE entries SET item = 1 WHERE item = 1; UPDATE items SET entries = '[' WHERE id = 3",
                "can't be read",
            ),
        ] {
            store
                .db()
                .write(move |conn| Ok(conn.execute_batch(harm)?))
                .await
                .unwrap();
            let damage = store.check().await.unwrap();
            assert!(
                damage.iter().any(|damage| damage.problem.contains(found)),
                "{harm}: {damage:?}"
            );
        }
    }
}
