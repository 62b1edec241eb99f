//! API tokens and sessions.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::service::token::NewToken;
use gna_domain::service::{session, token};

use super::enums::Role;
use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload};
use super::viewer::CurrentSession;

pub struct ApiToken(pub model::ApiToken);

/// How a program calls. Its secret was shown once, when it was made.
#[Object]
impl ApiToken {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// The first characters, by which people recognise it.
    async fn start(&self) -> &str {
        &self.0.start
    }
    /// Names of the actions it may do.
    async fn scopes(&self) -> &[String] {
        &self.0.scopes
    }
    /// The role of a group's token.
    async fn role(&self) -> Option<Role> {
        self.0.role.map(Into::into)
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Until when it works.
    async fn expires(&self) -> DateTime {
        self.0.expires.into()
    }
    /// Last use, to the hour.
    async fn used(&self) -> Option<DateTime> {
        self.0.used.map(Into::into)
    }
    /// Who made it.
    async fn made_by(&self) -> &str {
        &self.0.by
    }
}

pub struct Session(pub model::Session);

/// A signed-in browser.
#[Object]
impl Session {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Whether it is the one that asks.
    async fn current(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(ctx.data::<CurrentSession>()?.0 == Some(self.0.id))
    }
    /// When it began.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Last use, to the minute.
    async fn seen(&self) -> DateTime {
        self.0.seen.into()
    }
    /// When it ends at the latest.
    async fn expires(&self) -> DateTime {
        self.0.expires.into()
    }
    /// The address it came from.
    async fn address(&self) -> Option<String> {
        self.0.origin.address.map(|address| address.to_string())
    }
    /// What the browser says it is.
    async fn agent(&self) -> Option<&str> {
        self.0.origin.agent.as_deref()
    }
}

/// A token of one's own to make.
#[derive(InputObject)]
pub struct CreateTokenInput {
    /// 1 to 200 characters.
    pub name: String,
    /// Names of the actions it may do, where its owner may.
    pub scopes: Vec<String>,
    /// Until when it works; at most 366 days from now.
    pub expires: DateTime,
}

/// A token of a group to make.
#[derive(InputObject)]
pub struct CreateGroupTokenInput {
    /// Id of the group.
    pub group: ID,
    /// The role it has there.
    pub role: Role,
    /// 1 to 200 characters.
    pub name: String,
    /// Names of the actions it may do, where its role may.
    pub scopes: Vec<String>,
    /// Until when it works; at most 366 days from now.
    pub expires: DateTime,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct TokenPayload {
    /// The token.
    pub token: ApiToken,
    /// What is sent as `Authorization: Bearer …`. Shown this once.
    pub secret: String,
}

#[derive(Default)]
pub struct TokenMutation;

#[Object]
impl TokenMutation {
    /// Makes a token of one's own.
    async fn create_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: CreateTokenInput,
    ) -> Result<TokenPayload> {
        let wanted = NewToken {
            name: input.name,
            scopes: input.scopes,
            expires: input.expires.0,
        };
        let (secret, made) = token::create(ctx.data::<Ctx>()?, wanted).await?;
        Ok(TokenPayload {
            token: ApiToken(made),
            secret: secret.expose().to_owned(),
        })
    }
    /// Makes a token of someone else's; for the operator at the server's machine only.
    async fn create_token_for(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] user: ID,
        #[graphql(desc = "The token.")] input: CreateTokenInput,
    ) -> Result<TokenPayload> {
        let wanted = NewToken {
            name: input.name,
            scopes: input.scopes,
            expires: input.expires.0,
        };
        let owner = parse(&user, "user")?;
        let (secret, made) = token::create_for(ctx.data::<Ctx>()?, owner, wanted).await?;
        Ok(TokenPayload {
            token: ApiToken(made),
            secret: secret.expose().to_owned(),
        })
    }
    /// Makes a token of a group: it stays when whoever made it goes.
    async fn create_group_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: CreateGroupTokenInput,
    ) -> Result<TokenPayload> {
        let wanted = NewToken {
            name: input.name,
            scopes: input.scopes,
            expires: input.expires.0,
        };
        let group = parse(&input.group, "input.group")?;
        let gna = ctx.data::<Ctx>()?;
        let (secret, made) = token::create_for_group(gna, group, input.role.into(), wanted).await?;
        Ok(TokenPayload {
            token: ApiToken(made),
            secret: secret.expose().to_owned(),
        })
    }
    /// Ends a token at once.
    async fn revoke_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<DonePayload> {
        token::revoke(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }
    /// Ends one of one's own sessions.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<DonePayload> {
        session::revoke(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }
    /// Ends all of one's own sessions but the one that asks.
    async fn revoke_other_sessions(&self, ctx: &Context<'_>) -> Result<DonePayload> {
        let keep = ctx.data::<CurrentSession>()?.0;
        session::revoke_others(ctx.data::<Ctx>()?, keep).await?;
        Ok(DONE)
    }
}
