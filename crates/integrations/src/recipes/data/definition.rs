//! What a recipe file says, and whether it makes sense.

use gna_domain::connect::Template;
use gna_domain::connect::recipe::About;
use gna_domain::connect::template::Tree;
use gna_domain::model::{LANE_SLOTS_MAX, Level};
use gna_domain::rules::schedule::{EVERY_MAX, EVERY_MIN};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// 1 to 40 of a-z, 0-9 and -, beginning with a letter; one that comes with Gna is replaced by
    /// another of the same name.
    pub name: String,
    #[serde(default = "one")]
    pub version: String,
    pub display: Display,
    /// The accounts that it needs, in the order in which they are named when it is made.
    pub slots: Vec<SlotDefinition>,
    /// Which groups an integration is about.
    #[serde(default)]
    pub about: AboutGroups,
    /// What can be configured: by name a JSON Schema (`type`, `title`, `enum`, `default`, `minimum`,
    /// `maximum`, `maxLength`), `required`, and `choices` of a text that only the app knows: `call`,
    /// `input`, and which members of the output are the `value` (id) and the `label` (name).
    #[serde(default)]
    pub config: BTreeMap<String, Map<String, Value>>,
    /// What is done when something happens.
    #[serde(default)]
    pub on: Vec<On>,
    /// How often `ticks` are done, in seconds.
    #[serde(default)]
    pub every_seconds: u32,
    /// What is done every so often.
    #[serde(default)]
    pub ticks: Vec<Tick>,
    /// How many jobs that tell one integration of events and webhooks may be under way at once, 1 to 64.
    #[serde(default = "alone")]
    pub at_once: u32,
    /// What is done when an app tells of something.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    /// What a user can have it do.
    #[serde(default)]
    pub actions: Vec<ActionDefinition>,
}

fn alone() -> u32 {
    1
}

fn one() -> String {
    "1".to_owned()
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Display {
    pub label: String,
    pub description: String,
    #[serde(default)]
    pub category: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotDefinition {
    pub key: String,
    /// The modules of which one must be connected there.
    pub modules: Vec<String>,
}

/// Which groups an integration of it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AboutGroups {
    Nothing,
    #[default]
    AnyGroup,
    OneGroup,
}

impl From<AboutGroups> for About {
    fn from(about: AboutGroups) -> Self {
        match about {
            AboutGroups::Nothing => Self::Nothing,
            AboutGroups::AnyGroup => Self::AnyGroup,
            AboutGroups::OneGroup => Self::OneGroup,
        }
    }
}

/// One call when something happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// Name of the event, `vulnerability.opened`; a `*` at its end stands for any ending.
    pub event: String,
    /// All of it must hold.
    #[serde(default)]
    pub when: Vec<When>,
    /// And so must this expression of CEL: `subject.score >= 7.0 && 'pci' in subject.tags`.
    #[serde(default)]
    pub condition: Option<String>,
    /// The slot, a dot, and the operation of its module: `board.create_card`.
    pub call: String,
    #[serde(default)]
    pub input: BTreeMap<String, Tree>,
    /// What is remembered of the thing that happened to.
    #[serde(default)]
    pub memory: Memory,
}

/// What a call has to do with what is remembered of its subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// Nothing: it is called every time.
    #[default]
    None,
    /// It is called where nothing is remembered, and the `id` of its output is.
    Makes,
    /// It is called where something is remembered, which is `{input.made}`.
    Needs,
    /// The same, and afterwards nothing is remembered any more.
    Ends,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// What is looked at: `{input.subject.asset}`. An absent value is the empty text.
    pub value: Template,
    /// It is one of these, in any case,
    #[serde(default)]
    pub is: Vec<String>,
    /// and none of these,
    #[serde(default)]
    pub is_not: Vec<String>,
    /// and a severity of at least this one: INFO, LOW, MEDIUM, HIGH, CRITICAL, or a template of it.
    #[serde(default)]
    pub at_least: Option<Template>,
}

