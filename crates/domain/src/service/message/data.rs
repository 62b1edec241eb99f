//! Records in the form in which they are told to others. Part of the API: fields are added, never
//! changed or taken away.

use serde_json::{Value, json};

use crate::model::{
    Asset, AssetRef, Blocker, ClosedReason, Comment, Finding, GateRun, Group, Location,
    Organization, Report, Vulnerability,
};
use crate::port::store::Stored;
use crate::rules::gate::Verdict;

pub fn organization(of: &Organization) -> Value {
    json!({ "id": of.id, "slug": of.slug, "name": of.name })
}

pub fn group(of: &Group) -> Value {
    json!({ "id": of.id, "slug": of.slug, "name": of.name })
}

pub fn asset(of: &Asset) -> Value {
    json!({
        "id": of.id,
        "name": of.name,
        "kind": of.kind,
        "criticality": of.criticality,
        "internet_facing": of.internet_facing,
    })
}

pub fn vulnerability(of: &Stored<Vulnerability>, finding: Option<&Finding>) -> Value {
    json!({
        "id": of.id,
        "version": of.version,
        "title": finding.map(|finding| &finding.title),
        "state": of.state.as_str(),
        "closed_reason": of.state.closed_reason().map(ClosedReason::as_str),
        "severity": { "level": of.severity.level, "score": of.severity.score },
        "identifiers": of.identifiers,
        "cwes": of.cwes,
        "tags": of.tags,
        "location": shortened(location(&of.location)),
        "on_default_ref": of.on_default_ref,
        "treatment": of.triage.treatment.as_str(),
        "assignee": of.triage.assignee,
        "due": of.sla.as_ref().map(|notice| notice.due),
        "created": of.created,
    })
}

pub fn report(of: &Report) -> Value {
    let counts = &of.counts;
    json!({
        "id": of.id,
        "status": of.status,
        "file_name": of.file_name,
        "tool": of.tool,
        "format": of.format,
        "commit": of.commit,
        "refusal": of.refusal.as_ref().map(|refusal| json!({
            "code": refusal.code,
            "message": refusal.message,
        })),
        "counts": {
            "total": counts.total,
            "created": counts.created,
            "reopened": counts.reopened,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "closed": counts.closed,
        },
        "created": of.created,
        "finished": of.finished,
    })
}

pub fn blocker(of: &Stored<Blocker>) -> Value {
    json!({
        "id": of.id,
        "version": of.version,
        "kind": of.kind,
        "title": of.title,
        "status": of.status,
        "opened_by": of.opened.by,
        "solution": of.solved.as_ref().or(of.proposed.as_ref()).map(|note| &note.reason),
        "created": of.created,
    })
}

pub fn gate_run(of: &GateRun, r#ref: Option<&AssetRef>) -> Value {
    json!({
        "id": of.id,
        "verdict": of.verdict,
        "fails": of.verdict == Verdict::Broken && of.terms.strict,
        "ref": r#ref.map(|known| &known.name),
        "commit": of.commit,
        "report": of.report,
        "terms": of.terms,
        "counts": of.counts,
        "by": of.by,
        "created": of.created,
    })
}

pub fn comment(of: &Comment) -> Value {
    json!({ "id": of.id, "author": of.actor, "text": of.text, "created": of.created })
}

/// Longest place in a message, in bytes: who wants all of it asks for the record.
const PLACE_BYTES: usize = 1_000;

fn shortened(mut text: String) -> String {
    if text.len() > PLACE_BYTES {
        let end = (0..=PLACE_BYTES)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

/// Where it is, in one line for people.
fn location(of: &Location) -> String {
    match of {
        Location::Code(code) => match code.line {
            Some(line) => format!("{}:{line}", code.path),
            None => code.path.clone(),
        },
        Location::Package(package) => {
            let version = package.version.as_deref().unwrap_or_default();
            format!("{} {version}", package.name).trim_end().to_owned()
        }
        Location::Endpoint(endpoint) => endpoint.url.clone(),
        Location::Network(network) => network.host.clone(),
        Location::Cloud(cloud) => cloud.resource.clone(),
        Location::Asset => String::new(),
    }
}
