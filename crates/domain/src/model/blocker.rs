//! Blocker: something that keeps people from testing or repairing, with the retests that wait for it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{AssetId, BlockerId, GroupId, OrganizationId, VulnerabilityId};
use crate::port::store::{ById, Entity, Key, Stored};
use crate::time::Timestamp;

use super::triage::{Note, VerificationStatus};
use super::vulnerability::Vulnerability;

/// Longest title, in bytes.
const TITLE_LIMIT: usize = 200;
/// Longest description, in bytes.
const DESCRIPTION_LIMIT: usize = 10_000;
/// How many entries the record of a blocker may have before comments on it are refused.
pub const MAX_ENTRIES: u32 = 1_000;

/// What is in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BlockerKind {
    /// The environment is down or not as it should be.
    Environment,
    /// Credentials are missing or do not work.
    Credentials,
    /// The network can't be reached: firewall, VPN, remote access.
    Network,
    /// The source can't be fetched, built or installed.
    Build,
    /// Test data or equipment is missing.
    Data,
    /// Somebody must allow it first.
    Authorization,
    /// What is there is not what was agreed on.
    Scope,
    /// Whoever it belongs to has put it off.
    Suspended,
    #[default]
    Other,
}

impl BlockerKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "ENVIRONMENT",
            Self::Credentials => "CREDENTIALS",
            Self::Network => "NETWORK",
            Self::Build => "BUILD",
            Self::Data => "DATA",
            Self::Authorization => "AUTHORIZATION",
            Self::Scope => "SCOPE",
            Self::Suspended => "SUSPENDED",
            Self::Other => "OTHER",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BlockerStatus {
    /// It is in the way.
    Open,
    /// Somebody says that it is out of the way; it still holds what it holds.
    Proposed,
    /// It is out of the way for good.
    Solved,
}

impl BlockerStatus {
    pub const ALL: [Self; 3] = [Self::Open, Self::Proposed, Self::Solved];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Proposed => "PROPOSED",
            Self::Solved => "SOLVED",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    pub id: BlockerId,
    pub organization: OrganizationId,
    pub group: GroupId,
    /// None: all of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    pub kind: BlockerKind,
    /// 1 to 200 bytes.
    pub title: String,
    /// At most 10,000 bytes; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub status: BlockerStatus,
    pub opened: Note,
    /// How it was got out of the way, as somebody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Note>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solved: Option<Note>,
    /// How many entries its record has.
    pub entries: u32,
    pub created: Timestamp,
}

impl Entity for Blocker {
    const COLLECTION: &'static str = "blocker";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Blocker {
    type Id = BlockerId;
    fn id(&self) -> BlockerId {
        self.id
    }
}

/// What happened to a blocker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BlockerEntryKind {
    Opened,
    /// Its kind or its words changed.
    Changed,
    Commented,
    Proposed,
    /// It is still in the way, whatever was said.
    Rejected,
    Solved,
}

impl BlockerEntryKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "OPENED",
            Self::Changed => "CHANGED",
            Self::Commented => "COMMENTED",
            Self::Proposed => "PROPOSED",
            Self::Rejected => "REJECTED",
            Self::Solved => "SOLVED",
        }
    }
}

/// One line of a blocker's record. Append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockerEntry {
    pub blocker: BlockerId,
    /// From 1, without gaps.
    pub number: u32,
    pub kind: BlockerEntryKind,
    /// Who, when, and in which words; plain text or Markdown.
    pub note: Note,
}

impl Entity for BlockerEntry {
    const COLLECTION: &'static str = "blocker_entry";
    fn key(&self) -> Key {
        let number = format!("{:010}", self.number);
        Key::new(Self::COLLECTION, self.blocker.to_string(), number)
    }
}

/// That a vulnerability's retest waits for a blocker: the list that solving it walks. Derived from
/// [`Vulnerability::blocker`] with each change of the vulnerability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockerHold {
    pub blocker: BlockerId,
    pub vulnerability: VulnerabilityId,
}

impl Entity for BlockerHold {
    const COLLECTION: &'static str = "blocker_hold";
    fn key(&self) -> Key {
        let vulnerability = self.vulnerability.to_string();
        Key::new(Self::COLLECTION, self.blocker.to_string(), vulnerability)
    }
}

impl BlockerHold {
    /// As it is written: these records are made and removed, never changed.
    #[must_use]
    pub fn stored(self) -> Stored<Self> {
        Stored {
            value: self,
            version: 1,
        }
    }
}

impl Vulnerability {
    /// The blocker that its retest waits for.
    #[must_use]
    pub fn blocker(&self) -> Option<BlockerId> {
        let verification = self.triage.verification.as_ref()?;
        let is_held = verification.status == VerificationStatus::OnHold;
        verification
            .blocker
            .filter(|_| is_held && self.merged_into.is_none())
    }
}

/// # Errors
/// `blocker.title`.
pub fn blocker_title(text: &str) -> Result<String> {
    let title = text.trim();
    if title.is_empty() || title.len() > TITLE_LIMIT || title.chars().any(char::is_control) {
        return Err(Error::invalid(
            "blocker.title",
            format!("say in 1 to {TITLE_LIMIT} bytes, in one line, what is in the way"),
        )
        .on_field("title"));
    }
    Ok(title.to_owned())
}

/// # Errors
/// `blocker.description`.
pub fn blocker_description(text: &str) -> Result<String> {
    let text = text.trim();
    if text.len() > DESCRIPTION_LIMIT {
        return Err(Error::limit(
            "blocker.description",
            format!("a description has at most {DESCRIPTION_LIMIT} bytes"),
        )
        .on_field("description"));
    }
    Ok(text.to_owned())
}
