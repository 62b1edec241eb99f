//! Who tells whom: the rule by which an issue and a vulnerability come to agree. Pure.
//!
//! Each mapping remembers the state that both sides agreed on last. Whoever differs from it has
//! changed since and is believed; where both have, they changed to the same, since there are only
//! two states. Told twice, nothing happens the second time: so webhooks, polling, retries and
//! killed workers may repeat each other in any order.

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
