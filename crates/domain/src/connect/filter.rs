//! What a placeholder may do to its value on the way: `{input.since|seconds}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// A filter of a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A time as whole seconds since 1970.
    Seconds,
    /// A time as milliseconds since 1970.
    Millis,
    /// A time as RFC 3339 in UTC with milliseconds.
    Rfc3339,
    /// A time by a `strftime`-like format, in UTC.
    Time(String),
    /// Text inside a quoted literal of a query language: backslashes and both quotes get a backslash.
    Quoted,
    /// A list as one text with the given text between.
    Join(String),
    /// A list of objects, one for each element, under the given name.
    Each(String),
    /// JSON text of the value.
    Json,
    /// Base64 of the text, RFC 4648 section 4.
    Base64,
    /// SHA-256 of the text, hexadecimal: an id that gives nothing away.
    Sha256,
    /// A number from text.
    Number,
    /// Text from anything.
    Text,
    Lower,
    /// A path of several parts: `/` stays, each part is encoded.
    Path,
    /// Another value where there is none.
    Or(String),
    /// Words of a table: `open=1,closed=2`; a word that is not in it is refused.
    Words(Vec<(String, String)>),
}

/// The names of all filters, for messages.
pub const NAMES: &str = "seconds, millis, rfc3339, time:FORMAT, quoted, join:TEXT, each:NAME, json, base64, sha256, number, \
    text, lower, path, or:TEXT, words:A=B,C=D";

impl Filter {
    /// # Errors
    /// A sentence with the remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, argument) = text
            .split_once(':')
            .map_or((text, None), |(name, rest)| (name, Some(rest)));
        let filter = match (name.trim(), argument) {
            ("seconds", None) => Self::Seconds,
            ("millis", None) => Self::Millis,
            ("rfc3339", None) => Self::Rfc3339,
            ("time", Some(format)) => Self::Time(format.to_owned()),
            ("quoted", None) => Self::Quoted,
            ("join", Some(between)) => Self::Join(between.to_owned()),
            ("each", Some(name)) => Self::Each(name.to_owned()),
            ("json", None) => Self::Json,
            ("base64", None) => Self::Base64,
            ("sha256", None) => Self::Sha256,
            ("number", None) => Self::Number,
            ("text", None) => Self::Text,
            ("lower", None) => Self::Lower,
            ("path", None) => Self::Path,
            ("or", Some(other)) => Self::Or(other.to_owned()),
            ("words", Some(table)) => Self::Words(
                table
                    .split(',')
                    .map(|pair| {
                        pair.split_once('=')
                            .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
                            .ok_or_else(|| {
                                format!("{pair:?} in a table of words must be like open=1")
                            })
                    })
                    .collect::<Result<_, _>>()?,
            ),
            _ => return Err(format!("there is no filter {text:?}; there are {NAMES}")),
        };
        Ok(filter)
    }

    /// # Errors
    /// Why the value does not fit, without the value.
    pub(super) fn apply(&self, value: Value) -> Result<Value, String> {
        Ok(match self {
            Self::Seconds => Value::from(time(&value)?.millis().div_euclid(1_000)),
            Self::Millis => Value::from(time(&value)?.millis()),
            Self::Rfc3339 => Value::from(time(&value)?.to_string()),
            Self::Time(format) => Value::from(
                time(&value)?
                    .format_with(format)
                    .ok_or_else(|| format!("{format:?} is not a format of times"))?,
            ),
            Self::Quoted => Value::from(quoted(&text(&value)?)),
            Self::Join(between) => {
                let parts = list(value)
                    .iter()
                    .map(text)
                    .collect::<Result<Vec<_>, _>>()?;
                Value::from(parts.join(between))
            }
            Self::Each(name) => Value::Array(
                list(value)
                    .into_iter()
                    .map(|one| Value::Object([(name.clone(), one)].into_iter().collect()))
                    .collect(),
            ),
            Self::Json => Value::from(value.to_string()),
            Self::Base64 => Value::from(STANDARD.encode(text(&value)?)),
            Self::Sha256 => Value::from(hex::encode(Sha256::digest(text(&value)?))),
            Self::Number => number(&text(&value)?)?,
            Self::Text => Value::from(text(&value)?),
            Self::Lower => Value::from(text(&value)?.to_lowercase()),
            Self::Path | Self::Or(_) => value,
            Self::Words(table) => {
                let word = text(&value)?;
                let to = table
                    .iter()
                    .find(|(from, _)| from.eq_ignore_ascii_case(&word))
                    .map(|(_, to)| to.clone());
                let known = || {
                    table
                        .iter()
                        .map(|(from, _)| from.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                Value::from(to.ok_or_else(|| format!("the word must be one of {}", known()))?)
            }
        })
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        one => vec![one],
    }
}

/// A scalar as text.
pub(super) fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(yes) => Ok(yes.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) => Err("a list can't stand in a text; write |join:, or |json".to_owned()),
        Value::Object(_) => Err("an object can't stand in a text; write |json".to_owned()),
    }
}

fn number(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Value::from(whole));
    }
    text.parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| "it must be a number".to_owned())
}

fn time(value: &Value) -> Result<Timestamp, String> {
    let at = match value {
        Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
        Value::String(text) => Timestamp::parse(text).ok(),
        _ => None,
    };
    at.ok_or_else(|| "it must be a time: RFC 3339, or milliseconds since 1970".to_owned())
}

fn quoted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '"' | '\'' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
