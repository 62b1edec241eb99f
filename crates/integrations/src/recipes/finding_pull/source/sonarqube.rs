//! SonarQube: issues of the type VULNERABILITY (its Web API, api/issues/search).

use serde_json::{Map, Value, json};

use super::{at, list, one, raw};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

pub const FEEDS: &[Feed] = &[Feed {
    module: "sonarqube",
    name: "sonarqube",
    operation: "list_findings",
    export: None,
    // It can be asked for what was created since a time, not for what changed.
    order: Order::NewestFirst,
    tool: "SonarQube",
    category: "SAST",
    by_project: true,
    by_host: false,
    map,
}];

fn severity(word: &str) -> &'static str {
    match word {
        "BLOCKER" => "critical",
        "CRITICAL" => "high",
        "MAJOR" => "medium",
        "MINOR" => "low",
        _ => "info",
    }
}

fn map(item: &Map<String, Value>) -> Option<Item> {
    let issue = raw(item)?;
    let resolution = at(issue, "/resolution");
    let (is_there, status) = match (at(issue, "/status").as_deref(), resolution.as_deref()) {
        (_, Some("FALSE-POSITIVE")) | (Some("FALSE_POSITIVE"), _) => (true, Some("false_positive")),
        (_, Some("WONTFIX")) | (Some("ACCEPTED"), _) => (true, Some("accepted")),
        (Some("RESOLVED" | "CLOSED" | "FIXED"), _) => (false, None),
        _ => (true, None),
    };
    // The key of a file's component is the project's, a colon and the path.
    let component = at(issue, "/component").unwrap_or_default();
    let path = component.split_once(':').map(|(_, path)| path.to_owned());
    let finding = json!({
        "rule": at(issue, "/rule"),
        "title": at(issue, "/message"),
        "severity": at(issue, "/severity").as_deref().map(severity),
        "tags": list(issue, "/tags", ""),
        "location": {
            "path": path,
            "line": at(issue, "/textRange/startLine").or_else(|| at(issue, "/line")),
            "end_line": at(issue, "/textRange/endLine"),
        },
        "fingerprints": { "sonarqube": at(issue, "/hash") },
        "status": status,
    });
    Some(one(at(issue, "/key")?, is_there, finding))
}
