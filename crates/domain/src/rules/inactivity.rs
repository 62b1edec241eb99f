//! Whose membership ends because they have not come for so long: a pure decision with its notice before.

use crate::model::{Membership, User};
use crate::time::{DAY_MS, Timestamp};

/// Days between the notice and the end.
pub const NOTICE_DAYS: u32 = 7;

/// Fewest days that a policy may say, so that the notice is no part of ordinary life.
pub const FEWEST_DAYS: u32 = 14;

/// The last use is written at most this often, in milliseconds: once a day. So who was seen last may have
/// come up to a day later, and everything is counted from a day later.
pub const SEEN_MS: i64 = DAY_MS;

/// What is to be done about a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is due, or nothing is to be done.
    Active,
    /// They are to be told that it ends then.
    Warn { ends: Timestamp },
    /// They were told that it ends then.
    Warned { ends: Timestamp },
    /// It ends now.
    Remove,
    /// It would end, but of all owners they came last: an organization keeps one.
    Keeper,
}

/// When a person last acted, as far as a membership is concerned: with a session, with a token of their
/// own, or by being given the role.
#[must_use]
pub fn last_active(user: &User, membership: &Membership) -> Timestamp {
    let seen = user.seen.unwrap_or(user.created);
    seen.max(membership.created)
}

/// Whether a use is to be written down.
#[must_use]
pub fn is_stale(seen: Option<Timestamp>, now: Timestamp) -> bool {
    seen.is_none_or(|seen| now >= seen.plus_millis(SEEN_MS))
}

/// `days` is the policy's, 0 for never; `warned` is when they were told last.
#[must_use]
pub fn judge(
    active: Timestamp,
    warned: Option<Timestamp>,
    is_keeper: bool,
    days: u32,
    now: Timestamp,
) -> Verdict {
    if days == 0 {
        return Verdict::Active;
    }
    let over = active.plus_days(i64::from(days) + 1);
    let notice = i64::from(NOTICE_DAYS);
    // Who came again after they were told is told again.
    let ends = |told: Timestamp| over.max(told.plus_days(notice));
    match warned.filter(|told| *told > active) {
        _ if now < over.plus_days(-notice) => Verdict::Active,
        _ if is_keeper => Verdict::Keeper,
        None => Verdict::Warn { ends: ends(now) },
        Some(told) if now >= ends(told) => Verdict::Remove,
        Some(told) => Verdict::Warned { ends: ends(told) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_millis(number * DAY_MS)
    }

    #[test]
    fn nobody_goes_without_a_week_in_which_they_knew() {
        use Verdict::{Active, Keeper, Remove, Warn, Warned};
        let at = |now, warned: Option<i64>, is_keeper, days| {
            judge(day(100), warned.map(day), is_keeper, days, day(now))
        };
        for (now, warned, keeper, days, expected) in [
            (9_000, None, false, 0, Active),
            (183, None, false, 90, Active),
            (184, None, false, 90, Warn { ends: day(191) }),
            (190, Some(184), false, 90, Warned { ends: day(191) }),
            (191, Some(184), false, 90, Remove),
            // The policy is new, or nothing ran for long: the week counts from the notice.
            (400, None, false, 90, Warn { ends: day(407) }),
            (406, Some(400), false, 90, Warned { ends: day(407) }),
            (407, Some(400), false, 90, Remove),
            // Told before they came again: that is over.
            (184, Some(99), false, 90, Warn { ends: day(191) }),
            (150, Some(99), false, 90, Active),
            (400, Some(300), true, 90, Keeper),
            (150, None, true, 90, Active),
        ] {
            assert_eq!(
                at(now, warned, keeper, days),
                expected,
                "day {now}, {warned:?}"
            );
        }
    }

    #[test]
    fn a_use_is_written_once_a_day() {
        let now = day(5);
        for (seen, stale) in [
            (None, true),
            (Some(now), false),
            (Some(now.plus_millis(1 - SEEN_MS)), false),
            (Some(now.plus_millis(-SEEN_MS)), true),
        ] {
            assert_eq!(is_stale(seen, now), stale, "{seen:?}");
        }
    }
}
