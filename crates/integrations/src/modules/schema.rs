//! The JSON Schema of a module file, for editors; `docs/module.schema.json` is what it gives.

use gna_domain::connect::Module;
use serde_json::{Value, json};

/// The schema. Files that say `extends` need name and display only.
#[must_use]
pub fn schema() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(Module)).unwrap_or_default();
    if let Value::Object(root) = &mut schema {
        let required = root.remove("required").unwrap_or_default();
        root.insert("title".to_owned(), json!("A module of Gna"));
        root.insert("if".to_owned(), json!({"required": ["extends"]}));
        root.insert("then".to_owned(), json!({"required": ["name"]}));
        root.insert("else".to_owned(), json!({ "required": required }));
    }
    schema
}
