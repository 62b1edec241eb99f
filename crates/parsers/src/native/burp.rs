//! Burp Suite's XML export of issues ("Report issues", "XML"; Professional and Enterprise).
//!
//! The document type at its head is its description; see also
//! <https://portswigger.net/burp/documentation/desktop/automated-scanning/managing-issues/reporting>.
//! Identity: issue type, address, and the input point that the location names in brackets. The
//! serial number is not part of it, it changes with every scan. Requests and responses are not
//! kept: they hold the session. What it is not: Dastardly's JUnit file or Burp's GraphQL answers.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{EndpointLocation, Level, Location};
use gna_domain::time::{DAY_MS, Timestamp};
use std::sync::LazyLock;

use super::bandit::confidence;
use super::draft::{Draft, Emitter};
use super::html_fields::{cwes, links, plain};
use crate::format::{Confidence, Format, Options};
use crate::xml::{self, Element};
use crate::{Input, json, text};

pub struct Burp;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "burp".into(),
    title: "Burp Suite XML".into(),
    tool: "Burp Suite".into(),
    category: Category::Dast,
    identity: "issue type, address, input point".into(),
    streams: true,
});

/// The type of every issue that an extension raised (0x08000000); only its name tells it apart.
const EXTENSION: &str = "134217728";
const LEFT_OUT: [&str; 6] = [
    "request",
    "response",
    "staticAnalysis",
    "dynamicAnalysis",
    "collaboratorEvent",
    "infiltratorEvent",
];

