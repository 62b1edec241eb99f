//! An app and a recipe that do what a test says, and keep what was asked of them.

use async_trait::async_trait;
use gna_domain::connect::oauth2::SigningInput;
use gna_domain::connect::process::{Process, ProcessProgress};
use gna_domain::connect::recipe::{
    About, Delivery, Form, Occurrence, RecipeInfo, Slot, UserAction,
};
use gna_domain::connect::{Answer, ConnectedEntity, Credential, Module, Request};
use gna_domain::error::{Error, Kind, Result};
use gna_domain::policy::Action;
use gna_domain::port::Vault;
use gna_domain::port::apps::{Apps, Ask, Registration};
use gna_domain::port::egress::{EgressError, Failure};
use gna_domain::port::recipes::{Desk, Recipe, Recipes};
use gna_domain::port::store::Stored;
use gna_domain::rules::process::Step;
use gna_domain::secret::Secret;
use gna_domain::service::connect::integration::process;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An app that is reached by a key, and lets in or not.
pub struct FakeApps {
    module: Arc<Module>,
    vault: Arc<dyn Vault>,
    pub is_locked: AtomicBool,
}

impl FakeApps {
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        let module = json!({
            "name": "board",
            "display": {"label": "Board", "description": "A fake.", "category": "issue_tracker", "details_url": "https://board.example"},
            "docs": [],
            "urls": {"api": "https://board.example/api"},
            "auth": {"api_key": {
                "fields": [{"name": "api_key", "title": "Key", "secret": true}],
                "send": {"headers": {"Authorization": "Bearer {credential.api_key}"}}
            }},
            "test": {"path": "/me"},
            "identity": {
                "calls": [{"call": {"path": "/me"}, "keep": {"id": "/id", "login": "/login"}}],
                "external_id": "{kept.id}", "display_name": "{kept.login}"
            },
            "operations": {"list_things": {
                "description": "Things.", "path": "/things", "items": "", "output": {"id": "/id"}
            }}
        });
        Self {
            module: Arc::new(serde_json::from_value(module).expect("a module")),
            vault,
            is_locked: AtomicBool::new(false),
        }
    }

    fn answer(&self, body: Value) -> Result<Answer> {
        if self.is_locked.load(Ordering::SeqCst) {
            return Err(Error::new(
                Kind::Upstream,
                "app.unauthorized",
                "Board does not accept the key",
            ));
        }
        Ok(Answer {
            status: 200,
            headers: Vec::new(),
            body,
        })
    }
}

#[async_trait]
impl Apps for FakeApps {
    fn module(&self, name: &str) -> Option<Arc<Module>> {
        (name == "board").then(|| Arc::clone(&self.module))
    }
    fn modules(&self) -> Vec<Arc<Module>> {
        vec![Arc::clone(&self.module)]
    }
    fn registration(&self, _: &Module) -> Option<Registration> {
        None
    }
    fn public_url(&self) -> &str {
        "https://gna.example"
    }

    fn redirect_uri(&self, _: &Module) -> String {
        String::new()
    }
    fn vault(&self) -> &dyn Vault {
        self.vault.as_ref()
    }
    fn sign(&self, _: &SigningInput) -> Result<Secret> {
        Err(Error::invalid("jwt.key", "nothing is signed here"))
    }
    async fn send(&self, _: &Module, _: Request, _: bool) -> Result<Answer> {
        self.answer(json!({"id": 7, "login": "robot"}))
    }
    async fn exchange(&self, _: Request, _: i64) -> Result<Answer, EgressError> {
        Err(EgressError::not_sent(
            Failure::Refused,
            "there are no tokens",
        ))
    }
    async fn call(&self, _: &ConnectedEntity, ask: Ask<'_>) -> Result<Answer> {
        match ask {
            Ask::Test => self.answer(json!({"id": 7})),
            _ => self.answer(json!([{"id": 1}, {"id": 2}])),
        }
    }
    async fn fresh(&self, credential: Stored<Credential>) -> Result<Stored<Credential>> {
        Ok(credential)
    }
}

/// What the recipe is to answer next.
type Failing = Option<Box<dyn Fn() -> Error + Send + Sync>>;

/// A recipe that writes down what it was told.
pub struct Herald {
    info: RecipeInfo,
    pub told: Mutex<Vec<String>>,
    pub failing: Mutex<Failing>,
    /// What it can do beyond what all of its kind can, by what its account says.
    pub more: Mutex<Vec<UserAction>>,
    /// What is wrong with finding that out.
    pub unlisted: Mutex<Failing>,
}

/// An action by this name.
pub fn action(name: &str) -> UserAction {
    UserAction {
        name: name.to_owned(),
        kind: "QUICK_ACTION".to_owned(),
        title: name.to_owned(),
        description: String::new(),
    }
}

