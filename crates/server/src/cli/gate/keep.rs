//! `gna gate snapshot`, `gna gate key` and `gna gate runs`: what a server knows and has on record.

use axum::http::Method;
use serde_json::{Value, json};
use std::path::Path;

use super::{SnapshotArgs, What};
use crate::cli::client::{Client, Need, PlaceArgs, Query, Sent, ServerArgs};
use crate::cli::local::block_on;
use crate::cli::output::plain;
use crate::cli::{Failure, Global, Out};

/// # Errors
/// Exit code 2 for what is not allowed or not there, 3 where nobody answers.
pub fn run(
    what: &What,
    server: &ServerArgs,
    global: &Global,
    out: &mut Out,
) -> Result<(), Failure> {
    let config = server.config(global)?;
    block_on(async {
        let client = server.connect(config, Need::Read).await?;
        let ended = match what {
            What::Snapshot(args) => snapshot(args, &client, out).await,
            What::Key => key(&client, out).await,
            What::Runs { place, limit } => runs(&client, place, *limit, out).await,
        };
        client.close().await;
        ended
    })
}

async fn snapshot(args: &SnapshotArgs, client: &Client, out: &mut Out) -> Result<(), Failure> {
    let mut body = json!({ "asset": args.asset });
    for (name, value) in args.place.query() {
        body[name] = value.into();
    }
    let sent = Some(Sent::Json(body));
    let answer = client
        .send(Method::POST, "/api/v2/gate/snapshots", &Query::new(), sent)
        .await?;
    let file = answer.bytes().await?;
    let told: Value = serde_json::from_slice(&file)
        .map_err(|error| Failure::unreadable("server.answer", error.to_string()))?;
    let key = told["key"].as_str().unwrap_or_default();
    eprintln!("public key: {}", plain(key));
    match &args.output {
        Some(path) => written(path, &file),
        None => out.bytes(&file),
    }
}

fn written(path: &Path, file: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, file).map_err(|error| {
        Failure::usage(
            "output.failed",
            format!("{} can't be written: {error}", path.display()),
        )
    })
}

async fn key(client: &Client, out: &mut Out) -> Result<(), Failure> {
    let answer = client.get("/api/v2/gate/key", &Query::new()).await?;
    if out.is_json() {
        return out.json(&answer);
    }
    match answer["key"].as_str() {
        Some(key) => out.line(plain(key)),
        None => out.line("There is no key yet; the first `gna gate snapshot` makes it."),
    }
}

async fn runs(
    client: &Client,
    place: &PlaceArgs,
    limit: u16,
    out: &mut Out,
) -> Result<(), Failure> {
    let mut query = place.query();
    query.push(("first", limit.to_string()));
    let page = client.get("/api/v2/gate/runs", &query).await?;
    let runs = page["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for run in runs {
        if out.is_json() {
            out.json(run)?;
        } else {
            let text = |name: &str| plain(run[name].as_str().unwrap_or_default());
            let lax = if run["terms"]["strict"] == true {
                "strict"
            } else {
                "lax"
            };
            out.line(format_args!(
                "{}  {}  {:<6} {lax:<6}  {} of {} break it  {}",
                text("created"),
                text("id"),
                text("verdict"),
                run["counts"]["breaking"],
                run["counts"]["judged"],
                text("report"),
            ))?;
        }
    }
    if runs.is_empty() && !out.is_json() {
        out.line("No verdict was asked for yet.")?;
    }
    Ok(())
}
