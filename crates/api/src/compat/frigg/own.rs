//! Routes of integration types of their own: `/api/NAME-integration/…`, where the operator lists the
//! type. What they answer is the recipe's, and so is whom it believes.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use gna_domain::error::Error;
use gna_domain::service::connect::integration::{Call, nothing, visit};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::fault;
use super::place::Sent;
use crate::auth::Auth;
use crate::middleware::no_such_route;
use crate::problem::Problem;
use crate::state::AppState;

/// Any method. Every other address below `/api/` that nobody answers ends here, too, and gets the
/// answer that it would get without these routes.
pub async fn answer(State(state): State<AppState>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = Path::<(String, String)>::from_request_parts(&mut parts, &state).await;
    let Some((name, path)) = path.ok().and_then(|Path((segment, path))| {
        Some((segment.strip_suffix("-integration")?.to_owned(), path))
    }) else {
        return Problem(no_such_route()).into_response();
    };
    let request = Request::from_parts(parts, body);
    let answer = answered(&state, &name, path, request).await;
    fault::v1(answer.into_response()).await
}

async fn answered(
    state: &AppState,
    name: &str,
    path: String,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let served = &state.config.frigg.routes;
    if !served.iter().any(|served| served == name) {
        return Err(nothing().into());
    }
    let (mut parts, body) = request.into_parts();
    let auth = Auth::from_request_parts(&mut parts, state).await?;
    let query = Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri);
    let Query(query) =
        query.map_err(|_| Error::invalid("query.malformed", "the query string can't be read"))?;
    let method = parts.method.to_string();
    let Sent(body) = Sent::from_request(Request::from_parts(parts, body), state).await?;
    let call = Call {
        method,
        path,
        query,
        body,
    };
    let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
    let answer = visit(auth.ctx(), apps, recipes, name, call).await?;
    Ok(Json(if answer.is_null() { json!({}) } else { answer }))
}
