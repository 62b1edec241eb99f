//! History of a vulnerability.

use async_graphql::{Context, Json, Object, Result};
use gna_domain::model;

use super::report::Report;
use super::scalar::DateTime;

pub struct HistoryEntry(pub model::HistoryEntry);

pub struct HistoryEvent(model::VulnerabilityEvent);

/// One committed change of a vulnerability.
#[Object]
impl HistoryEntry {
    /// Its version after the change; 1 is its creation.
    async fn version(&self) -> u64 {
        self.0.version
    }
    /// When.
    async fn at(&self) -> DateTime {
        self.0.at.into()
    }
    /// Who: a user's or a token's id, `local-operator`, or a part of Gna such as `system:import`.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// The report that caused it.
    async fn report(&self, ctx: &Context<'_>) -> Result<Option<Report>> {
        match self.0.report {
            Some(report) => Report::load(ctx, report).await.map(Some),
            None => Ok(None),
        }
    }
    /// Why, in a person's words.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    /// What happened.
    async fn events(&self) -> Vec<HistoryEvent> {
        self.0.events.iter().cloned().map(HistoryEvent).collect()
    }
}

/// One thing that happened with a change.
#[Object]
impl HistoryEvent {
    /// Stable name: `created`, `closed`, `opened`, `seen`, `gone`, `moved`, `tagged`...
    async fn name(&self) -> &str {
        self.0.name()
    }
    /// What changed, by the event's name; the value itself for `created`.
    async fn detail(&self) -> Result<Json<serde_json::Value>> {
        Ok(Json(serde_json::to_value(&self.0)?))
    }
}
