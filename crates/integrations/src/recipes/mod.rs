//! The recipes that come with Gna, one folder or file each, and their registry.
//!
//! `docs/RECIPES.md` explains them and how to write one; the trait is
//! [`gna_domain::port::recipes::Recipe`].

mod changes;
mod chat_notice;
mod contact_sync;
pub mod data;
mod each;
mod finding_pull;
mod issue_sync;
mod listen;
mod paging;
mod subject;

use gna_domain::connect::Module;
use gna_domain::port::recipes::{Recipe, Recipes};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Recipes by name: ours, and those that a program or a folder adds.
#[derive(Clone, Default)]
pub struct RecipeBook(BTreeMap<String, Arc<dyn Recipe>>);

impl RecipeBook {
    /// The recipes that come with Gna, for the apps that do.
    #[must_use]
    pub fn shipped() -> Self {
        let of_data =
            data::shipped().fold(Self::default(), |book, recipe| book.with(Arc::new(recipe)));
        of_data
            .with(Arc::new(issue_sync::IssueSync::shipped()))
            .with(Arc::new(chat_notice::ChatNotice::new()))
            .with(Arc::new(contact_sync::ContactSync::shipped()))
            .with(Arc::new(finding_pull::FindingPull::new()))
            .with(Arc::new(paging::Paging::new()))
    }

    /// With every app of this installation offered to the recipes that work with any of its kind: a
    /// tracker or a CRM of the user's own serves them as well as one that comes with Gna.
    #[must_use]
    pub fn for_apps<'m>(self, modules: impl IntoIterator<Item = &'m Module>) -> Self {
        let (mut trackers, mut crms) = (Vec::new(), Vec::new());
        for module in modules {
            let name = module.name.as_str().to_owned();
            if issue_sync::fits(module) {
                trackers.push(name);
            } else if contact_sync::fits(module) {
                crms.push(name);
            }
        }
        self.with(Arc::new(issue_sync::IssueSync::with(trackers)))
            .with(Arc::new(contact_sync::ContactSync::with(crms)))
    }

    /// Those that come with Gna, and the files of a folder over them.
    ///
    /// # Errors
    /// The first thing that is wrong with any of the files.
    pub fn with_folder(folder: Option<&Path>) -> Result<Self, data::RecipeError> {
        let own = match folder {
            Some(folder) => data::load_dir(folder)?,
            None => Vec::new(),
        };
        let add = |book: Self, recipe| book.with(Arc::new(recipe));
        Ok(own.into_iter().fold(Self::shipped(), add))
    }

    /// With one more; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, recipe: Arc<dyn Recipe>) -> Self {
        self.0.insert(recipe.info().name.clone(), recipe);
        self
    }
}

impl Recipes for RecipeBook {
    fn get(&self, name: &str) -> Option<Arc<dyn Recipe>> {
        self.0.get(name).cloned()
    }

    fn all(&self) -> Vec<Arc<dyn Recipe>> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::Catalogue;

    #[test]
    fn the_shipped_recipes_take_the_shipped_apps_that_fit_them_and_no_other() {
        let shipped = RecipeBook::shipped();
        let modules = Catalogue::shipped().expect("the shipped modules load");
        let fitted = shipped
            .clone()
            .for_apps(modules.all().map(|loaded| &loaded.module));
        for recipe in shipped.all() {
            let info = recipe.info();
            let other = fitted.get(&info.name).expect("is there");
            assert_eq!(other.info().slots, info.slots, "{}", info.name);
        }
    }
}
