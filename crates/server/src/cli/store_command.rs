//! `gna store`: check, back up and restore the store.

use clap::{Args, Subcommand};
use gna_storage::backend::sqlite::backup;
use std::path::PathBuf;

use super::local::{StoreArgs, block_on, open};
use super::{Exit, Failure, Global, Out};
use crate::wiring::{sqlite_path, unopened};

/// Check, back up and restore the store
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna store check                         look for damage
  gna store backup gna-2026-01-31.db      a consistent copy in one file, items and search
  gna store restore gna-2026-01-31.db     put a copy in place of a store that is not there

Raw reports are files in the blob folder beside the store; copy that folder with your usual tool.
Stop the server first: one process owns a store.")]
pub struct StoreCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Look for damage: unreadable pages, entries without records, records without entries
    Check(StoreArgs),
    /// Write a consistent copy to a new file
    Backup {
        /// The new file; must not exist
        #[arg(value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Put a copy in place; the store must not exist
    Restore {
        /// A file that `gna store backup` wrote
        #[arg(value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// # Errors
/// Exit code 2 where the store is in use or a file exists, 3 where something can't be read.
pub fn run(args: &StoreCommand, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    match &args.what {
        What::Check(store) => check(store, global, out),
        What::Backup { to, store } => {
            let config = store.config(global)?;
            block_on(async {
                let instance = open(config).await?;
                let Some(file) = &instance.file else {
                    return Err(no_file());
                };
                Ok(file.backup(to.clone()).await.map_err(unopened)?)
            })?;
            told(out, "backup", to)
        }
        What::Restore { from, store } => {
            let config = store.config(global)?;
            let url = config.store_url();
            let to = sqlite_path(&url).ok_or_else(no_file)?.to_owned();
            crate::wiring::make_folder_of(&url)?;
            backup::restore(from, &to).map_err(unopened)?;
            told(out, "store", &to)
        }
    }
}

fn told(out: &mut Out, what: &str, path: &std::path::Path) -> Result<Exit, Failure> {
    let bytes = std::fs::metadata(path).map(|file| file.len()).unwrap_or(0);
    if out.is_json() {
        out.json(&serde_json::json!({what: path, "bytes": bytes}))?;
    } else {
        out.line(format_args!("wrote {} ({bytes} bytes)", path.display()))?;
    }
    Ok(Exit::Done)
}

fn no_file() -> Failure {
    Failure::usage(
        "store.no_file",
        "this store is not a file; only sqlite: stores can be backed up and restored here",
    )
}

fn check(store: &StoreArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = store.config(global)?;
    let damages = block_on(async {
        let instance = open(config).await?;
        Ok(instance.ports.store.check().await?)
    })?;
    if out.is_json() {
        out.json(&serde_json::json!({"damaged": !damages.is_empty(), "damages": damages}))?;
    } else if damages.is_empty() {
        out.line("no damage found")?;
    } else {
        for damage in &damages {
            out.line(super::output::plain(damage))?;
        }
        eprintln!("gna: the store is damaged; restore a backup with `gna store restore FILE`");
    }
    Ok(if damages.is_empty() {
        Exit::Done
    } else {
        Exit::Unreadable
    })
}
