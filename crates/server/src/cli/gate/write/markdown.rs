//! Markdown, for comments on pull requests and job summaries.

use super::super::place::place;
use super::super::told::Told;
use super::{headline, summary, terms};

/// Rows of the table; comments have a limited length, and people a limited patience.
const ROWS: usize = 50;
/// Longest text of a cell, in characters.
const CELL: usize = 200;

pub fn written(told: &Told) -> String {
    let sign = match told.verdict.as_str() {
        "PASS" => "✅",
        "BROKEN" => "❌",
        _ => "❔",
    };
    let mut text = format!("### {sign} Gna gate\n\n{}.\n", summary(told));
    if !told.breaking.is_empty() {
        text.push_str("\n| Severity | Vulnerability | Where | Known for |\n|---|---|---|---|\n");
        for offender in told.breaking.iter().take(ROWS) {
            let age = match offender.age_days {
                Some(0) => "new".to_owned(),
                Some(days) => format!("{days} d"),
                None => "?".to_owned(),
            };
            text.push_str(&format!(
                "| {:.1} {} | {} | {} | {age} |\n",
                offender.score,
                offender.level,
                cell(&headline(offender)),
                cell(&place(&offender.location)),
            ));
        }
        if let Some(more) = told
            .breaking
            .len()
            .checked_sub(ROWS)
            .filter(|more| *more > 0)
        {
            text.push_str(&format!("\nand {more} more.\n"));
        }
    }
    for file in &told.unreadable {
        text.push_str(&format!(
            "\n**{}** could not be read: {}\n",
            cell(&file.file),
            cell(&file.message)
        ));
    }
    text.push_str(&format!(
        "\nTerms: {}. Basis: {}.\n",
        terms(told),
        cell(&told.basis)
    ));
    for note in &told.notes {
        text.push_str(&format!("\n> {}\n", cell(note)));
    }
    text
}

/// Text from outside that stays text: on one line, no markup, no mention of anybody, no link.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for c in text.chars().take(CELL) {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|'
            | '~' => {
                cell.push('\\');
                cell.push(c);
            }
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '&' => cell.push_str("&amp;"),
            // A word joiner keeps it from being an address or somebody's name.
            '@' | ':' => {
                cell.push(c);
                cell.push('\u{2060}');
            }
            c if c.is_control() => cell.push(' '),
            c => cell.push(c),
        }
    }
    if text.chars().count() > CELL {
        cell.push('…');
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_a_report_stays_text() {
        assert_eq!(
            cell("a|b\n<img> [x](y) @all"),
            "a\\|b &lt;img&gt; \\[x\\]\\(y\\) @\u{2060}all"
        );
        assert_eq!(cell(&"x".repeat(300)).chars().count(), CELL + 1);
    }
}
