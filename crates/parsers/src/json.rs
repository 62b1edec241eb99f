//! Reads large JSON documents piece by piece, without building a tree of them.
//!
//! A path names the values to hand out: `runs[].results[]` is every element of `results` in every
//! element of `runs`; `[]` alone is every element of a root array; `vulnerabilities{}` is every
//! value of that object, whatever its key; the empty path is the root itself. Everything else is
//! skipped without allocating. Where a format needs something that may stand after the items (the
//! rules of SARIF), it sweeps twice.
//!
//! What it is not: a query language ([`crate::native`] reads items with serde), and no cache.
//! Read next: `json/walk.rs` for the sweep itself, [`crate::lenient`] for tolerant fields.

mod path;
mod walk;

use gna_domain::import::{Position, Refusal, Warning};
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::input::Input;
use path::Path;
use walk::{Seed, Walker};

/// One value met by a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a, 's> {
    /// The value as written.
    pub raw: &'a str,
    /// Which of the sweep's paths it was met on, from 0.
    pub path: usize,
    /// How many were met on this path before it, and where it starts.
    pub position: Position,
    /// The index at each `[]` of the path, outermost first.
    pub indexes: &'s [usize],
    /// The key at each `{}` of the path, outermost first.
    pub keys: &'s [String],
}

impl<'a> Item<'a, '_> {
    /// The value as a type.
    ///
    /// # Errors
    /// A warning of the skipped item, with its position: hand it to the sink and go on.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T, Warning> {
        serde_json::from_str(self.raw).map_err(|error| {
            // serde quotes the offending value; a secret or a page of text has no place here.
            let reason = crate::text::cut(&error.to_string(), 200).into_owned();
            skipped(
                self.position,
                format!("item {} could not be read: {reason}", self.position.item),
            )
        })
    }

    /// The key at the innermost `{}` of the path.
    #[must_use]
    pub fn key(&self) -> &str {
        self.keys.last().map_or("", String::as_str)
    }

    /// The index at the `nth` `[]` of the path, 0 where there is none.
    #[must_use]
    pub fn index(&self, nth: usize) -> usize {
        self.indexes.get(nth).copied().unwrap_or_default()
    }
}

/// A warning of an item that was left out (`item.skipped`).
#[must_use]
pub fn skipped(position: Position, message: impl Into<String>) -> Warning {
    Warning {
        code: "item.skipped".to_owned(),
        message: message.into(),
        position,
        skipped: true,
    }
}

/// Sweeps over the document once and hands out every value on `path`.
///
/// # Errors
/// `report.empty`, `report.encoding`, `report.truncated` or `report.malformed` with the place, or
/// whatever `each` returned.
pub fn for_each<'a>(
    input: &Input<'a>,
    path: &str,
    each: impl FnMut(Item<'a, '_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    for_each_of(input, &[path], each)
}

/// Sweeps once for several paths (at most 32), in the order of the document; [`Item::path`] says
/// which was met. A path may lead into a value that another one hands out.
///
/// # Errors
/// As [`for_each`].
pub fn for_each_of<'a>(
    input: &Input<'a>,
    paths: &[&str],
    mut each: impl FnMut(Item<'a, '_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let text = input.text()?;
    let paths: Vec<Path> = paths
        .iter()
        .take(32)
        .map(|path| Path::parse(path))
        .collect();
    let mut walker = Walker::new(text, &paths, &mut each);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walked = Seed::root(&mut walker)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match (walker.refused, walked) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(error)) => Err(refusal(text, &error)),
        (None, Ok(())) => Ok(()),
    }
}

/// The document as a type. Fields that the type does not name are skipped without allocating, so
/// a type without the large arrays reads the head of a document of any size.
///
/// # Errors
/// As [`for_each`], and `report.wrong_format` where a value has another shape.
pub fn document<'a, T: Deserialize<'a>>(input: &Input<'a>) -> Result<T, Refusal> {
    let text = input.text()?;
    serde_json::from_str(text).map_err(|error| refusal(text, &error))
}

