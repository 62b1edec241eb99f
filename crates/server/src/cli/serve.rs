//! `gna serve`: the server, with or without a demo organization.

use clap::Args;
use gna_domain::service::bootstrap;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::local::{StoreArgs, block_on, server_of};
use super::{Exit, Failure, Global, Out, Setup, demo};
use crate::wiring::{Builder, Instance, sqlite_path};
use crate::{app, http, logging, operator};

/// Run the server
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna serve                              on 127.0.0.1:8420, data in ./gna-data
  gna serve --listen 0.0.0.0:80 --data /var/lib/gna
  gna serve --store postgres://gna@db/gna --role worker   one of several processes on a store
  gna serve --demo                       sample data in a temporary folder, gone at the end
  gna serve --demo --json | head -1      url, token and sign-in link for programs

The first start prints a one-time link that makes its holder the administrator.")]
pub struct ServeArgs {
    /// Address and port to listen on [default: 127.0.0.1:8420, or as configured]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// What this process does, of api, worker and scheduler [default: all, or as configured]
    #[arg(long, value_name = "ROLES")]
    role: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Fill an empty store with a demo organization; without --data it is gone at the end
    #[arg(long)]
    demo: bool,
}

/// # Errors
/// Exit code 2 for a wrong configuration or a store in use, 3 where the store or the port can't be
/// had.
pub fn run(args: &ServeArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let mut overrides = args
        .store
        .overrides()
        .with(
            "server.listen",
            args.listen.map(|listen| listen.to_string()),
        )
        .with("server.roles", args.role.clone());
    // Kept until the end of the command: dropping it removes the folder.
    let mut folder = None;
    if args.demo && args.store.data.is_none() && args.store.store.is_none() {
        let made = tempfile::Builder::new().prefix("gna-demo-").tempdir()?;
        overrides = overrides
            .with("data.dir", Some(made.path().display().to_string()))
            .with("store.url", Some(""))
            .with("blobs.url", Some(""));
        folder = Some(made);
    }
    let setup = global.load(overrides)?;
    let traces = logging::start(&setup.log, &setup.telemetry)?;
    let exit = block_on(serve(setup, args.demo, out));
    traces.stop();
    drop(folder);
    exit
}

async fn serve(setup: Setup, with_demo: bool, out: &mut Out) -> Result<Exit, Failure> {
    if let Some(owner) = server_of(&setup)? {
        return Err(Failure::usage(
            "store.in_use",
            match owner.address {
                Some(address) => format!(
                    "a server with this data runs already at {address} (process {}); use it, or choose other data with --data",
                    owner.pid
                ),
                None => format!(
                    "process {} has this store open; try again when it is done, or choose other data with --data",
                    owner.pid
                ),
            },
        ));
    }
    // The port first: a second server must not touch the store before it learns that it is one.
    let listener = match setup.has_role("api") {
        true => Some(http::listen(setup.server.listen).await?),
        false => None,
    };
    let Setup {
        mut config,
        additions,
    } = setup;
    if let Some(listener) = &listener {
        config.server.listen = listener.local_addr()?;
    }
    let instance = Builder::new(config).with(&additions).open().await?;
    let url = instance.config.public_url();
    let running = instance.start().await?;
    let operator = sqlite_path(&instance.config.store_url())
        .map(|store| {
            let listen = instance.config.server.listen;
            operator::write(store, listen, instance.ports.ids.as_ref())
        })
        .transpose()?;
    // Whoever finds the address finds the key too.
    instance.announce(&url)?;
    let router = app::router(&instance, operator.as_ref().map(|(key, _)| key));
    let asked = http::asked_to_stop();
    let stop = CancellationToken::new();
    let answers = listener.is_some();
    let serving = tokio::spawn(answer(listener, router, stop.clone()));
    let told = match answers {
        true => tell(&instance, with_demo, &url, out).await,
        false => tell_worker(&instance, out),
    };
    if told.is_ok() {
        tracing::info!(url, store = instance.ports.store.backend(), "ready");
        let mut serving = serving;
        tokio::select! {
            () = asked => {
                tracing::info!("stopping");
                stop.cancel();
                // The listener waits for requests, not for websockets.
                instance.streams.end().await;
                ended(serving.await)?;
            }
            failed = &mut serving => ended(failed)?,
        }
    }
    stop.cancel();
    running.stop().await;
    told.map(|()| Exit::Done)
}

/// Answers requests, or none where that is not this process's role.
async fn answer(
    listener: Option<TcpListener>,
    router: axum::Router,
    stop: CancellationToken,
) -> gna_domain::Result<()> {
    match listener {
        Some(listener) => http::serve(listener, router, stop).await,
        None => {
            stop.cancelled().await;
            Ok(())
        }
    }
}

fn tell_worker(instance: &Instance, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        let started = instance.ports.clock.now().to_string();
        return out.json(&serde_json::json!({ "url": null, "started": started }));
    }
    out.line("Gna works on the jobs of this store and answers no requests")?;
    out.flush()
}

fn ended(serving: Result<gna_domain::Result<()>, tokio::task::JoinError>) -> Result<(), Failure> {
    match serving {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::unreadable(
            "server.failed",
            "the HTTP server failed unexpectedly; see the log",
        )),
    }
}

/// Prints where the server is and how to get in.
async fn tell(
    instance: &Instance,
    with_demo: bool,
    url: &str,
    out: &mut Out,
) -> Result<(), Failure> {
    if with_demo {
        let ready = demo::prepare(instance, url).await?;
        return demo::tell(&ready, out);
    }
    let link = bootstrap::claim_link(&instance.operator())
        .await?
        .map(|secret| app::claim_link(url, &secret));
    let started = instance.ports.clock.now().to_string();
    if out.is_json() {
        return out.json(&serde_json::json!({
            "url": url, "claim_link": link, "started": started,
        }));
    }
    out.line(format_args!("Gna answers at {url}"))?;
    if let Some(link) = link {
        out.line(format_args!(
            "Nobody administers it yet. Whoever opens this link first will:\n  {link}"
        ))?;
    }
    out.flush()
}
