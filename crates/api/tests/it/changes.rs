//! Changes over a websocket, to people who hold a token each; the frames themselves are in the
//! server's tests.

use async_graphql::{Executor, Request, Response, Variables};
use futures::StreamExt;
use futures::stream::BoxStream;
use gna_api::graphql::http::Api;
use gna_api::graphql::socket::Socket;
use gna_api::streams::MAX_STREAMS;
use gna_api::{AppState, Streams};
use gna_domain::Resource;
use gna_domain::id::UserId;
use gna_domain::model::{Group, Scope};
use gna_domain::policy::Role;
use gna_domain::service::report::UploadReport;
use gna_domain::service::{member, user};
use gna_testkit::trivy;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::graphql_actor::{Actor, Place};

const CHANGES: &str =
    "subscription($organization: ID!, $group: ID, $events: [String!], $after: String) {
  changes(organization: $organization, group: $group, events: $events, after: $after) {
    position events { event at position data group { slug } asset { name }
      vulnerability { state identifiers } report { status counts { created } } } } }";

struct Told(BoxStream<'static, Response>);

impl Told {
    async fn to(state: &AppState, who: &Actor, variables: Value) -> Self {
        let opening = axum::http::Request::get("/api").body(());
        let (parts, ()) = opening.expect("a request").into_parts();
        let token = who.token.as_ref().expect("a token").expose();
        let message = json!({ "Authorization": format!("Bearer {token}") });
        let socket = Socket::open(state.clone(), parts, &message).await;
        let request = Request::new(CHANGES).variables(Variables::from_json(variables));
        let session = Some(Arc::new(socket.expect("opens")));
        Self(Api::new(state).execute_stream(request, session))
    }

    async fn next(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(Duration::from_secs(60), self.0.next()).await;
        let next = next.expect("does not hang")?;
        Some(serde_json::to_value(next).expect("writes as JSON"))
    }

    /// The position of the first batch, which has no events.
    async fn begin(&mut self) -> String {
        let first = self.next().await.expect("an answer");
        assert_eq!(first.get("errors"), None, "{first}");
        let batch = &first["data"]["changes"];
        assert_eq!(batch["events"], json!([]));
        batch["position"].as_str().expect("a position").to_owned()
    }

    /// What happens up to an event of that type, and with it.
    async fn until(&mut self, event: &str) -> Vec<Value> {
        let mut all = Vec::new();
        while all.iter().all(|told: &Value| told["event"] != event) {
            let next = self.next().await.expect("goes on");
            assert_eq!(next.get("errors"), None, "{next}");
            let events = next["data"]["changes"]["events"].as_array();
            all.extend(events.expect("a list").iter().cloned());
        }
        all
    }

    /// The code with which it ends.
    async fn end(mut self) -> String {
        let last = self.next().await.expect("an answer");
        let code = last["errors"][0]["extensions"]["code"].as_str();
        let code = code
            .unwrap_or_else(|| panic!("must end: {last}"))
            .to_owned();
        assert_eq!(self.next().await, None, "nothing follows");
        code
    }
}

async fn import(place: &Place, group: &Group, cve: &str) {
    let upload = UploadReport {
        asset: "web".to_owned(),
        file_name: "trivy.json".to_owned(),
        partial: true,
        ..UploadReport::default()
    };
    let report = trivy("package-lock.json", &[(cve, "left-pad", "1.0.0")]);
    let system = place.world.system();
    place.world.import(&system, group, upload, report).await;
}

async fn id_of(place: &Place, name: &str) -> UserId {
    let email = format!("{name}@example.com");
    let found = user::find(&place.world.system(), &email).await;
    found.expect("is there").id
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|told| told["event"].as_str());
    types.map(|of| of.expect("a type")).collect()
}

#[tokio::test]
async fn who_watches_is_told_what_happens_and_goes_on_where_they_stopped() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let acme = json!({ "organization": place.acme.id.to_string() });
    let mut told = Told::to(&place.state, &tess, acme.clone()).await;
    let begin = told.begin().await;
    import(&place, &place.den, "CVE-2024-0666").await;
    import(&place, &place.shop, "CVE-2024-0001").await;
    let events = told.until("report.completed").await;
    let created: Vec<&Value> = events
        .iter()
        .filter(|told| told["event"] == "vulnerability.created")
        .collect();
    assert_eq!(
        created.len(),
        1,
        "nothing of another organization: {events:?}"
    );
    let created = created[0];
    assert_eq!(created["vulnerability"]["identifiers"][0], "CVE-2024-0001");
    assert_eq!(created["vulnerability"]["state"], "OPEN");
    assert_eq!(created["group"]["slug"], "shop");
    assert_eq!(created["asset"]["name"], "web");
    assert_eq!(
        created["data"]["vulnerability"]["identifiers"][0],
        "CVE-2024-0001"
    );
    assert!(created["report"].is_null());
    let read = events
        .iter()
        .find(|told| told["event"] == "report.completed")
        .expect("the end of the report");
    assert_eq!(read["report"]["status"], "COMPLETE");
    assert_eq!(read["report"]["counts"]["created"], 1);
    assert!(read["vulnerability"].is_null());

    // From the beginning the same, from the middle the rest.
    let first = events[0]["position"].as_str().expect("a position");
    for (after, rest) in [(begin.as_str(), &events[..]), (first, &events[1..])] {
        let mut variables = acme.clone();
        variables["after"] = json!(after);
        let mut again = Told::to(&place.state, &tess, variables).await;
        assert_eq!(again.begin().await, after);
        assert_eq!(again.until("report.completed").await, rest);
    }

    // Only what was asked for.
    let mut variables = acme.clone();
    variables["after"] = json!(begin);
    variables["events"] = json!(["report.completed"]);
    variables["group"] = json!(place.shop.id.to_string());
    let mut read = Told::to(&place.state, &tess, variables).await;
    read.begin().await;
    assert_eq!(
        types(&read.until("report.completed").await),
        ["report.completed"]
    );
}

