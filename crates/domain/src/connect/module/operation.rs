//! Operations: the named calls of an app that recipes use.
//!
//! Names and the names of inputs and outputs are the same in every module of a kind, so that one
//! recipe serves all trackers. Read next: `docs/MODULES.md`, "Operations".

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::call::{BodyTemplate, Call};
use super::definition::Module;
use super::paging::{Next, PageState};
use crate::connect::answer::Answer;
use crate::connect::request::{Method, Request, origin};
use crate::connect::template::{Take, Template};
use crate::connect::values::Values;
use crate::error::{Error, Result};

/// Most that an operation may have read of an answer, in MiB.
pub const ANSWER_MB_MAX: u32 = 64;

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// One sentence.
    pub description: String,
    /// Inputs by name; a `?` after the kind makes one optional.
    #[serde(default)]
    pub input: BTreeMap<String, InputKind>,
    #[serde(default)]
    pub method: Method,
    #[serde(default = "api")]
    pub base: String,
    #[serde(default)]
    pub path: Option<Template>,
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    #[serde(default)]
    pub body: Option<BodyTemplate>,
    /// The credential is not sent.
    #[serde(default)]
    pub open: bool,
    /// Lists only: pointer to the array. The empty pointer is the whole answer.
    #[serde(default)]
    pub items: Option<String>,
    /// What is read: of each item for lists, of the answer otherwise.
    #[serde(default)]
    pub output: BTreeMap<String, Take>,
    /// Lists only: name of an entry of `[paging]`.
    #[serde(default)]
    pub paging: Option<String>,
    /// Lists only: largest answer that is read, in MiB, up to 64; 8 where it is not said.
    #[serde(default)]
    pub answer_mb: Option<u32>,
    /// Calling it twice has the effect of once although its method does not say so.
    #[serde(default)]
    pub idempotent: bool,
}

fn api() -> String {
    "api".to_owned()
}

/// Kind of an input: `text`, `integer`, `boolean`, `time`, `list`, `object` or `value`, with `?` at its
/// end where it may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(text|integer|boolean|time|list|object|value)[?]?$"))]
pub struct InputKind {
    pub kind: Kind,
    pub optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Boolean,
    /// RFC 3339, or milliseconds since 1970.
    Time,
    List,
    Object,
    /// Anything.
    Value,
}

const KINDS: &[(&str, Kind)] = &[
    ("text", Kind::Text),
    ("integer", Kind::Integer),
    ("boolean", Kind::Boolean),
    ("time", Kind::Time),
    ("list", Kind::List),
    ("object", Kind::Object),
    ("value", Kind::Value),
];

impl TryFrom<String> for InputKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, optional) = text
            .strip_suffix('?')
            .map_or((text.as_str(), false), |name| (name, true));
        KINDS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| Self { kind: *kind, optional })
            .ok_or_else(|| format!("the input kind {text:?} must be text, integer, boolean, time, list, object or value, with ? where it may be absent"))
    }
}

impl From<InputKind> for String {
    fn from(input: InputKind) -> Self {
        let name = KINDS
            .iter()
            .find(|(_, kind)| *kind == input.kind)
            .map_or("value", |(name, _)| *name);
        format!("{name}{}", if input.optional { "?" } else { "" })
    }
}

impl InputKind {
    fn accepts(self, value: &Value) -> bool {
        match self.kind {
            Kind::Text => value.is_string() || value.is_number(),
            Kind::Integer => value.is_i64() || value.is_u64(),
            Kind::Boolean => value.is_boolean(),
            Kind::Time => {
                value.as_i64().is_some()
                    || value
                        .as_str()
                        .is_some_and(|text| crate::time::Timestamp::parse(text).is_ok())
            }
            Kind::List => value.is_array(),
            Kind::Object => value.is_object(),
            Kind::Value => true,
        }
    }
}

impl Operation {
    /// The call behind it.
    #[must_use]
    pub fn call(&self) -> Call {
        Call {
            method: self.method,
            base: self.base.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            open: self.open,
        }
    }

