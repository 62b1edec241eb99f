//! What is kept of a bulk: one record with its progress, and one for each refusal.

use serde::{Deserialize, Serialize};

use crate::ctx::Actor;
use crate::id::{BulkId, GroupId, OrganizationId, UserId, VulnerabilityId};
use crate::model::Failure;
use crate::port::store::{ById, Entity, Key};
use crate::rules::desk::Command;
use crate::service::filter::VulnerabilityFilter;
use crate::time::Timestamp;

/// Most vulnerabilities of one bulk.
pub const BULK_LIMIT: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BulkStatus {
    /// Its job waits.
    Queued,
    /// Under way: what is counted is decided for good.
    Running,
    Complete,
    /// Stopped by a person; what is counted stays decided.
    Cancelled,
    /// Given up after several tries; what is counted stays decided.
    Failed,
}

impl BulkStatus {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled | Self::Failed)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bulk {
    pub id: BulkId,
    pub organization: OrganizationId,
    pub group: GroupId,
    /// [`Actor::label`] of who decides.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<UserId>,
    pub command: Command,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until it is resolved: which ones, as they were listed when the work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<VulnerabilityFilter>,
    pub status: BulkStatus,
    /// How many vulnerabilities it is about; known once they were listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How many of them are decided on: changed, unchanged or refused.
    pub done: u64,
    pub changed: u64,
    /// It was that way already.
    pub unchanged: u64,
    pub refused: u64,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Bulk {
    /// The blob with the ids, in the order in which they are decided on.
    #[must_use]
    pub fn plan_blob(&self) -> String {
        format!("bulk/{}", self.id)
    }

    /// Who decides, as an actor again.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match (self.by.parse(), self.by.parse()) {
            (Ok(user), _) => Actor::User(user),
            (_, Ok(token)) => Actor::Token {
                token,
                owner: self.person,
            },
            _ if self.by == Actor::LocalOperator.label() => Actor::LocalOperator,
            _ => Actor::System("bulk"),
        }
    }
}

impl Entity for Bulk {
    const COLLECTION: &'static str = "bulk";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Bulk {
    type Id = BulkId;
    fn id(&self) -> BulkId {
        self.id
    }
}

/// One vulnerability that a bulk could not decide on, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRefusal {
    pub bulk: BulkId,
    /// Its place in the bulk, from 0.
    pub at: u64,
    pub vulnerability: VulnerabilityId,
    pub code: String,
    pub message: String,
}

impl Entity for BulkRefusal {
    const COLLECTION: &'static str = "bulk_refusal";
    fn key(&self) -> Key {
        Key::new(
            Self::COLLECTION,
            self.bulk.to_string(),
            format!("{:010}", self.at),
        )
    }
}
