//! An account of a real OAuth 2.0 provider, connected through `gna serve` with a module of one's own.

use crate::oidc::{Person, Provider};
use crate::run::{gna, run};
use crate::server::Server;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Seconds that an access token of the provider lives.
const LIFE: u32 = 4;

/// A port that was free a moment ago: the provider must know where it sends people back to before the
/// server runs, and the server's modules must know where the provider is.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn module(provider: &str) -> String {
    format!(
        r#"name = "office"
docs = ["https://openid.net/specs/openid-connect-core-1_0.html"]

[display]
label = "The Office"
description = "People who work here."
category = "files"
details_url = "https://office.example"

[urls]
api = "{provider}"

[auth.oauth2_code]
authorize_url = "{provider}/auth"
token_url = "{provider}/token"
revocation_url = "{provider}/token/revocation"
scopes = ["openid", "offline_access"]
authorize_params = {{ prompt = "consent" }}
token = {{ refresh = "rotating_family_revocation" }}

[auth.oauth2_code.send]
headers = {{ Authorization = "Bearer {{credential.access_token}}" }}

[test]
path = "/me"

[identity]
calls = [{{ call = {{ path = "/me" }}, keep = {{ id = "/sub" }} }}]
external_id = "{{kept.id}}"
display_name = "{{kept.id}}"
"#
    )
}

/// The server, and the token of Ann, who is a member of Acme.
struct Office {
    server: Server,
    token: String,
}

impl Office {
    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let token = format!("Bearer {}", self.token);
        let headers = [
            ("Authorization", token.as_str()),
            ("Content-Type", "application/json"),
        ];
        let (status, answer) = self.server.send(method, path, &headers, &body.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let start = body.find(['{', '[']).unwrap_or(body.len());
        let end = body.rfind(['}', ']']).map_or(start, |end| end + 1);
        let json = body.get(start..end).unwrap_or_default();
        (status, serde_json::from_str(json).unwrap_or(Value::Null))
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

fn start(at: &Path, port: u16) -> Office {
    run(at, &["group", "create", "acme/shop", "--data", "data"]).ended(0);
    run(
        at,
        &["user", "create", "ann@acme.example", "--data", "data"],
    )
    .ended(0);
    let member = ["member", "set", "acme", "ann@acme.example", "member"];
    run(at, &[&member[..], &["--data", "data"]].concat()).ended(0);
    let token = [
        "token",
        "create",
        "--user",
        "ann@acme.example",
        "--name",
        "test",
        "--json",
        "--data",
        "data",
    ];
    let token = run(at, &token).ended(0).json()[0]["token"].clone();
    let listen = format!("127.0.0.1:{port}");
    let server = Server::start_at(at, &listen, &["--data", "data"]);
    Office {
        server,
        token: token.as_str().expect("a token").to_owned(),
    }
}

#[test]
fn an_account_of_a_real_provider_lives_from_consent_to_revocation() {
    let port = free_port();
    let redirect = format!("http://127.0.0.1:{port}/redirect/office");
    let provider = match Provider::start(&redirect, LIFE) {
        Ok(provider) => provider,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let apps = at.join("apps");
    std::fs::create_dir(&apps).expect("made");
    std::fs::write(apps.join("office.toml"), module(&provider.url)).expect("written");
    std::fs::write(at.join("secret"), "client-hunter2\n").expect("written");
    let settings = format!(
        "[egress]\nallow = ['127.0.0.0/8']\nports = []\n[modules]\ndir = 'apps'\n[modules.office]\nclient_id = 'gna'\n\
         [server]\npublic_url = 'http://127.0.0.1:{port}'\n"
    );
    std::fs::write(at.join("gna.toml"), settings).expect("written");
    std::fs::write(
        at.join(".env"),
        "GNA_MODULES__OFFICE__CLIENT_SECRET_FILE=secret\n",
    )
    .expect("written");
    // What is set up is told, and not the secret.
    let shown = run(at, &["config"]).ended(0).stdout;
    assert!(
        shown.contains("[modules.office]") && !shown.contains("hunter2"),
        "{shown}"
    );
    let shown = run(at, &["modules", "show", "office"]).ended(0).stdout;
    assert!(
        shown.contains("registered    yes") && shown.contains(&redirect),
        "{shown}"
    );
    let doctor = gna(at)
        .args(["doctor", "--data", "data"])
        .output()
        .expect("runs");
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("registered with office"), "{doctor}");

    let office = start(at, port);
    let asked = json!({"organization": "acme", "module": "office"});
    let (status, begun) = office.send("POST", "/api/v2/authorizations", &asked);
    assert_eq!(status, 201, "{begun}");
    let url = begun["url"].as_str().expect("an address");
    assert!(url.contains("code_challenge_method=S256"), "{url}");
    let back = Person::default().consent(url, "ann-1");
    let (place, query) = back.split_once('?').expect("a query");
    assert_eq!(place, redirect);
    let given = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found
            .map(|(_, value)| value.to_owned())
            .expect("is given back")
    };
    assert_eq!(Some(given("state").as_str()), begun["state"].as_str());
    // The page that the browser lands on shows nothing to whoever has no session.
    let (status, landing) = office.server.get(&format!("/redirect/office?{query}"));
    assert!(status == 200 && landing.contains("Sign in"), "{landing}");
    let finish = json!({"state": given("state"), "data": {"code": given("code")}});
    let (status, made) = office.send("POST", "/api/v2/authorizations/finish", &finish);
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["name"], "ann-1");
    assert_eq!(provider.next()["kind"], "authorization_code");

    let entity = format!(
        "/api/v2/entities/{}",
        made["entity"].as_str().expect("an id")
    );
    let credential = format!(
        "/api/v2/credentials/{}",
        made["credential"].as_str().expect("an id")
    );
    let test = format!("{entity}/test");
    assert_eq!(office.get(&test)["status"], "ok");
    let first = office.get(&credential);
    assert_eq!(first["authIsValid"], true);
    assert!(!first.to_string().contains("hunter2"));
    // The access token runs out; the next call renews it by itself, once.
    std::thread::sleep(Duration::from_secs(u64::from(LIFE)));
    assert_eq!(office.get(&test)["status"], "ok");
    assert_eq!(provider.next()["kind"], "refresh_token");
    let second = office.get(&credential);
    assert_ne!(second["dateIssued"], first["dateIssued"]);
    // A wish to renew what is due renews it, too.
    std::thread::sleep(Duration::from_secs(u64::from(LIFE)));
    let (status, third) = office.send("POST", &format!("{credential}/refresh"), &json!({}));
    assert_eq!(status, 200, "{third}");
    assert_eq!(provider.next()["kind"], "refresh_token");
    assert_ne!(third["dateIssued"], second["dateIssued"]);
    // What is disconnected is revoked at the provider.
    let (status, gone) = office.send("DELETE", &entity, &Value::Null);
    assert_eq!(status, 204, "{gone}");
    let until = Instant::now() + Duration::from_secs(30);
    while provider.next()["event"] != "revoked" {
        assert!(Instant::now() < until, "the provider was not told");
    }
    assert_eq!(office.send("GET", &credential, &Value::Null).0, 404);
    let store = std::fs::read(at.join("data/gna.db")).expect("the store");
    let store = String::from_utf8_lossy(&store);
    assert!(!store.contains("hunter2"), "no secret is in the store");
    assert_eq!(office.server.stop(), Some(0));
}
