//! Webhooks in: the addresses that an organization gives to apps, and what came there.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gna_domain::model::{HookReceiver, ReceivedHook};
use gna_domain::port::store::Stored;
use gna_domain::secret::Secret;
use gna_domain::service::hook::log;
use gna_domain::service::hook::receiver::{self, NewReceiver};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::organization::named;
use super::view::{ListView, PageParams, ProblemView};
use super::webhook::{WebhookParams, organization_of};
use crate::auth::Auth;
use crate::extract::{self, Params, id};
use crate::problem::Problem;
use crate::state::AppState;

/// An address of ours that an app sends webhooks to, without its secret.
#[derive(Serialize, ToSchema)]
pub struct ReceiverView {
    id: String,
    organization: String,
    /// Name of the app's module.
    #[schema(example = "github")]
    app: String,
    description: String,
    /// What to set up in the app.
    #[schema(
        example = "https://gna.example.com/api/v2/hooks/github/rcv_018f0000000070008000000000000001"
    )]
    url: String,
    enabled: bool,
    /// False while the app is still to bring its own secret.
    has_secret: bool,
    #[schema(format = DateTime)]
    created: String,
    version: u64,
}

fn view(state: &AppState, stored: Stored<HookReceiver>) -> ReceiverView {
    let of = stored.value;
    ReceiverView {
        url: address(state, &of),
        id: of.id.to_string(),
        organization: of.organization.to_string(),
        app: of.app,
        description: of.description,
        enabled: of.enabled,
        has_secret: of.secret.is_some(),
        created: of.created.to_string(),
        version: stored.version,
    }
}

/// Where the app is to send its webhooks to.
pub(crate) fn address(state: &AppState, of: &HookReceiver) -> String {
    let path = format!("/api/v2/hooks/{}/{}", of.app, of.id);
    state.config.link(&path)
}

/// A receiver with the secret that was made for it.
#[derive(Serialize, ToSchema)]
pub struct ReceiverSecretView {
    /// To be set up in the app; it is not shown again. Null where the app has its own.
    secret: Option<String>,
    receiver: ReceiverView,
}

/// A receiver to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReceiverBody {
    /// Slug or id.
    organization: String,
    /// Name of the app's module.
    #[schema(example = "github")]
    app: String,
    #[serde(default)]
    description: String,
    /// What the app shows as its secret; left out, Gna makes one.
    #[serde(default)]
    secret: Option<String>,
}

/// What is to be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiverChange {
    #[serde(default)]
    enabled: Option<bool>,
    /// What is set up in the app now.
    #[serde(default)]
    secret: Option<String>,
}

/// A webhook that came.
#[derive(Serialize, ToSchema)]
pub struct ReceivedHookView {
    /// SHA-256 of the app's own id of it, or of its body where it has none.
    id: String,
    /// The app's name of what happened.
    event: Option<String>,
    content_type: Option<String>,
    /// As it was sent.
    body: String,
    #[schema(format = DateTime)]
    received: String,
}

impl From<Stored<ReceivedHook>> for ReceivedHookView {
    fn from(stored: Stored<ReceivedHook>) -> Self {
        let of = stored.value;
        Self {
            id: of.delivery,
            event: of.event,
            content_type: of.content_type,
            body: of.body,
            received: of.received.to_string(),
        }
    }
}

/// The work that follows.
#[derive(Serialize, ToSchema)]
pub struct RedispatchView {
    /// Its job, at `/api/v2/jobs/{job}`.
    job: String,
}

