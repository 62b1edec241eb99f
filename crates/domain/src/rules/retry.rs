//! Whether, when and where a request to another system is tried again.
//!
//! Pure: from what was observed to what to do next. Short waits are spent in process, longer ones
//! are given back so that the job can be put off. The other side's own word about when to come
//! back (`Retry-After`, rate limit fields) counts more than our ladder.

use serde::{Deserialize, Serialize};

use crate::port::egress::{Delivery, EgressError};
use crate::time::{DAY_MS, Timestamp};

/// Milliseconds before the first, second ... further try, before they are spread.
pub const LADDER_MS: [i64; 6] = [1_000, 3_000, 10_000, 30_000, 60_000, 180_000];
/// Longest wait spent in process, in milliseconds.
pub const PATIENCE_MS: i64 = 10_000;
/// Longest wait that another system can impose: a week, in milliseconds.
pub const LONGEST_MS: i64 = 7 * DAY_MS;
/// How often one request may be put off by the other side's stated times before it counts as failed.
pub const MAX_THROTTLED: u32 = 50;
/// How much of a body is searched for a throttle's mark, in bytes.
const SEARCHED: usize = 65_536;

/// An answer by which an app says "slow down" other than by 429: Slack's 200, GitHub's 403.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    pub status: u16,
    /// A header that must be there, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What that header must say: `0` for `x-ratelimit-remaining`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Text that must be in the body's first 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

/// How one app's requests are tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Waits in milliseconds; when it ends, so do the tries.
    pub ladder: Vec<i64>,
    /// Longest wait in process, in milliseconds.
    pub patience_ms: i64,
    /// Beside 429.
    pub throttles: Vec<Throttle>,
    /// Headers, in lower case, that say when the limit is lifted: as seconds from now, seconds or
    /// milliseconds since 1970, or a date.
    pub reset_headers: Vec<String>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            ladder: LADDER_MS.to_vec(),
            patience_ms: PATIENCE_MS,
            throttles: Vec::new(),
            reset_headers: Vec::new(),
        }
    }
}

/// How often it was tried already. Travels with a job that was put off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Failures in a row without a stated time to come back.
    pub failures: u32,
    /// Times the other side said when to come back.
    pub throttled: u32,
}

/// What came of a try.
#[derive(Clone, Copy, Debug)]
pub enum Observed<'a> {
    Answer {
        status: u16,
        /// Names in lower case.
        headers: &'a [(String, String)],
        body: &'a [u8],
    },
    Failed(&'a EgressError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Final: the answer or error is the caller's.
    Stop,
    /// Wait that long here and try again.
    Again { after_ms: i64, tries: Tries },
    /// Try again then, not here: nobody should be kept waiting for so long.
    Later { at: Timestamp, tries: Tries },
}

/// What to do after a try. `repeatable` is [`crate::port::OutRequest::repeatable`], `random` any number.
///
/// - 429, 408, 425 and 503, and what the policy calls a throttle, are tried again whatever the
///   method: the other side says that it did nothing. 401 is the requester's business.
/// - Other 5xx, and failures after which the outcome is unknown (timeouts, resets), are tried again
///   only where doing it twice does no harm.
/// - Failures before anything was sent are tried again where they may pass.
#[must_use]
pub fn next(
    policy: &RetryPolicy,
    tries: Tries,
    repeatable: bool,
    observed: Observed<'_>,
    now: Timestamp,
    random: u64,
) -> Next {
    match observed {
        Observed::Answer {
            status,
            headers,
            body,
        } => {
            let throttled = is_throttle(policy, status, headers, body);
            if throttled || status == 503 {
                match stated_wait(policy, headers, now) {
                    Some(wait) => come_back(policy, tries, wait, now, random),
                    None => climb(policy, tries, now, random),
                }
            } else if matches!(status, 408 | 425) || (repeatable && status >= 500) {
                climb(policy, tries, now, random)
            } else {
                Next::Stop
            }
        }
        Observed::Failed(error) => {
            let harmless = repeatable || error.delivery == Delivery::NotSent;
            if harmless && error.failure.may_pass() {
                climb(policy, tries, now, random)
            } else {
                Next::Stop
            }
        }
    }
}

