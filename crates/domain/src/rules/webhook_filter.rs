//! What the condition of a webhook endpoint may speak of: the data of a message, by the names that it
//! has there, and the type of the event. Pure.
//!
//! Every name is there for every event. What a message does not have is empty, so that one condition
//! can be asked about all types of events, and an ordinary comparison never fails.

use serde_json::Value;

use super::condition::{Condition, Facts, Kind, Vocabulary};
use crate::error::Result;

/// The names, in the order of `docs/WEBHOOKS.md`, which has the same list.
pub const VOCABULARY: Vocabulary = Vocabulary(&[
    ("event", Kind::Text),
    ("organization.id", Kind::Text),
    ("organization.slug", Kind::Text),
    ("organization.name", Kind::Text),
    ("group.id", Kind::Text),
    ("group.slug", Kind::Text),
    ("group.name", Kind::Text),
    ("asset.id", Kind::Text),
    ("asset.name", Kind::Text),
    ("asset.kind", Kind::Text),
    ("asset.criticality", Kind::Text),
    ("asset.internet_facing", Kind::Flag),
    ("vulnerability.id", Kind::Text),
    ("vulnerability.version", Kind::Whole),
    ("vulnerability.title", Kind::Text),
    ("vulnerability.state", Kind::Text),
    ("vulnerability.closed_reason", Kind::Text),
    ("vulnerability.severity.level", Kind::Text),
    ("vulnerability.severity.score", Kind::Number),
    ("vulnerability.identifiers", Kind::Texts),
    ("vulnerability.cwes", Kind::Wholes),
    ("vulnerability.tags", Kind::Texts),
    ("vulnerability.location", Kind::Text),
    ("vulnerability.on_default_ref", Kind::Flag),
    ("vulnerability.treatment", Kind::Text),
    ("vulnerability.assignee", Kind::Text),
    ("vulnerability.due", Kind::Whole),
    ("vulnerability.created", Kind::Whole),
    ("report.id", Kind::Text),
    ("report.status", Kind::Text),
    ("report.file_name", Kind::Text),
    ("report.tool", Kind::Text),
    ("report.format", Kind::Text),
    ("report.commit", Kind::Text),
    ("report.refusal.code", Kind::Text),
    ("report.refusal.message", Kind::Text),
    ("report.counts.total", Kind::Whole),
    ("report.counts.created", Kind::Whole),
    ("report.counts.reopened", Kind::Whole),
    ("report.counts.updated", Kind::Whole),
    ("report.counts.unchanged", Kind::Whole),
    ("report.counts.closed", Kind::Whole),
    ("report.created", Kind::Whole),
    ("report.finished", Kind::Whole),
    ("comment.id", Kind::Text),
    ("comment.author", Kind::Text),
    ("comment.text", Kind::Text),
    ("comment.created", Kind::Whole),
    ("blocker.id", Kind::Text),
    ("blocker.kind", Kind::Text),
    ("blocker.title", Kind::Text),
    ("blocker.status", Kind::Text),
    ("blocker.opened_by", Kind::Text),
    ("blocker.created", Kind::Whole),
    ("gate_run.id", Kind::Text),
    ("gate_run.verdict", Kind::Text),
    ("gate_run.fails", Kind::Flag),
    ("gate_run.ref", Kind::Text),
    ("gate_run.commit", Kind::Text),
    ("gate_run.by", Kind::Text),
    ("gate_run.created", Kind::Whole),
]);

/// A condition as it may be saved, and ready to be asked.
///
/// # Errors
/// As [`Condition::compile`].
pub fn compile(source: &str) -> Result<Condition> {
    Condition::compile(source, VOCABULARY)
}

/// A message as conditions see it.
///
/// # Errors
/// None for messages of ours: lists are cut to what conditions take.
pub fn facts(event: &str, data: &Value) -> Result<Facts> {
    Facts::new(&values(event, data))
}

