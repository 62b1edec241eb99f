//! Long work in steps: progress, failure, and ends.

use super::*;
use gna_domain::connect::Process;
use gna_domain::connect::process::ProcessState;
use gna_domain::error::Kind;
use gna_domain::service::connect::integration::{process, work};
use gna_domain::service::job;
use std::sync::atomic::Ordering;

async fn march(office: &Office, of: &Integration) -> Process {
    let begun = integration::act(
        &office.ada,
        office.apps.as_ref(),
        office.recipes.as_ref(),
        of.id,
        "MARCH",
        &Value::Null,
    )
    .await
    .expect("begins");
    let id = begun["processIds"][0]
        .as_str()
        .expect("an id")
        .parse()
        .expect("an id");
    process::get(&office.ada, id).await.expect("is there").value
}

async fn now(office: &Office, of: &Process) -> Process {
    process::get(&office.ada, of.id)
        .await
        .expect("is there")
        .value
}

#[tokio::test]
async fn a_process_is_done_in_steps_and_tells_how_far_it_came() {
    for stores in Stores::ALL {
        let office = Office::on(stores).await;
        let made = office.made().await;
        let begun = march(&office, &made).await;
        assert_eq!(begun.state, ProcessState::Initializing);
        assert_eq!(office.now(&made).await.status, Status::Processing);
        office.work().await;
        assert_eq!(office.now(&made).await.status, Status::Enabled);
        assert_eq!(
            office.herald.heard(),
            ["act MARCH null", "step 0", "step 1", "step 2"]
        );
        let done = now(&office, &begun).await;
        assert_eq!(done.state, ProcessState::Completed);
        assert_eq!((done.progress.done, done.progress.total), (3, Some(3)));
        assert_eq!(done.results, json!({"was": {"at": 2}}));
        let listed = process::list(&office.ada, made.id, PageRequest::first(10)).await;
        assert_eq!(listed.expect("lists").items.len(), 1);
    }
}

#[tokio::test]
async fn a_step_that_fails_for_the_moment_is_done_again_and_one_that_fails_for_good_ends_it() {
    let office = Office::new().await;
    let made = office.made().await;
    let begun = march(&office, &made).await;
    office
        .herald
        .fails(|| Error::new(Kind::Upstream, "app.unavailable", "out of order"));
    office.work().await;
    assert!(!now(&office, &begun).await.state.is_final());
    office.herald.recovers();
    office.wait(30).await;
    assert_eq!(now(&office, &begun).await.state, ProcessState::Completed);
    let second = march(&office, &made).await;
    office
        .herald
        .fails(|| Error::new(Kind::Upstream, "app.forbidden", "you may not read that"));
    office.work().await;
    let failed = now(&office, &second).await;
    assert_eq!(failed.state, ProcessState::Error);
    assert_eq!(failed.message.as_deref(), Some("you may not read that"));
    assert!(
        office.dead().await.is_empty(),
        "the process tells, not a dead letter"
    );
}

#[tokio::test]
async fn a_process_can_be_ended_and_rests_while_its_integration_is_paused() {
    let office = Office::new().await;
    let made = office.made().await;
    let begun = march(&office, &made).await;
    integration::pause(&office.ada, made.id)
        .await
        .expect("pauses");
    office.work().await;
    assert_eq!(now(&office, &begun).await.state, ProcessState::Paused);
    integration::resume(&office.ada, office.recipes.as_ref(), made.id)
        .await
        .expect("goes on");
    office.wait(11).await;
    assert_eq!(now(&office, &begun).await.state, ProcessState::Completed);
    let second = march(&office, &made).await;
    let ended = process::cancel(&office.ada, second.id).await.expect("ends");
    assert_eq!(ended.state, ProcessState::Cancelled);
    office.herald.heard();
    office.work().await;
    assert!(
        office
            .herald
            .heard()
            .iter()
            .all(|heard| !heard.starts_with("step"))
    );
    let (_, mia) = office.mia(Role::Manager).await;
    assert_eq!(code(process::get(&mia, second.id).await), "not_found");
    assert_eq!(code(process::cancel(&mia, second.id).await), "not_found");
}

#[tokio::test]
async fn it_is_busy_until_the_last_process_has_ended_however_that_ends() {
    let office = Office::new().await;
    let made = office.made().await;
    let status = async || office.now(&made).await.status;
    let (first, second) = (march(&office, &made).await, march(&office, &made).await);
    process::cancel(&office.ada, first.id).await.expect("ends");
    process::cancel(&office.ada, first.id)
        .await
        .expect("twice is once");
    assert_eq!(status().await, Status::Processing, "one is left");
    // What a person decides is more important, and what is going on shows again afterwards.
    integration::pause(&office.ada, made.id)
        .await
        .expect("pauses");
    assert_eq!(status().await, Status::Disabled);
    integration::resume(&office.ada, office.recipes.as_ref(), made.id)
        .await
        .expect("goes on");
    assert_eq!(status().await, Status::Processing);
    // What is not configured is shown once it is no longer busy.
    let change = |project: Value| map(json!({ "project": project }));
    integration::configure(
        &office.ada,
        office.recipes.as_ref(),
        made.id,
        &change(Value::Null),
    )
    .await
    .expect("may be taken back");
    assert_eq!(status().await, Status::Processing);
    office.wait(11).await;
    assert_eq!(now(&office, &second).await.state, ProcessState::Completed);
    assert_eq!(status().await, Status::NeedsConfig);
    integration::configure(
        &office.ada,
        office.recipes.as_ref(),
        made.id,
        &change(json!("gna")),
    )
    .await
    .expect("fits");
    // An account that fails comes first, and heals back to what is going on.
    march(&office, &made).await;
    let test = || integration::test(&office.ada, office.apps.as_ref(), made.id);
    office.apps.is_locked.store(true, Ordering::SeqCst);
    assert_eq!(code(test().await), "app.unauthorized");
    assert_eq!(status().await, Status::Error);
    office.apps.is_locked.store(false, Ordering::SeqCst);
    test().await.expect("works again");
    assert_eq!(status().await, Status::Processing);
    // One that fails for good has ended, too.
    office
        .herald
        .fails(|| Error::new(Kind::Upstream, "app.forbidden", "you may not read that"));
    office.work().await;
    office.herald.recovers();
    assert_eq!(status().await, Status::Enabled);
}

#[tokio::test]
async fn a_process_whose_job_a_person_ended_leaves_nothing_busy() {
    let office = Office::new().await;
    let made = office.made().await;
    let begun = march(&office, &made).await;
    let jobs = office.all::<Job>("job").await;
    let steps = jobs.iter().find(|job| job.kind == work::PROCESS);
    let id = steps.expect("its job").id;
    job::cancel(&office.ada, id).await.expect("is ended");
    office.work().await;
    assert_eq!(now(&office, &begun).await.state, ProcessState::Error);
    assert_eq!(office.now(&made).await.status, Status::Enabled);
}
