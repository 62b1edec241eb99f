//! `gna webhooks`: where events are sent to, what became of each message, and addresses for apps.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Client, Need, Query, Sent, ServerArgs};
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out};

/// Send events to other systems, see what became of them, and take webhooks of apps
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna webhooks create https://example.com/hooks --organization acme --event vulnerability.created --min-level HIGH
  gna webhooks list --organization acme
  gna webhooks test WEBHOOK              sends a message of the type webhook.test
  gna webhooks deliveries WEBHOOK        what was sent lately, with the answers
  gna webhooks replay WEBHOOK --since 2026-01-31T00:00:00Z
  gna webhooks receive github --organization acme    an address for GitHub to send its webhooks to

The secret that messages are signed with is shown once. docs/WEBHOOKS.md has the rest.")]
pub struct WebhooksArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args, Debug)]
struct Of {
    /// Short name of the organization
    #[arg(long, value_name = "ORG")]
    organization: String,
}

#[derive(Args, Debug)]
struct One {
    /// Its id
    #[arg(value_name = "WEBHOOK")]
    id: String,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List endpoints
    List(Of),
    /// Make an endpoint, and show its secret once
    Create(CreateArgs),
    /// Show all about an endpoint
    Show(One),
    /// Switch an endpoint on
    Enable(One),
    /// Switch an endpoint off
    Disable(One),
    /// Give an endpoint a new secret, shown once; the old one signs too for a day
    Rotate(One),
    /// Send a message to try an endpoint
    Test(One),
    /// List what was and is to be sent, newest first
    Deliveries(DeliveriesArgs),
    /// Send messages once more: one by its id, or all that failed since a time
    Replay(ReplayArgs),
    /// Remove an endpoint with its secret
    Delete(One),
    /// Make an address that an app can send its webhooks to
    Receive(ReceiveArgs),
    /// List the addresses for apps
    Receivers(Of),
}

#[derive(Args, Debug)]
struct CreateArgs {
    /// Where messages are sent to
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    of: Of,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// Only these types of events
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// Only events of these groups, by their ids
    #[arg(long = "group", value_name = "ID")]
    groups: Vec<String>,
    /// Only vulnerabilities that are at least so severe
    #[arg(long, value_name = "LEVEL")]
    min_level: Option<String>,
    /// Only events of which this is true, in CEL: "vulnerability.severity.score >= 7.0"
    #[arg(long, value_name = "CEL")]
    condition: Option<String>,
}

#[derive(Args, Debug)]
struct DeliveriesArgs {
    #[command(flatten)]
    one: One,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["message", "since"]))]
