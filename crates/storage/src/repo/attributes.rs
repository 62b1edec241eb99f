//! Index entries and unique values of a record, taken from its JSON by the declarations.

use serde_json::Value;

use crate::collection::{Collection, Unique};
use crate::kernel::IndexEntry;

/// Separates the parts of a joined key; control characters do not occur in the fields used.
pub const SEPARATOR: char = '\u{1f}';

/// The partition of an index that has no partition fields.
const ALL: &str = "*";

/// A field as it is written into a key: numbers padded so that they sort as numbers do.
/// `None` where the record has no such value.
fn part(body: &Value, path: &str) -> Option<String> {
    let value = path
        .split('.')
        .try_fold(body, |value, step| value.get(step))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(u8::from(*flag).to_string()),
        Value::Number(number) => number.as_i64().map(sortable),
        _ => None,
    }
}

/// A number as text that sorts like the number (20 digits, shifted to be positive).
#[must_use]
pub fn sortable(number: i64) -> String {
    format!("{:020}", i128::from(number) - i128::from(i64::MIN))
}

fn join(body: &Value, fields: &[&str]) -> Option<String> {
    let parts: Option<Vec<String>> = fields.iter().map(|field| part(body, field)).collect();
    Some(parts?.join(&SEPARATOR.to_string()))
}

/// The partition of a declared index for given values.
#[must_use]
pub fn index_partition(values: &[String]) -> String {
    if values.is_empty() {
        ALL.to_owned()
    } else {
        values.join(&SEPARATOR.to_string())
    }
}

/// The record's entries in its collection's declared indexes.
#[must_use]
pub fn entries(collection: &Collection, body: &Value) -> Vec<IndexEntry> {
    collection
        .indexes
        .iter()
        .filter_map(|index| {
            let partition = if index.partition.is_empty() {
                ALL.to_owned()
            } else {
                join(body, index.partition)?
            };
            Some(IndexEntry {
                index: index.name,
                partition,
                sort: join(body, index.sort)?,
            })
        })
        .collect()
}

/// The record's unique values: which declaration, and the values joined.
#[must_use]
pub fn uniques(collection: &Collection, body: &Value) -> Vec<(&'static Unique, String)> {
    collection
        .unique
        .iter()
        .filter_map(|unique| Some((unique, join(body, unique.fields)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::declared;
    use serde_json::json;

    #[test]
    fn numbers_sort_as_numbers() {
        let mut numbers = [3, -1, i64::MAX, 0, i64::MIN, 20];
        let mut texts: Vec<String> = numbers.iter().map(|&n| sortable(n)).collect();
        numbers.sort_unstable();
        texts.sort_unstable();
        assert_eq!(
            texts,
            numbers.iter().map(|&n| sortable(n)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_record_without_the_field_is_not_in_the_list() {
        let report = declared("report").expect("declared");
        let with = entries(
            report,
            &json!({"group": "grp_1", "asset": "ast_1", "created": 5}),
        );
        assert_eq!(with.len(), 2);
        let without = entries(
            report,
            &json!({"group": "grp_1", "asset": null, "created": 5}),
        );
        assert_eq!(without.len(), 1);
    }
}
