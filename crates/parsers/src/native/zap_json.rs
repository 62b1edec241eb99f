//! ZAP's "Traditional JSON Report", with or without requests and responses (`-plus`).
//!
//! Documented at
//! <https://www.zaproxy.org/docs/desktop/addons/report-generation/report-traditional-json/>.
//! Identity: alert reference (plugin id), address, method, parameter. Each instance of an alert is
//! a finding. Requests and responses are not kept: they hold the session. Next: `zap_alert.rs`.

use gna_domain::import::{Category, FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::model::Level;
use serde::Deserialize;
use std::sync::LazyLock;

use super::bandit::lacks;
use super::draft::Emitter;
use super::sniff::Outline;
use super::zap_alert::{self, Alert, Instance};
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

pub struct ZapJson;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "zap-json".into(),
    title: "ZAP JSON".into(),
    tool: "ZAP".into(),
    category: Category::Dast,
    identity: "alert reference, address, method, parameter".into(),
    streams: true,
});

/// All but the alerts.
#[derive(Deserialize)]
struct Head {
    #[serde(default, rename = "@version", deserialize_with = "lenient::opt_string")]
    version: Option<String>,
    #[serde(
        default,
        rename = "@generated",
        deserialize_with = "lenient::opt_string"
    )]
    generated: Option<String>,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    created: Option<String>,
    /// `null` and an empty list are a scan that met no site.
    #[serde(default, deserialize_with = "present")]
    site: Option<Vec<Site>>,
}

#[derive(Default, Deserialize)]
struct Site {
    #[serde(default, rename = "@name", deserialize_with = "lenient::string")]
    name: String,
}

fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Vec<Site>>, D::Error> {
    lenient::list(source).map(Some)
}

#[derive(Deserialize)]
struct JsonAlert {
    #[serde(default, rename = "pluginid", deserialize_with = "lenient::string")]
    plugin_id: String,
    #[serde(default, rename = "alertRef", deserialize_with = "lenient::string")]
    alert_ref: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    alert: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    name: String,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    riskcode: Option<String>,
    #[serde(default, deserialize_with = "lenient::string")]
    riskdesc: String,
    #[serde(default, deserialize_with = "lenient::string")]
    confidence: String,
    #[serde(default, deserialize_with = "lenient::string")]
    desc: String,
    #[serde(default, deserialize_with = "lenient::string")]
    solution: String,
    #[serde(default, deserialize_with = "lenient::string")]
    reference: String,
    #[serde(default, deserialize_with = "lenient::string")]
    otherinfo: String,
    #[serde(default, deserialize_with = "lenient::string")]
    cweid: String,
    #[serde(default, deserialize_with = "lenient::list_or_default")]
    tags: Vec<Tag>,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    count: Option<u32>,
    #[serde(default, deserialize_with = "lenient::list")]
    instances: Vec<JsonInstance>,
}

#[derive(Default, Deserialize)]
struct Tag {
    #[serde(default, deserialize_with = "lenient::string")]
    tag: String,
}

#[derive(Deserialize)]
struct JsonInstance {
    #[serde(default, deserialize_with = "lenient::string")]
    uri: String,
    #[serde(default, deserialize_with = "lenient::string")]
    method: String,
    #[serde(default, deserialize_with = "lenient::string")]
    param: String,
    #[serde(default, deserialize_with = "lenient::string")]
    attack: String,
    #[serde(default, deserialize_with = "lenient::string")]
    evidence: String,
    #[serde(default, deserialize_with = "lenient::string")]
    otherinfo: String,
}

