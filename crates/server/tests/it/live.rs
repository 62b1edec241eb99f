//! Subscriptions over a real websocket, as GraphQL clients open one (`graphql-transport-ws`).

use crate::run::sample;
use crate::server::Server;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const PROTOCOL: &str = "graphql-transport-ws";

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn open(url: &str) -> Socket {
    let address = format!("{}/api", url.replacen("http", "ws", 1));
    let mut request = address.into_client_request().expect("an address");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", PROTOCOL.parse().expect("a value"));
    let (socket, answer) = connect_async(request).await.expect("opens");
    assert_eq!(
        answer
            .headers()
            .get("sec-websocket-protocol")
            .map(|value| value.as_bytes()),
        Some(PROTOCOL.as_bytes())
    );
    socket
}

/// Sends what is given, then listens until the operation or the connection ends.
async fn heard(socket: &mut Socket, say: &[Value]) -> Vec<Value> {
    for message in say {
        let text = Message::text(message.to_string());
        socket.send(text).await.expect("is sent");
    }
    let mut heard = Vec::new();
    let listen = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    let is_last = message["type"] == "complete" || message["type"] == "error";
                    heard.push(message);
                    if is_last {
                        break;
                    }
                }
                Message::Close(_) => break,
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), listen)
        .await
        .expect("does not hang");
    heard
}

fn subscribe(id: &str, report: &str) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": {
        "query": "subscription($id: ID!) { reportProgress(id: $id) { status counts { created } } }",
        "variables": { "id": report },
    }})
}

#[tokio::test]
async fn a_report_is_followed_to_its_end_over_a_websocket() {
    let folder = tempfile::tempdir().expect("folder");
    let server = Server::start(folder.path(), &["--demo"]);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/octet-stream"),
    ];
    let report = std::fs::read_to_string(sample("semgrep.json")).expect("is there");
    let path = "/api/v2/reports?organization=demo&group=shop&asset=live";
    let (status, answer) = server.send("POST", path, &headers, &report);
    assert_eq!(status, 202, "{answer}");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let made: Value = serde_json::from_str(body).expect("JSON");
    let id = made["id"].as_str().expect("an id");

    let init = |payload: Value| json!({ "type": "connection_init", "payload": payload });
    let known = init(json!({ "Authorization": bearer }));
    let told = heard(&mut open(server.url()).await, &[known, subscribe("1", id)]).await;
    assert_eq!(told[0]["type"], "connection_ack", "{told:?}");
    let last = told.iter().rev().find(|message| message["type"] == "next");
    let last = &last.unwrap_or_else(|| panic!("{told:?}"))["payload"]["data"]["reportProgress"];
    assert_eq!(
        (&last["status"], &last["counts"]["created"]),
        (&json!("COMPLETE"), &json!(6))
    );

    // Nobody may open one and hear nothing; a token that does not hold may not open one.
    let nobody = [init(json!({})), subscribe("1", id)];
    let told = heard(&mut open(server.url()).await, &nobody).await;
    let text = serde_json::to_string(&told).expect("JSON");
    assert!(
        text.contains("auth.required") && !text.contains("COMPLETE"),
        "{text}"
    );
    let wrong = [
        init(json!({ "Authorization": "Bearer gna_00" })),
        subscribe("1", id),
    ];
    let told = heard(&mut open(server.url()).await, &wrong).await;
    let text = serde_json::to_string(&told).expect("JSON");
    assert!(
        !text.contains("connection_ack") && !text.contains("COMPLETE"),
        "{text}"
    );
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test]
async fn an_open_websocket_ends_with_the_right_to_it() {
    let folder = tempfile::tempdir().expect("folder");
    let server = Server::start(folder.path(), &["--demo"]);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    let ask = |id: &str, query: &str| json!({ "id": id, "type": "subscribe", "payload": { "query": query } });
    let init = json!({ "type": "connection_init", "payload": { "Authorization": bearer } });
    let mut socket = open(server.url()).await;
    let tokens = ask("1", "{ viewer { user { tokens { id } } } }");
    let told = heard(&mut socket, &[init, tokens]).await;
    let viewer = &told[1]["payload"]["data"]["viewer"];
    let id = viewer["user"]["tokens"][0]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("{told:?}"));
    let revoke = format!("mutation {{ revokeToken(id: \"{id}\") {{ done }} }}");
    let told = heard(&mut socket, &[ask("2", &revoke)]).await;
    assert!(!told[0].to_string().contains("errors"), "{told:?}");
    let told = heard(&mut socket, &[ask("3", "{ viewer { actor } }")]).await;
    assert!(told[0].to_string().contains("auth.invalid"), "{told:?}");
    assert_eq!(server.stop(), Some(0));
}

