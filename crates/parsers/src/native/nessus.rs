//! Tenable's `.nessus` export, version 2 (XML): Nessus, Security Center, Web App Scanning.
//!
//! Documented at <https://docs.tenable.com/quick-reference/nessus-file-format/>. Identity: plugin
//! number (for compliance: the check's id), host, port, protocol; for web applications the
//! address that the plugin's output names. Policy and attachments are not read. What it is not: the CSV exports
//! ([`super::nessus_csv`]), or version 1 of the format. Next: `tenable.rs`.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Reported, Sink};
use gna_domain::model::Level;
use gna_domain::time::Timestamp;
use std::sync::LazyLock;

use super::draft::Emitter;
use super::tenable::{self, Item};
use crate::format::{Confidence, Format, Options};
use crate::xml::{self, Element};
use crate::{Input, json, text};

pub struct Nessus;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "nessus".into(),
    title: "Nessus XML".into(),
    tool: "Nessus".into(),
    category: Category::Network,
    identity: "plugin (or compliance check), host, port, protocol; for web scans the address"
        .into(),
    streams: true,
});

const ROOT: &str = "NessusClientData_v2";
/// "Nessus Scan Information": its output names the scanner's version.
const SCAN_INFORMATION: &str = "19506";

impl Format for Nessus {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match xml::root(input.head_text()) {
            Some(root) if root.name == ROOT => Confidence::Certain,
            _ => Confidence::No,
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let mut emitter = Emitter::new(sink, Level::Info).with_words(tenable::level);
        let mut meta = ReportMeta {
            tool: INFO.tool.clone(),
            category: Some(Category::Network),
            ..ReportMeta::default()
        };
        let mut host = Host::default();
        let paths = [
            "NessusClientData_v2/Report/ReportHost/HostProperties",
            "NessusClientData_v2/Report/ReportHost/ReportItem",
        ];
        let root = xml::for_each_without(input, &paths, &["attachment"], |item| {
            let around = item.parents.last();
            let at = around.map(|host| host.byte).unwrap_or_default();
            if host.byte != at {
                host = Host {
                    byte: at,
                    name: around
                        .and_then(|host| host.attr("name"))
                        .unwrap_or_default()
                        .to_owned(),
                    web: item.parent_attr("Report", "type") == Some("was"),
                };
            }
            if meta.subject.is_none() {
                meta.subject = item.parent_attr("Report", "name").map(str::to_owned);
            }
            if item.path == 0 {
                host.read(&item.element, &mut meta);
                return Ok(());
            }
            if item.element.attr("pluginID") == Some(SCAN_INFORMATION)
                && let Some(version) = scanner_version(&item.element)
            {
                meta.tool_version = Some(version);
            }
            let found = convert(&item.element, &host);
            if !found.is_named() {
                emitter.skip(json::skipped(
                    item.position,
                    "the item has neither a plugin number nor a name",
                ));
                return Ok(());
            }
            if found.web {
                meta.category = Some(Category::Dast);
            }
            let (draft, location) = found.convert();
            emitter.emit(draft, location, item.position)
        })?;
        root.expect(&[ROOT], "Nessus (version 2)")?;
        meta.items = emitter.items();
        Ok(meta)
    }
}

#[derive(Default)]
struct Host {
    byte: u64,
    name: String,
    web: bool,
}

impl Host {
    fn read(&mut self, properties: &Element, meta: &mut ReportMeta) {
        let tag = |name: &str| {
            let mut tags = properties.children.iter();
            let tag = tags.find(|tag| tag.attr("name") == Some(name))?;
            text::filled(Some(tag.text()))
        };
        if self.name.is_empty() {
            let known = ["host-fqdn", "host-rdns", "host-ip", "netbios-name"];
            let name = known.into_iter().find_map(tag);
            self.name = name.unwrap_or_default().to_owned();
        }
        self.web |= tag("system-type") == Some("web_application");
        let ended = tag("HOST_END_TIMESTAMP")
            .and_then(|seconds| seconds.parse::<i64>().ok())
            .and_then(|seconds| seconds.checked_mul(1_000))
            .map(Timestamp::from_millis)
            .or_else(|| tag("HOST_END").and_then(time));
        // The scan ends with its last host.
        meta.scanned_at = meta.scanned_at.max(ended);
    }
}

