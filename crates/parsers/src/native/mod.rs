//! Formats read by code: one file each, and the list of them.

mod draft;
pub mod sarif;
mod sniff;
#[cfg(test)]
mod testing;

use crate::format::Format;

/// Every native format, in alphabetical order.
#[must_use]
pub fn all() -> Vec<&'static dyn Format> {
    vec![&sarif::Sarif]
}
