//! Names of collections and indexes as small numbers, so that keys in the tables stay short.

use super::connection::PostgresDb;
use crate::backend::intern::intern;
use crate::collection::COLLECTIONS;
use crate::kernel::Error;
use sqlx::Row;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Which number a name has in this schema. Only grows, also by the hand of other processes.
#[derive(Default)]
pub(super) struct Names {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    codes: HashMap<&'static str, i16>,
    names: HashMap<i16, &'static str>,
}

impl Names {
    /// With a number for every name that is declared.
    pub(super) async fn open(db: &PostgresDb) -> Result<Self, Error> {
        let names = Self::default();
        names.load(db).await?;
        let declared: Vec<&'static str> = COLLECTIONS
            .iter()
            .flat_map(|collection| {
                let indexes = collection.indexes.iter().map(|index| index.name);
                std::iter::once(collection.name).chain(indexes)
            })
            .collect();
        names.ensure(db, &declared).await?;
        Ok(names)
    }

    fn known(&self, name: &str) -> Option<i16> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.codes.get(name).copied()
    }

    /// The number of a name; none when nothing of that name was ever written, by any process.
    pub(super) async fn code(&self, db: &PostgresDb, name: &str) -> Result<Option<i16>, Error> {
        if let Some(code) = self.known(name) {
            return Ok(Some(code));
        }
        self.load(db).await?;
        Ok(self.known(name))
    }

    /// The number of a name that [`Self::ensure`] has seen.
    pub(super) fn written(&self, name: &str) -> Result<i16, Error> {
        self.known(name)
            .ok_or_else(|| Error::Unavailable(format!("the name {name} has no number yet")))
    }

    /// The name of a number. Call [`Self::learn`] first with all numbers that came in.
    pub(super) fn name(&self, code: i16) -> Result<&'static str, Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .names
            .get(&code)
            .copied()
            .ok_or_else(|| Error::Corrupt(format!("name {code} is missing")))
    }

    /// Reads the names anew where one of these numbers is another process's.
    pub(super) async fn learn(
        &self,
        db: &PostgresDb,
        mut codes: impl Iterator<Item = i16>,
    ) -> Result<(), Error> {
        let unknown = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            codes.any(|code| !known.names.contains_key(&code))
        };
        match unknown {
            true => self.load(db).await,
            false => Ok(()),
        }
    }

    /// Gives numbers to the names that have none. A commit of its own, so that a number stands
    /// even when the batch that needed it does not; it happens once per name and schema.
    pub(super) async fn ensure(&self, db: &PostgresDb, names: &[&str]) -> Result<(), Error> {
        let mut new: Vec<String> = names
            .iter()
            .filter(|name| self.known(name).is_none())
            .map(|name| (*name).to_owned())
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        // In one order for all processes: they would wait for each other in a circle.
        new.sort_unstable();
        new.dedup();
        let add = "INSERT INTO names (name) SELECT n FROM unnest($1::text[]) n
            WHERE NOT EXISTS (SELECT FROM names WHERE name = n) ORDER BY n ON CONFLICT DO NOTHING";
        let adding = sqlx::query(add).bind(&new).execute(db.items_pool());
        db.once(adding).await.map_err(super::error::map)?;
        self.load(db).await
    }

    async fn load(&self, db: &PostgresDb) -> Result<(), Error> {
        let rows = db
            .read(|pool| async move {
                sqlx::query("SELECT code, name FROM names")
                    .fetch_all(&pool)
                    .await
            })
            .await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let code: i16 = row.try_get(0).map_err(super::error::map)?;
            let name = intern(&row.try_get::<String, _>(1).map_err(super::error::map)?);
            known.codes.insert(name, code);
            known.names.insert(code, name);
        }
        Ok(())
    }
}
