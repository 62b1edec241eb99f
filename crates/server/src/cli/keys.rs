//! `gna keys`: changes the keys that secrets are kept with.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::time::Duration;

use super::client::{Need, Query, operator};
use super::local::{StoreArgs, block_on};
use super::output::plain;
use super::{Exit, Failure, Global, Out};

/// How often the progress is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// Change the keys that secrets are kept with
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna keys rotate                a new key in the keyring; all data keys are wrapped by it
  gna keys rotate --data-keys    also new data keys; every secret is sealed anew, which takes a minute or more

Everything stays in use meanwhile. Goes through the server that has the store, where one runs.
With keyring.kind = \"env\", first give the new key as keyring.key and the one before in
keyring.old_keys, and start the server anew; the old one may go when the rotation is done. With
keyring.kind = \"kms\", first point the alias to a new key of KMS, or name it in keyring.kms_key.")]
pub struct KeysArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Make a new key current and stop needing the old one
    Rotate {
        /// Change the tenants' data keys too, and seal every secret anew
        #[arg(long)]
        data_keys: bool,
        /// Only ask for it, and let the server do it; without one it is done when one starts
        #[arg(long)]
        no_wait: bool,
    },
}

/// # Errors
/// Exit code 2 where it is not allowed or the keyring is not in order, 3 where it failed or nobody
/// answers.
pub fn run(args: &KeysArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    let What::Rotate { data_keys, no_wait } = args.what;
    let ended = block_on(async {
        let client = operator(config, Need::Work).await?;
        let body = json!({ "data_keys": data_keys });
        let mut rotation = client.post("/api/v2/keys/rotations", body).await?;
        let id = rotation["id"].as_str().unwrap_or_default().to_owned();
        while !no_wait && rotation["state"] == "RUNNING" {
            tokio::time::sleep(PAUSE).await;
            let path = format!("/api/v2/keys/rotations/{id}");
            rotation = client.get(&path, &Query::new()).await?;
        }
        client.close().await;
        Ok(rotation)
    })?;
    show(&ended, out)?;
    Ok(if ended["state"] == "FAILED" {
        Exit::Unreadable
    } else {
        Exit::Done
    })
}

fn show(rotation: &Value, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(rotation);
    }
    let text = |field: &str| plain(rotation[field].as_str().unwrap_or("none yet"));
    match rotation["state"].as_str() {
        Some("DONE") => out.line(format_args!(
            "done: key {}; {} data keys wrapped by it, {} tenants with a new data key, {} secrets sealed anew",
            text("key"),
            rotation["wrapped"],
            rotation["renewed"],
            rotation["resealed"]
        )),
        Some("FAILED") => out.line(format_args!(
            "given up: {}; what was done stays, run it again when that is mended",
            text("error")
        )),
        _ => out.line(format_args!("asked for: {}", text("id"))),
    }
}
