//! Several workers, a slow and faulty provider, and a kill at every point.

use super::tests::{at, credential};
use super::*;
use crate::id::TypedId;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

const LEEWAY_SECONDS: u32 = 60;

/// What the provider does with a presentation.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Answers,
    /// Does its work and keeps the same refresh token out of the answer, where it does not rotate.
    LosesAnswer,
    LosesRequest,
    IsBusy,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The worker does the next thing it has to do.
    Go(usize, Fault),
    /// Its process ends; what it has sent is on its way still.
    Kill(usize),
    /// The app hears of the oldest request whose sender was killed.
    Arrive,
    Pass(i64),
    /// The app stops accepting the current access token.
    Spent,
}

enum Worker {
    Idle,
    Intends(Intent),
    /// Has sent it, then.
    Waits(Intent, Timestamp),
    Knows(Intent, Outcome),
}

struct Provider {
    reuse: Reuse,
    next: u32,
    /// When each token was used first; `None` while it was not.
    tokens: BTreeMap<String, Option<Timestamp>>,
    ended: bool,
    /// Presentations of a token that must not be presented any more.
    doubled: u32,
}

impl Provider {
    fn accepts(&self, token: &str, now: Timestamp) -> bool {
        let Some(used) = self.tokens.get(token) else {
            return false;
        };
        !self.ended
            && match (self.reuse, used) {
                (Reuse::NonRotating, _) | (_, None) => true,
                (Reuse::RotatingWithLeeway { seconds }, Some(used)) => {
                    now.millis() - used.millis() < i64::from(seconds) * 1_000
                }
                _ => false,
            }
    }

    fn present(&mut self, token: &str, now: Timestamp) -> Outcome {
        if !self.accepts(token, now) {
            self.doubled += 1;
            self.ended |= self.reuse == Reuse::RotatingFamilyRevocation;
            return Outcome::Refused;
        }
        let used = self.tokens.entry(token.to_owned()).or_default();
        used.get_or_insert(now);
        let mut next = token.to_owned();
        if self.reuse != Reuse::NonRotating {
            self.next += 1;
            next = format!("r{}", self.next);
            self.tokens.insert(next.clone(), None);
        }
        Outcome::Granted(Granted {
            sealed: Sealed::from_text(next.clone()),
            refresh_digest: Some(next),
            access_expires: None,
            refresh_expires: None,
        })
    }
}

struct Model {
    now: Timestamp,
    means: Means,
    provider: Provider,
    stored: Credential,
    version: u64,
    /// The generation whose access token is spent.
    spent: u64,
    workers: Vec<Worker>,
    /// What was sent by those that were killed, and when.
    on_its_way: VecDeque<(String, Timestamp)>,
    ids: u128,
}

impl Model {
    fn new(reuse: Reuse) -> Self {
        Self {
            now: at(0),
            means: Means::Token(reuse),
            provider: Provider {
                reuse,
                next: 0,
                tokens: BTreeMap::from([("r0".to_owned(), None)]),
                ended: false,
                doubled: 0,
            },
            stored: credential("r0"),
            version: 1,
            spent: 0,
            workers: (0..3).map(|_| Worker::Idle).collect(),
            on_its_way: VecDeque::new(),
            ids: 0,
        }
    }

    fn commit(&mut self, next: Credential) {
        self.stored = next;
        self.version += 1;
    }

    fn go(&mut self, number: usize, fault: Fault) {
        let worker = std::mem::replace(&mut self.workers[number], Worker::Idle);
        self.workers[number] = match worker {
            Worker::Idle => self.start(),
            Worker::Intends(intent) if is_in_time(&intent, self.means, self.now) => {
                Worker::Waits(intent, self.now)
            }
            Worker::Intends(intent) => Worker::Knows(intent, Outcome::NotTaken),
            Worker::Waits(intent, sent) => {
                let outcome = self.call(&intent.presented, sent, fault);
                Worker::Knows(intent, outcome)
            }
            Worker::Knows(intent, outcome) => {
                let settled = settle(
                    &self.stored,
                    &intent,
                    &outcome,
                    self.means,
                    "Tracker",
                    self.now,
                );
                match settled {
                    Settled::Use(next) | Settled::Reconnect(next, _) | Settled::Later(next) => {
                        self.commit(*next);
                    }
                    Settled::Stale => {}
                }
                Worker::Idle
            }
        };
    }

