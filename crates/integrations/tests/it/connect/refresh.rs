//! Refreshing as callers see it.

use super::provider::Mood;
use super::*;

#[tokio::test]
async fn many_callers_at_once_refresh_once() {
    for stores in Stores::ALL {
        let office = Office::new(stores, json!("rotating_family_revocation")).await;
        let connected = office.connect(&office.mia, "m").await;
        office.provider.spend();
        let calls = (0..8).map(|_| office.test(&office.mia, &connected));
        for done in futures::future::join_all(calls).await {
            done.expect("works");
        }
        assert_eq!(office.provider.refreshes(), 1);
        let stored = office.credential(&connected).await;
        assert_eq!((stored.generation, stored.intent.clone()), (2, None));
    }
}

#[tokio::test]
async fn the_old_refresh_token_stays_where_the_answer_has_none() {
    let office = Office::new(Stores::Memory, json!("non_rotating")).await;
    let connected = office.connect(&office.mia, "m").await;
    let before = office.values(&connected.credential).await;
    office.provider.be(Mood::OmitsRefreshToken);
    for generation in 2..4 {
        office.provider.spend();
        office.test(&office.mia, &connected).await.expect("works");
        let stored = office.credential(&connected).await;
        let values = office.values(&stored).await;
        assert_eq!(stored.generation, generation);
        assert_eq!(values["refresh_token"], before["refresh_token"]);
        assert_ne!(values["access_token"], before["access_token"]);
    }
}

#[tokio::test]
async fn a_known_expiry_is_refreshed_ahead_and_an_unknown_one_is_not() {
    let office = Office::new(Stores::Memory, json!("rotating_family_revocation")).await;
    office.provider.say_expires_in(Some(3_600));
    let connected = office.connect(&office.mia, "m").await;
    for (advance, refreshes) in [(3_299_000, 0), (1_000, 1), (1_000, 1)] {
        office.world.clock.advance_millis(advance);
        office.test(&office.mia, &connected).await.expect("works");
        assert_eq!(office.provider.refreshes(), refreshes);
    }
    office.provider.say_expires_in(None);
    office.world.clock.advance_millis(3_600_000);
    office.test(&office.mia, &connected).await.expect("works");
    assert_eq!(office.credential(&connected).await.access_expires, None);
    office.world.clock.advance_days(400);
    office.test(&office.mia, &connected).await.expect("works");
    assert_eq!(office.provider.refreshes(), 2);
}

#[tokio::test]
async fn an_app_that_is_busy_costs_nothing_and_an_error_in_a_200_is_one() {
    let office = Office::new(Stores::Memory, json!("rotating_family_revocation")).await;
    let connected = office.connect(&office.mia, "m").await;
    office.provider.spend();
    for mood in [
        Mood::Says(429, "slow_down"),
        Mood::Says(503, "temporarily_unavailable"),
        Mood::Says(200, "temporarily_unavailable"),
        Mood::Says(401, "invalid_client"),
    ] {
        office.provider.be(mood);
        office
            .test(&office.mia, &connected)
            .await
            .expect_err("fails");
        let stored = office.credential(&connected).await;
        assert!(stored.valid && stored.intent.is_none(), "{mood:?}");
    }
    office.provider.be(Mood::Well);
    office.test(&office.mia, &connected).await.expect("works");
    office.provider.spend();
    office.provider.be(Mood::Says(200, "invalid_grant"));
    assert_eq!(
        code(office.test(&office.mia, &connected).await),
        "credential.reconnect"
    );
    assert!(!office.credential(&connected).await.valid);
}

fn token_requests(office: &Office) -> usize {
    let asked = office.world.egress.asked();
    let tokens = asked
        .iter()
        .filter(|request| request.purpose == "oauth2.token");
    tokens.count()
}

