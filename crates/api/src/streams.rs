//! The streams of changes that are open: how many one caller has, and how all of them end.
//!
//! Each costs looks at the store for as long as it is open, which no allowance of requests counts. A
//! server that stops tells them before it goes: an open websocket is nothing that the listener waits
//! for.

use gna_domain::ctx::Actor;
use gna_domain::error::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Most streams of one person, or of one token that is nobody's, over however many connections.
pub const MAX_STREAMS: usize = 20;
/// Longest wait for streams to end when the server stops.
const PATIENCE: Duration = Duration::from_secs(3);

/// All that are open in this process.
#[derive(Debug)]
pub struct Streams {
    ending: watch::Sender<bool>,
    open: Mutex<HashMap<String, usize>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            ending: watch::Sender::new(false),
            open: Mutex::default(),
        }
    }
}

impl Streams {
    /// Counts one more, until what it answers is dropped.
    ///
    /// # Errors
    /// `changes.too_many`.
    pub(crate) fn open(self: &Arc<Self>, actor: &Actor) -> Result<Open> {
        let who = match actor.user() {
            Some(person) => person.to_string(),
            None => actor.label(),
        };
        let mut all = self.all();
        let count = all.entry(who.clone()).or_default();
        if *count >= MAX_STREAMS {
            return Err(Error::invalid(
                "changes.too_many",
                format!("there are {MAX_STREAMS} streams of changes already; end one first"),
            ));
        }
        *count += 1;
        drop(all);
        Ok(Open {
            ending: self.ending.subscribe(),
            of: Arc::clone(self),
            who,
        })
    }

    /// Has all of them say that the server stops, and waits until they did, 3 seconds at most.
    pub async fn end(&self) {
        self.ending.send_replace(true);
        let gone = tokio::time::timeout(PATIENCE, self.ending.closed()).await;
        if gone.is_err() {
            tracing::warn!("streams of changes were cut off: their readers took nothing more");
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that is open.
#[derive(Debug)]
pub(crate) struct Open {
    ending: watch::Receiver<bool>,
    of: Arc<Streams>,
    who: String,
}

impl Open {
    /// Comes when the server stops.
    pub(crate) async fn ending(&mut self) {
        // The sender lives as long as this does.
        drop(self.ending.wait_for(|ending| *ending).await);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut all = self.of.all();
        if let Some(count) = all.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::id::{TokenId, TypedId, UserId};

    fn person(number: u8) -> UserId {
        format!("{}_{number:032x}", UserId::PREFIX)
            .parse()
            .expect("an id")
    }

    #[test]
    fn a_person_has_so_many_by_whatever_means_and_nobody_else_has_fewer() {
        let streams = Arc::new(Streams::default());
        let token = Actor::Token {
            token: format!("{}_{:032x}", TokenId::PREFIX, 7)
                .parse()
                .expect("an id"),
            owner: Some(person(1)),
        };
        let mut held = Vec::new();
        for n in 0..MAX_STREAMS {
            let who = if n % 2 == 0 {
                Actor::User(person(1))
            } else {
                token.clone()
            };
            held.push(streams.open(&who).expect("is taken"));
        }
        let refused = streams.open(&token).expect_err("is one too many");
        assert_eq!(refused.code(), "changes.too_many");
        let other = streams.open(&Actor::User(person(2)));
        assert!(other.is_ok());
        held.pop();
        assert!(streams.open(&token).is_ok(), "one has ended");
        drop((held, other));
        assert!(streams.all().is_empty(), "nobody is kept in mind");
    }

    #[tokio::test]
    async fn each_is_told_that_the_server_stops_and_waited_for() {
        let streams = Arc::new(Streams::default());
        streams.end().await;
        let mut late = streams.open(&Actor::LocalOperator).expect("is taken");
        late.ending().await;
        drop(late);

        let streams = Arc::new(Streams::default());
        let mut open = streams.open(&Actor::LocalOperator).expect("is taken");
        let told = Arc::new(Mutex::new(false));
        let reader = async {
            open.ending().await;
            tokio::task::yield_now().await;
            *told.lock().expect("nobody panicked") = true;
            drop(open);
        };
        let ((), was_told) = tokio::join!(reader, async {
            streams.end().await;
            *told.lock().expect("nobody panicked")
        });
        assert!(was_told, "the end comes after theirs");
    }
}
