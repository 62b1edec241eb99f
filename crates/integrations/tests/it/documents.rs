//! The schema and the table of the catalogue are what the code says.

use gna_integrations::modules::{Catalogue, schema, shipped_text, unconfirmed};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn docs(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(file)
}

/// Compares with the file, or writes it where `UPDATE_DOCS` is set.
fn check(file: &str, expected: &str) {
    let path = docs(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).expect("it is written");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "docs/{file} is not what the code says; run the tests of gna-integrations once with UPDATE_DOCS=1"
    );
}

#[test]
fn the_schema_of_modules_is_current_and_takes_every_module() {
    let schema = schema();
    check("module.schema.json", &format!("{:#}\n", schema));
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for loaded in Catalogue::shipped().expect("they load").all() {
        let text = shipped_text(loaded.module.name.as_str()).expect("its text");
        let value: Value =
            serde_json::to_value(toml::from_str::<toml::Table>(text).expect("TOML")).expect("JSON");
        let wrong: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(wrong, Vec::<String>::new(), "{}", loaded.module.name);
        let mut unknown = value;
        unknown["nonsense"] = Value::from(1);
        assert!(!validator.is_valid(&unknown), "{}", loaded.module.name);
    }
}

const START: &str = "<!-- catalogue: made by a test, do not edit -->\n";
const END: &str = "<!-- end of catalogue -->\n";

#[test]
fn the_table_of_the_catalogue_is_current() {
    let mut made = String::from(START);
    let catalogue = Catalogue::shipped().expect("they load");
    let mut all: Vec<_> = catalogue.all().map(|loaded| &loaded.module).collect();
    all.sort_by_key(|module| (module.display.category, module.name.clone()));
    made.push_str("\n| Module | App | For | Signs in by | Webhooks | Operations |\n|---|---|---|---|---|---|\n");
    for module in &all {
        let operations: Vec<&str> = module.operations.keys().map(String::as_str).collect();
        let hook = if module.webhook.is_some() {
            "checked"
        } else {
            ""
        };
        made.push_str(&format!(
            "| `{}` | {} | {} | {} | {hook} | {} |\n",
            module.name,
            module.display.label,
            module.display.category.label(),
            module.auth.kind().name(),
            operations.join(", ")
        ));
    }
    made.push_str("\n### Facts that nobody has confirmed yet\n\nNot said by the documentation that is named in the file, or not found there. Whoever sees them with the real app, please tell.\n\n");
    for module in &all {
        for (_, fact) in unconfirmed(shipped_text(module.name.as_str()).expect("its text")) {
            made.push_str(&format!("- `{}`: {fact}\n", module.name));
        }
    }
    made.push('\n');
    made.push_str(END);
    let text = std::fs::read_to_string(docs("MODULES.md")).expect("docs/MODULES.md");
    let (before, rest) = text.split_once(START).expect("the mark of the table");
    let (_, after) = rest.split_once(END).expect("the mark after the table");
    check("MODULES.md", &format!("{before}{made}{after}"));
}

/// The keys of an object of the schema and of what stands inside it, not of what it refers to.
fn keys(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("$defs" | "default" | "enum" | "const", _) => {}
                    ("properties", Value::Object(properties)) => {
                        into.extend(properties.keys().cloned());
                        properties.values().for_each(|inner| keys(inner, into));
                    }
                    _ => keys(value, into),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| keys(inner, into)),
        _ => {}
    }
}

#[test]
fn the_document_has_every_key_of_the_schema() {
    let text = std::fs::read_to_string(docs("MODULES.md")).expect("docs/MODULES.md");
    let (_, part) = text.split_once("### Every key\n").expect("a part");
    let (part, _) = part.split_once("\n### ").expect("another part after it");
    let schema = schema();
    let parts = schema["$defs"].as_object().expect("definitions").iter();
    let whole = ("Module".to_owned(), schema.clone());
    let parts = parts.map(|(name, part)| (name.clone(), part.clone()));
    let mut missing = Vec::new();
    for (name, schema) in parts.chain([whole]) {
        let mut all = BTreeSet::new();
        keys(&schema, &mut all);
        let row = format!("| `{name}` |");
        let row = part.lines().find(|line| line.starts_with(&row));
        // The last column, so that the place does not count.
        let row = row.and_then(|row| row.split(" | ").nth(2));
        let known = row.unwrap_or_default();
        let lacks = all
            .iter()
            .filter(|key| !known.contains(&format!("`{key}`")));
        missing.extend(lacks.map(|key| format!("{name}: {key}")));
    }
    assert_eq!(missing, Vec::<String>::new(), "add them to docs/MODULES.md");
}

#[test]
fn the_example_of_the_documentation_loads() {
    let text = std::fs::read_to_string(docs("MODULES.md")).expect("docs/MODULES.md");
    let example = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an example");
    let module = gna_integrations::modules::load("acme-tracker.toml", example)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(module.name.as_str(), "acme-tracker");
}
