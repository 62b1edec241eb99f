//! `gna store`: check, back up and restore the store, and make its search index anew.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use super::client::{Need, operator};
use super::local::{StoreArgs, block_on};
use super::{Exit, Failure, Global, Out};
use crate::store_file;
use crate::wiring::{sqlite_path, unopened};

/// Make, check, back up and restore the store
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna store init --store 'dynamodb://gna?region=eu-central-1'   make the table
  gna store check                         look for damage
  gna store backup gna-2026-01-31.db      a consistent copy in one file, items and search
  gna store restore gna-2026-01-31.db     put a copy in place of a store that is not there
  gna store copy sqlite:gna-data/gna.db postgres://gna@db/gna   move to another store
  gna store activate --store postgres://gna@db/gna              and let the copy work
  gna store reindex                       make the search index anew

Raw reports are files in the blob folder beside the store; copy that folder with your usual tool.
Check and backup go through the server that has the store, where one runs, and do not disturb it.")]
pub struct StoreCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Make the store where it is not there yet; only a DynamoDB table needs it
    Init(StoreArgs),
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
    /// Copy a whole store into an empty one of any kind; goes on where it was interrupted
    Copy {
        /// Address of the store to copy; no server may have it
        #[arg(value_name = "FROM")]
        from: String,
        /// Address of the new store
        #[arg(value_name = "TO")]
        to: String,
    },
    /// Let a copied store work on its jobs, from the next start of the server
    Activate(StoreArgs),
    /// Make the search index anew from the store. In OpenSearch the present one answers until then; a
    /// server that has the store or the index in an SQLite file must be stopped before
    Reindex(StoreArgs),
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
        What::Init(store) => {
            let setup = store.config(global)?;
            super::store_copy::init(&setup, out)
        }
        What::Check(store) => check(store, global, out),
        What::Copy { from, to } => super::store_copy::copy(from, to, out),
        What::Activate(store) => {
            let setup = store.config(global)?;
            super::store_copy::activate(&setup, out)
        }
        What::Reindex(store) => reindex(store, global, out),
        What::Backup { to, store } => {
            let config = store.config(global)?;
            refuse_existing(to)?;
            let made = block_on(async {
                let client = operator(config, Need::Read).await?;
                client.post("/api/v2/store/backups", json!({})).await
            })?;
            let made = PathBuf::from(made["path"].as_str().unwrap_or_default());
            take(&made, to)?;
            told(out, "backup", to)
        }
        What::Restore { from, store } => {
            let config = store.config(global)?;
            let url = config.store_url();
            let to = sqlite_path(&url).ok_or_else(no_file)?.to_owned();
            crate::wiring::make_folder_of(&url)?;
            store_file::restore(from, &to).map_err(unopened)?;
            told(out, "store", &to)
        }
    }
}

fn refuse_existing(to: &Path) -> Result<(), Failure> {
    if to.exists() {
        return Err(Failure::unreadable(
            "file.exists",
            format!("{} exists; move it away first", to.display()),
        ));
    }
    Ok(())
}

/// Moves the copy from where it was made, over nothing.
fn take(made: &Path, to: &Path) -> Result<(), Failure> {
    let moved = match std::fs::hard_link(made, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Another file system, or one without links.
        Err(_) => copy(made, to),
    };
    moved.map_err(|error| {
        Failure::unreadable(
            "file.unwritable",
            format!(
                "{} can't be written ({error}); the copy is at {}",
                to.display(),
                made.display()
            ),
        )
    })?;
    if let Err(error) = std::fs::remove_file(made) {
        eprintln!("gna: {} stays beside it: {error}", made.display());
    }
    Ok(())
}

fn copy(made: &Path, to: &Path) -> io::Result<()> {
    let mut from = std::fs::File::open(made)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(to)?;
    let copied = io::copy(&mut from, &mut file).and_then(|_| file.sync_all());
    if copied.is_err() {
        // Half a copy is worse than none.
        let _ = std::fs::remove_file(to);
    }
    copied
}

fn told(out: &mut Out, what: &str, path: &Path) -> Result<Exit, Failure> {
    let bytes = std::fs::metadata(path).map(|file| file.len()).unwrap_or(0);
    if out.is_json() {
        out.json(&json!({what: path, "bytes": bytes}))?;
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

fn reindex(store: &StoreArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let setup = store.config(global)?;
    let position = block_on(async {
        let instance = super::local::open(setup).await?;
        crate::steps::reindex(&instance).await?;
        Ok(instance.ports.search.position().await?)
    })?;
    if out.is_json() {
        out.json(&json!({ "position": position }))?;
    } else {
        out.line("the search index is made anew")?;
    }
    Ok(Exit::Done)
}

fn check(store: &StoreArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = store.config(global)?;
    let checked = block_on(async {
        let client = operator(config, Need::Read).await?;
        client.post("/api/v2/store/check", json!({})).await
    })?;
    let damages: Vec<&str> = checked["damages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if out.is_json() {
        out.json(&checked)?;
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