/// Hands out every record of a file that is either one JSON array or JSON lines (also pretty-printed
/// values one after the other). In JSON lines, a line that is not JSON is handed out as it is, so
/// that [`Item::read`] makes a warning of it.
///
/// # Errors
/// As [`for_each`]; for values that span lines also where one is damaged.
pub fn records<'a>(
    input: &Input<'a>,
    mut each: impl FnMut(Item<'a, '_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let text = input.text()?;
    if text.trim_start().starts_with('[') {
        return for_each(input, "[]", each);
    }
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    if serde_json::from_str::<&RawValue>(first.trim()).is_ok() {
        return lines(input, each);
    }
    let stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    for (item, value) in stream.enumerate() {
        let raw = value.map_err(|error| refusal(text, &error))?.get();
        let position = Position {
            item: u64::try_from(item).unwrap_or(u64::MAX),
            byte: Some(walk::offset(text, raw)),
            line: None,
        };
        each(Item {
            raw,
            path: 0,
            position,
            indexes: &[item],
            keys: &[],
        })?;
    }
    Ok(())
}

/// Hands out every line that is not blank, with its number.
///
/// # Errors
/// `report.empty`, `report.encoding`, or whatever `each` returned.
pub fn lines<'a>(
    input: &Input<'a>,
    mut each: impl FnMut(Item<'a, '_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let text = input.text()?;
    let mut item = 0_usize;
    for (number, line) in text.lines().enumerate() {
        let raw = line.trim();
        if raw.is_empty() {
            continue;
        }
        let position = Position {
            item: u64::try_from(item).unwrap_or(u64::MAX),
            byte: Some(walk::offset(text, raw)),
            line: u64::try_from(number + 1).ok(),
        };
        each(Item {
            raw,
            path: 0,
            position,
            indexes: &[item],
            keys: &[],
        })?;
        item += 1;
    }
    Ok(())
}

