//! Each case of the rule alone.

use super::*;
use crate::connect::credential::Owner;
use crate::id::{CredentialId, OrganizationId, TypedId};
use serde_json::Map;
use uuid::Uuid;

const FAMILY: Means = Means::Token(Reuse::RotatingFamilyRevocation);
const LEEWAY: Means = Means::Token(Reuse::RotatingWithLeeway { seconds: 60 });
const STABLE: Means = Means::Token(Reuse::NonRotating);

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn credential(token: &str) -> Credential {
    Credential {
        id: CredentialId::from_uuid(Uuid::from_u128(1)),
        organization: OrganizationId::from_uuid(Uuid::from_u128(2)),
        owner: Owner::Organization,
        module: crate::connect::ModuleName::new("tracker").expect("a name"),
        external_id: "1".to_owned(),
        connection: Map::new(),
        sealed: Sealed::from_text(token),
        refresh_digest: Some(token.to_owned()),
        issued: at(0),
        access_expires: None,
        refresh_expires: None,
        valid: true,
        message: None,
        generation: 1,
        intent: None,
        refusals: None,
        entities: Vec::new(),
        created: at(0),
        updated: at(0),
    }
}

fn id(number: u128) -> RefreshId {
    RefreshId::from_uuid(Uuid::from_u128(number))
}

fn intended(means: Means) -> (Credential, Intent) {
    let begun = begin(&credential("r1"), id(7), 1, means, at(1_000));
    let intent = begun.intent.clone().expect("begun");
    (begun, intent)
}

fn granted(token: &str) -> Outcome {
    Outcome::Granted(Granted {
        sealed: Sealed::from_text(token),
        refresh_digest: Some(token.to_owned()),
        access_expires: None,
        refresh_expires: None,
    })
}

#[test]
fn newer_tokens_are_adopted_and_dead_ones_not_tried() {
    let current = credential("r1");
    for means in [FAMILY, LEEWAY, STABLE, Means::Repeatable] {
        assert_eq!(plan(&current, 0, means, at(0)), Plan::Adopt);
        assert_eq!(
            plan(&current, 1, means, at(0)),
            Plan::Present { attempt: 1 }
        );
    }
    let nothing = plan(&current, 1, Means::Nothing, at(0));
    assert_eq!(nothing, Plan::Reconnect(Reason::NoRefreshToken));
    let bare = Credential {
        refresh_digest: None,
        ..current.clone()
    };
    assert_eq!(
        plan(&bare, 1, FAMILY, at(0)),
        Plan::Reconnect(Reason::NoRefreshToken)
    );
    assert_eq!(
        plan(&bare, 1, Means::Repeatable, at(0)),
        Plan::Present { attempt: 1 }
    );
    let expired = Credential {
        refresh_expires: Some(at(5)),
        ..current.clone()
    };
    assert_eq!(
        plan(&expired, 1, FAMILY, at(5)),
        Plan::Reconnect(Reason::Expired)
    );
    let dead = give_up(&current, Reason::Refused, "Tracker", at(9));
    assert_eq!(
        plan(&dead, 0, FAMILY, at(9)),
        Plan::Reconnect(Reason::Invalid)
    );
    let message = dead.message.expect("the user is told");
    assert!(message.contains("Tracker") && message.contains("connect the account again"));
}

#[test]
fn a_killed_worker_is_waited_for_and_its_token_presented_again_only_where_it_does_no_harm() {
    for (means, after_ms, expected) in [
        (
            FAMILY,
            29_999,
            Plan::Wait {
                until: at(1_000 + LEASE_MS),
            },
        ),
        (FAMILY, 30_000, Plan::Reconnect(Reason::OutcomeUnknown)),
        (LEEWAY, 30_000, Plan::Present { attempt: 2 }),
        (LEEWAY, 39_999, Plan::Present { attempt: 2 }),
        (LEEWAY, 40_000, Plan::Reconnect(Reason::OutcomeUnknown)),
        (STABLE, i64::from(u32::MAX), Plan::Present { attempt: 2 }),
        (Means::Repeatable, 30_000, Plan::Present { attempt: 2 }),
    ] {
        let (begun, _) = intended(means);
        assert_eq!(
            plan(&begun, 1, means, at(1_000 + after_ms)),
            expected,
            "{means:?} {after_ms}"
        );
    }
    // A third time never.
    let (begun, _) = intended(LEEWAY);
    let twice = begin(&begun, id(8), 2, LEEWAY, at(31_000));
    assert_eq!(
        plan(&twice, 1, LEEWAY, at(61_000)),
        Plan::Reconnect(Reason::OutcomeUnknown)
    );
}

