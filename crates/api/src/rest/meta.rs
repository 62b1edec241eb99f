//! What can be asked here, for clients that ask that first: the versions of Frigg's API, and what each
//! consists of. Needs nobody to be known and reads nothing from the store.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::openapi::document;
use crate::compat::frigg;
use crate::middleware::no_such_route;
use crate::problem::Problem;

/// The versions that clients of Frigg may use, and what they can rely on. Any other part of `/api/v2` is
/// in the OpenAPI description of the second one.
#[utoipa::path(get, path = "/api/meta", tag = "meta", security(()),
    responses((status = 200, description = "`{api: {versions: {NUMBER: {status, openapi}}, preferred}, capabilities}`", body = Object)))]
pub async fn show() -> Json<Value> {
    Json(json!({
        "api": {
            "versions": {
                "1": {
                    "status": "deprecated",
                    "deprecatedAt": frigg::DEPRECATED_AT,
                    "sunset": null,
                    "openapi": "/api/meta/openapi/v1.json",
                },
                "2": { "status": "stable", "openapi": "/api/meta/openapi/v2.json" },
            },
            "preferred": "2",
        },
        "capabilities": ["credentials", "multiStepAuthorize"],
    }))
}

/// The description of one version: `v1.json` (routes only) or `v2.json` (the same as
/// `/api/meta/openapi.json`).
#[utoipa::path(get, path = "/api/meta/openapi/{major}", tag = "meta", security(()), params(("major" = String, Path)),
    responses((status = 200, description = "OpenAPI 3.1", body = Object), (status = 404, description = "There is no such version")))]
pub async fn description(Path(major): Path<String>) -> Result<Response, Problem> {
    match major.as_str() {
        "v1.json" => Ok(Json(first()).into_response()),
        "v2.json" => Ok(Json(document()).into_response()),
        _ => Err(no_such_route().into()),
    }
}

/// Frigg's first version, from the table of its routes. What they take and answer is in `docs/FRIGG.md`.
fn first() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in frigg::ROUTES
        .iter()
        .filter(|route| frigg::is_v1(route.path))
    {
        let parameters: Vec<Value> = route
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                json!({
                    "name": name, "in": "path", "required": true, "schema": { "type": "string" },
                })
            })
            .collect();
        let operation = json!({
            "deprecated": true,
            "parameters": parameters,
            "responses": { "default": { "description": "docs/FRIGG.md tells what is answered." } },
        });
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gna, for clients of Frigg's first version",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Frozen; use the second version.",
        },
        "paths": paths,
    })
}
