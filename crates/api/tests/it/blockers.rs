//! Blockers over GraphQL and REST, by people of each role.

use gna_domain::policy::Role;
use serde_json::{Value, json};

use crate::graphql_actor;
use crate::rest_actor;

const OPEN: &str = "mutation($input: OpenBlockerInput!) { openBlocker(input: $input) {
    blocker { id version kind title status opened { by person { name } } } } }";
const ALL: &str = "query($status: BlockerStatus) { group(organization: \"acme\", slug: \"shop\") { id
    blockers(first: 5, status: $status) { edges { node { id title status asset { name }
        descriptionHtml proposed { reason } solved { reason person { name } }
        entries(first: 10) { edges { node { number kind note { reason } html } } }
        held(first: 5) { edges { node { vulnerability { id verification { status blocker { title } } } } } } } } }
    vulnerabilities(first: 5) { edges { node { id } } }
    held: vulnerabilities(filter: { verifications: [ON_HOLD] }) { edges { node { id } } }
    vulnerabilityFacets(fields: [BLOCKER]) { values { value count } } } }";

fn word(name: &str, field: &str) -> String {
    format!(
        "mutation($input: {name}!) {{ {field}(input: $input) {{ blocker {{ status version }} }} }}"
    )
}

#[tokio::test]
async fn a_blocker_is_opened_holds_retests_and_is_solved_over_graphql() {
    let place = graphql_actor::Place::new().await;
    place.filled(2, 1).await;
    let tess = place.triager().await;
    let dora = place.actor("dora", place.in_shop(), Role::Developer).await;
    let rita = place.actor("rita", place.in_shop(), Role::Reader).await;
    let shop = tess.data(ALL, json!({})).await["group"].clone();
    let input = |title: &str| {
        json!({ "input": { "group": shop["id"], "kind": "ENVIRONMENT", "title": title,
        "description": "**down** <script>x</script>" } })
    };
    assert_eq!(rita.code(OPEN, input("x")).await, "auth.forbidden");
    assert_eq!(dora.code(OPEN, input(" ")).await, "blocker.title");
    let opened = dora.data(OPEN, input("staging is down")).await["openBlocker"]["blocker"].clone();
    assert_eq!(opened["status"], "OPEN");
    assert_eq!(opened["opened"]["person"]["name"], "dora");

    let first = &shop["vulnerabilities"]["edges"][0]["node"]["id"];
    let request = "mutation($input: DecideInput!) { requestVerification(input: $input) { vulnerability { id } } }";
    let asked = json!({ "input": { "id": first, "reason": "repaired" } });
    dora.data(request, asked).await;
    let hold = "mutation($input: HoldVerificationForInput!) { holdVerificationFor(input: $input) {
        vulnerability { verification { status blocker { id title } } } } }";
    let held = json!({ "input": { "id": first, "blocker": opened["id"] } });
    assert_eq!(dora.code(hold, held.clone()).await, "auth.forbidden");
    let verification =
        tess.data(hold, held).await["holdVerificationFor"]["vulnerability"]["verification"].clone();
    assert_eq!(verification["status"], "ON_HOLD");
    assert_eq!(verification["blocker"]["title"], "staging is down");
    place.world.run_jobs().await.expect("indexes");

    let all = rita.data(ALL, json!({ "status": "OPEN" })).await["group"].clone();
    let shown = &all["blockers"]["edges"][0]["node"];
    assert_eq!(
        &shown["held"]["edges"][0]["node"]["vulnerability"]["id"],
        first
    );
    let html = shown["descriptionHtml"].as_str().unwrap_or_default();
    assert!(
        !html.contains("<script") && html.contains("<strong>down"),
        "{html}"
    );
    assert_eq!(&all["held"]["edges"][0]["node"]["id"], first);
    let counted = json!([{ "value": opened["id"], "count": 1 }]);
    assert_eq!(all["vulnerabilityFacets"][0]["values"], counted);

    let say = |text: &str, seen: Option<u64>| json!({ "input": { "id": opened["id"], "text": text, "expectedVersion": seen } });
    let comment = word("BlockerWordInput", "commentBlocker");
    let propose = word("BlockerWordInput", "proposeBlockerSolution");
    let reject = word("BlockerWordInput", "rejectBlockerSolution");
    let solve = word("BlockerWordInput", "solveBlocker");
    assert_eq!(
        rita.code(&comment, say("me too", None)).await,
        "auth.forbidden"
    );
    dora.data(&comment, say("who knows *more*?", None)).await;
    assert_eq!(
        dora.code(&propose, say("rebooted", Some(1))).await,
        "store.conflict"
    );
    dora.data(&propose, say("rebooted", Some(2))).await;
    assert_eq!(dora.code(&reject, say("no", None)).await, "auth.forbidden");
    tess.data(&reject, say("still down", None)).await;
    assert_eq!(dora.code(&solve, say("up", None)).await, "auth.forbidden");
    let solved = tess.data(&solve, say("it is up", None)).await;
    assert_eq!(solved["solveBlocker"]["blocker"]["status"], "SOLVED");
    place.world.run_jobs().await.expect("resumes");

    let all = rita.data(ALL, json!({ "status": "SOLVED" })).await["group"].clone();
    let shown = &all["blockers"]["edges"][0]["node"];
    assert_eq!(shown["solved"]["reason"], "it is up");
    let kinds: Vec<&Value> = shown["entries"]["edges"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|edge| &edge["node"]["kind"])
        .collect();
    assert_eq!(
        kinds,
        ["OPENED", "COMMENTED", "PROPOSED", "REJECTED", "SOLVED"]
    );
    assert_eq!(all["held"]["edges"], json!([]));
    let update = word("UpdateBlockerInput", "updateBlocker");
    let late = json!({ "input": { "id": opened["id"], "title": "late" } });
    assert_eq!(dora.code(&update, late).await, "blocker.solved");
    let none = rita.data(ALL, json!({ "status": "PROPOSED" })).await;
    assert_eq!(none["group"]["blockers"]["edges"], json!([]));
}

