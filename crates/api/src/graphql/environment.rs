//! Environments of assets: where they run, with the addresses by which places are found to be in one.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::service::environment::{self, EnvironmentChange, NewEnvironment};

use super::asset::Asset;
use super::scalar::{DateTime, id, parse};

/// What an environment's addresses are.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::EnvironmentKind")]
pub enum EnvironmentKind {
    /// Web addresses.
    Url,
    /// Names or IP addresses of hosts, perhaps with a port.
    Host,
    /// Ids of cloud accounts, subscriptions or projects.
    CloudAccount,
    /// Ids of mobile apps. No report says of which app a place is: nothing is found by them.
    MobileApp,
}

pub struct Environment(pub model::Environment);

/// Where an asset runs: production, staging, ...
#[Object]
impl Environment {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Unique in the asset, in lower case.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// What its addresses are.
    async fn kind(&self) -> EnvironmentKind {
        self.0.kind.into()
    }
    /// What lies at or below one of these is in it.
    async fn addresses(&self) -> &[String] {
        &self.0.addresses
    }
    /// When it was added.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
}

/// A new environment.
#[derive(InputObject)]
pub struct AddEnvironmentInput {
    /// Id of the asset.
    pub asset: ID,
    /// Unique in the asset, 1 to 100 bytes; kept in lower case.
    pub name: String,
    /// What its addresses are.
    #[graphql(default_with = "EnvironmentKind::Url")]
    pub kind: EnvironmentKind,
    /// At most 50, of at most 500 bytes.
    #[graphql(default)]
    pub addresses: Vec<String>,
}

/// A change of an environment; what is left out stays.
#[derive(InputObject)]
pub struct UpdateEnvironmentInput {
    /// Id of the asset.
    pub asset: ID,
    /// Id of the environment.
    pub environment: ID,
    /// Unique in the asset, 1 to 100 bytes; kept in lower case.
    pub name: Option<String>,
    /// What its addresses are.
    pub kind: Option<EnvironmentKind>,
    /// All addresses that it is to have.
    pub addresses: Option<Vec<String>>,
}

/// What is to be removed.
#[derive(InputObject)]
pub struct RemoveEnvironmentInput {
    /// Id of the asset.
    pub asset: ID,
    /// Id of the environment.
    pub environment: ID,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct EnvironmentPayload {
    /// The environment as it is now, or was when it was removed.
    pub environment: Environment,
    /// What it is of.
    pub asset: Asset,
}

async fn payload(
    ctx: &Context<'_>,
    asset: &ID,
    environment: model::Environment,
) -> Result<EnvironmentPayload> {
    Ok(EnvironmentPayload {
        environment: Environment(environment),
        asset: Asset::load(ctx, parse(asset, "input.asset")?).await?,
    })
}

#[derive(Default)]
pub struct EnvironmentMutation;

#[Object]
impl EnvironmentMutation {
    /// Says where an asset runs. Lists and counts of what lies there follow soon after.
    async fn add_environment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where.")] input: AddEnvironmentInput,
    ) -> Result<EnvironmentPayload> {
        let asset = parse(&input.asset, "input.asset")?;
        let new = NewEnvironment {
            name: input.name,
            kind: input.kind.into(),
            addresses: input.addresses,
        };
        let added = environment::add(ctx.data::<Ctx>()?, asset, new).await?;
        payload(ctx, &input.asset, added).await
    }
    /// Changes the name, the kind or the addresses of an environment.
    async fn update_environment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateEnvironmentInput,
    ) -> Result<EnvironmentPayload> {
        let asset = parse(&input.asset, "input.asset")?;
        let id = parse(&input.environment, "input.environment")?;
        let change = EnvironmentChange {
            name: input.name,
            kind: input.kind.map(Into::into),
            addresses: input.addresses,
        };
        let changed = environment::update(ctx.data::<Ctx>()?, asset, id, change).await?;
        payload(ctx, &input.asset, changed).await
    }
    /// Removes an environment; vulnerabilities stay as they are.
    async fn remove_environment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: RemoveEnvironmentInput,
    ) -> Result<EnvironmentPayload> {
        let asset = parse(&input.asset, "input.asset")?;
        let id = parse(&input.environment, "input.environment")?;
        let removed = environment::remove(ctx.data::<Ctx>()?, asset, id).await?;
        payload(ctx, &input.asset, removed).await
    }
}
