//! Services: one file per noun, each function authorises, loads, decides and commits.

pub mod asset;
pub mod change;
pub mod import;
pub mod index;
pub mod report;
