//! The JSON Schema of a recipe file, for editors; `docs/recipe.schema.json` is what it gives.

use serde_json::{Value, json};

use super::definition::Definition;

#[must_use]
pub fn schema() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(Definition)).unwrap_or_default();
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), json!("A recipe of Gna"));
    }
    schema
}
