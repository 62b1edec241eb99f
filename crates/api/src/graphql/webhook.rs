//! Webhooks out: the endpoints of an organization, and what became of each message.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::page::Cursor;
use gna_domain::port::store::Stored;
use gna_domain::service::webhook::delivery;
use gna_domain::service::webhook::endpoint::{self, EndpointChange, NewEndpoint};

use super::connection::{List, Wish, cost, listed};
use super::enums::SeverityLevel;
use super::policy::change;
use super::scalar::{DateTime, id, parse, parse_all};
use super::user::{DONE, DonePayload};

/// What became of a message.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::DeliveryState")]
pub enum WebhookDeliveryState {
    /// To be sent, for the first time or again.
    Pending,
    /// Taken by the endpoint.
    Delivered,
    /// Given up, or the endpoint was switched off.
    Failed,
}

/// One try to send a message.
#[derive(SimpleObject)]
pub struct WebhookAttempt {
    /// When it began.
    pub at: DateTime,
    /// What was answered, where something was.
    pub status: Option<u16>,
    /// Milliseconds until the answer or the failure.
    pub ms: i64,
    /// Why there was no answer.
    pub error: Option<String>,
}

pub struct WebhookDelivery(pub Stored<model::Delivery>);

/// One event for one endpoint.
#[Object]
impl WebhookDelivery {
    /// Goes with the message as `webhook-id`.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// The type of the event.
    async fn event(&self) -> &str {
        &self.0.event
    }
    /// What became of it.
    async fn state(&self) -> WebhookDeliveryState {
        self.0.state.into()
    }
    /// How many tries there were in all.
    async fn tries(&self) -> u32 {
        self.0.tries
    }
    /// The last 20 tries.
    #[graphql(complexity = "20 * child_complexity")]
    async fn attempts(&self) -> Vec<WebhookAttempt> {
        let attempts = self.0.attempts.iter().cloned();
        attempts
            .map(|attempt| WebhookAttempt {
                at: attempt.at.into(),
                status: attempt.status,
                ms: attempt.ms,
                error: attempt.error,
            })
            .collect()
    }
    /// When it is tried next.
    async fn next(&self) -> Option<DateTime> {
        self.0.next.map(Into::into)
    }
    /// The message as it is sent, JSON as text.
    async fn body(&self) -> &str {
        &self.0.body
    }
    /// Why the endpoint's condition could not be asked, where it could not: the message is sent.
    async fn condition_error(&self) -> Option<&str> {
        self.0.condition_error.as_deref()
    }
    /// When the event was seen.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
}

pub struct Webhook(pub Stored<model::Endpoint>);

/// An address that an organization has its events sent to.
#[Object]
impl Webhook {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Id of the organization.
    async fn organization_id(&self) -> ID {
        id(self.0.organization)
    }
    /// Where messages are sent to.
    async fn url(&self) -> &str {
        &self.0.url
    }
    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }
    /// Types of events; all if empty.
    async fn events(&self) -> &[String] {
        &self.0.events
    }
    /// Ids of the groups whose events it gets; of all if empty.
    async fn group_ids(&self) -> Vec<ID> {
        self.0.groups.iter().map(|group| id(*group)).collect()
    }
    /// Only vulnerabilities that are at least so severe.
    async fn min_level(&self) -> Option<SeverityLevel> {
        self.0.min_level.map(Into::into)
    }
    /// Only events of which it is true, in CEL (docs/WEBHOOKS.md).
    async fn condition(&self) -> Option<&str> {
        self.0.condition.as_deref()
    }
    /// Since when messages are sent of which it can't be said whether the condition is true.
    async fn condition_failing_since(&self) -> Option<DateTime> {
        self.0.condition_failing_since.map(Into::into)
    }
    /// Whether anything is sent.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }
    /// Why Gna switched it off.
    async fn disabled_reason(&self) -> Option<&str> {
        self.0.disabled_reason.as_deref()
    }
    /// Since when nothing has been taken.
    async fn failing_since(&self) -> Option<DateTime> {
        self.0.failing_since.map(Into::into)
    }
    /// Until then messages are signed with the old secret, too.
    async fn old_secret_until(&self) -> Option<DateTime> {
        self.0.old_secret.as_ref().map(|old| old.until.into())
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// What was and is to be sent, newest first; kept for 30 days.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<WebhookDelivery>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { delivery::list(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, WebhookDelivery).await?)
    }
}

#[derive(Default)]
pub struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// The endpoints of an organization, oldest first; 20 at most.
    #[graphql(complexity = "20 * child_complexity")]
    async fn webhooks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
    ) -> Result<Vec<Webhook>> {
        let of = parse(&organization, "organization")?;
        let all = endpoint::list(ctx.data::<Ctx>()?, of).await?;
        Ok(all.into_iter().map(Webhook).collect())
    }

    /// One endpoint.
    async fn webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Webhook> {
        let found = endpoint::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Webhook(found))
    }
}

/// An endpoint to be made.
#[derive(InputObject)]
pub struct CreateWebhookInput {
    /// Id of the organization.
    pub organization: ID,
    /// Where messages are sent to.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// Types of events; all if left out.
    pub events: Option<Vec<String>>,
    /// Ids of groups; all if left out.
    pub groups: Option<Vec<ID>>,
    /// Only vulnerabilities that are at least so severe.
    pub min_level: Option<SeverityLevel>,
    /// Only events of which it is true, in CEL (docs/WEBHOOKS.md).
    pub condition: Option<String>,
}

