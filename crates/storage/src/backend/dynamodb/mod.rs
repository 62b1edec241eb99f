//! One DynamoDB table that holds the items, their index keys and the feed; any number of processes
//! may share it. Works with every engine that speaks DynamoDB's API.
//!
//! [`address`] reads the URL, [`client`] sends requests and counts what they cost, `layout` says
//! which kernel key lies where in the table, `row` how an item lies there. [`table`] makes and checks
//! the table. `commit` writes a batch as one transaction, `feed` and `trim` keep the pages of the
//! feed, `range` and `scan` find items, `wake` notices commits of other processes. [`items`] is the
//! backend over them. Why it is like that: `docs/adr/0013`.

pub mod address;
mod check;
pub mod client;
mod commit;
mod directory;
pub(crate) mod error;
mod feed;
mod get;
pub mod items;
mod layout;
mod range;
mod row;
mod scan;
pub mod table;
mod trim;
mod wake;

pub use address::Address;
pub use client::DynamoDb;
pub use items::DynamoBackend;
