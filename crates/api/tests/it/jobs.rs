//! Durable work as its owners, administrators and others meet it, by REST and by GraphQL.

use gna_domain::Resource;
use gna_domain::model::Job;
use gna_domain::policy::Role;
use gna_domain::port::jobs::Jobs;
use gna_domain::port::store::ChangeSet;
use gna_domain::port::{fresh, repo};
use serde_json::{Value, json};

use crate::rest_actor::{Actor, Place};

const BYTES: &[(&str, &str)] = &[("content-type", "application/octet-stream")];

/// A dead letter of Acme's, with an error that holds a secret.
async fn dead_letter(place: &Place) -> String {
    dead_letter_of(place, "test.none").await
}

async fn dead_letter_of(place: &Place, kind: &str) -> String {
    let ports = &place.world.ports;
    let job = Job::new(
        fresh(ports.ids.as_ref()),
        kind,
        json!({ "report": "rep_1" }),
        ports.clock.now(),
    )
    .of(place.acme.id);
    let mut changes = ChangeSet::new();
    changes.create(&job, None).expect("json");
    ports.store.commit(changes).await.expect("commits");
    place.world.caught_up().await;
    let jobs = place.world.jobs();
    let claimed = jobs
        .claim("w", &[kind])
        .await
        .expect("reads")
        .expect("is due");
    jobs.bury(
        &claimed,
        "POST https://u:hunter2@x.example/?access_token=hunter2 said 500",
        ChangeSet::new(),
    )
    .await
    .expect("is buried");
    place.world.caught_up().await;
    job.id.to_string()
}

async fn owner(place: &Place) -> Actor {
    place
        .actor("olga", Resource::Organization(place.acme.id), Role::Owner)
        .await
}

async fn actions(place: &Place) -> Vec<String> {
    let partition = place.acme.id.to_string();
    let store = place.world.ports.store.as_ref();
    let entries = repo::all_children::<gna_domain::model::AuditEntry>(store, &partition).await;
    entries
        .expect("reads")
        .into_iter()
        .map(|entry| entry.value.action)
        .filter(|action| action.starts_with("job."))
        .collect()
}

#[tokio::test]
async fn an_owner_sees_what_was_given_up_and_has_it_done_again() {
    let place = Place::new().await;
    let id = dead_letter(&place).await;
    let olga = owner(&place).await;
    let list = olga.get("/api/v2/jobs?organization=acme").await.json();
    assert_eq!(list["items"][0]["id"], id);
    assert_eq!(list["items"][0]["state"], "DEAD");
    let error = list["items"][0]["last_error"].as_str().expect("a reason");
    assert!(
        error.contains("x.example") && !error.contains("hunter2"),
        "{error}"
    );
    let replayed = olga
        .post(&format!("/api/v2/jobs/{id}/replay"), &json!({}))
        .await;
    assert_eq!(
        (replayed.status.as_u16(), &replayed.json()["state"]),
        (200, &json!("WAITING"))
    );
    let again = olga
        .post(&format!("/api/v2/jobs/{id}/replay"), &json!({}))
        .await;
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (409, "job.not_dead")
    );
    let ready = olga
        .get("/api/v2/jobs?organization=acme&queue=ready")
        .await
        .json();
    assert_eq!(ready["items"][0]["replays"], 1);
    assert_eq!(actions(&place).await, ["job.replayed"]);
}

#[tokio::test]
async fn all_dead_letters_are_done_again_kind_by_kind_and_in_calls_that_go_on() {
    let place = Place::new().await;
    let olga = owner(&place).await;
    // More than one call looks at.
    let (many, few) = (1_010, 3);
    for number in 0..many + few {
        place.world.clock.advance_millis(1);
        let kind = if number < few {
            "test.few"
        } else {
            "test.many"
        };
        dead_letter_of(&place, kind).await;
    }
    let replay = async |who: &Actor, body: Value| who.post("/api/v2/jobs/replay", &body).await;
    let of_kind = json!({ "organization": "acme", "kind": "test.few" });
    let first = replay(&olga, of_kind.clone()).await.json();
    assert_eq!(
        first["jobs"], 0,
        "the oldest are behind the others: {first}"
    );
    let mut go_on = of_kind;
    go_on["after"] = first["next"].clone();
    let second = replay(&olga, go_on).await.json();
    assert_eq!(second, json!({ "jobs": few, "next": null }));

    let mutation =
        "mutation($o: ID!, $a: String) { replayJobs(organization: $o, after: $a) { jobs next } }";
    let mut after = Value::Null;
    let mut told = Vec::new();
    loop {
        let variables = json!({ "o": place.acme.id.to_string(), "a": after });
        let body = json!({ "query": mutation, "variables": variables });
        let done = olga.post("/api", &body).await.json()["data"]["replayJobs"].clone();
        told.push(done["jobs"].as_u64().expect("a number"));
        after = done["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(told, [1_000, 10]);
    let left = olga.get("/api/v2/jobs?organization=acme").await.json();
    assert_eq!(left["items"], json!([]));
    assert_eq!(actions(&place).await.len(), many + few);

    for (who, actor, code) in [
        ("nobody", place.anonymous(), 401),
        ("a triager", place.tess().await, 403),
        ("another organization's manager", place.eve().await, 404),
    ] {
        let answer = replay(&actor, json!({ "organization": "acme" })).await;
        assert_eq!(answer.status, code, "{who}");
    }
    let all = replay(&olga, json!({})).await;
    assert_eq!(all.status, 404, "an owner does not see to the instance");
    let wrong = replay(&olga, json!({ "organization": "acme", "after": "x" })).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code().as_str()),
        (400, "page.cursor")
    );
}

