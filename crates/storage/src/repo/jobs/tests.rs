//! The job engine as its users meet it, on each embedded backend; and its state machine under
//! random steps of several workers.

mod waiting;

use super::*;
use crate::backend::counting::Counting;
use crate::backend::registry;
use crate::repo::KernelStore;
use gna_domain::id::JobId;
use gna_domain::model::AuditEntry;
use gna_domain::port::fresh;
use proptest::prelude::*;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use uuid::Uuid;

const KINDS: &[&str] = &["test.run"];

fn wanted(most: usize) -> Wanted<'static> {
    Wanted { kinds: KINDS, most }
}

/// Time that stands still until it is moved, and ids that count.
#[derive(Default)]
struct World {
    now: AtomicI64,
    next: AtomicU64,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }
}

impl Ids for World {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(self.next.fetch_add(1, Ordering::SeqCst).into())
    }
    fn random(&self) -> [u8; 32] {
        [7; 32]
    }
}

struct Bench {
    world: Arc<World>,
    store: Arc<dyn Store>,
    jobs: Arc<StoreJobs>,
    calls: Arc<Counting>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn open(kind: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let world = Arc::new(World::default());
        world.now.store(1_000_000, Ordering::SeqCst);
        let url = match kind {
            "sqlite" => format!("sqlite:{}", folder.path().join("gna.db").display()),
            other => format!("{other}:"),
        };
        let time = Arc::clone(&world);
        let opened = registry::open(&url, Arc::new(move || time.now()))
            .await
            .expect("opens");
        let clock: Arc<dyn Clock> = world.clone();
        let calls = Arc::new(Counting::new(opened.backend));
        let store: Arc<dyn Store> = Arc::new(KernelStore::new(calls.clone(), clock.clone()));
        let jobs = Arc::new(StoreJobs::new(store.clone(), clock, world.clone()));
        Self {
            world,
            store,
            jobs,
            calls,
            _folder: folder,
        }
    }

    fn pass(&self, millis: i64) {
        self.world.now.fetch_add(millis, Ordering::SeqCst);
    }

    fn job(&self) -> Job {
        Job::new(
            fresh(self.world.as_ref()),
            "test.run",
            Value::Null,
            self.world.now(),
        )
    }

    async fn add(&self, job: &Job) {
        let mut changes = ChangeSet::new();
        changes.create(job, None).expect("json");
        self.store.commit(changes).await.expect("added");
    }

    async fn claim(&self, worker: &str) -> Option<Claimed> {
        self.jobs.claim(worker, KINDS).await.expect("answers")
    }

    async fn stored(&self, id: JobId) -> Job {
        repo::require::<Job>(self.store.as_ref(), id)
            .await
            .expect("there")
            .value
    }

    /// What a handler does: something of its own, fenced.
    async fn handler_commit(&self, claimed: &Claimed) -> Result<()> {
        let entry = AuditEntry::by(
            &gna_domain::Actor::System("test"),
            fresh(self.world.as_ref()),
            self.world.now(),
            None,
            "test.done",
            [],
        );
        let mut changes = ChangeSet::new();
        changes.create(&entry, None)?;
        claimed.fence(&mut changes);
        self.store.commit(changes).await.map(|_| ())
    }
}

/// One on each store that needs no server.
async fn benches() -> Vec<(&'static str, Bench)> {
    let mut benches = vec![("memory", Bench::open("memory").await)];
    if cfg!(feature = "sqlite") {
        benches.push(("sqlite", Bench::open("sqlite").await));
    }
    benches
}

#[tokio::test]
async fn a_job_is_taken_once_and_ends_with_the_changes_it_made() {
    for (name, bench) in benches().await {
        let job = bench.job();
        bench.add(&job).await;
        let claimed = bench.claim("a").await.expect("due");
        assert!(bench.claim("b").await.is_none(), "{name}: one worker only");
        bench.handler_commit(&claimed).await.expect("ours");
        let mut changes = ChangeSet::new();
        claimed.fence(&mut changes);
        bench.jobs.complete(&claimed, changes).await.expect("ours");
        assert_eq!(bench.stored(job.id).await.queue, None, "{name}");
        assert!(bench.claim("a").await.is_none(), "{name}");
        assert!(
            bench.handler_commit(&claimed).await.is_err(),
            "{name}: it ended"
        );
    }
}

