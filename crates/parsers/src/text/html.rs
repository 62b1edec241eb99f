//! HTML as plain text: for the descriptions of ZAP, Burp, Nessus and others.
//!
//! What it is not: a sanitizer. Its result is text, and whoever shows it escapes it like any text.

/// Plain text of an HTML fragment: tags go, blocks become lines, list items get a `- `, entities
/// are decoded, a link keeps its address in brackets, scripts and styles vanish. Text without any
/// markup comes back unchanged but for white space at its ends.
#[must_use]
pub fn plain(html: &str) -> String {
    if !html.contains(['<', '&']) {
        return html.trim().to_owned();
    }
    let mut out = Output {
        text: String::with_capacity(html.len()),
        link: None,
    };
    let mut rest = html;
    // What stands behind the last `>` holds no tag. To know that beforehand spares looking for its end
    // from every `<` there.
    let tail = html.rfind('>').map_or(html.len(), |last| html.len() - last);
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.words(before);
        let Some((name, attributes, after)) = read_tag(tag, tag.len() > tail) else {
            // A lone `<`, as in `a < b`.
            out.text.push('<');
            rest = tag.get(1..).unwrap_or_default();
            continue;
        };
        rest = after;
        match name.as_str() {
            "script" | "style" => rest = skip_to_end(rest, &name),
            "br" | "p" | "/p" | "div" | "/div" | "/li" | "ul" | "/ul" | "ol" | "/ol" | "tr"
            | "/tr" | "table" | "/table" | "pre" | "/pre" | "h1" | "h2" | "h3" | "h4" | "h5"
            | "h6" | "/h1" | "/h2" | "/h3" | "/h4" | "/h5" | "/h6" | "blockquote"
            | "/blockquote" | "hr" => out.line(),
            "li" => {
                out.line();
                out.text.push_str("- ");
            }
            "td" | "th" => out.space(),
            "a" => {
                out.link =
                    attribute(attributes, "href").map(|address| (out.text.len(), decode(address)))
            }
            "/a" => out.end_link(),
            _ => {}
        }
    }
    out.words(rest);
    out.end_link();
    tidy(&out.text)
}

struct Output {
    text: String,
    /// Where the text of an open link began, and its address.
    link: Option<(usize, String)>,
}

impl Output {
    fn words(&mut self, html: &str) {
        self.text.push_str(&decode(html));
    }

    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn space(&mut self) {
        if !self.text.ends_with(char::is_whitespace) {
            self.text.push(' ');
        }
    }

    fn end_link(&mut self) {
        let Some((start, address)) = self.link.take() else {
            return;
        };
        let shown = self.text.get(start..).unwrap_or_default().trim();
        if address.contains(':') && !shown.contains(address.as_str()) {
            if shown.is_empty() {
                self.text.push_str(&address);
            } else {
                self.text.push_str(&format!(" ({address})"));
            }
        }
    }
}

/// Splits a tag off: its lower-case name (with `/` for an end tag), its attributes, what follows.
/// `ends` says whether there is a `>` at all.
fn read_tag(text: &str, ends: bool) -> Option<(String, &str, &str)> {
    let inside = text.strip_prefix('<')?;
    if inside.starts_with("!--") {
        return Some((
            String::new(),
            "",
            inside.split_once("-->").map_or("", |(_, after)| after),
        ));
    }
    if let Some(data) = inside.strip_prefix("![CDATA[") {
        return Some((String::new(), "", data));
    }
    let first = inside.trim_start_matches('/').chars().next()?;
    if !ends || !first.is_ascii_alphabetic() && first != '!' {
        return None;
    }
    // A `>` within quotes does not end the tag.
    let mut quote = None;
    let end = inside
        .char_indices()
        .take(4_096)
        .find_map(|(at, c)| match (quote, c) {
            (None, '>') => Some(at),
            (None, '"' | '\'') => {
                quote = Some(c);
                None
            }
            (Some(open), c) if open == c => {
                quote = None;
                None
            }
            _ => None,
        });
    // An apostrophe in text like `<b isn't` opens no quote that ends: take the next `>`.
    let end = end.or_else(|| inside.find('>'))?;
    let (tag, after) = (inside.get(..end)?, inside.get(end + 1..)?);
    let tag = tag.trim_end_matches('/');
    let split = tag.find(char::is_whitespace).unwrap_or(tag.len());
    let (name, attributes) = tag.split_at(split);
    Some((name.to_ascii_lowercase(), attributes, after))
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let at = attributes.to_ascii_lowercase().find(&format!("{name}="))?;
    let value = attributes.get(at + name.len() + 1..)?;
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) => value.get(1..)?.split(quote).next(),
        None => value.split_whitespace().next(),
    }
}

