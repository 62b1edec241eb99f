//! One SQLite file: items, their index entries, the feed and (from `search/`) full text.
//!
//! [`connection`] owns the file: one writer, a few readers, one process. [`schema`] brings a file
//! up to date. The rest is the item store over the two.

pub mod connection;
mod error;
pub mod lock;
pub mod schema;
mod writer;

pub use connection::{SqliteDb, SqliteOptions};