/// One call every so often, or one for each thing that an app lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    /// A slot, a dot, and the operation that lists the things, each of which is `{input.item}`.
    #[serde(default)]
    pub list: Option<String>,
    #[serde(default)]
    pub list_input: BTreeMap<String, Tree>,
    /// An expression of CEL that must be true: `item.total > 10.0`.
    #[serde(default)]
    pub condition: Option<String>,
    pub call: String,
    #[serde(default)]
    pub input: BTreeMap<String, Tree>,
    /// `makes`: it is called once for each `id` that is listed. Else each time.
    #[serde(default)]
    pub memory: Memory,
}

/// One call when an app tells of something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The account whose app it is.
    pub slot: String,
    /// The app's name of what happened; a `*` at its end stands for any ending. All where it is left
    /// out.
    #[serde(default)]
    pub event: Option<String>,
    /// An expression of CEL that must be true: `webhook.body.action == 'closed'`.
    #[serde(default)]
    pub condition: Option<String>,
    pub call: String,
    #[serde(default)]
    pub input: BTreeMap<String, Tree>,
}

/// The `choices` of a property of the configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// A slot, a dot, and the operation that lists them.
    pub call: String,
    #[serde(default)]
    pub input: BTreeMap<String, Tree>,
    /// Which member of the output is kept.
    #[serde(default = "id")]
    pub value: String,
    /// Which one is shown.
    #[serde(default = "name")]
    pub label: String,
}

fn id() -> String {
    "id".to_owned()
}

fn name() -> String {
    "name".to_owned()
}

/// One call when a user wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionDefinition {
    /// Upper case with underscores: `SEND_TEST`.
    pub name: String,
    pub title: String,
    #[serde(default)]
    pub description: String,
    pub call: String,
    #[serde(default)]
    pub input: BTreeMap<String, Tree>,
}

/// What is wrong: a path of keys, and a sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub path: String,
    pub message: String,
}

/// The slot and the operation of a call.
pub fn called(call: &str) -> Option<(&str, &str)> {
    call.split_once('.')
        .filter(|(slot, operation)| !slot.is_empty() && !operation.is_empty())
}

impl Definition {
    /// The choices that only apps know, by the name of the property.
    ///
    /// # Errors
    /// One of them can't be read.
    pub fn choices(&self) -> Result<BTreeMap<String, Choices>, Mistake> {
        let mut all = BTreeMap::new();
        for (name, property) in &self.config {
            let Some(choices) = property.get("choices") else {
                continue;
            };
            let wrong = |message: String| Mistake {
                path: format!("config.{name}.choices"),
                message,
            };
            let read: Choices = serde_json::from_value(choices.clone())
                .map_err(|error| wrong(format!("{error} (docs/RECIPES.md lists every key)")))?;
            if property.get("type").and_then(Value::as_str) != Some("string") {
                return Err(wrong(
                    "what is chosen so is a text: type = \"string\"".to_owned(),
                ));
            }
            all.insert(name.clone(), read);
        }
        Ok(all)
    }

    /// Everything that is called, each with its place in the file.
    fn calls(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut add = |path: String, call: &str| all.push((path, call.to_owned()));
        for (at, on) in self.on.iter().enumerate() {
            add(format!("on.{at}.call"), &on.call);
        }
        for (at, tick) in self.ticks.iter().enumerate() {
            add(format!("ticks.{at}.call"), &tick.call);
            if let Some(list) = &tick.list {
                add(format!("ticks.{at}.list"), list);
            }
        }
        for (at, webhook) in self.webhooks.iter().enumerate() {
            add(format!("webhooks.{at}.call"), &webhook.call);
        }
        for (at, action) in self.actions.iter().enumerate() {
            add(format!("actions.{at}.call"), &action.call);
        }
        for (name, choices) in self.choices().unwrap_or_default() {
            add(format!("config.{name}.choices.call"), &choices.call);
        }
        all
    }

