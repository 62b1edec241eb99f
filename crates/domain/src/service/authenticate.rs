//! From a cookie or a token to the context of a call.
//!
//! Nothing is remembered between calls: a person who is removed or disabled, and a token that is
//! revoked, have lost everything with the next call.

use std::sync::Arc;

use super::access::{self, Access};
use crate::ctx::{Actor, Ctx, Grants, Ports};
use crate::error::{Error, Result};
use crate::id::SessionId;
use crate::model::{
    ApiToken, Group, SESSION_TOUCH_MS, Session, TOKEN_PREFIX, TOKEN_TOUCH_MS, TokenHolder, User,
};
use crate::port::{ChangeSet, Entity, Key, Stored, repo};
use crate::rules::inactivity::is_stale;
use crate::secret::Secret;

/// What a call proves itself with.
#[derive(Clone, Debug)]
pub enum Credential {
    Session(Secret),
    Bearer(Secret),
}

/// A call whose credential holds.
#[derive(Clone)]
pub struct Caller {
    pub ctx: Ctx,
    /// Of calls with a session.
    pub session: Option<SessionId>,
    /// The person, or the owner of a personal token.
    pub user: Option<User>,
}

/// The one answer to a session or token that never was, has ended or was revoked.
fn invalid_credential() -> Error {
    Error::unauthenticated(
        "auth.invalid",
        "this session or token is not valid (any more); sign in again, or make a new token",
    )
}

/// From a credential to the context of a call, with the grants as they are now. At most two
/// reads, and one small write at most once a minute (sessions) or hour (tokens), another once a day.
///
/// # Errors
/// `auth.invalid`, or the store's.
pub async fn authenticate(ports: &Ports, credential: &Credential) -> Result<Caller> {
    match credential {
        Credential::Session(secret) => by_session(ports, secret).await,
        Credential::Bearer(secret) => by_token(ports, secret).await,
    }
}

async fn by_session(ports: &Ports, secret: &Secret) -> Result<Caller> {
    let store = ports.store.as_ref();
    let now = ports.clock.now();
    let key = Key::new(Session::COLLECTION, secret.digest(), "");
    let session = repo::get_keys::<Session>(store, &[key])
        .await?
        .pop()
        .flatten();
    let session = session.ok_or_else(invalid_credential)?;
    let access = active(access::load(store, session.user).await?)?;
    if !session.is_live(access.user.session_epoch, now) {
        return Err(invalid_credential());
    }
    if now >= session.seen.plus_millis(SESSION_TOUCH_MS) {
        let seen = Session {
            seen: now,
            ..session.value.clone()
        };
        touch(ports, &session, &seen).await;
    }
    came(ports, &access.user).await;
    let actor = Actor::User(session.user);
    Ok(Caller {
        ctx: Ctx::new(ports.clone(), actor, access.grants()),
        session: Some(session.id),
        user: Some(access.user.value),
    })
}

/// A disabled or vanished person has no access, whatever they hold.
fn active(access: Option<Access>) -> Result<Access> {
    access
        .filter(|access| !access.user.is_disabled())
        .ok_or_else(invalid_credential)
}

async fn by_token(ports: &Ports, secret: &Secret) -> Result<Caller> {
    if !secret.expose().starts_with(TOKEN_PREFIX) {
        return Err(invalid_credential());
    }
    let store = ports.store.as_ref();
    let now = ports.clock.now();
    let key = Key::new(ApiToken::COLLECTION, secret.digest(), "");
    let token = repo::get_keys::<ApiToken>(store, &[key])
        .await?
        .pop()
        .flatten();
    let token = token
        .filter(|token| now < token.expires)
        .ok_or_else(invalid_credential)?;
    let (mut grants, user) = match token.holder().ok_or_else(invalid_credential)? {
        TokenHolder::User(owner) => {
            let access = active(access::load(store, owner).await?)?;
            came(ports, &access.user).await;
            (access.grants(), Some(access.user.value))
        }
        TokenHolder::Group {
            organization,
            group,
            role,
        } => {
            let found = repo::get::<Group>(store, group).await?;
            found.ok_or_else(invalid_credential)?;
            let grants = Grants {
                groups: [(group, (organization, role))].into(),
                ..Grants::default()
            };
            (grants, None)
        }
    };
    grants.scopes = Some(token.scopes.clone());
    let stale = |used: crate::time::Timestamp| now >= used.plus_millis(TOKEN_TOUCH_MS);
    if token.used.is_none_or(stale) {
        let used = ApiToken {
            used: Some(now),
            ..token.value.clone()
        };
        touch(ports, &token, &used).await;
    }
    let actor = Actor::Token {
        token: token.id,
        owner: token.owner,
    };
    Ok(Caller {
        ctx: Ctx {
            actor,
            grants: Arc::new(grants),
            ports: ports.clone(),
        },
        session: None,
        user,
    })
}

/// Notes that the person acts, once a day at most: who does not for long may lose their roles.
async fn came(ports: &Ports, user: &Stored<User>) {
    let now = ports.clock.now();
    if is_stale(user.seen, now) {
        let seen = User {
            seen: Some(now),
            ..user.value.clone()
        };
        touch(ports, user, &seen).await;
    }
}

/// Notes the last use. Nothing depends on it, so a lost race or a busy store is no failure of the call.
async fn touch<E: Entity>(ports: &Ports, current: &Stored<E>, next: &E) {
    let mut changes = ChangeSet::new();
    let written = match changes.update(current, next, None) {
        Ok(()) => ports.store.commit(changes).await.map(|_| ()),
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::debug!(code = error.code(), "a last use was not noted");
    }
}
