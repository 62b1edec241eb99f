//! The job that sends one message, until it is taken or given up.

use async_trait::async_trait;
use serde_json::Value;

use super::endpoint;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{DeliveryId, EndpointId};
use crate::model::{Attempt, Delivery, DeliveryState, Endpoint, Job};
use crate::port::egress::{EgressError, Failure, Header, Method, OutRequest, OutResponse};
use crate::port::jobs::{Claimed, Class, Handler, Outcome};
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::redact::redacted_text;
use crate::rules::webhook::{self as rules, Next, Tried};
use crate::time::Timestamp;

/// The kind of the job.
pub const KIND: &str = "webhook.deliver";

/// Longest time that an endpoint may take to answer, in milliseconds.
const TIMEOUT_MS: u64 = 15_000;

/// Does it.
pub struct DeliverHandler;

#[async_trait]
impl Handler for DeliverHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Sends one event to one webhook endpoint"
    }

    fn class(&self) -> Class {
        Class::Webhooks
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let (endpoint_id, delivery_id) = ids(&claimed.job().payload)?;
        let Some(delivery) = delivery(ctx, endpoint_id, delivery_id).await? else {
            return Ok(Outcome::done());
        };
        if delivery.state != DeliveryState::Pending {
            return Ok(Outcome::done());
        }
        let endpoint = repo::get::<Endpoint>(ctx.store(), endpoint_id).await?;
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.enabled) else {
            return ended(&delivery, delivery.value.clone(), DeliveryState::Failed);
        };
        let request = request(ctx, &endpoint, &delivery).await?;
        let started = ctx.now();
        let answer = ctx.ports.egress.send(request).await;
        let now = ctx.now();
        let attempt = Attempt {
            at: started,
            status: answer.as_ref().ok().map(|answer| answer.status),
            ms: now.millis().saturating_sub(started.millis()),
            error: answer
                .as_ref()
                .err()
                .map(|error| redacted_text(&error.to_string())),
        };
        let tried = delivery.tried(attempt);
        match next(ctx, &delivery, &answer, now) {
            Next::Delivered => {
                if endpoint::is_news(&endpoint, &delivery) {
                    endpoint::note(ctx, claimed, &delivery, true).await?;
                }
                ended(&delivery, tried, DeliveryState::Delivered)
            }
            Next::Gone => {
                let reason = "the endpoint answered 410 Gone: it wants no more events";
                endpoint::disable(ctx, claimed, endpoint_id, reason).await?;
                ended(&delivery, tried, DeliveryState::Failed)
            }
            Next::Again(at) => again(ctx, claimed, &delivery, tried, at).await,
            Next::GiveUp => {
                failing(ctx, claimed, &delivery).await?;
                ended(&delivery, tried, DeliveryState::Failed)
            }
        }
    }

    async fn give_up(&self, ctx: &Ctx, job: &Job, _error: &Error) -> Result<ChangeSet> {
        let (endpoint_id, delivery_id) = ids(&job.payload)?;
        let mut changes = ChangeSet::new();
        if let Some(delivery) = delivery(ctx, endpoint_id, delivery_id).await?
            && delivery.state == DeliveryState::Pending
        {
            let next = Delivery {
                state: DeliveryState::Failed,
                next: None,
                ..delivery.value.clone()
            };
            changes.update(&delivery, &next, None)?;
        }
        Ok(changes)
    }
}

fn ids(payload: &Value) -> Result<(EndpointId, DeliveryId)> {
    let text = |name: &str| {
        let text = payload.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Error::invalid("job.payload", "the job names no endpoint and delivery"))
    };
    Ok((text("endpoint")?.parse()?, text("delivery")?.parse()?))
}

pub(super) async fn delivery(
    ctx: &Ctx,
    endpoint: EndpointId,
    id: DeliveryId,
) -> Result<Option<Stored<Delivery>>> {
    let key = Delivery::key_of(endpoint, id);
    Ok(repo::get_keys::<Delivery>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten())
}

