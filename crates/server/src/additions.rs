//! What a program of one's own adds to Gna: apps, types of integrations, kinds of jobs.
//!
//! `docs/INTEGRATIONS.md` shows a whole program; [`crate::run`] starts it.

use gna_domain::connect::inbox::HookTaker;
use gna_domain::port::jobs::Handler;
use gna_domain::port::recipes::Recipe;
use std::fmt;
use std::sync::Arc;

/// The file name in messages, and its TOML.
type Text = (&'static str, &'static str);

/// Beside what comes with Gna. A user's files in `modules.dir` and `recipes.dir` come last, over these.
#[derive(Clone, Default)]
pub struct Additions {
    modules: Vec<Text>,
    recipes: Vec<Arc<dyn Recipe>>,
    handlers: Vec<Arc<dyn Handler>>,
    takers: Vec<Arc<dyn HookTaker>>,
}

impl Additions {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An app, by the text of its module, as in `docs/MODULES.md`. `file` is how messages name it. A
    /// mistake in it stops every command that needs the apps.
    #[must_use]
    pub fn module(mut self, file: &'static str, text: &'static str) -> Self {
        self.modules.push((file, text));
        self
    }

    /// A type of integrations; one of the same name is replaced.
    #[must_use]
    pub fn recipe(mut self, recipe: impl Recipe) -> Self {
        self.recipes.push(Arc::new(recipe));
        self
    }

    /// A kind of durable job.
    #[must_use]
    pub fn handler(mut self, handler: impl Handler) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Someone who does what follows from the webhooks of some apps, before integrations are asked.
    #[must_use]
    pub fn taker(mut self, taker: impl HookTaker) -> Self {
        self.takers.push(Arc::new(taker));
        self
    }

    pub(crate) fn modules(&self) -> &[Text] {
        &self.modules
    }

    pub(crate) fn recipes(&self) -> &[Arc<dyn Recipe>] {
        &self.recipes
    }

    pub(crate) fn handlers(&self) -> &[Arc<dyn Handler>] {
        &self.handlers
    }

    pub(crate) fn takers(&self) -> &[Arc<dyn HookTaker>] {
        &self.takers
    }
}

impl fmt::Debug for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modules = self.modules.iter().map(|(file, _)| file);
        let recipes = self.recipes.iter().map(|recipe| &recipe.info().name);
        f.debug_struct("Additions")
            .field("modules", &modules.collect::<Vec<_>>())
            .field("recipes", &recipes.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
