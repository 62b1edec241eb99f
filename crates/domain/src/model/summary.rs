//! Periodic reports: who wants one on which group, and what it says.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::id::{GroupId, OrganizationId, UserId};
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

use super::counter::Tally;
use super::severity::Level;

/// Most subscriptions of one person.
pub const SUBSCRIPTIONS_MAX: usize = 100;

/// How often a periodic report comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportEvery {
    Day,
    /// On Mondays.
    #[default]
    Week,
    /// On the first.
    Month,
}

/// That a person wants a periodic report on a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSubscription {
    pub user: UserId,
    pub organization: OrganizationId,
    pub group: GroupId,
    pub every: ReportEvery,
    /// Full hour, 0 to 23, in the zone.
    pub hour: u8,
    /// Of the IANA database.
    pub zone: String,
    /// When the next one is due.
    pub next: Timestamp,
    /// Since when the next one tells.
    pub since: Timestamp,
    /// The numbers as they were then.
    pub tally: Tally,
    pub created: Timestamp,
}

impl Entity for ReportSubscription {
    const COLLECTION: &'static str = "report_subscription";
    fn key(&self) -> Key {
        Self::key_of(self.user, self.group)
    }
}

impl ReportSubscription {
    #[must_use]
    pub fn key_of(user: UserId, group: GroupId) -> Key {
        Key::new(Self::COLLECTION, user.to_string(), group.to_string())
    }
}

/// What a periodic report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `organization/group`.
    pub group: String,
    pub since: Timestamp,
    pub until: Timestamp,
    /// Open vulnerabilities now.
    pub open: BTreeMap<Level, i64>,
    /// How many more they are than then.
    pub change: BTreeMap<Level, i64>,
    /// How many more are closed than then, of all severities.
    pub closed: i64,
}
