//! Doing what a recipe file says.

use async_trait::async_trait;
use gna_domain::connect::Values;
use gna_domain::connect::mapping::Mapping;
use gna_domain::connect::recipe::{Delivery, Form, Occurrence, RecipeInfo, Slot, UserAction};
use gna_domain::connect::template::Tree;
use gna_domain::error::{Error, Result};
use gna_domain::id::VulnerabilityId;
use gna_domain::policy::Action;
use gna_domain::port::recipes::{Desk, Recipe};
use gna_domain::port::store::Stored;
use gna_domain::rules::condition::Condition;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::condition::Place;
use super::definition::{
    AboutGroups, Choices, Definition, Memory, Mistake, On, When, called, level,
};
use super::outside;
use crate::recipes::each::each;
use crate::recipes::subject::Subject;

/// A recipe from a file.
pub struct DataRecipe {
    definition: Definition,
    info: RecipeInfo,
    choices: BTreeMap<String, Choices>,
    conditions: Conditions,
}

/// Ready, each in the place of what it belongs to.
struct Conditions {
    on: Vec<Option<Condition>>,
    ticks: Vec<Option<Condition>>,
    webhooks: Vec<Option<Condition>>,
}

impl Conditions {
    fn read(definition: &Definition) -> Result<Self, Mistake> {
        let on = definition.on.iter().map(|on| &on.condition);
        let ticks = definition.ticks.iter().map(|tick| &tick.condition);
        let webhooks = definition.webhooks.iter().map(|one| &one.condition);
        Ok(Self {
            on: read("on", Place::On, on)?,
            ticks: read("ticks", Place::Tick, ticks)?,
            webhooks: read("webhooks", Place::Webhook, webhooks)?,
        })
    }
}

fn read<'a>(
    of: &str,
    place: Place,
    all: impl Iterator<Item = &'a Option<String>>,
) -> Result<Vec<Option<Condition>>, Mistake> {
    let one = |(at, source): (usize, &'a Option<String>)| {
        let source = source.as_deref();
        let read = source.map(|source| place.compile(source)).transpose();
        read.map_err(|error| Mistake {
            path: format!("{of}.{at}.condition"),
            message: error.message().to_owned(),
        })
    };
    all.enumerate().map(one).collect()
}

fn nth(of: &[Option<Condition>], nth: usize) -> Option<&Condition> {
    of.get(nth).and_then(Option::as_ref)
}

impl DataRecipe {
    /// # Errors
    /// A condition or a choice of it can't be read.
    pub(super) fn new(definition: Definition) -> Result<Self, Mistake> {
        Ok(Self {
            info: info(&definition),
            choices: definition.choices()?,
            conditions: Conditions::read(&definition)?,
            definition,
        })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }
}

/// The form of the configuration; `required` of a property moves to where JSON Schema has it.
fn form(config: &BTreeMap<String, Map<String, Value>>) -> Form {
    let is_required =
        |property: &Map<String, Value>| property.get("required") == Some(&Value::Bool(true));
    let required: Vec<&String> = config
        .iter()
        .filter(|(_, property)| is_required(property))
        .map(|(name, _)| name)
        .collect();
    let properties: Map<String, Value> = config
        .iter()
        .map(|(name, property)| {
            let mut property = property.clone();
            property.remove("required");
            property.remove("choices");
            (name.clone(), Value::Object(property))
        })
        .collect();
    Form::vertical(json!({ "type": "object", "properties": properties, "required": required }))
}

fn info(definition: &Definition) -> RecipeInfo {
    let needs = match definition.about {
        AboutGroups::Nothing => Vec::new(),
        AboutGroups::AnyGroup | AboutGroups::OneGroup => vec![Action::VulnerabilityRead],
    };
    let slots = definition.slots.iter();
    let actions = definition.actions.iter();
    RecipeInfo {
        name: definition.name.clone(),
        version: definition.version.clone(),
        label: definition.display.label.clone(),
        description: definition.display.description.clone(),
        category: definition.display.category.clone(),
        slots: slots
            .map(|slot| Slot {
                key: slot.key.clone(),
                modules: slot.modules.clone(),
            })
            .collect(),
        about: definition.about.into(),
        needs,
        events: definition.on.iter().map(|on| on.event.clone()).collect(),
        every_seconds: definition.every_seconds,
        at_once: definition.at_once,
        actions: actions
            .map(|action| UserAction {
                name: action.name.clone(),
                kind: "QUICK_ACTION".to_owned(),
                title: action.title.clone(),
                description: action.description.clone(),
            })
            .collect(),
        config: form(&definition.config),
    }
}