/// Says whether the document nests deeper than `max` levels; tells the first byte that does.
/// Skipping is iterative and never overflows the stack; this is for an error that says so.
#[must_use]
pub fn too_deep(bytes: &[u8], max: u32) -> Option<u64> {
    let mut depth = 0_u32;
    let mut in_text = false;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return u64::try_from(at).ok();
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// What a serde error says about the whole report.
fn refusal(text: &str, error: &serde_json::Error) -> Refusal {
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let reason = crate::text::cut(reason, 200);
    let position = Position {
        item: 0,
        byte: byte_of(text, error.line(), error.column()),
        line: u64::try_from(error.line()).ok().filter(|line| *line > 0),
    };
    let refusal = match error.classify() {
        Category::Eof => Refusal::new(
            "report.truncated",
            "the JSON ends in the middle: the file was cut off while it was written or uploaded; get the whole file",
        ),
        _ if reason.contains("recursion limit") => Refusal::new(
            "report.too_deep",
            "the JSON nests too deep; no scanner writes such a report",
        ),
        Category::Data => Refusal::new(
            "report.wrong_format",
            format!("the JSON does not have the format's shape: {reason}"),
        ),
        Category::Syntax | Category::Io => Refusal::new(
            "report.malformed",
            format!("not valid JSON: {reason}; export the report again"),
        ),
    };
    refusal.at(position)
}

/// The offset of a line (from 1) and a column (in bytes, from 1).
fn byte_of(text: &str, line: usize, column: usize) -> Option<u64> {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(nth) => text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .nth(nth)
            .map(|(at, _)| at + 1)?,
    };
    u64::try_from((start + column.saturating_sub(1)).min(text.len())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str, path: &str) -> Result<Vec<String>, Refusal> {
        let mut met = Vec::new();
        for_each(&Input::new("t.json", text.as_bytes()), path, |item| {
            let at = usize::try_from(item.position.byte.unwrap_or_default()).unwrap_or_default();
            assert_eq!(
                text.get(at..at + item.raw.len()),
                Some(item.raw),
                "the offset points at the item"
            );
            met.push(format!("{:?}{:?}{}", item.indexes, item.keys, item.raw));
            Ok(())
        })?;
        Ok(met)
    }

    #[test]
    fn paths_lead_to_values_wherever_they_stand() {
        let document = r#"{"x":{"results":[0]},"runs":[{"results":[1,{"a":"]"}],"t":2},{"t":3},{"results":null},{"results":[4]}],
            "map":{"k\u0031":{"v":5},"k2":{"v":6}}}"#;
        for (path, expected) in [
            (
                "runs[].results[]",
                vec!["[0, 0][]1", "[0, 1][]{\"a\":\"]\"}", "[3, 0][]4"],
            ),
            ("map{}.v", vec!["[][\"k1\"]5", "[][\"k2\"]6"]),
            ("x.results", vec!["[][][0]"]),
            ("runs[].t", vec!["[0][]2", "[1][]3"]),
            ("none[].at[].all", vec![]),
        ] {
            assert_eq!(
                sweep(document, path),
                Ok(expected.into_iter().map(str::to_owned).collect()),
                "{path}"
            );
        }
        assert_eq!(
            sweep("[1, 2]", "[]"),
            Ok(vec!["[0][]1".to_owned(), "[1][]2".to_owned()])
        );
        assert_eq!(sweep(" 7 ", ""), Ok(vec!["[][]7".to_owned()]));
    }

    #[test]
    fn several_paths_share_one_sweep_even_inside_each_other() {
        let text = r#"{"b":[{"c":[1,2]}],"a":9}"#;
        let mut met = Vec::new();
        for_each_of(
            &Input::new("t", text.as_bytes()),
            &["a", "b[].c[]", "b[]"],
            |item| {
                met.push((item.path, item.position.item, item.raw.to_owned()));
                Ok(())
            },
        )
        .unwrap();
        let expected = [
            (2, 0, "{\"c\":[1,2]}"),
            (1, 0, "1"),
            (1, 1, "2"),
            (0, 0, "9"),
        ];
        assert_eq!(
            met,
            expected.map(|(path, item, raw)| (path, item, raw.to_owned()))
        );
    }

    #[test]
    fn damage_is_named_with_its_place() {
        for (text, code, byte) in [
            ("", "report.empty", None),
            (" \n ", "report.empty", None),
            ("{\"runs\":[{\"results\":[1,", "report.truncated", Some(22)),
            ("{\"runs\":[\"cut", "report.truncated", Some(12)),
            ("{\n\"runs\":[\n{]}", "report.malformed", Some(12)),
            ("[1] x", "report.malformed", Some(4)),
            ("not json", "report.malformed", Some(1)),
        ] {
            let refusal = sweep(text, "runs[].results[]").unwrap_err();
            assert_eq!(
                (
                    refusal.code.as_str(),
                    refusal.position.and_then(|at| at.byte)
                ),
                (code, byte),
                "{text}"
            );
        }
        let wrong = document::<Vec<u8>>(&Input::new("t", b"{}")).unwrap_err();
        assert_eq!(wrong.code, "report.wrong_format");
    }

    #[test]
    fn a_deep_document_neither_overflows_nor_hides() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(sweep(&deep, "b"), Ok(vec![]), "what is skipped may be deep");
        assert_eq!(too_deep(deep.as_bytes(), 128), Some(5 + 127));
        assert_eq!(too_deep(br#"{"a":"[[[[\"[[","b":[[]]}"#, 3), None);
    }

    #[test]
    fn records_come_from_arrays_lines_and_streams() {
        for (text, expected) in [
            (
                "[{\"a\":1},{\"a\":2}]",
                vec![(None, Some(1)), (None, Some(2))],
            ),
            (
                "{\"a\":1}\n\n{\"a\":oops}\r\n{\"a\":3}",
                vec![(Some(1), Some(1)), (Some(3), None), (Some(4), Some(3))],
            ),
            (
                "{\n\"a\":1}\n{\n\"a\":2\n}",
                vec![(None, Some(1)), (None, Some(2))],
            ),
        ] {
            #[derive(Deserialize)]
            struct Record {
                a: u32,
            }
            let mut met = Vec::new();
            records(&Input::new("t", text.as_bytes()), |item| {
                met.push((
                    item.position.line,
                    item.read::<Record>().ok().map(|record| record.a),
                ));
                Ok(())
            })
            .unwrap();
            assert_eq!(met, expected, "{text}");
        }
    }

    #[test]
    fn a_bad_item_is_a_warning_with_its_place() {
        let mut warnings = Vec::new();
        for_each(&Input::new("t", b"[1, {\"x\":2}, 3]"), "[]", |item| {
            warnings.extend(item.read::<u32>().err());
            Ok(())
        })
        .unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            warnings[0].position,
            Position {
                item: 1,
                byte: Some(4),
                line: None
            }
        );
        assert!(warnings[0].skipped && warnings[0].code == "item.skipped");
    }
}
