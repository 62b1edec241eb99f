//! Blockers: what becomes of one, and which retests may wait for it. Pure.

use crate::error::{Error, Result};
use crate::model::{
    Blocker, BlockerEntry, BlockerEntryKind, BlockerKind, BlockerStatus as Status, MAX_ENTRIES,
    Note, Vulnerability, blocker_description, blocker_title, comment_text,
};
use crate::policy::Action;

use super::treatment::{reason, reason_length};

/// What somebody does about a blocker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Other words; what is `None` stays.
    Change {
        kind: Option<BlockerKind>,
        title: Option<String>,
        description: Option<String>,
    },
    /// Says something about it, as the note's reason.
    Comment,
    /// Says that it is out of the way, and how.
    Propose,
    /// Says that it is not.
    Reject,
    /// It is out of the way: what waits for it goes on.
    Solve,
}

impl Command {
    /// What the caller must be allowed to do.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Change { .. } | Self::Comment | Self::Propose => Action::BlockerWrite,
            Self::Reject | Self::Solve => Action::BlockerSolve,
        }
    }

    fn entry(&self) -> BlockerEntryKind {
        match self {
            Self::Change { .. } => BlockerEntryKind::Changed,
            Self::Comment => BlockerEntryKind::Commented,
            Self::Propose => BlockerEntryKind::Proposed,
            Self::Reject => BlockerEntryKind::Rejected,
            Self::Solve => BlockerEntryKind::Solved,
        }
    }

    /// What the audit log and the feed call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Change { .. } => "blocker.updated",
            Self::Comment => "blocker.commented",
            Self::Propose => "blocker.solution_proposed",
            Self::Reject => "blocker.solution_rejected",
            Self::Solve => "blocker.solved",
        }
    }
}

/// The blocker after it with the entry of its record; none where nothing changes.
///
/// # Errors
/// `blocker.solved`, `blocker.proposed`, `blocker.not_proposed`, `blocker.title`,
/// `blocker.description`, `blocker.too_many_entries`, `reason.required`, `reason.too_long`,
/// `comment.empty`, `comment.too_long`.
pub fn decide(
    current: &Blocker,
    command: &Command,
    note: &Note,
) -> Result<Option<(Blocker, BlockerEntry)>> {
    if *command == Command::Comment {
        comment_text(note.reason.as_deref().unwrap_or_default())?;
        if current.entries >= MAX_ENTRIES {
            return Err(Error::limit(
                "blocker.too_many_entries",
                format!("its record has {MAX_ENTRIES} entries; solve it, or open another one"),
            ));
        }
    } else {
        reason_length(note)?;
        if current.status == Status::Solved {
            return Err(solved());
        }
    }
    let next = match (command, current.status) {
        (Command::Change { .. }, _) => change(current, command)?,
        (Command::Comment, _) => current.clone(),
        (Command::Propose, Status::Proposed) => {
            return Err(Error::conflict(
                "blocker.proposed",
                "someone said that already; it waits for an answer",
            ));
        }
        (Command::Propose, _) => {
            reason(note)?;
            Blocker {
                status: Status::Proposed,
                proposed: Some(note.clone()),
                ..current.clone()
            }
        }
        (Command::Reject, Status::Proposed) => {
            reason(note)?;
            Blocker {
                status: Status::Open,
                proposed: None,
                ..current.clone()
            }
        }
        (Command::Reject, _) => {
            return Err(Error::conflict(
                "blocker.not_proposed",
                "nobody says that it is out of the way",
            ));
        }
        (Command::Solve, _) => {
            reason(note)?;
            Blocker {
                status: Status::Solved,
                solved: Some(note.clone()),
                ..current.clone()
            }
        }
    };
    if next == *current && *command != Command::Comment {
        return Ok(None);
    }
    let next = Blocker {
        entries: current.entries.saturating_add(1),
        ..next
    };
    let entry = BlockerEntry {
        blocker: current.id,
        number: next.entries,
        kind: command.entry(),
        note: note.clone(),
    };
    Ok(Some((next, entry)))
}

fn change(current: &Blocker, command: &Command) -> Result<Blocker> {
    let Command::Change {
        kind,
        title,
        description,
    } = command
    else {
        return Ok(current.clone());
    };
    let title = title.as_deref().map(blocker_title).transpose()?;
    let description = description.as_deref().map(blocker_description);
    Ok(Blocker {
        kind: kind.unwrap_or(current.kind),
        title: title.unwrap_or_else(|| current.title.clone()),
        description: description
            .transpose()?
            .unwrap_or_else(|| current.description.clone()),
        ..current.clone()
    })
}

