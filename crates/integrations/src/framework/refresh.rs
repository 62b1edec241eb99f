//! Refreshes a credential: runs [`gna_domain::rules::refresh`] over vault, app and store.

use gna_domain::connect::credential::{Intent, refresh_digest};
use gna_domain::connect::oauth2::{Refused, Tokens, Verdict};
use gna_domain::connect::{Credential, Module};
use gna_domain::ctx::Actor;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::id::CredentialId;
use gna_domain::model::AuditEntry;
use gna_domain::port::apps::Apps;
use gna_domain::port::store::{ChangeSet, Event, Store, Stored};
use gna_domain::port::{Clock, Ids, fresh, repo};
use gna_domain::rules::refresh::{
    self, Granted, Means, Outcome, Plan, Reason, Settled, begin, give_up, plan, settle,
};
use gna_domain::service::connect::{secrets, tokens};
use std::time::Duration;

/// First and longest time between two looks at a refresh that somebody else does, in milliseconds.
const LOOK_MS: (u64, u64) = (50, 500);
/// First and longest time between two tries to store an answer, in milliseconds.
const STORE_MS: (u64, u64) = (20, 2_000);
/// How often an answer is tried to be stored while the store is out of order.
const STORE_TRIES: u32 = 40;
const ACTOR: Actor = Actor::System("refresh");

/// What a refresh works with.
pub struct Refresher<'a> {
    pub apps: &'a dyn Apps,
    pub store: &'a dyn Store,
    pub clock: &'a dyn Clock,
    pub ids: &'a dyn Ids,
}

/// The error of a credential that waits for a person.
#[must_use]
pub fn reconnect(credential: &Credential, module: &Module, reason: Reason) -> Error {
    let message = credential
        .message
        .clone()
        .unwrap_or_else(|| reason.message(&module.display.label));
    Error::new(Kind::Upstream, "credential.reconnect", message)
}

/// A credential with newer tokens.
pub struct Newer {
    pub credential: Stored<Credential>,
    /// Whether this very call got them, and did not find them.
    pub is_fresh: bool,
}

/// An answer that came, and what it is about.
struct Presented {
    intent: Intent,
    outcome: Outcome,
    error: Option<Error>,
}

