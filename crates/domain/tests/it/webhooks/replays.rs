//! Sending what failed once more, when there is much of it.

use async_trait::async_trait;
use gna_domain::model::DELIVERY_KEPT_MS;
use gna_domain::port::Store;
use gna_domain::port::store::ChangeSet;
use gna_domain::service::webhook::delivery::REPLAY_LOOK;
use gna_testkit::{AtCommit, StoreBetween};
use std::sync::Mutex;

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

/// Removes a delivery at the moment at which somebody would change it.
struct Forgetful {
    inner: Arc<dyn Store>,
    gone: Mutex<Option<Stored<Delivery>>>,
}

#[async_trait]
impl AtCommit for Forgetful {
    async fn before(&self, changes: &ChangeSet) -> Result<()> {
        let gone = {
            let mut gone = self.gone.lock().expect("nobody panics");
            let is_meant = |gone: &mut Stored<Delivery>| {
                let key = Delivery::key_of(gone.endpoint, gone.id);
                changes.writes.iter().any(|write| write.key == key)
            };
            gone.take_if(is_meant)
        };
        let Some(gone) = gone else { return Ok(()) };
        let mut forget = ChangeSet::new();
        forget.delete(&gone, None);
        self.inner.commit(forget).await.map(|_| ())
    }
}

#[tokio::test]
async fn what_is_not_kept_any_more_keeps_nothing_else_from_being_sent() {
    for stores in Stores::ALL {
        let mut scene = Scene::on(stores).await;
        scene.answers(200);
        let (_, made) = scene.endpoint(NewEndpoint::default()).await;
        let model = delivery::test(&scene.olga, made.id).await.expect("may");
        scene.world.run_jobs().await.expect("sends");
        let inner = scene.world.ports.store.clone();
        let mut failed = Vec::new();
        for number in 0..3 {
            scene.world.clock.advance_millis(1);
            let now = scene.world.system().now();
            let value = Delivery {
                id: gna_domain::rules::webhook::delivery_id(&number.to_string(), now, made.id),
                state: DeliveryState::Failed,
                created: now,
                ..model.value.clone()
            };
            let mut changes = ChangeSet::new();
            changes.create(&value, None).expect("json");
            inner.commit(changes).await.expect("commits");
            failed.push(Stored { value, version: 1 });
        }
        scene.world.ports.store = Arc::new(StoreBetween {
            inner: inner.clone(),
            with: Arc::new(Forgetful {
                inner,
                gone: Mutex::new(Some(failed.remove(1))),
            }),
        });
        let olga = scene.world.in_organization(&scene.acme, Role::Owner);
        let since = Timestamp::from_millis(olga.now().millis() - DELIVERY_KEPT_MS);
        let sent = delivery::replay_failed(&olga, made.id, since, None)
            .await
            .expect("the others are sent");
        assert_eq!((sent.messages, sent.next), (2, None), "{stores:?}");
        scene.world.run_jobs().await.expect("sends");
        assert_eq!(scene.world.egress.asked().len(), 3, "{stores:?}");
    }
}
