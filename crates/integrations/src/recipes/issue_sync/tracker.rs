//! The tracker at the other end, whichever it is: one way to make, find, read and change an issue.
//!
//! Operations have the same names in all modules; what differs is how a state is changed: by a
//! transition (Jira), by the id of a state (Redmine, Linear), by its name, or by a yes or no (Asana).

use gna_domain::connect::module::PageState;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::recipes::Desk;
use gna_domain::time::{DAY_MS, Timestamp};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::plan::{Side, side};

/// The slot of the tracker's account.
pub const SLOT: &str = "tracker";
/// How much earlier than the last look the next one begins, in milliseconds: an hour. Trackers have
/// clocks and indexes of their own.
const OVERLAP_MS: i64 = 3_600_000;

/// An issue as it is there.
#[derive(Clone, Debug)]
pub struct Issue {
    pub id: String,
    pub url: Option<String>,
    /// Absent where the answer does not show titles; so is the body.
    pub title: Option<String>,
    pub body: Option<String>,
    pub side: Side,
}

/// An issue in a list; some lists have ids only.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: String,
    pub issue: Option<Issue>,
}

/// Issues that changed.
#[derive(Clone, Debug)]
pub struct Changed {
    pub issues: Vec<Seen>,
    /// Where the list was too long to be read at once: where the rest begins.
    pub next: Option<PageState>,
}

pub struct Tracker<'d, 'a> {
    desk: &'d Desk<'a>,
    project: String,
    /// Names of closed states, where they are known.
    closed: OnceCell<Vec<String>>,
}

/// A scalar as text; ids are numbers in some trackers.
fn text(item: &Map<String, Value>, key: &str) -> Option<String> {
    match item.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Text as HTML, for trackers whose descriptions are.
fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', "<br>\n")
}

impl<'d, 'a> Tracker<'d, 'a> {
    /// # Errors
    /// `integration.not_configured` without a project.
    pub fn at(desk: &'d Desk<'a>) -> Result<Self> {
        let project = desk.text("project").ok_or_else(|| {
            Error::invalid(
                "integration.not_configured",
                "choose the project for the issues in the integration's configuration",
            )
        })?;
        Ok(Self {
            desk,
            project: project.to_owned(),
            closed: OnceCell::new(),
        })
    }

