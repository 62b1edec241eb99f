//! Conditions that people write: one expression of the Common Expression Language (CEL) that is true
//! or false of some facts. Triage rules and filters of webhooks are made of them.
//!
//! A condition is checked when it is written down: [`Condition::compile`] refuses what does not parse,
//! names that the [`Vocabulary`] does not have, and what could cost too much, each with its place. What
//! is left is bounded by its length: there is no way to make lists or long texts, loops are two deep at
//! most, patterns are compiled beforehand. So [`Condition::holds`] needs no clock to be stopped by.
//!
//! Left out of CEL: `map`, `filter`, maps and messages as literals, times and durations (facts carry
//! ages in days instead), optional values. The language: the CEL specification, `langdef.md`.

#[cfg(feature = "cel")]
mod check;
#[cfg(feature = "cel")]
mod engine;
#[cfg(all(test, feature = "cel"))]
mod tests;

use serde_json::Value;
use std::fmt;
#[cfg(feature = "cel")]
use std::sync::Arc;

use crate::error::{Error, Result};

/// Longest condition, in bytes.
pub const SOURCE_LIMIT: usize = 2_000;

/// Most steps that one evaluation may take, where each list of the facts has [`LIST_LIMIT`] elements.
pub const COST_LIMIT: u64 = 250_000;

/// Most elements of a list of the facts.
pub const LIST_LIMIT: usize = 100;

/// Longest text of the facts that a condition sees, in bytes; what is longer is cut.
pub const TEXT_LIMIT: usize = 10_000;

/// What a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// With a fraction.
    Number,
    Whole,
    Flag,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Wholes,
    /// Whatever there is, to any depth.
    Any,
}

impl Kind {
    /// As the documents call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "double",
            Self::Whole => "int",
            Self::Flag => "bool",
            Self::Texts => "list of string",
            Self::Wholes => "list of int",
            Self::Any => "any",
        }
    }

    /// What stands where there is nothing: an empty text or list, zero, false.
    #[must_use]
    pub fn nothing(self) -> Value {
        match self {
            Self::Text => Value::from(""),
            Self::Number => Value::from(0.0),
            Self::Whole => Value::from(0),
            Self::Flag => Value::from(false),
            Self::Texts | Self::Wholes => Value::Array(Vec::new()),
            Self::Any => Value::Null,
        }
    }

    /// The value where it is of the kind, lists cut to what conditions take.
    #[must_use]
    pub fn seen(self, value: &Value) -> Option<Value> {
        match self {
            Self::Text => value.as_str().map(Value::from),
            Self::Number => value.as_f64().map(Value::from),
            Self::Whole => value.as_i64().map(Value::from),
            Self::Flag => value.as_bool().map(Value::from),
            Self::Texts | Self::Wholes => {
                let list = value.as_array()?;
                Some(list.iter().take(LIST_LIMIT).cloned().collect())
            }
            Self::Any => Some(value.clone()),
        }
    }

    /// A value of the kind, to try a condition on.
    fn sample(self) -> Value {
        match self {
            Self::Text => Value::from("a"),
            Self::Number => Value::from(1.5),
            Self::Whole => Value::from(1),
            Self::Flag => Value::from(true),
            Self::Texts => Value::from(vec!["a"]),
            Self::Wholes => Value::from(vec![1]),
            Self::Any => Value::Null,
        }
    }
}

/// The facts that a condition may speak of, as paths with dots: `vulnerability.score`.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary(pub &'static [(&'static str, Kind)]);

impl Vocabulary {
    /// Whether the path is a fact, leads to one, or is inside one of which everything may be asked.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.0.iter().any(|(name, kind)| {
            *name == path
                || name
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('.'))
                || (*kind == Kind::Any
                    && path
                        .strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('.')))
        })
    }

    /// Facts of which each has a value of its kind.
    fn samples(&self) -> Value {
        self.facts(|_, kind| kind.sample())
    }

    /// An object that has each of the facts in its place.
    pub fn facts(&self, value: impl Fn(&str, Kind) -> Value) -> Value {
        let mut all = serde_json::Map::new();
        for (path, kind) in self.0 {
            let mut place = &mut all;
            let mut parts = path.split('.').peekable();
            while let Some(part) = parts.next() {
                if parts.peek().is_none() {
                    place.insert(part.to_owned(), value(path, *kind));
                    break;
                }
                let inner = place
                    .entry(part.to_owned())
                    .or_insert_with(|| Value::Object(serde_json::Map::new()));
                match inner {
                    Value::Object(inner) => place = inner,
                    _ => break,
                }
            }
        }
        Value::Object(all)
    }
}

