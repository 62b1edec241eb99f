//! What an app lists: one kind of finding, in an order that says how much must be read.

use gna_domain::error::Result;
use gna_domain::port::recipes::Desk;
use gna_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::SLOT;

/// Most pages read at once.
const PAGES: usize = 200;

/// How far back a list must be read to have everything that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It can be asked for what changed since a time.
    Since,
    /// The last changed come first: read until one is older.
    NewestFirst,
    /// It says everything or nothing.
    Whole,
}

/// One finding in the app's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The app's id; stays the same however often it changes.
    pub id: String,
    /// In the words of the generic report format, one per place. Empty when it is gone.
    pub findings: Vec<Value>,
}

/// What an operation gives of one thing.
pub type Listed = Map<String, Value>;

/// One kind of finding of an app.
pub struct Feed {
    pub module: &'static str,
    /// Names the kind, also in what is remembered.
    pub name: &'static str,
    pub operation: &'static str,
    /// The operation that begins an export, for apps that prepare their list and give it in parts.
    pub export: Option<&'static str>,
    pub order: Order,
    /// As findings of which tool they are imported.
    pub tool: &'static str,
    pub category: &'static str,
    /// Whether it lists one project at a time.
    pub by_project: bool,
    /// Whether each host is an asset of its own.
    pub by_host: bool,
    /// An item in our words. `None` for what is no finding.
    pub map: fn(&Listed) -> Option<Item>,
}

/// What was read.
pub struct Read {
    pub items: Vec<Item>,
    /// Whether that is everything that was asked for.
    pub is_whole: bool,
}

/// A scalar as text.
pub fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Feed {
    /// Everything of a project, or what changed since a time.
    ///
    /// # Errors
    /// The app's.
    pub async fn read(
        &self,
        desk: &Desk<'_>,
        project: &str,
        since: Option<Timestamp>,
    ) -> Result<Read> {
        let asked = match self.order {
            Order::Since => since.map(|since| since.to_string()),
            Order::NewestFirst | Order::Whole => None,
        };
        let input = json!({
            "project": self.by_project.then_some(project),
            "project_kind": self.by_project.then_some("project"),
            "since": asked,
        });
        let input = desk.fitting(SLOT, self.operation, input);
        let (mut items, mut page, mut is_cut) = (Vec::new(), None, false);
        for _ in 0..PAGES {
            let part = desk.part(SLOT, self.operation, input.clone(), page).await?;
            for item in &part.items {
                if self.is_old(item, since) {
                    return Ok(Read {
                        items,
                        is_whole: true,
                    });
                }
                items.extend((self.map)(item));
            }
            (page, is_cut) = (part.next, part.is_cut);
            if page.is_none() {
                break;
            }
        }
        Ok(Read {
            items,
            is_whole: page.is_none() && !is_cut,
        })
    }

    fn is_old(&self, item: &Map<String, Value>, since: Option<Timestamp>) -> bool {
        let at = text(item.get("updated_at")).and_then(|at| Timestamp::parse(&at).ok());
        match (self.order, since, at) {
            (Order::NewestFirst, Some(since), Some(at)) => at < since,
            _ => false,
        }
    }
}
