//! Masking secrets that are known: what was sent to another system, in what it says back.
//!
//! [`super::redact`] masks by name and shape; a key of a shape that nobody knows is found only by
//! comparing. Both are used on words of other systems.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::redact::MASK;
use crate::secret::Secret;

/// Shortest secret that is looked for, in bytes: of shorter ones too much else would be masked.
const SHORTEST: usize = 6;

/// Secrets in the forms in which they may come back. Holds nothing that is printed.
#[derive(Default)]
pub struct KnownSecrets(Vec<Secret>);

impl KnownSecrets {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more. Of `Bearer abc` what follows the scheme counts, too.
    pub fn add(&mut self, secret: &str) {
        let last = secret.split_whitespace().last().unwrap_or_default();
        for secret in [secret, last] {
            if secret.len() < SHORTEST {
                continue;
            }
            let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            for form in [secret.to_owned(), encoded, STANDARD.encode(secret)] {
                if self.0.iter().all(|known| known.expose() != form) {
                    self.0.push(Secret::new(form));
                }
            }
        }
        // The longest first: one may be a part of another.
        self.0
            .sort_by_key(|known| std::cmp::Reverse(known.expose().len()));
    }

    /// With every text in a value.
    pub fn add_all(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_all(item)),
            Value::Object(fields) => fields.values().for_each(|value| self.add_all(value)),
            _ => {}
        }
    }

    /// The text with each of them masked.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, known| {
            match text.contains(known.expose()) {
                true => text.replace(known.expose(), MASK),
                false => text,
            }
        })
    }

    /// The value with each of them masked in all texts of it.
    #[must_use]
    pub fn masked_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.masked(text)),
            Value::Array(items) => items.iter().map(|item| self.masked_json(item)).collect(),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (self.masked(name), self.masked_json(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_sent_is_masked_in_whatever_form_it_comes_back() {
        let mut known = KnownSecrets::new();
        known.add("Bearer oddly/shaped key");
        known.add("swordfish");
        known.add_all(&json!({"a": ["correct horse"], "b": {"c": "swordfish-2"}}));
        known.add("abc");
        for (text, shown) in [
            ("no key", "no key"),
            ("wrong: swordfish!", "wrong: [secret]!"),
            ("wrong: swordfish-2!", "wrong: [secret]!"),
            ("Bearer oddly/shaped key", "[secret]"),
            ("?q=correct%20horse", "?q=[secret]"),
            ("c3dvcmRmaXNo", "[secret]"),
            ("abc", "abc"),
        ] {
            assert_eq!(known.masked(text), shown);
        }
        let value = json!({"swordfish": [1, "x swordfish"], "b": null});
        assert_eq!(
            known.masked_json(&value),
            json!({"[secret]": [1, "x [secret]"], "b": null})
        );
    }
}
