//! By which terms is judged: the policy and the command line, of which the stricter wins.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::PolicyOverride;
use crate::rules::policy::MAX_DAYS;

/// What one side says about the gate; what it leaves open the other side decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Score, 0.0 to 10.0, from which on a vulnerability breaks the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Days for which a new vulnerability is spared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_days: Option<u32>,
    /// Days after which a vulnerability is technical debt and is spared; 0 never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debt_days: Option<u32>,
    /// Whether a broken gate fails the build, or is only told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Of a policy: whether whoever asks may have only what is new judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_new_only: Option<bool>,
    /// Of a policy: whether whoever asks may say what is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_base: Option<bool>,
}

/// What applies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub threshold: f64,
    pub grace_days: u32,
    /// 0: nothing is ever technical debt.
    pub debt_days: u32,
    pub strict: bool,
    /// Only what is not on the base ref counts.
    pub new_only: bool,
}

impl Limits {
    /// What an organization and a group have set; Gna's own defaults bind nobody.
    #[must_use]
    pub fn of_policy(organization: &PolicyOverride, group: &PolicyOverride) -> Self {
        Self {
            threshold: group.gate_threshold.or(organization.gate_threshold),
            grace_days: group.gate_grace_days.or(organization.gate_grace_days),
            debt_days: group.gate_debt_days.or(organization.gate_debt_days),
            strict: group.gate_strict.or(organization.gate_strict),
            allow_new_only: group
                .gate_allow_new_only
                .or(organization.gate_allow_new_only),
            allow_base: group.gate_allow_base.or(organization.gate_allow_base),
        }
    }

    /// What applies between a policy and a command line: the lowest threshold, the shortest grace,
    /// the longest time until something is debt, strict before lax. Where neither says anything,
    /// everything counts, at once and for good. Only what is new counts where that is asked for and
    /// the policy does not forbid it.
    ///
    /// # Errors
    /// `gate.limit` for a value outside of its bounds, `gate.contradiction` where nothing could ever
    /// break the gate.
    pub fn agreed(policy: &Self, asked: &Self, new_only: bool) -> Result<Terms> {
        asked.check()?;
        let either = |a: Option<u32>, b: Option<u32>, stricter: fn(u32, u32) -> u32| match (a, b) {
            (Some(a), Some(b)) => Some(stricter(a, b)),
            (a, b) => a.or(b),
        };
        let threshold = match (policy.threshold, asked.threshold) {
            (Some(policy), Some(asked)) => policy.min(asked),
            (policy, asked) => policy.or(asked).unwrap_or(0.0),
        };
        let terms = Terms {
            threshold,
            grace_days: either(policy.grace_days, asked.grace_days, u32::min).unwrap_or(0),
            debt_days: either(policy.debt_days, asked.debt_days, longer_window).unwrap_or(0),
            strict: match (policy.strict, asked.strict) {
                (Some(true), _) | (_, Some(true)) | (None, None) => true,
                (Some(false), _) | (_, Some(false)) => false,
            },
            new_only: new_only && policy.allow_new_only != Some(false),
        };
        if terms.debt_days != 0 && terms.debt_days <= terms.grace_days {
            return Err(Error::invalid(
                "gate.contradiction",
                format!(
                    "what is new is spared for {} days and what is older than {} days too: nothing would ever break the gate",
                    terms.grace_days, terms.debt_days
                ),
            )
            .on_field("debtDays"));
        }
        Ok(terms)
    }

    /// Whether a policy lets whoever asks say what is compared with.
    #[must_use]
    pub fn allows_base(&self) -> bool {
        self.allow_base != Some(false)
    }

    /// What of the comparison that is asked for a policy does not allow, in sentences.
    #[must_use]
    pub fn not_compared(&self, new_only: bool, names_base: bool) -> Vec<&'static str> {
        if !new_only {
            return Vec::new();
        }
        if self.allow_new_only == Some(false) {
            return vec![
                "the policy has everything judged: to judge only what is new is not allowed here",
            ];
        }
        if names_base && !self.allows_base() {
            return vec![
                "the policy compares with the asset's default ref: another base is not allowed here",
            ];
        }
        Vec::new()
    }

    fn check(&self) -> Result<()> {
        if self
            .threshold
            .is_some_and(|score| !(0.0..=10.0).contains(&score))
        {
            return Err(
                Error::invalid("gate.limit", "the threshold is a score from 0.0 to 10.0")
                    .on_field("threshold"),
            );
        }
        for (field, days) in [("graceDays", self.grace_days), ("debtDays", self.debt_days)] {
            if days.is_some_and(|days| days > MAX_DAYS) {
                return Err(Error::invalid(
                    "gate.limit",
                    format!("{field} is at most {MAX_DAYS} days"),
                )
                .on_field(field));
            }
        }
        Ok(())
    }
}

