//! From the bytes of a report to its items as JSON, whatever it is written in.
//!
//! What it is not: it does not look into items. Next: `format.rs`, which sends them to jq.

use gna_domain::import::{Position, Refusal};
use serde_json::{Value, json};
use std::borrow::Cow;

use super::definition::{Definition, Kind, MetaInput};
use super::keys;
use crate::input::Input;
use crate::json::{self, Item};
use crate::{csv_reader, xml};

/// One item on its way to the map program.
pub(super) struct Sourced<'a> {
    /// The value of `$at`, on one line.
    pub at: String,
    pub json: Cow<'a, str>,
    pub position: Position,
}

type Each<'a, 'f> = &'f mut dyn FnMut(Sourced<'a>) -> Result<(), Refusal>;

/// Hands out every item in the order of the report.
///
/// # Errors
/// What the reader of JSON, XML or CSV refuses, or what `each` returned.
pub(super) fn items<'a>(
    input: &Input<'a>,
    definition: &Definition,
    each: Each<'a, '_>,
) -> Result<(), Refusal> {
    match definition.input {
        Kind::Json => {
            json::for_each_of(input, &definition.items.list(), |item| each(of_json(&item)))
        }
        Kind::Jsonl => json::records(input, |item| each(of_json(&item))),
        Kind::Xml => {
            let left_out: Vec<&str> = definition.left_out.iter().map(String::as_str).collect();
            xml::for_each_without(input, &definition.items.list(), &left_out, |item| {
                each(of_xml(&item))
            })
            .map(drop)
        }
        Kind::Csv => {
            let marks: Vec<&str> = definition
                .headers(input)
                .iter()
                .map(String::as_str)
                .collect();
            csv_reader::for_each(input, &marks, |row| {
                let json = Cow::Owned(row.to_json().to_string());
                each(Sourced {
                    at: "{}".to_owned(),
                    json,
                    position: row.position,
                })
            })
            .map(drop)
        }
    }
}

fn of_xml<'a>(item: &xml::Item<'_>) -> Sourced<'a> {
    let parents: Vec<Value> = item.parents.iter().map(open).collect();
    let at = json!({ "parents": parents, "path": item.path });
    let json = Cow::Owned(xml::to_json(&item.element).to_string());
    Sourced {
        at: at.to_string(),
        json,
        position: item.position,
    }
}

/// An element without what is in it: its attributes as in items, its name as `#name`.
fn open(element: &xml::Open) -> Value {
    let attributes = element
        .attributes
        .iter()
        .map(|(name, value)| (format!("@{name}"), json!(value)));
    Value::Object(
        std::iter::once(("#name".to_owned(), json!(element.name)))
            .chain(attributes)
            .collect(),
    )
}

/// The root's tag, and in it the elements that `beside` names, by their names.
fn beside_items(input: &Input<'_>, definition: &Definition) -> Result<String, Refusal> {
    let paths: Vec<&str> = definition.beside.iter().map(String::as_str).collect();
    let mut beside = serde_json::Map::new();
    let root = xml::for_each(input, &paths, |item| {
        let list = beside
            .entry(item.element.name.clone())
            .or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(xml::to_json(&item.element));
        }
        Ok(())
    })?;
    if let Value::Object(root) = open(&root) {
        beside.extend(root);
    }
    Ok(Value::Object(beside).to_string())
}

fn of_json<'a>(item: &Item<'a, '_>) -> Sourced<'a> {
    let at = json!({ "indexes": item.indexes, "keys": item.keys, "path": item.path });
    Sourced {
        at: at.to_string(),
        json: Cow::Borrowed(item.raw),
        position: item.position,
    }
}

/// Whether a report without any item can be of the format: the first step of a path is there.
pub(super) fn is_plausible(input: &Input<'_>, definition: &Definition) -> bool {
    let head = input.head_text();
    match definition.input {
        Kind::Json => definition.items.list().iter().any(|path| {
            let first = path.split(['.', '[', '{']).next().unwrap_or_default();
            match first {
                "" => head.trim_start().starts_with('[') == path.starts_with("[]"),
                key => !keys::seen(head, &[key]).is_empty(),
            }
        }),
        Kind::Xml => xml::root(head).is_some_and(|root| {
            definition
                .items
                .list()
                .iter()
                .any(|path| path.split('/').next() == Some(root.name.as_str()))
        }),
        // A header row without its columns was refused before.
        Kind::Jsonl | Kind::Csv => true,
    }
}

/// What the `meta` program is given, as JSON.
///
/// # Errors
/// As [`items`], and `report.too_large` where it is longer than `max` bytes.
pub(super) fn outline(
    input: &Input<'_>,
    definition: &Definition,
    max: usize,
) -> Result<String, Refusal> {
    let outline = match (definition.meta_input, definition.input) {
        (MetaInput::Outline, Kind::Json) => without_items(input, &definition.items.list())?,
        (MetaInput::Report, Kind::Json) => input.text()?.to_owned(),
        (mode, Kind::Jsonl) => {
            let mut records = Vec::new();
            let mut bytes = 0_usize;
            json::records(input, |item| {
                // The first record is where such reports say who wrote them.
                if (mode == MetaInput::Report || records.is_empty()) && bytes <= max {
                    bytes = bytes.saturating_add(item.raw.len());
                    if serde_json::from_str::<serde::de::IgnoredAny>(item.raw).is_ok() {
                        records.push(item.raw);
                    }
                }
                Ok(())
            })?;
            match mode {
                MetaInput::Outline => records.first().map_or("null", |first| first).to_owned(),
                MetaInput::Report => format!("[{}]", records.join(",")),
            }
        }
        (MetaInput::Outline, Kind::Xml) => beside_items(input, definition)?,
        (MetaInput::Outline, Kind::Csv) => "null".to_owned(),
        (MetaInput::Report, Kind::Xml | Kind::Csv) => whole(input, definition, max)?,
    };
    if outline.len() > max {
        let what = match definition.meta_input {
            MetaInput::Outline => "what stands beside the items of the report",
            MetaInput::Report => "the report (this format must be read as a whole)",
        };
        return Err(Refusal::new(
            "report.too_large",
            format!("{what} is longer than {max} bytes; split the report"),
        ));
    }
    Ok(outline)
}

