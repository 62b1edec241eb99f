//! From the feed to deliveries: each event is owed to each endpoint that wants it, exactly once.

use async_trait::async_trait;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::super::feed::{Follower, Owes};
use super::super::message::{Message, Messages, Subjects};
use super::deliver;
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::id::OrganizationId;
use crate::model::{Delivery, DeliveryState, Endpoint, EndpointBook, Job};
use crate::page::PageRequest;
use crate::port::store::{ChangeSet, FeedItem, Stored};
use crate::port::{fresh, repo};
use crate::rules::condition::{Condition, Facts};
use crate::rules::webhook::{self as rules, About};
use crate::rules::webhook_filter;

/// The name of the place in the feed.
pub(super) const READER: &str = "webhooks";

/// Deliveries of one endpoint that may be under way at a time: enough for a thousand a second to one
/// that answers within 15 ms, and half of what a worker has room for (`worker.webhook_slots`), so that
/// one that does not answer holds up nobody else.
const LANES: u8 = 16;
/// What a delivery's record holds beside the message, in bytes.
const ROOM: usize = 64 * 1024;

/// Conditions that are kept ready; beyond that all are made anew.
const READY_MAX: usize = 1_000;

/// What endpoints are owed.
#[derive(Default)]
pub struct Webhooks {
    /// By their text, with why it can't be read where it can't: reading one costs a thread.
    ready: Mutex<BTreeMap<String, Result<Condition>>>,
}

impl Webhooks {
    fn condition(&self, source: &str) -> Result<Condition> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ready.get(source) {
            return known.clone();
        }
        drop(ready);
        // Without the lock: whoever has theirs ready does not wait for it.
        let read = webhook_filter::compile(source);
        self.keep(source, &read);
        read
    }

    fn keep(&self, source: &str, read: &Result<Condition>) {
        // That there was no thread for it says nothing of the text.
        if let Err(error) = read
            && error.kind() == Kind::Unavailable
        {
            return;
        }
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() >= READY_MAX {
            ready.clear();
        }
        ready.insert(source.to_owned(), read.clone());
    }

    /// Whether the endpoint's condition is true of a message.
    fn holds(&self, source: &str, facts: &Result<Facts>) -> Result<bool> {
        let facts = facts.as_ref().map_err(Clone::clone)?;
        self.condition(source)?.holds(facts)
    }
}

/// Follows the feed for all endpoints.
#[must_use]
pub fn follower() -> Follower<Webhooks> {
    Follower::new(Webhooks::default())
}

#[async_trait]
impl Owes for Webhooks {
    fn name(&self) -> &'static str {
        READER
    }

    async fn owed(&self, ctx: &Ctx, items: &[FeedItem]) -> Result<Vec<ChangeSet>> {
        let nothing = || items.iter().map(|_| ChangeSet::new()).collect();
        // One look where nobody listens at all.
        let any = repo::children::<EndpointBook>(
            ctx.store(),
            EndpointBook::PARTITION,
            false,
            PageRequest::first(1),
        );
        if any.await?.items.is_empty() {
            return Ok(nothing());
        }
        let subjects = Subjects::load(ctx, items).await?;
        let concerned = items.iter().filter_map(|item| subjects.organization(item));
        // Read after the feed: an endpoint that was there before an event is there now.
        let endpoints = endpoints(ctx, concerned.collect()).await?;
        if endpoints.is_empty() {
            return Ok(nothing());
        }
        let listening = endpoints.keys().copied().collect();
        let messages = Messages::load(ctx, subjects, &listening).await?;
        let owed = |item: &FeedItem| {
            let mut changes = ChangeSet::new();
            if let Some(message) = messages.of(item) {
                // Only where somebody asks.
                let facts = LazyCell::new(|| webhook_filter::facts(message.event, &message.data));
                for endpoint in endpoints.get(&message.organization).into_iter().flatten() {
                    let about = about(item, &message);
                    if !rules::wants(endpoint, &about) {
                        continue;
                    }
                    let holds = match &endpoint.condition {
                        Some(source) => self.holds(source, &facts),
                        None => Ok(true),
                    };
                    if holds != Ok(false) {
                        owe(ctx, &mut changes, endpoint, item, &message, holds.err())?;
                    }
                }
            }
            Ok(changes)
        };
        items.iter().map(owed).collect()
    }
}

