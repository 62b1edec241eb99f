//! Webhooks out: the endpoints of an organization, and what became of each message.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use gna_domain::id::OrganizationId;
use gna_domain::model::{Attempt, Delivery, DeliveryState, Endpoint, Level};
use gna_domain::page::Cursor;
use gna_domain::port::store::Stored;
use gna_domain::secret::Secret;
use gna_domain::service::webhook::delivery;
use gna_domain::service::webhook::endpoint::{self, EndpointChange, NewEndpoint};
use gna_domain::time::Timestamp;
use gna_domain::{Ctx, Error};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::organization::named;
use super::view::{ListView, PageParams, ProblemView};
use crate::auth::Auth;
use crate::extract::{self, Params, change, id, said};
use crate::problem::Problem;

/// An address that events are sent to, without its secret.
#[derive(Serialize, ToSchema)]
pub struct WebhookView {
    id: String,
    organization: String,
    url: String,
    description: String,
    /// Types of events; all if empty.
    events: Vec<String>,
    /// Ids of groups; all if empty.
    groups: Vec<String>,
    /// Only vulnerabilities that are at least so severe.
    #[schema(value_type = Option<String>, example = "HIGH")]
    min_level: Option<Level>,
    /// Only events of which it is true, in CEL (docs/WEBHOOKS.md).
    #[schema(example = "vulnerability.severity.score >= 7.0")]
    condition: Option<String>,
    /// Since when messages are sent of which it can't be said whether the condition is true.
    #[schema(format = DateTime)]
    condition_failing_since: Option<String>,
    enabled: bool,
    /// Why Gna switched it off.
    disabled_reason: Option<String>,
    /// Since when nothing has been taken.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// Until then messages are signed with the old secret, too.
    #[schema(format = DateTime)]
    old_secret_until: Option<String>,
    #[schema(format = DateTime)]
    created: String,
    version: u64,
}

impl From<Stored<Endpoint>> for WebhookView {
    fn from(stored: Stored<Endpoint>) -> Self {
        let of = stored.value;
        Self {
            id: of.id.to_string(),
            organization: of.organization.to_string(),
            url: of.url,
            description: of.description,
            events: of.events,
            groups: of.groups.iter().map(ToString::to_string).collect(),
            min_level: of.min_level,
            condition: of.condition,
            condition_failing_since: of.condition_failing_since.map(|at| at.to_string()),
            enabled: of.enabled,
            disabled_reason: of.disabled_reason,
            failing_since: of.failing_since.map(|at| at.to_string()),
            old_secret_until: of.old_secret.map(|old| old.until.to_string()),
            created: of.created.to_string(),
            version: stored.version,
        }
    }
}

/// An endpoint with its new secret.
#[derive(Serialize, ToSchema)]
pub struct WebhookSecretView {
    /// Messages are signed with it; it is not shown again.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    webhook: WebhookView,
}

fn with_secret((secret, stored): (Secret, Stored<Endpoint>)) -> Json<WebhookSecretView> {
    Json(WebhookSecretView {
        secret: secret.expose().to_owned(),
        webhook: stored.into(),
    })
}

/// One try to send a message.
#[derive(Serialize, ToSchema)]
pub struct AttemptView {
    #[schema(format = DateTime)]
    at: String,
    /// What was answered, where something was.
    status: Option<u16>,
    /// Milliseconds until the answer or the failure.
    ms: i64,
    error: Option<String>,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            at: attempt.at.to_string(),
            status: attempt.status,
            ms: attempt.ms,
            error: attempt.error,
        }
    }
}

/// One event for one endpoint.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    /// Goes with the message as `webhook-id`.
    id: String,
    #[schema(example = "vulnerability.created")]
    event: String,
    /// `PENDING`, `DELIVERED` or `FAILED`.
    #[schema(value_type = String, example = "DELIVERED")]
    state: DeliveryState,
    /// How many tries there were in all.
    tries: u32,
    /// The last 20.
    attempts: Vec<AttemptView>,
    #[schema(format = DateTime)]
    next: Option<String>,
    /// Why the endpoint's condition could not be asked, where it could not: the message is sent.
    condition_error: Option<String>,
    /// The message as it is sent, JSON as text.
    body: String,
    #[schema(format = DateTime)]
    created: String,
}

impl From<Stored<Delivery>> for DeliveryView {
    fn from(stored: Stored<Delivery>) -> Self {
        let of = stored.value;
        Self {
            id: of.id.to_string(),
            event: of.event,
            state: of.state,
            tries: of.tries,
            attempts: of.attempts.into_iter().map(AttemptView::from).collect(),
            next: of.next.map(|at| at.to_string()),
            condition_error: of.condition_error,
            body: of.body,
            created: of.created.to_string(),
        }
    }
}

