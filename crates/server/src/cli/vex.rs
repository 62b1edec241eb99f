//! `gna vex`: decisions of others about the vulnerabilities of a group.

use axum::http::Method;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::{Path, PathBuf};

use super::client::{Client, Need, Query, Sent, ServerArgs};
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out, place};

/// Take over what VEX documents decide
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna vex import vendor.openvex.json --group acme/shop
  gna vex import advisory.csaf.json --group acme/shop --asset web   all of it is about this asset
  gna vex import bom.cdx.json --group acme/shop --dry-run           only tells what would follow

OpenVEX, CycloneDX and CSAF, in JSON. `gna export --format openvex` writes what is read here.")]
pub struct VexArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Take documents over, as the second person beside their authors
    Import {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where, as ORG/GROUP
        #[arg(long)]
        group: String,
        /// Name of the asset that all of it is about, whatever it calls its products
        #[arg(long)]
        asset: Option<String>,
        /// Only tell what would follow
        #[arg(long)]
        dry_run: bool,
    },
}

/// # Errors
/// Exit code 2 for what is not allowed, 3 for a document that can't be read; with several files each is
/// tried and the highest code wins.
pub fn run(args: &VexArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    let What::Import {
        files,
        group,
        asset,
        dry_run,
    } = &args.what;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        let found = place::group(&client, group, "").await?;
        let path = format!(
            "/api/v2/groups/{}/vex",
            found["id"].as_str().unwrap_or_default()
        );
        let mut query: Query = Vec::new();
        query.extend(asset.clone().map(|asset| ("asset", asset)));
        if *dry_run {
            query.push(("dry_run", "true".to_owned()));
        }
        let mut worst: Option<Failure> = None;
        for file in files {
            match import(&client, &path, &query, file).await {
                Ok(told) => tell(file, &told, out)?,
                Err(failure) => {
                    let failure = Failure {
                        message: format!("{}: {}", file.display(), failure.message),
                        ..failure
                    };
                    if files.len() > 1 {
                        eprintln!("{}", plain(&failure.message));
                    }
                    if worst.as_ref().is_none_or(|worst| failure.exit > worst.exit) {
                        worst = Some(failure);
                    }
                }
            }
        }
        client.close().await;
        worst.map_or(Ok(Exit::Done), Err)
    })
}

async fn import(client: &Client, path: &str, query: &Query, file: &Path) -> Result<Value, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        Failure::unreadable("vex.unreadable", format!("it can't be read: {error}"))
    })?;
    let sent = Some(Sent::Bytes(bytes.into()));
    let answer = client.send(Method::POST, path, query, sent).await;
    answer.map_err(unreadable)?.json().await
}

/// A document that was refused is input that can't be read.
fn unreadable(failure: Failure) -> Failure {
    match failure.code.as_str() {
        "vex.malformed" | "vex.unknown_format" | "vex.empty" | "vex.too_large"
        | "body.too_large" => Failure {
            exit: Exit::Unreadable,
            ..failure
        },
        _ => failure,
    }
}

fn tell(file: &Path, told: &Value, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(told);
    }
    let would = match told["dry_run"].as_bool() {
        Some(true) => "would be ",
        _ => "",
    };
    out.line(format_args!(
        "{}: {} claims of {:?}: {} vulnerabilities {would}changed, {} were that way already, {} refused; {} claims decide nothing, {} are about what is not here",
        file.display(),
        told["claims"],
        plain(told["author"].as_str().unwrap_or_default()),
        told["changed"],
        told["unchanged"],
        told["refused"],
        told["undecided"],
        told["unknown"].as_u64().unwrap_or(0) + told["absent"].as_u64().unwrap_or(0),
    ))?;
    for refusal in told["refusals"].as_array().into_iter().flatten() {
        let text = |name: &str| plain(refusal[name].as_str().unwrap_or_default());
        out.line(format_args!(
            "  {} in {}: {} ({})",
            text("name"),
            text("product"),
            text("message"),
            text("code")
        ))?;
    }
    Ok(())
}
