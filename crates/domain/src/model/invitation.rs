//! Invitation: a single-use way in, to an organization or a group, with a role.

use serde::{Deserialize, Serialize};

use super::{Email, Scope};
use crate::ctx::Resource;
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::policy::Role;
use crate::port::store::{Entity, Key};
use crate::time::{DAY_MS, Timestamp};

/// How long an invitation can be accepted, in milliseconds: 7 days.
pub const INVITATION_MS: i64 = 7 * DAY_MS;

/// Kept under the digest of its secret; accepting it removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    pub id: InvitationId,
    /// SHA-256 of the secret in the link.
    pub digest: String,
    pub scope: Scope,
    pub organization: OrganizationId,
    pub role: Role,
    /// Only the account with this address may accept; none lets whoever has the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Who invited, if a person did: the invitation is worth no more than what they may still grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inviter: Option<UserId>,
    /// [`crate::ctx::Actor::label`].
    pub by: String,
    pub created: Timestamp,
    pub expires: Timestamp,
}

impl Invitation {
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.scope
            .resource(Some(self.organization))
            .unwrap_or(Resource::Organization(self.organization))
    }
}

impl Entity for Invitation {
    const COLLECTION: &'static str = "invitation";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.digest.clone(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.expires)
    }
}