/// Listens until a message is the one that is waited for.
async fn hear(socket: &mut Socket, mut is_it: impl FnMut(&Value) -> bool) -> Value {
    let listen = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if is_it(&message) {
                    return message;
                }
            }
        }
        panic!("the connection ended first")
    };
    tokio::time::timeout(Duration::from_secs(60), listen)
        .await
        .expect("does not hang")
}

fn watch(id: &str, organization: &str, after: Option<&str>) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": {
        "query": "subscription($of: ID!, $after: String) { changes(organization: $of, after: $after) {
            position events { event report { id } vulnerability { id } } } }",
        "variables": { "of": organization, "after": after },
    }})
}

fn has_event(message: &Value, id: &str, event: &str) -> bool {
    let events = &message["payload"]["data"]["changes"]["events"];
    let mut events = events.as_array().into_iter().flatten();
    message["id"] == id && events.any(|told| told["event"] == event)
}

#[tokio::test]
async fn changes_are_told_over_a_websocket_until_the_server_stops() {
    let folder = tempfile::tempdir().expect("folder");
    let server = Server::start(folder.path(), &["--demo"]);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    let init = json!({ "type": "connection_init", "payload": { "Authorization": bearer } });
    let ask = json!({ "id": "0", "type": "subscribe", "payload": {
        "query": "{ organization(slug: \"demo\") { id } }" } });
    let mut socket = open(server.url()).await;
    let told = heard(&mut socket, &[init, ask]).await;
    let demo = told[1]["payload"]["data"]["organization"]["id"].as_str();
    let demo = demo.unwrap_or_else(|| panic!("{told:?}"));

    let text = Message::text(watch("1", demo, None).to_string());
    socket.send(text).await.expect("is sent");
    let first = hear(&mut socket, |message| message["id"] == "1").await;
    assert_eq!(
        first["payload"]["data"]["changes"]["events"],
        json!([]),
        "{first}"
    );

    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/octet-stream"),
    ];
    let report = std::fs::read_to_string(sample("semgrep.json")).expect("is there");
    let path = "/api/v2/reports?organization=demo&group=shop&asset=watched";
    let (status, answer) = server.send("POST", path, &headers, &report);
    assert_eq!(status, 202, "{answer}");
    let is_end = |message: &Value| has_event(message, "1", "report.completed");
    let mut found = false;
    hear(&mut socket, |message| {
        found |= has_event(message, "1", "vulnerability.created");
        is_end(message)
    })
    .await;
    assert!(found, "what the report shows is told no later than its end");

    // The upload's own answer says from where on to listen.
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    let made: Value = serde_json::from_str(body).expect("JSON");
    let position = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("x-gna-position"));
    let (_, position) = position.unwrap_or_else(|| panic!("{head}"));
    let text = Message::text(watch("2", demo, Some(position)).to_string());
    socket.send(text).await.expect("is sent");
    let end = hear(&mut socket, |message| {
        has_event(message, "2", "report.completed")
    })
    .await;
    let events = end["payload"]["data"]["changes"]["events"].as_array();
    let events = events.expect("a list");
    let is_ours = |told: &Value| told["report"]["id"] == made["id"];
    assert!(events.iter().any(is_ours), "{end}");

    let stopped = tokio::task::spawn_blocking(move || server.stop());
    let last = hear(&mut socket, |message| {
        message["id"] == "1" && message["payload"]["errors"].is_array()
    })
    .await;
    let code = &last["payload"]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "server.stopping", "{last}");
    hear(&mut socket, |message| {
        message["id"] == "1" && message["type"] == "complete"
    })
    .await;
    assert_eq!(stopped.await.expect("ends"), Some(0));
}
