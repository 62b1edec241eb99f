//! The audit log.

use async_graphql::{ID, Json, Object};
use gna_domain::model;

use super::scalar::{DateTime, id};

pub struct AuditEntry(pub model::AuditEntry);

/// One write, or one use of a secret.
#[Object]
impl AuditEntry {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// When.
    async fn at(&self) -> DateTime {
        self.0.at.into()
    }
    /// Who: a user's or a token's id, `local-operator`, or a part of Gna such as `system:import`.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// Stable: `member.invited`.
    async fn action(&self) -> &str {
        &self.0.action
    }
    /// Ids or slugs of what was acted on, the most specific last.
    async fn subject(&self) -> &[String] {
        &self.0.subject
    }
    /// What a reader needs to understand it: old and new role, a count.
    async fn detail(&self) -> Option<Json<serde_json::Value>> {
        Some(self.0.detail.clone())
            .filter(|detail| !detail.is_null())
            .map(Json)
    }
}
