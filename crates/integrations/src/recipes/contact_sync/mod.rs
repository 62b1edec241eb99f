//! Contacts of two CRMs, kept the same. Nothing in it is about security.
//!
//! Contacts are matched by e-mail address when they are first seen, and by what is remembered from
//! then on. Fields are merged one by one (`merge.rs`); those that one of the two can't be told are
//! left alone. What is removed on one side stays on the other. Read next: `side.rs` (one CRM),
//! `sync.rs` (one look).

mod merge;
mod side;
mod sync;

use async_trait::async_trait;
use gna_domain::connect::Module;
use gna_domain::connect::module::Category;
use gna_domain::connect::recipe::{About, Delivery, Form, RecipeInfo, Slot, UserAction};
use gna_domain::error::{Error, Result};
use gna_domain::port::recipes::{Desk, Recipe};
use gna_domain::service::connect::integration::look;
use serde_json::{Value, json};

use sync::Sync;

/// Names of the CRMs that come with Gna and can be told of a change field by field.
const CRMS: &[&str] = &["hubspot", "pipedrive", "salesforce"];

pub struct ContactSync {
    info: RecipeInfo,
}

/// Whether contacts of this app can be kept in step: they have addresses, and fields that can be
/// changed under the names that CRMs have in common.
pub fn fits(module: &Module) -> bool {
    let operation = |name: &str| module.operations.get(name);
    let takes = |name: &str, field: &str| {
        operation(name).is_some_and(|operation| operation.input.contains_key(field))
    };
    let lists = operation("list_contacts");
    module.display.category == Category::Crm
        && lists.is_some_and(|lists| lists.output.contains_key("email"))
        && operation("get_contact").is_some()
        && takes("create_contact", "email")
        && takes("update_contact", "email")
}

impl ContactSync {
    /// For the CRMs that come with Gna.
    pub fn shipped() -> Self {
        Self::with(CRMS.iter().map(|name| (*name).to_owned()).collect())
    }

    /// For these CRMs.
    pub fn with(crms: Vec<String>) -> Self {
        let slot = |key: &str| Slot {
            key: key.to_owned(),
            modules: crms.clone(),
        };
        let schema = json!({
            "type": "object",
            "properties": {
                "winner": {
                    "type": "string",
                    "title": "Whose value counts where both were changed",
                    "enum": ["first", "second"],
                    "default": "first",
                },
            },
        });
        Self {
            info: RecipeInfo {
                name: "contact-sync".into(),
                version: "1".into(),
                label: "Contacts of two CRMs".into(),
                description: "Keeps the contacts of two CRMs the same, field by field.".into(),
                category: "CRM".into(),
                slots: vec![slot("first"), slot("second")],
                about: About::Nothing,
                needs: Vec::new(),
                events: Vec::new(),
                every_seconds: 300,
                at_once: 1,
                actions: vec![UserAction {
                    name: "SYNC_NOW".into(),
                    kind: "SYNC_ACTION".into(),
                    title: "Compare now".into(),
                    description: "Reads what changed on both sides and brings them together."
                        .into(),
                }],
                config: Form::vertical(schema),
            },
        }
    }
}

#[async_trait]
impl Recipe for ContactSync {
    fn info(&self) -> &RecipeInfo {
        &self.info
    }

    async fn tick(&self, desk: &Desk<'_>) -> Result<()> {
        Sync::at(desk)?.look().await
    }

    /// A webhook says that something changed; what, is read from the CRM itself.
    async fn webhook(&self, desk: &Desk<'_>, _: &Delivery) -> Result<()> {
        self.tick(desk).await
    }

    async fn act(&self, desk: &Desk<'_>, action: &str, _: &Value) -> Result<Value> {
        if action != "SYNC_NOW" {
            return Err(Error::not_found(
                "integration.action_unknown",
                "this integration has no such action",
            ));
        }
        look::soon(desk).await?;
        Ok(json!({ "message": "they are compared as soon as the work before it is done" }))
    }
}
