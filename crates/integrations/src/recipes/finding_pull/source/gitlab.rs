//! GitLab: vulnerability findings of a project (docs.gitlab.com, Vulnerability findings API).

use serde_json::{Map, Value, json};

use super::{at, list, one, raw};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

pub const FEEDS: &[Feed] = &[Feed {
    module: "gitlab",
    name: "gitlab",
    operation: "list_findings",
    export: None,
    // Its list has no time to ask for nor to sort by.
    order: Order::Whole,
    tool: "GitLab",
    category: "OTHER",
    by_project: true,
    by_host: false,
    map,
}];

fn map(item: &Map<String, Value>) -> Option<Item> {
    let finding = raw(item)?;
    let state = at(finding, "/state").or_else(|| at(finding, "/vulnerability/state"));
    let state = state.unwrap_or_default();
    let names = |kinds: &[&str]| -> Vec<String> {
        let all = finding.pointer("/identifiers").and_then(Value::as_array);
        all.into_iter()
            .flatten()
            .filter(|identifier| {
                at(identifier, "/external_type")
                    .is_some_and(|kind| kinds.contains(&kind.to_ascii_lowercase().as_str()))
            })
            .filter_map(|identifier| at(identifier, "/external_id"))
            .collect()
    };
    let package = at(finding, "/location/dependency/package/name");
    let location = match package {
        Some(name) => json!({
            "kind": "package",
            "name": name,
            "version": at(finding, "/location/dependency/version"),
            "path": at(finding, "/location/file"),
            "image": at(finding, "/location/image"),
        }),
        None => json!({
            "path": at(finding, "/location/file"),
            "line": at(finding, "/location/start_line"),
            "end_line": at(finding, "/location/end_line"),
            "url": at(finding, "/location/hostname").map(|host| {
                format!("{host}{}", at(finding, "/location/path").unwrap_or_default())
            }),
            "method": at(finding, "/location/method"),
            "parameter": at(finding, "/location/param"),
        }),
    };
    let (is_there, status) = match state.as_str() {
        "resolved" => (false, None),
        "dismissed" => (true, Some("accepted")),
        _ => (true, None),
    };
    let rule = list(finding, "/identifiers", "/external_id")
        .into_iter()
        .next();
    let cwes: Vec<String> = names(&["cwe"])
        .into_iter()
        .map(|id| format!("CWE-{}", id.trim_start_matches("CWE-")))
        .collect();
    let ours = json!({
        "rule": rule,
        "title": at(finding, "/name"),
        "description": at(finding, "/description"),
        "recommendation": at(finding, "/solution"),
        "severity": at(finding, "/severity"),
        "cwes": cwes,
        "identifiers": names(&["cve", "ghsa", "osvdb", "gemnasium"]),
        "references": list(finding, "/links", "/url"),
        "tool": at(finding, "/scanner/name"),
        "location": location,
        "status": status,
        "status_reason": at(finding, "/dismissal_reason"),
    });
    let id = at(finding, "/uuid").or_else(|| at(finding, "/id"))?;
    Some(one(id, is_there, ours))
}
