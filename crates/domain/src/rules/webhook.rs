//! Webhooks out: what is signed and how, who gets what, and when it is tried again. Pure.
//!
//! Signatures and headers are those of Standard Webhooks 1.0
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::id::{DeliveryId, GroupId, TypedId};
use crate::model::{Endpoint, Level};
use crate::secret::Secret;
use crate::time::{DAY_MS, Timestamp};

/// What every secret starts with; the rest is its bytes in base64.
pub const SECRET_PREFIX: &str = "whsec_";
/// How long messages are signed with the old secret too, in milliseconds: a day.
pub const OVERLAP_MS: i64 = DAY_MS;
/// Waits after the first, second … failure, in milliseconds: three days in all.
pub const LADDER_MS: [i64; 9] = [
    5_000,
    60_000,
    300_000,
    1_800_000,
    7_200_000,
    18_000_000,
    36_000_000,
    72_000_000,
    129_600_000,
];
/// Longest wait that an endpoint can ask for, in milliseconds: a day.
pub const RETRY_AFTER_MAX_MS: i64 = DAY_MS;
/// An endpoint that took nothing for so long is switched off, in milliseconds: five days.
pub const FAILING_MAX_MS: i64 = 5 * DAY_MS;
/// Longest address, in bytes.
const URL_LIMIT: usize = 2_000;
/// Longest description, in bytes.
const DESCRIPTION_LIMIT: usize = 500;

/// A new secret of 32 random bytes.
#[must_use]
pub fn new_secret(random: [u8; 32]) -> Secret {
    Secret::new(format!("{SECRET_PREFIX}{}", STANDARD.encode(random)))
}

/// The signature of a message: `v1,` and the base64 of HMAC-SHA256 over `ID.SECONDS.BODY`.
///
/// # Errors
/// `webhook.secret` when the secret is not one of ours.
pub fn signature(secret: &Secret, id: &str, at: Timestamp, body: &str) -> Result<String> {
    let wrong = || Error::internal("webhook.secret", "a webhook's secret can't be read");
    let bytes = secret
        .expose()
        .strip_prefix(SECRET_PREFIX)
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or_else(wrong)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).map_err(|_| wrong())?;
    mac.update(format!("{id}.{}.{body}", seconds(at)).as_bytes());
    Ok(format!(
        "v1,{}",
        STANDARD.encode(mac.finalize().into_bytes())
    ))
}

/// As it stands in `webhook-timestamp`.
#[must_use]
pub fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1_000)
}

/// The id of what one event owes to one endpoint or person: the same whenever it is made, and sorted
/// by when the event happened.
#[must_use]
pub fn delivery_id(position: &str, at: Timestamp, to: impl std::fmt::Display) -> DeliveryId {
    let digest = Sha256::digest(format!("{position}\u{1f}{to}"));
    let mut bytes = [0_u8; 16];
    let millis = at.millis().max(0).to_be_bytes();
    let source = millis.iter().skip(2).chain(digest.iter());
    for (to, from) in bytes.iter_mut().zip(source) {
        *to = *from;
    }
    DeliveryId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// What an event is about, for whoever filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About<'a> {
    pub event: &'a str,
    pub group: Option<GroupId>,
    pub level: Option<Level>,
    /// When it happened.
    pub at: Timestamp,
}

/// Whether an endpoint wants an event. What happened before it was made, or changed to want other
/// events, is not its business.
#[must_use]
pub fn wants(endpoint: &Endpoint, about: &About<'_>) -> bool {
    let is_type =
        endpoint.events.is_empty() || endpoint.events.iter().any(|event| event == about.event);
    let is_place = endpoint.groups.is_empty()
        || about
            .group
            .is_some_and(|group| endpoint.groups.contains(&group));
    let is_severe = match (endpoint.min_level, about.level) {
        (Some(least), Some(level)) => level >= least,
        _ => true,
    };
    endpoint.enabled && about.at >= endpoint.since && is_type && is_place && is_severe
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// With this status.
    Answered(u16),
    /// Without an answer.
    Unanswered,
    /// It was not sent: our own guard does not let requests out to there, and won't later.
    Refused,
}

/// What follows from a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    /// The endpoint says that it is gone for good.
    Gone,
    Again(Timestamp),
    GiveUp,
}

