//! Refreshing a credential once, whoever wants it: several workers, in several processes, that may be
//! killed at any moment.
//!
//! The order is: [`plan`], commit the [`Intent`] of [`begin`] on the version that was read, call the
//! app, commit what [`settle`] says, and only then use the new access token. A lost race at either
//! commit means: read again and plan or settle again. A refresh token whose outcome is known is never
//! presented again; one whose outcome is unknown only where the app says that it does no harm
//! ([`Reuse`]). Why, and what is lost at worst: `docs/adr/0010-refresh-is-single.md`.

use crate::connect::credential::{Credential, Intent, Refusals};
use crate::connect::module::Reuse;
use crate::id::RefreshId;
use crate::port::vault::Sealed;
use crate::time::Timestamp;

/// An access token is refreshed this long before it is known to expire, in milliseconds: 5 minutes,
/// or half its life where that is less.
pub const AHEAD_MS: i64 = 300_000;
/// Longest wait for the app's answer, in milliseconds.
pub const ANSWER_MS: i64 = 20_000;
/// How long an intent keeps others waiting at most, in milliseconds.
pub const LEASE_MS: i64 = 30_000;
/// Refusals without a known reason, in a row, after which a connection is given up,
pub const REFUSALS_MAX: u32 = 5;
/// if the first of them is this long ago, in milliseconds: ten minutes, so that an app that is out of order
/// for a moment and asked by many does not cost a connection.
pub const REFUSALS_MS: i64 = 600_000;
/// How often a token with leeway is presented at most: once more after an unknown outcome.
const WITH_LEEWAY: u32 = 2;

/// What there is to refresh with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Nothing: the app gives no refresh tokens.
    Nothing,
    /// A grant that can be repeated at will: client credentials, password, a signed app.
    Repeatable,
    /// The stored refresh token, which behaves like this.
    Token(Reuse),
}

impl Means {
    /// How long to wait for the answer and how long to hold others back, in milliseconds. Where an
    /// old token stays good for a while only, both fit into that while, so that there is time for a
    /// second presentation after a process was killed.
    #[must_use]
    pub fn patience(self) -> Patience {
        let lease_ms = match self {
            Self::Token(Reuse::RotatingWithLeeway { seconds }) => {
                (i64::from(seconds) * 500).min(LEASE_MS)
            }
            _ => LEASE_MS,
        };
        Patience {
            answer_ms: (lease_ms * 2 / 3).min(ANSWER_MS),
            lease_ms,
        }
    }

    /// Whether what the intent presented may be presented once more now.
    fn again(self, intent: &Intent, now: Timestamp) -> bool {
        let is_left = match self {
            Self::Token(Reuse::RotatingWithLeeway { .. }) => intent.presentations < WITH_LEEWAY,
            _ => true,
        };
        is_left && self.does_no_harm(intent, now)
    }

    /// Whether the app accepts for certain, as far as time goes, what was presented before and is
    /// presented now.
    fn does_no_harm(self, intent: &Intent, now: Timestamp) -> bool {
        // The app hears of it up to one wait for an answer later.
        let since = now.millis().saturating_sub(intent.first.millis());
        let heard = since.saturating_add(self.patience().answer_ms);
        match self {
            Self::Nothing => false,
            Self::Repeatable => true,
            Self::Token(reuse @ Reuse::RotatingWithLeeway { .. }) => reuse.may_present_again(heard),
            Self::Token(reuse) => reuse.may_present_again(since),
        }
    }
}

/// See [`Means::patience`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub answer_ms: i64,
    pub lease_ms: i64,
}

/// Why a person must connect the account again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The access token is not accepted and there is nothing to refresh it with.
    NoRefreshToken,
    /// The app said when the refresh token expires, and it has.
    Expired,
    /// It is not known whether the app took the refresh token, and presenting it again could do harm.
    OutcomeUnknown,
    /// The app refused the refresh token.
    Refused,
    /// It is known already not to work.
    Invalid,
}

impl Reason {
    /// For the user. `app` is the module's label.
    #[must_use]
    pub fn message(self, app: &str) -> String {
        let why = match self {
            Self::NoRefreshToken => format!("{app} does not accept the access token any more"),
            Self::Expired => format!("the connection to {app} has expired"),
            Self::OutcomeUnknown => format!(
                "{app} was asked for new tokens and its answer was lost; asking again could make it end the connection"
            ),
            Self::Refused => format!("{app} refused to renew the connection"),
            Self::Invalid => format!("the connection to {app} does not work"),
        };
        format!("{why}; connect the account again")
    }
}

