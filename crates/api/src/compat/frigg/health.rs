//! Health in Frigg's words; `/health/live` and the rest are our own and answer those, too.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::state::AppState;

/// Whether the process answers.
pub async fn show(State(state): State<AppState>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "timestamp": state.ports.clock.now().to_string(),
        "service": "frigg-core-api",
    }))
}
