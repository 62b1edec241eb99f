//! Several processes at one search index: one makes it anew while another follows, does the same, or dies.

use async_trait::async_trait;
use gna_domain::Ctx;
use gna_domain::ctx::Ports;
use gna_domain::port::search::{Condition, SearchUpdate, Selection};
use gna_domain::service::index;
use gna_testkit::{AtIndex, SearchBetween, Stores, trivy};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

use crate::import::helpers::Scene;

/// A process's way to the index: what it writes waits until it is let through.
struct Gate {
    open: Semaphore,
    came: AtomicUsize,
}

#[async_trait]
impl AtIndex for Gate {
    async fn applies(&self, _: &SearchUpdate) {
        self.came.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.expect("never closed").forget();
    }

    fn has_room(&self) -> bool {
        false
    }
}

impl Gate {
    /// Until so many updates came to it, of which the last waits.
    async fn reached(&self, updates: usize) {
        let waiting = async {
            while self.came.load(Ordering::SeqCst) < updates {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting)
            .await
            .expect("it writes");
    }
}

/// One more process on the scene, of which so many updates are let through.
fn process(scene: &Scene, updates: usize) -> (Ctx, Arc<Gate>) {
    let gate = Arc::new(Gate {
        open: Semaphore::new(updates),
        came: AtomicUsize::new(0),
    });
    let ports = Ports {
        search: Arc::new(SearchBetween {
            inner: scene.world.ports.search.clone(),
            with: gate.clone(),
        }),
        ..scene.world.ports.clone()
    };
    (Ctx::system(ports, "index"), gate)
}

/// Of which the index knows.
async fn known(scene: &Scene) -> u64 {
    let selection = Selection {
        groups: vec![scene.group.id],
        condition: Condition::All(Vec::new()),
        text: None,
    };
    let count = scene.world.ports.search.count(&selection, 1_000).await;
    count.expect("counts").value()
}

async fn position(scene: &Scene) -> Option<String> {
    let search = &scene.world.ports.search;
    search.position().await.expect("answers")
}

async fn first(scene: &Scene) {
    let packages = [("CVE-2024-0001", "a", "1"), ("CVE-2024-0002", "b", "1")];
    scene.import(trivy("package-lock.json", &packages)).await;
    assert_eq!(known(scene).await, 2);
}

/// A second one must not empty what the first is filling: should it die then, nobody would fill it again.
#[tokio::test]
async fn one_that_dies_while_another_makes_the_index_anew_takes_nothing_with_it() {
    let scene = Scene::on(Stores::Memory).await;
    first(&scene).await;
    // Texts and documents get through, the position does not yet.
    let (one, gate) = process(&scene, 2);
    let making = tokio::spawn(async move { index::rebuild(&one).await });
    gate.reached(3).await;
    assert_eq!((known(&scene).await, position(&scene).await), (2, None));

    let (two, _) = process(&scene, 0);
    let dying = tokio::spawn(async move { index::catch_up(&two).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    dying.abort();
    assert!(dying.await.expect_err("it died").is_cancelled());

    gate.open.add_permits(10);
    making.await.expect("no panic").expect("is made");
    assert!(position(&scene).await.is_some());
    assert_eq!(known(&scene).await, 2);
}

/// What one has read of the feed before the index was emptied must not make it look complete.
#[tokio::test]
async fn one_that_follows_does_not_call_an_emptied_index_complete() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        first(&scene).await;
        let before = position(&scene).await;
        let packages = [
            ("CVE-2024-0001", "a", "1"),
            ("CVE-2024-0002", "b", "1"),
            ("CVE-2024-0003", "c", "1"),
        ];
        scene.import(trivy("package-lock.json", &packages)).await;
        let back = SearchUpdate {
            position: before,
            ..SearchUpdate::default()
        };
        let search = &scene.world.ports.search;
        search.apply(back).await.expect("is set back");
        scene.world.caught_up().await;

        let (follower, gate) = process(&scene, 0);
        let following = tokio::spawn(async move { index::catch_up(&follower).await });
        gate.reached(1).await;
        let (two, cleared) = process(&scene, 0);
        let dying = tokio::spawn(async move { index::rebuild(&two).await });
        cleared.reached(1).await;
        dying.abort();
        assert!(dying.await.expect_err("it died").is_cancelled());
        assert_eq!((known(&scene).await, position(&scene).await), (0, None));

        gate.open.add_permits(100);
        following.await.expect("no panic").expect("is followed");
        assert_eq!(known(&scene).await, 3, "made anew by the one that is left");
        let end = scene.world.ports.store.feed_end().await.expect("answers");
        assert_eq!(position(&scene).await, Some(end.0));
    }
}

#[tokio::test]
async fn an_index_that_many_make_anew_at_once_is_complete() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        first(&scene).await;
        let ctx = scene.world.system();
        scene.world.ports.search.clear().await.expect("clears");
        let (one, two, three, four) = tokio::join!(
            index::catch_up(&ctx),
            index::rebuild(&ctx),
            index::catch_up(&ctx),
            index::rebuild(&ctx)
        );
        one.and(three).expect("caught up");
        two.and(four).expect("made anew");
        assert_eq!(known(&scene).await, 2);
        assert!(position(&scene).await.is_some());
    }
}
