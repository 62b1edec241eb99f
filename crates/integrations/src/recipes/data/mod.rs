//! Recipes as data: one TOML file per integration type instead of code.
//!
//! `docs/RECIPES.md` explains the file. Read next: `definition.rs` (its types and what makes sense),
//! `load.rs` (text to definition), `run.rs` (doing what it says), `outside.rs` (what begins elsewhere),
//! `condition.rs` (CEL), `shipped.rs` (the list).

mod condition;
mod definition;
mod load;
mod outside;
mod run;
mod schema;
mod shipped;

pub use definition::Definition;
pub use load::{RecipeError, load, load_dir};
pub use run::DataRecipe;
pub use schema::schema;
pub(super) use shipped::shipped;
