//! People at their browsers: each keeps a cookie, follows no redirect by itself, and sends what
//! browsers send with a form of the page it is on.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use gna_api::{ApiConfig, AppState, ui};
use gna_domain::model::{Group, Organization};
use gna_domain::service::bootstrap;
use gna_testkit::{Late, World};
use tower::ServiceExt;

pub const HOME: &str = "http://127.0.0.1:8080";
pub const PASSWORD: &str = "correct horse battery";

pub struct Site {
    pub world: World,
    pub state: AppState,
    pub router: Router,
}

impl Site {
    pub async fn new() -> Self {
        let world = World::new().await;
        let state = AppState::new(world.ports.clone(), world.apps.clone(), ApiConfig::at(HOME));
        let router = ui::router().with_state(state.clone());
        Self {
            world,
            state,
            router,
        }
    }

    pub fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookie: None,
            csrf: String::new(),
            late: self.world.late.clone(),
        }
    }

    pub async fn claim_path(&self) -> String {
        let link = bootstrap::claim_link(&self.world.system())
            .await
            .expect("mints");
        format!("/claim/{}", link.expect("unclaimed").expose())
    }

    /// Ada, who claimed the instance and owns Acme.
    pub async fn ada(&self) -> Browser {
        let path = self.claim_path().await;
        let mut ada = self.browser();
        let fields = [("organization", "Acme")];
        let answer = ada
            .post(&path, &[&new_person("ada")[..], &fields].concat())
            .await;
        assert_eq!(answer.to(), "/");
        ada
    }

    pub async fn acme(&self) -> Organization {
        let store = self.world.ports.store.as_ref();
        let found = gna_domain::port::repo::find::<Organization>(store, "slug", &["acme"]).await;
        found.expect("reads").expect("is there").value
    }

    pub async fn shop(&self) -> Group {
        self.world.group(&self.acme().await, "shop").await
    }

    /// Someone new, whom `owner` invites to a place.
    pub async fn join(
        &self,
        owner: &mut Browser,
        members: &str,
        name: &str,
        role: &str,
    ) -> Browser {
        let email = format!("{name}@example.com");
        owner.get(members).await;
        let fields = [("email", email.as_str()), ("role", role)];
        let invited = owner.post(&format!("{members}/invite"), &fields).await;
        let path = invited
            .secret()
            .strip_prefix(HOME)
            .expect("our own link")
            .to_owned();
        let mut browser = self.browser();
        assert_eq!(browser.post(&path, &new_person(name)).await.to(), "/");
        browser
    }
}

/// What a new person fills in.
pub fn new_person(name: &str) -> Vec<(&str, &str)> {
    let email = match name {
        "ada" => "ada@example.com",
        "bob" => "bob@example.com",
        "eve" => "eve@example.com",
        "carol" => "carol@example.com",
        _ => "someone@example.com",
    };
    vec![
        ("name", name),
        ("email", email),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ]
}

pub struct Browser {
    router: Router,
    pub cookie: Option<String>,
    /// Of the page it looked at last.
    pub csrf: String,
    /// What lags in the world; who only looks waits for it.
    late: Late,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Where it sends the browser.
    pub fn to(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.header("location")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// What the page shows once.
    pub fn secret(&self) -> String {
        self.between("<code class=\"secret\">", "</code>")
            .expect("a secret is shown")
    }

    pub fn between(&self, before: &str, after: &str) -> Option<String> {
        let (_, rest) = self.text.split_once(before)?;
        Some(rest.split_once(after)?.0.to_owned())
    }

    /// The value of a hidden field in the row of someone.
    pub fn row_value(&self, who: &str, field: &str) -> String {
        let row = self
            .text
            .split("<tr>")
            .find(|row| row.contains(who))
            .expect("a row");
        let before = format!("name=\"{field}\" value=\"");
        let (_, rest) = row.split_once(&before).expect("a field");
        rest.split('"').next().expect("a value").to_owned()
    }
}

impl Browser {
    pub async fn send(&mut self, request: Request<Body>) -> Answer {
        if request.method() == Method::GET {
            self.late.caught_up().await;
        }
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a small body");
        let answer = Answer {
            status,
            headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        };
        let set = answer
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap_or_default()
            .to_owned();
        if let Some((_, value)) = set.split_once('=') {
            self.cookie = Some(set.clone()).filter(|_| !value.is_empty());
        }
        if let Some(csrf) = answer.between("name=\"csrf\" value=\"", "\"") {
            self.csrf = csrf;
        }
        answer
    }

    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8080");
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self
            .request(Method::GET, path)
            .body(Body::empty())
            .expect("a request");
        self.send(request).await
    }

    /// Sends a form of the page it is on.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let fields = [fields, &[("csrf", &csrf)]].concat();
        let request = self
            .request(Method::POST, path)
            .header(header::ORIGIN, HOME);
        self.send(form(request, &fields)).await
    }
}

pub fn form(request: axum::http::request::Builder, fields: &[(&str, &str)]) -> Request<Body> {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    request
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(pairs.join("&")))
        .expect("a request")
}
