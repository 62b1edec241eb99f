//! Jobs that wait for others beside jobs that do not, on an instance with all its own parts.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use gna_domain::model::{Delivery, DeliveryState, ReportStatus};
use gna_domain::page::PageRequest;
use gna_domain::service::report::{self, UploadReport};
use gna_domain::service::webhook::delivery;
use gna_domain::service::webhook::endpoint::{self, NewEndpoint};
use gna_domain::service::{group, organization};
use gna_testkit::trivy;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;

/// Messages, far more than there is room for.
const MESSAGES: usize = 12;
/// Only against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// An endpoint that lets everybody wait until it is opened.
struct FakeEndpoint {
    url: String,
    open: watch::Sender<bool>,
    calls: watch::Receiver<usize>,
}

impl FakeEndpoint {
    async fn start() -> Self {
        let (open, gate) = watch::channel(false);
        let (called, calls) = watch::channel(0);
        let called = Arc::new(called);
        let answer = move || {
            let (mut gate, called) = (gate.clone(), Arc::clone(&called));
            async move {
                called.send_modify(|calls| *calls += 1);
                gate.wait_for(|is_open| *is_open).await.expect("is opened");
                StatusCode::NO_CONTENT
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let router = Router::new().route("/", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, open, calls }
    }
}

async fn states(ctx: &Ctx, of: &Stored<gna_domain::model::Endpoint>) -> Vec<DeliveryState> {
    let page = delivery::list(ctx, of.id, PageRequest::first(100)).await;
    let page = page.expect("may");
    let state = |one: Stored<Delivery>| one.value.state;
    page.items.into_iter().map(state).collect()
}

#[tokio::test]
async fn an_endpoint_that_answers_nothing_until_an_import_has_ended_holds_up_no_import() {
    let folder = tempfile::tempdir().expect("folder");
    let flags = Overrides::default()
        .with("data.dir", Some(folder.path().display().to_string()))
        .with("store.url", Some("memory:"))
        .with("blobs.url", Some("memory:"));
    let own =
        "[worker]\nslots = 1\nwebhook_slots = 2\n[egress]\nallow = ['127.0.0.0/8']\nports = []\n";
    std::fs::write(folder.path().join("gna.toml"), own).expect("writes");
    let config = load(folder.path(), None, &Environment::default(), flags).expect("valid");
    let instance = Builder::new(config).open().await.expect("opens");
    let running = instance.start().await.expect("starts");
    let ctx = instance.operator();
    let acme = organization::create(&ctx, "acme", "Acme", None).await;
    let acme = acme.expect("is made");
    let shop = group::create(&ctx, acme.id, "shop", "Shop", "").await;
    let shop = shop.expect("is made");

    let mut slow = FakeEndpoint::start().await;
    let new = NewEndpoint {
        url: slow.url.clone(),
        events: vec!["group.created".to_owned()],
        ..NewEndpoint::default()
    };
    let (_, made) = endpoint::create(&ctx, acme.id, new).await.expect("is made");
    for _ in 0..MESSAGES {
        delivery::test(&ctx, made.id).await.expect("is to be sent");
    }
    // All the room that messages have is taken by ones that wait.
    let taken = slow.calls.wait_for(|calls| *calls >= 2);
    let taken = tokio::time::timeout(PATIENCE, taken).await;
    taken.expect("they are sent").expect("it answers");

    let upload = UploadReport {
        asset: "checkout".to_owned(),
        file_name: "a.json".to_owned(),
        ..UploadReport::default()
    };
    let file = trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")]);
    let queued = report::upload(&ctx, shop.id, upload, file.into()).await;
    let queued = queued.expect("is taken in");
    let report = report::wait(&ctx, queued.id, PATIENCE).await;
    assert_eq!(report.expect("may").status, ReportStatus::Complete);
    let waiting = states(&ctx, &made).await;
    assert_eq!(waiting, vec![DeliveryState::Pending; MESSAGES]);

    slow.open.send(true).expect("somebody waits");
    let mut written = instance.ports.store.signals().jobs;
    let all_sent = async {
        loop {
            written.mark_unchanged();
            let states = states(&ctx, &made).await;
            if states.iter().all(|of| *of == DeliveryState::Delivered) {
                return;
            }
            written.changed().await.expect("open");
        }
    };
    let all_sent = tokio::time::timeout(PATIENCE, all_sent).await;
    all_sent.expect("all are sent once it answers");
    running.stop().await;
}
