//! Snyk: issues of a project (docs.snyk.io, REST API, Issues).

use serde_json::{Map, Value, json};

use super::{at, list, one, raw};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

pub const FEEDS: &[Feed] = &[Feed {
    module: "snyk",
    name: "snyk",
    operation: "list_findings",
    export: None,
    order: Order::Since,
    tool: "Snyk",
    category: "SCA",
    by_project: true,
    by_host: false,
    map,
}];

/// The first representation that has something at a pointer.
fn representation<'v>(issue: &'v Value, pointer: &str) -> Option<&'v Value> {
    let coordinates = issue
        .pointer("/attributes/coordinates")
        .and_then(Value::as_array);
    coordinates
        .into_iter()
        .flatten()
        .filter_map(|coordinate| coordinate.get("representations")?.as_array())
        .flatten()
        .find_map(|representation| representation.pointer(pointer))
}

fn map(item: &Map<String, Value>) -> Option<Item> {
    let issue = raw(item)?;
    let classes = list(issue, "/attributes/classes", "/id");
    let problems = list(issue, "/attributes/problems", "/id");
    let location = if let Some(package) = representation(issue, "/dependency") {
        json!({
            "kind": "package",
            "name": at(package, "/package_name"),
            "version": at(package, "/package_version"),
        })
    } else if let Some(place) = representation(issue, "/sourceLocation") {
        json!({
            "path": at(place, "/file"),
            "line": at(place, "/region/start/line"),
            "end_line": at(place, "/region/end/line"),
            "column": at(place, "/region/start/column"),
        })
    } else {
        json!({ "resource": representation(issue, "/resourcePath").and_then(|path| path.as_str()) })
    };
    let is_ignored = issue.pointer("/attributes/ignored") == Some(&Value::Bool(true));
    let finding = json!({
        "rule": at(issue, "/attributes/key"),
        "title": at(issue, "/attributes/title"),
        "description": at(issue, "/attributes/description"),
        "severity": at(issue, "/attributes/effective_severity_level"),
        "cvss": list(issue, "/attributes/severities", "/vector"),
        "cwes": classes.iter().filter(|class| class.starts_with("CWE-")).collect::<Vec<_>>(),
        "identifiers": problems,
        "references": list(issue, "/attributes/problems", "/url"),
        "location": location,
        "status": is_ignored.then_some("accepted"),
        "status_reason": is_ignored.then_some("ignored in Snyk"),
    });
    let is_there = at(issue, "/attributes/status").as_deref() != Some("resolved");
    Some(one(at(issue, "/id")?, is_there, finding))
}
