//! Shapes of integrations, and the one list of v1 that Frigg's components draw a page from.

use gna_domain::connect::ConnectedEntity;
use gna_domain::connect::integration::{Integration, Status};
use gna_domain::connect::recipe::{RecipeInfo, UserAction};
use gna_domain::id::EntityId;
use gna_domain::port::store::Stored;
use gna_domain::service::connect::module::Known;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use utoipa::ToSchema;

use super::lost;
use super::view::{EntityView, TypeView, v1_entity};

/// An integration.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationView {
    id: String,
    /// Name of the integration type.
    r#type: String,
    /// `ENABLED`, `NEEDS_CONFIG`, `PROCESSING`, `DISABLED`, `ERROR`, `IN_CREATION` or `IN_DELETION`.
    #[schema(value_type = String, example = "ENABLED")]
    status: Status,
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    entities: Vec<EntityView>,
    version: String,
    /// `{errors, warnings, info, logs}`, each a list of `{title, message, timestamp}`.
    #[schema(value_type = Object)]
    messages: Value,
    /// `{NAME: {type, title, description, userActionType}}`.
    #[schema(value_type = Object)]
    user_actions: Value,
    /// Id of the person it belongs to, or `organization`.
    user_id: String,
    /// Id of the group that it is about.
    group: Option<String>,
    #[schema(format = DateTime)]
    date_created: String,
    #[schema(format = DateTime)]
    date_updated: String,
}

impl IntegrationView {
    /// With `at_least` so many accounts: clients of v1 look at the second one of each, so that the last
    /// one stands there more than once where there are fewer, and stand-ins where all are gone.
    pub fn new(
        found: &Stored<Integration>,
        recipes: &[RecipeInfo],
        accounts: &HashMap<EntityId, ConnectedEntity>,
        at_least: usize,
    ) -> Self {
        let mut entities = known(found, accounts);
        if at_least > 0 && entities.is_empty() {
            entities = lost::accounts(found, recipes);
        }
        let missing = at_least.saturating_sub(entities.len());
        let again = entities.last().cloned();
        entities.extend(again.into_iter().cycle().take(missing));
        let recipe = recipes.iter().find(|recipe| recipe.name == found.recipe);
        let mut config = found.config.clone();
        config
            .entry("type".to_owned())
            .or_insert_with(|| found.recipe.as_str().into());
        Self {
            id: found.id.to_string(),
            r#type: found.recipe.clone(),
            status: found.status,
            config,
            entities,
            version: found.value.version.clone(),
            messages: json!(found.messages),
            user_actions: recipe.map_or_else(|| json!({}), |recipe| actions(&recipe.actions)),
            user_id: found.owner.to_string(),
            group: found.group.map(|group| group.to_string()),
            date_created: found.created.to_string(),
            date_updated: found.updated.to_string(),
        }
    }
}

/// Those of its accounts that there are.
fn known(found: &Integration, accounts: &HashMap<EntityId, ConnectedEntity>) -> Vec<EntityView> {
    let joined = found.entities.iter();
    joined
        .filter_map(|joined| accounts.get(&joined.entity))
        .map(EntityView::from)
        .collect()
}

/// A page of integrations.
#[derive(Serialize, ToSchema)]
pub struct IntegrationsView {
    pub integrations: Vec<IntegrationView>,
    /// Continues after this page, as `after`; null where nothing follows.
    pub next: Option<String>,
}

/// By name.
pub fn actions(actions: &[UserAction]) -> Value {
    let named = actions.iter().map(|action| {
        let view = json!({
            "type": "USER_ACTION",
            "title": action.title,
            "description": action.description,
            "userActionType": action.kind,
        });
        (action.name.clone(), view)
    });
    Value::Object(named.collect())
}

/// A type of integrations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationTypeView {
    r#type: String,
    name: String,
    description: String,
    category: String,
    /// Whether accounts are needed.
    has_auth: bool,
    has_user_config: bool,
    /// The apps that its accounts can be of.
    modules: Vec<TypeView>,
}

/// All types of integrations.
#[derive(Serialize, ToSchema)]
pub struct OptionsView {
    options: Vec<IntegrationTypeView>,
}

impl OptionsView {
    pub fn new(recipes: &[RecipeInfo], modules: &[Known]) -> Self {
        let option = |recipe: &RecipeInfo| {
            let names = of_recipe(recipe);
            IntegrationTypeView {
                r#type: recipe.name.clone(),
                name: recipe.label.clone(),
                description: recipe.description.clone(),
                category: recipe.category.clone(),
                has_auth: !recipe.slots.is_empty(),
                has_user_config: has_config(recipe),
                modules: modules
                    .iter()
                    .filter(|known| names.contains(known.module.name.as_str()))
                    .map(TypeView::from)
                    .collect(),
            }
        };
        Self {
            options: recipes.iter().map(option).collect(),
        }
    }
}

