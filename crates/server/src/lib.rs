//! The one crate that knows all others: configuration, wiring, command line, HTTP, worker.
//!
//! Read next: [`cli`] for the commands, [`wiring`] for what is put together, [`config`].

pub mod additions;
pub mod app;
pub mod apps;
pub mod cli;
pub mod config;
pub mod deploy;
pub mod formats;
pub mod http;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod logging;
pub mod modules;
pub mod numbers;
pub mod operator;
pub mod outside;
pub mod recipes;
pub mod slice;
pub mod steps;
pub mod store_file;
pub mod telemetry;
pub mod wiring;
pub mod worker;

pub use additions::Additions;

use std::process::ExitCode;

/// The whole program: `main` of `gna`, and of a binary of one's own with what that adds.
#[must_use]
pub fn run(additions: Additions) -> ExitCode {
    // The child that runs the programs of formats as data: before anything else, since it starts
    // once per report and limits its own memory.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == gna_parsers::data::WORKER_COMMAND)
    {
        return gna_parsers::data::child_main();
    }
    cli::main(additions)
}
