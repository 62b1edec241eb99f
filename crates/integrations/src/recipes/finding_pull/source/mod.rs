//! The words of each app in those of the generic report format (`docs/GENERIC-FORMAT.md`): one file
//! per app. Facts are from the apps' own API documentation; what could not be confirmed says so.

mod defectdojo;
mod dependency_track;
mod github;
mod gitlab;
mod snyk;
mod sonarqube;
mod tenable;

use serde_json::{Map, Value};

use super::feed::{Feed, Item, text};

/// Everything that can be pulled, by module.
const ALL: &[&[Feed]] = &[
    defectdojo::FEEDS,
    dependency_track::FEEDS,
    github::FEEDS,
    gitlab::FEEDS,
    snyk::FEEDS,
    sonarqube::FEEDS,
    tenable::FEEDS,
];

/// The modules that findings can be pulled from.
pub fn modules() -> impl Iterator<Item = &'static str> {
    let own = ALL.iter().flat_map(|feeds| feeds.first());
    own.map(|feed| feed.module).chain([github::APP])
}

/// The kinds of finding of a module.
pub fn feeds(module: &str) -> impl Iterator<Item = &'static Feed> {
    let module = if module == github::APP {
        "github"
    } else {
        module
    }
    .to_owned();
    ALL.iter()
        .copied()
        .flatten()
        .filter(move |feed| feed.module == module)
}

/// A scalar at a pointer, as text.
fn at(item: &Value, pointer: &str) -> Option<String> {
    text(item.pointer(pointer))
}

/// The texts of an array: each item's, or what is in it at a pointer.
fn list(item: &Value, array: &str, pointer: &str) -> Vec<String> {
    let array = item.pointer(array).and_then(Value::as_array);
    array
        .into_iter()
        .flatten()
        .filter_map(|item| text(item.pointer(pointer)))
        .collect()
}

/// The whole item, which the module's operation gives as `raw`.
fn raw(item: &Map<String, Value>) -> Option<&Value> {
    item.get("raw").filter(|raw| raw.is_object())
}

/// Without what was not said.
fn said(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, said(value)))
            .filter(|(_, value)| !is_nothing(value))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// One finding of an item, or none where it is gone.
fn one(id: String, is_there: bool, finding: Value) -> Item {
    Item {
        id,
        findings: is_there.then(|| said(finding)).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_app_has_its_feeds_and_names_are_said_once() {
        let modules: Vec<&str> = modules().collect();
        assert_eq!(modules.len(), 8);
        for module in modules {
            let names: Vec<&str> = feeds(module).map(|feed| feed.name).collect();
            assert!(!names.is_empty(), "{module}");
        }
        assert_eq!(feeds("github-app").count(), feeds("github").count());
        assert_eq!(feeds("jira-cloud").count(), 0);
    }

    #[test]
    fn what_was_not_said_is_left_out() {
        assert_eq!(
            said(json!({"a": null, "b": {"c": []}, "d": 0})),
            json!({"d": 0})
        );
    }
}
