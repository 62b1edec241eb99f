//! Nuclei's results: JSON lines (`-jsonl`), a JSON list (`-json-export`), or one object.
//!
//! Documented at <https://docs.projectdiscovery.io/opensource/nuclei/running#json-export>; keys of
//! version 2 (`templateID`, `matched`) are read too. Identity: template id with the matcher's name
//! (as Nuclei prints it, `template:matcher`), and the address that matched. Requests and responses
//! are never kept, and what was extracted is not where the template looks for secrets.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::{CodeLocation, EndpointLocation, Level, Location, NetworkLocation};
use gna_domain::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::LazyLock;

use super::draft::{Draft, Emitter};
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct Nuclei;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "nuclei".into(),
    title: "Nuclei JSON and JSON lines".into(),
    tool: "Nuclei".into(),
    category: Category::Dast,
    identity: "template id and matcher, address that matched".into(),
    streams: true,
});

/// Tags of templates whose extracted values are secrets.
const SECRET_TAGS: [&str; 9] = [
    "token",
    "tokens",
    "exposure",
    "secret",
    "secrets",
    "key",
    "keys",
    "credential",
    "default-login",
];

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "template-id", alias = "templateID", alias = "template_id")]
    template: String,
    info: Info,
    #[serde(
        default,
        rename = "matcher-name",
        alias = "matcher_name",
        deserialize_with = "lenient::opt_string"
    )]
    matcher: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "lenient::string")]
    protocol: String,
    #[serde(default, deserialize_with = "lenient::string")]
    host: String,
    #[serde(
        default,
        rename = "matched-at",
        alias = "matched",
        deserialize_with = "lenient::string"
    )]
    matched_at: String,
    #[serde(default, deserialize_with = "lenient::string")]
    url: String,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    port: Option<u32>,
    #[serde(default, deserialize_with = "lenient::string")]
    ip: String,
    #[serde(
        default,
        rename = "extracted-results",
        alias = "extracted_results",
        deserialize_with = "lenient::strings"
    )]
    extracted: Vec<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    request: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    fuzzing_parameter: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    timestamp: Option<String>,
    /// False where `-matcher-status` lists what did not match.
    #[serde(
        default,
        rename = "matcher-status",
        alias = "matcher_status",
        deserialize_with = "lenient::or_default"
    )]
    matched: Option<bool>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default, deserialize_with = "lenient::string")]
    name: String,
    #[serde(default, deserialize_with = "lenient::strings")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    impact: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    remediation: Option<String>,
    #[serde(default, alias = "references", deserialize_with = "lenient::strings")]
    reference: Vec<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    classification: Classification,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Classification {
    #[serde(rename = "cve-id", deserialize_with = "lenient::strings")]
    cves: Vec<String>,
    #[serde(rename = "cwe-id", deserialize_with = "lenient::strings")]
    cwes: Vec<String>,
    #[serde(rename = "cvss-metrics", deserialize_with = "lenient::opt_string")]
    vector: Option<String>,
    #[serde(rename = "cvss-score", deserialize_with = "lenient::opt_f64")]
    score: Option<f64>,
}

