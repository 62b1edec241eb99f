//! Membership: one role of one person, somewhere. The roll of owners guards the last one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::ctx::Resource;
use crate::error::{Error, Result};
use crate::id::{GroupId, MembershipId, OrganizationId, UserId};
use crate::model::audit::INSTANCE;
use crate::policy::Role;
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

/// Where a role is held, as it is written into keys: `instance`, `org_…` or `grp_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Instance,
    Organization(OrganizationId),
    Group(GroupId),
}

impl From<Resource> for Scope {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::Instance => Self::Instance,
            Resource::Organization(organization) => Self::Organization(organization),
            Resource::Group(_, group) => Self::Group(group),
        }
    }
}

impl Scope {
    /// What it is as a resource; a group needs its organization.
    #[must_use]
    pub fn resource(self, organization: Option<OrganizationId>) -> Option<Resource> {
        match self {
            Self::Instance => Some(Resource::Instance),
            Self::Organization(organization) => Some(Resource::Organization(organization)),
            Self::Group(group) => Some(Resource::Group(organization?, group)),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => f.write_str(INSTANCE),
            Self::Organization(organization) => organization.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if text == INSTANCE {
            Ok(Self::Instance)
        } else if text.starts_with("org_") {
            text.parse().map(Self::Organization)
        } else {
            text.parse().map(Self::Group)
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Kept under its user, so that all that a person may do is one strong read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub id: MembershipId,
    pub user: UserId,
    pub scope: Scope,
    /// Of the group, or the organization itself; none for the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationId>,
    pub role: Role,
    pub created: Timestamp,
    /// [`crate::ctx::Actor::label`] of who gave the role it has now.
    pub by: String,
    /// When the person was told that it ends because nobody uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned: Option<Timestamp>,
}

impl Membership {
    #[must_use]
    pub fn resource(&self) -> Option<Resource> {
        self.scope.resource(self.organization)
    }

    /// Where a person's membership of a scope is kept.
    #[must_use]
    pub fn key_of(user: UserId, scope: Scope) -> Key {
        Key::new(Self::COLLECTION, user.to_string(), scope.to_string())
    }
}

impl Entity for Membership {
    const COLLECTION: &'static str = "membership";
    fn key(&self) -> Key {
        Self::key_of(self.user, self.scope)
    }
}

/// Who can act as owner of an organization, or as administrator of the instance: enabled accounts
/// only. Written with every change of those roles, so that two removals at once can't both pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRoll {
    pub scope: Scope,
    pub users: BTreeSet<UserId>,
}

impl OwnerRoll {
    #[must_use]
    pub fn empty(scope: Scope) -> Self {
        Self {
            scope,
            users: BTreeSet::new(),
        }
    }

    #[must_use]
    pub fn key_of(scope: Scope) -> Key {
        Key::new(Self::COLLECTION, scope.to_string(), "")
    }
}

impl Entity for OwnerRoll {
    const COLLECTION: &'static str = "owner_roll";
    fn key(&self) -> Key {
        Self::key_of(self.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId;
    use uuid::Uuid;

    #[test]
    fn a_scope_survives_its_written_form() {
        let uuid = Uuid::from_u128(9);
        for scope in [
            Scope::Instance,
            Scope::Organization(OrganizationId::from_uuid(uuid)),
            Scope::Group(GroupId::from_uuid(uuid)),
        ] {
            assert_eq!(scope.to_string().parse::<Scope>().ok(), Some(scope));
        }
        assert!("everything".parse::<Scope>().is_err());
        assert_eq!(Scope::Group(GroupId::from_uuid(uuid)).resource(None), None);
    }
}
