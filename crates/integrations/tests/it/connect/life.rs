//! From the first click to the end of a connection.

use super::*;
use gna_domain::connect::ConnectedEntity;
use gna_domain::model::AuditEntry;
use gna_domain::page::PageRequest;

async fn stored_text(office: &Office) -> String {
    let store = office.world.ports.store.as_ref();
    let mut text = String::new();
    for collection in ["credential", "entity", "authorization", "audit", "data_key"] {
        let page = store.scan(collection, &PageRequest::first(1_000)).await;
        for raw in page.expect("scans").items {
            text.push_str(&String::from_utf8_lossy(&raw.body));
        }
    }
    let feed = store.feed(None, 1_000).await.expect("a feed");
    text.push_str(&format!("{feed:?}"));
    text
}

#[tokio::test]
async fn an_account_is_connected_by_a_code_and_found_again_the_second_time() {
    for stores in Stores::ALL {
        let office = Office::new(stores, json!("rotating_family_revocation")).await;
        let first = office.connect(&office.mia, "mia-1").await;
        assert!(first.is_new);
        assert_eq!(first.entity.name, "mia-1@tracker");
        assert_eq!(first.entity.properties["site"], "eu");
        assert_eq!(
            first.credential.access_expires, None,
            "what is not said is not known"
        );
        office.test(&office.mia, &first).await.expect("works");
        let second = office.connect(&office.mia, "mia-1").await;
        assert!(!second.is_new);
        assert_eq!(
            (first.entity.id, first.credential.id),
            (second.entity.id, second.credential.id)
        );
        assert_eq!(second.credential.generation, 2);
        let values = office.values(&second.credential).await;
        assert_ne!(values, office.values(&first.credential).await);
        let other = office.connect(&office.mia, "mia-2").await;
        assert_ne!(other.entity.id, first.entity.id);
        let text = stored_text(&office).await;
        assert!(
            text.contains("mia-1@tracker") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(!format!("{first:?}").contains("hunter2"));
        let audit = repo::all_children::<AuditEntry>(
            office.world.ports.store.as_ref(),
            &office.acme.id.to_string(),
        )
        .await
        .expect("reads");
        let verbs = audit.iter().map(|entry| entry.action.as_str());
        let verbs: Vec<&str> = verbs.filter(|verb| verb.starts_with("entity.")).collect();
        assert_eq!(
            verbs,
            ["entity.connected", "entity.reconnected", "entity.connected"]
        );
    }
}

#[tokio::test]
async fn a_state_counts_once_and_for_whoever_began() {
    let office = Office::new(Stores::Memory, json!("non_rotating")).await;
    let (url, state) = office.redirected(&office.mia).await;
    let given = |state: Option<&Secret>, account: &str| {
        let code = office.provider.agree(&url, account);
        office.complete("tracker", state, json!({ "code": code }))
    };
    let stolen = complete(&office.olga, &office.apps, given(Some(&state), "m")).await;
    assert_eq!(code(stolen), "authorization.expired");
    let wrong = Secret::new("wrong");
    let guessed = complete(&office.mia, &office.apps, given(Some(&wrong), "m")).await;
    assert_eq!(code(guessed), "authorization.expired");
    let input = given(Some(&state), "m");
    complete(&office.mia, &office.apps, input.clone())
        .await
        .expect("connects");
    assert_eq!(
        code(complete(&office.mia, &office.apps, input).await),
        "authorization.expired"
    );
    let (url, state) = office.redirected(&office.mia).await;
    office.world.clock.advance_millis(600_000);
    let late = office.provider.agree(&url, "m");
    let input = office.complete("tracker", Some(&state), json!({ "code": late }));
    assert_eq!(
        code(complete(&office.mia, &office.apps, input).await),
        "authorization.expired"
    );
}

#[tokio::test]
async fn a_client_that_drops_the_state_is_served_while_there_is_no_doubt() {
    let office = Office::new(Stores::Memory, json!("non_rotating")).await;
    let (url, _) = office.redirected(&office.mia).await;
    let without = |url: &str| {
        let code = office.provider.agree(url, "m");
        office.complete("tracker", None, json!({ "code": code }))
    };
    complete(&office.mia, &office.apps, without(&url))
        .await
        .expect("connects");
    let (first, _) = office.redirected(&office.mia).await;
    office.redirected(&office.mia).await;
    assert_eq!(
        code(complete(&office.mia, &office.apps, without(&first)).await),
        "authorization.ambiguous"
    );
    // A code that was given for the flow of another does not fit the verifier.
    let (_, state) = office.redirected(&office.olga).await;
    let foreign = office.provider.agree(&first, "m");
    let input = office.complete("tracker", Some(&state), json!({ "code": foreign }));
    assert_eq!(
        code(complete(&office.olga, &office.apps, input).await),
        "authorization.refused"
    );
}

#[tokio::test]
async fn what_fails_leaves_nothing_behind() {
    let office = Office::new(Stores::Memory, json!("non_rotating")).await;
    let wrong = office.complete(
        "keyed",
        None,
        json!({"site": "acme", "api_key": "wrong-hunter2"}),
    );
    let refused = complete(&office.mia, &office.apps, wrong)
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), "app.unauthorized");
    assert!(!refused.message().contains("hunter2"), "{refused}");
    for (data, field) in [
        (json!({"site": "evil.example/", "api_key": "k"}), "site"),
        (json!({"site": "acme"}), "api_key"),
    ] {
        let input = office.complete("keyed", None, data);
        let refused = complete(&office.mia, &office.apps, input)
            .await
            .expect_err("refused");
        assert_eq!(
            (refused.code(), refused.field()),
            ("form.invalid", Some(field))
        );
    }
    let text = stored_text(&office).await;
    assert!(!text.contains("keyed"), "{text}");
    let right = office.complete(
        "keyed",
        None,
        json!({"site": "acme", "api_key": "key-hunter2"}),
    );
    let done = complete(&office.mia, &office.apps, right)
        .await
        .expect("connects");
    assert!(
        matches!(done, Completed::Connected(connected) if connected.entity.external_id == "keyed-1")
    );
    let unknown = begin(&office.mia, &office.apps, office.begin("nowhere")).await;
    assert_eq!(code(unknown), "module.unknown");
}

