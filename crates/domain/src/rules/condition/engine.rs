//! CEL by the `cel` crate: parsing on a thread of its own, evaluation where the caller is.

use cel::common::ast::SourceInfo;
use cel::objects::{Key, Map};
use cel::parser::Expression;
use cel::{Context, Env, ExecutionError, ParseErrors, Value};
use regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::thread;

use super::check::Check;
use super::{LIST_LIMIT, TEXT_LIMIT, Vocabulary, refused};
use crate::error::{Error, Result};

/// Deepest nesting that is parsed. The parser takes up to some 170 KB of stack for each level in a
/// build without optimisation, measured for its version 0.14 by others and less here.
const PARSE_DEPTH: u16 = 24;

/// Room for [`PARSE_DEPTH`] levels and for walking a long flat expression, several times over.
const PARSE_STACK: usize = 64 << 20;

/// The language: the standard functions, without patterns (see [`Patterns`]) and optional values.
static LANGUAGE: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// The patterns of a condition, each compiled once.
pub type Patterns = Arc<HashMap<String, Regex>>;

/// A checked expression.
pub struct Program {
    expression: Expression,
    patterns: Patterns,
}

/// The variables of the facts, as values of the language.
pub type Variables = Vec<(String, Value)>;

impl Program {
    pub fn compile(source: &str, vocabulary: Vocabulary) -> Result<Self> {
        let text = source.to_owned();
        // The parser is recursive and trusts its stack; a defect of it must not be ours.
        let worker = thread::Builder::new()
            .name("condition".to_owned())
            .stack_size(PARSE_STACK)
            .spawn(move || checked(&text, vocabulary))
            .map_err(|_| {
                Error::unavailable(
                    "condition.no_thread",
                    "no thread could be started to read it",
                )
            })?;
        worker.join().unwrap_or_else(|_| {
            Err(refused(Error::invalid(
                "condition.syntax",
                "the condition can't be read; write it more simply",
            )))
        })
    }

    pub fn holds(&self, variables: &Variables) -> Result<bool> {
        let mut context = Context::with_env(LANGUAGE.clone());
        for (name, value) in variables {
            context.add_variable_from_value(name.as_str(), value.clone());
        }
        if !self.patterns.is_empty() {
            let patterns = self.patterns.clone();
            let matches = move |cel::extractors::This(text): cel::extractors::This<Arc<String>>,
                                pattern: Arc<String>|
                  -> bool {
                patterns
                    .get(pattern.as_str())
                    .is_some_and(|pattern| pattern.is_match(&text))
            };
            context.add_function("matches", matches).map_err(|_| {
                Error::internal("condition.language", "the language has patterns of its own")
            })?;
        }
        match Value::resolve(&self.expression, &context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(Error::invalid(
                "condition.type",
                "a condition must come to true or false; compare something",
            )),
            Err(failure) => Err(failed(&failure)),
        }
    }
}

fn checked(source: &str, vocabulary: Vocabulary) -> Result<Program> {
    let (expression, places) = LANGUAGE
        .parser()
        .max_recursion_depth(PARSE_DEPTH)
        .error_recovery_limit(1)
        .parse_with_source_info(source)
        .map_err(|errors| syntax(&errors))?;
    let patterns = Check::new(vocabulary, source, &places).run(&expression)?;
    Ok(Program {
        expression,
        patterns: Arc::new(patterns),
    })
}

/// The first thing that the parser did not understand.
fn syntax(errors: &ParseErrors) -> Error {
    let Some(first) = errors.errors.first() else {
        return refused(Error::invalid(
            "condition.syntax",
            "the condition can't be read",
        ));
    };
    let message: String = first.msg.chars().take(200).collect();
    match first.pos {
        (line @ 1.., column) => refused(Error::invalid(
            "condition.syntax",
            format!("line {line}, column {}: {message}", column.max(1)),
        )),
        _ => refused(Error::invalid(
            "condition.syntax",
            "the condition nests too deeply or can't be read; write it more simply",
        )),
    }
}

/// Where a node stands, for people.
pub fn place(source: &str, places: &SourceInfo, node: u64) -> String {
    // The parser counts characters.
    let at = places.offset_for(node).map_or(0, |(start, _)| start);
    let (mut line, mut column) = (1, 1);
    for c in source
        .chars()
        .take(usize::try_from(at).unwrap_or(usize::MAX))
    {
        if c == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
    }
    format!("line {line}, column {column}")
}

/// Without the values: facts may be nobody else's business.
fn failed(failure: &ExecutionError) -> Error {
    match failure {
        ExecutionError::NoSuchOverload(overload) => Error::invalid(
            "condition.type",
            format!(
                "{} can't be applied to ({}); numbers with a fraction are written 7.0",
                overload.function().trim_matches('_'),
                overload.argument_types().join(", ")
            ),
        ),
        ExecutionError::UnexpectedType { got, want } => Error::invalid(
            "condition.type",
            format!("there is a {got} where a {want} must be"),
        ),
        ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedTargetType { .. }
        | ExecutionError::NotSupportedAsMethod { .. }
        | ExecutionError::UnsupportedIndex(..)
        | ExecutionError::InvalidArgumentCount { .. } => Error::invalid(
            "condition.type",
            "two parts of it do not fit each other; numbers with a fraction are written 7.0",
        ),
        ExecutionError::NoSuchKey(_) => Error::invalid(
            "condition.failed",
            "it asks for what is not there; ask has() first",
        ),
        _ => Error::invalid("condition.failed", "it can't be evaluated on these facts"),
    }
}

/// # Errors
/// `condition.facts`.
pub fn facts(facts: &serde_json::Value) -> Result<Variables> {
    let serde_json::Value::Object(members) = facts else {
        return Ok(Vec::new());
    };
    members
        .iter()
        .map(|(name, fact)| Ok((name.clone(), value(fact)?)))
        .collect()
}

fn value(fact: &serde_json::Value) -> Result<Value> {
    use serde_json::Value as Json;
    Ok(match fact {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Bool(*yes),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, fraction) => Value::Float(fraction.unwrap_or_default()),
        },
        Json::String(text) => {
            Value::String(Arc::new(crate::rules::sighting::cut(text, TEXT_LIMIT)))
        }
        Json::Array(elements) if elements.len() > LIST_LIMIT => {
            return Err(Error::limit(
                "condition.facts",
                format!("a list has more than {LIST_LIMIT} elements, too many for a condition"),
            ));
        }
        Json::Array(elements) => {
            Value::List(Arc::new(elements.iter().map(value).collect::<Result<_>>()?))
        }
        Json::Object(members) => Value::Map(Map {
            map: Arc::new(
                members
                    .iter()
                    .filter(|(_, member)| !member.is_null())
                    .map(|(name, member)| Ok((Key::from(name.as_str()), value(member)?)))
                    .collect::<Result<_>>()?,
            ),
        }),
    })
}
