//! Whom a webhook is for, by what it names of accounts and projects: pure rules.

use serde_json::{Map, Value};

/// Most names that are kept of one webhook, and the longest of them in bytes. With these the record of
/// the largest webhook stays within any store's limit.
const NAMES_MAX: usize = 10;
const NAME_BYTES: usize = 200;

/// What a webhook names at these pointers, where `*` stands for each item of a list. Nothing where it is
/// more than is kept: then it is for all.
#[must_use]
pub fn named(content: &Value, pointers: &[String]) -> Vec<String> {
    let mut names: Vec<String> = pointers
        .iter()
        .flat_map(|pointer| each(content, pointer))
        .filter_map(name)
        .collect();
    names.sort_unstable();
    names.dedup();
    let fits = names.len() <= NAMES_MAX && names.iter().all(|name| name.len() <= NAME_BYTES);
    if fits { names } else { Vec::new() }
}

/// The project that an integration is configured for, if it is for one.
#[must_use]
pub fn project(config: &Map<String, Value>) -> Option<String> {
    config.get("project").and_then(name)
}

/// Whether a webhook that names these may be for who goes by `own`. Who can't be told apart may be meant.
#[must_use]
pub fn may_be_for(names: &[String], own: Option<&str>) -> bool {
    match own {
        Some(own) if !names.is_empty() => names.iter().any(|name| name.eq_ignore_ascii_case(own)),
        _ => true,
    }
}

fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The values at a JSON Pointer (RFC 6901) with `*` for each item.
fn each<'v>(content: &'v Value, pointer: &str) -> Vec<&'v Value> {
    let mut found = vec![content];
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        found = found
            .into_iter()
            .flat_map(|value| inside(value, &part))
            .collect();
    }
    found
}

fn inside<'v>(value: &'v Value, part: &str) -> Vec<&'v Value> {
    match value {
        Value::Array(items) if part == "*" => items.iter().collect(),
        Value::Array(items) => {
            let nth = part.parse::<usize>().ok();
            nth.and_then(|nth| items.get(nth)).into_iter().collect()
        }
        Value::Object(fields) => fields.get(part).into_iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_webhook_names_what_stands_at_its_pointers() {
        let long = "x".repeat(NAME_BYTES + 1);
        for (content, pointers, names) in [
            (json!({"org": {"id": "o"}}), vec!["/org/id"], vec!["o"]),
            (
                json!({"project": {"id": 42, "path": "acme/web"}}),
                vec!["/project/id", "/project/path"],
                vec!["42", "acme/web"],
            ),
            (
                json!([{"portal": 7}, {"portal": 8}, {"portal": 7}, {}]),
                vec!["/*/portal"],
                vec!["7", "8"],
            ),
            (json!([{"portal": 7}]), vec!["/0/portal"], vec!["7"]),
            (json!({"a/b": "c"}), vec!["/a~1b"], vec!["c"]),
            (json!({"*": "c"}), vec!["/*"], vec!["c"]),
            (json!({"id": " "}), vec!["/id"], vec![]),
            (json!({"id": {"id": 1}}), vec!["/id", "/no"], vec![]),
            (json!("text"), vec!["/id"], vec![]),
            (json!({"id": "o"}), vec![], vec![]),
            (
                json!({"id": long, "more": "o"}),
                vec!["/id", "/more"],
                vec![],
            ),
            (
                json!({"all": (0..11).collect::<Vec<_>>()}),
                vec!["/all/*"],
                vec![],
            ),
        ] {
            let pointers: Vec<String> = pointers.into_iter().map(str::to_owned).collect();
            assert_eq!(named(&content, &pointers), names, "{content}");
        }
    }

    #[test]
    fn who_is_certainly_not_meant_is_not_told_and_everybody_else_is() {
        for (names, own, may) in [
            (vec!["acme/web"], Some("acme/web"), true),
            (vec!["acme/web"], Some("Acme/Web"), true),
            (vec!["acme/web"], Some("acme/api"), false),
            (vec!["42", "acme/web"], Some("42"), true),
            (vec!["acme/web"], None, true),
            (vec![], Some("acme/web"), true),
        ] {
            let kept: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(may_be_for(&kept, own), may, "{names:?} {own:?}");
        }
    }

    #[test]
    fn a_project_is_configured_as_a_text_or_a_number() {
        for (config, expected) in [
            (json!({"project": "acme/web"}), Some("acme/web")),
            (json!({"project": 42}), Some("42")),
            (json!({"project": ""}), None),
            (json!({"projects": "a,b"}), None),
        ] {
            let config = config.as_object().cloned().expect("an object");
            assert_eq!(project(&config).as_deref(), expected, "{config:?}");
        }
    }
}
