//! API tokens: make, list, revoke. How one becomes the context of a call is in [`super::authenticate`].

use super::access::{new_secret, not_anonymous, resolve, signed_in};
use crate::ctx::{Actor, Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{GroupId, TokenId, UserId};
use crate::model::{
    ApiToken, AuditEntry, Scope, TOKEN_PREFIX, TOKENS_MAX, TokenHolder, User, display_name,
};
use crate::page::PageRequest;
use crate::policy::{Action, Role};
use crate::port::{ChangeSet, Stored, fresh, repo};
use crate::rules::access::{enabled, may_grant};
use crate::rules::credential::{check_expiry, check_scopes};
use crate::secret::Secret;
use crate::time::Timestamp;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub name: String,
    /// Names of actions. A personal token does what these AND its owner's roles allow.
    pub scopes: Vec<String>,
    /// At most 366 days from now.
    pub expires: Timestamp,
}

/// Makes a personal token of whoever is signed in. The secret is shown this once.
///
/// # Errors
/// `auth.person_required`, `token.scopes`, `token.expiry`, `token.too_many`, `name.malformed`, or the store's.
pub async fn create(ctx: &Ctx, input: NewToken) -> Result<(Secret, ApiToken)> {
    let owner = signed_in(ctx)?;
    make(ctx, TokenHolder::User(owner), input).await
}

/// Makes a personal token for someone else; for the operator at the machine, who could do anything
/// to the store anyway.
///
/// # Errors
/// `auth.forbidden` for everyone else, `user.disabled`, `not_found`, and as [`create`].
pub async fn create_for(ctx: &Ctx, owner: UserId, input: NewToken) -> Result<(Secret, ApiToken)> {
    not_anonymous(ctx)?;
    if !ctx.grants.unlimited {
        return Err(Error::forbidden(
            "auth.forbidden",
            "only the operator at the machine makes tokens for others",
        ));
    }
    enabled(&*repo::require::<User>(ctx.store(), owner).await?)?;
    make(ctx, TokenHolder::User(owner), input).await
}

/// Makes a token of a group, with a role in it: it stays when whoever made it goes.
///
/// # Errors
/// As [`Ctx::permit`] of `group_token.manage`, `role.misplaced`, `role.above_own`, and as [`create`].
pub async fn create_for_group(
    ctx: &Ctx,
    group: GroupId,
    role: Role,
    input: NewToken,
) -> Result<(Secret, ApiToken)> {
    let resource = resolve(ctx, Scope::Group(group)).await?;
    let Resource::Group(organization, group) = resource else {
        return Err(repo::missing::<crate::model::Group>());
    };
    ctx.permit(Action::GroupTokenManage, resource)?;
    may_grant(&ctx.grants, resource, role)?;
    let holder = TokenHolder::Group {
        organization,
        group,
        role,
    };
    make(ctx, holder, input).await
}

async fn make(ctx: &Ctx, holder: TokenHolder, input: NewToken) -> Result<(Secret, ApiToken)> {
    let name = display_name(&input.name).map_err(|error| error.on_field("name"))?;
    let scopes = check_scopes(&input.scopes)?;
    check_expiry(input.expires, ctx.now())?;
    if held(ctx, holder).await?.len() >= TOKENS_MAX {
        return Err(Error::limit(
            "token.too_many",
            format!("there are {TOKENS_MAX} tokens already; revoke one first"),
        ));
    }
    let secret = new_secret(ctx.ports.ids.as_ref(), TOKEN_PREFIX);
    let (owner, organization, group, role) = match holder {
        TokenHolder::User(owner) => (Some(owner), None, None, None),
        TokenHolder::Group {
            organization,
            group,
            role,
        } => (None, Some(organization), Some(group), Some(role)),
    };
    let token = ApiToken {
        id: fresh(ctx.ports.ids.as_ref()),
        digest: secret.digest(),
        start: secret
            .expose()
            .chars()
            .take(TOKEN_PREFIX.len() + 4)
            .collect(),
        name,
        owner,
        group,
        organization,
        role,
        scopes,
        created: ctx.now(),
        expires: input.expires,
        used: None,
        by: ctx.actor.label(),
    };
    let mut changes = ChangeSet::new();
    changes.create(&token, None)?;
    let detail = serde_json::json!({
        "name": token.name, "role": role, "scopes": token.scopes, "expires": token.expires,
    });
    let entry = AuditEntry::new(ctx, organization, "token.created", subject(&token));
    changes.create(&entry.with(detail), None)?;
    ctx.store().commit(changes).await?;
    Ok((secret, token))
}

