//! Weakness acceptances through GraphQL and REST, by each role.

use gna_domain::Resource;
use gna_domain::policy::Role;
use serde_json::{Value, json};

use crate::graphql_actor::{Actor, Place};
use crate::rest_actor;

const SUBMIT: &str = "mutation($input: SubmitWeaknessAcceptanceInput!) { submitWeaknessAcceptance(input: $input) {
    acceptance { id weakness until tags assetTags status version recordVersion submitted { by reason person { name } } decided { by } } } }";
const LIST: &str = "query($of: ID!) { weaknessAcceptances(organization: $of) { id weakness status version decided { reason }
    ended { reason } runs(first: 10) { edges { node {
        back status total done changed refused { code count } failure { code message } groupId } } } } }";

fn decide(verb: &str) -> String {
    format!(
        "mutation($input: DecideWeaknessAcceptanceInput!) {{ {verb}WeaknessAcceptance(input: $input) {{ acceptance {{ id status recordVersion }} }} }}"
    )
}

struct People {
    olga: Actor,
    otto: Actor,
    mia: Actor,
    tess: Actor,
    mara: Actor,
    eve: Actor,
}

impl People {
    async fn of(place: &Place) -> Self {
        let acme = Resource::Organization(place.acme.id);
        let den = Resource::Group(place.evil.id, place.den.id);
        Self {
            olga: place.actor("olga", acme, Role::Owner).await,
            otto: place.actor("otto", acme, Role::Owner).await,
            mia: place.actor("mia", acme, Role::Member).await,
            tess: place.triager().await,
            mara: place.actor("mara", place.in_shop(), Role::Manager).await,
            eve: place.actor("eve", den, Role::Manager).await,
        }
    }
}

#[tokio::test]
async fn each_role_does_what_it_may_and_two_owners_decide() {
    let place = Place::new().await;
    place.filled(6, 3).await;
    let people = People::of(&place).await;
    let acme = place.acme.id.to_string();
    let input = |weakness: &str| json!({ "input": { "organization": acme, "weakness": weakness, "reason": "borne" } });
    for (who, code) in [
        (&people.tess, "auth.forbidden"),
        (&people.mara, "auth.forbidden"),
        (&people.eve, "not_found"),
        (&place.anonymous(), "auth.required"),
    ] {
        assert_eq!(who.code(SUBMIT, input("CVE-2024-1003")).await, code);
        assert_eq!(who.code(LIST, json!({ "of": acme })).await, code);
    }
    for (weakness, code) in [
        ("x", "weakness.malformed"),
        ("CWE-none", "weakness.malformed"),
    ] {
        assert_eq!(people.mia.code(SUBMIT, input(weakness)).await, code);
    }
    let made = people.mia.data(SUBMIT, input("CVE-2024-1003")).await;
    let made = made["submitWeaknessAcceptance"]["acceptance"].clone();
    assert_eq!(
        (&made["status"], &made["version"]),
        (&json!("SUBMITTED"), &json!(1))
    );
    assert_eq!(made["submitted"]["reason"], "borne");
    assert_eq!(made["submitted"]["person"]["name"], "mia");
    let of = |more: Value| {
        let mut input = json!({ "organization": acme, "acceptanceId": made["id"] });
        for (name, value) in more.as_object().expect("fields") {
            input[name] = value.clone();
        }
        json!({ "input": input })
    };
    let approve = decide("approve");
    assert_eq!(
        people.mia.code(&approve, of(json!({}))).await,
        "auth.forbidden"
    );
    let late = of(json!({ "expectedVersion": 7 }));
    assert_eq!(people.olga.code(&approve, late).await, "store.conflict");
    people
        .olga
        .data(&approve, of(json!({ "expectedVersion": 1 })))
        .await;
    place.world.run_jobs().await.expect("runs");
    let all = people.mia.data(LIST, json!({ "of": acme })).await["weaknessAcceptances"].clone();
    let run = json!({ "back": false, "status": "COMPLETE", "total": 1, "done": 1, "changed": 1, "refused": [],
        "failure": null, "groupId": null });
    assert_eq!(
        (&all[0]["status"], &all[0]["runs"]["edges"]),
        (&json!("APPROVED"), &json!([{ "node": run }]))
    );

    let deactivate = decide("deactivate");
    assert_eq!(
        people.otto.code(&deactivate, of(json!({}))).await,
        "reason.required"
    );
    people
        .otto
        .data(&deactivate, of(json!({ "reason": "fixed upstream" })))
        .await;
    place.world.run_jobs().await.expect("runs");
    let all = people.mia.data(LIST, json!({ "of": acme })).await["weaknessAcceptances"].clone();
    let runs = &all[0]["runs"]["edges"];
    assert_eq!(runs.as_array().map(Vec::len), Some(2));
    assert_eq!(runs[0]["node"]["back"], true);
    assert_eq!(runs[0]["node"]["changed"], 1);
    // A hundred acceptances may have pages of runs each: who asks for that asks for too much.
    let greedy = LIST.replace("runs(first: 10)", "runs(first: 200)");
    let refused = people.mia.code(&greedy, json!({ "of": acme })).await;
    assert_eq!(refused, "graphql.too_complex");

    let mut again = input("CVE-2024-1003");
    again["input"]["acceptanceId"] = made["id"].clone();
    let again = people.olga.data(SUBMIT, again).await;
    assert_eq!(
        again["submitWeaknessAcceptance"]["acceptance"]["version"],
        2
    );
    assert_eq!(
        people.olga.code(&approve, of(json!({}))).await,
        "approval.same_person"
    );
    people
        .otto
        .data(&decide("reject"), of(json!({ "reason": "no" })))
        .await;
    let remove = "mutation($input: RemoveWeaknessAcceptanceInput!) { removeWeaknessAcceptance(input: $input) { removedId } }";
    assert_eq!(
        people.mia.code(remove, of(json!({}))).await,
        "auth.forbidden"
    );
    let gone = people.olga.data(remove, of(json!({}))).await;
    assert_eq!(gone["removeWeaknessAcceptance"]["removedId"], made["id"]);
    assert_eq!(people.olga.code(remove, of(json!({}))).await, "not_found");
}

