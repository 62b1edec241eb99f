//! Which job is run when: as many at a time of each class as it has slots, as soon as they are due.

use gna_domain::Ports;
use gna_domain::port::jobs::{Claimed, Class, Handler, Jobs, Wanted};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::run::Run;

/// When to look again after a signal that brought nothing. A store's lists may lag behind its
/// commits; after these the job is either listed or someone else's.
const LOOK_AGAIN: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Longest sleep towards a due time: clocks get set.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// How long handlers may go on after the worker was told to stop.
const GRACE: Duration = Duration::from_secs(10);

fn describe() {
    metrics::describe_counter!(
        "gna_jobs_total",
        "Jobs handled, by kind and outcome: done, continued (to go on later), retried, dead, lost"
    );
    metrics::describe_gauge!("gna_jobs_running", "Jobs in hands, by kind");
    metrics::describe_histogram!("gna_job_seconds", "Time of one turn of a job, by kind");
}

/// How many jobs of a class a worker has under way at a time, each 1 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    pub own: usize,
    pub webhooks: usize,
    pub apps: usize,
    pub mail: usize,
}

impl Slots {
    /// As many for each.
    #[must_use]
    pub fn each(slots: usize) -> Self {
        Self {
            own: slots,
            webhooks: slots,
            apps: slots,
            mail: slots,
        }
    }

    fn of(self, class: Class) -> usize {
        let slots = match class {
            Class::Own => self.own,
            Class::Webhooks => self.webhooks,
            Class::Apps => self.apps,
            Class::Mail => self.mail,
        };
        slots.max(1)
    }
}

/// The room of one class, and the kinds that share it.
struct Room {
    kinds: Vec<&'static str>,
    slots: Arc<Semaphore>,
}

impl Room {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            kinds: &self.kinds,
            most: self.slots.available_permits(),
        }
    }
}

/// A job's place in a worker; whoever waits for room hears when it is given back.
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.freed.notify_one();
    }
}

#[derive(Clone)]
pub struct Worker {
    ports: Ports,
    jobs: Arc<dyn Jobs>,
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
    slots: Slots,
    name: String,
    grace: Duration,
}

impl Worker {
    /// A worker with a name of its own: two processes must never share one.
    #[must_use]
    pub fn new(ports: Ports, jobs: Arc<dyn Jobs>, slots: Slots) -> Self {
        let name = format!("{}-{}", std::process::id(), ports.ids.uuid().simple());
        Self {
            ports,
            jobs,
            handlers: BTreeMap::new(),
            slots,
            name,
            grace: GRACE,
        }
    }

    /// Lets handlers go on for another time than ten seconds when it is told to stop.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    #[must_use]
    pub fn with(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handlers.insert(handler.kind(), handler);
        self
    }

    /// The classes that there are kinds of.
    fn rooms(&self) -> Vec<Room> {
        let rooms = Class::ALL.iter().map(|class| Room {
            kinds: self
                .handlers
                .values()
                .filter(|handler| handler.class() == *class)
                .map(|handler| handler.kind())
                .collect(),
            slots: Arc::new(Semaphore::new(self.slots.of(*class))),
        });
        rooms.filter(|room| !room.kinds.is_empty()).collect()
    }

    /// A look and a commit cost the same for one job and for several: as many as there is room for.
    async fn claim(&self, rooms: &[Room]) -> gna_domain::Result<Vec<Claimed>> {
        let wanted: Vec<Wanted<'_>> = rooms.iter().map(Room::wanted).collect();
        self.jobs.claim_many(&self.name, &wanted).await
    }