fn subject(token: &ApiToken) -> Vec<String> {
    let holder = token
        .owner
        .map(|owner| owner.to_string())
        .or_else(|| token.group.map(|group| group.to_string()));
    holder.into_iter().chain([token.id.to_string()]).collect()
}

async fn held(ctx: &Ctx, holder: TokenHolder) -> Result<Vec<Stored<ApiToken>>> {
    let (index, partition) = match holder {
        TokenHolder::User(owner) => ("by_owner", owner.to_string()),
        TokenHolder::Group { group, .. } => ("by_group", group.to_string()),
    };
    let page = PageRequest::first(TOKENS_MAX);
    let page = repo::list::<ApiToken>(ctx.store(), index, &[&partition], true, page).await?;
    Ok(page.items)
}

/// One's own tokens, newest first; expired ones are gone.
///
/// # Errors
/// `auth.person_required`, or the store's.
pub async fn list(ctx: &Ctx) -> Result<Vec<ApiToken>> {
    let owner = signed_in(ctx)?;
    let tokens = held(ctx, TokenHolder::User(owner)).await?;
    Ok(tokens.into_iter().map(|token| token.value).collect())
}

/// A user's personal tokens; for administrators.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, or the store's.
pub async fn list_of_user(ctx: &Ctx, owner: UserId) -> Result<Vec<ApiToken>> {
    ctx.permit(Action::UserManage, Resource::Instance)?;
    let tokens = held(ctx, TokenHolder::User(owner)).await?;
    Ok(tokens.into_iter().map(|token| token.value).collect())
}

/// A group's tokens, newest first.
///
/// # Errors
/// As [`Ctx::permit`] of `group_token.manage`, or the store's.
pub async fn list_of_group(ctx: &Ctx, group: GroupId) -> Result<Vec<ApiToken>> {
    let resource = resolve(ctx, Scope::Group(group)).await?;
    ctx.permit(Action::GroupTokenManage, resource)?;
    let tokens = repo::list_all::<ApiToken>(ctx.store(), "by_group", &[&group.to_string()]).await?;
    let mut tokens: Vec<ApiToken> = tokens.into_iter().map(|token| token.value).collect();
    tokens.reverse();
    Ok(tokens)
}

/// Ends a token: its owner may, whoever manages the group's tokens, administrators, and the token
/// itself. Of several at once all succeed.
///
/// # Errors
/// `not_found` for everyone else, or the store's.
pub async fn revoke(ctx: &Ctx, id: TokenId) -> Result<()> {
    not_anonymous(ctx)?;
    super::access::retrying(|| async {
        let found = repo::find::<ApiToken>(ctx.store(), "id", &[&id.to_string()]).await?;
        let token = found
            .filter(|token| may_revoke(ctx, token))
            .ok_or_else(repo::missing::<ApiToken>)?;
        let mut changes = ChangeSet::new();
        changes.delete(&token, None);
        let entry = AuditEntry::new(
            ctx,
            token.organization,
            "token.revoked",
            subject(&token.value),
        );
        changes.create(&entry, None)?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

fn may_revoke(ctx: &Ctx, token: &ApiToken) -> bool {
    let itself = matches!(ctx.actor, Actor::Token { token: id, .. } if id == token.id);
    itself
        || match token.holder() {
            Some(TokenHolder::User(owner)) => {
                ctx.actor == Actor::User(owner) || ctx.can(Action::UserManage, Resource::Instance)
            }
            Some(TokenHolder::Group {
                organization,
                group,
                ..
            }) => ctx.can(
                Action::GroupTokenManage,
                Resource::Group(organization, group),
            ),
            None => ctx.grants.unlimited,
        }
}
