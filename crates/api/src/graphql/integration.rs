//! Integrations: accounts joined to a recipe, and what they are asked and told to do.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::connect::integration as model;
use gna_domain::connect::recipe::{About, RecipeInfo, UserAction};
use gna_domain::connect::{Owner, process as long};
use gna_domain::error::{Error, Kind};
use gna_domain::id::EntityId;
use gna_domain::port::store::Stored;
use gna_domain::service::connect::integration::{self, NewIntegration, process};
use serde_json::{Map, Value};
use std::collections::HashMap;

use super::connection::{List, Wish, cost, listed};
use super::entity::{Entity, EntityHealth};
use super::loaders;
use super::module::ConnectForm;
use super::scalar::{DateTime, id, parse, parse_all};
use super::user::{DONE, DonePayload, Person};
use crate::state::AppState;

/// Where an integration stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::Status")]
pub enum IntegrationStatus {
    /// It runs.
    Enabled,
    /// It runs, but something that it requires is not configured.
    NeedsConfig,
    /// It is busy with a long piece of work.
    Processing,
    /// Paused by a person, until a person goes on with it.
    Disabled,
    /// Its accounts do not work; it goes on by itself when they do again.
    Error,
    /// It is being made.
    InCreation,
    /// It is being taken down.
    InDeletion,
}

/// Which groups integrations of a type are about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "About")]
pub enum RecipeScope {
    /// None: it has nothing to do with vulnerabilities.
    Nothing,
    /// One, or all of the organization.
    AnyGroup,
    /// One that must be named.
    OneGroup,
}

/// An account that a type of integrations needs.
#[derive(SimpleObject)]
pub struct RecipeSlot {
    /// How the type calls it.
    key: String,
    /// Names of the modules of which one must be connected there.
    modules: Vec<String>,
}

/// Something that a person can have an integration do.
#[derive(SimpleObject)]
pub struct IntegrationAction {
    /// By which it is called.
    name: String,
    /// Where clients show it: `QUICK_ACTION`, `SYNC_ACTION`, `DATA`, `SEARCH`.
    kind: String,
    /// Its name for people.
    title: String,
    /// What it does.
    description: String,
}

impl From<UserAction> for IntegrationAction {
    fn from(action: UserAction) -> Self {
        Self {
            name: action.name,
            kind: action.kind,
            title: action.title,
            description: action.description,
        }
    }
}

pub struct Recipe(pub RecipeInfo);

/// A type of integrations.
#[Object]
impl Recipe {
    /// By which it is named everywhere.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Its version.
    async fn version(&self) -> &str {
        &self.0.version
    }
    /// Its name for people.
    async fn label(&self) -> &str {
        &self.0.label
    }
    /// What it does.
    async fn description(&self) -> &str {
        &self.0.description
    }
    /// What it is for, for people.
    async fn category(&self) -> &str {
        &self.0.category
    }
    /// The accounts that it needs, in their order.
    async fn slots(&self) -> Vec<RecipeSlot> {
        let slots = self.0.slots.iter();
        slots
            .map(|slot| RecipeSlot {
                key: slot.key.clone(),
                modules: slot.modules.clone(),
            })
            .collect()
    }
    /// Which groups its integrations are about.
    async fn scope(&self) -> RecipeScope {
        self.0.about.into()
    }
    /// What a person can have its integrations do.
    async fn actions(&self) -> Vec<IntegrationAction> {
        self.0.actions.iter().cloned().map(Into::into).collect()
    }
    /// What can be configured.
    async fn form(&self) -> ConnectForm {
        self.0.config.clone().into()
    }
}

/// What an integration has to say.
#[derive(SimpleObject)]
pub struct IntegrationMessage {
    /// `error`, `warning`, `info` or `log`.
    level: &'static str,
    /// What it is about.
    title: String,
    /// What it says.
    message: String,
    /// When it was said last.
    at: DateTime,
}

/// An account that an integration joins.
#[derive(SimpleObject)]
pub struct IntegrationAccount {
    /// How the type of the integration calls it.
    slot: String,
    /// The account; null where it was disconnected.
    entity: Option<Entity>,
}

pub struct Integration(pub Stored<model::Integration>);