fn solved() -> Error {
    Error::conflict(
        "blocker.solved",
        "it is solved; open another one for what is in the way now",
    )
}

/// Whether a vulnerability's retest may wait for it.
///
/// # Errors
/// `blocker.solved`, `blocker.other_place`.
pub fn may_hold(blocker: &Blocker, vulnerability: &Vulnerability) -> Result<()> {
    if blocker.status == Status::Solved {
        return Err(solved());
    }
    let is_elsewhere = blocker.group != vulnerability.group
        || blocker
            .asset
            .is_some_and(|asset| asset != vulnerability.asset);
    if is_elsewhere {
        return Err(Error::invalid(
            "blocker.other_place",
            "the blocker is about another group or another asset",
        )
        .on_field("blocker"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{BlockerId, GroupId, OrganizationId, TypedId};
    use crate::time::Timestamp;
    use uuid::Uuid;

    fn note(reason: &str) -> Note {
        Note {
            by: "usr_1".to_owned(),
            person: None,
            at: Timestamp::from_millis(7),
            reason: Some(reason.to_owned()).filter(|text| !text.is_empty()),
        }
    }

    fn blocker(status: Status) -> Blocker {
        Blocker {
            id: BlockerId::from_uuid(Uuid::from_u128(1)),
            organization: OrganizationId::from_uuid(Uuid::from_u128(2)),
            group: GroupId::from_uuid(Uuid::from_u128(3)),
            asset: None,
            kind: BlockerKind::Environment,
            title: "staging is down".to_owned(),
            description: String::new(),
            status,
            opened: note(""),
            proposed: (status == Status::Proposed).then(|| note("rebooted")),
            solved: None,
            entries: 3,
            created: Timestamp::from_millis(1),
        }
    }

    fn retitled(title: &str) -> Command {
        Command::Change {
            kind: None,
            title: Some(title.to_owned()),
            description: None,
        }
    }

    #[test]
    fn each_step_is_taken_from_where_it_makes_sense() {
        use Command as C;
        use Status::{Open, Proposed, Solved};
        let long = "x".repeat(20_001);
        for (from, command, words, then) in [
            (Open, C::Propose, "rebooted", Ok(Proposed)),
            (Open, C::Propose, "", Err("reason.required")),
            (Proposed, C::Propose, "rebooted", Err("blocker.proposed")),
            (Proposed, C::Reject, "still down", Ok(Open)),
            (Proposed, C::Reject, "", Err("reason.required")),
            (Open, C::Reject, "still down", Err("blocker.not_proposed")),
            (Proposed, C::Solve, "it is up", Ok(Solved)),
            (Open, C::Solve, "it is up", Ok(Solved)),
            (Open, C::Solve, "", Err("reason.required")),
            (Open, C::Comment, "who knows more?", Ok(Open)),
            (Solved, C::Comment, "it was the disk", Ok(Solved)),
            (Open, C::Comment, "", Err("comment.empty")),
            (Open, C::Comment, &long, Err("comment.too_long")),
            (Open, C::Solve, &long, Err("reason.too_long")),
            (Open, retitled("production is down"), "", Ok(Open)),
            (Open, retitled("two\nlines"), "", Err("blocker.title")),
            (Open, retitled(" "), "", Err("blocker.title")),
            (Solved, C::Solve, "again", Err("blocker.solved")),
            (Solved, C::Propose, "again", Err("blocker.solved")),
            (Solved, C::Reject, "again", Err("blocker.solved")),
            (Solved, retitled("another"), "", Err("blocker.solved")),
        ] {
            let came = decide(&blocker(from), &command, &note(words))
                .map(|done| done.expect("changes something"));
            let came = came.map_err(|error| error.code());
            if let Ok((next, entry)) = &came {
                assert_eq!((next.entries, entry.number), (4, 4), "{command:?}");
                assert_eq!(entry.note, note(words));
            }
            let status = came.map(|(next, _)| next.status);
            assert_eq!(status, then, "{from:?} {command:?}");
        }
    }

    #[test]
    fn the_same_words_change_nothing_and_comments_end_where_the_record_is_full() {
        let same = retitled("staging is down");
        assert_eq!(decide(&blocker(Status::Open), &same, &note("")), Ok(None));
        let full = Blocker {
            entries: MAX_ENTRIES,
            ..blocker(Status::Open)
        };
        let refused = decide(&full, &Command::Comment, &note("more")).expect_err("refused");
        assert_eq!(refused.code(), "blocker.too_many_entries");
        assert!(decide(&full, &Command::Solve, &note("done")).is_ok());
    }
}
