//! A selection as SQL. Every leaf is true or false, never null, so that `NOT` means what it says.
//! Names of fields come from the declared ones; values are always parameters.

use gna_domain::port::search::{Condition, FieldKind, Operand, Selection, declared};
use sqlx::{Postgres, QueryBuilder};
use std::collections::BTreeSet;

use super::write::bytes;
use crate::search::cursor::MISSING;
use crate::search::text;

/// The groups of a selection, each once.
pub fn groups(selection: &Selection) -> Vec<Vec<u8>> {
    let groups: BTreeSet<_> = selection.groups.iter().copied().collect();
    groups.into_iter().map(bytes).collect()
}

/// Pushes what a document `d` of one of the groups must fulfil besides being of it.
pub fn push_selection(sql: &mut QueryBuilder<Postgres>, selection: &Selection) {
    push_condition(sql, &selection.condition);
    let words: Vec<String> = selection
        .text
        .as_deref()
        .map(|query| text::words(query).collect())
        .unwrap_or_default();
    for (at, word) in words.iter().enumerate() {
        // Words are letters and digits only: nothing in them can end the quotes.
        let lexeme = match at + 1 == words.len() {
            true => format!("'{word}':*"),
            false => format!("'{word}'"),
        };
        sql.push(" AND (d.words @@ ")
            .push_bind(lexeme.clone())
            .push("::tsquery OR (d.grp, d.finding) IN (SELECT f.grp, f.id FROM search_finding f WHERE f.grp = ANY (")
            .push_bind(groups(selection))
            .push(") AND f.words @@ ")
            .push_bind(lexeme)
            .push("::tsquery))");
    }
}

fn push_all(
    sql: &mut QueryBuilder<Postgres>,
    parts: &[Condition],
    between: &'static str,
    none: &'static str,
) {
    sql.push("(");
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            sql.push(between);
        }
        push_condition(sql, part);
    }
    if parts.is_empty() {
        sql.push(none);
    }
    sql.push(")");
}

fn push_condition(sql: &mut QueryBuilder<Postgres>, condition: &Condition) {
    match condition {
        Condition::All(parts) => push_all(sql, parts, " AND ", "true"),
        Condition::Any(parts) => push_all(sql, parts, " OR ", "false"),
        Condition::Not(part) => {
            sql.push("NOT (");
            push_condition(sql, part);
            sql.push(")");
        }
        Condition::In(name, operands) => push_in(sql, name, operands),
        Condition::Between(name, from, to) => {
            sql.push(format!("(d.f_{name} <> {MISSING}"));
            for (bound, compare) in [(from, ">="), (to, "<=")] {
                if let Some(bound) = bound {
                    sql.push(format!(" AND d.f_{name} {compare} "))
                        .push_bind(*bound);
                }
            }
            sql.push(")");
        }
        Condition::Prefix(name, prefix) => {
            let mut end = prefix.clone().into_bytes();
            // No UTF-8 holds this byte: what begins with the prefix is before it.
            end.push(0xFF);
            sql.push(format!("coalesce(d.f_{name} >= "))
                .push_bind(prefix.clone().into_bytes())
                .push(format!(" AND d.f_{name} < "))
                .push_bind(end)
                .push(", false)");
        }
        Condition::Contains(name, part) => {
            sql.push("coalesce(position(")
                .push_bind(text::lower(part).into_bytes())
                .push(format!(" IN d.l_{name}) > 0, false)"));
        }
    }
}

fn push_in(sql: &mut QueryBuilder<Postgres>, name: &str, operands: &[Operand]) {
    let texts = || -> Vec<Vec<u8>> {
        operands
            .iter()
            .filter_map(|operand| match operand {
                Operand::Keyword(text) => Some(text.clone().into_bytes()),
                Operand::Number(_) => None,
            })
            .collect()
    };
    match declared(name).map(|field| field.kind) {
        Some(FieldKind::Number) => {
            let numbers: Vec<i64> = operands
                .iter()
                .filter_map(|operand| match operand {
                    Operand::Number(number) if *number != MISSING => Some(*number),
                    _ => None,
                })
                .collect();
            sql.push(format!("d.f_{name} = ANY ("))
                .push_bind(numbers)
                .push(")");
        }
        Some(FieldKind::Keywords) => {
            sql.push(format!("d.f_{name} && ")).push_bind(texts());
        }
        Some(FieldKind::Keyword | FieldKind::Path) => {
            sql.push(format!("coalesce(d.f_{name} = ANY ("))
                .push_bind(texts())
                .push("), false)");
        }
        None => {
            sql.push("false");
        }
    }
}