/// Connected accounts joined to a type of integration, with its configuration.
#[Object]
impl Integration {
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
    /// Id of the group it is about; null for all, or none.
    async fn group_id(&self) -> Option<ID> {
        self.0.group.map(id)
    }
    /// Name of its type.
    async fn recipe(&self) -> &str {
        &self.0.recipe
    }
    /// Version of the type that it was made with.
    async fn version(&self) -> &str {
        &self.0.value.version
    }
    /// Where it stands.
    async fn status(&self) -> IntegrationStatus {
        self.0.status.into()
    }
    /// What is configured.
    async fn config(&self) -> Json<Value> {
        Json(Value::Object(self.0.config.clone()))
    }
    /// What it joins.
    async fn accounts(&self, ctx: &Context<'_>) -> Result<Vec<IntegrationAccount>> {
        let joined = &self.0.entities;
        let ids: Vec<EntityId> = joined.iter().map(|joined| joined.entity).collect();
        let found: HashMap<_, _> = loaders::of(ctx)?.load_many(ids).await?;
        let joined = joined.iter();
        Ok(joined
            .map(|joined| IntegrationAccount {
                slot: joined.slot.clone(),
                entity: found
                    .get(&joined.entity)
                    .map(|found| Entity(found.value.clone())),
            })
            .collect())
    }
    /// What it has to say, newest last of each kind.
    async fn messages(&self) -> Vec<IntegrationMessage> {
        let all = &self.0.messages;
        let lists = [
            ("error", &all.errors),
            ("warning", &all.warnings),
            ("info", &all.info),
            ("log", &all.logs),
        ];
        let all = lists
            .into_iter()
            .flat_map(|(level, list)| list.iter().map(move |message| (level, message)));
        all.map(|(level, message)| IntegrationMessage {
            level,
            title: message.title.clone(),
            message: message.message.clone(),
            at: gna_domain::time::Timestamp::from_millis(message.timestamp).into(),
        })
        .collect()
    }
    /// Its long pieces of work, newest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn processes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Process>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { process::list(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, Process).await?)
    }
    /// When it was made.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// When it was changed last.
    async fn updated(&self) -> DateTime {
        self.0.updated.into()
    }
}

/// Where a long piece of work stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "long::ProcessState")]
pub enum ProcessState {
    /// Nothing is done yet.
    Initializing,
    /// It is being done.
    Running,
    /// A person or the integration's status holds it.
    Paused,
    /// It is done.
    Completed,
    /// It failed.
    Error,
    /// A person ended it.
    Cancelled,
}

pub struct Process(pub Stored<long::Process>);

/// A long piece of work of an integration.
#[Object]
impl Process {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// What it does, for people.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// The type's word for it.
    async fn kind(&self) -> &str {
        &self.0.kind
    }
    /// Where it stands.
    async fn state(&self) -> ProcessState {
        self.0.state.into()
    }
    /// How much there is to do, where anybody knows.
    async fn total(&self) -> Option<u64> {
        self.0.progress.total
    }
    /// How much is done.
    async fn done(&self) -> u64 {
        self.0.progress.done
    }
    /// How much of that failed.
    async fn failed(&self) -> u64 {
        self.0.progress.failed
    }
    /// What came of it.
    async fn results(&self) -> Json<Value> {
        Json(self.0.results.clone())
    }
    /// Why it failed.
    async fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }
    /// When it began.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// When it went on last.
    async fn updated(&self) -> DateTime {
        self.0.updated.into()
    }
    /// When it ended.
    async fn finished(&self) -> Option<DateTime> {
        self.0.finished.map(Into::into)
    }
}

fn typed(typed: Option<Json<Value>>) -> Value {
    typed.map_or(Value::Null, |json| json.0)
}

#[derive(Default)]
pub struct IntegrationQuery;

#[Object]
impl IntegrationQuery {
    /// The types of integrations that can be made: the same for everybody who is known.
    async fn recipes(&self, ctx: &Context<'_>) -> Result<Vec<Recipe>> {
        let recipes = &ctx.data::<AppState>()?.recipes;
        let all = integration::recipes(ctx.data::<Ctx>()?, recipes.as_ref())?;
        Ok(all.into_iter().map(Recipe).collect())
    }

    /// Integrations of an organization for its owners, one's own for members; oldest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn integrations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<Integration>> {
        let of = parse(&organization, "organization")?;
        let list = move |ctx: Ctx, page| async move { integration::list(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, Integration).await?)
    }

    /// One integration.
    async fn integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Integration> {
        let found = integration::get(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Integration(found))
    }

    /// What can be configured of an integration; asks the app for choices.
    async fn integration_form(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
        #[graphql(desc = "What was filled in so far.", name = "typed")] so_far: Option<Json<Value>>,
    ) -> Result<ConnectForm> {
        let state = ctx.data::<AppState>()?;
        let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        let form = integration::form(gna, apps, recipes, id, &typed(so_far)).await?;
        Ok(form.into())
    }

    /// What a person can have an integration do now.
    async fn integration_actions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
        #[graphql(desc = "Of which kind; all if left out.")] kind: Option<String>,
    ) -> Result<Vec<IntegrationAction>> {
        let state = ctx.data::<AppState>()?;
        let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        let actions = integration::actions(gna, apps, recipes, id, kind.as_deref()).await?;
        Ok(actions.into_iter().map(Into::into).collect())
    }

    /// What an action asks before it is done.
    async fn integration_action_form(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
        #[graphql(desc = "Name of the action.")] action: String,
        #[graphql(desc = "What was filled in so far.", name = "typed")] so_far: Option<Json<Value>>,
    ) -> Result<ConnectForm> {
        let state = ctx.data::<AppState>()?;
        let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        let so_far = typed(so_far);
        let form = integration::action_form(gna, apps, recipes, id, &action, &so_far).await?;
        Ok(form.into())
    }
}

