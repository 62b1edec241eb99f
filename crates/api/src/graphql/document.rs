//! Query texts, read once: clients send the same few over and over.
//!
//! What a text alone decides is decided here too: how deep its brackets nest (before the recursive
//! parser sees it), how many aliases it has, by which one field could be asked for a thousand
//! times, and how many fields it is once its fragments are put in, which every later check walks
//! through one by one. Depth and cost of fields are checked by the schema, which knows them.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{ErrorExtensionValues, Name, ServerError};
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

/// Most fields of a text with its fragments put in wherever they are named.
const MAX_FIELDS: usize = 10_000;
/// Longest chain of fragments that name each other.
const MAX_CHAIN: usize = 32;

/// Parsed texts.
#[derive(Default)]
pub struct Documents(Mutex<HashMap<String, ExecutableDocument>>);

impl Documents {
    /// # Errors
    /// What the parser refuses, `graphql.too_deep`, `graphql.too_many_aliases`, `graphql.too_large`.
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
        let whole = Expanded::default().all(&document);
        if whole.is_none_or(|fields| fields > MAX_FIELDS) {
            return Err(refused(
                "graphql.too_large",
                format!(
                    "a query may have {MAX_FIELDS} fields at most with its fragments put in, and fragments may name each other {MAX_CHAIN} deep at most, never in a circle"
                ),
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

/// How deep brackets nest outside of strings and comments.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'#' => after_any(after, b"\n\r"),
            b'"' => after_string(after),
            _ => after,
        };
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What follows the first of these bytes.
fn after_any<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let at = text.iter().position(|byte| ends.contains(byte));
    at.and_then(|at| text.get(at + 1..)).unwrap_or_default()
}

/// What follows a string whose first quote was read (GraphQL specification, "String Value"): one
/// with three quotes goes over lines and knows only `\"""` as an escape.
fn after_string(text: &[u8]) -> &[u8] {
    let Some(mut rest) = text.strip_prefix(b"\"\"") else {
        let mut rest = text;
        while let Some((byte, after)) = rest.split_first() {
            rest = match byte {
                b'\\' => after.get(1..).unwrap_or_default(),
                b'"' | b'\n' | b'\r' => return after,
                _ => after,
            };
        }
        return rest;
    };
    loop {
        if let Some(after) = rest.strip_prefix(b"\"\"\"") {
            return after;
        }
        let step = if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 };
        match rest.get(step..) {
            Some(after) => rest = after,
            None => return rest,
        }
    }
}

/// A set of fields with its fragments put in.
#[derive(Clone, Copy, Default)]
struct Size {
    fields: usize,
    /// Fragments that name each other, one in the other.
    chain: usize,
}

/// Sizes of fragments, each found once.
#[derive(Default)]
struct Expanded<'a> {
    /// `None` while it is being found.
    known: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Expanded<'a> {
    /// The fields of all operations and fragments; nothing where fragments go in a circle or name
    /// each other too deep.
    fn all(mut self, document: &'a ExecutableDocument) -> Option<usize> {
        let mut sum = 0_usize;
        for (_, operation) in document.operations.iter() {
            let size = self.set(document, &operation.node.selection_set.node, 0)?;
            sum = sum.saturating_add(size.fields);
        }
        for name in document.fragments.keys() {
            sum = sum.saturating_add(self.fragment(document, name, 0)?.fields);
        }
        Some(sum)
    }

    /// `within`: how many fragments it is in, which bounds this recursion.
    fn set(
        &mut self,
        document: &'a ExecutableDocument,
        set: &'a SelectionSet,
        within: usize,
    ) -> Option<Size> {
        let mut sum = Size::default();
        for item in &set.items {
            let size = match &item.node {
                Selection::Field(field) => {
                    self.set(document, &field.node.selection_set.node, within)?
                }
                Selection::InlineFragment(inline) => {
                    self.set(document, &inline.node.selection_set.node, within)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(document, &spread.node.fragment_name.node, within)?
                }
            };
            sum.fields = sum.fields.saturating_add(size.fields).saturating_add(1);
            sum.chain = sum.chain.max(size.chain);
        }
        Some(sum)
    }

    fn fragment(
        &mut self,
        document: &'a ExecutableDocument,
        name: &'a Name,
        within: usize,
    ) -> Option<Size> {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        // One that is not there is refused by the schema.
        let Some(fragment) = document.fragments.get(name) else {
            return Some(Size::default());
        };
        if within >= MAX_CHAIN {
            return None;
        }
        self.known.insert(name, None);
        let inner = self.set(document, &fragment.node.selection_set.node, within + 1)?;
        let size = Size {
            chain: inner.chain + 1,
            ..inner
        };
        self.known.insert(name, Some(size));
        Some(size).filter(|size| size.chain <= MAX_CHAIN)
    }
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
            ("# \"\n{a{b{c}}}", 3),
            ("# {{{{{\r{a}", 1),
            (r#"{a(b:"""x " {{{{ y""") {c}}"#, 2),
            (r#"{a(b:"""x \""" {{{{ y""") {c}}"#, 2),
            (r#"{a(b:"") {c{d}}}"#, 3),
            ("{a(b:\"\n{{{{", 6),
            (r#"{a(b:"\"#, 2),
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
        let hidden = format!("# \"\n{}", "{a".repeat(100_000));
        assert_eq!(code(&hidden), Some("graphql.too_deep".into()));
        let doubling = |count: usize| {
            let chain = (0..count).map(|n| {
                let next = n + 1;
                format!("fragment f{n} on Query{{...f{next} ...f{next} ...f{next}}} ")
            });
            let chain: String = chain.collect();
            format!("{{...f0}} {chain} fragment f{count} on Query{{__typename}}")
        };
        for text in [
            doubling(29),
            doubling(5_000),
            "{...f} fragment f on Query{...g ...g} fragment g on Query{...f}".to_owned(),
            format!("{{{}}}", "a ".repeat(MAX_FIELDS + 1)),
        ] {
            assert_eq!(code(&text), Some("graphql.too_large".into()));
        }
        assert!(documents.parsed(&doubling(3)).is_ok());
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
