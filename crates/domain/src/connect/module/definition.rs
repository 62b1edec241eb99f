//! A module's whole file as types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::auth::Auth;
use super::call::Call;
use super::errors::ErrorRule;
use super::field::{self, Field, Form};
use super::hook::Webhook;
use super::name::ModuleName;
use super::operation::Operation;
use super::paging::Paging;
use crate::connect::template::{Take, Template};
use crate::error::Result;

/// One external app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Module {
    pub name: ModuleName,
    /// This file stands in for the built-in module of the same name.
    #[serde(default)]
    pub replaces: bool,
    /// Everything that this file does not say is as in the built-in module of that name; a table that
    /// it says stands in for the whole table there, but operations, pagings and addresses are added by name.
    #[serde(default)]
    pub extends: Option<ModuleName>,
    pub display: Display,
    /// Addresses of the app's documentation that the facts come from.
    pub docs: Vec<String>,
    #[serde(default)]
    pub transport: Transport,
    /// Connection parameters: what the user says before signing in, like the site's name.
    #[serde(default)]
    pub connection: Vec<Field>,
    /// Base addresses by name; `api` is the one that calls use unless they name another.
    #[serde(default)]
    pub urls: BTreeMap<String, Template>,
    /// Sent with every call.
    #[serde(default)]
    pub request: RequestDefaults,
    pub auth: Auth,
    /// A call that succeeds exactly when the credential works.
    #[serde(default)]
    pub test: Option<Call>,
    pub identity: Identity,
    #[serde(default)]
    pub persist: Persist,
    /// The app's own ways of saying no; the first that fits counts.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub paging: BTreeMap<String, Paging>,
    #[serde(default)]
    pub webhook: Option<Webhook>,
    #[serde(default)]
    pub operations: BTreeMap<String, Operation>,
    /// What the user chooses from after signing in, like a project.
    #[serde(default)]
    pub entity_options: Option<EntityOptions>,
}

/// How the app is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Display {
    pub label: String,
    /// One sentence.
    pub description: String,
    pub category: Category,
    /// Where a user reads more.
    pub details_url: String,
    /// Address of an image, or a name that the client knows.
    #[serde(default)]
    pub icon: Option<String>,
}

/// What an app is for. It decides which operations are expected.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    IssueTracker,
    Incident,
    Chat,
    Mail,
    Webhook,
    FindingSource,
    Crm,
    Finance,
    Files,
    Calendar,
}

impl Category {
    /// For people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::IssueTracker => "Issue trackers and code hosts",
            Self::Incident => "Incidents",
            Self::Chat => "Chat",
            Self::Mail => "Mail",
            Self::Webhook => "Webhooks",
            Self::FindingSource => "Finding sources",
            Self::Crm => "Customers",
            Self::Finance => "Finance",
            Self::Files => "Files",
            Self::Calendar => "Calendars",
        }
    }

    /// Operations that a module of this category must have, so that every recipe for the category
    /// works with it.
    #[must_use]
    pub fn operations(self) -> &'static [&'static str] {
        match self {
            Self::IssueTracker => &[
                "add_comment",
                "create_issue",
                "get_issue",
                "list_issues",
                "update_issue",
            ],
            Self::Incident => &["acknowledge", "resolve", "trigger"],
            Self::Chat => &["post_message"],
            Self::FindingSource => &["list_findings"],
            Self::Crm => &[
                "create_contact",
                "get_contact",
                "list_contacts",
                "update_contact",
            ],
            Self::Webhook => &["send"],
            Self::Mail | Self::Finance | Self::Files | Self::Calendar => &[],
        }
    }
}

/// How the app is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    Http,
    /// A mail server, whose address is `smtp://host:port`. Calls without a body greet it and sign in; the JSON
    /// body of others is a letter: `to`, `subject`, `text` and perhaps `name` and `id`. The headers
    /// `X-Smtp-Security` (`tls`, `starttls` or `none`) and `X-Smtp-From` say how and as whom.
    Smtp,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestDefaults {
    pub headers: BTreeMap<String, Template>,
    pub query: BTreeMap<String, Template>,
}

