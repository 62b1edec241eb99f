//! What others decided, taken over from OpenVEX, CycloneDX and CSAF.

use gna_domain::Resource;
use gna_domain::model::Group;
use gna_domain::policy::Role;
use gna_testkit::trivy;
use serde_json::{Value, json};

use crate::rest_actor::{Actor, Answer, Place};
use crate::vex::{decided, exported};

const BYTES: [(&str, &str); 1] = [("content-type", "application/octet-stream")];

async fn import(actor: &Actor, group: &Group, query: &str, document: &Value) -> Answer {
    let path = format!("/api/v2/groups/{}/vex{query}", group.id);
    actor
        .send("POST", &path, &BYTES, document.to_string().into_bytes())
        .await
}

/// A group with an asset that has these, by name.
async fn group_with(place: &Place, owner: &Actor, slug: &str, asset: &str, cves: &[&str]) -> Group {
    let group = place.world.group(&place.acme, slug).await;
    let names = ["one", "two", "three", "four", "five"];
    let some: Vec<(&str, &str, &str)> = cves
        .iter()
        .zip(names)
        .map(|(cve, name)| (*cve, name, "1.0.0"))
        .collect();
    let path = format!(
        "/api/v2/reports?organization=acme&group={slug}&asset={asset}&file_name=trivy.json"
    );
    let report = trivy("package-lock.json", &some);
    let answer = owner.send("POST", &path, &BYTES, report).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    place.world.run_jobs().await.expect("imports");
    group
}

const CVES: [&str; 4] = [
    "CVE-2024-0001",
    "CVE-2024-0002",
    "CVE-2024-0003",
    "CVE-2024-0004",
];

const LIST: &str = "query($group: String!) { group(organization: \"acme\", slug: $group) { vulnerabilities(filter: { anyFalsePositive: true, states: [OPEN] }, first: 50) {
  edges { node { id identifiers assignee { id } treatment { status until decided { reason } }
    falsePositive { status requested { by reason } } } } } } }";

