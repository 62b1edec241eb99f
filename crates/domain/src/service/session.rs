//! Sessions: ending them one by one or all at once, and listing one's own.
//!
//! All of a person's sessions end by one number on the user (the epoch), so that none can slip
//! through a list that lags. Read next: [`super::sign_in`], [`super::authenticate`].

use super::access::{retrying, signed_in};
use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::{SessionId, UserId};
use crate::model::{AuditEntry, Session, User};
use crate::page::PageRequest;
use crate::policy::Action;
use crate::port::{ChangeSet, Entity, Key, Stored, repo};
use crate::secret::Secret;

/// Ends the session that a cookie holds; one that is over already is no error.
///
/// # Errors
/// The store's.
pub async fn sign_out(ctx: &Ctx, secret: &Secret) -> Result<()> {
    end(ctx, &Key::new(Session::COLLECTION, secret.digest(), "")).await
}

/// Ends one session, wherever it stands by now.
async fn end(ctx: &Ctx, key: &Key) -> Result<()> {
    retrying(|| async {
        let found = repo::get_keys::<Session>(ctx.store(), std::slice::from_ref(key)).await?;
        let Some(session) = found.into_iter().flatten().next() else {
            return Ok(());
        };
        let mut changes = ChangeSet::new();
        changes.delete(&session, None);
        let subject = [session.user.to_string(), session.id.to_string()];
        changes.create(&AuditEntry::new(ctx, None, "session.ended", subject), None)?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

/// The most sessions that [`list`] shows.
pub const SESSIONS_SHOWN: usize = 100;

/// One's own live sessions, newest first: up to [`SESSIONS_SHOWN`]. What is older ends with
/// [`revoke_others`] or by itself.
///
/// # Errors
/// `auth.required`, `auth.person_required`, or the store's.
pub async fn list(ctx: &Ctx) -> Result<Vec<Session>> {
    let user = signed_in(ctx)?;
    let epoch = repo::require::<User>(ctx.store(), user)
        .await?
        .session_epoch;
    let of = user.to_string();
    let mut live: Vec<Session> = Vec::new();
    let mut page = PageRequest::first(SESSIONS_SHOWN);
    loop {
        let listed =
            repo::list::<Session>(ctx.store(), "by_user", &[&of], true, page.clone()).await?;
        let some = listed.items.into_iter().map(|session| session.value);
        live.extend(some.filter(|session| session.is_live(epoch, ctx.now())));
        match listed.next {
            Some(next) if live.len() < SESSIONS_SHOWN => page.after = Some(next),
            _ => break,
        }
    }
    live.sort_by_key(|session| std::cmp::Reverse((session.created, session.id)));
    live.truncate(SESSIONS_SHOWN);
    Ok(live)
}

/// Ends one of one's own sessions.
///
/// # Errors
/// `not_found` where it is not one's own or is over already, or the store's.
pub async fn revoke(ctx: &Ctx, session: SessionId) -> Result<()> {
    let user = signed_in(ctx)?;
    let found = repo::find::<Session>(ctx.store(), "id", &[&session.to_string()]).await?;
    let found = found
        .filter(|found| found.user == user)
        .ok_or_else(repo::missing::<Session>)?;
    end(ctx, &found.value.key()).await
}

/// Ends all of one's own sessions but `keep`.
///
/// # Errors
/// `auth.required`, `auth.person_required`, or the store's.
pub async fn revoke_others(ctx: &Ctx, keep: Option<SessionId>) -> Result<()> {
    let user = signed_in(ctx)?;
    retrying(|| async {
        let current = repo::require::<User>(ctx.store(), user).await?;
        let mut changes = ChangeSet::new();
        let next = new_epoch(ctx, &mut changes, &current.value, keep).await?;
        changes.update(&current, &next, None)?;
        let entry = AuditEntry::new(ctx, None, "session.others_ended", [user.to_string()]);
        changes.create(&entry, None)?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}

/// The user in a new epoch of sessions: all are over at once, but for the one that is carried along.
pub(crate) async fn new_epoch(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    user: &User,
    keep: Option<SessionId>,
) -> Result<User> {
    let next = User {
        session_epoch: user.session_epoch.wrapping_add(1),
        ..user.clone()
    };
    if let Some(keep) = keep {
        let kept = repo::find::<Session>(ctx.store(), "id", &[&keep.to_string()]).await?;
        let mine = |session: &Stored<Session>| {
            session.user == user.id && session.is_live(user.session_epoch, ctx.now())
        };
        if let Some(kept) = kept.filter(mine) {
            let carried = Session {
                epoch: next.session_epoch,
                ..kept.value.clone()
            };
            changes.update(&kept, &carried, None)?;
        }
    }
    Ok(next)
}

/// Ends all sessions of a user; for administrators.
///
/// # Errors
/// As [`Ctx::permit`] of `user.manage`, `not_found`, or the store's.
pub async fn revoke_all_of(ctx: &Ctx, user: UserId) -> Result<()> {
    ctx.permit(Action::UserManage, Resource::Instance)?;
    retrying(|| async {
        let current = repo::require::<User>(ctx.store(), user).await?;
        let mut changes = ChangeSet::new();
        let next = new_epoch(ctx, &mut changes, &current.value, None).await?;
        changes.update(&current, &next, None)?;
        let entry = AuditEntry::new(ctx, None, "session.all_ended", [user.to_string()]);
        changes.create(&entry, None)?;
        ctx.store().commit(changes).await.map(|_| ())
    })
    .await
}
