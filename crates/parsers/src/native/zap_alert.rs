//! What ZAP's XML and JSON reports have in common: alerts and their instances.
//!
//! What it is not: a format; [`super::zap_xml`] and [`super::zap_json`] fill an [`Alert`] each in
//! their way. The fields are those of ZAP's "Traditional" templates, see
//! <https://www.zaproxy.org/docs/desktop/addons/report-generation/report-traditional-xml/>.

use gna_domain::import::{Position, Refusal, Reported};
use gna_domain::model::{EndpointLocation, Level, Location};
use gna_domain::time::Timestamp;

use super::draft::{Draft, Emitter};
use super::html_fields::{links, plain};
use crate::text;

/// Longest attack or evidence kept of an instance, in bytes.
const PART: usize = 2_000;

/// One alert, in the report's own words.
#[derive(Clone, Debug, Default)]
pub(super) struct Alert {
    /// `alertRef` where there is one: it tells apart the alerts of one plugin.
    pub id: String,
    pub title: String,
    /// 0 to 3.
    pub risk: String,
    /// 0 (false positive) to 4 (confirmed).
    pub confidence: String,
    pub description: String,
    pub solution: String,
    pub reference: String,
    pub other_info: String,
    pub cwe: String,
    pub tags: Vec<String>,
    /// How many instances ZAP met; the report may list fewer.
    pub count: Option<usize>,
    pub instances: Vec<Instance>,
    pub position: Position,
}

/// One place where the alert was raised.
#[derive(Clone, Debug, Default)]
pub(super) struct Instance {
    pub uri: String,
    pub method: String,
    pub parameter: String,
    pub attack: String,
    pub evidence: String,
    pub other_info: String,
    pub position: Option<Position>,
}

/// ZAP's risk codes, and the words of `riskdesc`, as in `Low (Medium)`.
pub(super) fn level(risk: &str) -> Option<Level> {
    match risk.split(" (").next().unwrap_or_default().trim() {
        "0" => Some(Level::Info),
        "1" => Some(Level::Low),
        "2" => Some(Level::Medium),
        "3" => Some(Level::High),
        word => Level::from_word(word),
    }
}

/// Hands over one finding for each instance; an alert without any is one of the whole site.
pub(super) fn emit(emitter: &mut Emitter<'_>, mut alert: Alert, site: &str) -> Result<(), Refusal> {
    let place = Position {
        item: emitter.items(),
        ..alert.position
    };
    if alert.id.trim().is_empty() && alert.title.trim().is_empty() {
        emitter.skip(crate::json::skipped(
            place,
            "the alert has neither a plugin id nor a name",
        ));
        return Ok(());
    }
    let mut instances = std::mem::take(&mut alert.instances);
    let listed = instances.len();
    if let Some(count) = alert.count.filter(|count| listed > 0 && *count > listed) {
        let title = text::one_line(&alert.title, 100);
        let message = format!("{title:?} has {count} instances, the report lists {listed} of them");
        emitter.note("instances.unlisted", message, place);
    }
    if instances.is_empty() {
        instances.push(Instance::default());
    }
    // Before 2.12 only the alert had further information, made for its first instance.
    if let [only] = instances.as_mut_slice()
        && only.other_info.trim().is_empty()
    {
        only.other_info.clone_from(&alert.other_info);
    }
    let position = alert.position;
    let common = Common::of(alert);
    for instance in instances {
        let position = Position {
            item: emitter.items(),
            ..instance.position.unwrap_or(position)
        };
        let location = location(&instance, site);
        emitter.emit(common.draft(message(&instance)), location, position)?;
    }
    Ok(())
}

fn location(instance: &Instance, site: &str) -> Location {
    let uri = text::filled(Some(&instance.uri)).unwrap_or(site);
    if uri.is_empty() {
        return Location::Asset;
    }
    Location::Endpoint(EndpointLocation {
        url: uri.to_owned(),
        method: text::filled(Some(&instance.method)).map(str::to_ascii_uppercase),
        parameter: text::filled(Some(&instance.parameter)).map(str::to_owned),
    })
}

/// What all instances share, read once: some alerts have many thousands of them.
struct Common {
    rule: String,
    title: String,
    description: Option<String>,
    recommendation: Option<String>,
    references: Vec<String>,
    cwes: Vec<u32>,
    identifiers: Vec<String>,
    risk: String,
    tags: Vec<String>,
    reported: Reported,
}

impl Common {
    fn of(alert: Alert) -> Self {
        let title = text::plain(&alert.title);
        let confidence = match alert.confidence.trim() {
            "0" => "false positive",
            "1" => "low",
            "2" => "medium",
            "3" => "high",
            "4" => "confirmed",
            word => word,
        };
        let reported = if confidence.eq_ignore_ascii_case("false positive") {
            Reported::Suppressed {
                status: "false positive".to_owned(),
                justification: None,
            }
        } else {
            Reported::Present
        };
        let mut tags: Vec<String> = super::bandit::confidence(confidence).into_iter().collect();
        tags.extend(alert.tags.iter().cloned());
        Self {
            rule: text::filled(Some(&alert.id)).map_or_else(|| text::slug(&title), str::to_owned),
            title,
            description: plain(Some(&alert.description)),
            recommendation: plain(Some(&alert.solution)),
            references: links(&alert.reference),
            cwes: text::cwes([alert.cwe.as_str()]),
            // Tags of rules for known components name their CVE.
            identifiers: text::in_order(&alert.tags),
            risk: alert.risk,
            tags,
            reported,
        }
    }

    fn draft(&self, message: Option<String>) -> Draft {
        Draft {
            rule: self.rule.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            recommendation: self.recommendation.clone(),
            references: self.references.clone(),
            cwes: self.cwes.clone(),
            identifiers: self.identifiers.clone(),
            severity: Some(self.risk.clone()),
            message,
            tags: self.tags.clone(),
            reported: self.reported.clone(),
            ..Draft::default()
        }
    }
}

fn message(instance: &Instance) -> Option<String> {
    let part = |name: &str, value: &str| {
        let value = value.trim();
        (!value.is_empty()).then(|| format!("{name}: {}", text::cut(value, PART)))
    };
    let parts: Vec<String> = [
        part("Attack", &instance.attack),
        part("Evidence", &instance.evidence),
        plain(Some(&instance.other_info)),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// `created` in RFC 3339, or `generated` as in `Tue, 12 May 2020 20:57:30`.
pub(super) fn time(created: Option<&str>, generated: Option<&str>) -> Option<Timestamp> {
    created
        .and_then(|text| Timestamp::parse(text).ok())
        .or_else(|| Timestamp::parse_with("%a, %d %b %Y %H:%M:%S", generated?))
}
