//! The programme in numbers and trials of policies, through GraphQL and REST.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_storage::backend::counting::Calls;
use gna_testkit::trivy;
use serde_json::{Value, json};

use crate::graphql_actor::Place;
use crate::rest_actor;

const NUMBERS: &str = "{ group(organization: \"acme\", slug: \"shop\") { metrics { open closed accepted overdue riskExposure
    acceptedExposure slaCompliance meanDaysToRemediate levels { level open } weeks { week created closed reopened } } } }";

#[tokio::test]
async fn numbers_cost_the_same_however_many_vulnerabilities_there_are() {
    let place = Place::new().await;
    let tess = place.triager().await;
    let mut costs: Vec<Calls> = Vec::new();
    for (vulnerabilities, assets) in [(6, 3), (60, 3)] {
        place.filled(vulnerabilities, assets).await;
        tess.data(NUMBERS, json!({})).await;
        place.world.calls.take();
        let numbers = tess.data(NUMBERS, json!({})).await["group"]["metrics"].clone();
        costs.push(place.world.calls.take());
        assert_eq!(numbers["open"], vulnerabilities);
        assert_eq!(
            numbers["levels"][1],
            json!({ "level": "HIGH", "open": vulnerabilities })
        );
        assert_eq!(numbers["slaCompliance"], 1.0);
        assert!(
            numbers["riskExposure"]
                .as_f64()
                .is_some_and(|risk| risk > 1.0)
        );
        assert_eq!(numbers["weeks"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(
        costs[0], costs[1],
        "nothing is counted when it is asked for"
    );
    let everywhere = "{ organization(slug: \"acme\") { metrics { open levels { open } } } }";
    let all = tess.data(everywhere, json!({})).await;
    assert_eq!(all["organization"]["metrics"]["open"], 60);
}

const TRIAL: &str = "query($place: PlaceInput!, $policy: PolicyInput!) { policyTrial(place: $place, policy: $policy) {
    examined changed total { value } effects { effect count examples } next } }";

#[tokio::test]
async fn a_policy_is_tried_before_it_is_set() {
    let place = Place::new().await;
    place.filled(12, 3).await;
    let mara = place.actor("mara", place.in_shop(), Role::Manager).await;
    let tess = place.triager().await;
    let shop = mara
        .data(
            "{ group(organization: \"acme\", slug: \"shop\") { id version } }",
            json!({}),
        )
        .await["group"]
        .clone();
    let ask = |policy: Value| json!({ "place": { "group": shop["id"] }, "policy": policy });
    let tried = mara
        .data(
            TRIAL,
            ask(json!({ "slaDaysHigh": 30, "gateThreshold": 9.9 })),
        )
        .await;
    let tried = &tried["policyTrial"];
    assert_eq!(
        (&tried["examined"], &tried["changed"]),
        (&json!(12), &json!(12))
    );
    assert_eq!(tried["total"]["value"], 12);
    let effects: Vec<(&Value, &Value)> = tried["effects"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|of| (&of["effect"], &of["count"]))
        .collect();
    let (due, spared, all) = (json!("GETS_DUE_DATE"), json!("SPARED_BY_GATE"), json!(12));
    assert_eq!(effects, [(&due, &all), (&spared, &all)]);
    assert_eq!(
        tried["effects"][0]["examples"].as_array().map(Vec::len),
        Some(10)
    );
    let contradiction = ask(json!({ "gateGraceDays": 9, "gateDebtDays": 3 }));
    assert_eq!(
        mara.code(TRIAL, contradiction).await,
        "policy.contradiction"
    );
    assert_eq!(tess.code(TRIAL, ask(json!({}))).await, "auth.forbidden");
    let after = mara
        .data(
            "{ group(organization: \"acme\", slug: \"shop\") { version } }",
            json!({}),
        )
        .await;
    assert_eq!(
        after["group"]["version"], shop["version"],
        "nothing was set"
    );
}

#[tokio::test]
async fn due_dates_are_filtered_and_sorted_by() {
    let place = Place::new().await;
    place.filled(6, 3).await;
    let mara = place.actor("mara", place.in_shop(), Role::Manager).await;
    let find = "query($filter: VulnerabilityFilter) { group(organization: \"acme\", slug: \"shop\") { id
        vulnerabilities(filter: $filter, orderBy: { field: DUE, direction: ASC }) { edges { node { dueAt } } totalCount { value } } } }";
    let before = json!({ "filter": { "dueBefore": "2099-01-01T00:00:00Z" } });
    let none = mara.data(find, before.clone()).await["group"].clone();
    assert_eq!(
        none["vulnerabilities"]["totalCount"]["value"], 0,
        "no term is set"
    );
    let set =
        "mutation($input: UpdateGroupInput!) { updateGroup(input: $input) { group { version } } }";
    let policy = json!({ "input": { "id": none["id"], "policy": { "slaDaysHigh": 30 } } });
    mara.data(set, policy).await;
    place.world.run_jobs().await.expect("indexes");
    let due = mara.data(find, before).await["group"]["vulnerabilities"].clone();
    assert_eq!(due["totalCount"]["value"], 6);
    let dates: Vec<&str> = due["edges"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|edge| edge["node"]["dueAt"].as_str())
        .collect();
    assert!(dates.len() == 6 && dates.is_sorted(), "{dates:?}");
    let after = json!({ "filter": { "dueAfter": "2099-01-01T00:00:00Z" } });
    let late = mara.data(find, after).await["group"]["vulnerabilities"].clone();
    assert_eq!(late["totalCount"]["value"], 0);
}

