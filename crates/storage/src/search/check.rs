//! Which documents and requests are well formed, for every implementation alike.
//!
//! After these checks an implementation need not think about undeclared fields, wrong kinds of
//! values or conditions of unreasonable size.

use gna_domain::error::{Error, Result};
use gna_domain::port::search::{
    Condition, Document, FieldKind, Operand, SearchRequest, Selection, Value, declared,
};

use super::text;

/// Deepest nesting of `All`, `Any` and `Not`.
const DEPTH: usize = 32;
/// Most conditions and operands in one selection.
const SIZE: usize = 10_000;
/// Most words in a text to search for.
const WORDS: usize = 64;
/// Most hits on a page.
const PAGE: usize = 1_000;

/// # Errors
/// `search.field`, `search.operand`, `search.size`, `search.text` by what is wrong.
pub fn selection(selection: &Selection) -> Result<()> {
    let mut left = SIZE;
    condition(&selection.condition, DEPTH, &mut left)?;
    if selection
        .text
        .as_deref()
        .is_some_and(|query| text::words(query).nth(WORDS).is_some())
    {
        return Err(Error::invalid(
            "search.text",
            format!("search for at most {WORDS} words at once"),
        ));
    }
    Ok(())
}

/// # Errors
/// Those of [`selection`]; `search.sort` for a field that can't be sorted by; `search.limit`.
pub fn request(request: &SearchRequest) -> Result<()> {
    selection(&request.selection)?;
    if !declared(request.sort.field).is_some_and(|field| field.sort) {
        return Err(Error::invalid(
            "search.sort",
            format!("{} is not something to sort by", request.sort.field),
        ));
    }
    if request.limit == 0 || request.limit > PAGE {
        return Err(Error::invalid(
            "search.limit",
            format!("a page has 1 to {PAGE} hits"),
        ));
    }
    Ok(())
}

/// # Errors
/// `search.field` for a field that is not counted.
pub fn facets(fields: &[&'static str]) -> Result<()> {
    match fields
        .iter()
        .find(|name| !declared(name).is_some_and(|field| field.facet))
    {
        Some(name) => Err(Error::invalid(
            "search.field",
            format!("{name} is not something to count by"),
        )),
        None => Ok(()),
    }
}

/// # Errors
/// `search.document`: whoever made it gave a field that is not declared or a value of another kind.
pub fn document(document: &Document) -> Result<()> {
    for (name, value) in &document.values {
        let fits = declared(name).is_some_and(|field| {
            matches!(
                (field.kind, value),
                (FieldKind::Number, Value::Number(_))
                    | (FieldKind::Keyword | FieldKind::Path, Value::Keyword(_))
                    | (FieldKind::Keywords, Value::Keywords(_))
            )
        });
        if !fits {
            return Err(Error::internal(
                "search.document",
                format!("a document has no such value in its field {name}"),
            ));
        }
    }
    Ok(())
}

fn condition(condition: &Condition, depth: usize, left: &mut usize) -> Result<()> {
    let cost = match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.len() + 1,
        Condition::In(_, operands) => operands.len() + 1,
        _ => 1,
    };
    *left = left
        .checked_sub(cost)
        .filter(|_| depth > 0)
        .ok_or_else(|| {
            Error::invalid(
                "search.size",
                format!("a filter has at most {SIZE} parts, nested at most {DEPTH} deep"),
            )
        })?;
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts
            .iter()
            .try_for_each(|part| self::condition(part, depth - 1, left)),
        Condition::Not(part) => self::condition(part, depth - 1, left),
        Condition::In(name, operands) => {
            let number = kind(name)? == FieldKind::Number;
            match operands
                .iter()
                .all(|operand| matches!(operand, Operand::Number(_)) == number)
            {
                true => Ok(()),
                false => Err(Error::invalid(
                    "search.operand",
                    format!(
                        "{name} is compared with {}",
                        if number { "numbers" } else { "texts" }
                    ),
                )),
            }
        }
        Condition::Between(name, ..) => expect(name, FieldKind::Number),
        Condition::Prefix(name, _) | Condition::Contains(name, _) => expect(name, FieldKind::Path),
    }
}

fn kind(name: &str) -> Result<FieldKind> {
    declared(name).map(|field| field.kind).ok_or_else(|| {
        Error::invalid(
            "search.field",
            format!("there is no field {name} to filter by"),
        )
    })
}

fn expect(name: &str, expected: FieldKind) -> Result<()> {
    if kind(name)? == expected {
        return Ok(());
    }
    Err(Error::invalid(
        "search.operand",
        format!("{name} can't be filtered this way"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::port::search::Condition::{Any, Between, Contains, In, Not, Prefix};

    fn code(condition: Condition) -> Option<&'static str> {
        selection(&Selection {
            groups: Vec::new(),
            condition,
            text: None,
        })
        .err()
        .map(|error| error.code())
    }

    #[test]
    fn conditions_fit_their_fields() {
        for (condition, expected) in [
            (In("state", vec![Operand::Keyword("OPEN".into())]), None),
            (
                In("state", vec![Operand::Number(1)]),
                Some("search.operand"),
            ),
            (
                In("severity", vec![Operand::Keyword("70".into())]),
                Some("search.operand"),
            ),
            (In("color", Vec::new()), Some("search.field")),
            (Between("severity", Some(70), None), None),
            (Between("path", Some(70), None), Some("search.operand")),
            (Prefix("path", "src/".into()), None),
            (Contains("state", "O".into()), Some("search.operand")),
            (
                Not(Box::new(Any(vec![Contains("nothing", String::new())]))),
                Some("search.field"),
            ),
            (
                In("tag", vec![Operand::Keyword(String::new()); 20_000]),
                Some("search.size"),
            ),
            (
                (0..100).fold(Any(Vec::new()), |inner, _| Not(Box::new(inner))),
                Some("search.size"),
            ),
        ] {
            assert_eq!(code(condition.clone()), expected, "{condition:?}");
        }
    }

    #[test]
    fn a_text_has_a_limit_of_words() {
        let of = |text: String| {
            selection(&Selection {
                groups: Vec::new(),
                condition: Any(Vec::new()),
                text: Some(text),
            })
        };
        assert!(of("word ".repeat(64)).is_ok());
        assert!(of("word ".repeat(65)).is_err());
    }
}
