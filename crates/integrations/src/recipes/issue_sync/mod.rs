//! Issues for vulnerabilities, in any tracker, kept in step both ways.
//!
//! A vulnerability from a severity on gets an issue; closing or reopening either side does the same
//! to the other. Titles and texts are ours: they change there when they change here, and are put back
//! when they change there. An issue that a person made for a vulnerability is joined to it. What is being
//! made is written down before it is made: after a crash the issue is looked for, by a line in its
//! text, before a second one is made. Read next: `plan.rs` (who tells whom), `words.rs` (what an issue
//! says), `sync.rs` (doing it), `join.rs` (which issue it is), `tracker.rs` (the other end).

mod join;
mod plan;
mod sync;
mod tracker;
mod words;

use async_trait::async_trait;
use gna_domain::connect::Module;
use gna_domain::connect::module::Category;
use gna_domain::connect::process::Process;
use gna_domain::connect::recipe::{
    About, Delivery, Form, Occurrence, RecipeInfo, Slot, UserAction,
};
use gna_domain::error::{Error, Result};
use gna_domain::policy::Action;
use gna_domain::port::recipes::{Desk, Recipe};
use gna_domain::rules::process::Step;
use gna_domain::service::connect::integration::{look, process};
use serde_json::{Value, json};

use super::each::each;
use super::listen::{forget, listen};
use super::subject::threshold_schema;
use sync::Sync;
use tracker::SLOT;

/// The process that opens issues for what is open already.
const FILE: &str = "file";
/// Names of the trackers that come with Gna.
const TRACKERS: &[&str] = &[
    "asana",
    "azure-devops",
    "github",
    "github-app",
    "gitlab",
    "jira-cloud",
    "jira-data-center",
    "linear",
    "redmine",
    "servicenow",
];

pub struct IssueSync {
    info: RecipeInfo,
}

/// Whether a recipe can keep issues of this app in step: they are found again by their text, and their
/// state can be read and changed.
pub fn fits(module: &Module) -> bool {
    let operation = |name: &str| module.operations.get(name);
    let shows = |name: &str, field: &str| {
        operation(name).is_some_and(|operation| operation.output.contains_key(field))
    };
    let takes = |name: &str, field: &str| {
        operation(name).is_some_and(|operation| operation.input.contains_key(field))
    };
    let moves = operation("transition_issue").is_some() && operation("list_transitions").is_some();
    module.display.category == Category::IssueTracker
        && takes("create_issue", "body")
        && shows("get_issue", "body")
        && (shows("get_issue", "state") || shows("get_issue", "closed"))
        && (moves || takes("update_issue", "state") || takes("update_issue", "closed"))
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "project": { "type": "string", "title": "Project" },
            "min_severity": threshold_schema(),
            "closed_states": { "type": "string", "title": "States that count as closed, with commas between; found out if empty" },
            "close_with": { "type": "string", "title": "State or its id to close issues with; found out if empty" },
            "reopen_with": { "type": "string", "title": "State or its id to reopen issues with; found out if empty" },
        },
        "required": ["project"],
    })
}

fn action(name: &str, title: &str, description: &str) -> UserAction {
    UserAction {
        name: name.to_owned(),
        kind: "SYNC_ACTION".to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
    }
}

impl IssueSync {
    /// For the trackers that come with Gna.
    pub fn shipped() -> Self {
        Self::with(TRACKERS.iter().map(|name| (*name).to_owned()).collect())
    }

    /// For these trackers.
    pub fn with(trackers: Vec<String>) -> Self {
        Self {
            info: RecipeInfo {
                name: "issue-sync".into(),
                version: "1".into(),
                label: "Issues for vulnerabilities".into(),
                description: "Opens an issue for each vulnerability from a severity on, and closes and reopens both together.".into(),
                category: "Issue trackers".into(),
                slots: vec![Slot {
                    key: SLOT.into(),
                    modules: trackers,
                }],
                about: About::AnyGroup,
                needs: vec![
                    Action::VulnerabilityRead,
                    Action::VulnerabilityTreat,
                    Action::VulnerabilityDecide,
                ],
                events: vec!["vulnerability.*".into()],
                every_seconds: 300,
                at_once: 1,
                actions: vec![
                    action(
                        "SYNC_NOW",
                        "Look at the tracker now",
                        "Reads what changed in the tracker and brings both sides together.",
                    ),
                    action(
                        "FILE_OPEN",
                        "Open issues for what is open already",
                        "Goes through all open vulnerabilities and opens the issues that are missing.",
                    ),
                ],
                config: Form::vertical(schema()),
            },
        }
    }
}

/// The projects of a tracker as choices, where it lists them.
async fn projects(desk: &Desk<'_>) -> Result<Vec<Value>> {
    if !desk.can(SLOT, "list_projects") {
        return Ok(Vec::new());
    }
    let projects = desk.list(SLOT, "list_projects", json!({})).await?.items;
    let choice = |project: &serde_json::Map<String, Value>| {
        let id = match project.get("id")? {
            Value::String(id) => id.clone(),
            id => id.to_string(),
        };
        let title = project.get("name").and_then(Value::as_str).unwrap_or(&id);
        Some(json!({ "const": id, "title": title }))
    };
    Ok(projects.iter().filter_map(choice).collect())
}

#[async_trait]
impl Recipe for IssueSync {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }

    async fn form(&self, desk: &Desk<'_>, _: &Value) -> Result<Form> {
        let mut form = self.info.config.clone();
        let choices = projects(desk).await?;
        if let (Some(project), false) = (
            form.schema.pointer_mut("/properties/project"),
            choices.is_empty(),
        ) && let Some(project) = project.as_object_mut()
        {
            project.insert("oneOf".to_owned(), choices.into());
        }
        Ok(form)
    }

    async fn events(&self, desk: &Desk<'_>, events: &[Occurrence]) -> Result<()> {
        let sync = Sync::at(desk)?;
        each(events, |id| sync.reconcile(id, None)).await
    }

    async fn tick(&self, desk: &Desk<'_>) -> Result<()> {
        let sync = Sync::at(desk)?;
        sync.look().await?;
        sync.finish_begun().await?;
        let project = desk.text("project").unwrap_or_default();
        listen(desk, SLOT, project).await
    }

    async fn end(&self, desk: &Desk<'_>) -> Result<()> {
        forget(desk, SLOT).await
    }

    /// A webhook says that something changed; what, is read from the tracker itself.
    async fn webhook(&self, desk: &Desk<'_>, _: &Delivery) -> Result<()> {
        Sync::at(desk)?.look().await
    }

    async fn step(&self, desk: &Desk<'_>, process: &Process) -> Result<Step> {
        Sync::at(desk)?.file(process).await
    }

    async fn act(&self, desk: &Desk<'_>, action: &str, _: &Value) -> Result<Value> {
        match action {
            "SYNC_NOW" => {
                look::soon(desk).await?;
                Ok(
                    json!({ "message": "the tracker is looked at as soon as the work before it is done" }),
                )
            }
            "FILE_OPEN" => {
                let running = process::running(desk, FILE).await?;
                let process = match running {
                    Some(running) => running,
                    None => {
                        process::start(desk, FILE, "Issues for what is open", Value::Null).await?
                    }
                };
                Ok(json!({ "message": "started", "processIds": [process.id] }))
            }
            _ => Err(Error::not_found(
                "integration.action_unknown",
                "this integration has no such action",
            )),
        }
    }
}
