//! Programs that call the whole app, each with a token of someone who has one role.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use gna_api::{ApiConfig, AppState};
use gna_domain::Resource;
use gna_domain::model::{Group, Organization, Scope};
use gna_domain::policy::{Action, Role};
use gna_domain::secret::Secret;
use gna_domain::service::token::NewToken;
use gna_domain::service::{member, token, user};
use gna_testkit::{Fakes, Late, World};
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

/// Acme with its shop, and Evil Corp with its den.
pub struct Place {
    pub world: World,
    pub app: Router,
    pub acme: Organization,
    pub shop: Group,
    pub evil: Organization,
    pub den: Group,
}

impl Place {
    pub async fn new() -> Self {
        Self::with(|config| config).await
    }

    pub async fn with(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        let world = World::new().await;
        let config = change(ApiConfig::at("http://127.0.0.1:8080"));
        let state = AppState::new(world.ports.clone(), world.apps.clone(), config);
        let app = gna_api::app(state.with_recipes(Arc::new(Fakes)));
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let evil = world.organization("evil").await;
        let den = world.group(&evil, "den").await;
        Self {
            world,
            app,
            acme,
            shop,
            evil,
            den,
        }
    }

    pub fn anonymous(&self) -> Actor {
        Actor {
            app: self.app.clone(),
            token: None,
            late: self.world.late.clone(),
        }
    }

    pub async fn actor(&self, name: &str, place: Resource, role: Role) -> Actor {
        let system = self.world.system();
        let email = format!("{name}@example.com");
        let (person, _) = user::create(&system, &email, name).await.expect("is made");
        member::set_role(&system, Scope::from(place), person.id, role)
            .await
            .expect("is given");
        let wanted = NewToken {
            name: "test".to_owned(),
            scopes: Action::ALL
                .iter()
                .map(|action| action.name().to_owned())
                .collect(),
            expires: system.now().plus_days(30),
        };
        let (secret, _) = token::create_for(&system, person.id, wanted)
            .await
            .expect("is made");
        // Who they are was known before the story begins.
        self.world.caught_up().await;
        Actor {
            app: self.app.clone(),
            token: Some(secret),
            late: self.world.late.clone(),
        }
    }

    /// An owner of Acme.
    pub async fn olga(&self) -> Actor {
        let acme = Resource::Organization(self.acme.id);
        self.actor("olga", acme, Role::Owner).await
    }

    /// A triager of the shop.
    pub async fn tess(&self) -> Actor {
        let shop = Resource::Group(self.acme.id, self.shop.id);
        self.actor("tess", shop, Role::Triager).await
    }

    /// The manager of another organization's group.
    pub async fn eve(&self) -> Actor {
        let den = Resource::Group(self.evil.id, self.den.id);
        self.actor("eve", den, Role::Manager).await
    }
}

#[derive(Clone)]
pub struct Actor {
    app: Router,
    pub token: Option<Secret>,
    /// What lags in the world; who only looks waits for it.
    pub late: Late,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("JSON: {}", self.text))
    }

    /// The code of a problem.
    pub fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Actor {
    /// Nobody, calling another app than a place's; waits for nothing unless told what lags.
    pub fn nobody(app: Router) -> Self {
        Self {
            app,
            token: None,
            late: Late::default(),
        }
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        if method == "GET" {
            self.late.caught_up().await;
        }
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a whole body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Body::empty()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        // A question to GraphQL only looks.
        let asked = body["query"].as_str().unwrap_or("mutation");
        if !asked.trim_start().starts_with("mutation") {
            self.late.caught_up().await;
        }
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            body.to_string(),
        )
        .await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send("PATCH", path, &headers, body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], Body::empty()).await
    }
}
