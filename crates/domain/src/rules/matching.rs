//! Matching: which instances of a report are vulnerabilities that are known already.
//!
//! One-to-one, best rank first, then the nearest line. Pure: it sees the keys of the whole report
//! and what the asset already has under them, and answers one [`Verdict`] per instance.

mod nearest;
mod pairs;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use self::pairs::pair;
use super::identity::{Key, Keys};
use crate::id::VulnerabilityId;
use crate::import::Seen;
use crate::model::Holder;

/// What an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Never seen on this asset.
    New,
    /// Known; `absorbs` lists other known ones that this instance shows to be the same. It is a
    /// sighting of `also` too: those that it names as well, but that are kept apart.
    Known {
        id: VulnerabilityId,
        absorbs: Vec<VulnerabilityId>,
        also: Vec<Seen>,
    },
    /// The report said it already, at that item.
    DuplicateOf(usize),
}

/// What the asset already has, by key.
pub type Known = HashMap<[u8; 16], Vec<Holder>>;

/// Decides for all instances of a report at once. `apart` says which two vulnerabilities a person
/// has declared to be different.
#[must_use]
pub fn match_all(
    items: &[Keys],
    known: &Known,
    apart: &dyn Fn(VulnerabilityId, VulnerabilityId) -> bool,
) -> Vec<Verdict> {
    let duplicates = duplicates(items, known);
    let mut taken: HashSet<VulnerabilityId> = HashSet::new();
    let mut found: Vec<Option<Seen>> = vec![None; items.len()];
    let mut also = match_packages(items, &duplicates, known, apart, &mut taken, &mut found);
    for rank in 0..=super::identity::RANK_PLACE {
        match_rank(rank, items, &duplicates, known, &mut taken, &mut found);
    }
    found
        .into_iter()
        .zip(duplicates)
        .enumerate()
        .map(|(at, (found, duplicate))| match (duplicate, found) {
            (Some(first), _) => Verdict::DuplicateOf(first),
            (None, Some((id, absorbs))) => Verdict::Known {
                id,
                absorbs,
                also: also.remove(&at).unwrap_or_default(),
            },
            (None, None) => Verdict::New,
        })
        .collect()
}

/// Most names that an item has with those that it takes over; a report that needs more means harm.
const TAKEN_OVER: usize = 200;

/// Gives the first of the items that are the same by any key the names of those that repeat it, so
/// that a vulnerability learns all names under which its report has it.
pub fn gather(items: &mut [Keys], known: &Known) {
    if !items.iter().any(|item| item.by_any_key) {
        return;
    }
    let mut taken_over: HashMap<usize, HashSet<Key>> = HashMap::new();
    for (at, first) in duplicates(items, known).into_iter().enumerate() {
        let Some(first) = first else { continue };
        let names = match items.get(at) {
            Some(item) if item.by_any_key => item.keys.clone(),
            _ => continue,
        };
        let Some(item) = items.get_mut(first) else {
            continue;
        };
        let own = &mut item.keys;
        let known = taken_over
            .entry(first)
            .or_insert_with(|| own.iter().copied().collect());
        for name in names {
            if known.len() < TAKEN_OVER && known.insert(name) {
                own.push(name);
            }
        }
    }
}

/// For each item, the earlier one that it repeats. Exact repeats always; items that are the same by
/// any key are joined through all their names, and through what is known under these: a report that
/// has one thing under two names that another report has joined says it twice.
fn duplicates(items: &[Keys], known: &Known) -> Vec<Option<usize>> {
    let mut roots: Vec<usize> = (0..items.len()).collect();
    let mut first_exact: HashMap<[u8; 16], usize> = HashMap::with_capacity(items.len());
    let mut first_key: HashMap<[u8; 16], usize> = HashMap::new();
    let mut first_holder: HashMap<VulnerabilityId, usize> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let first = *first_exact.entry(item.exact).or_insert(at);
        join(&mut roots, first, at);
        if item.by_any_key {
            for key in &item.keys {
                let first = *first_key.entry(key.hash).or_insert(at);
                join(&mut roots, first, at);
                for holder in known.get(&key.hash).into_iter().flatten() {
                    let first = *first_holder.entry(holder.vulnerability).or_insert(at);
                    join(&mut roots, first, at);
                }
            }
        }
    }
    (0..items.len())
        .map(|at| Some(root(&mut roots, at)).filter(|&root| root != at))
        .collect()
}