fn of_recipe(recipe: &RecipeInfo) -> BTreeSet<&str> {
    let modules = recipe.slots.iter().flat_map(|slot| &slot.modules);
    modules.map(String::as_str).collect()
}

fn has_config(recipe: &RecipeInfo) -> bool {
    let properties = recipe.config.schema.get("properties");
    properties
        .and_then(Value::as_object)
        .is_some_and(|properties| !properties.is_empty())
}

/// What v1 lists. Its options are apps, because what a client connects from them is an account; each
/// account's `type` is one of them.
pub fn combined(
    modules: &[Known],
    recipes: &[RecipeInfo],
    accounts: &[ConnectedEntity],
    found: &[Stored<Integration>],
    joined: &HashMap<EntityId, ConnectedEntity>,
) -> Value {
    let shown: Vec<&Stored<Integration>> = found
        .iter()
        .filter(|found| found.status != Status::InDeletion)
        .collect();
    let mut authorized: Vec<EntityView> = accounts.iter().map(EntityView::from).collect();
    for found in &shown {
        let of_one = known(found, joined);
        let of_one = if of_one.is_empty() {
            lost::accounts(found, recipes)
        } else {
            of_one
        };
        // Accounts of others that an integration of one's own joins are among them.
        for account in of_one {
            if authorized.iter().all(|known| known.id() != account.id()) {
                authorized.push(account);
            }
        }
    }
    let authorized: Vec<Value> = authorized.iter().map(v1_entity).collect();
    let types = authorized
        .iter()
        .filter_map(|account| account.get("type").and_then(Value::as_str));
    let wanted: BTreeSet<&str> = recipes.iter().flat_map(of_recipe).chain(types).collect();
    let there: Vec<&Known> = modules
        .iter()
        .filter(|known| wanted.contains(known.module.name.as_str()))
        .collect();
    let names: BTreeSet<&str> = there
        .iter()
        .map(|known| known.module.name.as_str())
        .collect();
    let mut options: Vec<Value> = there.iter().map(|known| option(known, recipes)).collect();
    options.extend(lost::options(authorized.iter(), &names));
    let integrations: Vec<IntegrationView> = shown
        .into_iter()
        .map(|found| IntegrationView::new(found, recipes, joined, 2))
        .collect();
    json!({
        "entities": { "options": options, "authorized": authorized },
        "integrations": integrations,
    })
}

fn option(known: &Known, recipes: &[RecipeInfo]) -> Value {
    let (name, display) = (known.module.name.as_str(), &known.module.display);
    let mine: Vec<&RecipeInfo> = recipes
        .iter()
        .filter(|recipe| of_recipe(recipe).contains(name))
        .collect();
    json!({
        "type": name,
        "hasUserConfig": mine.iter().any(|recipe| has_config(recipe)),
        "isMany": true,
        "requiresNewEntity": false,
        "requiredEntities": [name],
        "integrations": mine.iter().map(|recipe| recipe.name.as_str()).collect::<Vec<_>>(),
        "display": {
            "name": display.label,
            "description": display.description,
            "category": display.category.label(),
            "detailsUrl": display.details_url,
            "icon": display.icon.as_deref().unwrap_or_default(),
        },
    })
}

/// The types of integrations as v1 lists them alone. Clients find by an option's `type` whether it is
/// installed, and send it back as `config.type`: here it is the type's own, not an app's.
pub fn v1_options(recipes: &[RecipeInfo], modules: &[Known]) -> Value {
    let options: Vec<Value> = recipes
        .iter()
        .map(|recipe| type_option(recipe, modules))
        .collect();
    json!({ "integrations": options })
}

fn type_option(recipe: &RecipeInfo, modules: &[Known]) -> Value {
    let names = of_recipe(recipe);
    let apps: Vec<&Known> = modules
        .iter()
        .filter(|known| names.contains(known.module.name.as_str()))
        .collect();
    let only = match apps.as_slice() {
        [one] => Some(&one.module.display),
        _ => None,
    };
    // Clients want an account of each that is named; where any of several will do, none is.
    let required: Vec<&str> = recipe
        .slots
        .iter()
        .filter_map(|slot| match slot.modules.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        })
        .collect();
    let by_name: Map<String, Value> = apps
        .iter()
        .map(|known| {
            let app = TypeView::from(*known);
            (known.module.name.to_string(), json!(app))
        })
        .collect();
    json!({
        "type": recipe.name,
        "hasUserConfig": has_config(recipe),
        "isMany": true,
        "requiresNewEntity": false,
        "requiredEntities": required,
        "modules": by_name,
        "display": {
            "name": recipe.label,
            "description": recipe.description,
            "category": recipe.category,
            "detailsUrl": only.map_or("", |display| display.details_url.as_str()),
            "icon": only.and_then(|display| display.icon.as_deref()).unwrap_or_default(),
        },
    })
}
