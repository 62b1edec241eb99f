//! Sending a report to whoever answers: in one request, or in two steps where it is too large for one.
//! What stands before a server (AWS Lambda, a proxy) may take much less than the server itself.

use axum::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, PLACE_REFUSED, PLACE_UNREACHABLE, Query, REQUEST_TOO_LARGE, Sent};

/// Most bytes that are sent in one request to a server: as base64 they still fit into the 6 MB that a
/// function of AWS Lambda takes.
const AT_ONCE_BYTES: usize = 4 << 20;

/// Sends a report with what is said about it, and answers its record.
///
/// # Errors
/// The problem that was answered; `report.too_large` where the way to the server is too narrow for it in
/// either way; exit code 3 where nobody answers.
pub(super) async fn report(
    client: &Client,
    query: &Query,
    bytes: Vec<u8>,
) -> Result<Value, Failure> {
    let bytes = Bytes::from(bytes);
    if !matches!(client, Client::Remote { .. }) {
        return at_once(client, query, bytes).await;
    }
    let sent = if bytes.len() > AT_ONCE_BYTES {
        match in_two_steps(client, query, bytes.clone()).await {
            // A server of before, or one with a bucket that is out of reach from here: it may take the
            // whole of it.
            Err(first) if is_older(&first) || is_barred(&first) => {
                match at_once(client, query, bytes).await {
                    Err(_) if is_barred(&first) => Err(first),
                    done => done,
                }
            }
            done => done,
        }
    } else {
        match at_once(client, query, bytes.clone()).await {
            Err(failure) if failure.code == REQUEST_TOO_LARGE => {
                match in_two_steps(client, query, bytes).await {
                    Err(older) if is_older(&older) => Err(failure),
                    done => done,
                }
            }
            done => done,
        }
    };
    sent.map_err(told)
}

fn is_older(failure: &Failure) -> bool {
    failure.code == "route.not_found"
}

/// Whether it is not the server, but the place that it named, that takes nothing from here.
fn is_barred(failure: &Failure) -> bool {
    [PLACE_REFUSED, PLACE_UNREACHABLE].contains(&failure.code.as_str())
}

/// About this report alone, and with what helps.
fn told(failure: Failure) -> Failure {
    if failure.code != REQUEST_TOO_LARGE {
        return failure;
    }
    Failure::unreadable(
        "report.too_large",
        "what stands before the server takes no request of this size; raise its limit, compress the report with gzip, or split it",
    )
}

async fn at_once(client: &Client, query: &Query, bytes: Bytes) -> Result<Value, Failure> {
    let sent = Some(Sent::Bytes(bytes));
    let answer = client.send(Method::POST, "/api/v2/reports", query, sent);
    answer.await?.json().await
}

async fn in_two_steps(client: &Client, query: &Query, bytes: Bytes) -> Result<Value, Failure> {
    let mut body = json!({ "size": bytes.len() });
    for (name, value) in query {
        if ["organization", "group"].contains(name) {
            body[*name] = json!(value);
        }
    }
    let begun = client.post("/api/v2/uploads", body).await?;
    let (Some(id), Some(url)) = (begun["id"].as_str(), begun["url"].as_str()) else {
        return Err(Failure::unreadable(
            "server.answer",
            "the server does not say where to send the report; is it of another version?",
        ));
    };
    client.put(url, &begun["headers"], bytes).await?;
    let mut query = query.clone();
    query.push(("upload", id.to_owned()));
    let answer = client.send(Method::POST, "/api/v2/reports", &query, None);
    answer.await?.json().await
}
