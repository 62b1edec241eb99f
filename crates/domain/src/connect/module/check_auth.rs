//! Whether a module's way of signing in makes sense.

use super::auth::{Auth, ClientFrom, Pkce, StateMode};
use super::check::{Mistakes, call_slots};
use super::definition::Module;
use crate::connect::template::{Slot, Template, Tree};

impl Mistakes<'_> {
    pub(super) fn auth(&mut self) {
        let module = self.module;
        let name = module.auth.kind().name();
        match &module.auth {
            Auth::Oauth2Code(kind) => {
                for (key, url) in [
                    ("authorize_url", &kind.authorize_url),
                    ("token_url", &kind.token_url),
                ] {
                    self.slots(
                        &["auth", name, key],
                        url.slots(),
                        &["connection", "entity"],
                        &[],
                    );
                }
                if kind.state == StateMode::MayBeDropped && kind.pkce != Pkce::S256 {
                    self.add(
                        &["auth", name, "state"],
                        "state = \"may_be_dropped\" needs pkce = \"s256\": without both nothing ties a code to the person who began",
                    );
                }
                if kind.client_from == ClientFrom::Connection {
                    for field in ["client_id", "client_secret"] {
                        if !module.connection.iter().any(|known| known.name == field) {
                            self.add(&["connection"], format!("client_from = \"connection\" needs the connection parameter {field}"));
                        }
                    }
                }
            }
            Auth::ApiKey(kind) if kind.send.is_empty() && !uses_credential(module) => self.add(
                &["auth", name, "send"],
                "send says nothing, so the key would never be sent: give headers, query or basic",
            ),
            Auth::Oauth2Password(kind) => {
                for field in ["username", "password"] {
                    if !kind.fields.iter().any(|known| known.name == field) {
                        self.add(
                            &["auth", name, "fields"],
                            format!("the form needs the field {field}"),
                        );
                    }
                }
            }
            Auth::JwtApp(kind) if kind.lifetime_seconds == 0 => {
                self.add(
                    &["auth", name, "lifetime_seconds"],
                    "a JWT needs a lifetime",
                );
            }
            Auth::MultiStep(kind) => {
                if kind.steps.len() < 2 {
                    self.add(
                        &["auth", name, "steps"],
                        "several steps are at least two; use api_key for one",
                    );
                }
                for (at, step) in kind.steps.iter().enumerate() {
                    if let Some(call) = &step.call {
                        let at = at.to_string();
                        self.call(
                            &["auth", name, "steps", &at, "call"],
                            call,
                            &["connection", "credential", "kept"],
                        );
                    }
                }
            }
            _ => {}
        }
        if let Auth::JwtApp(kind) = &module.auth {
            let slots = kind
                .key
                .slots()
                .chain(kind.claims.values().flat_map(Tree::slots));
            self.slots(&["auth", name], slots, &["connection", "credential"], &[]);
            if let Some(exchange) = &kind.exchange {
                self.call(
                    &["auth", name, "exchange", "call"],
                    &exchange.call,
                    &["connection", "credential", "jwt"],
                );
            }
        }
        if let Auth::Oauth2Code(kind) = &module.auth {
            for (key, params) in [
                ("authorize_params", &kind.authorize_params),
                ("token_params", &kind.token_params),
                ("refresh_params", &kind.refresh_params),
            ] {
                let slots = params.values().flat_map(Template::slots);
                self.slots(
                    &["auth", name, key],
                    slots,
                    &["client", "connection", "credential", "entity"],
                    &[],
                );
            }
        }
        if let Some(send) = module.auth.send() {
            let slots = send
                .headers
                .values()
                .chain(send.query.values())
                .flat_map(Template::slots);
            self.slots(
                &["auth", name, "send"],
                slots,
                &["credential", "connection", "entity", "jwt"],
                &[],
            );
        }
        let secret_somewhere = module.credential_fields().iter().any(|field| field.secret);
        if !secret_somewhere && !matches!(module.auth, Auth::None(_)) {
            self.add(
                &["auth", name],
                "no field of the credential is secret; write secret = true on those that are",
            );
        }
    }
}

fn uses_credential(module: &Module) -> bool {
    let of_credential = |slot: &Slot| slot.path.first().is_some_and(|scope| scope == "credential");
    module
        .urls
        .values()
        .flat_map(Template::slots)
        .any(of_credential)
        || module
            .operations
            .values()
            .any(|operation| call_slots(&operation.call()).into_iter().any(of_credential))
}
