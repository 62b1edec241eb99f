//! Connecting an account: what it takes, and the end of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gna_domain::Ctx;
use gna_domain::connect::ConnectedEntity;
use gna_domain::error::Result;
use gna_domain::id::{EntityId, OrganizationId};
use gna_domain::secret::Secret;
use gna_domain::service::connect::authorize::{self, Begin, Complete, Completed, Requirements};
use gna_domain::service::connect::{entity, landing};
use gna_domain::service::scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::module::FormView;
use super::view::ProblemView;
use crate::auth::Auth;
use crate::extract::{self, id};
use crate::problem::Problem;
use crate::state::AppState;

/// A connection to be made: of `module`, or of `entity` again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAuthorization {
    /// Slug or id; may be left out by those who belong to one.
    organization: Option<String>,
    #[schema(example = "github")]
    module: Option<String>,
    /// For the organization instead of for the caller alone.
    #[serde(default)]
    shared: bool,
    /// The connection parameters, for apps that people are sent to and that ask for some first.
    #[schema(value_type = Option<Object>)]
    connection: Option<Value>,
    /// Id of the account to be connected again.
    entity: Option<String>,
}

/// The end of a connection, or of one of its steps: by the `state` or `session` of its beginning, or
/// for forms of one step by all that its beginning would be told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishedAuthorization {
    organization: Option<String>,
    module: Option<String>,
    #[serde(default)]
    shared: bool,
    entity: Option<String>,
    /// What was given with the beginning; the app gives it back as `state`.
    state: Option<String>,
    /// `code`, or the fields of the form.
    #[schema(value_type = Object)]
    data: Value,
}

/// What a person has to do: go to `url`, or fill in `form`.
#[derive(Serialize, ToSchema)]
pub struct AuthorizationStepView {
    #[schema(example = "oauth2_code")]
    auth: &'static str,
    /// Where the person agrees; the app sends them back to this server with a code.
    url: Option<String>,
    form: Option<FormView>,
    /// From 1.
    step: usize,
    steps: usize,
    /// Names this connection for ten minutes, for the one call that ends it.
    state: Option<String>,
}

impl From<Requirements> for AuthorizationStepView {
    fn from(requirements: Requirements) -> Self {
        match requirements {
            Requirements::Redirect { url, state } => Self {
                auth: gna_domain::connect::module::AuthKind::Oauth2Code.name(),
                url: Some(url),
                form: None,
                step: 1,
                steps: 1,
                state: Some(state.expose().to_owned()),
            },
            Requirements::Form {
                kind,
                step,
                steps,
                form,
                session,
            } => Self {
                auth: kind,
                url: None,
                form: Some(form.into()),
                step,
                steps,
                state: session.map(|session| session.expose().to_owned()),
            },
        }
    }
}

/// What came of it: a connected account, or what has to be done next.
#[derive(Serialize, ToSchema)]
pub struct AuthorizationResultView {
    /// Id of the account at `/api/v2/entities`.
    entity: Option<String>,
    /// Id of its secrets at `/api/v2/credentials`.
    credential: Option<String>,
    /// As the app calls the account.
    name: Option<String>,
    next: Option<AuthorizationStepView>,
}

/// What a beginning or an end is about.
struct About {
    organization: OrganizationId,
    module: String,
    entity: Option<EntityId>,
}

async fn about(
    ctx: &Ctx,
    organization: Option<&str>,
    module: Option<String>,
    again: Option<&str>,
) -> Result<About> {
    let Some(again) = again else {
        return Ok(About {
            organization: scope::organization(ctx, organization).await?,
            module: module.unwrap_or_default(),
            entity: None,
        });
    };
    let found = entity::get(ctx, id::<ConnectedEntity>(ctx, again)?).await?;
    Ok(About {
        organization: found.organization,
        module: module.unwrap_or_else(|| found.module.to_string()),
        entity: Some(found.id),
    })
}

/// Begins a connection. Needs `connection.own`, or `connection.manage` for shared ones; a person, or a
/// person's own token.
#[utoipa::path(post, path = "/api/v2/authorizations", tag = "authorizations", request_body = NewAuthorization,
    responses((status = 201, body = AuthorizationStepView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    State(state): State<AppState>,
    auth: Auth,
    extract::Json(new): extract::Json<NewAuthorization>,
) -> Result<(StatusCode, Json<AuthorizationStepView>), Problem> {
    let ctx = auth.ctx();
    let organization = new.organization.as_deref();
    let about = about(ctx, organization, new.module, new.entity.as_deref()).await?;
    let input = Begin {
        organization: about.organization,
        module: about.module,
        shared: new.shared,
        connection: new.connection,
        entity: about.entity,
    };
    let begun = authorize::begin(ctx, state.apps.as_ref(), input).await?;
    Ok((StatusCode::CREATED, Json(begun.into())))
}

/// Ends a connection, or a step of it: 201 where the account is new, 200 where it was known, or where
/// `next` says what comes.
#[utoipa::path(post, path = "/api/v2/authorizations/finish", tag = "authorizations", request_body = FinishedAuthorization,
    responses((status = 200, body = AuthorizationResultView), (status = 201, body = AuthorizationResultView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn finish(
    State(state): State<AppState>,
    auth: Auth,
    extract::Json(input): extract::Json<FinishedAuthorization>,
) -> Result<Response, Problem> {
    let (ctx, apps) = (auth.ctx(), state.apps.as_ref());
    let done = match input.state.map(Secret::new) {
        Some(secret) => landing::complete(ctx, apps, secret, input.data).await?,
        None => {
            let organization = input.organization.as_deref();
            let entity = input.entity.as_deref();
            let about = about(ctx, organization, input.module, entity).await?;
            let input = Complete {
                organization: about.organization,
                module: about.module,
                shared: input.shared,
                state: None,
                entity: about.entity,
                data: input.data,
            };
            authorize::complete(ctx, apps, input).await?
        }
    };
    let is_new = matches!(&done, Completed::Connected(connected) if connected.is_new);
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(view(done))).into_response())
}

fn view(done: Completed) -> AuthorizationResultView {
    match done {
        Completed::Connected(connected) => AuthorizationResultView {
            entity: Some(connected.entity.id.to_string()),
            credential: Some(connected.credential.id.to_string()),
            name: Some(connected.entity.name.clone()),
            next: None,
        },
        Completed::Next(next) => AuthorizationResultView {
            entity: None,
            credential: None,
            name: None,
            next: Some(next.into()),
        },
    }
}
