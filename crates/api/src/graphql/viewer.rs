//! Who asks.

use async_graphql::{Context, InputObject, Object, Result};
use gna_domain::Ctx;
use gna_domain::id::SessionId;
use gna_domain::model::Origin;
use gna_domain::secret::Secret;
use gna_domain::service::account::{self, ChangePassword, Me, MyGroup, MyOrganization};
use gna_domain::service::{session, token};

use super::enums::Role;
use super::group::Group;
use super::organization::Organization;
use super::token::{ApiToken, Session};
use super::user::{DONE, DonePayload, User, UserPayload};

/// The session that asks, if one does.
#[derive(Clone, Copy, Debug)]
pub struct CurrentSession(pub Option<SessionId>);

pub struct Viewer(Me);

/// Who asks and what they may do where.
#[Object]
impl Viewer {
    /// The person, or the owner of a personal token; null for a group's token.
    async fn user(&self) -> Option<User> {
        self.0.user.clone().map(User)
    }
    /// How the caller is written into history and audit.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// Names of the actions that the caller may do to the instance.
    async fn permissions(&self) -> &[&'static str] {
        &self.0.permissions
    }
    /// The organizations the caller has a part in, by slug.
    #[graphql(complexity = "10 * child_complexity")]
    async fn organizations(&self) -> Vec<ViewerOrganization> {
        self.0
            .organizations
            .iter()
            .cloned()
            .map(ViewerOrganization)
            .collect()
    }
    /// One's own API tokens, newest first; for people with a session.
    #[graphql(complexity = "100 * child_complexity")]
    async fn tokens(&self, ctx: &Context<'_>) -> Result<Vec<ApiToken>> {
        Ok(token::list(ctx.data::<Ctx>()?)
            .await?
            .into_iter()
            .map(ApiToken)
            .collect())
    }
    /// One's own sessions, newest first, 100 at most; for people with a session.
    #[graphql(complexity = "100 * child_complexity")]
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>> {
        Ok(session::list(ctx.data::<Ctx>()?)
            .await?
            .into_iter()
            .map(Session)
            .collect())
    }
}

pub struct ViewerOrganization(MyOrganization);

/// The caller's part in an organization.
#[Object]
impl ViewerOrganization {
    /// The organization.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Organization> {
        Organization::load(ctx, self.0.organization.id).await
    }
    /// The role; null for those who only have groups in it.
    async fn role(&self) -> Option<Role> {
        self.0.role.map(Into::into)
    }
    /// Names of the actions that the caller may do to it.
    async fn permissions(&self) -> &[&'static str] {
        &self.0.permissions
    }
    /// The caller's groups in it, by slug; an owner has all of them.
    #[graphql(complexity = "50 * child_complexity")]
    async fn groups(&self) -> Vec<ViewerGroup> {
        self.0.groups.iter().cloned().map(ViewerGroup).collect()
    }
}

pub struct ViewerGroup(MyGroup);

/// The caller's part in a group.
#[Object]
impl ViewerGroup {
    /// The group.
    async fn group(&self, ctx: &Context<'_>) -> Result<Group> {
        Group::load(ctx, self.0.group.id).await
    }
    /// The role; null where an owner acts without one of their own.
    async fn role(&self) -> Option<Role> {
        self.0.role.map(Into::into)
    }
    /// Names of the actions that the caller may do to it.
    async fn permissions(&self) -> &[&'static str] {
        &self.0.permissions
    }
}

#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who asks and what they may do where.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        Ok(Viewer(account::me(ctx.data::<Ctx>()?).await?))
    }
}

/// A new password of one's own.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The one that holds now.
    pub current: String,
    /// The one that is to hold.
    pub next: String,
}

#[derive(Default)]
pub struct ViewerMutation;

#[Object]
impl ViewerMutation {
    /// Changes one's own name.
    async fn rename_viewer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "1 to 200 characters.")] name: String,
    ) -> Result<UserPayload> {
        let changed = account::rename(ctx.data::<Ctx>()?, &name).await?;
        Ok(UserPayload {
            user: User(changed),
        })
    }
    /// Changes one's own password; all other sessions end.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The passwords.")] input: ChangePasswordInput,
    ) -> Result<DonePayload> {
        let change = ChangePassword {
            current: Secret::new(input.current),
            next: Secret::new(input.next),
            keep: ctx.data::<CurrentSession>()?.0,
            origin: ctx.data::<Origin>()?.clone(),
        };
        account::change_password(ctx.data::<Ctx>()?, change).await?;
        Ok(DONE)
    }
}
