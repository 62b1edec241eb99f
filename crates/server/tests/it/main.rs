//! The real binary, as people and pipelines use it.

mod config;
mod kill;
mod operator;
mod parse;
mod run;
mod serve;
mod store;
