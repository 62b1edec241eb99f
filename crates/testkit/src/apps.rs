//! Two fake apps to connect accounts with: a tracker by OAuth 2.0, and one by a key.

use gna_domain::connect::Module;
use gna_domain::ctx::Ports;
use gna_domain::port::apps::Registration;
use gna_domain::port::egress::{EgressError, OutRequest, OutResponse};
use gna_domain::secret::Secret;
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::modules::Signer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The key that the keyed app takes.
pub const RIGHT_KEY: &str = "right-hunter2";
/// Where the server of a test is said to be.
pub const PUBLIC_URL: &str = "http://127.0.0.1:8080";

fn module(name: &str, label: &str, auth: &Value) -> Module {
    let module = json!({
        "name": name,
        "display": {
            "label": label, "description": "A fake.", "category": "issue_tracker",
            "details_url": "https://t.example", "icon": "tracker",
        },
        "docs": [],
        "urls": {"api": "https://t.example"},
        "auth": auth,
        "test": {"path": "/me"},
        "identity": {
            "calls": [{"call": {"path": "/me"}, "keep": {"id": "/id", "login": "/login"}}],
            "external_id": "{kept.id}", "display_name": "{kept.login}",
        },
        "operations": {"list_projects": {
            "description": "Projects.", "path": "/projects", "items": "", "output": {"id": "/id", "name": "/name"},
        }},
        "entity_options": {"operation": "list_projects", "value": "id", "title": "name"},
    });
    serde_json::from_value(module).expect("a module")
}

/// The apps of a world.
pub fn client(ports: &Ports) -> AppClient {
    let tracker = json!({"oauth2_code": {
        "authorize_url": "https://t.example/authorize", "token_url": "https://t.example/token",
        "state": "may_be_dropped",
    }});
    let keyed = json!({"api_key": {
        "fields": [{"name": "api_key", "title": "Key", "secret": true}],
        "send": {"headers": {"X-Key": "{credential.api_key}"}},
    }});
    let modules = [
        module("tracker", "Tracker", &tracker),
        module("keyed", "Keyed", &keyed),
    ];
    let ours = Registration {
        id: "gna".to_owned(),
        secret: Some(Secret::new("client-hunter2")),
        scopes: Vec::new(),
    };
    let ports = AppPorts {
        store: Arc::clone(&ports.store),
        clock: Arc::clone(&ports.clock),
        ids: Arc::clone(&ports.ids),
        egress: Arc::clone(&ports.egress),
        vault: Arc::clone(&ports.vault),
        signer: Arc::new(Signer),
    };
    let registrations = BTreeMap::from([("tracker".to_owned(), ours)]);
    AppClient::new(ports, modules, registrations, PUBLIC_URL)
}

/// What the apps answer.
pub fn answer(request: &OutRequest) -> Result<OutResponse, EgressError> {
    let shows = |text: &str| {
        request
            .headers
            .iter()
            .any(|header| header.value.expose().contains(text))
    };
    let (status, body) = if request.url.ends_with("/token") {
        let tokens = json!({
            "access_token": "access-hunter2", "refresh_token": "refresh-hunter2", "expires_in": 3600,
        });
        (200, tokens)
    } else if !shows(RIGHT_KEY) && !shows("access-hunter2") {
        (401, json!({}))
    } else if request.url.ends_with("/projects") {
        (200, json!([{"id": "p1", "name": "Shop"}]))
    } else {
        (200, json!({"id": "42", "login": "mia"}))
    };
    Ok(OutResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into(),
    })
}
