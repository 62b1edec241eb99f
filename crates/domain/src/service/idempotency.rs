//! Requests that may be sent again: the first one's answer is kept under the caller's key, and given
//! again to whoever repeats the same request.
//!
//! Keys belong to one caller. A request that is still running, or was cut off, blocks its key for
//! [`RUNNING_MS`]; an answer is kept for [`KEPT_MS`].

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ctx::{Actor, Ctx};
use crate::error::{Error, Kind, Result};
use crate::port::repo;
use crate::port::store::{ChangeSet, Entity, Key, Stored};
use crate::time::{DAY_MS, Timestamp};

/// How long a request without an answer holds its key, in milliseconds: 15 minutes.
pub const RUNNING_MS: i64 = 15 * 60 * 1_000;
/// How long an answer is kept, in milliseconds: a day.
pub const KEPT_MS: i64 = DAY_MS;
/// Longest key, in bytes.
pub const KEY_LIMIT: usize = 255;
/// Longest answer that is kept, in bytes.
pub const ANSWER_LIMIT: usize = 64 * 1_024;

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// One use of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// SHA-256 of the caller and the key.
    pub name: String,
    /// SHA-256 of what was asked.
    pub request: String,
    pub until: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

impl Entity for Attempt {
    const COLLECTION: &'static str = "idempotency";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.name.clone(), "")
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

/// What a request with a key meets.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// It is the first: do it, then [`finish`] or [`forget`].
    First(Box<Stored<Attempt>>),
    /// It was done: this was the answer.
    Again(Answer),
}

/// Takes a key for a request, whose digest holds all that makes it what it is.
///
/// # Errors
/// `auth.required`, `idempotency.key`, `idempotency.mismatch` where the key was used for something
/// else, `idempotency.running` where the first is not done, or the store's.
pub async fn begin(ctx: &Ctx, key: &str, request: &str) -> Result<Begun> {
    if ctx.actor == Actor::Anonymous {
        return Err(Error::unauthenticated(
            "auth.required",
            "sign in, or send an API token",
        ));
    }
    if key.is_empty() || key.len() > KEY_LIMIT || !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(Error::invalid(
            "idempotency.key",
            format!("an Idempotency-Key has 1 to {KEY_LIMIT} visible ASCII characters"),
        ));
    }
    let attempt = Attempt {
        name: hex::encode(Sha256::digest(format!("{}\n{key}", ctx.actor.label()))),
        request: request.to_owned(),
        until: ctx.now().plus_millis(RUNNING_MS),
        answer: None,
    };
    let mut changes = ChangeSet::new();
    changes.create(&attempt, None)?;
    match ctx.store().commit(changes).await {
        Ok(_) => Ok(Begun::First(Box::new(Stored {
            value: attempt,
            version: 1,
        }))),
        Err(error) if error.kind() == Kind::Conflict => earlier(ctx, &attempt).await,
        Err(error) => Err(error),
    }
}

async fn earlier(ctx: &Ctx, attempt: &Attempt) -> Result<Begun> {
    let found = repo::get_keys::<Attempt>(ctx.store(), &[attempt.key()]).await?;
    let running = || {
        Error::conflict(
            "idempotency.running",
            "a request with this Idempotency-Key is being worked on; ask again in a moment",
        )
        .after_seconds(5)
    };
    let found = found.into_iter().flatten().next().ok_or_else(running)?;
    if found.request != attempt.request {
        return Err(Error::invalid(
            "idempotency.mismatch",
            "this Idempotency-Key was used for another request; take a new one",
        ));
    }
    found.value.answer.map(Begun::Again).ok_or_else(running)
}

/// Keeps the answer.
///
/// # Errors
/// The store's.
pub async fn finish(ctx: &Ctx, attempt: &Stored<Attempt>, answer: Answer) -> Result<()> {
    let done = Attempt {
        until: ctx.now().plus_millis(KEPT_MS),
        answer: Some(answer),
        ..attempt.value.clone()
    };
    let mut changes = ChangeSet::new();
    changes.update(attempt, &done, None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// Gives the key back: nothing was done, and the same request may be tried again.
///
/// # Errors
/// The store's.
pub async fn forget(ctx: &Ctx, attempt: &Stored<Attempt>) -> Result<()> {
    let mut changes = ChangeSet::new();
    changes.delete(attempt, None);
    ctx.store().commit(changes).await.map(|_| ())
}
