//! Schedules as services on a store: who keeps them, how often they run, who may touch them.

use gna_domain::Ctx;
use gna_domain::ctx::Ports;
use gna_domain::error::{Error, Result};
use gna_domain::model::{AuditEntry, INSTANCE, Job, Overlap, Schedule, Timing};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::store::Stored;
use gna_domain::port::{Jobs, repo};
use gna_domain::service::schedule::{self, NewSchedule};
use gna_domain::service::tidy::{self, TidyHandler};
use gna_testkit::{FakeClock, Stores, World};
use serde_json::json;
use std::sync::Arc;

const MINUTE: i64 = 60_000;

fn every_minute(name: &str) -> NewSchedule {
    NewSchedule {
        organization: None,
        name: name.to_owned(),
        timing: Timing::Every { seconds: 60 },
        overlap: Overlap::Skip,
        spread_ms: 0,
        job: "test.run".to_owned(),
        payload: json!({ "n": 1 }),
    }
}

async fn made(world: &World, new: NewSchedule) -> Stored<Schedule> {
    let made = schedule::create(&world.system(), new, &["test.run".to_owned()]).await;
    world.caught_up().await;
    made.expect("is made")
}

async fn jobs(world: &World) -> Vec<Stored<Job>> {
    let store = world.ports.store.as_ref();
    let raw = store.scan("job", &PageRequest::first(1_000)).await;
    repo::typed_page::<Job>(raw.expect("reads"))
        .expect("jobs")
        .items
}

async fn stored(world: &World, of: &Schedule) -> Schedule {
    repo::require::<Schedule>(world.ports.store.as_ref(), of.id)
        .await
        .expect("is there")
        .value
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result
        .map_err(|error: Error| error.code())
        .expect_err("must be refused")
}

#[tokio::test]
async fn of_two_that_keep_the_same_schedules_one_starts_each_run() {
    for stores in Stores::ALL {
        let world = World::on(stores).await;
        for number in 0..20 {
            made(&world, every_minute(&format!("s{number}"))).await;
        }
        let (one, two) = (world.system(), world.system());
        for round in 1..=5 {
            world.clock.advance_millis(MINUTE);
            let (a, b) = tokio::join!(schedule::tick(&one), schedule::tick(&two));
            assert!(a.is_ok() && b.is_ok(), "{stores:?}: {a:?} {b:?}");
            // Whatever one left to the other is done by now.
            let next = schedule::tick(&one).await.expect("ticks");
            assert_eq!(next, Some(one.now().plus_millis(MINUTE)), "{stores:?}");
            let ready = jobs(&world).await;
            assert_eq!(ready.len(), 20, "{stores:?}, round {round}");
            // Done before the next round, or they would be left out.
            let taking = world.jobs();
            world.caught_up().await;
            while let Some(claimed) = taking.claim("w", &["test.run"]).await.expect("reads") {
                let done = taking.complete(&claimed, gna_domain::port::ChangeSet::new());
                done.await.expect("ends");
            }
            forget(&world).await;
        }
    }
}

/// The one that is ahead starts each run, early by as much as it is ahead, and none is started twice; when it
/// is gone, the other goes on once its own clock is there.
#[tokio::test]
async fn clocks_an_hour_apart_start_no_run_twice() {
    const HOUR: i64 = 60 * MINUTE;
    let world = World::new().await;
    made(&world, every_minute("poll")).await;
    let behind = world.system();
    let clock = Arc::new(FakeClock::default());
    clock.set(behind.now().plus_millis(HOUR));
    let ports = Ports {
        clock: clock.clone(),
        ..world.ports.clone()
    };
    let ahead = Ctx::system(ports, "test");
    // By its clock the first run was due long ago.
    schedule::tick(&ahead).await.expect("ticks");
    assert_eq!(jobs(&world).await.len(), 1);
    forget(&world).await;
    for round in 1..=5 {
        world.clock.advance_millis(MINUTE);
        clock.advance_millis(MINUTE);
        let (a, b) = tokio::join!(schedule::tick(&behind), schedule::tick(&ahead));
        assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
        assert_eq!(jobs(&world).await.len(), 1, "round {round}");
        forget(&world).await;
        world.caught_up().await;
        let next = schedule::tick(&behind).await.expect("ticks");
        assert!(next.is_some_and(|next| next > ahead.now()), "{next:?}");
        assert_eq!(jobs(&world).await.len(), 0, "round {round}");
    }
    world.clock.advance_millis(HOUR);
    schedule::tick(&behind).await.expect("ticks");
    assert_eq!(jobs(&world).await.len(), 0, "not due yet");
    world.clock.advance_millis(MINUTE);
    schedule::tick(&behind).await.expect("ticks");
    assert_eq!(jobs(&world).await.len(), 1);
}

