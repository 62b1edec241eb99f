//! Exports as SARIF 2.1.0 (OASIS standard, sections by its numbers): one run per tool, each
//! vulnerability once, in the run of the tool that reported it first.
//!
//! Runs follow each other, so the export is read once per tool. Results are written as they come;
//! a run's rules, of which there are few, are gathered meanwhile and written after them (the order
//! of an object's members means nothing in JSON).

use axum::body::Bytes;
use gna_domain::error::Result;
use gna_domain::model::{
    ClosedReason, FalsePositiveStatus, Level, Location, Note, State, Vulnerability,
};
use gna_domain::service::export::{Export, Row};
use gna_domain::time::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

use super::{counted, unwritable};

const HEAD: &str =
    r#"{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":["#;

pub fn pieces(export: Export) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let mut piece = HEAD.as_bytes().to_vec();
        let now = export.ctx().now();
        for (at, tool) in export.tools().await?.into_iter().enumerate() {
            if at > 0 {
                piece.push(b',');
            }
            piece.extend_from_slice(br#"{"columnKind":"unicodeCodePoints","results":["#);
            let mut rules = Rules::default();
            let mut of_tool = export.of_tool(&tool);
            let mut is_first = true;
            while let Some(page) = of_tool.next().await? {
                counted(&page, "sarif");
                for row in page {
                    if !is_first {
                        piece.push(b',');
                    }
                    is_first = false;
                    let result = result(&row, &mut rules, now);
                    serde_json::to_writer(&mut piece, &result).map_err(|_| unwritable())?;
                }
                yield Bytes::from(std::mem::take(&mut piece));
            }
            let tool = json!({ "driver": { "name": tool, "rules": rules.list } });
            piece.extend_from_slice(format!(r#"],"tool":{tool}}}"#).as_bytes());
        }
        piece.extend_from_slice(b"]}\n");
        yield Bytes::from(piece);
    }
}

/// The rules of a run, in the order in which results named them.
#[derive(Default)]
struct Rules {
    places: HashMap<String, usize>,
    list: Vec<Value>,
}

impl Rules {
    /// The place of a result's rule (3.27.6).
    fn place(&mut self, id: &str, row: &Row) -> usize {
        if let Some(place) = self.places.get(id) {
            return *place;
        }
        let place = self.list.len();
        self.places.insert(id.to_owned(), place);
        self.list.push(rule(id, row));
        place
    }
}

fn rule(id: &str, row: &Row) -> Value {
    let value = &row.vulnerability.value;
    let mut tags: Vec<String> = vec!["security".to_owned()];
    tags.extend(
        value
            .cwes
            .iter()
            .map(|cwe| format!("external/cwe/cwe-{cwe}")),
    );
    let title = row
        .finding
        .as_ref()
        .map_or(id, |finding| finding.title.as_str());
    json!({
        "id": id,
        "shortDescription": { "text": filled(title, id) },
        "properties": { "tags": tags, "security-severity": format!("{:.1}", value.severity.score) },
    })
}

/// The text, or another where it is blank: a text of the standard has at least one character (3.11.8).
pub fn filled<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.trim().is_empty() {
        instead
    } else {
        text
    }
}

fn result(row: &Row, rules: &mut Rules, now: Timestamp) -> Value {
    let value = &row.vulnerability.value;
    let source = value.sources.first();
    let rule = source.map_or("unknown", |source| filled(&source.rule, "unknown"));
    let place = rules.place(rule, row);
    let title = row
        .finding
        .as_ref()
        .map_or(rule, |finding| finding.title.as_str());
    let message = source
        .and_then(|source| source.message.as_deref())
        .unwrap_or(title);
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": place,
        "level": level(value.severity.level),
        "message": { "text": filled(message, rule) },
        "partialFingerprints": { "gna/v1": fingerprint(value) },
        "suppressions": suppressions(value, now),
        "properties": {
            "gna/id": value.id,
            "gna/state": value.state.as_str(),
            "gna/asset": row.asset.as_ref().map(|asset| asset.name.as_str()),
            "gna/tools": value.sources.iter().map(|source| source.tool.as_str()).collect::<Vec<_>>(),
            "identifiers": value.identifiers,
            "created": value.created.to_string(),
            "lastSeen": row.last_seen.to_string(),
        },
    });
    if let Some(object) = result.as_object_mut() {
        let places = location(&value.location);
        if !places.is_null() {
            object.insert("locations".to_owned(), json!([places]));
        }
        // Gone since an earlier report (3.27.24).
        if matches!(value.state, State::Closed(reason) if reason.reopens_on_sight()) {
            object.insert("baselineState".to_owned(), "absent".into());
        }
    }
    result
}

/// 3.27.10.
pub fn level(level: Level) -> &'static str {
    match level {
        Level::Critical | Level::High => "error",
        Level::Medium => "warning",
        Level::Low | Level::Info => "note",
    }
}

/// The surest name it is recognised by (3.27.17).
fn fingerprint(value: &Vulnerability) -> String {
    value
        .keys
        .iter()
        .min_by_key(|key| key.rank)
        .map_or_else(|| value.id.to_string(), |key| key.hash.clone())
}

