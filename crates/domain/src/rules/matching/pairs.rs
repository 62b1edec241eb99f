//! Pairs of items and vulnerabilities that share a key: which of them belong together is decided by
//! their lines.

use std::collections::{BTreeMap, HashSet};

use super::nearest::nearest;
use crate::id::VulnerabilityId;
use crate::model::Holder;
use crate::rules::identity::{Keys, RANK_NEAR};

/// Lines that an edited place may have moved when both snippets are known and differ: beyond it,
/// another place of the same rule is a new vulnerability and must not inherit decisions.
const EDIT_REACH: u32 = 3;

/// Above this many pairs of one rule in one file, only neighbours are compared, not all with all.
pub(super) const PAIR_LIMIT: usize = 20_000;

/// Pairs by the smallest distance between lines; ties go to the earlier item and the older vulnerability.
/// `members` are positions in `items`, in their order.
pub(super) fn pair(
    rank: u8,
    items: &[Keys],
    members: &[usize],
    holders: &[&Holder],
) -> Vec<(usize, VulnerabilityId)> {
    if members.len().saturating_mul(holders.len()) <= PAIR_LIMIT {
        pair_few(rank, items, members, holders)
    } else {
        pair_many(rank, items, members, holders)
    }
}

fn pair_few(
    rank: u8,
    items: &[Keys],
    members: &[usize],
    holders: &[&Holder],
) -> Vec<(usize, VulnerabilityId)> {
    let mut pairs: Vec<(u32, usize, VulnerabilityId)> = Vec::new();
    for &at in members {
        for holder in holders {
            let distance = line_of(items, at).abs_diff(line_at(holder));
            if may_be_same(rank, items.get(at), holder, distance) {
                pairs.push((distance, at, holder.vulnerability));
            }
        }
    }
    pairs.sort_unstable();
    let (mut used_items, mut used_holders) = (HashSet::new(), HashSet::new());
    pairs
        .into_iter()
        .filter(|(_, at, id)| {
            let free = !used_items.contains(at) && !used_holders.contains(id);
            if free {
                used_items.insert(*at);
                used_holders.insert(*id);
            }
            free
        })
        .map(|(_, at, id)| (at, id))
        .collect()
}

/// The same for more than can be compared all with all. Where snippets decide too, it goes by steps:
/// what may have been edited, what has the same snippet, then where one of both has none.
fn pair_many(
    rank: u8,
    items: &[Keys],
    members: &[usize],
    holders: &[&Holder],
) -> Vec<(usize, VulnerabilityId)> {
    let mut holders = holders.to_vec();
    holders.sort_by_key(|holder| holder.vulnerability);
    let mut free = Free {
        items,
        members: members.to_vec(),
        holders,
        pairs: Vec::new(),
    };
    if rank != RANK_NEAR {
        free.pair(|_| true, |_| true, u32::MAX);
        return free.pairs;
    }
    free.pair(|_| true, |_| true, EDIT_REACH);
    free.pair_same_snippets();
    free.pair(|item| item.snippet.is_none(), |_| true, u32::MAX);
    free.pair(|_| true, |holder| holder.snippet.is_none(), u32::MAX);
    free.pairs
}

/// What is not paired yet, and what is.
struct Free<'a> {
    items: &'a [Keys],
    members: Vec<usize>,
    holders: Vec<&'a Holder>,
    pairs: Vec<(usize, VulnerabilityId)>,
}

impl<'a> Free<'a> {
    /// Pairs the nearest of those that are asked for.
    fn pair(
        &mut self,
        of_items: impl Fn(&Keys) -> bool,
        of_holders: impl Fn(&Holder) -> bool,
        reach: u32,
    ) {
        let is_asked = |at: &usize| self.items.get(*at).is_some_and(&of_items);
        let members: Vec<usize> = self.members.iter().copied().filter(is_asked).collect();
        let holders: Vec<&'a Holder> = self
            .holders
            .iter()
            .copied()
            .filter(|holder| of_holders(holder))
            .collect();
        self.pair_these(&members, &holders, reach);
        self.forget_paired();
    }

    /// Pairs the nearest within each snippet.
    fn pair_same_snippets(&mut self) {
        let mut same: BTreeMap<[u8; 4], (Vec<usize>, Vec<&'a Holder>)> = BTreeMap::new();
        for &at in &self.members {
            if let Some(snippet) = self.items.get(at).and_then(|item| item.snippet) {
                same.entry(snippet).or_default().0.push(at);
            }
        }
        for &holder in &self.holders {
            if let Some(snippet) = holder.snippet {
                same.entry(snippet.0).or_default().1.push(holder);
            }
        }
        for (members, holders) in same.into_values() {
            self.pair_these(&members, &holders, u32::MAX);
        }
        self.forget_paired();
    }

    fn pair_these(&mut self, members: &[usize], holders: &[&Holder], reach: u32) {
        let left: Vec<u32> = members.iter().map(|&at| line_of(self.items, at)).collect();
        let right: Vec<u32> = holders.iter().map(|holder| line_at(holder)).collect();
        for (at, other) in nearest(&left, &right, reach) {
            if let (Some(at), Some(holder)) = (members.get(at), holders.get(other)) {
                self.pairs.push((*at, holder.vulnerability));
            }
        }
    }

    fn forget_paired(&mut self) {
        let (items, ids): (HashSet<usize>, HashSet<VulnerabilityId>) =
            self.pairs.iter().copied().unzip();
        self.members.retain(|at| !items.contains(at));
        self.holders
            .retain(|holder| !ids.contains(&holder.vulnerability));
    }
}

fn line_of(items: &[Keys], at: usize) -> u32 {
    items.get(at).and_then(|item| item.line).unwrap_or(0)
}

fn line_at(holder: &Holder) -> u32 {
    holder.line.unwrap_or(0)
}

/// At the weak rank, two known snippets that differ are the same only where the place was edited.
fn may_be_same(rank: u8, item: Option<&Keys>, holder: &Holder, distance: u32) -> bool {
    if rank != RANK_NEAR {
        return true;
    }
    match (item.and_then(|item| item.snippet), holder.snippet) {
        (Some(new), Some(old)) => new == old.0 || distance <= EDIT_REACH,
        _ => true,
    }
}
