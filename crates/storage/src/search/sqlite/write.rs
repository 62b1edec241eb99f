//! Filling the index: one batch of changes inside one transaction.
//!
//! Documents are compared with what is stored, and only what differs is written: a change of
//! state moves two bits, and touches neither sort orders nor words.

use gna_domain::id::{GroupId, TypedId, VulnerabilityId};
use gna_domain::port::search::{Document, FIELDS, Field, FindingText, SearchUpdate, Value};
use gna_domain::time::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::collections::HashMap;

use super::dictionary::Dictionary;
use super::keys::{self, EVERY, Group, Local};
use super::postings::Postings;
use super::schema;
use crate::kernel::Error;
use crate::search::cursor::MISSING;
use crate::search::text;

/// Applies the whole update; nothing of it, and false, where the index is not where it follows.
pub fn apply(conn: &Connection, update: &SearchUpdate) -> Result<bool, Error> {
    if update.after.is_some() && update.after != schema::position(conn)? {
        return Ok(false);
    }
    let mut batch = Batch::new(conn)?;
    for finding in &update.findings {
        batch.finding(finding)?;
    }
    for document in in_order(&update.documents) {
        batch.document(document)?;
    }
    for removed in &update.removed {
        if let Some(stored) = batch.stored(removed.id)? {
            batch.remove(&stored)?;
        }
    }
    batch.finish()?;
    if let Some(position) = &update.position {
        schema::set_position(conn, position)?;
    }
    Ok(true)
}

/// Each document once, in its newest version; those of one finding side by side, since they share
/// most other values too, and with them blocks of bits.
fn in_order(documents: &[Document]) -> Vec<&Document> {
    let mut newest: HashMap<VulnerabilityId, &Document> = HashMap::with_capacity(documents.len());
    for document in documents {
        let known = newest.entry(document.id).or_insert(document);
        if known.version < document.version {
            *known = document;
        }
    }
    let mut documents: Vec<&Document> = newest.into_values().collect();
    documents.sort_unstable_by_key(|document| (document.group, document.finding, document.id));
    documents
}

/// Moves `last_seen` of those documents that are there forward.
pub fn touch(
    conn: &Connection,
    ids: &[VulnerabilityId],
    last_seen: Timestamp,
) -> Result<(), Error> {
    let mut update = conn.prepare_cached(
        "UPDATE search_doc SET n_last_seen = ?2 WHERE id = ?1 AND n_last_seen < ?2",
    )?;
    for id in ids {
        update.execute(params![id.uuid().as_bytes(), last_seen.millis()])?;
    }
    Ok(())
}

/// Sets `priority` of those documents that are there and have another one; answers how many.
pub fn prioritize(conn: &Connection, scores: &[(VulnerabilityId, i64)]) -> Result<u64, Error> {
    let mut update = conn.prepare_cached(
        "UPDATE search_doc SET n_priority = ?2 WHERE id = ?1 AND n_priority <> ?2",
    )?;
    let mut rewritten = 0;
    for (id, score) in scores {
        rewritten += update.execute(params![id.uuid().as_bytes(), score])?;
    }
    Ok(u64::try_from(rewritten).unwrap_or(u64::MAX))
}

struct Batch<'c> {
    conn: &'c Connection,
    sql: Sql,
    columns: Vec<&'static Field>,
    dictionary: Dictionary<'c>,
    groups: HashMap<GroupId, Numbering>,
    postings: Postings,
}

struct Numbering {
    group: Group,
    next: u32,
    stored_next: u32,
}

struct Sql {
    find: String,
    insert: String,
}

/// A document as it is in the table.
struct Stored {
    key: i64,
    version: u64,
    values: Vec<Local>,
    numbers: Vec<i64>,
}

