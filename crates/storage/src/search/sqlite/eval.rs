//! From a plan to the set of documents that it selects.

use gna_domain::port::search::FIELDS;
use rusqlite::{Connection, params};

use super::bits::Bits;
use super::keys::{self, EVERY, Group, Local};
use super::plan::{Between, Node, Plan};
use super::schema;
use crate::kernel::Error;

/// A jump to a value costs about as much as reading this many blocks that lie side by side.
const JUMP: u64 = 12;
/// A range of numbers with more documents than this is checked document by document where it can be.
const FEW: usize = 2_000;

pub struct Eval<'c> {
    pub conn: &'c Connection,
    pub group: Group,
}

impl Eval<'_> {
    /// Everything that the plan selects; `None` when that is every document of the group.
    pub fn selected(&self, plan: &Plan) -> Result<Option<Bits>, Error> {
        let numbers = plan.numbers.iter().map(|between| Node::Between(*between));
        let nodes: Vec<Node> = plan.bits.iter().cloned().chain(numbers).collect();
        if nodes.is_empty() {
            return Ok(None);
        }
        self.all(&nodes).map(Some)
    }

    /// What the plan selects as far as bitmaps tell, and what is then still to be checked of each
    /// document. Leaves ranges that hold much of the group to be checked.
    pub fn narrowed(&self, plan: &Plan) -> Result<(Option<Bits>, Vec<Between>), Error> {
        let mut bits = match plan.bits.as_slice() {
            [] => None,
            nodes => Some(self.all(nodes)?),
        };
        let mut left = Vec::new();
        for between in &plan.numbers {
            match self.few(between)? {
                Some(few) => match &mut bits {
                    Some(bits) => bits.keep(&few),
                    None => bits = Some(few),
                },
                None => left.push(*between),
            }
        }
        Ok((bits, left))
    }

    /// How many documents the group has ever had, which is enough for an estimate.
    pub fn size(&self) -> Result<u32, Error> {
        let mut find = self
            .conn
            .prepare_cached("SELECT next FROM search_group WHERE no = ?1")?;
        Ok(find.query_row([self.group], |row| row.get(0))?)
    }

    pub fn every(&self) -> Result<Bits, Error> {
        self.has(&[keys::local(EVERY, 0)])
    }

    /// Nesting is limited by the check of the selection.
    fn bits(&self, node: &Node) -> Result<Bits, Error> {
        match node {
            Node::All(nodes) => self.all(nodes),
            Node::Any(nodes) => nodes.iter().try_fold(Bits::default(), |mut bits, node| {
                bits.join(&self.bits(node)?);
                Ok(bits)
            }),
            Node::Not(node) => {
                let mut bits = self.every()?;
                bits.drop(&self.bits(node)?);
                Ok(bits)
            }
            Node::Has(values) => self.has(values),
            Node::Between(between) => Ok(self.between(between, usize::MAX)?.0),
        }
    }

    fn all(&self, nodes: &[Node]) -> Result<Bits, Error> {
        let Some((first, rest)) = nodes.split_first() else {
            return self.every();
        };
        let mut bits = self.bits(first)?;
        for node in rest {
            if bits.is_empty() {
                break;
            }
            match node {
                Node::Not(node) => bits.drop(&self.bits(node)?),
                node => bits.keep(&self.bits(node)?),
            }
        }
        Ok(bits)
    }

    /// Values of one field lie side by side: where many of them are wanted it is read through.
    fn has(&self, values: &[Local]) -> Result<Bits, Error> {
        let mut bits = Bits::default();
        for values in values.chunk_by(|a, b| a >> 32 == b >> 32) {
            let (Some(first), Some(last)) = (values.first(), values.last()) else {
                continue;
            };
            if last - first < values.len() as u64 * JUMP {
                self.read(*first, *last, |value, block, found| {
                    if values.binary_search(&value).is_ok() {
                        bits.add_block(block, found);
                    }
                })?;
            } else {
                for value in values {
                    self.read(*value, *value, |_, block, found| {
                        bits.add_block(block, found)
                    })?;
                }
            }
        }
        Ok(bits)
    }

    /// All blocks of the values from `first` to `last`, in order.
    pub fn read(
        &self,
        first: Local,
        last: Local,
        mut each: impl FnMut(Local, u32, u64),
    ) -> Result<(), Error> {
        let sql = "SELECT value, block, bits FROM search_post WHERE value BETWEEN ?1 AND ?2";
        let mut find = self.conn.prepare_cached(sql)?;
        let mut rows = find.query(params![
            keys::value(self.group, first),
            keys::value(self.group, last)
        ])?;
        while let Some(row) = rows.next()? {
            each(
                keys::local_of(row.get(0)?),
                row.get(1)?,
                row.get::<_, i64>(2)?.cast_unsigned(),
            );
        }
        Ok(())
    }

    fn few(&self, between: &Between) -> Result<Option<Bits>, Error> {
        let sorted = FIELDS.get(between.field).is_some_and(|field| field.sort);
        if !sorted {
            return Ok(None);
        }
        let (bits, found) = self.between(between, FEW + 1)?;
        Ok((found <= FEW).then_some(bits))
    }

    /// At most `limit` of the documents in the range, and how many these are.
    fn between(&self, between: &Between, limit: usize) -> Result<(Bits, usize), Error> {
        let Some(field) = FIELDS.get(between.field) else {
            return Ok((Bits::default(), 0));
        };
        let column = schema::column(field);
        let sql = if field.sort {
            let index = schema::sort_index(field);
            format!(
                "SELECT key FROM search_doc INDEXED BY {index} WHERE grp = ?1 AND {column} BETWEEN ?2 AND ?3 LIMIT ?4"
            )
        } else {
            format!(
                "SELECT key FROM search_doc NOT INDEXED WHERE key BETWEEN ?1 << 32 AND (?1 << 32) + 4294967295 AND {column} BETWEEN ?2 AND ?3 LIMIT ?4"
            )
        };
        let mut find = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = find.query(params![self.group, between.from, between.to, limit])?;
        let (mut bits, mut found) = (Bits::default(), 0);
        while let Some(row) = rows.next()? {
            bits.add(keys::place(row.get(0)?));
            found += 1;
        }
        Ok((bits, found))
    }
}
