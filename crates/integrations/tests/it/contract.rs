//! What every module must keep, played through on each with fixtures of our own making
//! (`fixtures/NAME/contract.invented.json`): nothing here talks to a real app.

use gna_domain::connect::module::{Auth, InputOf, Module, Output};
use gna_domain::connect::oauth2::{self, Authorize, Client};
use gna_domain::connect::request::{Body, Request};
use gna_domain::connect::{Answer, Class, Values};
use gna_domain::secret::Secret;
use gna_domain::time::Timestamp;
use gna_integrations::modules::Catalogue;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    pub form: Value,
    pub token: Option<Value>,
    /// The answer to a refresh, without a refresh token.
    refreshed: Option<Value>,
    /// The app's own ways of saying, with 400, that a refresh token is dead.
    #[serde(default)]
    dead: Vec<Value>,
    pub identity: Vec<Value>,
    /// Nothing where it is a digest of a secret.
    pub external_id: Option<String>,
    pub display_name: String,
    #[serde(default)]
    entity: Value,
    operations: BTreeMap<String, Played>,
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Played {
    input: Value,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    status: Option<u16>,
    answer: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
    class: Class,
    wait_ms: Option<i64>,
}

fn answer(status: u16, headers: &BTreeMap<String, String>, body: &Value) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Answer {
        status,
        headers,
        body: body.clone(),
    }
}

