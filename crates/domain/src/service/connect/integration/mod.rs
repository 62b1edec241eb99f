//! Integration managers: make an integration, look at it, change it, have it do things, take it down.
//!
//! Whoever reaches an integration's owner reaches the integration ([`super::access`]). Work that an
//! event, a webhook or the time brings is in [`work`], and is a durable job.

mod act;
mod allowed;
mod busy;
mod change;
mod create;
mod desk;
mod dispatch;
mod hooks;
mod joined;
pub mod look;
pub mod process;
mod read;
mod schedule;
mod spread;
mod status;
mod tear_down;
mod visit;
pub mod work;

pub use act::{act, action_form, actions, form, test};
pub use change::{configure, pause, resume};
pub use create::{NewIntegration, create};
pub(crate) use desk::desk;
pub use dispatch::{FOLLOWER, Telling, follower};
pub use hooks::IntegrationHooks;
pub use joined::accounts;
pub use read::{get, list, recipes};
pub use spread::SPREAD;
pub use tear_down::delete;
pub use visit::{Call, nothing, visit};

use crate::connect::Owner;
use crate::connect::integration::Integration;
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::port::recipes::{Recipe, Recipes};
use std::sync::Arc;

impl super::access::Owned for Integration {
    fn organization(&self) -> OrganizationId {
        self.organization
    }
    fn owner(&self) -> Owner {
        self.owner
    }
}

/// # Errors
/// `recipe.unknown` with the names there are.
pub(crate) fn recipe(recipes: &dyn Recipes, name: &str) -> Result<Arc<dyn Recipe>> {
    recipes.get(name).ok_or_else(|| {
        let all = recipes.all();
        let known: Vec<&str> = all
            .iter()
            .map(|recipe| recipe.info().name.as_str())
            .collect();
        let name: String = name.chars().take(60).collect();
        Error::invalid(
            "recipe.unknown",
            format!(
                "there is no recipe {name:?}; there are {}",
                known.join(", ")
            ),
        )
        .on_field("recipe")
    })
}
