//! Annotations of GitHub Actions: workflow commands on standard output, one per line.

use super::super::place::place;
use super::super::told::Told;
use super::{headline, summary, terms};

pub fn written(told: &Told) -> String {
    let kind = if told.terms.strict {
        "error"
    } else {
        "warning"
    };
    let mut text = String::new();
    for offender in &told.breaking {
        let location = &offender.location;
        let mut properties = Vec::new();
        if let Some(path) = location.path() {
            properties.push(format!("file={}", property(path)));
            if let Some(line) = location.line() {
                properties.push(format!("line={line}"));
            }
        }
        let title = format!("{} {:.1}", offender.level, offender.score);
        properties.push(format!("title={}", property(&title)));
        let message = format!(
            "{} in {} ({})",
            headline(offender),
            place(location),
            offender.why
        );
        text.push_str(&format!(
            "::{kind} {}::{}\n",
            properties.join(","),
            data(&message)
        ));
    }
    for file in &told.unreadable {
        let message = format!("{}: {}", file.file, file.message);
        text.push_str(&format!("::error title=unreadable::{}\n", data(&message)));
    }
    let said = format!("{} [{}; basis: {}]", summary(told), terms(told), told.basis);
    text.push_str(&format!("::notice title=Gna gate::{}\n", data(&said)));
    text
}

/// The text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A value among a command's properties, which end at commas and colons.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_can_give_no_commands() {
        assert_eq!(
            data("50%\n::stop-commands::x"),
            "50%25%0A::stop-commands::x"
        );
        assert_eq!(property("C:\\a,b"), "C%3A\\a%2Cb");
    }
}
