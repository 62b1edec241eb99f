//! Connections that are cut, primaries that step down and answers that are lost, as the server itself
//! plays them (its command `configureFailPoint`, which servers for tests have switched on): what was
//! acknowledged stays, everything else is an error that says "try again", and the same store goes on.

use super::super::load::{Load, progress, survives};
use gna_storage::backend::mongodb::{Address, MongoBackend, MongoDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, item};
use gna_storage::conformance::mongodb::Place;
use gna_storage::kernel::{Backend, Batch, Error};
use mongodb::bson::{Document, doc};
use std::sync::Arc;
use std::time::Duration;

/// A store whose connections a fault can be meant for, and one that plays the faults.
struct Stage {
    store: Arc<MongoBackend>,
    director: MongoDb,
    name: String,
    clock: TestClock,
    /// Removed last.
    _place: Place,
}

impl Stage {
    /// None, said loudly, where no server can play faults.
    async fn set() -> Option<Self> {
        let place = Place::fresh()?;
        let director = place.open().await;
        let name = director.name().to_owned();
        let url = match place.url.ends_with('?') {
            true => format!("{}appName={name}", place.url),
            false => format!("{}&appName={name}", place.url),
        };
        let clock = TestClock::default();
        let db = MongoDb::connect(&Address::parse(&url).expect("an address")).await;
        let store = MongoBackend::open(db.expect("connects"), clock.reader()).await;
        let stage = Self {
            store: Arc::new(store.expect("opens")),
            director,
            name,
            clock,
            _place: place,
        };
        if let Err(error) = stage.ask(doc! { "times": 0 }, doc! {}, &["ping"]).await {
            eprintln!(
                "SKIPPED: the server plays no faults ({error}); start it with test commands enabled"
            );
            return None;
        }
        Some(stage)
    }

    async fn ask(
        &self,
        mode: Document,
        what: Document,
        commands: &[&str],
    ) -> mongodb::error::Result<Document> {
        let mut data = doc! { "failCommands": commands, "appName": &self.name };
        if what.is_empty() {
            data.insert("errorCode", 1);
        }
        data.extend(what);
        let admin = self.director.client().database("admin");
        admin
            .run_command(doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data })
            .await
    }

    /// So many of these commands of the store fail in this way.
    async fn play(&self, times: i32, what: Document, commands: &[&str]) {
        let asked = self.ask(doc! { "times": times }, what, commands).await;
        asked.expect("the fault is played");
    }

    async fn write(&self, sort: &str) -> Result<(), Error> {
        let one = item("p", sort);
        let ops = vec![
            create(&one),
            append("note.created", &one.key, 1, self.clock.now()),
        ];
        self.store.commit(Batch { ops }).await.map(drop)
    }
}

fn cut() -> Document {
    doc! { "closeConnection": true }
}

fn refused(code: i32) -> Document {
    doc! { "errorCode": code }
}

/// What a transaction may meet: it is done once more, and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_tried_again_and_done_once() {
    const WRITE_CONFLICT: i32 = 112;
    const NOT_PRIMARY: i32 = 10_107;
    const NO_SUCH_TRANSACTION: i32 = 251;
    let Some(stage) = Stage::set().await else {
        return;
    };
    let faults = [
        ("findAndModify", refused(WRITE_CONFLICT), 3),
        ("insert", refused(WRITE_CONFLICT), 2),
        ("insert", cut(), 1),
        ("insert", refused(NOT_PRIMARY), 1),
        ("find", cut(), 1),
        ("commitTransaction", refused(NOT_PRIMARY), 1),
        ("commitTransaction", refused(NO_SUCH_TRANSACTION), 1),
        ("commitTransaction", cut(), 1),
        ("commitTransaction", cut(), 3),
    ];
    let many = faults.len();
    for (n, (command, what, times)) in faults.into_iter().enumerate() {
        stage.play(times, what.clone(), &[command]).await;
        let done = stage.write(&n.to_string()).await;
        assert!(done.is_ok(), "{command} {what}: {done:?}");
    }
    let told = stage.store.feed(None, 100).await.unwrap();
    assert_eq!(told.len(), many, "once each");
    assert_eq!(stage.store.check().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lasts_is_told_without_content() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    for (code, says) in [(13, "readWrite"), (2, "2 BadValue")] {
        stage.play(1, refused(code), &["insert"]).await;
        match stage.write("secret").await {
            Err(Error::Unavailable(told)) => {
                assert!(told.contains(says) && !told.contains("secret"), "{told}");
            }
            other => panic!("{other:?}"),
        }
    }
    stage.write("secret").await.expect("goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load_lose_nothing() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let store = Arc::clone(&stage.store);
    survives(store, &stage.clock, async |load: &Load| {
        for command in [
            "insert",
            "find",
            "findAndModify",
            "commitTransaction",
            "commitTransaction",
        ] {
            stage.play(3, cut(), &[command]).await;
            progress(load, 6).await;
        }
    })
    .await;
}

/// Who listens hears on after the stream was cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_is_heard_on() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let other = MongoBackend::open(stage.director.clone(), stage.clock.reader());
    let other = other.await.unwrap();
    let mut feed = stage.store.commits();
    for n in 0..3 {
        stage.play(2, cut(), &["getMore", "aggregate"]).await;
        feed.mark_unchanged();
        let one = item("q", &n.to_string());
        let ops = vec![
            create(&one),
            append("note.created", &one.key, 1, stage.clock.now()),
        ];
        other.commit(Batch { ops }).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), feed.changed())
            .await
            .expect("told of it")
            .unwrap();
    }
}
