//! Damaged reports: any bytes at all, and our own fixtures cut, flipped, doubled and retyped. No
//! format may panic, and what is read must still add up.

use crate::corpus::check;
use gna_parsers::{Input, Limits, Registry, decode};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static FIXTURES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|end| end != "md" && end != "snap")
            {
                found.push((
                    path.to_string_lossy().into_owned(),
                    std::fs::read(&path).unwrap(),
                ));
            }
        }
    }
    found.sort();
    found
});

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::native);

/// One way to do harm, at a place and with a size given in thousandths of the report.
#[derive(Clone, Debug)]
enum Harm {
    Cut(usize),
    Flip(usize, u8),
    Remove(usize, usize),
    Double(usize, usize),
    /// Puts a value of another type in place of the one after the nth colon.
    Retype(usize, &'static str),
}

fn harm() -> impl Strategy<Value = Harm> {
    let place = 0..1_000_usize;
    prop_oneof![
        1 => place.clone().prop_map(Harm::Cut),
        2 => (place.clone(), any::<u8>()).prop_map(|(at, byte)| Harm::Flip(at, byte)),
        2 => (place.clone(), 1..60_usize).prop_map(|(at, size)| Harm::Remove(at, size)),
        2 => (place.clone(), 1..200_usize).prop_map(|(at, size)| Harm::Double(at, size)),
        6 => (place, prop::sample::select(vec!["null", "[]", "{}", "-1", "1e300", "\"x\"", "\"\"", "true", "[{}]", "[null]", "\"\\u0000\""]))
            .prop_map(|(at, value)| Harm::Retype(at, value)),
    ]
}

fn apply(mut bytes: Vec<u8>, harm: &Harm) -> Vec<u8> {
    let place = |at: usize| at * bytes.len() / 1_000;
    match *harm {
        Harm::Cut(at) => bytes.truncate(place(at)),
        Harm::Flip(at, byte) => {
            let at = place(at);
            bytes[at] = byte;
        }
        Harm::Remove(at, size) => {
            let at = place(at);
            let end = (at + size).min(bytes.len());
            bytes.drain(at..end);
        }
        Harm::Double(at, size) => {
            let at = place(at);
            let part = bytes[at..(at + size).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        Harm::Retype(at, value) => {
            let colons: Vec<usize> = bytes
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b':')
                .map(|(at, _)| at)
                .collect();
            if colons.is_empty() {
                return bytes;
            }
            let from = colons[at * colons.len() / 1_000] + 1;
            let rest = &bytes[from..];
            let size = serde_json::Deserializer::from_slice(rest)
                .into_iter::<&serde_json::value::RawValue>()
                .next()
                .and_then(Result::ok)
                .map_or(1, |value| {
                    value.get().len()
                        + rest
                            .iter()
                            .take_while(|byte| byte.is_ascii_whitespace())
                            .count()
                });
            bytes.splice(from..(from + size).min(bytes.len()), value.bytes());
        }
    }
    if bytes.is_empty() { vec![b' '] } else { bytes }
}

fn read_with(bytes: &[u8], name: &str, format: Option<&str>) {
    if let Ok(outcome) = REGISTRY.collect(&Input::new(name, bytes), format) {
        check(&outcome, name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_fixtures_never_panic(which in any::<prop::sample::Index>(), harms in prop::collection::vec(harm(), 1..4)) {
        let (name, bytes) = which.get(&FIXTURES);
        let own = REGISTRY.detect(&Input::new(name, bytes)).ok().map(|format| format.info().name.clone());
        let damaged = harms.iter().fold(bytes.clone(), apply);
        for report in decode::decode_all(name, damaged, &Limits::default()).into_iter().flatten() {
            read_with(&report.bytes, name, None);
            if let Some(own) = &own {
                read_with(&report.bytes, name, Some(own));
            }
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), mark in prop::sample::select(vec!["", "{", "[", "[{", "<?xml version='1.0'?><a>", "\u{feff}", "a,b,c\n", "PK\u{3}\u{4}", "\u{1f}"])) {
        let mut raw = mark.as_bytes().to_vec();
        raw.extend(&bytes);
        let _ = decode::decode_all("any", raw.clone(), &Limits::default());
        for format in REGISTRY.all() {
            read_with(&raw, "any", Some(&format.info().name));
            if let Ok(text) = std::str::from_utf8(&raw) {
                read_with(text.as_bytes(), "any", None);
            }
        }
    }

    #[test]
    fn any_text_never_panics(text in "[\\[\\]{}\",:0-9a-c<>/= \n]{0,200}") {
        for format in REGISTRY.all() {
            read_with(text.as_bytes(), "text", Some(&format.info().name));
        }
    }
}

#[test]
fn fixtures_of_native_formats_are_known() {
    let mut seen = 0;
    for (name, bytes) in FIXTURES.iter() {
        let folder = Path::new(name)
            .parent()
            .and_then(Path::file_name)
            .unwrap()
            .to_string_lossy();
        if REGISTRY.by_name(&folder).is_none() {
            continue;
        }
        seen += 1;
        for report in decode::decode_all(name, bytes.clone(), &Limits::default()).unwrap() {
            let found = REGISTRY.detect(&report.input(Limits::default()));
            let found = found
                .map(|format| format.info().name.clone())
                .map_err(|refusal| refusal.message);
            assert!(
                found
                    .as_ref()
                    .is_ok_and(|found| found.starts_with(folder.as_ref())),
                "{name}: {found:?}"
            );
        }
    }
    assert!(seen > 10, "only {seen} fixtures are of native formats");
}
