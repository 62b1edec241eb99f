//! What a person wants to be told by e-mail.

use std::collections::BTreeMap;

use super::super::access::{not_anonymous, retrying, signed_in};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::model::{AuditEntry, DigestDays, NoticeKind, NoticePreferences, NoticeRule};
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::notice as rules;

/// What is to be changed; what is not named stays.
#[derive(Clone, Debug, Default)]
pub struct PreferencesChange {
    pub rules: BTreeMap<NoticeKind, NoticeRule>,
    pub days: Option<DigestDays>,
    pub hour: Option<u8>,
    pub zone: Option<String>,
    pub muted: Option<bool>,
}

/// The caller's own.
///
/// # Errors
/// `auth.required`, `auth.person_required` for tokens of nobody, or the store's.
pub async fn own(ctx: &Ctx) -> Result<NoticePreferences> {
    let user = person(ctx)?;
    let found = stored(ctx, &[user]).await?.into_iter().next().flatten();
    Ok(found.map_or_else(|| NoticePreferences::default_of(user), |found| found.value))
}

/// The person who calls, also by a token of theirs.
pub(super) fn person(ctx: &Ctx) -> Result<UserId> {
    not_anonymous(ctx)?;
    ctx.actor.user().ok_or_else(|| {
        Error::forbidden(
            "auth.person_required",
            "only a person has preferences; use a personal token",
        )
    })
}

pub(super) async fn stored(
    ctx: &Ctx,
    users: &[UserId],
) -> Result<Vec<Option<Stored<NoticePreferences>>>> {
    let keys: Vec<_> = users
        .iter()
        .map(|user| NoticePreferences::key_of(*user))
        .collect();
    repo::get_keys(ctx.store(), &keys).await
}

/// Changes the caller's own.
///
/// # Errors
/// `auth.required`, `auth.person_required`, `notice.hour`, `schedule.zone`, or the store's.
pub async fn change(ctx: &Ctx, change: PreferencesChange) -> Result<NoticePreferences> {
    let user = signed_in(ctx)?;
    if let Some(zone) = &change.zone {
        rules::digest(DigestDays::Daily, 0, zone)?;
    }
    save(ctx, user, |mut next| {
        next.rules.extend(change.rules.clone());
        let next = NoticePreferences {
            days: change.days.unwrap_or(next.days),
            hour: change.hour.unwrap_or(next.hour),
            zone: change.zone.clone().unwrap_or(next.zone),
            muted: change.muted.unwrap_or(next.muted),
            ..next
        };
        rules::digest(next.days, next.hour, &next.zone).map(|_| next)
    })
    .await
}

/// Writes what a person wants now.
pub(super) async fn save(
    ctx: &Ctx,
    user: UserId,
    decide: impl Fn(NoticePreferences) -> Result<NoticePreferences>,
) -> Result<NoticePreferences> {
    retrying(|| async {
        let current = stored(ctx, &[user]).await?.into_iter().next().flatten();
        let before = current.as_ref().map_or_else(
            || NoticePreferences::default_of(user),
            |current| current.value.clone(),
        );
        let next = decide(before.clone())?;
        if next == before && current.is_some() {
            return Ok(next);
        }
        let mut changes = ChangeSet::new();
        match &current {
            Some(current) => changes.update(current, &next, None)?,
            None => changes.create(&next, None)?,
        }
        let subject = [user.to_string()];
        changes.create(
            &AuditEntry::new(ctx, None, "notice.preferences", subject),
            None,
        )?;
        ctx.store().commit(changes).await?;
        Ok(next)
    })
    .await
}
