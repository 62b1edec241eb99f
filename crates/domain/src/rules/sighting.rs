//! What a report's showing of an instance does to a vulnerability: pure functions from the parsed
//! finding to a new vulnerability, or to events on a known one.

use std::collections::BTreeSet;

use crate::id::{AssetId, FindingId, GroupId, OrganizationId, RefId, VulnerabilityId};
use crate::import::{Category, ParsedFinding, Reported};
use crate::model::{
    CodeLocation, IdentityKey, Location, Presence, SNIPPET_LIMIT, Severity, Sighting, Source,
    State, Suppression, Triage, Vulnerability, VulnerabilityEvent, preferred,
};
use crate::rules::identity::Keys;
use crate::rules::lifecycle::{apply_all, settle, union};
use crate::time::Timestamp;

/// Longest message of one instance that is kept, in bytes.
const MESSAGE_LIMIT: usize = 4_000;

/// Where a report looks: the stream and the moment.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub tool: &'a str,
    pub category: Category,
    pub r#ref: RefId,
    pub default_ref: RefId,
    pub sighting: Sighting,
    /// The stream's report before this one.
    pub previous: Option<Sighting>,
}

/// Where a new vulnerability belongs.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    pub organization: OrganizationId,
    pub group: GroupId,
    pub asset: AssetId,
    pub finding: FindingId,
    /// New ones wait for review.
    pub review: bool,
}

/// A vulnerability as it is born.
#[must_use]
pub fn born(
    id: VulnerabilityId,
    home: Home,
    view: &View<'_>,
    finding: &ParsedFinding,
    keys: &Keys,
    now: Timestamp,
) -> Vulnerability {
    let source = source(view, finding, None);
    Vulnerability {
        id,
        organization: home.organization,
        group: home.group,
        asset: home.asset,
        finding: home.finding,
        location: stored_location(&finding.location),
        state: if home.review {
            State::Submitted
        } else {
            State::Open
        },
        state_since: now,
        severity: Severity {
            level: source.level,
            score: source.score,
            vector: source.vector.clone(),
            tool: source.tool.clone(),
        },
        sources: vec![source],
        keys: stored_keys(keys),
        identifiers: identifiers(&[], finding),
        cwes: cwes(&[], finding),
        tags: finding_tags(finding),
        on_default_ref: view.r#ref == view.default_ref,
        on_default_ref_since: None,
        sla: None,
        triage: Triage::default(),
        created: now,
        created_by: view.sighting.report,
        merged_into: None,
        absorbed: Vec::new(),
        kept_apart: Vec::new(),
        rules: Vec::new(),
    }
}

/// What seeing it (again) changes. Empty when the report says nothing new.
#[must_use]
pub fn seen(
    current: &Vulnerability,
    view: &View<'_>,
    finding: &ParsedFinding,
    keys: &Keys,
    now: Timestamp,
) -> Vec<VulnerabilityEvent> {
    let mut events = Vec::new();
    let known = current
        .sources
        .iter()
        .find(|source| source.tool == view.tool && source.rule == finding.weakness.rule);
    let source = source(view, finding, known);
    if known != Some(&source) {
        events.push(VulnerabilityEvent::Seen {
            source: Box::new(source),
        });
    }
    // Tools write one place in several ways. The one whose name comes first has its way, so that
    // neither the order of imports nor their turns change anything.
    let speaks_for_place = current
        .sources
        .iter()
        .all(|source| view.tool <= source.tool.as_str());
    let location = stored_location(&finding.location);
    if speaks_for_place && location != current.location {
        events.push(VulnerabilityEvent::Moved {
            location: Box::new(location),
        });
    }
    let learned = learned(current, finding, keys);
    events.extend(learned);
    let after = apply_all(current, &events, now);
    events.extend(settle(&after, view.default_ref));
    events
}

fn learned(
    current: &Vulnerability,
    finding: &ParsedFinding,
    keys: &Keys,
) -> Option<VulnerabilityEvent> {
    let keys: Vec<IdentityKey> = stored_keys(keys)
        .into_iter()
        .filter(|key| !current.keys.contains(key))
        .collect();
    let identifiers: Vec<String> = identifiers(&current.identifiers, finding)
        .into_iter()
        .filter(|id| !current.identifiers.contains(id))
        .collect();
    let cwes: Vec<u32> = cwes(&current.cwes, finding)
        .into_iter()
        .filter(|cwe| !current.cwes.contains(cwe))
        .collect();
    let anything = !keys.is_empty() || !identifiers.is_empty() || !cwes.is_empty();
    anything.then_some(VulnerabilityEvent::KeysLearned {
        keys,
        identifiers,
        cwes,
    })
}

/// What it means that a complete report of the stream no longer shows it. Empty when it was not
/// there before either.
#[must_use]
pub fn gone(current: &Vulnerability, view: &View<'_>, now: Timestamp) -> Vec<VulnerabilityEvent> {
    let mut events: Vec<VulnerabilityEvent> = current
        .sources
        .iter()
        .filter(|source| source.tool == view.tool)
        .filter(|source| {
            source
                .presence
                .iter()
                .any(|presence| is_in(presence, view) && presence.gone.is_none())
        })
        .map(|source| VulnerabilityEvent::Gone {
            tool: source.tool.clone(),
            rule: source.rule.clone(),
            r#ref: view.r#ref,
            category: view.category,
            last: view.previous.clone(),
            sighting: view.sighting.clone(),
        })
        .collect();
    if !events.is_empty() {
        let after = apply_all(current, &events, now);
        events.extend(settle(&after, view.default_ref));
    }
    events
}

