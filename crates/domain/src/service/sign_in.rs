//! Signing in with e-mail address and password, throttled; opening sessions.
//!
//! Nothing here tells whether an address has an account: not the answer, not how long it takes.
//! Read next: [`super::session`] for what becomes of a session, [`crate::rules::throttle`].

use std::net::IpAddr;

use super::access::{new_secret, retrying};
use crate::ctx::{Actor, Ctx};
use crate::error::{Error, Result};
use crate::model::{Attempts, AuditEntry, Email, Origin, PasswordHash, SESSION_MS, Session, User};
use crate::port::{ChangeSet, Key, Stored, fresh, repo};
use crate::rules::credential::PASSWORD_LENGTH;
use crate::rules::throttle;
use crate::secret::Secret;

/// Who asks to be let in.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub email: String,
    pub password: Secret,
    pub origin: Origin,
}

/// A new session; the secret goes into the browser's cookie and is shown nowhere else.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub secret: Secret,
    pub session: Session,
    pub user: User,
}

/// The one answer to a wrong address, a wrong password and an account without one.
fn wrong() -> Error {
    Error::unauthenticated("auth.wrong", "the e-mail address or the password is wrong")
}

/// # Errors
/// `auth.throttled` with the seconds to wait, `auth.wrong`, `auth.disabled`, or the store's.
pub async fn sign_in(ctx: &Ctx, input: SignIn) -> Result<SignedIn> {
    let email = Email::new(&input.email).ok();
    let counters = counters(&input.email, &input.origin);
    count_attempt(ctx, &counters, &input.email, &input.origin).await?;
    let user = match &email {
        Some(email) => repo::find::<User>(ctx.store(), "email", &[email.as_str()]).await?,
        None => None,
    };
    let hash = user.as_ref().and_then(|user| user.password.clone());
    if !check(ctx, input.password.clone(), hash.as_ref()).await? {
        tracing::warn!(source = ?input.origin.address, "a sign-in failed");
        return Err(wrong());
    }
    let user = user.ok_or_else(wrong)?;
    if user.is_disabled() {
        return Err(Error::forbidden(
            "auth.disabled",
            "this account is disabled; an administrator can enable it",
        ));
    }
    forgive(ctx, &counters).await?;
    let mut changes = ChangeSet::new();
    let opened = open(ctx, &mut changes, &user.value, input.origin)?;
    ctx.store().commit(changes).await?;
    if hash.is_some_and(|hash| ctx.ports.passwords.is_outdated(hash.phc())) {
        strengthen(ctx, &user, input.password).await;
    }
    Ok(opened)
}

/// Checks a password; takes as long for someone who has none.
async fn check(ctx: &Ctx, password: Secret, hash: Option<&PasswordHash>) -> Result<bool> {
    if password.expose().chars().count() > *PASSWORD_LENGTH.end() {
        return Ok(false);
    }
    let phc = hash.map(|hash| hash.phc().to_owned());
    ctx.ports.passwords.verify(password, phc).await
}

/// Checks the password of someone who is signed in, throttled like signing in.
pub(crate) async fn confirm(
    ctx: &Ctx,
    user: &User,
    password: Secret,
    origin: &Origin,
) -> Result<()> {
    let counters = counters(user.email.as_str(), origin);
    count_attempt(ctx, &counters, user.email.as_str(), origin).await?;
    if !check(ctx, password, user.password.as_ref()).await? {
        return Err(
            Error::forbidden("auth.wrong_password", "the current password is wrong")
                .on_field("current"),
        );
    }
    forgive(ctx, &counters).await
}

/// Hashes a password again with today's parameters. A failure costs nothing: the next sign-in tries.
async fn strengthen(ctx: &Ctx, user: &Stored<User>, password: Secret) {
    let done = async {
        let hash = ctx.ports.passwords.hash(password).await?;
        let next = User {
            password: Some(PasswordHash::new(hash)),
            ..user.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(user, &next, None)?;
        ctx.store().commit(changes).await
    };
    if let Err(error) = done.await {
        tracing::debug!(code = error.code(), "a password hash was not renewed");
    }
}

/// Adds a new session to a change set.
pub(crate) fn open(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    user: &User,
    origin: Origin,
) -> Result<SignedIn> {
    let secret = new_secret(ctx.ports.ids.as_ref(), "");
    let now = ctx.now();
    let session = Session {
        id: fresh(ctx.ports.ids.as_ref()),
        digest: secret.digest(),
        user: user.id,
        epoch: user.session_epoch,
        created: now,
        seen: now,
        expires: now.plus_millis(SESSION_MS),
        origin,
    };
    changes.create(&session, None)?;
    let subject = [user.id.to_string(), session.id.to_string()];
    let entry = AuditEntry::by(
        &Actor::User(user.id),
        fresh(ctx.ports.ids.as_ref()),
        now,
        None,
        "session.opened",
        subject,
    );
    let detail = serde_json::json!({ "address": session.origin.address });
    changes.create(&entry.with(detail), None)?;
    Ok(SignedIn {
        secret,
        session,
        user: user.clone(),
    })
}

/// Where attempts are counted.
struct Counter {
    /// A digest of what they are counted of.
    of: String,
    limit: u32,
    what: Counted,
}

/// What attempts are counted of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Account,
    Source,
}

