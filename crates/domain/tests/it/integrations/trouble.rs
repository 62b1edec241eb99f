//! What does not work: accounts, apps, recipes, and people who may not.

use super::*;
use gna_domain::error::Kind;
use gna_domain::service::connect::entity;
use gna_domain::service::connect::integration::work;
use gna_domain::service::user;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn work_for_an_account_that_does_not_work_waits_and_is_done_when_it_is_connected_again() {
    let office = Office::new().await;
    let made = office.made().await;
    let shop = office.start.shop.id;
    office.apps.is_locked.store(true, Ordering::SeqCst);
    office
        .herald
        .fails(|| Error::new(Kind::Upstream, "credential.reconnect", "connect it again"));
    office.scan(shop, &["one"]).await;
    let ill = office.now(&made).await;
    assert_eq!(ill.status, Status::Error);
    assert_eq!(ill.messages.errors.len(), 1);
    assert_eq!(ill.messages.errors[0].message, "connect it again");
    // Hours of it say the same once, and no look piles up.
    office.wait(180).await;
    assert_eq!(office.now(&made).await.messages.errors.len(), 1);
    assert!(office.dead().await.is_empty());
    office.herald.heard();
    // Somebody connects the account again.
    office.apps.is_locked.store(false, Ordering::SeqCst);
    office.herald.recovers();
    connect(
        &office.ada,
        office.apps.as_ref(),
        office.start.acme.id,
        true,
    )
    .await;
    office.dispatch().await;
    office.work().await;
    let well = office.now(&made).await;
    assert_eq!(
        (well.status, well.messages.errors.len()),
        (Status::Enabled, 0)
    );
    office.wait(11).await;
    let heard = office.herald.heard();
    assert!(
        heard.contains(&"vulnerability.created".to_owned()),
        "{heard:?}"
    );
}

#[tokio::test]
async fn what_nobody_sees_to_for_weeks_is_dropped_and_said() {
    let office = Office::new().await;
    let made = office.made().await;
    office.apps.is_locked.store(true, Ordering::SeqCst);
    office
        .herald
        .fails(|| Error::new(Kind::Upstream, "credential.reconnect", "connect it again"));
    office.scan(office.start.shop.id, &["one", "two"]).await;
    let waiting = async || {
        let jobs = office.all::<Job>("job").await;
        let kept = |job: &&Job| job.kind == work::EVENTS && job.queue.is_some();
        jobs.iter().filter(kept).count()
    };
    let day = 24 * 60 * MINUTE;
    for _ in 0..13 {
        office.start.world.clock.advance_millis(day);
        office.work().await;
    }
    assert!(waiting().await > 0, "two weeks it waits");
    for _ in 0..3 {
        office.start.world.clock.advance_millis(day);
        office.work().await;
    }
    assert_eq!(waiting().await, 0);
    let messages = office.now(&made).await.messages;
    let said = messages
        .errors
        .iter()
        .any(|error| error.message.contains("14 days"));
    assert!(said, "{messages:?}");
    assert!(office.dead().await.is_empty());
}

#[tokio::test]
async fn an_account_that_works_again_does_not_hide_what_is_not_configured() {
    let office = Office::new().await;
    let made = office.made().await;
    let test = || integration::test(&office.ada, office.apps.as_ref(), made.id);
    office.apps.is_locked.store(true, Ordering::SeqCst);
    assert_eq!(code(test().await), "app.unauthorized");
    let bare = map(json!({"project": null}));
    integration::configure(&office.ada, office.recipes.as_ref(), made.id, &bare)
        .await
        .expect("may be taken back");
    assert_eq!(office.now(&made).await.status, Status::Error);
    office.apps.is_locked.store(false, Ordering::SeqCst);
    test().await.expect("works again");
    assert_eq!(office.now(&made).await.status, Status::NeedsConfig);
}

#[tokio::test]
async fn a_test_that_succeeds_heals_it_and_one_that_fails_says_so() {
    let office = Office::new().await;
    let made = office.made().await;
    let test = || integration::test(&office.ada, office.apps.as_ref(), made.id);
    test().await.expect("works");
    office.apps.is_locked.store(true, Ordering::SeqCst);
    assert_eq!(code(test().await), "app.unauthorized");
    assert_eq!(office.now(&made).await.status, Status::Error);
    office.apps.is_locked.store(false, Ordering::SeqCst);
    test().await.expect("works again");
    assert_eq!(office.now(&made).await.status, Status::Enabled);
}

#[tokio::test]
async fn an_app_that_refuses_makes_a_dead_letter_and_one_out_of_order_is_tried_again() {
    let office = Office::new().await;
    let made = office.made().await;
    let shop = office.start.shop.id;
    office
        .herald
        .fails(|| Error::new(Kind::Upstream, "app.refused", "the title is too long"));
    office.scan(shop, &["one"]).await;
    let told = office.now(&made).await;
    assert_eq!(told.status, Status::Enabled, "no fault of the account");
    assert_eq!(told.messages.errors[0].message, "the title is too long");
    office
        .herald
        .fails(|| Error::new(Kind::Upstream, "app.unavailable", "out of order"));
    office.scan(shop, &["one", "two"]).await;
    office.herald.recovers();
    office.wait(30).await;
    let heard = office.herald.heard();
    assert!(
        heard.contains(&"vulnerability.created".to_owned()),
        "{heard:?}"
    );
    assert!(office.now(&made).await.messages.errors.is_empty());
}