#[tokio::test]
async fn owners_see_all_members_their_own_and_strangers_nothing() {
    let office = Office::new(Stores::Memory, json!("non_rotating")).await;
    let mias = office.connect(&office.mia, "m").await;
    let olgas = office.connect(&office.olga, "o").await;
    let names = async |ctx: &Ctx| {
        let page = entity::list(ctx, office.acme.id, PageRequest::first(10)).await;
        page.map(|page| {
            page.items
                .iter()
                .map(|entity| entity.external_id.clone())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(names(&office.olga).await.expect("lists"), ["m", "o"]);
    assert_eq!(names(&office.mia).await.expect("lists"), ["m"]);
    let evil = office.world.organization("evil").await;
    let eve = office.world.in_organization(&evil, Role::Owner);
    assert_eq!(code(names(&eve).await), "not_found");
    assert_eq!(
        code(names(&office.world.anonymous()).await),
        "auth.required"
    );
    for ctx in [&eve, &office.mia] {
        assert_eq!(code(entity::get(ctx, olgas.entity.id).await), "not_found");
        assert_eq!(code(office.test(ctx, &olgas).await), "not_found");
        let gone = entity::disconnect(ctx, &office.apps, olgas.entity.id).await;
        assert_eq!(code(gone), "not_found");
        let masked = credential::get(ctx, &office.apps, olgas.credential.id).await;
        assert_eq!(code(masked), "not_found");
    }
    assert_eq!(
        entity::get(&office.olga, mias.entity.id)
            .await
            .expect("is seen")
            .id,
        mias.entity.id
    );
    // Members connect nothing for the organization.
    let shared = Begin {
        shared: true,
        ..office.begin("tracker")
    };
    assert_eq!(
        code(begin(&office.mia, &office.apps, shared).await),
        "auth.forbidden"
    );
    let choices = entity::options(&office.mia, &office.apps, mias.entity.id).await;
    assert_eq!(
        choices
            .expect("lists")
            .first()
            .map(|choice| choice.title.clone()),
        Some("Seven".to_owned())
    );
}

#[tokio::test]
async fn disconnecting_leaves_no_secret_and_tells_the_app() {
    for stores in Stores::ALL {
        let office = Office::new(stores, json!("non_rotating")).await;
        let connected = office.connect(&office.mia, "m").await;
        let values = office.values(&connected.credential).await;
        let used = credential::delete(&office.mia, &office.apps, connected.credential.id, false);
        assert_eq!(code(used.await), "credential.in_use");
        entity::disconnect(&office.mia, &office.apps, connected.entity.id)
            .await
            .expect("disconnects");
        let store = office.world.ports.store.as_ref();
        let credential = repo::get::<Credential>(store, connected.credential.id).await;
        assert!(credential.expect("reads").is_none());
        let entity = repo::get::<ConnectedEntity>(store, connected.entity.id).await;
        assert!(entity.expect("reads").is_none());
        let told = office.provider.revoked();
        assert_eq!(json!(told), json!([values["refresh_token"]]));
        let again = entity::disconnect(&office.mia, &office.apps, connected.entity.id).await;
        assert_eq!(code(again), "not_found");
    }
}
