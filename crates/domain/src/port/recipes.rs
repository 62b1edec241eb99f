//! Recipes: the code of integration types, and the desk at which it works.
//!
//! A recipe never reaches the store, the vault or the network itself: it has a [`Desk`], which
//! knows the integration it works for, calls its accounts, and remembers mappings. All that is
//! committed for a job is fenced by it, so that a worker that lost its job changes nothing.

use async_trait::async_trait;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::connect::integration::{Integration, Level, Messages};
use crate::connect::mapping::{Mapping, SOURCE_BYTES};
use crate::connect::module::{InputKind, Output, PageState};
use crate::connect::process::Process;
use crate::connect::recipe::{Delivery, Form, Occurrence, RecipeInfo, Route, UserAction, Visit};
use crate::connect::{Answer, ConnectedEntity, Values};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::page::{Page, PageRequest};
use crate::port::apps::{Apps, Ask};
use crate::port::jobs::Claimed;
use crate::port::repo;
use crate::port::store::{ChangeSet, Event, Stored};
use crate::rules::process::Step;

/// Most pages of an app's list that are read at once.
const PAGES_MAX: usize = 200;
/// How often a record that somebody else changed meanwhile is tried again.
const RACES: usize = 5;

/// An integration type.
#[async_trait]
pub trait Recipe: Send + Sync + 'static {
    fn info(&self) -> &RecipeInfo;

    /// What can be configured, with choices that only the app knows; `typed` is what was filled in
    /// so far.
    ///
    /// # Errors
    /// The app's.
    async fn form(&self, desk: &Desk<'_>, typed: &Value) -> Result<Form> {
        let _ = (desk, typed);
        Ok(self.info().config.clone())
    }

    /// The integration was made. May be called again.
    ///
    /// # Errors
    /// As [`Recipe::events`].
    async fn begin(&self, desk: &Desk<'_>) -> Result<()> {
        let _ = desk;
        Ok(())
    }

    /// The integration is taken down; its accounts are still there. A failure does not keep it.
    ///
    /// # Errors
    /// Logged.
    async fn end(&self, desk: &Desk<'_>) -> Result<()> {
        let _ = desk;
        Ok(())
    }

    /// Things happened here. May be told the same again.
    ///
    /// # Errors
    /// What ends a job as [`crate::port::jobs::Handler::run`] says.
    async fn events(&self, desk: &Desk<'_>, events: &[Occurrence]) -> Result<()> {
        let _ = (desk, events);
        Ok(())
    }

    /// It is time to look at the app ([`RecipeInfo::every_seconds`]).
    ///
    /// # Errors
    /// As [`Recipe::events`].
    async fn tick(&self, desk: &Desk<'_>) -> Result<()> {
        let _ = desk;
        Ok(())
    }

    /// The app told of something.
    ///
    /// # Errors
    /// As [`Recipe::events`].
    async fn webhook(&self, desk: &Desk<'_>, delivery: &Delivery) -> Result<()> {
        let _ = (desk, delivery);
        Ok(())
    }

    /// One step of a process that it started. A step that was interrupted is done again.
    ///
    /// # Errors
    /// As [`Recipe::events`]; what will not pass by itself ends the process with the error's message.
    async fn step(&self, desk: &Desk<'_>, process: &Process) -> Result<Step> {
        let _ = desk;
        Err(Error::internal(
            "integration.process_kind",
            format!("this recipe has no process of kind {}", process.kind),
        ))
    }

    /// What a user can have it do now.
    ///
    /// # Errors
    /// The app's, where that depends on it.
    async fn actions(&self, desk: &Desk<'_>) -> Result<Vec<UserAction>> {
        let _ = desk;
        Ok(self.info().actions.clone())
    }

    /// What an action asks before it is done; `typed` is what was filled in so far.
    ///
    /// # Errors
    /// The app's.
    async fn action_form(&self, desk: &Desk<'_>, action: &str, typed: &Value) -> Result<Form> {
        let _ = (desk, action, typed);
        Ok(Form::vertical(
            serde_json::json!({"type": "object", "properties": {}}),
        ))
    }

    /// Routes of its own under `/api/NAME-integration`. Served only where the operator lists the recipe.
    fn routes(&self) -> Vec<Route> {
        Vec::new()
    }

    /// Somebody calls one of them. Nobody has asked who that is: `ctx` is the caller's, maybe nobody's,
    /// and what a desk may do is not what they may. The desk is there where the route names an
    /// integration.
    ///
    /// # Errors
    /// What the caller is told.
    async fn visit(&self, ctx: &Ctx, desk: Option<&Desk<'_>>, visit: &Visit) -> Result<Value> {
        let _ = (ctx, desk);
        Err(Error::internal(
            "integration.route",
            format!("this recipe does not answer {}", visit.name),
        ))
    }

    /// A user wants this done.
    ///
    /// # Errors
    /// `integration.action_unknown`, or the app's.
    async fn act(&self, desk: &Desk<'_>, action: &str, data: &Value) -> Result<Value> {
        let _ = (desk, data);
        Err(Error::not_found(
            "integration.action_unknown",
            format!("this integration has no action {action:?}"),
        ))
    }
}