    fn module(&self) -> &str {
        let account = self.desk.accounts.get(SLOT);
        account.map_or("", |account| account.entity.module.as_str())
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Map<String, Value>> {
        let input = self.desk.fitting(SLOT, operation, input);
        self.desk.call(SLOT, operation, input).await
    }

    /// Names of states that count as closed: configured ones, else those that the tracker itself
    /// calls so, where it lists states without an issue.
    async fn closed(&self) -> Result<&[String]> {
        let names = self
            .closed
            .get_or_try_init(|| async {
                if let Some(names) = self.desk.text("closed_states") {
                    return Ok(names
                        .split(',')
                        .map(|name| name.trim().to_owned())
                        .collect());
                }
                let module = self.desk.apps.module(self.module());
                let tells = module.is_some_and(|module| {
                    let operation = module.operations.get("list_transitions");
                    operation.is_some_and(|operation| {
                        operation.input.is_empty() && operation.output.contains_key("is_closed")
                    })
                });
                if !tells {
                    return Ok(Vec::new());
                }
                let states = self.desk.list(SLOT, "list_transitions", json!({})).await?;
                Ok(states
                    .items
                    .iter()
                    .filter(|state| state.get("is_closed") == Some(&Value::Bool(true)))
                    .filter_map(|state| text(state, "state").or_else(|| text(state, "name")))
                    .collect())
            })
            .await;
        names.map(Vec::as_slice)
    }

    /// Whether an operation shows this of each issue.
    fn shows(&self, operation: &str, field: &str) -> bool {
        let module = self.desk.apps.module(self.module());
        module.is_some_and(|module| {
            let operation = module.operations.get(operation);
            operation.is_some_and(|operation| operation.output.contains_key(field))
        })
    }

    /// Whether what people write is seen without reading each issue.
    pub fn lists_texts(&self) -> bool {
        self.shows("list_issues", "body")
    }

    async fn issue(&self, operation: &str, item: &Map<String, Value>) -> Result<Option<Issue>> {
        let side = match item.get("closed").and_then(Value::as_bool) {
            Some(true) => Side::Closed,
            Some(false) => Side::Open,
            None => {
                let state = text(item, "state").unwrap_or_default();
                let kind = text(item, "state_kind");
                side(&state, kind.as_deref(), self.closed().await?)
            }
        };
        // What is shown and absent is empty.
        let words = |field: &str| {
            self.shows(operation, field)
                .then(|| text(item, field).unwrap_or_default())
        };
        Ok(text(item, "id").map(|id| Issue {
            id,
            url: text(item, "url"),
            title: words("title"),
            body: words("body"),
            side,
        }))
    }

    /// A body in the tracker's own markup; plain lines serve all but those that want HTML.
    fn body(&self, body: &str) -> String {
        match self.module() {
            "azure-devops" => html(body),
            _ => body.to_owned(),
        }
    }

    /// # Errors
    /// The app's.
    pub async fn create(&self, title: &str, body: &str) -> Result<Issue> {
        let input = json!({ "project": self.project, "title": title, "body": self.body(body) });
        let made = self.call("create_issue", input).await?;
        let id = text(&made, "id").ok_or_else(|| {
            Error::new(
                Kind::Upstream,
                "app.answer",
                "the tracker made an issue and did not say which",
            )
        })?;
        Ok(Issue {
            id,
            url: text(&made, "url"),
            title: Some(title.to_owned()),
            body: Some(body.to_owned()),
            side: Side::Open,
        })
    }

    /// Replaces title and body; `below` follows the body, in the tracker's own markup.
    ///
    /// # Errors
    /// The app's.
    pub async fn rewrite(&self, id: &str, title: &str, body: &str, below: &str) -> Result<()> {
        let body = format!("{}{below}", self.body(body));
        let input = json!({
            "project": self.project, "issue": id, "title": title, "body": body,
        });
        self.call("update_issue", input).await.map(|_| ())
    }

    /// `None` where it is gone.
    ///
    /// # Errors
    /// The app's.
    pub async fn get(&self, id: &str) -> Result<Option<Issue>> {
        let input = json!({ "project": self.project, "issue": id });
        match self.call("get_issue", input).await {
            Ok(found) => self.issue("get_issue", &found).await,
            Err(error) if error.code() == "app.not_found" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An issue of a list with its text: read by itself where the list does not show texts.
    ///
    /// # Errors
    /// The app's.
    pub async fn whole(&self, seen: Seen) -> Result<Option<Issue>> {
        match seen.issue {
            Some(issue) if issue.body.is_some() => Ok(Some(issue)),
            _ => self.get(&seen.id).await,
        }
    }

    /// How much is looked at twice. JQL reads times in the account's zone, which we do not know.
    pub fn overlap(&self) -> i64 {
        if self.module().starts_with("jira") {
            DAY_MS + OVERLAP_MS
        } else {
            OVERLAP_MS
        }
    }

    /// Issues of the project that changed since then and a little before.
    ///
    /// # Errors
    /// The app's.
    pub async fn changed_since(
        &self,
        since: Timestamp,
        from: Option<PageState>,
    ) -> Result<Changed> {
        let input = json!({ "project": self.project, "since": since.to_string() });
        let input = self.desk.fitting(SLOT, "list_issues", input);
        let desk = self.desk;
        let listed = desk.list_from(SLOT, "list_issues", input, from).await?;
        let mut issues = Vec::new();
        for item in &listed.items {
            let is_pull_request = item
                .get("is_pull_request")
                .is_some_and(|url| !url.is_null());
            let Some(id) = text(item, "id").filter(|_| !is_pull_request) else {
                continue;
            };
            let tells = item.contains_key("state") || item.contains_key("closed");
            let issue = match tells {
                true => self.issue("list_issues", item).await?,
                false => None,
            };
            issues.push(Seen { id, issue });
        }
        Ok(Changed {
            issues,
            next: listed.next,
        })
    }

    /// # Errors
    /// `integration.no_transition` where the tracker's workflow has no way there; the app's.
    pub async fn set(&self, id: &str, to: Side) -> Result<()> {
        if self.desk.takes(SLOT, "update_issue", "closed") {
            let closed = to == Side::Closed;
            let input = json!({ "project": self.project, "issue": id, "closed": closed });
            return self.call("update_issue", input).await.map(|_| ());
        }
        if self.desk.can(SLOT, "transition_issue") {
            let Some(transition) = self.way(id, to).await? else {
                return Ok(());
            };
            let input = json!({ "project": self.project, "issue": id, "transition": transition });
            return self.call("transition_issue", input).await.map(|_| ());
        }
        let configured = match to {
            Side::Closed => self.desk.text("close_with"),
            Side::Open => self.desk.text("reopen_with"),
        };
        let state = match configured {
            Some(state) => state.to_owned(),
            None if self.desk.can(SLOT, "list_transitions") => match self.way(id, to).await? {
                Some(state) => state,
                None => return Ok(()),
            },
            None => self.usual(to).to_owned(),
        };
        let closes = to == Side::Closed;
        let input = json!({
            "project": self.project,
            "issue": id,
            "state": state,
            "close_code": closes.then_some("Solution provided"),
            "close_notes": closes.then_some("No longer found by the scanner."),
        });
        self.call("update_issue", input).await.map(|_| ())
    }

    /// The states of trackers that have no list of them.
    fn usual(&self, to: Side) -> &'static str {
        match (self.module(), to) {
            ("azure-devops", Side::Closed) => "Closed",
            ("azure-devops", Side::Open) => "Active",
            ("servicenow", Side::Closed) => "6",
            ("servicenow", Side::Open) => "2",
            (_, Side::Closed) => "closed",
            (_, Side::Open) => "open",
        }
    }

    /// The id of the transition or state that leads there: the configured one, else the first.
    /// Nothing where the issue is there already and its workflow has no way from there to there.
    async fn way(&self, id: &str, to: Side) -> Result<Option<String>> {
        let input = json!({ "project": self.project, "issue": id });
        let input = self.desk.fitting(SLOT, "list_transitions", input);
        let ways = self.desk.list(SLOT, "list_transitions", input).await?.items;
        let wanted = match to {
            Side::Closed => self.desk.text("close_with"),
            Side::Open => self.desk.text("reopen_with"),
        };
        let closed = self.closed().await?;
        let leads = |way: &Map<String, Value>| {
            let names = ["id", "name", "state"].map(|key| text(way, key).unwrap_or_default());
            if let Some(wanted) = wanted {
                return names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
            }
            if let Some(is_closed) = way.get("is_closed").and_then(Value::as_bool) {
                return is_closed == (to == Side::Closed);
            }
            let state = text(way, "state").or_else(|| text(way, "name"));
            let kind = text(way, "state_kind");
            side(&state.unwrap_or_default(), kind.as_deref(), closed) == to
        };
        if let Some(way) = ways.iter().find(|way| leads(way)) {
            return Ok(text(way, "id"));
        }
        if self.get(id).await?.is_some_and(|issue| issue.side == to) {
            return Ok(None);
        }
        let verb = match to {
            Side::Closed => "close",
            Side::Open => "reopen",
        };
        Err(Error::invalid(
            "integration.no_transition",
            format!(
                "the tracker's workflow has no way to {verb} issue {id}; name the state in the integration's configuration"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_as_html_shows_what_the_text_says() {
        assert_eq!(html("a < b & c\nd"), "a &lt; b &amp; c<br>\nd");
    }
}
