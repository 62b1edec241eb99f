//! Changes to bitmaps, gathered for a whole batch and written in key order.

use rusqlite::{Connection, params};
use std::collections::HashMap;

use super::bits::BLOCK;
use super::keys::{self, Local};
use crate::kernel::Error;

#[derive(Default)]
pub struct Postings {
    /// By value and block.
    changes: HashMap<(i64, u32), Change>,
}

/// Bits to set and bits to clear; none is both.
#[derive(Clone, Copy, Default)]
struct Change {
    on: u64,
    off: u64,
}

impl Postings {
    pub fn set(&mut self, document: i64, value: Local) {
        let (change, bit) = self.change(document, value);
        change.on |= bit;
        change.off &= !bit;
    }

    pub fn clear(&mut self, document: i64, value: Local) {
        let (change, bit) = self.change(document, value);
        change.on &= !bit;
        change.off |= bit;
    }

    fn change(&mut self, document: i64, value: Local) -> (&mut Change, u64) {
        let (key, place) = (keys::value(document >> 32, value), keys::place(document));
        let change = self.changes.entry((key, place / BLOCK)).or_default();
        (change, 1 << (place % BLOCK))
    }

    pub fn finish(self, conn: &Connection) -> Result<(), Error> {
        let mut changes: Vec<_> = self.changes.into_iter().collect();
        changes.sort_unstable_by_key(|(key, _)| *key);
        let mut set = conn.prepare_cached(
            "INSERT INTO search_post (value, block, bits) VALUES (?1, ?2, ?3)
             ON CONFLICT (value, block) DO UPDATE SET bits = (bits & ~?4) | ?3",
        )?;
        let mut clear = conn.prepare_cached(
            "UPDATE search_post SET bits = bits & ~?3 WHERE value = ?1 AND block = ?2",
        )?;
        let mut prune = conn.prepare_cached(
            "DELETE FROM search_post WHERE value = ?1 AND block = ?2 AND bits = 0",
        )?;
        for ((value, block), Change { on, off }) in changes {
            let (on, off) = (on.cast_signed(), off.cast_signed());
            if on != 0 {
                set.execute(params![value, block, on, off])?;
            } else {
                clear.execute(params![value, block, off])?;
                prune.execute(params![value, block])?;
            }
        }
        Ok(())
    }
}
