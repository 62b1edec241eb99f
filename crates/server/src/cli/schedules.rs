//! `gna schedules`: what makes jobs, and when.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Need, Query, ServerArgs};
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out};

/// List schedules, switch them, and run one now
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna schedules list                     with the last and the next run of each
  gna schedules run store.tidy           now; the next run stays when it was
  gna schedules disable store.tidy
  gna schedules create nightly --job store.tidy --payload '{\"feed_days\":7}' --cron '30 2 * * *' --zone Europe/Berlin")]
pub struct SchedulesArgs {
    #[command(subcommand)]
    what: What,
    /// Of an organization, by its short name [default: the instance's own]
    #[arg(long, value_name = "ORG", global = true)]
    organization: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List schedules
    List,
    /// Show all about a schedule
    Show {
        /// Its name or id
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Make a schedule
    Create(CreateArgs),
    /// Switch a schedule on
    Enable {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Switch a schedule off
    Disable {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Start a run now
    Run {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a schedule; jobs that it made go on
    Delete {
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["cron", "every", "at"]))]
struct CreateArgs {
    /// 1 to 100 of a-z, 0-9, dot, - and _
    name: String,
    /// Kind of job; `gna functions` lists them
    #[arg(long)]
    job: String,
    /// What the jobs are given, as JSON
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Minute, hour, day of month, month, day of week
    #[arg(long)]
    cron: Option<String>,
    /// Time zone of --cron [default: UTC]
    #[arg(long, requires = "cron")]
    zone: Option<String>,
    /// Seconds between runs
    #[arg(long, value_name = "SECONDS")]
    every: Option<u32>,
    /// Once, at this time
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Let a run wait for the one before, instead of leaving it out
    #[arg(long)]
    queue: bool,
}

/// # Errors
/// Exit code 2 for what is not allowed or not there, 3 where nobody answers.
pub fn run(args: &SchedulesArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        let ended = does(&client, args, out).await;
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

async fn does(client: &Client, args: &SchedulesArgs, out: &mut Out) -> Result<(), Failure> {
    let organization = args.organization.as_deref();
    match &args.what {
        What::List => {
            let all = all(client, organization).await?;
            for schedule in &all {
                if out.is_json() {
                    out.json(schedule)?;
                } else {
                    out.line(line(schedule))?;
                }
            }
            match all.is_empty() && !out.is_json() {
                true => out.line("There are no schedules."),
                false => Ok(()),
            }
        }
        What::Show { name } => {
            let path = path(client, organization, name).await?;
            tell(&client.get(&path, &Query::new()).await?, out)
        }
        What::Create(wanted) => {
            let made = client
                .post("/api/v2/schedules", wanted.body(organization)?)
                .await?;
            tell(&made, out)
        }
        What::Enable { name } => change(client, organization, name, "enable", out).await,
        What::Disable { name } => change(client, organization, name, "disable", out).await,
        What::Run { name } => change(client, organization, name, "run", out).await,
        What::Delete { name } => {
            let path = path(client, organization, name).await?;
            client
                .send(Method::DELETE, &path, &Query::new(), None)
                .await?;
            match out.is_json() {
                true => out.json(&json!({ "name": name, "deleted": true })),
                false => out.line(format_args!("{} is gone", plain(name))),
            }
        }
    }
}

impl CreateArgs {
    fn body(&self, organization: Option<&str>) -> Result<Value, Failure> {
        let payload = match &self.payload {
            Some(text) => serde_json::from_str(text).map_err(|error| {
                Failure::usage("schedule.payload", format!("--payload is no JSON: {error}"))
            })?,
            None => Value::Null,
        };
        Ok(json!({
            "organization": organization,
            "name": self.name,
            "job": self.job,
            "payload": payload,
            "cron": self.cron,
            "zone": self.zone,
            "every_seconds": self.every,
            "at": self.at,
            "overlap": if self.queue { "QUEUE" } else { "SKIP" },
        }))
    }
}

/// Every schedule of an owner.
pub(super) async fn all(
    client: &Client,
    organization: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query: Query = vec![("first", "500".to_owned())];
        query.extend(organization.map(|name| ("organization", name.to_owned())));
        query.extend(after.take().map(|after| ("after", after)));
        let mut page = client.get("/api/v2/schedules", &query).await?;
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            all.extend(items);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
}

/// Where the schedule with that name or id is.
pub(super) async fn path(
    client: &Client,
    organization: Option<&str>,
    name: &str,
) -> Result<String, Failure> {
    let known = all(client, organization).await?;
    let found = known
        .iter()
        .find(|schedule| schedule["name"] == name || schedule["id"] == name);
    match found.and_then(|schedule| schedule["id"].as_str()) {
        Some(id) => Ok(format!("/api/v2/schedules/{id}")),
        None => Err(Failure::usage(
            "schedule.not_found",
            format!("there is no schedule {name:?}; `gna schedules list` shows them"),
        )),
    }
}

async fn change(
    client: &Client,
    organization: Option<&str>,
    name: &str,
    what: &str,
    out: &mut Out,
) -> Result<(), Failure> {
    let path = path(client, organization, name).await?;
    let changed = client.post(&format!("{path}/{what}"), json!({})).await?;
    tell(&changed, out)
}

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or("-"))
}

fn timing(schedule: &Value) -> String {
    match (
        schedule["cron"].as_str(),
        schedule["every_seconds"].as_u64(),
    ) {
        (Some(cron), _) => format!("{} {}", plain(cron), text(&schedule["zone"])),
        (None, Some(seconds)) => format!("every {seconds} s"),
        (None, None) => format!("once {}", text(&schedule["at"])),
    }
}

fn line(schedule: &Value) -> String {
    let state = if schedule["enabled"] == true {
        "on "
    } else {
        "off"
    };
    format!(
        "{:<24} {state}  {:<28} next {}  last {}",
        text(&schedule["name"]),
        timing(schedule),
        text(&schedule["next_run"]),
        text(&schedule["last_run"]),
    )
}

fn tell(schedule: &Value, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(schedule);
    }
    out.line(line(schedule))?;
    for field in [
        "id",
        "job",
        "payload",
        "overlap",
        "last_job",
        "last_skipped",
    ] {
        match &schedule[field] {
            Value::Null => {}
            Value::String(value) => out.line(format_args!("  {field:<13} {}", plain(value)))?,
            value => out.line(format_args!("  {field:<13} {}", plain(&value.to_string())))?,
        }
    }
    Ok(())
}
