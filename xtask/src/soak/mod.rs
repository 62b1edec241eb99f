//! Refreshes credentials for a long time while everything goes wrong: providers that are slow, lose
//! answers after rotating, refuse in a 200, and a process that is killed at any moment.
//!
//! The providers live here, in the parent ([`provider`]); the workers live in child processes
//! ([`worker`]), which are killed (SIGKILL) between answer and commit and at random moments, and started
//! again. With a PostgreSQL server (`TEST_POSTGRES_URL`) two of them share one store, and one lives on
//! while the other is killed; a SQLite file belongs to one process, which is then killed alone. Time runs
//! faster for all, so that leases do not take their half minute each.

mod provider;
mod report;
mod worker;

use anyhow::{Context, Result, bail};
use gna_storage::conformance::postgres::Place;
use provider::{Kill, Providers};
use std::collections::VecDeque;
use std::io::Read as _;
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
    let place = Place::fresh();
    let together = if place.is_some() { 2 } else { 1 };
    let (kill, killed) = std::sync::mpsc::channel();
    let providers = Arc::new(Providers::new(args.seed, args.speed, kill));
    let address = runtime.block_on(provider::serve(Arc::clone(&providers)))?;
    let mut number: u64 = 0;
    let mut start = |does: Option<&str>| -> Result<Process> {
        number += 1;
        let mut command = Command::new(std::env::current_exe()?);
        command
            // The providers know by the address who asks.
            .args([
                "soak-worker",
                "--url",
                &format!("http://{address}/{number}"),
            ])
            .arg("--folder")
            .arg(folder.path())
            .args(["--child", &number.to_string()])
            .args(["--seed", &args.seed.to_string()])
            .args(["--speed", &args.speed.to_string()])
            .args(["--accounts", &args.accounts.to_string()]);
        if let Some(place) = &place {
            command.env(worker::STORE, &place.url);
        }
        if let Some(does) = does {
            command.arg(does).stdout(Stdio::piped());
        }
        let child = command.spawn().context("the worker does not start")?;
        Ok(Process { number, child })
    };
    // Nobody is killed while accounts are connected for the first time: a person whose first attempt
    // was cut off tries again, and that is no reconnection.
    let connected = start(Some("--connect"))?.child.wait()?;
    if !connected.success() {
        bail!("the accounts could not be connected: {connected}");
    }
    let mut random = provider::Random::new(args.seed ^ 0x5eed);
    let mut kills = 0;
    let mut living: VecDeque<Process> = VecDeque::new();
    while !args.is_enough(&providers) {
        while living.len() < together {
            living.push_back(start(None)?);
        }
        let longest = random.below(KILL_MS) + 200;
        let named = until_kill(&providers, &killed, args, longest, &living)?;
        // Without a name the one that has lived longest.
        let at = living.iter().position(|one| Some(one.number) == named);
        let youngest = living.iter().map(|one| one.number).max().unwrap_or(0);
        if let Some(mut doomed) = living.remove(at.unwrap_or(0)) {
            doomed.end()?;
            providers.note_kill(doomed.number, youngest);
            kills += 1;
        }
    }
    while let Some(mut last) = living.pop_front() {
        last.end()?;
        providers.note_kill(last.number, last.number);
        kills += 1;
    }
    providers.behave();
    let mut last = start(Some("--check"))?;
    let mut text = String::new();
    if let Some(mut stdout) = last.child.stdout.take() {
        stdout.read_to_string(&mut text)?;
    }
    let status = last.child.wait()?;
    if !status.success() {
        bail!("the last worker failed: {status}");
    }
    let checked = serde_json::from_str(&text).context("the last worker's figures")?;
    Ok(report::Report::new(
        *args, together, kills, &providers, checked,
    ))
}

/// A child, which does not outlive this.
struct Process {
    number: u64,
    child: Child,
}

impl Process {
    /// Kills it.
    fn end(&mut self) -> Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        if status.code().is_some() {
            bail!("a worker ended by itself: {status}");
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a provider says that now is the moment, and for which process; or the time is up, or
/// enough was done.
fn until_kill(
    providers: &Providers,
    killed: &Receiver<Kill>,
    args: &Args,
    longest_ms: u64,
    living: &VecDeque<Process>,
) -> Result<Option<u64>> {
    while killed.try_recv().is_ok() {}
    let begun = Instant::now();
    let before = providers.runs();
    loop {
        let since = begun.elapsed();
        let is_up = since >= Duration::from_millis(longest_ms) && providers.runs() > before;
        if is_up || args.is_enough(providers) {
            return Ok(None);
        }
        if since > STUCK {
            bail!("nothing happens any more");
        }
        match killed.recv_timeout(Duration::from_millis(50)) {
            Ok(Kill {
                child,
                after_micros,
            }) if living.iter().any(|one| one.number == child) => {
                std::thread::sleep(Duration::from_micros(after_micros));
                return Ok(Some(child));
            }
            // The time is not up, or it was killed already.
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
