//! The integration framework: connected apps as data, and what talks to them.
//!
//! `modules/` reads the catalogue of apps and a user's own files. The types and all decisions are in
//! `gna_domain::connect`; this crate adds what needs files and cryptography.

pub mod modules;