/// What to do next for a worker that needs newer tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// There are newer ones: use them.
    Adopt,
    /// Someone else is at it. Read again at this time at the latest.
    Wait { until: Timestamp },
    /// Commit [`begin`], then present. 1 for the first time.
    Present { attempt: u32 },
    /// Commit [`give_up`].
    Reconnect(Reason),
}

/// Whether an access token should be refreshed before it is used.
#[must_use]
pub fn is_due(credential: &Credential, now: Timestamp) -> bool {
    credential.access_expires.is_some_and(|expires| {
        let life = expires.millis().saturating_sub(credential.issued.millis());
        let ahead = AHEAD_MS.min(life / 2).max(0);
        now >= expires.plus_millis(-ahead)
    })
}

/// Whether an access token is known to have expired.
#[must_use]
pub fn is_expired(credential: &Credential, now: Timestamp) -> bool {
    credential
        .access_expires
        .is_some_and(|expires| now >= expires)
}

/// `used` is the generation whose access token the app refused, or that is due.
#[must_use]
pub fn plan(credential: &Credential, used: u64, means: Means, now: Timestamp) -> Plan {
    if !credential.valid {
        return Plan::Reconnect(Reason::Invalid);
    }
    if credential.generation > used {
        return Plan::Adopt;
    }
    let has_token = credential.refresh_digest.is_some();
    if means == Means::Nothing || (means != Means::Repeatable && !has_token) {
        return Plan::Reconnect(Reason::NoRefreshToken);
    }
    if let Some(intent) = &credential.intent {
        if now < intent.until {
            return Plan::Wait {
                until: intent.until,
            };
        }
        // Another token than the one that is stored now has no bearing on it.
        if intent.presented == presented(credential, means) {
            return if means.again(intent, now) {
                Plan::Present {
                    attempt: intent.presentations.saturating_add(1),
                }
            } else {
                Plan::Reconnect(Reason::OutcomeUnknown)
            };
        }
    }
    let expired = matches!(means, Means::Token(_))
        && credential
            .refresh_expires
            .is_some_and(|expires| now >= expires);
    if expired {
        Plan::Reconnect(Reason::Expired)
    } else {
        Plan::Present { attempt: 1 }
    }
}

/// What is presented: the digest of the stored refresh token, or nothing where none is needed.
fn presented(credential: &Credential, means: Means) -> &str {
    match means {
        Means::Token(_) => credential.refresh_digest.as_deref().unwrap_or_default(),
        Means::Repeatable | Means::Nothing => "",
    }
}

/// Whether it is not too late to call the app: the answer comes before others stop waiting, and a second
/// presentation while it still does no harm. A worker that was held up between its intent and its call
/// settles as [`Outcome::NotTaken`].
#[must_use]
pub fn is_in_time(intent: &Intent, means: Means, now: Timestamp) -> bool {
    let is_first = intent.presentations <= 1;
    now.plus_millis(means.patience().answer_ms) <= intent.until
        && (is_first || means.does_no_harm(intent, now))
}

/// The credential with the intent to present, as [`plan`] said.
#[must_use]
pub fn begin(
    credential: &Credential,
    id: RefreshId,
    attempt: u32,
    means: Means,
    now: Timestamp,
) -> Credential {
    let earlier = credential.intent.as_ref().filter(|_| attempt > 1);
    Credential {
        intent: Some(Intent {
            id,
            presented: presented(credential, means).to_owned(),
            first: earlier.map_or(now, |intent| intent.first),
            until: now.plus_millis(means.patience().lease_ms),
            presentations: attempt,
        }),
        updated: now,
        ..credential.clone()
    }
}

/// The credential that waits to be connected again. Its intent stays: an answer that comes late after
/// all heals it.
#[must_use]
pub fn give_up(credential: &Credential, reason: Reason, app: &str, now: Timestamp) -> Credential {
    if reason == Reason::Invalid {
        return credential.clone();
    }
    Credential {
        valid: false,
        message: Some(reason.message(app)),
        refusals: None,
        updated: now,
        ..credential.clone()
    }
}

/// What a token answer gave, sealed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The values with the answer's over those that were presented.
    pub sealed: Sealed,
    /// Digest of the refresh token in them: the old one's where the answer had none.
    pub refresh_digest: Option<String>,
    pub access_expires: Option<Timestamp>,
    /// `None` where the answer does not say and the refresh token is the old one: then its expiry
    /// stays.
    pub refresh_expires: Option<Timestamp>,
}

