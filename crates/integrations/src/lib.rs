//! The integration framework: connected apps as data, what talks to them, and what is done with them.
//!
//! `recipes/` are the integration types. `modules/` reads the catalogue of apps and a user's own files. `framework/` is what every connected
//! app uses: the guarded way out, tries and authorisation, the vault. The types and all decisions are
//! in `gna_domain`; this crate adds what needs files, sockets and cryptography.

pub mod framework;
pub mod modules;
pub mod recipes;
