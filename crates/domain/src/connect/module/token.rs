//! Where a token answer keeps what, and what may be done with a refresh token.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::connect::template::Take;

/// Where the fields of a token answer are. The defaults are those of RFC 6749, sections 5.1 and 5.2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenFields {
    pub access_token: Take,
    pub refresh_token: Take,
    /// Seconds from now, as number or text. Absent means that the expiry is not known.
    pub expires_in: Take,
    /// A point in time instead: RFC 3339, or seconds since 1970.
    pub expires_at: Option<Take>,
    /// Seconds from now until the refresh token expires.
    pub refresh_expires_in: Option<Take>,
    pub scope: Take,
    /// A code of RFC 6749 section 5.2 in an answer that may have any status, 200 included.
    pub error: Take,
    pub error_description: Take,
    /// More values to keep: name and where they are. They can be named as `{kept.NAME}` by the
    /// identity, and be persisted.
    pub keep: BTreeMap<String, Take>,
    /// Seconds that a token lives where the answer never says so and the provider documents it.
    pub assume_expires_in: Option<u32>,
    /// Seconds that a refresh token lives where the provider documents it.
    pub assume_refresh_expires_in: Option<u32>,
    /// What a refresh token may be used for after it was presented.
    pub refresh: Reuse,
}

impl Default for TokenFields {
    fn default() -> Self {
        let at = |pointer: &str| {
            // The pointers are constants without braces, which always parse.
            Take::Several(
                crate::connect::Template::parse(pointer)
                    .into_iter()
                    .collect(),
            )
        };
        Self {
            access_token: at("/access_token"),
            refresh_token: at("/refresh_token"),
            expires_in: at("/expires_in"),
            expires_at: None,
            refresh_expires_in: None,
            scope: at("/scope"),
            error: at("/error"),
            error_description: at("/error_description"),
            keep: BTreeMap::new(),
            assume_expires_in: None,
            assume_refresh_expires_in: None,
            refresh: Reuse::default(),
        }
    }
}

/// What happens to a refresh token that was presented, by the provider's documentation. It decides
/// whether it may be presented once more after an unknown outcome (a timeout, a killed process).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reuse {
    /// The app gives no refresh tokens: nothing to refresh.
    None,
    /// The same one is good for ever or until it expires; presenting it again does no harm.
    NonRotating,
    /// A new one comes with each use; the old one stays good for that many seconds.
    RotatingWithLeeway { seconds: u32 },
    /// A new one comes with each use; presenting an old one may revoke all of them.
    #[default]
    RotatingFamilyRevocation,
}

impl Reuse {
    /// Whether a refresh token whose last use has an unknown outcome may be presented again, that
    /// many milliseconds after the first time.
    #[must_use]
    pub fn may_present_again(self, after_ms: i64) -> bool {
        match self {
            Self::NonRotating => true,
            Self::RotatingWithLeeway { seconds } => {
                (0..i64::from(seconds).saturating_mul(1_000)).contains(&after_ms)
            }
            Self::None | Self::RotatingFamilyRevocation => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_presented_again_only_where_it_does_no_harm() {
        for (reuse, after_ms, may) in [
            (Reuse::None, 0, false),
            (Reuse::NonRotating, i64::MAX, true),
            (Reuse::RotatingWithLeeway { seconds: 30 }, 29_999, true),
            (Reuse::RotatingWithLeeway { seconds: 30 }, 30_000, false),
            (Reuse::RotatingWithLeeway { seconds: 30 }, -1, false),
            (Reuse::RotatingFamilyRevocation, 0, false),
        ] {
            assert_eq!(
                reuse.may_present_again(after_ms),
                may,
                "{reuse:?} {after_ms}"
            );
        }
    }
}
