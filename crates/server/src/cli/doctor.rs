//! `gna doctor`: looks at everything that an installation rests on and says what to do.

use clap::Args;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

use super::local::{StoreArgs, block_on, server_of};
use super::{Exit, Failure, Global, Out, Setup};
use crate::apps;
use crate::config::{Config, KeyringKind};
use crate::formats;
use crate::modules;
use crate::outside::{ObjectBlobs, SystemIds};
use crate::recipes;
use crate::wiring::{self, Builder, sqlite_path};
use gna_domain::port::recipes::Recipes;
use gna_domain::port::vault::KeyBytes;
use gna_domain::port::{Blobs, Ids};
use gna_storage::backend::registry;
#[cfg(feature = "opensearch")]
use gna_storage::search::opensearch::{self, OpenSearch};

/// Look at this installation and say what is wrong with it
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna doctor
  gna doctor --data /var/lib/gna --json

The store is opened as by any other command: one of an older version is brought up to this one, so make
a backup before you run a new version's doctor. Nothing else is changed. Exit code 2 when something is wrong with the configuration, 3 when the store or
a folder can't be used.")]
pub struct DoctorArgs {
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// How it is, or what to do.
    says: String,
}

/// # Errors
/// Standard output is closed; what is found wrong is told there and in the exit code.
pub fn run(args: &DoctorArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let mut found = vec![Finding {
        what: "version",
        ok: true,
        says: env!("CARGO_PKG_VERSION").to_owned(),
    }];
    let mut worst = Exit::Done;
    let mut note = |what: &'static str, result: Result<String, Failure>| {
        let (ok, says) = match result {
            Ok(says) => (true, says),
            Err(failure) => {
                worst = worst.max(failure.exit);
                (false, failure.message)
            }
        };
        found.push(Finding { what, ok, says });
    };
    let config = args.store.config(global);
    note("configuration", config.clone().map(|_| "valid".to_owned()));
    if let Ok(config) = config {
        note("formats", formats_of(&config));
        note("modules", modules_of(&config));
        note("recipes", recipes_of(&config));
        note("jq worker", jq_worker());
        note("address", address(&config));
        note("store", block_on(store(&config)));
        note("search", block_on(search(&config)));
        note("blobs", block_on(blobs(&config)));
        note("keyring", block_on(keyring(&config)));
    }
    if out.is_json() {
        out.json(&serde_json::json!({"ok": worst == Exit::Done, "checks": found}))?;
    } else {
        for finding in &found {
            let mark = if finding.ok { "ok  " } else { "BAD " };
            out.line(format_args!("{mark} {:<13} {}", finding.what, finding.says))?;
        }
    }
    Ok(worst)
}

fn formats_of(config: &Config) -> Result<String, Failure> {
    let registry =
        formats::registry(config).map_err(|error| Failure::usage("format.invalid", error))?;
    Ok(format!("{} can be read", registry.all().len()))
}

fn modules_of(config: &Setup) -> Result<String, Failure> {
    let catalogue = modules::catalogue(config, &config.additions)
        .map_err(|error| Failure::usage("module.invalid", error))?;
    let registered = apps::registrations(config, &catalogue)
        .map_err(|error| Failure::usage("module.invalid", error))?;
    let waiting = apps::unregistered(config, &catalogue).count();
    let ready = catalogue.all().count() - waiting;
    let names: Vec<&str> = registered.keys().map(String::as_str).collect();
    let registered = match names.as_slice() {
        [] => "registered with none".to_owned(),
        names => format!("registered with {}", names.join(", ")),
    };
    Ok(format!(
        "{ready} apps can be connected, {registered}; {waiting} more once this server is registered with them (`gna modules show NAME`)"
    ))
}

fn recipes_of(config: &Setup) -> Result<String, Failure> {
    let catalogue = modules::catalogue(config, &config.additions)
        .map_err(|error| Failure::usage("module.invalid", error))?;
    let book = recipes::book(config, &config.additions, &catalogue)
        .map_err(|error| Failure::usage("recipe.invalid", error))?;
    Ok(format!("{} types of integrations", book.all().len()))
}

/// Formats as data need this very program once more, as a child.
fn jq_worker() -> Result<String, Failure> {
    if cfg!(not(feature = "jq")) {
        return Ok("left out of this build; it needs the cargo feature `jq`".to_owned());
    }
    let failed = |why: String| Failure::unreadable("format.worker", why);
    let program = std::env::current_exe()
        .map_err(|error| failed(format!("this program can't find itself: {error}")))?;
    let status = std::process::Command::new(&program)
        .arg(gna_parsers::data::WORKER_COMMAND)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    match status {
        // It ends at once, content or not, since it was given nothing to do.
        Ok(_) => Ok("can be started".to_owned()),
        Err(error) => Err(failed(format!(
            "{} can't be started as a child ({error}); formats as data will not work",
            program.display()
        ))),
    }
}

