//! The shipped modules, connected by the services that the server runs. Their apps are fakes, which answer
//! what the fixtures of our own making say (`fixtures/NAME/contract.invented.json`).

use super::*;
use crate::contract::{Fixture, fixture};
use gna_domain::connect::module::{Auth, Pkce};
use gna_domain::port::egress::OutResponse;
use gna_integrations::modules::Catalogue;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What token requests are told apart by.
const TOKEN: &str = "oauth2.token";

/// Mia of Acme, and every shipped module.
struct Shelf {
    world: World,
    apps: AppClient,
    modules: Vec<Module>,
    acme: Organization,
    mia: Ctx,
}

/// Some fixtures have keys that are none.
struct InventedSigner;

impl JwtSigner for InventedSigner {
    fn sign(&self, _: &SigningInput) -> Result<Secret, Error> {
        Ok(Secret::new("hunter2.j.wt"))
    }
}

fn json_answer(status: u16, body: &Value) -> OutResponse {
    OutResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into(),
    }
}

impl Shelf {
    async fn new() -> Self {
        let world = World::new().await;
        let shipped = Catalogue::shipped().expect("they load");
        let modules: Vec<Module> = shipped.all().map(|loaded| loaded.module.clone()).collect();
        let ours = |module: &Module| {
            let registration = Registration {
                id: "gna".to_owned(),
                secret: Some(Secret::new("client-hunter2")),
                scopes: Vec::new(),
            };
            (module.name.to_string(), registration)
        };
        let ports = AppPorts {
            store: world.ports.store.clone(),
            clock: world.ports.clock.clone(),
            ids: world.ports.ids.clone(),
            egress: world.ports.egress.clone(),
            vault: world.ports.vault.clone(),
            signer: Arc::new(InventedSigner),
        };
        let registrations = modules.iter().map(ours).collect();
        let apps = AppClient::new(
            ports,
            modules.iter().cloned(),
            registrations,
            "https://gna.example",
        );
        let acme = world.organization("acme").await;
        let mia = world.in_organization(&acme, Role::Member);
        Self {
            world,
            apps,
            modules,
            acme,
            mia,
        }
    }

    /// From now on the module's app lets in, and describes the account of the fixture.
    fn lets_in(&self, module: &Module, fixture: &Fixture) {
        let mut answers = VecDeque::new();
        if let Some(test) = &module.test {
            // Several test by the call that also tells who it is.
            let same = module.identity.calls.first();
            let same = same.filter(|first| first.call == *test);
            answers.push_back(match (same, fixture.identity.first()) {
                (Some(_), Some(answer)) => answer.clone(),
                _ => json!({}),
            });
        }
        answers.extend(fixture.identity.iter().cloned());
        let answers = Mutex::new(answers);
        let token = fixture.token.clone().unwrap_or_default();
        self.world.egress.respond(move |request| {
            if request.purpose == TOKEN {
                return Ok(json_answer(200, &token));
            }
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            let next = answers.pop_front().unwrap_or_else(|| json!({}));
            Ok(json_answer(200, &next))
        });
    }

    /// The person fills in the form, and agrees at the app where that is the way; the state comes back
    /// or does not.
    async fn connect(
        &self,
        module: &Module,
        fixture: &Fixture,
        with_state: bool,
    ) -> Result<Connected, Error> {
        self.lets_in(module, fixture);
        let name = module.name.to_string();
        let mut input = Complete {
            organization: self.acme.id,
            module: name.clone(),
            shared: false,
            state: None,
            entity: None,
            data: fixture.form.clone(),
        };
        if matches!(module.auth, Auth::Oauth2Code(_)) {
            let begun = Begin {
                organization: self.acme.id,
                module: name.clone(),
                shared: false,
                connection: Some(fixture.form.clone()),
                entity: None,
            };
            match begin(&self.mia, &self.apps, begun).await? {
                Requirements::Redirect { state, .. } => {
                    input.state = Some(state).filter(|_| with_state);
                }
                other => panic!("{name}: {other:?}"),
            }
            input.data = json!({"code": "code-hunter2"});
        }
        match complete(&self.mia, &self.apps, input).await? {
            Completed::Connected(connected) => Ok(*connected),
            Completed::Next(other) => panic!("{name}: {other:?}"),
        }
    }

