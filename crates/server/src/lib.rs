//! The one crate that knows all others: configuration, wiring, command line, HTTP, worker.
//!
//! Read next: [`cli`] for the commands, [`wiring`] for what is put together, [`config`].

pub mod cli;
pub mod config;
pub mod formats;
pub mod outside;
pub mod worker;
