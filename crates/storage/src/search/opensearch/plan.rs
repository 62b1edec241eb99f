//! A selection as a query. All of it is filter: nothing is scored.

use gna_domain::error::{Error, Result};
use gna_domain::id::TypedId;
use gna_domain::port::search::{Condition, FieldKind, Operand, Selection, declared};
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::source::{beginning, exact};
use super::told::Told;
use crate::search::cursor::MISSING;
use crate::search::text;

/// Most values in one `terms` (`index.max_terms_count`).
const TERMS: usize = 65_536;

/// Longest part of a path that is looked for: OpenSearch refuses patterns that repeat themselves from some
/// four hundred characters on.
const PART: usize = 250;

/// # Errors
/// `search.operand` for a part that is too long to be looked for.
pub fn check(condition: &Condition) -> Result<()> {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().try_for_each(check),
        Condition::Not(part) => check(part),
        Condition::Contains(_, part) if part.chars().nth(PART).is_some() => Err(Error::invalid(
            "search.operand",
            format!("look for at most {PART} characters within a path or package"),
        )),
        _ => Ok(()),
    }
}

/// What a document must fulfil. Words may be its own, or its finding's.
pub fn query(selection: &Selection, told: &[Told]) -> Value {
    let mut filter = vec![
        json!({"terms": {"group": groups(selection)}}),
        condition(&selection.condition),
    ];
    for Told { word, by, .. } in told {
        let mut ways = vec![own("words", word)];
        let by: Vec<&String> = by.iter().collect();
        ways.extend(
            by.chunks(TERMS)
                .map(|some| json!({"terms": {"told": some}})),
        );
        filter.push(any(ways));
    }
    json!({"bool": {"filter": filter}})
}

/// The groups of a selection, each once.
pub fn groups(selection: &Selection) -> Value {
    let groups: BTreeSet<_> = selection.groups.iter().map(|group| group.uuid()).collect();
    json!(groups)
}

/// A word, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Whole(String),
    Begun(String),
}

/// The words of a text; the last one may go on.
pub fn words(selection: &Selection) -> Vec<Word> {
    let text = selection.text.as_deref().unwrap_or_default();
    let mut words: Vec<Word> = text::words(text).map(Word::Whole).collect();
    if let Some(Word::Whole(last)) = words.pop() {
        words.push(Word::Begun(last));
    }
    words
}

pub fn own(field: &str, word: &Word) -> Value {
    match word {
        Word::Whole(word) => json!({"term": {field: {"value": word}}}),
        Word::Begun(word) => json!({"prefix": {field: {"value": word}}}),
    }
}

pub fn any(ways: Vec<Value>) -> Value {
    json!({"bool": {"should": ways, "minimum_should_match": 1}})
}

fn nothing() -> Value {
    json!({"match_none": {}})
}

fn condition(of: &Condition) -> Value {
    match of {
        Condition::All(parts) if parts.is_empty() => json!({"match_all": {}}),
        Condition::Any(parts) if parts.is_empty() => nothing(),
        Condition::All(parts) => {
            let parts: Vec<Value> = parts.iter().map(condition).collect();
            json!({"bool": {"filter": parts}})
        }
        Condition::Any(parts) => any(parts.iter().map(condition).collect()),
        Condition::Not(part) => json!({"bool": {"must_not": [condition(part)]}}),
        Condition::In(name, operands) => one_of(name, operands),
        Condition::Between(name, None, None) => has(name),
        Condition::Between(name, from, to) => {
            let mut bounds = serde_json::Map::new();
            for (bound, value) in [("gte", from), ("lte", to)] {
                if let Some(value) = value {
                    bounds.insert(bound.into(), json!(value));
                }
            }
            json!({"range": {format!("f_{name}"): bounds}})
        }
        Condition::Prefix(name, part) | Condition::Contains(name, part) if part.is_empty() => {
            has(name)
        }
        Condition::Prefix(name, prefix) => {
            json!({"prefix": {format!("f_{name}"): {"value": beginning(prefix)}}})
        }
        Condition::Contains(name, part) => {
            let pattern = format!("*{}*", plain(&text::lower(part)));
            json!({"wildcard": {format!("l_{name}"): {"value": pattern}}})
        }
    }
}

fn has(name: &str) -> Value {
    json!({"exists": {"field": format!("f_{name}")}})
}

/// A text in which nothing stands for anything else.
fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut plain, c| {
        if matches!(c, '*' | '?' | '\\') {
            plain.push('\\');
        }
        plain.push(c);
        plain
    })
}

fn one_of(name: &str, operands: &[Operand]) -> Value {
    let is_number = declared(name).is_some_and(|field| field.kind == FieldKind::Number);
    let values: Vec<Value> = operands
        .iter()
        .filter_map(|operand| match operand {
            Operand::Number(number) if is_number && *number != MISSING => Some(json!(number)),
            Operand::Keyword(text) if !is_number => Some(json!(exact(text))),
            _ => None,
        })
        .collect();
    match values.is_empty() {
        true => nothing(),
        false => json!({"terms": {format!("f_{name}"): values}}),
    }
}
