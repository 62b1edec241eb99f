//! The values that templates are filled with, by scope: `connection`, `credential`, `input`...
//!
//! Many of them are secrets, so this type prints names and never a value.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Scopes that a template may name, with what is in them.
pub const SCOPES: &[(&str, &str)] = &[
    ("answer", "the answer of the call, in `output` and `keep`"),
    (
        "client",
        "client_id, client_secret, redirect_uri of the app's registration",
    ),
    ("connection", "the connection parameters of the user's form"),
    ("credential", "the fields of the credential"),
    ("entity", "the persisted properties of the entity"),
    ("input", "the operation's input"),
    ("jwt", "the signed token of jwt_app"),
    (
        "kept",
        "values kept from earlier calls, steps or the token answer",
    ),
    ("page", "cursor, offset, number and size of the page"),
];

/// Values by scope and name.
#[derive(Clone, Default, PartialEq)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a scope set; one that was there is replaced.
    #[must_use]
    pub fn with(mut self, scope: &str, value: Value) -> Self {
        self.0.insert(scope.to_owned(), value);
        self
    }

    /// The same with one value of a scope set.
    #[must_use]
    pub fn with_one(mut self, scope: &str, name: &str, value: Value) -> Self {
        let scope = self
            .0
            .entry(scope.to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(map) = scope {
            map.insert(name.to_owned(), value);
        }
        self
    }

    /// The value at a path whose first part is the scope. `null` counts as absent.
    #[must_use]
    pub fn get(&self, path: &[String]) -> Option<&Value> {
        let (scope, rest) = path.split_first()?;
        let mut value = self.0.get(scope)?;
        for part in rest {
            value = match value {
                Value::Object(map) => map.get(part)?,
                Value::Array(list) => list.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        (!value.is_null()).then_some(value)
    }

    /// All values of a scope; empty where there is none.
    #[must_use]
    pub fn scope(&self, scope: &str) -> Map<String, Value> {
        let found = self.0.get(scope).and_then(Value::as_object);
        found.cloned().unwrap_or_default()
    }

    /// A text at `scope.name`.
    #[must_use]
    pub fn text(&self, scope: &str, name: &str) -> Option<&str> {
        self.0.get(scope)?.get(name)?.as_str()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (scope, value) in &self.0 {
            let names: Vec<&String> = value
                .as_object()
                .map(|map| map.keys().collect())
                .unwrap_or_default();
            map.entry(scope, &names);
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_found_by_path_and_never_printed() {
        let values = Values::new()
            .with("credential", json!({"api_key": "hunter2", "gone": null}))
            .with("answer", json!({"list": [{"id": 7}]}))
            .with_one("credential", "more", json!("x"));
        let get = |path: &str| values.get(&path.split('.').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(get("credential.api_key"), Some(&json!("hunter2")));
        assert_eq!(get("answer.list.0.id"), Some(&json!(7)));
        assert_eq!(get("credential.more"), Some(&json!("x")));
        assert_eq!(values.scope("answer").len(), 1);
        assert!(values.scope("nowhere").is_empty());
        for absent in [
            "credential.gone",
            "credential.none",
            "answer.list.x",
            "nowhere.a",
            "answer.list.0.id.deeper",
        ] {
            assert_eq!(get(absent), None, "{absent}");
        }
        let printed = format!("{values:?}");
        assert!(
            printed.contains("api_key") && !printed.contains("hunter2"),
            "{printed}"
        );
    }
}
