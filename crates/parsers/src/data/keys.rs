//! Which paths the head of a JSON document shows, although the document may end anywhere.
//!
//! Paths are written as in `crate::json`: `a.b[].c`, `{}` for any key. What it is not: a parser;
//! damage is for the sweep to find.

/// Deepest nesting that is followed; rules that ask for more make no sense.
const DEPTH: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step<'p> {
    Key(&'p str),
    Each,
    AnyKey,
}

fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let end = part
            .find(['[', '{'])
            .filter(|at| part.get(*at..).is_some_and(is_marks))
            .unwrap_or(part.len());
        let (name, mut marks) = part.split_at(end);
        if !name.is_empty() {
            steps.push(Step::Key(name));
        }
        while let Some(mark) = marks.get(..2) {
            steps.push(if mark == "[]" {
                Step::Each
            } else {
                Step::AnyKey
            });
            marks = marks.get(2..).unwrap_or_default();
        }
    }
    steps
}

fn is_marks(text: &str) -> bool {
    text.replace("[]", "").replace("{}", "").is_empty()
}

/// The last key that a path names.
pub(super) fn last_name(path: &str) -> Option<&str> {
    steps(path).into_iter().rev().find_map(|step| match step {
        Step::Key(name) => Some(name),
        _ => None,
    })
}

/// Where the reader stands: inside an object at this key, or inside an array.
#[derive(Clone, Copy)]
enum Level<'h> {
    Object(&'h str),
    Array,
}

/// The paths of `asked` that the head shows, each as often as it shows it, with the value where
/// that is a scalar (a text as written between its quotes).
pub(super) fn seen<'h, 'p>(head: &'h str, asked: &[&'p str]) -> Vec<(&'p str, Option<&'h str>)> {
    let paths: Vec<(&str, Vec<Step<'_>>)> = asked.iter().map(|path| (*path, steps(path))).collect();
    let mut seen = Vec::new();
    let mut levels: Vec<Level<'h>> = Vec::new();
    let bytes = head.as_bytes();
    let mut at = 0;
    // Whether the next string is a key.
    let mut key_next = false;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                note(&paths, &levels, None, &mut seen);
                if levels.len() >= DEPTH {
                    return seen;
                }
                key_next = *byte == b'{';
                levels.push(if key_next {
                    Level::Object("")
                } else {
                    Level::Array
                });
            }
            b'}' | b']' => {
                levels.pop();
                key_next = false;
            }
            b',' => key_next = matches!(levels.last(), Some(Level::Object(_))),
            b'"' => {
                let Some(end) = string_end(bytes, at + 1) else {
                    return seen;
                };
                let text = head.get(at + 1..end).unwrap_or_default();
                match levels.last_mut() {
                    Some(Level::Object(key)) if key_next => {
                        *key = text;
                        key_next = false;
                    }
                    _ => note(&paths, &levels, Some(text), &mut seen),
                }
                at = end;
            }
            b':' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let rest = head.get(at..).unwrap_or_default();
                let length = rest
                    .find([',', '}', ']', ' ', '\n', '\r', '\t'])
                    .unwrap_or(rest.len());
                note(&paths, &levels, rest.get(..length), &mut seen);
                at += length.saturating_sub(1);
            }
        }
        at += 1;
    }
    seen
}

/// Adds the paths that lead to the value that begins here.
fn note<'h, 'p>(
    paths: &[(&'p str, Vec<Step<'_>>)],
    levels: &[Level<'h>],
    value: Option<&'h str>,
    seen: &mut Vec<(&'p str, Option<&'h str>)>,
) {
    for (path, steps) in paths {
        let leads = steps.len() == levels.len()
            && steps
                .iter()
                .zip(levels)
                .all(|(step, level)| match (step, level) {
                    (Step::Key(name), Level::Object(key)) => name == key,
                    (Step::Each, Level::Array) | (Step::AnyKey, Level::Object(_)) => true,
                    _ => false,
                });
        if leads && seen.len() < 1_000 {
            seen.push((path, value));
        }
    }
}

/// Where the string that begins at `from` ends: the offset of its closing quote.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_as_far_as_the_head_goes() {
        let head = r#"{"a": {"b": [1, {"c": "x\"y"}, [2]]}, "m": {"k": true}, "e": [], "cut": {"#;
        for (path, expected) in [
            ("a", vec![None]),
            ("a.b[]", vec![Some("1"), None, None]),
            ("a.b[].c", vec![Some(r#"x\"y"#)]),
            ("a.b[][]", vec![Some("2")]),
            ("m{}", vec![Some("true")]),
            ("e", vec![None]),
            ("e[]", vec![]),
            ("cut", vec![None]),
            ("b", vec![]),
        ] {
            let values: Vec<_> = seen(head, &[path])
                .into_iter()
                .map(|(_, value)| value)
                .collect();
            assert_eq!(values, expected, "{path}");
        }
    }

    #[test]
    fn damage_and_depth_do_no_harm() {
        for head in [
            "",
            "]]}}",
            "{\"a",
            "{\"a\": \"\\",
            "{,,:::}",
            "{\"a\" 1 2",
            &"[".repeat(100_000),
        ] {
            assert!(seen(head, &["a", "[]"]).len() < 10, "{head:.20}");
        }
        assert_eq!(last_name("results[].extra.rule{}"), Some("rule"));
        assert_eq!(last_name("[]"), None);
    }
}
