//! The real binary, as people and pipelines use it.

mod config;
mod connect;
mod copies;
mod deploy;
mod features;
mod feeds;
mod frigg;
mod frigg_import;
mod functions;
mod gate;
mod guide;
mod keys;
mod kill;
#[cfg(feature = "kms")]
mod kms;
#[cfg(feature = "lambda")]
mod lambda;
mod live;
mod modules;
#[cfg(any(feature = "kms", feature = "s3"))]
mod moto;
#[cfg(feature = "mail")]
mod notices;
mod npm;
mod numbers;
mod oidc;
#[cfg(feature = "opensearch")]
mod opensearch;
#[cfg(feature = "postgres")]
mod operations;
mod operator;
mod parse;
mod recipes;
mod run;
#[cfg(feature = "postgres")]
mod scale;
mod serve;
mod server;
#[cfg(feature = "postgres")]
mod shared;
mod store;
#[cfg(feature = "otlp")]
mod traces;
mod uploads;
mod vex;
mod webhooks;