    /// What is wrong with what is done every so often and when an app tells of something.
    fn outside_mistake(&self, slots: &BTreeSet<&str>) -> Option<Mistake> {
        let wrong = |path: String, message: String| Some(Mistake { path, message });
        if !(1..=LANE_SLOTS_MAX).contains(&self.at_once) {
            let message = format!("1 to {LANE_SLOTS_MAX} jobs may be under way at once");
            return wrong("at_once".to_owned(), message);
        }
        if self.ticks.is_empty() && self.every_seconds > 0 {
            let message = "say in ticks what is done every so often".to_owned();
            return wrong("every_seconds".to_owned(), message);
        }
        if !self.ticks.is_empty() && !(EVERY_MIN..=EVERY_MAX).contains(&self.every_seconds) {
            let message = format!("ticks are {EVERY_MIN} to {EVERY_MAX} seconds apart");
            return wrong("every_seconds".to_owned(), message);
        }
        for (at, tick) in self.ticks.iter().enumerate() {
            let is_known = match tick.memory {
                Memory::None => true,
                Memory::Makes => tick.list.is_some(),
                Memory::Needs | Memory::Ends => false,
            };
            if !is_known {
                let message = "say none, or makes where there is a list".to_owned();
                return wrong(format!("ticks.{at}.memory"), message);
            }
            let same = |other: &Tick| (&other.list, &other.call) == (&tick.list, &tick.call);
            let remembers = tick.memory == Memory::Makes;
            if remembers && self.ticks.iter().take(at).any(same) {
                let message = "two of the same list and call remember the same".to_owned();
                return wrong(format!("ticks.{at}.memory"), message);
            }
        }
        for (at, webhook) in self.webhooks.iter().enumerate() {
            if !slots.contains(webhook.slot.as_str()) {
                let known: Vec<&str> = slots.iter().copied().collect();
                let message = format!("the slots are: {}", known.join(", "));
                return wrong(format!("webhooks.{at}.slot"), message);
            }
        }
        None
    }

    /// The first thing that is wrong with it.
    #[must_use]
    pub fn mistake(&self) -> Option<Mistake> {
        let wrong = |path: String, message: String| Some(Mistake { path, message });
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.len() <= 40
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if !is_name(&self.name) {
            return wrong(
                "name".to_owned(),
                "a name has 1 to 40 of a-z, 0-9 and -, beginning with a letter".to_owned(),
            );
        }
        if self.slots.is_empty() {
            return wrong("slots".to_owned(), "name at least one account".to_owned());
        }
        let mut slots = BTreeSet::new();
        for (at, slot) in self.slots.iter().enumerate() {
            if slot.key.is_empty() || slot.modules.is_empty() || !slots.insert(slot.key.as_str()) {
                return wrong(
                    format!("slots.{at}"),
                    "a slot has a key of its own and at least one module".to_owned(),
                );
            }
        }
        if let Err(mistake) = self.choices() {
            return Some(mistake);
        }
        for (path, call) in self.calls() {
            if called(&call).is_none_or(|(slot, _)| !slots.contains(slot)) {
                let known: Vec<&str> = slots.iter().copied().collect();
                return wrong(
                    path,
                    format!(
                        "write a slot, a dot and an operation; the slots are: {}",
                        known.join(", ")
                    ),
                );
            }
        }
        if let Some(mistake) = self.outside_mistake(&slots) {
            return Some(mistake);
        }
        for (at, on) in self.on.iter().enumerate() {
            if !on.event.starts_with("vulnerability.") {
                return wrong(
                    format!("on.{at}.event"),
                    "events of vulnerabilities begin with \"vulnerability.\"".to_owned(),
                );
            }
            if self.about == AboutGroups::Nothing {
                return wrong(
                    format!("on.{at}"),
                    "a recipe that is about no group hears of no vulnerability".to_owned(),
                );
            }
            for (number, when) in on.when.iter().enumerate() {
                let path = || format!("on.{at}.when.{number}");
                if when.is.is_empty() && when.is_not.is_empty() && when.at_least.is_none() {
                    return wrong(path(), "say is, is_not or at_least".to_owned());
                }
                if let Some(least) = &when.at_least
                    && least.slots().next().is_none()
                    && level(least.source()).is_none()
                {
                    let message = "at_least is INFO, LOW, MEDIUM, HIGH or CRITICAL".to_owned();
                    return wrong(path(), message);
                }
            }
        }
        let is_action = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        };
        let bad = self
            .actions
            .iter()
            .position(|action| !is_action(&action.name));
        bad.and_then(|at| {
            let message = "an action's name is in upper case with underscores".to_owned();
            wrong(format!("actions.{at}.name"), message)
        })
    }
}

/// A severity by its word, in any case.
pub fn level(word: &str) -> Option<Level> {
    Level::ALL
        .into_iter()
        .find(|level| level.as_str().eq_ignore_ascii_case(word.trim()))
}
