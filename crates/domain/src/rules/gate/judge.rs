//! The judgement on one vulnerability, and the verdict on all of them.

use serde::{Deserialize, Serialize};

use super::Terms;
use crate::model::{State, Treatment, Vulnerability};
use crate::time::Timestamp;

/// That its risk is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acceptance {
    Until(Timestamp),
    Permanent,
}

impl Acceptance {
    #[must_use]
    pub fn of(treatment: &Treatment) -> Option<Self> {
        match treatment {
            Treatment::Untreated | Treatment::InProgress { .. } => None,
            Treatment::Accepted { until, .. } => Some(Self::Until(*until)),
            Treatment::AcceptedPermanently { .. } => Some(Self::Permanent),
        }
    }

    fn holds_at(self, now: Timestamp) -> bool {
        match self {
            Self::Until(until) => now < until,
            Self::Permanent => true,
        }
    }

    /// The one that ends first.
    fn shorter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Until(a), Self::Until(b)) => Self::Until(a.min(b)),
            (until @ Self::Until(_), Self::Permanent) | (_, until) => until,
        }
    }
}

/// A vulnerability that is present on the ref under test, as far as the gate looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// 0.0 to 10.0.
    pub score: f64,
    pub state: State,
    /// When it was first recorded: what is new is spared once. `None` where nobody knows; then no
    /// grace applies.
    pub first_seen: Option<Timestamp>,
    /// Since when it has been open without a break: what comes back is no old debt. `None` where
    /// nobody knows; then it is no debt.
    pub open_since: Option<Timestamp>,
    pub acceptance: Option<Acceptance>,
    /// Held for a false positive, and not refuted.
    pub false_positive: bool,
    /// Set aside by every tool that shows it.
    pub suppressed: bool,
    /// The base ref has it too.
    pub on_base: bool,
}

impl Candidate {
    /// Of a vulnerability on record. `on_base` says whether the base ref has it too.
    #[must_use]
    pub fn of(value: &Vulnerability, on_base: bool, now: Timestamp) -> Self {
        Self {
            score: value.severity.score,
            state: value.state,
            first_seen: Some(value.created),
            open_since: Some(open_since(value, now)),
            acceptance: Acceptance::of(&value.triage.treatment),
            false_positive: value.triage.is_false_positive(),
            suppressed: value.is_suppressed(),
            on_base,
        }
    }

    /// One from two that turn out to be the same: breaks whatever one of both would break.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        let acceptance = match (self.acceptance, other.acceptance) {
            (Some(a), Some(b)) => Some(a.shorter(b)),
            _ => None,
        };
        Self {
            score: self.score.max(other.score),
            state: if is_open(other.state) {
                other.state
            } else {
                self.state
            },
            first_seen: known_both(self.first_seen, other.first_seen, Timestamp::min),
            open_since: known_both(self.open_since, other.open_since, Timestamp::max),
            acceptance,
            false_positive: self.false_positive && other.false_positive,
            suppressed: self.suppressed && other.suppressed,
            on_base: self.on_base && other.on_base,
        }
    }
}

fn known_both(
    a: Option<Timestamp>,
    b: Option<Timestamp>,
    stricter: fn(Timestamp, Timestamp) -> Timestamp,
) -> Option<Timestamp> {
    Some(stricter(a?, b?))
}

/// Since when it has been open; now, where it is closed on the default ref and shown on another.
pub(super) fn open_since(value: &Vulnerability, now: Timestamp) -> Timestamp {
    match value.state {
        State::Open => value.created.max(value.state_since),
        _ => now,
    }
}

/// Why a vulnerability does not break the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Spared {
    /// It waits for review, was rejected, or was closed by a decision.
    NotOpen,
    FalsePositive,
    Accepted,
    Suppressed,
    OnBase,
    BelowThreshold,
    InGrace,
    TechnicalDebt,
}

/// What the gate says of one vulnerability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Breaks,
    Spared(Spared),
}

/// Judges one. Decisions come before numbers, so that the reason that is told is one that stays.
#[must_use]
pub fn judge(candidate: &Candidate, terms: &Terms, now: Timestamp) -> Judgement {
    let is_young = candidate
        .first_seen
        .is_some_and(|seen| now.days_since(seen) < i64::from(terms.grace_days));
    let is_debt = terms.debt_days != 0
        && candidate
            .open_since
            .is_some_and(|since| now.days_since(since) >= i64::from(terms.debt_days));
    let accepted = candidate
        .acceptance
        .is_some_and(|acceptance| acceptance.holds_at(now));
    let reasons = [
        (!is_open(candidate.state), Spared::NotOpen),
        (candidate.false_positive, Spared::FalsePositive),
        (accepted, Spared::Accepted),
        (candidate.suppressed, Spared::Suppressed),
        (terms.new_only && candidate.on_base, Spared::OnBase),
        (candidate.score < terms.threshold, Spared::BelowThreshold),
        (is_young, Spared::InGrace),
        (is_debt, Spared::TechnicalDebt),
    ];
    reasons
        .into_iter()
        .find(|(applies, _)| *applies)
        .map_or(Judgement::Breaks, |(_, why)| Judgement::Spared(why))
}

/// The state follows the default ref. What is shown on the ref under test is there, whatever the
/// default ref says, unless a person decided that it does not count.
fn is_open(state: State) -> bool {
    match state {
        State::Open => true,
        State::Closed(reason) => reason.reopens_on_sight(),
        State::Submitted | State::Rejected => false,
    }
}