impl Herald {
    pub fn new() -> Self {
        let schema = json!({
            "type": "object",
            "properties": {"project": {"type": "string", "title": "Project"}, "days": {"type": "integer"}},
            "required": ["project"],
        });
        Self {
            info: RecipeInfo {
                name: "herald".to_owned(),
                version: "1".to_owned(),
                label: "Herald".to_owned(),
                description: "Writes down what it hears.".to_owned(),
                category: "Test".to_owned(),
                slots: vec![Slot {
                    key: "board".to_owned(),
                    modules: vec!["board".to_owned()],
                }],
                about: About::AnyGroup,
                needs: vec![Action::VulnerabilityRead],
                events: vec!["vulnerability.*".to_owned()],
                every_seconds: 300,
                at_once: 2,
                actions: vec![action("COUNT"), action("MARCH")],
                config: Form::vertical(schema),
            },
            told: Mutex::default(),
            failing: Mutex::default(),
            more: Mutex::default(),
            unlisted: Mutex::default(),
        }
    }

    fn listed(&self) -> Result<Vec<UserAction>> {
        if let Some(error) = self.unlisted.lock().expect("a lock").as_ref() {
            return Err(error());
        }
        let more = self.more.lock().expect("a lock");
        Ok(self
            .info
            .actions
            .iter()
            .chain(more.iter())
            .cloned()
            .collect())
    }

    /// From now on it can't be found out what it can do.
    pub fn hides(&self, with: impl Fn() -> Error + Send + Sync + 'static) {
        *self.unlisted.lock().expect("a lock") = Some(Box::new(with));
    }

    /// It can again.
    pub fn shows(&self) {
        *self.unlisted.lock().expect("a lock") = None;
    }

    fn hears(&self, what: impl Into<String>) -> Result<()> {
        let failing = self.failing.lock().expect("a lock");
        if let Some(error) = failing.as_ref() {
            return Err(error());
        }
        self.told.lock().expect("a lock").push(what.into());
        Ok(())
    }

    pub fn fails(&self, with: impl Fn() -> Error + Send + Sync + 'static) {
        *self.failing.lock().expect("a lock") = Some(Box::new(with));
    }

    pub fn recovers(&self) {
        *self.failing.lock().expect("a lock") = None;
    }

    /// What it heard so far, and forgets.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().expect("a lock"))
    }
}

#[async_trait]
impl Recipe for Herald {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }
    async fn begin(&self, desk: &Desk<'_>) -> Result<()> {
        self.hears("begin")?;
        if desk.mapping("begun").await?.is_none() {
            desk.remember(None, "begun", None, json!(true)).await?;
        }
        Ok(())
    }
    async fn end(&self, _: &Desk<'_>) -> Result<()> {
        self.hears("end")
    }
    async fn events(&self, _: &Desk<'_>, events: &[Occurrence]) -> Result<()> {
        let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
        self.hears(names.join(" "))
    }
    async fn tick(&self, _: &Desk<'_>) -> Result<()> {
        self.hears("tick")
    }
    async fn webhook(&self, _: &Desk<'_>, delivery: &Delivery) -> Result<()> {
        self.hears(format!("webhook {}", delivery.body))
    }
    async fn step(&self, _: &Desk<'_>, process: &Process) -> Result<Step> {
        self.hears(format!("step {}", process.progress.done))?;
        let progress = ProcessProgress {
            total: Some(3),
            done: process.progress.done + 1,
            failed: 0,
        };
        Ok(if progress.done < 3 {
            Step::More {
                context: json!({"at": progress.done}),
                progress,
                at: None,
            }
        } else {
            let results = json!({"was": process.context});
            Step::Done { results, progress }
        })
    }
    async fn actions(&self, _: &Desk<'_>) -> Result<Vec<UserAction>> {
        self.listed()
    }
    async fn act(&self, desk: &Desk<'_>, action: &str, data: &Value) -> Result<Value> {
        self.hears(format!("act {action} {data}"))?;
        if action == "MARCH" {
            let begun = process::start(desk, "march", "A march", Value::Null).await?;
            return Ok(json!({"processIds": [begun.id]}));
        }
        let things = desk.list("board", "list_things", json!({})).await?;
        Ok(json!({"count": things.items.len()}))
    }
}

/// A book of one recipe.
pub struct Book(pub Arc<Herald>);

impl Recipes for Book {
    fn get(&self, name: &str) -> Option<Arc<dyn Recipe>> {
        (name == "herald").then(|| -> Arc<dyn Recipe> { self.0.clone() })
    }
    fn all(&self) -> Vec<Arc<dyn Recipe>> {
        vec![self.0.clone()]
    }
}
