//! The way out, against real sockets on this machine: what it refuses, limits and reports.

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use gna_domain::port::egress::{
    Delivery, Egress, EgressError, Failure, Header, Method, OutRequest,
};
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_domain::secret::Secret;
use gna_integrations::framework::egress::{EgressConfig, HttpEgress, Lookup};
use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that answers each request by a function from its text to the whole answer.
struct Server {
    address: std::net::SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::with(move |mut stream, request| {
            let bytes = answer(&request);
            async move {
                let _ = stream.write_all(&bytes).await;
            }
        })
        .await
    }

    async fn with<F>(serve: impl Fn(TcpStream, String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                seen.lock().expect("requests").push(request.clone());
                tokio::spawn(serve(stream, request));
            }
        });
        Self { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }
}

/// Head and body of one request, as far as its length says.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&piece[..read]),
            _ => return text,
        }
    }
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn redirect(status: u16, to: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Go\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn config(allow: &[&str]) -> EgressConfig {
    EgressConfig {
        target: TargetPolicy {
            allowed: AllowList::parse(allow).expect("networks"),
            ports: Vec::new(),
            http_anywhere: false,
        },
        proxy: None,
    }
}

/// May reach this machine.
fn local() -> HttpEgress {
    HttpEgress::new(config(&["127.0.0.0/8"])).expect("a client")
}

fn get(url: impl Into<String>) -> OutRequest {
    OutRequest::new(Method::Get, url, "test").timeout_ms(20_000)
}

async fn failure(egress: &HttpEgress, request: OutRequest) -> EgressError {
    egress.send(request).await.expect_err("it is refused")
}

/// Names and addresses of a fake name server; each question takes the next answer.
struct FakeLookup(Vec<Vec<&'static str>>, AtomicUsize);

impl FakeLookup {
    fn answering(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self(
            answers.iter().map(|answer| answer.to_vec()).collect(),
            AtomicUsize::new(0),
        ))
    }
}

#[async_trait]
impl Lookup for FakeLookup {
    async fn lookup(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
        let at = self.1.fetch_add(1, Ordering::SeqCst);
        let answer = self
            .0
            .get(at)
            .or(self.0.last())
            .cloned()
            .unwrap_or_default();
        Ok(answer
            .iter()
            .map(|ip| ip.parse().expect("an address"))
            .collect())
    }
}

#[tokio::test]
async fn a_request_arrives_and_its_answer_comes_back() {
    let server = Server::answering(|_| ok("x-note: hello\r\n", b"{\"a\":1}")).await;
    let request = OutRequest::new(Method::Post, server.url("/things?page=2"), "test")
        .header(Header::secret(
            "authorization",
            Secret::new("Bearer hunter2"),
        ))
        .secret_query("key", Secret::new("a&b"))
        .json(&serde_json::json!({"n": 1}));
    let answer = local().send(request).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.header("x-note")),
        (200, Some("hello"))
    );
    assert_eq!(answer.json().expect("JSON"), serde_json::json!({"a": 1}));
    let seen = server.requests().join("");
    for part in [
        "POST /things?page=2&key=a%26b HTTP/1.1",
        "authorization: Bearer hunter2",
        "content-type: application/json",
        "accept-encoding: gzip",
        "{\"n\":1}",
    ] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    assert!(!seen.to_lowercase().contains("cookie"));
}

