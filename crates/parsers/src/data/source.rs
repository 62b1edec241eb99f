//! From the bytes of a report to its items as JSON, whatever it is written in.
//!
//! What it is not: it does not look into items. Next: `format.rs`, which sends them to jq.

use gna_domain::import::{Position, Refusal};
use serde_json::json;
use std::borrow::Cow;

use super::definition::{Definition, Kind, MetaInput};
use crate::input::Input;
use crate::json::{self, Item};

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
        Kind::Xml | Kind::Csv => Err(Refusal::new("report.wrong_format", "not read")),
    }
}

fn of_json<'a>(item: &Item<'a, '_>) -> Sourced<'a> {
    // Written by hand: it is made for every item, and most have no keys.
    let at = json!({ "indexes": item.indexes, "keys": item.keys, "path": item.path });
    Sourced {
        at: at.to_string(),
        json: Cow::Borrowed(item.raw),
        position: item.position,
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
        (_, Kind::Xml | Kind::Csv) => "null".to_owned(),
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