    /// Has a job done beside the others.
    fn begin(
        &self,
        claimed: Claimed,
        rooms: &[Room],
        freed: &Arc<Notify>,
        running: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> bool {
        let kind = claimed.job().kind.clone();
        let room = rooms
            .iter()
            .find(|room| room.kinds.contains(&kind.as_str()));
        let Some(run) = self.take(claimed, stop) else {
            return false;
        };
        let held = Held {
            permit: room.and_then(|room| Arc::clone(&room.slots).try_acquire_owned().ok()),
            freed: Arc::clone(freed),
        };
        running.spawn(async move {
            run.finish().await;
            drop(held);
        });
        true
    }

    /// Works until `stop`; then lets what runs come to an end for a while and puts the rest back.
    pub async fn run(self, stop: CancellationToken) {
        describe();
        let kinds: Vec<&str> = self.handlers.keys().copied().collect();
        let rooms = self.rooms();
        let freed = Arc::new(Notify::new());
        let mut written = self.ports.store.signals().jobs;
        let mut running = JoinSet::new();
        // How many looks came to nothing since the last signal, and failures in a row.
        let (mut looks, mut failures) = (0, 0_u32);
        loop {
            while running.try_join_next().is_some() {}
            let full = rooms.iter().filter(|room| room.wanted().most == 0).count();
            if full == rooms.len() && full > 0 {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = freed.notified() => continue,
                }
            }
            if stop.is_cancelled() {
                break;
            }
            // Seen before looking: what is written from here on wakes the wait below.
            if written.has_changed().unwrap_or(false) {
                looks = 0;
            }
            written.borrow_and_update();
            match self.claim(&rooms).await {
                Ok(claimed) if !claimed.is_empty() => {
                    failures = 0;
                    for claimed in claimed {
                        self.begin(claimed, &rooms, &freed, &mut running, &stop);
                    }
                    continue;
                }
                Ok(_) => failures = 0,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, "looking for jobs failed");
                }
            }
            let wait = self.until_next(&kinds, looks, failures).await;
            let asleep = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => pending().await,
                }
            };
            // What was passed over for want of room can be taken once there is some.
            let roomier = async {
                match full {
                    0 => pending().await,
                    _ => freed.notified().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                changed = written.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    written.mark_changed();
                }
                () = roomier => {}
                () = asleep => looks += 1,
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Does what is due and what becomes due by it, until nothing is or `stop`; answers how many
    /// turns jobs had. For those who call again: it waits for nothing.
    pub async fn drain(&self, stop: &CancellationToken) -> usize {
        let (rooms, freed) = (self.rooms(), Arc::new(Notify::new()));
        let mut running = JoinSet::new();
        let mut turns = 0;
        loop {
            while !stop.is_cancelled() {
                match self.claim(&rooms).await {
                    Ok(claimed) if claimed.is_empty() => break,
                    Ok(claimed) => {
                        for claimed in claimed {
                            let begun = self.begin(claimed, &rooms, &freed, &mut running, stop);
                            turns += usize::from(begun);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "looking for jobs failed");
                        break;
                    }
                }
            }
            if running.join_next().await.is_none() {
                return turns;
            }
        }
    }

    /// When a job is next due, of those that are not yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_due(&self) -> gna_domain::Result<Option<gna_domain::time::Timestamp>> {
        let kinds: Vec<&str> = self.handlers.keys().copied().collect();
        self.jobs.next_due(&kinds).await
    }

    fn take(&self, claimed: Claimed, stop: &CancellationToken) -> Option<Run> {
        let handler = self.handlers.get(claimed.job().kind.as_str())?;
        Some(Run {
            ports: self.ports.clone(),
            jobs: Arc::clone(&self.jobs),
            handler: Arc::clone(handler),
            claimed: Arc::new(claimed),
            stop: stop.clone(),
            grace: self.grace,
        })
    }

    /// How long to sleep when nothing is written meanwhile; `None` for good.
    async fn until_next(&self, kinds: &[&str], looks: usize, failures: u32) -> Option<Duration> {
        if failures > 0 {
            return Some(Duration::from_secs(1 << failures.min(5)));
        }
        let due = match self.jobs.next_due(kinds).await {
            Ok(due) => due.map(|due| {
                let millis = due.millis().saturating_sub(self.ports.clock.now().millis());
                Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(LONGEST_SLEEP)
            }),
            Err(error) => {
                tracing::warn!(%error, "looking for jobs failed");
                Some(Duration::from_secs(5))
            }
        };
        let again = LOOK_AGAIN.get(looks).copied();
        [due, again].into_iter().flatten().min()
    }
}