/// `failures` is how often it failed before; `stated` the wait in milliseconds that the endpoint asked
/// for; `random` any number.
///
/// Any 2xx is a success (Standard Webhooks, "Response codes"), 410 is the end; everything else,
/// redirects and other 4xx included, is tried again: whoever mends the endpoint gets what was missed.
#[must_use]
pub fn next(tried: Tried, failures: u32, stated: Option<i64>, now: Timestamp, random: u64) -> Next {
    match tried {
        Tried::Answered(200..=299) => return Next::Delivered,
        Tried::Answered(410) => return Next::Gone,
        Tried::Refused => return Next::GiveUp,
        Tried::Answered(_) | Tried::Unanswered => {}
    }
    let step = usize::try_from(failures).ok();
    let Some(wait) = step.and_then(|step| LADDER_MS.get(step)).copied() else {
        return Next::GiveUp;
    };
    // Up to a tenth more, so that many that failed together do not come back together.
    let spread = u64::try_from(wait / 10).unwrap_or(0).saturating_add(1);
    let wait = wait + i64::try_from(random % spread).unwrap_or(0);
    let stated = stated.unwrap_or(0).clamp(0, RETRY_AFTER_MAX_MS);
    Next::Again(now.plus_millis(wait.max(stated)))
}

/// `Retry-After` as a wait in milliseconds: seconds, or a date (RFC 9110, section 10.2.3).
#[must_use]
pub fn retry_after_ms(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds).saturating_mul(1_000));
    }
    let at = Timestamp::parse_with("%a, %d %b %Y %H:%M:%S GMT", text)?;
    Some(at.millis().saturating_sub(now.millis()).max(0))
}

/// Whether an endpoint has failed for so long that it is switched off.
#[must_use]
pub fn is_worn_out(failing_since: Option<Timestamp>, now: Timestamp) -> bool {
    failing_since.is_some_and(|since| now.millis().saturating_sub(since.millis()) >= FAILING_MAX_MS)
}

/// An address as it may be saved. Where it leads is checked again with every request.
///
/// # Errors
/// `webhook.url`.
pub fn check_url(url: &str) -> Result<String> {
    let url = url.trim();
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_good = !host.is_empty()
        && !host.contains('@')
        && url.len() <= URL_LIMIT
        && !url.contains('#')
        && url.chars().all(|c| c.is_ascii_graphic());
    if is_good {
        return Ok(url.to_owned());
    }
    Err(Error::invalid(
        "webhook.url",
        format!("an endpoint's address is like https://example.com/hooks: at most {URL_LIMIT} bytes, without user name or fragment"),
    )
    .on_field("url"))
}

