//! Which of a few places an index of a collection has, for stores that know a fixed number of indexes.

use crate::collection::declared;
use crate::kernel::Error;

/// As many as the collection with the most lists has.
pub(super) const SLOTS: usize = 3;

/// The slot of an index: its number among those that its collection declares. Collections that are
/// not declared (only checks use some) get slots by the length of the index's name.
pub(super) fn slot(collection: &str, index: &str) -> Result<usize, Error> {
    let Some(collection) = declared(collection) else {
        return Ok(index.len() % SLOTS);
    };
    let at = collection
        .indexes
        .iter()
        .position(|declared| declared.name == index);
    at.filter(|at| *at < SLOTS)
        .ok_or(Error::Misuse("an index is not declared"))
}
