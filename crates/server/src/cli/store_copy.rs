//! `gna store init`, `copy` and `activate`: a new store, and a whole instance in another kind of one.

use gna_domain::port::Clock;
use gna_storage::backend::registry::{self, Opened};
use gna_storage::copy::{self, CopyError, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;

use super::local::block_on;
use super::{Exit, Failure, Out};
use crate::config::Config;
use crate::outside::SystemClock;
use crate::wiring::{make_folder_of, sqlite_path, unopened};

/// # Errors
/// Exit code 2 where the source is missing or the target holds something, 3 where one of them
/// can't be opened, read or written.
pub fn copy(from: &str, to: &str, out: &mut Out) -> Result<Exit, Failure> {
    if let Some(path) = sqlite_path(from)
        && !path.is_file()
    {
        return Err(Failure::usage(
            "store.missing",
            format!("there is no store at {}", path.display()),
        ));
    }
    make_folder_of(to)?;
    // Seen on a terminal only.
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {pos} items, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let told = |progress: &Progress| {
        bar.set_position(progress.items);
        bar.set_message(progress.collection.clone());
    };
    let copied = block_on(async {
        let (source, target) = (open(from).await?, open(to).await?);
        copy::copy(source.backend.as_ref(), target.backend.as_ref(), &told)
            .await
            .map_err(failure)
    })?;
    bar.finish_and_clear();
    let items: u64 = copied.iter().map(|one| one.items).sum();
    if out.is_json() {
        out.json(&serde_json::json!({ "items": items, "collections": copied }))?;
    } else {
        for one in copied.iter().filter(|one| one.items > 0) {
            let start = one.sha256.get(..16).unwrap_or_default();
            out.line(format_args!(
                "{:<16} {:>9} items  sha256 {start}",
                one.collection, one.items
            ))?;
        }
        out.line(format_args!(
            "copied and compared {items} items. Copy the blob folder too; then let the copy work with: gna store activate --store ADDRESS"
        ))?;
    }
    Ok(Exit::Done)
}

/// # Errors
/// Exit code 2 where the copy is not complete, 3 where the store can't be opened.
pub fn activate(config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    let url = config.store_url();
    let activated = block_on(async {
        let store = open(&url).await?;
        copy::activate(store.backend.as_ref())
            .await
            .map_err(failure)
    })?;
    if out.is_json() {
        out.json(&serde_json::json!({ "activated": activated }))?;
    } else if activated {
        out.line("the copy works from the next start of the server")?;
    } else {
        out.line("this store is no copy that waits; nothing to do")?;
    }
    Ok(Exit::Done)
}

/// # Errors
/// Exit code 3 where the store can't be made.
pub fn init(config: &Config, out: &mut Out) -> Result<Exit, Failure> {
    let url = config.store_url();
    make_folder_of(&url)?;
    block_on(async {
        let made = registry::init(&url, Arc::new(|| SystemClock.now())).await;
        Ok(made.map_err(unopened)?)
    })?;
    if out.is_json() {
        out.json(&serde_json::json!({ "ready": true }))?;
    } else {
        out.line("the store is ready")?;
    }
    Ok(Exit::Done)
}

async fn open(url: &str) -> Result<Opened, Failure> {
    let opened = registry::open(url, Arc::new(|| SystemClock.now())).await;
    Ok(opened.map_err(unopened)?)
}

fn failure(error: CopyError) -> Failure {
    match error {
        CopyError::Refused(why) => Failure::usage("store.copy", why),
        CopyError::From(error) | CopyError::To(error) => Failure::from(unopened(error)),
    }
}
