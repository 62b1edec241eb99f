//! Shapes of answers.

use gna_domain::connect::ConnectedEntity;
use gna_domain::connect::integration::Integration;
use gna_domain::connect::module::{AuthKind, Form};
use gna_domain::service::connect::authorize::{Completed, Requirements};
use gna_domain::service::connect::credential::Masked;
use gna_domain::service::connect::entity::Choice;
use gna_domain::service::connect::module::Known;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// An error.
#[derive(Serialize, ToSchema)]
pub struct FaultView {
    error: FaultDetailView,
}

/// What is wrong.
#[derive(Serialize, ToSchema)]
pub struct FaultDetailView {
    #[schema(example = "not_found")]
    code: String,
    message: String,
    #[schema(value_type = Option<Object>)]
    details: Option<Value>,
}

/// Frigg's name of a kind of authorisation, in its v2.
fn auth_type(kind: &str) -> &'static str {
    match kind {
        kind if kind == AuthKind::Oauth2Code.name() => "oauth2",
        kind if kind == AuthKind::ApiKey.name() => "api-key",
        kind if kind == AuthKind::Basic.name() => "basic",
        _ => "form",
    }
}

/// What a form consists of, or where to go.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequirementsData {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    json_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    ui_schema: Option<Value>,
}

impl From<&Form> for RequirementsData {
    fn from(form: &Form) -> Self {
        Self {
            url: None,
            json_schema: Some(form.json_schema.clone()),
            ui_schema: Some(form.ui_schema.clone()),
        }
    }
}

/// What a person has to do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequirementsView {
    /// `oauth2`, `form`, `api-key` or `basic`.
    #[schema(example = "oauth2")]
    r#type: &'static str,
    step: usize,
    total_steps: usize,
    is_multi_step: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    data: RequirementsData,
}

impl From<&Requirements> for RequirementsView {
    fn from(required: &Requirements) -> Self {
        match required {
            Requirements::Redirect { url, .. } => Self {
                r#type: "oauth2",
                step: 1,
                total_steps: 1,
                is_multi_step: false,
                url: Some(url.clone()),
                session_id: None,
                data: RequirementsData {
                    url: Some(url.clone()),
                    json_schema: None,
                    ui_schema: None,
                },
            },
            Requirements::Form {
                kind,
                step,
                steps,
                form,
                session,
            } => Self {
                r#type: auth_type(kind),
                step: *step,
                total_steps: *steps,
                is_multi_step: *steps > 1,
                url: None,
                session_id: session.as_ref().map(|session| session.expose().to_owned()),
                data: form.into(),
            },
        }
    }
}

/// The same in v1.
pub fn v1_requirements(required: &Requirements) -> Value {
    match required {
        Requirements::Redirect { url, .. } => json!({ "url": url, "type": "oauth2" }),
        Requirements::Form {
            kind,
            form,
            session,
            ..
        } => {
            let kind = match auth_type(kind) {
                "api-key" => "apiKey",
                other => other,
            };
            let mut body =
                json!({ "url": null, "type": kind, "data": RequirementsData::from(form) });
            if let (Some(session), Some(body)) = (session, body.as_object_mut()) {
                body.insert("sessionId".to_owned(), session.expose().into());
            }
            body
        }
    }
}

/// What came of it: an account, or the next step.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompletedView {
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<String>,
    /// Name of the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requirements: Option<RequirementsView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

impl From<&Completed> for CompletedView {
    fn from(done: &Completed) -> Self {
        match done {
            Completed::Connected(connected) => Self {
                entity_id: Some(connected.entity.id.to_string()),
                credential_id: Some(connected.credential.id.to_string()),
                r#type: Some(connected.entity.module.to_string()),
                name: Some(connected.entity.name.clone()),
                next_step: None,
                session_id: None,
                requirements: None,
                message: None,
            },
            Completed::Next(required) => {
                let requirements = RequirementsView::from(required);
                Self {
                    entity_id: None,
                    credential_id: None,
                    r#type: None,
                    name: None,
                    next_step: Some(requirements.step),
                    session_id: requirements.session_id.clone(),
                    requirements: Some(requirements),
                    message: Some("one more step"),
                }
            }
        }
    }
}

/// The same in v1.
pub fn v1_completed(done: &Completed) -> Value {
    match done {
        Completed::Connected(connected) => json!({
            "credential_id": connected.credential.id.to_string(),
            "entity_id": connected.entity.id.to_string(),
            "type": connected.entity.module.as_str(),
        }),
        Completed::Next(_) => json!(CompletedView::from(done)),
    }
}

/// A connected account.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntityView {
    id: String,
    /// Name of the module.
    #[schema(example = "github")]
    r#type: String,
    /// As the app calls the account.
    name: String,
    /// The app's own id of the account.
    external_id: String,
    credential_id: String,
    /// Id of the person it belongs to, or `organization`.
    user_id: String,
    #[schema(format = DateTime)]
    date_created: String,
    #[schema(format = DateTime)]
    date_updated: String,
}

