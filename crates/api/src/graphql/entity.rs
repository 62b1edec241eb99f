//! Entities: connected accounts of external apps.

use async_graphql::{Context, Enum, ID, Json, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::connect::ConnectedEntity;
use gna_domain::service::connect::entity::{self, Choice};

use super::connection::{List, Wish, cost, listed};
use super::credential::Credential;
use super::loaders::{self, Shared};
use super::scalar::{DateTime, id, parse};
use super::user::{DONE, DonePayload, Person};
use crate::state::AppState;

pub struct Entity(pub ConnectedEntity);

/// A connected account of an external app.
#[Object]
impl Entity {
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
    /// As the app calls the account.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// The app's own id of the account.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }
    /// What the module keeps of the account.
    async fn properties(&self) -> Json<serde_json::Value> {
        Json(serde_json::Value::Object(self.0.properties.clone()))
    }
    /// What it is reached with.
    async fn credential(&self, ctx: &Context<'_>) -> Result<Credential> {
        let found: Shared<gna_domain::connect::Credential> =
            loaders::one(ctx, self.0.credential).await?;
        Ok(Credential(found.value.clone()))
    }
    /// When it was connected first.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// When it was connected last.
    async fn updated(&self) -> DateTime {
        self.0.updated.into()
    }
}

/// Something to choose in a connected account.
#[derive(SimpleObject)]
pub struct EntityOption {
    /// What is sent when it is chosen.
    value: Json<serde_json::Value>,
    /// What people read.
    title: String,
}

impl From<Choice> for EntityOption {
    fn from(choice: Choice) -> Self {
        Self {
            value: Json(choice.value),
            title: choice.title,
        }
    }
}

#[derive(Default)]
pub struct EntityQuery;

#[Object]
impl EntityQuery {
    /// Connected accounts of an organization for its owners, one's own for members; oldest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn entities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Entity>> {
        let of = parse(&organization, "organization")?;
        let list = move |ctx: Ctx, page| async move { entity::list(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, Entity).await?)
    }

    /// One connected account.
    async fn entity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Entity> {
        let found = entity::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Entity(found))
    }

    /// What can be chosen in a connected account, like its projects; asks the app.
    #[graphql(complexity = "100 * child_complexity")]
    async fn entity_options(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] id: ID,
    ) -> Result<Vec<EntityOption>> {
        let apps = &ctx.data::<AppState>()?.apps;
        let id = parse(&id, "id")?;
        let choices = entity::options(ctx.data::<Ctx>()?, apps.as_ref(), id).await?;
        Ok(choices.into_iter().map(Into::into).collect())
    }
}

/// How a connected account is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityHealth {
    /// The app answered.
    Ok,
    /// The app refuses the credential, or did not answer.
    Failing,
}

/// What a test showed.
#[derive(SimpleObject)]
pub struct EntityTestPayload {
    /// The account.
    pub entity: Entity,
    /// How it is.
    pub health: EntityHealth,
    /// What is wrong and what to do.
    pub message: Option<String>,
    /// The error's code.
    pub code: Option<String>,
}

#[derive(Default)]
pub struct EntityMutation;

#[Object]
impl EntityMutation {
    /// Asks the app whether the account is let in. A credential that did not work and does again is
    /// marked so.
    async fn test_entity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] id: ID,
    ) -> Result<EntityTestPayload> {
        let apps = &ctx.data::<AppState>()?.apps;
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        let found = entity::get(gna, id).await?;
        let tested = entity::verdict(gna, apps.as_ref(), id).await?;
        Ok(EntityTestPayload {
            entity: Entity(found),
            health: match &tested {
                None => EntityHealth::Ok,
                Some(_) => EntityHealth::Failing,
            },
            code: tested.as_ref().map(|error| error.code().to_owned()),
            message: tested.map(|error| error.message().to_owned()),
        })
    }

    /// Disconnects an account. Its credential goes with the last account that is reached with it, and the
    /// app is told, where that can be.
    async fn disconnect_entity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the account.")] id: ID,
    ) -> Result<DonePayload> {
        let apps = &ctx.data::<AppState>()?.apps;
        entity::disconnect(ctx.data::<Ctx>()?, apps.as_ref(), parse(&id, "id")?).await?;
        Ok(DONE)
    }
}
