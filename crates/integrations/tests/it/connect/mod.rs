//! Entity managers, as services on a store and against a fake provider.

mod echo;
mod life;
mod provider;
mod refresh;
mod shipped;
mod steps;

use gna_domain::Ctx;
use gna_domain::connect::oauth2::{JwtSigner, SigningInput};
use gna_domain::connect::{Credential, Module};
use gna_domain::error::Error;
use gna_domain::model::Organization;
use gna_domain::policy::Role;
use gna_domain::port::apps::Registration;
use gna_domain::port::repo;
use gna_domain::port::store::Stored;
use gna_domain::secret::Secret;
use gna_domain::service::connect::authorize::{
    Begin, Complete, Completed, Requirements, begin, complete,
};
use gna_domain::service::connect::{credential, entity, secrets};
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_testkit::{Stores, World};
use provider::Provider;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An organization with Olga, who owns it, and Mia, a member; and a tracker that is a fake.
struct Office {
    world: World,
    apps: AppClient,
    provider: Arc<Provider>,
    acme: Organization,
    olga: Ctx,
    mia: Ctx,
}

fn module(json: Value) -> Module {
    serde_json::from_value(json).expect("a module")
}

fn display(label: &str) -> Value {
    json!({"label": label, "description": "A fake.", "category": "issue_tracker", "details_url": "https://tracker.example"})
}

fn identity() -> Value {
    json!({
        "calls": [{"call": {"path": "/me"}, "keep": {"id": "/id", "login": "/login", "site": "/site"}}],
        "external_id": "{kept.id}",
        "display_name": "{kept.login}"
    })
}

/// A tracker by OAuth2 whose refresh tokens behave like that.
fn tracker(refresh: Value) -> Module {
    module(json!({
        "name": "tracker",
        "display": display("Tracker"),
        "docs": [],
        "urls": {"api": "https://tracker.example/api"},
        "auth": {"oauth2_code": {
            "authorize_url": "https://tracker.example/authorize",
            "token_url": "https://tracker.example/token",
            "revocation_url": "https://tracker.example/revoke",
            "scopes": ["read", "write"],
            "state": "may_be_dropped",
            "token": {"refresh": refresh}
        }},
        "test": {"path": "/me"},
        "identity": identity(),
        "persist": {"entity": ["site"]},
        "operations": {"list_projects": {
            "description": "Projects.", "path": "/projects", "items": "",
            "output": {"id": "/id", "name": "/name"}
        }},
        "entity_options": {"operation": "list_projects", "value": "id", "title": "name"}
    }))
}

/// The same by a key.
fn keyed() -> Module {
    module(json!({
        "name": "keyed",
        "display": display("Keyed"),
        "docs": [],
        "urls": {"api": "https://{connection.site}.example/api"},
        "connection": [{"name": "site", "title": "Site", "pattern": "[a-z]+"}],
        "auth": {"api_key": {
            "fields": [{"name": "api_key", "title": "Key", "secret": true}],
            "send": {"headers": {"Authorization": "Bearer {credential.api_key}"}}
        }},
        "test": {"path": "/me"},
        "identity": identity()
    }))
}

impl Office {
    async fn new(stores: Stores, refresh: Value) -> Self {
        let world = World::on(stores).await;
        let provider = Arc::new(Provider::new());
        let answering = Arc::clone(&provider);
        world
            .egress
            .respond(move |request| answering.answer(request));
        let ports = AppPorts {
            store: world.ports.store.clone(),
            clock: world.ports.clock.clone(),
            ids: world.ports.ids.clone(),
            egress: world.ports.egress.clone(),
            vault: world.ports.vault.clone(),
            signer: Arc::new(NoSigner),
        };
        let ours = Registration {
            id: "gna".to_owned(),
            secret: Some(Secret::new("client-hunter2")),
            scopes: Vec::new(),
        };
        let apps = AppClient::new(
            ports,
            [tracker(refresh), keyed(), steps::mailed()],
            BTreeMap::from([("tracker".to_owned(), ours)]),
            "https://gna.example",
        );
        let acme = world.organization("acme").await;
        let olga = world.in_organization(&acme, Role::Owner);
        let mia = world.in_organization(&acme, Role::Member);
        Self {
            world,
            apps,
            provider,
            acme,
            olga,
            mia,
        }
    }

    fn begin(&self, module: &str) -> Begin {
        Begin {
            organization: self.acme.id,
            module: module.to_owned(),
            shared: false,
            connection: None,
            entity: None,
        }
    }

    fn complete(&self, module: &str, state: Option<&Secret>, data: Value) -> Complete {
        Complete {
            organization: self.acme.id,
            module: module.to_owned(),
            shared: false,
            state: state.cloned(),
            entity: None,
            data,
        }
    }

    /// Sends the user to the app; answers the address and the state.
    async fn redirected(&self, ctx: &Ctx) -> (String, Secret) {
        let required = begin(ctx, &self.apps, self.begin("tracker")).await;
        match required.expect("begins") {
            Requirements::Redirect { url, state } => (url, state),
            other => panic!("{other:?}"),
        }
    }

    /// The user agrees in the app and comes back.
    async fn connect(&self, ctx: &Ctx, account: &str) -> Connected {
        let (url, state) = self.redirected(ctx).await;
        let code = self.provider.agree(&url, account);
        let input = self.complete("tracker", Some(&state), json!({ "code": code }));
        match complete(ctx, &self.apps, input).await.expect("connects") {
            Completed::Connected(connected) => *connected,
            Completed::Next(other) => panic!("{other:?}"),
        }
    }

    async fn credential(&self, connected: &Connected) -> Stored<Credential> {
        repo::require::<Credential>(self.world.ports.store.as_ref(), connected.credential.id)
            .await
            .expect("is there")
    }

    async fn values(&self, credential: &Credential) -> Value {
        let values = secrets::open(self.world.ports.vault.as_ref(), credential).await;
        Value::Object(values.expect("opens"))
    }

    async fn test(&self, ctx: &Ctx, connected: &Connected) -> Result<(), Error> {
        entity::test(ctx, &self.apps, connected.entity.id).await
    }
}

/// No module here signs.
struct NoSigner;

impl JwtSigner for NoSigner {
    fn sign(&self, _: &SigningInput) -> Result<Secret, Error> {
        Err(Error::invalid("jwt.key", "there is no key"))
    }
}

type Connected = gna_domain::service::connect::Connected;

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result
        .map_err(|error| error.code())
        .expect_err("must be refused")
}
