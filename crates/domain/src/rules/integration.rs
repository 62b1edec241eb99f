//! What an integration's status becomes, and what may be done in it: pure rules.

use serde_json::{Map, Value};

use crate::connect::integration::Status;
use crate::error::{Error, Kind};
use crate::time::DAY_MS;

/// Days that an event is kept for an integration that waits for a person.
pub const KEPT_DAYS: i64 = 14;
const KEEP_MIN_MS: i64 = 600_000;
const KEEP_MAX_MS: i64 = 7_200_000;

/// What happened to an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was made; what it requires is configured, or is not.
    Made { complete: bool },
    /// Its configuration was changed.
    Configured { complete: bool },
    /// An account of it no longer works.
    CredentialFailed,
    /// All its accounts work; what it requires is configured, or is not.
    CredentialWorks { complete: bool },
    /// What a user can have it do depends on its account, and can't be found out.
    ActionsFailed,
    /// A person paused it.
    Paused,
    /// A person goes on with it.
    Resumed { complete: bool },
    /// A long piece of work began.
    Began,
    /// It ended.
    Ended { complete: bool },
    /// A person takes it down.
    Deleted,
}

/// The status after it. What a person decided is undone by a person only; nothing leaves deletion.
#[must_use]
pub fn after(status: Status, happening: Happening) -> Status {
    use Status::{Disabled, Enabled, Error, InCreation, InDeletion, NeedsConfig, Processing};
    let ready = |complete| if complete { Enabled } else { NeedsConfig };
    match (status, happening) {
        (InDeletion, _) | (_, Happening::Deleted) => InDeletion,
        (InCreation, Happening::Made { complete }) => ready(complete),
        (InCreation, _) | (_, Happening::Made { .. }) => status,
        (_, Happening::Paused) => Disabled,
        (Disabled, Happening::Resumed { complete }) => ready(complete),
        (Disabled, _) => Disabled,
        (_, Happening::CredentialFailed | Happening::ActionsFailed) => Error,
        (Error, Happening::CredentialWorks { complete }) => ready(complete),
        (Error, Happening::Resumed { complete }) => ready(complete),
        (Error, _) => Error,
        (Enabled | NeedsConfig, Happening::Configured { complete }) => ready(complete),
        (Enabled | NeedsConfig, Happening::Began) => Processing,
        (Processing, Happening::Ended { complete }) => ready(complete),
        (
            Enabled | NeedsConfig | Processing,
            Happening::Configured { .. }
            | Happening::CredentialWorks { .. }
            | Happening::Resumed { .. }
            | Happening::Began
            | Happening::Ended { .. },
        ) => status,
    }
}

/// The status while so many pieces of long work have not ended: whatever else happens, it tells whether
/// there are any.
#[must_use]
pub fn while_running(status: Status, running: u32, complete: bool) -> Status {
    let happening = match running {
        0 => Happening::Ended { complete },
        _ => Happening::Began,
    };
    after(status, happening)
}

/// What a worker does with work for an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Do,
    /// Keep it, and try again later: the reason passes by itself or by a person's doing.
    Keep,
    /// Nobody wants it any more.
    Drop,
}

/// What becomes of work that is there. Work for one whose credentials fail is kept: dropping it
/// would lose what happened meanwhile.
#[must_use]
pub fn work(status: Status) -> Work {
    match status {
        Status::Enabled | Status::NeedsConfig | Status::Processing => Work::Do,
        Status::Error | Status::InCreation => Work::Keep,
        Status::Disabled | Status::InDeletion => Work::Drop,
    }
}

/// How long work waits for a person (to connect an account, to configure, to go on) before it is looked
/// at again, in milliseconds, when it has waited for `waited` milliseconds: ten minutes at first, a
/// twentieth of the time passed later, two hours at most.
#[must_use]
pub fn next_look_ms(waited: i64) -> i64 {
    (waited / 20).clamp(KEEP_MIN_MS, KEEP_MAX_MS)
}

/// Whether what happened so long ago is told no more, in milliseconds: else what nobody sees to would
/// be written again and again for ever, for each event.
#[must_use]
pub fn is_too_old(waited: i64) -> bool {
    waited > KEPT_DAYS * DAY_MS
}

