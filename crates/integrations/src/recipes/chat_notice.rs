//! Notices in a chat: a message for each vulnerability that opens, from a severity on.

use async_trait::async_trait;
use gna_domain::connect::mapping::Mapping;
use gna_domain::connect::recipe::{About, Form, Occurrence, RecipeInfo, Slot, UserAction};
use gna_domain::error::{Error, Result};
use gna_domain::policy::Action;
use gna_domain::port::recipes::{Desk, Recipe};
use gna_domain::port::store::Stored;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::each::Failures;
use super::subject::{Subject, threshold, threshold_schema};

const SLOT: &str = "chat";
/// Messages for the events of one job; more of them are told as a number.
const MESSAGES_MAX: usize = 10;

pub struct ChatNotice {
    info: RecipeInfo,
}

impl ChatNotice {
    pub fn new() -> Self {
        let schema = json!({
            "type": "object",
            "properties": {
                "channel": { "type": "string", "title": "Channel (not for Google Chat, whose webhook knows it)" },
                "team": { "type": "string", "title": "Team (Microsoft Teams only)" },
                "min_severity": threshold_schema(),
            },
        });
        Self {
            info: RecipeInfo {
                name: "chat-notice".into(),
                version: "1".into(),
                label: "Notices in a chat".into(),
                description: "Posts a message when a vulnerability opens.".into(),
                category: "Chat".into(),
                slots: vec![Slot {
                    key: SLOT.into(),
                    modules: ["google-chat", "microsoft-teams", "slack"]
                        .map(str::to_owned)
                        .to_vec(),
                }],
                about: About::AnyGroup,
                needs: vec![Action::VulnerabilityRead],
                events: vec![
                    "vulnerability.created".into(),
                    "vulnerability.opened".into(),
                ],
                every_seconds: 0,
                at_once: 1,
                actions: vec![UserAction {
                    name: "SEND_TEST".into(),
                    kind: "QUICK_ACTION".into(),
                    title: "Send a test message".into(),
                    description: "Posts a message that says that the connection works.".into(),
                }],
                config: Form::vertical(schema),
            },
        }
    }
}

/// Text in which nothing calls people together or becomes a link that was not meant (Slack's
/// escapes, which are those of HTML for Teams as well).
fn harmless(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

async fn post(desk: &Desk<'_>, text: &str) -> Result<()> {
    let input = json!({
        "text": harmless(text),
        "channel": desk.text("channel"),
        "team": desk.text("team"),
    });
    let input = desk.fitting(SLOT, "post_message", input);
    let module = desk.account(SLOT)?.entity.module.as_str();
    for key in ["channel", "team"] {
        let is_asked = desk.needs(SLOT, "post_message", key);
        if is_asked && input.get(key).is_none() {
            return Err(Error::invalid(
                "integration.not_configured",
                format!("{module} needs the {key}; name it in the integration's configuration"),
            ));
        }
    }
    desk.call(SLOT, "post_message", input).await.map(|_| ())
}

/// A vulnerability that opened and was not told of.
struct Opening {
    source: String,
    before: Option<Stored<Mapping>>,
    /// When it opened, in milliseconds.
    since: Value,
    title: String,
}

impl Opening {
    async fn tell(&self, desk: &Desk<'_>) -> Result<()> {
        post(desk, &self.title).await?;
        self.told(desk).await
    }

    async fn told(&self, desk: &Desk<'_>) -> Result<()> {
        let (before, since) = (self.before.as_ref(), self.since.clone());
        desk.remember(before, &self.source, None, since)
            .await
            .map(|_| ())
    }
}

/// Tells how many more there are.
async fn tell_of(desk: &Desk<'_>, more: &[Opening]) -> Result<()> {
    let text = format!("… and {} more vulnerabilities", more.len());
    post(desk, &text).await?;
    for opening in more {
        opening.told(desk).await?;
    }
    Ok(())
}

#[async_trait]
impl Recipe for ChatNotice {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }

    async fn events(&self, desk: &Desk<'_>, events: &[Occurrence]) -> Result<()> {
        let mut openings = Vec::new();
        let mut seen = BTreeSet::new();
        for event in events {
            let Ok(id) = event.subject.parse() else {
                continue;
            };
            if !seen.insert(event.subject.as_str()) {
                continue;
            }
            let Some(subject) = Subject::load(desk, id).await? else {
                continue;
            };
            // Each opening is told once, unless the process dies between a message and this note.
            let since = Value::from(subject.vulnerability.state_since.millis());
            let before = desk.mapping(&event.subject).await?;
            let is_told = before.as_ref().is_some_and(|before| before.data == since);
            if subject.is_open() && subject.level() >= threshold(desk) && !is_told {
                openings.push(Opening {
                    source: event.subject.clone(),
                    before,
                    since,
                    title: subject.title(),
                });
            }
        }
        let rest = openings.split_off(openings.len().min(MESSAGES_MAX));
        let mut failures = Failures::default();
        for opening in &openings {
            failures.note(opening.tell(desk).await)?;
        }
        if !rest.is_empty() {
            failures.note(tell_of(desk, &rest).await)?;
        }
        failures.end()
    }

    async fn act(&self, desk: &Desk<'_>, action: &str, _: &Value) -> Result<Value> {
        if action != "SEND_TEST" {
            return Err(Error::not_found(
                "integration.action_unknown",
                "this integration has no such action",
            ));
        }
        post(desk, "Gna is connected to this channel.").await?;
        Ok(json!({ "message": "sent" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_calls_nobody() {
        assert_eq!(
            harmless("<!channel> & <script>"),
            "&lt;!channel&gt; &amp; &lt;script&gt;"
        );
    }
}
