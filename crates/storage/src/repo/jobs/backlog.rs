//! What looks at the queue saw and could not take: jobs whose lane is held, or for which there was no
//! room. The next look begins behind them; of a lane that became free only the first jobs are read, by
//! their ids.
//!
//! Nothing here is believed: a job that is taken is read again and named with its version. What is
//! forgotten or was never seen is found when the queue is read from its start once more, after
//! [`ANEW_MS`].

use gna_domain::id::JobId;
use gna_domain::model::{Job, Lane};
use gna_domain::page::Cursor;
use gna_domain::port::store::Stored;
use gna_domain::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::wish::Wish;
use super::{LOOK, LOOK_FIRST};

/// How long a job must have been due before it is passed over, in milliseconds. Commits take a moment,
/// lists lag and clocks differ: one that is due before it may yet come into the list.
const SETTLED_MS: i64 = 2_000;

/// After how long the queue is read from its start again, in milliseconds.
pub const ANEW_MS: i64 = 30_000;

/// Most jobs that are kept; the queue is read again from where they end.
const JOBS_MAX: usize = 100_000;

/// Most different wishes that are kept apart; a process has one or two.
const WISHES_MAX: usize = 8;

/// Jobs that wait for the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    /// For a place in a lane.
    Lane(String),
    /// For room, in no lane.
    Kind(String),
}

/// A job that was passed over.
#[derive(Clone, Debug)]
struct Seen {
    /// Grows with the order of the queue.
    number: u64,
    id: JobId,
    kind: String,
}

/// The lane is the same for all of a line. Where some of its jobs may be in more of its places than others,
/// the places are all of them.
#[derive(Clone, Debug, Default)]
struct Waiting {
    places: Vec<String>,
    jobs: VecDeque<Seen>,
}

/// A job that may have come to the front of its line.
#[derive(Clone, Debug)]
pub struct Head {
    pub number: u64,
    pub id: JobId,
    line: Line,
    /// Of its lane; it needs one of them. Empty where it is in none.
    pub places: Vec<String>,
}

/// What was seen for one wish.
#[derive(Clone, Debug)]
pub struct Backlog {
    since: Timestamp,
    after: Option<Cursor>,
    lines: BTreeMap<Line, Waiting>,
    count: usize,
    next: u64,
}

impl Backlog {
    pub fn new(now: Timestamp) -> Self {
        Self {
            since: now,
            after: None,
            lines: BTreeMap::new(),
            count: 0,
            next: 0,
        }
    }

    /// From where the queue is to be read.
    pub fn after(&self) -> Option<Cursor> {
        self.after.clone()
    }

    /// Whether it still holds. A clock that was set back ends it, too.
    fn is_good(&self, now: Timestamp) -> bool {
        (0..ANEW_MS).contains(&(now.millis() - self.since.millis()))
    }

    /// Passes over a page of the queue that was read from [`Backlog::after`]; answers whether the next
    /// page follows on it.
    pub fn pass(
        &mut self,
        jobs: &[Stored<Job>],
        next: Option<&Cursor>,
        is_wanted: impl Fn(&Job) -> bool,
        now: Timestamp,
    ) -> bool {
        let is_settled = |job: &Stored<Job>| now.millis() - job.due.millis() >= SETTLED_MS;
        let (Some(next), true) = (next, jobs.last().is_some_and(is_settled)) else {
            return false;
        };
        if self.count + jobs.len() > JOBS_MAX {
            return false;
        }
        for job in jobs.iter().filter(|job| is_wanted(job)) {
            self.keep(job);
        }
        self.after = Some(next.clone());
        true
    }

    fn keep(&mut self, job: &Stored<Job>) {
        let (line, places) = match &job.lane {
            Some(lane) => (Line::Lane(lane.clone()), Lane::names_of(job)),
            None => (Line::Kind(job.kind.clone()), Vec::new()),
        };
        let waiting = self.lines.entry(line).or_default();
        if waiting.places.len() < places.len() {
            waiting.places = places;
        }
        waiting.jobs.push_back(Seen {
            number: self.next,
            id: job.id,
            kind: job.kind.clone(),
        });
        self.next += 1;
        self.count += 1;
    }