/// How a presentation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Granted(Granted),
    /// The app does not accept the refresh token (`invalid_grant`), whatever the status says.
    Refused,
    /// The app refused the request and did not say that the refresh token is the reason. Some apps never say
    /// so; of several in a row that is what they mean.
    Declined,
    /// The app did not look at it: it could not be reached, asked to wait, or did not know the client.
    NotTaken,
    /// No answer, or none that tells: it may or may not have been taken.
    Unknown,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// Commit this, then use it.
    Use(Box<Credential>),
    /// Commit this; the account must be connected again.
    Reconnect(Box<Credential>, Reason),
    /// Commit this; trying later may help.
    Later(Box<Credential>),
    /// It is somebody else's by now: commit nothing, plan again.
    Stale,
}

/// Decides what an answer means for the credential as it is stored now. `intent` is what was
/// presented.
#[must_use]
pub fn settle(
    current: &Credential,
    intent: &Intent,
    outcome: &Outcome,
    means: Means,
    app: &str,
    now: Timestamp,
) -> Settled {
    // After a reconnection or somebody else's refresh the answer is about an older token: what is
    // stored is adopted and never declared invalid by it.
    let is_ours = current
        .intent
        .as_ref()
        .is_some_and(|stored| stored.id == intent.id);
    let is_stored = intent.presented == presented(current, means);
    if !is_ours || !is_stored {
        return Settled::Stale;
    }
    let cleared = Credential {
        intent: None,
        updated: now,
        ..current.clone()
    };
    match outcome {
        Outcome::Granted(granted) => {
            let kept_token = granted.refresh_digest == current.refresh_digest;
            let kept_expiry = current.refresh_expires.filter(|_| kept_token);
            Settled::Use(Box::new(Credential {
                sealed: granted.sealed.clone(),
                refresh_digest: granted.refresh_digest.clone(),
                issued: now,
                access_expires: granted.access_expires,
                refresh_expires: granted.refresh_expires.or(kept_expiry),
                valid: true,
                message: None,
                refusals: None,
                generation: current.generation.saturating_add(1),
                ..cleared
            }))
        }
        Outcome::Refused => {
            let next = give_up(&cleared, Reason::Refused, app, now);
            Settled::Reconnect(Box::new(next), Reason::Refused)
        }
        Outcome::Declined => {
            let refusals = one_more(current.refusals, now);
            if is_final(refusals, now) {
                return settle(current, intent, &Outcome::Refused, means, app, now);
            }
            let counted = Credential {
                refusals: Some(refusals),
                ..current.clone()
            };
            settle(&counted, intent, &Outcome::NotTaken, means, app, now)
        }
        // The first presentation of this token has an unknown outcome still.
        Outcome::NotTaken if intent.presentations > 1 && matches!(means, Means::Token(_)) => {
            lapsed(current, intent, intent.presentations - 1, now)
        }
        // Whoever gave up meanwhile feared that it was taken. It was not.
        Outcome::NotTaken => Settled::Later(Box::new(Credential {
            valid: true,
            message: None,
            ..cleared
        })),
        Outcome::Unknown => {
            let mut over = intent.clone();
            over.until = now;
            if means.again(&over, now) {
                lapsed(current, intent, intent.presentations, now)
            } else {
                let next = give_up(current, Reason::OutcomeUnknown, app, now);
                Settled::Reconnect(Box::new(next), Reason::OutcomeUnknown)
            }
        }
    }
}

fn one_more(before: Option<Refusals>, now: Timestamp) -> Refusals {
    Refusals {
        count: before.map_or(0, |before| before.count).saturating_add(1),
        first: before.map_or(now, |before| before.first),
    }
}

fn is_final(refusals: Refusals, now: Timestamp) -> bool {
    let since = now.millis().saturating_sub(refusals.first.millis());
    refusals.count >= REFUSALS_MAX && since >= REFUSALS_MS
}

/// Keeps the intent as evidence, and lets the next one plan at once.
fn lapsed(current: &Credential, intent: &Intent, presentations: u32, now: Timestamp) -> Settled {
    Settled::Later(Box::new(Credential {
        intent: Some(Intent {
            until: now,
            presentations,
            ..intent.clone()
        }),
        updated: now,
        ..current.clone()
    }))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