#[tokio::test]
async fn a_dead_letter_is_discarded_once_and_leaves_a_trace() {
    let place = Place::new().await;
    let id = dead_letter(&place).await;
    let olga = owner(&place).await;
    let path = format!("/api/v2/jobs/{id}");
    assert_eq!(olga.send("DELETE", &path, &[], "").await.status, 204);
    assert_eq!(olga.send("DELETE", &path, &[], "").await.status, 404);
    assert_eq!(actions(&place).await, ["job.discarded"]);
}

#[tokio::test]
async fn nobody_else_learns_of_it() {
    let place = Place::new().await;
    let id = dead_letter(&place).await;
    let path = format!("/api/v2/jobs/{id}");
    for (who, actor, code) in [
        ("nobody", place.anonymous(), 401),
        ("a triager", place.tess().await, 403),
        ("another organization's manager", place.eve().await, 404),
    ] {
        assert_eq!(actor.get(&path).await.status, code, "{who}");
        let replay = actor.post(&format!("{path}/replay"), &json!({})).await;
        assert_eq!(replay.status, code, "{who}");
        let all = actor.get("/api/v2/jobs").await;
        assert_eq!(all.status, if code == 401 { 401 } else { 404 }, "{who}");
    }
    let root = place
        .actor("root", Resource::Instance, Role::InstanceAdmin)
        .await;
    let all = root.get("/api/v2/jobs").await.json();
    assert_eq!(all["items"][0]["id"], id);
}

#[tokio::test]
async fn a_cancelled_import_says_so_in_its_report_and_does_nothing() {
    let place = Place::new().await;
    let (olga, tess) = (owner(&place).await, place.tess().await);
    let upload = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
    let file = gna_testkit::trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")]);
    let report = tess.send("POST", upload, BYTES, file).await.json();
    let query = "query($o: ID!) { jobs(organization: $o, queue: READY) { edges { node { id kind state } } } }";
    let body = json!({ "query": query, "variables": { "o": place.acme.id.to_string() } });
    let jobs = olga.post("/api", &body).await.json();
    let node = &jobs["data"]["jobs"]["edges"][0]["node"];
    assert_eq!(
        (&node["kind"], &node["state"]),
        (&json!("import.report"), &json!("WAITING"))
    );
    let mutation = "mutation($id: ID!) { cancelJob(id: $id) { job { cancelledBy } } }";
    let body = json!({ "query": mutation, "variables": { "id": node["id"] } });
    let cancelled = olga.post("/api", &body).await.json();
    let by = &cancelled["data"]["cancelJob"]["job"]["cancelledBy"];
    assert!(
        by.as_str().is_some_and(|by| by.starts_with("tok_")),
        "{cancelled}"
    );
    place.world.run_jobs().await.expect("it ends");
    let path = format!("/api/v2/reports/{}", report["id"].as_str().expect("an id"));
    let after = tess.get(&path).await.json();
    assert_eq!(after["status"], "FAILED", "{after}");
    let ended = olga
        .get(&format!(
            "/api/v2/jobs/{}",
            node["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(ended.json()["state"], "CANCELLED");
    let list = tess.get("/api/v2/vulnerabilities").await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(0));
    let late: Value = olga
        .post(
            &format!(
                "/api/v2/jobs/{}/cancel",
                node["id"].as_str().expect("an id")
            ),
            &json!({}),
        )
        .await
        .json();
    assert_eq!(late["code"], "job.finished");
}

#[tokio::test]
async fn an_import_that_was_given_up_is_finished_after_a_replay() {
    let place = Place::new().await;
    let (olga, tess) = (owner(&place).await, place.tess().await);
    let upload = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
    let file = gna_testkit::trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")]);
    let report = tess.send("POST", upload, BYTES, file).await.json();
    let path = format!("/api/v2/reports/{}", report["id"].as_str().expect("an id"));
    place.world.caught_up().await;
    let jobs = place.world.jobs();
    let claimed = jobs
        .claim("w", &["import.report"])
        .await
        .expect("reads")
        .expect("is due");
    let id = claimed.job().id;
    let reason = gna_domain::Error::unavailable("test.down", "nothing works");
    let handler = gna_domain::service::import::ImportHandler;
    let system = place.world.system();
    let told = gna_domain::port::Handler::give_up(&handler, &system, claimed.job(), &reason);
    jobs.bury(&claimed, "nothing works", told.await.expect("told"))
        .await
        .expect("is buried");
    assert_eq!(tess.get(&path).await.json()["status"], "FAILED");
    let replayed = olga
        .post(&format!("/api/v2/jobs/{id}/replay"), &json!({}))
        .await;
    assert_eq!(replayed.status, 200, "{}", replayed.text);
    place.world.run_jobs().await.expect("it runs");
    let after = tess.get(&path).await.json();
    assert_eq!(
        (&after["status"], &after["counts"]["created"]),
        (&json!("COMPLETE"), &json!(1))
    );
}
