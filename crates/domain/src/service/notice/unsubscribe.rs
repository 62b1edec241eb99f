//! Unsubscribing with one request, as mail programs do it for their users (RFC 8058): no sign-in, but
//! a token that only this server can make.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::preferences;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::UserId;
use crate::model::{NoticePreferences, User};
use crate::port::repo;
use crate::port::vault::{Binding, Sealed, Tenant};
use crate::secret::Secret;

/// What the token is sealed under: it opens for this person and for nothing else.
fn binding(user: UserId) -> Binding {
    Binding::new(
        Tenant::Instance,
        format!("notice_preferences/{user}"),
        "unsubscribe",
    )
}

/// The address that goes into a letter's head.
pub(super) async fn address(ctx: &Ctx, public_url: &str, user: UserId) -> Result<String> {
    let secret = Secret::new(user.to_string());
    let token = ctx.ports.vault.seal(&binding(user), &secret).await?;
    let token = utf8_percent_encode(token.as_str(), NON_ALPHANUMERIC);
    Ok(format!(
        "{public_url}/api/v2/notices/unsubscribe?user={user}&token={token}"
    ))
}

/// Ends all notices to a person, until they want them again.
///
/// # Errors
/// `not_found` for a token that is not this person's, or the store's.
pub async fn unsubscribe(ctx: &Ctx, user: &str, token: &str) -> Result<()> {
    let no = || Error::not_found("not_found", "there is no such thing, or you may not see it");
    let user: UserId = user.parse().map_err(|_| no())?;
    let sealed = Sealed::from_text(token);
    let opened = ctx.ports.vault.open(&binding(user), &sealed).await;
    let is_theirs = opened.is_ok_and(|text| text.expose() == user.to_string());
    if !is_theirs || repo::get::<User>(ctx.store(), user).await?.is_none() {
        return Err(no());
    }
    let muted = |before: NoticePreferences| {
        Ok(NoticePreferences {
            muted: true,
            ..before
        })
    };
    preferences::save(ctx, user, muted).await.map(|_| ())
}
