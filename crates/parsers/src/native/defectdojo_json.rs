//! DefectDojo's generic findings as JSON: an object with a list of `findings`.
//!
//! See [`super::defectdojo`] for what an item means. The format is closed: DefectDojo refuses a
//! report with a field it does not know, or without title, severity and description, and so do
//! we, with the field's name; whoever wants more uses Gna's own format. Identity:
//! `vuln_id_from_tool`, else the first vulnerability id, else the title, with the place.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::model::Level;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::defectdojo::{Flags, Item};
use super::draft::Emitter;
use super::sniff::Outline;
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient};

pub struct DefectdojoJson;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "defectdojo-json".into(),
    title: "DefectDojo generic findings JSON".into(),
    tool: "DefectDojo generic".into(),
    category: Category::Other,
    identity:
        "vuln_id_from_tool (else vulnerability id, else title), place; unique_id_from_tool for code"
            .into(),
    streams: true,
});

const REQUIRED: [&str; 3] = ["title", "severity", "description"];

/// Every field that DefectDojo's import takes.
#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "title", "severity", "description", "date", "cwe", "cwes", "cve", "vulnerability_ids", "epss_score",
    "epss_percentile", "cvssv3", "cvssv3_score", "cvssv4", "cvssv4_score", "mitigation", "impact",
    "steps_to_reproduce", "severity_justification", "references", "active", "verified", "false_p", "duplicate",
    "out_of_scope", "risk_accepted", "under_review", "is_mitigated", "thread_id", "mitigated", "numerical_severity",
    "param", "payload", "line", "file_path", "component_name", "component_version", "static_finding",
    "dynamic_finding", "scanner_confidence", "unique_id_from_tool", "vuln_id_from_tool", "sast_source_object",
    "sast_sink_object", "sast_source_line", "sast_source_file_path", "nb_occurences", "publish_date", "service",
    "planned_remediation_date", "planned_remediation_version", "effort_for_fixing", "tags", "endpoints", "files",
    "kev_date", "known_exploited", "ransomware_used", "fix_available", "fix_version",
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Finding<'a> {
    #[serde(deserialize_with = "lenient::string")]
    title: String,
    #[serde(deserialize_with = "lenient::string")]
    severity: String,
    #[serde(deserialize_with = "lenient::string")]
    description: String,
    #[serde(deserialize_with = "lenient::strings")]
    cve: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    vulnerability_ids: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    cwe: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    cwes: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    cvssv3: Vec<String>,
    #[serde(deserialize_with = "lenient::strings")]
    cvssv4: Vec<String>,
    #[serde(deserialize_with = "lenient::opt_f64")]
    cvssv3_score: Option<f64>,
    #[serde(deserialize_with = "lenient::opt_f64")]
    cvssv4_score: Option<f64>,
    #[serde(deserialize_with = "lenient::string")]
    mitigation: String,
    #[serde(deserialize_with = "lenient::string")]
    impact: String,
    #[serde(deserialize_with = "lenient::string")]
    steps_to_reproduce: String,
    #[serde(deserialize_with = "lenient::string")]
    references: String,
    #[serde(deserialize_with = "lenient::string")]
    file_path: String,
    #[serde(deserialize_with = "lenient::opt_u32")]
    line: Option<u32>,
    #[serde(deserialize_with = "lenient::string")]
    sast_sink_object: String,
    #[serde(deserialize_with = "lenient::string")]
    param: String,
    #[serde(deserialize_with = "lenient::string")]
    component_name: String,
    #[serde(deserialize_with = "lenient::string")]
    component_version: String,
    #[serde(deserialize_with = "lenient::string")]
    fix_version: String,
    #[serde(deserialize_with = "lenient::string")]
    unique_id_from_tool: String,
    #[serde(deserialize_with = "lenient::string")]
    vuln_id_from_tool: String,
    #[serde(deserialize_with = "lenient::strings")]
    tags: Vec<String>,
    #[serde(borrow)]
    endpoints: Option<Vec<&'a RawValue>>,
    // Flags are booleans or words.
    #[serde(deserialize_with = "lenient::string")]
    active: String,
    #[serde(deserialize_with = "lenient::string")]
    is_mitigated: String,
    #[serde(deserialize_with = "lenient::string")]
    duplicate: String,
    #[serde(deserialize_with = "lenient::string")]
    false_p: String,
    #[serde(deserialize_with = "lenient::string")]
    out_of_scope: String,
    #[serde(deserialize_with = "lenient::string")]
    risk_accepted: String,
    #[serde(deserialize_with = "lenient::string")]
    known_exploited: String,
}

