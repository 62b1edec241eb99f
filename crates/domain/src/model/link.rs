//! One-time link: claims the first administrator, or sets a password.

use serde::{Deserialize, Serialize};

use crate::id::{LinkId, UserId};
use crate::port::store::{Entity, Key};
use crate::time::{DAY_MS, Timestamp};

/// How long a link works, in milliseconds: 24 hours.
pub const LINK_MS: i64 = DAY_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Purpose {
    /// To become the first administrator.
    ClaimAdmin,
    /// To set the password of a user who still has that [`super::User::password_version`].
    SetPassword { user: UserId, password_version: u32 },
}

/// Kept under the digest of its secret; using it removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub id: LinkId,
    /// SHA-256 of the secret in the link.
    pub digest: String,
    pub purpose: Purpose,
    /// [`crate::ctx::Actor::label`] of who made it.
    pub by: String,
    pub created: Timestamp,
    pub expires: Timestamp,
}

impl Entity for Link {
    const COLLECTION: &'static str = "link";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.digest.clone(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}