impl From<&ConnectedEntity> for EntityView {
    fn from(entity: &ConnectedEntity) -> Self {
        Self {
            id: entity.id.to_string(),
            r#type: entity.module.to_string(),
            name: entity.name.clone(),
            external_id: entity.external_id.clone(),
            credential_id: entity.credential.to_string(),
            user_id: entity.owner.to_string(),
            date_created: entity.created.to_string(),
            date_updated: entity.updated.to_string(),
        }
    }
}

impl EntityView {
    /// An account that an integration joins and that is no longer connected.
    pub fn lost(id: String, module: String, of: &Integration) -> Self {
        Self {
            id,
            r#type: module,
            name: "no longer connected".to_owned(),
            external_id: String::new(),
            credential_id: String::new(),
            user_id: of.owner.to_string(),
            date_created: of.created.to_string(),
            date_updated: of.updated.to_string(),
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The same in v1, which shows an account as its database has it: with other names of the same. Where it
/// shows one alone, `_id` is the only name of the id (`@friggframework/core` 1.1.7).
pub fn v1_entity(entity: &EntityView) -> Value {
    let mut body = json!(entity);
    if let Some(body) = body.as_object_mut() {
        for (name, value) in [
            ("_id", &entity.id),
            ("credential", &entity.credential_id),
            ("user", &entity.user_id),
            ("subType", &entity.r#type),
            ("createdAt", &entity.date_created),
            ("updatedAt", &entity.date_updated),
        ] {
            body.insert(name.to_owned(), value.clone().into());
        }
    }
    body
}

/// A page of connected accounts.
#[derive(Serialize, ToSchema)]
pub struct EntitiesView {
    pub entities: Vec<EntityView>,
    /// Continues after this page, as `after`; null where nothing follows.
    pub next: Option<String>,
}

/// Something to choose in an account.
#[derive(Serialize, ToSchema)]
pub struct OptionView {
    #[schema(value_type = Object)]
    r#const: Value,
    title: String,
}

impl From<Choice> for OptionView {
    fn from(choice: Choice) -> Self {
        Self {
            r#const: choice.value,
            title: choice.title,
        }
    }
}

/// A field of a credential; its value is never shown.
#[derive(Serialize, ToSchema)]
pub struct CredentialFieldView {
    name: String,
    secret: bool,
}

/// The secrets of a connected account: what is known of them, never what they are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialView {
    id: String,
    /// Name of the module.
    #[schema(example = "github")]
    r#type: String,
    external_id: String,
    /// Id of the person it belongs to, or `organization`.
    user_id: String,
    auth_is_valid: bool,
    /// What to do while it is not valid.
    message: Option<String>,
    /// Null where the app did not say.
    #[schema(format = DateTime)]
    access_token_expires: Option<String>,
    /// When it was renewed last.
    #[schema(format = DateTime)]
    date_issued: String,
    entity_count: usize,
    entity_ids: Vec<String>,
    fields: Vec<CredentialFieldView>,
    #[schema(format = DateTime)]
    date_created: String,
    #[schema(format = DateTime)]
    date_updated: String,
}

impl From<Masked> for CredentialView {
    fn from(masked: Masked) -> Self {
        let Masked { credential, fields } = masked;
        let fields = fields.into_iter();
        Self {
            id: credential.id.to_string(),
            r#type: credential.module.to_string(),
            external_id: credential.external_id,
            user_id: credential.owner.to_string(),
            auth_is_valid: credential.valid,
            message: credential.message,
            access_token_expires: credential.access_expires.map(|at| at.to_string()),
            date_issued: credential.issued.to_string(),
            entity_count: credential.entities.len(),
            entity_ids: credential
                .entities
                .iter()
                .map(ToString::to_string)
                .collect(),
            fields: fields
                .map(|(name, secret)| CredentialFieldView { name, secret })
                .collect(),
            date_created: credential.created.to_string(),
            date_updated: credential.updated.to_string(),
        }
    }
}

/// A page of credentials.
#[derive(Serialize, ToSchema)]
pub struct CredentialsView {
    pub credentials: Vec<CredentialView>,
    /// Continues after this page, as `after`; null where nothing follows.
    pub next: Option<String>,
}

/// A kind of account: an app.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypeView {
    /// Name of the module.
    #[schema(example = "github")]
    r#type: String,
    name: String,
    description: String,
    category: &'static str,
    details_url: String,
    icon: Option<String>,
    /// `oauth2`, `form`, `api-key` or `basic`.
    #[schema(example = "oauth2")]
    auth_type: &'static str,
    step_count: usize,
    is_multi_step: bool,
}

impl From<&Known> for TypeView {
    fn from(known: &Known) -> Self {
        let module = &known.module;
        let steps = module.auth.steps();
        Self {
            r#type: module.name.to_string(),
            name: module.display.label.clone(),
            description: module.display.description.clone(),
            category: module.display.category.label(),
            details_url: module.display.details_url.clone(),
            icon: module.display.icon.clone(),
            auth_type: auth_type(module.auth.kind().name()),
            step_count: steps,
            is_multi_step: steps > 1,
        }
    }
}

/// All kinds of accounts.
#[derive(Serialize, ToSchema)]
pub struct TypesView {
    pub types: Vec<TypeView>,
}