#[tokio::test]
async fn a_throttled_app_is_left_alone_for_as_long_as_it_asks() {
    let office = Office::new().await;
    office.made().await;
    let shop = office.start.shop.id;
    let slow = || Error::new(Kind::Upstream, "app.throttled", "slow down").after_seconds(600);
    office.herald.fails(slow);
    office.scan(shop, &["one"]).await;
    office.herald.recovers();
    office.start.world.clock.advance_millis(9 * MINUTE);
    office.work().await;
    assert!(office.herald.heard().is_empty());
    office.start.world.clock.advance_millis(MINUTE);
    office.work().await;
    assert_eq!(office.herald.heard(), ["vulnerability.created"]);
}

#[tokio::test]
async fn a_look_that_fails_is_told_and_comes_again_without_a_dead_letter() {
    let office = Office::new().await;
    let made = office.made().await;
    office
        .herald
        .fails(|| Error::invalid("some.defect", "no such board"));
    office.wait(60).await;
    assert!(office.dead().await.is_empty());
    let told = office.now(&made).await;
    assert_eq!(told.messages.errors.len(), 1);
    office.herald.recovers();
    office.wait(6).await;
    assert!(office.now(&made).await.messages.errors.is_empty());
    assert!(office.herald.heard().contains(&"tick".to_owned()));
}

#[tokio::test]
async fn a_disconnected_account_stops_it_with_a_message() {
    let office = Office::new().await;
    let made = office.made().await;
    entity::disconnect(&office.ada, office.apps.as_ref(), office.entity)
        .await
        .expect("disconnects");
    let act = integration::act(
        &office.ada,
        office.apps.as_ref(),
        office.recipes.as_ref(),
        made.id,
        "COUNT",
        &Value::Null,
    )
    .await;
    assert_eq!(code(act), "integration.account_missing");
    assert_eq!(office.now(&made).await.status, Status::Error);
}

#[tokio::test]
async fn nobody_gets_more_by_an_integration_than_they_have() {
    let office = Office::new().await;
    let made = office.made().await;
    let (signed_in, mia) = office.mia(Role::Reader).await;
    let own = connect(&mia, office.apps.as_ref(), office.start.acme.id, false).await;
    let hers = NewIntegration {
        owner: Owner::User(signed_in.user.id),
        entities: vec![own],
        ..office.wanted()
    };
    // Not for all groups, not in somebody else's name, not with somebody else's account, not in
    // groups that are hidden from her.
    let all = NewIntegration {
        group: None,
        ..hers.clone()
    };
    assert_eq!(code(office.create(&mia, all).await), "auth.forbidden");
    let shared = NewIntegration {
        owner: Owner::Organization,
        ..hers.clone()
    };
    assert_eq!(code(office.create(&mia, shared).await), "auth.forbidden");
    let borrowed = NewIntegration {
        entities: vec![office.entity],
        ..hers.clone()
    };
    assert_eq!(code(office.create(&mia, borrowed).await), "not_found");
    let secret = office.start.world.group(&office.start.acme, "secret").await;
    let hidden = NewIntegration {
        group: Some(secret.id),
        ..hers.clone()
    };
    assert_eq!(code(office.create(&mia, hidden).await), "not_found");
    let nowhere = integration::get(&mia, made.id).await;
    assert_eq!(code(nowhere), "not_found");
    assert_eq!(code(integration::delete(&mia, made.id).await), "not_found");
    assert_eq!(
        code(integration::get(&office.start.world.anonymous(), made.id).await),
        "auth.required"
    );
    let listed = integration::list(&mia, office.start.acme.id, PageRequest::first(10)).await;
    assert!(listed.expect("lists her own").items.is_empty());
    // What is hers works, until she may no longer see the group.
    let hers = office.create(&mia, hers).await.expect("is made");
    office.work().await;
    office.herald.heard();
    let shop = office.start.shop.id;
    office.scan(shop, &["one"]).await;
    assert_eq!(
        office.herald.heard(),
        ["vulnerability.created", "vulnerability.created"]
    );
    let ada = office.start.ada().await;
    gna_domain::service::member::remove(&ada, office.start.shop(), signed_in.user.id)
        .await
        .expect("removes");
    office.scan(shop, &["one", "two"]).await;
    assert_eq!(
        office.herald.heard(),
        ["vulnerability.created"],
        "only Ada's"
    );
    let stopped = office.now(&hers).await;
    assert_eq!(stopped.status, Status::Error);
    assert_eq!(office.now(&made).await.status, Status::Enabled);
}

#[tokio::test]
async fn it_stops_when_whoever_it_acts_for_is_locked_out() {
    let office = Office::new().await;
    let (signed_in, mia) = office.mia(Role::Manager).await;
    let own = connect(&mia, office.apps.as_ref(), office.start.acme.id, false).await;
    let hers = NewIntegration {
        owner: Owner::User(signed_in.user.id),
        entities: vec![own],
        ..office.wanted()
    };
    let made = office.create(&mia, hers).await.expect("may");
    let admin = office.start.world.system();
    user::disable(&admin, signed_in.user.id).await.expect("may");
    office.herald.heard();
    office.scan(office.start.shop.id, &["one"]).await;
    assert_eq!(office.herald.heard(), Vec::<String>::new());
    let now = office.now(&made).await;
    assert_eq!(now.status, Status::Error);
    assert!(now.messages.errors[0].message.contains("disabled"));
}