#[tokio::test]
async fn of_many_workers_at_once_each_job_goes_to_one() {
    for (name, bench) in benches().await {
        for _ in 0..20 {
            bench.add(&bench.job()).await;
        }
        let bench = Arc::new(bench);
        let workers = (0..4).map(|number| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some(claimed) = bench.claim(&format!("w{number}")).await {
                    taken.push(claimed.job().id);
                }
                taken
            })
        });
        let mut taken: Vec<JobId> = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            taken.extend(worker.await.expect("runs"));
        }
        taken.sort_unstable();
        let all = taken.len();
        taken.dedup();
        assert_eq!((all, taken.len()), (20, 20), "{name}");
    }
}

#[tokio::test]
async fn an_ended_lease_is_taken_over_and_the_sleeper_can_commit_nothing() {
    for (name, bench) in benches().await {
        let job = bench.job();
        bench.add(&job).await;
        let sleeper = bench.claim("a").await.expect("due");
        bench.pass(LEASE_MS - 1);
        assert!(bench.claim("b").await.is_none(), "{name}: still leased");
        bench.pass(1);
        let heir = bench.claim("b").await.expect("taken over");
        assert_eq!(heir.job().interruptions, 1, "{name}");
        for late in [
            bench.handler_commit(&sleeper).await,
            bench.jobs.extend(&sleeper).await,
            bench.jobs.complete(&sleeper, ChangeSet::new()).await,
            bench.jobs.retry(&sleeper, "late").await.map(|_| ()),
        ] {
            assert_eq!(
                late.map_err(|error| error.kind()),
                Err(Kind::Conflict),
                "{name}"
            );
        }
        bench.handler_commit(&heir).await.expect("ours");
        bench
            .jobs
            .complete(&heir, ChangeSet::new())
            .await
            .expect("ours");
    }
}

#[tokio::test]
async fn a_renewed_lease_lasts_and_does_not_disturb_the_handlers_commits() {
    for (name, bench) in benches().await {
        bench.add(&bench.job()).await;
        let claimed = bench.claim("a").await.expect("due");
        for _ in 0..5 {
            bench.pass(LEASE_MS / 2);
            bench.jobs.extend(&claimed).await.expect("ours");
            bench.handler_commit(&claimed).await.expect("ours");
            assert!(bench.claim("b").await.is_none(), "{name}");
        }
        bench
            .jobs
            .complete(&claimed, ChangeSet::new())
            .await
            .expect("ours");
    }
}

#[tokio::test]
async fn a_lane_with_room_for_two_lets_two_through_and_who_yields_makes_room() {
    for (name, bench) in benches().await {
        for number in 0..4 {
            let mut job = bench.job().in_lane_of("hook", 2).with_attempts(9);
            if number == 0 {
                job = job.yielding();
            }
            bench.add(&job).await;
            bench.pass(1);
        }
        let first = bench.claim("a").await.expect("there is room");
        let second = bench.claim("b").await.expect("there is room for two");
        assert!(bench.claim("c").await.is_none(), "{name}: it is full");
        assert_ne!(first.lane().name, second.lane().name);
        bench.handler_commit(&first).await.expect("not disturbed");
        bench
            .jobs
            .retry(&first, "no answer")
            .await
            .expect("counted");
        let third = bench.claim("c").await.expect("the first made room");
        assert_eq!(third.lane().name, first.lane().name, "{name}");
        assert_eq!(
            bench.handler_commit(&first).await.map_err(|e| e.kind()),
            Err(Kind::Conflict),
            "{name}: what the first left behind comes too late"
        );
        bench
            .jobs
            .retry(&second, "no answer")
            .await
            .expect("counted");
        assert!(
            bench.claim("d").await.is_none(),
            "{name}: who does not yield keeps its place"
        );
        bench.pass(10_000);
        let again = bench.claim("d").await.expect("its time has come");
        assert_eq!(again.job().id, second.job().id, "{name}");
    }
}

#[tokio::test]
async fn a_lane_lets_one_job_through_at_a_time_in_the_order_they_came() {
    for (name, bench) in benches().await {
        let [first, second, other] = ["asset:1", "asset:1", "asset:2"].map(|lane| {
            bench.pass(1);
            bench.job().in_lane(lane)
        });
        for job in [&first, &second, &other] {
            bench.add(job).await;
        }
        let one = bench.claim("a").await.expect("due");
        assert_eq!(one.job().id, first.id, "{name}");
        let two = bench.claim("b").await.expect("another lane");
        assert_eq!(two.job().id, other.id, "{name}");
        assert!(
            bench.claim("c").await.is_none(),
            "{name}: the lane is taken"
        );

        // Waiting for another try, it keeps the lane: the second must not overtake it.
        let Fate::Retry(due) = bench.jobs.retry(&one, "try again").await.expect("ours") else {
            panic!("{name}: tries are left")
        };
        assert!(bench.claim("c").await.is_none(), "{name}");
        assert_eq!(
            bench.jobs.next_due(KINDS).await.expect("answers"),
            Some(due)
        );
        bench.world.now.store(due.millis(), Ordering::SeqCst);
        let again = bench.claim("c").await.expect("due again");
        assert_eq!(
            (again.job().id, again.job().attempts),
            (first.id, 1),
            "{name}"
        );
        bench
            .jobs
            .complete(&again, ChangeSet::new())
            .await
            .expect("ours");
        assert_eq!(
            bench.claim("c").await.expect("free").job().id,
            second.id,
            "{name}"
        );
    }
}