    /// From now on no app accepts anything.
    fn refuses(&self) {
        self.world.egress.respond(|request| {
            Ok(match request.purpose == TOKEN {
                true => json_answer(400, &json!({"error": "invalid_grant"})),
                false => json_answer(401, &json!({})),
            })
        });
    }

    /// Tests all of them at once, and answers what each says and whether its credential counts as valid.
    async fn tested(&self, all: &[(&Module, Connected)]) -> Vec<(String, Result<(), Error>, bool)> {
        let tests = all.iter().map(|(module, connected)| async move {
            let done = entity::test(&self.mia, &self.apps, connected.entity.id).await;
            let store = self.world.ports.store.as_ref();
            let stored = repo::require::<Credential>(store, connected.credential.id).await;
            let valid = stored.expect("is there").valid;
            (module.name.to_string(), done, valid)
        });
        futures::future::join_all(tests).await
    }
}

#[tokio::test]
async fn every_shipped_app_is_connected_twice_and_lost_and_found_again() {
    let shelf = Shelf::new().await;
    let mut all = Vec::new();
    for module in &shelf.modules {
        let name = module.name.as_str();
        let fixture = fixture(name);
        let first = shelf.connect(module, &fixture, true).await;
        let first = first.unwrap_or_else(|error| panic!("{name}: {error}"));
        match &fixture.external_id {
            Some(id) => assert_eq!(&first.entity.external_id, id, "{name}"),
            None => assert_eq!(first.entity.external_id.len(), 64, "{name}: a digest"),
        }
        assert_eq!(first.entity.name, fixture.display_name, "{name}");
        for property in &module.persist.entity {
            let kept = first.entity.properties.contains_key(property);
            assert!(kept, "{name}: {property} is not stored");
        }
        assert!(first.is_new && first.credential.valid, "{name}");
        let second = shelf.connect(module, &fixture, true).await;
        let second = second.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (second.entity.id, second.credential.id, second.is_new),
            (first.entity.id, first.credential.id, false),
            "{name}: the same account"
        );
        // Without a call that tests it, nothing shows that a credential is refused before it is used.
        if module.test.is_some() {
            all.push((module, second));
        }
    }
    for heals in [true, false] {
        shelf.refuses();
        for (name, done, valid) in shelf.tested(&all).await {
            assert_eq!(code(done), "credential.reconnect", "{name}");
            assert!(!valid, "{name}");
        }
        if heals {
            // The app takes the credential again.
            shelf
                .world
                .egress
                .respond(|_| Ok(json_answer(200, &json!({}))));
            for (name, done, valid) in shelf.tested(&all).await {
                done.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(valid, "{name}");
            }
        }
    }
    // Or a person connects the account again.
    for (module, before) in &all {
        let name = module.name.as_str();
        let again = shelf.connect(module, &fixture(name), true).await;
        let again = again.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (again.entity.id, again.credential.id, again.credential.valid),
            (before.entity.id, before.credential.id, true),
            "{name}"
        );
    }
}

#[tokio::test]
async fn of_shipped_apps_those_with_a_verifier_are_connected_without_a_state() {
    let shelf = Shelf::new().await;
    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for module in &shelf.modules {
        let Auth::Oauth2Code(kind) = &module.auth else {
            continue;
        };
        let name = module.name.as_str();
        let done = shelf.connect(module, &fixture(name), false).await;
        if kind.pkce == Pkce::S256 {
            let connected = done.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(connected.credential.valid, "{name}");
            served.push(format!("`{name}`"));
        } else {
            assert_eq!(code(done), "authorization.state_required", "{name}");
            refused.push(format!("`{name}`"));
        }
    }
    // The document for Frigg's clients names both.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FRIGG.md");
    let page = std::fs::read_to_string(page).expect("docs/FRIGG.md");
    for names in [served.join(", "), refused.join(", ")] {
        assert!(page.contains(&names), "docs/FRIGG.md does not list {names}");
    }
}
