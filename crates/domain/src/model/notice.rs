//! Notices: what a person wants to be told by e-mail, and what waits to be told.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::id::{DeliveryId, GroupId, LetterId, OrganizationId, UserId};
use crate::policy::Role;
use crate::port::store::{ById, Entity, Key};
use crate::time::{DAY_MS, Timestamp};

use super::severity::Level;
use super::summary::Summary;

/// How long something waits to be told, or a letter to be sent, in milliseconds: 30 days.
const KEPT_MS: i64 = 30 * DAY_MS;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoticeKind {
    /// A vulnerability became one's own.
    Assigned,
    /// A vulnerability was found, or is open again.
    New,
    /// A vulnerability is gone.
    Closed,
    /// A due date comes near or has passed: of one's own, or of one that is nobody's.
    Due,
    /// Somebody asks for something that one may decide on.
    Request,
    /// Somebody said something about a vulnerability.
    Comment,
    /// A report was refused, or its import given up.
    Report,
    /// Something is in the way of testing or repairing, or no longer.
    Blocker,
    /// A build does not pass the gate, or a ref passes again.
    Gate,
}

impl NoticeKind {
    pub const ALL: [Self; 9] = [
        Self::Assigned,
        Self::New,
        Self::Closed,
        Self::Due,
        Self::Request,
        Self::Comment,
        Self::Report,
        Self::Blocker,
        Self::Gate,
    ];
}

/// Whether and when one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoticeWhen {
    Never,
    /// As soon as it happens; what happens within ten seconds is one letter.
    AtOnce,
    /// With the next digest.
    Digest,
}

/// What a person wants of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRule {
    pub when: NoticeWhen,
    /// Only vulnerabilities that are at least so severe.
    pub min_level: Level,
}

/// On which days a digest is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DigestDays {
    Daily,
    /// Monday to Friday.
    #[default]
    Workdays,
    /// On Mondays.
    Weekly,
}

/// What a person wants to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticePreferences {
    pub user: UserId,
    /// What is not named is as [`NoticePreferences::default_of`] says.
    pub rules: BTreeMap<NoticeKind, NoticeRule>,
    pub days: DigestDays,
    /// Full hour of the digest, 0 to 23, in the zone.
    pub hour: u8,
    /// Of the IANA database: `Europe/Berlin`.
    pub zone: String,
    /// Nothing is sent at all.
    #[serde(default)]
    pub muted: bool,
}

impl Entity for NoticePreferences {
    const COLLECTION: &'static str = "notice_preferences";
    fn key(&self) -> Key {
        Self::key_of(self.user)
    }
}

impl NoticePreferences {
    #[must_use]
    pub fn key_of(user: UserId) -> Key {
        Key::new(Self::COLLECTION, user.to_string(), "")
    }

    /// Of a person who said nothing yet: what concerns them in person, and what waits for them.
    #[must_use]
    pub fn default_of(user: UserId) -> Self {
        let rule = |when, min_level| NoticeRule { when, min_level };
        let rules = NoticeKind::ALL.map(|kind| {
            let rule = match kind {
                NoticeKind::Assigned => rule(NoticeWhen::AtOnce, Level::Info),
                NoticeKind::Request => rule(NoticeWhen::Digest, Level::Info),
                NoticeKind::Due => rule(NoticeWhen::Digest, Level::High),
                NoticeKind::New
                | NoticeKind::Closed
                | NoticeKind::Comment
                | NoticeKind::Report
                | NoticeKind::Blocker
                | NoticeKind::Gate => rule(NoticeWhen::Never, Level::Info),
            };
            (kind, rule)
        });
        Self {
            user,
            rules: BTreeMap::from(rules),
            days: DigestDays::default(),
            hour: 7,
            zone: "UTC".to_owned(),
            muted: false,
        }
    }
}

/// Where something waits to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeQueue {
    Now,
    Digest,
}

impl NoticeQueue {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Digest => "digest",
        }
    }
}

/// One thing that a person is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub id: DeliveryId,
    pub queue: NoticeQueue,
    pub user: UserId,
    pub kind: NoticeKind,
    /// Name of the type of event.
    pub event: String,
    /// What it is about, in words: a vulnerability's or a report's.
    pub title: String,
    /// Where: asset and location.
    pub place: String,
    pub organization: OrganizationId,
    pub of: GroupId,
    /// `organization/group`.
    pub group: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Id of the vulnerability or report.
    pub subject: String,
    pub at: Timestamp,
}

impl Entity for Notice {
    const COLLECTION: &'static str = "notice";
    /// What waits for one person stands together, so that a queue is read person by person.
    fn key(&self) -> Key {
        let sort = format!("{}/{}", self.user, self.id);
        Key::new(Self::COLLECTION, self.queue.as_str(), sort)
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.at.plus_millis(KEPT_MS))
    }
}

/// What is sent to a person in one piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub id: LetterId,
    pub user: UserId,
    pub queue: NoticeQueue,
    /// The most severe ones, oldest first among equals.
    pub notices: Vec<Notice>,
    /// How many there were beside.
    pub more: u64,
    /// A periodic report, in place of notices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// That a role of theirs ends, in place of notices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
    pub created: Timestamp,
}

/// A role that ends because nobody uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// `acme` or `acme/shop`.
    pub place: String,
    pub role: Role,
    pub ends: Timestamp,
}

impl Entity for Letter {
    const COLLECTION: &'static str = "letter";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.created.plus_millis(KEPT_MS))
    }
}

impl ById for Letter {
    type Id = LetterId;
    fn id(&self) -> LetterId {
        self.id
    }
}
