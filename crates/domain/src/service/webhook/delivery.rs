//! The log of deliveries, replays and tests.

use serde_json::json;

use super::super::access::retrying;
use super::super::lookup::permitted;
use super::super::message;
use super::{deliver, follow};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::id::{DeliveryId, EndpointId};
use crate::model::{AuditEntry, Delivery, DeliveryState, Endpoint};
use crate::page::{Cursor, Page, PageRequest};
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::event_type::TEST;
use crate::rules::webhook as rules;
use crate::time::Timestamp;

/// Deliveries that one call of [`replay_failed`] looks at, at most.
pub const REPLAY_LOOK: usize = 1_000;

/// Deliveries read at once, and those of them that one commit replays.
const PAGE: usize = 100;
const TOGETHER: usize = 20;

/// How far [`replay_failed`] came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Messages that are sent once more.
    pub messages: usize,
    /// From where to go on; none at the end.
    pub next: Option<Cursor>,
}

/// What was and is to be sent to an endpoint, newest first; kept for 30 days.
///
/// # Errors
/// `not_found`, not permitted (`webhook.read`), or the store's.
pub async fn list(
    ctx: &Ctx,
    endpoint: EndpointId,
    page: PageRequest,
) -> Result<Page<Stored<Delivery>>> {
    permitted::<Endpoint>(ctx, endpoint, Action::WebhookRead).await?;
    repo::children(ctx.store(), &endpoint.to_string(), true, page).await
}

fn enabled(endpoint: &Endpoint) -> Result<()> {
    if endpoint.enabled {
        return Ok(());
    }
    Err(Error::conflict(
        "webhook.disabled",
        "the endpoint is switched off; switch it on first",
    ))
}

/// Adds the delivery's new start to a change.
fn restart(ctx: &Ctx, changes: &mut ChangeSet, delivery: &Stored<Delivery>) -> Result<Delivery> {
    let next = Delivery {
        state: DeliveryState::Pending,
        failures: 0,
        next: Some(ctx.now()),
        ..delivery.value.clone()
    };
    changes.update(delivery, &next, None)?;
    changes.create(&follow::job(ctx, &next, &next.id.to_string()), None)?;
    Ok(next)
}

/// Sends a message once more, with its id and its content as they were.
///
/// # Errors
/// `not_found`, not permitted (`webhook.manage`), `webhook.pending`, `webhook.disabled`, or the store's.
pub async fn replay(ctx: &Ctx, endpoint: EndpointId, id: DeliveryId) -> Result<Stored<Delivery>> {
    retrying(|| async {
        let of = permitted::<Endpoint>(ctx, endpoint, Action::WebhookManage).await?;
        enabled(&of)?;
        let delivery = deliver::delivery(ctx, endpoint, id)
            .await?
            .ok_or_else(repo::missing::<Delivery>)?;
        if delivery.state == DeliveryState::Pending {
            return Err(Error::conflict(
                "webhook.pending",
                "this message is still to be sent",
            ));
        }
        let mut changes = ChangeSet::new();
        let next = restart(ctx, &mut changes, &delivery)?;
        let subject = [endpoint.to_string(), id.to_string()];
        let entry = AuditEntry::new(ctx, Some(of.organization), "webhook.replayed", subject);
        changes.create(&entry, None)?;
        ctx.store().commit(changes).await?;
        Ok(Stored {
            value: next,
            version: delivery.version + 1,
        })
    })
    .await
}

/// Sends what failed since a time once more, the newest first: up to [`REPLAY_LOOK`] messages looked at
/// per call.
///
/// # Errors
/// As [`replay`], `page.cursor`; what was started until then is sent.
pub async fn replay_failed(
    ctx: &Ctx,
    endpoint: EndpointId,
    since: Timestamp,
    after: Option<Cursor>,
) -> Result<Replayed> {
    let of = permitted::<Endpoint>(ctx, endpoint, Action::WebhookManage).await?;
    enabled(&of)?;
    let mut request = PageRequest { first: PAGE, after };
    let (mut messages, mut looked) = (0, 0);
    loop {
        let partition = endpoint.to_string();
        let page =
            repo::children::<Delivery>(ctx.store(), &partition, true, request.clone()).await?;
        looked += page.items.len();
        let is_over = page.items.iter().any(|delivery| delivery.created < since);
        let is_wanted = |delivery: &Stored<Delivery>| {
            delivery.created >= since && delivery.state == DeliveryState::Failed
        };
        let wanted: Vec<_> = page.items.into_iter().filter(is_wanted).collect();
        for some in wanted.chunks(TOGETHER) {
            messages += restart_some(ctx, &of, some, since).await?;
        }
        match page.next.filter(|_| !is_over) {
            Some(next) if looked < REPLAY_LOOK => request.after = Some(next),
            next => return Ok(Replayed { messages, next }),
        }
    }
}

/// Answers how many of them it were.
async fn restart_some(
    ctx: &Ctx,
    of: &Endpoint,
    failed: &[Stored<Delivery>],
    since: Timestamp,
) -> Result<usize> {
    let mut changes = ChangeSet::new();
    for delivery in failed {
        restart(ctx, &mut changes, delivery)?;
    }
    let subject = [of.id.to_string()];
    let entry = AuditEntry::new(ctx, Some(of.organization), "webhook.replayed", subject);
    let detail = json!({ "messages": failed.len(), "since": since });
    changes.create(&entry.with(detail), None)?;
    match ctx.store().commit(changes).await {
        Ok(_) => return Ok(failed.len()),
        // Somebody replays one of them at this moment, or its time is over.
        Err(error) if error.kind() == Kind::Conflict => {}
        Err(error) => return Err(error),
    }
    let mut count = 0;
    for delivery in failed {
        match replay(ctx, of.id, delivery.id).await {
            Ok(_) => count += 1,
            // Sent again by somebody else, or not kept any more.
            Err(error) if error.code() == "webhook.pending" || error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Sends a message of the type `webhook.test`, whatever the endpoint asked for.
///
/// # Errors
/// `not_found`, not permitted (`webhook.manage`), `webhook.disabled`, or the store's.
pub async fn test(ctx: &Ctx, endpoint: EndpointId) -> Result<Stored<Delivery>> {
    let of = permitted::<Endpoint>(ctx, endpoint, Action::WebhookManage).await?;
    enabled(&of)?;
    let now = ctx.now();
    let delivery = Delivery {
        id: rules::delivery_id(&ctx.ports.ids.uuid().to_string(), now, endpoint),
        endpoint,
        organization: of.organization,
        event: TEST.to_owned(),
        body: message::test(now, &ctx.actor.label()).to_string(),
        condition_error: None,
        state: DeliveryState::Pending,
        attempts: Vec::new(),
        tries: 0,
        failures: 0,
        next: Some(now),
        created: now,
    };
    let mut changes = ChangeSet::new();
    changes.create(&delivery, None)?;
    changes.create(&follow::job(ctx, &delivery, &delivery.id.to_string()), None)?;
    let subject = [endpoint.to_string(), delivery.id.to_string()];
    let entry = AuditEntry::new(ctx, Some(of.organization), "webhook.tested", subject);
    changes.create(&entry, None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: delivery,
        version: 1,
    })
}