/// The receivers of an organization, oldest first. Needs `webhook.read`.
#[utoipa::path(get, path = "/api/v2/receivers", tag = "receivers", params(WebhookParams),
    responses((status = 200, body = ListView<ReceiverView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    auth: Auth,
    State(state): State<AppState>,
    mut params: Params,
) -> Result<Json<ListView<ReceiverView>>, Problem> {
    let organization = organization_of::<HookReceiver>(auth.ctx(), &mut params).await?;
    params.done()?;
    let all = receiver::list(auth.ctx(), organization).await?;
    let views = all.into_iter().map(|one| view(&state, one)).collect();
    Ok(Json(ListView::whole(views)))
}

/// Makes a receiver; a secret that Gna makes for it is shown this once. Needs `webhook.manage`.
#[utoipa::path(post, path = "/api/v2/receivers", tag = "receivers", request_body = NewReceiverBody,
    responses((status = 201, body = ReceiverSecretView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    State(state): State<AppState>,
    extract::Json(new): extract::Json<NewReceiverBody>,
) -> Result<(StatusCode, Json<ReceiverSecretView>), Problem> {
    let ctx = auth.ctx();
    let organization = named(ctx, &new.organization).await?;
    let wanted = NewReceiver {
        app: new.app,
        description: new.description,
        secret: new.secret.map(Secret::new),
    };
    let made = receiver::create(ctx, &state.hook_apps, organization.id, wanted).await?;
    let body = ReceiverSecretView {
        secret: made.secret.map(|secret| secret.expose().to_owned()),
        receiver: view(&state, made.receiver),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// One receiver.
#[utoipa::path(get, path = "/api/v2/receivers/{receiver}", tag = "receivers", params(("receiver" = String, Path)),
    responses((status = 200, body = ReceiverView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(
    auth: Auth,
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Json<ReceiverView>, Problem> {
    let id = id::<HookReceiver>(auth.ctx(), &text)?;
    Ok(Json(view(&state, receiver::get(auth.ctx(), id).await?)))
}

/// Switches a receiver on or off, or gives it the secret that is set up in the app now. Needs
/// `webhook.manage`.
#[utoipa::path(patch, path = "/api/v2/receivers/{receiver}", tag = "receivers", params(("receiver" = String, Path)), request_body = ReceiverChange,
    responses((status = 200, body = ReceiverView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update(
    auth: Auth,
    State(state): State<AppState>,
    Path(text): Path<String>,
    extract::Json(wanted): extract::Json<ReceiverChange>,
) -> Result<Json<ReceiverView>, Problem> {
    let ctx = auth.ctx();
    let id = id::<HookReceiver>(ctx, &text)?;
    let mut now = None;
    if let Some(secret) = wanted.secret {
        now = Some(receiver::set_secret(ctx, id, Secret::new(secret)).await?);
    }
    if let Some(on) = wanted.enabled {
        now = Some(receiver::switch(ctx, id, on).await?);
    }
    let now = match now {
        Some(now) => now,
        None => receiver::get(ctx, id).await?,
    };
    Ok(Json(view(&state, now)))
}

/// Removes a receiver with its secret. Needs `webhook.manage`.
#[utoipa::path(delete, path = "/api/v2/receivers/{receiver}", tag = "receivers", params(("receiver" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove(auth: Auth, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id = id::<HookReceiver>(auth.ctx(), &text)?;
    receiver::delete(auth.ctx(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What came to a receiver, kept for 30 days. Needs `webhook.read`.
#[utoipa::path(get, path = "/api/v2/receivers/{receiver}/received", tag = "receivers", params(("receiver" = String, Path), PageParams),
    responses((status = 200, body = ListView<ReceivedHookView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn received(
    auth: Auth,
    Path(text): Path<String>,
    mut params: Params,
) -> Result<Json<ListView<ReceivedHookView>>, Problem> {
    let id = id::<HookReceiver>(auth.ctx(), &text)?;
    let page = params.page()?;
    params.done()?;
    let page = log::list(auth.ctx(), id, page).await?;
    Ok(Json(ListView::page(page, ReceivedHookView::from)))
}

/// Does once more what follows from a webhook that came. Needs `webhook.manage`.
#[utoipa::path(post, path = "/api/v2/receivers/{receiver}/received/{delivery}/replay", tag = "receivers", params(("receiver" = String, Path), ("delivery" = String, Path)),
    responses((status = 202, body = RedispatchView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn replay(
    auth: Auth,
    Path((text, delivery)): Path<(String, String)>,
) -> Result<(StatusCode, Json<RedispatchView>), Problem> {
    let ctx = auth.ctx();
    let id = id::<HookReceiver>(ctx, &text)?;
    let job = log::replay(ctx, id, &delivery).await?.to_string();
    Ok((StatusCode::ACCEPTED, Json(RedispatchView { job })))
}