impl Format for ZapJson {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match Outline::of(input.head_text()) {
            Some(outline) if outline.list => Confidence::No,
            Some(outline) if outline.has("@programName") && outline.mentions("\"ZAP\"") => {
                Confidence::Certain
            }
            // GitLab's DAST report may carry ZAP's own beside it.
            Some(outline) if outline.has_all(&["scan", "vulnerabilities"]) => Confidence::No,
            Some(outline) if outline.has_all(&["@version", "@generated"]) => {
                if outline.mentions("\"@host\"") || outline.mentions("\"pluginid\"") {
                    Confidence::Certain
                } else {
                    Confidence::Likely
                }
            }
            Some(outline)
                if outline.has("site")
                    && outline.mentions("\"alerts\"")
                    && outline.mentions("\"pluginid\"") =>
            {
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
        let head: Head = json::document(input)?;
        let sites = head
            .site
            .ok_or_else(|| lacks("site", "zap -cmd … with the template traditional-json"))?;
        let name = |index| {
            sites
                .get(index)
                .map_or("", |site: &Site| site.name.as_str())
        };
        let mut emitter = Emitter::new(sink, Level::Info).with_words(zap_alert::level);
        // One site alone may stand there without a list.
        let paths = ["site[].alerts[]", "site.alerts[]"];
        json::for_each_of(input, &paths, |item| {
            let site = name(if item.path == 0 { item.index(0) } else { 0 });
            match item.read::<JsonAlert>() {
                Ok(alert) => zap_alert::emit(&mut emitter, convert(alert, item.position), site),
                Err(warning) => {
                    emitter.skip(warning);
                    Ok(())
                }
            }
        })?;
        let names: Vec<&str> = sites
            .iter()
            .map(|site| site.name.as_str())
            .filter(|name| !name.is_empty())
            .take(10)
            .collect();
        Ok(ReportMeta {
            tool: INFO.tool.clone(),
            tool_version: head.version,
            category: Some(Category::Dast),
            scanned_at: zap_alert::time(head.created.as_deref(), head.generated.as_deref()),
            subject: (!names.is_empty()).then(|| text::cut(&names.join(", "), 500).into_owned()),
            items: emitter.items(),
            ..ReportMeta::default()
        })
    }
}

fn convert(alert: JsonAlert, position: gna_domain::import::Position) -> Alert {
    let instance = |instance: JsonInstance| Instance {
        uri: instance.uri,
        method: instance.method,
        parameter: instance.param,
        attack: instance.attack,
        evidence: instance.evidence,
        other_info: instance.otherinfo,
        position: None,
    };
    Alert {
        id: if alert.alert_ref.trim().is_empty() {
            alert.plugin_id
        } else {
            alert.alert_ref
        },
        title: alert.alert.unwrap_or(alert.name),
        risk: alert.riskcode.unwrap_or(alert.riskdesc),
        confidence: alert.confidence,
        description: alert.desc,
        solution: alert.solution,
        reference: alert.reference,
        other_info: alert.otherinfo,
        cwe: alert.cweid,
        tags: alert.tags.into_iter().map(|tag| tag.tag).collect(),
        count: alert.count.and_then(|count| usize::try_from(count).ok()),
        instances: alert.instances.into_iter().map(instance).collect(),
        position,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{detected, fixture, read, refused};
    use super::*;

    #[test]
    fn json_and_xml_of_one_scan_give_the_same_findings() {
        let json = fixture("zap-json/two-sites.json");
        assert_eq!(detected(&ZapJson, &json), Confidence::Certain);
        let from_json = read(&ZapJson, &json);
        let from_xml = read(
            &super::super::zap_xml::ZapXml,
            &fixture("zap-xml/two-sites.xml"),
        );
        assert_eq!(from_json.findings.len(), from_xml.findings.len());
        for (ours, theirs) in from_json.findings.iter().zip(&from_xml.findings) {
            assert_eq!(ours.weakness, theirs.weakness);
            assert_eq!(ours.location, theirs.location);
            assert_eq!(ours.message, theirs.message);
            assert_eq!(ours.reported, theirs.reported);
        }
        assert_eq!(from_json.codes(), from_xml.codes());
        assert_eq!(from_json.meta, from_xml.meta);
    }

    #[test]
    fn single_sites_numbers_and_damaged_alerts() {
        let text = r#"{"@version": "2.7.0", "site": {"@name": "http://a.example", "alerts": [
            {"pluginid": 10016, "name": "Header", "riskcode": 1, "cweid": "933", "instances": {"uri": "http://a.example/x"}},
            {"pluginid": "10017", "instances": "many"}, 7]}}"#;
        let read = read(&ZapJson, text);
        assert_eq!(
            read.lines(),
            [("10016".into(), Level::Low, "http://a.example/x".into())]
        );
        assert_eq!(read.codes(), ["item.skipped", "item.skipped"]);
        assert_eq!(read.meta.subject.as_deref(), Some("http://a.example"));
        assert_eq!(
            super::super::testing::read(&ZapJson, r#"{"@version": "2", "site": []}"#)
                .meta
                .items,
            0
        );
        assert_eq!(refused(&ZapJson, "{}").code, "report.wrong_format");
    }
}
