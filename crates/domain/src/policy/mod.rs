//! Who may do what: one table, action × role, and nothing else decides.
//!
//! A role is held on the instance, on an organization or on a group. Owners of an organization act
//! as managers in all its groups; members of it have no group until they are given one. Read next:
//! [`table`], then [`crate::ctx::Ctx::permit`].

mod matrix;
mod table;

pub use matrix::document;
pub use table::{Action, Area, allows, roles_for};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a user or a token may be, somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Of the instance: creates organizations and users, sees no findings by this role alone.
    InstanceAdmin,
    /// Of an organization.
    Owner,
    /// Of an organization: may be given groups.
    Member,
    /// Of a group.
    Manager,
    /// Of a group: decides on vulnerabilities.
    Triager,
    /// Of a group: works on vulnerabilities.
    Developer,
    /// Of a group: looks.
    Reader,
    /// Of a group: uploads reports and asks for verdicts; for machines.
    Ci,
}

impl Role {
    pub const ALL: [Self; 8] = [
        Self::InstanceAdmin,
        Self::Owner,
        Self::Member,
        Self::Manager,
        Self::Triager,
        Self::Developer,
        Self::Reader,
        Self::Ci,
    ];
    pub const OF_ORGANIZATION: [Self; 2] = [Self::Owner, Self::Member];
    pub const OF_GROUP: [Self; 5] = [
        Self::Manager,
        Self::Triager,
        Self::Developer,
        Self::Reader,
        Self::Ci,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceAdmin => "INSTANCE_ADMIN",
            Self::Owner => "OWNER",
            Self::Member => "MEMBER",
            Self::Manager => "MANAGER",
            Self::Triager => "TRIAGER",
            Self::Developer => "DEVELOPER",
            Self::Reader => "READER",
            Self::Ci => "CI",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| Error::invalid("role.unknown", format!("{text:?} is not a role; the roles are owner, member (organization), manager, triager, developer, reader, ci (group)")))
    }
}