/// All items of a report in XML or CSV as one array.
fn whole(input: &Input<'_>, definition: &Definition, max: usize) -> Result<String, Refusal> {
    let mut all = String::from("[");
    items(input, definition, &mut |item| {
        if all.len() <= max {
            if all.len() > 1 {
                all.push(',');
            }
            all.push_str(&item.json);
        }
        Ok(())
    })?;
    all.push(']');
    Ok(all)
}

/// The document with `null` in place of each item.
fn without_items(input: &Input<'_>, paths: &[&str]) -> Result<String, Refusal> {
    let text = input.text()?;
    let mut spans: Vec<(usize, usize)> = Vec::new();
    json::for_each_of(input, paths, |item| {
        let start = item
            .position
            .byte
            .and_then(|byte| usize::try_from(byte).ok())
            .unwrap_or_default();
        spans.push((start, start + item.raw.len()));
        Ok(())
    })?;
    spans.sort_unstable();
    let mut outline = String::new();
    let mut from = 0;
    for (start, end) in spans {
        // An item inside another one is gone with it.
        if start >= from {
            outline.push_str(text.get(from..start).unwrap_or_default());
            outline.push_str("null");
            from = end;
        }
    }
    outline.push_str(text.get(from..).unwrap_or_default());
    Ok(outline)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(input: &str, more: &str) -> Definition {
        let head = "name='a'\ntitle='A'\ntool='A'\ncategory='SAST'\ndocs='https://a.example'\nidentity='x'\nmap='.'\n";
        Definition::parse(&format!("{head}input='{input}'\n{more}")).unwrap()
    }

    #[test]
    fn items_of_every_kind_come_as_json_with_their_place() {
        let xml = "<scan v='1'><info><by>acme</by></info><host ip='10.0.0.1'><hit id='1'><big>x</big></hit><hit id='2'/></host></scan>";
        for (kind, more, text, expected, outline) in [
            (
                "xml",
                "items='scan/host/hit'\nbeside=['scan/info']\nleft_out=['big']\n[[detect]]\nroot='scan'",
                xml,
                vec![
                    r##"{"parents":[{"#name":"scan","@v":"1"},{"#name":"host","@ip":"10.0.0.1"}],"path":0} {"@id":"1","big":[{}]}"##,
                    r##"{"parents":[{"#name":"scan","@v":"1"},{"#name":"host","@ip":"10.0.0.1"}],"path":0} {"@id":"2"}"##,
                ],
                r##"{"#name":"scan","@v":"1","info":[{"by":[{"#text":"acme"}]}]}"##,
            ),
            (
                "csv",
                "[[detect]]\nheaders=['id','Risk']",
                "made by acme\nID,Risk\n7,high\n",
                vec![r#"{} {"ID":"7","Risk":"high"}"#],
                "null",
            ),
            (
                "jsonl",
                "[[detect]]\nkeys=['a']",
                "{\"a\":1}\n{\"a\":2}",
                vec![
                    r#"{"indexes":[0],"keys":[],"path":0} {"a":1}"#,
                    r#"{"indexes":[1],"keys":[],"path":0} {"a":2}"#,
                ],
                "{\"a\":1}",
            ),
            (
                "json",
                "items='m{}'\n[[detect]]\nkeys=['m']",
                r#"{"m":{"k":3},"z":4}"#,
                vec![r#"{"indexes":[],"keys":["k"],"path":0} 3"#],
                r#"{"m":{"k":null},"z":4}"#,
            ),
        ] {
            let definition = definition(kind, more);
            let input = Input::new("t", text.as_bytes());
            let mut met = Vec::new();
            items(&input, &definition, &mut |item| {
                met.push(format!("{} {}", item.at, item.json));
                Ok(())
            })
            .unwrap();
            assert_eq!(met, expected, "{kind}");
            assert_eq!(
                super::outline(&input, &definition, 1_000).unwrap(),
                outline,
                "{kind}"
            );
            let short = super::outline(
                &input,
                &Definition {
                    meta_input: MetaInput::Report,
                    ..definition
                },
                5,
            );
            assert_eq!(short.unwrap_err().code, "report.too_large", "{kind}");
        }
    }

    #[test]
    fn the_outline_is_the_document_without_items() {
        for (text, paths, expected) in [
            (
                r#"{"v": 1, "r": [{"a": 1}, 2], "w": [3]}"#,
                vec!["r[]"],
                r#"{"v": 1, "r": [null, null], "w": [3]}"#,
            ),
            (
                r#"[{"t": "x", "r": [1]}, {"t": "y"}]"#,
                vec!["[].r[]"],
                r#"[{"t": "x", "r": [null]}, {"t": "y"}]"#,
            ),
            (
                r#"{"r": [[1]], "s": {"k": 2}}"#,
                vec!["s{}", "r[]", "r[][]"],
                r#"{"r": [null], "s": {"k": null}}"#,
            ),
            (" [1] ", vec![""], " null "),
        ] {
            assert_eq!(
                without_items(&Input::new("t", text.as_bytes()), &paths).unwrap(),
                expected
            );
        }
    }
}
