//! ZAP's "Traditional XML Report", with or without requests and responses (`-plus`), ZAP 2.4 on.
//!
//! Documented at
//! <https://www.zaproxy.org/docs/desktop/addons/report-generation/report-traditional-xml/>.
//! Identity: alert reference (plugin id), address, method, parameter. Each instance of an alert is
//! a finding. Requests and responses are not kept: they hold the session. Next: `zap_alert.rs`.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::model::Level;
use std::sync::LazyLock;

use super::draft::Emitter;
use super::zap_alert::{self, Alert, Instance};
use crate::format::{Confidence, Format, Options};
use crate::xml::{self, Element};
use crate::{Input, text};

pub struct ZapXml;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "zap-xml".into(),
    title: "ZAP XML".into(),
    tool: "ZAP".into(),
    category: Category::Dast,
    identity: "alert reference, address, method, parameter".into(),
    streams: true,
});

const ROOT: &str = "OWASPZAPReport";
const LEFT_OUT: [&str; 4] = [
    "requestheader",
    "requestbody",
    "responseheader",
    "responsebody",
];

impl Format for ZapXml {
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
        let mut emitter = Emitter::new(sink, Level::Info).with_words(zap_alert::level);
        let mut sites: Vec<String> = Vec::new();
        let paths = [
            "OWASPZAPReport/site/alerts/alertitem",
            "OWASPZAPReport/alerts/alertitem",
        ];
        let root = xml::for_each_without(input, &paths, &LEFT_OUT, |item| {
            let site = item.parent_attr("site", "name").unwrap_or_default();
            if !site.is_empty() && !sites.iter().any(|known| known == site) && sites.len() < 10 {
                sites.push(site.to_owned());
            }
            zap_alert::emit(&mut emitter, alert(&item.element), site)
        })?;
        root.expect(&[ROOT], "ZAP")?;
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            tool_version: root.attr("version").map(str::to_owned),
            category: Some(Category::Dast),
            scanned_at: zap_alert::time(root.attr("created"), root.attr("generated")),
            subject: (!sites.is_empty()).then(|| text::cut(&sites.join(", "), 500).into_owned()),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn alert(element: &Element) -> Alert {
    let value = |path: &str| element.value(path).unwrap_or_default().to_owned();
    let first = |paths: [&str; 2]| {
        let found = paths.iter().find_map(|path| element.value(path));
        found.unwrap_or_default().to_owned()
    };
    let mut instances: Vec<Instance> = element
        .all("instances/instance")
        .into_iter()
        .map(instance)
        .collect();
    // Before 2.5 each alert stood for one instance.
    if instances.is_empty() && element.value("uri").is_some() {
        instances.push(instance(element));
    }
    Alert {
        id: first(["alertRef", "pluginid"]),
        title: first(["alert", "name"]),
        risk: first(["riskcode", "riskdesc"]),
        confidence: first(["confidence", "reliability"]),
        description: value("desc"),
        solution: value("solution"),
        reference: value("reference"),
        other_info: value("otherinfo"),
        cwe: value("cweid"),
        tags: element
            .values("tags/tag/tag")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        count: element.value("count").and_then(|count| count.parse().ok()),
        instances,
        position: element.position(0),
    }
}

fn instance(element: &Element) -> Instance {
    let value = |path: &str| element.value(path).unwrap_or_default().to_owned();
    Instance {
        uri: value("uri"),
        method: value("method"),
        parameter: value("param"),
        attack: value("attack"),
        evidence: value("evidence"),
        other_info: value("otherinfo"),
        position: Some(element.position(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{detected, fixture, read, refused};
    use super::*;
    use gna_domain::import::Reported;
    use gna_domain::model::Location;

    #[test]
    fn every_instance_of_every_site_is_a_finding() {
        let text = fixture("zap-xml/two-sites.xml");
        assert_eq!(detected(&ZapXml, &text), Confidence::Certain);
        let read = read(&ZapXml, &text);
        let expected = [
            ("40018", Level::High, "GET https://shop.example/search?q=a"),
            ("40018", Level::High, "POST https://shop.example/login"),
            ("10038-1", Level::Medium, "GET https://shop.example/"),
            ("10109", Level::Info, "https://shop.example"),
            ("10202", Level::Low, "GET https://api.shop.example/form"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(rule, level, place)| ((*rule).to_owned(), *level, (*place).to_owned()))
            .collect();
        assert_eq!(read.lines(), expected);
        let first = &read.findings[0];
        assert_eq!(first.weakness.cwes, [89]);
        assert_eq!(first.weakness.title, "SQL Injection");
        assert_eq!(
            first.weakness.references,
            [
                "https://cheatsheets.example/sql",
                "https://owasp.example/a03"
            ]
        );
        assert_eq!(
            first.message.as_deref(),
            Some(
                "Attack: a' AND '1'='1\nEvidence: syntax error near\nThe page changed with a TRUE condition."
            )
        );
        assert_eq!(first.tags, ["confidence:medium", "OWASP_2021_A03"]);
        match &first.location {
            Location::Endpoint(endpoint) => assert_eq!(endpoint.parameter.as_deref(), Some("q")),
            other => panic!("{other:?}"),
        }
        assert!(std::sync::Arc::ptr_eq(
            &first.weakness,
            &read.findings[1].weakness
        ));
        assert!(matches!(
            read.findings[4].reported,
            Reported::Suppressed { .. }
        ));
        assert_eq!(read.codes(), ["instances.unlisted"]);
        assert_eq!(read.meta.tool_version.as_deref(), Some("2.16.0"));
        assert_eq!(
            read.meta.scanned_at.unwrap().to_string(),
            "2026-02-03T10:11:12.000Z"
        );
        assert!(!format!("{:?}", read.findings).contains("session=s3cr3t"));
    }

    #[test]
    fn old_alerts_are_their_own_instance_and_nameless_ones_are_skipped() {
        let text = "<OWASPZAPReport version='2.4.0' generated='Tue, 12 May 2020 20:57:30'><site name='http://a.example'><alerts>
            <alertitem><pluginid>10</pluginid><alert>Old &lt;b&gt;one&lt;/b&gt;</alert><riskdesc>Medium (High)</riskdesc><reliability>3</reliability><uri>http://a.example/x</uri><param>p</param><cweid>-1</cweid></alertitem>
            <alertitem><riskcode>9</riskcode></alertitem>
            <alertitem><name>No Id Here</name><riskcode>7</riskcode></alertitem></alerts></site></OWASPZAPReport>";
        let read = read(&ZapXml, text);
        assert_eq!(
            read.lines(),
            [
                ("10".into(), Level::Medium, "http://a.example/x".into()),
                ("no-id-here".into(), Level::Info, "http://a.example".into())
            ]
        );
        assert_eq!(read.findings[0].weakness.title, "Old one");
        assert!(read.findings[0].weakness.cwes.is_empty());
        assert_eq!(read.codes(), ["item.skipped", "severity.unknown"]);
        assert_eq!(refused(&ZapXml, "<other/>").code, "report.wrong_format");
        assert_eq!(refused(&ZapXml, &text[..300]).code, "report.truncated");
    }
}
