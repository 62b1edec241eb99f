//! What developers and CI run beside the tests. `cargo xtask help` lists it.

mod bench;
mod capacity;
mod corpus;
mod formats;
mod fuzz;
mod matrix;
mod soak;
mod tidy;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "House rules, comparisons, benchmarks, fuzzing"
)]
enum Task {
    /// Check the house rules: arrows between crates, file sizes, documentation, left-overs
    Tidy,
    /// Compare what we read of real reports with what a peer made of them
    Corpus(corpus::Args),
    /// Print the tables of `docs/FORMATS.md`
    Formats,
    /// Run the product end to end on generated reports and print figures as JSON
    Bench(bench::Args),
    /// What a large instance costs on DynamoDB and OpenSearch, on paper, with the arithmetic
    Capacity(capacity::Args),
    /// By hand: every cargo feature alone, all stores, fuzzing, soak; prints a table
    Matrix(matrix::Args),
    /// Feed damaged and random reports to the parsers for a while
    Fuzz(fuzz::Args),
    /// Do one thing for a long time while everything around it fails
    #[command(subcommand)]
    Soak(soak::Task),
    /// Calls providers until it is killed; started by the soak
    #[command(hide = true)]
    SoakWorker(soak::WorkerArgs),
    /// Runs the programs of formats as data; started by the parsers
    #[command(name = gna_parsers::data::WORKER_COMMAND, hide = true)]
    JqWorker,
}

fn main() -> ExitCode {
    let ended = match Task::parse() {
        Task::Tidy => tidy::run(),
        Task::Corpus(args) => corpus::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Capacity(args) => capacity::run(&args),
        Task::Matrix(args) => matrix::run(&args),
        Task::Formats => formats::run(),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Soak(task) => soak::run(&task),
        Task::SoakWorker(args) => soak::run_worker(&args),
        Task::JqWorker => return gna_parsers::data::child_main(),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(3)
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
