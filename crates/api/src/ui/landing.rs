//! Where apps send people back to who connect an account: on to the front end of an adopter, or to our
//! own page with one button, since opening an address changes nothing.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gna_domain::Actor;
use gna_domain::connect::Module;
use gna_domain::error::Error;
use gna_domain::secret::Secret;
use gna_domain::service::connect::authorize::Completed;
use gna_domain::service::connect::landing::{self, Pending};
use serde_json::{Map, Value};
use std::sync::Arc;

use super::form::Submitted;
use super::page::{Answer, Failure, Notice, Shell, render};
use crate::auth::PageAuth;
use crate::problem;
use crate::state::AppState;

/// Most parameters that an app may give back.
const PARAMETERS: usize = 20;
/// The hidden fields that hold what the app gave back begin so.
const PREFIX: &str = "app.";

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingPage {
    shell: Shell,
    notice: Option<Notice>,
    /// Name of the module.
    module: String,
    /// The app, for people.
    app: String,
    pending: Option<Asked>,
    connected: Option<String>,
    query: Vec<(String, String)>,
}

struct Asked {
    organization: String,
    is_shared: bool,
    is_again: bool,
}

impl From<Pending> for Asked {
    fn from(pending: Pending) -> Self {
        Self {
            organization: pending.organization.name,
            is_shared: pending.is_shared,
            is_again: pending.is_again,
        }
    }
}

impl LandingPage {
    fn new(auth: &PageAuth, module: &Module) -> Self {
        Self {
            shell: Shell::new("Connect an account", auth),
            notice: None,
            module: module.name.to_string(),
            app: module.display.label.clone(),
            pending: None,
            connected: None,
            query: Vec::new(),
        }
    }

    fn refused(mut self, error: &Error) -> Response {
        problem::log(error);
        self.notice = Some(Notice::bad(error));
        render(problem::status(error), &self)
    }
}

/// Passes the browser on with all that the app said, or asks whether to connect.
pub async fn show(
    State(state): State<AppState>,
    Path(app): Path<String>,
    RawQuery(query): RawQuery,
    auth: PageAuth,
) -> Answer {
    let module = module(&state, &app)?;
    if let Some(front_end) = &state.config.frontend_url {
        return pass_on(front_end, &module, query.as_deref());
    }
    let mut page = LandingPage::new(&auth, &module);
    page.query = parameters(query.as_deref().unwrap_or_default())?;
    let text = |name: &str| {
        let found = page.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    if let Some(error) = text("error") {
        let error: String = error.chars().filter(|c| !c.is_control()).take(60).collect();
        let label = &module.display.label;
        let error = Error::invalid(
            "authorization.denied",
            format!("{label} did not connect the account ({error}); begin again and agree"),
        );
        return Ok(page.refused(&error));
    }
    if !matches!(auth.caller.ctx.actor, Actor::User(_)) {
        return Ok(render(StatusCode::OK, &page));
    }
    let secret = Secret::new(text("state").unwrap_or_default());
    match landing::pending(&auth.caller.ctx, state.apps.as_ref(), &secret).await {
        Ok(pending) if pending.module.name == module.name => {
            page.pending = Some(pending.into());
            Ok(render(StatusCode::OK, &page))
        }
        Ok(_) => Ok(page.refused(&landing::none())),
        Err(error) => Ok(page.refused(&error)),
    }
}

/// Connects.
pub async fn submit(
    State(state): State<AppState>,
    Path(app): Path<String>,
    sent: Submitted,
) -> Answer {
    let module = module(&state, &app)?;
    let mut page = LandingPage::new(&sent.auth, &module);
    let data: Map<String, Value> = sent.fields.under(PREFIX);
    let secret = data.get("state").and_then(Value::as_str);
    let secret = Secret::new(secret.unwrap_or_default());
    let done = landing::complete(sent.ctx(), state.apps.as_ref(), secret, Value::Object(data));
    match done.await {
        Ok(Completed::Connected(connected)) => {
            page.connected = Some(connected.entity.name);
            Ok(render(StatusCode::OK, &page))
        }
        // No app that sends people back has a further step.
        Ok(Completed::Next(_)) => Ok(page.refused(&landing::none())),
        Err(error) => Ok(page.refused(&error)),
    }
}

fn module(state: &AppState, app: &str) -> Result<Arc<Module>, Failure> {
    let known = state.apps.module(app);
    known.ok_or_else(|| Error::not_found("not_found", "there is no such app").into())
}

fn pass_on(front_end: &str, module: &Module, query: Option<&str>) -> Answer {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let place = format!("{front_end}/redirect/{}{query}", module.name);
    let place = HeaderValue::from_str(&place)
        .map_err(|_| Error::invalid("query.malformed", "the query can't be read"))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, place)]).into_response())
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, Failure> {
    let uri = format!("/?{query}")
        .parse()
        .map_err(|_| Error::invalid("query.malformed", "the query string can't be read"))?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map_err(|_| Error::invalid("query.malformed", "the query string can't be read"))?;
    if pairs.len() > PARAMETERS {
        return Err(Error::invalid(
            "query.too_many_values",
            format!("an app gives at most {PARAMETERS} parameters back"),
        )
        .into());
    }
    Ok(pairs.0)
}
