//! What GraphQL refuses, and what it is: the committed schema and the page that explores it.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use crate::graphql_actor::{Place, multipart};

#[tokio::test]
async fn what_is_too_much_is_refused_with_a_code() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let deep = format!(
        "{{ group(organization: \"acme\", slug: \"shop\") {{ {} id {} }} }}",
        "organization { group(slug: \"shop\") { ".repeat(6),
        "} }".repeat(6)
    );
    let dear = r#"{ group(organization: "acme", slug: "shop") { vulnerabilities(first: 200) { edges { node { finding { vulnerabilities(first: 200) { edges { node { id } } } } } } } } }"#;
    let aliased: String = (0..60)
        .map(|n| format!("v{n}: viewer {{ actor }} "))
        .collect();
    let directives = format!(
        "{{ viewer {{ actor {} }} }}",
        "@include(if: true) ".repeat(9)
    );
    for (query, code) in [
        (deep.as_str(), "graphql.too_deep"),
        (dear, "graphql.too_complex"),
        // Lists without pages cost as much as they may hold.
        (
            "{ viewer { organizations { groups { group { vulnerabilities { edges { node { id } } } } } } } }",
            "graphql.too_complex",
        ),
        (
            r#"{ organization(slug: "acme") { portfolios { edges { node { groups { assets { edges { node { id } } } } } } } } }"#,
            "graphql.too_complex",
        ),
        (
            r#"{ webhooks(organization: "x") { deliveries(first: 200) { edges { node { id event state body } } } } }"#,
            "graphql.too_complex",
        ),
        (
            r#"{ webhookReceivers(organization: "x") { received(first: 200) { edges { node { id } } } } }"#,
            "graphql.too_complex",
        ),
        (
            "{ users(first: 200) { edges { node { tokens { id } } } } }",
            "graphql.too_complex",
        ),
        (&format!("{{ {aliased} }}"), "graphql.too_many_aliases"),
        (&"{a".repeat(90), "graphql.too_deep"),
        ("{ nonsense }", "graphql.invalid"),
        ("{", "graphql.invalid"),
        (
            r#"{ group(organization: "acme", slug: "shop") { assets(first: 0) { edges { node { id } } } } }"#,
            "page.first",
        ),
        (
            r#"{ group(organization: "acme", slug: "shop") { assets(first: 201) { edges { node { id } } } } }"#,
            "page.first",
        ),
        (r#"{ asset(id: "grp_1") { id } }"#, "id.malformed"),
    ] {
        assert_eq!(tess.code(query, json!({})).await, code, "{query}");
    }
    let answer = tess.ask(&directives, json!({})).await;
    assert!(
        answer["errors"][0]["extensions"]["code"].is_string(),
        "{answer}"
    );
}

#[tokio::test]
async fn a_query_that_was_sent_once_is_named_by_its_hash_within_the_same_limits() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let nobody = place.anonymous();
    let hash = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
    let named =
        |text: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash(text) } });
    let text = "{ viewer { actor } }";
    let send = async |actor: &crate::graphql_actor::Actor, body: Value| {
        actor.send("application/json", body.to_string()).await.1
    };
    let by_hash = json!({ "extensions": named(text) });
    let unknown = send(&tess, by_hash.clone()).await;
    assert_eq!(unknown["errors"][0]["message"], "PersistedQueryNotFound");
    assert_eq!(
        unknown["errors"][0]["extensions"]["code"],
        "PERSISTED_QUERY_NOT_FOUND"
    );
    let both = send(&tess, json!({ "query": text, "extensions": named(text) })).await;
    let again = send(&tess, by_hash.clone()).await;
    assert!(both["data"]["viewer"]["actor"].is_string(), "{both}");
    assert_eq!(both, again);
    // A text that someone else sent is still asked by whoever names it.
    let refused = send(&nobody, by_hash).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "auth.required",
        "{refused}"
    );

    let wrong = send(
        &tess,
        json!({ "query": "{ formats { name } }", "extensions": named(text) }),
    )
    .await;
    assert_eq!(
        wrong["errors"][0]["extensions"]["code"],
        "graphql.hash_mismatch"
    );
    let deep = "{a".repeat(90);
    for body in [
        json!({ "query": deep, "extensions": named(&deep) }),
        json!({ "extensions": named(&deep) }),
    ] {
        let refused = send(&tess, body).await;
        assert_eq!(
            refused["errors"][0]["extensions"]["code"], "graphql.too_deep",
            "{refused}"
        );
    }
}

