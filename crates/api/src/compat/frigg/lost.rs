//! What the one page of Frigg's clients misses where an account or an app is gone. It reads the second
//! account of each integration, looks for it among those that are authorized, and for that one's type
//! among the options; where one of them is not there it throws, and shows nothing at all.

use gna_domain::connect::integration::Integration;
use gna_domain::connect::recipe::RecipeInfo;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::view::EntityView;

/// Stand-ins for the accounts of an integration that has none left, each under the id that was joined
/// and of the first app that its place takes. One that never had any is shown under its own id.
pub fn accounts(found: &Integration, recipes: &[RecipeInfo]) -> Vec<EntityView> {
    let recipe = recipes.iter().find(|recipe| recipe.name == found.recipe);
    let app = |slot: &str| {
        let slots = recipe.into_iter().flat_map(|recipe| &recipe.slots);
        let mut modules = slots
            .filter(|known| known.key == slot)
            .flat_map(|known| &known.modules);
        modules.next().unwrap_or(&found.recipe).clone()
    };
    if found.entities.is_empty() {
        let (id, kind) = (found.id.to_string(), found.recipe.clone());
        return vec![EntityView::lost(id, kind, found)];
    }
    found
        .entities
        .iter()
        .map(|joined| EntityView::lost(joined.entity.to_string(), app(&joined.slot), found))
        .collect()
}

/// Options for the types of accounts that are shown and that this server no longer knows. Connecting
/// another account of them is refused, with the names there are.
pub fn options<'a>(shown: impl Iterator<Item = &'a Value>, known: &BTreeSet<&str>) -> Vec<Value> {
    let types: BTreeSet<&str> = shown
        .filter_map(|account| account.get("type").and_then(Value::as_str))
        .filter(|name| !known.contains(*name))
        .collect();
    types.into_iter().map(option).collect()
}

fn option(name: &str) -> Value {
    json!({
        "type": name,
        "hasUserConfig": false,
        "isMany": true,
        "requiresNewEntity": false,
        "requiredEntities": [name],
        "integrations": [],
        "display": {
            "name": name,
            "description": "This app is no longer there.",
            "category": "",
            "detailsUrl": "",
            "icon": "",
        },
    })
}