impl Format for Burp {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match xml::root(input.head_text()) {
            Some(root) if root.name == "issues" && root.attr("burpVersion").is_some() => {
                Confidence::Certain
            }
            Some(root) if root.name == "issues" && input.head_text().contains("<serialNumber>") => {
                Confidence::Likely
            }
            _ => Confidence::No,
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut emitter = Emitter::new(sink, Level::Info);
        let root =
            xml::for_each_without(input, &["issues/issue"], &LEFT_OUT, |item| {
                match convert(&item.element) {
                    Some((draft, location)) => emitter.emit(draft, location, item.position),
                    None => {
                        emitter.skip(json::skipped(
                            item.position,
                            "the issue has neither a type nor a name",
                        ));
                        Ok(())
                    }
                }
            })?;
        root.expect(&["issues"], "Burp")?;
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            tool_version: root.attr("burpVersion").map(str::to_owned),
            category: Some(Category::Dast),
            scanned_at: root.attr("exportTime").and_then(time),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn convert(issue: &Element) -> Option<(Draft, Location)> {
    let kind = issue.value("type");
    let name = issue.value("name");
    let rule = match (kind, name) {
        (Some(EXTENSION), Some(name)) => format!("{EXTENSION}:{}", text::slug(name)),
        (Some(kind), _) => kind.to_owned(),
        (None, name) => text::slug(name?),
    };
    let severity = issue.value("severity");
    let false_positive = severity.is_some_and(|word| word.eq_ignore_ascii_case("false positive"));
    let background = issue.value("issueBackground");
    let classes = issue
        .value("vulnerabilityClassifications")
        .unwrap_or_default();
    let draft = Draft {
        rule,
        title: name.unwrap_or_default().to_owned(),
        description: plain(background),
        recommendation: plain(issue.value("remediationBackground")),
        references: links(issue.value("references").unwrap_or_default()),
        cwes: cwes(classes),
        severity: severity.map(str::to_owned),
        message: message(issue),
        tags: confidence(issue.value("confidence").unwrap_or_default())
            .into_iter()
            .collect(),
        reported: if false_positive {
            Reported::Suppressed {
                status: "False positive".to_owned(),
                justification: None,
            }
        } else {
            Reported::Present
        },
        ..Draft::default()
    };
    Some((draft, location(issue)))
}

/// What Burp says about this instance; its details and items are HTML.
fn message(issue: &Element) -> Option<String> {
    let mut parts: Vec<String> = plain(issue.value("issueDetail")).into_iter().collect();
    let items = issue.values("issueDetailItems/issueDetailItem");
    parts.extend(
        items
            .into_iter()
            .map(|item| format!("- {}", text::plain(item))),
    );
    parts.extend(plain(issue.value("remediationDetail")));
    (!parts.is_empty()).then(|| parts.join("\n"))
}

fn location(issue: &Element) -> Location {
    let host = issue.get("host");
    let ip = host.and_then(|host| host.attr("ip"));
    let host = issue.value("host").or(ip).unwrap_or_default();
    let path = issue.value("path").unwrap_or_default();
    if host.is_empty() && path.is_empty() {
        return Location::Asset;
    }
    let methods = issue.all("requestresponse/request");
    Location::Endpoint(EndpointLocation {
        url: format!("{}{path}", host.trim_end_matches('/')),
        method: methods
            .into_iter()
            .find_map(|request| request.attr("method"))
            .map(str::to_owned),
        parameter: issue.value("location").and_then(input_point),
    })
}

/// `b_id cookie` of `/shop/basket.jsp [b_id cookie]`.
fn input_point(location: &str) -> Option<String> {
    let (_, point) = location.strip_suffix(']')?.rsplit_once(" [")?;
    text::filled(Some(point)).map(str::to_owned)
}

/// Java's `Sat Sep 13 22:35:04 CEST 2014`; `None` for zones whose name says too little.
fn time(written: &str) -> Option<Timestamp> {
    let words: Vec<&str> = written.split_whitespace().collect();
    let [_, month, day, clock, zone, year] = words.as_slice() else {
        return None;
    };
    let hours = match *zone {
        "UTC" | "GMT" | "Z" | "WET" => 0,
        "CET" => 1,
        "CEST" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "EST" => -5,
        "EDT" => -4,
        "PST" => -8,
        "PDT" => -7,
        _ => return None,
    };
    let local = Timestamp::parse_with(
        "%b %d %Y %H:%M:%S",
        &format!("{month} {day} {year} {clock}"),
    )?;
    Some(local.plus_millis(-hours * DAY_MS / 24))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{detected, fixture, read, refused};
    use super::*;

    #[test]
    fn issues_have_their_address_input_point_and_classes() {
        let text = fixture("burp/issues.xml");
        assert_eq!(detected(&Burp, &text), Confidence::Certain);
        let read = read(&Burp, &text);
        let expected = [
            ("1049088", Level::High, "POST http://shop.example/basket"),
            ("1049088", Level::High, "GET http://shop.example/basket"),
            (
                "134217728:old-library-in-use",
                Level::Medium,
                "http://shop.example/app.js",
            ),
            ("5245344", Level::Info, "http://shop.example/"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(rule, level, place)| ((*rule).to_owned(), *level, (*place).to_owned()))
            .collect();
        assert_eq!(read.lines(), expected);
        let points: Vec<_> = read
            .findings
            .iter()
            .map(|finding| match &finding.location {
                Location::Endpoint(endpoint) => endpoint.parameter.as_deref(),
                _ => None,
            })
            .collect();
        assert_eq!(
            points,
            [Some("b_id cookie"), Some("q parameter"), None, None]
        );
        let first = &read.findings[0];
        assert_eq!(first.weakness.cwes, [89, 943]);
        assert_eq!(
            first.weakness.references,
            ["https://portswigger.example/sql"]
        );
        assert_eq!(
            first.message.as_deref(),
            Some(
                "The b_id cookie appears to be vulnerable.\n- ' was submitted\n- '' was submitted"
            )
        );
        assert_eq!(first.tags, ["confidence:firm"]);
        assert!(std::sync::Arc::ptr_eq(
            &first.weakness,
            &read.findings[1].weakness
        ));
        assert!(matches!(
            read.findings[3].reported,
            Reported::Suppressed { .. }
        ));
        assert!(!format!("{:?}", read.findings).contains("R0VUIC8"));
        assert_eq!(read.codes(), ["item.skipped"]);
        assert_eq!(
            read.meta.scanned_at.unwrap().to_string(),
            "2026-02-03T09:11:12.000Z"
        );
    }

    #[test]
    fn other_and_damaged_files_are_refused() {
        assert_eq!(refused(&Burp, "<testsuites/>").code, "report.wrong_format");
        assert_eq!(
            refused(&Burp, "<issues burpVersion='1'><issue><name>x").code,
            "report.truncated"
        );
        assert_eq!(detected(&Burp, "<issues format='4'>"), Confidence::No);
        assert_eq!(read(&Burp, "<issues burpVersion='2026.1'/>").meta.items, 0);
        assert_eq!(time("Sat Sep 13 22:35:04 XYZ 2014"), None);
    }
}
