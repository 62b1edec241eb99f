//! The audit log: who did what to what, when, from where. Append-only.

use serde::{Deserialize, Serialize};

use crate::ctx::{Actor, Ctx};
use crate::id::{AuditId, OrganizationId};
use crate::port::fresh;
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

/// Partition of entries that belong to no organization.
pub const INSTANCE: &str = "instance";

/// One write, or one use of a secret. Never holds a secret or a report's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub id: AuditId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationId>,
    pub at: Timestamp,
    /// [`Actor::label`].
    pub actor: String,
    /// Stable, `noun.verb`: `member.invited`.
    pub action: String,
    /// Ids or slugs of what was acted on, the most specific last.
    pub subject: Vec<String>,
    /// What a reader needs to understand it: old and new role, a count.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

impl Entity for AuditEntry {
    const COLLECTION: &'static str = "audit";
    fn key(&self) -> Key {
        let partition = self
            .organization
            .map_or_else(|| INSTANCE.to_owned(), |id| id.to_string());
        Key::new(Self::COLLECTION, partition, self.id.to_string())
    }
}

impl AuditEntry {
    /// What `ctx`'s actor does now.
    pub fn new(
        ctx: &Ctx,
        organization: Option<OrganizationId>,
        action: impl Into<String>,
        subject: impl IntoIterator<Item = String>,
    ) -> Self {
        Self::by(
            &ctx.actor,
            fresh(ctx.ports.ids.as_ref()),
            ctx.now(),
            organization,
            action,
            subject,
        )
    }

    pub fn by(
        actor: &Actor,
        id: AuditId,
        at: Timestamp,
        organization: Option<OrganizationId>,
        action: impl Into<String>,
        subject: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            id,
            organization,
            at,
            actor: actor.label(),
            action: action.into(),
            subject: subject.into_iter().collect(),
            detail: serde_json::Value::Null,
        }
    }

    #[must_use]
    pub fn with(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}