#[tokio::test]
async fn failures_wait_longer_each_time_and_end_as_a_dead_letter() {
    for (name, bench) in benches().await {
        let job = bench.job().with_attempts(3).in_lane("l");
        bench.add(&job).await;
        let mut waits = Vec::new();
        let fate = loop {
            let claimed = bench.claim("a").await.expect("due");
            match bench.jobs.retry(&claimed, "no answer").await.expect("ours") {
                Fate::Retry(due) => {
                    waits.push(due.millis() - bench.world.now().millis());
                    bench.world.now.store(due.millis(), Ordering::SeqCst);
                }
                dead => break dead,
            }
        };
        assert_eq!(fate, Fate::Dead, "{name}");
        assert!(waits.len() == 2 && waits.is_sorted(), "{name}: {waits:?}");
        let dead = bench
            .jobs
            .dead(PageRequest::first(10))
            .await
            .expect("answers");
        assert_eq!(
            dead.items
                .iter()
                .map(|dead| dead.last_error.as_deref())
                .collect::<Vec<_>>(),
            [Some("no answer")],
            "{name}"
        );
        bench.pass(LEASE_MS);
        assert!(bench.claim("a").await.is_none(), "{name}");
        bench.add(&bench.job().in_lane("l")).await;
        assert!(
            bench.claim("a").await.is_some(),
            "{name}: the lane is free again"
        );
    }
}

