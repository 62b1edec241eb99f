//! A selection in terms of one group: which values it means there.
//!
//! Texts become numbers of values, patterns and words become sets of them, so that what is left
//! to do ([`super::eval`]) is to combine bitmaps and to compare numbers.

use gna_domain::port::search::{Condition, FIELDS, Operand, Selection};
use rusqlite::{Connection, OptionalExtension, params};

use super::keys::{self, EVERY, Group, Local};
use crate::kernel::Error;
use crate::search::cursor::MISSING;
use crate::search::text;

/// Documents that are looked at in any case.
const LOOKS: usize = 24;
/// Documents in a block of a bitmap.
const BLOCK: u32 = 64;
/// Looking at a document costs about as much as reading this many blocks.
const LOOK: usize = 16;
/// And at most so many more when making the bitmap is costly.
const MOST_LOOKS: usize = 1_000;

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// Documents that have one of these values; in order, each once.
    Has(Vec<Local>),
    Between(Between),
}

/// Documents whose number lies in these inclusive bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    /// Position in `FIELDS` of a field that is a column.
    pub field: usize,
    /// And among these.
    pub column: usize,
    pub from: i64,
    pub to: i64,
}

impl Between {
    fn new(field: usize, from: i64, to: i64) -> Self {
        let column = FIELDS
            .iter()
            .take(field)
            .filter(|field| keys::is_column(field))
            .count();
        Self {
            field,
            column,
            from,
            to,
        }
    }

    pub fn holds(&self, number: i64) -> bool {
        (self.from..=self.to).contains(&number)
    }
}

/// What a selection means in one group.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All of these must hold; decided by bitmaps.
    pub bits: Vec<Node>,
    /// And all of these, which can be decided by looking at one document.
    pub numbers: Vec<Between>,
}

impl Plan {
    pub fn new(conn: &Connection, group: Group, selection: &Selection) -> Result<Self, Error> {
        let scope = Scope { conn, group };
        let mut plan = Self {
            bits: Vec::new(),
            numbers: Vec::new(),
        };
        plan.add(scope.node(&selection.condition)?);
        let words: Vec<String> = selection
            .text
            .as_deref()
            .map(|query| text::words(query).collect())
            .unwrap_or_default();
        for (at, word) in words.iter().enumerate() {
            plan.bits.push(scope.word(word, at + 1 == words.len())?);
        }
        Ok(plan)
    }

    fn add(&mut self, node: Node) {
        match node {
            Node::All(nodes) => nodes.into_iter().for_each(|node| self.add(node)),
            Node::Between(between) => self.numbers.push(between),
            node => self.bits.push(node),
        }
    }
}

impl Plan {
    /// False when it is plain that nothing can match.
    pub fn is_possible(&self) -> bool {
        !self
            .bits
            .iter()
            .any(|node| matches!(node, Node::Has(values) if values.is_empty()))
    }

    /// Whether it selects a document that holds this.
    pub fn holds(&self, content: &Content) -> bool {
        self.bits.iter().all(|node| content.has(node)) && content.within(&self.numbers)
    }

    /// How many documents to look at before making a bitmap, in a group of `size` documents. Its
    /// cost grows with the values and with the blocks that each may have; where most documents
    /// are selected, a page is full long before that.
    pub fn looks(&self, size: u32) -> usize {
        let values: usize = self.bits.iter().map(Node::values).sum();
        let blocks = usize::try_from(size / BLOCK).unwrap_or(usize::MAX);
        let by_blocks = if values == 0 { 0 } else { blocks / LOOK };
        LOOKS + (values / 4 + by_blocks).min(MOST_LOOKS)
    }
}

impl Node {
    fn values(&self) -> usize {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().map(Self::values).sum(),
            Self::Not(node) => node.values(),
            Self::Has(values) => values.len(),
            Self::Between(_) => 0,
        }
    }
}

/// What one document holds.
pub struct Content {
    pub values: Vec<Local>,
    /// Those of its columns.
    pub numbers: Vec<i64>,
}

impl Content {
    pub fn within(&self, betweens: &[Between]) -> bool {
        betweens.iter().all(|between| {
            self.numbers
                .get(between.column)
                .is_some_and(|number| between.holds(*number))
        })
    }

    fn has(&self, node: &Node) -> bool {
        match node {
            Node::All(nodes) => nodes.iter().all(|node| self.has(node)),
            Node::Any(nodes) => nodes.iter().any(|node| self.has(node)),
            Node::Not(node) => !self.has(node),
            Node::Has(values) => self
                .values
                .iter()
                .any(|value| values.binary_search(value).is_ok()),
            Node::Between(between) => self.within(std::slice::from_ref(between)),
        }
    }
}