/// Whether the error means that a person must see to an account or to whom the integration acts for.
#[must_use]
pub fn is_of_account(error: &Error) -> bool {
    matches!(
        error.code(),
        "credential.reconnect"
            | "app.unauthorized"
            | "integration.account_missing"
            | "integration.owner"
    )
}

/// Whether work with this error is kept until a person did something.
#[must_use]
pub fn waits_for_person(error: &Error) -> bool {
    is_of_account(error) || error.code() == "integration.not_configured"
}

/// Whether the same would fail the same: the app or we refuse it as wrong. Apps that are out of
/// order, throttle, or wait for a person are no reason to give work up.
#[must_use]
pub fn is_permanent(error: &Error) -> bool {
    let is_refused = matches!(
        error.kind(),
        Kind::Invalid | Kind::NotFound | Kind::Forbidden | Kind::Unauthenticated | Kind::Limit
    ) || matches!(
        error.code(),
        "app.refused" | "app.forbidden" | "app.not_found" | "app.conflict"
    );
    is_refused && error.retry_after().is_none() && !waits_for_person(error)
}

/// The required keys of a JSON Schema (2020-12, section 6.5.3 of its validation part) that the
/// configuration lacks or leaves empty, by their titles.
#[must_use]
pub fn missing(schema: &Value, config: &Map<String, Value>) -> Vec<String> {
    let required = schema.get("required").and_then(Value::as_array);
    required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|key| {
            config
                .get(*key)
                .is_none_or(|value| value.is_null() || value.as_str() == Some(""))
        })
        .map(|key| {
            let title = schema.pointer(&format!("/properties/{key}/title"));
            title.and_then(Value::as_str).unwrap_or(key).to_owned()
        })
        .collect()
}

