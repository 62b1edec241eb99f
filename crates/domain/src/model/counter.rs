//! Counters: what an asset's vulnerabilities come to, kept with every change, so that no overview ever
//! scans. A group's numbers are the sum over its assets, an organization's the sum over its groups.
//!
//! Everything here is a function of values and of the moments at which they changed, so that a recount
//! over the history gives the same ([`crate::service::metrics`]).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::id::{AssetId, GroupId};
use crate::port::store::{Entity, Key};
use crate::time::{DAY_MS, Timestamp};

use super::severity::Level;
use super::triage::Treatment;
use super::vulnerability::{ClosedReason, State, Vulnerability};

/// Weeks that flows are kept for: two years.
pub const WEEKS_KEPT: usize = 104;

type ByLevel = BTreeMap<Level, i64>;

/// What happened in one week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Reached the default ref.
    #[serde(default, rename = "n", skip_serializing_if = "is_zero")]
    pub created: i64,
    #[serde(default, rename = "c", skip_serializing_if = "is_zero")]
    pub closed: i64,
    #[serde(default, rename = "r", skip_serializing_if = "is_zero")]
    pub reopened: i64,
}

/// Counts of vulnerabilities seen on the default ref, not suppressed and not held for false positives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    #[serde(default)]
    pub open: ByLevel,
    #[serde(default)]
    pub closed: ByLevel,
    #[serde(default)]
    pub submitted: ByLevel,
    /// Open ones whose risk is accepted, as far as the end of an acceptance was noted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted: ByLevel,
    /// Open ones whose due date has passed, as far as that was noted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overdue: ByLevel,
    /// Closed ones that were closed after their due date.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub late: ByLevel,
    /// Closed ones that were repaired: fixed, no longer detected, or verified.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remediated: ByLevel,
    /// Sum of the seconds that these took, from the default ref to their last closing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub remediation_seconds: ByLevel,
    /// Sum of [`exposure`] of open ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exposure: i64,
    /// Of these, what is accepted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accepted_exposure: i64,
    /// By [`week_of`]; the last [`WEEKS_KEPT`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weeks: BTreeMap<i64, Flow>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Risk exposure of a score (CVSSF, 4 to the power of score - 4) in thousandths: 4 for 0.0, 1,000 for
/// 4.0, 4,096,000 for 10.0. Whole numbers, so that sums never drift.
#[must_use]
pub fn exposure(score: f64) -> i64 {
    // In range after the clamp, and whole after rounding.
    (4_f64.powf(score.clamp(0.0, 10.0) - 4.0) * 1_000.0).round() as i64
}

/// The week that a moment is in, counted from the Monday before 1970.
#[must_use]
pub fn week_of(at: Timestamp) -> i64 {
    (at.millis().div_euclid(DAY_MS) + 3).div_euclid(7)
}

/// The first moment of a week, a Monday in UTC.
#[must_use]
pub fn week_start(week: i64) -> Timestamp {
    Timestamp::from_millis((week.saturating_mul(7) - 3).saturating_mul(DAY_MS))
}

/// Whether it is one of those that are counted.
fn counts(value: &Vulnerability) -> bool {
    value.on_default_ref
        && !value.is_suppressed()
        && !value.triage.is_false_positive()
        && value.merged_into.is_none()
}

impl Tally {
    fn add(&mut self, value: &Vulnerability, sign: i64) {
        if !counts(value) {
            return;
        }
        let level = value.severity.level;
        let count = |side: &mut ByLevel, by: i64| *side.entry(level).or_default() += by * sign;
        let passed = value.sla.is_some_and(|notice| notice.breached);
        match value.state {
            State::Open => {
                count(&mut self.open, 1);
                let risk = exposure(value.severity.score) * sign;
                self.exposure += risk;
                if matches!(
                    value.triage.treatment,
                    Treatment::Accepted { .. } | Treatment::AcceptedPermanently { .. }
                ) {
                    count(&mut self.accepted, 1);
                    self.accepted_exposure += risk;
                }
                if passed {
                    count(&mut self.overdue, 1);
                }
            }
            State::Closed(reason) => {
                count(&mut self.closed, 1);
                if passed {
                    count(&mut self.late, 1);
                }
                if matches!(
                    reason,
                    ClosedReason::Fixed | ClosedReason::NotDetected | ClosedReason::Verified
                ) {
                    let from = value.on_default_ref_since.unwrap_or(value.created);
                    let took = value.state_since.millis().saturating_sub(from.millis());
                    count(&mut self.remediated, 1);
                    count(&mut self.remediation_seconds, took.max(0).div_euclid(1_000));
                }
            }
            State::Submitted => count(&mut self.submitted, 1),
            State::Rejected => {}
        }
    }

