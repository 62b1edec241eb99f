//! The types of events that webhooks and notices carry, and which entry of the feed is which. Pure.
//!
//! `docs/WEBHOOKS.md` has this list; a test compares the two. Names and the fields of their messages
//! are part of the API: fields are added, never changed or taken away.

/// A type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType {
    pub name: &'static str,
    /// What `data` of the message holds.
    pub data: &'static str,
    pub meaning: &'static str,
}

/// What a person asks for to try an endpoint; not an entry of the feed.
pub const TEST: &str = "webhook.test";

const fn of(name: &'static str, data: &'static str, meaning: &'static str) -> EventType {
    EventType {
        name,
        data,
        meaning,
    }
}

/// All of them, by name.
pub const EVENT_TYPES: &[EventType] = &[
    of("asset.created", "asset", "something new is scanned"),
    of(
        "asset.updated",
        "asset",
        "its importance, its tags or its default ref changed",
    ),
    of(
        "blocker.commented",
        "blocker",
        "somebody said something about a blocker",
    ),
    of("blocker.opened", "blocker", "something is in the way"),
    of(
        "blocker.solution_proposed",
        "blocker",
        "somebody says that it is out of the way",
    ),
    of(
        "blocker.solution_rejected",
        "blocker",
        "it is in the way all the same",
    ),
    of(
        "blocker.solved",
        "blocker",
        "it is out of the way: what waited for it goes on",
    ),
    of(
        "blocker.updated",
        "blocker",
        "its kind or its words changed",
    ),
    of(
        "comment.added",
        "comment",
        "somebody said something about a vulnerability",
    ),
    of(
        "gate.broken",
        "gate_run",
        "the gate's verdict on a build is that it does not pass",
    ),
    of(
        "gate.recovered",
        "gate_run",
        "a ref passes whose verdict before, by the same terms and base, was broken",
    ),
    of("group.created", "group", "there is a new group"),
    of(
        "report.completed",
        "report",
        "a report was read and applied to its end",
    ),
    of(
        "report.failed",
        "report",
        "the import of a report was given up",
    ),
    of(
        "report.refused",
        "report",
        "a report can't be read, or is not what it says",
    ),
    of(
        "vulnerability.acceptance_expired",
        "vulnerability",
        "its acceptance came to its end",
    ),
    of(
        "vulnerability.acceptance_requested",
        "vulnerability",
        "somebody asks for it to be accepted for good",
    ),
    of(
        "vulnerability.assigned",
        "vulnerability",
        "somebody is responsible for it now",
    ),
    of(
        "vulnerability.closed",
        "vulnerability",
        "it is gone, fixed or out of scope",
    ),
    of(
        "vulnerability.created",
        "vulnerability",
        "it was seen for the first time",
    ),
    of(
        "vulnerability.due_soon",
        "vulnerability",
        "its due date comes near",
    ),
    of(
        "vulnerability.false_positive_requested",
        "vulnerability",
        "somebody says that it is a false positive",
    ),
    of(
        "vulnerability.merged",
        "vulnerability",
        "it turned out to be another one",
    ),
    of(
        "vulnerability.opened",
        "vulnerability",
        "it was closed or under review and is open now",
    ),
    of(
        "vulnerability.rejected",
        "vulnerability",
        "a review found that it is none",
    ),
    of(
        "vulnerability.sla_breached",
        "vulnerability",
        "its due date has passed",
    ),
    of(
        "vulnerability.submitted",
        "vulnerability",
        "it waits for review",
    ),
    of(
        "vulnerability.updated",
        "vulnerability",
        "anything else about it changed",
    ),
    of(
        "vulnerability.verification_requested",
        "vulnerability",
        "somebody asks whether it is gone",
    ),
    of(TEST, "test", "a person tries the endpoint"),
];

/// The type of an entry of the feed, by its name; none for what webhooks do not carry.
#[must_use]
pub fn type_of(feed_name: &str) -> Option<&'static str> {
    let known = EVENT_TYPES
        .iter()
        .map(|of| of.name)
        .find(|name| *name == feed_name && *name != TEST);
    known.or_else(|| {
        feed_name
            .starts_with("vulnerability.")
            .then_some("vulnerability.updated")
    })
}

/// Whether an endpoint can ask for it.
#[must_use]
pub fn is_known(name: &str) -> bool {
    EVENT_TYPES.iter().any(|of| of.name == name)
}

/// The list as `docs/WEBHOOKS.md` has it.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| Type | `data` | When |\n|---|---|---|\n");
    for of in EVENT_TYPES {
        text.push_str(&format!(
            "| `{}` | `{}` | {} |\n",
            of.name, of.data, of.meaning
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_list() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/WEBHOOKS.md");
        let text = std::fs::read_to_string(&path).expect("reads docs/WEBHOOKS.md");
        let (before, rest) = text.split_once("| Type |").expect("the table");
        let (_, after) = rest.split_once("\n\n").expect("the end of the table");
        let right = format!("{before}{}\n{after}", table());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &right).expect("writes docs/WEBHOOKS.md");
        }
        assert!(
            text == right || std::env::var_os("UPDATE_DOCS").is_some(),
            "docs/WEBHOOKS.md has another list: run UPDATE_DOCS=1 cargo test -p gna-domain webhook"
        );
    }

    #[test]
    fn types_are_sorted_and_what_is_new_about_a_vulnerability_is_an_update() {
        assert!(EVENT_TYPES.is_sorted_by(|a, b| a.name < b.name));
        for (name, of) in [
            ("vulnerability.created", Some("vulnerability.created")),
            ("vulnerability.tagged", Some("vulnerability.updated")),
            ("report.progressed", None),
            ("gate.passed", None),
            ("webhook.test", None),
            ("user.created", None),
        ] {
            assert_eq!(type_of(name), of, "{name}");
        }
    }
}
