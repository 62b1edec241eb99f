//! Formats as data: one TOML file per scanner instead of code.
//!
//! What it is not: a way to run programs. A format's jq program sees one item and gives findings.

mod convert;
pub mod generic;
mod place;

pub use convert::{Converter, Note, Rules};
