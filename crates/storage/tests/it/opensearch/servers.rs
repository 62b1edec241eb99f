//! Servers that are not what they should be, or not now: what the product is told, without a word of
//! what is in documents or of the password.

use gna_domain::error::Error;
use gna_domain::port::search::Search;
use gna_storage::conformance::opensearch::Place;
use gna_storage::search::OpenSearch;
use gna_storage::search::opensearch::Address;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{at, count, documents, everything, put};

/// A server that gives one answer to everything; its address, and how often it was asked.
async fn fake_server(status: u16, body: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (
        format!("opensearch+http://gna:hunter2@127.0.0.1:{port}/gna"),
        asked,
    )
}

async fn refusal(url: &str) -> Error {
    let address = Address::parse(url).expect("an address");
    let search = OpenSearch::new(&address).expect("nothing is asked yet");
    let error = search.position().await.expect_err("it can't be used");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error
}

#[tokio::test]
async fn what_is_no_opensearch_of_today_is_refused_by_name() {
    for (status, body, code, says) in [
        (
            200,
            r#"{"version":{"number":"7.10.2"}}"#,
            "search.version",
            "7.10.2",
        ),
        (
            200,
            r#"{"version":{"number":"1.3.20","distribution":"opensearch"}}"#,
            "search.version",
            "OpenSearch 2 or newer",
        ),
        (200, "<html>", "search.refused", "no OpenSearch"),
        (401, "{}", "search.refused", "password"),
        (403, "{}", "search.refused", "user"),
        (302, "", "search.refused", "302"),
    ] {
        let (url, asked) = fake_server(status, body).await;
        let error = refusal(&url).await;
        assert_eq!(error.code(), code, "{status} {body}: {error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "asking again helps nobody");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_or_away_is_asked_again_and_then_told_of() {
    for status in [429, 502, 503, 504] {
        let (url, asked) = fake_server(status, "{}").await;
        let error = refusal(&url).await;
        assert_eq!(error.code(), "search.unavailable", "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 5);
    }
    // A port that nobody listens at any more.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let url = format!("opensearch+http://gna:hunter2@127.0.0.1:{port}/gna");
    let error = refusal(&url).await;
    assert_eq!(error.code(), "search.unavailable");
    assert!(error.to_string().contains("can't be reached"), "{error}");
}

/// A way to a real server that breaks each connection off after its first request was sent, as often as
/// it is told: what was done is not heard of.
async fn fake_way(to: String, breaks: Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, breaks) = (to.clone(), Arc::clone(&breaks));
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.ok()?;
                let left =
                    breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
                if left.is_ok() {
                    // Lets the request through, and the beginning of the answer come; then nothing more.
                    let mut buffer = vec![0; 65_536];
                    let n = near.read(&mut buffer).await.ok()?;
                    far.write_all(buffer.get(..n)?).await.ok()?;
                    let _ = far.read(&mut buffer).await;
                    return None;
                }
                tokio::io::copy_bidirectional(&mut near, &mut far)
                    .await
                    .ok()
            });
        }
    });
    port
}

#[tokio::test]
async fn answers_that_are_lost_are_asked_for_again() {
    let Some(place) = Place::fresh() else { return };
    let host = place.url.trim_start_matches("opensearch+http://");
    let host = host.split('/').next().expect("a host").to_owned();
    let breaks = Arc::new(AtomicUsize::new(0));
    let port = fake_way(host.clone(), Arc::clone(&breaks)).await;
    let url = place.url.replace(&host, &format!("127.0.0.1:{port}"));
    for n in 0..6 {
        // Each opening has connections of its own, whose first are broken.
        breaks.store(2, Ordering::SeqCst);
        let search = OpenSearch::new(&Address::parse(&url).expect("an address"));
        let search = search.expect("opens");
        let first = 1 + n * 10;
        search
            .apply(put(documents(first..first + 10)))
            .await
            .expect("applies");
        assert_eq!(breaks.load(Ordering::SeqCst), 0, "somebody was hit");
    }
    let search = place.open().await;
    // Shows what the others wrote.
    search.apply(at("1", None)).await.expect("moves");
    assert_eq!(count(&search, everything()).await, 60);
}

/// Somebody made an index of that name with other fields.
#[tokio::test]
async fn an_index_with_other_fields_says_what_to_do() {
    let Some(place) = Place::fresh() else { return };
    let search = place.open().await;
    let index = place.indexes().await.pop().expect("one");
    let live = index.trim_end_matches("-0").to_owned();
    place.ask(reqwest::Method::DELETE, &index, "").await;
    let strange = format!(
        r#"{{"aliases":{{"{live}":{{}},"{index}.at":{{}}}},"mappings":{{"dynamic":"strict","properties":{{"secret":{{"type":"keyword"}}}}}}}}"#
    );
    let (status, told) = place.ask(reqwest::Method::PUT, &index, &strange).await;
    assert_eq!(status, 200, "{told}");
    let error = search
        .apply(put(documents(1..2)))
        .await
        .expect_err("it can't be kept");
    assert_eq!(error.code(), "search.refused");
    assert!(error.to_string().contains("delete it"), "{error}");
    assert!(!error.to_string().contains("src/1.rs"), "{error}");
}

/// A disk that is nearly full makes OpenSearch forbid writes.
#[tokio::test]
async fn an_index_that_takes_no_writes_says_why_and_goes_on_answering() {
    let Some(place) = Place::fresh() else { return };
    let search = place.open().await;
    search.apply(put(documents(1..3))).await.expect("applies");
    assert_eq!(count(&search, everything()).await, 2);
    let settings = format!("{}-*/_settings", place.index);
    let block = |on: bool| format!(r#"{{"index.blocks.write":{on}}}"#);
    let (status, _) = place
        .ask(reqwest::Method::PUT, &settings, &block(true))
        .await;
    assert_eq!(status, 200);
    let error = search
        .apply(put(documents(3..4)))
        .await
        .expect_err("blocked");
    assert_eq!(error.code(), "search.refused");
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert_eq!(count(&search, everything()).await, 2);
    place
        .ask(reqwest::Method::PUT, &settings, &block(false))
        .await;
    search.apply(put(documents(3..4))).await.expect("applies");
    assert_eq!(count(&search, everything()).await, 3);
}
