//! Query texts, read once: clients send the same few over and over.
//!
//! What a text alone decides is decided here too: how deep its brackets nest (before the recursive
//! parser sees it) and how many aliases it has, by which one field could be asked for a thousand
//! times. Depth and cost of fields are checked by the schema, which knows them.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{ErrorExtensionValues, ServerError};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Texts that are kept; when there are more, all are forgotten.
const KEPT: usize = 256;
/// Longest text that is kept, in bytes.
pub(super) const KEPT_BYTES: usize = 16 * 1024;
/// Most aliases of one text.
pub const MAX_ALIASES: usize = 50;
/// Deepest nesting of brackets.
const MAX_NESTING: usize = 64;

/// Parsed texts.
#[derive(Default)]
pub struct Documents(Mutex<HashMap<String, ExecutableDocument>>);

impl Documents {
    /// # Errors
    /// What the parser refuses, `graphql.too_deep`, `graphql.too_many_aliases`.
    pub fn parsed(&self, text: &str) -> Result<ExecutableDocument, ServerError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = known.get(text) {
            return Ok(document.clone());
        }
        drop(known);
        if nesting(text) > MAX_NESTING {
            return Err(refused(
                "graphql.too_deep",
                format!("brackets may nest {MAX_NESTING} deep at most"),
            ));
        }
        let document = parse_query(text)?;
        if aliases(&document) > MAX_ALIASES {
            return Err(refused(
                "graphql.too_many_aliases",
                format!("a query may have {MAX_ALIASES} aliases at most"),
            ));
        }
        if text.len() <= KEPT_BYTES {
            known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(text.to_owned(), document.clone());
        }
        Ok(document)
    }
}

/// An error of the request itself.
pub fn refused(code: &str, message: String) -> ServerError {
    let mut error = ServerError::new(message, None);
    let mut values = ErrorExtensionValues::default();
    values.set("code", code);
    values.set("kind", "LIMIT");
    error.extensions = Some(values);
    error
}

/// How deep brackets nest outside of strings.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn aliases(document: &ExecutableDocument) -> usize {
    let operations = document
        .operations
        .iter()
        .map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document
        .fragments
        .values()
        .map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).map(aliases_in).sum()
}

/// Its depth is bounded by [`MAX_NESTING`].
fn aliases_in(set: &SelectionSet) -> usize {
    set.items
        .iter()
        .map(|item| match &item.node {
            Selection::Field(field) => {
                usize::from(field.node.alias.is_some()) + aliases_in(&field.node.selection_set.node)
            }
            Selection::InlineFragment(fragment) => aliases_in(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        for (text, depth) in [
            ("{a}", 1),
            ("{a(b:[{c:1}]){d}}", 4),
            (r#"{a(b:"{{{[[[(((")}"#, 2),
            (r#"{a(b:"\"{{{{")}"#, 2),
            ("}}}}{", 1),
        ] {
            assert_eq!(nesting(text), depth, "{text}");
        }
    }

    #[test]
    fn a_text_is_refused_before_it_can_hurt() {
        let documents = Documents::default();
        let code = |text: &str| {
            let error = documents.parsed(text).expect_err("refused");
            error
                .extensions
                .and_then(|values| values.get("code").cloned())
        };
        assert_eq!(code(&"{a".repeat(100_000)), Some("graphql.too_deep".into()));
        let many: String = (0..=MAX_ALIASES).map(|n| format!("a{n}:b ")).collect();
        assert_eq!(
            code(&format!("{{{many}}}")),
            Some("graphql.too_many_aliases".into())
        );
        assert_eq!(
            code(&format!("{{...f}} fragment f on Query {{{many}}}")),
            Some("graphql.too_many_aliases".into())
        );
        assert!(documents.parsed("{").is_err());
    }

    #[test]
    fn a_text_is_read_once_and_the_shelf_has_an_end() {
        let documents = Documents::default();
        for n in 0..KEPT * 2 + 3 {
            assert!(documents.parsed(&format!("{{a{n}}}")).is_ok());
        }
        assert_eq!(documents.0.lock().expect("not poisoned").len(), 3);
        assert!(documents.parsed("{a1}").is_ok() && documents.parsed("{a1}").is_ok());
    }
}
