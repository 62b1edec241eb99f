//! Connections that are cut, answers that are lost, requests that are refused for their rate, and an
//! engine that goes away: what was acknowledged stays, everything else is an error that says "try
//! again", and the same store goes on afterwards.

use super::proxy::{Harm, fake_way};
use crate::load::{Load, ends_whole, progress, survives};
use gna_storage::backend::dynamodb::{Address, DynamoBackend, DynamoDb, table};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::dynamodb::{Place, VARIABLE};
use gna_storage::conformance::make::{create, item};
use gna_storage::conformance::ports::free_port;
use gna_storage::kernel::{Backend, Batch, Error};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often an engine ends.
const ENDS: usize = 2;

/// A store that is reached by a fake way which does harm.
async fn harmed(place: &Place, harm: &Arc<Harm>, clock: &TestClock) -> Arc<DynamoBackend> {
    let engine = std::env::var(VARIABLE).expect("an engine");
    let host = engine.trim_start_matches("http://");
    let host = host.split('&').next().unwrap_or(host);
    let port = fake_way(host.to_owned(), Arc::clone(harm)).await;
    let url = place.url.replace(host, &format!("127.0.0.1:{port}"));
    let db = DynamoDb::connect(&Address::parse(&url).expect("an address"))
        .await
        .expect("connects");
    let opened = DynamoBackend::open(db, clock.reader()).await;
    Arc::new(opened.expect("opens"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load_lose_nothing() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let (clock, harm) = (TestClock::default(), Arc::new(Harm::default()));
    let store = harmed(&place, &harm, &clock).await;
    survives(store, &clock, async |load: &Load| {
        harm.cut_before.store(7, Ordering::SeqCst);
        progress(load, 30).await;
        harm.cut_before.store(0, Ordering::SeqCst);
    })
    .await;
    assert!(harm.done.load(Ordering::SeqCst) > 3, "somebody was hit");
}

/// The engine has done what the client never heard of: asking again must neither do it twice nor call
/// it a race that was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_are_asked_for_again() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let (clock, harm) = (TestClock::default(), Arc::new(Harm::default()));
    let store = harmed(&place, &harm, &clock).await;
    survives(store, &clock, async |load: &Load| {
        harm.cut_after.store(5, Ordering::SeqCst);
        progress(load, 30).await;
        harm.cut_after.store(0, Ordering::SeqCst);
    })
    .await;
    assert!(harm.done.load(Ordering::SeqCst) > 3, "somebody was hit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_is_waited_out_and_told_when_it_lasts() {
    let Some(place) = Place::fresh().await else {
        return;
    };
    let (clock, harm) = (TestClock::default(), Arc::new(Harm::default()));
    let store = harmed(&place, &harm, &clock).await;
    harm.throttled.store(4, Ordering::SeqCst);
    for n in 0..12 {
        let ops = vec![create(&item("p", &n.to_string()))];
        store.commit(Batch { ops }).await.expect("waited out");
    }
    assert!(harm.done.load(Ordering::SeqCst) > 2, "somebody was hit");
    harm.throttled.store(1, Ordering::SeqCst);
    let ops = vec![create(&item("p", "never"))];
    match store.commit(Batch { ops }).await {
        Err(Error::Unavailable(why)) => assert!(why.contains("limits the rate"), "{why}"),
        other => panic!("{other:?}"),
    }
    harm.throttled.store(0, Ordering::SeqCst);
    let keys = [item("p", "never").key, item("p", "0").key];
    let found = store.get_many(&keys).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some());
}

/// An engine of the test's own, with its tables in files, which it may stop.
struct Engine {
    jars: String,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Engine {
    /// None, said loudly, where it is not known where the engine is.
    fn new() -> Option<Self> {
        let Ok(jars) = std::env::var("TEST_DYNAMODB_JARS") else {
            eprintln!(
                "SKIPPED: TEST_DYNAMODB_JARS names no folder with DynamoDB Local; scripts/test-stores fetches it"
            );
            return None;
        };
        let port = free_port();
        let mut engine = Self {
            jars,
            folder: tempfile::tempdir().expect("a folder"),
            port,
            process: None,
        };
        engine.start();
        Some(engine)
    }

    fn start(&mut self) {
        let process = Command::new("java")
            .arg(format!("-Djava.library.path={}", self.jars))
            .args(["-Xmx512m", "-cp", &format!("{}/*", self.jars)])
            .arg("com.amazonaws.services.dynamodbv2.local.main.ServerRunner")
            .args(["-disableTelemetry", "-sharedDb", "-port"])
            .arg(self.port.to_string())
            .arg("-dbPath")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.expect("java runs"));
    }

    /// As an operator does.
    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let id = process.id().to_string();
            let told = Command::new("kill").args(["-TERM", &id]).status();
            assert!(told.expect("kill runs").success());
            process.wait().expect("ended");
        }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("ended");
        }
    }

    /// With a table, once it is up.
    async fn store(&self, clock: &TestClock) -> Arc<DynamoBackend> {
        let url = format!("dynamodb://gna?endpoint=http://127.0.0.1:{}", self.port);
        let db = DynamoDb::connect(&Address::parse(&url).expect("an address")).await;
        let db = db.expect("a client");
        let making = async { while table::create(&db).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(120), making)
            .await
            .expect("the engine comes up");
        let store = DynamoBackend::open(db, clock.reader()).await;
        Arc::new(store.expect("opens"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends the engine twice and starts it again, under load.
async fn comes_again(engine: &Mutex<Engine>, load: &Load, end: fn(&mut Engine)) {
    for _ in 0..ENDS {
        end(&mut engine.lock().expect("no panic"));
        let failed = load.failed.load(Ordering::SeqCst);
        while load.failed.load(Ordering::SeqCst) == failed {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        engine.lock().expect("no panic").start();
        progress(load, 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_goes_and_comes_again_under_load_loses_nothing() {
    let Some(engine) = Engine::new() else { return };
    let clock = TestClock::default();
    let store = engine.store(&clock).await;
    let engine = Mutex::new(engine);
    survives(store, &clock, async |load: &Load| {
        comes_again(&engine, load, Engine::stop).await;
    })
    .await;
}

/// DynamoDB Local answers a transaction when its commit is in a queue, and writes it a moment later: with
/// SIGKILL the newest one that it acknowledged may be gone. Those before it are written, since every other
/// request waits in the same queue behind them. So a kill may cost one commit, wholly, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_killed_under_load_loses_at_most_the_newest_commit_and_that_wholly() {
    let Some(engine) = Engine::new() else { return };
    let clock = TestClock::default();
    let store = engine.store(&clock).await;
    let engine = Mutex::new(engine);
    let lost = ends_whole(store, &clock, async |load: &Load| {
        comes_again(&engine, load, Engine::kill).await;
    })
    .await;
    assert!(lost.len() <= ENDS, "{lost:?}");
}
