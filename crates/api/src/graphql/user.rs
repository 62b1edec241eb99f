//! People: as others see them, and as administrators manage them.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::id::UserId;
use gna_domain::model;
use gna_domain::service::{session, token, user};

use super::connection::{List, Wish, cost, listed};
use super::loaders::{self, Shared};
use super::scalar::{DateTime, id, parse};
use super::token::ApiToken;
use crate::state::AppState;

pub struct Person(Shared<model::User>);

impl Person {
    /// The person, where there is one and the account still exists.
    pub async fn maybe(ctx: &Context<'_>, id: Option<UserId>) -> Result<Option<Self>> {
        let Some(id) = id else { return Ok(None) };
        Ok(loaders::of(ctx)?.load_one(id).await?.map(Self))
    }
}

/// A person as those who share a group with them see them.
#[Object]
impl Person {
    /// Their id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Their name.
    async fn name(&self) -> &str {
        &self.0.name
    }
}

pub struct User(pub model::User);

/// An account, as its owner, those who manage its roles and administrators see it.
#[Object]
impl User {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// The address it is signed in to with.
    async fn email(&self) -> &str {
        self.0.email.as_str()
    }
    /// The person's name.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Since when it is locked out.
    async fn disabled(&self) -> Option<DateTime> {
        self.0.disabled.map(Into::into)
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Its API tokens, newest first; for administrators.
    #[graphql(complexity = "100 * child_complexity")]
    async fn tokens(&self, ctx: &Context<'_>) -> Result<Vec<ApiToken>> {
        let tokens = token::list_of_user(ctx.data::<Ctx>()?, self.0.id).await?;
        Ok(tokens.into_iter().map(ApiToken).collect())
    }
}

#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// All accounts, by address; for administrators.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<User>> {
        let list = |ctx: Ctx, page| async move { user::list(&ctx, page).await };
        Ok(listed(ctx.data::<Ctx>()?, &Wish::new(first, after)?, list, User).await?)
    }

    /// An account by its id; for administrators.
    async fn user(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<User> {
        Ok(User(
            user::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?,
        ))
    }

    /// An account by its address; for administrators.
    async fn user_by_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] email: String,
    ) -> Result<User> {
        Ok(User(user::find(ctx.data::<Ctx>()?, &email).await?))
    }
}

/// A new account.
#[derive(InputObject)]
pub struct CreateUserInput {
    /// The address it is signed in to with.
    pub email: String,
    /// The person's name.
    pub name: String,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The account as it is now.
    pub user: User,
}

/// What came of it, with a way in that is shown this once.
#[derive(SimpleObject)]
pub struct UserLinkPayload {
    /// The account.
    pub user: User,
    /// One-time address at which its person sets a password.
    pub link: String,
}

/// That something was done which leaves nothing to show.
#[derive(SimpleObject)]
pub struct DonePayload {
    /// Always true.
    pub done: bool,
}

/// It is done.
pub const DONE: DonePayload = DonePayload { done: true };

fn link(ctx: &Context<'_>, secret: &gna_domain::secret::Secret) -> Result<String> {
    let config = &ctx.data::<AppState>()?.config;
    Ok(config.link(&format!("/reset/{}", secret.expose())))
}

#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Makes an account without a password, and the link by which its person sets one.
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] input: CreateUserInput,
    ) -> Result<UserLinkPayload> {
        let (made, secret) = user::create(ctx.data::<Ctx>()?, &input.email, &input.name).await?;
        let link = link(ctx, &secret)?;
        Ok(UserLinkPayload {
            user: User(made),
            link,
        })
    }
    /// Makes a link by which a person sets a new password; using it ends all their sessions.
    async fn create_password_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] user: ID,
    ) -> Result<UserLinkPayload> {
        let id = parse(&user, "user")?;
        let gna = ctx.data::<Ctx>()?;
        let secret = user::reset_link(gna, id).await?;
        let link = link(ctx, &secret)?;
        Ok(UserLinkPayload {
            user: User(user::get(gna, id).await?),
            link,
        })
    }
    /// Locks an account out at once.
    async fn disable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] user: ID,
    ) -> Result<UserPayload> {
        let changed = user::disable(ctx.data::<Ctx>()?, parse(&user, "user")?).await?;
        Ok(UserPayload {
            user: User(changed),
        })
    }
    /// Lets an account in again, with the roles it has.
    async fn enable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] user: ID,
    ) -> Result<UserPayload> {
        let changed = user::enable(ctx.data::<Ctx>()?, parse(&user, "user")?).await?;
        Ok(UserPayload {
            user: User(changed),
        })
    }
    /// Forgets the failed attempts to sign in to an account, so that its person need not wait; nothing happens
    /// where there are none.
    async fn unlock_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] user: ID,
    ) -> Result<UserPayload> {
        let unlocked = user::unlock(ctx.data::<Ctx>()?, parse(&user, "user")?).await?;
        Ok(UserPayload {
            user: User(unlocked),
        })
    }
    /// Deletes an account for good: sign-in, sessions, tokens and roles go, with name and address.
    /// What its person did stays under their id.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] user: ID,
    ) -> Result<DonePayload> {
        user::delete(ctx.data::<Ctx>()?, parse(&user, "user")?).await?;
        Ok(DONE)
    }
    /// Ends all sessions of an account; for administrators.
    async fn end_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] user: ID,
    ) -> Result<DonePayload> {
        session::revoke_all_of(ctx.data::<Ctx>()?, parse(&user, "user")?).await?;
        Ok(DONE)
    }
}