impl<'c> Batch<'c> {
    fn new(conn: &'c Connection) -> Result<Self, Error> {
        let fields: Vec<&'static Field> = keys::columns().collect();
        let columns = schema::columns();
        let marks = "?, ".repeat(fields.len() + 4);
        let sql = Sql {
            find: format!("SELECT key, version, vals, {columns} FROM search_doc WHERE id = ?1"),
            insert: format!(
                "INSERT INTO search_doc (key, grp, id, version, vals, {columns}) VALUES ({marks} ?)"
            ),
        };
        Ok(Self {
            conn,
            sql,
            columns: fields,
            dictionary: Dictionary::new(conn)?,
            groups: HashMap::new(),
            postings: Postings::default(),
        })
    }

    fn finding(&mut self, finding: &FindingText) -> Result<(), Error> {
        let group = self.numbering(finding.group)?.group;
        let local =
            self.dictionary
                .local(group, keys::position("finding"), &finding.id.to_string())?;
        let key = keys::value(group, local);
        let mut find = self
            .conn
            .prepare_cached("SELECT version FROM search_finding WHERE value = ?1")?;
        let stored: Option<i64> = find.query_row([key], |row| row.get(0)).optional()?;
        if stored.is_some_and(|version| version.cast_unsigned() >= finding.version) {
            return Ok(());
        }
        let mut put = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO search_finding (value, version) VALUES (?1, ?2)",
        )?;
        put.execute(params![key, finding.version.cast_signed()])?;
        let words = text::words(&finding.title).chain(text::words(&finding.text));
        self.dictionary
            .set_words(group, local, words, stored.is_some())
    }

    fn document(&mut self, document: &Document) -> Result<(), Error> {
        let stored = self.stored(document.id)?;
        if stored
            .as_ref()
            .is_some_and(|stored| stored.version >= document.version)
        {
            return Ok(());
        }
        let group = self.numbering(document.group)?.group;
        let values = self.values(group, document)?;
        let numbers = self
            .columns
            .iter()
            .map(|field| match document.values.get(field.name) {
                Some(Value::Number(number)) => *number,
                _ => MISSING,
            });
        let new = (document, values, numbers.collect::<Vec<_>>());
        match stored {
            Some(stored) if stored.key >> 32 == group => self.update(&stored, new),
            Some(stored) => {
                self.remove(&stored)?;
                self.insert(group, new)
            }
            None => self.insert(group, new),
        }
    }

    fn insert(
        &mut self,
        group: Group,
        (document, values, numbers): (&Document, Vec<Local>, Vec<i64>),
    ) -> Result<(), Error> {
        let numbering = self.numbering(document.group)?;
        let place = numbering.next;
        numbering.next = place
            .checked_add(1)
            .ok_or_else(|| Error::Unavailable("a group has too many documents".into()))?;
        let key = keys::document(group, place);
        let (version, id, packed) = (
            document.version.cast_signed(),
            document.id.uuid(),
            keys::pack(&values),
        );
        let fixed: [&dyn ToSql; 5] = [&key, &group, id.as_bytes(), &version, &packed];
        let all = fixed
            .into_iter()
            .chain(numbers.iter().map(|number| number as &dyn ToSql));
        self.conn
            .prepare_cached(&self.sql.insert)?
            .execute(params_from_iter(all))?;
        for value in values.into_iter().chain([keys::local(EVERY, 0)]) {
            self.postings.set(key, value);
        }
        Ok(())
    }

    fn update(
        &mut self,
        stored: &Stored,
        (document, values, numbers): (&Document, Vec<Local>, Vec<i64>),
    ) -> Result<(), Error> {
        let (version, packed) = (document.version.cast_signed(), keys::pack(&values));
        let mut sql = String::from("UPDATE search_doc SET version = ?");
        let mut all: Vec<&dyn ToSql> = vec![&version];
        if values != stored.values {
            sql.push_str(", vals = ?");
            all.push(&packed);
        }
        // A column that is named costs its index, even when its value stays.
        for ((field, new), old) in self.columns.iter().zip(&numbers).zip(&stored.numbers) {
            if new != old {
                sql.push_str(&format!(", {} = ?", schema::column(field)));
                all.push(new);
            }
        }
        sql.push_str(" WHERE key = ?");
        all.push(&stored.key);
        self.conn
            .prepare_cached(&sql)?
            .execute(params_from_iter(all))?;
        for value in stored
            .values
            .iter()
            .filter(|value| values.binary_search(value).is_err())
        {
            self.postings.clear(stored.key, *value);
        }
        for value in values
            .iter()
            .filter(|value| stored.values.binary_search(value).is_err())
        {
            self.postings.set(stored.key, *value);
        }
        Ok(())
    }

    fn remove(&mut self, stored: &Stored) -> Result<(), Error> {
        self.conn
            .prepare_cached("DELETE FROM search_doc WHERE key = ?1")?
            .execute([stored.key])?;
        for value in stored.values.iter().copied().chain([keys::local(EVERY, 0)]) {
            self.postings.clear(stored.key, value);
        }
        Ok(())
    }

    fn stored(&self, id: VulnerabilityId) -> Result<Option<Stored>, Error> {
        let read = |row: &Row<'_>| {
            Ok(Stored {
                key: row.get(0)?,
                version: row.get::<_, i64>(1)?.cast_unsigned(),
                values: keys::unpack(row.get_ref(2)?.as_blob().unwrap_or_default()),
                numbers: (0..self.columns.len())
                    .map(|at| row.get(3 + at))
                    .collect::<Result<_, _>>()?,
            })
        };
        Ok(self
            .conn
            .prepare_cached(&self.sql.find)?
            .query_row([id.uuid().as_bytes()], read)
            .optional()?)
    }

    /// The values of a document's bitmaps, in order, each once.
    fn values(&mut self, group: Group, document: &Document) -> Result<Vec<Local>, Error> {
        let mut values = Vec::with_capacity(16);
        for (at, field) in FIELDS
            .iter()
            .enumerate()
            .filter(|(_, field)| !keys::is_column(field))
        {
            if field.name == "finding" {
                // Always the id under which the finding's words are found.
                values.push(
                    self.dictionary
                        .local(group, at, &document.finding.to_string())?,
                );
                continue;
            }
            match document.values.get(field.name) {
                Some(Value::Keyword(text)) => values.push(self.dictionary.local(group, at, text)?),
                Some(Value::Keywords(texts)) => {
                    for text in texts {
                        values.push(self.dictionary.local(group, at, text)?);
                    }
                }
                Some(Value::Number(number)) if *number != MISSING => {
                    values.push(self.dictionary.local(group, at, &number.to_string())?);
                }
                Some(Value::Number(_)) | None => {}
            }
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    fn numbering(&mut self, id: GroupId) -> Result<&mut Numbering, Error> {
        if !self.groups.contains_key(&id) {
            let mut find = self
                .conn
                .prepare_cached("SELECT no, next FROM search_group WHERE id = ?1")?;
            let stored = find
                .query_row([id.uuid().as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let (group, next) = match stored {
                Some(stored) => stored,
                None => {
                    let mut add = self
                        .conn
                        .prepare_cached("INSERT INTO search_group (id, next) VALUES (?1, 0)")?;
                    add.execute([id.uuid().as_bytes()])?;
                    (self.conn.last_insert_rowid(), 0)
                }
            };
            if group >= keys::MOST_GROUPS {
                return Err(Error::Unavailable(
                    "the search index has too many groups".into(),
                ));
            }
            self.groups.insert(
                id,
                Numbering {
                    group,
                    next,
                    stored_next: next,
                },
            );
        }
        self.groups
            .get_mut(&id)
            .ok_or_else(|| Error::Unavailable("a group has no number".into()))
    }

    fn finish(self) -> Result<(), Error> {
        self.postings.finish(self.conn)?;
        let mut save = self
            .conn
            .prepare_cached("UPDATE search_group SET next = ?2 WHERE no = ?1")?;
        for numbering in self
            .groups
            .values()
            .filter(|numbering| numbering.next != numbering.stored_next)
        {
            save.execute(params![numbering.group, numbering.next])?;
        }
        self.dictionary.finish()
    }
}
