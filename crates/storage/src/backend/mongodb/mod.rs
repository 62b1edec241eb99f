//! One MongoDB database that holds the items, their index keys and the feed; any number of processes
//! may share it. The server must be a replica set: only those have transactions.
//!
//! [`address`] reads the URL, [`connection`] connects and refuses servers that can't keep the contract,
//! `schema` makes the collections. `layout` says how kernel keys are written so that they compare as
//! they should, `document` how an item lies in its document. `commit` writes a batch as one
//! transaction, `feed` reads and trims the feed, `range` finds items, `wake` hears of commits of other
//! processes. [`items`] is the backend over them. Why it is like that: `docs/adr/0015`.

pub mod address;
mod check;
mod commit;
pub mod connection;
mod document;
mod error;
mod feed;
pub mod items;
mod layout;
mod range;
mod schema;
mod wake;

pub use address::Address;
pub use connection::MongoDb;
pub use items::MongoBackend;
