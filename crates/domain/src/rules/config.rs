//! Whether an integration's configuration fits its recipe's form: pure.
//!
//! Forms use the part of JSON Schema (2020-12) that a flat form needs, and this checks that part:
//! `type`, `enum`, `oneOf` of `const`, `minimum`, `maximum`, `maxLength` and `required` of an object's
//! properties. What a schema says beyond that is not checked.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Largest configuration, in bytes of JSON.
pub const CONFIG_BYTES: usize = 16_384;
/// Longest text where the schema does not say.
const TEXT_MAX: u64 = 2_000;

/// # Errors
/// `integration.config` with the property as field: not one of the form's, of another type, out of
/// range, or all of it too large. Absent properties are no error; see
/// [`missing`](super::integration::missing).
pub fn check(schema: &Value, config: &Map<String, Value>) -> Result<()> {
    let size = serde_json::to_vec(config).map_or(usize::MAX, |bytes| bytes.len());
    if size > CONFIG_BYTES {
        return Err(wrong(
            "config",
            format!("the configuration has at most {CONFIG_BYTES} bytes"),
        ));
    }
    let none = Map::new();
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    for (key, value) in config {
        let Some(property) = properties.get(key) else {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(wrong(
                key,
                format!("there is no such property; there are: {known}"),
            ));
        };
        let is_empty = value.is_null() || value.as_str() == Some("");
        if !is_empty && let Some(problem) = problem(property, value) {
            let title = property.get("title").and_then(Value::as_str).unwrap_or(key);
            return Err(wrong(key, format!("{title}: {problem}")));
        }
    }
    Ok(())
}

fn wrong(key: &str, text: String) -> Error {
    let key: String = key.chars().take(60).collect();
    Error::invalid("integration.config", text).on_field(key)
}

fn problem(property: &Value, value: &Value) -> Option<String> {
    let kind = property.get("type").and_then(Value::as_str);
    let fits = match kind {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !fits {
        return Some(format!("must be of type {}", kind.unwrap_or_default()));
    }
    if let Some(choices) = choices(property)
        && !choices.contains(&value)
    {
        let names: Vec<String> = choices.iter().take(20).map(ToString::to_string).collect();
        return Some(format!("must be one of {}", names.join(", ")));
    }
    if let Some(text) = value.as_str() {
        let max = property.get("maxLength").and_then(Value::as_u64);
        let max = max.unwrap_or(TEXT_MAX);
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        return (length > max).then(|| format!("has at most {max} characters"));
    }
    let number = value.as_f64()?;
    let bound = |key: &str| property.get(key).and_then(Value::as_f64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), _) if number < least => Some(format!("must be at least {least}")),
        (_, Some(most)) if number > most => Some(format!("must be at most {most}")),
        _ => None,
    }
}

/// The values of `enum`, or the `const`s of `oneOf` where each has one.
fn choices(property: &Value) -> Option<Vec<&Value>> {
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        return Some(values.iter().collect());
    }
    let one_of = property.get("oneOf").and_then(Value::as_array)?;
    one_of.iter().map(|choice| choice.get("const")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_configuration_fits_its_form_or_is_refused_by_the_property() {
        let schema = json!({"properties": {
            "project": {"type": "string", "title": "Project", "maxLength": 5},
            "severity": {"type": "string", "enum": ["LOW", "HIGH"]},
            "channel": {"oneOf": [{"const": "C1", "title": "one"}]},
            "days": {"type": "integer", "minimum": 1, "maximum": 30},
            "is_on": {"type": "boolean"},
            "more": {"type": "array"},
        }});
        for (config, refused) in [
            (json!({}), None),
            (json!({"project": "", "days": null}), None),
            (
                json!({"project": "gna", "severity": "LOW", "days": 3, "is_on": true, "channel": "C1", "more": []}),
                None,
            ),
            (json!({"projekt": "x"}), Some("projekt")),
            (json!({"project": 7}), Some("project")),
            (json!({"project": "longer"}), Some("project")),
            (json!({"severity": "NONE"}), Some("severity")),
            (json!({"channel": "C2"}), Some("channel")),
            (json!({"days": 0}), Some("days")),
            (json!({"days": 31}), Some("days")),
            (json!({"days": 1.5}), Some("days")),
            (json!({"is_on": "yes"}), Some("is_on")),
            (json!({"more": "no"}), Some("more")),
            (json!({"more": ["x".repeat(CONFIG_BYTES)]}), Some("config")),
        ] {
            let config = config.as_object().cloned().expect("an object");
            let error = check(&schema, &config).err();
            assert_eq!(
                error.as_ref().and_then(Error::field),
                refused,
                "{config:?} {error:?}"
            );
        }
    }
}
