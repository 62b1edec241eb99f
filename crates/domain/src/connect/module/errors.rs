//! What failed answers mean: the app's own ways of saying no, 200 with an error in it included.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::{Module, ResetKind};
use crate::connect::answer::{Answer, Class, Failed};
use crate::connect::template::Take;
use crate::connect::values::Values;
use crate::rules::redact::redacted_text;
use crate::time::Timestamp;

/// Longest message of an app that is repeated, in characters.
const LONGEST_MESSAGE: usize = 300;
/// Longest wait that is believed, in milliseconds: a day.
const LONGEST_WAIT_MS: i64 = 86_400_000;

/// One rule. The first that fits decides; without one the status does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    pub when: When,
    pub class: Class,
    /// Where the app's own words are.
    #[serde(default)]
    pub message: Option<Take>,
    /// Seconds to wait where no header tells.
    #[serde(default)]
    pub wait_seconds: Option<u32>,
}

/// All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// One of these statuses.
    pub status: Vec<u16>,
    /// This header is there,
    pub header: Option<String>,
    /// and has this value.
    pub header_is: Option<String>,
    /// At this pointer something other than `null` is,
    pub pointer: Option<String>,
    /// and it is one of these texts, numbers or booleans,
    pub is: Vec<String>,
    /// or holds this text, in any case.
    pub contains: Option<String>,
}

impl When {
    pub(super) fn is_empty(&self) -> bool {
        self.status.is_empty() && self.header.is_none() && self.pointer.is_none()
    }

    fn fits(&self, answer: &Answer) -> bool {
        let status = self.status.is_empty() || self.status.contains(&answer.status);
        let header = self.header.as_deref().is_none_or(|name| {
            answer.header(name).is_some_and(|value| {
                self.header_is
                    .as_deref()
                    .is_none_or(|is| is.eq_ignore_ascii_case(value.trim()))
            })
        });
        let body = self.pointer.as_deref().is_none_or(|pointer| {
            answer
                .body
                .pointer(pointer)
                .filter(|value| !value.is_null())
                .is_some_and(|value| {
                    let text = plain(value);
                    (self.is.is_empty() || self.is.contains(&text))
                        && self
                            .contains
                            .as_deref()
                            .is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
                })
        });
        status && header && body
    }
}

impl Module {
    /// Nothing for an answer that succeeded, else what its failure means.
    #[must_use]
    pub fn classify(&self, answer: &Answer, now: Timestamp) -> Option<Failed> {
        let rule = self.errors.iter().find(|rule| rule.when.fits(answer));
        let class = rule
            .map(|rule| rule.class)
            .or_else(|| Class::of_status(answer.status))?;
        let message = rule
            .and_then(|rule| rule.message.as_ref())
            .or(self.limits.message.as_ref())
            .and_then(|take| take.from(&answer.body, &Values::new()))
            .map(|value| short(&redacted_text(&plain(&value))))
            .filter(|text| !text.is_empty());
        let wait_ms = matches!(class, Class::Throttled | Class::Transient)
            .then(|| self.wait_ms(answer, now))
            .flatten()
            .or_else(|| {
                rule.and_then(|rule| rule.wait_seconds)
                    .map(|seconds| i64::from(seconds).saturating_mul(1_000))
            });
        Some(Failed {
            class,
            status: answer.status,
            message,
            wait_ms,
        })
    }

    /// How long the answer asks us to wait, in milliseconds: `Retry-After` (RFC 9110, section 10.2.3),
    /// else the module's reset header where nothing remains. At most a day.
    #[must_use]
    pub fn wait_ms(&self, answer: &Answer, now: Timestamp) -> Option<i64> {
        let asked = answer
            .header("retry-after")
            .and_then(|text| retry_after(text, now));
        let none_left = || {
            let left = self
                .limits
                .remaining_header
                .as_deref()
                .and_then(|name| answer.header(name));
            left.is_none_or(|left| left.trim() == "0")
        };
        let reset = || {
            let text = self
                .limits
                .reset_header
                .as_deref()
                .and_then(|name| answer.header(name))?;
            none_left()
                .then(|| self.limits.reset.wait_ms(text, now))
                .flatten()
        };
        asked
            .or_else(reset)
            .map(|wait| wait.clamp(0, LONGEST_WAIT_MS))
    }
}

impl ResetKind {
    fn wait_ms(self, text: &str, now: Timestamp) -> Option<i64> {
        let text = text.trim();
        let number = || {
            text.parse::<f64>()
                .ok()
                .filter(|number| number.is_finite() && *number >= 0.0)
        };
        let until = |at: i64| at.saturating_sub(now.millis());
        match self {
            Self::DeltaSeconds => number().and_then(|seconds| whole(seconds * 1_000.0)),
            Self::EpochSeconds => number()
                .and_then(|seconds| whole(seconds * 1_000.0))
                .map(until),
            Self::EpochMillis => number().and_then(whole).map(until),
            Self::Date => date(text).map(|at| until(at.millis())),
        }
    }
}

fn retry_after(text: &str, now: Timestamp) -> Option<i64> {
    ResetKind::DeltaSeconds
        .wait_ms(text, now)
        .or_else(|| ResetKind::Date.wait_ms(text, now))
}

/// RFC 3339, or the date of HTTP (RFC 9110, section 5.6.7).
fn date(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
        .ok()
        .or_else(|| Timestamp::parse_with("%a, %d %b %Y %H:%M:%S GMT", text))
}

/// A float of moderate size as a whole number, by its text: there is no checked conversion.
fn whole(number: f64) -> Option<i64> {
    format!("{number:.0}").parse().ok()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn short(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_MESSAGE)
        .collect::<String>()
        .trim()
        .to_owned()
}
