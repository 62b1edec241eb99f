//! What the search index holds of a vulnerability and of a finding.

use std::collections::BTreeMap;

use crate::model::{Finding, Location, Policy, Stream, Vulnerability};
use crate::port::search::{Document, FindingText, Value};
use crate::rules::sla;
use crate::time::Timestamp;

/// The value of `assignee` where nobody is responsible.
pub const NOBODY: &str = "NONE";

/// The document of a vulnerability; `None` for one that was merged into another. `scanned` says
/// when a stream (by its name) was last read; `environments` are the names of those that its place lies
/// in; `version` must grow with the policy and the environments too. `priority` is in tenths ([`super::priority`]).
#[must_use]
pub fn document(
    value: &Vulnerability,
    version: u64,
    policy: &Policy,
    priority: i64,
    environments: Vec<String>,
    scanned: &dyn Fn(&str) -> Option<Timestamp>,
) -> Option<Document> {
    if value.merged_into.is_some() {
        return None;
    }
    let mut values: BTreeMap<&'static str, Value> = BTreeMap::new();
    let mut number = |name, number: i64| values.insert(name, Value::Number(number));
    number("severity", tenths(value.severity.score));
    number("priority", priority);
    number("on_default_ref", i64::from(value.on_default_ref));
    number("suppressed", i64::from(value.is_suppressed()));
    for (name, at) in [
        ("due", sla::due(value, policy)),
        ("next_moment", sla::next_moment(value, policy)),
    ] {
        if let Some(at) = at {
            number(name, at.millis());
        }
    }
    if value.triage.acceptance_request.is_some() {
        number("acceptance_requested", 1);
    }
    number("created", value.created.millis());
    number("last_seen", last_seen(value, scanned).millis());
    number("state_changed", value.state_since.millis());
    let mut keyword = |name, text: String| values.insert(name, Value::Keyword(text));
    keyword("state", value.state.as_str().to_owned());
    let triage = &value.triage;
    keyword("treatment", triage.treatment.as_str().to_owned());
    let assignee = triage.assignee.map(|user| user.to_string());
    keyword("assignee", assignee.unwrap_or_else(|| NOBODY.to_owned()));
    if let Some(status) = triage.false_positive_status() {
        keyword("false_positive", status.as_str().to_owned());
    }
    if let Some(verification) = &triage.verification {
        keyword("verification", verification.status.as_str().to_owned());
    }
    if let Some(blocker) = value.blocker() {
        keyword("blocker", blocker.to_string());
    }
    if let Some(reason) = value.state.closed_reason() {
        keyword("closed_reason", reason.as_str().to_owned());
    }
    keyword("level", value.severity.level.as_str().to_owned());
    keyword("asset", value.asset.to_string());
    keyword("finding", value.finding.to_string());
    keyword("location_kind", value.location.kind().to_owned());
    for (name, text) in places(&value.location) {
        keyword(name, text);
    }
    let mut keywords = |name, mut list: Vec<String>| {
        list.sort_unstable();
        list.dedup();
        if !list.is_empty() {
            values.insert(name, Value::Keywords(list));
        }
    };
    keywords(
        "tool",
        value
            .sources
            .iter()
            .map(|source| source.tool.clone())
            .collect(),
    );
    keywords("cwe", value.cwes.iter().map(u32::to_string).collect());
    keywords("identifier", value.identifiers.clone());
    keywords("tag", value.tags.clone());
    keywords("environment", environments);
    keywords(
        "ref",
        value
            .presences()
            .filter(|presence| presence.gone.is_none())
            .map(|presence| presence.r#ref.to_string())
            .collect(),
    );
    Some(Document {
        id: value.id,
        group: value.group,
        finding: value.finding,
        version,
        values,
    })
}

/// A score as the index keeps it: times ten, rounded.
#[must_use]
pub fn tenths(score: f64) -> i64 {
    // In range after the clamp, and whole after rounding.
    (score * 10.0).round().clamp(0.0, 100.0) as i64
}

fn places(location: &Location) -> Vec<(&'static str, String)> {
    let mut places = Vec::new();
    if let Some(path) = location.path().filter(|path| !path.is_empty()) {
        places.push(("path", path.to_owned()));
    }
    match location {
        Location::Package(package) => places.push(("package", package.name.clone())),
        Location::Endpoint(endpoint) => places.push(("place", endpoint.url.clone())),
        Location::Network(network) => {
            let port = network
                .port
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            places.push(("place", format!("{}{port}", network.host)));
        }
        Location::Cloud(cloud) => places.push(("place", cloud.resource.clone())),
        Location::Code(_) | Location::Asset => {}
    }
    places
}

/// When any source last showed it: the latest report of the stream while it is there, the last
/// report that saw it otherwise.
#[must_use]
pub fn last_seen(value: &Vulnerability, scanned: &dyn Fn(&str) -> Option<Timestamp>) -> Timestamp {
    value
        .sources
        .iter()
        .flat_map(|source| {
            source.presence.iter().map(|presence| match &presence.gone {
                None => {
                    let stream = Stream::name_of(presence.r#ref, presence.category, &source.tool);
                    scanned(&stream).map_or(presence.first.at, |at| at.max(presence.first.at))
                }
                Some(_) => presence
                    .last
                    .as_ref()
                    .map_or(presence.first.at, |last| last.at),
            })
        })
        .max()
        .unwrap_or(value.created)
}

/// The words of a finding.
#[must_use]
pub fn finding_text(value: &Finding, version: u64) -> FindingText {
    let mut text = value.keys.join(" ");
    for more in value
        .identifiers
        .iter()
        .map(String::as_str)
        .chain(value.description.as_deref())
        .chain(value.recommendation.as_deref())
    {
        text.push('\n');
        text.push_str(more);
    }
    FindingText {
        id: value.id,
        group: value.group,
        version,
        title: value.title.clone(),
        text,
    }
}