/// `Wed Mar 23 15:07:52 2022` (the scanner's clock, without a zone), or RFC 3339.
fn time(written: &str) -> Option<Timestamp> {
    Timestamp::parse(written)
        .ok()
        .or_else(|| Timestamp::parse_with("%a %b %d %H:%M:%S %Y", written))
}

fn scanner_version(item: &Element) -> Option<String> {
    let output = item.value("plugin_output")?;
    let line = output
        .lines()
        .find(|line| line.trim_start().starts_with("Nessus version"))?;
    let (_, version) = line.split_once(':')?;
    // `8.2.3 (Nessus 8.3.0 is available.)`
    let version = version.split_whitespace().next()?;
    Some(text::one_line(version, 60))
}

fn convert(item: &Element, host: &Host) -> Item {
    let attr = |name: &str| item.attr(name).unwrap_or_default().to_owned();
    let value = |name: &str| item.value(name).unwrap_or_default().to_owned();
    let texts =
        |name: &str| -> Vec<String> { item.values(name).into_iter().map(str::to_owned).collect() };
    let vector = |standard: &str, name: &str| tenable::vector(standard, &value(name));
    let number = |names: [&str; 2]| {
        let found = names.into_iter().find_map(|name| item.value(name));
        found.and_then(|score| score.parse::<f64>().ok())
    };
    let score = number(["cvss4_base_score", "cvssv4"])
        .or_else(|| number(["cvss3_base_score", "cvssv3"]))
        .or_else(|| number(["cvss_base_score", "cvss"]));
    let mut tags = Vec::new();
    for (field, tag) in [
        ("exploit_available", "exploit-available"),
        ("in_the_news", "in-the-news"),
        ("unsupported_by_vendor", "unsupported-by-vendor"),
    ] {
        if item
            .value(field)
            .is_some_and(|word| word.eq_ignore_ascii_case("true"))
        {
            tags.push(tag.to_owned());
        }
    }
    let mut found = Item {
        plugin: attr("pluginID"),
        name: item
            .attr("pluginName")
            .or(item.value("plugin_name"))
            .unwrap_or_default()
            .to_owned(),
        family: attr("pluginFamily"),
        host: host.name.clone(),
        port: attr("port"),
        protocol: attr("protocol"),
        service: attr("svc_name"),
        severity: item
            .attr("severity")
            .or(item.value("risk_factor"))
            .unwrap_or_default()
            .to_owned(),
        vectors: vec![
            vector("CVSS:4.0/", "cvss4_vector"),
            vector("CVSS:3.0/", "cvss3_vector"),
            vector("", "cvss_vector"),
        ],
        score,
        cves: texts("cve"),
        cwes: text::cwes(item.values("cwe")),
        cross_references: texts("xref"),
        synopsis: value("synopsis"),
        description: value("description"),
        solution: value("solution"),
        see_also: texts("see_also"),
        products: texts("cpe").join("\n"),
        output: value("plugin_output"),
        tags,
        reported: Reported::Present,
        web: host.web,
    };
    if item.value("compliance").is_some() || item.get("compliance-check-name").is_some() {
        compliance(item, &mut found);
    }
    found
}

