//! Jobs that wait for a lane or for room: what looking past them costs, and that none is forgotten.

use super::super::backlog::ANEW_MS;
use super::*;

/// Jobs that wait in one lane.
const WAITING: usize = 10_000;
/// Jobs that one commit makes.
const TOGETHER: usize = 100;

const OTHER: &[&str] = &["test.other"];

impl Bench {
    /// Jobs that were due one after the other, long ago.
    async fn add_all(&self, jobs: &[Job]) {
        for some in jobs.chunks(TOGETHER) {
            let mut changes = ChangeSet::new();
            for job in some {
                changes.create(job, None).expect("json");
            }
            self.store.commit(changes).await.expect("added");
        }
    }

    fn jobs_in(&self, lane: &str, count: usize) -> Vec<Job> {
        let made = (0..count).map(|_| {
            self.pass(1);
            self.job().in_lane(lane)
        });
        made.collect()
    }

    /// What a look costs: its reads by range and by key, and the records they answered.
    fn cost(&self) -> (usize, usize, usize) {
        let calls = self.calls.take();
        (calls.query_many, calls.get_many, self.calls.take_rows())
    }

    async fn complete(&self, claimed: &Claimed) {
        let ended = self.jobs.complete(claimed, ChangeSet::new()).await;
        ended.expect("ours");
    }
}

#[tokio::test]
async fn ten_thousand_jobs_in_a_held_lane_are_read_once_and_not_by_every_look() {
    for (name, bench) in benches().await {
        let waiting = bench.jobs_in("asset:1", WAITING);
        bench.add_all(&waiting).await;
        bench.pass(10_000);
        let mut held = bench.claim("a").await.expect("due");
        assert_eq!(held.job().id, waiting[0].id, "{name}");

        // The first look learns how many there are, page by page.
        bench.cost();
        assert!(bench.claim("b").await.is_none(), "{name}");
        let (ranges, _, rows) = bench.cost();
        assert!(ranges <= WAITING / LOOK + 2, "{name}: {ranges}");
        assert!(rows <= WAITING + 2 * ranges, "{name}: {rows}");

        // Those that follow ask for the lane, and for what is behind: less than a page.
        for _ in 0..50 {
            assert!(bench.claim("b").await.is_none(), "{name}");
            let (ranges, keys, rows) = bench.cost();
            assert!(ranges <= 2 && keys <= 3, "{name}: {ranges} {keys}");
            assert!(rows <= LOOK + 10, "{name}: {rows}");
        }
        bench.jobs.next_due(KINDS).await.expect("answers");
        let (ranges, _, rows) = bench.cost();
        assert!(ranges == 1 && rows <= LOOK, "{name}: {ranges} {rows}");

        // What comes to another lane is found behind them.
        let other = bench.job().in_lane("asset:2");
        bench.add(&other).await;
        bench.cost();
        let found = bench.claim("b").await.expect("its lane is free");
        assert_eq!(found.job().id, other.id, "{name}");
        assert!(bench.cost().2 <= LOOK + 10, "{name}");

        // Each that ends lets the next one in, in order, and none of the others is read.
        for next in &waiting[1..40] {
            bench.complete(&held).await;
            bench.cost();
            held = bench.claim("a").await.expect("the lane is free");
            assert_eq!(held.job().id, next.id, "{name}");
            let (ranges, keys, rows) = bench.cost();
            assert!(
                ranges == 0 && keys <= 6 && rows <= 10,
                "{name}: {ranges} {keys} {rows}"
            );
        }

        // From time to time all are looked at again.
        bench.pass(ANEW_MS);
        bench.jobs.extend(&held).await.expect("ours");
        assert!(bench.claim("b").await.is_none(), "{name}");
        assert!(bench.cost().2 >= WAITING - 40, "{name}");
    }
}

#[tokio::test]
async fn what_was_passed_over_for_want_of_room_is_found_once_there_is_some() {
    for (name, bench) in benches().await {
        let of = |kinds, most| Wanted { kinds, most };
        let mut others = Vec::new();
        for _ in 0..30 {
            bench.pass(1);
            let job = Job::new(
                fresh(bench.world.as_ref()),
                "test.other",
                Value::Null,
                bench.world.now(),
            );
            others.push(job);
        }
        bench.add_all(&others).await;
        bench.pass(10_000);
        let own = bench.job();
        bench.add(&own).await;
        let claim = async |own, other| {
            let wanted = [of(KINDS, own), of(OTHER, other)];
            let claimed = bench.jobs.claim_many("a", &wanted).await;
            let claimed = claimed.expect("answers");
            claimed.iter().map(|one| one.job().id).collect::<Vec<_>>()
        };
        assert_eq!(claim(1, 0).await, [own.id], "{name}: past the others");
        assert!(claim(1, 0).await.is_empty(), "{name}");
        let mut found = Vec::new();
        for most in [3, 1, 30, 30] {
            let some = claim(0, most).await;
            assert!(some.len() <= most, "{name}");
            found.extend(some);
        }
        // More than one look may be needed, but none is left out or taken twice.
        while found.len() < others.len() {
            let some = claim(0, 30).await;
            assert!(!some.is_empty(), "{name}: {} found", found.len());
            found.extend(some);
        }
        let ids: Vec<JobId> = others.iter().map(|job| job.id).collect();
        assert_eq!(found, ids, "{name}: in order");
    }
}

