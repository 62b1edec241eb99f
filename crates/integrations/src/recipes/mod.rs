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

use gna_domain::port::recipes::{Recipe, Recipes};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Recipes by name: ours, and those that a program or a folder adds.
#[derive(Clone, Default)]
pub struct RecipeBook(BTreeMap<String, Arc<dyn Recipe>>);

impl RecipeBook {
    /// The recipes that come with Gna.
    #[must_use]
    pub fn shipped() -> Self {
        let of_data =
            data::shipped().fold(Self::default(), |book, recipe| book.with(Arc::new(recipe)));
        of_data
            .with(Arc::new(issue_sync::IssueSync::new()))
            .with(Arc::new(chat_notice::ChatNotice::new()))
            .with(Arc::new(contact_sync::ContactSync::new()))
            .with(Arc::new(finding_pull::FindingPull::new()))
            .with(Arc::new(paging::Paging::new()))
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