impl Counted {
    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Source => "source",
        }
    }
}

impl Counter {
    fn new(what: Counted, limit: u32, name: &str) -> Self {
        let of = Secret::new(format!("{}:{name}", what.as_str())).digest();
        Self { of, limit, what }
    }

    fn of_account(email: &str) -> Self {
        let account = email.trim().to_lowercase();
        Self::new(Counted::Account, throttle::PER_ACCOUNT, &account)
    }
}

/// Which counters an attempt counts on: of the account, and of the source where it is known.
fn counters(email: &str, origin: &Origin) -> Vec<Counter> {
    let source = origin.address.map(|address| {
        let source = source_of(address);
        Counter::new(Counted::Source, throttle::PER_SOURCE, &source)
    });
    std::iter::once(Counter::of_account(email))
        .chain(source)
        .collect()
}

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 customer has (RFC 6177).
fn source_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

async fn read_attempts(ctx: &Ctx, counters: &[Counter]) -> Result<Vec<Option<Stored<Attempts>>>> {
    let keys: Vec<Key> = counters
        .iter()
        .map(|counter| Attempts::key_of(&counter.of))
        .collect();
    repo::get_keys::<Attempts>(ctx.store(), &keys).await
}

/// What failed for an account lately, whatever the sources.
pub(super) async fn attempts_of(ctx: &Ctx, email: &Email) -> Result<Option<Stored<Attempts>>> {
    let counters = [Counter::of_account(email.as_str())];
    Ok(read_attempts(ctx, &counters).await?.pop().flatten())
}

async fn count_attempt(
    ctx: &Ctx,
    counters: &[Counter],
    email: &str,
    origin: &Origin,
) -> Result<()> {
    let counted = retrying(|| async {
        let mut changes = ChangeSet::new();
        let stored = read_attempts(ctx, counters).await?;
        for (counter, stored) in counters.iter().zip(stored) {
            let current = stored.as_ref().map(|stored| &stored.value);
            let next = throttle::count(current, &counter.of, counter.limit, ctx.now());
            match (next, &stored) {
                (Ok(next), Some(stored)) => changes.update(stored, &next, None)?,
                (Ok(next), None) => changes.create(&next, None)?,
                (Err(wait), stored) => {
                    if let Some(stored) = stored {
                        tell(ctx, counter, stored, email, origin).await?;
                    }
                    return Err(throttle::throttled(wait));
                }
            }
        }
        ctx.store().commit(changes).await
    });
    match counted.await {
        // Many attempts at once on one counter: that is what is to be slowed down.
        Err(error) if error.code() == "store.conflict" => Err(throttle::throttled(1_000)),
        done => done.map(|_| ()),
    }
}

/// Writes into the audit log that a limit was reached, once in a window. It has the account where there
/// is one, never what was typed: that may be a password in the wrong field.
async fn tell(
    ctx: &Ctx,
    counter: &Counter,
    stored: &Stored<Attempts>,
    email: &str,
    origin: &Origin,
) -> Result<()> {
    let Some(next) = throttle::tell(&stored.value, ctx.now()) else {
        return Ok(());
    };
    let user = match Email::new(email) {
        Ok(email) if counter.what == Counted::Account => {
            repo::find::<User>(ctx.store(), "email", &[email.as_str()]).await?
        }
        _ => None,
    };
    let subject = user.map(|user| user.id.to_string());
    let detail = serde_json::json!({
        "of": counter.what.as_str(),
        "limit": counter.limit,
        "address": origin.address,
    });
    let mut changes = ChangeSet::new();
    changes.update(stored, &next, None)?;
    let entry = AuditEntry::new(ctx, None, "sign_in.throttled", subject);
    changes.create(&entry.with(detail), None)?;
    ctx.store().commit(changes).await.map(|_| ())
}

/// After a success: the account's failures are forgotten, the source's count goes back by one.
async fn forgive(ctx: &Ctx, counters: &[Counter]) -> Result<()> {
    let forgiven = retrying(|| async {
        let mut changes = ChangeSet::new();
        let stored = read_attempts(ctx, counters).await?;
        for (at, stored) in stored.into_iter().enumerate() {
            match stored {
                Some(account) if at == 0 => changes.delete(&account, None),
                Some(source) => {
                    changes.update(&source, &throttle::forgive(&source.value), None)?;
                }
                None => {}
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        ctx.store().commit(changes).await.map(|_| ())
    });
    match forgiven.await {
        Err(error) if error.code() == "store.conflict" => Ok(()),
        done => done,
    }
}
