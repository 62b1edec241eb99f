//! Commands that work on the store itself: they open it as `local-operator`, unless a server has it.

use clap::Args;
use std::future::Future;
use std::path::PathBuf;

use super::{Failure, Global, Setup};
use crate::config::{Config, Overrides};
use crate::store_file::{Owner, owner};
use crate::wiring::{Builder, Instance, sqlite_path, unopened};

/// Where the store is.
#[derive(Args, Clone, Debug, Default)]
pub struct StoreArgs {
    /// Folder of the data [default: ./gna-data, or as configured]
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Address of the store, such as sqlite:/var/lib/gna/gna.db [default: gna.db in the data folder]
    #[arg(long, value_name = "URL", global = true)]
    pub store: Option<String>,
    /// Where search lives, where it is not in the store: sqlite:PATH or opensearch://HOST/INDEX
    #[arg(long, value_name = "URL", global = true)]
    pub search: Option<String>,
}

impl StoreArgs {
    /// The flags as settings.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides::default()
            .with(
                "data.dir",
                self.data.as_ref().map(|path| path.display().to_string()),
            )
            .with("store.url", self.store.clone())
            .with("store.search", self.search.clone())
    }

    /// # Errors
    /// Exit code 2 with what is wrong.
    pub fn config(&self, global: &Global) -> Result<Setup, Failure> {
        global.load(self.overrides())
    }
}

/// The server that has the store of this configuration open, if one has.
///
/// # Errors
/// The lock file can't be read.
pub fn server_of(config: &Config) -> Result<Option<Owner>, Failure> {
    match sqlite_path(&config.store_url()) {
        Some(path) => Ok(owner(path).map_err(unopened)?),
        None => Ok(None),
    }
}

/// Opens the store for a command, which must be there: a slip of the pen in a path must not make
/// an empty store that answers "nothing found".
///
/// # Errors
/// Exit code 2 where there is none or a server has it, 3 where it can't be opened.
pub async fn open(setup: Setup) -> Result<Instance, Failure> {
    if let Some(path) = sqlite_path(&setup.store_url())
        && !path.is_file()
    {
        return Err(Failure::usage(
            "store.missing",
            format!(
                "there is no store at {}; name it with --data or --store, or make one with `gna serve` or `gna group create`",
                path.display()
            ),
        ));
    }
    open_or_make(setup).await
}

/// As [`open`], and makes a store where there is none.
///
/// # Errors
/// As [`open`].
pub async fn open_or_make(setup: Setup) -> Result<Instance, Failure> {
    if let Some(owner) = server_of(&setup)? {
        let message = match owner.address {
            Some(address) => format!(
                "the store is open in the server at {address} (process {}); stop it, or do this through its API or pages",
                owner.pid
            ),
            None => format!(
                "another command (process {}) has the store open; try again when it is done",
                owner.pid
            ),
        };
        return Err(Failure::usage("store.in_use", message));
    }
    Ok(Builder::new(setup.config)
        .with(&setup.additions)
        .open()
        .await?)
}

/// Runs a command's work on a runtime of its own.
///
/// # Errors
/// The work's, or that no runtime could be started.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::unreadable(
                "system.runtime",
                format!("no threads could be started: {error}"),
            )
        })?
        .block_on(work)
}
