//! How a process goes on: pure rules.

use serde_json::Value;

use crate::connect::process::{Process, ProcessProgress, ProcessState};
use crate::time::Timestamp;

/// Longest message kept, in bytes.
const MESSAGE_BYTES: usize = 1_000;

/// What one step came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// There is more to do; `context` is what the next step gets.
    More {
        context: Value,
        progress: ProcessProgress,
        /// Not before then; at once where it is absent.
        at: Option<Timestamp>,
    },
    Done {
        results: Value,
        progress: ProcessProgress,
    },
}

/// After a step. One that has ended meanwhile stays as it is.
#[must_use]
pub fn stepped(process: &Process, step: &Step, now: Timestamp) -> Process {
    if process.state.is_final() {
        return process.clone();
    }
    let next = Process {
        updated: now,
        ..process.clone()
    };
    match step {
        Step::More {
            context, progress, ..
        } => Process {
            state: ProcessState::Running,
            context: context.clone(),
            progress: *progress,
            ..next
        },
        Step::Done { results, progress } => Process {
            state: ProcessState::Completed,
            context: Value::Null,
            results: results.clone(),
            progress: *progress,
            finished: Some(now),
            ..next
        },
    }
}

/// After it failed for good.
#[must_use]
pub fn failed(process: &Process, message: &str, now: Timestamp) -> Process {
    let end = message.floor_char_boundary(MESSAGE_BYTES);
    ended(
        process,
        ProcessState::Error,
        Some(message.get(..end).unwrap_or_default().to_owned()),
        now,
    )
}

/// After a person ended it.
#[must_use]
pub fn cancelled(process: &Process, now: Timestamp) -> Process {
    ended(process, ProcessState::Cancelled, None, now)
}

/// While its integration is held, and when that goes on.
#[must_use]
pub fn held(process: &Process, is_held: bool, now: Timestamp) -> Process {
    let state = match (process.state, is_held) {
        (ProcessState::Initializing | ProcessState::Running, true) => ProcessState::Paused,
        (ProcessState::Paused, false) => ProcessState::Running,
        (state, _) => state,
    };
    if state == process.state {
        return process.clone();
    }
    Process {
        state,
        updated: now,
        ..process.clone()
    }
}

fn ended(
    process: &Process,
    state: ProcessState,
    message: Option<String>,
    now: Timestamp,
) -> Process {
    if process.state.is_final() {
        return process.clone();
    }
    Process {
        state,
        message,
        updated: now,
        finished: Some(now),
        ..process.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{IntegrationId, OrganizationId, ProcessId, TypedId};
    use serde_json::json;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn process() -> Process {
        let id = Uuid::from_u128(1);
        Process {
            id: ProcessId::from_uuid(id),
            organization: OrganizationId::from_uuid(id),
            integration: IntegrationId::from_uuid(id),
            name: "Pull".to_owned(),
            kind: "pull".to_owned(),
            state: ProcessState::Initializing,
            context: Value::Null,
            results: Value::Null,
            parent: None,
            progress: ProcessProgress::default(),
            message: None,
            created: NOW,
            updated: NOW,
            finished: None,
        }
    }

    #[test]
    fn it_runs_in_steps_may_be_held_and_ends_once() {
        let progress = ProcessProgress {
            done: 5,
            ..ProcessProgress::default()
        };
        let more = Step::More {
            context: json!({"page": 2}),
            progress,
            at: None,
        };
        let running = stepped(&process(), &more, NOW);
        assert_eq!(
            (running.state, running.progress.done),
            (ProcessState::Running, 5)
        );
        let paused = held(&running, true, NOW);
        assert_eq!(paused.state, ProcessState::Paused);
        assert_eq!(held(&paused, false, NOW).state, ProcessState::Running);
        let done = Step::Done {
            results: json!({"reports": 1}),
            progress,
        };
        let completed = stepped(&running, &done, NOW.plus_millis(7));
        assert_eq!(completed.state, ProcessState::Completed);
        assert!(completed.expires() > Some(NOW));
        for ended in [
            completed.clone(),
            cancelled(&running, NOW),
            failed(&running, "no", NOW),
        ] {
            assert!(ended.state.is_final());
            assert_eq!(stepped(&ended, &more, NOW), ended);
            assert_eq!(failed(&ended, "late", NOW), ended);
            assert_eq!(cancelled(&ended, NOW), ended);
            assert_eq!(held(&ended, true, NOW), ended);
        }
        let long = failed(&running, &"ä".repeat(2_000), NOW);
        assert_eq!(long.message.map(|text| text.len()), Some(MESSAGE_BYTES));
    }

    use crate::port::store::Entity;
}