    /// The tally after `before` became `after` at that moment.
    #[must_use]
    pub fn moved(
        mut self,
        before: Option<&Vulnerability>,
        after: Option<&Vulnerability>,
        at: Timestamp,
    ) -> Self {
        if let Some(before) = before {
            self.add(before, -1);
        }
        if let Some(after) = after {
            self.add(after, 1);
            let flow = flow(before, after);
            if flow != Flow::default() {
                let week = self.weeks.entry(week_of(at)).or_default();
                *week = week.plus(flow);
            }
        }
        self.settled()
    }

    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in [
            (&mut self.open, &other.open),
            (&mut self.closed, &other.closed),
            (&mut self.submitted, &other.submitted),
            (&mut self.accepted, &other.accepted),
            (&mut self.overdue, &other.overdue),
            (&mut self.late, &other.late),
            (&mut self.remediated, &other.remediated),
            (&mut self.remediation_seconds, &other.remediation_seconds),
        ] {
            for (level, count) in theirs {
                *mine.entry(*level).or_default() += count;
            }
        }
        self.exposure += other.exposure;
        self.accepted_exposure += other.accepted_exposure;
        for (week, flow) in &other.weeks {
            let mine = self.weeks.entry(*week).or_default();
            *mine = mine.plus(*flow);
        }
        self.settled()
    }

    /// Without zeros and without what is too long ago.
    fn settled(mut self) -> Self {
        for side in [
            &mut self.open,
            &mut self.closed,
            &mut self.submitted,
            &mut self.accepted,
            &mut self.overdue,
            &mut self.late,
            &mut self.remediated,
            &mut self.remediation_seconds,
        ] {
            side.retain(|_, count| *count != 0);
        }
        let kept = i64::try_from(WEEKS_KEPT).unwrap_or(i64::MAX);
        if let Some((&last, _)) = self.weeks.last_key_value() {
            self.weeks.retain(|week, _| *week > last - kept);
        }
        self
    }
}

impl Flow {
    fn plus(self, other: Self) -> Self {
        Self {
            created: self.created + other.created,
            closed: self.closed + other.closed,
            reopened: self.reopened + other.reopened,
        }
    }
}

/// What a change says about the flow: only of what is counted.
fn flow(before: Option<&Vulnerability>, after: &Vulnerability) -> Flow {
    let is_closed = |value: &Vulnerability| matches!(value.state, State::Closed(_));
    let is_new = before.is_none_or(|before| !before.on_default_ref);
    let was_counted = before.is_some_and(counts);
    let (was_closed, is_closed) = (before.is_some_and(is_closed), is_closed(after));
    if !counts(after) {
        return Flow::default();
    }
    Flow {
        created: i64::from(is_new),
        closed: i64::from(is_closed && was_counted && !was_closed),
        reopened: i64::from(after.state == State::Open && was_counted && was_closed),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub group: GroupId,
    pub asset: AssetId,
    pub tally: Tally,
}

impl Counter {
    #[must_use]
    pub fn key_of(group: GroupId, asset: AssetId) -> Key {
        Key::new(Self::COLLECTION, group.to_string(), asset.to_string())
    }
}

impl Entity for Counter {
    const COLLECTION: &'static str = "counter";
    fn key(&self) -> Key {
        Self::key_of(self.group, self.asset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risk_exposure_is_four_to_the_power_of_the_score_less_four() {
        for (score, thousandths) in [
            (0.0, 4),
            (4.0, 1_000),
            (5.0, 4_000),
            (7.5, 128_000),
            (9.8, 3_104_188),
            (10.0, 4_096_000),
            (99.0, 4_096_000),
        ] {
            assert_eq!(exposure(score), thousandths, "{score}");
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        let at = |text: &str| Timestamp::parse(text).expect("a time");
        let monday = at("2026-01-05T00:00:00Z");
        assert_eq!(week_start(week_of(monday)), monday);
        assert_eq!(week_start(week_of(at("2026-01-11T23:59:59Z"))), monday);
        assert!(week_of(at("2026-01-12T00:00:00Z")) == week_of(monday) + 1);
        assert_eq!(
            week_start(week_of(at("1969-12-31T12:00:00Z"))),
            at("1969-12-29T00:00:00Z")
        );
    }

    #[test]
    fn sums_forget_what_is_too_long_ago() {
        let with = |week: i64| Tally {
            weeks: BTreeMap::from([(
                week,
                Flow {
                    created: 1,
                    ..Flow::default()
                },
            )]),
            ..Tally::default()
        };
        let kept = with(1_000).plus(&with(897)).plus(&with(896));
        assert_eq!(kept.weeks.keys().copied().collect::<Vec<_>>(), [897, 1_000]);
    }
}
