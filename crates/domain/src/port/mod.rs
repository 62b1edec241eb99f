//! What the outside must supply: store, search, blobs, egress, vault, clock, ids.

pub mod adopter;
pub mod apps;
pub mod egress;
pub mod jobs;
pub mod mail;
mod outside;
mod parsing;
pub mod recipes;
pub mod repo;
pub mod search;
pub mod store;
pub mod vault;

pub use adopter::AdopterTokens;
pub use apps::Apps;
pub use egress::{Egress, OutRequest, OutResponse};
pub use jobs::{Claimed, Fate, Handler, Jobs, Outcome};
pub use outside::{Blobs, Clock, Ids, Passwords, fresh};
pub use parsing::{OpenReport, Parsing};
pub use recipes::{Desk, Recipe, Recipes};
pub use search::Search;
pub use store::{ById, ChangeSet, Entity, Event, FeedPosition, Key, Store, Stored};
pub use vault::{Keyring, Vault};
