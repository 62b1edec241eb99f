//! Session: a signed-in browser. Attempts: how often signing in failed lately.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use crate::id::{SessionId, UserId};
use crate::port::store::{Entity, Key};
use crate::time::{DAY_MS, Timestamp};

/// A session ends this long after it was last used, in milliseconds: 7 days.
pub const SESSION_IDLE_MS: i64 = 7 * DAY_MS;
/// A session ends this long after signing in, used or not, in milliseconds: 30 days.
pub const SESSION_MS: i64 = 30 * DAY_MS;
/// The last use is written at most this often, in milliseconds: once a minute.
pub const SESSION_TOUCH_MS: i64 = 60_000;

/// Where a call comes from, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What the browser says it is; at most 200 characters are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl Origin {
    #[must_use]
    pub fn new(address: Option<IpAddr>, agent: Option<&str>) -> Self {
        let agent = agent
            .map(|text| {
                text.chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect::<String>()
            })
            .filter(|text| !text.is_empty());
        Self { address, agent }
    }
}

/// Kept under the digest of its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    /// SHA-256 of the secret in the cookie.
    pub digest: String,
    pub user: UserId,
    /// [`super::User::session_epoch`] at the time; the session is over when the user's is another.
    pub epoch: u32,
    pub created: Timestamp,
    /// Last use, to the minute.
    pub seen: Timestamp,
    pub expires: Timestamp,
    #[serde(default)]
    pub origin: Origin,
}

impl Session {
    /// Whether it still counts for a user in that epoch.
    #[must_use]
    pub fn is_live(&self, epoch: u32, now: Timestamp) -> bool {
        self.epoch == epoch && now < self.expires && now < self.seen.plus_millis(SESSION_IDLE_MS)
    }
}

impl Entity for Session {
    const COLLECTION: &'static str = "session";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.digest.clone(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

/// Failed sign-ins of one account or from one source address, in a sliding window.
/// Read next: [`crate::rules::throttle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// A digest: neither addresses of people nor of machines are kept here.
    pub of: String,
    /// Start of the current window.
    pub since: Timestamp,
    pub current: u32,
    /// In the window before.
    pub previous: u32,
    /// Start of the window in which the audit log was last told that the limit was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
    pub expires: Timestamp,
}

impl Attempts {
    #[must_use]
    pub fn key_of(of: &str) -> Key {
        Key::new(Self::COLLECTION, of, "")
    }
}

impl Entity for Attempts {
    const COLLECTION: &'static str = "sign_in_attempts";
    fn key(&self) -> Key {
        Self::key_of(&self.of)
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_says_is_cut_and_cleaned() {
        let origin = Origin::new(None, Some(&format!("a\r\nb{}", "x".repeat(300))));
        let agent = origin.agent.expect("kept");
        assert!(agent.starts_with("abx") && agent.chars().count() == 200);
        assert_eq!(Origin::new(None, Some("")).agent, None);
    }
}