/// The parts of an address, where it is not one text.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(deserialize_with = "lenient::string")]
    protocol: String,
    #[serde(deserialize_with = "lenient::string")]
    host: String,
    #[serde(deserialize_with = "lenient::opt_u32")]
    port: Option<u32>,
    #[serde(deserialize_with = "lenient::string")]
    path: String,
    #[serde(deserialize_with = "lenient::string")]
    query: String,
    #[serde(deserialize_with = "lenient::string")]
    url: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    #[serde(deserialize_with = "lenient::opt_string")]
    name: Option<String>,
    #[serde(rename = "type", deserialize_with = "lenient::opt_string")]
    kind: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(deserialize_with = "lenient::or_default")]
    static_tool: bool,
    #[serde(deserialize_with = "lenient::or_default")]
    dynamic_tool: bool,
    findings: Option<IgnoredAny>,
}

impl Format for DefectdojoJson {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        let Some(outline) = Outline::of(input.head_text()).filter(|outline| !outline.list) else {
            return Confidence::No;
        };
        let known = [
            "name",
            "type",
            "version",
            "description",
            "static_tool",
            "dynamic_tool",
            "soc",
            "findings",
        ];
        if !outline.has("findings") || !outline.keys.iter().all(|key| known.contains(key)) {
            return Confidence::No;
        }
        // The format is closed, so that one foreign field of the first finding tells another tool.
        match outline.list_of("findings") {
            Some(list) if list.is_empty_list() || list.keys.is_empty() => Confidence::Weak,
            Some(list)
                if list.keys.iter().all(|key| FIELDS.contains(key)) && list.has_all(&REQUIRED) =>
            {
                Confidence::Likely
            }
            Some(list)
                if list.has_all(&REQUIRED)
                    && list.keys.iter().filter(|key| !FIELDS.contains(key)).count() <= 2 =>
            {
                Confidence::Weak
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
        let head: Head = json::document(input)?;
        if head.findings.is_none() {
            return Err(Refusal::new(
                "report.wrong_format",
                "the JSON has no \"findings\"; DefectDojo's generic format is an object with that list",
            ));
        }
        let mut emitter = Emitter::new(sink, Level::Info);
        json::for_each(input, "findings[]", |item| {
            if let Some(fields) = emitter.check(item.read::<BTreeMap<String, IgnoredAny>>()) {
                check_fields(&fields).map_err(|problem| {
                    let message = format!("finding {} {problem}", item.position.item);
                    Refusal::new("report.wrong_format", message).at(item.position)
                })?;
                if let Some(finding) = emitter.check(item.read::<Finding<'_>>()) {
                    if finding.title.trim().is_empty() {
                        emitter.skip(json::skipped(item.position, "the finding's title is empty"));
                    } else {
                        finding.into_item().emit(&mut emitter, item.position)?;
                    }
                }
            }
            Ok(())
        })?;
        let kind = head.kind.as_deref().map(|kind| {
            kind.trim_end_matches("(Generic Findings Import)")
                .trim()
                .to_owned()
        });
        let category = match (head.static_tool, head.dynamic_tool) {
            (true, false) => Category::Sast,
            (false, true) => Category::Dast,
            _ => Category::Other,
        };
        Ok(ReportMeta {
            tool: kind
                .filter(|kind| !kind.is_empty())
                .or(head.name)
                .unwrap_or_else(|| INFO.tool.clone()),
            tool_version: head.version,
            category: Some(category),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn check_fields(fields: &BTreeMap<String, IgnoredAny>) -> Result<(), String> {
    if let Some(missing) = REQUIRED.iter().find(|field| !fields.contains_key(**field)) {
        return Err(format!(
            "has no {missing:?}, which DefectDojo's generic format requires"
        ));
    }
    let unknown = fields
        .keys()
        .find(|field| !FIELDS.contains(&field.as_str()));
    match unknown {
        Some(field) => Err(format!(
            "has the field {:?}, which DefectDojo's generic format does not know; remove it, or use Gna's own format (gna-json)",
            crate::text::cut(field, 80)
        )),
        None => Ok(()),
    }
}

impl Finding<'_> {
    fn into_item(self) -> Item {
        let yes = |word: &str| {
            word.trim()
                .to_ascii_lowercase()
                .starts_with(['t', 'y', '1'])
        };
        let mut tags = self.tags;
        if yes(&self.known_exploited) {
            tags.push("known-exploited".to_owned());
        }
        Item {
            flags: Flags {
                inactive: !self.active.trim().is_empty() && !yes(&self.active),
                mitigated: yes(&self.is_mitigated),
                duplicate: yes(&self.duplicate),
                false_positive: yes(&self.false_p),
                out_of_scope: yes(&self.out_of_scope),
                risk_accepted: yes(&self.risk_accepted),
            },
            endpoints: self
                .endpoints
                .unwrap_or_default()
                .into_iter()
                .filter_map(address)
                .collect(),
            ids: [self.cve, self.vulnerability_ids].concat(),
            cwes: [self.cwe, self.cwes].concat(),
            vectors: [self.cvssv4, self.cvssv3].concat(),
            score: self.cvssv4_score.or(self.cvssv3_score),
            title: self.title,
            severity: self.severity,
            description: self.description,
            mitigation: self.mitigation,
            impact: self.impact,
            steps: self.steps_to_reproduce,
            references: self.references,
            file_path: self.file_path,
            line: self.line,
            symbol: self.sast_sink_object,
            parameter: self.param,
            component_name: self.component_name,
            component_version: self.component_version,
            fix_version: self.fix_version,
            unique_id: self.unique_id_from_tool,
            vuln_id: self.vuln_id_from_tool,
            tags,
        }
    }
}

/// An endpoint as one text; a user and a password in it are left out.
fn address(raw: &RawValue) -> Option<String> {
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return Some(text);
    }
    let endpoint: Endpoint = serde_json::from_str(raw.get()).ok()?;
    if !endpoint.url.is_empty() {
        return Some(endpoint.url);
    }
    let mut address = String::new();
    if !endpoint.protocol.is_empty() {
        address.push_str(&format!("{}://", endpoint.protocol));
    }
    address.push_str(&endpoint.host);
    if let Some(port) = endpoint.port {
        address.push_str(&format!(":{port}"));
    }
    if !endpoint.path.is_empty() {
        address.push_str(&format!("/{}", endpoint.path.trim_start_matches('/')));
    }
    if !endpoint.query.is_empty() {
        address.push_str(&format!("?{}", endpoint.query));
    }
    Some(address).filter(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, read, refused};
    use gna_domain::import::Reported;

    #[test]
    fn an_item_is_an_instance_at_each_of_its_places() {
        let text = r#"{"name": "Pen test", "type": "Acme (Generic Findings Import)", "static_tool": true, "findings": [
            {"title": "SQL injection", "severity": "High", "description": "d", "cwe": "89", "file_path": "./src/db.cpp", "line": "13", "unique_id_from_tool": "u1",
             "endpoints": ["shop.example/cart", {"protocol": "https", "host": "shop.example", "port": 8443, "path": "/pay", "query": "a=1", "userinfo": "me:hunter2"}]},
            {"title": "Old library", "severity": "Critical", "description": "d", "cve": "CVE-2025-12345", "vulnerability_ids": ["GHSA-5mrr-rgp6-x4gr"], "component_name": "spring-core",
             "component_version": "6.1.0", "fix_version": "6.1.4", "cvssv3": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "file_path": "pom.xml", "line": 4},
            {"title": "Policy", "severity": "odd", "description": "d", "vuln_id_from_tool": "P-1", "references": "see https://a.example and [b](https://b.example)"}]}"#;
        assert_eq!(detected(&DefectdojoJson, text), Confidence::Likely);
        let read = read(&DefectdojoJson, text);
        assert_eq!(
            read.lines(),
            [
                ("sql-injection".into(), Level::High, "src/db.cpp:13".into()),
                (
                    "sql-injection".into(),
                    Level::High,
                    "shop.example/cart".into()
                ),
                (
                    "sql-injection".into(),
                    Level::High,
                    "https://shop.example:8443/pay?a=1".into()
                ),
                (
                    "CVE-2025-12345".into(),
                    Level::Critical,
                    "spring-core@6.1.0 (pom.xml)".into()
                ),
                ("P-1".into(), Level::Info, String::new()),
            ]
        );
        assert_eq!(read.package(3).fixed_version.as_deref(), Some("6.1.4"));
        assert_eq!(
            read.findings[4].weakness.references,
            ["https://a.example", "https://b.example"]
        );
        assert_eq!(read.codes(), ["severity.unknown"]);
        assert_eq!(
            (read.meta.tool.as_str(), read.meta.category),
            ("Acme", Some(Category::Sast))
        );
        assert!(!format!("{:?}", read.findings).contains("hunter2"));
    }

    #[test]
    fn flags_say_what_became_of_it() {
        for (flag, expected) in [
            (r#""active": true, "verified": false"#, "present"),
            (r#""active": false"#, "suppressed inactive"),
            (
                r#""active": false, "is_mitigated": true"#,
                "absent is_mitigated",
            ),
            (r#""false_p": "true""#, "suppressed false_p"),
            (
                r#""risk_accepted": true, "active": false"#,
                "suppressed risk_accepted",
            ),
            (r#""out_of_scope": true"#, "suppressed out_of_scope"),
        ] {
            let text = format!(
                r#"{{"findings": [{{"title": "t", "severity": "Low", "description": "", {flag}}}]}}"#
            );
            let shown = match &read(&DefectdojoJson, &text).findings[0].reported {
                Reported::Present => "present".to_owned(),
                Reported::Absent { reason } => format!("absent {reason}"),
                Reported::Suppressed { status, .. } => format!("suppressed {status}"),
            };
            assert_eq!(shown, expected, "{flag}");
        }
    }

    #[test]
    fn the_format_is_closed() {
        for (finding, named) in [
            (
                r#"{"title": "t", "severity": "Low", "description": "d", "colour": "red"}"#,
                "colour",
            ),
            (r#"{"title": "t", "severity": "Low"}"#, "description"),
        ] {
            let refusal = refused(&DefectdojoJson, &format!(r#"{{"findings": [{finding}]}}"#));
            assert_eq!(refusal.code, "report.wrong_format");
            assert!(
                refusal.message.contains(named) && refusal.position.is_some(),
                "{refusal}"
            );
        }
        assert_eq!(
            refused(&DefectdojoJson, r#"{"name": "x"}"#).code,
            "report.wrong_format"
        );
        let odd = read(
            &DefectdojoJson,
            r#"{"findings": [7, {"title": " ", "severity": "Low", "description": ""}]}"#,
        );
        assert_eq!(odd.codes(), ["item.skipped", "item.skipped"]);
    }
}