impl Refresher<'_> {
    /// The credential with newer tokens than those of the generation that was used.
    ///
    /// # Errors
    /// `credential.reconnect`, `credential.busy` where the app can't answer now, `not_found` where
    /// it was disconnected meanwhile, `vault.*`, or the store's.
    pub async fn newer(&self, module: &Module, id: CredentialId, used: u64) -> Result<Newer> {
        let means = tokens::means(module);
        let mut look = LOOK_MS.0;
        loop {
            let current = repo::require::<Credential>(self.store, id).await?;
            let now = self.clock.now();
            match plan(&current, used, means, now) {
                Plan::Adopt => {
                    return Ok(Newer {
                        credential: current,
                        is_fresh: false,
                    });
                }
                Plan::Wait { .. } => {
                    tokio::time::sleep(Duration::from_millis(look)).await;
                    look = (look * 2).min(LOOK_MS.1);
                }
                Plan::Reconnect(reason) => {
                    let next = give_up(&current, reason, &module.display.label, now);
                    let error = reconnect(&next, module, reason);
                    if next == current.value || self.commit(&current, &next).await? {
                        return Err(error);
                    }
                }
                Plan::Present { attempt } => {
                    let id = fresh(self.ids);
                    let next = begin(&current, id, attempt, means, now);
                    if self.commit(&current, &next).await?
                        && let Some(credential) = self.present(module, means, next).await?
                    {
                        return Ok(Newer {
                            credential,
                            is_fresh: true,
                        });
                    }
                }
            }
        }
    }

    /// Presents, and stores what came of it; nothing where it was about an older token.
    async fn present(
        &self,
        module: &Module,
        means: Means,
        begun: Credential,
    ) -> Result<Option<Stored<Credential>>> {
        let Some(intent) = begun.intent.clone() else {
            return Err(Error::internal("refresh.intent", "there is no intent"));
        };
        let (outcome, error) = match self.outcome(module, means, &begun, &intent).await {
            Ok(granted) => (Outcome::Granted(granted), None),
            Err((outcome, error)) => (outcome, Some(error)),
        };
        let presented = Presented {
            intent,
            outcome,
            error,
        };
        self.store_answer(module, means, begun.id, &presented).await
    }

    async fn outcome(
        &self,
        module: &Module,
        means: Means,
        begun: &Credential,
        intent: &Intent,
    ) -> Result<Granted, (Outcome, Error)> {
        let not_taken = |error| (Outcome::NotTaken, error);
        let values = secrets::open(self.apps.vault(), begun)
            .await
            .map_err(not_taken)?;
        let scopes = secrets::values(module, &begun.connection, &values, &Default::default());
        let now = self.clock.now();
        let request = tokens::renewal(self.apps, module, &scopes, now).map_err(not_taken)?;
        if !refresh::is_in_time(intent, means, self.clock.now()) {
            let late = Error::new(
                Kind::Unavailable,
                "credential.busy",
                "the refresh took too long to begin; try again",
            );
            return Err(not_taken(late));
        }
        let before = secrets::tokens_of(begun, &values);
        let patience = means.patience().answer_ms;
        let answer = tokens::ask(
            self.apps,
            module,
            request,
            before.as_ref(),
            patience,
            self.clock.now(),
        )
        .await;
        let tokens = answer
            .map_err(|refused| (outcome_of(&refused, means), tokens::error(module, &refused)))?;
        let renewed = tokens::over(&values, &tokens);
        let sealed = self.seal(begun, &renewed).await;
        // What was granted and can't be sealed is lost: nobody will ever know it.
        let sealed = sealed.map_err(|error| (Outcome::Unknown, error))?;
        Ok(granted(sealed, &renewed, &tokens))
    }

    async fn seal(
        &self,
        begun: &Credential,
        values: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<gna_domain::port::vault::Sealed> {
        let mut wait = STORE_MS.0;
        for _ in 1..STORE_TRIES {
            let sealed =
                secrets::seal(self.apps.vault(), begun.organization, begun.id, values).await;
            match sealed {
                Err(error) if error.is_retryable() => {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    wait = (wait * 2).min(STORE_MS.1);
                }
                done => return done,
            }
        }
        secrets::seal(self.apps.vault(), begun.organization, begun.id, values).await
    }

    /// Stores an answer, against whatever else happens to the record and while the store is out of
    /// order: a granted token that is not stored is lost.
    async fn store_answer(
        &self,
        module: &Module,
        means: Means,
        id: CredentialId,
        presented: &Presented,
    ) -> Result<Option<Stored<Credential>>> {
        let mut wait = STORE_MS.0;
        let mut tries = 0;
        loop {
            match self.settle_once(module, means, id, presented).await {
                Ok(Some(done)) => return done,
                Ok(None) => {}
                Err(error) if error.is_retryable() && tries < STORE_TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    wait = (wait * 2).min(STORE_MS.1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Nothing where somebody else wrote the record in between.
    async fn settle_once(
        &self,
        module: &Module,
        means: Means,
        id: CredentialId,
        presented: &Presented,
    ) -> Result<Option<Result<Option<Stored<Credential>>>>> {
        let Presented {
            intent,
            outcome,
            error,
        } = presented;
        let current = repo::require::<Credential>(self.store, id).await?;
        let app = &module.display.label;
        let settled = settle(&current, intent, outcome, means, app, self.clock.now());
        let (next, end) = match settled {
            Settled::Stale => return Ok(Some(Ok(None))),
            Settled::Use(next) => (*next, Ok(())),
            Settled::Reconnect(next, reason) => {
                let error = reconnect(&next, module, reason);
                (*next, Err(error))
            }
            Settled::Later(next) => {
                let busy = || {
                    Error::new(
                        Kind::Upstream,
                        "credential.busy",
                        format!("{app} did not renew the connection now; try again later"),
                    )
                };
                (*next, Err(error.clone().unwrap_or_else(busy)))
            }
        };
        if !self.commit(&current, &next).await? {
            return Ok(None);
        }
        let stored = Stored {
            value: next,
            version: current.version + 1,
        };
        Ok(Some(end.map(|()| Some(stored))))
    }

    /// Whether it was written; not where somebody else was faster.
    async fn commit(&self, current: &Stored<Credential>, next: &Credential) -> Result<bool> {
        write(self.store, self.ids, current, next).await
    }
}

/// Writes a credential, with the event and the audit entry of what changed.
///
/// # Errors
/// The store's, but for a lost race, which is `false`.
pub async fn write(
    store: &dyn Store,
    ids: &dyn Ids,
    current: &Stored<Credential>,
    next: &Credential,
) -> Result<bool> {
    let verb = if current.valid && !next.valid {
        Some("credential.invalidated")
    } else if !current.valid && next.valid {
        Some("credential.validated")
    } else if next.generation > current.generation {
        Some("credential.refreshed")
    } else {
        None
    };
    let mut changes = ChangeSet::new();
    changes.update(current, next, verb.map(Event::named))?;
    if let Some(verb) = verb {
        let entry = AuditEntry::by(
            &ACTOR,
            fresh(ids),
            next.updated,
            Some(next.organization),
            verb,
            [next.id.to_string()],
        );
        let detail =
            serde_json::json!({ "module": next.module.as_str(), "generation": next.generation });
        changes.create(&entry.with(detail), None)?;
    }
    match store.commit(changes).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == "store.conflict" => Ok(false),
        Err(error) => Err(error),
    }
}

fn outcome_of(refused: &Refused, means: Means) -> Outcome {
    match refused.verdict {
        // Where the client's id and secret are the credential, a wrong client is a dead credential.
        Verdict::Client if means == Means::Repeatable => Outcome::Refused,
        Verdict::Dead | Verdict::Denied => Outcome::Refused,
        Verdict::Client | Verdict::Transient => Outcome::NotTaken,
        Verdict::Request if refused.is_about_the_request() => Outcome::NotTaken,
        Verdict::Request => Outcome::Declined,
        Verdict::Unknown => Outcome::Unknown,
    }
}

fn granted(
    sealed: gna_domain::port::vault::Sealed,
    values: &serde_json::Map<String, serde_json::Value>,
    tokens: &Tokens,
) -> Granted {
    Granted {
        sealed,
        refresh_digest: refresh_digest(values),
        access_expires: tokens.expires_at,
        refresh_expires: tokens.refresh_expires_at,
    }
}