/// An endpoint to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Slug or id.
    organization: String,
    #[schema(example = "https://example.com/hooks/gna")]
    url: String,
    #[serde(default)]
    description: String,
    /// Types of events (docs/WEBHOOKS.md); all if left out.
    #[serde(default)]
    events: Vec<String>,
    /// Ids of groups; all if left out.
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    min_level: Option<Level>,
    /// Only events of which it is true, in CEL (docs/WEBHOOKS.md).
    #[serde(default)]
    condition: Option<String>,
}

/// What is to be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    groups: Option<Vec<String>>,
    /// null: of any severity.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    min_level: Option<Option<Level>>,
    /// Only events of which it is true, in CEL (docs/WEBHOOKS.md); null: all.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    condition: Option<Option<String>>,
    /// Switched on again it starts with a clean record.
    #[serde(default)]
    enabled: Option<bool>,
}

/// From when on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayBody {
    /// RFC 3339.
    #[schema(format = DateTime)]
    since: String,
    /// To go on: `next` of the answer before.
    #[serde(default)]
    after: Option<String>,
}

/// How many.
#[derive(Serialize, ToSchema)]
pub struct ReplayView {
    /// Messages that are sent once more.
    messages: usize,
    /// There may be more: call again with it as `after`.
    next: Option<String>,
}

/// Whose endpoints.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct WebhookParams {
    /// Slug or id.
    organization: String,
}

fn ids<I: gna_domain::id::TypedId>(texts: &[String], field: &str) -> Result<Vec<I>, Error> {
    let read = |text: &String| text.parse().map_err(|error: Error| error.on_field(field));
    texts.iter().map(read).collect()
}

/// The organization that the parameters name; where nobody is known, that is said first.
pub(super) async fn organization_of<E: gna_domain::port::Entity>(
    ctx: &Ctx,
    params: &mut Params,
) -> Result<OrganizationId, Error> {
    let name = params.one("organization")?;
    let name = match name {
        Some(name) => name,
        None if ctx.actor == gna_domain::Actor::Anonymous => return Err(ctx.absent::<E>()),
        None => {
            return Err(Error::invalid(
                "organization.required",
                "say which organization: its slug or id",
            )
            .on_field("organization"));
        }
    };
    Ok(named(ctx, &name).await?.id)
}

