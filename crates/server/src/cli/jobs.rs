//! `gna jobs`: durable work that waits or was given up.

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Need, Query, ServerArgs};
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out};

/// List durable work, and have what was given up done again
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna jobs list                          dead letters: what was given up
  gna jobs list --queue ready            what waits and what runs
  gna jobs list --organization acme      of one organization, for its owners
  gna jobs show job_01934a5b6c7d7e8f9a0b1c2d3e4f5061
  gna jobs replay job_01934a5b6c7d7e8f9a0b1c2d3e4f5061
  gna jobs replay --all --kind webhook.deliver   all of a kind that were given up")]
pub struct JobsArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum QueueArg {
    Dead,
    Ready,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List unfinished jobs
    List {
        /// Given up, or waiting and running
        #[arg(long, value_enum, default_value = "dead")]
        queue: QueueArg,
        /// Organization, by its short name [default: the whole instance]
        #[arg(long, value_name = "ORG")]
        organization: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
        limit: u16,
    },
    /// Show all about a job; finished ones are kept for a day
    Show { id: String },
    /// Have a dead letter done again from the start, or all of them
    Replay(ReplayArgs),
    /// End a job that waits or runs
    Cancel { id: String },
    /// Remove a dead letter for good
    Discard { id: String },
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["id", "all"]))]
struct ReplayArgs {
    id: Option<String>,
    /// All that were given up
    #[arg(long)]
    all: bool,
    /// Only those of this kind: webhook.deliver
    #[arg(long, value_name = "KIND", requires = "all")]
    kind: Option<String>,
    /// Only those of this organization, by its short name [default: the whole instance]
    #[arg(long, value_name = "ORG", requires = "all")]
    organization: Option<String>,
}

/// # Errors
/// Exit code 2 for what is not allowed or not there, 3 where nobody answers.
pub fn run(args: &JobsArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        let ended = match &args.what {
            What::List {
                queue,
                organization,
                limit,
            } => list(&client, *queue, organization.as_deref(), *limit, out).await,
            What::Show { id } => {
                let job = client.get(&path(id)?, &Query::new()).await;
                job.and_then(|job| tell(&job, out))
            }
            What::Replay(ReplayArgs { id: Some(id), .. }) => {
                change(&client, id, "/replay", out).await
            }
            What::Replay(args) => replay_all(&client, args, out).await,
            What::Cancel { id } => change(&client, id, "/cancel", out).await,
            What::Discard { id } => discard(&client, id, out).await,
        };
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

/// Where a job is; what is no id must not become another path.
fn path(id: &str) -> Result<String, Failure> {
    if !id.starts_with("job_") || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Failure::usage(
            "job.id",
            format!("{id:?} is no id of a job; `gna jobs list` shows them"),
        ));
    }
    Ok(format!("/api/v2/jobs/{id}"))
}

async fn list(
    client: &Client,
    queue: QueueArg,
    organization: Option<&str>,
    limit: u16,
    out: &mut Out,
) -> Result<(), Failure> {
    let queue = match queue {
        QueueArg::Dead => "dead",
        QueueArg::Ready => "ready",
    };
    let mut query: Query = vec![("queue", queue.to_owned()), ("first", limit.to_string())];
    query.extend(organization.map(|name| ("organization", name.to_owned())));
    let page = client.get("/api/v2/jobs", &query).await?;
    let jobs = page["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for job in jobs {
        if out.is_json() {
            out.json(job)?;
        } else {
            out.line(line(job))?;
        }
    }
    if out.is_json() {
        return Ok(());
    }
    match (jobs.is_empty(), queue) {
        (true, "dead") => out.line("Nothing was given up."),
        (true, _) => out.line("Nothing waits and nothing runs."),
        (false, _) if page["next"].is_string() => out.line("There are more; --limit shows them."),
        (false, _) => Ok(()),
    }
}

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

fn line(job: &Value) -> String {
    format!(
        "{}  {:<9} {:<16} due {}  {}",
        text(&job["id"]),
        text(&job["state"]),
        text(&job["kind"]),
        text(&job["due"]),
        text(&job["last_error"]),
    )
}

fn tell(job: &Value, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(job);
    }
    let fields = [
        "id",
        "kind",
        "state",
        "organization",
        "due",
        "attempts",
        "max_attempts",
        "replays",
        "lane",
        "payload",
        "last_error",
        "cancelled_by",
        "created",
        "finished",
    ];
    for field in fields {
        match &job[field] {
            Value::Null => {}
            Value::String(value) => out.line(format_args!("{field:<13} {}", plain(value)))?,
            value => out.line(format_args!("{field:<13} {}", plain(&value.to_string())))?,
        }
    }
    Ok(())
}

async fn change(client: &Client, id: &str, what: &str, out: &mut Out) -> Result<(), Failure> {
    let job = client
        .post(&format!("{}{what}", path(id)?), json!({}))
        .await?;
    tell(&job, out)
}

/// Asks until there are no more: each answer says how far it came.
async fn replay_all(client: &Client, args: &ReplayArgs, out: &mut Out) -> Result<(), Failure> {
    let mut jobs = 0;
    let mut body = json!({ "kind": args.kind, "organization": args.organization });
    loop {
        let done = client.post("/api/v2/jobs/replay", body.clone()).await?;
        jobs += done["jobs"].as_u64().unwrap_or(0);
        if done["next"].is_null() {
            break;
        }
        body["after"] = done["next"].clone();
    }
    match out.is_json() {
        true => out.json(&json!({ "jobs": jobs })),
        false => out.line(format_args!("{jobs} jobs are done again")),
    }
}

async fn discard(client: &Client, id: &str, out: &mut Out) -> Result<(), Failure> {
    client
        .send(Method::DELETE, &path(id)?, &Query::new(), None)
        .await?;
    if out.is_json() {
        return out.json(&json!({ "id": id, "discarded": true }));
    }
    out.line(format_args!("{id} is gone"))
}