#[tokio::test]
async fn every_way_to_write_a_forbidden_address_is_refused_without_a_connection() {
    let server = Server::answering(|_| ok("", b"inside")).await;
    let port = server.address.port();
    let egress = HttpEgress::new(config(&[])).expect("a client");
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "0",
        "[::]",
        "localhost",
        "LOCALHOST",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
    ] {
        for scheme in ["http", "https"] {
            let error = failure(&egress, get(format!("{scheme}://{host}:{port}/"))).await;
            assert_eq!(error.failure, Failure::Refused, "{scheme} {host}: {error}");
            assert_eq!(error.delivery, Delivery::NotSent);
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn metadata_is_refused_although_everything_is_allowed() {
    let egress = HttpEgress::new(config(&["0.0.0.0/0", "::/0"])).expect("a client");
    for host in [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "0xA9FEA9FE",
    ] {
        let error = failure(&egress, get(format!("http://{host}/latest/meta-data/"))).await;
        assert_eq!(error.failure, Failure::Refused, "{host}: {error}");
    }
    // The same behind a name, for which a name server answers with it.
    for ip in [
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
    ] {
        let answers: &[&[&'static str]] = &[&[ip]];
        let egress = HttpEgress::with_lookup(
            config(&["0.0.0.0/0", "::/0"]),
            FakeLookup::answering(answers),
        )
        .expect("a client");
        let error = failure(&egress, get("https://metadata.example/")).await;
        assert_eq!(error.failure, Failure::Refused, "{ip}: {error}");
    }
}

#[tokio::test]
async fn addresses_that_can_not_be_asked_are_errors_of_their_own() {
    let egress = local();
    for url in [
        "",
        "no address",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://u:hunter2@127.0.0.1/",
        "https://u@127.0.0.1/",
        "http://",
        "gopher://127.0.0.1:70/",
    ] {
        let error = failure(&egress, get(url)).await;
        assert_eq!(error.failure, Failure::Address, "{url}: {error}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let narrow = EgressConfig {
        target: TargetPolicy {
            allowed: AllowList::parse(&["127.0.0.0/8"]).expect("a network"),
            ..TargetPolicy::default()
        },
        proxy: None,
    };
    let narrow = HttpEgress::new(narrow).expect("a client");
    let error = failure(&narrow, get("http://127.0.0.1:22/")).await;
    assert_eq!(error.failure, Failure::Refused);
    assert!(error.message.contains("egress.ports"), "{error}");
    for header in [
        Header::plain("host", "x"),
        Header::plain("a b", "x"),
        Header::plain("x", "a\r\nb: c"),
        Header::plain("Transfer-Encoding", "chunked"),
        Header::secret("x", Secret::new("hunter2\n")),
    ] {
        let error = failure(&egress, get("http://127.0.0.1:1/").header(header)).await;
        assert_eq!(error.delivery, Delivery::NotSent);
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing_with_a_fake_name_server() {
    // Public when it is first asked, this machine when it counts: what is connected to is what was
    // judged, and every look-up is judged.
    let server = Server::answering(|_| ok("", b"inside")).await;
    let answers: &[&[&'static str]] = &[&["127.0.0.1"]];
    let lookup = FakeLookup::answering(answers);
    let egress =
        HttpEgress::with_lookup(config(&["10.0.0.0/8"]), lookup.clone()).expect("a client");
    for _ in 0..3 {
        let url = format!("http://rebind.example:{}/", server.address.port());
        let error = failure(&egress, get(url)).await;
        assert_eq!(error.failure, Failure::Refused, "{error}");
    }
    assert_eq!(lookup.1.load(Ordering::SeqCst), 3, "no verdict is kept");
    assert!(server.requests().is_empty());

    // Of several addresses only those that pass are connected to.
    let mixed: &[&[&'static str]] = &[&["192.168.1.1", "127.0.0.1", "169.254.169.254"]];
    let egress = HttpEgress::with_lookup(config(&["127.0.0.0/8"]), FakeLookup::answering(mixed))
        .expect("a client");
    let url = format!("http://mixed.example:{}/", server.address.port());
    assert_eq!(egress.send(get(url)).await.expect("an answer").status, 200);

    let nothing: &[&[&'static str]] = &[&[]];
    let egress =
        HttpEgress::with_lookup(config(&[]), FakeLookup::answering(nothing)).expect("a client");
    let error = failure(&egress, get("https://nowhere.example/")).await;
    assert_eq!(
        (error.failure, error.delivery),
        (Failure::Resolve, Delivery::NotSent)
    );
}

#[tokio::test]
async fn a_redirect_to_metadata_is_not_followed() {
    for to in [
        "http://169.254.169.254/latest/meta-data/iam/",
        "http://[::ffff:169.254.169.254]/",
        "http://0xa9fea9fe/",
        "//169.254.169.254/",
        "http://10.0.0.1/",
    ] {
        let server = Server::answering(move |_| redirect(302, to)).await;
        let error = failure(&local(), get(server.url("/")).following_redirects()).await;
        assert_eq!(error.failure, Failure::Refused, "{to}: {error}");
        assert_eq!(
            error.delivery,
            Delivery::Unknown,
            "the first server has been asked"
        );
    }
}

#[tokio::test]
async fn redirects_lose_secrets_across_origins_and_end() {
    let other = Server::answering(|_| ok("", b"other")).await;
    let there = other.url("/there");
    let first = Server::answering(move |request| {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        match path.as_str() {
            "/same" => redirect(307, "/end"),
            "/end" => ok("", b"end"),
            "/loop" => redirect(302, "/loop"),
            "/seeother" => redirect(303, "/end"),
            "/keep" => redirect(308, &there),
            _ => redirect(302, &there),
        }
    })
    .await;
    let with_secret = |path: &str| {
        get(first.url(path))
            .following_redirects()
            .header(Header::secret("x-private", Secret::new("hunter2")))
            .header(Header::plain("Authorization", "Bearer hunter2"))
            .header(Header::plain("x-plain", "stays"))
    };
    local().send(with_secret("/away")).await.expect("followed");
    let seen = other.requests().join("");
    assert!(
        !seen.contains("hunter2") && seen.contains("x-plain: stays"),
        "{seen}"
    );

    local().send(with_secret("/same")).await.expect("followed");
    let last = first.requests().pop().expect("a request");
    assert!(
        last.contains("GET /end") && last.contains("x-private: hunter2"),
        "{last}"
    );

    let error = failure(&local(), with_secret("/loop")).await;
    assert_eq!(error.failure, Failure::Redirect);

    let mut post = with_secret("/seeother").body("text/plain", "hunter2");
    post.method = Method::Post;
    local().send(post.clone()).await.expect("followed");
    let last = first.requests().pop().expect("a request");
    assert!(
        last.starts_with("GET /end") && !last.ends_with("hunter2"),
        "{last}"
    );
    post.url = first.url("/keep");
    let error = failure(&local(), post).await;
    assert_eq!(
        error.failure,
        Failure::Redirect,
        "a body is not repeated elsewhere"
    );

    let returned = local()
        .send(get(first.url("/away")))
        .await
        .expect("an answer");
    assert_eq!(
        returned.status, 302,
        "unless it was wanted, nothing is followed"
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("compresses");
    encoder.finish().expect("compresses")
}

#[tokio::test]
async fn long_answers_are_cut_off_however_they_come() {
    const LIMIT: u64 = 100_000;
    let large = vec![b'a'; 20_000_000];
    let bomb = gzip(&large);
    assert!(u64::try_from(bomb.len()).expect("small") < LIMIT);
    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..2_000 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b'b'; 1_024]);
        chunked.extend_from_slice(b"\r\n");
    }
    let until_close = [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".as_slice(),
        &large,
    ]
    .concat();
    for (name, answer) in [
        ("declared", ok("", &large)),
        ("chunked", chunked),
        ("until close", until_close),
        ("gzip", ok("content-encoding: gzip\r\n", &bomb)),
    ] {
        let server = Server::answering(move |_| answer.clone()).await;
        let error = failure(&local(), get(server.url("/")).largest_answer(LIMIT)).await;
        assert_eq!(
            (error.failure, error.delivery),
            (Failure::TooLarge, Delivery::Unknown),
            "{name}"
        );
    }
    let fits = gzip(&large[..100_000]);
    let server = Server::answering(move |_| ok("content-encoding: gzip\r\n", &fits)).await;
    let answer = local()
        .send(get(server.url("/")).largest_answer(LIMIT))
        .await
        .expect("fits");
    assert_eq!(answer.body.len(), 100_000);
}

#[tokio::test]
async fn where_the_status_says_all_the_rest_of_an_answer_does_not_matter() {
    let long = vec![b'a'; 1_000_000];
    let cut = b"HTTP/1.1 202 Accepted\r\ncontent-length: 900000\r\n\r\nbegun".to_vec();
    for (name, status, answer) in [
        ("long", 200, ok("", &long)),
        ("cut off", 202, cut),
        ("no gzip", 200, ok("content-encoding: gzip\r\n", b"no gzip")),
        ("not offered", 200, ok("content-encoding: br\r\n", b"x")),
    ] {
        let server = Server::answering(move |_| answer.clone()).await;
        let plain = failure(&local(), get(server.url("/")).largest_answer(65_536)).await;
        assert_ne!(plain.delivery, Delivery::NotSent, "{name}");
        let asked = get(server.url("/")).largest_answer(65_536).status_only();
        let answer = local().send(asked).await.expect(name);
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{name}");
    }
}

#[tokio::test]
async fn broken_answers_are_told_apart() {
    let truncated = gzip(&[b'a'; 1_000]);
    let truncated = truncated[..truncated.len() - 9].to_vec();
    for (answer, expected) in [
        (ok("content-encoding: br\r\n", b"x"), Failure::Protocol),
        (
            ok("content-encoding: gzip\r\n", b"no gzip"),
            Failure::Protocol,
        ),
        (
            ok("content-encoding: gzip\r\n", &truncated),
            Failure::Protocol,
        ),
        (b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), Failure::Protocol),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec(),
            Failure::Reset,
        ),
        (Vec::new(), Failure::Reset),
    ] {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let server = Server::answering(move |_| answer.clone()).await;
        let error = failure(&local(), get(server.url("/"))).await;
        assert_eq!(
            (error.failure, error.delivery),
            (expected, Delivery::Unknown),
            "{shown}: {error}"
        );
    }
}

#[tokio::test]
async fn slow_answers_end_at_the_time_limit() {
    // One byte of the answer every 20 milliseconds, for ever.
    let drip = Server::with(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let body = Server::with(|mut stream, _| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let silent = Server::with(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    for server in [drip, body, silent] {
        let started = std::time::Instant::now();
        let error = failure(&local(), get(server.url("/")).timeout_ms(300)).await;
        assert_eq!(
            (error.failure, error.delivery),
            (Failure::Timeout, Delivery::Unknown)
        );
        assert!(started.elapsed().as_secs() < 10);
    }
}

#[tokio::test]
async fn closed_ports_and_missing_encryption_are_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address")
    };
    let error = failure(&local(), get(format!("http://{closed}/"))).await;
    assert_eq!(
        (error.failure, error.delivery),
        (Failure::Connect, Delivery::NotSent)
    );
    // Answers in the clear whoever connects, before a word is said.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let plain = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(&ok("", b"")).await;
            let _ = read_request(&mut stream).await;
        }
    });
    let error = failure(&local(), get(format!("https://{}/", plain))).await;
    assert_eq!(
        (error.failure, error.delivery),
        (Failure::Tls, Delivery::NotSent),
        "{error}"
    );
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_asked() {
    // The variables of this process can't be changed safely; that the builder ignores them is
    // visible in that a configured proxy is the only one that is used.
    let proxy = Server::answering(|_| ok("", b"by proxy")).await;
    let through = EgressConfig {
        proxy: Some(format!("http://{}", proxy.address)),
        target: TargetPolicy {
            http_anywhere: true,
            ..config(&["127.0.0.0/8"]).target
        },
    };
    let through = HttpEgress::new(through).expect("a client");
    let answer = through
        .send(get("http://app.example/x"))
        .await
        .expect("an answer");
    assert_eq!(&answer.body[..], b"by proxy");
    assert!(
        proxy
            .requests()
            .join("")
            .starts_with("GET http://app.example/x")
    );
    let error = failure(&through, get("http://169.254.169.254/")).await;
    assert_eq!(
        error.failure,
        Failure::Refused,
        "literal addresses are judged all the same"
    );
}
