//! Tasks that panic or end: they go on, and it is told that they did not.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use gna_api::numbers::{TaskState, Tasks};
use gna_domain::model::{Overlap, Timing};
use gna_domain::port::Clock;
use gna_domain::service::schedule::{self, NewSchedule};
use gna_domain::time::Timestamp;
use std::sync::atomic::AtomicBool;
use tower::ServiceExt;

use super::*;
use crate::app;

const KEY: &str = "a-key-for-health-of-tests";

fn state(kept: &Kept, name: &str) -> TaskState {
    let all = kept.look();
    let found = all.into_iter().find(|task| task.name == name);
    found.unwrap_or_else(|| panic!("no task {name}"))
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_or_ends_is_begun_again_and_well_only_after_a_while() {
    let kept = Arc::new(Kept::default());
    let stop = CancellationToken::new();
    let begun = Arc::new(AtomicUsize::new(0));
    let (count, stopped) = (Arc::clone(&begun), stop.clone());
    let task = move || {
        let (turn, stopped) = (count.fetch_add(1, Ordering::SeqCst), stopped.clone());
        async move {
            match turn {
                0 => panic!("as it was told"),
                1 => {}
                _ => stopped.cancelled().await,
            }
        }
    };
    let keeping = tokio::spawn(keep("test", Arc::clone(&kept), stop.clone(), task));
    let seen = |runs: usize| {
        let mut changes = kept.changes();
        let begun = Arc::clone(&begun);
        async move {
            while begun.load(Ordering::SeqCst) < runs {
                changes.changed().await.expect("open");
            }
        }
    };
    seen(3).await;
    let now = state(&kept, "test");
    assert_eq!((now.restarts, now.is_well), (2, false), "{now:?}");
    tokio::time::sleep(Duration::from_secs(61)).await;
    let now = state(&kept, "test");
    assert_eq!((now.restarts, now.is_well), (2, true), "{now:?}");
    stop.cancel();
    keeping.await.expect("ends");
    assert_eq!(begun.load(Ordering::SeqCst), 3);
}

/// The time of day; once, when it is told to, whoever asks for it panics.
struct FakeClock {
    real: Arc<dyn Clock>,
    panics: Arc<AtomicBool>,
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        if self.panics.swap(false, Ordering::SeqCst) {
            panic!("as it was told");
        }
        self.real.now()
    }
}

#[tokio::test]
async fn a_server_one_of_whose_tasks_panics_goes_on_with_all_and_it_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let flags = Overrides::default()
        .with("data.dir", Some(folder.path().display().to_string()))
        .with("store.url", Some("memory:"))
        .with("blobs.url", Some("memory:"))
        .with("frigg.health_key", Some(KEY));
    let config = load(folder.path(), None, &Environment::default(), flags).expect("valid");
    let mut instance = Builder::new(config).open().await.expect("opens");
    let quiet = instance.operator();
    let panics = Arc::new(AtomicBool::new(false));
    instance.ports.clock = Arc::new(FakeClock {
        real: Arc::clone(&instance.ports.clock),
        panics: Arc::clone(&panics),
    });
    let running = instance.start().await.expect("starts");
    let tasks: Vec<&str> = instance.kept.look().iter().map(|task| task.name).collect();
    for name in ["worker", "schedules", "index", "webhooks", "integrations"] {
        assert!(tasks.contains(&name), "{tasks:?}");
    }
    assert!(instance.kept.look().iter().all(|task| task.is_well));

    // Whichever task looks at the time first.
    panics.store(true, Ordering::SeqCst);
    let once = NewSchedule {
        organization: None,
        name: "soon".to_owned(),
        timing: Timing::Once {
            at: quiet.now().plus_millis(50),
        },
        overlap: Overlap::Skip,
        spread_ms: 0,
        job: "store.tidy".to_owned(),
        payload: json!({ "feed_days": 7 }),
    };
    schedule::ensure(&quiet, once).await.expect("is made");
    let mut changes = instance.kept.changes();
    let failed = async {
        loop {
            let all = instance.kept.look();
            if let Some(task) = all.iter().find(|task| task.restarts > 0) {
                return *task;
            }
            changes.changed().await.expect("open");
        }
    };
    let patience = Duration::from_secs(60);
    let failed = tokio::time::timeout(patience, failed).await;
    let failed = failed.expect("it is seen");
    assert!(!failed.is_well, "{failed:?}");
    let ask = Request::get("/health/detailed")
        .header("x-frigg-health-api-key", KEY)
        .body(Body::empty());
    let router = app::router(&instance, None);
    let told = router.oneshot(ask.expect("a request")).await;
    let told = told.expect("answers");
    assert_eq!(told.status(), StatusCode::SERVICE_UNAVAILABLE);
    let told = axum::body::to_bytes(told.into_body(), 1 << 20).await;
    let told: Value = serde_json::from_slice(&told.expect("reads")).expect("JSON");
    let tasks = told["tasks"].as_array().expect("tasks");
    let task = tasks.iter().find(|task| task["name"] == failed.name);
    assert_eq!(
        task.expect("is among them"),
        &json!({ "name": failed.name, "status": "failing", "restarts": 1 })
    );

    // The schedule is kept all the same.
    let mut written = instance.ports.store.signals().schedules;
    let ran = async {
        loop {
            written.mark_unchanged();
            let now = schedule::named(&quiet, None, "soon").await.expect("there");
            if now.last.is_some() {
                return;
            }
            written.changed().await.expect("open");
        }
    };
    let ran = tokio::time::timeout(patience, ran).await;
    ran.expect("the schedule runs");
    running.stop().await;
}
