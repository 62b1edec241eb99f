//! The real binary, as people and pipelines use it.

mod config;
mod features;
mod kill;
mod operator;
mod parse;
mod run;
mod serve;
#[cfg(feature = "postgres")]
mod shared;
mod store;
