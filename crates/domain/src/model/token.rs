//! API token: how a program calls, for a person or for a group.

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, OrganizationId, TokenId, UserId};
use crate::policy::Role;
use crate::port::store::{Entity, Key};
use crate::time::{DAY_MS, Timestamp};

/// What every token starts with, so that leaked ones can be found by scanners.
pub const TOKEN_PREFIX: &str = "gna_";
/// Longest life of a token, in days.
pub const TOKEN_MAX_DAYS: i64 = 366;
/// The last use is written at most this often, in milliseconds: once an hour.
pub const TOKEN_TOUCH_MS: i64 = DAY_MS / 24;
/// Tokens that one person or one group may have at a time.
pub const TOKENS_MAX: usize = 100;

/// For whom a token calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHolder {
    /// With what the person may do at the time of the call.
    User(UserId),
    /// With a role in one group, whoever made it.
    Group {
        organization: OrganizationId,
        group: GroupId,
        role: Role,
    },
}

/// Kept under the digest of its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    pub id: TokenId,
    /// SHA-256 of the whole token.
    pub digest: String,
    /// The first characters, by which people recognise it.
    pub start: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Names of actions; never empty.
    pub scopes: Vec<String>,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// Last use, to the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
    /// [`crate::ctx::Actor::label`] of who made it.
    pub by: String,
}

impl ApiToken {
    /// None for a record that names neither, which no service writes.
    #[must_use]
    pub fn holder(&self) -> Option<TokenHolder> {
        match (self.owner, self.organization, self.group, self.role) {
            (Some(owner), ..) => Some(TokenHolder::User(owner)),
            (None, Some(organization), Some(group), Some(role)) => Some(TokenHolder::Group {
                organization,
                group,
                role,
            }),
            _ => None,
        }
    }
}

impl Entity for ApiToken {
    const COLLECTION: &'static str = "api_token";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.digest.clone(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}