#[tokio::test]
async fn burying_and_continuing_do_what_they_say() {
    for (name, bench) in benches().await {
        let job = bench.job();
        bench.add(&job).await;
        let claimed = bench.claim("a").await.expect("due");
        let at = bench.world.now().plus_millis(500);
        bench
            .jobs
            .continue_later(&claimed, at, "step 2".into())
            .await
            .expect("ours");
        assert!(bench.claim("a").await.is_none(), "{name}");
        assert_eq!(
            bench.jobs.next_due(KINDS).await.expect("answers"),
            Some(at),
            "{name}"
        );
        bench.pass(500);
        let claimed = bench.claim("a").await.expect("due");
        assert_eq!(claimed.job().payload, Value::from("step 2"), "{name}");
        bench
            .jobs
            .bury(&claimed, "hopeless", ChangeSet::new())
            .await
            .expect("ours");
        let stored = bench.stored(job.id).await;
        assert_eq!(
            (stored.queue, stored.lease),
            (Some(Queue::Dead), None),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_new_process_takes_over_at_once_what_the_dead_one_left() {
    for (name, bench) in benches().await {
        for lane in ["x", "y"] {
            bench.add(&bench.job().in_lane(lane)).await;
        }
        bench.claim("old").await.expect("due");
        assert_eq!(bench.jobs.free_all().await.expect("answers"), 1, "{name}");
        let again = [bench.claim("new").await, bench.claim("new").await];
        let interruptions: u32 = again
            .iter()
            .flatten()
            .map(|claimed| claimed.job().interruptions)
            .sum();
        assert_eq!(
            (again.iter().flatten().count(), interruptions),
            (2, 1),
            "{name}"
        );
    }
}

#[tokio::test]
async fn writing_a_job_wakes_whoever_waits_for_work() {
    for (name, bench) in benches().await {
        let mut signal = bench.store.signals().jobs;
        signal.mark_unchanged();
        bench.add(&bench.job()).await;
        assert!(signal.has_changed().expect("open"), "{name}");
    }
}

/// A step of the random run. Numbers pick one of what there is, modulo.
#[derive(Clone, Debug)]
enum Step {
    Add { lane: Option<u8>, tries: u32 },
    Claim,
    Pass(i64),
    Extend(usize),
    Commit(usize),
    Complete(usize),
    Fail(usize),
    Bury(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (prop::option::of(0_u8..2), 1_u32..4).prop_map(|(lane, tries)| Step::Add { lane, tries }),
        4 => Just(Step::Claim),
        2 => (0_i64..LEASE_MS * 2).prop_map(Step::Pass),
        1 => any::<usize>().prop_map(Step::Extend),
        1 => any::<usize>().prop_map(Step::Commit),
        2 => any::<usize>().prop_map(Step::Complete),
        2 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Bury),
    ]
}

/// One claim as the model sees it.
struct Hold {
    claimed: Claimed,
    until: i64,
    /// Ended by itself or taken over.
    over: bool,
}

async fn random_run(steps: Vec<Step>) -> std::result::Result<(), TestCaseError> {
    let bench = Bench::open("memory").await;
    let mut holds: Vec<Hold> = Vec::new();
    let mut added: Vec<JobId> = Vec::new();
    // Which job is under way in a lane, from its first claim to its end.
    let mut lanes: BTreeMap<String, JobId> = BTreeMap::new();
    for step in steps {
        let now = bench.world.now().millis();
        match step {
            Step::Add { lane, tries } => {
                let mut job = bench.job().with_attempts(tries);
                job.lane = lane.map(|lane| format!("lane{lane}"));
                added.push(job.id);
                bench.add(&job).await;
            }
            Step::Pass(millis) => bench.pass(millis),
            Step::Claim => {
                let Some(claimed) = bench.claim("w").await else {
                    continue;
                };
                let id = claimed.job().id;
                for hold in holds
                    .iter_mut()
                    .filter(|hold| !hold.over && hold.claimed.job().id == id)
                {
                    prop_assert!(hold.until <= now, "taken over before the lease ended");
                    hold.over = true;
                }
                let holder = lanes.entry(claimed.lane().name.clone()).or_insert(id);
                prop_assert_eq!(*holder, id, "two jobs in one lane");
                holds.push(Hold {
                    claimed,
                    until: now + LEASE_MS,
                    over: false,
                });
            }
            Step::Extend(pick)
            | Step::Commit(pick)
            | Step::Complete(pick)
            | Step::Fail(pick)
            | Step::Bury(pick) => {
                let count = holds.len();
                let Some(hold) = pick.checked_rem(count).and_then(|at| holds.get_mut(at)) else {
                    continue;
                };
                let claimed = &hold.claimed;
                let lane = claimed.lane().name.clone();
                let done = match step {
                    Step::Extend(_) => bench
                        .jobs
                        .extend(claimed)
                        .await
                        .map(|()| hold.until = now + LEASE_MS),
                    Step::Commit(_) => bench.handler_commit(claimed).await,
                    Step::Complete(_) => bench.jobs.complete(claimed, ChangeSet::new()).await,
                    Step::Bury(_) => bench.jobs.bury(claimed, "x", ChangeSet::new()).await,
                    _ => bench.jobs.retry(claimed, "x").await.map(|_| ()),
                };
                // An over-long lease that nobody took over is still the worker's own.
                prop_assert_eq!(done.is_ok(), !hold.over, "{:?} by {:?}", step, done);
                if done.is_ok() && !matches!(step, Step::Extend(_) | Step::Commit(_)) {
                    hold.over = true;
                    if claimed.current().queue != Some(Queue::Ready) {
                        lanes.remove(&lane);
                    }
                }
            }
        }
    }
    // Whatever happened, all work comes to an end once nobody dies any more.
    for _ in 0..added.len() * 4 {
        while let Some(claimed) = bench.claim("last").await {
            bench
                .jobs
                .complete(&claimed, ChangeSet::new())
                .await
                .expect("ours");
        }
        match bench.jobs.next_due(KINDS).await.expect("answers") {
            Some(due) => bench.world.now.store(due.millis(), Ordering::SeqCst),
            None => break,
        }
    }
    for id in added {
        let key = Key::new(Job::COLLECTION, id.to_string(), "");
        let left = repo::get_keys::<Job>(bench.store.as_ref(), &[key])
            .await
            .expect("answers")
            .pop()
            .flatten();
        let unfinished = left.is_some_and(|job| job.queue == Some(Queue::Ready));
        prop_assert!(!unfinished, "a job was forgotten");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn no_job_runs_twice_none_is_forgotten_and_no_lane_leaks(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(random_run(steps))?;
    }
}

#[tokio::test]
async fn several_jobs_are_taken_at_once_and_none_of_them_by_two_workers() {
    for (kind, bench) in benches().await {
        for _ in 0..9 {
            bench.add(&bench.job()).await;
        }
        let claim = async |worker: &str| bench.jobs.claim_many(worker, &[wanted(4)]).await;
        let (a, b, c) = tokio::join!(claim("a"), claim("b"), claim("c"));
        let mut taken = Vec::new();
        for one in [a, b, c, claim("d").await, claim("e").await] {
            taken.extend(one.expect("answers").iter().map(|one| one.job().id));
        }
        assert_eq!(taken.len(), 9, "{kind}: each is taken");
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), 9, "{kind}: and by one");
    }
}
