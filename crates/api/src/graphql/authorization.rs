//! Connecting an account: what it takes, and the end of it.

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::connect::module::AuthKind;
use gna_domain::secret::Secret;
use gna_domain::service::connect::authorize::{self, Begin, Complete, Completed, Requirements};
use gna_domain::service::connect::landing;

use super::entity::Entity;
use super::module::ConnectForm;
use super::scalar::parse;
use crate::state::AppState;

/// A connection to be made.
#[derive(InputObject)]
pub struct BeginAuthorizationInput {
    /// Id of the organization.
    pub organization: ID,
    /// Name of the module.
    pub module: String,
    /// For the organization instead of for the caller alone.
    pub shared: Option<bool>,
    /// The connection parameters, for apps that people are sent to and that ask for some first.
    pub connection: Option<Json<serde_json::Value>>,
    /// Id of the account to be connected again.
    pub entity: Option<ID>,
}

/// The end of a connection, or of one of its steps.
#[derive(InputObject)]
pub struct CompleteAuthorizationInput {
    /// Id of the organization.
    pub organization: ID,
    /// Name of the module.
    pub module: String,
    /// For the organization instead of for the caller alone.
    pub shared: Option<bool>,
    /// Id of the account to be connected again.
    pub entity: Option<ID>,
    /// What was given with the beginning, and the app gave back. It counts alone: the rest is as it was
    /// begun.
    pub state: Option<String>,
    /// `code`, or the fields of the form.
    pub data: Json<serde_json::Value>,
}

/// What a person has to do: go to `url`, or fill in `form`.
#[derive(SimpleObject)]
pub struct AuthorizationRequirements {
    /// How the app lets people in.
    auth: String,
    /// Where the person agrees; the app sends them back to this server with a code.
    url: Option<String>,
    /// What is to be filled in.
    form: Option<ConnectForm>,
    /// From 1.
    step: usize,
    /// How many steps there are.
    steps: usize,
    /// Names this connection for ten minutes, for the one call that ends it.
    state: Option<String>,
}

impl From<Requirements> for AuthorizationRequirements {
    fn from(requirements: Requirements) -> Self {
        match requirements {
            Requirements::Redirect { url, state } => Self {
                auth: AuthKind::Oauth2Code.name().to_owned(),
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
                auth: kind.to_owned(),
                url: None,
                form: Some(form.into()),
                step,
                steps,
                state: session.map(|session| session.expose().to_owned()),
            },
        }
    }
}

/// What has to be done.
#[derive(SimpleObject)]
pub struct BeginAuthorizationPayload {
    /// By the person who connects.
    requirements: AuthorizationRequirements,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct CompleteAuthorizationPayload {
    /// The account, where it is connected now.
    entity: Option<Entity>,
    /// Whether it was not known before.
    is_new: bool,
    /// What has to be done next, where there is a further step.
    next: Option<AuthorizationRequirements>,
}

#[derive(Default)]
pub struct AuthorizationMutation;

#[Object]
impl AuthorizationMutation {
    /// Begins to connect an account.
    async fn begin_authorization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be connected.")] input: BeginAuthorizationInput,
    ) -> Result<BeginAuthorizationPayload> {
        let apps = &ctx.data::<AppState>()?.apps;
        let entity = input.entity.map(|id| parse(&id, "input.entity"));
        let begin = Begin {
            organization: parse(&input.organization, "input.organization")?,
            module: input.module,
            shared: input.shared.unwrap_or(false),
            connection: input.connection.map(|json| json.0),
            entity: entity.transpose()?,
        };
        let begun = authorize::begin(ctx.data::<Ctx>()?, apps.as_ref(), begin).await?;
        Ok(BeginAuthorizationPayload {
            requirements: begun.into(),
        })
    }

    /// Ends a connection, or a step of it.
    async fn complete_authorization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the app gave back, or the person filled in.")]
        input: CompleteAuthorizationInput,
    ) -> Result<CompleteAuthorizationPayload> {
        let (gna, apps) = (ctx.data::<Ctx>()?, &ctx.data::<AppState>()?.apps);
        let entity = input.entity.map(|id| parse(&id, "input.entity"));
        let complete = Complete {
            organization: parse(&input.organization, "input.organization")?,
            module: input.module,
            shared: input.shared.unwrap_or(false),
            state: None,
            entity: entity.transpose()?,
            data: input.data.0,
        };
        let done = match input.state.map(Secret::new) {
            Some(state) => landing::complete(gna, apps.as_ref(), state, complete.data).await?,
            None => authorize::complete(gna, apps.as_ref(), complete).await?,
        };
        Ok(match done {
            Completed::Connected(connected) => CompleteAuthorizationPayload {
                entity: Some(Entity(connected.entity)),
                is_new: connected.is_new,
                next: None,
            },
            Completed::Next(next) => CompleteAuthorizationPayload {
                entity: None,
                is_new: false,
                next: Some(next.into()),
            },
        })
    }
}