fn root(roots: &mut [usize], mut at: usize) -> usize {
    while let Some(&up) = roots.get(at).filter(|&&up| up != at) {
        let above = roots.get(up).copied().unwrap_or(up);
        if let Some(slot) = roots.get_mut(at) {
            *slot = above;
        }
        at = up;
    }
    at
}

/// Joins two trees; the earlier item stays the root.
fn join(roots: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(roots, a), root(roots, b));
    if let Some(slot) = roots.get_mut(a.max(b)) {
        *slot = a.min(b);
    }
}

/// Packages: any shared name is the same vulnerability, so several known ones become one. The
/// oldest id survives. Those that are kept apart stay several, and the item is a sighting of each:
/// the answer has those beside the oldest, by item.
fn match_packages(
    items: &[Keys],
    duplicates: &[Option<usize>],
    known: &Known,
    apart: &dyn Fn(VulnerabilityId, VulnerabilityId) -> bool,
    taken: &mut HashSet<VulnerabilityId>,
    found: &mut [Option<Seen>],
) -> HashMap<usize, Vec<Seen>> {
    // The names of duplicates count for the item they repeat.
    let mut holders: BTreeMap<usize, BTreeSet<VulnerabilityId>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate().filter(|(_, item)| item.by_any_key) {
        let first = duplicates.get(at).copied().flatten().unwrap_or(at);
        for key in &item.keys {
            for holder in known.get(&key.hash).into_iter().flatten() {
                holders
                    .entry(first)
                    .or_default()
                    .insert(holder.vulnerability);
            }
        }
    }
    let mut also: HashMap<usize, Vec<Seen>> = HashMap::new();
    for (at, holders) in holders {
        let mut seen: Vec<Seen> = Vec::new();
        for id in holders {
            if !taken.insert(id) {
                continue;
            }
            // It joins the oldest with which nobody keeps it apart.
            let joins = seen.iter_mut().find(|(oldest, absorbs)| {
                !apart(*oldest, id) && !absorbs.iter().any(|other| apart(*other, id))
            });
            match joins {
                Some((_, absorbs)) => absorbs.push(id),
                None => seen.push((id, Vec::new())),
            }
        }
        let mut seen = seen.into_iter();
        if let Some(slot) = found.get_mut(at) {
            *slot = seen.next();
        }
        let others: Vec<Seen> = seen.collect();
        if !others.is_empty() {
            also.insert(at, others);
        }
    }
    also
}