    /// The first jobs of each line, as many as could be taken of it and there is room for, by their
    /// numbers: those that have waited longest come first.
    pub fn heads(&self, wish: &Wish<'_>) -> BTreeMap<u64, Head> {
        let lines = self.lines.iter();
        let heads = lines.flat_map(move |(line, waiting)| heads_of(line, waiting, wish));
        heads.map(|head| (head.number, head)).collect()
    }

    /// The same, of this head's line and behind it.
    pub fn heads_behind(&self, head: &Head, wish: &Wish<'_>) -> BTreeMap<u64, Head> {
        let line = self.lines.get_key_value(&head.line).into_iter();
        let heads = line.flat_map(move |(line, waiting)| heads_of(line, waiting, wish));
        let behind = heads.filter(|other| other.number > head.number);
        behind.map(|head| (head.number, head)).collect()
    }

    /// The job that may be taken of a head's line: it, where a place of the lane is free, else one that has
    /// a place already, since it was begun before.
    pub fn open(&self, head: Head, lanes: &BTreeMap<String, Stored<Lane>>) -> Option<Head> {
        let holder = |name: &String| lanes.get(name).and_then(|lane| lane.holder);
        let is_free = |name: &String| holder(name).is_none();
        if head.places.is_empty() || head.places.iter().any(is_free) {
            return Some(head);
        }
        let holders: Vec<JobId> = head.places.iter().filter_map(holder).collect();
        let mut jobs = self.lines.get(&head.line)?.jobs.iter();
        let own = jobs.find(|seen| holders.contains(&seen.id))?;
        Some(Head {
            number: own.number,
            id: own.id,
            ..head
        })
    }

    /// It was taken, or is not what it was.
    pub fn forget(&mut self, head: &Head) {
        let Some(waiting) = self.lines.get_mut(&head.line) else {
            return;
        };
        let at = waiting.jobs.iter().position(|seen| seen.id == head.id);
        if at.and_then(|at| waiting.jobs.remove(at)).is_some() {
            self.count -= 1;
        }
        if waiting.jobs.is_empty() {
            self.lines.remove(&head.line);
        }
    }
}

/// The first jobs of a line, as many as could be taken of it and there is room for.
fn heads_of(line: &Line, waiting: &Waiting, wish: &Wish<'_>) -> impl Iterator<Item = Head> {
    let most = match (line, waiting.jobs.front()) {
        (_, None) => 0,
        (Line::Lane(_), Some(_)) => waiting.places.len(),
        (Line::Kind(_), Some(first)) => {
            let room = wish.room(&first.kind);
            room.saturating_mul(LOOK_FIRST).min(LOOK)
        }
    };
    let first = waiting.jobs.iter().take(most);
    let wanted = first.filter(move |seen| wish.room(&seen.kind) > 0);
    wanted.map(move |seen| Head {
        number: seen.number,
        id: seen.id,
        line: line.clone(),
        places: waiting.places.clone(),
    })
}

/// What was seen, by the kinds that it was seen for. Whoever looks has it to themselves; who looks at
/// the same moment begins anew.
#[derive(Debug, Default)]
pub struct Backlogs(Mutex<BTreeMap<String, Backlog>>);

impl Backlogs {
    /// Takes it out, to be put back after the look.
    pub fn take(&self, kinds: &str, now: Timestamp) -> Backlog {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.remove(kinds).filter(|known| known.is_good(now));
        known.unwrap_or_else(|| Backlog::new(now))
    }

    pub fn put(&self, kinds: String, backlog: Backlog) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= WISHES_MAX {
            all.clear();
        }
        all.insert(kinds, backlog);
    }

    /// From where the queue is to be read for these kinds, and when it is read from its start again;
    /// none where it is read from its start in any case.
    pub fn place(&self, kinds: &str, now: Timestamp) -> Option<(Cursor, Timestamp)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(kinds).filter(|known| known.is_good(now))?;
        Some((known.after.clone()?, known.since.plus_millis(ANEW_MS)))
    }
}