/// How many were judged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// All; the sum of what follows.
    pub judged: u64,
    pub breaking: u64,
    pub not_open: u64,
    pub false_positive: u64,
    pub accepted: u64,
    pub suppressed: u64,
    pub on_base: u64,
    pub below_threshold: u64,
    pub in_grace: u64,
    pub technical_debt: u64,
}

impl Counts {
    /// With one more judgement.
    #[must_use]
    pub fn and(mut self, judgement: Judgement) -> Self {
        self.judged += 1;
        let place = match judgement {
            Judgement::Breaks => &mut self.breaking,
            Judgement::Spared(Spared::NotOpen) => &mut self.not_open,
            Judgement::Spared(Spared::FalsePositive) => &mut self.false_positive,
            Judgement::Spared(Spared::Accepted) => &mut self.accepted,
            Judgement::Spared(Spared::Suppressed) => &mut self.suppressed,
            Judgement::Spared(Spared::OnBase) => &mut self.on_base,
            Judgement::Spared(Spared::BelowThreshold) => &mut self.below_threshold,
            Judgement::Spared(Spared::InGrace) => &mut self.in_grace,
            Judgement::Spared(Spared::TechnicalDebt) => &mut self.technical_debt,
        };
        *place += 1;
        self
    }

    /// Of two sets that have nothing in common.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            judged: self.judged + other.judged,
            breaking: self.breaking + other.breaking,
            not_open: self.not_open + other.not_open,
            false_positive: self.false_positive + other.false_positive,
            accepted: self.accepted + other.accepted,
            suppressed: self.suppressed + other.suppressed,
            on_base: self.on_base + other.on_base,
            below_threshold: self.below_threshold + other.below_threshold,
            in_grace: self.in_grace + other.in_grace,
            technical_debt: self.technical_debt + other.technical_debt,
        }
    }

    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.breaking == 0 {
            Verdict::Pass
        } else {
            Verdict::Broken
        }
    }
}

/// What the gate says in all, strict or lax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    Pass,
    Broken,
}

impl Verdict {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Broken => "BROKEN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClosedReason;
    use crate::time::DAY_MS;

    const NOW: Timestamp = Timestamp::from_millis(1_000 * DAY_MS);

    fn open(score: f64, days: i64) -> Candidate {
        Candidate {
            score,
            state: State::Open,
            first_seen: Some(NOW.plus_days(-days)),
            open_since: Some(NOW.plus_days(-days)),
            acceptance: None,
            false_positive: false,
            suppressed: false,
            on_base: false,
        }
    }

    const TERMS: Terms = Terms {
        threshold: 7.0,
        grace_days: 5,
        debt_days: 100,
        strict: true,
        new_only: false,
    };

    #[test]
    fn each_reason_spares_and_nothing_else_does() {
        use Judgement::{Breaks, Spared as S};
        let until = |days| Some(Acceptance::Until(NOW.plus_days(days)));
        let ten = open(9.8, 10);
        for (candidate, expected) in [
            (ten.clone(), Breaks),
            (open(7.0, 5), Breaks),
            (open(6.9, 10), S(Spared::BelowThreshold)),
            (open(9.8, 4), S(Spared::InGrace)),
            (open(9.8, 99), Breaks),
            (open(9.8, 100), S(Spared::TechnicalDebt)),
            (
                Candidate {
                    acceptance: until(1),
                    ..ten.clone()
                },
                S(Spared::Accepted),
            ),
            (
                Candidate {
                    acceptance: until(0),
                    ..ten.clone()
                },
                Breaks,
            ),
            (
                Candidate {
                    acceptance: Some(Acceptance::Permanent),
                    ..ten.clone()
                },
                S(Spared::Accepted),
            ),
            (
                Candidate {
                    false_positive: true,
                    ..ten.clone()
                },
                S(Spared::FalsePositive),
            ),
            (
                Candidate {
                    suppressed: true,
                    ..ten.clone()
                },
                S(Spared::Suppressed),
            ),
            (
                Candidate {
                    on_base: true,
                    ..ten.clone()
                },
                Breaks,
            ),
            (
                Candidate {
                    state: State::Submitted,
                    ..ten.clone()
                },
                S(Spared::NotOpen),
            ),
            (
                Candidate {
                    state: State::Closed(ClosedReason::OutOfScope),
                    ..ten.clone()
                },
                S(Spared::NotOpen),
            ),
            // Gone from the default ref, and yet on this one.
            (
                Candidate {
                    state: State::Closed(ClosedReason::NotDetected),
                    ..ten.clone()
                },
                Breaks,
            ),
            // Repaired long ago and back again: no new grace, and no old debt.
            (
                Candidate {
                    open_since: Some(NOW),
                    ..open(9.8, 500)
                },
                Breaks,
            ),
            // Nobody knows how old it is.
            (
                Candidate {
                    first_seen: None,
                    open_since: None,
                    ..ten.clone()
                },
                Breaks,
            ),
        ] {
            assert_eq!(judge(&candidate, &TERMS, NOW), expected, "{candidate:?}");
        }
        let new_only = Terms {
            new_only: true,
            ..TERMS
        };
        let there = Candidate {
            on_base: true,
            ..ten
        };
        assert_eq!(judge(&there, &new_only, NOW), S(Spared::OnBase));
    }
}