#[tokio::test]
async fn rest_says_the_same() {
    let place = rest_actor::Place::new().await;
    let acme = Resource::Organization(place.acme.id);
    let olga = place.olga().await;
    let otto = place.actor("otto", acme, Role::Owner).await;
    let all = "/api/v2/organizations/acme/weakness-acceptances";
    let body = json!({ "weakness": "CWE-79", "reason": "internal only", "asset_tags": ["Internal"],
        "until": "2099-01-01T00:00:00Z" });
    let made = olga.post(all, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(
        (&made["status"], &made["asset_tags"]),
        (&json!("SUBMITTED"), &json!(["internal"]))
    );
    let one = format!("{all}/{}", made["id"].as_str().expect("an id"));
    let refused = olga.post(&format!("{one}/approve"), &json!({})).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "approval.same_person".to_owned())
    );
    let approved = otto
        .post(&format!("{one}/approve"), &json!({ "expected_version": 1 }))
        .await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    place.world.run_jobs().await.expect("runs");
    let runs = otto.get(&format!("{one}/runs")).await.json();
    assert_eq!(
        (&runs["items"][0]["status"], &runs["items"][0]["total"]),
        (&json!("COMPLETE"), &json!(0))
    );
    let ended = otto
        .post(&format!("{one}/deactivate"), &json!({ "reason": "over" }))
        .await;
    assert_eq!(ended.json()["status"], "INACTIVE", "{}", ended.text);
    let headers = [("content-type", "application/json")];
    let again = olga.send("PUT", &one, &headers, body.to_string()).await;
    assert_eq!(again.json()["version"], 2, "{}", again.text);
    let rejected = otto
        .post(&format!("{one}/reject"), &json!({ "reason": "no" }))
        .await;
    assert_eq!(rejected.json()["status"], "REJECTED", "{}", rejected.text);
    let decided = olga.get(&one).await.json()["decided"].clone();
    assert_eq!(decided["reason"], "no");
    assert!(
        decided["by"].as_str().is_some_and(|by| !by.is_empty()),
        "{decided}"
    );
    assert_eq!(
        olga.get(all).await.json()["items"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(olga.delete(&one).await.status, 204);
    assert_eq!(olga.get(&one).await.status, 404);
    let past = json!({ "weakness": "CWE-79", "reason": "x", "until": "2001-01-01T00:00:00Z" });
    let refused = olga.post(all, &past).await;
    assert_eq!(
        (refused.code(), refused.json()["field"].clone()),
        ("acceptance.in_past".to_owned(), json!("until"))
    );
    let tess = place.tess().await;
    assert_eq!(tess.post(all, &body).await.status, 403);
}
