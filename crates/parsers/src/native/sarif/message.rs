//! Messages: looked up by id, with their placeholders filled (§3.11.5 to §3.11.11).

use std::borrow::Cow;

use super::model::{Message, Rule, Run};

/// The text of a result's message, with arguments in place of `{0}` and links as plain text.
pub fn text(message: &Message, rule: Option<&Rule>, run: &Run) -> Option<String> {
    let given = message.text.as_deref().or(message.markdown.as_deref());
    let by_id = || {
        let id = message.id.as_deref()?;
        rule.and_then(|rule| rule.message_strings.get(id))
            .or_else(|| run.tool.driver.global_message_strings.get(id))
            .and_then(|found| found.plain())
    };
    let template = given.or_else(by_id)?;
    let filled = fill(template, &message.arguments);
    let text = without_links(&filled);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Puts the arguments in place of `{0}`, `{1}`...; `{{` and `}}` are braces (§3.11.5). A text
/// without arguments is left alone: many tools write code with braces there.
fn fill<'a>(template: &'a str, arguments: &[String]) -> Cow<'a, str> {
    if arguments.is_empty() || !template.contains('{') {
        return Cow::Borrowed(template);
    }
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, mark) = rest.split_at(at);
        out.push_str(before);
        if mark.starts_with("{{") || mark.starts_with("}}") {
            out.extend(mark.chars().next());
            rest = mark.get(2..).unwrap_or_default();
            continue;
        }
        let argument = mark
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'))
            .and_then(|(number, after)| {
                let argument = number
                    .parse::<usize>()
                    .ok()
                    .and_then(|number| arguments.get(number))?;
                Some((argument, after))
            });
        if let Some((argument, after)) = argument {
            out.push_str(argument);
            rest = after;
        } else {
            out.extend(mark.chars().next());
            rest = mark.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Embedded links `[text](target)` (§3.11.6): those to related locations keep their text only,
/// those to addresses both.
fn without_links(text: &str) -> Cow<'_, str> {
    if !text.contains("](") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let (before, after) = rest.split_at(middle);
        let target = after.get(2..).and_then(|target| target.split_once(')'));
        match (before.rfind('['), target) {
            (Some(open), Some((target, tail))) => {
                out.push_str(before.get(..open).unwrap_or_default());
                let shown = before.get(open + 1..).unwrap_or_default();
                out.push_str(shown);
                if target.contains("://") && target != shown {
                    out.push_str(&format!(" ({target})"));
                }
                rest = tail;
            }
            _ => {
                out.push_str(before);
                out.push_str("](");
                rest = after.get(2..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_links_become_text() {
        let arguments = ["pBuffer".to_owned(), "main".to_owned()];
        for (template, expected) in [
            ("Variable \"{0}\" in {1}", "Variable \"pBuffer\" in main"),
            ("{{0}} is {0}, {7} stays", "{0} is pBuffer, {7} stays"),
            ("open { and } {x}", "open { and } {x}"),
        ] {
            assert_eq!(fill(template, &arguments), expected);
        }
        assert_eq!(fill("code {0}", &[]), "code {0}");
        for (text, expected) in [
            ("declared [here](0).", "declared here."),
            (
                "see [CVE](https://x.example/c) and [a](1)[b](2)",
                "see CVE (https://x.example/c) and ab",
            ),
            ("array[i](x", "array[i](x"),
            ("no ](link", "no ](link"),
        ] {
            assert_eq!(without_links(text), expected);
        }
    }
}
