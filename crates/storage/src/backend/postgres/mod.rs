//! A PostgreSQL schema that holds the items, their index entries, the feed and (from `search/`)
//! the search index; any number of processes may share it.
//!
//! [`address`] reads the URL, [`connection`] keeps the connections and checks the server,
//! [`schema`] brings the tables up to date, [`tables`] are those of the items, with the function
//! that commits a batch in one statement. [`items`] is the item store over them, [`listen`] wakes
//! its readers when another process commits.

pub mod address;
mod check;
mod commit;
pub mod connection;
pub(crate) mod error;
mod feed;
pub mod items;
mod listen;
mod names;
mod range;
mod row;
pub mod schema;
mod tables;

pub use address::Address;
pub use connection::PostgresDb;
pub use items::PostgresBackend;
