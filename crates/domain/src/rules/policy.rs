//! Policies that contradict themselves are refused, with the fields that do.

use crate::error::{Error, Result};
use crate::model::Policy;
use crate::rules::inactivity::FEWEST_DAYS;

/// Most days that any field may say: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// Checks what would apply.
///
/// # Errors
/// `policy.range` for a value outside of its bounds, `policy.contradiction` for two that exclude
/// each other; both name the field.
pub fn check(policy: &Policy) -> Result<()> {
    for (field, score) in [
        ("acceptanceMinSeverity", policy.acceptance_min_severity),
        ("acceptanceMaxSeverity", policy.acceptance_max_severity),
        ("gateThreshold", policy.gate_threshold),
    ] {
        if !(0.0..=10.0).contains(&score) {
            return Err(Error::invalid(
                "policy.range",
                format!("{field} is a score from 0.0 to 10.0"),
            )
            .on_field(format!("policy.{field}")));
        }
    }
    for (field, days) in [
        ("keepReportsDays", policy.keep_reports_days),
        ("maxAcceptanceDays", policy.max_acceptance_days),
        ("acceptanceRequestDays", policy.acceptance_request_days),
        ("gateGraceDays", policy.gate_grace_days),
        ("gateDebtDays", policy.gate_debt_days),
        ("slaDaysCritical", policy.sla_days_critical),
        ("slaDaysHigh", policy.sla_days_high),
        ("slaDaysMedium", policy.sla_days_medium),
        ("slaDaysLow", policy.sla_days_low),
        ("slaDaysInfo", policy.sla_days_info),
        ("slaSoonDays", policy.sla_soon_days),
        ("inactivityDays", policy.inactivity_days),
    ] {
        if days > MAX_DAYS {
            return Err(Error::invalid(
                "policy.range",
                format!("{field} is at most {MAX_DAYS} days"),
            )
            .on_field(format!("policy.{field}")));
        }
    }
    if (1..FEWEST_DAYS).contains(&policy.inactivity_days) {
        return Err(Error::invalid(
            "policy.range",
            format!("inactivityDays is 0 for never, or at least {FEWEST_DAYS}"),
        )
        .on_field("policy.inactivityDays"));
    }
    if policy.acceptance_min_severity > policy.acceptance_max_severity {
        return contradiction(
            "acceptanceMinSeverity",
            "the lowest score that may be accepted is above the highest",
        );
    }
    if policy.gate_debt_days != 0 && policy.gate_debt_days <= policy.gate_grace_days {
        return contradiction(
            "gateDebtDays",
            "what is new is spared longer than it takes to become technical debt: nothing would ever break the gate",
        );
    }
    let days = [
        ("slaDaysCritical", policy.sla_days_critical),
        ("slaDaysHigh", policy.sla_days_high),
        ("slaDaysMedium", policy.sla_days_medium),
        ("slaDaysLow", policy.sla_days_low),
        ("slaDaysInfo", policy.sla_days_info),
    ];
    let set: Vec<_> = days.iter().filter(|(_, days)| *days != 0).collect();
    for pair in set.windows(2) {
        if let [(worse, long), (milder, short)] = pair
            && long > short
        {
            return contradiction(
                worse,
                &format!("{worse} gives more time than {milder}, which is less severe"),
            );
        }
    }
    Ok(())
}

fn contradiction(field: &str, message: &str) -> Result<()> {
    Err(Error::invalid("policy.contradiction", message).on_field(format!("policy.{field}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused_with_its_field() {
        let ok = Policy::default();
        assert_eq!(check(&ok), Ok(()));
        for (policy, code, field) in [
            (
                Policy {
                    gate_threshold: 10.1,
                    ..ok.clone()
                },
                "policy.range",
                "policy.gateThreshold",
            ),
            (
                Policy {
                    acceptance_max_severity: f64::NAN,
                    ..ok.clone()
                },
                "policy.range",
                "policy.acceptanceMaxSeverity",
            ),
            (
                Policy {
                    sla_days_low: MAX_DAYS + 1,
                    ..ok.clone()
                },
                "policy.range",
                "policy.slaDaysLow",
            ),
            (
                Policy {
                    inactivity_days: FEWEST_DAYS - 1,
                    ..ok.clone()
                },
                "policy.range",
                "policy.inactivityDays",
            ),
            (
                Policy {
                    acceptance_min_severity: 8.0,
                    acceptance_max_severity: 7.9,
                    ..ok.clone()
                },
                "policy.contradiction",
                "policy.acceptanceMinSeverity",
            ),
            (
                Policy {
                    gate_grace_days: 30,
                    gate_debt_days: 30,
                    ..ok.clone()
                },
                "policy.contradiction",
                "policy.gateDebtDays",
            ),
            (
                Policy {
                    sla_days_critical: 30,
                    sla_days_medium: 14,
                    ..ok.clone()
                },
                "policy.contradiction",
                "policy.slaDaysCritical",
            ),
        ] {
            let refused = check(&policy).expect_err("refused");
            assert_eq!((refused.code(), refused.field()), (code, Some(field)));
        }
        let sound = Policy {
            sla_days_critical: 7,
            sla_days_high: 30,
            sla_days_low: 90,
            gate_grace_days: 3,
            gate_debt_days: 180,
            ..ok
        };
        assert_eq!(
            check(&sound),
            Ok(()),
            "a level without a term is no contradiction"
        );
    }
}
