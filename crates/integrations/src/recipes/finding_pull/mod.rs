//! Findings of tools that keep them themselves, pulled and imported like any scanner's report.
//!
//! A pull is a process: one step per project and kind of finding. Apps that can be asked for what
//! changed are; what they said before is kept as a snapshot, so that each report is complete and the
//! import closes what is gone. Once a day everything is read anew, for what was removed without a
//! trace. Nothing is imported where nothing changed. Read next: `feed.rs` (what each app lists),
//! `export.rs` (apps that prepare their list first), `source/` (one file per app: its words in
//! ours), `pull.rs` (one step), `snapshot.rs`.

mod export;
mod feed;
mod pull;
mod snapshot;
mod source;

use async_trait::async_trait;
use gna_domain::connect::process::{Process, ProcessProgress};
use gna_domain::connect::recipe::{About, Form, RecipeInfo, Slot, UserAction};
use gna_domain::error::{Error, Result};
use gna_domain::policy::Action;
use gna_domain::port::recipes::{Desk, Recipe};
use gna_domain::rules::process::Step;
use gna_domain::service::connect::integration::process;
use serde_json::{Value, json};

use pull::{Pulled, Unit};

/// The slot of the account that findings are pulled from.
const SLOT: &str = "source";
/// The kind of the processes.
const PULL: &str = "pull";

pub struct FindingPull {
    info: RecipeInfo,
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "projects": {
                "type": "string",
                "title": "Projects, by id or name, with commas between; all that the account sees if empty",
            },
            "branch": { "type": "string", "title": "Branch that the findings count for; the asset's default branch if empty" },
        },
    })
}

impl FindingPull {
    pub fn new() -> Self {
        Self {
            info: RecipeInfo {
                name: "finding-pull".into(),
                version: "1".into(),
                label: "Findings of other tools".into(),
                description: "Reads what another tool has found and imports it, again and again."
                    .into(),
                category: "Scanners".into(),
                slots: vec![Slot {
                    key: SLOT.into(),
                    modules: source::modules().map(str::to_owned).collect(),
                }],
                about: About::OneGroup,
                needs: vec![Action::ReportUpload],
                events: Vec::new(),
                every_seconds: 900,
                at_once: 1,
                actions: vec![UserAction {
                    name: "PULL_NOW".into(),
                    kind: "SYNC_ACTION".into(),
                    title: "Pull now".into(),
                    description: "Reads what changed since the last time and imports it.".into(),
                }],
                config: Form::vertical(schema()),
            },
        }
    }
}

/// Starts a pull unless one runs.
async fn begin(desk: &Desk<'_>) -> Result<Process> {
    if let Some(running) = process::running(desk, PULL).await? {
        return Ok(running.value);
    }
    let begun = process::start(desk, PULL, "Pull of findings", Value::Null).await?;
    Ok(begun.value)
}

#[async_trait]
impl Recipe for FindingPull {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }

    async fn tick(&self, desk: &Desk<'_>) -> Result<()> {
        begin(desk).await.map(|_| ())
    }

    async fn step(&self, desk: &Desk<'_>, process: &Process) -> Result<Step> {
        if process.context.is_null() {
            let units = pull::units(desk).await?;
            let total = u64::try_from(units.len()).unwrap_or(u64::MAX);
            return Ok(Step::More {
                context: json!({ "units": units, "reports": 0 }),
                progress: ProcessProgress {
                    total: Some(total),
                    ..ProcessProgress::default()
                },
                at: None,
            });
        }
        let broken =
            || Error::internal("integration.process_kind", "the pull's state can't be read");
        let mut units: Vec<Unit> = process
            .context
            .get("units")
            .and_then(|units| serde_json::from_value(units.clone()).ok())
            .ok_or_else(broken)?;
        let mut reports = process
            .context
            .get("reports")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let mut progress = process.progress;
        let mut not_before = None;
        if let Some(unit) = units.pop() {
            match pull::pull(desk, &unit).await {
                Ok(Pulled::Read(imported)) => {
                    progress.done += 1;
                    reports += imported;
                }
                Ok(Pulled::Waits(unit, at)) => {
                    units.push(unit);
                    not_before = at;
                }
                Err(error) if pull::is_of_unit(&error) => {
                    progress.done += 1;
                    progress.failed += 1;
                    pull::tell(desk, &unit, &error).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(if units.is_empty() {
            Step::Done {
                results: json!({ "projects": progress.done, "reports": reports, "failed": progress.failed }),
                progress,
            }
        } else {
            Step::More {
                context: json!({ "units": units, "reports": reports }),
                progress,
                at: not_before,
            }
        })
    }

    async fn end(&self, desk: &Desk<'_>) -> Result<()> {
        pull::clear(desk).await
    }

    async fn act(&self, desk: &Desk<'_>, action: &str, _: &Value) -> Result<Value> {
        if action != "PULL_NOW" {
            return Err(Error::not_found(
                "integration.action_unknown",
                "this integration has no such action",
            ));
        }
        let process = begin(desk).await?;
        Ok(json!({ "message": "started", "processIds": [process.id] }))
    }
}
