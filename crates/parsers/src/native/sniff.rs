//! What the first bytes of a JSON report show: whether it is a list, and the names of its fields.
//!
//! For `detect` only: it never fails, allocates little, and judges nothing. The head may end
//! anywhere. Next: `detect` of any format beside it.

/// The outline of a JSON document, as far as its head shows it.
#[derive(Debug, Default)]
pub struct Outline<'a> {
    /// The document is a list; the keys are then those of its first object.
    pub list: bool,
    /// Keys of the root object (or of the first object of a root list), in their order, as written.
    pub keys: Vec<&'a str>,
    /// The whole head.
    pub text: &'a str,
}

impl<'a> Outline<'a> {
    /// Reads the head; `None` where the document is neither an object nor a list.
    #[must_use]
    pub fn of(head: &'a str) -> Option<Self> {
        let text = head.trim_start();
        let list = match text.as_bytes().first()? {
            b'{' => false,
            b'[' => true,
            _ => return None,
        };
        let level = if list { 2 } else { 1 };
        Some(Self {
            list,
            keys: keys(text, level),
            text,
        })
    }

    /// Whether the document is a list without an element: what many tools write for "nothing".
    #[must_use]
    pub fn is_empty_list(&self) -> bool {
        let inside = self
            .text
            .strip_prefix('[')
            .and_then(|text| text.trim_end().strip_suffix(']'));
        inside.is_some_and(|text| text.trim().is_empty())
    }

    /// The outline of the list under that key of the root, where the head shows its beginning.
    #[must_use]
    pub fn list_of(&self, key: &str) -> Option<Outline<'a>> {
        let (_, after) = self.text.split_once(&format!("\"{key}\""))?;
        Outline::of(after.trim_start().strip_prefix(':')?).filter(|outline| outline.list)
    }

    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }

    #[must_use]
    pub fn has_all(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.has(key))
    }

    #[must_use]
    pub fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.has(key))
    }

    /// Whether the head holds the text anywhere, in a string or not.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

/// The keys of the first object that opens at `level` (1 is the root).
fn keys(text: &str, level: u32) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut keys = Vec::new();
    let mut depth = 0_u32;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth < level {
                    break;
                }
            }
            b'"' => {
                let Some(end) = string_end(bytes, at + 1) else {
                    break;
                };
                let colon = bytes
                    .get(end + 1..)
                    .and_then(|rest| rest.iter().find(|byte| !byte.is_ascii_whitespace()));
                if depth == level && colon == Some(&b':') {
                    keys.extend(text.get(at + 1..end));
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    keys
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
    use super::Outline;

    #[test]
    fn keys_are_those_of_the_root_or_of_the_first_element() {
        for (head, list, expected) in [
            (
                r#"{"a": {"inner": 1}, "b\"c" : ["x"], "d": "e:"}"#,
                false,
                vec!["a", r#"b\"c"#, "d"],
            ),
            (
                r#" [ {"a": 1, "b": {"c": 2}}, {"later": 1} ]"#,
                true,
                vec!["a", "b"],
            ),
            (r#"{"a": 1, "cut o"#, false, vec!["a"]),
            (r#"{"a": 1} {"second": 2}"#, false, vec!["a"]),
            ("[]", true, vec![]),
            ("{\"a", false, vec![]),
        ] {
            let outline = Outline::of(head).unwrap();
            assert_eq!((outline.list, outline.keys), (list, expected), "{head}");
        }
        let report = Outline::of(r#"{"n": 1, "items": [ {"a": 1}, {"b": 2}]}"#).unwrap();
        assert_eq!(report.list_of("items").unwrap().keys, ["a"]);
        assert!(report.list_of("n").is_none() && !report.is_empty_list());
        assert!(
            Outline::of("[ \n]\n").unwrap().is_empty_list()
                && !Outline::of("[[1]]").unwrap().is_empty_list()
        );
        assert!(Outline::of("<xml/>").is_none() && Outline::of(" ").is_none());
    }
}