/// What the app of that module answers in tests.
pub fn fixture(name: &str) -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
        .join("contract.invented.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A module with the values of its fixture, and every secret among them.
struct Player {
    module: Module,
    fixture: Fixture,
    values: Values,
    secrets: Vec<String>,
}

impl Player {
    fn new(module: &Module) -> Self {
        let fixture = fixture(module.name.as_str());
        let (connection, mut credential) = module
            .read_form(0, &fixture.form)
            .unwrap_or_else(|error| panic!("{}: {error}", module.name));
        if module.auth.token().is_some() {
            credential.insert("access_token".to_owned(), json!("hunter2-a"));
        }
        let is_secret = |name: &String| {
            module
                .credential_fields()
                .iter()
                .any(|field| field.secret && field.name == *name)
        };
        let secrets = credential
            .iter()
            .chain(&connection)
            .filter(|(name, _)| is_secret(name));
        let secrets = secrets
            .filter_map(|(_, value)| value.as_str().map(str::to_owned))
            .collect();
        let values = Values::new()
            .with("connection", Value::Object(connection))
            .with("credential", Value::Object(credential))
            .with("entity", fixture.entity.clone())
            .with("jwt", json!({"token": "hunter2.j.wt"}));
        Self {
            module: module.clone(),
            fixture,
            values,
            secrets,
        }
    }

    fn client() -> Client {
        Client {
            id: "client".to_owned(),
            secret: Some(Secret::new("hunter2-c")),
            redirect_uri: Some("https://gna.example/redirect/app".to_owned()),
            scopes: Vec::new(),
        }
    }

    /// The request as a snapshot shows it: whole, with `[secret]` for every secret, also encoded.
    fn show(&self, request: &Request) -> Value {
        let printed = format!("{request:?} {:?}", request.body);
        self.assert_clean(&printed);
        let body = match &request.body {
            Body::None => Value::Null,
            Body::Json(value) => value.clone(),
            Body::Form(pairs) => pairs
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect::<Map<_, _>>()
                .into(),
            Body::Text(text) => json!(text),
        };
        let headers: BTreeMap<&str, &str> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let whole = json!({"method": request.method.name(), "url": request.url, "headers": headers, "body": body}).to_string();
        serde_json::from_str(&self.masked(&whole)).expect("still JSON")
    }

    fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets.iter().map(String::as_str).chain([
            "hunter2-a",
            "hunter2-b",
            "hunter2-r",
            "hunter2-c",
            "hunter2.j.wt",
        ]) {
            text = text.replace(secret, "[secret]");
        }
        // What is left is Base64 of it.
        let mut parts = text.split("Basic ");
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            masked.push_str("Basic [secret]");
            masked.push_str(part.trim_start_matches(|c: char| {
                c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
            }));
        }
        masked
    }

    fn assert_clean(&self, text: &str) {
        assert!(
            !text.contains("hunter2"),
            "{}: a secret in {text}",
            self.module.name
        );
        for secret in &self.secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{}: a secret in {text}",
                self.module.name
            );
        }
    }

    fn authorization(&self) -> Value {
        let Auth::Oauth2Code(kind) = &self.module.auth else {
            return Value::Null;
        };
        let flow = Authorize {
            client: &Self::client(),
            state: "st",
            verifier: &Secret::new(VERIFIER),
        };
        let url = oauth2::authorize_url(&self.module, kind, &flow, &self.values)
            .expect("an authorize address");
        let code = oauth2::code(
            &self.module,
            kind,
            &Self::client(),
            &Secret::new("code"),
            Some(&Secret::new(VERIFIER)),
            &self.values,
        );
        json!({"authorize": url, "code": self.show(&code.expect("a code request"))})
    }

    fn tokens(&self) -> Value {
        let Some(fields) = self.module.auth.token() else {
            assert!(
                self.fixture.token.is_none(),
                "{}: no token is expected",
                self.module.name
            );
            return Value::Null;
        };
        let name = &self.module.name;
        let body = self
            .fixture
            .token
            .as_ref()
            .unwrap_or_else(|| panic!("{name}: the fixture needs a token answer"));
        let read = |body: &Value, before: Option<&oauth2::Tokens>| {
            oauth2::read(fields, &answer(200, &BTreeMap::new(), body), before, NOW)
        };
        let tokens = read(body, None).unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        self.assert_clean(&format!("{tokens:?}"));
        // An expiry that is not said is not known, unless the module says what the provider documents.
        let mut silent = body.clone();
        for key in ["expires_in", "expires_at"] {
            silent.as_object_mut().expect("an object").remove(key);
        }
        let silent = read(&silent, None).expect("still tokens");
        assert_eq!(
            silent.expires_at.is_some(),
            fields.assume_expires_in.is_some(),
            "{name}"
        );
        if let Some(refreshed) = &self.fixture.refreshed {
            let request = oauth2::refresh(
                &self.module,
                &Self::client(),
                tokens.refresh_token.as_ref().expect("a refresh token"),
                &self.values,
            );
            self.show(&request.expect("a refresh request"));
            let again = read(refreshed, Some(&tokens)).expect("tokens");
            assert_eq!(
                again.refresh_token.as_ref().map(Secret::expose),
                tokens.refresh_token.as_ref().map(Secret::expose),
                "{name}"
            );
            assert_ne!(
                again.access_token.expose(),
                tokens.access_token.expose(),
                "{name}"
            );
            assert_eq!(again.kept, tokens.kept, "{name}");
        } else {
            assert!(
                tokens.refresh_token.is_none(),
                "{name}: the fixture needs an answer to a refresh"
            );
        }
        // A refused refresh token says so, and what was there before stays what it was.
        let standard = json!({"error": "invalid_grant"});
        for body in self.fixture.dead.iter().chain([&standard]) {
            let dead = oauth2::read(
                fields,
                &answer(400, &BTreeMap::new(), body),
                Some(&tokens),
                NOW,
            );
            assert_eq!(
                dead.expect_err("refused").verdict,
                oauth2::Verdict::Dead,
                "{name}: {body}"
            );
        }
        json!({"expires_at": tokens.expires_at.map(|at| at.to_string()), "has_refresh_token": tokens.refresh_token.is_some(), "kept": tokens.kept})
    }

    fn identity(&self) -> Value {
        let name = &self.module.name;
        let mut requests = Vec::new();
        let mut accounts = Vec::new();
        let mut entity = Map::new();
        for _ in 0..2 {
            let mut values = self.token_kept();
            requests.clear();
            let mut number = 0;
            while let Some(request) = self
                .module
                .identity_request(number, &values)
                .unwrap_or_else(|error| panic!("{name}: {error}"))
            {
                requests.push(self.show(&request));
                let body = self
                    .fixture
                    .identity
                    .get(number)
                    .unwrap_or_else(|| panic!("{name}: an identity answer is missing"));
                values =
                    self.module
                        .identity_kept(number, &answer(200, &BTreeMap::new(), body), values);
                number += 1;
            }
            assert_eq!(
                number,
                self.fixture.identity.len(),
                "{name}: every answer is used"
            );
            accounts.push(
                self.module
                    .account(&values)
                    .unwrap_or_else(|error| panic!("{name}: {error}")),
            );
            entity = self.module.entity_properties(&values);
        }
        let [first, second] = accounts.as_slice() else {
            panic!("two accounts")
        };
        assert_eq!(
            first, second,
            "{name}: a callback twice gives the same account"
        );
        self.assert_clean(&format!("{first:?}"));
        if let Some(external_id) = &self.fixture.external_id {
            assert_eq!(&first.external_id, external_id, "{name}");
        } else {
            assert_eq!(first.external_id.len(), 64, "{name}: a digest");
        }
        assert_eq!(first.display_name, self.fixture.display_name, "{name}");
        for property in &self.module.persist.entity {
            assert!(
                entity.contains_key(property),
                "{name}: {property} is persisted, but no answer has it"
            );
        }
        let test = self.module.test.as_ref().map(|test| {
            self.show(
                &self
                    .module
                    .request("test", test, &self.values)
                    .expect("a test call"),
            )
        });
        json!({"requests": requests, "entity": entity, "test": test})
    }

    /// The values with what the token answer keeps.
    fn token_kept(&self) -> Values {
        let (Some(fields), Some(body)) = (self.module.auth.token(), &self.fixture.token) else {
            return self.values.clone();
        };
        let tokens =
            oauth2::read(fields, &answer(200, &BTreeMap::new(), body), None, NOW).expect("tokens");
        self.values.clone().with("kept", Value::Object(tokens.kept))
    }

    fn operations(&self) -> Value {
        let name = &self.module.name;
        let known: Vec<&String> = self.module.operations.keys().collect();
        assert_eq!(
            known,
            self.fixture.operations.keys().collect::<Vec<_>>(),
            "{name}: a fixture for each operation"
        );
        let mut shown = Map::new();
        for (what, played) in &self.fixture.operations {
            let request = self
                .module
                .operation_request(what, &played.input, &self.values)
                .unwrap_or_else(|error| panic!("{name}.{what}: {error}"));
            let answer = answer(
                played.status.unwrap_or(200),
                &played.headers,
                &played.answer,
            );
            assert_eq!(
                self.module.classify(&answer, NOW),
                None,
                "{name}.{what}: a success"
            );
            let output = self
                .module
                .operation_output(what, &self.values, None, &answer)
                .unwrap_or_else(|error| panic!("{name}.{what}: {error}"));
            let mut show = json!({"request": self.show(&request)});
            match output {
                Output::One(one) => {
                    let operation = self.module.operation(what).expect("it is there");
                    assert!(
                        operation.output.is_empty() || !one.is_empty(),
                        "{name}.{what}: nothing was read"
                    );
                    show["output"] = Value::Object(one);
                }
                Output::Page { items, next, .. } => {
                    assert!(
                        items.iter().all(|item| !item.is_empty()) && !items.is_empty(),
                        "{name}.{what}: nothing was read"
                    );
                    show["items"] = json!(items);
                    if let Some(next) = next {
                        let second = self
                            .module
                            .page_request(what, &played.input, &self.values, Some(&next))
                            .unwrap_or_else(|error| panic!("{name}.{what}: {error}"));
                        assert!(
                            second != request,
                            "{name}.{what}: the next page is asked for in another way"
                        );
                        show["next"] = json!({"url": self.show(&second)["url"], "body": self.show(&second)["body"]});
                    }
                }
            }
            self.refuses(what);
            shown.insert(what.clone(), show);
        }
        Value::Object(shown)
    }

    /// Inputs that do not fit are refused by name and never repeated.
    fn refuses(&self, what: &str) {
        let name = &self.module.name;
        let operation = self.module.operation(what).expect("it is there");
        let played = &self.fixture.operations[what].input;
        for (input, kind) in &operation.input {
            let mut without = played.clone();
            without.as_object_mut().expect("an object").remove(input);
            let answer = self.module.operation_request(what, &without, &self.values);
            assert_eq!(
                answer.is_ok(),
                kind.optional,
                "{name}.{what} without {input}"
            );
            if kind.kind != InputOf::Value {
                let mut wrong = played.clone();
                wrong[input] = if kind.kind == InputOf::Boolean {
                    json!("hunter2")
                } else {
                    json!([["hunter2"]])
                };
                if kind.kind == InputOf::List {
                    wrong[input] = json!("hunter2");
                }
                let refused = self
                    .module
                    .operation_request(what, &wrong, &self.values)
                    .expect_err("of another kind");
                assert_eq!(
                    (refused.code(), refused.field()),
                    ("module.input", Some(input.as_str())),
                    "{name}.{what}"
                );
                self.assert_clean(refused.message());
            }
        }
        let mut more = played.clone();
        more["hunter3"] = json!("hunter2");
        let refused = self
            .module
            .operation_request(what, &more, &self.values)
            .expect_err("an unknown input");
        self.assert_clean(refused.message());
    }

    fn failures(&self) {
        for failure in &self.fixture.failures {
            let failed = self.module.classify(
                &answer(failure.status, &failure.headers, &failure.body),
                NOW,
            );
            let failed = failed.unwrap_or_else(|| {
                panic!(
                    "{}: {} {} is a success",
                    self.module.name, failure.status, failure.body
                )
            });
            assert_eq!(
                (failed.class, failed.wait_ms),
                (failure.class, failure.wait_ms),
                "{}: {}",
                self.module.name,
                failure.body
            );
            assert!(
                failed
                    .error(&self.module.display.label)
                    .message()
                    .contains(&self.module.display.label)
            );
        }
    }

    /// A form without one of its required fields is refused by that field.
    fn requirements(&self) -> Value {
        let Some(form) = self.module.form(0) else {
            return Value::Null;
        };
        let validator = jsonschema::validator_for(&form.json_schema).expect("a schema");
        assert!(
            validator.is_valid(&self.fixture.form),
            "{}: the form takes its own sample",
            self.module.name
        );
        for required in form.json_schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let mut without = self.fixture.form.clone();
            without.as_object_mut().expect("an object").remove(required);
            assert!(
                !validator.is_valid(&without),
                "{}: {required}",
                self.module.name
            );
            let refused = self.module.read_form(0, &without).expect_err("refused");
            assert_eq!(
                (refused.code(), refused.field()),
                ("form.invalid", Some(required)),
                "{}",
                self.module.name
            );
            self.assert_clean(refused.message());
        }
        serde_json::to_value(form).expect("JSON")
    }
}