/// What is decided about each, without who decided and when.
async fn decisions(actor: &Actor, group: &Group) -> Vec<(String, Value)> {
    let asked = json!({ "query": LIST, "variables": { "group": group.slug.to_string() } });
    let answer = actor.post("/api", &asked).await.json();
    assert!(answer["errors"].is_null(), "{answer}");
    let edges = &answer["data"]["group"]["vulnerabilities"]["edges"];
    let mut all: Vec<(String, Value)> = edges
        .as_array()
        .expect("edges")
        .iter()
        .map(|edge| {
            let node = &edge["node"];
            let said = json!({
                "treatment": node["treatment"]["status"],
                "until": node["treatment"]["until"],
                "why": node["treatment"]["decided"]["reason"],
                "false_positive": node["falsePositive"]["status"],
                "because": node["falsePositive"]["requested"]["reason"],
            });
            (
                node["identifiers"][0].as_str().expect("a name").to_owned(),
                said,
            )
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[tokio::test]
async fn what_one_group_decided_another_takes_over_from_each_format() {
    let place = Place::new().await;
    decided(&place).await;
    let olga = place.olga().await;
    let original = decisions(&olga, &place.shop).await;
    assert_eq!(original.len(), 4);
    for format in ["openvex", "cyclonedx", "csaf"] {
        let document = exported(&olga, &format!("{format}&organization=acme&group=shop")).await;
        // An asset of the same name, and one of another name that is told.
        for (slug, asset, query) in [
            (format!("{format}-same"), "web", ""),
            (format!("{format}-other"), "portal", "?asset=portal"),
        ] {
            let group = group_with(&place, &olga, &slug, asset, &CVES).await;
            let blank = decisions(&olga, &group).await;
            let dry = if query.is_empty() {
                "?dry_run=true"
            } else {
                "?asset=portal&dry_run=true"
            };
            let told = import(&olga, &group, dry, &document).await.json();
            assert_eq!(
                (&told["changed"], &told["dry_run"]),
                (&json!(3), &json!(true)),
                "{told}"
            );
            assert_eq!(
                decisions(&olga, &group).await,
                blank,
                "a dry run changes nothing"
            );

            let told = import(&olga, &group, query, &document).await.json();
            let counts = [
                "claims",
                "undecided",
                "changed",
                "unchanged",
                "refused",
                "unknown",
            ];
            let counts = counts.map(|name| told[name].as_u64().expect("a number"));
            assert_eq!(counts, [5, 2, 3, 0, 0, 0], "{format}: {told}");
            // A CycloneDX document is by a tool, the others by somebody.
            let author = if format == "cyclonedx" { "gna" } else { "Gna" };
            assert_eq!(
                (&told["format"], &told["author"]),
                (&json!(format), &json!(author))
            );
            place.world.run_jobs().await.expect("indexes");
            assert_eq!(decisions(&olga, &group).await, original, "{format}");

            let told = import(&olga, &group, query, &document).await.json();
            assert_eq!(
                (&told["changed"], &told["unchanged"]),
                (&json!(0), &json!(3)),
                "{told}"
            );
        }
    }
}

#[tokio::test]
async fn history_and_audit_show_the_document_and_whoever_took_it_over() {
    let place = Place::new().await;
    decided(&place).await;
    let olga = place.olga().await;
    let document = exported(&olga, "openvex&organization=acme&group=shop").await;
    let group = group_with(&place, &olga, "mirror", "web", &CVES).await;
    import(&olga, &group, "", &document).await;
    place.world.run_jobs().await.expect("indexes");
    let list = "/api/v2/vulnerabilities?organization=acme&group=mirror&treatment=ACCEPTED";
    let id = olga.get(list).await.json()["items"][0]["id"].clone();
    let path = format!(
        "/api/v2/vulnerabilities/{}/history",
        id.as_str().expect("an id")
    );
    let history = olga.get(&path).await.json();
    let last = history["items"]
        .as_array()
        .and_then(|items| items.last())
        .expect("a change");
    let name = document["@id"].as_str().expect("an id");
    assert_eq!(
        last["reason"],
        format!("openvex {name} of Gna"),
        "{history}"
    );
    let audit = "query { organization(slug: \"acme\") { auditLog(first: 50) { edges { node { action } } } } }";
    let audit = olga.post("/api", &json!({ "query": audit })).await.text;
    assert!(
        audit.contains("vex.imported") && audit.contains("vex.applied"),
        "{audit}"
    );
}

/// Documents of others, with what they say in their own words.
fn foreign() -> [(&'static str, Value); 3] {
    let purl = "pkg:npm/one@1.0.0";
    let openvex = json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://vendor.invented/vex/1",
        "author": "Invented Vendor", "timestamp": "2026-01-01T00:00:00Z", "version": 1,
        "statements": [{
            "vulnerability": { "name": "CVE-2024-0001" }, "products": [{ "@id": purl }],
            "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path",
            "impact_statement": "never called",
        }],
    });
    let cyclonedx = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": { "authors": [{ "name": "Invented Vendor" }] },
        "components": [{ "type": "library", "name": "one", "bom-ref": "c1", "purl": purl }],
        "vulnerabilities": [{ "id": "CVE-2024-0001", "affects": [{ "ref": "c1" }],
            "analysis": { "state": "not_affected", "justification": "code_not_reachable", "detail": "never called" } }],
    });
    let csaf = json!({
        "document": { "csaf_version": "2.0", "category": "csaf_vex",
            "publisher": { "name": "Invented Vendor" }, "tracking": { "id": "INV-1" } },
        "product_tree": { "branches": [{ "category": "vendor", "name": "x", "branches": [{ "category": "product_version",
            "name": "1.0.0", "product": { "product_id": "P1", "name": "one 1.0.0",
                "product_identification_helper": { "purl": purl } } }] }] },
        "vulnerabilities": [{ "cve": "CVE-2024-0001", "product_status": { "known_not_affected": ["P1"] },
            "flags": [{ "label": "vulnerable_code_not_in_execute_path", "product_ids": ["P1"] }],
            "threats": [{ "category": "impact", "details": "never called", "product_ids": ["P1"] }] }],
    });
    [
        ("openvex", openvex),
        ("cyclonedx", cyclonedx),
        ("csaf", csaf),
    ]
}

#[tokio::test]
async fn the_words_of_others_are_kept_and_said_again_in_their_format() {
    let place = Place::new().await;
    let olga = place.olga().await;
    for (format, document) in foreign() {
        let group = group_with(&place, &olga, format, "web", &CVES[..1]).await;
        let told = import(&olga, &group, "", &document).await.json();
        assert_eq!(
            (&told["changed"], &told["author"]),
            (&json!(1), &json!("Invented Vendor")),
            "{told}"
        );
        place.world.run_jobs().await.expect("indexes");
        let said = &decisions(&olga, &group).await[0].1;
        assert_eq!(said["false_positive"], "CONFIRMED");
        let why = said["because"].as_str().expect("a reason");
        assert!(why.ends_with(": never called"), "{why}");
        let again = exported(&olga, &format!("{format}&organization=acme&group={format}")).await;
        match format {
            "openvex" => {
                for field in ["status", "justification", "impact_statement"] {
                    assert_eq!(
                        again["statements"][0][field],
                        document["statements"][0][field]
                    );
                }
            }
            "cyclonedx" => {
                for field in ["state", "justification", "detail"] {
                    let of = |value: &Value| value["vulnerabilities"][0]["analysis"][field].clone();
                    assert_eq!(of(&again), of(&document));
                }
            }
            _ => {
                let (again, before) = (
                    &again["vulnerabilities"][0],
                    &document["vulnerabilities"][0],
                );
                assert_eq!(again["flags"][0]["label"], before["flags"][0]["label"]);
                assert_eq!(
                    again["threats"][0]["details"],
                    before["threats"][0]["details"]
                );
            }
        }
    }
}

