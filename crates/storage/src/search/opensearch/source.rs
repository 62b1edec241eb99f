//! What is kept of a document and of a finding's words, as JSON.
//!
//! Words are this crate's own ([`crate::search::text`]), kept as exact terms: no analyser of
//! OpenSearch has a say in what a search finds.

use gna_domain::id::{FindingId, GroupId, TypedId};
use gna_domain::port::search::{Document, FIELDS, FieldKind, FindingText, Value};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::search::cursor::MISSING;
use crate::search::text;

/// Bytes of a text that are kept as they are. A term may have 32,766 bytes, and a text in lower case
/// may be up to three times as long.
const EXACT: usize = 10_000;

/// Under which id the words of a finding lie, and what a document names to have them.
pub fn key(group: GroupId, finding: FindingId) -> String {
    format!("{}/{}", group.uuid(), finding.uuid())
}

/// OpenSearch's numbers are signed.
pub fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// The text, or where it is too long for a term its beginning and its hash: equal texts stay equal,
/// others different.
pub fn exact(text: &str) -> Cow<'_, str> {
    if text.len() <= EXACT {
        return Cow::Borrowed(text);
    }
    let hash = hex::encode(Sha256::digest(text));
    Cow::Owned(format!("{}\u{1f}{hash}", beginning(text)))
}

/// As much of the text as is kept as it is.
pub fn beginning(text: &str) -> &str {
    let end = (0..=EXACT.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

pub fn document(document: &Document) -> Json {
    let mut source = Map::new();
    source.insert("id".into(), json!(document.id.uuid()));
    source.insert("group".into(), json!(document.group.uuid()));
    let told = key(document.group, document.finding);
    source.insert("told".into(), json!(told));
    source.insert("version".into(), json!(signed(document.version)));
    source.insert("words".into(), json!(words(document)));
    for field in FIELDS {
        // The field of this name is always the id that the texts are found by.
        let finding = (field.name == "finding").then(|| document.finding.to_string());
        let value = match (field.kind, document.values.get(field.name)) {
            (_, _) if finding.is_some() => json!(finding),
            (FieldKind::Number, Some(Value::Number(number))) if *number != MISSING => {
                json!(number)
            }
            (FieldKind::Keyword | FieldKind::Path, Some(Value::Keyword(text))) => {
                json!(exact(text))
            }
            (FieldKind::Keywords, Some(Value::Keywords(texts))) => {
                let texts: BTreeSet<Cow<'_, str>> = texts.iter().map(|text| exact(text)).collect();
                json!(texts)
            }
            _ => continue,
        };
        source.insert(format!("f_{}", field.name), value);
        if let (FieldKind::Path, Some(Value::Keyword(text))) =
            (field.kind, document.values.get(field.name))
        {
            let lower = text::lower(beginning(text));
            source.insert(format!("l_{}", field.name), json!(lower));
        }
    }
    Json::Object(source)
}

pub fn finding(finding: &FindingText) -> Json {
    let words: BTreeSet<String> = text::words(&finding.title)
        .chain(text::words(&finding.text))
        .collect();
    json!({
        "teller": key(finding.group, finding.id),
        "owner": finding.group.uuid(),
        "version": signed(finding.version),
        "telling": words,
    })
}

/// The words of a document's own fields, each once.
fn words(document: &Document) -> BTreeSet<String> {
    text::SEARCHED
        .iter()
        .flat_map(|name| match document.values.get(name) {
            Some(Value::Keyword(text)) => text::words(text).collect::<Vec<_>>(),
            Some(Value::Keywords(texts)) => {
                texts.iter().flat_map(|text| text::words(text)).collect()
            }
            Some(Value::Number(_)) | None => Vec::new(),
        })
        .collect()
}

/// The fields of an index, made from the declared ones. Nothing else is taken.
pub fn mapping() -> Json {
    let keyword = json!({"type": "keyword"});
    let words = json!({"type": "keyword", "doc_values": false});
    let mut fields = Map::new();
    for name in ["id", "group", "told", "owner", "teller"] {
        fields.insert(name.into(), keyword.clone());
    }
    for name in ["words", "telling"] {
        fields.insert(name.into(), words.clone());
    }
    let kept = json!({"type": "long", "index": false, "doc_values": false});
    fields.insert("version".into(), kept);
    let position = json!({"type": "keyword", "index": false, "doc_values": false});
    fields.insert("position".into(), position);
    for field in FIELDS {
        let kind = match field.kind {
            FieldKind::Number => json!({"type": "long"}),
            FieldKind::Keyword | FieldKind::Keywords | FieldKind::Path => keyword.clone(),
        };
        fields.insert(format!("f_{}", field.name), kind);
        if field.kind == FieldKind::Path {
            fields.insert(format!("l_{}", field.name), keyword.clone());
        }
    }
    json!({"dynamic": "strict", "properties": fields})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_stay_different_and_fit_a_term() {
        let (a, b) = ("ü".repeat(20_000), "ü".repeat(20_001));
        assert_ne!(exact(&a), exact(&b));
        assert_eq!(exact(&a), exact(&a.clone()));
        assert!(exact(&a).len() < 32_766 / 3);
        assert!(exact(&a).starts_with(beginning(&a)));
        assert_eq!(exact("src/a.rs"), "src/a.rs");
        // One that is cut within a character.
        assert_eq!(beginning(&format!("x{a}")).len(), 9_999);
        let grows = text::lower(beginning(&"\u{130}".repeat(20_000)));
        assert!(grows.len() < 32_766, "{}", grows.len());
    }
}
