//! What the outside must supply: store, search, blobs, mail, clock, ids.

mod outside;
pub mod repo;
pub mod search;
pub mod store;

pub use outside::{Blobs, Clock, Ids, Passwords, fresh};
pub use search::Search;
pub use store::{ById, ChangeSet, Entity, Event, FeedPosition, Key, Store, Stored};
