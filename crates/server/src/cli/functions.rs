//! `gna functions` and `gna invoke`: everything that Gna does has a name and can be run alone.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read;
use std::time::{Duration, Instant};

use super::client::{Client, Need, Query, Sent, ServerArgs};
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out, schedules};

/// Largest event, in bytes.
const EVENT_BYTES: u64 = 1 << 20;

/// List everything that can be run by name: jobs, schedules and groups of routes
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna functions
  gna functions --json")]
pub struct FunctionsArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Run one function alone, as the worker or the server would
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  echo '{\"feed_days\": 30}' | gna invoke store.tidy --event -
  gna invoke schedule:store.tidy
  gna invoke schedule:nightly --organization acme
  echo '{\"method\": \"GET\", \"path\": \"/api/v2/formats\"}' | gna invoke http.formats --event -

A job's event is its payload. An http event has method, path, and maybe query and body.
Exit codes: 0 done, 2 refused or given up, 3 not finished in time or nobody answers.")]
pub struct InvokeArgs {
    /// Name, as `gna functions` shows it
    name: String,
    /// File with the event as JSON; - for standard input [default: an empty event]
    #[arg(long, value_name = "FILE")]
    event: Option<String>,
    /// Whose schedule it is, by slug or id; without it, one of this installation's own
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
    /// Longest time to wait for the end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    wait: u64,
    #[command(flatten)]
    server: ServerArgs,
}

/// # Errors
/// Exit code 2 for what is not allowed, 3 where nobody answers.
pub fn list(args: &FunctionsArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        let ended = show(&client, out).await;
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

async fn show(client: &Client, out: &mut Out) -> Result<(), Failure> {
    for function in &listed(client).await? {
        if out.is_json() {
            out.json(function)?;
        } else {
            let text = |field: &str| plain(function[field].as_str().unwrap_or_default());
            out.line(format_args!(
                "{:<24} {:<9} {}",
                text("name"),
                text("trigger"),
                text("description")
            ))?;
        }
    }
    Ok(())
}

/// Everything that can be run by name: what the server lists, and the schedules of the instance.
///
/// # Errors
/// Exit code 2 for what is not allowed, 3 where nobody answers.
pub async fn listed(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut listed = client.get("/api/v2/functions", &Query::new()).await?;
    let mut functions = match listed["items"].take() {
        Value::Array(functions) => functions,
        _ => Vec::new(),
    };
    for schedule in schedules::all(client, None).await? {
        let name = schedule["name"].as_str().unwrap_or_default();
        let job = schedule["job"].as_str().unwrap_or_default();
        functions.push(json!({
            "name": format!("schedule:{name}"),
            "trigger": "schedule",
            "description": format!("Runs {job}; see `gna schedules show {name}`"),
            "routes": [],
        }));
    }
    Ok(functions)
}

/// # Errors
/// Exit code 2 for what is refused or given up, 3 for what does not end in time.
pub fn invoke(args: &InvokeArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let event = event(args.event.as_deref())?;
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Work).await?;
        let ended = run(&client, args, event, out).await;
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

fn event(file: Option<&str>) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = match file {
        None => return Ok(json!({})),
        Some("-") => std::io::stdin().take(EVENT_BYTES).read_to_string(&mut text),
        Some(path) => std::fs::File::open(path)
            .and_then(|file| file.take(EVENT_BYTES).read_to_string(&mut text)),
    };
    read.map_err(|error| {
        Failure::unreadable(
            "event.unreadable",
            format!("the event can't be read: {error}"),
        )
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::unreadable("event.malformed", format!("the event is no JSON: {error}"))
    })
}

async fn run(
    client: &Client,
    args: &InvokeArgs,
    event: Value,
    out: &mut Out,
) -> Result<(), Failure> {
    if let Some(group) = args.name.strip_prefix("http.") {
        return out.json(&http(client, group, &event).await?);
    }
    let job = if let Some(name) = args.name.strip_prefix("schedule:") {
        let path = schedules::path(client, args.organization.as_deref(), name).await?;
        let ran = client.post(&format!("{path}/run"), json!({})).await?;
        ran["last_job"].clone()
    } else {
        if !args
            .name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        {
            return Err(unknown(&args.name));
        }
        let path = format!("/api/v2/functions/{}/invoke", args.name);
        let made = client.post(&path, json!({ "event": event })).await?;
        made["id"].clone()
    };
    let job = job.as_str().unwrap_or_default();
    let ended = end(client, job, Duration::from_secs(args.wait)).await?;
    if out.is_json() {
        out.json(&ended)?;
    }
    match ended["state"].as_str() {
        Some("DONE") if !out.is_json() => out.line(format_args!("{} is done ({job})", args.name)),
        Some("DONE") => Ok(()),
        _ => Err(Failure::usage(
            "function.failed",
            format!(
                "{} was given up: {}; `gna jobs show {job}` tells more",
                args.name,
                plain(ended["last_error"].as_str().unwrap_or("cancelled"))
            ),
        )),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::usage(
        "function.unknown",
        format!("there is no function {name:?}; `gna functions` lists them"),
    )
}

/// The job when it has ended.
async fn end(client: &Client, id: &str, wait: Duration) -> Result<Value, Failure> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(20);
    loop {
        let job = client
            .get(&format!("/api/v2/jobs/{id}"), &Query::new())
            .await?;
        if !matches!(job["state"].as_str(), Some("WAITING" | "RUNNING")) {
            return Ok(job);
        }
        if started.elapsed() >= wait {
            return Err(Failure::unreadable(
                "function.timeout",
                format!("{id} has not ended yet; `gna jobs show {id}` tells where it stands"),
            ));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// One request to a route of the group.
async fn http(client: &Client, group: &str, event: &Value) -> Result<Value, Failure> {
    let wrong = |what: &str| {
        Failure::usage(
            "event.malformed",
            format!(
                "{what}; an http event is {{\"method\": \"GET\", \"path\": \"/api/v2/…\"}}, and maybe query and body"
            ),
        )
    };
    let path = event["path"]
        .as_str()
        .ok_or_else(|| wrong("the event has no path"))?;
    let of = path
        .trim_start_matches("/api/v2")
        .trim_start_matches("/api");
    if of.split('/').nth(1) != Some(group) || path.contains(['?', '#', '%']) || path.contains("..")
    {
        return Err(wrong("the path is not one of this function"));
    }
    let method = event["method"]
        .as_str()
        .unwrap_or("GET")
        .to_ascii_uppercase();
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| wrong("there is no such method"))?;
    let mut query = Query::new();
    for (name, value) in event["query"].as_object().into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Parameters live as long as the process: it makes one request.
        query.push((Box::leak(name.clone().into_boxed_str()), value));
    }
    let body = event.get("body").filter(|body| !body.is_null());
    let sent = body.map(|body| Sent::Json(body.clone()));
    client.send(method, path, &query, sent).await?.json().await
}