impl Format for Nuclei {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match Outline::of(input.head_text()) {
            Some(outline)
                if outline.has_any(&["template-id", "templateID"]) && outline.has("info") =>
            {
                Confidence::Certain
            }
            // Nothing was found; other tools write the same.
            Some(outline) if outline.is_empty_list() => Confidence::Weak,
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
        let mut scanned_at: Option<Timestamp> = None;
        let mut read = 0_u64;
        let mut cut_off = None;
        json::records(input, |item| {
            cut_off = None;
            let Some(hit) = emitter.check(item.read::<Hit>()) else {
                let ends =
                    serde_json::from_str::<&RawValue>(item.raw).is_err_and(|error| error.is_eof());
                cut_off = ends.then_some(item.position);
                return Ok(());
            };
            read += 1;
            let at = hit
                .timestamp
                .as_deref()
                .and_then(|text| Timestamp::parse(text).ok());
            scanned_at = scanned_at.max(at);
            let (draft, location) = convert(hit);
            emitter.emit(draft, location, item.position)
        })?;
        if let Some(position) = cut_off {
            return Err(Refusal::new(
                "report.truncated",
                "the last line ends in the middle; get the whole file",
            )
            .at(position));
        }
        if read == 0 && emitter.items() > 0 {
            return Err(super::bandit::lacks("template-id", "nuclei -jsonl -o FILE"));
        }
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(Category::Dast),
            scanned_at,
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn convert(hit: Hit) -> (Draft, Location) {
    let location = place(&hit);
    let info = hit.info;
    // Version 2 wrote the tags as one text.
    let tags: Vec<String> = info
        .tags
        .iter()
        .flat_map(|tags| tags.split(','))
        .map(|tag| tag.trim().to_owned())
        .collect();
    let secret = tags.iter().any(|tag| SECRET_TAGS.contains(&tag.as_str()));
    let mut message = Vec::new();
    message.extend(
        hit.matcher
            .as_ref()
            .map(|matcher| format!("Matched by {matcher}")),
    );
    if !hit.extracted.is_empty() && !secret {
        message.push(format!(
            "Extracted: {}",
            text::cut(&hit.extracted.join(", "), 1_000)
        ));
    }
    if !hit.ip.is_empty() {
        message.push(format!("Address: {}", hit.ip));
    }
    let mut identifiers = info.classification.cves;
    identifiers.push(hit.template.clone());
    let description = match (info.description, info.impact) {
        (Some(description), Some(impact)) => {
            Some(format!("{}\n\n{impact}", description.trim_end()))
        }
        (description, impact) => description.or(impact),
    };
    let draft = Draft {
        rule: hit.matcher.map_or_else(
            || hit.template.clone(),
            |matcher| format!("{}:{matcher}", hit.template),
        ),
        title: if info.name.is_empty() {
            hit.template
        } else {
            info.name
        },
        description,
        recommendation: info.remediation,
        references: info.reference,
        cwes: text::cwes(&info.classification.cwes),
        identifiers,
        vectors: info.classification.vector.into_iter().collect(),
        severity: info.severity,
        score: info.classification.score,
        message: (!message.is_empty()).then(|| message.join("\n")),
        tags,
        reported: match hit.matched {
            Some(false) => Reported::Absent {
                reason: hit
                    .error
                    .unwrap_or_else(|| "the template did not match".into()),
            },
            _ => Reported::Present,
        },
        ..Draft::default()
    };
    (draft, location)
}

fn place(hit: &Hit) -> Location {
    let at = [&hit.matched_at, &hit.url, &hit.host]
        .into_iter()
        .find(|text| !text.is_empty());
    let Some(at) = at else { return Location::Asset };
    let web = at.contains("://");
    match hit.protocol.as_str() {
        "file" | "code" => Location::Code(CodeLocation {
            path: text::path(at, true),
            ..CodeLocation::default()
        }),
        "http" | "headless" | "websocket" | "websockets" | "fuzzing" | ""
            if web || !hit.protocol.is_empty() =>
        {
            Location::Endpoint(endpoint(hit, at))
        }
        _ if web => Location::Endpoint(endpoint(hit, at)),
        protocol => {
            let (host, port) = host_and_port(at);
            Location::Network(NetworkLocation {
                host: host.to_owned(),
                port: port.or_else(|| {
                    hit.port
                        .filter(|_| protocol != "dns")
                        .and_then(|port| u16::try_from(port).ok())
                }),
                protocol: match protocol {
                    "network" | "tcp" | "ssl" | "javascript" => Some("tcp".to_owned()),
                    _ => None,
                },
                service: matches!(protocol, "dns" | "ssl" | "whois").then(|| protocol.to_owned()),
            })
        }
    }
}

fn endpoint(hit: &Hit, at: &str) -> EndpointLocation {
    let method = hit
        .request
        .as_deref()
        .and_then(|request| request.split_whitespace().next());
    let method = method
        .filter(|word| word.len() <= 10 && word.bytes().all(|byte| byte.is_ascii_uppercase()));
    EndpointLocation {
        url: at.to_owned(),
        method: method.map(str::to_owned),
        parameter: hit.fuzzing_parameter.clone(),
    }
}

/// Splits `host:22` and `[::1]:22`; a bare IPv6 address has no port.
fn host_and_port(at: &str) -> (&str, Option<u16>) {
    let split = match at.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            port.parse().ok().map(|port| (host, port))
        }
        _ => None,
    };
    match split {
        Some((host, port)) => (host.trim_matches(['[', ']']), Some(port)),
        None => (at.trim_matches(['[', ']']), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};

    const LINES: &str = r#"{"template-id":"CVE-2018-15473","info":{"name":"OpenSSH Username Enumeration","tags":["network","cve"],"severity":"medium","reference":null,"classification":{"cve-id":["CVE-2018-15473"],"cwe-id":["cwe-362"],"cvss-metrics":"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N","cvss-score":5.3}},"type":"network","host":"shop.example:22","matched-at":"shop.example:22","extracted-results":["SSH-2.0-OpenSSH_7.7"],"ip":"192.0.2.7","timestamp":"2026-03-20T22:43:31.231312-03:00","matcher-status":true}
{"template-id":"missing-headers","info":{"name":"Missing Headers","tags":["misconfig"],"severity":"info"},"matcher-name":"x-frame-options","type":"http","host":"https://shop.example","matched-at":"https://shop.example/cart","request":"GET /cart HTTP/1.1\r\nCookie: hunter2","matcher-status":true}
{"templateID":"tokens","info":{"name":"Token","tags":"exposure,token","severity":"unknown","classification":{"cwe-id":["nvd-cwe-other"]}},"type":"http","matched":"https://shop.example/app.js","extracted_results":["hunter2"]}
{"template-id":"broken"
{"template-id":"caa","info":{"name":"CAA","severity":"info"},"type":"dns","host":"shop.example","matched-at":"shop.example","matcher-status":false}
"#;

    #[test]
    fn lines_are_hits_with_the_kind_of_place_of_their_protocol() {
        assert_eq!(detected(&Nuclei, LINES), Confidence::Certain);
        let read = read(&Nuclei, LINES);
        assert_eq!(
            read.lines(),
            [
                (
                    "CVE-2018-15473".into(),
                    Level::Medium,
                    "shop.example:22".into()
                ),
                (
                    "missing-headers:x-frame-options".into(),
                    Level::Info,
                    "GET https://shop.example/cart".into()
                ),
                (
                    "tokens".into(),
                    Level::Info,
                    "https://shop.example/app.js".into()
                ),
                ("caa".into(), Level::Info, "shop.example".into()),
            ]
        );
        assert_eq!(read.findings[0].weakness.identifiers, ["CVE-2018-15473"]);
        assert_eq!(read.findings[0].weakness.cwes, [362]);
        assert!(
            read.findings[0]
                .message
                .as_deref()
                .unwrap()
                .contains("SSH-2.0")
        );
        assert!(!format!("{:?}", read.findings).contains("hunter2"));
        assert!(matches!(read.findings[3].reported, Reported::Absent { .. }));
        assert_eq!(read.codes(), ["severity.unknown", "item.skipped"]);
        assert_eq!(read.warnings[1].position.line, Some(4));
        assert_eq!(
            read.meta.scanned_at.map(|at| at.to_string()).as_deref(),
            Some("2026-03-21T01:43:31.231Z")
        );
    }

    #[test]
    fn lists_and_single_objects_are_read_too() {
        let one = LINES.lines().next().unwrap();
        for text in [
            one.to_owned(),
            format!("[{one}]"),
            one.replace(",\"info\"", ",\n\"info\""),
        ] {
            assert_eq!(read(&Nuclei, &text).meta.items, 1, "{text}");
        }
        assert_eq!(read(&Nuclei, "[]").meta.items, 0);
        assert_eq!(
            refused(&Nuclei, r#"{"type": "warning"}"#).code,
            "report.wrong_format"
        );
        for text in [format!("[{one},"), format!("{one}\n{}", &one[..200])] {
            assert_eq!(refused(&Nuclei, &text).code, "report.truncated", "{text}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        for (at, expected) in [
            ("shop.example:22", ("shop.example", Some(22))),
            ("[2001:db8::1]:443", ("2001:db8::1", Some(443))),
            ("2001:db8::1", ("2001:db8::1", None)),
            ("shop.example", ("shop.example", None)),
            ("shop.example:x", ("shop.example:x", None)),
        ] {
            assert_eq!(host_and_port(at), expected, "{at}");
        }
    }
}