struct ReplayArgs {
    #[command(flatten)]
    one: One,
    /// Id of one message
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// All that failed since then
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

#[derive(Args, Debug)]
struct ReceiveArgs {
    /// Name of the app's module; `gna modules list` has them
    #[arg(value_name = "APP")]
    app: String,
    #[command(flatten)]
    of: Of,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
}

/// # Errors
/// Exit code 2 for what is not allowed or not there, 3 where nobody answers.
pub fn run(args: &WebhooksArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        let ended = does(&client, &args.what, out).await;
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

fn path(one: &One, rest: &str) -> Result<String, Failure> {
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if one.id.chars().all(is_id) {
        return Ok(format!("/api/v2/webhooks/{}{rest}", one.id));
    }
    Err(Failure::usage(
        "id.malformed",
        "the id of an endpoint is whk_ and 32 hexadecimal digits; `gna webhooks list` shows it",
    ))
}

async fn does(client: &Client, what: &What, out: &mut Out) -> Result<(), Failure> {
    let nothing = || json!({});
    match what {
        What::List(of) => list(client, "/api/v2/webhooks", of, endpoint_line, out).await,
        What::Receivers(of) => list(client, "/api/v2/receivers", of, receiver_line, out).await,
        What::Create(wanted) => {
            let made = client.post("/api/v2/webhooks", wanted.body()).await?;
            tell_secret(&made, "webhook", out)
        }
        What::Show(one) => {
            let found = client.get(&path(one, "")?, &Query::new()).await?;
            tell(&found, endpoint_line, out)
        }
        What::Enable(one) => switch(client, one, true, out).await,
        What::Disable(one) => switch(client, one, false, out).await,
        What::Rotate(one) => {
            let made = client.post(&path(one, "/rotate")?, nothing()).await?;
            tell_secret(&made, "webhook", out)
        }
        What::Test(one) => {
            let sent = client.post(&path(one, "/test")?, nothing()).await?;
            tell(&sent, delivery_line, out)
        }
        What::Deliveries(asked) => deliveries(client, asked, out).await,
        What::Replay(asked) => replay(client, asked, out).await,
        What::Delete(one) => {
            let path = path(one, "")?;
            client
                .send(Method::DELETE, &path, &Query::new(), None)
                .await?;
            match out.is_json() {
                true => out.json(&json!({ "id": one.id, "deleted": true })),
                false => out.line(format_args!("{} is gone", plain(&one.id))),
            }
        }
        What::Receive(wanted) => {
            let body = json!({
                "organization": wanted.of.organization,
                "app": wanted.app,
                "description": wanted.description,
            });
            let made = client.post("/api/v2/receivers", body).await?;
            tell_secret(&made, "receiver", out)
        }
    }
}

impl CreateArgs {
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("organization".to_owned(), json!(self.of.organization));
        body.insert("url".to_owned(), json!(self.url));
        body.insert("description".to_owned(), json!(self.description));
        body.insert("events".to_owned(), json!(self.events));
        body.insert("groups".to_owned(), json!(self.groups));
        if let Some(level) = &self.min_level {
            body.insert("min_level".to_owned(), json!(level.to_uppercase()));
        }
        if let Some(condition) = &self.condition {
            body.insert("condition".to_owned(), json!(condition));
        }
        Value::Object(body)
    }
}

async fn list(
    client: &Client,
    path: &str,
    of: &Of,
    line: fn(&Value) -> String,
    out: &mut Out,
) -> Result<(), Failure> {
    let query = vec![("organization", of.organization.clone())];
    let all = client.get(path, &query).await?;
    let items = all["items"].as_array().map_or(&[][..], Vec::as_slice);
    for item in items {
        tell(item, line, out)?;
    }
    match items.is_empty() && !out.is_json() {
        true => out.line("There are none."),
        false => Ok(()),
    }
}

async fn switch(client: &Client, one: &One, on: bool, out: &mut Out) -> Result<(), Failure> {
    let path = path(one, "")?;
    let body = Sent::Json(json!({ "enabled": on }));
    let answer = client
        .send(Method::PATCH, &path, &Query::new(), Some(body))
        .await?;
    drop(answer);
    let now = client.get(&path, &Query::new()).await?;
    tell(&now, endpoint_line, out)
}

async fn deliveries(client: &Client, asked: &DeliveriesArgs, out: &mut Out) -> Result<(), Failure> {
    let query = vec![("first", asked.limit.to_string())];
    let page = client
        .get(&path(&asked.one, "/deliveries")?, &query)
        .await?;
    for delivery in page["items"].as_array().into_iter().flatten() {
        tell(delivery, delivery_line, out)?;
    }
    Ok(())
}

async fn replay(client: &Client, asked: &ReplayArgs, out: &mut Out) -> Result<(), Failure> {
    if let Some(message) = &asked.message {
        let message = One {
            id: message.clone(),
        };
        path(&message, "")?;
        let rest = format!("/deliveries/{}/replay", message.id);
        let sent = client.post(&path(&asked.one, &rest)?, json!({})).await?;
        return tell(&sent, delivery_line, out);
    }
    // Each answer says how far it came.
    let mut messages = 0;
    let mut body = json!({ "since": asked.since });
    loop {
        let done = client
            .post(&path(&asked.one, "/replay")?, body.clone())
            .await?;
        messages += done["messages"].as_u64().unwrap_or(0);
        if done["next"].is_null() {
            break;
        }
        body["after"] = done["next"].clone();
    }
    match out.is_json() {
        true => out.json(&json!({ "messages": messages })),
        false => out.line(format_args!("{messages} messages are sent once more")),
    }
}

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or("-"))
}

fn state(of: &Value) -> &'static str {
    if of["enabled"] == true { "on " } else { "off" }
}

fn endpoint_line(of: &Value) -> String {
    let failing = of["condition_failing_since"].as_str();
    let failing = failing.map(|_| "its condition can't be asked; see its deliveries".to_owned());
    let why = of["disabled_reason"].as_str().map(plain).or(failing);
    format!(
        "{}  {}  {}{}",
        text(&of["id"]),
        state(of),
        text(&of["url"]),
        why.map_or_else(String::new, |why| format!("  ({why})")),
    )
}

fn receiver_line(of: &Value) -> String {
    format!(
        "{}  {}  {:<16} {}",
        text(&of["id"]),
        state(of),
        text(&of["app"]),
        text(&of["url"]),
    )
}

fn delivery_line(of: &Value) -> String {
    let last = of["attempts"].as_array().and_then(|tries| tries.last());
    let answer = last.map_or_else(String::new, |last| match last["status"].as_u64() {
        Some(status) => format!("  answered {status}"),
        None => format!("  {}", text(&last["error"])),
    });
    let unasked = of["condition_error"].as_str().map(plain);
    let unasked = unasked.map_or_else(String::new, |why| format!("  (condition not asked: {why})"));
    format!(
        "{}  {:<9} {:<32} {}  tries {}{answer}{unasked}",
        text(&of["id"]),
        text(&of["state"]),
        text(&of["event"]),
        text(&of["created"]),
        of["tries"],
    )
}

fn tell(of: &Value, line: fn(&Value) -> String, out: &mut Out) -> Result<(), Failure> {
    match out.is_json() {
        true => out.json(of),
        false => out.line(line(of)),
    }
}

/// What was made, with the secret that is shown this once.
fn tell_secret(made: &Value, of: &str, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(made);
    }
    out.line(match of {
        "receiver" => receiver_line(&made[of]),
        _ => endpoint_line(&made[of]),
    })?;
    match made["secret"].as_str() {
        Some(secret) => out.line(format_args!(
            "Its secret, which is shown this once: {}",
            plain(secret)
        )),
        None => out.line("The app brings its own secret with its first call."),
    }
}
