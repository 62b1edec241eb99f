//! Durable jobs over the store port: list what is due, take it by conditional write, end it.
//!
//! What a step does to a job is decided in `gna_domain::model::Job`; here it is only stored, each
//! step as one commit of the job's record and its lane's.

use async_trait::async_trait;
use gna_domain::error::{Kind, Result};
use gna_domain::id::JobId;
use gna_domain::model::{Job, Lane, Queue};
use gna_domain::page::{Page, PageRequest};
use gna_domain::port::jobs::{Claimed, Fate, Jobs, Wanted};
use gna_domain::port::store::{ChangeSet, Effect, Entity, Key, List, Store, Stored};
use gna_domain::port::{Clock, Ids, repo};
use gna_domain::rules::backoff::backoff_ms;
use gna_domain::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attributes::sortable;
use backlog::{Backlog, Backlogs, Head};
use wish::Wish;

mod backlog;
mod wish;

/// How long a lease holds. A worker renews it three times within that.
const LEASE_MS: i64 = 60_000;

/// Jobs looked at per round trip.
const LOOK: usize = 200;
/// Jobs looked at first for each that is wanted: most can be taken, and each costs a read of its lane.
const LOOK_FIRST: usize = 4;
/// By how much each look at lanes that jobs wait for is larger than the one before it, and how many of
/// these jobs the largest is for: where all of thousands are held, that shows in a few round trips.
const LOOK_GROWS: usize = 4;
const LOOK_MOST: usize = 1_000;

pub struct StoreJobs {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    backlogs: Backlogs,
}

