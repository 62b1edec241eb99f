//! For people, on a terminal: no control characters from outside.

use super::super::place::place;
use super::super::told::Told;
use super::{headline, summary, terms};
use crate::cli::output::plain;

pub fn written(told: &Told) -> String {
    let mut lines = Vec::new();
    for offender in &told.breaking {
        lines.push(format!(
            "{:<8} {:>4.1}  {}  {}",
            offender.level.as_str(),
            offender.score,
            plain(&headline(offender)),
            plain(&place(&offender.location)),
        ));
    }
    for file in &told.unreadable {
        lines.push(format!(
            "{}: refused: {}",
            plain(&file.file),
            plain(&file.message)
        ));
    }
    lines.push(summary(told));
    let from = told.snapshot.as_ref().map_or_else(String::new, |snapshot| {
        format!(" of {} at {}", plain(&snapshot.asset), snapshot.made)
    });
    lines.push(format!("terms: {}", terms(told)));
    lines.push(format!("basis: {}{from}", told.basis));
    lines.extend(told.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(told.runs.iter().map(|run| format!("run: {}", plain(run))));
    lines.join("\n") + "\n"
}
