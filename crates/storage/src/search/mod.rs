//! The search port: one file or folder per implementation.
//!
//! [`memory`] is the model: slow, obvious, right. [`sqlite`] lives in the same file as the items.
//! `postgres` in the same schema, for any number of processes; `opensearch` on a server of its own. [`lagging`] delays any of them, for tests. What is common to all (which requests are well
//! formed, what a word is, what a cursor holds) is in `check`, [`text`] and `cursor`; what all
//! must pass is in [`conformance`].

mod check;
pub mod conformance;
mod cursor;
pub mod lagging;
pub mod memory;
#[cfg(feature = "opensearch")]
pub mod opensearch;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod text;

pub use lagging::LaggingSearch;
pub use memory::MemorySearch;
#[cfg(feature = "opensearch")]
pub use opensearch::OpenSearch;
#[cfg(feature = "postgres")]
pub use postgres::PostgresSearch;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSearch;