/// One plugin runs all checks of an audit file: the check is the rule, and some passed.
fn compliance(item: &Element, found: &mut Item) {
    let value = |name: &str| item.value(name).map(str::to_owned);
    if let Some(name) = value("compliance-check-name") {
        let id = value("compliance-check-id").unwrap_or_else(|| text::slug(&name));
        found.plugin = format!("{}:{id}", found.plugin);
        found.name = name;
    }
    found.description = value("compliance-info").unwrap_or(std::mem::take(&mut found.description));
    found.solution = value("compliance-solution").unwrap_or(std::mem::take(&mut found.solution));
    found.see_also.extend(value("compliance-see-also"));
    let parts: Vec<String> = [
        ("compliance-actual-value", "Actual value: "),
        ("compliance-policy-value", "Policy value: "),
    ]
    .into_iter()
    .filter_map(|(name, label)| value(name).map(|text| format!("{label}{text}")))
    .collect();
    if !parts.is_empty() {
        found.output = parts.join("\n");
    }
    if value("compliance-result").is_some_and(|word| word.eq_ignore_ascii_case("passed")) {
        found.reported = Reported::Absent {
            reason: "the compliance check passed".to_owned(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{detected, fixture, read, refused};
    use super::*;
    use gna_domain::import::SeverityBasis;
    use gna_domain::model::{CvssVersion, Location};

    #[test]
    fn every_host_and_port_is_an_instance() {
        let text = fixture("nessus/two-hosts.nessus");
        assert_eq!(detected(&Nessus, &text), Confidence::Certain);
        let read = read(&Nessus, &text);
        let expected = [
            ("42873", Level::High, "web1.shop.example:443"),
            ("42873", Level::High, "web1.shop.example:8443"),
            ("19506", Level::Info, "web1.shop.example"),
            ("42873", Level::Medium, "192.0.2.9:443"),
            ("21157:a1b2", Level::High, "192.0.2.9"),
            ("21157:1-2-passing", Level::Info, "192.0.2.9"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(rule, level, place)| ((*rule).to_owned(), *level, (*place).to_owned()))
            .collect();
        assert_eq!(read.lines(), expected);
        let first = &read.findings[0];
        assert_eq!(
            first.weakness.identifiers,
            ["CVE-2016-2183", "RHSA-2024:0001"]
        );
        assert_eq!(first.weakness.cwes, [326]);
        assert_eq!(
            first.weakness.references,
            ["https://sweet32.example", "https://blog.example/sweet32"]
        );
        let versions: Vec<CvssVersion> = first
            .weakness
            .cvss
            .iter()
            .map(|cvss| cvss.version)
            .collect();
        assert_eq!(
            versions,
            [CvssVersion::V4, CvssVersion::V30, CvssVersion::V2]
        );
        assert_eq!(
            first.message.as_deref(),
            Some("Medium strength ciphers:\n  DES-CBC3-SHA")
        );
        assert_eq!(first.tags, ["General", "exploit-available"]);
        match &first.location {
            Location::Network(network) => {
                assert_eq!(network.protocol.as_deref(), Some("tcp"));
                assert_eq!(network.service.as_deref(), Some("www"));
            }
            other => panic!("{other:?}"),
        }
        // The second host's item states no severity but a risk factor.
        assert_eq!(read.findings[3].severity_basis, SeverityBasis::Stated);
        assert!(matches!(read.findings[5].reported, Reported::Absent { .. }));
        assert_eq!(read.findings[2].weakness.recommendation, None);
        assert_eq!(read.meta.tool_version.as_deref(), Some("10.8.3"));
        assert_eq!(read.meta.subject.as_deref(), Some("Weekly"));
        assert_eq!(
            read.meta.scanned_at.unwrap().to_string(),
            "2026-02-03T10:11:12.000Z"
        );
        assert_eq!(read.codes(), ["item.skipped"]);
    }

    #[test]
    fn web_scans_stand_at_addresses() {
        let text = "<NessusClientData_v2><Report name='w' type='was'><ReportHost name='http://shop.example/'><HostProperties/>
            <ReportItem pluginID='98104' pluginName='XSS' severity='3' port='80'><plugin_output>on URL 'http://shop.example/find' by</plugin_output><xref>CWE:79</xref><cvssv3>7.1</cvssv3></ReportItem>
            <ReportItem pluginID='98105' pluginName='Other' port='80'><cvssv3>7.1</cvssv3></ReportItem></ReportHost></Report></NessusClientData_v2>";
        let read = read(&Nessus, text);
        assert_eq!(
            read.lines(),
            [
                (
                    "98104".into(),
                    Level::High,
                    "http://shop.example/find".into()
                ),
                ("98105".into(), Level::High, "http://shop.example/".into())
            ]
        );
        assert_eq!(read.findings[1].severity_basis, SeverityBasis::Score);
        assert_eq!(read.meta.category, Some(Category::Dast));
    }

    #[test]
    fn other_and_damaged_files_are_refused() {
        let text = fixture("nessus/two-hosts.nessus");
        assert_eq!(
            refused(&Nessus, "<NessusClientData/>").code,
            "report.wrong_format"
        );
        assert_eq!(
            refused(&Nessus, &text[..text.len() / 2]).code,
            "report.truncated"
        );
    }
}
