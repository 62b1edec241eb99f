//! Refreshes credentials for a long time while everything goes wrong: providers that are slow, lose
//! answers after rotating, refuse in a 200, and a process that is killed at any moment.
//!
//! The providers live here, in the parent ([`provider`]); the workers live in a child process on one
//! SQLite file ([`worker`]), which is killed (SIGKILL) between answer and commit and at random
//! moments, and started again. Time runs faster for both, so that leases do not take their half
//! minute each.

mod provider;
mod report;
mod worker;

use anyhow::{Context, Result, bail};
use provider::{Kill, Providers};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

pub use worker::{Args as WorkerArgs, run as run_worker};

#[derive(clap::Subcommand)]
pub enum Task {
    /// Refresh the credentials of three kinds of providers
    Refresh(Args),
}

#[derive(clap::Args, Clone, Copy)]
pub struct Args {
    /// How many calls the providers get before it ends
    #[arg(long, default_value_t = 500)]
    runs: u64,
    /// How many refreshes each provider sees at least before it ends
    #[arg(long, default_value_t = 0)]
    refreshes: u64,
    /// Start of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Accounts at each provider
    #[arg(long, default_value_t = 25)]
    accounts: u32,
    /// How many times faster than real time runs
    #[arg(long, default_value_t = 10)]
    speed: u32,
}

impl Args {
    /// Tokens run out by the clock, and calls take what the machine takes: only both counts together
    /// say the same on every machine.
    fn is_enough(&self, providers: &Providers) -> bool {
        let refreshed = |figures: &provider::Figures| figures.refreshes >= self.refreshes;
        providers.runs() >= self.runs && providers.figures().iter().all(refreshed)
    }
}

/// Longest time between two kills, in milliseconds.
const KILL_MS: u64 = 4_000;
/// Longest time without any call before it counts as stuck.
const STUCK: Duration = Duration::from_secs(120);

/// # Errors
/// No port, no folder, no child, or nothing happens any more.
pub fn run(task: &Task) -> Result<bool> {
    let Task::Refresh(args) = task;
    let report = refresh(args)?;
    report.print(args.json);
    Ok(report.passes())
}

fn refresh(args: &Args) -> Result<report::Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir()?;
    let (kill, killed) = std::sync::mpsc::channel();
    let providers = Arc::new(Providers::new(args.seed, args.speed, kill));
    let address = runtime.block_on(provider::serve(Arc::clone(&providers)))?;
    let mut number = 0;
    let mut start = |does: Option<&str>| -> Result<Child> {
        number += 1;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["soak-worker", "--url", &format!("http://{address}")])
            .arg("--folder")
            .arg(folder.path())
            .args(["--child", &number.to_string()])
            .args(["--seed", &args.seed.to_string()])
            .args(["--speed", &args.speed.to_string()])
            .args(["--accounts", &args.accounts.to_string()]);
        if let Some(does) = does {
            command.arg(does).stdout(Stdio::piped());
        }
        command.spawn().context("the worker does not start")
    };
    // Nobody is killed while accounts are connected for the first time: a person whose first attempt
    // was cut off tries again, and that is no reconnection.
    let connected = start(Some("--connect"))?.wait()?;
    if !connected.success() {
        bail!("the accounts could not be connected: {connected}");
    }
    let mut random = provider::Random::new(args.seed ^ 0x5eed);
    let mut kills = 0;
    while !args.is_enough(&providers) {
        let mut child = start(None)?;
        let ended = until_kill(&providers, &killed, args, random.below(KILL_MS) + 200);
        child.kill()?;
        let status = child.wait()?;
        ended?;
        if status.code().is_some() {
            bail!("a worker ended by itself: {status}");
        }
        providers.note_kill();
        kills += 1;
    }
    providers.behave();
    let child = start(Some("--check"))?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("the last worker failed: {}", output.status);
    }
    let checked = serde_json::from_slice(&output.stdout).context("the last worker's figures")?;
    Ok(report::Report::new(*args, kills, &providers, checked))
}

/// Waits until a provider says that now is the moment, the time is up, or enough was done.
fn until_kill(
    providers: &Providers,
    killed: &Receiver<Kill>,
    args: &Args,
    longest_ms: u64,
) -> Result<()> {
    while killed.try_recv().is_ok() {}
    let begun = Instant::now();
    let before = providers.runs();
    loop {
        let since = begun.elapsed();
        let is_up = since >= Duration::from_millis(longest_ms) && providers.runs() > before;
        if is_up || args.is_enough(providers) {
            return Ok(());
        }
        if since > STUCK {
            bail!("nothing happens any more");
        }
        match killed.recv_timeout(Duration::from_millis(50)) {
            Ok(Kill { after_micros }) => {
                std::thread::sleep(Duration::from_micros(after_micros));
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
