//! What formats without a field for it say in words: what is done about a vulnerability, until when,
//! and why. The same words are understood again.

use super::Verdict;
use crate::time::Timestamp;

const BEING_FIXED: &str = "It is being worked on";
const FOR_GOOD: &str = "The risk is accepted for good";
const UNTIL: &str = "The risk is accepted until ";

/// `None` where nothing is done.
#[must_use]
pub fn action(verdict: Verdict, reason: Option<&str>) -> Option<String> {
    let said = match verdict {
        Verdict::BeingFixed => BEING_FIXED.to_owned(),
        Verdict::Accepted(None) => FOR_GOOD.to_owned(),
        Verdict::Accepted(Some(until)) => format!("{UNTIL}{until}"),
        Verdict::UnderInvestigation | Verdict::Fixed | Verdict::FalsePositive => return None,
    };
    Some(match reason {
        Some(why) => format!("{said}: {why}"),
        None => format!("{said}."),
    })
}

/// What [`action`] said; `None` for the words of others.
#[must_use]
pub fn understood(text: &str) -> Option<(Verdict, Option<String>)> {
    let why = |rest: &str| match rest {
        "." => Some(None),
        rest => Some(Some(rest.strip_prefix(": ")?.to_owned())),
    };
    if let Some(rest) = text.strip_prefix(BEING_FIXED) {
        return Some((Verdict::BeingFixed, why(rest)?));
    }
    if let Some(rest) = text.strip_prefix(FOR_GOOD) {
        return Some((Verdict::Accepted(None), why(rest)?));
    }
    let rest = text.strip_prefix(UNTIL)?;
    // A moment as we write it ends with its zone.
    let (moment, rest) = rest.split_at(rest.find('Z')? + 1);
    let until = Timestamp::parse(moment).ok()?;
    Some((Verdict::Accepted(Some(until)), why(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_again_and_nothing_else() {
        let until = Timestamp::parse("2026-02-01T00:00:00Z").expect("a time");
        for verdict in [
            Verdict::BeingFixed,
            Verdict::Accepted(None),
            Verdict::Accepted(Some(until)),
        ] {
            for reason in [None, Some("why: Zoë. knows"), Some(".")] {
                let said = action(verdict, reason).expect("is said");
                let back = understood(&said).unwrap_or_else(|| panic!("{said}"));
                assert_eq!(back, (verdict, reason.map(str::to_owned)), "{said}");
            }
        }
        for foreign in [
            "",
            "Upgrade to 2.0.",
            "The risk is accepted until tomorrow.",
            "The risk is accepted until 2026-02-01T00:00:00Z and then some",
            "It is being worked on hard.",
        ] {
            assert_eq!(understood(foreign), None, "{foreign}");
        }
        assert_eq!(action(Verdict::Fixed, Some("x")), None);
    }
}
