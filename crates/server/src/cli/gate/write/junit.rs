//! JUnit XML, as CI systems read it: one test case per vulnerability that breaks the gate, or one
//! that passes. In lax mode they are skipped ones, so that the report does not fail the build.

use super::super::place::place;
use super::super::told::Told;
use super::{headline, summary};

pub fn written(told: &Told) -> String {
    let mut cases = String::new();
    let (mut failures, mut skipped, mut errors) = (0, 0, 0);
    for offender in &told.breaking {
        let name = format!("{} ({})", headline(offender), place(&offender.location));
        let file = offender
            .location
            .path()
            .map(|path| format!(" file=\"{}\"", escaped(path)))
            .unwrap_or_default();
        let why = escaped(&offender.why);
        let outcome = if told.terms.strict {
            failures += 1;
            let text = format!(
                "{}\n{}\nreported by {}",
                headline(offender),
                place(&offender.location),
                offender.tool
            );
            format!(
                "<failure message=\"{why}\" type=\"{}\">{}</failure>",
                offender.level,
                escaped(&text)
            )
        } else {
            skipped += 1;
            format!("<skipped message=\"{why}\"/>")
        };
        cases.push_str(&format!(
            "    <testcase classname=\"gna.gate.{}\" name=\"{}\"{file}>{outcome}</testcase>\n",
            escaped(&offender.tool),
            escaped(&name),
        ));
    }
    for file in &told.unreadable {
        errors += 1;
        cases.push_str(&format!(
            "    <testcase classname=\"gna.gate\" name=\"{}\"><error message=\"{}\" type=\"{}\"/></testcase>\n",
            escaped(&file.file),
            escaped(&file.message),
            escaped(&file.code),
        ));
    }
    if cases.is_empty() {
        cases.push_str(&format!(
            "    <testcase classname=\"gna.gate\" name=\"{}\"/>\n",
            escaped(&summary(told))
        ));
    }
    let tests = cases
        .lines()
        .filter(|line| line.starts_with("    <testcase"))
        .count();
    let totals = format!(
        "tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\""
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"gna gate\" {totals}>\n  <testsuite name=\"gna gate\" {totals}>\n    <properties><property name=\"verdict\" value=\"{}\"/><property name=\"basis\" value=\"{}\"/></properties>\n{cases}  </testsuite>\n</testsuites>\n",
        told.verdict.as_str(),
        escaped(&told.basis),
    )
}

/// Text of an element or an attribute. What XML can't hold at all (XML 1.0, section 2.2) becomes a
/// replacement character; line ends are kept as references, so that attributes keep them too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' => escaped.push_str("&#9;"),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_an_attribute() {
        assert_eq!(
            escaped("a\"b<c>&d\n\u{0}"),
            "a&quot;b&lt;c&gt;&amp;d&#10;\u{fffd}"
        );
    }
}