/// What tools set aside, and what people decided (3.35).
fn suppressions(value: &Vulnerability, now: Timestamp) -> Vec<Value> {
    let by_tools = value
        .sources
        .iter()
        .filter(|source| source.is_present())
        .filter_map(|source| source.suppression.as_ref())
        .filter(|_| value.is_suppressed())
        .map(|suppression| {
            let mut object = json!({ "kind": "external", "status": "accepted" });
            let said = suppression
                .justification
                .as_deref()
                .unwrap_or(&suppression.status);
            if let Some(object) = object.as_object_mut() {
                object.insert("justification".to_owned(), said.into());
            }
            object
        });
    let decided = match value.state {
        State::Rejected => Some("rejected in review"),
        State::Closed(ClosedReason::OutOfScope) => Some("out of scope"),
        State::Closed(ClosedReason::Duplicate) => Some("duplicate"),
        State::Submitted | State::Open | State::Closed(_) => None,
    };
    let by_people = decided
        .map(|why| json!({ "kind": "external", "status": "accepted", "justification": why }));
    by_tools
        .chain(by_people)
        .chain(set_aside(value, now))
        .collect()
}

/// Acceptances, and what is held for a false positive: under review until a second person agrees.
fn set_aside(value: &Vulnerability, now: Timestamp) -> Vec<Value> {
    let triage = &value.triage;
    let suppression = |status: &str, word: &str, note: Option<&Note>| {
        let why = note.and_then(|note| note.reason.as_deref());
        let said = why.map_or_else(|| word.to_owned(), |why| format!("{word}: {why}"));
        json!({ "kind": "external", "status": status, "justification": said })
    };
    let false_positive = triage.false_positive.as_ref().and_then(|request| {
        let status = match request.status {
            FalsePositiveStatus::Requested => "underReview",
            FalsePositiveStatus::Confirmed => "accepted",
            FalsePositiveStatus::Rejected => return None,
        };
        Some(suppression(
            status,
            "false positive",
            Some(&request.requested),
        ))
    });
    let treatment = &triage.treatment;
    let accepted = treatment
        .is_acceptance_at(now)
        .then(|| suppression("accepted", "risk accepted", treatment.decided()));
    false_positive.into_iter().chain(accepted).collect()
}

/// 3.28: a file and its lines where there is one, a name otherwise.
pub fn location(location: &Location) -> Value {
    let mut place = json!({});
    let Some(object) = place.as_object_mut() else {
        return Value::Null;
    };
    if let Some(path) = location.path().filter(|path| !path.is_empty()) {
        let mut physical = json!({ "artifactLocation": { "uri": uri(path) } });
        if let (Some(line), Some(physical)) = (
            location.line().filter(|line| *line > 0),
            physical.as_object_mut(),
        ) {
            physical.insert("region".to_owned(), region(location, line));
        }
        object.insert("physicalLocation".to_owned(), physical);
    }
    if let Some((kind, name)) = logical(location) {
        let logical = json!([{ "fullyQualifiedName": name, "kind": kind }]);
        object.insert("logicalLocations".to_owned(), logical);
    }
    if object.is_empty() {
        Value::Null
    } else {
        place
    }
}

fn region(location: &Location, line: u32) -> Value {
    let mut region = json!({ "startLine": line });
    if let (Location::Code(code), Some(object)) = (location, region.as_object_mut()) {
        if let Some(end) = code.end_line.filter(|end| *end >= line) {
            object.insert("endLine".to_owned(), end.into());
        }
        if let Some(column) = code.column.filter(|column| *column > 0) {
            object.insert("startColumn".to_owned(), column.into());
        }
        if let Some(snippet) = &code.snippet {
            object.insert("snippet".to_owned(), json!({ "text": snippet }));
        }
    }
    region
}

/// 3.33: what is no file. Kinds of our own where the standard names none (3.33.7 allows that).
fn logical(location: &Location) -> Option<(&'static str, String)> {
    match location {
        Location::Code(code) => code.symbol.clone().map(|symbol| ("function", symbol)),
        Location::Package(package) => Some((
            "package",
            package
                .purl
                .clone()
                .unwrap_or_else(|| match &package.version {
                    Some(version) => format!("{}@{version}", package.name),
                    None => package.name.clone(),
                }),
        )),
        Location::Endpoint(endpoint) => Some(("resource", endpoint.url.clone())),
        Location::Network(network) => Some((
            "resource",
            match network.port {
                Some(port) => format!("{}:{port}", network.host),
                None => network.host.clone(),
            },
        )),
        Location::Cloud(cloud) => Some(("resource", cloud.resource.clone())),
        Location::Asset => None,
    }
}

/// A path as a relative reference (RFC 3986, section 4.2; SARIF 3.4.3): all but the plainest
/// characters are percent-encoded.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let path = if path.starts_with("//") {
        path.trim_start_matches('/')
    } else {
        &path
    };
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative_references() {
        for (path, expected) in [
            ("src/a b.rs", "src/a%20b.rs"),
            ("C:\\x\\y.cs", "C%3A/x/y.cs"),
            ("//evil.example/x", "evil.example/x"),
            ("/etc/passwd", "/etc/passwd"),
            ("ü", "%C3%BC"),
            ("javascript:x", "javascript%3Ax"),
        ] {
            assert_eq!(uri(path), expected, "{path}");
        }
    }
}