#[tokio::test]
async fn a_blocker_is_opened_changed_and_solved_over_rest() {
    let place = rest_actor::Place::new().await;
    let tess = place.tess().await;
    let shop = gna_domain::Resource::Group(place.acme.id, place.shop.id);
    let rita = place.actor("rita", shop, Role::Reader).await;
    let ci = place.actor("ci", shop, Role::Ci).await;
    let eve = place.eve().await;
    let list = "/api/v2/blockers?organization=acme&group=shop";
    let new = json!({ "organization": "acme", "group": "shop", "kind": "NETWORK", "title": "vpn" });
    assert_eq!(rita.post("/api/v2/blockers", &new).await.status, 403);
    assert_eq!(eve.post("/api/v2/blockers", &new).await.status, 404);
    let opened = tess.post("/api/v2/blockers", &new).await;
    assert_eq!(opened.status, 201, "{}", opened.text);
    let opened = opened.json();
    let path = format!("/api/v2/blockers/{}", opened["id"].as_str().expect("an id"));
    let wrong = json!({ "organization": "acme", "group": "shop", "title": "x", "asset": "ast_1" });
    assert_eq!(
        tess.post("/api/v2/blockers", &wrong).await.code(),
        "id.malformed"
    );
    let changed = tess
        .send(
            "PATCH",
            &path,
            &[("content-type", "application/json")],
            json!({ "description": "since noon" }).to_string(),
        )
        .await;
    assert_eq!(changed.json()["description"], "since noon");
    assert_eq!(changed.json()["title"], "vpn");
    let said = json!({ "text": "<b>who</b>?" });
    let commented = tess.post(&format!("{path}/comments"), &said).await;
    assert_eq!(commented.status, 200, "{}", commented.text);
    let why = json!({ "text": "the tunnel is up" });
    for (step, status) in [
        ("propose", "PROPOSED"),
        ("reject", "OPEN"),
        ("solve", "SOLVED"),
    ] {
        let done = tess.post(&format!("{path}/{step}"), &why).await;
        assert_eq!(done.json()["status"], status, "{step}");
        assert_eq!(rita.post(&format!("{path}/{step}"), &why).await.status, 403);
    }
    let again = tess.post(&format!("{path}/solve"), &why).await;
    assert_eq!(again.code(), "blocker.solved");
    let entries = rita.get(&format!("{path}/entries")).await.json();
    assert_eq!(entries["items"].as_array().map(Vec::len), Some(6));
    assert!(!entries["items"][2]["html"].to_string().contains("<b>"));
    assert_eq!(rita.get(list).await.json()["items"][0]["id"], opened["id"]);
    let open = rita.get(&format!("{list}&status=OPEN")).await.json();
    assert_eq!(open["items"], json!([]));
    let solved = rita.get(&path).await.json()["solved"].clone();
    assert_eq!(solved["reason"], "the tunnel is up");
    assert_eq!(solved["by"], entries["items"][5]["note"]["by"]);
    let odd = rita.get(&format!("{list}&status=open")).await;
    assert_eq!(odd.code(), "query.malformed");
    assert_eq!(ci.get(&path).await.status, 403);
    assert_eq!(eve.get(&path).await.status, 404);
}