    /// Whether it may be sent again after an unknown outcome.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent || self.items.is_some() || self.method.is_idempotent()
    }

    fn check(&self, what: &str, input: &Value) -> Result<()> {
        let refuse = |field: &str, why: String| {
            Err(Error::invalid("module.input", format!("{what}: {why}")).on_field(field))
        };
        let Value::Object(given) = input else {
            return refuse("input", "the input must be an object".to_owned());
        };
        if let Some(unknown) = given.keys().find(|name| !self.input.contains_key(*name)) {
            let known: Vec<&str> = self.input.keys().map(String::as_str).collect();
            return refuse(
                unknown,
                format!(
                    "there is no input {unknown:?}; there are {}",
                    known.join(", ")
                ),
            );
        }
        for (name, kind) in &self.input {
            match given.get(name).filter(|value| !value.is_null()) {
                None if !kind.optional => {
                    return refuse(name, format!("the input {name} is missing"));
                }
                Some(value) if !kind.accepts(value) => {
                    return refuse(
                        name,
                        format!("the input {name} must be of kind {}", String::from(*kind)),
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What an operation gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    One(Map<String, Value>),
    Page {
        items: Vec<Map<String, Value>>,
        /// Where to go on, if there is more.
        next: Option<PageState>,
        /// There is more, and the app does not give it.
        is_cut: bool,
    },
}

impl Module {
    /// # Errors
    /// `module.operation`: there is none of that name.
    pub fn operation(&self, name: &str) -> Result<&Operation> {
        self.operations.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.operations.keys().map(String::as_str).collect();
            Error::invalid(
                "module.operation",
                format!(
                    "{} has no operation {name:?}; there are {}",
                    self.name,
                    known.join(", ")
                ),
            )
        })
    }

    /// The request of an operation, for its first page where it is a list.
    ///
    /// # Errors
    /// `module.operation`, `module.input`.
    pub fn operation_request(&self, name: &str, input: &Value, values: &Values) -> Result<Request> {
        self.page_request(name, input, values, None)
    }

    /// The request of a page; `None` is the first one.
    ///
    /// # Errors
    /// As [`Module::operation_request`]; `app.answer` where the app sent us to another server.
    pub fn page_request(
        &self,
        name: &str,
        input: &Value,
        values: &Values,
        page: Option<&PageState>,
    ) -> Result<Request> {
        let operation = self.operation(name)?;
        operation.check(&format!("{}.{name}", self.name), input)?;
        let paging = operation
            .paging
            .as_ref()
            .and_then(|paging| self.paging.get(paging));
        let first = paging.map(super::paging::Paging::first);
        let state = page.cloned().or(first).unwrap_or_default();
        let mut input = input.clone();
        if let (Some(from), Some(anew), Value::Object(given)) = (
            &state.anew,
            paging.and_then(super::paging::Paging::anew),
            &mut input,
        ) {
            given.insert(anew.input.clone(), json!(from));
        }
        let values = values
            .clone()
            .with("input", input)
            .with("page", state.values());
        let mut request = self.request(name, &operation.call(), &values)?;
        if let Some(url) = &state.url {
            let whole = absolute(&request.url, url);
            if origin(&whole).is_none() || origin(&whole) != origin(&request.url) {
                return Err(Error::new(
                    crate::error::Kind::Upstream,
                    "app.answer",
                    format!(
                        "{}.{name}: the next page is on another server, which is not followed",
                        self.name
                    ),
                ));
            }
            request.url = whole;
        }
        Ok(request)
    }

    /// Reads the answer of an operation that succeeded ([`Module::classify`] tells).
    ///
    /// # Errors
    /// `module.operation`; `app.answer` where a list is not where it should be.
    pub fn operation_output(
        &self,
        name: &str,
        values: &Values,
        page: Option<&PageState>,
        answer: &Answer,
    ) -> Result<Output> {
        let operation = self.operation(name)?;
        let read = |from: &Value| -> Map<String, Value> {
            operation
                .output
                .iter()
                .filter_map(|(name, take)| Some((name.clone(), take.from(from, values)?)))
                .collect()
        };
        let Some(items) = &operation.items else {
            return Ok(Output::One(read(&answer.body)));
        };
        let list = match answer.body.pointer(items) {
            Some(Value::Array(list)) => list.as_slice(),
            // Several apps leave an empty list out, or answer 204.
            None | Some(Value::Null) => &[],
            Some(_) => {
                return Err(Error::new(
                    crate::error::Kind::Upstream,
                    "app.answer",
                    format!(
                        "{}.{name}: at {items:?} of the answer is no list",
                        self.name
                    ),
                ));
            }
        };
        let paging = operation
            .paging
            .as_ref()
            .and_then(|paging| self.paging.get(paging));
        let state = page
            .cloned()
            .or_else(|| paging.map(super::paging::Paging::first))
            .unwrap_or_default();
        let (next, is_cut) = match paging.map(|paging| paging.next(&state, list, answer)) {
            Some(Next::Page(next)) => (Some(next), false),
            Some(Next::Cut) => (None, true),
            Some(Next::End) | None => (None, false),
        };
        Ok(Output::Page {
            items: list.iter().map(read).collect(),
            next,
            is_cut,
        })
    }

    /// JSON Schema of an operation's input, for forms and checks before a recipe runs.
    ///
    /// # Errors
    /// `module.operation`.
    pub fn input_schema(&self, name: &str) -> Result<Value> {
        let operation = self.operation(name)?;
        let schema = |kind: Kind| match kind {
            Kind::Text => json!({"type": ["string", "number"]}),
            Kind::Integer => json!({"type": "integer"}),
            Kind::Boolean => json!({"type": "boolean"}),
            Kind::Time => {
                json!({"type": ["string", "integer"], "description": "RFC 3339, or milliseconds since 1970"})
            }
            Kind::List => json!({"type": "array"}),
            Kind::Object => json!({"type": "object"}),
            Kind::Value => json!({}),
        };
        let properties: Map<String, Value> = operation
            .input
            .iter()
            .map(|(name, input)| (name.clone(), schema(input.kind)))
            .collect();
        let required: Vec<&String> = operation
            .input
            .iter()
            .filter(|(_, input)| !input.optional)
            .map(|(name, _)| name)
            .collect();
        Ok(
            json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false}),
        )
    }
}

/// An address from an answer, which may be a path on the same server.
fn absolute(base: &str, url: &str) -> String {
    if url.starts_with('/') && !url.starts_with("//") {
        format!("{}{url}", origin(base).unwrap_or_default())
    } else {
        url.to_owned()
    }
}