    fn start(&mut self) -> Worker {
        match plan(&self.stored, self.spent, self.means, self.now) {
            Plan::Adopt | Plan::Wait { .. } => Worker::Idle,
            Plan::Reconnect(reason) => {
                self.commit(give_up(&self.stored, reason, "Tracker", self.now));
                Worker::Idle
            }
            Plan::Present { attempt } => {
                self.ids += 1;
                let id = RefreshId::from_uuid(Uuid::from_u128(self.ids));
                self.commit(begin(&self.stored, id, attempt, self.means, self.now));
                Worker::Intends(self.stored.intent.clone().expect("begun"))
            }
        }
    }

    /// Whether the app hears of what was sent then: nobody waits longer for an answer, and the
    /// connection is closed.
    fn hears(&self, sent: Timestamp) -> bool {
        self.now <= sent.plus_millis(self.means.patience().answer_ms - 1)
    }

    fn call(&mut self, token: &str, sent: Timestamp, fault: Fault) -> Outcome {
        if !self.hears(sent) {
            return Outcome::Unknown;
        }
        match fault {
            Fault::Answers => self.provider.present(token, self.now),
            Fault::LosesAnswer => {
                self.provider.present(token, self.now);
                Outcome::Unknown
            }
            Fault::LosesRequest => Outcome::Unknown,
            Fault::IsBusy => Outcome::NotTaken,
        }
    }

    fn kill(&mut self, number: usize) {
        if let Worker::Waits(intent, sent) =
            std::mem::replace(&mut self.workers[number], Worker::Idle)
        {
            self.on_its_way.push_back((intent.presented, sent));
        }
    }

    fn arrive(&mut self) {
        if let Some((token, sent)) = self.on_its_way.pop_front()
            && self.hears(sent)
        {
            self.provider.present(&token, self.now);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Go(worker, fault) => self.go(worker, fault),
            Step::Kill(worker) => self.kill(worker),
            Step::Arrive => self.arrive(),
            Step::Pass(millis) => self.now = self.now.plus_millis(millis),
            Step::Spent => self.spent = self.stored.generation,
        }
    }

    /// What holds after every step.
    fn check(&self) {
        assert_eq!(
            self.provider.doubled, 0,
            "a token was presented once too often"
        );
        if self.stored.valid && self.stored.intent.is_none() {
            let token = self.stored.refresh_digest.as_deref().expect("a token");
            assert!(
                self.provider.accepts(token, self.now),
                "a connection that is called valid was lost"
            );
        }
        assert_eq!(self.stored.valid, self.stored.message.is_none());
        if self.provider.reuse == Reuse::NonRotating {
            assert!(self.stored.valid, "nothing can be lost here");
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Answers),
        1 => Just(Fault::LosesAnswer),
        1 => Just(Fault::LosesRequest),
        1 => Just(Fault::IsBusy),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3usize, fault()).prop_map(|(worker, fault)| Step::Go(worker, fault)),
        2 => (0..3usize).prop_map(Step::Kill),
        1 => Just(Step::Arrive),
        3 => (1..12_000i64).prop_map(Step::Pass),
        // Around an answer, a lease and what is between them.
        3 => proptest::sample::select(vec![9_999, 10_000, 19_999, 20_000, 30_000]).prop_map(Step::Pass),
        1 => (30_000..120_000i64).prop_map(Step::Pass),
        3 => Just(Step::Spent),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn no_token_is_lost_silently_or_presented_once_too_often(
        steps in proptest::collection::vec(step(), 1..120),
        reuse in prop_oneof![
            Just(Reuse::NonRotating),
            Just(Reuse::RotatingWithLeeway { seconds: LEEWAY_SECONDS }),
            Just(Reuse::RotatingFamilyRevocation),
        ],
    ) {
        let mut model = Model::new(reuse);
        for step in steps {
            model.step(step);
            model.check();
        }
        // Everyone is killed, and the next one comes after the lease: it gets tokens or a message.
        (0..3).for_each(|worker| model.step(Step::Kill(worker)));
        model.step(Step::Pass(LEASE_MS));
        model.step(Step::Spent);
        for _ in 0..4 {
            model.go(0, Fault::Answers);
            model.check();
        }
        prop_assert!(!model.stored.valid || model.stored.generation > model.spent);
    }
}