/// Done jobs go, so that the next round counts its own.
async fn forget(world: &World) {
    let store = world.ports.store.as_ref();
    for job in jobs(world).await {
        let mut changes = gna_domain::port::ChangeSet::new();
        changes.delete(&job, None);
        store.commit(changes).await.expect("commits");
    }
}

#[tokio::test]
async fn what_was_missed_while_nobody_kept_it_runs_once() {
    let world = World::new().await;
    let of = made(&world, every_minute("poll")).await;
    world.clock.advance_days(3);
    let next = schedule::tick(&world.system()).await.expect("ticks");
    assert_eq!(jobs(&world).await.len(), 1);
    assert_eq!(next, Some(world.system().now().plus_millis(MINUTE)));
    let after = stored(&world, &of).await;
    assert_eq!(after.last.map(|last| last.at), Some(world.system().now()));
}

#[tokio::test]
async fn a_run_on_top_of_another_is_left_out_or_waits_and_never_piles_up() {
    let world = World::new().await;
    let skip = made(&world, every_minute("skip")).await;
    let queue = NewSchedule {
        overlap: Overlap::Queue,
        ..every_minute("queue")
    };
    let queue = made(&world, queue).await;
    let of = |jobs: &[Stored<Job>], schedule: &Schedule| {
        let lane = Some(schedule.lane());
        jobs.iter().filter(|job| job.lane == lane).count()
    };
    let taking = world.jobs();
    for round in 0..5 {
        world.clock.advance_millis(MINUTE);
        schedule::tick(&world.system()).await.expect("ticks");
        if round == 0 {
            world.caught_up().await;
            for _ in 0..2 {
                taking
                    .claim("w", &["test.run"])
                    .await
                    .expect("reads")
                    .expect("one of each runs");
            }
        }
    }
    let all = jobs(&world).await;
    assert_eq!((of(&all, &skip), of(&all, &queue)), (1, 2));
    assert!(stored(&world, &skip).await.skipped.is_some());
    assert_eq!(
        code(schedule::run_now(&world.system(), skip.id).await),
        "schedule.running"
    );
}

#[tokio::test]
async fn a_one_shot_runs_at_its_time_and_then_rests() {
    let world = World::new().await;
    let at = world.system().now().plus_millis(5 * MINUTE);
    let once = NewSchedule {
        timing: Timing::Once { at },
        ..every_minute("once")
    };
    let of = made(&world, once).await;
    assert_eq!(schedule::tick(&world.system()).await.ok(), Some(Some(at)));
    world.clock.advance_millis(5 * MINUTE);
    assert_eq!(schedule::tick(&world.system()).await.ok(), Some(None));
    world.clock.advance_days(1);
    assert_eq!(schedule::tick(&world.system()).await.ok(), Some(None));
    assert_eq!(jobs(&world).await.len(), 1);
    assert!(!stored(&world, &of).await.armed);
    let gone = made(
        &world,
        NewSchedule {
            timing: Timing::Once {
                at: world.system().now().plus_days(1),
            },
            ..every_minute("never")
        },
    )
    .await;
    schedule::delete(&world.system(), gone.id)
        .await
        .expect("goes");
    world.clock.advance_days(2);
    schedule::tick(&world.system()).await.expect("ticks");
    assert_eq!(jobs(&world).await.len(), 1);
}

