//! From the items of report files to what the gate judges: each located vulnerability once.

use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

use super::judge::Candidate;
use super::snapshot::Snapshot;
use crate::id::{TypedId, VulnerabilityId};
use crate::import::{ParsedFinding, Reported};
use crate::model::{Holder, SnippetHash, State, preferred};
use crate::rules::identity::Keys;
use crate::rules::matching::{Known, Verdict, match_all};
use crate::time::Timestamp;

/// One item of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub keys: Keys,
    /// 0.0 to 10.0, by the tool.
    pub score: f64,
    /// The tool, or the code, has set it aside.
    pub suppressed: bool,
}

impl Item {
    /// `None` for what the report lists only to say that it is gone.
    #[must_use]
    pub fn new(finding: &ParsedFinding, keys: Keys) -> Option<Self> {
        let suppressed = match finding.reported {
            Reported::Present => false,
            Reported::Suppressed { .. } => true,
            Reported::Absent { .. } => return None,
        };
        let vector = preferred(&finding.weakness.cvss);
        Some(Self {
            keys,
            score: vector.map_or_else(|| finding.severity.nominal_score(), |cvss| cvss.score),
            suppressed,
        })
    }
}

/// What is known beside the reports under test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Basis<'a> {
    pub snapshot: Option<&'a Snapshot>,
    /// What the base ref has: the items of its reports...
    pub base: Option<&'a [Keys]>,
    /// ... or a ref of the snapshot, by its place.
    pub base_ref: Option<usize>,
}

/// A vulnerability that the reports show.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The first item that shows it.
    pub item: usize,
    /// Its id, where the snapshot knows it.
    pub id: Option<VulnerabilityId>,
    pub candidate: Candidate,
}

/// What is to be judged, in the order of the items. Items that are one vulnerability are one, with
/// the worst score that any of them gives; it counts as set aside only where all of them do so.
#[must_use]
pub fn candidates(items: &[Item], basis: Basis<'_>, now: Timestamp) -> Vec<Judged> {
    let keys: Vec<Keys> = items.iter().map(|item| item.keys.clone()).collect();
    let known = basis.snapshot.map(Snapshot::known).unwrap_or_default();
    let entries = basis.snapshot.map(Snapshot::by_id).unwrap_or_default();
    let on_base = basis.base.map(|base| matched(&keys, base));
    // Whoever said that two are not the same is not asked here: if one of both breaks, it breaks.
    let verdicts = match_all(&keys, &known, &|_, _| false);
    let shows = gathered(items, &verdicts, on_base.as_deref());
    shows
        .into_iter()
        .map(|(at, shown)| {
            let (id, candidate) = match verdicts.get(at) {
                Some(Verdict::Known { id, absorbs, .. }) => {
                    let all = std::iter::once(id).chain(absorbs);
                    let candidate = all
                        .filter_map(|id| entries.get(id))
                        .map(|entry| {
                            let on_ref = basis
                                .base_ref
                                .is_some_and(|base| entry.refs.contains(&base));
                            let on_base = shown.on_base || on_ref;
                            entry.candidate(shown.score, shown.suppressed, on_base, now)
                        })
                        .reduce(Candidate::strictest);
                    (Some(*id), candidate)
                }
                _ => (None, None),
            };
            Judged {
                item: at,
                id: id.filter(|_| candidate.is_some()),
                candidate: candidate.unwrap_or_else(|| unknown(&shown, basis.snapshot, now)),
            }
        })
        .collect()
}

/// What all items of one vulnerability come to.
#[derive(Clone, Copy, Debug)]
struct Shown {
    score: f64,
    suppressed: bool,
    on_base: bool,
}

fn gathered(
    items: &[Item],
    verdicts: &[Verdict],
    on_base: Option<&[bool]>,
) -> BTreeMap<usize, Shown> {
    let mut shows: BTreeMap<usize, Shown> = BTreeMap::new();
    for (at, (item, verdict)) in items.iter().zip(verdicts).enumerate() {
        let first = match verdict {
            Verdict::DuplicateOf(first) => *first,
            Verdict::New | Verdict::Known { .. } => at,
        };
        let there = on_base.is_some_and(|base| base.get(at).copied().unwrap_or_default());
        let shown = shows.entry(first).or_insert(Shown {
            score: item.score,
            suppressed: item.suppressed,
            on_base: there,
        });
        shown.score = shown.score.max(item.score);
        shown.suppressed &= item.suppressed;
        shown.on_base |= there;
    }
    shows
}

/// What the snapshot does not know is new now; without a snapshot nobody knows how old it is.
fn unknown(shown: &Shown, snapshot: Option<&Snapshot>, now: Timestamp) -> Candidate {
    let waits = snapshot.is_some_and(|snapshot| snapshot.review_new);
    let seen = snapshot.map(|_| now);
    Candidate {
        score: shown.score,
        state: if waits { State::Submitted } else { State::Open },
        first_seen: seen,
        open_since: seen,
        acceptance: None,
        false_positive: false,
        suppressed: shown.suppressed,
        on_base: shown.on_base,
    }
}

/// Which items the base has too. Its items stand in for vulnerabilities: each is matched once.
fn matched(items: &[Keys], base: &[Keys]) -> Vec<bool> {
    let mut known: Known = HashMap::new();
    for (number, keys) in (0_u128..).zip(base) {
        let vulnerability = VulnerabilityId::from_uuid(Uuid::from_u128(number));
        for key in &keys.keys {
            known.entry(key.hash).or_default().push(Holder {
                vulnerability,
                line: keys.line,
                snippet: keys.snippet.map(SnippetHash),
            });
        }
    }
    let verdicts = match_all(items, &known, &|_, _| false);
    verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Known { .. } => true,
            Verdict::New => false,
            Verdict::DuplicateOf(first) => {
                matches!(verdicts.get(*first), Some(Verdict::Known { .. }))
            }
        })
        .collect()
}
