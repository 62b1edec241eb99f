//! Reading through GraphQL: pages, totals, facets, history; what they cost; who may not.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_storage::backend::counting::Calls;
use serde_json::{Value, json};

use crate::graphql_actor::Place;

const PAGE: &str = r#"
query Page($first: Int, $after: String, $filter: VulnerabilityFilter) {
  organization(slug: "acme") {
    group(slug: "shop") {
      vulnerabilities(first: $first, after: $after, filter: $filter) {
        edges { cursor node {
          id state place severity { level score }
          finding { id title }
          asset { id name latestReport { id status counts { total } } }
        } }
        pageInfo { hasNextPage hasPreviousPage endCursor }
      }
    }
  }
}"#;

fn list(data: &Value) -> &Value {
    &data["organization"]["group"]["vulnerabilities"]
}

#[tokio::test]
async fn a_page_of_fifty_with_finding_asset_and_latest_report_costs_a_fixed_number_of_calls() {
    let place = Place::new().await;
    place.filled(60, 3).await;
    let tess = place.triager().await;
    tess.data(PAGE, json!({})).await;
    place.world.calls.take();
    let data = tess.data(PAGE, json!({})).await;
    let calls = place.world.calls.take();
    let edges = list(&data)["edges"].as_array().expect("a list");
    assert_eq!(edges.len(), 50);
    for edge in edges {
        let node = &edge["node"];
        assert_eq!(node["state"], "OPEN");
        assert_eq!(node["severity"]["level"], "HIGH");
        assert!(
            node["finding"]["title"]
                .as_str()
                .is_some_and(|title| title.starts_with("CVE-2024-"))
        );
        assert_eq!(node["asset"]["latestReport"]["status"], "COMPLETE");
        assert_eq!(node["asset"]["latestReport"]["counts"]["total"], 20);
    }
    // Token, its owner's roles; organization and group by slug; the hits, their findings, assets
    // and reports. However many rows: the same.
    let again = {
        tess.data(PAGE, json!({ "first": 3 })).await;
        place.world.calls.take()
    };
    assert_eq!(calls, again, "a larger page costs no more calls");
    let pinned = Calls {
        get_many: 8,
        query_many: 2,
        ..Calls::default()
    };
    assert_eq!(calls, pinned, "roles and latest reports are the only lists");
}

