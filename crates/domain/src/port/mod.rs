//! What the outside must supply: store, search, blobs, mail, clock, ids.

pub mod search;
