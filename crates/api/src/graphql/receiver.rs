//! Webhooks in: the addresses that an organization gives to apps.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::port::store::Stored;
use gna_domain::secret::Secret;
use gna_domain::service::hook::log;
use gna_domain::service::hook::receiver::{self, NewReceiver};

use super::connection::{List, Wish, cost, listed};
use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload};
use crate::rest::receiver_address;
use crate::state::AppState;

pub struct ReceivedWebhook(pub Stored<model::ReceivedHook>);

/// A webhook that an app sent, and that was believed.
#[Object]
impl ReceivedWebhook {
    /// SHA-256 of the app's own id of it, or of its body where it has none.
    async fn id(&self) -> ID {
        ID(self.0.delivery.clone())
    }
    /// The app's name of what happened.
    async fn event(&self) -> Option<&str> {
        self.0.event.as_deref()
    }
    /// As it was sent.
    async fn body(&self) -> &str {
        &self.0.body
    }
    /// When it came.
    async fn received(&self) -> DateTime {
        self.0.received.into()
    }
}

pub struct WebhookReceiver(pub Stored<model::HookReceiver>);

/// An address of ours that an app sends webhooks to.
#[Object]
impl WebhookReceiver {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Id of the organization.
    async fn organization_id(&self) -> ID {
        id(self.0.organization)
    }
    /// Name of the app's module.
    async fn app(&self) -> &str {
        &self.0.app
    }
    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }
    /// What to set up in the app.
    async fn url(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(receiver_address(ctx.data::<AppState>()?, &self.0))
    }
    /// Whether anything is taken.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }
    /// False while the app is still to bring its own secret.
    async fn has_secret(&self) -> bool {
        self.0.secret.is_some()
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// What came; kept for 30 days.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<ReceivedWebhook>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { log::list(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, ReceivedWebhook).await?)
    }
}

#[derive(Default)]
pub struct ReceiverQuery;

#[Object]
impl ReceiverQuery {
    /// The receivers of an organization, oldest first; 100 at most.
    #[graphql(complexity = "100 * child_complexity")]
    async fn webhook_receivers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
    ) -> Result<Vec<WebhookReceiver>> {
        let of = parse(&organization, "organization")?;
        let all = receiver::list(ctx.data::<Ctx>()?, of).await?;
        Ok(all.into_iter().map(WebhookReceiver).collect())
    }

    /// One receiver.
    async fn webhook_receiver(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<WebhookReceiver> {
        let found = receiver::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(WebhookReceiver(found))
    }
}

/// A receiver to be made.
#[derive(InputObject)]
pub struct CreateWebhookReceiverInput {
    /// Id of the organization.
    pub organization: ID,
    /// Name of the app's module.
    pub app: String,
    /// What it is for.
    pub description: Option<String>,
    /// What the app shows as its secret; left out, Gna makes one.
    pub secret: Option<String>,
}

/// What is to be changed; what is left out stays.
#[derive(InputObject)]
pub struct UpdateWebhookReceiverInput {
    /// Its id.
    pub id: ID,
    /// Whether anything is taken.
    pub enabled: Option<bool>,
    /// What is set up in the app now.
    pub secret: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct WebhookReceiverPayload {
    /// The receiver as it is now.
    pub receiver: WebhookReceiver,
}

/// What came of it, with a secret that is shown this once.
#[derive(SimpleObject)]
pub struct WebhookReceiverSecretPayload {
    /// The receiver.
    pub receiver: WebhookReceiver,
    /// To be set up in the app; null where the app has its own.
    pub secret: Option<String>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct ReplayReceivedWebhookPayload {
    /// Id of the job that does it.
    pub job: ID,
}

#[derive(Default)]
pub struct ReceiverMutation;

#[Object]
impl ReceiverMutation {
    /// Makes a receiver; a secret that Gna makes for it is shown this once.
    async fn create_webhook_receiver(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The receiver.")] input: CreateWebhookReceiverInput,
    ) -> Result<WebhookReceiverSecretPayload> {
        let of = parse(&input.organization, "input.organization")?;
        let wanted = NewReceiver {
            app: input.app,
            description: input.description.unwrap_or_default(),
            secret: input.secret.map(Secret::new),
        };
        let apps = &ctx.data::<AppState>()?.hook_apps;
        let made = receiver::create(ctx.data::<Ctx>()?, apps, of, wanted).await?;
        Ok(WebhookReceiverSecretPayload {
            receiver: WebhookReceiver(made.receiver),
            secret: made.secret.map(|secret| secret.expose().to_owned()),
        })
    }
    /// Switches a receiver on or off, or gives it the secret that is set up in the app now.
    async fn update_webhook_receiver(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateWebhookReceiverInput,
    ) -> Result<WebhookReceiverPayload> {
        let of = parse(&input.id, "input.id")?;
        let ctx = ctx.data::<Ctx>()?;
        if let Some(secret) = input.secret {
            receiver::set_secret(ctx, of, Secret::new(secret)).await?;
        }
        if let Some(on) = input.enabled {
            receiver::switch(ctx, of, on).await?;
        }
        Ok(WebhookReceiverPayload {
            receiver: WebhookReceiver(receiver::get(ctx, of).await?),
        })
    }
    /// Removes a receiver with its secret.
    async fn delete_webhook_receiver(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the receiver.")] id: ID,
    ) -> Result<DonePayload> {
        receiver::delete(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }
    /// Does once more what follows from a webhook that came.
    async fn replay_received_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the receiver.")] receiver: ID,
        #[graphql(desc = "Id of the webhook that came.")] received: ID,
    ) -> Result<ReplayReceivedWebhookPayload> {
        let of = parse(&receiver, "receiver")?;
        let job = log::replay(ctx.data::<Ctx>()?, of, &received).await?;
        Ok(ReplayReceivedWebhookPayload { job: id(job) })
    }
}