impl On {
    fn handles(&self, event: &str) -> bool {
        match self.event.strip_suffix('*') {
            Some(start) => event.starts_with(start),
            None => event == self.event,
        }
    }
}

impl When {
    fn holds(&self, values: &Values) -> Result<bool> {
        let unfilled = |wrong: gna_domain::connect::template::Unfilled| {
            Error::invalid(
                "recipe.value",
                format!("a condition of the recipe: {wrong}"),
            )
        };
        let value = self.value.optional_text(values).map_err(unfilled)?;
        let value = value.unwrap_or_default();
        let is_one = |of: &[String]| of.iter().any(|one| one.eq_ignore_ascii_case(&value));
        let least = match &self.at_least {
            Some(least) => least.optional_text(values).map_err(unfilled)?,
            None => None,
        };
        let is_least = match least.as_deref().map(level) {
            // Nothing configured: everything is enough.
            None | Some(None) => true,
            Some(least) => level(&value) >= least,
        };
        Ok((self.is.is_empty() || is_one(&self.is)) && !is_one(&self.is_not) && is_least)
    }
}

pub(super) fn filled(input: &BTreeMap<String, Tree>, values: &Values) -> Result<Value> {
    let mut filled = Map::new();
    for (name, tree) in input {
        let value = tree.value(values).map_err(|wrong| {
            Error::invalid(
                "recipe.value",
                format!("the input {name} of the recipe: {wrong}"),
            )
        })?;
        if let Some(value) = value {
            filled.insert(name.clone(), value);
        }
    }
    Ok(Value::Object(filled))
}

pub(super) async fn call(desk: &Desk<'_>, call: &str, input: Value) -> Result<Map<String, Value>> {
    let (slot, operation) = called(call).unwrap_or_default();
    let (mut items, _) = desk.page(slot, operation, input, None).await?;
    Ok(items.pop().unwrap_or_default())
}

/// What a file's templates may name, all of it under `input`.
fn input(desk: &Desk<'_>, event: &str, subject: &Subject, made: Option<&str>) -> Value {
    json!({
        "event": event,
        "subject": subject.words(),
        "config": desk.integration.config,
        "made": made,
    })
}

impl DataRecipe {
    async fn tell(
        &self,
        desk: &Desk<'_>,
        id: VulnerabilityId,
        events: &[Occurrence],
        done: &Done,
    ) -> Result<()> {
        let Some(subject) = Subject::load(desk, id).await? else {
            return Ok(());
        };
        let source = id.to_string();
        let all = events.iter().enumerate();
        for (at, event) in all.filter(|(_, event)| event.subject == source) {
            let on = self.definition.on.iter().enumerate();
            for (number, on) in on.filter(|(_, on)| on.handles(&event.event)) {
                if done.has(at, number) {
                    continue;
                }
                let mapping = desk.mapping(&source).await?;
                let condition = nth(&self.conditions.on, number);
                run(desk, (on, condition), &event.event, &subject, mapping).await?;
                done.note(at, number);
            }
        }
        Ok(())
    }
}

/// What of a job was told already: the places of events in it, and of what the file says of each. A
/// job that is done again for the one event that failed would tell the app of all others twice.
struct Done {
    mapping: Option<Stored<Mapping>>,
    steps: Mutex<BTreeSet<(usize, usize)>>,
}

impl Done {
    /// Source id of the mapping that has it, only while the job waits for another try.
    fn key(desk: &Desk<'_>) -> Option<String> {
        desk.claimed
            .map(|claimed| format!("job:{}", claimed.job().id))
    }

    async fn before(desk: &Desk<'_>) -> Result<Self> {
        let mapping = match Self::key(desk) {
            Some(key) => desk.mapping(&key).await?,
            None => None,
        };
        let steps = mapping
            .as_ref()
            .and_then(|mapping| serde_json::from_value(mapping.data.clone()).ok());
        Ok(Self {
            mapping,
            steps: Mutex::new(steps.unwrap_or_default()),
        })
    }