#[tokio::test]
async fn switching_and_running_by_hand_is_audited_and_only_for_those_in_charge() {
    let world = World::new().await;
    let acme = world.organization("acme").await;
    let shop = world.group(&acme, "shop").await;
    let of_acme = NewSchedule {
        organization: Some(acme.id),
        ..every_minute("poll")
    };
    let (own, of_acme) = (
        made(&world, every_minute("own")).await,
        made(&world, of_acme).await,
    );
    let olga = world.in_organization(&acme, Role::Owner);
    let tess = world.member(&shop, Role::Triager);
    world.caught_up().await;
    let list = schedule::list(&olga, Some(acme.id), PageRequest::first(10)).await;
    assert_eq!(list.expect("may").items.len(), 1);
    assert_eq!(
        code(schedule::list(&olga, None, PageRequest::first(10)).await),
        "not_found"
    );
    assert_eq!(code(schedule::get(&olga, own.id).await), "not_found");
    assert_eq!(
        code(schedule::switch(&tess, of_acme.id, false).await),
        "auth.forbidden"
    );
    assert_eq!(
        code(schedule::get(&world.anonymous(), own.id).await),
        "auth.required"
    );
    assert_eq!(
        code(schedule::create(&olga, every_minute("x"), &[]).await),
        "not_found"
    );

    let off = schedule::switch(&olga, of_acme.id, false)
        .await
        .expect("may");
    assert_eq!((off.armed, off.due), (false, None));
    world.clock.advance_millis(10 * MINUTE);
    schedule::switch(&world.system(), own.id, false)
        .await
        .expect("may");
    assert_eq!(schedule::tick(&world.system()).await.ok(), Some(None));
    schedule::run_now(&olga, of_acme.id).await.expect("may");
    let ran = jobs(&world).await;
    assert_eq!((ran.len(), ran[0].organization), (1, Some(acme.id)));
    let on = schedule::switch(&olga, of_acme.id, true)
        .await
        .expect("may");
    assert!(on.due.is_some_and(|due| due > world.system().now()));
    assert_eq!(
        actions(&world, &acme.id.to_string()).await,
        [
            "schedule.created",
            "schedule.disabled",
            "schedule.run",
            "schedule.enabled"
        ]
    );
}

async fn actions(world: &World, partition: &str) -> Vec<String> {
    let store = world.ports.store.as_ref();
    let entries = repo::all_children::<AuditEntry>(store, partition).await;
    entries
        .expect("reads")
        .into_iter()
        .map(|entry| entry.value.action)
        .collect()
}

#[tokio::test]
async fn gnas_own_are_made_once_and_follow_the_configuration() {
    let world = World::new()
        .await
        .handling(std::sync::Arc::new(TidyHandler));
    let ctx: Ctx = world.system();
    for _ in 0..2 {
        schedule::ensure(&ctx, tidy::schedule(30))
            .await
            .expect("is there");
    }
    world.caught_up().await;
    let list = schedule::list(&ctx, None, PageRequest::first(10))
        .await
        .expect("reads");
    assert_eq!(list.items.len(), 1);
    schedule::switch(&ctx, list.items[0].id, false)
        .await
        .expect("may");
    schedule::ensure(&ctx, tidy::schedule(7))
        .await
        .expect("is there");
    let changed = stored(&world, &list.items[0]).await;
    assert_eq!(
        (changed.armed, &changed.payload),
        (false, &json!({ "feed_days": 7 }))
    );
    schedule::run_now(&ctx, changed.id).await.expect("may");
    world.run_jobs().await.expect("it tidies");
    let done = jobs(&world).await;
    assert!(done[0].queue.is_none(), "{:?}", done[0].value);
    assert_eq!(
        code(schedule::create(&ctx, tidy::schedule(7), &["store.tidy".into()]).await),
        "schedule.exists"
    );
    assert_eq!(
        actions(&world, INSTANCE).await,
        ["schedule.disabled", "schedule.run"]
    );
}
