//! Fields of forms: connection parameters and what users type in to sign in.
//!
//! One list of fields gives the JSON Schema and the layout of the form, and checks what comes back.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::connect::request::origin;
use crate::error::{Error, Result};

/// Longest value of a field, in bytes; private keys are the longest there are.
const LONGEST: usize = 16_384;

/// One field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Lower-case letters, digits and `_`: the name that placeholders use.
    pub name: String,
    /// Label of the field.
    pub title: String,
    /// One sentence: where the user finds the value.
    #[serde(default)]
    pub help: Option<String>,
    #[serde(default)]
    pub kind: FieldKind,
    /// Never shown again, encrypted at rest.
    #[serde(default)]
    pub secret: bool,
    /// May be left empty.
    #[serde(default)]
    pub optional: bool,
    /// Used where nothing was given.
    #[serde(default)]
    pub default: Option<String>,
    /// Regular expression that the whole value must match.
    #[serde(default)]
    pub pattern: Option<String>,
    /// For `choice`: what can be chosen.
    #[serde(default)]
    pub choices: Vec<Choice>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    #[default]
    Text,
    /// Several lines, like a private key.
    Lines,
    /// Address of a server, `https://` or `http://`; kept without a slash at its end.
    Url,
    /// One of `choices`.
    Choice,
    /// A whole number.
    Number,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub value: String,
    pub title: String,
}

/// A form as clients draw it: a JSON Schema and a layout in the style of JSON Forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    pub json_schema: Value,
    pub ui_schema: Value,
}

impl Field {
    /// What is wrong with the definition, as a sentence.
    pub(super) fn mistake(&self) -> Option<String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(fits) {
            return Some(format!(
                "the field's name {:?} must be of lower-case letters, digits and _",
                self.name
            ));
        }
        if self.title.trim().is_empty() {
            return Some(format!("the field {:?} needs a title", self.name));
        }
        if let Some(pattern) = &self.pattern
            && let Err(error) = whole(pattern)
        {
            return Some(format!(
                "the pattern of {:?} is no regular expression: {error}",
                self.name
            ));
        }
        if (self.kind == FieldKind::Choice) == self.choices.is_empty() {
            return Some(format!(
                "the field {:?}: choices belong to kind = \"choice\", which needs them",
                self.name
            ));
        }
        if self.secret && self.default.is_some() {
            return Some(format!(
                "the field {:?} is secret, so it can't have a default",
                self.name
            ));
        }
        if let Some(default) = &self.default
            && let Err(error) = self.read(&Value::from(default.clone()))
        {
            return Some(format!(
                "the default of {:?} is not a value of it: {}",
                self.name,
                error.message()
            ));
        }
        None
    }

    fn schema(&self) -> Value {
        let mut schema = Map::new();
        let mut put = |name: &str, value: Value| schema.insert(name.to_owned(), value);
        put(
            "type",
            json!(if self.kind == FieldKind::Number {
                "integer"
            } else {
                "string"
            }),
        );
        put("title", json!(self.title));
        if let Some(help) = &self.help {
            put("description", json!(help));
        }
        if let Some(pattern) = &self.pattern {
            put("pattern", json!(format!("^(?:{pattern})$")));
        }
        if self.kind == FieldKind::Url {
            put("format", json!("uri"));
        }
        if self.secret {
            put("writeOnly", json!(true));
        }
        if !self.choices.is_empty() {
            let choices: Vec<Value> = self
                .choices
                .iter()
                .map(|choice| json!({"const": choice.value, "title": choice.title}))
                .collect();
            put("oneOf", Value::Array(choices));
        }
        if let Some(default) = &self.default {
            let number = default
                .parse::<i64>()
                .ok()
                .filter(|_| self.kind == FieldKind::Number);
            put(
                "default",
                number.map_or_else(|| json!(default), |number| json!(number)),
            );
        } else if !self.optional && self.kind != FieldKind::Number {
            put("minLength", json!(1));
        }
        Value::Object(schema)
    }

    /// Reads one value; the error never repeats it.
    fn read(&self, value: &Value) -> Result<Value> {
        let refuse = |why: String| {
            Err(
                Error::invalid("form.invalid", format!("{}: {why}", self.title))
                    .on_field(self.name.clone()),
            )
        };
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) if self.kind == FieldKind::Number => number.to_string(),
            _ => return refuse("it must be a text".to_owned()),
        };
        if text.len() > LONGEST {
            return refuse(format!("it has more than {LONGEST} bytes"));
        }
        if self.kind != FieldKind::Lines && text.chars().any(char::is_control) {
            return refuse("it must be one line without control characters".to_owned());
        }
        let text = if self.kind == FieldKind::Url {
            text.trim_end_matches('/').to_owned()
        } else {
            text
        };
        match self.kind {
            FieldKind::Url
                if origin(&text).is_none()
                    || text.contains(['?', '#', '\\', ' ']) && !self.secret =>
            {
                return refuse("it must be an address like https://app.example.com".to_owned());
            }
            FieldKind::Choice if !self.choices.iter().any(|choice| choice.value == text) => {
                let known: Vec<&str> = self
                    .choices
                    .iter()
                    .map(|choice| choice.value.as_str())
                    .collect();
                return refuse(format!("it must be one of {}", known.join(", ")));
            }
            FieldKind::Number => {
                return text
                    .parse::<i64>()
                    .map(Value::from)
                    .or_else(|_| refuse("it must be a whole number".to_owned()));
            }
            _ => {}
        }
        if let Some(pattern) = &self.pattern
            && !whole(pattern).is_ok_and(|pattern| pattern.is_match(&text))
        {
            let help = self
                .help
                .as_deref()
                .map(|help| format!("; {help}"))
                .unwrap_or_default();
            return refuse(format!("it does not have the right form{help}"));
        }
        Ok(Value::from(text))
    }
}

