//! Formats read by code: one file each, and the list of them.

use crate::format::Format;

/// Every native format, in alphabetical order.
#[must_use]
pub fn all() -> Vec<&'static dyn Format> {
    vec![]
}