/// The recipes of this server.
pub trait Recipes: Send + Sync + 'static {
    fn get(&self, name: &str) -> Option<Arc<dyn Recipe>>;

    /// All, by name.
    fn all(&self) -> Vec<Arc<dyn Recipe>>;
}

/// A connected account, as a recipe sees it.
#[derive(Clone, Debug)]
pub struct Account {
    pub entity: ConnectedEntity,
    /// The connection parameters that are no secrets, like the address of a server.
    pub connection: Map<String, Value>,
}

/// What an operation listed.
#[derive(Clone, Debug)]
pub struct Listed {
    pub items: Vec<Map<String, Value>>,
    /// Whether that is all; the rest is where the order of the list has its end.
    pub is_whole: bool,
    /// Where the rest begins.
    pub next: Option<PageState>,
}

/// A page of what an operation lists.
#[derive(Clone, Debug)]
pub struct Part {
    pub items: Vec<Map<String, Value>>,
    /// Where to go on.
    pub next: Option<PageState>,
    /// There is more, and the app does not give it.
    pub is_cut: bool,
}

/// Where a recipe works.
pub struct Desk<'a> {
    /// Acts as the integration.
    pub ctx: Ctx,
    pub apps: &'a dyn Apps,
    pub integration: Stored<Integration>,
    /// Its accounts, by slot.
    pub accounts: BTreeMap<String, Account>,
    /// The job that it works for; none for what a user waits for.
    pub claimed: Option<&'a Claimed>,
}

