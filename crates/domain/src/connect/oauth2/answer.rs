//! What a token answer says.

use serde_json::{Map, Value};
use std::fmt;

use super::failure::{Refused, classify};
use crate::connect::answer::Answer;
use crate::connect::module::TokenFields;
use crate::connect::template::Take;
use crate::connect::values::Values;
use crate::secret::Secret;
use crate::time::Timestamp;

/// Longest life that is believed, in seconds: ten years. A longer one counts as not known.
const LONGEST_LIFE: i64 = 315_360_000;
/// Longest token, in bytes.
const LONGEST_TOKEN: usize = 65_536;

/// Tokens as they will be stored.
#[derive(Clone)]
pub struct Tokens {
    pub access_token: Secret,
    /// The new one, or the one that was there before: an answer may leave it out (RFC 6749, section 6).
    pub refresh_token: Option<Secret>,
    /// Nothing where the answer does not say: then the token is used until it is refused.
    pub expires_at: Option<Timestamp>,
    pub refresh_expires_at: Option<Timestamp>,
    pub scope: Option<String>,
    /// What the module keeps besides.
    pub kept: Map<String, Value>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("expires_at", &self.expires_at)
            .field("refresh_expires_at", &self.refresh_expires_at)
            .field("scope", &self.scope)
            .field("kept", &self.kept.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Reads a token answer (RFC 6749, section 5). `before` are the tokens that were presented, of which
/// the refresh token, its expiry and the scope stay where the answer leaves them out.
///
/// # Errors
/// What the refusal means ([`Refused`]). An answer of status 200 without an access token is one.
pub fn read(
    fields: &TokenFields,
    answer: &Answer,
    before: Option<&Tokens>,
    now: Timestamp,
) -> Result<Tokens, Refused> {
    if let Some(refused) = classify(fields, answer) {
        return Err(refused);
    }
    let at = |take: &Take| take.from(&answer.body, &Values::new());
    let token = |take: &Take| match at(take) {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= LONGEST_TOKEN => {
            Some(Secret::new(text))
        }
        _ => None,
    };
    let Some(access_token) = token(&fields.access_token) else {
        return Err(Refused::malformed(answer.status));
    };
    let life = |take: &Take| {
        at(take)
            .as_ref()
            .and_then(seconds)
            .map(|life| now.plus_millis(life.saturating_mul(1_000)))
    };
    let assumed =
        |life: Option<u32>| life.map(|life| now.plus_millis(i64::from(life).saturating_mul(1_000)));
    let expires_at = life(&fields.expires_in)
        .or_else(|| {
            fields
                .expires_at
                .as_ref()
                .and_then(at)
                .as_ref()
                .and_then(moment)
        })
        .or_else(|| assumed(fields.assume_expires_in));
    let new_refresh = token(&fields.refresh_token);
    let refresh_expires_at = fields
        .refresh_expires_in
        .as_ref()
        .and_then(life)
        .or_else(|| {
            if new_refresh.is_some() || before.is_none() {
                assumed(fields.assume_refresh_expires_in)
            } else {
                before.and_then(|before| before.refresh_expires_at)
            }
        });
    let scope = match at(&fields.scope) {
        Some(Value::String(scope)) => Some(scope),
        Some(Value::Array(scopes)) => Some(
            scopes
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(" "),
        ),
        _ => before.and_then(|before| before.scope.clone()),
    };
    let mut kept = before.map(|before| before.kept.clone()).unwrap_or_default();
    for (name, take) in &fields.keep {
        kept.extend(at(take).map(|value| (name.clone(), value)));
    }
    Ok(Tokens {
        access_token,
        refresh_token: new_refresh
            .or_else(|| before.and_then(|before| before.refresh_token.clone())),
        expires_at,
        refresh_expires_at,
        scope,
        kept,
    })
}

/// Seconds of a life: a number or a text of one. Zero and less, and more than ten years, are taken
/// as not known: apps write them for tokens that do not expire.
fn seconds(value: &Value) -> Option<i64> {
    number(value).filter(|life| (1..=LONGEST_LIFE).contains(life))
}

fn number(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    text.split('.').next()?.parse().ok()
}

/// A point in time: RFC 3339, seconds since 1970, or milliseconds (after the year 5138 in seconds).
fn moment(value: &Value) -> Option<Timestamp> {
    match number(value) {
        Some(number)
            if value.is_number()
                || value
                    .as_str()
                    .is_some_and(|text| text.chars().all(|c| c.is_ascii_digit())) =>
        {
            let millis = if number > 100_000_000_000 {
                number
            } else {
                number.checked_mul(1_000)?
            };
            (number > 0).then(|| Timestamp::from_millis(millis))
        }
        _ => Timestamp::parse(value.as_str()?).ok(),
    }
}
