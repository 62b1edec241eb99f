//! Functions: what Gna does, by name, and running one alone.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gna_domain::service::function::{self, Function};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::job::JobView;
use super::view::{ListView, ProblemView};
use crate::auth::Auth;
use crate::extract;
use crate::problem::Problem;
use crate::state::AppState;

/// A named handler.
#[derive(Serialize, ToSchema)]
pub struct FunctionView {
    #[schema(example = "import.report")]
    name: String,
    /// `job` for what a worker runs, `http` for a group of routes.
    #[schema(example = "job")]
    trigger: String,
    description: String,
    /// Of a group of routes: method and path of each.
    #[schema(example = json!(["GET /api/v2/reports"]))]
    routes: Vec<String>,
}

impl From<Function> for FunctionView {
    fn from(function: Function) -> Self {
        Self {
            name: function.name,
            trigger: function.trigger.to_owned(),
            description: function.description,
            routes: function.routes,
        }
    }
}

/// What a function is run with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvokeBody {
    /// The payload of its job.
    #[schema(value_type = Object)]
    event: serde_json::Value,
}

/// One function per group of routes: `http.reports` for all under `/api/v2/reports`, one each for
/// GraphQL, for pages, and for the routes of the framework that Gna takes the place of.
pub(crate) fn of_routes() -> Vec<Function> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |group: &str, method: &str, path: &str| {
        groups
            .entry(format!("http.{group}"))
            .or_default()
            .push(format!("{} {path}", method.to_uppercase()));
    };
    for route in super::ROUTES {
        add(group_of(route.path), route.method, route.path);
    }
    for (method, path) in crate::graphql::ROUTES {
        add("graphql", method, path);
    }
    for route in crate::compat::frigg::ROUTES {
        add("frigg", route.method, route.path);
    }
    for page in crate::ui::PAGES {
        add("pages", page.method, page.path);
    }
    add("pages", "get", crate::ui::FILES);
    groups
        .into_iter()
        .map(|(name, routes)| Function {
            name,
            trigger: "http",
            description: routes.join(", "),
            routes,
        })
        .collect()
}

fn group_of(path: &'static str) -> &'static str {
    if super::is_hook(path) {
        return "hooks";
    }
    path.trim_start_matches("/api/v2")
        .trim_start_matches("/api")
        .split('/')
        .nth(1)
        .unwrap_or_default()
}

/// All functions, by name. Needs `instance.read`.
#[utoipa::path(get, path = "/api/v2/functions", tag = "functions",
    responses((status = 200, body = ListView<FunctionView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    State(state): State<AppState>,
) -> Result<Json<ListView<FunctionView>>, Problem> {
    let all = function::list(auth.ctx(), &state.config.functions)?;
    let views = all.into_iter().map(FunctionView::from).collect();
    Ok(Json(ListView::whole(views)))
}

/// Runs a function that a worker runs: makes its job, whose end can be waited for at
/// `/api/v2/jobs/{job}`. Needs `instance.manage`.
#[utoipa::path(post, path = "/api/v2/functions/{function}/invoke", tag = "functions", params(("function" = String, Path)), request_body = InvokeBody,
    responses((status = 202, body = JobView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn invoke(
    auth: Auth,
    State(state): State<AppState>,
    Path(name): Path<String>,
    extract::Json(body): extract::Json<InvokeBody>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let functions = &state.config.functions;
    let job = function::invoke(auth.ctx(), functions, &name, body.event).await?;
    Ok((StatusCode::ACCEPTED, Json(job.into())))
}
