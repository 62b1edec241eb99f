//! What recipes for trackers, chats and pagers say of a vulnerability.

use gna_domain::error::Result;
use gna_domain::id::VulnerabilityId;
use gna_domain::model::{Asset, Finding, Level, Location, State, Vulnerability};
use gna_domain::port::recipes::Desk;
use gna_domain::port::repo;
use gna_domain::port::store::Stored;
use gna_domain::time::Timestamp;
use serde_json::{Value, json};

/// Longest title of an issue, in characters: the least of the trackers (Jira, Azure DevOps: 255).
const TITLE: usize = 250;
/// Longest description taken over, in characters.
const DESCRIPTION: usize = 8_000;

/// A vulnerability with what is told of it.
pub struct Subject {
    pub vulnerability: Stored<Vulnerability>,
    pub finding: Finding,
    pub asset: Asset,
    /// When it was loaded.
    now: Timestamp,
}

impl Subject {
    /// `None` when it is gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(desk: &Desk<'_>, id: VulnerabilityId) -> Result<Option<Self>> {
        let store = desk.ctx.store();
        let Some(vulnerability) = repo::get::<Vulnerability>(store, id).await? else {
            return Ok(None);
        };
        let finding = repo::get::<Finding>(store, vulnerability.finding).await?;
        let asset = repo::get::<Asset>(store, vulnerability.asset).await?;
        Ok(match (finding, asset) {
            (Some(finding), Some(asset)) => Some(Self {
                vulnerability,
                finding: finding.value,
                asset: asset.value,
                now: desk.ctx.now(),
            }),
            _ => None,
        })
    }

    /// What a person rated it, else what its sources say.
    pub fn level(&self) -> Level {
        let own = self.vulnerability.triage.severity.as_ref();
        own.map_or(self.vulnerability.severity.level, |own| own.level)
    }

    fn score(&self) -> f64 {
        let own = self.vulnerability.triage.severity.as_ref();
        own.map_or(self.vulnerability.severity.score, |own| own.score)
    }

    /// Whether it is to be dealt with: open, where it counts, not merged, not set aside by its
    /// sources, nor accepted or held for a false positive by people.
    pub fn is_open(&self) -> bool {
        let value = &self.vulnerability.value;
        value.state == State::Open
            && value.on_default_ref
            && value.merged_into.is_none()
            && !value.is_suppressed()
            && !value.triage.is_false_positive()
            && !value.triage.treatment.is_acceptance_at(self.now)
    }

    /// What recipes as data may name of it.
    pub fn words(&self) -> Value {
        let value = &self.vulnerability.value;
        json!({
            "id": value.id,
            "title": self.title(),
            "text": self.text(),
            "severity": self.level().as_str(),
            "score": self.score(),
            "asset": self.asset.name,
            "place": place(&value.location),
            "state": value.state.as_str(),
            "is_open": self.is_open(),
            "tags": value.tags,
            "identifiers": value.identifiers,
        })
    }

    pub fn title(&self) -> String {
        let level = level_name(self.level());
        let whole = format!("[{level}] {} in {}", self.finding.title, self.asset.name);
        whole
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(TITLE)
            .collect()
    }

    /// Plain lines that read well as Markdown, Textile, wiki markup and text alike.
    pub fn text(&self) -> String {
        let value = &self.vulnerability.value;
        let mut lines = vec![format!(
            "Where: {} · {}",
            self.asset.name,
            place(&value.location)
        )];
        if !value.identifiers.is_empty() {
            lines.push(format!("Known as: {}", value.identifiers.join(", ")));
        }
        lines.push(format!(
            "Severity: {} ({:.1})",
            level_name(self.level()),
            self.score()
        ));
        if let Location::Package(package) = &value.location
            && let Some(fixed) = &package.fixed_version
        {
            lines.push(format!("Fixed in: {fixed}"));
        }
        for text in [&self.finding.description, &self.finding.recommendation]
            .into_iter()
            .flatten()
        {
            lines.push(String::new());
            lines.push(text.chars().take(DESCRIPTION).collect());
        }
        lines.join("\n")
    }
}

/// A level as people write it.
pub fn level_name(level: Level) -> &'static str {
    match level {
        Level::Info => "Info",
        Level::Low => "Low",
        Level::Medium => "Medium",
        Level::High => "High",
        Level::Critical => "Critical",
    }
}

/// The configured least severity; everything from HIGH up where none is.
pub fn threshold(desk: &Desk<'_>) -> Level {
    let wanted = desk.text("min_severity").unwrap_or("HIGH");
    Level::ALL
        .into_iter()
        .find(|level| level_name(*level).eq_ignore_ascii_case(wanted))
        .unwrap_or(Level::High)
}

/// The schema of that choice.
pub fn threshold_schema() -> Value {
    json!({
        "type": "string",
        "title": "From which severity on",
        "enum": ["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"],
        "default": "HIGH",
    })
}

fn place(location: &Location) -> String {
    match (location.path(), location.line()) {
        (Some(path), Some(line)) => format!("{path}:{line}"),
        (Some(path), None) => path.to_owned(),
        (None, _) => match location {
            Location::Package(package) => match (&package.purl, &package.version) {
                (Some(purl), _) => purl.clone(),
                (None, Some(version)) => format!("{} {version}", package.name),
                (None, None) => package.name.clone(),
            },
            Location::Endpoint(endpoint) => endpoint.url.clone(),
            Location::Network(network) => network.host.clone(),
            Location::Cloud(cloud) => cloud.resource.clone(),
            Location::Code(_) | Location::Asset => "the whole of it".to_owned(),
        },
    }
}