/// # Errors
/// `webhook.description`.
pub fn check_description(text: &str) -> Result<String> {
    let text = text.trim();
    if text.len() <= DESCRIPTION_LIMIT && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid(
        "webhook.description",
        format!("a description has at most {DESCRIPTION_LIMIT} bytes and no control characters"),
    )
    .on_field("description"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EndpointId, OrganizationId};
    use crate::port::vault::Sealed;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn endpoint() -> Endpoint {
        Endpoint {
            id: EndpointId::from_uuid(Uuid::from_u128(1)),
            organization: OrganizationId::from_uuid(Uuid::from_u128(2)),
            url: "https://example.com".to_owned(),
            description: String::new(),
            events: Vec::new(),
            groups: Vec::new(),
            min_level: None,
            condition: None,
            condition_failing_since: None,
            secret: Sealed::from_text("x"),
            old_secret: None,
            enabled: true,
            disabled_reason: None,
            failing_since: None,
            since: NOW,
            created: NOW,
            by: "usr_1".to_owned(),
        }
    }

    /// From the specification's own example, and from the npm package `standardwebhooks` 1.1.1.
    #[test]
    fn signatures_are_those_of_the_standard() {
        for (secret, id, seconds, body, signed) in [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                "{\"test\": 2432232314}",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                "msg_0190000000007000800000000000000a",
                1_767_225_600,
                "{\"type\":\"webhook.test\",\"data\":{\"ü\":\"✓\"}}",
                "v1,/gw0FNJKRPDr4M3mO6jLPfJrGmSt4p+UtI1uXBndYs4=",
            ),
        ] {
            let at = Timestamp::from_millis(seconds * 1_000 + 999);
            let made = signature(&Secret::new(secret), id, at, body).expect("is signed");
            assert_eq!(made, signed, "{id}");
        }
        assert!(signature(&Secret::new("other"), "a", NOW, "b").is_err());
        let secret = new_secret([9; 32]);
        assert!(signature(&secret, "a", NOW, "b").is_ok());
    }

    #[test]
    fn an_event_has_one_id_per_endpoint_and_ids_sort_by_time() {
        let (one, two) = (endpoint().id, EndpointId::from_uuid(Uuid::from_u128(3)));
        let id = delivery_id("7", NOW, one);
        assert_eq!(id, delivery_id("7", NOW, one));
        assert_ne!(id, delivery_id("7", NOW, two));
        assert_ne!(id, delivery_id("8", NOW, one));
        assert!(id < delivery_id("1", NOW.plus_millis(1), one));
    }

    #[test]
    fn an_endpoint_gets_what_it_wants() {
        let group = GroupId::from_uuid(Uuid::from_u128(4));
        let about = About {
            event: "vulnerability.created",
            group: Some(group),
            level: Some(Level::Medium),
            at: NOW,
        };
        let other = GroupId::from_uuid(Uuid::from_u128(5));
        for (endpoint, wanted) in [
            (endpoint(), true),
            (
                Endpoint {
                    enabled: false,
                    ..endpoint()
                },
                false,
            ),
            (
                Endpoint {
                    events: vec!["comment.added".into()],
                    ..endpoint()
                },
                false,
            ),
            (
                Endpoint {
                    events: vec!["vulnerability.created".into()],
                    ..endpoint()
                },
                true,
            ),
            (
                Endpoint {
                    since: NOW.plus_millis(1),
                    ..endpoint()
                },
                false,
            ),
            (
                Endpoint {
                    groups: vec![other],
                    ..endpoint()
                },
                false,
            ),
            (
                Endpoint {
                    groups: vec![other, group],
                    ..endpoint()
                },
                true,
            ),
            (
                Endpoint {
                    min_level: Some(Level::High),
                    ..endpoint()
                },
                false,
            ),
            (
                Endpoint {
                    min_level: Some(Level::Medium),
                    ..endpoint()
                },
                true,
            ),
        ] {
            assert_eq!(wants(&endpoint, &about), wanted, "{endpoint:?}");
        }
    }

    #[test]
    fn failures_climb_a_ladder_of_more_than_a_day_and_an_endpoint_can_ask_for_time() {
        let total: i64 = LADDER_MS.iter().sum();
        assert!((2 * DAY_MS..4 * DAY_MS).contains(&total));
        for (tried, failures, stated, expected) in [
            (Tried::Answered(204), 3, None, Next::Delivered),
            (Tried::Answered(410), 0, None, Next::Gone),
            (
                Tried::Unanswered,
                0,
                None,
                Next::Again(NOW.plus_millis(5_000)),
            ),
            (
                Tried::Answered(301),
                1,
                None,
                Next::Again(NOW.plus_millis(60_000)),
            ),
            (
                Tried::Answered(404),
                2,
                Some(1_000),
                Next::Again(NOW.plus_millis(300_000)),
            ),
            (
                Tried::Answered(429),
                0,
                Some(90_000),
                Next::Again(NOW.plus_millis(90_000)),
            ),
            (
                Tried::Answered(503),
                0,
                Some(i64::MAX),
                Next::Again(NOW.plus_millis(DAY_MS)),
            ),
            (Tried::Answered(500), 9, Some(1), Next::GiveUp),
            (Tried::Refused, 0, None, Next::GiveUp),
        ] {
            assert_eq!(
                next(tried, failures, stated, NOW, 0),
                expected,
                "{tried:?} {failures}"
            );
        }
        assert_eq!(retry_after_ms("120", NOW), Some(120_000));
        assert_eq!(
            retry_after_ms("Thu, 01 Jan 2026 00:01:00 GMT", NOW),
            Some(60_000)
        );
        assert_eq!(retry_after_ms("soon", NOW), None);
        assert!(is_worn_out(Some(NOW.plus_days(-5)), NOW) && !is_worn_out(None, NOW));
    }

    #[test]
    fn addresses_are_checked_when_they_are_saved() {
        for (url, good) in [
            ("https://example.com/hooks?a=b", true),
            ("http://10.0.0.1:8080", true),
            ("ftp://example.com", false),
            ("https://", false),
            ("https://user:pw@example.com", false),
            ("https://example.com/#x", false),
            ("https://exa mple.com", false),
            ("", false),
        ] {
            assert_eq!(check_url(url).is_ok(), good, "{url}");
        }
        assert!(check_url(&format!("https://a.example/{}", "x".repeat(URL_LIMIT))).is_err());
    }
}
