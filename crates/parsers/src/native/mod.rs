//! Formats read by code: one file each.
