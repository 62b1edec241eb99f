//! What people write as Markdown (CommonMark, with tables and strikethrough) as HTML that is safe to show.
//!
//! HTML in it is shown as the text that it is. What the library `pulldown-cmark` makes is cleaned once more
//! by `ammonia`: no scripts, no styles, no pictures (which would be asked of other servers), links to
//! http, https and mailto only.

use ammonia::Builder;
use pulldown_cmark::{Event, Options, Parser, html};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Deepest nesting that is kept: what lies deeper stays, without its frame.
const DEPTH: usize = 32;

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::default();
    cleaner
        .rm_tags(["img", "map", "area"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener noreferrer nofollow"));
    cleaner
});

#[must_use]
pub fn render(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut depth = 0_usize;
    let events = Parser::new_ext(text, options).filter_map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(_) => {
            depth += 1;
            (depth <= DEPTH).then_some(event)
        }
        Event::End(_) => {
            depth = depth.saturating_sub(1);
            (depth < DEPTH).then_some(event)
        }
        other => Some(other),
    });
    let mut made = String::new();
    html::push_html(&mut made, events);
    CLEANER.clean(&made).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_shown_and_nothing_runs() {
        for (text, shown) in [
            (
                "**bold** `x < y`",
                "<p><strong>bold</strong> <code>x &lt; y</code></p>\n",
            ),
            (
                "[a](https://example.com)",
                "<p><a href=\"https://example.com\" rel=\"noopener noreferrer nofollow\">a</a></p>\n",
            ),
            ("Vec<T>", "<p>Vec&lt;T&gt;</p>\n"),
            ("~~gone~~", "<p><del>gone</del></p>\n"),
        ] {
            assert_eq!(render(text), shown, "{text}");
        }
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![x](https://tracker.example/1.png)",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>)",
            "[x](vbscript:x)",
            "<a href=\"javascript:x\" onclick=y>z</a>",
            "<svg/onload=alert(1)>",
            "<iframe src=//evil.example>",
            "a\n\n<style>*{display:none}</style>",
            "[x]: javascript:alert(1)\n\n[x]",
            "<javascript:alert(1)>",
        ] {
            let html = render(hostile);
            for word in [
                "<script",
                "<img",
                "<svg",
                "<iframe",
                "<style",
                "<a href=\"j",
                "<a href=\"J",
                "<a href=\"d",
                "<a href=\"v",
                "<a onclick",
            ] {
                assert!(!html.contains(word), "{hostile}: {html}");
            }
        }
    }

    #[test]
    fn deep_nesting_costs_little_and_loses_no_text() {
        for deep in [
            ">".repeat(19_000),
            "- ".repeat(9_000),
            "*a ".repeat(6_000),
            "[".repeat(19_000),
        ] {
            let html = render(&format!("{deep} end"));
            assert!(
                html.contains("end"),
                "{} …",
                deep.get(..5).unwrap_or_default()
            );
            assert!(html.matches("<blockquote>").count() <= DEPTH);
        }
    }
}