#[tokio::test]
async fn a_job_that_ends_elsewhere_while_it_is_passed_over_does_not_hold_up_its_lane() {
    for (name, bench) in benches().await {
        let waiting = bench.jobs_in("asset:1", 5);
        bench.add_all(&waiting).await;
        bench.pass(10_000);
        let held = bench.claim("a").await.expect("due");
        // So that there is a page behind, and those before it are passed over.
        let far = bench.jobs_in("asset:1", LOOK);
        bench.add_all(&far).await;
        assert!(bench.claim("a").await.is_none(), "{name}");
        bench.complete(&held).await;
        // Another process takes the next two.
        let elsewhere = StoreJobs::new(
            bench.store.clone(),
            bench.world.clone(),
            bench.world.clone(),
        );
        for job in &waiting[1..3] {
            let taken = elsewhere.claim("b", KINDS).await.expect("answers");
            let taken = taken.expect("due");
            assert_eq!(taken.job().id, job.id, "{name}");
            let ended = elsewhere.complete(&taken, ChangeSet::new()).await;
            ended.expect("ours");
        }
        let next = bench.claim("a").await.expect("the lane is free");
        assert_eq!(next.job().id, waiting[3].id, "{name}");
    }
}

#[tokio::test]
async fn a_job_that_holds_its_lane_is_found_although_there_was_no_room_when_it_was_due() {
    for (name, bench) in benches().await {
        let of = |kinds, most| Wanted { kinds, most };
        let claim = async |own, other| {
            let wanted = [of(KINDS, own), of(OTHER, other)];
            let claimed = bench.jobs.claim_many("a", &wanted).await;
            claimed.expect("answers")
        };
        let others = |lane: &str, count: usize| {
            let mut jobs = bench.jobs_in(lane, count);
            for job in &mut jobs {
                job.kind = OTHER[0].to_owned();
            }
            jobs
        };
        bench.add_all(&others("l", 6)).await;
        let first = claim(0, 1).await.remove(0);
        let fate = bench.jobs.retry(&first, "no answer").await.expect("ours");
        assert!(matches!(fate, Fate::Retry(_)), "{name}");
        // It is due again among many, while there is room for others only.
        bench.pass(60_000);
        bench.add_all(&others("m", LOOK + 10)).await;
        bench.pass(10_000);
        assert!(claim(1, 0).await.is_empty(), "{name}");
        let again = claim(0, 1).await.remove(0);
        assert_eq!(again.job().id, first.job().id, "{name}");
        bench.complete(&again).await;
        let next = claim(0, 1).await.remove(0);
        assert_eq!(next.lane().name, "l", "{name}: the next in its lane");
    }
}

/// Lanes that are held, with one job that waits for each.
const LANES: usize = 2_000;

#[tokio::test]
async fn of_two_thousand_lanes_that_are_waited_for_a_look_reads_no_more_than_it_needs() {
    for (name, bench) in benches().await {
        let lane = |n: usize| format!("asset:{n}");
        let waiting: Vec<Job> = (0..LANES)
            .map(|n| {
                bench.pass(1);
                bench.job().in_lane(lane(n))
            })
            .collect();
        bench.add_all(&waiting).await;
        let somebody = fresh(bench.world.as_ref());
        let numbers: Vec<usize> = (0..LANES).collect();
        for some in numbers.chunks(TOGETHER) {
            let mut changes = ChangeSet::new();
            for n in some {
                let held = Lane::held_by(&lane(*n), somebody, bench.world.now());
                changes.create(&held, None).expect("json");
            }
            bench.store.commit(changes).await.expect("added");
        }
        let free = async |n: usize| {
            let keys = [Lane::key_of(&lane(n))];
            let found = repo::get_keys::<Lane>(bench.store.as_ref(), &keys).await;
            let held = found.expect("answers").remove(0).expect("there");
            let mut changes = ChangeSet::new();
            let freed = held.value.freed(bench.world.now());
            changes.update(&held, &freed, None).expect("json");
            bench.store.commit(changes).await.expect("freed");
            bench.cost();
        };
        bench.pass(10_000);
        assert!(bench.claim("a").await.is_none(), "{name}: learns of them");

        // All are held: their lanes are asked for in a few reads, and the last page of the queue.
        bench.cost();
        assert!(bench.claim("a").await.is_none(), "{name}");
        let (ranges, keys, rows) = bench.cost();
        assert!(ranges <= 2 && keys <= 8, "{name}: {ranges} {keys}");
        assert!(rows <= LANES + LOOK + 10, "{name}: {rows}");

        // One of the oldest is free: no lane is read of those that came much later.
        free(2).await;
        let claimed = bench.claim("a").await.expect("its lane is free");
        assert_eq!(claimed.job().id, waiting[2].id, "{name}");
        let (ranges, keys, rows) = bench.cost();
        assert!(
            ranges == 0 && keys <= 4 && rows <= 10,
            "{name}: {ranges} {keys} {rows}"
        );

        // One in their midst: found among the older ones, still in a few reads.
        free(1_000).await;
        let claimed = bench.claim("a").await.expect("its lane is free");
        assert_eq!(claimed.job().id, waiting[1_000].id, "{name}");
        let (ranges, keys, rows) = bench.cost();
        assert!(
            ranges == 0 && keys <= 8 && rows <= LANES,
            "{name}: {ranges} {keys} {rows}"
        );

        // Whoever has waited longest comes first, and none is forgotten.
        for n in [1_500, 700, 30] {
            free(n).await;
        }
        for n in [30, 700, 1_500] {
            let claimed = bench.claim("a").await.expect("its lane is free");
            assert_eq!(claimed.job().id, waiting[n].id, "{name}");
        }
        assert!(bench.claim("a").await.is_none(), "{name}");
    }
}