struct Scope<'c> {
    conn: &'c Connection,
    group: Group,
}

impl Scope<'_> {
    /// Nesting is limited by the check of the selection.
    fn node(&self, condition: &Condition) -> Result<Node, Error> {
        let nodes = |parts: &[Condition]| {
            parts
                .iter()
                .map(|part| self.node(part))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match condition {
            Condition::All(parts) => Node::All(nodes(parts)?),
            Condition::Any(parts) => Node::Any(nodes(parts)?),
            Condition::Not(part) => Node::Not(Box::new(self.node(part)?)),
            Condition::In(name, operands) => self.one_of(keys::position(name), operands)?,
            Condition::Between(name, from, to) => {
                // A document without a number is never between; see `MISSING`.
                let from = from.unwrap_or(MISSING).max(MISSING + 1);
                self.between(keys::position(name), from, to.unwrap_or(i64::MAX))?
            }
            Condition::Prefix(name, prefix) => self.prefix(keys::position(name), prefix)?,
            Condition::Contains(name, part) => {
                let part = text::lower(part);
                self.values(keys::position(name), |text| text::contains(text, &part))?
            }
        })
    }

    fn one_of(&self, field: usize, operands: &[Operand]) -> Result<Node, Error> {
        if is_column(field) {
            let equal = |operand: &Operand| match operand {
                Operand::Number(number) if *number != MISSING => {
                    Some(Node::Between(Between::new(field, *number, *number)))
                }
                _ => None,
            };
            let mut nodes: Vec<Node> = operands.iter().filter_map(equal).collect();
            return Ok(match nodes.pop() {
                Some(only) if nodes.is_empty() => only,
                Some(last) => Node::Any(nodes.into_iter().chain([last]).collect()),
                None => Node::Has(Vec::new()),
            });
        }
        let mut find = self
            .conn
            .prepare_cached("SELECT number FROM search_value WHERE scope = ?1 AND text = ?2")?;
        let scope = keys::scope(self.group, field);
        let mut values = Vec::with_capacity(operands.len());
        for operand in operands {
            let number: Option<u32> = match operand {
                Operand::Keyword(text) => find.query_row(params![scope, text], |row| row.get(0)),
                Operand::Number(number) => {
                    find.query_row(params![scope, number.to_string()], |row| row.get(0))
                }
            }
            .optional()?;
            values.extend(number.map(|number| keys::local(field, number)));
        }
        Ok(has(values))
    }

    fn between(&self, field: usize, from: i64, to: i64) -> Result<Node, Error> {
        let between = Between::new(field, from, to);
        match is_column(field) {
            true => Ok(Node::Between(between)),
            false => self.values(field, |text| {
                text.parse().is_ok_and(|number| between.holds(number))
            }),
        }
    }

    fn prefix(&self, field: usize, prefix: &str) -> Result<Node, Error> {
        let mut find = self.conn.prepare_cached(
            "SELECT text, number FROM search_value WHERE scope = ?1 AND text >= ?2 ORDER BY text",
        )?;
        let mut rows = find.query(params![keys::scope(self.group, field), prefix])?;
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            if !row
                .get_ref(0)?
                .as_str()
                .is_ok_and(|text| text.starts_with(prefix))
            {
                break;
            }
            values.push(keys::local(field, row.get(1)?));
        }
        Ok(has(values))
    }

    /// The values of a field whose text is accepted; looks at all of the group.
    fn values(&self, field: usize, accepts: impl Fn(&str) -> bool) -> Result<Node, Error> {
        let mut find = self
            .conn
            .prepare_cached("SELECT text, number FROM search_value WHERE scope = ?1")?;
        let mut rows = find.query([keys::scope(self.group, field)])?;
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            if row.get_ref(0)?.as_str().is_ok_and(&accepts) {
                values.push(keys::local(field, row.get(1)?));
            }
        }
        Ok(has(values))
    }

    /// The values and findings that have a word. Words hold letters and digits only, so there is
    /// nothing in the query that could be taken for an operator.
    fn word(&self, word: &str, prefix: bool) -> Result<Node, Error> {
        let query = format!(
            "\"{}{word}\"{}",
            keys::word_prefix(self.group),
            if prefix { " *" } else { "" }
        );
        let mut find = self
            .conn
            .prepare_cached("SELECT rowid FROM search_fts WHERE search_fts MATCH ?1")?;
        let mut rows = find.query([query])?;
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            values.push(keys::local_of(row.get(0)?));
        }
        Ok(has(values))
    }
}

fn has(mut values: Vec<Local>) -> Node {
    values.sort_unstable();
    values.dedup();
    Node::Has(values)
}

fn is_column(field: usize) -> bool {
    field != EVERY && FIELDS.get(field).is_some_and(keys::is_column)
}