#[tokio::test]
async fn what_can_not_be_taken_over_is_refused_and_changes_nothing() {
    let place = Place::new().await;
    let olga = place.olga().await;
    let [(_, openvex), ..] = foreign();
    let group = group_with(&place, &olga, "one", "web", &CVES[..1]).await;
    let before = decisions(&olga, &group).await;
    let with = |pointer: &str, value: Value| {
        let mut document = openvex.clone();
        *document.pointer_mut(pointer).expect("is there") = value;
        document
    };
    for (query, document, code) in [
        (
            "",
            with(
                "/statements/0/products/0/@id",
                json!("pkg:npm/nobody@1.0.0"),
            ),
            "vex.unknown_product",
        ),
        (
            "",
            with("/statements/0/products/0/@id", json!("pkg:npm/one@2.0.0")),
            "vex.unknown_product",
        ),
        ("?asset=nothing", openvex.clone(), "vex.unknown_asset"),
        (
            "",
            with("/statements/0/status", json!("whatever")),
            "vex.malformed",
        ),
        ("", with("/statements", json!("none")), "vex.malformed"),
        ("", with("/statements", json!([])), "vex.empty"),
        ("", json!({ "hello": "world" }), "vex.unknown_format"),
    ] {
        let answer = import(&olga, &group, query, &document).await;
        assert!(answer.status.is_client_error(), "{}", answer.text);
        assert_eq!(answer.code(), code, "{}", answer.text);
    }
    let path = format!("/api/v2/groups/{}/vex", group.id);
    let answer = olga.send("POST", &path, &BYTES, b"{".to_vec()).await;
    assert_eq!(answer.code(), "vex.malformed");
    let mut deep = "[".repeat(100_000).into_bytes();
    deep.extend("]".repeat(100_000).bytes());
    assert_eq!(
        olga.send("POST", &path, &BYTES, deep).await.code(),
        "vex.malformed"
    );

    // Who decides alone may not be the second person, either.
    let of = Resource::Group(place.acme.id, group.id);
    for role in [Role::Triager, Role::Developer, Role::Reader, Role::Ci] {
        let actor = place.actor(&role.as_str().to_lowercase(), of, role).await;
        assert_eq!(
            import(&actor, &group, "", &openvex).await.status,
            403,
            "{role:?}"
        );
    }
    assert_eq!(
        import(&place.eve().await, &group, "", &openvex)
            .await
            .status,
        404
    );
    assert_eq!(
        import(&place.anonymous(), &group, "", &openvex)
            .await
            .status,
        401
    );
    assert_eq!(decisions(&olga, &group).await, before);
}

#[tokio::test]
async fn a_document_does_not_undo_what_a_person_decided_nor_what_the_rules_refuse() {
    let place = Place::new().await;
    let olga = place.olga().await;
    let [(_, openvex), ..] = foreign();
    let group = group_with(&place, &olga, "one", "web", &CVES[..1]).await;
    assert_eq!(
        import(&olga, &group, "", &openvex).await.json()["changed"],
        1
    );
    place.world.run_jobs().await.expect("indexes");
    let list = "/api/v2/vulnerabilities?organization=acme&group=one&false_positive=CONFIRMED";
    let id = olga.get(list).await.json()["items"][0]["id"].clone();
    let reject =
        "mutation($i: DecideInput!) { rejectFalsePositive(input: $i) { vulnerability { id } } }";
    let asked =
        json!({ "query": reject, "variables": { "i": { "id": id, "reason": "it is called" } } });
    let answer = olga.post("/api", &asked).await.json();
    assert!(answer["errors"].is_null(), "{answer}");
    let told = import(&olga, &group, "", &openvex).await.json();
    assert_eq!(
        (&told["changed"], &told["refused"]),
        (&json!(0), &json!(1)),
        "{told}"
    );
    assert_eq!(told["refusals"][0]["code"], "vex.rejected");
    assert_eq!(told["refusals"][0]["vulnerability"], id);

    // Until a day that is gone.
    let mut forever = openvex.clone();
    let statement = &mut forever["statements"][0];
    statement["status"] = json!("affected");
    statement["action_statement"] =
        json!("The risk is accepted until 2020-01-01T00:00:00.000Z: later");
    let told = import(&olga, &group, "", &forever).await.json();
    assert_eq!(told["refusals"][0]["code"], "acceptance.in_past", "{told}");
    // The other of two statements about one: the later one holds, wherever it stands.
    let mut both = openvex.clone();
    let mut earlier = openvex["statements"][0].clone();
    earlier["timestamp"] = json!("2025-01-01T00:00:00Z");
    both["statements"][0]["status"] = json!("under_investigation");
    both["statements"]
        .as_array_mut()
        .expect("a list")
        .push(earlier);
    let told = import(&olga, &group, "", &both).await.json();
    assert_eq!(
        ["changed", "unchanged", "refused"].map(|name| told[name].clone()),
        [0, 0, 0],
        "{told}"
    );
}