#[tokio::test]
async fn paging_through_meets_everything_once_from_any_cursor() {
    let place = Place::new().await;
    place.filled(7, 2).await;
    let tess = place.triager().await;
    let mut seen: Vec<String> = Vec::new();
    let mut after = Value::Null;
    loop {
        let data = tess.data(PAGE, json!({ "first": 3, "after": after })).await;
        let edges = list(&data)["edges"].as_array().expect("a list");
        seen.extend(edges.iter().map(|edge| edge["node"]["id"].to_string()));
        assert_eq!(list(&data)["pageInfo"]["hasPreviousPage"], !after.is_null());
        if list(&data)["pageInfo"]["hasNextPage"] == false {
            break;
        }
        // Not the page's end but its middle: the next page then starts one earlier.
        after = edges[1]["cursor"].clone();
        seen.pop();
    }
    assert_eq!(seen.len(), 7);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[tokio::test]
async fn lists_of_the_store_continue_from_any_cursor_too() {
    let place = Place::new().await;
    place.filled(5, 5).await;
    let tess = place.triager().await;
    let query = r#"query($first: Int, $after: String) { group(organization: "acme", slug: "shop") {
        assets(first: $first, after: $after) { totalCount { value relation } edges { cursor node { name } } pageInfo { hasNextPage endCursor } } } }"#;
    let names = |data: &Value| -> Vec<String> {
        let edges = data["group"]["assets"]["edges"].as_array().expect("a list");
        edges
            .iter()
            .map(|edge| edge["node"]["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let all = tess.data(query, json!({})).await;
    assert_eq!(
        names(&all),
        ["asset-0", "asset-1", "asset-2", "asset-3", "asset-4"]
    );
    assert_eq!(
        all["group"]["assets"]["totalCount"],
        json!({ "value": 5, "relation": "EXACT" })
    );
    for at in 0..4 {
        let cursor = &all["group"]["assets"]["edges"][at]["cursor"];
        let rest = tess
            .data(query, json!({ "first": 2, "after": cursor }))
            .await;
        let expected: Vec<String> = (at + 1..5).take(2).map(|n| format!("asset-{n}")).collect();
        assert_eq!(names(&rest), expected, "after {cursor}");
        assert_eq!(rest["group"]["assets"]["totalCount"]["value"], 5);
        let end = &rest["group"]["assets"]["pageInfo"]["endCursor"];
        let more = tess.data(query, json!({ "first": 1, "after": end })).await;
        assert_eq!(
            names(&more).first().cloned(),
            (at + 3 < 5).then(|| format!("asset-{}", at + 3))
        );
    }
}

#[tokio::test]
async fn numbers_filters_and_facets_agree() {
    let place = Place::new().await;
    place.filled(6, 2).await;
    let tess = place.triager().await;
    let query = r#"query($filter: VulnerabilityFilter) { organization(slug: "acme") {
        vulnerabilities(filter: $filter, orderBy: { field: CREATED, direction: ASC }) { totalCount { value relation } }
        vulnerabilityFacets(fields: [STATE, TOOL, ASSET], filter: $filter) { field values { value count } }
        group(slug: "shop") { overview { open closed levels { level open } } }
    } }"#;
    for (filter, count) in [
        (json!({}), 6),
        (json!({ "identifiers": ["cve-2024-1003"] }), 1),
        (json!({ "states": ["CLOSED"] }), 0),
        (json!({ "package": "left-*", "minSeverity": 7.0 }), 6),
        (json!({ "text": "left-pad" }), 6),
        (json!({ "levels": ["LOW"] }), 0),
    ] {
        let data = tess.data(query, json!({ "filter": filter })).await;
        let organization = &data["organization"];
        assert_eq!(
            organization["vulnerabilities"]["totalCount"],
            json!({ "value": count, "relation": "EXACT" }),
            "{filter}"
        );
        let state = &organization["vulnerabilityFacets"][0];
        assert_eq!(state["field"], "STATE");
        assert_eq!(
            state["values"][0]["count"].as_u64().unwrap_or(0),
            count,
            "{filter}"
        );
        assert_eq!(organization["group"]["overview"]["open"], 6);
    }
}

