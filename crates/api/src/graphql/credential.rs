//! Credentials: the secrets of connected accounts, as far as people may know them.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::connect;
use gna_domain::service::connect::credential::{self, Masked};
use std::collections::HashMap;

use super::connection::{List, Wish, cost, listed};
use super::entity::Entity;
use super::loaders;
use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload, Person};
use crate::state::AppState;

/// A field of a credential. Its value is never shown.
#[derive(SimpleObject)]
pub struct CredentialField {
    /// Its name.
    name: String,
    /// Whether it is a secret, or merely not shown.
    secret: bool,
}

pub struct Credential(pub connect::Credential);

/// The secrets of a connected account: what is known of them, never what they are.
#[Object]
impl Credential {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Id of the organization it belongs to.
    async fn organization_id(&self) -> ID {
        id(self.0.organization)
    }
    /// Whose it is; null for the organization's own.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        Person::maybe(ctx, self.0.owner.user()).await
    }
    /// Name of the module.
    async fn module(&self) -> &str {
        self.0.module.as_str()
    }
    /// The app's own id of the account.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }
    /// Whether the app accepts it, as far as is known.
    async fn valid(&self) -> bool {
        self.0.valid
    }
    /// What to do while it is not valid.
    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }
    /// When its access token ends; null where the app did not say. Refreshed before, where it can be.
    async fn access_expires(&self) -> Option<DateTime> {
        self.0.access_expires.map(Into::into)
    }
    /// When it was renewed last.
    async fn issued(&self) -> DateTime {
        self.0.issued.into()
    }
    /// What it consists of.
    async fn fields(&self, ctx: &Context<'_>) -> Result<Vec<CredentialField>> {
        let apps = &ctx.data::<AppState>()?.apps;
        let masked = credential::mask(apps.as_ref(), self.0.clone());
        let fields = masked.fields.into_iter();
        Ok(fields
            .map(|(name, secret)| CredentialField { name, secret })
            .collect())
    }
    /// The accounts that are reached with it.
    #[graphql(complexity = "10 + 20 * child_complexity")]
    async fn entities(&self, ctx: &Context<'_>) -> Result<Vec<Entity>> {
        let ids = self.0.entities.clone();
        let mut found: HashMap<_, _> = loaders::of(ctx)?.load_many(ids.clone()).await?;
        let in_order = ids.iter().filter_map(|id| found.remove(id));
        Ok(in_order.map(|found| Entity(found.value.clone())).collect())
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
}

impl From<Masked> for Credential {
    fn from(masked: Masked) -> Self {
        Self(masked.credential)
    }
}

#[derive(Default)]
pub struct CredentialQuery;

#[Object]
impl CredentialQuery {
    /// Credentials of an organization for its owners, one's own for members; oldest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn credentials(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Credential>> {
        let of = parse(&organization, "organization")?;
        let apps = ctx.data::<AppState>()?.apps.clone();
        let list = move |ctx: Ctx, page| {
            let apps = apps.clone();
            async move { credential::list(&ctx, apps.as_ref(), of, page).await }
        };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, Credential::from).await?)
    }

    /// One credential.
    async fn credential(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Credential> {
        let apps = &ctx.data::<AppState>()?.apps;
        let found = credential::get(ctx.data::<Ctx>()?, apps.as_ref(), parse(&id, "id")?).await?;
        Ok(found.into())
    }
}

/// What came of it.
#[derive(SimpleObject)]
pub struct CredentialPayload {
    /// The credential as it is now.
    pub credential: Credential,
}

#[derive(Default)]
pub struct CredentialMutation;

#[Object]
impl CredentialMutation {
    /// Has tokens that are due renewed now instead of with the next call; others stay as they are.
    async fn refresh_credential(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<CredentialPayload> {
        let apps = &ctx.data::<AppState>()?.apps;
        let id = parse(&id, "id")?;
        let fresh = credential::refresh(ctx.data::<Ctx>()?, apps.as_ref(), id).await?;
        Ok(CredentialPayload {
            credential: fresh.into(),
        })
    }

    /// Removes a credential and tells the app, where that can be.
    async fn delete_credential(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
        #[graphql(
            desc = "Whether accounts that are reached with it go too; otherwise it must have none."
        )]
        cascade: Option<bool>,
    ) -> Result<DonePayload> {
        let apps = &ctx.data::<AppState>()?.apps;
        let id = parse(&id, "id")?;
        let cascade = cascade.unwrap_or(false);
        credential::delete(ctx.data::<Ctx>()?, apps.as_ref(), id, cascade).await?;
        Ok(DONE)
    }
}
