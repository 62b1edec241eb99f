//! Formats as data: one TOML file per scanner instead of code.
//!
//! A definition says how a report is recognised, where its items are, and which jq program makes
//! findings of an item. Programs run in a child process under limits, never in this one. What it
//! is not: a way to run code; a program sees one item and gives values. Read next:
//! `definition.rs` for what a file says, `format.rs` for how it is run, `jq/` for the child.

mod convert;
mod definition;
mod detect;
mod format;
pub mod generic;
mod install;
mod jq;
mod keys;
mod load;
mod place;
mod shipped;
mod source;

pub use convert::{Converter, Note, Rules};
pub use definition::{Definition, Kind, MetaInput, Paths};
pub use detect::{Rule, Sure};
pub use format::DataFormat;
pub use jq::{Runner, WORKER_COMMAND, child_main};
pub use load::{LoadError, builtin, load, load_dir, merge};
