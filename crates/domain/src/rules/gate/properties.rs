//! What holds for every set of vulnerabilities and all terms.

use proptest::prelude::*;

use super::{Acceptance, Candidate, Counts, Judgement, Limits, Spared, Terms, Verdict, judge};
use crate::model::{ClosedReason, State};
use crate::time::{DAY_MS, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_000 * DAY_MS);

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    proptest::option::of((-5_i64..400).prop_map(|days| NOW.plus_days(-days)))
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let states = prop_oneof![
        4 => Just(State::Open),
        1 => Just(State::Submitted),
        1 => Just(State::Rejected),
        1 => Just(State::Closed(ClosedReason::Fixed)),
        1 => Just(State::Closed(ClosedReason::OutOfScope)),
    ];
    let acceptance = prop_oneof![
        3 => Just(None),
        1 => (-9_i64..9).prop_map(|days| Some(Acceptance::Until(NOW.plus_days(days)))),
        1 => Just(Some(Acceptance::Permanent)),
    ];
    let flags = (
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.3),
    );
    (0_u32..=100, states, time(), time(), acceptance, flags).prop_map(
        |(tenths, state, first_seen, open_since, acceptance, flags)| Candidate {
            score: f64::from(tenths) / 10.0,
            state,
            first_seen,
            open_since,
            acceptance,
            false_positive: flags.0,
            suppressed: flags.1,
            on_base: flags.2,
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        proptest::option::of((0_u32..=100).prop_map(|tenths| f64::from(tenths) / 10.0)),
        proptest::option::of(0_u32..60),
        proptest::option::of(0_u32..300),
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(threshold, grace_days, debt_days, strict)| Limits {
            threshold,
            grace_days,
            debt_days,
            strict,
            ..Limits::default()
        })
}

fn terms() -> impl Strategy<Value = Terms> {
    (limits(), any::<bool>()).prop_filter_map("nothing could break", |(limits, new_only)| {
        Limits::agreed(&Limits::default(), &limits, new_only).ok()
    })
}

fn counted(all: &[Candidate], terms: &Terms) -> Counts {
    all.iter().fold(Counts::default(), |counts, candidate| {
        counts.and(judge(candidate, terms, NOW))
    })
}

fn breaks(candidate: &Candidate, terms: &Terms) -> bool {
    judge(candidate, terms, NOW) == Judgement::Breaks
}

/// Whether a broken gate under `terms` fails the build.
fn fails(all: &[Candidate], terms: &Terms) -> bool {
    terms.strict && counted(all, terms).verdict() == Verdict::Broken
}

proptest! {
    #[test]
    fn tightening_never_lets_through_what_broke(
        all in proptest::collection::vec(candidate(), 0..20),
        before in terms(),
        lower in 0.0..10.0_f64,
        grace in 0_u32..60,
        debt in 0_u32..400,
    ) {
        let tighter = [
            Terms { threshold: before.threshold.min(lower), ..before },
            Terms { grace_days: before.grace_days.min(grace), ..before },
            Terms { debt_days: if before.debt_days == 0 { 0 } else { before.debt_days.max(debt) }, ..before },
            Terms { debt_days: 0, ..before },
            Terms { strict: true, ..before },
            Terms { new_only: false, ..before },
        ];
        for after in tighter {
            prop_assert!(!fails(&all, &before) || fails(&all, &after), "{before:?} {after:?}");
            for one in &all {
                prop_assert!(!breaks(one, &before) || breaks(one, &after), "{one:?} {before:?} {after:?}");
            }
        }
    }

    #[test]
    fn the_command_line_can_tighten_a_policy_and_never_loosen_it(
        all in proptest::collection::vec(candidate(), 0..20),
        policy in limits(),
        asked in limits(),
    ) {
        // What the policy leaves open is the command line's; here it leaves nothing open.
        let policy = Limits {
            threshold: policy.threshold.or(Some(5.0)),
            grace_days: policy.grace_days.or(Some(0)),
            debt_days: policy.debt_days.or(Some(0)),
            strict: policy.strict.or(Some(true)),
            ..Limits::default()
        };
        let alone = Limits::agreed(&policy, &Limits::default(), false);
        let both = Limits::agreed(&policy, &asked, false);
        if let (Ok(alone), Ok(both)) = (alone, both) {
            prop_assert!(!fails(&all, &alone) || fails(&all, &both), "{alone:?} {both:?}");
            prop_assert!(counted(&all, &alone).breaking <= counted(&all, &both).breaking);
        }
    }

    #[test]
    fn every_vulnerability_is_counted_once(all in proptest::collection::vec(candidate(), 0..50), terms in terms()) {
        let counts = counted(&all, &terms);
        let parts = [
            counts.breaking, counts.not_open, counts.false_positive, counts.accepted, counts.suppressed,
            counts.on_base, counts.below_threshold, counts.in_grace, counts.technical_debt,
        ];
        prop_assert_eq!(counts.judged, parts.iter().sum::<u64>());
        prop_assert_eq!(counts.judged, all.len() as u64);
    }

    #[test]
    fn one_more_vulnerability_never_mends_a_gate(
        all in proptest::collection::vec(candidate(), 0..20),
        one in candidate(),
        terms in terms(),
    ) {
        let mut more = all.clone();
        more.push(one);
        prop_assert!(!fails(&all, &terms) || fails(&more, &terms));
    }

    #[test]
    fn of_two_that_are_one_the_stricter_decides(a in candidate(), b in candidate(), terms in terms()) {
        let one = a.clone().strictest(b.clone());
        prop_assert!(!(breaks(&a, &terms) || breaks(&b, &terms)) || breaks(&one, &terms), "{one:?}");
    }

    #[test]
    fn what_people_ruled_out_never_breaks(one in candidate(), terms in terms()) {
        let ruled_out = Candidate { false_positive: true, ..one };
        prop_assert!(matches!(
            judge(&ruled_out, &terms, NOW),
            Judgement::Spared(Spared::FalsePositive | Spared::NotOpen)
        ));
    }
}
