//! Scanner reports in, findings and warnings out.
//!
//! What it is: pure functions from bytes to [`gna_domain::import::ParsedFinding`]s. What it is
//! not: it knows no store, no network, no organization, and decides nothing about identity.
//! Read next: [`Format`], then any file in `native/`, then `registry.rs`.

pub mod csv_reader;
pub mod data;
pub mod decode;
mod format;
mod input;
pub mod json;
pub mod lenient;
pub mod native;
mod reader;
mod registry;
mod sink;
pub mod text;
pub mod xml;

pub use format::{Confidence, Format, Options};
pub use input::{Input, Limits};
pub use reader::Reader;
pub use registry::{Outcome, Parsed, Registry};
pub use sink::Collect;
