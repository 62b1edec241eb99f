//! The nearest pairs between two lists of lines, closest first, in n log n steps.
//!
//! Of all that is free, the closest two always stand side by side: whatever stood between them would
//! be closer to one of both. So only neighbours are looked at, and new ones when a place is empty.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

/// Those of one list that are free at one line, in their order.
struct Place {
    is_left: bool,
    free: VecDeque<usize>,
}

/// Two neighbours: distance, position left and right, lower and higher line.
type Candidate = (u32, usize, usize, u32, u32);

/// Pairs of positions, each position at most once, none farther apart than `reach`. The smallest
/// distance goes first, then the earlier of `left`, then the earlier of `right`.
#[must_use]
pub fn nearest(left: &[u32], right: &[u32], reach: u32) -> Vec<(usize, usize)> {
    let mut at_line: HashMap<u32, VecDeque<usize>> = HashMap::new();
    for (at, line) in right.iter().enumerate() {
        at_line.entry(*line).or_default().push_back(at);
    }
    let mut pairs = Vec::new();
    let mut places: BTreeMap<u32, Place> = BTreeMap::new();
    for (at, line) in left.iter().enumerate() {
        match at_line.get_mut(line).and_then(VecDeque::pop_front) {
            Some(other) => pairs.push((at, other)),
            None => place(&mut places, *line, true).push_back(at),
        }
    }
    // Where both lists have a line, one of them is used up there.
    for (line, free) in at_line {
        if !free.is_empty() {
            place(&mut places, line, false).extend(free);
        }
    }
    let lines: Vec<u32> = places.keys().copied().collect();
    let mut closest = BinaryHeap::new();
    propose(&places, &lines, reach, &mut closest);
    while let Some(Reverse(candidate)) = closest.pop() {
        let (_, at, other, low, high) = candidate;
        // Someone else may have taken one of both.
        if between(&places, low, high) != Some(candidate) {
            continue;
        }
        pairs.push((at, other));
        for line in [low, high] {
            take_first(&mut places, line);
        }
        let below = places.range(..low).next_back().map(|(line, _)| *line);
        let above = places
            .range((Excluded(high), Unbounded))
            .next()
            .map(|(line, _)| *line);
        let lines: Vec<u32> = [below, Some(low), Some(high), above]
            .into_iter()
            .flatten()
            .filter(|line| places.contains_key(line))
            .collect();
        propose(&places, &lines, reach, &mut closest);
    }
    pairs
}

fn place(places: &mut BTreeMap<u32, Place>, line: u32, is_left: bool) -> &mut VecDeque<usize> {
    let place = places.entry(line).or_insert_with(|| Place {
        is_left,
        free: VecDeque::new(),
    });
    &mut place.free
}

fn take_first(places: &mut BTreeMap<u32, Place>, line: u32) {
    if let Some(place) = places.get_mut(&line) {
        place.free.pop_front();
        if place.free.is_empty() {
            places.remove(&line);
        }
    }
}

/// Adds the pairs of neighbours among these lines.
fn propose(
    places: &BTreeMap<u32, Place>,
    lines: &[u32],
    reach: u32,
    closest: &mut BinaryHeap<Reverse<Candidate>>,
) {
    for pair in lines.windows(2) {
        if let [low, high] = pair
            && high - low <= reach
        {
            closest.extend(between(places, *low, *high).map(Reverse));
        }
    }
}

/// The first of both lines, if they are of different lists.
fn between(places: &BTreeMap<u32, Place>, low: u32, high: u32) -> Option<Candidate> {
    let (lower, higher) = (places.get(&low)?, places.get(&high)?);
    let (left, right) = match (lower.is_left, higher.is_left) {
        (true, false) => (lower, higher),
        (false, true) => (higher, lower),
        _ => return None,
    };
    let (at, other) = (*left.free.front()?, *right.free.front()?);
    Some((high - low, at, other, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// The rule as it is said: all against all.
    fn all_against_all(left: &[u32], right: &[u32], reach: u32) -> HashSet<(usize, usize)> {
        let mut all = Vec::new();
        for (at, line) in left.iter().enumerate() {
            for (other, there) in right.iter().enumerate() {
                all.push((line.abs_diff(*there), at, other));
            }
        }
        all.sort_unstable();
        let (mut used, mut gone) = (HashSet::new(), HashSet::new());
        let mut pairs = HashSet::new();
        for (distance, at, other) in all {
            if distance <= reach && !used.contains(&at) && !gone.contains(&other) {
                used.insert(at);
                gone.insert(other);
                pairs.insert((at, other));
            }
        }
        pairs
    }

    #[test]
    fn equal_lines_go_first_then_the_nearest() {
        let pairs = nearest(&[10, 20, 20, 90], &[20, 12, 70, 20], u32::MAX);
        assert_eq!(pairs, [(1, 0), (2, 3), (0, 1), (3, 2)]);
        assert_eq!(nearest(&[0], &[u32::MAX], u32::MAX), [(0, 0)]);
        assert!(nearest(&[10], &[14], 3).is_empty());
        assert!(nearest(&[], &[14], 3).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn neighbours_alone_give_what_all_against_all_gives(
            left in prop::collection::vec(0..60u32, 0..25),
            right in prop::collection::vec(0..60u32, 0..25),
            reach in prop_oneof![0..10u32, Just(u32::MAX)],
        ) {
            let pairs = nearest(&left, &right, reach);
            let once: HashSet<(usize, usize)> = pairs.iter().copied().collect();
            prop_assert_eq!(once.len(), pairs.len());
            prop_assert_eq!(once, all_against_all(&left, &right, reach));
        }
    }
}
