//! Modules: the external apps that accounts can be connected with.

use async_graphql::{Context, Json, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::connect::module::{self as definition, AuthKind};
use gna_domain::connect::recipe;
use gna_domain::service::connect::module::{self, Known};

use crate::state::AppState;

/// A form, for a client that draws it.
#[derive(SimpleObject)]
pub struct ConnectForm {
    /// JSON Schema of what is filled in.
    json_schema: Json<serde_json::Value>,
    /// A layout in the style of JSON Forms.
    ui_schema: Json<serde_json::Value>,
    /// What is filled in now.
    data: Option<Json<serde_json::Value>>,
}

impl From<recipe::Form> for ConnectForm {
    fn from(form: recipe::Form) -> Self {
        Self {
            json_schema: Json(form.schema),
            ui_schema: Json(form.ui),
            data: (!form.data.is_null()).then_some(Json(form.data)),
        }
    }
}

impl From<definition::Form> for ConnectForm {
    fn from(form: definition::Form) -> Self {
        Self {
            json_schema: Json(form.json_schema),
            ui_schema: Json(form.ui_schema),
            data: None,
        }
    }
}

pub struct Module(pub Known);

/// An app that accounts can be connected with.
#[Object]
impl Module {
    /// By which it is named everywhere.
    async fn name(&self) -> &str {
        self.0.module.name.as_str()
    }
    /// Its name for people.
    async fn label(&self) -> &str {
        &self.0.module.display.label
    }
    /// One sentence.
    async fn description(&self) -> &str {
        &self.0.module.display.description
    }
    /// What it is for, for people.
    async fn category(&self) -> &str {
        self.0.module.display.category.label()
    }
    /// Where a person reads more.
    async fn details_url(&self) -> &str {
        &self.0.module.display.details_url
    }
    /// Address of an image, or a name that clients know.
    async fn icon(&self) -> Option<&str> {
        self.0.module.display.icon.as_deref()
    }
    /// How it lets people in: `oauth2_code`, `oauth2_client_credentials`, `oauth2_password`, `api_key`,
    /// `basic`, `jwt_app`, `multi_step` or `none`.
    async fn auth(&self) -> &str {
        self.0.module.auth.kind().name()
    }
    /// How many forms it takes.
    async fn steps(&self) -> usize {
        self.0.module.auth.steps()
    }
    /// False where the operator has to register this server with the app first.
    async fn ready(&self) -> bool {
        self.0.is_ready
    }
    /// The first form; null where there is nothing to fill in.
    async fn form(&self) -> Option<ConnectForm> {
        self.0.module.form(0).map(Into::into)
    }
    /// Where the app sends people back to, for its registration; null where it does not.
    async fn redirect_uri(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        if self.0.module.auth.kind() != AuthKind::Oauth2Code {
            return Ok(None);
        }
        let apps = &ctx.data::<AppState>()?.apps;
        Ok(Some(apps.redirect_uri(&self.0.module)))
    }
    /// Whether something can be chosen in a connected account.
    async fn has_options(&self) -> bool {
        self.0.module.entity_options.is_some()
    }
    /// Names of what can be done in it.
    async fn operations(&self) -> Vec<&str> {
        self.0
            .module
            .operations
            .keys()
            .map(String::as_str)
            .collect()
    }
}

#[derive(Default)]
pub struct ModuleQuery;

#[Object]
impl ModuleQuery {
    /// The apps that accounts can be connected with, by name: the same for everybody who is known.
    async fn modules(&self, ctx: &Context<'_>) -> Result<Vec<Module>> {
        let apps = &ctx.data::<AppState>()?.apps;
        let all = module::list(ctx.data::<Ctx>()?, apps.as_ref())?;
        Ok(all.into_iter().map(Module).collect())
    }

    /// One of them.
    async fn module(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its name.")] name: String,
    ) -> Result<Module> {
        let apps = &ctx.data::<AppState>()?.apps;
        let found = module::get(ctx.data::<Ctx>()?, apps.as_ref(), &name)?;
        Ok(Module(found))
    }
}
