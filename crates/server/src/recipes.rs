//! The types of integrations that this installation knows: those that come with Gna, a program's and
//! the user's own.

use gna_domain::port::recipes::Recipes;
use gna_domain::rules::route;
use gna_integrations::modules::Catalogue;
use gna_integrations::recipes::RecipeBook;
use gna_integrations::recipes::data::load_dir;
use std::path::Path;
use std::sync::Arc;

use crate::additions::Additions;
use crate::config::Config;

/// # Errors
/// A sentence that names the file and what is wrong in it.
pub fn book(
    config: &Config,
    additions: &Additions,
    modules: &Catalogue,
) -> Result<RecipeBook, String> {
    let ours = RecipeBook::shipped().for_apps(modules.all().map(|loaded| &loaded.module));
    let added = additions.recipes().iter().cloned();
    let book = added.fold(ours, RecipeBook::with);
    let own = match config.recipes.dir.as_str() {
        "" => Vec::new(),
        folder => load_dir(Path::new(folder)).map_err(|error| error.to_string())?,
    };
    let own = own.into_iter();
    let book = own.fold(book, |book, recipe| book.with(Arc::new(recipe)));
    for name in &config.frigg.routes {
        let recipe = book.get(name).ok_or_else(|| {
            format!("frigg.routes names {name:?}, but there is no such type of integrations")
        })?;
        let routes = recipe.routes();
        if routes.is_empty() {
            return Err(format!(
                "frigg.routes names {name:?}, which has no routes of its own"
            ));
        }
        route::check(name, &routes).map_err(|error| error.message().to_owned())?;
    }
    Ok(book)
}