#[tokio::test]
async fn groups_that_share_a_tag_are_a_portfolio() {
    let place = Place::new().await;
    place.filled(6, 3).await;
    place.world.group(&place.acme, "bank").await;
    let acme = Resource::Organization(place.acme.id);
    let olga = place.actor("olga", acme, Role::Owner).await;
    let tess = place.triager().await;
    let groups = "{ organization(slug: \"acme\") { groups { edges { node { id } } } } }";
    let groups = olga.data(groups, json!({})).await["organization"]["groups"]["edges"].clone();
    let set =
        "mutation($input: UpdateGroupInput!) { updateGroup(input: $input) { group { tags } } }";
    for edge in groups.as_array().expect("a list") {
        let input =
            json!({ "input": { "id": edge["node"]["id"], "tags": ["Online", " online "] } });
        let set = olga.data(set, input).await;
        assert_eq!(set["updateGroup"]["group"]["tags"], json!(["online"]));
    }
    let show = "{ organization(slug: \"acme\") { portfolios { edges { node { tag groups { slug } metrics { open } } } } } }";
    let seen = olga.data(show, json!({})).await["organization"]["portfolios"]["edges"].clone();
    let all = json!([{ "tag": "online", "groups": [{ "slug": "bank" }, { "slug": "shop" }], "metrics": { "open": 6 } }]);
    assert_eq!(seen, json!([{ "node": all[0] }]));
    let hers = tess.data(show, json!({})).await["organization"]["portfolios"]["edges"].clone();
    assert_eq!(
        hers[0]["node"]["groups"],
        json!([{ "slug": "shop" }]),
        "only what she may see"
    );
    let id = &groups[0]["node"]["id"];
    let input = json!({ "input": { "id": id, "tags": ["x"] } });
    let refused = tess.code(set, input).await;
    assert!(
        ["auth.forbidden", "not_found"].contains(&refused.as_str()),
        "{refused}"
    );
}

#[tokio::test]
async fn rest_tries_policies_and_counts_portfolios() {
    let place = rest_actor::Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let olga = place.olga().await;
    let mara = place.actor("mara", shop, Role::Manager).await;
    let tess = place.tess().await;
    let upload = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
    let bytes = [("content-type", "application/octet-stream")];
    let report = trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")]);
    mara.send("POST", upload, &bytes, report).await;
    place.world.run_jobs().await.expect("imports");

    let of_group = format!("/api/v2/groups/{}/policy-trials", place.shop.id);
    let stricter = json!({ "policy": { "sla_days_high": 30, "gate_threshold": null } });
    let tried = mara.post(&of_group, &stricter).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    let tried = tried.json();
    assert_eq!(
        (&tried["examined"], &tried["total"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(tried["effects"][0]["effect"], "GETS_DUE_DATE");
    assert_eq!(
        (&tried["total_is_bound"], &tried["next"]),
        (&json!(false), &Value::Null)
    );
    let everywhere = "/api/v2/organizations/acme/policy-trials";
    assert_eq!(olga.post(everywhere, &stricter).await.json()["changed"], 1);
    assert_eq!(mara.post(everywhere, &stricter).await.status, 403);
    assert_eq!(tess.post(&of_group, &stricter).await.status, 403);
    for (wrong, code) in [
        (
            json!({ "gate_grace_days": 9, "gate_debt_days": 3 }),
            "policy.contradiction",
        ),
        (json!({ "gate_threshold": 11 }), "policy.range"),
        (json!({ "no_such_field": 1 }), "body.malformed"),
        (json!({ "sla_days_high": "soon" }), "body.malformed"),
    ] {
        let refused = mara.post(&of_group, &json!({ "policy": wrong })).await;
        assert_eq!(refused.code(), code, "{}", refused.text);
    }

    let id = place.shop.id;
    let tagged = gna_domain::service::group::UpdateGroup {
        tags: Some(vec![
            "online".to_owned(),
            "core~2".to_owned(),
            "x".to_owned(),
        ]),
        ..Default::default()
    };
    gna_domain::service::group::update(&place.world.system(), id, tagged)
        .await
        .expect("is tagged");
    let all = tess
        .get("/api/v2/organizations/acme/portfolios")
        .await
        .json();
    let tags = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("a list");
        let tags = items.iter().filter_map(|item| item["tag"].as_str());
        tags.map(str::to_owned).collect()
    };
    assert_eq!(tags(&all), ["core~2", "online", "x"]);
    assert_eq!(all["items"][1]["groups"][0]["slug"], "shop");
    let mut paged = Vec::new();
    let mut next = String::new();
    for _ in 0..3 {
        let path = format!("/api/v2/organizations/acme/portfolios?first=1&after={next}");
        let page = tess.get(&path).await.json();
        paged.extend(tags(&page));
        next = page["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((paged, next), (tags(&all), String::new()));
    // A tag that looks like a cursor is none.
    let ask = "query($after: String) { organization(slug: \"acme\") { portfolios(first: 1, after: $after) {
        edges { cursor node { tag } } pageInfo { hasNextPage } } } }";
    let mut after = Value::Null;
    for (tag, more) in [("core~2", true), ("online", true), ("x", false)] {
        let body = json!({ "query": ask, "variables": { "after": after } });
        let page =
            tess.post("/api", &body).await.json()["data"]["organization"]["portfolios"].take();
        assert_eq!(page["edges"][0]["node"]["tag"], tag, "{page}");
        assert_eq!(page["pageInfo"]["hasNextPage"], more, "{page}");
        after = page["edges"][0]["cursor"].clone();
    }
    let numbers = "/api/v2/organizations/acme/portfolios/online/metrics";
    assert_eq!(tess.get(numbers).await.json()["open"], 1);
    let none = tess
        .get("/api/v2/organizations/acme/portfolios/none/metrics")
        .await;
    assert_eq!(none.status, 404);
    assert_eq!(place.eve().await.get(numbers).await.status, 404);
}