/// An integration to be made.
#[derive(InputObject)]
pub struct CreateIntegrationInput {
    /// Id of the organization.
    pub organization: ID,
    /// Name of the type.
    pub recipe: String,
    /// Ids of the accounts, in the order of the type's slots.
    pub entities: Vec<ID>,
    /// Id of the group it is about.
    pub group: Option<ID>,
    /// For the organization instead of for the caller alone.
    pub shared: Option<bool>,
    /// What is configured.
    pub config: Option<Json<Map<String, Value>>>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct IntegrationPayload {
    /// The integration as it is now.
    pub integration: Integration,
}

/// What a test showed.
#[derive(SimpleObject)]
pub struct IntegrationTestPayload {
    /// The integration as it is now.
    pub integration: Integration,
    /// How its accounts are.
    pub health: EntityHealth,
    /// What is wrong and what to do.
    pub message: Option<String>,
    /// The error's code.
    pub code: Option<String>,
}

/// What came of an action.
#[derive(SimpleObject)]
pub struct IntegrationActionPayload {
    /// As the type of the integration says it.
    pub result: Json<Value>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct ProcessPayload {
    /// The piece of work as it is now.
    pub process: Process,
}

fn payload(found: Stored<model::Integration>) -> IntegrationPayload {
    IntegrationPayload {
        integration: Integration(found),
    }
}

#[derive(Default)]
pub struct IntegrationMutation;

#[Object]
impl IntegrationMutation {
    /// Makes an integration. Asked for again with the same accounts it answers the one there is.
    async fn create_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The integration.")] input: CreateIntegrationInput,
    ) -> Result<IntegrationPayload> {
        let (gna, state) = (ctx.data::<Ctx>()?, ctx.data::<AppState>()?);
        let group = input.group.map(|group| parse(&group, "input.group"));
        let owner = match gna.actor.user() {
            Some(user) if !input.shared.unwrap_or(false) => Owner::User(user),
            _ => Owner::Organization,
        };
        let new = NewIntegration {
            organization: parse(&input.organization, "input.organization")?,
            owner,
            group: group.transpose()?,
            recipe: input.recipe,
            entities: parse_all(Some(input.entities), "input.entities")?,
            config: input.config.map(|json| json.0).unwrap_or_default(),
        };
        let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
        Ok(payload(integration::create(gna, apps, recipes, new).await?))
    }

    /// Replaces the named keys of an integration's configuration; null removes one.
    async fn configure_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
        #[graphql(desc = "The keys with their values.")] config: Json<Value>,
    ) -> Result<IntegrationPayload> {
        let recipes = &ctx.data::<AppState>()?.recipes;
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        // Who may not know of it learns nothing of what was sent, either.
        integration::get(gna, id).await?;
        let config = config.0.as_object().ok_or_else(|| {
            Error::invalid("integration.config", "a configuration is an object").on_field("config")
        })?;
        let changed = integration::configure(gna, recipes.as_ref(), id, config).await?;
        Ok(payload(changed))
    }

    /// Pauses an integration, or goes on with it.
    async fn switch_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
        #[graphql(desc = "On or off.")] enabled: bool,
    ) -> Result<IntegrationPayload> {
        let recipes = &ctx.data::<AppState>()?.recipes;
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        Ok(payload(if enabled {
            integration::resume(gna, recipes.as_ref(), id).await?
        } else {
            integration::pause(gna, id).await?
        }))
    }

    /// Takes an integration down; its accounts stay connected.
    async fn delete_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
    ) -> Result<DonePayload> {
        integration::delete(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(DONE)
    }

    /// Asks the apps whether all accounts of an integration are let in.
    async fn test_integration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
    ) -> Result<IntegrationTestPayload> {
        let apps = &ctx.data::<AppState>()?.apps;
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        let error = match integration::test(gna, apps.as_ref(), id).await {
            Ok(()) => None,
            Err(error) if error.kind() == Kind::Upstream => Some(error),
            Err(error) => return Err(error.into()),
        };
        Ok(IntegrationTestPayload {
            integration: Integration(integration::get(gna, id).await?),
            health: match &error {
                None => EntityHealth::Ok,
                Some(_) => EntityHealth::Failing,
            },
            code: error.as_ref().map(|error| error.code().to_owned()),
            message: error.map(|error| error.message().to_owned()),
        })
    }

    /// Has an integration do something that `integrationActions` lists.
    async fn run_integration_action(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the integration.")] id: ID,
        #[graphql(desc = "Name of the action.")] action: String,
        #[graphql(desc = "What was filled in.")] data: Option<Json<Value>>,
    ) -> Result<IntegrationActionPayload> {
        let state = ctx.data::<AppState>()?;
        let (apps, recipes) = (state.apps.as_ref(), state.recipes.as_ref());
        let (gna, id) = (ctx.data::<Ctx>()?, parse(&id, "id")?);
        let data = typed(data);
        let done = integration::act(gna, apps, recipes, id, &action, &data).await?;
        Ok(IntegrationActionPayload { result: Json(done) })
    }

    /// Ends a long piece of work; what it did stays done.
    async fn cancel_process(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<ProcessPayload> {
        let ended = process::cancel(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(ProcessPayload {
            process: Process(ended),
        })
    }
}