/// The endpoints of these organizations that are switched on.
async fn endpoints(
    ctx: &Ctx,
    organizations: BTreeSet<OrganizationId>,
) -> Result<BTreeMap<OrganizationId, Vec<Stored<Endpoint>>>> {
    let keys: Vec<_> = organizations
        .into_iter()
        .map(EndpointBook::key_of)
        .collect();
    let books = repo::get_keys::<EndpointBook>(ctx.store(), &keys).await?;
    let ids: Vec<_> = books
        .into_iter()
        .flatten()
        .flat_map(|book| book.value.endpoints)
        .collect();
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for endpoint in repo::get_many::<Endpoint>(ctx.store(), &ids).await? {
        if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.enabled) {
            all.entry(endpoint.organization).or_default().push(endpoint);
        }
    }
    Ok(all)
}

fn about<'a>(item: &FeedItem, message: &Message) -> About<'a> {
    About {
        event: message.event,
        group: Some(message.group),
        level: message.level,
        at: item.at,
    }
}

/// Adds the delivery of an event to an endpoint that wants it. Where its condition could not be asked
/// the message is sent, with the reason in its log: nobody misses a message by a mistake in a filter.
fn owe(
    ctx: &Ctx,
    changes: &mut ChangeSet,
    endpoint: &Endpoint,
    item: &FeedItem,
    message: &Message,
    unasked: Option<Error>,
) -> Result<()> {
    let body = message.body(item.at).to_string();
    // As JSON in a record it is written once more with its quotes escaped. One message that does not
    // fit must not hold up all others of all endpoints.
    if 2 * body.len() + ROOM > ctx.store().limits().record_bytes {
        tracing::error!(
            endpoint = %endpoint.id,
            position = item.position.0,
            "a message is too large to be kept, and is not sent"
        );
        return Ok(());
    }
    let delivery = Delivery {
        id: rules::delivery_id(&item.position.0, item.at, endpoint.id),
        endpoint: endpoint.id,
        organization: endpoint.organization,
        event: message.event.to_owned(),
        body,
        condition_error: unasked.map(|error| format!("{}: {}", error.code(), error.message())),
        state: DeliveryState::Pending,
        attempts: Vec::new(),
        tries: 0,
        failures: 0,
        next: Some(ctx.now()),
        created: ctx.now(),
    };
    changes.create(&delivery, None)?;
    changes.create(&job(ctx, &delivery, &item.key.partition), None)
}

/// The job of a delivery. Those about one thing take turns, so that they arrive in order unless one
/// fails; those about others go beside.
pub(super) fn job(ctx: &Ctx, delivery: &Delivery, about: &str) -> Job {
    let digest = Sha256::digest(about);
    let lane = digest.first().copied().unwrap_or(0) % LANES;
    let payload = json!({ "endpoint": delivery.endpoint, "delivery": delivery.id });
    let id = fresh(ctx.ports.ids.as_ref());
    Job::new(id, deliver::KIND, payload, ctx.now())
        .in_lane(format!("webhook:{}:{lane}", delivery.endpoint))
        .yielding()
        .of(delivery.organization)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_read_once_also_one_that_can_not_be_read() {
        let webhooks = Webhooks::default();
        let kept = || webhooks.ready.lock().expect("nobody panicked").len();
        for (at, source) in ["event ==", "", "vulnerability.scor > 7.0", "event == 'x'"]
            .into_iter()
            .enumerate()
        {
            let code = || webhooks.condition(source).err().map(|error| error.code());
            let first = code();
            assert_eq!(kept(), at + 1, "{source:?}");
            assert_eq!(code(), first, "{source:?}");
            assert_eq!(kept(), at + 1, "{source:?}");
        }
        // Changed beside it, it shows that what is kept is what is answered.
        let odd = Error::invalid("condition.syntax", "as it was kept");
        webhooks.keep("event ==", &Err(odd.clone()));
        assert_eq!(webhooks.condition("event ==").err(), Some(odd));
    }

    #[test]
    fn what_says_nothing_of_the_condition_is_not_kept() {
        let webhooks = Webhooks::default();
        let odd = Error::unavailable("condition.no_thread", "no thread could be started");
        webhooks.keep("event ==", &Err(odd));
        let refused = webhooks.condition("event ==").err();
        assert!(refused.is_some_and(|error| error.kind() == Kind::Invalid));
    }
}