#[tokio::test]
async fn an_app_that_never_says_that_a_token_is_dead_is_asked_a_few_times_only() {
    let office = Office::new(Stores::Memory, json!("non_rotating")).await;
    let connected = office.connect(&office.mia, "m").await;
    office.provider.spend();
    // What names the request as wrong is never the token's end.
    office
        .provider
        .be(Mood::Says(400, "unsupported_grant_type"));
    for _ in 0..8 {
        let refused = office.test(&office.mia, &connected).await;
        assert_eq!(code(refused), "authorization.request");
        office.world.clock.advance_millis(180_000);
    }
    assert!(office.credential(&connected).await.valid);
    office.provider.be(Mood::Says(400, "an_error_of_its_own"));
    for _ in 0..4 {
        let refused = office.test(&office.mia, &connected).await;
        assert_eq!(code(refused), "authorization.request");
        assert!(office.credential(&connected).await.valid);
        office.world.clock.advance_millis(180_000);
    }
    let refused = office.test(&office.mia, &connected).await;
    assert_eq!(code(refused), "credential.reconnect");
    let stored = office.credential(&connected).await;
    assert!(!stored.valid && stored.message.is_some());
    // Nobody presents it any more.
    let before = token_requests(&office);
    for _ in 0..3 {
        let refused = office.test(&office.mia, &connected).await;
        assert_eq!(code(refused), "credential.reconnect");
    }
    assert_eq!(token_requests(&office), before);
    office.provider.be(Mood::Well);
    let again = office.connect(&office.mia, "m").await;
    assert_eq!(again.credential.id, connected.credential.id);
    office.test(&office.mia, &again).await.expect("works");
    assert_eq!(office.credential(&again).await.refusals, None);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_only_where_it_does_no_harm() {
    for (reuse, heals) in [
        (json!("non_rotating"), true),
        (json!({"rotating_with_leeway": {"seconds": 60}}), true),
        (json!("rotating_family_revocation"), false),
    ] {
        let office = Office::new(Stores::Memory, reuse.clone()).await;
        let connected = office.connect(&office.mia, "m").await;
        let token = office.values(&connected.credential).await["refresh_token"].clone();
        office.provider.spend();
        office.provider.be(Mood::LosesAnswer);
        let lost = office
            .test(&office.mia, &connected)
            .await
            .expect_err("fails");
        let stored = office.credential(&connected).await;
        assert_eq!(stored.valid, heals, "{reuse}");
        assert_eq!(
            lost.code() == "credential.reconnect",
            !heals,
            "{reuse}: {lost}"
        );
        assert_eq!(office.provider.refreshes(), 1);
        assert_eq!(office.values(&stored).await["refresh_token"], token);
        office.provider.be(Mood::Well);
        let again = office.test(&office.mia, &connected).await;
        // This fake takes every token once; what counts is that it was, or was not, asked.
        assert_eq!(
            office.provider.refreshes(),
            if heals { 2 } else { 1 },
            "{reuse}"
        );
        assert_eq!(code(again), "credential.reconnect");
        assert!(office.credential(&connected).await.message.is_some());
    }
}

#[tokio::test]
async fn connecting_again_heals_and_only_with_the_same_account() {
    let office = Office::new(Stores::Memory, json!("rotating_family_revocation")).await;
    let connected = office.connect(&office.mia, "m").await;
    office.provider.withdraw();
    let dead = office
        .test(&office.mia, &connected)
        .await
        .expect_err("fails");
    assert_eq!(dead.code(), "credential.reconnect");
    assert!(
        dead.message().contains("connect the account again"),
        "{dead}"
    );
    // Nobody bothers the app with it any more.
    let asked = office.provider.refreshes();
    assert_eq!(
        code(office.test(&office.mia, &connected).await),
        "credential.reconnect"
    );
    assert_eq!(office.provider.refreshes(), asked);
    let again = async |account: &str| {
        let wanted = Begin {
            entity: Some(connected.entity.id),
            ..office.begin("tracker")
        };
        let Requirements::Redirect { url, state } = begin(&office.mia, &office.apps, wanted)
            .await
            .expect("begins")
        else {
            panic!("a redirect");
        };
        let code = office.provider.agree(&url, account);
        let input = office.complete("tracker", Some(&state), json!({ "code": code }));
        complete(&office.mia, &office.apps, input).await
    };
    assert_eq!(code(again("other").await), "authorization.other_account");
    again("m").await.expect("connects");
    let stored = office.credential(&connected).await;
    assert!(stored.valid && stored.message.is_none());
    office.test(&office.mia, &connected).await.expect("works");
}

#[tokio::test]
async fn a_key_that_is_refused_is_marked_and_heals_when_it_works_again() {
    let office = Office::new(Stores::Memory, json!("non_rotating")).await;
    let input = office.complete(
        "keyed",
        None,
        json!({"site": "acme", "api_key": "key-hunter2"}),
    );
    let Completed::Connected(connected) = complete(&office.mia, &office.apps, input)
        .await
        .expect("connects")
    else {
        panic!("connected");
    };
    office.provider.withdraw();
    assert_eq!(
        code(office.test(&office.mia, &connected).await),
        "credential.reconnect"
    );
    assert!(!office.credential(&connected).await.valid);
    office.provider.allow_key("key-hunter2", "keyed-1");
    office
        .test(&office.mia, &connected)
        .await
        .expect("works again");
    assert!(office.credential(&connected).await.valid);
}
