//! More integrations than a commit takes: each is told once, also where commits fail half way.

use super::*;
use async_trait::async_trait;
use gna_domain::connect::inbox::HookTaker;
use gna_domain::id::{IntegrationId, JobId, TypedId};
use gna_domain::model::ReceivedHook;
use gna_domain::port::jobs::{Claimed, Handler, Outcome};
use gna_domain::port::store::{ChangeSet, Effect, Expect, FeedItem, StoreLimits, TOO_LARGE};
use gna_domain::port::{Store, fresh};
use gna_domain::service::connect::integration::{IntegrationHooks, work};
use gna_domain::service::feed::Owes;
use gna_testkit::{AtCommit, StoreBetween, World};
use std::sync::Mutex;
use uuid::Uuid;

/// Writes that a commit may have.
const WRITES: usize = 12;
/// Integrations beside the first one.
const OTHERS: i64 = 20;

/// Takes few writes at once, notes which integrations are told something, and fails one commit that
/// tells.
struct Watching {
    kind: &'static str,
    told: Mutex<Vec<String>>,
    /// How many commits that tell go through before the one that fails.
    left: Mutex<Option<usize>>,
}

impl Watching {
    fn install(world: &mut World, kind: &'static str, fails: Option<usize>) -> Arc<Self> {
        let watching = Arc::new(Self {
            kind,
            told: Mutex::default(),
            left: Mutex::new(fails),
        });
        let inner: Arc<dyn Store> = world.ports.store.clone();
        world.ports.store = Arc::new(StoreBetween {
            inner,
            with: watching.clone(),
        });
        watching
    }

    /// The integrations that new jobs of the kind are for.
    fn news(&self, changes: &ChangeSet) -> Vec<String> {
        let new = changes.writes.iter().filter_map(|write| {
            let Effect::Put { body, .. } = &write.effect else {
                return None;
            };
            if write.key.collection != Job::COLLECTION || write.expect != Expect::Absent {
                return None;
            }
            let job: Job = serde_json::from_slice(body).expect("a job");
            let of = job.payload["integration"].as_str().map(str::to_owned);
            of.filter(|_| job.kind == self.kind)
        });
        new.collect()
    }

    fn told(&self) -> Vec<String> {
        let mut told = self.told.lock().expect("a lock").clone();
        told.sort();
        told
    }
}

#[async_trait]
impl AtCommit for Watching {
    fn limits(&self, limits: StoreLimits) -> StoreLimits {
        StoreLimits {
            writes: WRITES,
            ..limits
        }
    }

    async fn before(&self, changes: &ChangeSet) -> Result<()> {
        if changes.writes.len() > WRITES {
            return Err(Error::limit(TOO_LARGE, "that is more than it takes"));
        }
        let news = self.news(changes);
        if news.is_empty() {
            return Ok(());
        }
        let mut left = self.left.lock().expect("a lock");
        let fails = *left == Some(0);
        *left = left.and_then(|left| left.checked_sub(1));
        drop(left);
        if fails {
            let reason = "the cable was pulled";
            return Err(Error::unavailable("store.unavailable", reason));
        }
        self.told.lock().expect("a lock").extend(news);
        Ok(())
    }
}

/// An office with many integrations, and their ids.
async fn crowded() -> (Office, Vec<String>) {
    let office = Office::new().await;
    let made = office.made().await;
    let store = office.start.world.ports.store.as_ref();
    let mut ids = vec![made.id.to_string()];
    for nth in 1..=OTHERS {
        let id: IntegrationId = fresh(office.start.world.ports.ids.as_ref());
        let other = Integration {
            id,
            identity: id.to_string(),
            schedule: None,
            created: made.created.plus_millis(nth),
            ..made.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.create(&other, None).expect("writes");
        store.commit(changes).await.expect("commits");
        ids.push(id.to_string());
    }
    ids.sort();
    office.start.world.clock.advance_millis(MINUTE);
    (office, ids)
}

/// Until the lease of what failed ended, and it was done again.
async fn settle(office: &Office) {
    for _ in 0..10 {
        office.work().await;
        office.start.world.clock.advance_millis(MINUTE);
    }
}

#[tokio::test]
async fn each_of_many_is_told_of_an_event_once() {
    for fails in [None, Some(0), Some(1), Some(2), Some(5)] {
        let (mut office, ids) = crowded().await;
        let shop = office.start.shop.id;
        let upload = UploadReport {
            asset: "api".to_owned(),
            file_name: "scan.sarif".to_owned(),
            ..UploadReport::default()
        };
        let bytes = sarif("scanner", &[Issue::new("one", "a.py", 1)]);
        gna_domain::service::report::upload(&office.ada, shop, upload, bytes.into())
            .await
            .expect("is taken");
        office.work().await;
        let watching = Watching::install(&mut office.start.world, work::EVENTS, fails);
        let ctx = office.start.world.system();
        office.start.world.caught_up().await;
        let followed = office.follower.catch_up(&ctx).await;
        assert_eq!(followed.is_err(), fails == Some(0), "{fails:?}");
        office.dispatch().await;
        // The first page is told with the place in the feed, the others by jobs.
        assert!(watching.told().len() < ids.len(), "{fails:?}");
        settle(&office).await;
        assert_eq!(watching.told(), ids, "{fails:?}");
        assert_eq!(*watching.left.lock().expect("a lock"), None, "{fails:?}");
        assert!(office.dead().await.is_empty());
        let heard = office.herald.heard();
        assert_eq!(heard, vec!["vulnerability.created"; ids.len()], "{fails:?}");
    }
}

/// Hands on the webhook that it has, as the inbox does.
struct Hands(IntegrationHooks, ReceivedHook);

#[async_trait]
impl Handler for Hands {
    fn kind(&self) -> &'static str {
        "test.hands"
    }
    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        self.0.take(ctx, claimed, &self.1).await
    }
}