fn ended(of: &Stored<Delivery>, next: Delivery, state: DeliveryState) -> Result<Outcome> {
    let next = Delivery {
        state,
        next: None,
        ..next
    };
    let mut changes = ChangeSet::new();
    changes.update(of, &next, None)?;
    Ok(Outcome::Done(changes))
}

fn next(
    ctx: &Ctx,
    delivery: &Delivery,
    answer: &std::result::Result<OutResponse, EgressError>,
    now: Timestamp,
) -> Next {
    let (tried, stated) = match answer {
        Ok(answer) => {
            let stated = answer.header("retry-after");
            let stated = stated.and_then(|text| rules::retry_after_ms(text, now));
            (Tried::Answered(answer.status), stated)
        }
        Err(error) if matches!(error.failure, Failure::Address | Failure::Refused) => {
            (Tried::Refused, None)
        }
        Err(_) => (Tried::Unanswered, None),
    };
    let random = ctx.ports.ids.random();
    let random = random
        .iter()
        .take(8)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    rules::next(tried, delivery.failures, stated, now, random)
}

/// Signed with the secret, and for a while with the one before it.
async fn request(ctx: &Ctx, endpoint: &Endpoint, delivery: &Delivery) -> Result<OutRequest> {
    let vault = &ctx.ports.vault;
    let now = ctx.now();
    let id = delivery.id.to_string();
    let binding = Endpoint::binding(endpoint.organization, endpoint.id);
    let secret = vault.open(&binding, &endpoint.secret).await?;
    let mut signatures = vec![rules::signature(&secret, &id, now, &delivery.body)?];
    if let Some(old) = endpoint.old_secret.as_ref().filter(|old| old.until > now) {
        let binding = Endpoint::old_binding(endpoint.organization, endpoint.id);
        let secret = vault.open(&binding, &old.sealed).await?;
        signatures.push(rules::signature(&secret, &id, now, &delivery.body)?);
    }
    let request = OutRequest::new(Method::Post, &endpoint.url, "webhook.deliver")
        .header(Header::plain("webhook-id", id))
        .header(Header::plain(
            "webhook-timestamp",
            rules::seconds(now).to_string(),
        ))
        .header(Header::plain("webhook-signature", signatures.join(" ")))
        .body("application/json", delivery.body.clone())
        .timeout_ms(TIMEOUT_MS)
        // Any 2xx means taken, whatever the endpoint writes after it.
        .status_only();
    Ok(request)
}

/// Notes a failure, and switches the endpoint off when it has failed for long. Answers whether it
/// did.
async fn failing(ctx: &Ctx, claimed: &Claimed, of: &Delivery) -> Result<bool> {
    let since = endpoint::note(ctx, claimed, of, false).await?;
    if !rules::is_worn_out(since, ctx.now()) {
        return Ok(false);
    }
    let days = rules::FAILING_MAX_MS / crate::time::DAY_MS;
    let reason = format!(
        "nothing was taken for {days} days; mend the endpoint, switch it on and replay what it missed"
    );
    endpoint::disable(ctx, claimed, of.endpoint, &reason).await?;
    Ok(true)
}

async fn again(
    ctx: &Ctx,
    claimed: &Claimed,
    delivery: &Stored<Delivery>,
    tried: Delivery,
    at: Timestamp,
) -> Result<Outcome> {
    if failing(ctx, claimed, delivery).await? {
        return ended(delivery, tried, DeliveryState::Failed);
    }
    let next = Delivery {
        failures: tried.failures.saturating_add(1),
        next: Some(at),
        ..tried
    };
    let mut changes = ChangeSet::new();
    changes.update(delivery, &next, None)?;
    claimed.fence(&mut changes);
    ctx.store().commit(changes).await?;
    Ok(Outcome::Later {
        at,
        payload: claimed.job().payload.clone(),
    })
}
