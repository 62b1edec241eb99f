//! A server of the test's own, which it may kill. `TEST_MONGODB_SERVER` names the program: one that
//! takes `--port`, `--storage-path` and `--standalone`.

use super::super::load::{Load, progress, survives};
use gna_storage::backend::mongodb::{Address, MongoBackend, MongoDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::ports::free_port;
use gna_storage::kernel::Error;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) struct Server {
    program: String,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// None, said loudly, where there is no program.
    pub(super) async fn new(also: &[&str]) -> Option<Self> {
        let Ok(program) = std::env::var("TEST_MONGODB_SERVER") else {
            eprintln!(
                "SKIPPED: TEST_MONGODB_SERVER is not set; scripts/test-stores mongodb sets it"
            );
            return None;
        };
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self {
            program,
            folder,
            port,
            process: None,
        };
        server.start(also).await;
        Some(server)
    }

    async fn start(&mut self, also: &[&str]) {
        let started = Command::new(&self.program)
            .args(["--port", &self.port.to_string(), "--sync-on-commit"])
            .arg("--storage-path")
            .arg(self.folder.path().join("data"))
            .args(also)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(started.expect("starts"));
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                .await
                .is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not answer");
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("ended");
        }
    }

    async fn connect(&self) -> Result<MongoDb, Error> {
        self.connect_as("", "").await
    }

    /// As this user, who ends with an `@`, with more words in the address, which begin with an `&`.
    pub(super) async fn connect_as(&self, user: &str, words: &str) -> Result<MongoDb, Error> {
        // Soon told, so that writers fail while there is no server.
        let url = format!(
            "mongodb://{user}127.0.0.1:{}/gna?serverSelectionTimeoutMS=1000{words}",
            self.port
        );
        MongoDb::connect(&Address::parse(&url)?).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_and_started_again_under_load_loses_nothing() {
    let Some(mut server) = Server::new(&[]).await else {
        return;
    };
    let clock = TestClock::default();
    let db = server.connect().await.unwrap();
    let store = Arc::new(MongoBackend::open(db, clock.reader()).await.unwrap());
    let server = tokio::sync::Mutex::new(&mut server);
    survives(store, &clock, async |load: &Load| {
        let mut server = server.lock().await;
        for _ in 0..2 {
            server.kill();
            // Writers are patient: what they began is tried until it is given up.
            let failed = load.failed.load(Ordering::SeqCst);
            while load.failed.load(Ordering::SeqCst) == failed {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            server.start(&[]).await;
            progress(load, 10).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_replica_set_is_refused_with_what_to_do() {
    let Some(server) = Server::new(&["--standalone"]).await else {
        return;
    };
    let refused = server.connect().await.err().expect("a refusal").to_string();
    assert!(refused.contains("--replSet"), "{refused}");
}
