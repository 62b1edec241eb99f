//! Whether a module makes sense: what serde can't see.

use std::collections::BTreeSet;

use super::auth::Auth;
use super::call::{BodyTemplate, Call};
use super::definition::{Module, Transport};
use super::field::Field;
use super::hook::{Check, SecretOf};
use super::operation::ANSWER_MB_MAX;
use super::paging::Paging;
use crate::connect::request::origin;
use crate::connect::template::{Slot, Take, Template};

/// What is wrong with a module: where, as a path of keys, and a sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Keys and indexes from the root: `["operations", "create_issue", "query"]`.
    pub path: Vec<String>,
    pub message: String,
}

pub(super) struct Mistakes<'m> {
    pub(super) module: &'m Module,
    found: Vec<Mistake>,
}

impl Module {
    /// Everything that is wrong with it, in the order of the file's parts.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Mistakes {
            module: self,
            found: Vec::new(),
        };
        mistakes.display();
        mistakes.fields();
        mistakes.urls();
        mistakes.auth();
        mistakes.identity();
        mistakes.errors();
        mistakes.paging();
        mistakes.webhook();
        mistakes.operations();
        mistakes.found
    }
}

impl Mistakes<'_> {
    pub(super) fn add(&mut self, path: &[&str], message: impl Into<String>) {
        self.found.push(Mistake {
            path: path.iter().map(|&part| part.to_owned()).collect(),
            message: message.into(),
        });
    }

    fn display(&mut self) {
        let display = &self.module.display;
        for (key, text) in [
            ("label", &display.label),
            ("description", &display.description),
        ] {
            if text.trim().is_empty() {
                self.add(&["display", key], format!("{key} is empty"));
            }
        }
        if origin(&display.details_url).is_none() {
            self.add(
                &["display", "details_url"],
                "details_url must be an address, https://...",
            );
        }
        if self.module.docs.is_empty() || self.module.docs.iter().any(|url| origin(url).is_none()) {
            self.add(
                &["docs"],
                "docs must name at least one address of the app's documentation, https://...",
            );
        }
    }

    fn fields(&mut self) {
        let mut names = BTreeSet::new();
        let module = self.module;
        let auth = module.auth.kind().name();
        let steps = (0..module.auth.steps()).flat_map(|step| module.auth.fields(step));
        let all: Vec<(&str, &Field)> = module
            .connection
            .iter()
            .map(|field| ("connection", field))
            .chain(steps.map(|field| ("auth", field)))
            .collect();
        for (place, field) in all {
            let path: Vec<&str> = if place == "auth" {
                vec!["auth", auth, "fields"]
            } else {
                vec!["connection"]
            };
            if let Some(message) = field.mistake() {
                self.add(&path, message);
            }
            if !names.insert(field.name.clone()) {
                self.add(
                    &path,
                    format!(
                        "the field {:?} is there twice; a name is used once in both forms",
                        field.name
                    ),
                );
            }
        }
    }

    fn urls(&mut self) {
        let module = self.module;
        if module.transport == Transport::Smtp {
            for name in ["host", "port", "security"] {
                if !module.connection.iter().any(|field| field.name == name) {
                    self.add(
                        &["connection"],
                        format!("transport = \"smtp\" needs the connection parameter {name}"),
                    );
                }
            }
            for (name, url) in &module.urls {
                if !url.source().starts_with("smtp://") {
                    self.add(
                        &["urls", name],
                        "transport = \"smtp\" needs an address like smtp://{connection.host}:{connection.port}",
                    );
                }
                self.slots(&["urls", name], url.slots(), &["connection"], &[]);
            }
            return;
        }
        if module.urls.is_empty() {
            self.add(
                &["urls"],
                "there must be at least one address, like api = \"https://api.example.com\"",
            );
        }
        for (name, url) in &module.urls {
            if !url.begins_with_slot()
                && origin(&url.source().replace(['{', '}', '|', '?'], "")).is_none()
            {
                self.add(
                    &["urls", name],
                    "it must be an address, https://..., or begin with a placeholder that is one",
                );
            }
            self.slots(
                &["urls", name],
                url.slots(),
                &["connection", "entity", "credential"],
                &[],
            );
        }
    }

    fn identity(&mut self) {
        let module = self.module;
        if let Some(test) = &module.test {
            self.call(&["test"], test, &["connection", "credential", "entity"]);
        } else if module.transport == Transport::Http
            && !matches!(module.auth, Auth::None(_) | Auth::ApiKey(_))
        {
            self.add(
                &["test"],
                "there must be a test call, one that succeeds exactly when the credential works",
            );
        }
        let mut kept: BTreeSet<&String> = module
            .auth
            .token()
            .map(|token| token.keep.keys().collect())
            .unwrap_or_default();
        if let Auth::MultiStep(kind) = &module.auth {
            kept.extend(kind.steps.iter().flat_map(|step| step.keep.keys()));
        }
        for (at, call) in module.identity.calls.iter().enumerate() {
            self.call(
                &["identity", "calls", &at.to_string(), "call"],
                &call.call,
                &["connection", "credential", "entity", "kept"],
            );
            kept.extend(call.keep.keys());
        }
        let templates = [
            ("external_id", &module.identity.external_id),
            ("display_name", &module.identity.display_name),
        ];
        for (key, template) in templates {
            for slot in template.slots() {
                let name = slot.path.get(1).map(String::as_str).unwrap_or_default();
                let known = match slot.path.first().map(String::as_str) {
                    Some("kept") => kept.iter().any(|kept| *kept == name),
                    Some("connection") => module.connection.iter().any(|field| field.name == name),
                    Some("credential") => module
                        .credential_fields()
                        .iter()
                        .any(|field| field.name == name),
                    _ => false,
                };
                if !known {
                    self.add(
                        &["identity", key],
                        format!("{{{}}} is kept by no call and is no field", slot.name()),
                    );
                }
            }
            if template.slots().next().is_none() && key == "external_id" {
                self.add(
                    &["identity", key],
                    "it would be the same for every account; name a value with a placeholder",
                );
            }
        }
        let persisted = module
            .persist
            .entity
            .iter()
            .chain(module.persist.credential.iter().map(|extra| &extra.name));
        for name in persisted {
            if !kept.contains(name) {
                self.add(
                    &["persist"],
                    format!("{name:?} is kept by no call; add it to a keep, or remove it here"),
                );
            }
        }
    }

    fn errors(&mut self) {
        for (at, rule) in self.module.errors.iter().enumerate() {
            let at = at.to_string();
            if rule.when.is_empty() {
                self.add(
                    &["errors", &at, "when"],
                    "it would fit every answer; give status, header or pointer",
                );
            }
            if let Some(pointer) = &rule.when.pointer {
                self.pointer(&["errors", &at, "when", "pointer"], pointer);
            }
        }
    }

    fn paging(&mut self) {
        for (name, paging) in &self.module.paging {
            for pointer in paging.pointers() {
                self.pointer(&["paging", name], pointer);
            }
            if let Some(mistake) = paging.mistake() {
                self.add(&["paging", name], mistake);
            }
        }
    }

    fn webhook(&mut self) {
        let Some(webhook) = &self.module.webhook else {
            return;
        };
        for (key, pointers) in [
            ("external_id", &webhook.external_id),
            ("project", &webhook.project),
        ] {
            for pointer in pointers {
                self.pointer(&["webhook", key], pointer);
            }
        }
        self.hook_check(&["webhook", "check"], &webhook.check);
        let Some(own) = &webhook.registered else {
            return;
        };
        if let Some(check) = &own.check {
            self.hook_check(&["webhook", "registered", "check"], check);
        }
        let is_signed_by_client = matches!(
            webhook.check_of_registered(),
            Check::Jwt(jwt) if jwt.algorithm == super::auth::JwtAlgorithm::HS256
        );
        if is_signed_by_client && own.secret != SecretOf::Client {
            self.add(
                &["webhook", "registered", "secret"],
                "apps sign a JWT with the secret of the registration; write secret = \"client\"",
            );
        }
    }

    fn hook_check(&mut self, path: &[&str], check: &Check) {
        let mut wrong = |keys: &[&str], why: &str| {
            let whole: Vec<&str> = path.iter().chain(keys).copied().collect();
            self.add(&whole, why);
        };
        match check {
            Check::Hmac(hmac) => {
                let has_time = hmac.timestamp_header.is_some()
                    || hmac.timestamp_pointer.is_some()
                    || hmac
                        .parts
                        .as_ref()
                        .is_some_and(|parts| parts.timestamp.is_some());
                if has_time != hmac.tolerance_seconds.is_some() {
                    wrong(
                        &["hmac"],
                        "a timestamp and tolerance_seconds belong together",
                    );
                }
                if !hmac.content.contains("{body}") {
                    wrong(
                        &["hmac", "content"],
                        "the body is not signed; content must hold {body}",
                    );
                }
                if hmac.content.contains("{timestamp}") && !has_time {
                    wrong(
                        &["hmac", "content"],
                        "it holds {timestamp}, but nothing says where that is",
                    );
                }
                if hmac.content.contains("{id}") && hmac.id_header.is_none() {
                    wrong(&["hmac", "content"], "it holds {id}; name the id_header");
                }
            }
            Check::Token(token) => {
                if token.header.is_none() && token.query.is_none() && token.pointer.is_none() {
                    wrong(
                        &["token"],
                        "name the header, query or pointer where the token is",
                    );
                }
            }
            Check::Jwt(jwt) => {
                if jwt.jwks_url.is_none() != (jwt.algorithm == super::auth::JwtAlgorithm::HS256) {
                    wrong(&["jwt"], "jwks_url is needed, but not for HS256");
                }
            }
            Check::Basic(_) => {}
        }
    }

    fn operations(&mut self) {
        let module = self.module;
        for (name, operation) in &module.operations {
            let path = ["operations", name.as_str()];
            self.call(
                &path,
                &operation.call(),
                &["connection", "credential", "entity", "input", "page"],
            );
            let mut used = BTreeSet::new();
            for slot in call_slots(&operation.call()) {
                let (Some(scope), Some(input)) = (slot.path.first(), slot.path.get(1)) else {
                    continue;
                };
                if scope != "input" {
                    continue;
                }
                used.insert(input.clone());
                match operation.input.get(input) {
                    None => self.add(
                        &path,
                        format!("{{input.{input}}} is not among its inputs; add it to input"),
                    ),
                    Some(kind) if kind.optional && !slot.optional => {
                        self.add(
                            &path,
                            format!("the input {input} may be absent, so write {{input.{input}?}}"),
                        );
                    }
                    Some(_) => {}
                }
            }
            for input in operation
                .input
                .keys()
                .filter(|input| !used.contains(*input))
            {
                self.add(
                    &["operations", name, "input"],
                    format!("the input {input} is used nowhere; remove it"),
                );
            }
            if let Some(items) = &operation.items {
                self.pointer(&["operations", name, "items"], items);
            }
            if let Some(mb) = operation.answer_mb
                && (operation.items.is_none() || mb == 0 || mb > ANSWER_MB_MAX)
            {
                self.add(
                    &["operations", name, "answer_mb"],
                    format!("it is for lists, and from 1 to {ANSWER_MB_MAX}"),
                );
            }
            if let Some(paging) = &operation.paging {
                if operation.items.is_none() {
                    self.add(
                        &["operations", name, "paging"],
                        "only lists have pages; say where its items are",
                    );
                }
                match module.paging.get(paging).map(Paging::anew) {
                    None => self.add(
                        &["operations", name, "paging"],
                        format!("there is no [paging.{paging}]"),
                    ),
                    Some(Some(anew)) if !operation.input.contains_key(&anew.input) => self.add(
                        &["operations", name, "paging"],
                        format!(
                            "[paging.{paging}] begins anew by the input {:?}, which the operation does not have",
                            anew.input
                        ),
                    ),
                    Some(_) => {}
                }
            }
            for (output, take) in &operation.output {
                self.take(&["operations", name, "output", output], take);
            }
        }
        for wanted in module.display.category.operations() {
            if !module.operations.contains_key(*wanted) {
                self.add(
                    &["operations"],
                    format!("a module of this category needs the operation {wanted}"),
                );
            }
        }
        if let Some(options) = &module.entity_options {
            let problem = match module.operations.get(&options.operation) {
                None => Some(format!("there is no operation {:?}", options.operation)),
                Some(operation) if operation.items.is_none() => {
                    Some("the operation must be a list".to_owned())
                }
                Some(operation) if operation.input.values().any(|input| !input.optional) => {
                    Some("the operation must need no input".to_owned())
                }
                Some(operation) => [&options.value, &options.title]
                    .into_iter()
                    .find(|name| !operation.output.contains_key(*name))
                    .map(|name| format!("the operation has no output {name:?}")),
            };
            if let Some(problem) = problem {
                self.add(&["entity_options"], problem);
            }
        }
    }

    pub(super) fn call(&mut self, path: &[&str], call: &Call, scopes: &[&str]) {
        if !self.module.urls.contains_key(&call.base) {
            self.add(
                path,
                format!("there is no address {:?} in [urls]", call.base),
            );
        }
        if let Some(template) = &call.path
            && !template.source().starts_with(['/', '?'])
            && !template.source().is_empty()
        {
            self.add(path, "path must begin with a slash");
        }
        self.slots(path, call_slots(call).into_iter(), scopes, &[]);
    }

    fn take(&mut self, path: &[&str], take: &Take) {
        let templates: Vec<&Template> = take.templates().collect();
        for template in templates {
            if template.source().starts_with('/') && template.slots().next().is_some() {
                self.add(
                    path,
                    "a pointer has no placeholders; a template must not begin with a slash",
                );
            }
        }
    }

    fn pointer(&mut self, path: &[&str], pointer: &str) {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            self.add(
                path,
                format!(
                    "{pointer:?} is no JSON pointer; it begins with a slash, like \"/data/items\""
                ),
            );
        }
    }

    pub(super) fn slots<'s>(
        &mut self,
        path: &[&str],
        slots: impl Iterator<Item = &'s Slot>,
        scopes: &[&str],
        kept: &[&str],
    ) {
        let module = self.module;
        let credential = module.credential_fields();
        for slot in slots {
            let scope = slot.path.first().map(String::as_str).unwrap_or_default();
            let name = slot.path.get(1).map(String::as_str).unwrap_or_default();
            if !scopes.contains(&scope) {
                self.add(
                    path,
                    format!(
                        "{{{}}} is not known here; there are {}",
                        slot.name(),
                        scopes.join(", ")
                    ),
                );
                continue;
            }
            let known = match scope {
                "connection" => module.connection.iter().any(|field| field.name == name),
                "credential" => credential.iter().any(|field| field.name == name),
                "entity" => module.persist.entity.iter().any(|known| known == name),
                "page" => ["cursor", "offset", "number", "size"].contains(&name),
                _ => kept.is_empty() || kept.contains(&name),
            };
            if !known {
                self.add(
                    path,
                    format!("{{{}}}: nothing defines {name:?} in {scope}", slot.name()),
                );
            }
        }
    }
}

pub(super) fn call_slots(call: &Call) -> Vec<&Slot> {
    let mut slots: Vec<&Slot> = Vec::new();
    slots.extend(call.path.iter().flat_map(Template::slots));
    slots.extend(
        call.query
            .values()
            .chain(call.headers.values())
            .flat_map(Template::slots),
    );
    match &call.body {
        Some(BodyTemplate::Json(tree)) => slots.extend(tree.slots()),
        Some(BodyTemplate::Form(pairs)) => slots.extend(pairs.values().flat_map(Template::slots)),
        Some(BodyTemplate::Graphql(graphql)) => {
            slots.extend(graphql.variables.iter().flat_map(|tree| tree.slots()))
        }
        Some(BodyTemplate::Text(text)) => slots.extend(text.slots()),
        None => {}
    }
    slots
}
