//! User: a person with a local account. What they may do is in [`super::Membership`].

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

use crate::error::{Error, Result};
use crate::id::UserId;
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

/// An e-mail address as Gna compares it: trimmed, in lower case, with exactly one `@`.
///
/// It names an account and is never proven to receive mail, so nothing is sent or decided by its
/// domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// Ends the addresses that are no addresses.
pub const RESERVED: &str = ".invalid";

impl Email {
    /// # Errors
    /// `email.malformed`: not one `@` with something on both sides, white space or control
    /// characters, or longer than 254 characters (RFC 5321, section 4.5.3.1.3).
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim().to_lowercase();
        let one_at = text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@')
        });
        let strange = text.chars().any(|c| c.is_whitespace() || c.is_control());
        if !one_at || strange || text.chars().count() > 254 {
            return Err(Error::invalid(
                "email.malformed",
                "an e-mail address looks like name@example.com",
            )
            .on_field("email"));
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it ends with `.invalid` and so is nobody's (RFC 6761, section 6.4): accounts that have no
    /// address are kept under such ones, and nobody can choose one.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.ends_with(RESERVED)
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn name_part(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A slow hash with its parameters and salt (PHC string). Stored, compared, and never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    #[must_use]
    pub fn new(phc: String) -> Self {
        Self(phc)
    }

    /// For the password port alone.
    #[must_use]
    pub fn phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

/// The name of everybody who is deleted.
pub const TOMBSTONE: &str = "deleted user";

/// The record is also the guard of the person's access: every change of their memberships writes
/// it, so that two changes of one person's access never commit side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub name: String,
    /// None until the person has set one through a one-time link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// Counts the passwords; a reset link works only for the one it was made for.
    #[serde(default)]
    pub password_version: u32,
    /// Sessions of an earlier epoch are over, wherever they are stored.
    #[serde(default)]
    pub session_epoch: u32,
    /// Since when the account is locked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Timestamp>,
    /// Since when the person is gone. What is left is the id, for history, under [`TOMBSTONE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    pub created: Timestamp,
    /// When they last acted, with a session or a token of theirs; written once a day at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// When a membership last came, changed or went.
    pub access_changed: Timestamp,
}

impl User {
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled.is_some()
    }

    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.is_some()
    }

    /// What is kept of someone who is deleted: nothing that names them or lets anyone in. The
    /// address is one that can't exist (RFC 2606, section 2), so that theirs is free again.
    ///
    /// # Errors
    /// Never for an id of ours.
    pub fn buried(&self, now: Timestamp) -> Result<Self> {
        Ok(Self {
            email: Email::new(&format!("{}@deleted.invalid", self.id))?,
            name: TOMBSTONE.to_owned(),
            password: None,
            password_version: self.password_version.wrapping_add(1),
            disabled: Some(now),
            deleted: Some(now),
            seen: None,
            access_changed: now,
            ..self.clone()
        })
    }
}

impl Entity for User {
    const COLLECTION: &'static str = "user";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for User {
    type Id = UserId;
    fn id(&self) -> UserId {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_in_one_form() {
        let email = Email::new("  Ada@Example.COM ").expect("an address");
        assert_eq!(email.as_str(), "ada@example.com");
        assert_eq!(email.name_part(), "ada");
        let long = format!("{}@example.com", "x".repeat(250));
        for bad in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.com",
            "a@b@c",
            "a b@c",
            "a\u{0}@c",
            &long,
        ] {
            assert!(Email::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_password_hash_does_not_print_itself() {
        let hash = PasswordHash::new("$argon2id$v=19$x".to_owned());
        assert_eq!(format!("{hash:?}"), "[password hash]");
    }
}
