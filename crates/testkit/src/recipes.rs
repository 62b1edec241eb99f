//! Fake recipes: one for an account of either app, one that joins both.

use async_trait::async_trait;
use gna_domain::connect::recipe::{About, Form, RecipeInfo, Route, Slot, UserAction, Visit};
use gna_domain::ctx::Ctx;
use gna_domain::error::Result;
use gna_domain::port::recipes::{Desk, Recipe, Recipes};
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers what it is asked.
struct Echo(RecipeInfo);

#[async_trait]
impl Recipe for Echo {
    fn info(&self) -> &RecipeInfo {
        &self.0
    }

    async fn action_form(&self, _: &Desk<'_>, _: &str, typed: &Value) -> Result<Form> {
        Ok(Form {
            data: typed.clone(),
            ..Form::vertical(json!({"type": "object", "properties": {"text": {"type": "string"}}}))
        })
    }

    fn routes(&self) -> Vec<Route> {
        let route = |method: &str, path: &str| Route {
            method: method.to_owned(),
            path: path.to_owned(),
            name: format!("{method} {path}"),
        };
        vec![
            route("GET", "/status"),
            route("POST", "/{integration}/say/{what}"),
            route("PUT", "/status"),
            route("PATCH", "/status"),
            route("DELETE", "/status"),
        ]
    }

    async fn visit(&self, _: &Ctx, desk: Option<&Desk<'_>>, visit: &Visit) -> Result<Value> {
        Ok(json!({
            "route": visit.name, "path": visit.path, "query": visit.query, "body": visit.body,
            "accounts": desk.map(|desk| desk.accounts.len()),
        }))
    }

    async fn act(&self, desk: &Desk<'_>, action: &str, data: &Value) -> Result<Value> {
        Ok(json!({"action": action, "data": data, "accounts": desk.accounts.len()}))
    }
}

fn info(name: &str, slots: &[(&str, &[&str])]) -> RecipeInfo {
    let slots = slots.iter().map(|(key, modules)| Slot {
        key: (*key).to_owned(),
        modules: modules.iter().map(|&module| module.to_owned()).collect(),
    });
    RecipeInfo {
        name: name.to_owned(),
        version: "1".to_owned(),
        label: name.to_owned(),
        description: "A fake.".to_owned(),
        category: "Test".to_owned(),
        slots: slots.collect(),
        about: About::Nothing,
        needs: Vec::new(),
        events: Vec::new(),
        every_seconds: 0,
        at_once: 1,
        actions: vec![UserAction {
            name: "ECHO".to_owned(),
            kind: "QUICK_ACTION".to_owned(),
            title: "Echo".to_owned(),
            description: "Says it again.".to_owned(),
        }],
        config: Form::vertical(json!({
            "type": "object",
            "properties": {"project": {"type": "string", "title": "Project"}},
            "required": ["project"],
        })),
    }
}

/// The recipes of a world.
pub struct Fakes;

impl Recipes for Fakes {
    fn get(&self, name: &str) -> Option<Arc<dyn Recipe>> {
        self.all()
            .into_iter()
            .find(|recipe| recipe.info().name == name)
    }

    fn all(&self) -> Vec<Arc<dyn Recipe>> {
        vec![
            Arc::new(Echo(info("echo", &[("app", &["tracker"])]))),
            Arc::new(Echo(info(
                "pair",
                &[("from", &["tracker"]), ("to", &["keyed"])],
            ))),
        ]
    }
}
