//! Who tells whom: the rules by which an issue and a vulnerability come to agree. Pure.
//!
//! Each field has its own. State: each mapping remembers the one that both sides agreed on last.
//! Whoever differs from it has changed since and is believed; where both have, they changed to the
//! same, since there are only two states. Told twice, nothing happens the second time: so webhooks,
//! polling, retries and killed workers may repeat each other in any order. Title and text: Gna's
//! ([`is_to_be_written`]).

use serde::{Deserialize, Serialize};

/// A state, as far as both sides can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Open,
    Closed,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Nothing,
    /// The issue is to be changed to this.
    TellThem(Side),
    /// The vulnerability is to be changed to this.
    TellUs(Side),
    /// Both changed to this by themselves: only to be remembered.
    Agree(Side),
}

/// `theirs` is absent where the issue was not looked at: then only our own change counts.
pub fn plan(agreed: Side, ours: Side, theirs: Option<Side>) -> Move {
    match (ours == agreed, theirs.unwrap_or(agreed) == agreed) {
        (true, true) => Move::Nothing,
        (false, true) => Move::TellThem(ours),
        (true, false) => Move::TellUs(theirs.unwrap_or(agreed)),
        (false, false) => Move::Agree(ours),
    }
}

/// Whether title and text are to be written there. They are Gna's, since they come from what scanners
/// report: what changed here is written, and what people changed there is written over.
///
/// Each is a digest: what Gna says now, what was written last, what the tracker shows (absent where it
/// was not looked at), and what it showed right after that was written. Trackers may show a text in
/// another way than they were told; that is no change, or it would be written for ever.
pub fn is_to_be_written(
    ours: &str,
    written: Option<&str>,
    theirs: Option<&str>,
    after: Option<&str>,
) -> bool {
    if written != Some(ours) {
        return true;
    }
    theirs.is_some_and(|theirs| theirs != ours && after != Some(theirs))
}

/// Words for closed states in trackers whose states have free names.
const CLOSED: &[&str] = &[
    "closed",
    "done",
    "resolved",
    "rejected",
    "completed",
    "canceled",
    "cancelled",
    "fixed",
    "verified",
    "removed",
    "won't do",
    "6",
    "7",
    "8",
];

/// What the state of an issue means. `kind` is the tracker's own category where it has one (Jira:
/// new, indeterminate, done; Linear: backlog, unstarted, started, completed, canceled); `closed`
/// are names that the tracker or the configuration calls closed.
pub fn side(state: &str, kind: Option<&str>, closed: &[String]) -> Side {
    let is_closed = match kind {
        Some(kind) => ["done", "completed", "canceled", "duplicate"].contains(&kind),
        None if !closed.is_empty() => closed.iter().any(|name| name.eq_ignore_ascii_case(state)),
        None => CLOSED.iter().any(|name| name.eq_ignore_ascii_case(state)),
    };
    if is_closed { Side::Closed } else { Side::Open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{Closed, Open};

    #[test]
    fn whoever_changed_since_both_agreed_is_believed() {
        for (agreed, ours, theirs, is) in [
            (Open, Open, Some(Open), Move::Nothing),
            (Open, Closed, Some(Open), Move::TellThem(Closed)),
            (Open, Open, Some(Closed), Move::TellUs(Closed)),
            (Open, Closed, Some(Closed), Move::Agree(Closed)),
            (Closed, Open, Some(Closed), Move::TellThem(Open)),
            (Closed, Closed, Some(Open), Move::TellUs(Open)),
            (Closed, Closed, None, Move::Nothing),
            (Closed, Open, None, Move::TellThem(Open)),
        ] {
            assert_eq!(
                plan(agreed, ours, theirs),
                is,
                "{agreed:?} {ours:?} {theirs:?}"
            );
        }
    }

    #[test]
    fn words_are_written_where_they_changed_here_or_there_and_not_again_and_again() {
        for (ours, written, theirs, after, is) in [
            ("a", None, None, None, true),
            ("b", Some("a"), None, None, true),
            ("b", Some("a"), Some("a"), Some("a"), true),
            ("a", Some("a"), None, None, false),
            ("a", Some("a"), Some("a"), None, false),
            ("a", Some("a"), Some("x"), None, true),
            // As the tracker shows it.
            ("a", Some("a"), Some("<a>"), Some("<a>"), false),
            ("a", Some("a"), Some("<x>"), Some("<a>"), true),
            ("a", Some("a"), Some("a"), Some("<a>"), false),
        ] {
            assert_eq!(
                is_to_be_written(ours, written, theirs, after),
                is,
                "{ours} {written:?} {theirs:?} {after:?}"
            );
        }
    }

    #[test]
    fn states_are_read_by_kind_then_by_known_names_then_by_common_words() {
        let named = ["Erledigt".to_owned()];
        for (state, kind, closed, is) in [
            ("Fertig", Some("done"), &[] as &[String], Closed),
            ("Done", Some("indeterminate"), &[], Open),
            ("erledigt", None, &named, Closed),
            ("Closed", None, &named, Open),
            ("closed", None, &[], Closed),
            ("In progress", None, &[], Open),
            ("6", None, &[], Closed),
        ] {
            assert_eq!(side(state, kind, closed), is, "{state} {kind:?}");
        }
    }
}
