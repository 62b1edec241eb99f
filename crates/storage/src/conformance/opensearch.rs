//! For tests: an index of its own on the server that `TEST_OPENSEARCH_URL` names, and a server that a
//! test may kill.

use super::ports::free_port;
use crate::search::OpenSearch;
use crate::search::opensearch::Address;
use gna_domain::port::Search;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The variable that names a server to test on, `opensearch+http://127.0.0.1:9200`. Indexes are made
/// there and removed again.
pub const VARIABLE: &str = "TEST_OPENSEARCH_URL";
/// The variable that names the folder with OpenSearch's jars and our launcher.
pub const JARS: &str = "TEST_OPENSEARCH_JARS";

/// Longest wait for a server to answer, which takes some ten seconds on an idle machine.
const START: Duration = Duration::from_secs(300);
/// An index that goes when this is dropped.
pub struct Place {
    /// The URL of the index.
    pub url: String,
    /// How the names of its indexes begin.
    pub index: String,
    server: String,
}

impl Place {
    /// A place where there is nothing yet; `None`, said loudly, where there is no server to test on.
    #[must_use]
    pub fn fresh() -> Option<Self> {
        let Ok(url) = std::env::var(VARIABLE) else {
            eprintln!("SKIPPED: {VARIABLE} is not set; scripts/test-stores starts a server");
            return None;
        };
        Some(Self::on(&url))
    }

    /// The same on a server that is known.
    #[must_use]
    pub fn on(url: &str) -> Self {
        // Each of these hashers has a key of its own.
        let random = RandomState::new().build_hasher().finish();
        let index = format!("t-{}-{random:016x}", std::process::id());
        Self {
            url: format!("{url}/{index}?replicas=0"),
            server: url.replace("opensearch+http:", "http:"),
            index,
        }
    }

    /// The index as one more process has it, which is made by then.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub async fn open(&self) -> OpenSearch {
        let address = Address::parse(&self.url).expect("the address can be used");
        let search = OpenSearch::new(&address).expect("the index opens");
        search.position().await.expect("the index answers");
        search
    }

    /// Asks the server itself; answers status and text.
    ///
    /// # Panics
    /// Where it does not answer.
    pub async fn ask(&self, method: reqwest::Method, path: &str, body: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build();
        let answer = client
            .expect("a client")
            .request(method, format!("{}/{path}", self.server))
            .header("content-type", "application/json")
            .body(body.to_owned())
            .send()
            .await
            .expect("answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("a text"))
    }

    /// The indexes that are there, whatever they are for.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub async fn indexes(&self) -> Vec<String> {
        let path = format!("_cat/indices/{}-*?h=index&s=index", self.index);
        let (_, told) = self.ask(reqwest::Method::GET, &path, "").await;
        told.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let url = format!("{}/{}-*", self.server, self.index);
        // A runtime of its own: the test's may be gone or be this very thread's.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .ok()?;
            runtime.block_on(async {
                let client = reqwest::Client::builder().no_proxy().build().ok()?;
                client.delete(url).send().await.ok()
            })
        });
        let _ = removing.join();
    }
}

/// A server of the test's own, with its data in a folder, which it may kill.
pub struct Engine {
    jars: String,
    folder: std::path::PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Engine {
    /// With its data in this folder; `None`, said loudly, where it is not known where its jars are.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start_in(folder: &std::path::Path) -> Option<Self> {
        let Ok(jars) = std::env::var(JARS) else {
            eprintln!(
                "SKIPPED: {JARS} names no folder with OpenSearch; scripts/test-stores fetches it"
            );
            return None;
        };
        let mut engine = Self {
            jars,
            folder: folder.to_owned(),
            port: free_port(),
            process: None,
        };
        engine.start();
        Some(engine)
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("opensearch+http://127.0.0.1:{}", self.port)
    }

    /// # Panics
    /// Where it can't be started.
    pub fn start(&mut self) {
        let said = std::fs::File::create(self.said()).expect("is made");
        let process = Command::new("java")
            .args(["-Xms256m", "-Xmx512m", "-cp"])
            .arg(format!("{0}/classes:{0}/*", self.jars))
            .arg("TestNode")
            .arg(&self.folder)
            .arg(self.port.to_string())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn();
        self.process = Some(process.expect("java runs"));
    }

    /// What it says where it fails.
    fn said(&self) -> std::path::PathBuf {
        self.folder.join("said")
    }

    /// Until it answers, and has every shard again.
    ///
    /// # Panics
    /// Where it ends or never does, with what it said.
    pub async fn ready(&mut self) {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()
            .expect("a client");
        let url = format!(
            "http://127.0.0.1:{}/_cluster/health?wait_for_status=yellow&timeout=5s",
            self.port
        );
        let end = tokio::time::Instant::now() + START;
        loop {
            if let Ok(answer) = client.get(&url).send().await
                && answer.status().is_success()
            {
                return;
            }
            let process = self.process.as_mut().expect("it was started");
            let ended = process.try_wait().expect("is known");
            assert!(
                ended.is_none() && tokio::time::Instant::now() < end,
                "OpenSearch never answered ({ended:?}): {}",
                std::fs::read_to_string(self.said()).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// With no chance to do anything (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}
