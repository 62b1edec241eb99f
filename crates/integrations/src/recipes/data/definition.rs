//! What a recipe file says, and whether it makes sense.

use gna_domain::connect::Template;
use gna_domain::connect::recipe::About;
use gna_domain::connect::template::Tree;
use gna_domain::model::Level;
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
    /// `maximum`, `maxLength`), and `required`.
    #[serde(default)]
    pub config: BTreeMap<String, Map<String, Value>>,
    /// What is done when something happens.
    #[serde(default)]
    pub on: Vec<On>,
    /// What a user can have it do.
    #[serde(default)]
    pub actions: Vec<ActionDefinition>,
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
        let calls = self.on.iter().map(|on| ("on", &on.call)).enumerate().chain(
            self.actions
                .iter()
                .map(|action| ("actions", &action.call))
                .enumerate(),
        );
        for (at, (of, call)) in calls {
            if called(call).is_none_or(|(slot, _)| !slots.contains(slot)) {
                let known: Vec<&str> = slots.iter().copied().collect();
                return wrong(
                    format!("{of}.{at}.call"),
                    format!(
                        "write a slot, a dot and an operation; the slots are: {}",
                        known.join(", ")
                    ),
                );
            }
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
