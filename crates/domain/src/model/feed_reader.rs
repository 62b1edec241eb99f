//! How far those who follow the feed of changes have come.

use serde::{Deserialize, Serialize};

use crate::port::store::{Entity, FeedPosition, Key};

/// The place of one follower. It moves in the commit that writes what the follower owes, so that
/// nothing is owed twice and nothing is left out. Never copied to another store: places are a store's
/// own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedReader {
    /// Of the follower; stable.
    pub name: String,
    /// The last entry that it is done with.
    pub position: FeedPosition,
}

impl Entity for FeedReader {
    const COLLECTION: &'static str = "follower";
    fn key(&self) -> Key {
        Self::key_of(&self.name)
    }
}

impl FeedReader {
    #[must_use]
    pub fn key_of(name: &str) -> Key {
        Key::new(Self::COLLECTION, name, "")
    }
}
