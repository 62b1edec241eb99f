//! A card for each report that was read, and a word about how many of them are done.

use async_trait::async_trait;
use gna_domain::connect::integration::Level;
use gna_domain::connect::recipe::{About, Form, Occurrence, RecipeInfo, Slot, UserAction};
use gna_domain::error::{Error, Result};
use gna_domain::id::ReportId;
use gna_domain::model::Report;
use gna_domain::policy::Action;
use gna_domain::port::recipes::{Desk, Recipe};
use gna_domain::port::repo;
use serde_json::{Value, json};

/// How the recipe calls the account that it needs.
const BOARD: &str = "board";

pub struct ReportCards {
    info: RecipeInfo,
}

impl ReportCards {
    pub fn new() -> Self {
        let config = json!({
            "type": "object",
            "properties": { "lane": { "type": "string", "title": "Lane" } },
            "required": ["lane"],
        });
        Self {
            info: RecipeInfo {
                name: "report-cards".into(),
                version: "1".into(),
                label: "Cards for reports".into(),
                description: "Makes a card for each report that was read.".into(),
                category: "Boards".into(),
                slots: vec![Slot {
                    key: BOARD.into(),
                    modules: vec!["team-board".into()],
                }],
                about: About::AnyGroup,
                // Whoever has one for themselves must be permitted to do what it does.
                needs: vec![Action::ReportRead],
                events: vec!["report.completed".into()],
                every_seconds: 300,
                at_once: 1,
                actions: vec![UserAction {
                    name: "COUNT".into(),
                    kind: "QUICK_ACTION".into(),
                    title: "Count cards".into(),
                    description: "Asks the board how many cards are done.".into(),
                }],
                config: Form::vertical(config),
            },
        }
    }
}

#[async_trait]
impl Recipe for ReportCards {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }

    /// May be told the same again, so it looks first whether there is a card.
    async fn events(&self, desk: &Desk<'_>, events: &[Occurrence]) -> Result<()> {
        for event in events {
            if desk.mapping(&event.subject).await?.is_none() {
                make_card(desk, event.subject.parse()?).await?;
            }
        }
        Ok(())
    }

    /// Every five minutes.
    async fn tick(&self, desk: &Desk<'_>) -> Result<()> {
        count(desk).await.map(|_| ())
    }

    async fn act(&self, desk: &Desk<'_>, action: &str, _: &Value) -> Result<Value> {
        match action {
            "COUNT" => Ok(json!({ "message": count(desk).await? })),
            _ => Err(Error::not_found(
                "integration.action_unknown",
                "this integration has no such action",
            )),
        }
    }
}

async fn make_card(desk: &Desk<'_>, id: ReportId) -> Result<()> {
    let Some(report) = repo::get::<Report>(desk.ctx.store(), id).await? else {
        return Ok(());
    };
    let input = json!({
        "project": desk.text("lane"),
        "title": format!("{}: {} new", report.file_name, report.counts.created),
    });
    let card = desk.call(BOARD, "create_issue", input).await?;
    let external = card.get("id").and_then(Value::as_str).map(str::to_owned);
    desk.remember(None, &id.to_string(), external, Value::Null)
        .await
        .map(|_| ())
}

/// Tells the user, too.
async fn count(desk: &Desk<'_>) -> Result<String> {
    let input = json!({ "project": desk.text("lane") });
    let cards = desk.list(BOARD, "list_issues", input).await?.items;
    let done = cards
        .iter()
        .filter(|card| card.get("state") == Some(&json!("done")));
    let text = format!("{} of {} cards are done", done.count(), cards.len());
    desk.note(Level::Info, "Cards", &text).await?;
    Ok(text)
}
