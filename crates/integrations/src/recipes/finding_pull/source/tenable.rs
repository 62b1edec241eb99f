//! Tenable Vulnerability Management: what was found on hosts, exported
//! (developer.tenable.com, Exports; its guide "Refine Vulnerability Export Requests").

use serde_json::{Map, Value, json};

use super::{at, list, one, raw};
use crate::recipes::finding_pull::feed::{Feed, Item, Order};

pub const FEEDS: &[Feed] = &[Feed {
    module: "tenable",
    name: "tenable",
    operation: "list_findings",
    export: Some("start_export"),
    order: Order::Since,
    tool: "Tenable",
    category: "NETWORK",
    by_project: false,
    by_host: true,
    map,
}];

/// One plugin's finding on one port of one host, which is what Tenable tells findings apart by.
fn map(item: &Map<String, Value>) -> Option<Item> {
    let finding = raw(item)?;
    let names = ["/fqdn", "/hostname", "/ipv4", "/ipv6", "/netbios_name"];
    let asset = finding.get("asset")?;
    let host = names.iter().find_map(|name| at(asset, name))?;
    let plugin = at(finding, "/plugin/id")?;
    let port = at(finding, "/port/port").filter(|port| port != "0");
    let protocol = at(finding, "/port/protocol").map(|word| word.to_ascii_lowercase());
    let owner = at(asset, "/uuid").unwrap_or_else(|| host.clone());
    let id = format!(
        "{owner}:{plugin}:{}:{}",
        port.as_deref().unwrap_or_default(),
        protocol.as_deref().unwrap_or_default()
    );
    let is_accepted = at(finding, "/severity_modification_type").as_deref() == Some("ACCEPTED");
    let ours = json!({
        "rule": plugin,
        "title": at(finding, "/plugin/name"),
        "description": at(finding, "/plugin/description"),
        "recommendation": at(finding, "/plugin/solution"),
        "message": at(finding, "/output"),
        "severity": at(finding, "/severity"),
        "identifiers": list(finding, "/plugin/cve", ""),
        "references": list(finding, "/plugin/see_also", ""),
        "tags": at(finding, "/plugin/family"),
        "location": {
            "host": host,
            "port": port,
            "protocol": protocol,
            "service": at(finding, "/port/service"),
        },
        "status": is_accepted.then_some("accepted"),
        "status_reason": at(finding, "/recast_reason"),
    });
    let is_there = at(finding, "/state").as_deref() != Some("FIXED");
    Some(one(id, is_there, ours))
}
