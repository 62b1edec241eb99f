//! GitHub: alerts of code scanning and of Dependabot
//! (docs.github.com/en/rest/code-scanning/code-scanning, .../rest/dependabot/alerts).

use serde_json::{Map, Value, json};

use super::{at, list, one, raw};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

/// The module of GitHub Apps lists the same.
pub const APP: &str = "github-app";

pub const FEEDS: &[Feed] = &[
    Feed {
        module: "github",
        name: "code-scanning",
        operation: "list_code_scanning_alerts",
        export: None,
        order: Order::NewestFirst,
        tool: "GitHub code scanning",
        category: "SAST",
        by_project: true,
        by_host: false,
        map: code,
    },
    Feed {
        module: "github",
        name: "dependabot",
        operation: "list_dependabot_alerts",
        export: None,
        order: Order::NewestFirst,
        tool: "Dependabot",
        category: "SCA",
        by_project: true,
        by_host: false,
        map: dependency,
    },
];

fn is_there(state: &str) -> bool {
    !matches!(state, "fixed" | "auto_dismissed" | "closed")
}

/// A dismissed alert is there, set aside for a reason.
fn status(alert: &Value) -> (Option<String>, Option<String>) {
    match at(alert, "/state").as_deref() {
        Some("dismissed") => {
            let reason = at(alert, "/dismissed_reason").unwrap_or_default();
            let word = match reason.as_str() {
                "false positive" | "inaccurate" | "used in tests" | "not_used" => "false_positive",
                _ => "accepted",
            };
            let why = at(alert, "/dismissed_comment").unwrap_or(reason);
            (Some(word.to_owned()), Some(why))
        }
        _ => (None, None),
    }
}

fn code(item: &Map<String, Value>) -> Option<Item> {
    let alert = raw(item)?;
    let place = alert.pointer("/most_recent_instance/location");
    let place = place.cloned().unwrap_or_default();
    let tags = list(alert, "/rule/tags", "");
    let cwes: Vec<String> = tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("external/cwe/cwe-"))
        .map(|number| format!("CWE-{}", number.trim_start_matches('0')))
        .collect();
    let (status, status_reason) = status(alert);
    let severity =
        at(alert, "/rule/security_severity_level").or_else(|| at(alert, "/rule/severity"));
    let finding = json!({
        "rule": at(alert, "/rule/id"),
        "title": at(alert, "/rule/description").or_else(|| at(alert, "/rule/name")),
        "description": at(alert, "/rule/full_description"),
        "recommendation": at(alert, "/rule/help"),
        "message": at(alert, "/most_recent_instance/message/text"),
        "severity": severity,
        "cwes": cwes,
        "references": at(alert, "/html_url"),
        "tool": at(alert, "/tool/name"),
        "location": {
            "path": at(&place, "/path"),
            "line": at(&place, "/start_line"),
            "end_line": at(&place, "/end_line"),
            "column": at(&place, "/start_column"),
        },
        "status": status,
        "status_reason": status_reason,
    });
    let state = at(alert, "/state").unwrap_or_default();
    Some(one(at(alert, "/number")?, is_there(&state), finding))
}

/// Words of the advisories' ecosystems as package URL types.
fn ecosystem(word: &str) -> &str {
    match word {
        "go" => "golang",
        "pip" => "pypi",
        "rubygems" => "gem",
        "rust" => "cargo",
        other => other,
    }
}

fn dependency(item: &Map<String, Value>) -> Option<Item> {
    let alert = raw(item)?;
    let identifiers = list(alert, "/security_advisory/identifiers", "/value");
    let cvss = at(alert, "/security_advisory/cvss/vector_string");
    let (status, status_reason) = status(alert);
    let kind = at(alert, "/dependency/package/ecosystem");
    let fixed = at(
        alert,
        "/security_vulnerability/first_patched_version/identifier",
    );
    let finding = json!({
        "rule": at(alert, "/security_advisory/ghsa_id"),
        "title": at(alert, "/security_advisory/summary"),
        "description": at(alert, "/security_advisory/description"),
        "severity": at(alert, "/security_vulnerability/severity")
            .or_else(|| at(alert, "/security_advisory/severity")),
        "cvss": cvss,
        "cwes": list(alert, "/security_advisory/cwes", "/cwe_id"),
        "identifiers": identifiers,
        "references": at(alert, "/html_url"),
        "location": {
            "kind": "package",
            "name": at(alert, "/dependency/package/name"),
            "ecosystem": kind.as_deref().map(ecosystem),
            "path": at(alert, "/dependency/manifest_path"),
            "fixed_version": fixed,
        },
        "status": status,
        "status_reason": status_reason,
    });
    let state = at(alert, "/state").unwrap_or_default();
    Some(one(at(alert, "/number")?, is_there(&state), finding))
}
