//! Requests to OpenSearch: each one may be repeated without harm, and is where that may help. A server
//! that is away, breaks off or says that it is busy is asked again; one that does not answer in time
//! is not: it has enough to do.
//!
//! What it answers is judged here: busy and out of reach are errors that go away (`search.unavailable`),
//! everything else one that a person must look at (`search.refused`). Neither repeats what the server
//! said in words: its reasons quote documents.

use gna_domain::error::{Error, Result};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

use super::Address;
use super::address::User;

/// Longest time to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest time that a request takes, with all of its tries.
const REQUEST: Duration = Duration::from_secs(60);
/// Longest time that a question of the product takes, with all of its requests.
const QUESTION: Duration = Duration::from_secs(30);
/// How long to wait before each further try.
const WAITS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

pub(super) struct Client {
    http: reqwest::Client,
    server: reqwest::Url,
    user: Option<User>,
    /// [`REQUEST`], but for tests.
    within: Duration,
}

/// A request.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    /// For errors and logs.
    pub doing: &'static str,
    pub method: Method,
    /// With its query, if any; it begins without a slash.
    pub path: &'a str,
    pub body: Body<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    None,
    Json(&'a Value),
    /// JSON values, each in a line.
    Lines(&'a str),
}

/// What came back, whatever its status.
pub(super) struct Answer {
    doing: &'static str,
    pub status: StatusCode,
    bytes: bytes::Bytes,
}

impl Client {
    /// # Errors
    /// `search.url` where the certificates that the address names can't be used; `search.unavailable`
    /// where TLS can't be set up.
    pub fn new(address: &Address) -> Result<Self> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &address.ca {
            http = http.tls_certs_only(certificates(file)?);
        }
        let http = http.build().map_err(|_| {
            Error::unavailable(
                "search.unavailable",
                "TLS can't be set up; this system may hold no certificates that are trusted",
            )
        })?;
        Ok(Self {
            http,
            server: address.server.clone(),
            user: address.user.clone(),
            within: REQUEST,
        })
    }

    /// Sends it, again where the server is busy or out of reach, for [`REQUEST`] in all.
    ///
    /// # Errors
    /// `search.unavailable` when that lasts; `search.refused` where it will not go away by itself.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Answer> {
        let end = Instant::now() + self.within;
        let mut waits = WAITS.iter();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let outcome = self.once(&ask, left).await;
            let again = match &outcome {
                Ok(answer) => is_busy(answer.status),
                Err(error) => !error.is_timeout(),
            };
            let is_early = |wait: &&Duration| again && Instant::now() + **wait < end;
            let Some(wait) = waits.next().filter(is_early) else {
                return judged(ask.doing, outcome);
            };
            tracing::debug!(doing = ask.doing, "OpenSearch is asked again");
            tokio::time::sleep(*wait).await;
        }
    }

    async fn once(
        &self,
        ask: &Ask<'_>,
        left: Duration,
    ) -> std::result::Result<Answer, reqwest::Error> {
        // Paths are made of checked names: this can't fail.
        let url = self
            .server
            .join(ask.path)
            .unwrap_or_else(|_| self.server.clone());
        let mut request = self.http.request(ask.method.clone(), url).timeout(left);
        if let Some(User { name, password }) = &self.user {
            request = request.basic_auth(name, Some(password.expose()));
        }
        let request = match ask.body {
            Body::None => request,
            Body::Json(value) => request.json(value),
            Body::Lines(lines) => request
                .header("content-type", "application/x-ndjson")
                .body(lines.to_owned()),
        };
        let response = request.send().await?;
        Ok(Answer {
            doing: ask.doing,
            status: response.status(),
            bytes: response.bytes().await?,
        })
    }
}

fn certificates(file: &Path) -> Result<Vec<reqwest::Certificate>> {
    let unusable = |why: String| {
        let says = format!(
            "the certificates in {} that store.search names as ca can't be used: {why}",
            file.display()
        );
        Error::invalid("search.url", says)
    };
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
    match certificates.is_empty() {
        true => Err(unusable("it holds none in PEM".to_owned())),
        false => Ok(certificates),
    }
}

impl Answer {
    /// # Errors
    /// [`Answer::error`] where it is one, `search.refused` where it can't be understood.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        if !self.status.is_success() {
            return Err(self.error());
        }
        self.parse()
    }

    /// The body, whatever the status.
    ///
    /// # Errors
    /// `search.refused` where it can't be understood.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.bytes).map_err(|_| {
            let doing = self.doing;
            Error::unavailable(
                "search.refused",
                format!("what answers is no OpenSearch ({doing}): look at the address"),
            )
        })
    }

    /// The server's own name of what is wrong; empty where it told none.
    pub fn kind(&self) -> String {
        let told: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        let cause = told.pointer("/error/root_cause/0/type");
        let kind = cause.or_else(|| told.pointer("/error/type"));
        kind.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub fn error(&self) -> Error {
        refusal(self.doing, self.status.as_u16(), &self.kind())
    }
}

/// Gives a question up that takes too long, whatever it waits for.
///
/// # Errors
/// Those of the work; `search.unavailable` where it is given up.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(QUESTION, work)
        .await
        .unwrap_or_else(|_| Err(away("did not answer in time", "search")))
}

fn away(why: &str, doing: &str) -> Error {
    Error::unavailable(
        "search.unavailable",
        format!("OpenSearch {why} ({doing}); try again"),
    )
}

fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn judged(
    doing: &'static str,
    outcome: std::result::Result<Answer, reqwest::Error>,
) -> Result<Answer> {
    let error = match outcome {
        Ok(answer) if is_busy(answer.status) => return Err(answer.error()),
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let why = if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "can't be reached, or its certificate is not trusted"
    } else {
        "broke the connection off"
    };
    Err(away(why, doing))
}

/// What an error of the server, or of one document, is to the product.
pub(super) fn refusal(doing: &str, status: u16, kind: &str) -> Error {
    let unavailable = |says: String| Error::unavailable("search.unavailable", says);
    let refused = |says: String| Error::unavailable("search.refused", says);
    match (status, kind) {
        (_, "index_not_found_exception") => unavailable(
            "the search index is not there; it is made anew from the store as soon as a worker follows the feed".into(),
        ),
        (429, _) => unavailable(format!(
            "OpenSearch is overloaded or limits the rate ({doing}); it does so for a while only"
        )),
        // Also what a single document was refused with while its shard moves or starts.
        (500..=599, _) => unavailable(format!(
            "OpenSearch is not ready ({doing}: {status} {kind}); try again"
        )),
        (401, _) => refused(format!(
            "OpenSearch does not know this user or password ({doing}); put them into store.search"
        )),
        (403, "cluster_block_exception" | "index_create_block_exception") => refused(format!(
            "OpenSearch takes no writes ({doing}): its disk is full or somebody has blocked the index"
        )),
        (403, _) => refused(format!(
            "OpenSearch does not let this user do that ({doing}); it needs all rights on the indexes of this name"
        )),
        (413, _) => refused(format!(
            "OpenSearch takes no requests of this size ({doing}); raise http.max_content_length"
        )),
        (400, "strict_dynamic_mapping_exception" | "mapper_parsing_exception") => refused(format!(
            "the index has other fields than it was made with ({doing}: {kind}); delete it, it is made anew from the store"
        )),
        (400, "too_many_clauses" | "too_many_nested_clauses") => Error::invalid(
            "search.size",
            "this filter has too many parts for OpenSearch; ask for fewer at once",
        ),
        _ => refused(format!("OpenSearch refused ({doing}: {status} {kind})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A client of a server that gives this answer to every connection, or none and keeps it open; and
    /// how often it was asked.
    async fn fake_server(answer: Option<&'static str>) -> (Client, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4_096]).await;
                match answer {
                    Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    None => open.push(stream),
                }
            }
        });
        let address = Address::parse(&format!("opensearch+http://127.0.0.1:{port}/gna"));
        let client = Client::new(&address.expect("an address")).expect("a client");
        (client, asked)
    }

    async fn asked(client: &Client) -> Error {
        let ask = Ask {
            doing: "ask",
            method: Method::GET,
            path: "",
            body: Body::None,
        };
        let answer = client.send(ask).await;
        answer.err().expect("no good answer")
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_in_time_is_not_asked_again() {
        let (mut client, times) = fake_server(None).await;
        client.within = Duration::from_secs(1);
        let error = asked(&client).await;
        assert_eq!(error.code(), "search.unavailable");
        assert!(error.to_string().contains("in time"), "{error}");
        assert_eq!(times.load(Ordering::SeqCst), 1);
    }

    /// All tries together have one end, and what the server said last is told.
    #[tokio::test]
    async fn a_busy_server_is_asked_again_only_as_long_as_there_is_time() {
        let busy = "HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
        let (mut client, times) = fake_server(Some(busy)).await;
        // Before the second wait is over.
        client.within = Duration::from_millis(250);
        let error = asked(&client).await;
        assert_eq!(error.code(), "search.unavailable");
        assert!(times.load(Ordering::SeqCst) <= 2, "{times:?}");
        client.within = REQUEST;
        times.store(0, Ordering::SeqCst);
        let error = asked(&client).await;
        assert!(error.to_string().contains("503"), "{error}");
        assert_eq!(times.load(Ordering::SeqCst), WAITS.len() + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_given_up_in_the_end() {
        let given_up = in_time(std::future::pending::<Result<()>>()).await;
        assert_eq!(given_up.unwrap_err().code(), "search.unavailable");
    }

    #[test]
    fn what_goes_away_is_told_from_what_does_not() {
        for (status, kind, code) in [
            (
                429,
                "opensearch_rejected_execution_exception",
                "search.unavailable",
            ),
            (429, "circuit_breaking_exception", "search.unavailable"),
            (
                503,
                "cluster_manager_not_discovered_exception",
                "search.unavailable",
            ),
            (
                503,
                "no_shard_available_action_exception",
                "search.unavailable",
            ),
            (504, "", "search.unavailable"),
            (
                500,
                "no_shard_available_action_exception",
                "search.unavailable",
            ),
            (404, "index_not_found_exception", "search.unavailable"),
            (401, "", "search.refused"),
            (403, "cluster_block_exception", "search.refused"),
            (403, "security_exception", "search.refused"),
            (400, "strict_dynamic_mapping_exception", "search.refused"),
            (400, "mapper_parsing_exception", "search.refused"),
            (400, "too_many_nested_clauses", "search.size"),
            (400, "search_phase_execution_exception", "search.refused"),
            (413, "", "search.refused"),
        ] {
            assert_eq!(refusal("x", status, kind).code(), code, "{status} {kind}");
        }
    }
}