impl StoreJobs {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self {
            store,
            clock,
            ids,
            backlogs: Backlogs::default(),
        }
    }

    async fn listed(
        &self,
        queue: Queue,
        until: Option<Timestamp>,
        descending: bool,
        page: PageRequest,
    ) -> Result<Page<Stored<Job>>> {
        let list = List {
            collection: Job::COLLECTION,
            index: Some("due"),
            partition: vec![queue.as_str().to_owned()],
            prefix: String::new(),
            until: until.map(|until| sortable(until.millis())),
            descending,
            page,
        };
        let page = self.store.list(&[list]).await?.pop();
        repo::typed_page(page.unwrap_or_else(Page::empty))
    }

    /// The lanes of these jobs, as they are.
    async fn lanes(&self, jobs: &[Stored<Job>]) -> Result<BTreeMap<String, Stored<Lane>>> {
        let mut names: Vec<String> = jobs.iter().flat_map(|job| Lane::names_of(job)).collect();
        names.sort_unstable();
        names.dedup();
        self.named(names).await
    }

    /// The lanes of these names, where they have records.
    async fn named(&self, names: Vec<String>) -> Result<BTreeMap<String, Stored<Lane>>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let keys: Vec<Key> = names.iter().map(|name| Lane::key_of(name)).collect();
        let lanes = repo::get_keys::<Lane>(self.store.as_ref(), &keys).await?;
        Ok(names
            .into_iter()
            .zip(lanes)
            .filter_map(|(name, lane)| Some((name, lane?)))
            .collect())
    }

    /// All of them in one commit, whose places are different ones; nothing when someone else was
    /// faster with any of them.
    async fn take(
        &self,
        worker: &str,
        picked: &[Picked<'_>],
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let mut changes = ChangeSet::new();
        let mut claimed = Vec::with_capacity(picked.len());
        for (job, (name, lane)) in picked {
            let next = job.value.claimed(worker, now.plus_millis(LEASE_MS));
            let held = Lane::held_by(name, job.id, now);
            changes.update(job, &next, None)?;
            let version = match lane {
                Some(lane) => {
                    changes.update(lane, &held, None)?;
                    lane.version + 1
                }
                None => {
                    changes.create(&held, None)?;
                    1
                }
            };
            let job = Stored {
                value: next,
                version: job.version + 1,
            };
            let lane = Stored {
                value: held,
                version,
            };
            claimed.push(Claimed::new(job, lane));
        }
        match self.store.commit(changes).await {
            Ok(_) => Ok(claimed),
            Err(error) if error.kind() == Kind::Conflict => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Of what was passed over before: whose lane is free now, or for whom there is room. Those that have
    /// waited longest are looked at first, and no more of them than it takes to find some.
    async fn claim_waiting(
        &self,
        worker: &str,
        wish: &Wish<'_>,
        backlog: &mut Backlog,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let mut heads = backlog.heads(wish);
        let mut look = look_first(wish);
        while !heads.is_empty() {
            let some: Vec<Head> = std::iter::from_fn(|| heads.pop_first())
                .map(|(_, head)| head)
                .take(look)
                .collect();
            look = look.saturating_mul(LOOK_GROWS).min(LOOK_MOST);
            let places: BTreeSet<&String> = some.iter().flat_map(|head| &head.places).collect();
            let lanes = self.named(places.into_iter().cloned().collect()).await?;
            // A lane that is held costs no look at its jobs.
            let open = some
                .into_iter()
                .filter_map(|head| backlog.open(head, &lanes));
            let mut open: BTreeMap<u64, Head> = open.map(|head| (head.number, head)).collect();
            // What is too much for one look stays for the next.
            let later = open.keys().nth(LOOK).copied();
            if let Some(later) = later {
                heads.append(&mut open.split_off(&later));
            }
            if open.is_empty() {
                continue;
            }
            let ids: Vec<JobId> = open.values().map(|head| head.id).collect();
            let found = repo::get_many::<Job>(self.store.as_ref(), &ids).await?;
            let (mut jobs, mut gone) = (Vec::new(), Vec::new());
            for (head, job) in open.values().zip(found) {
                match job.filter(|job| job.is_claimable(now)) {
                    Some(job) => jobs.push(job),
                    None => gone.push(head),
                }
            }
            for head in &gone {
                backlog.forget(head);
            }
            // Whoever was behind them may be taken in their place.
            for head in &gone {
                heads.extend(backlog.heads_behind(head, wish));
            }
            if jobs.is_empty() {
                continue;
            }
            let lanes = self.lanes(&jobs).await?;
            let claimed = self.take_some(worker, &jobs, &lanes, wish, now).await?;
            for head in open.values() {
                if claimed.iter().any(|claimed| claimed.job().id == head.id) {
                    backlog.forget(head);
                }
            }
            if !claimed.is_empty() {
                return Ok(claimed);
            }
        }
        Ok(Vec::new())
    }

    /// Of what the queue has behind that; passes over what can't be taken.
    async fn claim_queued(
        &self,
        worker: &str,
        wish: &Wish<'_>,
        backlog: &mut Backlog,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let mut request = PageRequest {
            first: look_first(wish),
            after: backlog.after(),
        };
        let mut follows = true;
        loop {
            let page = self
                .listed(Queue::Ready, Some(now), false, request.clone())
                .await?;
            let is_wanted = |job: &Job| wish.room(&job.kind) > 0;
            let jobs: Vec<_> = page
                .items
                .iter()
                .filter(|job| is_wanted(job))
                .cloned()
                .collect();
            let lanes = self.lanes(&jobs).await?;
            let claimed = self.take_some(worker, &jobs, &lanes, wish, now).await?;
            let is_left = |job: &Job| {
                wish.knows(job) && claimed.iter().all(|claimed| claimed.job().id != job.id)
            };
            follows = follows && backlog.pass(&page.items, page.next.as_ref(), is_left, now);
            if !claimed.is_empty() {
                return Ok(claimed);
            }
            match page.next {
                Some(next) => {
                    request.after = Some(next);
                    request.first = LOOK;
                }
                None => return Ok(Vec::new()),
            }
        }
    }

    /// Of these jobs as many as are wanted and can be taken; fewer where others are faster.
    async fn take_some(
        &self,
        worker: &str,
        jobs: &[Stored<Job>],
        lanes: &BTreeMap<String, Stored<Lane>>,
        wish: &Wish<'_>,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let together = picked(jobs, lanes, now, wish);
        if together.is_empty() {
            return Ok(Vec::new());
        }
        let mut claimed = self.take(worker, &together, now).await?;
        if !claimed.is_empty() {
            return Ok(claimed);
        }
        // Somebody was faster with one of them: one by one, whichever is left; then the others that
        // were seen.
        let mut wish = wish.clone();
        let tried = match together.as_slice() {
            [(one, _)] => Some(one.id),
            _ => None,
        };
        for one in picked(jobs, lanes, now, &wish.boundless()) {
            if wish.room(&one.0.kind) > 0 && Some(one.0.id) != tried {
                let taken = self.take(worker, std::slice::from_ref(&one), now).await?;
                if !taken.is_empty() {
                    wish.fill(&one.0.kind);
                }
                claimed.extend(taken);
            }
            if wish.most() == 0 {
                break;
            }
        }
        Ok(claimed)
    }

    /// Commits the job's next state with `changes`; frees the lane unless the job goes on later.
    async fn end(&self, claimed: &Claimed, next: Job, mut changes: ChangeSet) -> Result<()> {
        let current = claimed.current();
        let lane = claimed.lane();
        let lane_key = lane.value.key();
        // The lane is written below; a fence of the handler's would be a second mention.
        changes
            .writes
            .retain(|write| write.key != lane_key || !matches!(write.effect, Effect::Check));
        // Also where the job keeps it: what the handler left behind must not commit any more.
        let now = self.clock.now();
        let after = if next.queue == Some(Queue::Ready) && !next.yields {
            Lane::held_by(&lane.name, next.id, now)
        } else {
            lane.value.freed(now)
        };
        changes.update(lane, &after, None)?;
        changes.update(&current, &next, None)?;
        self.store.commit(changes).await?;
        claimed.replace(Stored {
            value: next,
            version: current.version + 1,
        });
        Ok(())
    }

    fn random(&self) -> u64 {
        let bytes = self.ids.random();
        bytes
            .iter()
            .take(8)
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}

/// How many jobs are looked at first.
fn look_first(wish: &Wish<'_>) -> usize {
    wish.most().saturating_mul(LOOK_FIRST).clamp(1, LOOK)
}

/// A place of a lane: its name, and its record where it has one.
type Spot<'a> = (String, Option<&'a Stored<Lane>>);
/// A job that is to be taken, and its place.
type Picked<'a> = (&'a Stored<Job>, Spot<'a>);

/// The jobs that can be taken now and are wanted, no two of them in one place.
fn picked<'a>(
    jobs: &'a [Stored<Job>],
    lanes: &'a BTreeMap<String, Stored<Lane>>,
    now: Timestamp,
    wish: &Wish<'_>,
) -> Vec<Picked<'a>> {
    let mut wish = wish.clone();
    let mut picked: Vec<Picked<'a>> = Vec::new();
    for job in jobs {
        // The list may lag behind the record: what it shows is checked again here, and the write
        // itself names the version that was seen.
        let place = place_in(job, lanes).filter(|_| job.is_claimable(now));
        let Some((name, lane)) = place else { continue };
        if picked.iter().all(|(_, (taken, _))| *taken != name) && wish.fill(&job.kind) {
            picked.push((job, (name, lane)));
        }
    }
    picked
}