#[tokio::test]
async fn who_may_not_go_on_is_told_nothing_more() {
    let place = Place::new().await;
    let acme = json!({ "organization": place.acme.id.to_string() });
    let system = place.world.system();
    let shop = || Scope::from(place.in_shop());

    let tess = place.triager().await;
    let mut told = Told::to(&place.state, &tess, acme.clone()).await;
    told.begin().await;
    import(&place, &place.shop, "CVE-2024-0001").await;
    told.until("report.completed").await;
    let tess = id_of(&place, "tess").await;
    member::remove(&system, shop(), tess)
        .await
        .expect("is removed");
    import(&place, &place.shop, "CVE-2024-0002").await;
    assert_eq!(told.end().await, "not_found");

    let rick = place.actor("rick", place.in_shop(), Role::Developer).await;
    let mut told = Told::to(&place.state, &rick, acme.clone()).await;
    let begin = told.begin().await;
    let id = id_of(&place, "rick").await;
    let changed = member::set_role(&system, shop(), id, Role::Reader).await;
    changed.expect("is given");
    import(&place, &place.shop, "CVE-2024-0003").await;
    assert_eq!(told.end().await, "changes.rights");
    // With the new rights nothing was lost.
    let mut variables = acme.clone();
    variables["after"] = json!(begin);
    let mut told = Told::to(&place.state, &rick, variables).await;
    told.begin().await;
    let told = told.until("report.completed").await;
    assert!(types(&told).contains(&"vulnerability.created"));
}

#[tokio::test]
async fn what_can_not_be_followed_is_refused_with_a_reason() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let eve = place
        .actor(
            "eve",
            Resource::Group(place.evil.id, place.den.id),
            Role::Manager,
        )
        .await;
    let (acme, den) = (place.acme.id.to_string(), place.den.id.to_string());
    for (who, variables, code) in [
        (&eve, json!({ "organization": acme }), "not_found"),
        (
            &tess,
            json!({ "organization": acme, "group": den }),
            "not_found",
        ),
        (&tess, json!({ "organization": "acme" }), "id.malformed"),
        (
            &tess,
            json!({ "organization": acme, "events": ["webhook.test"] }),
            "changes.event",
        ),
        (
            &tess,
            json!({ "organization": acme, "after": "nowhere" }),
            "position.malformed",
        ),
        (
            &tess,
            json!({ "organization": acme, "after": "paper.7" }),
            "position.foreign",
        ),
    ] {
        let text = variables.to_string();
        let told = Told::to(&place.state, who, variables).await;
        assert_eq!(told.end().await, code, "{text}");
    }

    let mut told = Told::to(&place.state, &tess, json!({ "organization": acme })).await;
    let begin = told.begin().await;
    import(&place, &place.shop, "CVE-2024-0001").await;
    place.world.clock.advance_days(1);
    let now = place.world.system().now();
    place.world.ports.store.tidy(now).await.expect("forgets");
    assert_eq!(told.end().await, "changes.gap");
    let late = json!({ "organization": acme, "after": begin });
    let late = Told::to(&place.state, &tess, late).await;
    assert_eq!(late.end().await, "changes.gap");
}

#[tokio::test]
async fn a_person_has_so_many_streams_and_all_end_with_the_server() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let acme = json!({ "organization": place.acme.id.to_string() });
    let streams = Arc::new(Streams::default());
    let state = place.state.clone().with_streams(Arc::clone(&streams));
    let mut held = Vec::new();
    for _ in 0..MAX_STREAMS {
        let mut told = Told::to(&state, &tess, acme.clone()).await;
        told.begin().await;
        held.push(told);
    }
    let beyond = Told::to(&state, &tess, acme.clone()).await;
    assert_eq!(beyond.end().await, "changes.too_many");
    held.truncate(1);
    let mut another = Told::to(&state, &tess, acme.clone()).await;
    another.begin().await;

    let last = held.pop().expect("one");
    let ((), one, two) = tokio::join!(streams.end(), last.end(), another.end());
    assert_eq!([one, two], ["server.stopping", "server.stopping"]);
}
