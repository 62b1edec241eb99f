//! The one crate that knows all others: configuration, wiring, command line, HTTP, worker.
//!
//! Read next: [`cli`] for the commands, [`wiring`] for what is put together, [`config`].

pub mod app;
pub mod apps;
pub mod cli;
pub mod config;
pub mod formats;
pub mod http;
pub mod logging;
pub mod modules;
pub mod numbers;
pub mod operator;
pub mod outside;
pub mod recipes;
pub mod wiring;
pub mod worker;
