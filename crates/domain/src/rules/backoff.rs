//! How long to wait before the next try: exponential, capped, spread.
//!
//! Pure: the caller brings the random number. It decides nothing about whether to try again at
//! all; that is [`crate::model::Job`].

/// Wait after the first failure, in milliseconds, before it is spread.
pub const FIRST_MS: i64 = 1_000;
/// Longest wait, in milliseconds.
pub const LONGEST_MS: i64 = 3_600_000;

/// Milliseconds to wait after the `failures`-th failure in a row (from 1).
///
/// Doubles from [`FIRST_MS`] up to [`LONGEST_MS`]; half of it is certain and half is random
/// ("equal jitter"), so that many jobs that failed together do not come back together.
#[must_use]
pub fn backoff_ms(failures: u32, random: u64) -> i64 {
    let doublings = failures.saturating_sub(1).min(30);
    let full = FIRST_MS.saturating_mul(1_i64 << doublings).min(LONGEST_MS);
    let half = full / 2;
    let spread = u64::try_from(full - half).unwrap_or(0).saturating_add(1);
    half + i64::try_from(random % spread).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_and_stop_at_an_hour() {
        for (failures, least, most) in [
            (1, 500, 1_000),
            (2, 1_000, 2_000),
            (4, 4_000, 8_000),
            (12, 1_024_000, 2_048_000),
            (13, 1_800_000, 3_600_000),
            (u32::MAX, 1_800_000, 3_600_000),
        ] {
            assert_eq!(backoff_ms(failures, 0), least, "after {failures}");
            let widest = (0..most as u64 + 1)
                .step_by(7)
                .map(|random| backoff_ms(failures, random))
                .max();
            assert!(widest.is_some_and(|wait| wait <= most), "after {failures}");
        }
    }

    proptest! {
        #[test]
        fn is_never_under_half_or_over_the_cap(failures in 0_u32.., random: u64) {
            let wait = backoff_ms(failures, random);
            prop_assert!((FIRST_MS / 2..=LONGEST_MS).contains(&wait));
        }
    }
}