/// Takes another vulnerability in: what happens to the survivor, and to the other.
#[must_use]
pub fn absorb(
    survivor: &Vulnerability,
    other: &Vulnerability,
    default_ref: RefId,
    now: Timestamp,
) -> (Vec<VulnerabilityEvent>, Vec<VulnerabilityEvent>) {
    let mut events = vec![VulnerabilityEvent::Absorbed { other: other.id }];
    for theirs in &other.sources {
        let mine = survivor
            .sources
            .iter()
            .find(|source| source.tool == theirs.tool && source.rule == theirs.rule);
        let source = mine.map_or_else(|| theirs.clone(), |mine| joined(mine, theirs));
        if mine != Some(&source) {
            events.push(VulnerabilityEvent::Seen {
                source: Box::new(source),
            });
        }
    }
    let mine = survivor
        .sources
        .iter()
        .map(|source| source.tool.as_str())
        .min();
    let theirs = other
        .sources
        .iter()
        .map(|source| source.tool.as_str())
        .min();
    if theirs < mine && other.location != survivor.location {
        events.push(VulnerabilityEvent::Moved {
            location: Box::new(other.location.clone()),
        });
    }
    events.push(VulnerabilityEvent::KeysLearned {
        keys: other.keys.clone(),
        identifiers: other.identifiers.clone(),
        cwes: other.cwes.clone(),
    });
    let tags: Vec<String> = union(&survivor.tags, &other.tags)
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if tags != survivor.tags {
        events.push(VulnerabilityEvent::Tagged { tags });
    }
    let triage = super::desk::merged(&survivor.triage, &other.triage);
    if triage != survivor.triage {
        events.push(VulnerabilityEvent::TriageMerged {
            triage: Box::new(triage),
        });
    }
    let after = apply_all(survivor, &events, now);
    events.extend(settle(&after, default_ref));
    let duplicate = VulnerabilityEvent::StateChanged {
        state: State::Closed(crate::model::ClosedReason::Duplicate),
    };
    let merged = VulnerabilityEvent::MergedInto { into: survivor.id };
    (events, vec![merged, duplicate])
}

/// One source from two records of the same tool and rule: present where either is.
fn joined(mine: &Source, theirs: &Source) -> Source {
    let mut joined = mine.clone();
    for presence in &theirs.presence {
        match joined
            .presence
            .iter_mut()
            .find(|known| known.r#ref == presence.r#ref && known.category == presence.category)
        {
            Some(known) => {
                if presence.first.at < known.first.at {
                    known.first = presence.first.clone();
                }
                if presence.gone.is_none() {
                    known.gone = None;
                }
            }
            None => joined.presence.push(presence.clone()),
        }
    }
    joined
}

fn is_in(presence: &Presence, view: &View<'_>) -> bool {
    presence.r#ref == view.r#ref && presence.category == view.category
}

/// The source as it stands after this sighting.
fn source(view: &View<'_>, finding: &ParsedFinding, known: Option<&Source>) -> Source {
    let vector = preferred(&finding.weakness.cvss);
    let score = vector.map_or_else(|| finding.severity.nominal_score(), |cvss| cvss.score);
    let mut presence = known
        .map(|known| known.presence.clone())
        .unwrap_or_default();
    match presence.iter_mut().find(|presence| is_in(presence, view)) {
        Some(there) if there.gone.is_some() => {
            *there = Presence {
                r#ref: view.r#ref,
                category: view.category,
                first: view.sighting.clone(),
                last: None,
                gone: None,
            }
        }
        Some(_) => {}
        None => presence.push(Presence {
            r#ref: view.r#ref,
            category: view.category,
            first: view.sighting.clone(),
            last: None,
            gone: None,
        }),
    }
    let suppression = match &finding.reported {
        Reported::Suppressed {
            status,
            justification,
        } => Some(Suppression {
            status: status.clone(),
            justification: justification.clone(),
        }),
        _ => None,
    };
    Source {
        tool: view.tool.to_owned(),
        rule: finding.weakness.rule.clone(),
        level: finding.severity,
        score,
        vector: vector.map(|cvss| cvss.vector.clone()),
        basis: finding.severity_basis,
        message: finding
            .message
            .as_deref()
            .map(|text| cut(text, MESSAGE_LIMIT)),
        suppression,
        presence,
    }
}

fn stored_location(location: &Location) -> Location {
    match location {
        Location::Code(code) => Location::Code(CodeLocation {
            snippet: code.snippet.as_deref().map(|text| cut(text, SNIPPET_LIMIT)),
            ..code.clone()
        }),
        other => other.clone(),
    }
}

fn stored_keys(keys: &Keys) -> Vec<IdentityKey> {
    let mut keys: Vec<IdentityKey> = keys
        .keys
        .iter()
        .map(|key| IdentityKey {
            rank: key.rank,
            hash: key.hex(),
        })
        .collect();
    keys.sort();
    keys
}

fn identifiers(known: &[String], finding: &ParsedFinding) -> Vec<String> {
    let mut all = union(known, &finding.weakness.identifiers);
    all.sort();
    all
}

fn cwes(known: &[u32], finding: &ParsedFinding) -> Vec<u32> {
    let mut all = union(known, &finding.weakness.cwes);
    all.sort_unstable();
    all
}

/// Most tags that a report may bring for one instance.
const REPORTED_TAGS: usize = 20;

fn finding_tags(finding: &ParsedFinding) -> Vec<String> {
    let tags: BTreeSet<String> = finding
        .tags
        .iter()
        .map(|tag| cut(tag.trim(), 100).to_lowercase())
        .filter(|tag| !tag.is_empty())
        .take(REPORTED_TAGS)
        .collect();
    tags.into_iter().collect()
}

/// The longest start of a text that has at most `limit` bytes and ends between characters.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    let end = text.floor_char_boundary(limit);
    text.get(..end).unwrap_or_default().to_owned()
}