#[test]
fn an_answer_settles_what_was_presented() {
    for means in [FAMILY, LEEWAY, STABLE] {
        let (begun, intent) = intended(means);
        let settled = settle(&begun, &intent, &granted("r2"), means, "Tracker", at(2_000));
        let Settled::Use(next) = settled else {
            panic!("{settled:?}")
        };
        assert_eq!((next.generation, next.sealed.as_str()), (2, "r2"));
        assert_eq!((next.intent.as_ref(), next.issued), (None, at(2_000)));
        let settled = settle(
            &begun,
            &intent,
            &Outcome::Refused,
            means,
            "Tracker",
            at(2_000),
        );
        assert!(matches!(settled, Settled::Reconnect(next, Reason::Refused) if !next.valid));
        let settled = settle(
            &begun,
            &intent,
            &Outcome::NotTaken,
            means,
            "Tracker",
            at(2_000),
        );
        assert!(matches!(settled, Settled::Later(next) if next.valid && next.intent.is_none()));
    }
}

#[test]
fn an_unknown_outcome_ends_a_connection_only_where_it_must() {
    for (means, ends) in [
        (FAMILY, true),
        (LEEWAY, false),
        (STABLE, false),
        (Means::Repeatable, false),
    ] {
        let (begun, intent) = intended(means);
        let settled = settle(
            &begun,
            &intent,
            &Outcome::Unknown,
            means,
            "Tracker",
            at(2_000),
        );
        match settled {
            Settled::Reconnect(next, Reason::OutcomeUnknown) => {
                assert!(ends && !next.valid, "{means:?}");
                // The answer comes after all.
                let late = settle(&next, &intent, &granted("r2"), means, "Tracker", at(90_000));
                assert!(matches!(late, Settled::Use(healed) if healed.valid));
            }
            Settled::Later(next) => {
                assert!(!ends, "{means:?}");
                assert_eq!(
                    plan(&next, 1, means, at(2_000)),
                    Plan::Present { attempt: 2 }
                );
            }
            other => panic!("{means:?}: {other:?}"),
        }
    }
}

/// One presentation at that time, and what follows from how it ended.
fn presented_at(current: &Credential, means: Means, outcome: &Outcome, now: Timestamp) -> Settled {
    let begun = begin(current, id(7), 1, means, now);
    let intent = begun.intent.clone().expect("begun");
    settle(&begun, &intent, outcome, means, "Tracker", now)
}

#[test]
fn refusals_without_a_known_reason_end_a_connection_when_several_came_in_a_row() {
    for means in [FAMILY, LEEWAY, STABLE, Means::Repeatable] {
        let mut current = credential("r1");
        for number in 1..REFUSALS_MAX {
            let now = at(i64::from(number) * 180_000);
            let settled = presented_at(&current, means, &Outcome::Declined, now);
            let Settled::Later(next) = settled else {
                panic!("{means:?}: {settled:?}")
            };
            assert!(next.valid && next.intent.is_none(), "{means:?}");
            assert_eq!(next.refusals.map(|refusals| refusals.count), Some(number));
            assert_eq!(plan(&next, 1, means, now), Plan::Present { attempt: 1 });
            current = *next;
        }
        // A success in between forgets them.
        let granted = presented_at(&current, means, &granted("r2"), at(900_000));
        assert!(matches!(granted, Settled::Use(next) if next.refusals.is_none()));
        match presented_at(&current, means, &Outcome::Declined, at(900_000)) {
            Settled::Reconnect(next, Reason::Refused) => {
                assert!(!next.valid && next.refusals.is_none(), "{means:?}");
                let message = next.message.as_deref().unwrap_or_default();
                assert!(message.contains("Tracker"), "{message}");
            }
            other => panic!("{means:?}: {other:?}"),
        }
    }
}