#[tokio::test]
async fn batches_have_an_end_and_bodies_too() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let one = json!({ "query": "{ viewer { actor } }" });
    let (_, two) = tess
        .send("application/json", json!([one, one]).to_string())
        .await;
    assert_eq!(two.as_array().map(Vec::len), Some(2));
    let many: Vec<&Value> = std::iter::repeat_n(&one, 11).collect();
    let (_, refused) = tess.send("application/json", json!(many).to_string()).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"],
        "graphql.batch_too_large"
    );
    for (kind, body, status, code) in [
        (
            "application/json",
            "x".repeat(2 << 20),
            413,
            "request.too_large",
        ),
        ("application/json", "{".to_owned(), 400, "graphql.malformed"),
        ("text/plain", "{}".to_owned(), 400, "graphql.content_type"),
        (
            "multipart/form-data; boundary=x",
            "nothing".to_owned(),
            400,
            "graphql.malformed",
        ),
    ] {
        let (got, problem) = tess.send(kind, body).await;
        assert_eq!(
            (got.as_u16(), &problem["code"]),
            (status, &json!(code)),
            "{kind}"
        );
    }
    let operations = json!({ "query": "mutation($f: Upload!) { uploadReport(input: { group: \"grp_1\", asset: \"a\", file: $f }) { report { id } } }", "variables": { "f": null } });
    let (kind, body) = multipart(&operations, &json!({ "0": ["variables.f"] }), b"{}");
    let (_, answer) = tess.send(&kind, body).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["field"], "input.group",
        "{answer}"
    );
    // Only the file may be large.
    let padded = json!({ "query": " ".repeat(2 << 20), "variables": {} });
    for (operations, map, status, code) in [
        (&padded, json!({}), 413, "request.too_large"),
        (
            &operations,
            json!({ "0": [" ".repeat(2 << 20)] }),
            413,
            "request.too_large",
        ),
        (
            &operations,
            json!({ "1": ["variables.f"] }),
            400,
            "graphql.malformed",
        ),
    ] {
        let (kind, body) = multipart(operations, &map, b"{}");
        let (got, problem) = tess.send(&kind, body).await;
        let told = (got.as_u16(), problem["code"].as_str());
        assert_eq!(told, (status, Some(code)));
    }
}

#[tokio::test]
async fn a_get_shows_the_explorer_and_runs_nothing() {
    let place = Place::new().await;
    let get = |path: String| {
        let router = place.router.clone();
        async move {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let answer = router.oneshot(request).await.expect("an answer");
            let policy = answer
                .headers()
                .get(header::CONTENT_SECURITY_POLICY)
                .cloned();
            let status = answer.status();
            let bytes = to_bytes(answer.into_body(), 1 << 22).await.expect("a body");
            (status, policy, bytes)
        }
    };
    let (status, policy, page) = get("/api?query=%7Bviewer%7Bactor%7D%7D".to_owned()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(policy.is_some_and(|policy| {
        policy
            .to_str()
            .is_ok_and(|text| text.contains("default-src 'none'"))
    }));
    let page = String::from_utf8(page.to_vec()).expect("text");
    assert!(!page.contains("http"), "nothing from outside: {page}");
    let files: Vec<&str> = page
        .split('"')
        .filter(|part| part.starts_with("/api/graphiql/"))
        .collect();
    assert_eq!(files.len(), 6);
    for path in files {
        let (status, _, bytes) = get(path.to_owned()).await;
        assert!(status == StatusCode::OK && bytes.len() > 40, "{path}");
    }
    assert_eq!(
        get("/api/graphiql/../schema".to_owned()).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        get("/api/graphiql/secret".to_owned()).await.0,
        StatusCode::NOT_FOUND
    );
}

/// `UPDATE_SCHEMA=1 cargo test -p gna-api schema` writes it anew.
#[test]
fn the_committed_schema_is_the_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema.graphql");
    let now = gna_api::graphql::sdl();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &now).expect("is written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == now,
        "schema.graphql is not what the code says; run with UPDATE_SCHEMA=1"
    );
}

#[tokio::test]
async fn every_type_field_and_argument_is_described() {
    let place = Place::new().await;
    let query = "{ __schema { types { name description kind fields { name description args { name description } } inputFields { name description } enumValues { name description } } } }";
    let schema = place.anonymous().data(query, json!({})).await;
    let mut silent = Vec::new();
    let nothing = |value: &Value| value["description"].as_str().is_none_or(str::is_empty);
    for kind in schema["__schema"]["types"].as_array().expect("a list") {
        let name = kind["name"].as_str().unwrap_or_default();
        let is_given = ["Query", "Mutation", "Subscription"].contains(&name);
        if name.starts_with("__") || name == "ID" {
            continue;
        }
        if nothing(kind) && !is_given {
            silent.push(name.to_owned());
        }
        for list in ["fields", "inputFields", "enumValues"] {
            for item in kind[list].as_array().unwrap_or(&Vec::new()) {
                if nothing(item) {
                    silent.push(format!("{name}.{}", item["name"]));
                }
                for arg in item["args"].as_array().unwrap_or(&Vec::new()) {
                    if nothing(arg) {
                        silent.push(format!("{name}.{}({})", item["name"], arg["name"]));
                    }
                }
            }
        }
    }
    assert!(silent.is_empty(), "without a description: {silent:#?}");
}