/// Whether an answer says "slow down".
#[must_use]
pub fn is_throttle(
    policy: &RetryPolicy,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> bool {
    status == 429
        || policy.throttles.iter().any(|throttle| {
            let header_fits = throttle.header.as_ref().is_none_or(|name| {
                headers.iter().any(|(has, is)| {
                    has == name
                        && throttle
                            .value
                            .as_ref()
                            .is_none_or(|value| is.trim() == value)
                })
            });
            let body_fits = throttle.body_contains.as_ref().is_none_or(|text| {
                let start = body.get(..SEARCHED).unwrap_or(body);
                !text.is_empty()
                    && start
                        .windows(text.len())
                        .any(|window| window == text.as_bytes())
            });
            // A throttle that names a status alone would swallow every refusal.
            let says_something = throttle.header.is_some() || throttle.body_contains.is_some();
            throttle.status == status && says_something && header_fits && body_fits
        })
}

/// Milliseconds from now until the other side wants to be asked again, where it says so.
///
/// In this order: `Retry-After` (RFC 9110, section 10.2.3; also ISO 8601 and fractions, which some
/// send), `RateLimit` and `RateLimit-Reset` (IETF draft "RateLimit header fields for HTTP", its
/// present and its earlier form), then the policy's own headers.
#[must_use]
pub fn stated_wait(
    policy: &RetryPolicy,
    headers: &[(String, String)],
    now: Timestamp,
) -> Option<i64> {
    let value = |name: &str| {
        headers
            .iter()
            .find(|(has, _)| has == name)
            .map(|(_, value)| value.trim())
    };
    let wait = value("retry-after")
        .and_then(|text| moment(text, now))
        .or_else(|| value("ratelimit").and_then(rate_limit_field))
        .or_else(|| value("ratelimit-reset").and_then(|text| moment(text, now)))
        .or_else(|| {
            policy
                .reset_headers
                .iter()
                .find_map(|name| value(name).and_then(|text| moment(text, now)))
        })?;
    Some(wait.clamp(0, LONGEST_MS))
}

/// Milliseconds from now to what a header says. Small numbers are seconds from now, large ones
/// points in time.
fn moment(text: &str, now: Timestamp) -> Option<i64> {
    const SECONDS_SINCE_1970: f64 = 1e9;
    const MILLIS_SINCE_1970: f64 = 1e12;
    if let Ok(number) = text.parse::<f64>() {
        if !number.is_finite() || number < 0.0 {
            return None;
        }
        return Some(if number >= MILLIS_SINCE_1970 {
            whole(number).saturating_sub(now.millis())
        } else if number >= SECONDS_SINCE_1970 {
            whole(number * 1_000.0).saturating_sub(now.millis())
        } else {
            whole(number * 1_000.0)
        });
    }
    let at = Timestamp::parse_http(text).or_else(|| {
        // A date alone, or a number of hours, is no time to come back.
        text.contains(':').then(|| Timestamp::parse(text).ok())?
    })?;
    Some(at.millis().saturating_sub(now.millis()))
}

/// Rounds up: an early return is refused again.
fn whole(number: f64) -> i64 {
    // Infinite and negative numbers are refused by the caller; the cast saturates.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates at a time out of reach"
    )]
    let whole = number.ceil() as i64;
    whole
}

/// `"default";r=0;t=30`: of all limits that are used up, the longest.
fn rate_limit_field(text: &str) -> Option<i64> {
    text.split(',')
        .filter_map(|limit| {
            let mut remaining = None;
            let mut seconds = None;
            for parameter in limit.split(';').skip(1) {
                match parameter.trim().split_once('=') {
                    Some(("r", number)) => remaining = number.parse::<i64>().ok(),
                    Some(("t", number)) => seconds = number.parse::<i64>().ok(),
                    _ => {}
                }
            }
            (remaining == Some(0)).then_some(seconds?.saturating_mul(1_000))
        })
        .max()
}

/// The other side said when. A little later than that, so that not all come at the same moment.
fn come_back(policy: &RetryPolicy, tries: Tries, wait: i64, now: Timestamp, random: u64) -> Next {
    if tries.throttled >= MAX_THROTTLED {
        return Next::Stop;
    }
    let tries = Tries {
        throttled: tries.throttled.saturating_add(1),
        ..tries
    };
    let wait = wait.saturating_add(spread(wait.clamp(1_000, 60_000) / 10, random));
    after(policy, wait, now, tries)
}

