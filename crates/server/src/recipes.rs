//! The types of integrations that this installation knows: those that come with Gna and the user's own.

use gna_integrations::recipes::RecipeBook;
use std::path::Path;

use crate::config::Config;

/// # Errors
/// A sentence that names the file and what is wrong in it.
pub fn book(config: &Config) -> Result<RecipeBook, String> {
    let own = Some(config.recipes.dir.as_str()).filter(|folder| !folder.is_empty());
    RecipeBook::with_folder(own.map(Path::new)).map_err(|error| error.to_string())
}