/// The endpoints of an organization, oldest first. Needs `webhook.read`.
#[utoipa::path(get, path = "/api/v2/webhooks", tag = "webhooks", params(WebhookParams),
    responses((status = 200, body = ListView<WebhookView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(auth: Auth, mut params: Params) -> Result<Json<ListView<WebhookView>>, Problem> {
    let organization = organization_of::<Endpoint>(auth.ctx(), &mut params).await?;
    params.done()?;
    let all = endpoint::list(auth.ctx(), organization).await?;
    let views = all.into_iter().map(WebhookView::from).collect();
    Ok(Json(ListView::whole(views)))
}

/// Makes an endpoint; its secret is shown this once. Needs `webhook.manage`.
#[utoipa::path(post, path = "/api/v2/webhooks", tag = "webhooks", request_body = NewWebhook,
    responses((status = 201, body = WebhookSecretView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn create(
    auth: Auth,
    extract::Json(new): extract::Json<NewWebhook>,
) -> Result<(StatusCode, Json<WebhookSecretView>), Problem> {
    let ctx = auth.ctx();
    let organization = named(ctx, &new.organization).await?;
    let wanted = NewEndpoint {
        url: new.url,
        description: new.description,
        events: new.events,
        groups: ids(&new.groups, "groups")?,
        min_level: new.min_level,
        condition: new.condition,
    };
    let made = endpoint::create(ctx, organization.id, wanted).await?;
    Ok((StatusCode::CREATED, with_secret(made)))
}

/// One endpoint.
#[utoipa::path(get, path = "/api/v2/webhooks/{webhook}", tag = "webhooks", params(("webhook" = String, Path)),
    responses((status = 200, body = WebhookView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(auth: Auth, Path(text): Path<String>) -> Result<Json<WebhookView>, Problem> {
    let id = id::<Endpoint>(auth.ctx(), &text)?;
    Ok(Json(endpoint::get(auth.ctx(), id).await?.into()))
}

/// Changes an endpoint. Needs `webhook.manage`.
#[utoipa::path(patch, path = "/api/v2/webhooks/{webhook}", tag = "webhooks", params(("webhook" = String, Path)), request_body = WebhookChange,
    responses((status = 200, body = WebhookView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn update(
    auth: Auth,
    Path(text): Path<String>,
    extract::Json(wanted): extract::Json<WebhookChange>,
) -> Result<Json<WebhookView>, Problem> {
    let id = id::<Endpoint>(auth.ctx(), &text)?;
    let next = EndpointChange {
        url: wanted.url,
        description: wanted.description,
        events: wanted.events,
        groups: wanted
            .groups
            .map(|groups| ids(&groups, "groups"))
            .transpose()?,
        min_level: change(wanted.min_level),
        condition: change(wanted.condition),
        enabled: wanted.enabled,
    };
    Ok(Json(endpoint::update(auth.ctx(), id, next).await?.into()))
}

/// Removes an endpoint with its secret. Needs `webhook.manage`.
#[utoipa::path(delete, path = "/api/v2/webhooks/{webhook}", tag = "webhooks", params(("webhook" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn remove(auth: Auth, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id = id::<Endpoint>(auth.ctx(), &text)?;
    endpoint::delete(auth.ctx(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an endpoint a new secret, shown this once; the old one signs too for a day. Needs
/// `webhook.manage`.
#[utoipa::path(post, path = "/api/v2/webhooks/{webhook}/rotate", tag = "webhooks", params(("webhook" = String, Path)),
    responses((status = 200, body = WebhookSecretView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn rotate(
    auth: Auth,
    Path(text): Path<String>,
) -> Result<Json<WebhookSecretView>, Problem> {
    let id = id::<Endpoint>(auth.ctx(), &text)?;
    Ok(with_secret(endpoint::rotate(auth.ctx(), id).await?))
}

/// Sends a message of the type `webhook.test`. Needs `webhook.manage`.
#[utoipa::path(post, path = "/api/v2/webhooks/{webhook}/test", tag = "webhooks", params(("webhook" = String, Path)),
    responses((status = 202, body = DeliveryView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn test(
    auth: Auth,
    Path(text): Path<String>,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    let id = id::<Endpoint>(auth.ctx(), &text)?;
    let sent = delivery::test(auth.ctx(), id).await?;
    Ok((StatusCode::ACCEPTED, Json(sent.into())))
}

/// What was and is to be sent, newest first; kept for 30 days. Needs `webhook.read`.
#[utoipa::path(get, path = "/api/v2/webhooks/{webhook}/deliveries", tag = "webhooks", params(("webhook" = String, Path), PageParams),
    responses((status = 200, body = ListView<DeliveryView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn deliveries(
    auth: Auth,
    Path(text): Path<String>,
    mut params: Params,
) -> Result<Json<ListView<DeliveryView>>, Problem> {
    let id = id::<Endpoint>(auth.ctx(), &text)?;
    let page = params.page()?;
    params.done()?;
    let page = delivery::list(auth.ctx(), id, page).await?;
    Ok(Json(ListView::page(page, DeliveryView::from)))
}

/// Sends a message once more, as it was. Needs `webhook.manage`.
#[utoipa::path(post, path = "/api/v2/webhooks/{webhook}/deliveries/{delivery}/replay", tag = "webhooks", params(("webhook" = String, Path), ("delivery" = String, Path)),
    responses((status = 202, body = DeliveryView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn replay(
    auth: Auth,
    Path((webhook, text)): Path<(String, String)>,
) -> Result<(StatusCode, Json<DeliveryView>), Problem> {
    let ctx = auth.ctx();
    let endpoint = id::<Endpoint>(ctx, &webhook)?;
    let delivery = text.parse().map_err(|_| ctx.absent::<Delivery>())?;
    let sent = delivery::replay(ctx, endpoint, delivery).await?;
    Ok((StatusCode::ACCEPTED, Json(sent.into())))
}

/// Sends what failed since a time once more; looks at up to 1,000 messages per call. Needs `webhook.manage`.
#[utoipa::path(post, path = "/api/v2/webhooks/{webhook}/replay", tag = "webhooks", params(("webhook" = String, Path)), request_body = ReplayBody,
    responses((status = 202, body = ReplayView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn replay_failed(
    auth: Auth,
    Path(text): Path<String>,
    extract::Json(body): extract::Json<ReplayBody>,
) -> Result<(StatusCode, Json<ReplayView>), Problem> {
    let id = id::<Endpoint>(auth.ctx(), &text)?;
    let since = Timestamp::parse(&body.since).map_err(|error| error.on_field("since"))?;
    let after = body.after.map(Cursor);
    let replayed = delivery::replay_failed(auth.ctx(), id, since, after).await?;
    let view = ReplayView {
        messages: replayed.messages,
        next: replayed.next.map(|next| next.0),
    };
    Ok((StatusCode::ACCEPTED, Json(view)))
}
