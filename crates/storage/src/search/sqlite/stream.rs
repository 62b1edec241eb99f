//! The documents of one group in the order of a page.
//!
//! They are read from the sort index in growing chunks. The first few are decided by looking at
//! each; if that does not find enough, the bitmap of the selection is made and decides the rest.

use gna_domain::port::search::Selection;
use rusqlite::Connection;
use std::collections::VecDeque;

use super::bits::Bits;
use super::eval::Eval;
use super::keys::{self, Group};
use super::order::{Order, Row};
use super::plan::{Between, Plan};
use crate::kernel::Error;
use crate::search::cursor::Place;

const LARGEST_CHUNK: usize = 1_024;
/// Fetching a document by its number costs about as much as this many steps along a sort index.
const FETCH: u64 = 6;

/// How a row is decided.
enum Filter {
    /// By looking at it, as long as some looks are left.
    Look { plan: Plan, left: usize },
    /// By the bitmap, and by those of its numbers that the bitmap leaves open.
    Bits {
        bits: Option<Bits>,
        numbers: Vec<Between>,
    },
}

pub struct Stream<'c> {
    eval: Eval<'c>,
    order: &'c Order,
    chunk: usize,
    rows: VecDeque<Row>,
    /// The place after which to read on.
    last: Option<Place>,
    done: bool,
    filter: Option<Filter>,
}

impl<'c> Stream<'c> {
    pub fn new(
        conn: &'c Connection,
        group: Group,
        order: &'c Order,
        after: Option<Place>,
        chunk: usize,
    ) -> Self {
        Self {
            eval: Eval { conn, group },
            order,
            chunk: chunk.min(LARGEST_CHUNK),
            rows: VecDeque::new(),
            last: after,
            done: false,
            filter: None,
        }
    }

    /// The next row that may be selected: where there is a bitmap, one that it has.
    pub fn next(&mut self) -> Result<Option<Row>, Error> {
        loop {
            while let Some(row) = self.rows.pop_front() {
                if !self.order.within(&row) {
                    self.end();
                    break;
                }
                match &self.filter {
                    Some(Filter::Bits {
                        bits: Some(bits), ..
                    }) if !bits.has(keys::place(row.key)) => {}
                    _ => return Ok(Some(row)),
                }
            }
            if self.done {
                return Ok(None);
            }
            let rows = self
                .order
                .read(self.eval.conn, self.eval.group, self.last, self.chunk)?;
            self.done = rows.len() < self.chunk;
            self.last = rows.last().map(|row| row.place).or(self.last);
            self.rows = rows.into();
            self.chunk = (self.chunk * 4).min(LARGEST_CHUNK);
        }
    }

    fn end(&mut self) {
        self.done = true;
        self.rows.clear();
    }

    /// Whether the row, which this stream gave last, is selected. `wanted` rows are on a page.
    pub fn accepts(
        &mut self,
        row: &Row,
        selection: &Selection,
        wanted: usize,
    ) -> Result<bool, Error> {
        let mut filter = match self.filter.take() {
            Some(filter) => filter,
            None => self.filter(selection)?,
        };
        if let Filter::Look { plan, left: 0 } = &filter {
            let (bits, numbers) = self.eval.narrowed(plan)?;
            if let Some(bits) = &bits {
                self.collect_if_few(row, bits, &numbers, wanted)?;
            }
            filter = Filter::Bits { bits, numbers };
        }
        let fetch = || self.order.fetch(self.eval.conn, row.key);
        let accepted = match &mut filter {
            Filter::Look { plan, left } => {
                *left -= 1;
                plan.is_possible() && fetch()?.is_some_and(|(_, content)| plan.holds(&content))
            }
            Filter::Bits { bits, numbers } => {
                bits.as_ref()
                    .is_none_or(|bits| bits.has(keys::place(row.key)))
                    && (numbers.is_empty()
                        || fetch()?.is_some_and(|(_, content)| content.within(numbers)))
            }
        };
        if matches!(&filter, Filter::Look { plan, .. } if !plan.is_possible()) {
            self.end();
        }
        self.filter = Some(filter);
        Ok(accepted)
    }

    fn filter(&self, selection: &Selection) -> Result<Filter, Error> {
        let mut plan = Plan::new(self.eval.conn, self.eval.group, selection)?;
        // What the walk's own bounds see to need not be checked again.
        let walked =
            |between: &Between| between.from <= self.order.from && self.order.to <= between.to;
        plan.numbers
            .retain(|between| between.field != self.order.field || !walked(between));
        if plan.bits.is_empty() && plan.numbers.is_empty() {
            return Ok(Filter::Bits {
                bits: None,
                numbers: Vec::new(),
            });
        }
        let left = plan.looks(self.eval.size()?);
        Ok(Filter::Look { plan, left })
    }

    /// Where few documents are selected, fetching them all is quicker than walking along the
    /// index until they turn up.
    fn collect_if_few(
        &mut self,
        row: &Row,
        bits: &Bits,
        numbers: &[Between],
        wanted: usize,
    ) -> Result<(), Error> {
        let found = bits.count();
        // Walking finds one in `every / found`; wanted ones may be all in this group.
        let every = u64::from(self.eval.size()?);
        if found * FETCH > wanted as u64 * every / found.max(1) {
            return Ok(());
        }
        let mut rows = Vec::new();
        for place in bits.places() {
            let key = keys::document(self.eval.group, place);
            let Some((found, content)) = self.order.fetch(self.eval.conn, key)? else {
                continue;
            };
            let later = found.rank(self.order.sort) < row.rank(self.order.sort);
            if later && self.order.within(&found) && content.within(numbers) {
                rows.push(found);
            }
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.rank(self.order.sort)));
        self.rows = rows.into();
        self.done = true;
        Ok(())
    }
}