#[tokio::test]
async fn one_vulnerability_tells_its_sources_places_and_history() {
    let place = Place::new().await;
    place.filled(1, 1).await;
    let tess = place.triager().await;
    let data = tess.data(PAGE, json!({})).await;
    let id = &list(&data)["edges"][0]["node"]["id"];
    let query = r"query($id: ID!) { vulnerability(id: $id) {
        location { __typename ... on PackageLocation { name version path } }
        sources { tool rule present presence { lastSeen ref { name } first { report { fileName } } gone { at } } }
        history { edges { node { version events { name } } } totalCount { value } }
        comments { edges { node { text } } }
        group { slug organization { slug } } createdBy { id } related { id } absorbed { id } mergedInto { id }
    } }";
    let data = tess.data(query, json!({ "id": id })).await;
    let it = &data["vulnerability"];
    assert_eq!(
        it["location"],
        json!({ "__typename": "PackageLocation", "name": "left-pad", "version": "1.0.0", "path": "package-lock.json" })
    );
    assert_eq!(it["sources"][0]["presence"][0]["ref"]["name"], "main");
    assert_eq!(
        it["sources"][0]["presence"][0]["first"]["report"]["fileName"],
        "trivy.json"
    );
    assert_eq!(
        it["history"]["edges"][0]["node"]["events"][0]["name"],
        "created"
    );
    assert_eq!(it["history"]["totalCount"]["value"], 1);
    assert_eq!(
        it["group"],
        json!({ "slug": "shop", "organization": { "slug": "acme" } })
    );
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let place = Place::new().await;
    let report = place.filled(1, 1).await.remove(0);
    let tess = place.triager().await;
    let data = tess.data(PAGE, json!({})).await;
    let node = list(&data)["edges"][0]["node"].clone();
    let den = Resource::Group(place.evil.id, place.den.id);
    let mallory = place.actor("mallory", den, Role::Manager).await;
    let anonymous = place.anonymous();
    for (query, variables) in [
        (r#"{ organization(slug: "acme") { id } }"#.to_owned(), json!({})),
        (r#"{ group(organization: "acme", slug: "shop") { id } }"#.to_owned(), json!({})),
        ("query($id: ID!) { vulnerability(id: $id) { id } }".to_owned(), json!({ "id": node["id"] })),
        ("query($id: ID!) { finding(id: $id) { id } }".to_owned(), json!({ "id": node["finding"]["id"] })),
        ("query($id: ID!) { asset(id: $id) { id } }".to_owned(), json!({ "id": node["asset"]["id"] })),
        ("query($id: ID!) { report(id: $id) { id } }".to_owned(), json!({ "id": report.id.to_string() })),
        (
            "mutation($id: ID!) { closeVulnerability(input: { id: $id, closedReason: FIXED }) { vulnerability { id } } }".to_owned(),
            json!({ "id": node["id"] }),
        ),
    ] {
        assert_eq!(anonymous.code(&query, variables.clone()).await, "auth.required", "{query}");
        assert_eq!(mallory.code(&query, variables).await, "not_found", "{query}");
    }
    for query in [
        "{ viewer { actor } }",
        "{ organizations { edges { node { id } } } }",
        "{ formats { name } }",
        "{ users { edges { node { id } } } }",
    ] {
        assert_eq!(
            anonymous.code(query, json!({})).await,
            "auth.required",
            "{query}"
        );
    }
    // Where one may know but not act, one is told so.
    let rita = place.actor("rita", place.in_shop(), Role::Reader).await;
    let close = "mutation($id: ID!) { closeVulnerability(input: { id: $id, closedReason: FIXED }) { vulnerability { id } } }";
    assert_eq!(
        rita.code(close, json!({ "id": node["id"] })).await,
        "auth.forbidden"
    );
    let own = mallory
        .data("{ organizations { edges { node { slug } } } }", json!({}))
        .await;
    assert_eq!(
        own["organizations"]["edges"],
        json!([{ "node": { "slug": "evil" } }])
    );
}

#[tokio::test]
async fn an_owner_sees_members_and_the_audit_log_and_a_triager_does_not() {
    let place = Place::new().await;
    place.filled(1, 1).await;
    let olga = place
        .actor("olga", Resource::Organization(place.acme.id), Role::Owner)
        .await;
    let tess = place.triager().await;
    let members = r#"{ organization(slug: "acme") { permissions members(everywhere: true) { edges { node { role place user { email } } } }
        auditLog(first: 5) { edges { node { action actor subject detail at } } totalCount { value } } } }"#;
    let data = olga.data(members, json!({})).await;
    let emails: Vec<&Value> = data["organization"]["members"]["edges"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|edge| &edge["node"]["user"]["email"])
        .collect();
    assert_eq!(emails.len(), 2, "{emails:?}");
    assert!(data["organization"]["auditLog"]["totalCount"]["value"].as_u64() >= Some(3));
    assert_eq!(tess.code(members, json!({})).await, "auth.forbidden");
    let me = tess
        .data(
            "{ viewer { user { name } organizations { role groups { role group { slug } } } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        me["viewer"]["organizations"][0]["groups"][0],
        json!({ "role": "TRIAGER", "group": { "slug": "shop" } })
    );
}