/// Runs in time linear to the text, whatever the pattern.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(1 << 20)
        .build()
}

/// The form of some fields.
#[must_use]
pub fn form(title: &str, fields: &[&Field]) -> Form {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| (field.name.clone(), field.schema()))
        .collect();
    let required: Vec<&str> = fields
        .iter()
        .filter(|field| !field.optional && field.default.is_none())
        .map(|field| field.name.as_str())
        .collect();
    let elements: Vec<Value> = fields
        .iter()
        .map(|field| {
            let mut control = json!({"type": "Control", "scope": format!("#/properties/{}", field.name), "label": field.title});
            let options = match (field.secret, field.kind) {
                (_, FieldKind::Lines) => Some(json!({"multi": true})),
                (true, _) => Some(json!({"format": "password"})),
                _ => None,
            };
            if let (Some(options), Some(control)) = (options, control.as_object_mut()) {
                control.insert("options".to_owned(), options);
            }
            control
        })
        .collect();
    Form {
        json_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object", "title": title, "properties": properties, "required": required, "additionalProperties": false,
        }),
        ui_schema: json!({"type": "VerticalLayout", "elements": elements}),
    }
}

/// Reads what a user typed in, with defaults filled in.
///
/// # Errors
/// `form.invalid` with the field; the message never repeats a value.
pub fn read(fields: &[&Field], data: &Value) -> Result<Map<String, Value>> {
    let Value::Object(data) = data else {
        return Err(Error::invalid(
            "form.invalid",
            "the form's data must be an object",
        ));
    };
    if let Some(unknown) = data
        .keys()
        .find(|name| !fields.iter().any(|field| field.name == **name))
    {
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        return Err(Error::invalid(
            "form.invalid",
            format!(
                "there is no field {unknown:?}; there are {}",
                known.join(", ")
            ),
        ));
    }
    let mut whole = Map::new();
    for field in fields {
        let given = data
            .get(&field.name)
            .filter(|value| !value.is_null() && value.as_str() != Some(""));
        let default = field.default.clone().map(Value::from);
        match given.or(default.as_ref()) {
            Some(value) => {
                whole.insert(field.name.clone(), field.read(value)?);
            }
            None if field.optional => {}
            None => {
                return Err(
                    Error::invalid("form.invalid", format!("{} is missing", field.title))
                        .on_field(field.name.clone()),
                );
            }
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Vec<Field> {
        serde_json::from_value(json!([
            {"name": "site", "title": "Site", "pattern": "[a-z0-9-]+", "help": "the first part of the address"},
            {"name": "url", "title": "Address", "kind": "url", "default": "https://a.example/"},
            {"name": "key", "title": "Key", "secret": true},
            {"name": "region", "title": "Region", "kind": "choice", "optional": true, "choices": [{"value": "eu", "title": "Europe"}]},
            {"name": "port", "title": "Port", "kind": "number", "default": "25"}
        ]))
        .expect("fields")
    }

    #[test]
    fn forms_are_read_with_their_defaults() {
        let fields = fields();
        let fields: Vec<&Field> = fields.iter().collect();
        assert!(fields.iter().all(|field| field.mistake().is_none()));
        let read = read(
            &fields,
            &json!({"site": " acme ", "key": "k", "region": null}),
        )
        .expect("read");
        assert_eq!(
            Value::Object(read),
            json!({"site": "acme", "url": "https://a.example", "key": "k", "port": 25})
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_without_being_repeated() {
        let fields = fields();
        let fields: Vec<&Field> = fields.iter().collect();
        for (data, field) in [
            (json!({"key": "hunter2"}), Some("site")),
            (json!({"site": "acme"}), Some("key")),
            (json!({"site": "acme.evil", "key": "k"}), Some("site")),
            (json!({"site": "acme\nx", "key": "k"}), Some("site")),
            (
                json!({"site": "acme", "key": "hunter2\r\nX: y"}),
                Some("key"),
            ),
            (
                json!({"site": "acme", "key": "k", "region": "us"}),
                Some("region"),
            ),
            (
                json!({"site": "acme", "key": "k", "url": "file:///etc/passwd"}),
                Some("url"),
            ),
            (
                json!({"site": "acme", "key": "k", "url": "https://u:p@a.example"}),
                Some("url"),
            ),
            (
                json!({"site": "acme", "key": "k", "port": "x"}),
                Some("port"),
            ),
            (json!({"site": 7, "key": "k"}), Some("site")),
            (json!({"site": "acme", "key": "k", "admin": true}), None),
            (json!([]), None),
        ] {
            let refused = read(&fields, &data).expect_err("refused");
            assert_eq!(
                (refused.code(), refused.field()),
                ("form.invalid", field),
                "{data}"
            );
            assert!(!refused.message().contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn a_form_says_what_is_needed_and_hides_secrets() {
        let fields = fields();
        let form = form("Acme", &fields.iter().collect::<Vec<_>>());
        assert_eq!(form.json_schema["required"], json!(["site", "key"]));
        assert_eq!(
            form.json_schema["properties"]["key"]["writeOnly"],
            json!(true)
        );
        assert_eq!(
            form.json_schema["properties"]["region"]["oneOf"][0]["const"],
            json!("eu")
        );
        assert_eq!(
            form.ui_schema["elements"][2]["options"]["format"],
            json!("password")
        );
    }
}
