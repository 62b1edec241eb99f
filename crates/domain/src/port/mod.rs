//! What the outside must supply: store, search, blobs, mail, clock, ids.

pub mod jobs;
mod outside;
mod parsing;
pub mod repo;
pub mod search;
pub mod store;

pub use jobs::{Claimed, Fate, Handler, Jobs, Outcome};
pub use outside::{Blobs, Clock, Ids, Passwords, fresh};
pub use parsing::{OpenReport, Parsing};
pub use search::Search;
pub use store::{ById, ChangeSet, Entity, Event, FeedPosition, Key, Store, Stored};