fn values(event: &str, data: &Value) -> Value {
    VOCABULARY.facts(|path, kind| match path {
        "event" => Value::from(event),
        _ => {
            let found = path.split('.').try_fold(data, |at, name| at.get(name));
            found
                .and_then(|value| kind.seen(value))
                .unwrap_or_else(|| kind.nothing())
        }
    })
}

#[cfg(all(test, feature = "cel"))]
mod tests {
    use super::super::condition::LIST_LIMIT;
    use super::*;
    use serde_json::json;

    fn vulnerability() -> Value {
        json!({
            "organization": { "id": "org_1", "slug": "acme", "name": "Acme" },
            "group": { "id": "grp_1", "slug": "shop", "name": "Shop" },
            "asset": { "id": "ast_1", "name": "checkout", "kind": "REPOSITORY", "internet_facing": true },
            "vulnerability": {
                "severity": { "level": "HIGH", "score": 7 },
                "tags": vec!["pci"; LIST_LIMIT + 1],
                "cwes": [79],
                "assignee": null,
                "created": 1_767_225_600_000_i64,
            },
        })
    }

    fn holds(source: &str, event: &str, data: &Value) -> bool {
        let facts = facts(event, data).expect("facts");
        let condition = compile(source).expect(source);
        condition.holds(&facts).expect(source)
    }

    #[test]
    fn a_condition_sees_the_message_by_its_names_and_empty_where_it_has_nothing() {
        let told = vulnerability();
        let group = json!({ "group": { "slug": "shop" } });
        for (source, of_vulnerability, of_group) in [
            ("event == 'vulnerability.created'", true, false),
            ("event.startsWith('group.')", false, true),
            ("vulnerability.severity.score >= 7.0", true, false),
            (
                "vulnerability.severity.level in ['HIGH', 'CRITICAL']",
                true,
                false,
            ),
            ("79 in vulnerability.cwes", true, false),
            ("vulnerability.tags.exists(tag, tag == 'pci')", true, false),
            ("size(vulnerability.tags) == 100", true, false),
            ("vulnerability.created > 1700000000000", true, false),
            ("vulnerability.assignee == ''", true, true),
            ("asset.internet_facing && group.slug == 'shop'", true, false),
            (
                "report.counts.created == 0 && comment.text == ''",
                true,
                true,
            ),
            ("group.name == ''", false, true),
        ] {
            let of = |event, data| holds(source, event, data);
            assert_eq!(
                of("vulnerability.created", &told),
                of_vulnerability,
                "{source}"
            );
            assert_eq!(of("group.created", &group), of_group, "{source}");
        }
    }

    #[test]
    fn what_no_message_has_is_refused_when_it_is_written() {
        for (source, code) in [
            ("vulnerability.score > 7.0", "condition.unknown_name"),
            ("secret == 'x'", "condition.unknown_name"),
            ("vulnerability.severity.score > 'high'", "condition.type"),
            ("vulnerability.title", "condition.type"),
            ("event ==", "condition.syntax"),
        ] {
            let refused = compile(source).expect_err(source);
            assert_eq!(
                (refused.code(), refused.field()),
                (code, Some("condition")),
                "{source}"
            );
        }
    }

    /// In the line of its type.
    #[test]
    fn the_document_has_each_name() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/WEBHOOKS.md");
        let text = std::fs::read_to_string(path).expect("reads docs/WEBHOOKS.md");
        let (_, part) = text
            .split_once("## Conditions")
            .expect("a part on conditions");
        let (part, _) = part.split_once("\n## ").expect("another part after it");
        for (name, kind) in VOCABULARY.0 {
            let kind = kind.as_str();
            let mut lines = part
                .lines()
                .filter(|line| line.contains(&format!("`{name}`")));
            let is_there = lines.any(|line| line.contains(&format!("| {kind} ")));
            assert!(is_there, "{name} is not in the line of {kind}");
        }
    }
}
