//! DefectDojo: findings of a product (its API v2, `/findings/`).

use serde_json::{Map, Value, json};

use super::{at, list, one, raw};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

pub const FEEDS: &[Feed] = &[Feed {
    module: "defectdojo",
    name: "defectdojo",
    operation: "list_findings",
    export: None,
    order: Order::NewestFirst,
    tool: "DefectDojo",
    category: "OTHER",
    by_project: true,
    by_host: false,
    map,
}];

fn map(item: &Map<String, Value>) -> Option<Item> {
    let finding = raw(item)?;
    let is = |name: &str| finding.get(name) == Some(&Value::Bool(true));
    let (is_there, status) = if is("false_p") {
        (true, Some("false_positive"))
    } else if is("risk_accepted") {
        (true, Some("accepted"))
    } else {
        (
            is("active") && !is("is_mitigated") && !is("duplicate"),
            None,
        )
    };
    let component = at(finding, "/component_name");
    let location = match component {
        Some(name) => json!({
            "kind": "package",
            "name": name,
            "version": at(finding, "/component_version"),
            "path": at(finding, "/file_path"),
        }),
        None => json!({ "path": at(finding, "/file_path"), "line": at(finding, "/line") }),
    };
    let ours = json!({
        "rule": at(finding, "/vuln_id_from_tool"),
        "title": at(finding, "/title"),
        "description": at(finding, "/description"),
        "recommendation": at(finding, "/mitigation"),
        "severity": at(finding, "/severity"),
        "cvss": at(finding, "/cvssv3"),
        "cwes": at(finding, "/cwe").filter(|cwe| cwe != "0"),
        "identifiers": list(finding, "/vulnerability_ids", "/vulnerability_id"),
        "tags": list(finding, "/tags", ""),
        "location": location,
        "status": status,
    });
    Some(one(at(finding, "/id")?, is_there, ours))
}
