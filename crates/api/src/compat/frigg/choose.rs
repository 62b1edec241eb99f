//! What Frigg's clients say less precisely than we need it: which recipe, and which account where.

use gna_domain::connect::ConnectedEntity;
use gna_domain::connect::recipe::{RecipeInfo, Slot};
use gna_domain::error::{Error, Result};
use gna_domain::id::EntityId;
use serde_json::{Map, Value};

fn takes(slot: &Slot, module: &str) -> bool {
    slot.modules.iter().any(|known| known == module)
}

/// The recipe of that name, or the only one for an app of that name and these accounts.
///
/// # Errors
/// `recipe.unknown` and `integration.type`, with the names there are.
pub fn recipe<'a>(
    recipes: &'a [RecipeInfo],
    kind: &str,
    accounts: &[ConnectedEntity],
) -> Result<&'a RecipeInfo> {
    if let Some(found) = recipes.iter().find(|recipe| recipe.name == kind) {
        return Ok(found);
    }
    let fits = |recipe: &&RecipeInfo| {
        recipe.slots.iter().any(|slot| takes(slot, kind)) && filled(recipe, accounts).is_some()
    };
    let fitting: Vec<&RecipeInfo> = recipes.iter().filter(fits).collect();
    let names = |of: &mut dyn Iterator<Item = &RecipeInfo>| {
        of.map(|recipe| recipe.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match fitting.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::invalid(
            "recipe.unknown",
            format!(
                "there is no integration type {:?} for these accounts; there are {}",
                kind.chars().take(60).collect::<String>(),
                names(&mut recipes.iter())
            ),
        )
        .on_field("config.type")),
        several => Err(Error::invalid(
            "integration.type",
            format!(
                "several integration types are for these accounts; say which as config.type: {}",
                names(&mut several.iter().copied())
            ),
        )
        .on_field("config.type")),
    }
}

/// The accounts in the order of the recipe's slots. Clients send two, whatever is needed: the last one
/// that fits was connected for it. What does not fit is left to the service to refuse.
pub fn accounts(recipe: &RecipeInfo, accounts: &[ConnectedEntity]) -> Vec<EntityId> {
    let as_sent = || accounts.iter().map(|account| account.id).collect();
    if accounts.len() == recipe.slots.len() {
        return as_sent();
    }
    filled(recipe, accounts).unwrap_or_else(as_sent)
}

fn filled(recipe: &RecipeInfo, accounts: &[ConnectedEntity]) -> Option<Vec<EntityId>> {
    let mut left: Vec<&ConnectedEntity> = accounts.iter().collect();
    let slots = recipe.slots.iter();
    slots
        .map(|slot| {
            let at = left
                .iter()
                .rposition(|account| takes(slot, account.module.as_str()))?;
            Some(left.remove(at).id)
        })
        .collect()
}

/// The configuration without what names the type, where the recipe itself has no such setting.
pub fn config(recipe: &RecipeInfo, mut config: Map<String, Value>) -> Map<String, Value> {
    let properties = recipe.config.schema.get("properties");
    for name in ["type", "category"] {
        if properties.is_none_or(|known| known.get(name).is_none()) {
            config.remove(name);
        }
    }
    config
}