/// Jobs of these kinds, in order.
fn of_kinds(jobs: Vec<Stored<Job>>, kinds: &[&str]) -> Vec<Stored<Job>> {
    jobs.into_iter()
        .filter(|job| kinds.contains(&job.kind.as_str()))
        .collect()
}

/// The place of its lane that a job has already, else the first that is free.
fn place_in<'a>(job: &Job, lanes: &'a BTreeMap<String, Stored<Lane>>) -> Option<Spot<'a>> {
    let names = Lane::names_of(job);
    let holder = |name: &String| lanes.get(name).and_then(|lane| lane.holder);
    let own = names.iter().find(|name| holder(name) == Some(job.id));
    let name = own.or_else(|| names.iter().find(|name| holder(name).is_none()))?;
    Some((name.clone(), lanes.get(name)))
}

#[async_trait]
impl Jobs for StoreJobs {
    async fn claim_many(&self, worker: &str, wanted: &[Wanted<'_>]) -> Result<Vec<Claimed>> {
        let wish = Wish::new(wanted);
        if wish.most() == 0 {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let kinds = wish.kinds();
        let mut backlog = self.backlogs.take(&kinds, now);
        let waited = self.claim_waiting(worker, &wish, &mut backlog, now);
        let claimed = match waited.await? {
            claimed if claimed.is_empty() => {
                self.claim_queued(worker, &wish, &mut backlog, now).await?
            }
            claimed => claimed,
        };
        self.backlogs.put(kinds, backlog);
        Ok(claimed)
    }

    async fn next_due(&self, kinds: &[&str]) -> Result<Option<Timestamp>> {
        let now = self.clock.now();
        // What was passed over is due already.
        let most = kinds.len();
        let passed = self
            .backlogs
            .place(&Wish::new(&[Wanted { kinds, most }]).kinds(), now);
        let mut request = PageRequest::first(LOOK);
        request.after = passed.as_ref().map(|(after, _)| after.clone());
        let next = loop {
            let page = self
                .listed(Queue::Ready, None, false, request.clone())
                .await?;
            let next = of_kinds(page.items, kinds)
                .iter()
                .map(|job| job.due)
                .find(|due| *due > now);
            match (next, page.next) {
                (Some(due), _) => break Some(due),
                (None, Some(next)) => request.after = Some(next),
                (None, None) => break None,
            }
        };
        let anew = passed.map(|(_, anew)| anew);
        Ok(next.into_iter().chain(anew).min())
    }

    async fn oldest_due(&self) -> Result<Option<Timestamp>> {
        let (until, first) = (Some(self.clock.now()), PageRequest::first(1));
        let page = self.listed(Queue::Ready, until, false, first).await?;
        Ok(page.items.first().map(|job| job.due))
    }

    async fn extend(&self, claimed: &Claimed) -> Result<()> {
        let current = claimed.current();
        let next = current
            .value
            .extended(self.clock.now().plus_millis(LEASE_MS));
        let mut changes = ChangeSet::new();
        changes.update(&current, &next, None)?;
        claimed.fence(&mut changes);
        self.store.commit(changes).await?;
        claimed.replace(Stored {
            value: next,
            version: current.version + 1,
        });
        Ok(())
    }

    fn lease_ms(&self) -> i64 {
        LEASE_MS
    }

    async fn complete(&self, claimed: &Claimed, changes: ChangeSet) -> Result<()> {
        let next = claimed.current().value.completed(self.clock.now());
        self.end(claimed, next, changes).await
    }

    async fn continue_later(&self, claimed: &Claimed, at: Timestamp, payload: Value) -> Result<()> {
        let next = claimed.current().value.continued(at, payload);
        self.end(claimed, next, ChangeSet::new()).await
    }

    async fn retry(&self, claimed: &Claimed, error: &str) -> Result<Fate> {
        let current = claimed.current();
        let wait = backoff_ms(current.attempts.saturating_add(1), self.random());
        let due = self.clock.now().plus_millis(wait);
        let next = current.value.failed(error, due);
        let fate = if next.queue == Some(Queue::Dead) {
            Fate::Dead
        } else {
            Fate::Retry(due)
        };
        self.end(claimed, next, ChangeSet::new()).await?;
        Ok(fate)
    }

    async fn bury(&self, claimed: &Claimed, error: &str, changes: ChangeSet) -> Result<()> {
        let next = claimed.current().value.buried(error, self.clock.now());
        self.end(claimed, next, changes).await
    }

    async fn free_all(&self) -> Result<usize> {
        let now = self.clock.now();
        let mut freed = 0;
        let mut request = PageRequest::first(LOOK);
        loop {
            let page = self
                .listed(Queue::Ready, None, false, request.clone())
                .await?;
            for job in page.items.iter().filter(|job| job.lease.is_some()) {
                let mut changes = ChangeSet::new();
                changes.update(job, &job.value.freed(now), None)?;
                match self.store.commit(changes).await {
                    Ok(_) => freed += 1,
                    // The list lagged; the record is further on already.
                    Err(error) if error.kind() == Kind::Conflict => {}
                    Err(error) => return Err(error),
                }
            }
            match page.next {
                Some(next) => request.after = Some(next),
                None => return Ok(freed),
            }
        }
    }

    async fn dead(&self, page: PageRequest) -> Result<Page<Stored<Job>>> {
        self.listed(Queue::Dead, None, true, page).await
    }
}

#[cfg(test)]
mod tests;