fn address(config: &Config) -> Result<String, Failure> {
    let listen = config.server.listen;
    if let Some(owner) = server_of(config)?
        && let Some(address) = owner.address
    {
        return Ok(format!(
            "a server answers at {address} (process {})",
            owner.pid
        ));
    }
    match std::net::TcpListener::bind(listen) {
        Ok(_) => Ok(format!("{listen} is free")),
        Err(error) => Err(Failure::usage(
            "server.listen",
            format!("{listen} can't be had ({error}); choose another with server.listen"),
        )),
    }
}

async fn store(config: &Setup) -> Result<String, Failure> {
    let url = config.store_url();
    if let Some(owner) = server_of(config)? {
        return Ok(format!("in use by process {}", owner.pid));
    }
    match sqlite_path(&url) {
        Some(path) if !path.is_file() => {
            writable_parent(path)?;
            Ok(format!("{} will be made", path.display()))
        }
        _ => {
            let instance = Builder::new(config.config.clone())
                .with(&config.additions)
                .open()
                .await?;
            let dead = instance
                .jobs
                .dead(gna_domain::page::PageRequest::first(100))
                .await?;
            let opens = match registry::experimental(&url) {
                None => "opens".to_owned(),
                Some(proved) => format!("opens; experimental: {proved}"),
            };
            match dead.items.len() {
                0 => Ok(opens),
                many => Ok(format!(
                    "{opens}; {many} jobs were given up, see the server's log"
                )),
            }
        }
    }
}

/// Where a server has the index: whether it answers, and on what this was proved. Nothing is made there.
async fn search(config: &Config) -> Result<String, Failure> {
    let url = &config.store.search;
    #[cfg(feature = "opensearch")]
    if opensearch::Address::is_meant(url) {
        let address = opensearch::Address::parse(url)?;
        let found = OpenSearch::new(&address)?.look().await?;
        let index = match found.has_index {
            true => "",
            false => " and has no index yet: a worker makes it",
        };
        return Ok(format!(
            "OpenSearch {} answers{index}; proved on {}, one node of OpenSearch's own jars; not proved in Amazon OpenSearch Service",
            found.version,
            opensearch::PROVED,
        ));
    }
    Ok(match url.split_once(':') {
        None => "is in the store".to_owned(),
        Some((kind, _)) => format!("is in {kind}:"),
    })
}

/// The nearest folder above that exists must let us write.
fn writable_parent(path: &Path) -> Result<(), Failure> {
    let here = Path::new(".");
    let folder = path
        .ancestors()
        .skip(1)
        .map(|folder| {
            if folder.as_os_str().is_empty() {
                here
            } else {
                folder
            }
        })
        .find(|folder| folder.is_dir())
        .unwrap_or(here);
    tempfile::tempfile_in(folder).map(|_| ()).map_err(|error| {
        Failure::unreadable(
            "data.dir",
            format!(
                "{} can't be written ({error}); choose another folder with --data",
                folder.display()
            ),
        )
    })
}

/// Wraps a key and unwraps it again, as sealing a first secret would.
async fn keyring(config: &Config) -> Result<String, Failure> {
    let file = config.key_file();
    if config.keyring.kind == KeyringKind::File && !file.is_file() {
        writable_parent(&file)?;
        return Ok(format!("{} will be made when it is needed", file.display()));
    }
    let ids = Arc::new(SystemIds);
    let keyring = wiring::keyring(config, ids.clone())?;
    let key = KeyBytes::new(ids.random());
    let wrapped = keyring.wrap("doctor", &key).await?;
    let back = keyring.unwrap("doctor", &wrapped).await?;
    if back.expose() != key.expose() {
        return Err(Failure::unreadable(
            "keyring.unreadable",
            "what the keyring wraps does not come back as it was",
        ));
    }
    Ok(format!(
        "{} wraps and unwraps with {}",
        keyring.kind(),
        wrapped.key_id
    ))
}

async fn blobs(config: &Config) -> Result<String, Failure> {
    let url = config.blobs_url();
    if let Some(folder) = url.strip_prefix("file:").map(Path::new)
        && !folder.is_dir()
    {
        writable_parent(folder)?;
        return Ok(format!("{} will be made", folder.display()));
    }
    let blobs = ObjectBlobs::open(&url)?;
    blobs.put("doctor/probe", "probe".into()).await?;
    blobs.delete("doctor/probe").await?;
    Ok("can be written".to_owned())
}
