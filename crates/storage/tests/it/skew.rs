//! Two processes on one store whose clocks are an hour apart: what they do to each other's leases, and what
//! neither can do.

use gna_domain::error::Kind;
use gna_domain::model::{AuditEntry, Job};
use gna_domain::port::store::{ChangeSet, FeedItem, Store};
use gna_domain::port::{Clock, Ids, Jobs, fresh};
use gna_domain::time::Timestamp;
use gna_storage::conformance::TestClock;
use gna_storage::kernel::Backend;
use gna_storage::repo::{KernelStore, StoreJobs};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// By how much one is ahead.
const APART: i64 = 3_600_000;
const KINDS: &[&str] = &["test.run"];

struct Time(TestClock);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// Both count in the same row, so that no two get the same.
struct Counted(Arc<AtomicU64>);

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::SeqCst).into())
    }
    fn random(&self) -> [u8; 32] {
        [7; 32]
    }
}

struct Process {
    clock: TestClock,
    ids: Counted,
    store: Arc<dyn Store>,
    jobs: StoreJobs,
}

impl Process {
    fn new(backend: Arc<dyn Backend>, clock: TestClock, count: &Arc<AtomicU64>) -> Self {
        let ids = || Counted(Arc::clone(count));
        let time: Arc<dyn Clock> = Arc::new(Time(clock.clone()));
        let store: Arc<dyn Store> = Arc::new(KernelStore::new(backend, Arc::clone(&time)));
        let jobs = StoreJobs::new(Arc::clone(&store), time, Arc::new(ids()));
        Self {
            clock,
            ids: ids(),
            store,
            jobs,
        }
    }

    async fn adds(&self) -> Job {
        let job = Job::new(fresh(&self.ids), "test.run", Value::Null, self.clock.now());
        let mut changes = ChangeSet::new();
        changes.create(&job, None).expect("JSON");
        self.store.commit(changes).await.expect("is added");
        job
    }

    /// What a job comes to.
    fn done(&self) -> ChangeSet {
        let actor = gna_domain::Actor::System("test");
        let id = fresh(&self.ids);
        let entry = AuditEntry::by(&actor, id, self.clock.now(), None, "test.done", []);
        let mut changes = ChangeSet::new();
        changes.create(&entry, None).expect("JSON");
        changes
    }

    async fn entries(&self) -> usize {
        let page = gna_domain::page::PageRequest::first(100);
        let page = self.store.scan("audit", &page).await.expect("reads");
        page.items.len()
    }

    async fn feed(&self) -> Vec<FeedItem> {
        self.store.feed(None, 100).await.expect("reads")
    }
}

/// `backends` read `clocks`, which show the same time still.
pub async fn an_hour_apart(backends: [Arc<dyn Backend>; 2], clocks: [TestClock; 2]) {
    let count = Arc::default();
    let [behind, ahead] = backends;
    let [behind_clock, ahead_clock] = clocks;
    ahead_clock.advance(APART);
    let behind = Process::new(behind, behind_clock, &count);
    let ahead = Process::new(ahead, ahead_clock, &count);

    // To the one that is ahead every lease of the other is over: it takes the job, and the other can't
    // commit any more. The job is done once.
    behind.adds().await;
    let mine = behind.jobs.claim("behind", KINDS).await.expect("answers");
    let mine = mine.expect("it is due");
    let theirs = ahead.jobs.claim("ahead", KINDS).await.expect("answers");
    let theirs = theirs.expect("its lease looks over");
    let refused = behind.jobs.complete(&mine, behind.done()).await;
    assert_eq!(refused.expect_err("it lost it").kind(), Kind::Conflict);
    let refused = behind.jobs.extend(&mine).await;
    assert_eq!(refused.expect_err("it lost it").kind(), Kind::Conflict);
    assert_eq!(behind.entries().await, 0);
    let done = ahead.jobs.complete(&theirs, ahead.done()).await;
    done.expect("it holds the lane");
    assert_eq!(behind.entries().await, 1);

    // The lease of the one that is ahead nobody takes.
    ahead.adds().await;
    let theirs = ahead.jobs.claim("ahead", KINDS).await.expect("answers");
    let theirs = theirs.expect("it is due");
    let none = behind.jobs.claim("behind", KINDS).await.expect("answers");
    assert!(none.is_none(), "leased, and not due by this clock");
    let done = ahead.jobs.complete(&theirs, ahead.done()).await;
    done.expect("it holds the lane");

    // What the one that is ahead wants done now, the other does in an hour by its own clock: late, once.
    ahead.adds().await;
    assert!(
        behind
            .jobs
            .claim("behind", KINDS)
            .await
            .expect("answers")
            .is_none()
    );
    behind.clock.advance(APART);
    ahead.clock.advance(APART);
    let mine = behind.jobs.claim("behind", KINDS).await.expect("answers");
    let mine = mine.expect("it is due by now");
    let done = behind.jobs.complete(&mine, behind.done()).await;
    done.expect("it holds the lane");
    assert_eq!(ahead.entries().await, 3);
    for process in [&behind, &ahead] {
        let left = process.jobs.claim("anyone", KINDS).await.expect("answers");
        assert!(left.is_none());
    }

    // Both read the feed in the order of the commits, whatever their times say, and each takes the other's
    // place in it.
    let (one, two) = (behind.feed().await, ahead.feed().await);
    let places = |items: &[FeedItem]| -> Vec<String> {
        items.iter().map(|item| item.position.0.clone()).collect()
    };
    assert_eq!(places(&one), places(&two));
    for item in &one {
        let here = behind.store.feed(Some(&item.position), 100).await;
        let there = ahead.store.feed(Some(&item.position), 100).await;
        let (here, there) = (here.expect("reads"), there.expect("reads"));
        assert_eq!(places(&here), places(&there));
    }
}
