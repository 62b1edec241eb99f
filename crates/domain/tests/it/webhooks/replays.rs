//! Sending what failed once more, when there is much of it.

use gna_domain::model::DELIVERY_KEPT_MS;
use gna_domain::port::store::ChangeSet;
use gna_domain::service::webhook::delivery::REPLAY_LOOK;

use super::*;

#[tokio::test]
async fn a_replay_looks_at_so_many_per_call_and_the_next_one_goes_on() {
    let scene = Scene::new().await;
    scene.answers(200);
    let (_, made) = scene.endpoint(NewEndpoint::default()).await;
    let ports = &scene.world.ports;
    // One that failed, behind more than one call looks at, and one in front of them.
    let mut first = delivery::test(&scene.olga, made.id).await.expect("may");
    scene.world.run_jobs().await.expect("sends");
    first = gna_domain::port::repo::get_keys::<Delivery>(
        ports.store.as_ref(),
        &[Delivery::key_of(made.id, first.id)],
    )
    .await
    .expect("reads")
    .remove(0)
    .expect("is there");
    let copies = REPLAY_LOOK + 5;
    let mut all = Vec::new();
    for number in 0..copies {
        scene.world.clock.advance_millis(1);
        let now = scene.world.system().now();
        let failed = number == 0 || number == copies - 1;
        all.push(Delivery {
            id: gna_domain::rules::webhook::delivery_id(&number.to_string(), now, made.id),
            state: match failed {
                true => DeliveryState::Failed,
                false => DeliveryState::Delivered,
            },
            created: now,
            ..first.value.clone()
        });
    }
    for some in all.chunks(50) {
        let mut changes = ChangeSet::new();
        for delivery in some {
            changes.create(delivery, None).expect("json");
        }
        ports.store.commit(changes).await.expect("commits");
    }
    let since = Timestamp::from_millis(scene.world.system().now().millis() - DELIVERY_KEPT_MS);
    scene.world.calls.take();
    let near = delivery::replay_failed(&scene.olga, made.id, since, None)
        .await
        .expect("may");
    let ranges = scene.world.calls.take().query_many;
    assert_eq!(near.messages, 1, "the newest");
    assert!(ranges <= 10, "{ranges}");
    let next = near.next.expect("there are more");
    let far = delivery::replay_failed(&scene.olga, made.id, since, Some(next))
        .await
        .expect("may");
    assert_eq!((far.messages, far.next), (1, None), "the oldest");
    scene.world.run_jobs().await.expect("sends");
    assert_eq!(scene.world.egress.asked().len(), 3);

    // What lies before the time is not looked at.
    let now = scene.world.system().now().plus_millis(1);
    let none = delivery::replay_failed(&scene.olga, made.id, now, None)
        .await
        .expect("may");
    assert_eq!((none.messages, none.next), (0, None));
}