/// Who was connected. The calls are made in their order; each keeps values for the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    #[serde(default)]
    pub calls: Vec<IdentityCall>,
    /// The app's own id of the account: the same each time the same account is connected.
    pub external_id: Template,
    pub display_name: Template,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityCall {
    pub call: Call,
    /// Name and where it is in the answer.
    pub keep: BTreeMap<String, Take>,
}

/// What is stored besides tokens and the fields of forms, which always are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Persist {
    /// Kept values that go into the credential.
    pub credential: Vec<Extra>,
    /// Kept values that go into the entity, named as `{entity.NAME}` later.
    pub entity: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    pub name: String,
    #[serde(default)]
    pub secret: bool,
}

/// What the app says about its limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Documented budget: that many requests
    pub requests: Option<u32>,
    /// in that many seconds.
    pub per_seconds: Option<u32>,
    /// Calls of one credential at the same time.
    pub concurrent: Option<u32>,
    pub remaining_header: Option<String>,
    pub reset_header: Option<String>,
    pub reset: ResetKind,
    /// Where an error answer keeps the app's own words.
    pub message: Option<Take>,
}

/// How the reset header is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResetKind {
    #[default]
    EpochSeconds,
    EpochMillis,
    DeltaSeconds,
    Date,
}

/// The list that an entity's options come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityOptions {
    /// An operation that is a list and needs no input.
    pub operation: String,
    /// Outputs of it.
    pub value: String,
    pub title: String,
}

/// A field of a module's credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CredentialField {
    pub name: String,
    /// Encrypted, never shown, never in a log.
    pub secret: bool,
}

impl Module {
    /// The fields of its credential, in the order of names.
    #[must_use]
    pub fn credential_fields(&self) -> Vec<CredentialField> {
        let mut fields: BTreeMap<String, bool> = BTreeMap::new();
        for step in 0..self.auth.steps() {
            for field in self.auth.fields(step) {
                fields.insert(field.name.clone(), field.secret);
            }
        }
        // The connection form may hold secrets, as the client secret of a self-hosted app.
        for field in self.connection.iter().filter(|field| field.secret) {
            fields.insert(field.name.clone(), true);
        }
        if self.auth.token().is_some() {
            fields.insert("access_token".to_owned(), true);
            fields.insert("refresh_token".to_owned(), true);
            fields.insert("scope".to_owned(), false);
        }
        for extra in &self.persist.credential {
            fields.insert(extra.name.clone(), extra.secret);
        }
        fields
            .into_iter()
            .map(|(name, secret)| CredentialField { name, secret })
            .collect()
    }

    /// The form that the user fills in: connection parameters with the first step, then each step.
    #[must_use]
    pub fn form(&self, step: usize) -> Option<Form> {
        let fields = self.form_fields(step);
        (!fields.is_empty()).then(|| field::form(&self.display.label, &fields))
    }

    fn form_fields(&self, step: usize) -> Vec<&Field> {
        let connection = if step == 0 {
            self.connection.as_slice()
        } else {
            &[]
        };
        connection.iter().chain(self.auth.fields(step)).collect()
    }

    /// Reads what the user filled in: the connection parameters, and the credential's fields.
    ///
    /// # Errors
    /// `form.invalid` with the field; no value is repeated.
    pub fn read_form(
        &self,
        step: usize,
        data: &Value,
    ) -> Result<(Map<String, Value>, Map<String, Value>)> {
        let whole = field::read(&self.form_fields(step), data)?;
        let is_connection =
            |name: &String| step == 0 && self.connection.iter().any(|field| field.name == *name);
        Ok(whole.into_iter().partition(|(name, _)| is_connection(name)))
    }
}
