//! Modules as data: one TOML file per external app instead of code.
//!
//! `docs/MODULES.md` explains the file; `gna_domain::connect::module` has its types. Read next:
//! `load.rs` (text to module), `catalogue.rs` (those that there are), `shipped.rs` (the list).

mod catalogue;
mod jwt;
mod load;
mod schema;
mod shipped;

pub use catalogue::{Catalogue, Loaded, load_dir, merge, shipped_text};
pub use jwt::Signer;
pub use load::{LoadError, load, load_over, unconfirmed};
pub use schema::schema;