#[tokio::test]
async fn each_of_many_is_told_of_a_webhook_once() {
    for fails in [None, Some(0), Some(3)] {
        let (mut office, ids) = crowded().await;
        let now = office.start.world.ports.clock.now();
        let hook = ReceivedHook {
            organization: office.start.acme.id,
            app: "board".to_owned(),
            target: String::new(),
            delivery: "d1".to_owned(),
            event: None,
            accounts: Vec::new(),
            projects: Vec::new(),
            content_type: None,
            body: r#"{"issue":7}"#.to_owned(),
            received: now,
        };
        let id = fresh(office.start.world.ports.ids.as_ref());
        let mut changes = ChangeSet::new();
        changes.create(&hook, None).expect("writes");
        let job = Job::new(id, "test.hands", Value::Null, now);
        changes.create(&job, None).expect("writes");
        let store = office.start.world.ports.store.clone();
        store.commit(changes).await.expect("commits");
        let hands = Hands(IntegrationHooks(office.recipes.clone()), hook);
        office.start.world = office.start.world.handling(Arc::new(hands));
        let watching = Watching::install(&mut office.start.world, work::WEBHOOK, fails);
        settle(&office).await;
        assert_eq!(watching.told(), ids, "{fails:?}");
        assert_eq!(*watching.left.lock().expect("a lock"), None, "{fails:?}");
        let heard = office.herald.heard();
        let webhook = r#"webhook {"issue":7}"#;
        assert_eq!(heard, vec![webhook; ids.len()], "{fails:?}");
    }
}

#[tokio::test]
async fn as_many_are_told_at_once_as_the_recipe_says_and_its_end_waits_for_them() {
    use gna_domain::port::Jobs;

    let office = Office::new().await;
    let made = office.made().await;
    let upload = UploadReport {
        asset: "api".to_owned(),
        file_name: "scan.sarif".to_owned(),
        ..UploadReport::default()
    };
    let bytes = sarif("scanner", &[Issue::new("one", "a.py", 1)]);
    let shop = office.start.shop.id;
    gna_domain::service::report::upload(&office.ada, shop, upload, bytes.into())
        .await
        .expect("is taken");
    office.work().await;
    office.dispatch().await;
    // Three jobs that tell it of something, none of which is done yet.
    let mut told = office.all::<Job>("job").await;
    told.retain(|job| job.kind == work::EVENTS && job.queue == Some(Queue::Ready));
    assert_eq!(told.len(), 1);
    let mut changes = ChangeSet::new();
    for _ in 0..2 {
        let another = Job {
            id: fresh(office.start.world.ports.ids.as_ref()),
            ..told[0].clone()
        };
        changes.create(&another, None).expect("writes");
    }
    let store = office.start.world.ports.store.as_ref();
    store.commit(changes).await.expect("commits");
    office.start.world.caught_up().await;
    let jobs = office.start.world.jobs();
    let claim = async || jobs.claim("w", &[work::EVENTS]).await.expect("looks");
    let (first, second) = (claim().await, claim().await);
    let (Some(first), Some(second)) = (first, second) else {
        panic!("two at once");
    };
    assert!(claim().await.is_none(), "and no third");
    assert_eq!(first.job().lane_slots, 2);
    // The end waits for the one that goes on in the second place.
    integration::delete(&office.ada, made.id)
        .await
        .expect("is asked for");
    jobs.complete(&first, ChangeSet::new()).await.expect("ends");
    office.work().await;
    assert_eq!(office.now(&made).await.status, Status::InDeletion);
    assert!(office.herald.heard().is_empty());
    jobs.complete(&second, ChangeSet::new())
        .await
        .expect("ends");
    office.start.world.clock.advance_millis(MINUTE);
    office.work().await;
    assert!(office.all::<Integration>("integration").await.is_empty());
    assert_eq!(office.herald.heard(), ["end"]);
}

/// Owes thirty records for each vulnerability, the same ones each time.
struct Crowd;

#[async_trait]
impl Owes for Crowd {
    fn name(&self) -> &'static str {
        "crowd"
    }
    async fn owed(&self, ctx: &Ctx, items: &[FeedItem]) -> Result<Vec<ChangeSet>> {
        let now = ctx.now();
        let owed = items.iter().map(|item| {
            let mut changes = ChangeSet::new();
            let is_new = item.event.name == "vulnerability.created";
            for nth in (1..=30_u128).filter(|_| is_new) {
                let id = JobId::from_uuid(Uuid::from_u128(u128::MAX - nth));
                let payload = json!({"integration": format!("{nth:02}")});
                changes.create(&Job::new(id, "test.crowd", payload, now), None)?;
            }
            Ok(changes)
        });
        owed.collect()
    }
}

#[tokio::test]
async fn what_one_entry_owes_may_be_more_than_a_commit_takes() {
    for fails in [None, Some(0), Some(1), Some(2)] {
        let mut office = Office::new().await;
        let follower = Follower::new(Crowd);
        let ctx = office.start.world.system();
        office.start.world.caught_up().await;
        follower.catch_up(&ctx).await.expect("begins");
        office.scan(office.start.shop.id, &["one"]).await;
        let watching = Watching::install(&mut office.start.world, "test.crowd", fails);
        let ctx = office.start.world.system();
        office.start.world.caught_up().await;
        let followed = follower.catch_up(&ctx).await;
        assert_eq!(followed.is_err(), fails.is_some(), "{fails:?}");
        follower.catch_up(&ctx).await.expect("follows");
        let all: Vec<String> = (1..=30).map(|nth| format!("{nth:02}")).collect();
        assert_eq!(watching.told(), all, "{fails:?}");
    }
}
