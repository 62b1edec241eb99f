//! Names of collections and indexes as small numbers, so that keys in the file stay short.

use super::SqliteDb;
use crate::backend::intern::intern;
use crate::kernel::Error;
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Which number a name has in this file. Only grows.
#[derive(Default)]
pub(super) struct Names {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    codes: HashMap<&'static str, i64>,
    names: HashMap<i64, &'static str>,
}

impl Names {
    /// The number of a name; none when nothing of that name was ever written.
    pub(super) fn code(&self, name: &str) -> Option<i64> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .codes
            .get(name)
            .copied()
    }

    /// The number of a name that [`Self::ensure`] has seen.
    pub(super) fn written(&self, name: &str) -> Result<i64, Error> {
        self.code(name)
            .ok_or_else(|| Error::Unavailable(format!("the name {name} has no number yet")))
    }

    pub(super) fn name(&self, code: i64) -> Result<&'static str, Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .names
            .get(&code)
            .copied()
            .ok_or_else(|| Error::Corrupt(format!("name {code} is missing")))
    }

    /// Reads what the file has.
    pub(super) fn load(&self, rows: Vec<(i64, String)>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (code, name) in rows {
            let name = intern(&name);
            known.codes.insert(name, code);
            known.names.insert(code, name);
        }
    }

    /// Gives numbers to the names that have none. A commit of its own, so that a number stands
    /// even when the batch that needed it does not; it happens once per name and file.
    pub(super) async fn ensure(&self, db: &SqliteDb, names: &[&'static str]) -> Result<(), Error> {
        let new: Vec<&'static str> = names
            .iter()
            .copied()
            .filter(|name| self.code(name).is_none())
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let rows = db.write(move |conn| {
            let mut add =
                conn.prepare_cached("INSERT INTO names (name) VALUES (?1) ON CONFLICT DO NOTHING")?;
            for name in new {
                add.execute([name])?;
            }
            all(conn)
        });
        self.load(rows.await?);
        Ok(())
    }
}

pub(super) fn all(conn: &Connection) -> Result<Vec<(i64, String)>, Error> {
    let mut statement = conn.prepare_cached("SELECT code, name FROM names")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