/// The longer time until something is debt; 0 is for ever.
fn longer_window(a: u32, b: u32) -> u32 {
    if a == 0 || b == 0 { 0 } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_policy_and_command_line_wins_field_by_field() {
        let policy = Limits {
            threshold: Some(7.0),
            grace_days: Some(5),
            debt_days: Some(100),
            strict: Some(false),
            ..Limits::default()
        };
        let asked = Limits {
            threshold: Some(9.0),
            grace_days: Some(2),
            debt_days: Some(0),
            ..Limits::default()
        };
        let terms = Limits::agreed(&policy, &asked, false).expect("agreed");
        let expected = Terms {
            threshold: 7.0,
            grace_days: 2,
            debt_days: 0,
            strict: false,
            new_only: false,
        };
        assert_eq!(terms, expected);
        assert_eq!(Limits::agreed(&asked, &policy, false).ok(), Some(expected));
    }

    #[test]
    fn what_the_policy_leaves_open_the_command_line_decides() {
        let asked = Limits {
            threshold: Some(8.0),
            debt_days: Some(90),
            ..Limits::default()
        };
        let terms = Limits::agreed(&Limits::default(), &asked, true).expect("agreed");
        assert_eq!(
            (terms.threshold, terms.grace_days, terms.debt_days),
            (8.0, 0, 90)
        );
        assert!(
            terms.strict && terms.new_only,
            "strict unless someone says lax"
        );
        for (policy, asked, strict) in [
            (None, None, true),
            (None, Some(false), false),
            (Some(false), None, false),
            (Some(true), Some(false), true),
            (Some(false), Some(true), true),
        ] {
            let of = |strict| Limits {
                strict,
                ..Limits::default()
            };
            let terms = Limits::agreed(&of(policy), &of(asked), false).expect("agreed");
            assert_eq!(terms.strict, strict, "{policy:?} {asked:?}");
        }
    }

    #[test]
    fn a_policy_can_forbid_to_judge_only_what_is_new_or_to_name_the_base() {
        let of = |allow_new_only, allow_base| Limits {
            allow_new_only,
            allow_base,
            ..Limits::default()
        };
        for (policy, new_only, names_base, judged_new_only, notes) in [
            (of(None, None), true, true, true, 0),
            (of(Some(true), Some(true)), true, true, true, 0),
            (of(Some(false), None), true, false, false, 1),
            (of(Some(false), Some(false)), true, true, false, 1),
            (of(Some(false), Some(false)), false, false, false, 0),
            (of(None, Some(false)), true, true, true, 1),
            (of(None, Some(false)), true, false, true, 0),
        ] {
            let terms = Limits::agreed(&policy, &Limits::default(), new_only).expect("agreed");
            assert_eq!(terms.new_only, judged_new_only, "{policy:?}");
            let said = policy.not_compared(new_only, names_base);
            assert_eq!(said.len(), notes, "{policy:?} {said:?}");
            // Who asks can't allow themselves what the policy leaves to nobody.
            let asked = of(Some(true), Some(true));
            let same = Limits::agreed(&policy, &asked, new_only).expect("agreed");
            assert_eq!(same, terms);
        }
    }

    #[test]
    fn terms_under_which_nothing_could_break_are_refused() {
        for (limits, code) in [
            (
                Limits {
                    threshold: Some(10.1),
                    ..Limits::default()
                },
                "gate.limit",
            ),
            (
                Limits {
                    threshold: Some(f64::NAN),
                    ..Limits::default()
                },
                "gate.limit",
            ),
            (
                Limits {
                    grace_days: Some(MAX_DAYS + 1),
                    ..Limits::default()
                },
                "gate.limit",
            ),
            (
                Limits {
                    grace_days: Some(30),
                    debt_days: Some(30),
                    ..Limits::default()
                },
                "gate.contradiction",
            ),
        ] {
            let refused = Limits::agreed(&Limits::default(), &limits, false).expect_err("refused");
            assert_eq!(refused.code(), code, "{limits:?}");
        }
    }
}
