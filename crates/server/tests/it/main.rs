//! The real binary, as people and pipelines use it.

mod config;
mod connect;
mod features;
mod feeds;
mod functions;
mod gate;
mod keys;
mod kill;
mod live;
mod modules;
mod numbers;
mod oidc;
mod operator;
mod parse;
mod run;
mod serve;
mod server;
#[cfg(feature = "postgres")]
mod shared;
mod store;
mod webhooks;
