//! Dependency-Track: findings of a project (its REST API, `/v1/finding/project/{uuid}`).

use serde_json::{Map, Value, json};

use super::{at, list, one, raw};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

pub const FEEDS: &[Feed] = &[Feed {
    module: "dependency-track",
    name: "dependency-track",
    operation: "list_findings",
    export: None,
    // It answers all findings of a project at once, without a time of their change.
    order: Order::Whole,
    tool: "Dependency-Track",
    category: "SCA",
    by_project: true,
    by_host: false,
    map,
}];

fn map(item: &Map<String, Value>) -> Option<Item> {
    let finding = raw(item)?;
    let is_suppressed = finding.pointer("/analysis/isSuppressed") == Some(&Value::Bool(true));
    let state = at(finding, "/analysis/state").unwrap_or_default();
    let (is_there, status) = match (state.as_str(), is_suppressed) {
        ("RESOLVED", _) => (false, None),
        ("FALSE_POSITIVE" | "NOT_AFFECTED", _) => (true, Some("false_positive")),
        (_, true) => (true, Some("accepted")),
        _ => (true, None),
    };
    let mut identifiers = list(finding, "/vulnerability/aliases", "/cveId");
    identifiers.extend(list(finding, "/vulnerability/aliases", "/ghsaId"));
    let id = at(finding, "/vulnerability/vulnId");
    identifiers.extend(id.clone());
    identifiers.sort_unstable();
    identifiers.dedup();
    let cwes: Vec<String> = list(finding, "/vulnerability/cwes", "/cweId")
        .iter()
        .map(|number| format!("CWE-{number}"))
        .collect();
    let group = at(finding, "/component/group");
    let name = at(finding, "/component/name");
    let name = match (group, name) {
        (Some(group), Some(name)) => Some(format!("{group}/{name}")),
        (_, name) => name,
    };
    let ours = json!({
        "rule": id,
        "title": at(finding, "/vulnerability/title").or_else(|| id.clone()),
        "description": at(finding, "/vulnerability/description"),
        "recommendation": at(finding, "/vulnerability/recommendation"),
        "severity": at(finding, "/vulnerability/severity"),
        "score": at(finding, "/vulnerability/cvssV3BaseScore"),
        "cwes": cwes,
        "identifiers": identifiers,
        "location": {
            "kind": "package",
            "name": name,
            "version": at(finding, "/component/version"),
            "purl": at(finding, "/component/purl"),
        },
        "status": status,
        "status_reason": at(finding, "/analysis/detail"),
    });
    Some(one(at(finding, "/matrix")?, is_there, ours))
}
