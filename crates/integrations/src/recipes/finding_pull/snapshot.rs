//! What an app said so far of one project: the findings that are there, by the app's ids. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::feed::{Feed, Item};

/// Findings by the app's ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(BTreeMap<String, Vec<Value>>);

impl Snapshot {
    /// With what the app said since: what is there replaces what was, what is gone goes.
    pub fn with(mut self, items: Vec<Item>) -> Self {
        for item in items {
            if item.findings.is_empty() {
                self.0.remove(&item.id);
            } else {
                self.0.insert(item.id, item.findings);
            }
        }
        self
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A report in Gna's own format; the same bytes for the same findings.
    pub fn report(&self, feed: &Feed, subject: &str) -> Vec<u8> {
        let findings: Vec<&Value> = self.0.values().flatten().collect();
        report(feed, subject, &findings)
    }

    /// What is to be imported, by the name of the asset: one report of everything, or one of each
    /// host that is other than in `before`, also of those that have nothing left.
    pub fn reports(
        &self,
        feed: &Feed,
        subject: &str,
        before: &Self,
        is_other: bool,
    ) -> Vec<(String, Vec<u8>)> {
        if !feed.by_host {
            let gone = self.gone(before);
            let findings: Vec<&Value> = self.0.values().flatten().chain(&gone).collect();
            return vec![(subject.to_owned(), report(feed, subject, &findings))];
        }
        let (now, then) = (self.hosts(), before.hosts());
        let hosts: BTreeSet<&str> = now.keys().chain(then.keys()).copied().collect();
        hosts
            .into_iter()
            .filter(|host| is_other || now.get(host) != then.get(host))
            .map(|host| {
                let findings = now.get(host).cloned().unwrap_or_default();
                (host.to_owned(), report(feed, host, &findings))
            })
            .collect()
    }

    /// One finding of each tool that has none left, said to be gone: a report closes what is of the
    /// tools that it names.
    fn gone(&self, before: &Self) -> Vec<Value> {
        let here: BTreeSet<&str> = self.0.values().flatten().filter_map(tool).collect();
        let mut gone: BTreeMap<&str, Value> = BTreeMap::new();
        for finding in before.0.values().flatten() {
            if let Some(tool) = tool(finding).filter(|tool| !here.contains(tool)) {
                gone.entry(tool).or_insert_with(|| {
                    let mut last = finding.clone();
                    last["status"] = json!("absent");
                    last
                });
            }
        }
        gone.into_values().collect()
    }

    fn hosts(&self) -> BTreeMap<&str, Vec<&Value>> {
        let mut hosts: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for finding in self.0.values().flatten() {
            let host = finding.pointer("/location/host").and_then(Value::as_str);
            if let Some(host) = host.map(str::trim).filter(|host| !host.is_empty()) {
                hosts.entry(host).or_default().push(finding);
            }
        }
        hosts
    }
}

/// The tool that found it, where the app keeps what several have found.
fn tool(finding: &Value) -> Option<&str> {
    finding.get("tool").and_then(Value::as_str)
}

fn report(feed: &Feed, subject: &str, findings: &[&Value]) -> Vec<u8> {
    let report = json!({
        "format": "gna-report",
        "version": 1,
        "tool": { "name": feed.tool },
        "category": feed.category,
        "scan": { "subject": subject },
        "findings": findings,
    });
    report.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, title: Option<&str>) -> Item {
        Item {
            id: id.to_owned(),
            findings: title
                .map(|title| json!({ "title": title }))
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn what_changed_replaces_what_was_and_what_is_gone_goes() {
        let first = Snapshot::default().with(vec![item("2", Some("b")), item("1", Some("a"))]);
        let second =
            first
                .clone()
                .with(vec![item("1", None), item("2", Some("c")), item("9", None)]);
        assert_eq!(
            serde_json::to_value(&second).expect("json"),
            json!({"2": [{"title": "c"}]})
        );
        assert_eq!(Snapshot::from_bytes(&first.to_bytes()), first);
        assert_eq!(Snapshot::from_bytes(b"broken"), Snapshot::default());
    }

    #[test]
    fn of_hosts_only_those_are_told_that_are_other_than_before() {
        let feeds: Vec<&Feed> = crate::recipes::finding_pull::source::feeds("tenable").collect();
        let on = |id: &str, host: &str, title: &str| Item {
            id: id.to_owned(),
            findings: vec![json!({ "title": title, "location": { "host": host } })],
        };
        let before = Snapshot::default().with(vec![
            on("1", "a", "x"),
            on("2", "b", "x"),
            on("3", "c", "x"),
        ]);
        let after = Snapshot::default().with(vec![on("1", "a", "x"), on("3", "c", "y")]);
        let named = |is_other: bool| -> Vec<(String, usize)> {
            let reports = after.reports(feeds[0], "account", &before, is_other);
            let read = reports.into_iter().map(|(host, bytes)| {
                let report: Value = serde_json::from_slice(&bytes).expect("JSON");
                (host, report["findings"].as_array().expect("a list").len())
            });
            read.collect()
        };
        let told = |host: &str, findings: usize| (host.to_owned(), findings);
        assert_eq!(named(false), [told("b", 0), told("c", 1)]);
        assert_eq!(named(true), [told("a", 1), told("b", 0), told("c", 1)]);
    }

    #[test]
    fn a_tool_whose_last_finding_is_gone_is_still_named() {
        let feeds: Vec<&Feed> = crate::recipes::finding_pull::source::feeds("gitlab").collect();
        let by = |id: &str, tool: &str| Item {
            id: id.to_owned(),
            findings: vec![json!({ "title": id, "tool": tool })],
        };
        let before = Snapshot::default().with(vec![by("1", "x"), by("2", "y"), by("3", "y")]);
        let after = Snapshot::default().with(vec![by("1", "x")]);
        let named = |before: &Snapshot| -> Value {
            let mut reports = after.reports(feeds[0], "web", before, false);
            let (_, bytes) = reports.pop().expect("one report");
            let report: Value = serde_json::from_slice(&bytes).expect("JSON");
            report["findings"].clone()
        };
        assert_eq!(
            named(&before),
            json!([
                { "title": "1", "tool": "x" },
                { "title": "2", "tool": "y", "status": "absent" },
            ])
        );
        assert_eq!(named(&after), json!([{ "title": "1", "tool": "x" }]));
    }
}