/// The next rung, and up to a quarter more.
fn climb(policy: &RetryPolicy, tries: Tries, now: Timestamp, random: u64) -> Next {
    let rung = usize::try_from(tries.failures).unwrap_or(usize::MAX);
    let Some(&wait) = policy.ladder.get(rung) else {
        return Next::Stop;
    };
    let tries = Tries {
        failures: tries.failures.saturating_add(1),
        ..tries
    };
    after(
        policy,
        wait.saturating_add(spread(wait / 4, random)),
        now,
        tries,
    )
}

fn after(policy: &RetryPolicy, wait: i64, now: Timestamp, tries: Tries) -> Next {
    if wait <= policy.patience_ms {
        Next::Again {
            after_ms: wait,
            tries,
        }
    } else {
        Next::Later {
            at: now.plus_millis(wait),
            tries,
        }
    }
}

/// 0 to `most`.
fn spread(most: i64, random: u64) -> i64 {
    let places = u64::try_from(most).unwrap_or(0).saturating_add(1);
    i64::try_from(random % places).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::egress::Failure;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000); // 2026-01-01T00:00:00Z

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn after_status(status: u16, repeatable: bool, with: &[(&str, &str)]) -> Next {
        let headers = headers(with);
        let observed = Observed::Answer {
            status,
            headers: &headers,
            body: b"",
        };
        next(
            &RetryPolicy::default(),
            Tries::default(),
            repeatable,
            observed,
            NOW,
            0,
        )
    }

    #[test]
    fn statuses_are_final_or_tried_again() {
        for (status, repeatable, again) in [
            (200, true, false),
            (304, true, false),
            (400, true, false),
            (401, true, false),
            (403, true, false),
            (404, true, false),
            (408, false, true),
            (409, true, false),
            (422, true, false),
            (425, false, true),
            (429, false, true),
            (500, true, true),
            (500, false, false),
            (502, false, false),
            (503, false, true),
            (504, true, true),
            (504, false, false),
        ] {
            let next = after_status(status, repeatable, &[]);
            assert_eq!(next != Next::Stop, again, "{status} {repeatable}");
        }
    }

    #[test]
    fn failures_are_tried_again_where_it_does_no_harm() {
        for (failure, sent, repeatable, again) in [
            (Failure::Connect, false, false, true),
            (Failure::Resolve, false, false, true),
            (Failure::Timeout, true, false, false),
            (Failure::Timeout, true, true, true),
            (Failure::Timeout, false, false, true),
            (Failure::Reset, true, true, true),
            (Failure::Reset, true, false, false),
            (Failure::Refused, false, true, false),
            (Failure::Address, false, true, false),
            (Failure::Tls, false, true, false),
            (Failure::TooLarge, true, true, false),
            (Failure::Protocol, true, true, false),
        ] {
            let error = if sent {
                EgressError::unknown(failure, "x")
            } else {
                EgressError::not_sent(failure, "x")
            };
            let next = next(
                &RetryPolicy::default(),
                Tries::default(),
                repeatable,
                Observed::Failed(&error),
                NOW,
                0,
            );
            assert_eq!(next != Next::Stop, again, "{failure:?} {sent} {repeatable}");
        }
    }

    #[test]
    fn the_ladder_is_climbed_and_ends() {
        let policy = RetryPolicy::default();
        let mut tries = Tries::default();
        let mut waits = Vec::new();
        let error = EgressError::not_sent(Failure::Connect, "x");
        loop {
            match next(&policy, tries, true, Observed::Failed(&error), NOW, 0) {
                Next::Again { after_ms, tries: t } => {
                    assert!(after_ms <= PATIENCE_MS);
                    waits.push(after_ms);
                    tries = t;
                }
                Next::Later { at, tries: t } => {
                    waits.push(at.millis() - NOW.millis());
                    tries = t;
                }
                Next::Stop => break,
            }
        }
        assert_eq!(waits, LADDER_MS);
    }

    #[test]
    fn the_other_side_says_when() {
        let policy = RetryPolicy {
            reset_headers: vec!["x-ratelimit-reset".to_owned()],
            ..RetryPolicy::default()
        };
        for (with, wait) in [
            (&[("retry-after", "7")][..], Some(7_000)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[("retry-after", "1.2")], Some(1_200)),
            (
                &[("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT")],
                Some(60_000),
            ),
            (
                &[("retry-after", "Thursday, 01-Jan-26 00:01:00 GMT")],
                Some(60_000),
            ),
            (&[("retry-after", "Thu Jan  1 00:01:00 2026")], Some(60_000)),
            (&[("retry-after", "2026-01-01T00:01:00Z")], Some(60_000)),
            (
                &[("retry-after", "2026-01-01T01:01:00+01:00")],
                Some(60_000),
            ),
            (&[("retry-after", "Wed, 31 Dec 2025 00:00:00 GMT")], Some(0)),
            (&[("retry-after", "1767225660")], Some(60_000)),
            (&[("retry-after", "999999999")], Some(LONGEST_MS)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "1e400")], None),
            (&[("ratelimit", "\"default\";r=0;t=30")], Some(30_000)),
            (
                &[("ratelimit", "\"a\";r=5;t=99, \"b\";r=0;t=4")],
                Some(4_000),
            ),
            (&[("ratelimit", "\"a\";r=5;t=99")], None),
            (&[("ratelimit-reset", "12")], Some(12_000)),
            (&[("x-ratelimit-reset", "1767225660")], Some(60_000)),
            (&[("x-ratelimit-reset", "1767225660000")], Some(60_000)),
            (&[("x-other-reset", "5")], None),
            (
                &[("retry-after", "3"), ("ratelimit-reset", "12")],
                Some(3_000),
            ),
            (&[], None),
        ] {
            assert_eq!(stated_wait(&policy, &headers(with), NOW), wait, "{with:?}");
        }
    }

    #[test]
    fn long_waits_are_given_back_and_end_too() {
        let Next::Later { at, tries } = after_status(429, false, &[("retry-after", "3600")]) else {
            panic!("an hour is not waited for in process");
        };
        assert_eq!(at, NOW.plus_millis(3_600_000));
        assert_eq!(
            tries,
            Tries {
                failures: 0,
                throttled: 1
            }
        );
        let Next::Again { after_ms, .. } = after_status(503, false, &[("retry-after", "2")]) else {
            panic!("two seconds are");
        };
        assert_eq!(after_ms, 2_000);
        let worn = Tries {
            failures: 0,
            throttled: MAX_THROTTLED,
        };
        let headers = headers(&[("retry-after", "1")]);
        let observed = Observed::Answer {
            status: 429,
            headers: &headers,
            body: b"",
        };
        assert_eq!(
            next(&RetryPolicy::default(), worn, true, observed, NOW, 0),
            Next::Stop
        );
    }

    #[test]
    fn modules_say_what_else_is_a_throttle() {
        let policy = RetryPolicy {
            throttles: vec![
                Throttle {
                    status: 403,
                    header: Some("x-ratelimit-remaining".to_owned()),
                    value: Some("0".to_owned()),
                    body_contains: None,
                },
                Throttle {
                    status: 200,
                    body_contains: Some("\"error\":\"ratelimited\"".to_owned()),
                    ..Throttle::default()
                },
                Throttle {
                    status: 404,
                    ..Throttle::default()
                },
            ],
            ..RetryPolicy::default()
        };
        for (status, with, body, throttled) in [
            (403, &[("x-ratelimit-remaining", "0")][..], "", true),
            (403, &[("x-ratelimit-remaining", "10")], "", false),
            (403, &[], "", false),
            (200, &[], "{\"ok\":false,\"error\":\"ratelimited\"}", true),
            (200, &[], "{\"ok\":true}", false),
            (404, &[], "", false),
            (429, &[], "", true),
        ] {
            assert_eq!(
                is_throttle(&policy, status, &headers(with), body.as_bytes()),
                throttled,
                "{status} {with:?} {body}"
            );
        }
    }

    proptest! {
        #[test]
        fn waits_are_never_shorter_than_asked_nor_beyond_bounds(
            seconds in 0_i64..2_000_000, failures in 0_u32..8, random: u64,
        ) {
            let headers = headers(&[("retry-after", &seconds.to_string())]);
            let observed = Observed::Answer { status: 429, headers: &headers, body: b"" };
            let tries = Tries { failures, throttled: 0 };
            let wait = match next(&RetryPolicy::default(), tries, false, observed, NOW, random) {
                Next::Again { after_ms, .. } => after_ms,
                Next::Later { at, .. } => at.millis() - NOW.millis(),
                Next::Stop => return Err(TestCaseError::fail("a stated time is kept")),
            };
            let asked = (seconds * 1_000).min(LONGEST_MS);
            prop_assert!(wait >= asked && wait <= asked + 6_000, "{wait} for {asked}");
        }
    }
}
