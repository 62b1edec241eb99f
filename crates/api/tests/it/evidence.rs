//! Files that show something about a vulnerability, and comments as they are shown.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_testkit::trivy;
use serde_json::{Value, json};

use crate::rest_actor::{Actor, Place};

const UPLOAD: &str = "/api/v2/reports?organization=acme&group=shop&asset=web&file_name=trivy.json";
const BYTES: [(&str, &str); 1] = [("content-type", "application/octet-stream")];
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";

async fn one(place: &Place, tess: &Actor) -> String {
    let report = trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")]);
    tess.send("POST", UPLOAD, &BYTES, report).await;
    place.world.run_jobs().await.expect("imports");
    let listed = tess.get("/api/v2/vulnerabilities").await.json();
    listed["items"][0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_file_is_added_once_listed_given_out_safely_and_removed() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let vulnerability = one(&place, &tess).await;
    let path = format!("/api/v2/vulnerabilities/{vulnerability}/evidence");
    let add = |name: &str, bytes: &[u8]| {
        let (actor, path, bytes) = (tess.clone(), format!("{path}?name={name}"), bytes.to_vec());
        async move { actor.send("POST", &path, &BYTES, bytes).await }
    };
    let made = add("shot%C3%A4%20%22x%22.png", PNG).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(
        (&made["kind"], &made["size"]),
        (&json!("PNG"), &json!(PNG.len()))
    );
    let again = add("shot%C3%A4%20%22x%22.png", PNG).await.json();
    assert_eq!(again["id"], made["id"], "the same file twice is one");
    place.world.clock.advance_millis(1_000);
    let page = add("page.html", b"<script>alert(1)</script>").await.json();
    assert_eq!(page["kind"], "TEXT");
    let listed = tess.get(&path).await.json();
    let names: Vec<&Value> = listed["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|of| &of["name"])
        .collect();
    assert_eq!(names, [&made["name"], &page["name"]]);

    for (of, kind, start) in [
        (&made, "image/png", "filename=\"shot_ _x_.png\""),
        (&page, "text/plain; charset=utf-8", "filename=\"page.html\""),
    ] {
        let got = tess
            .get(&format!("{path}/{}", of["id"].as_str().expect("an id")))
            .await;
        assert_eq!(got.status, 200);
        assert_eq!(got.header("content-type"), kind);
        let disposition = got.header("content-disposition");
        assert!(
            disposition.starts_with("attachment; ") && disposition.contains(start),
            "{disposition}"
        );
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert!(got.header("content-security-policy").contains("sandbox"));
    }
    let query = "query($id: ID!) { vulnerability(id: $id) { evidence { name kind size path sha256 author { name } } } }";
    let asked = json!({ "query": query, "variables": { "id": vulnerability } });
    let seen = tess.post("/api", &asked).await.json();
    assert_eq!(
        seen["data"]["vulnerability"]["evidence"][0]["name"], made["name"],
        "{seen}"
    );

    for (name, bytes, code) in [
        ("", PNG.to_vec(), "evidence.name"),
        ("a%0Ab.png", PNG.to_vec(), "evidence.name"),
        ("a.png", Vec::new(), "evidence.empty"),
        ("a.exe", b"MZ\x90\0\x03".to_vec(), "evidence.kind"),
        ("a.txt", vec![b'a'; (10 << 20) + 1], "evidence.too_large"),
    ] {
        let refused = add(name, &bytes).await;
        assert_eq!(refused.code(), code, "{}", refused.text);
    }

    let shop = Resource::Group(place.acme.id, place.shop.id);
    let rita = place.actor("rita", shop, Role::Reader).await;
    assert_eq!(rita.get(&path).await.status, 200);
    let refused = rita
        .send("POST", &format!("{path}?name=a.png"), &BYTES, PNG.to_vec())
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let machine = place.actor("machine", shop, Role::Ci).await;
    assert_eq!(machine.get(&path).await.status, 403);
    assert_eq!(place.eve().await.get(&path).await.status, 404);

    let gone = format!("{path}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(tess.send("DELETE", &gone, &[], "").await.status, 204);
    assert_eq!(tess.get(&gone).await.status, 404);
    assert_eq!(tess.send("DELETE", &gone, &[], "").await.status, 404);
    let history = tess
        .get(&format!("/api/v2/vulnerabilities/{vulnerability}/history"))
        .await
        .json();
    let events: Vec<&Value> = history["items"]
        .as_array()
        .expect("items")
        .iter()
        .flat_map(|entry| entry["events"].as_array().expect("events"))
        .map(|event| &event["event"])
        .filter(|name| {
            name.as_str()
                .is_some_and(|name| name.starts_with("evidence"))
        })
        .collect();
    assert_eq!(
        events,
        ["evidence_added", "evidence_added", "evidence_removed"]
    );
}

#[tokio::test]
async fn there_is_room_for_so_many_files_and_no_more() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let vulnerability = one(&place, &tess).await;
    let path = format!("/api/v2/vulnerabilities/{vulnerability}/evidence?name=");
    for number in 0..50 {
        let added = tess
            .send("POST", &format!("{path}{number}.txt"), &BYTES, "x")
            .await;
        assert_eq!(added.status, 201, "{}", added.text);
    }
    let refused = tess
        .send("POST", &format!("{path}50.txt"), &BYTES, "x")
        .await;
    assert_eq!(refused.code(), "evidence.too_many");
    let again = tess
        .send("POST", &format!("{path}0.txt"), &BYTES, "x")
        .await;
    assert_eq!(again.status, 201, "what is there already needs no room");
}

#[tokio::test]
async fn a_comment_is_shown_as_html_that_runs_nothing() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let vulnerability = one(&place, &tess).await;
    let path = format!("/api/v2/vulnerabilities/{vulnerability}/comments");
    let text = "**see** <script>alert(1)</script> [x](javascript:alert(1))";
    let made = tess.post(&path, &json!({ "text": text })).await.json();
    assert_eq!(made["text"], text);
    let answer = tess
        .post(&path, &json!({ "text": "yes", "parent": made["id"] }))
        .await
        .json();
    assert_eq!(answer["parent"], made["id"]);
    let query = "query($id: ID!) { vulnerability(id: $id) { comments { edges { node { html parent } } } } }";
    let asked = json!({ "query": query, "variables": { "id": vulnerability } });
    let seen = tess.post("/api", &asked).await.json();
    let first = &seen["data"]["vulnerability"]["comments"]["edges"][0]["node"];
    assert_eq!(first["html"], made["html"], "{seen}");
    let html = made["html"].as_str().expect("HTML");
    assert!(
        html.contains("<strong>see</strong>") && html.contains("&lt;script&gt;"),
        "{html}"
    );
    assert!(
        !html.contains("<script") && !html.contains("href=\"javascript"),
        "{html}"
    );
}
