//! Counting: how many documents a selection has, in all and by value.

use gna_domain::page::Count;
use gna_domain::port::search::{Facet, Selection};
use rusqlite::Connection;
use std::collections::HashMap;

use super::eval::Eval;
use super::keys::{self, Group};
use super::plan::Plan;
use crate::kernel::Error;

/// Stops after the group in which the bound is passed.
pub fn count(conn: &Connection, selection: &Selection, bound: u64) -> Result<Count, Error> {
    let mut found = 0;
    for group in super::groups(conn, selection)? {
        let eval = Eval { conn, group };
        found += match eval.selected(&Plan::new(conn, group, selection)?)? {
            Some(bits) => bits.count(),
            None => eval.every()?.count(),
        };
        if found > bound {
            return Ok(Count::AtLeast(bound));
        }
    }
    Ok(Count::Exact(found))
}

pub fn facets(
    conn: &Connection,
    selection: &Selection,
    fields: &[&'static str],
    limit: usize,
) -> Result<Vec<Facet>, Error> {
    let mut counts: Vec<HashMap<String, u64>> = vec![HashMap::new(); fields.len()];
    for group in super::groups(conn, selection)? {
        let eval = Eval { conn, group };
        let selected = eval.selected(&Plan::new(conn, group, selection)?)?;
        if selected.as_ref().is_some_and(super::bits::Bits::is_empty) {
            continue;
        }
        for (field, counts) in fields.iter().zip(&mut counts) {
            let field = keys::position(field);
            let mut by_number: Vec<u64> = Vec::new();
            eval.read(
                keys::local(field, 0),
                keys::local(field, u32::MAX),
                |value, block, bits| {
                    let bits = selected
                        .as_ref()
                        .map_or(bits, |selected| selected.block(block) & bits);
                    let number = value as u32 as usize;
                    if number >= by_number.len() {
                        by_number.resize(number + 1, 0);
                    }
                    if let Some(count) = by_number.get_mut(number) {
                        *count += u64::from(bits.count_ones());
                    }
                },
            )?;
            name(conn, group, field, &by_number, counts)?;
        }
    }
    Ok(fields
        .iter()
        .zip(counts)
        .map(|(field, counts)| Facet {
            field,
            values: most_frequent(counts, limit),
        })
        .collect())
}

/// Adds the counts of a group's numbers to those of their texts.
fn name(
    conn: &Connection,
    group: Group,
    field: usize,
    by_number: &[u64],
    counts: &mut HashMap<String, u64>,
) -> Result<(), Error> {
    if by_number.iter().all(|count| *count == 0) {
        return Ok(());
    }
    let mut find = conn.prepare_cached("SELECT text, number FROM search_value WHERE scope = ?1")?;
    let mut rows = find.query([keys::scope(group, field)])?;
    while let Some(row) = rows.next()? {
        let count = by_number
            .get(row.get::<_, u32>(1)? as usize)
            .copied()
            .unwrap_or(0);
        if count == 0 {
            continue;
        }
        let text = row
            .get_ref(0)?
            .as_str()
            .map_err(|_| Error::Corrupt("a value of the search index is no text".into()))?;
        match counts.get_mut(text) {
            Some(sum) => *sum += count,
            None => {
                counts.insert(text.to_owned(), count);
            }
        }
    }
    Ok(())
}

fn most_frequent(counts: HashMap<String, u64>, limit: usize) -> Vec<(String, u64)> {
    let order = |a: &(String, u64), b: &(String, u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
    let mut values: Vec<(String, u64)> = counts.into_iter().collect();
    if limit < values.len() {
        values.select_nth_unstable_by(limit, order);
        values.truncate(limit);
    }
    values.sort_unstable_by(order);
    values
}
