//! Tenable Vulnerability Management: plugins that found something, with the hosts where
//! (developer.tenable.com, Workbenches).

use serde_json::{Map, Value, json};

use super::{at, raw, said};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

pub const FEEDS: &[Feed] = &[Feed {
    module: "tenable",
    name: "tenable",
    operation: "list_findings",
    places: Some("list_finding_hosts"),
    order: Order::Whole,
    tool: "Tenable",
    category: "NETWORK",
    by_project: false,
    map,
}];

fn severity(number: &str) -> &'static str {
    match number {
        "4" => "critical",
        "3" => "high",
        "2" => "medium",
        "1" => "low",
        _ => "info",
    }
}

fn array<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Each output is of some ports on some hosts.
fn map(item: &Map<String, Value>, outputs: &[Map<String, Value>]) -> Option<Item> {
    let plugin = raw(item)?;
    let id = at(plugin, "/plugin_id")?;
    let mut findings = Vec::new();
    for output in outputs {
        let text = output.get("output").and_then(Value::as_str);
        let states = output.get("states").cloned().unwrap_or_default();
        for state in array(&states, "") {
            if at(state, "/name").as_deref() == Some("fixed") {
                continue;
            }
            for result in array(state, "/results") {
                for asset in array(result, "/assets") {
                    let names = ["/fqdn", "/hostname", "/ipv4", "/netbios_name"];
                    let host = names.iter().find_map(|name| at(asset, name));
                    let Some(host) = host else { continue };
                    findings.push(said(json!({
                        "rule": id,
                        "title": at(plugin, "/plugin_name"),
                        "message": text,
                        "severity": at(plugin, "/severity").as_deref().map(severity),
                        "tags": at(plugin, "/plugin_family"),
                        "location": {
                            "host": host,
                            "port": at(result, "/port").filter(|port| port != "0"),
                            "protocol": at(result, "/transport_protocol"),
                            "service": at(result, "/application_protocol"),
                        },
                    })));
                }
            }
        }
    }
    Some(Item { id, findings })
}