    fn steps(&self) -> MutexGuard<'_, BTreeSet<(usize, usize)>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, at: usize, nth: usize) -> bool {
        self.steps().contains(&(at, nth))
    }

    fn note(&self, at: usize, nth: usize) {
        self.steps().insert((at, nth));
    }

    /// Remembers it for the next try, or forgets it after the last.
    async fn after(self, desk: &Desk<'_>, is_over: bool) -> Result<()> {
        let steps = self.steps().clone();
        match (Self::key(desk), self.mapping) {
            (_, Some(mapping)) if is_over => desk.forget(&mapping).await,
            (Some(key), mapping) if !is_over && !steps.is_empty() => desk
                .remember(mapping.as_ref(), &key, None, json!(steps))
                .await
                .map(|_| ()),
            _ => Ok(()),
        }
    }
}

async fn run(
    desk: &Desk<'_>,
    (on, condition): (&On, Option<&Condition>),
    event: &str,
    subject: &Subject,
    mapping: Option<Stored<Mapping>>,
) -> Result<()> {
    let made = mapping
        .as_ref()
        .and_then(|mapping| mapping.external.clone());
    let is_time = match on.memory {
        Memory::None => true,
        Memory::Makes => made.is_none(),
        Memory::Needs | Memory::Ends => made.is_some(),
    };
    if !is_time {
        return Ok(());
    }
    let input = input(desk, event, subject, made.as_deref());
    if !Place::On.holds(condition, &input)? {
        return Ok(());
    }
    let values = Values::new().with("input", input);
    for when in &on.when {
        if !when.holds(&values)? {
            return Ok(());
        }
    }
    let answer = call(desk, &on.call, filled(&on.input, &values)?).await?;
    match (on.memory, mapping) {
        (Memory::None | Memory::Needs, _) | (Memory::Ends, None) => Ok(()),
        (Memory::Ends, Some(mapping)) => desk.forget(&mapping).await,
        (Memory::Makes, mapping) => {
            let id = match answer.get("id") {
                Some(Value::String(id)) => id.clone(),
                Some(Value::Number(id)) => id.to_string(),
                _ => subject.vulnerability.id.to_string(),
            };
            let source = subject.vulnerability.id.to_string();
            desk.remember(mapping.as_ref(), &source, Some(id), Value::Null)
                .await
                .map(|_| ())
        }
    }
}

#[async_trait]
impl Recipe for DataRecipe {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }

    async fn events(&self, desk: &Desk<'_>, events: &[Occurrence]) -> Result<()> {
        let done = Done::before(desk).await?;
        let told = each(events, |id| self.tell(desk, id, events, &done)).await;
        done.after(desk, told.is_ok()).await?;
        told
    }

    async fn form(&self, desk: &Desk<'_>, typed: &Value) -> Result<Form> {
        outside::form(desk, self.info.config.clone(), &self.choices, typed).await
    }

    async fn tick(&self, desk: &Desk<'_>) -> Result<()> {
        let mut failed = None;
        for (number, tick) in self.definition.ticks.iter().enumerate() {
            let condition = nth(&self.conditions.ticks, number);
            match outside::tick(desk, tick, condition).await {
                Err(error) if outside::ends_all(&error) => return Err(error),
                Err(error) => {
                    failed.get_or_insert(error);
                }
                Ok(()) => {}
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn webhook(&self, desk: &Desk<'_>, delivery: &Delivery) -> Result<()> {
        let done = Done::before(desk).await?;
        let mut told = Ok(());
        for (number, webhook) in self.definition.webhooks.iter().enumerate() {
            if !outside::is_about(webhook, delivery) || done.has(0, number) {
                continue;
            }
            let condition = nth(&self.conditions.webhooks, number);
            match outside::webhook(desk, webhook, condition, delivery).await {
                Ok(()) => done.note(0, number),
                Err(error) => {
                    told = Err(error);
                    break;
                }
            }
        }
        done.after(desk, told.is_ok()).await?;
        told
    }

    async fn act(&self, desk: &Desk<'_>, action: &str, data: &Value) -> Result<Value> {
        let found = self
            .definition
            .actions
            .iter()
            .find(|known| known.name == action);
        let action = found.ok_or_else(|| {
            Error::not_found(
                "integration.action_unknown",
                "this integration has no such action",
            )
        })?;
        let input = json!({ "config": desk.integration.config, "data": data });
        let values = Values::new().with("input", input);
        let answer = call(desk, &action.call, filled(&action.input, &values)?).await?;
        Ok(Value::Object(answer))
    }
}