impl Desk<'_> {
    /// The account in a slot.
    ///
    /// # Errors
    /// `integration.account_missing`.
    pub fn account(&self, slot: &str) -> Result<&Account> {
        self.accounts.get(slot).ok_or_else(|| {
            Error::invalid(
                "integration.account_missing",
                format!("the account {slot} is no longer connected; connect it and make the integration again"),
            )
        })
    }

    /// A value of the configuration.
    #[must_use]
    pub fn config(&self, key: &str) -> Option<&Value> {
        self.integration
            .config
            .get(key)
            .filter(|value| !value.is_null())
    }

    /// A text of the configuration, unless it is empty.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        let text = self.config(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// Whether the account in a slot can do this.
    #[must_use]
    pub fn can(&self, slot: &str, operation: &str) -> bool {
        let account = self.accounts.get(slot);
        account
            .and_then(|account| self.apps.module(account.entity.module.as_str()))
            .is_some_and(|module| module.operations.contains_key(operation))
    }

    /// Runs an operation that answers one thing.
    ///
    /// # Errors
    /// As [`Apps::call`], and `integration.operation_kind` for one that answers a list.
    pub async fn call(
        &self,
        slot: &str,
        operation: &str,
        input: Value,
    ) -> Result<Map<String, Value>> {
        match self.output(slot, operation, input, None).await? {
            Output::One(value) => Ok(value),
            Output::Page { .. } => Err(Error::internal(
                "integration.operation_kind",
                format!("the operation {operation} answers a list"),
            )),
        }
    }

    /// Everything that an operation lists, at most 200 pages of it.
    ///
    /// # Errors
    /// As [`Apps::call`].
    pub async fn list(&self, slot: &str, operation: &str, input: Value) -> Result<Listed> {
        self.list_from(slot, operation, input, None).await
    }

    /// As [`Desk::list`], from where an earlier reading ended.
    ///
    /// # Errors
    /// As [`Apps::call`].
    pub async fn list_from(
        &self,
        slot: &str,
        operation: &str,
        input: Value,
        from: Option<PageState>,
    ) -> Result<Listed> {
        // Pages are counted for each reading, so that no list is taken for one without an end.
        let from = from.map(|page| PageState { read: 0, ..page });
        let (mut items, mut page, mut is_cut) = (Vec::new(), from, false);
        for _ in 0..PAGES_MAX {
            let part = self.part(slot, operation, input.clone(), page).await?;
            items.extend(part.items);
            (page, is_cut) = (part.next, part.is_cut);
            if page.is_none() {
                break;
            }
        }
        Ok(Listed {
            items,
            is_whole: page.is_none() && !is_cut,
            next: page,
        })
    }

    /// One page of what an operation lists, and where to go on. An operation that answers one thing
    /// is a list of it.
    ///
    /// # Errors
    /// As [`Apps::call`].
    pub async fn page(
        &self,
        slot: &str,
        operation: &str,
        input: Value,
        page: Option<PageState>,
    ) -> Result<(Vec<Map<String, Value>>, Option<PageState>)> {
        let part = self.part(slot, operation, input, page).await?;
        Ok((part.items, part.next))
    }

    /// As [`Desk::page`], and whether the app gives no more of the list although there is more.
    ///
    /// # Errors
    /// As [`Apps::call`].
    pub async fn part(
        &self,
        slot: &str,
        operation: &str,
        input: Value,
        page: Option<PageState>,
    ) -> Result<Part> {
        Ok(match self.output(slot, operation, input, page).await? {
            Output::One(value) => Part {
                items: vec![value],
                next: None,
                is_cut: false,
            },
            Output::Page {
                items,
                next,
                is_cut,
            } => Part {
                items,
                next,
                is_cut,
            },
        })
    }

    /// Of an input only what the account's module knows for an operation: recipes give all that
    /// any app may want to be told.
    #[must_use]
    pub fn fitting(&self, slot: &str, operation: &str, input: Value) -> Value {
        let module = self
            .accounts
            .get(slot)
            .and_then(|account| self.apps.module(account.entity.module.as_str()));
        let known = module
            .as_ref()
            .and_then(|module| module.operations.get(operation));
        match (known, input) {
            (Some(operation), Value::Object(mut given)) => {
                given.retain(|name, value| !value.is_null() && operation.input.contains_key(name));
                Value::Object(given)
            }
            (_, input) => input,
        }
    }

    fn input(&self, slot: &str, operation: &str, input: &str) -> Option<InputKind> {
        let account = self.accounts.get(slot)?;
        let module = self.apps.module(account.entity.module.as_str())?;
        module.operations.get(operation)?.input.get(input).copied()
    }

    /// Whether an operation takes this input.
    #[must_use]
    pub fn takes(&self, slot: &str, operation: &str, input: &str) -> bool {
        self.input(slot, operation, input).is_some()
    }

    /// Whether an operation can't do without this input.
    #[must_use]
    pub fn needs(&self, slot: &str, operation: &str, input: &str) -> bool {
        let kind = self.input(slot, operation, input);
        kind.is_some_and(|kind| !kind.optional)
    }

    async fn output(
        &self,
        slot: &str,
        operation: &str,
        input: Value,
        page: Option<PageState>,
    ) -> Result<Output> {
        let Account { entity, connection } = self.account(slot)?;
        let module = self.apps.module(entity.module.as_str()).ok_or_else(|| {
            Error::invalid(
                "module.unknown",
                format!(
                    "there is no module {} on this server",
                    entity.module.as_str()
                ),
            )
        })?;
        let ask = Ask::Operation {
            name: operation,
            input,
            page: page.clone(),
        };
        let answer: Answer = self.apps.call(entity, ask).await?;
        let values = Values::new()
            .with("connection", connection.clone().into())
            .with("entity", entity.properties.clone().into());
        module.operation_output(operation, &values, page.as_ref(), &answer)
    }

    /// What is remembered of a thing.
    ///
    /// # Errors
    /// The store's.
    pub async fn mapping(&self, source: &str) -> Result<Option<Stored<Mapping>>> {
        let key = Mapping::key_of(self.integration.id, source);
        let found = repo::get_keys::<Mapping>(self.ctx.store(), &[key]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// All mappings, in the order of their source ids.
    ///
    /// # Errors
    /// The store's.
    pub async fn mappings(&self, page: PageRequest) -> Result<Page<Stored<Mapping>>> {
        let id = self.integration.id.to_string();
        repo::children(self.ctx.store(), &id, false, page).await
    }

    /// Remembers a thing. `before` is what was read; a change by somebody else since is a conflict.
    ///
    /// # Errors
    /// `mapping.source`, `store.conflict`, or the store's.
    pub async fn remember(
        &self,
        before: Option<&Stored<Mapping>>,
        source: &str,
        external: Option<String>,
        data: Value,
    ) -> Result<Stored<Mapping>> {
        if source.is_empty() || source.len() > SOURCE_BYTES {
            return Err(Error::invalid(
                "mapping.source",
                format!("the id of a mapped thing has 1 to {SOURCE_BYTES} bytes"),
            ));
        }
        let next = Mapping {
            integration: self.integration.id,
            source: source.to_owned(),
            external,
            data,
            updated: self.ctx.now(),
        };
        let mut changes = ChangeSet::new();
        let version = match before {
            Some(before) => {
                changes.update(before, &next, None)?;
                before.version + 1
            }
            None => {
                changes.create(&next, None)?;
                1
            }
        };
        self.commit(changes).await?;
        Ok(Stored {
            value: next,
            version,
        })
    }

    /// Forgets a thing.
    ///
    /// # Errors
    /// `store.conflict` where somebody changed it since, or the store's.
    pub async fn forget(&self, mapping: &Stored<Mapping>) -> Result<()> {
        let mut changes = ChangeSet::new();
        changes.delete(mapping, None);
        self.commit(changes).await
    }

    /// Tells the user something.
    ///
    /// # Errors
    /// The store's.
    pub async fn note(&self, level: Level, title: &str, message: &str) -> Result<()> {
        let now = self.ctx.now();
        self.messages(|messages| messages.with(level, title, message, now))
            .await
    }

    /// Takes back what was said under a title.
    ///
    /// # Errors
    /// The store's.
    pub async fn unnote(&self, title: &str) -> Result<()> {
        self.messages(|messages| messages.without(title)).await
    }

    async fn messages(&self, change: impl Fn(&Messages) -> Messages) -> Result<()> {
        let mut races = 0;
        loop {
            let current =
                repo::require::<Integration>(self.ctx.store(), self.integration.id).await?;
            let next = Integration {
                messages: change(&current.messages),
                ..current.value.clone()
            };
            if next.messages == current.messages {
                return Ok(());
            }
            let mut changes = ChangeSet::new();
            changes.update(&current, &next, Some(Event::named("integration.noted")))?;
            match self.commit(changes).await {
                Err(error) if error.code() == "store.conflict" && races < RACES => races += 1,
                other => return other,
            }
        }
    }

    /// Commits, if the job is still ours.
    ///
    /// # Errors
    /// `store.conflict`, or the store's.
    pub async fn commit(&self, mut changes: ChangeSet) -> Result<()> {
        if let Some(claimed) = self.claimed {
            claimed.fence(&mut changes);
        }
        self.ctx.store().commit(changes).await.map(|_| ())
    }
}
