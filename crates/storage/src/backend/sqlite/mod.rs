//! One SQLite file: items, their index entries, the feed and (from `search/`) full text.
//!
//! [`connection`] owns the file: one writer, a few readers, one process. [`schema`] brings a file
//! up to date, [`backup`] copies it while it is in use. [`items`] is the item store over them.

pub mod backup;
mod check;
mod commit;
pub mod connection;
mod error;
mod feed;
pub mod items;
pub mod lock;
mod names;
mod range;
mod row;
pub mod schema;
mod tables;
mod writer;

pub use connection::{SqliteDb, SqliteOptions};
pub use items::SqliteBackend;