/// A condition that was checked. Cheap to clone.
#[derive(Clone)]
pub struct Condition {
    #[cfg(feature = "cel")]
    program: Arc<engine::Program>,
    source: String,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl Condition {
    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// # Errors
    /// On the field `condition`: `condition.empty`, `condition.too_long`, `condition.syntax`,
    /// `condition.unknown_name`, `condition.not_supported`, `condition.pattern`, `condition.type`,
    /// `condition.too_costly`; the message gives line and column. `condition.not_built` where the
    /// program was built without CEL.
    pub fn compile(source: &str, vocabulary: Vocabulary) -> Result<Self> {
        let source = source.trim();
        if source.is_empty() {
            return Err(refused(Error::invalid(
                "condition.empty",
                "write a condition",
            )));
        }
        if source.len() > SOURCE_LIMIT {
            let sentence =
                format!("a condition has at most {SOURCE_LIMIT} bytes; make several rules of it");
            return Err(Error::limit("condition.too_long", sentence).on_field("condition"));
        }
        Self::compiled(source, vocabulary)
    }

    #[cfg(feature = "cel")]
    fn compiled(source: &str, vocabulary: Vocabulary) -> Result<Self> {
        let condition = Self {
            program: Arc::new(engine::Program::compile(source, vocabulary)?),
            source: source.to_owned(),
        };
        // Of what may be anything there is no sample.
        if vocabulary.0.iter().all(|(_, kind)| *kind != Kind::Any) {
            condition.try_on(&Facts::new(&vocabulary.samples())?)?;
        }
        Ok(condition)
    }

    #[cfg(not(feature = "cel"))]
    fn compiled(_: &str, vocabulary: Vocabulary) -> Result<Self> {
        let _ = vocabulary.samples();
        Err(refused(Error::invalid(
            "condition.not_built",
            "this program was built without conditions; use one with the feature `cel`",
        )))
    }

    /// Refuses what can't be right whatever the facts are: parts that don't fit each other, another
    /// result than true or false.
    #[cfg(feature = "cel")]
    fn try_on(&self, samples: &Facts) -> Result<()> {
        match self.holds(samples) {
            Err(error) if error.code() == "condition.type" => Err(error.on_field("condition")),
            _ => Ok(()),
        }
    }

    /// Whether it is true of the facts.
    ///
    /// # Errors
    /// `condition.type` where its parts do not fit the facts, `condition.failed` where it can't be
    /// evaluated (no such key, overflow, division by zero).
    #[cfg(feature = "cel")]
    pub fn holds(&self, facts: &Facts) -> Result<bool> {
        self.program.holds(&facts.0)
    }

    /// # Errors
    /// Always: there is no condition without CEL.
    #[cfg(not(feature = "cel"))]
    pub fn holds(&self, _: &Facts) -> Result<bool> {
        Err(Error::internal(
            "condition.not_built",
            "this program was built without conditions",
        ))
    }
}

/// Facts, ready for any number of conditions.
pub struct Facts(#[cfg(feature = "cel")] engine::Variables);

impl Facts {
    /// From an object whose members are the variables. Null members are absent ones.
    ///
    /// # Errors
    /// `condition.facts` where a list has more than [`LIST_LIMIT`] elements.
    pub fn new(facts: &Value) -> Result<Self> {
        #[cfg(feature = "cel")]
        return engine::facts(facts).map(Self);
        #[cfg(not(feature = "cel"))]
        {
            let _ = facts;
            Ok(Self())
        }
    }
}

/// Says which field of the input is meant.
fn refused(error: Error) -> Error {
    error.on_field("condition")
}