#[test]
fn many_refusals_in_one_moment_are_no_end() {
    let mut current = credential("r1");
    for _ in 0..REFUSALS_MAX + 5 {
        let settled = presented_at(&current, STABLE, &Outcome::Declined, at(1_000));
        let Settled::Later(next) = settled else {
            panic!("{settled:?}")
        };
        current = *next;
    }
    let before = presented_at(&current, STABLE, &Outcome::Declined, at(600_999));
    assert!(matches!(before, Settled::Later(_)));
    let after = presented_at(&current, STABLE, &Outcome::Declined, at(601_000));
    assert!(matches!(after, Settled::Reconnect(_, Reason::Refused)));
}

#[test]
fn a_refusal_of_an_older_token_says_nothing_about_the_stored_one() {
    let (begun, intent) = intended(FAMILY);
    // Connected again meanwhile, or refreshed by somebody who took over.
    let again = Credential {
        refresh_digest: Some("r9".to_owned()),
        generation: 2,
        intent: None,
        ..begun.clone()
    };
    let taken_over = begin(&begun, id(9), 2, LEEWAY, at(40_000));
    for current in [&again, &taken_over] {
        for outcome in [Outcome::Refused, Outcome::Unknown, granted("r2")] {
            let settled = settle(current, &intent, &outcome, FAMILY, "Tracker", at(50_000));
            assert_eq!(settled, Settled::Stale, "{outcome:?}");
        }
    }
}

#[test]
fn whoever_was_held_up_since_the_intent_does_not_call() {
    let second = |means| {
        let (begun, _) = intended(means);
        let begun = begin(&begun, id(8), 2, means, at(41_000));
        begun.intent.expect("begun")
    };
    let first = |means| intended(means).1;
    for (means, intent, now, is_in_time) in [
        (LEEWAY, first(LEEWAY), 11_000, true),
        (LEEWAY, first(LEEWAY), 11_001, false),
        // The first may have been heard at 1,000; the answer to this one comes 20 seconds later at most.
        (LEEWAY, second(LEEWAY), 40_999, true),
        (LEEWAY, second(LEEWAY), 41_000, false),
        (STABLE, second(STABLE), 51_000, true),
        (STABLE, second(STABLE), 51_001, false),
        (Means::Repeatable, second(Means::Repeatable), 51_000, true),
    ] {
        assert_eq!(
            super::is_in_time(&intent, means, at(now)),
            is_in_time,
            "{means:?} {} at {now}",
            intent.presentations
        );
    }
}

#[test]
fn what_was_not_taken_the_second_time_may_be_presented_once_more() {
    let (begun, _) = intended(LEEWAY);
    let twice = begin(&begun, id(8), 2, LEEWAY, at(31_000));
    let intent = twice.intent.clone().expect("begun");
    assert_eq!(intent.first, at(1_000));
    let settled = settle(
        &twice,
        &intent,
        &Outcome::NotTaken,
        LEEWAY,
        "Tracker",
        at(32_000),
    );
    let Settled::Later(next) = settled else {
        panic!("{settled:?}")
    };
    assert_eq!(
        plan(&next, 1, LEEWAY, at(32_000)),
        Plan::Present { attempt: 2 }
    );
    assert_eq!(
        plan(&next, 1, LEEWAY, at(41_000)),
        Plan::Reconnect(Reason::OutcomeUnknown)
    );
}

#[test]
fn only_a_known_expiry_is_refreshed_ahead() {
    for (expires, now, due, expired) in [
        (None, i64::MAX, false, false),
        (Some(3_600_000), 3_299_999, false, false),
        (Some(3_600_000), 3_300_000, true, false),
        (Some(3_600_000), 3_600_000, true, true),
        // Tokens that live for a minute only are not always due.
        (Some(60_000), 29_999, false, false),
        (Some(60_000), 30_000, true, false),
    ] {
        let current = Credential {
            access_expires: expires.map(at),
            ..credential("r1")
        };
        assert_eq!(is_due(&current, at(now)), due, "{expires:?} {now}");
        assert_eq!(is_expired(&current, at(now)), expired, "{expires:?} {now}");
    }
}
