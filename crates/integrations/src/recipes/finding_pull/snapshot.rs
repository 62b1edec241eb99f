//! What an app said so far of one project: the findings that are there, by the app's ids. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
}