/// What is to be changed; what is left out stays.
#[derive(InputObject)]
pub struct UpdateWebhookInput {
    /// Its id.
    pub id: ID,
    /// Where messages are sent to.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Types of events; all if empty.
    pub events: Option<Vec<String>>,
    /// Ids of groups; all if empty.
    pub groups: Option<Vec<ID>>,
    /// Only vulnerabilities that are at least so severe; null for any.
    pub min_level: MaybeUndefined<SeverityLevel>,
    /// Only events of which it is true, in CEL (docs/WEBHOOKS.md); null for all.
    pub condition: MaybeUndefined<String>,
    /// Switched on again it starts with a clean record.
    pub enabled: Option<bool>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct WebhookPayload {
    /// The endpoint as it is now.
    pub webhook: Webhook,
}

/// What came of it, with a secret that is shown this once.
#[derive(SimpleObject)]
pub struct WebhookSecretPayload {
    /// The endpoint.
    pub webhook: Webhook,
    /// Messages are signed with it.
    pub secret: String,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct WebhookDeliveryPayload {
    /// The message as it stands now.
    pub delivery: WebhookDelivery,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct WebhookReplayPayload {
    /// How many messages are sent once more.
    pub messages: usize,
    /// There may be more: call again with it as `after`.
    pub next: Option<String>,
}

fn with_secret(
    (secret, stored): (gna_domain::secret::Secret, Stored<model::Endpoint>),
) -> WebhookSecretPayload {
    WebhookSecretPayload {
        webhook: Webhook(stored),
        secret: secret.expose().to_owned(),
    }
}

#[derive(Default)]
pub struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Makes an endpoint; its secret is shown this once.
    async fn create_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] input: CreateWebhookInput,
    ) -> Result<WebhookSecretPayload> {
        let of = parse(&input.organization, "input.organization")?;
        let wanted = NewEndpoint {
            url: input.url,
            description: input.description.unwrap_or_default(),
            events: input.events.unwrap_or_default(),
            groups: parse_all(input.groups, "input.groups")?,
            min_level: input.min_level.map(Into::into),
            condition: input.condition,
        };
        let made = endpoint::create(ctx.data::<Ctx>()?, of, wanted).await?;
        Ok(with_secret(made))
    }
    /// Changes an endpoint.
    async fn update_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateWebhookInput,
    ) -> Result<WebhookPayload> {
        let of = parse(&input.id, "input.id")?;
        let next = EndpointChange {
            url: input.url,
            description: input.description,
            events: input.events,
            groups: match input.groups {
                Some(groups) => Some(parse_all(Some(groups), "input.groups")?),
                None => None,
            },
            min_level: change(input.min_level.map_value(Into::into)),
            condition: change(input.condition),
            enabled: input.enabled,
        };
        let changed = endpoint::update(ctx.data::<Ctx>()?, of, next).await?;
        Ok(WebhookPayload {
            webhook: Webhook(changed),
        })
    }
    /// Removes an endpoint with its secret.
    async fn delete_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<DonePayload> {
        endpoint::delete(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }
    /// Gives an endpoint a new secret, shown this once; the old one signs too for a day.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the endpoint.")] webhook: ID,
    ) -> Result<WebhookSecretPayload> {
        let of = parse(&webhook, "webhook")?;
        Ok(with_secret(endpoint::rotate(ctx.data::<Ctx>()?, of).await?))
    }
    /// Sends a message of the type `webhook.test`.
    async fn test_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the endpoint.")] webhook: ID,
    ) -> Result<WebhookDeliveryPayload> {
        let of = parse(&webhook, "webhook")?;
        let sent = delivery::test(ctx.data::<Ctx>()?, of).await?;
        Ok(WebhookDeliveryPayload {
            delivery: WebhookDelivery(sent),
        })
    }
    /// Sends a message once more, as it was.
    async fn replay_webhook_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the endpoint.")] webhook: ID,
        #[graphql(desc = "Id of the message.")] delivery: ID,
    ) -> Result<WebhookDeliveryPayload> {
        let (of, which) = (parse(&webhook, "webhook")?, parse(&delivery, "delivery")?);
        let sent = delivery::replay(ctx.data::<Ctx>()?, of, which).await?;
        Ok(WebhookDeliveryPayload {
            delivery: WebhookDelivery(sent),
        })
    }
    /// Sends what failed since a time once more; looks at up to 1,000 messages per call.
    async fn replay_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the endpoint.")] webhook: ID,
        #[graphql(desc = "From when on.")] since: DateTime,
        #[graphql(desc = "To go on: `next` of the answer before.")] after: Option<String>,
    ) -> Result<WebhookReplayPayload> {
        let of = parse(&webhook, "webhook")?;
        let after = after.map(Cursor);
        let replayed = delivery::replay_failed(ctx.data::<Ctx>()?, of, since.0, after).await?;
        Ok(WebhookReplayPayload {
            messages: replayed.messages,
            next: replayed.next.map(|next| next.0),
        })
    }
}