/// All others: per key of this rank, pairs the free items with the free holders.
fn match_rank(
    rank: u8,
    items: &[Keys],
    duplicates: &[Option<usize>],
    known: &Known,
    taken: &mut HashSet<VulnerabilityId>,
    found: &mut [Option<Seen>],
) {
    // Groups in the order of their first item, so that the result does not hang on hashing.
    let mut groups: BTreeMap<(usize, [u8; 16]), Vec<usize>> = BTreeMap::new();
    let mut first_of: HashMap<[u8; 16], usize> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let is_free = !item.by_any_key
            && duplicates.get(at).is_some_and(Option::is_none)
            && found.get(at).is_some_and(Option::is_none);
        if !is_free {
            continue;
        }
        for key in item
            .keys
            .iter()
            .filter(|key| key.rank == rank && known.contains_key(&key.hash))
        {
            let first = *first_of.entry(key.hash).or_insert(at);
            groups.entry((first, key.hash)).or_default().push(at);
        }
    }
    for ((_, hash), members) in groups {
        let holders: Vec<&Holder> = known
            .get(&hash)
            .into_iter()
            .flatten()
            .filter(|holder| !taken.contains(&holder.vulnerability))
            .collect();
        let members: Vec<usize> = members
            .into_iter()
            .filter(|&at| found.get(at).is_some_and(Option::is_none))
            .collect();
        for (at, id) in pair(rank, items, &members, &holders) {
            if let Some(slot) = found.get_mut(at) {
                taken.insert(id);
                *slot = Some((id, Vec::new()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId;
    use crate::model::SnippetHash;
    use uuid::Uuid;

    fn vul(number: u128) -> VulnerabilityId {
        VulnerabilityId::from_uuid(Uuid::from_u128(number))
    }

    fn hash(name: &str) -> [u8; 16] {
        let mut hash = [0; 16];
        for (to, from) in hash.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        hash
    }

    /// `keys` like "0:fp 1:snip 2:near"; `exact` tells repeats.
    fn item(keys: &str, line: u32, exact: &str) -> Keys {
        let keys = keys
            .split_whitespace()
            .filter_map(|key| key.split_once(':'))
            .map(|(rank, name)| Key {
                rank: rank.parse().expect("rank"),
                hash: hash(name),
            })
            .collect();
        Keys {
            keys,
            exact: hash(exact),
            line: Some(line),
            snippet: None,
            by_any_key: false,
        }
    }

    fn package(keys: &str, exact: &str) -> Keys {
        Keys {
            by_any_key: true,
            ..item(keys, 0, exact)
        }
    }

    fn known(entries: &[(&str, &[(u128, u32)])]) -> Known {
        entries
            .iter()
            .map(|(name, holders)| {
                let holders = holders
                    .iter()
                    .map(|&(id, line)| Holder {
                        vulnerability: vul(id),
                        line: Some(line),
                        snippet: None,
                    })
                    .collect();
                (hash(name), holders)
            })
            .collect()
    }

    fn never(_: VulnerabilityId, _: VulnerabilityId) -> bool {
        false
    }

    /// Of the first, and also of the others, each with what it absorbs.
    fn known_as(seen: &[(u128, &[u128])]) -> Verdict {
        let mut seen = seen.iter().map(|(id, absorbs)| {
            let absorbs: Vec<_> = absorbs.iter().map(|id| vul(*id)).collect();
            (vul(*id), absorbs)
        });
        let (id, absorbs) = seen.next().expect("at least one");
        Verdict::Known {
            id,
            absorbs,
            also: seen.collect(),
        }
    }

    fn same(id: u128) -> Verdict {
        known_as(&[(id, &[])])
    }

    #[test]
    fn a_moved_line_is_the_same_vulnerability_and_the_best_rank_wins() {
        let known = known(&[("snip", &[(1, 10)]), ("near", &[(1, 10), (2, 40)])]);
        // The first item has only the file in common; the second has the snippet of number 1.
        let items = [
            item("1:other 2:near", 12, "a"),
            item("1:snip 2:near", 90, "b"),
        ];
        assert_eq!(match_all(&items, &known, &never), [same(2), same(1)]);
    }

    #[test]
    fn nearest_lines_pair_one_to_one() {
        let known = known(&[("near", &[(1, 10), (2, 20), (3, 30)])]);
        let items = [
            item("2:near", 21, "a"),
            item("2:near", 31, "b"),
            item("2:near", 200, "c"),
            item("2:near", 300, "d"),
        ];
        assert_eq!(
            match_all(&items, &known, &never),
            [same(2), same(3), same(1), Verdict::New]
        );
    }

    /// What is known after a report: each item's vulnerability is at the item's line. New ones get ids
    /// from 10,000 on.
    fn after(known: &Known, items: &[Keys], verdicts: &[Verdict]) -> (Known, Vec<VulnerabilityId>) {
        let mut holders = known.get(&hash("near")).cloned().unwrap_or_default();
        let mut ids = Vec::new();
        for ((number, item), verdict) in (10_000..).zip(items).zip(verdicts) {
            let id = match verdict {
                Verdict::Known { id, .. } => *id,
                Verdict::New => vul(number),
                Verdict::DuplicateOf(_) => panic!("{verdict:?}"),
            };
            holders.retain(|holder| holder.vulnerability != id);
            holders.push(Holder {
                vulnerability: id,
                line: item.line,
                snippet: item.snippet.map(SnippetHash),
            });
            ids.push(id);
        }
        (Known::from([(hash("near"), holders)]), ids)
    }

    #[test]
    fn of_many_results_of_one_rule_in_one_file_each_keeps_its_own() {
        let lines = |from: u32| -> Vec<Keys> {
            (from..=150)
                .map(|number| item("2:near", number * 10, &number.to_string()))
                .collect()
        };
        let holders: Vec<(u128, u32)> = (1..=150u32)
            .map(|number| (u128::from(number), number * 10))
            .collect();
        let first = known(&[("near", &holders[..])]);
        // The first ten are repaired.
        let items = lines(11);
        assert!(items.len() * holders.len() > pairs::PAIR_LIMIT);
        let verdicts = match_all(&items, &first, &never);
        let expected: Vec<Verdict> = (11..=150).map(same).collect();
        assert_eq!(verdicts, expected);
        let (second, _) = after(&first, &items, &verdicts);
        assert_eq!(match_all(&items, &second, &never), expected, "once more");
        // All of it lies three lines lower, and the first ten come back.
        let mut lower = lines(1);
        for item in &mut lower {
            item.line = item.line.map(|line| line + 3);
        }
        let expected: Vec<Verdict> = (1..=150).map(same).collect();
        assert_eq!(match_all(&lower, &second, &never), expected);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// Places of one rule in one file, some with one of three snippets, too many to compare all.
        #[test]
        fn many_results_twice_change_nothing(
            before in proptest::collection::btree_map(0..5_000u32, 0..4u8, 150..200),
            now in proptest::collection::btree_map(0..5_000u32, 0..4u8, 150..200),
        ) {
            let snippet = |kind: u8| Some([kind; 4]).filter(|_| kind > 0);
            let holders = (1..).zip(&before).map(|(id, (line, kind))| Holder {
                vulnerability: vul(id),
                line: Some(*line),
                snippet: snippet(*kind).map(SnippetHash),
            });
            let known = Known::from([(hash("near"), holders.collect())]);
            let items: Vec<Keys> = now
                .iter()
                .map(|(line, kind)| Keys {
                    snippet: snippet(*kind),
                    ..item("2:near", *line, &line.to_string())
                })
                .collect();
            let verdicts = match_all(&items, &known, &never);
            let (known, first) = after(&known, &items, &verdicts);
            let verdicts = match_all(&items, &known, &never);
            proptest::prop_assert!(!verdicts.contains(&Verdict::New));
            let (_, second) = after(&known, &items, &verdicts);
            proptest::prop_assert_eq!(first, second);
        }
    }

    #[test]
    fn different_code_far_away_does_not_inherit() {
        let mut known = known(&[("near", &[(1, 10)])]);
        known.get_mut(&hash("near")).expect("there")[0].snippet = Some(SnippetHash([1; 4]));
        let at = |line| Keys {
            snippet: Some([2; 4]),
            ..item("2:near", line, "a")
        };
        assert_eq!(match_all(&[at(300)], &known, &never), [Verdict::New]);
        assert_eq!(match_all(&[at(12)], &known, &never), [same(1)]);
    }

    #[test]
    fn packages_join_through_any_name_and_the_oldest_survives() {
        let items = [
            package("0:cve", "a"),
            package("0:ghsa", "b"),
            package("0:cve 0:ghsa", "c"),
        ];
        assert_eq!(
            match_all(&items, &Known::new(), &never),
            [
                Verdict::New,
                Verdict::DuplicateOf(0),
                Verdict::DuplicateOf(0)
            ]
        );
        let known = known(&[("cve", &[(7, 0)]), ("ghsa", &[(3, 0)])]);
        assert_eq!(
            match_all(&items[2..], &known, &never),
            [known_as(&[(3, &[7])])]
        );
    }

    #[test]
    fn what_is_kept_apart_stays_apart_and_is_seen_of_each() {
        let known = known(&[("cve", &[(3, 0), (5, 0)]), ("ghsa", &[(7, 0), (9, 0)])]);
        let items = [package("0:cve 0:ghsa", "a"), package("0:ghsa", "b")];
        // Each pair that is kept apart, and who is then one.
        let cases: [(&[(u128, u128)], Verdict); 4] = [
            (&[], known_as(&[(3, &[5, 7, 9])])),
            (&[(3, 7)], known_as(&[(3, &[5, 9]), (7, &[])])),
            (&[(3, 7), (3, 9)], known_as(&[(3, &[5]), (7, &[9])])),
            // Nobody keeps 5 and 9 from the oldest, but from each other.
            (&[(5, 9)], known_as(&[(3, &[5, 7]), (9, &[])])),
        ];
        for (pairs, expected) in cases {
            let apart = |a: VulnerabilityId, b: VulnerabilityId| {
                pairs
                    .iter()
                    .any(|&(c, d)| (a, b) == (vul(c), vul(d)) || (b, a) == (vul(c), vul(d)))
            };
            assert_eq!(
                match_all(&items, &known, &apart),
                [expected, Verdict::DuplicateOf(0)],
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn the_first_of_repeated_packages_takes_over_the_names_of_the_others() {
        let mut items = vec![
            package("0:ghsa", "a"),
            item("1:snip 2:near", 5, "b"),
            item("1:snip 2:other", 5, "b"),
            package("0:cve 0:ghsa", "c"),
            package("0:else", "d"),
            package("0:cve 0:snyk", "e"),
        ];
        let before = items.clone();
        gather(&mut items, &Known::new());
        assert_eq!(items[0].keys, package("0:ghsa 0:cve 0:snyk", "a").keys);
        assert_eq!(items[1..], before[1..], "and nothing else changes");
        let once = items.clone();
        gather(&mut items, &Known::new());
        assert_eq!(items, once);
    }

    #[test]
    fn what_is_known_to_be_one_is_one_though_the_report_has_two() {
        let known = known(&[("cve", &[(3, 0)]), ("ghsa", &[(3, 0)])]);
        let mut items = [package("0:ghsa", "a"), package("0:cve 0:snyk", "b")];
        gather(&mut items, &known);
        assert_eq!(items[0].keys, package("0:ghsa 0:cve 0:snyk", "a").keys);
        assert_eq!(
            match_all(&items, &known, &never),
            [same(3), Verdict::DuplicateOf(0)]
        );
    }

    #[test]
    fn a_chain_of_names_without_end_is_cut() {
        let mut items: Vec<Keys> = (0..5_000)
            .map(|number| {
                let keys = format!("0:name-{number} 0:name-{}", number + 1);
                package(&keys, &number.to_string())
            })
            .collect();
        gather(&mut items, &Known::new());
        assert_eq!(items[0].keys.len(), TAKEN_OVER);
    }

    #[test]
    fn only_exact_repeats_of_code_are_duplicates() {
        let items = [
            item("1:snip 2:near", 5, "a"),
            item("1:snip 2:near", 5, "a"),
            item("1:snip 2:near", 9, "b"),
        ];
        assert_eq!(
            match_all(&items, &Known::new(), &never),
            [Verdict::New, Verdict::DuplicateOf(0), Verdict::New]
        );
    }
}
