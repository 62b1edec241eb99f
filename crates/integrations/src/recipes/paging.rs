//! Paging: an incident for each vulnerability that opens, from a severity on; resolved with it.

use async_trait::async_trait;
use gna_domain::connect::recipe::{About, Form, Occurrence, RecipeInfo, Slot};
use gna_domain::error::Result;
use gna_domain::id::VulnerabilityId;
use gna_domain::model::Level;
use gna_domain::policy::Action;
use gna_domain::port::recipes::{Desk, Recipe};
use serde_json::{Value, json};

use super::each::each;
use super::subject::{Subject, threshold, threshold_schema};

const SLOT: &str = "pager";

pub struct Paging {
    info: RecipeInfo,
}

impl Paging {
    pub fn new() -> Self {
        let schema = json!({
            "type": "object",
            "properties": { "min_severity": threshold_schema() },
        });
        Self {
            info: RecipeInfo {
                name: "paging".into(),
                version: "1".into(),
                label: "Incidents for vulnerabilities".into(),
                description: "Opens an incident when a vulnerability opens, and resolves it when that closes.".into(),
                category: "Paging".into(),
                slots: vec![Slot {
                    key: SLOT.into(),
                    modules: vec!["pagerduty".into()],
                }],
                about: About::AnyGroup,
                needs: vec![Action::VulnerabilityRead],
                events: vec!["vulnerability.*".into()],
                every_seconds: 0,
                at_once: 1,
                actions: Vec::new(),
                config: Form::vertical(schema),
            },
        }
    }
}

/// PagerDuty's word for a level (Events API v2, `payload.severity`).
fn word(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::High => "error",
        Level::Medium => "warning",
        Level::Low | Level::Info => "info",
    }
}

#[async_trait]
impl Recipe for Paging {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }

    /// The incident's key is the vulnerability's id, so telling the pager twice is telling it once.
    async fn events(&self, desk: &Desk<'_>, events: &[Occurrence]) -> Result<()> {
        each(events, |id| page(desk, id)).await
    }
}

async fn page(desk: &Desk<'_>, id: VulnerabilityId) -> Result<()> {
    let Some(subject) = Subject::load(desk, id).await? else {
        return Ok(());
    };
    let key = id.to_string();
    let paged = desk.mapping(&key).await?;
    let is_paged = paged
        .as_ref()
        .is_some_and(|paged| paged.data == Value::Bool(true));
    let wants = subject.is_open() && subject.level() >= threshold(desk);
    if wants == is_paged {
        return Ok(());
    }
    if wants {
        let input = json!({
            "key": key,
            "title": subject.title(),
            "source": subject.asset.name,
            "severity": word(subject.level()),
            "details": { "text": subject.text() },
        });
        desk.call(SLOT, "trigger", input).await?;
    } else {
        desk.call(SLOT, "resolve", json!({ "key": key })).await?;
    }
    let external = Some(key.clone());
    desk.remember(paged.as_ref(), &key, external, wants.into())
        .await
        .map(|_| ())
}
