//! What web scanners put into fields of HTML: addresses, and names of weaknesses.
//!
//! What it is not: a reader of HTML; [`crate::text::plain`] is. Used by Burp and ZAP.

use crate::text;

/// Every web address in the text or markup, in order, without repeats.
pub(super) fn links(html: &str) -> Vec<String> {
    let plain = text::plain(html);
    let mut links = Vec::new();
    for word in plain.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'')) {
        let Some(start) = word.find("https://").or_else(|| word.find("http://")) else {
            continue;
        };
        let mut link = word.get(start..).unwrap_or_default();
        link = link.trim_end_matches(['.', ',', ';']);
        // A bracket belongs to the address only if it opened there.
        let closing = link.matches(')').count();
        let mut more = closing.saturating_sub(link.matches('(').count());
        while more > 0
            && let Some(shorter) = link.strip_suffix(')')
        {
            link = shorter;
            more -= 1;
        }
        links.push(link);
    }
    text::unique(links).into_iter().map(str::to_owned).collect()
}

/// CWE numbers named in the text or markup, line by line.
pub(super) fn cwes(html: &str) -> Vec<u32> {
    let plain = text::plain(html);
    let named = plain
        .lines()
        .filter(|line| line.to_ascii_lowercase().contains("cwe-"));
    text::cwes(named)
}

/// Plain text, `None` where nothing is left.
pub(super) fn plain(html: Option<&str>) -> Option<String> {
    html.map(text::plain).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_addresses_and_many_brackets_are_read_in_one_walk() {
        let many: Vec<String> = (0..300_000)
            .map(|nth| format!("https://x.example/{nth}"))
            .collect();
        let again = format!("{0} {0}", many.join(" "));
        assert_eq!(links(&again).len(), many.len());
        let brackets = format!("https://x.example/{}", ")".repeat(5_000_000));
        assert_eq!(links(&brackets), ["https://x.example/"]);
    }

    #[test]
    fn addresses_and_weaknesses_are_found_in_markup() {
        let html = "<ul><li><a href=\"https://cwe.mitre.org/data/definitions/79.html\">CWE-79: Cross-site</a></li>\
                    <li>CAPEC-591: Reflected</li><li>see https://x.example/a_(b), (http://y.example).</li></ul>";
        assert_eq!(
            links(html),
            [
                "https://cwe.mitre.org/data/definitions/79.html",
                "https://x.example/a_(b)",
                "http://y.example"
            ]
        );
        assert_eq!(cwes(html), [79]);
        assert_eq!(
            links("(http://x.example/a(b)))) http://x.example/)("),
            ["http://x.example/a(b)", "http://x.example/)("]
        );
        assert_eq!(plain(Some("<p> </p>")), None);
    }
}