#[test]
fn every_module_keeps_the_contract_with_invented_answers() {
    for loaded in Catalogue::shipped().expect("they load").all() {
        let player = Player::new(&loaded.module);
        player.assert_clean(&format!("{:?} {:?}", player.values, player.module));
        let requirements = player.requirements();
        let whole = json!({
            "auth": player.module.auth.kind().name(),
            "credential": player.module.credential_fields(),
            "form": requirements,
            "authorization": player.authorization(),
            "tokens": player.tokens(),
            "identity": player.identity(),
            "operations": player.operations(),
        });
        player.failures();
        insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_json_snapshot!(loaded.module.name.as_str(), whole);
        });
    }
}

#[test]
fn a_next_page_on_another_server_is_not_followed() {
    let catalogue = Catalogue::shipped().expect("they load");
    let player = Player::new(&catalogue.by_name("defectdojo").expect("it is there").module);
    for (next, follows) in [
        ("https://dojo.example.com/api/v2/findings/?offset=100", true),
        ("/api/v2/findings/?offset=100", true),
        ("https://dojo.example.com.evil.example/", false),
        ("https://dojo.example.com@evil.example/", false),
        ("//evil.example/x", false),
        ("http://dojo.example.com/api", false),
        ("file:///etc/passwd", false),
    ] {
        let played = &player.fixture.operations["list_findings"];
        let mut body = played.answer.clone();
        body["next"] = json!(next);
        let page = match player.module.operation_output(
            "list_findings",
            &player.values,
            None,
            &answer(200, &BTreeMap::new(), &body),
        ) {
            Ok(Output::Page {
                next: Some(next), ..
            }) => next,
            other => panic!("{other:?}"),
        };
        let request =
            player
                .module
                .page_request("list_findings", &played.input, &player.values, Some(&page));
        assert_eq!(request.is_ok(), follows, "{next}");
        assert!(
            request.is_ok() || request.is_err_and(|error| error.code() == "app.answer"),
            "{next}"
        );
    }
}