/// The configuration after a change: named keys are replaced, null removes, others stay.
#[must_use]
pub fn patched(config: &Map<String, Value>, change: &Map<String, Value>) -> Map<String, Value> {
    let mut next = config.clone();
    for (key, value) in change {
        if value.is_null() {
            next.remove(key);
        } else {
            next.insert(key.clone(), value.clone());
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Disabled, Enabled, Error, InCreation, InDeletion, NeedsConfig, Processing};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_status_follows_what_happens() {
        let complete = |complete| Happening::Made { complete };
        for (before, happening, is) in [
            (InCreation, complete(true), Enabled),
            (InCreation, complete(false), NeedsConfig),
            (
                Enabled,
                Happening::Configured { complete: false },
                NeedsConfig,
            ),
            (
                NeedsConfig,
                Happening::Configured { complete: true },
                Enabled,
            ),
            (Enabled, Happening::CredentialFailed, Error),
            (
                Error,
                Happening::CredentialWorks { complete: true },
                Enabled,
            ),
            (
                Error,
                Happening::CredentialWorks { complete: false },
                NeedsConfig,
            ),
            (Error, Happening::Configured { complete: true }, Error),
            (Enabled, Happening::Paused, Disabled),
            (Disabled, Happening::CredentialFailed, Disabled),
            (
                Disabled,
                Happening::CredentialWorks { complete: true },
                Disabled,
            ),
            (Disabled, Happening::Resumed { complete: true }, Enabled),
            (Enabled, Happening::Began, Processing),
            (Processing, Happening::Ended { complete: true }, Enabled),
            (Processing, Happening::CredentialFailed, Error),
            (Processing, Happening::ActionsFailed, Error),
            (Disabled, Happening::ActionsFailed, Disabled),
            (Error, Happening::Deleted, InDeletion),
        ] {
            assert_eq!(after(before, happening), is, "{before:?} {happening:?}");
        }
    }

    #[test]
    fn long_work_shows_where_nothing_else_is_more_important() {
        for (before, running, complete, is) in [
            (Enabled, 1, true, Processing),
            (NeedsConfig, 2, false, Processing),
            (Processing, 1, true, Processing),
            (Processing, 0, true, Enabled),
            (Processing, 0, false, NeedsConfig),
            (Enabled, 0, true, Enabled),
            (NeedsConfig, 0, false, NeedsConfig),
            (Error, 1, true, Error),
            (Disabled, 1, true, Disabled),
            (Disabled, 0, true, Disabled),
            (InDeletion, 1, true, InDeletion),
        ] {
            assert_eq!(
                while_running(before, running, complete),
                is,
                "{before:?} with {running}"
            );
        }
    }

    fn happening() -> impl Strategy<Value = Happening> {
        (0..10usize, any::<bool>()).prop_map(|(which, complete)| match which {
            0 => Happening::Made { complete },
            1 => Happening::Configured { complete },
            2 => Happening::CredentialFailed,
            3 => Happening::CredentialWorks { complete },
            4 => Happening::Paused,
            5 => Happening::Resumed { complete },
            6 => Happening::Began,
            7 => Happening::Ended { complete },
            8 => Happening::ActionsFailed,
            _ => Happening::Deleted,
        })
    }

    proptest! {
        #[test]
        fn a_pause_holds_until_a_person_goes_on(happenings in proptest::collection::vec(happening(), 1..30)) {
            let mut status = InCreation;
            let mut paused = false;
            for happening in happenings {
                let before = status;
                status = after(status, happening);
                paused = match happening {
                    Happening::Paused => before != InCreation,
                    Happening::Resumed { .. } => false,
                    _ => paused && status != InDeletion,
                } && status != InDeletion;
                prop_assert_eq!(status == Disabled, paused);
                prop_assert!(before != InDeletion || status == InDeletion);
                prop_assert!(before == InCreation || status != InCreation);
            }
        }
    }

    #[test]
    fn work_that_waits_is_looked_at_less_and_less_and_not_for_ever() {
        let (mut waited, mut looks) = (0, 0);
        while !is_too_old(waited) {
            waited += next_look_ms(waited);
            looks += 1;
        }
        // Every ten minutes for ever would be more than two thousand by then.
        assert!((100..300).contains(&looks), "{looks}");
        let hour = 3_600_000;
        for (waited, next) in [
            (-hour, hour / 6),
            (0, hour / 6),
            (3 * hour, hour / 6),
            (20 * hour, hour),
            (100 * hour, 2 * hour),
            (i64::MAX, 2 * hour),
        ] {
            assert_eq!(next_look_ms(waited), next, "{waited}");
        }
    }

    #[test]
    fn what_is_refused_is_given_up_and_what_may_pass_is_not() {
        let upstream = |code| super::Error::new(Kind::Upstream, code, "x");
        for (error, person, permanent) in [
            (upstream("app.refused"), false, true),
            (upstream("app.not_found"), false, true),
            (upstream("app.unavailable"), false, false),
            (upstream("app.throttled").after_seconds(5), false, false),
            (upstream("credential.reconnect"), true, false),
            (
                super::Error::invalid("integration.not_configured", "x"),
                true,
                false,
            ),
            (
                super::Error::forbidden("integration.owner", "x"),
                true,
                false,
            ),
            (super::Error::invalid("module.input", "x"), false, true),
            (super::Error::conflict("store.conflict", "x"), false, false),
            (
                super::Error::unavailable("store.unavailable", "x"),
                false,
                false,
            ),
        ] {
            assert_eq!(waits_for_person(&error), person, "{error:?}");
            assert_eq!(is_permanent(&error), permanent, "{error:?}");
        }
    }

    #[test]
    fn what_is_required_and_absent_is_named_by_its_title() {
        let schema = json!({
            "properties": {"project": {"type": "string", "title": "Project"}, "label": {"type": "string"}},
            "required": ["project", "label"],
        });
        for (config, lacks) in [
            (json!({}), vec!["Project", "label"]),
            (json!({"project": "", "label": "x"}), vec!["Project"]),
            (json!({"project": "A", "label": null}), vec!["label"]),
            (json!({"project": "A", "label": "x"}), vec![]),
        ] {
            let config = config.as_object().cloned().expect("an object");
            assert_eq!(missing(&schema, &config), lacks);
        }
        let config = json!({"a": 1, "b": 2})
            .as_object()
            .cloned()
            .expect("an object");
        let change = json!({"b": null, "c": 3})
            .as_object()
            .cloned()
            .expect("an object");
        assert_eq!(
            Value::Object(patched(&config, &change)),
            json!({"a": 1, "c": 3})
        );
    }
}