fn skip_to_end<'a>(text: &'a str, name: &str) -> &'a str {
    let is_end = |rest: &str| {
        rest.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    let mut ends = text.match_indices("</");
    ends.find_map(|(at, mark)| text.get(at + mark.len()..).filter(|rest| is_end(rest)))
        .and_then(|rest| rest.split_once('>'))
        .map_or("", |(_, after)| after)
}

/// Decodes the entities that reports use: the five of XML, some names, and numbers.
fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        out.push_str(before);
        let end = entity
            .char_indices()
            .take(12)
            .find(|(_, c)| *c == ';')
            .map(|(at, _)| at);
        let decoded = end.and_then(|end| named(entity.get(1..end)?).map(|c| (c, end)));
        if let Some((character, end)) = decoded {
            out.push(character);
            rest = entity.get(end + 1..).unwrap_or_default();
        } else {
            out.push('&');
            rest = entity.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn named(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c == '\n' || *c == '\t' || !c.is_control());
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" | "rsquo" | "lsquo" => '\'',
        "ldquo" | "rdquo" => '"',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "bull" => '•',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        _ => return None,
    })
}

/// No white space at the ends of lines, at most one blank line in a row.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.trim().lines().map(str::trim_end) {
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank > 1 {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn markup_becomes_readable_text() {
        for (html, expected) in [
            ("  no markup  ", "no markup"),
            ("<p>One</p><p>Two&nbsp;&amp; three</p>", "One\nTwo & three"),
            ("<ul><li>a</li><li>b<br/>c</li></ul>", "- a\n- b\nc"),
            (
                r#"See <a href="https://x.example/a?b=1&amp;c=2">the docs</a>."#,
                "See the docs (https://x.example/a?b=1&c=2).",
            ),
            (
                r#"<a href='https://x.example'>https://x.example</a>"#,
                "https://x.example",
            ),
            ("if a < b && c > d", "if a < b && c > d"),
            ("<script>alert(1)</script>left<style>p{}</style>", "left"),
            ("&#x41;&#66;&unknown;&#0;", "AB&unknown;&#0;"),
            ("<!-- gone -->kept<br><br><br>end", "kept\nend"),
            ("open <b", "open <b"),
            (r#"<a href="https://x.example">"#, "https://x.example"),
            ("<SCRIPT>a</b></Script >left", "left"),
            ("kept<script>never closed", "kept"),
            ("kept<!-- never closed", "kept"),
            ("<b>kept</b><c", "kept<c"),
        ] {
            assert_eq!(plain(html), expected, "{html}");
        }
    }

    /// A million openings without an end, and as many scripts: whatever looks over the rest for each
    /// of them takes hours.
    #[test]
    fn openings_without_an_end_and_many_scripts_are_read_in_one_walk() {
        let times = 1_000_000;
        let open = "<a".repeat(times);
        assert_eq!(plain(&open), open);
        assert_eq!(plain(&format!("<b>{open}")), open);
        assert_eq!(plain(&"<script></script>".repeat(times)), "");
        assert_eq!(plain(&"<STYLE></Style>x".repeat(times)), "x".repeat(times));
    }
}
