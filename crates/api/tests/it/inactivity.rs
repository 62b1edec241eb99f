//! Members who have not come for long, through GraphQL and REST.

use gna_domain::Resource;
use gna_domain::policy::Role;
use serde_json::{Value, json};

use crate::graphql_actor::Place;
use crate::rest_actor;

const LIST: &str = "query($of: ID!, $days: Int) { inactiveMembers(organization: $of, days: $days) {
    name email place role verdict endsAt warnedAt } }";

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
    assert_eq!(now["inactiveMembers"], json!([]), "no policy says so");
    let tried = olga.data(LIST, ask(json!(14))).await["inactiveMembers"].clone();
    let mut names: Vec<&str> = tried
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["mia", "tess"], "who asks is here");
    assert!(
        tried
            .as_array()
            .expect("a list")
            .iter()
            .all(|one| one["verdict"] == "WARN")
    );
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
    place.world.clock.advance_days(25);
    let path = "/api/v2/organizations/acme/inactive-members";
    let tried = olga.get(&format!("{path}?days=14")).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    let tried = tried.json();
    assert_eq!(tried["items"][0]["email"], "tess@example.com");
    assert_eq!(tried["items"][0]["place"], place.shop.id.to_string());
    assert_eq!(tried["items"][0]["verdict"], "WARN");
    assert_eq!(olga.get(path).await.json()["items"], json!([]));
    assert_eq!(
        olga.get(&format!("{path}?days=x")).await.code(),
        "query.malformed"
    );
    assert_eq!(tess.get(path).await.status, 403);
}
