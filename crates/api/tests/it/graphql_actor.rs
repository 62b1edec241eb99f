//! Programs that call GraphQL, each with a token of someone who has one role.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use gna_api::{ApiConfig, AppState, graphql};
use gna_domain::Resource;
use gna_domain::model::{Group, Organization, Report, Scope};
use gna_domain::policy::{Action, Role};
use gna_domain::port::store::Stored;
use gna_domain::secret::Secret;
use gna_domain::service::report::UploadReport;
use gna_domain::service::token::NewToken;
use gna_domain::service::{member, token, user};
use gna_testkit::{Late, World, trivy};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Acme with its shop, and Evil Corp with its den.
pub struct Place {
    pub world: World,
    pub state: AppState,
    pub router: Router,
    pub acme: Organization,
    pub shop: Group,
    pub evil: Organization,
    pub den: Group,
}

impl Place {
    pub async fn new() -> Self {
        let world = World::new().await;
        let state = AppState::new(
            world.ports.clone(),
            world.apps.clone(),
            ApiConfig::at("http://127.0.0.1:8080"),
        );
        let router = graphql::router(&state).with_state(state.clone());
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let evil = world.organization("evil").await;
        let den = world.group(&evil, "den").await;
        Self {
            world,
            state,
            router,
            acme,
            shop,
            evil,
            den,
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
            router: self.router.clone(),
            token: Some(secret),
            late: self.world.late.clone(),
        }
    }

    pub fn anonymous(&self) -> Actor {
        Actor {
            router: self.router.clone(),
            token: None,
            late: self.world.late.clone(),
        }
    }

    pub fn in_shop(&self) -> Resource {
        Resource::Group(self.acme.id, self.shop.id)
    }

    pub async fn triager(&self) -> Actor {
        self.actor("tess", self.in_shop(), Role::Triager).await
    }

    /// So many vulnerabilities on so many assets, in turns.
    pub async fn filled(&self, vulnerabilities: usize, assets: usize) -> Vec<Stored<Report>> {
        let mut reports = Vec::new();
        for asset in 0..assets {
            let cves: Vec<String> = (0..vulnerabilities)
                .filter(|n| n % assets == asset)
                .map(|n| format!("CVE-2024-{:04}", 1000 + n))
                .collect();
            let items: Vec<(&str, &str, &str)> = cves
                .iter()
                .map(|cve| (cve.as_str(), "left-pad", "1.0.0"))
                .collect();
            let upload = UploadReport {
                asset: format!("asset-{asset}"),
                file_name: "trivy.json".to_owned(),
                ..UploadReport::default()
            };
            let report = trivy("package-lock.json", &items);
            let system = self.world.system();
            reports.push(self.world.import(&system, &self.shop, upload, report).await);
        }
        reports
    }
}

#[derive(Clone)]
pub struct Actor {
    pub router: Router,
    pub token: Option<Secret>,
    /// What lags in the world; who only looks waits for it.
    pub late: Late,
}

impl Actor {
    pub async fn send(&self, kind: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let mut request = Request::post("/api").header(header::CONTENT_TYPE, kind);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(body.into()).expect("a request");
        let answer = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), 1 << 24).await.expect("a body");
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        if !query.trim_start().starts_with("mutation") {
            self.late.caught_up().await;
        }
        let body = json!({ "query": query, "variables": variables }).to_string();
        let (status, answer) = self.send("application/json", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// The data of an answer without errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.ask(query, variables).await;
        assert_eq!(answer.get("errors"), None, "{query}");
        answer["data"].take()
    }

    /// The code of the first error.
    pub async fn code(&self, query: &str, variables: Value) -> String {
        let answer = self.ask(query, variables).await;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        code.unwrap_or_else(|| panic!("{query} should be refused, but: {answer}"))
            .to_owned()
    }
}

/// The parts of a multipart request (RFC 7578) with one file.
pub fn multipart(operations: &Value, map: &Value, file: &[u8]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in [("operations", operations), ("map", map)] {
        body.extend(
            format!("--line\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    body.extend(b"--line\r\nContent-Disposition: form-data; name=\"0\"; filename=\"trivy.json\"\r\nContent-Type: application/json\r\n\r\n");
    body.extend(file);
    body.extend(b"\r\n--line--\r\n");
    ("multipart/form-data; boundary=line".to_owned(), body)
}
