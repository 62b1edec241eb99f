//! What a recipe says of itself: an integration type as data. Its code is [`crate::port::recipes`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::policy::Action;

/// An account that a recipe needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// How the recipe calls it: `tracker`.
    pub key: String,
    /// The modules of which one must be connected there.
    pub modules: Vec<String>,
}

/// What a form asks: JSON Schema, how to show it, and what is filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Form {
    #[serde(rename = "jsonSchema")]
    pub schema: Value,
    /// In the JSON Forms layout.
    #[serde(rename = "uiSchema")]
    pub ui: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl Form {
    /// A form that shows every property of an object, from top to bottom.
    #[must_use]
    pub fn vertical(schema: Value) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object);
        let elements: Vec<Value> = properties
            .into_iter()
            .flat_map(|properties| properties.keys())
            .map(|key| json!({"type": "Control", "scope": format!("#/properties/{key}")}))
            .collect();
        Self {
            ui: json!({"type": "VerticalLayout", "elements": elements}),
            schema,
            data: Value::Null,
        }
    }
}

/// Something that a user can have an integration do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAction {
    /// `SYNC_NOW`.
    pub name: String,
    /// Where clients show it: `QUICK_ACTION`, `SYNC_ACTION`, `DATA`, `SEARCH`.
    pub kind: String,
    pub title: String,
    pub description: String,
}

/// Something that happened here, as it is told to a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Name of the feed's event.
    pub event: String,
    /// Id of what it happened to.
    pub subject: String,
}

/// A webhook of the app, after its signature was checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The slot of the account that it is about.
    pub slot: String,
    /// The app's kind of event, where it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The app's id of the delivery, the same when it is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub body: Value,
}

/// A route of a recipe's own, under `/api/NAME-integration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// `/status/{ticket}`: parts in braces stand for any one part. `{integration}` is the id of an
    /// integration of the recipe that works, which the recipe is then given.
    pub path: String,
    /// How the recipe calls it.
    pub name: String,
}

/// A request to such a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Of the route.
    pub name: String,
    /// The parts of the path that stood in braces.
    pub path: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
    /// An empty object where nothing was sent.
    pub body: Value,
}

/// Which groups an integration of a recipe is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum About {
    /// None: it has nothing to do with vulnerabilities.
    Nothing,
    /// One, or all of the organization.
    AnyGroup,
    /// One that must be named.
    OneGroup,
}

/// A recipe, as it is offered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecipeInfo {
    pub name: String,
    pub version: String,
    pub label: String,
    pub description: String,
    pub category: String,
    pub slots: Vec<Slot>,
    pub about: About,
    /// What its owner must be permitted to do in the group, since it does the same.
    #[serde(skip)]
    pub needs: Vec<Action>,
    /// Names of the feed's events that it handles, `vulnerability.opened`; a trailing `*` stands
    /// for any ending.
    pub events: Vec<String>,
    /// How often it looks at the app, in seconds; 0 for never.
    pub every_seconds: u32,
    /// How many jobs that tell one integration of events and webhooks may be under way at once: 1, and
    /// 64 at most. More than 1 is for recipes whose events and webhooks may be told side by side, in any
    /// order. Its beginning, its looks and the steps of its processes take turns.
    pub at_once: u32,
    pub actions: Vec<UserAction>,
    /// What can be configured.
    pub config: Form,
}

impl RecipeInfo {
    /// Whether it handles an event of this name.
    #[must_use]
    pub fn handles(&self, event: &str) -> bool {
        self.events
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => event.starts_with(start),
                None => event == pattern,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_wholly_or_by_their_start() {
        let info = RecipeInfo {
            name: "x".into(),
            version: "1".into(),
            label: "X".into(),
            description: String::new(),
            category: "Test".into(),
            slots: Vec::new(),
            about: About::Nothing,
            needs: Vec::new(),
            events: vec!["vulnerability.opened".into(), "report.*".into()],
            every_seconds: 0,
            at_once: 1,
            actions: Vec::new(),
            config: Form::vertical(json!({"properties": {"a": {}, "b": {}}})),
        };
        for (event, handled) in [
            ("vulnerability.opened", true),
            ("vulnerability.opened_again", false),
            ("report.completed", true),
            ("reports.completed", false),
        ] {
            assert_eq!(info.handles(event), handled, "{event}");
        }
        assert_eq!(info.config.ui["elements"][1]["scope"], "#/properties/b");
    }
}
