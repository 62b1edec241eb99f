//! Members who have not come for long, through GraphQL and REST.

use gna_domain::Resource;
use gna_domain::policy::Role;
use serde_json::{Value, json};

use crate::graphql_actor::Place;
use crate::rest_actor;

const LIST: &str = "query($of: ID!, $days: Int, $first: Int, $after: String) {
    inactiveMembers(organization: $of, days: $days, first: $first, after: $after) {
        edges { cursor node { name email place role verdict endsAt warnedAt } }
        pageInfo { hasNextPage endCursor } totalCount { value relation } } }";

#[tokio::test]
async fn an_owner_sees_whom_a_policy_would_remove() {
    let place = Place::new().await;
    let acme = Resource::Organization(place.acme.id);
    let olga = place.actor("olga", acme, Role::Owner).await;
    let mia = place.actor("mia", acme, Role::Member).await;
    let tess = place.triager().await;
    place.world.clock.advance_days(25);
    let ask = |days: Value| json!({ "of": place.acme.id.to_string(), "days": days });
    let now = olga.data(LIST, ask(Value::Null)).await;
    assert_eq!(
        now["inactiveMembers"]["edges"],
        json!([]),
        "no policy says so"
    );
    let tried = olga.data(LIST, ask(json!(14))).await["inactiveMembers"].take();
    assert_eq!(
        tried["totalCount"],
        json!({ "value": 2, "relation": "EXACT" })
    );
    let edges = tried["edges"].as_array().expect("a list");
    let mut names: Vec<&str> = edges
        .iter()
        .filter_map(|edge| edge["node"]["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["mia", "tess"], "who asks is here");
    assert!(edges.iter().all(|edge| edge["node"]["verdict"] == "WARN"));

    // The same, one by one.
    let mut one = ask(json!(14));
    one["first"] = json!(1);
    let first = olga.data(LIST, one.clone()).await["inactiveMembers"].take();
    assert_eq!(first["edges"][0]["node"], edges[0]["node"]);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    one["after"] = first["pageInfo"]["endCursor"].clone();
    let second = olga.data(LIST, one.clone()).await["inactiveMembers"].take();
    assert_eq!(second["edges"][0]["node"], edges[1]["node"]);
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    one["first"] = json!(201);
    assert_eq!(olga.code(LIST, one).await, "page.first");

    assert_eq!(olga.code(LIST, ask(json!(13))).await, "policy.range");
    for who in [&mia, &tess] {
        assert_eq!(who.code(LIST, ask(json!(14))).await, "auth.forbidden");
    }
}

#[tokio::test]
async fn rest_says_the_same() {
    let place = rest_actor::Place::new().await;
    let olga = place.olga().await;
    let tess = place.tess().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    place.actor("rita", shop, Role::Reader).await;
    place.world.clock.advance_days(25);
    let path = "/api/v2/organizations/acme/inactive-members";
    let tried = olga.get(&format!("{path}?days=14")).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    let tried = tried.json();
    let items = tried["items"].as_array().expect("a list");
    let mut emails: Vec<&str> = items.iter().filter_map(|of| of["email"].as_str()).collect();
    emails.sort_unstable();
    assert_eq!(emails, ["rita@example.com", "tess@example.com"]);
    assert_eq!(tried["items"][0]["place"], place.shop.id.to_string());
    assert_eq!(tried["items"][0]["verdict"], "WARN");
    assert_eq!(tried["next"], Value::Null);

    let first = olga.get(&format!("{path}?days=14&first=1")).await.json();
    assert_eq!(first["items"], json!([items[0]]));
    let next = first["next"].as_str().expect("one follows");
    let second = olga
        .get(&format!("{path}?days=14&first=1&after={next}"))
        .await
        .json();
    assert_eq!(second["items"], json!([items[1]]));
    assert_eq!(second["next"], Value::Null);
    assert_eq!(
        olga.get(&format!("{path}?first=501")).await.code(),
        "query.malformed"
    );

    assert_eq!(olga.get(path).await.json()["items"], json!([]));
    assert_eq!(
        olga.get(&format!("{path}?days=x")).await.code(),
        "query.malformed"
    );
    assert_eq!(tess.get(path).await.status, 403);
}
