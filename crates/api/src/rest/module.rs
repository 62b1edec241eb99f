//! Modules: the external apps that accounts can be connected with.

use axum::Json;
use axum::extract::{Path, State};
use gna_domain::connect::module::{AuthKind, Form};
use gna_domain::service::connect::module::{self, Known};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::view::{ListView, ProblemView};
use crate::auth::Auth;
use crate::problem::Problem;
use crate::state::AppState;

/// An app that accounts can be connected with.
#[derive(Serialize, ToSchema)]
pub struct ModuleView {
    #[schema(example = "github")]
    name: String,
    label: String,
    description: String,
    #[schema(example = "Issue trackers and code hosts")]
    category: &'static str,
    /// Where a person reads more.
    details_url: String,
    /// Address of an image, or a name that clients know.
    icon: Option<String>,
    /// `oauth2_code`, `oauth2_client_credentials`, `oauth2_password`, `api_key`, `basic`, `jwt_app`,
    /// `multi_step` or `none`.
    #[schema(example = "oauth2_code")]
    auth: &'static str,
    /// How many forms it takes.
    steps: usize,
    /// False where the operator has to register this server with the app first.
    ready: bool,
}

/// A form, for a client that draws it.
#[derive(Serialize, ToSchema)]
pub struct FormView {
    #[schema(value_type = Object)]
    json_schema: Value,
    /// A layout in the style of JSON Forms.
    #[schema(value_type = Object)]
    ui_schema: Value,
}

impl From<Form> for FormView {
    fn from(form: Form) -> Self {
        Self {
            json_schema: form.json_schema,
            ui_schema: form.ui_schema,
        }
    }
}

/// A thing that can be done in the app.
#[derive(Serialize, ToSchema)]
pub struct OperationView {
    #[schema(example = "create_issue")]
    name: String,
    description: String,
}

/// An app in full.
#[derive(Serialize, ToSchema)]
pub struct ModuleDetailView {
    #[serde(flatten)]
    module: ModuleView,
    /// The first form; null where there is nothing to fill in.
    form: Option<FormView>,
    /// Where the app sends people back to, for its registration; null where it does not.
    redirect_uri: Option<String>,
    /// Whether something can be chosen in a connected account.
    has_options: bool,
    /// Whether the app's webhooks can be checked.
    has_webhook: bool,
    operations: Vec<OperationView>,
}

impl From<&Known> for ModuleView {
    fn from(known: &Known) -> Self {
        let module = &known.module;
        Self {
            name: module.name.to_string(),
            label: module.display.label.clone(),
            description: module.display.description.clone(),
            category: module.display.category.label(),
            details_url: module.display.details_url.clone(),
            icon: module.display.icon.clone(),
            auth: module.auth.kind().name(),
            steps: module.auth.steps(),
            ready: known.is_ready,
        }
    }
}

/// All apps, by name. Needs a token or session.
#[utoipa::path(get, path = "/api/v2/modules", tag = "modules",
    responses((status = 200, body = ListView<ModuleView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn list(
    State(state): State<AppState>,
    auth: Auth,
) -> Result<ListView<ModuleView>, Problem> {
    let all = module::list(auth.ctx(), state.apps.as_ref())?;
    Ok(ListView::whole(all.iter().map(ModuleView::from).collect()))
}

/// One app. Needs a token or session.
#[utoipa::path(get, path = "/api/v2/modules/{module}", tag = "modules", params(("module" = String, Path)),
    responses((status = 200, body = ModuleDetailView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
pub async fn show(
    State(state): State<AppState>,
    auth: Auth,
    Path(name): Path<String>,
) -> Result<Json<ModuleDetailView>, Problem> {
    let known = module::get(auth.ctx(), state.apps.as_ref(), &name)?;
    let of = &known.module;
    let is_redirected = of.auth.kind() == AuthKind::Oauth2Code;
    let operations = of.operations.iter();
    Ok(Json(ModuleDetailView {
        module: (&known).into(),
        form: of.form(0).map(Into::into),
        redirect_uri: is_redirected.then(|| state.apps.redirect_uri(of)),
        has_options: of.entity_options.is_some(),
        has_webhook: of.webhook.is_some(),
        operations: operations
            .map(|(name, operation)| OperationView {
                name: name.clone(),
                description: operation.description.clone(),
            })
            .collect(),
    }))
}
