//! Members and invitations.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::error::Error;
use gna_domain::model::{self, Email, Scope};
use gna_domain::secret::Secret;
use gna_domain::service::{invitation, member};

use super::enums::Role;
use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload, User};
use crate::state::AppState;

pub struct Member(pub member::Member);

/// A role that someone holds, with who they are.
#[Object]
impl Member {
    /// Who.
    async fn user(&self) -> User {
        User(self.0.user.clone())
    }
    /// The role.
    async fn role(&self) -> Role {
        self.0.membership.role.into()
    }
    /// Where: `instance`, or the id of the organization or group.
    async fn place(&self) -> ID {
        ID(self.0.membership.scope.to_string())
    }
    /// Since when.
    async fn created(&self) -> DateTime {
        self.0.membership.created.into()
    }
    /// Who gave it: a user's or a token's id, or `local-operator`.
    async fn given_by(&self) -> &str {
        &self.0.membership.by
    }
}

pub struct Invitation(pub model::Invitation);

/// A single-use way in. Its link was shown once, when it was made.
#[Object]
impl Invitation {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Where to: the id of the organization or group.
    async fn place(&self) -> ID {
        ID(self.0.scope.to_string())
    }
    /// As what.
    async fn role(&self) -> Role {
        self.0.role.into()
    }
    /// Only the account with this address may accept; null lets whoever has the link.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_ref().map(Email::as_str)
    }
    /// Who invited.
    async fn invited_by(&self) -> &str {
        &self.0.by
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Until when it can be accepted.
    async fn expires(&self) -> DateTime {
        self.0.expires.into()
    }
}

/// An invitation to make.
#[derive(InputObject)]
pub struct InviteInput {
    /// Id of the organization or group.
    pub place: ID,
    /// As what.
    pub role: Role,
    /// Only the account with this address may accept; whoever has the link if left out.
    pub email: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct InvitePayload {
    /// The invitation.
    pub invitation: Invitation,
    /// The one-time address at which it is accepted. Shown this once.
    pub link: String,
}

/// A role to give.
#[derive(InputObject)]
pub struct SetRoleInput {
    /// `instance`, or the id of the organization or group.
    pub place: ID,
    /// Id of the account.
    pub user: ID,
    /// The role it is to have there.
    pub role: Role,
}

/// A role to take.
#[derive(InputObject)]
pub struct RemoveMemberInput {
    /// `instance`, or the id of the organization or group.
    pub place: ID,
    /// Id of the account.
    pub user: ID,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct SetRolePayload {
    /// `instance`, or the id of the organization or group.
    pub place: ID,
    /// Id of the account.
    pub user: ID,
    /// The role it has there now.
    pub role: Role,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct AcceptInvitationPayload {
    /// The id of the organization or group that is open now.
    pub place: ID,
}

fn scope(place: &ID) -> Result<Scope, Error> {
    place
        .parse::<Scope>()
        .map_err(|error| error.on_field("input.place"))
}

#[derive(Default)]
pub struct MemberMutation;

#[Object]
impl MemberMutation {
    /// Invites to an organization or a group.
    async fn invite(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, where to and as what.")] input: InviteInput,
    ) -> Result<InvitePayload> {
        let email = input.email.as_deref().map(Email::new).transpose()?;
        let place = scope(&input.place)?;
        let gna = ctx.data::<Ctx>()?;
        let (secret, made) = invitation::create(gna, place, input.role.into(), email).await?;
        let path = format!("/invitations/{}", secret.expose());
        let link = ctx.data::<AppState>()?.config.link(&path);
        Ok(InvitePayload {
            invitation: Invitation(made),
            link,
        })
    }
    /// Withdraws an invitation.
    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<DonePayload> {
        invitation::revoke(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }
    /// Accepts an invitation, as the one who is signed in.
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The last part of its link.")] secret: String,
    ) -> Result<AcceptInvitationPayload> {
        let place = invitation::accept(ctx.data::<Ctx>()?, &Secret::new(secret)).await?;
        Ok(AcceptInvitationPayload {
            place: ID(Scope::from(place).to_string()),
        })
    }
    /// Gives someone a role, or another one.
    async fn set_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, where and what.")] input: SetRoleInput,
    ) -> Result<SetRolePayload> {
        let user = parse(&input.user, "input.user")?;
        let place = scope(&input.place)?;
        let held = member::set_role(ctx.data::<Ctx>()?, place, user, input.role.into()).await?;
        Ok(SetRolePayload {
            place: ID(held.scope.to_string()),
            user: id(held.user),
            role: held.role.into(),
        })
    }
    /// Takes someone's role. The last owner's can't be taken.
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who and where.")] input: RemoveMemberInput,
    ) -> Result<DonePayload> {
        let user = parse(&input.user, "input.user")?;
        member::remove(ctx.data::<Ctx>()?, scope(&input.place)?, user).await?;
        Ok(DONE)
    }
}
