//! Numbers for the values that documents have, given out when a value is first seen in a group.
//!
//! A number is never given twice or taken back: values that no document has any more stay until
//! the index is rebuilt. The words of values that text searches look at are indexed here, once.

use gna_domain::port::search::FIELDS;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::{BTreeSet, HashMap};

use super::keys::{self, Group, Local};
use crate::kernel::Error;
use crate::search::text;

pub struct Dictionary<'c> {
    conn: &'c Connection,
    find: CachedStatement<'c>,
    add: CachedStatement<'c>,
    add_words: CachedStatement<'c>,
    scopes: HashMap<i64, Scope>,
    searched: Vec<bool>,
    line: String,
}

#[derive(Default)]
struct Scope {
    known: HashMap<Box<str>, u32>,
    stored_next: u32,
    next: u32,
}

impl<'c> Dictionary<'c> {
    pub fn new(conn: &'c Connection) -> Result<Self, Error> {
        Ok(Self {
            conn,
            find: conn
                .prepare_cached("SELECT number FROM search_value WHERE scope = ?1 AND text = ?2")?,
            add: conn.prepare_cached(
                "INSERT INTO search_value (scope, text, number) VALUES (?1, ?2, ?3)",
            )?,
            add_words: conn
                .prepare_cached("INSERT INTO search_fts (rowid, words) VALUES (?1, ?2)")?,
            scopes: HashMap::new(),
            searched: FIELDS
                .iter()
                .map(|field| text::SEARCHED.contains(&field.name))
                .collect(),
            line: String::new(),
        })
    }

    /// The number of a value, a new one if need be.
    pub fn local(&mut self, group: Group, field: usize, value: &str) -> Result<Local, Error> {
        let key = keys::scope(group, field);
        if !self.scopes.contains_key(&key) {
            let mut next = self
                .conn
                .prepare_cached("SELECT next FROM search_scope WHERE scope = ?1")?;
            let next = next
                .query_row([key], |row| row.get(0))
                .optional()?
                .unwrap_or(0);
            self.scopes.insert(
                key,
                Scope {
                    known: HashMap::new(),
                    stored_next: next,
                    next,
                },
            );
        }
        let scope = self.scopes.entry(key).or_default();
        if let Some(number) = scope.known.get(value) {
            return Ok(keys::local(field, *number));
        }
        // In a scope without values there is nothing to find.
        let stored = match scope.stored_next {
            0 => None,
            _ => self
                .find
                .query_row(params![key, value], |row| row.get(0))
                .optional()?,
        };
        let number = match stored {
            Some(number) => number,
            None => {
                let number = scope.next;
                scope.next = number
                    .checked_add(1)
                    .ok_or_else(|| Error::Unavailable("a field has too many values".into()))?;
                self.add.execute(params![key, value, number])?;
                if self.searched.get(field) == Some(&true) {
                    let value_key = keys::value(group, keys::local(field, number));
                    line(&mut self.line, group, text::words(value));
                    self.add_words.execute(params![value_key, self.line])?;
                }
                number
            }
        };
        scope.known.insert(value.into(), number);
        Ok(keys::local(field, number))
    }

    /// Replaces the words by which a value is found.
    pub fn set_words(
        &mut self,
        group: Group,
        local: Local,
        words: impl Iterator<Item = String>,
        replace: bool,
    ) -> Result<(), Error> {
        let key = keys::value(group, local);
        if replace {
            self.conn
                .prepare_cached("DELETE FROM search_fts WHERE rowid = ?1")?
                .execute([key])?;
        }
        line(&mut self.line, group, words);
        self.add_words.execute(params![key, self.line])?;
        Ok(())
    }

    /// Remembers which numbers have been given out.
    pub fn finish(self) -> Result<(), Error> {
        let mut save = self
            .conn
            .prepare_cached("INSERT OR REPLACE INTO search_scope (scope, next) VALUES (?1, ?2)")?;
        for (key, scope) in self
            .scopes
            .iter()
            .filter(|(_, scope)| scope.next != scope.stored_next)
        {
            save.execute(params![key, scope.next])?;
        }
        Ok(())
    }
}

/// Distinct words of a group, written as the full-text index takes them.
fn line(line: &mut String, group: Group, words: impl Iterator<Item = String>) {
    let prefix = keys::word_prefix(group);
    line.clear();
    for word in words.collect::<BTreeSet<_>>() {
        line.push_str(&prefix);
        line.push_str(&word);
        line.push(' ');
    }
}
