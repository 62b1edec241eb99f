//! Requests and answers of gateways, Function URLs and load balancers, to and from the router.
//!
//! What the outside sends is checked like what a socket brings: a path that is no path or a body that
//! is not in base64 is a problem of the request, never a failure of the function.

use aws_lambda_events::alb::{AlbTargetGroupRequest, AlbTargetGroupResponse};
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body as Payload;
use aws_lambda_events::query_map::QueryMap;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{self, HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gna_api::problem::Problem;
use gna_domain::error::{Error, Result};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use tower::ServiceExt;

/// Largest answer of a function, in bytes of JSON (AWS Lambda quotas: 6 MB for a synchronous
/// invocation).
const GATEWAY_BYTES: usize = 6_291_456;

/// Largest answer to a load balancer, in bytes of JSON (Elastic Load Balancing, "Lambda functions as
/// targets": 1 MB).
const BALANCER_BYTES: usize = 1_048_576;

/// What gateways decode in paths and a request line can't have. `%` stays: what is encoded still, is
/// so for a reason.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// As [`PATH`], for what stands behind the question mark.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Gateway,
    Balancer,
}

/// A request, wherever it comes from.
#[derive(Debug)]
pub struct Request {
    origin: Origin,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Option<String>,
    is_base64: bool,
    /// Who sent it, as the gateway saw it.
    peer: Option<IpAddr>,
}

impl Request {
    /// API Gateway with payload 2.0, or a Function URL: they have one form.
    pub(super) fn of_gateway(from: ApiGatewayV2httpRequest) -> Self {
        let context = from.request_context;
        let path = from.raw_path.unwrap_or_default();
        let mut headers = from.headers;
        let cookies = from.cookies.unwrap_or_default().join("; ");
        if !cookies.is_empty()
            && let Ok(cookies) = cookies.parse()
        {
            headers.insert(header::COOKIE, cookies);
        }
        Self {
            origin: Origin::Gateway,
            method: context.http.method,
            path: without_stage(&path, context.stage.as_deref()).to_owned(),
            query: from.raw_query_string.unwrap_or_default(),
            headers,
            body: from.body,
            is_base64: from.is_base64_encoded,
            peer: context.http.source_ip.and_then(|ip| ip.parse().ok()),
        }
    }

    /// An application load balancer. It decodes nothing, and names the peer last in its header.
    pub(super) fn of_balancer(from: AlbTargetGroupRequest) -> Self {
        let query = match from.multi_value_query_string_parameters.is_empty() {
            true => &from.query_string_parameters,
            false => &from.multi_value_query_string_parameters,
        };
        let headers = match from.multi_value_headers.is_empty() {
            true => from.headers,
            false => from.multi_value_headers,
        };
        let forwarded = headers.get("x-forwarded-for");
        let peer = forwarded
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.rsplit(',').next())
            .and_then(|last| last.trim().parse().ok());
        Self {
            origin: Origin::Balancer,
            method: from.http_method,
            path: from.path.unwrap_or_default(),
            query: joined(query),
            headers,
            body: from.body,
            is_base64: from.is_base64_encoded,
            peer,
        }
    }

    /// As a socket would have brought it.
    fn into_http(self) -> Result<http::Request<Body>> {
        let bad = |what: &str| Error::invalid("request.malformed", format!("the {what}"));
        let mut uri = match self.path.starts_with('/') {
            true => utf8_percent_encode(&self.path, PATH).to_string(),
            false => return Err(bad("path does not begin with a slash")),
        };
        if !self.query.is_empty() {
            uri.push('?');
            uri.extend(utf8_percent_encode(&self.query, QUERY));
        }
        let uri: Uri = uri.parse().map_err(|_| bad("path or query is malformed"))?;
        let body = match (self.body, self.is_base64) {
            (None, _) => Bytes::new(),
            (Some(text), false) => Bytes::from(text),
            (Some(text), true) => STANDARD
                .decode(text)
                .map_err(|_| bad("body is said to be in base64, but is not"))?
                .into(),
        };
        let mut request = http::Request::new(Body::from(body));
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        if let Some(peer) = self.peer {
            let peer = SocketAddr::new(peer, 0);
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        Ok(request)
    }
}

/// The path below the stage: gateways put the stage's name first, except for the default one.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let rest = stage
        .filter(|stage| *stage != "$default" && !stage.is_empty())
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// `a=1&b=2`, of what the balancer passes on as it came.
fn joined(query: &QueryMap) -> String {
    let pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// Answers by the router, in the form that the origin expects.
///
/// # Errors
/// `lambda.answer`, when the answer can't be written as JSON.
pub(super) async fn answer(router: Router, request: Request) -> Result<Value> {
    let (origin, limit) = match request.origin {
        Origin::Gateway => (Origin::Gateway, GATEWAY_BYTES),
        Origin::Balancer => (Origin::Balancer, BALANCER_BYTES),
    };
    let response = match request.into_http() {
        // The router fails on nothing.
        Ok(request) => router.oneshot(request).await.into_response(),
        Err(error) => Problem(error).into_response(),
    };
    let answer = written(origin, response, limit).await;
    if answer.as_ref().is_some_and(|(_, size)| *size <= limit) {
        return Ok(answer.map(|(value, _)| value).unwrap_or_default());
    }
    let error = Error::limit(
        "response.too_large",
        format!(
            "the answer has more than {limit} bytes, the most that a function may send; ask for a smaller page or filter, accept gzip, or ask a `gna serve` on the same store"
        ),
    );
    let told = written(origin, Problem(error).into_response(), limit).await;
    told.map(|(value, _)| value)
        .ok_or_else(|| Error::internal("lambda.answer", "an answer can't be written"))
}

/// The response as JSON and its size, unless its body alone is too large or breaks off.
async fn written(origin: Origin, response: Response, limit: usize) -> Option<(Value, usize)> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, limit).await.ok()?;
    let body = payload(&parts.headers, body);
    let is_base64 = matches!(body, Some(Payload::Binary(_)));
    let value = match origin {
        Origin::Gateway => {
            let mut headers = parts.headers;
            let cookies = headers.get_all(header::SET_COOKIE);
            let cookies = cookies.iter().filter_map(|value| value.to_str().ok());
            let cookies = cookies.map(str::to_owned).collect();
            headers.remove(header::SET_COOKIE);
            let mut answer = ApiGatewayV2httpResponse::default();
            answer.status_code = i64::from(parts.status.as_u16());
            answer.headers = headers;
            answer.cookies = cookies;
            answer.body = body;
            answer.is_base64_encoded = is_base64;
            serde_json::to_value(answer)
        }
        Origin::Balancer => {
            let reason = parts.status.canonical_reason().unwrap_or_default();
            let mut answer = AlbTargetGroupResponse::default();
            answer.status_code = i64::from(parts.status.as_u16());
            answer.status_description = Some(format!("{} {reason}", parts.status.as_u16()));
            // Which of the two is read is a setting of the target group.
            answer.headers = parts.headers.clone();
            answer.multi_value_headers = parts.headers;
            answer.body = body;
            answer.is_base64_encoded = is_base64;
            serde_json::to_value(answer)
        }
    }
    .ok()?;
    let size = serde_json::to_string(&value).ok()?.len();
    Some((value, size))
}

/// Text as text, all else in base64.
fn payload(headers: &HeaderMap, body: Bytes) -> Option<Payload> {
    if body.is_empty() {
        return None;
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Some(Payload::Binary(body.into()));
    }
    Some(match String::from_utf8(body.into()) {
        Ok(text) => Payload::Text(text),
        Err(bytes) => Payload::Binary(bytes.into_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;
    use axum::routing::{get, post};
    use serde_json::json;

    fn router() -> Router {
        let peer =
            |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
        Router::new()
            .route("/peer", get(peer))
            .route("/uri", get(|uri: Uri| async move { uri.to_string() }))
            .route(
                "/files/{*path}",
                get(|uri: Uri| async move { uri.to_string() }),
            )
            .route("/echo", post(|body: Bytes| async move { body }))
            .route("/large", get(|| async { "x".repeat(GATEWAY_BYTES) }))
            .route(
                "/cookies",
                get(|| async {
                    let mut headers = HeaderMap::new();
                    headers.append(header::SET_COOKIE, header::HeaderValue::from_static("a=1"));
                    headers.append(header::SET_COOKIE, header::HeaderValue::from_static("b=2"));
                    headers
                }),
            )
    }

    async fn ask(event: Value) -> Value {
        match Event::read(event).expect("known") {
            Event::Http(request) => answer(router(), *request).await.expect("answers"),
            other => panic!("{other:?}"),
        }
    }

    fn gateway(method: &str, path: &str, query: &str) -> Value {
        json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query,
            "headers": { "accept": "*/*" },
            "requestContext": { "stage": "$default", "http": {
                "method": method, "path": path, "sourceIp": "192.0.2.7",
            } },
        })
    }

    #[tokio::test]
    async fn paths_and_queries_come_as_they_were_sent() {
        for (path, query, seen) in [
            ("/uri", "", "/uri"),
            ("/uri", "a=%26&b=1", "/uri?a=%26&b=1"),
            ("/files/a b/é?#", "", "/files/a%20b/%C3%A9%3F%23"),
            ("/files/a%2Fb", "x=a b", "/files/a%2Fb?x=a%20b"),
        ] {
            let answer = ask(gateway("GET", path, query)).await;
            assert_eq!(answer["body"], seen);
        }
        let mut staged = gateway("GET", "/test/uri", "");
        staged["requestContext"]["stage"] = json!("test");
        assert_eq!(ask(staged).await["body"], "/uri");
        assert_eq!(without_stage("/test", Some("test")), "/");
        assert_eq!(without_stage("/tests/uri", Some("test")), "/tests/uri");
    }

    #[tokio::test]
    async fn hostile_requests_are_refused_and_break_nothing() {
        for (path, body, is_base64) in [
            ("", "", false),
            ("uri", "", false),
            ("//[", "", false),
            ("/echo", "not base64!", true),
        ] {
            let mut event = gateway("POST", path, "");
            event["body"] = json!(body);
            event["isBase64Encoded"] = json!(is_base64);
            event["headers"] = json!({ "host": "[", "x-forwarded-proto": "no scheme" });
            let answer = ask(event).await;
            let status = answer["statusCode"].as_u64();
            assert!(matches!(status, Some(400 | 404)), "{path}: {answer}");
        }
    }

    #[tokio::test]
    async fn bodies_of_bytes_go_both_ways() {
        let bytes = [0_u8, 159, 146, 150];
        let mut event = gateway("POST", "/echo", "");
        event["body"] = json!(STANDARD.encode(bytes));
        event["isBase64Encoded"] = json!(true);
        let answer = ask(event).await;
        assert_eq!(answer["isBase64Encoded"], true);
        assert_eq!(answer["body"], STANDARD.encode(bytes));
        let mut event = gateway("POST", "/echo", "");
        event["body"] = json!("plain");
        let answer = ask(event).await;
        assert_eq!(
            (&answer["isBase64Encoded"], &answer["body"]),
            (&json!(false), &json!("plain"))
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_says_what_to_do() {
        let answer = ask(gateway("GET", "/large", "")).await;
        assert_eq!(answer["statusCode"], 413);
        let body = answer["body"].as_str().expect("text");
        assert!(
            body.contains("response.too_large") && body.contains("gzip"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn cookies_and_the_peer_are_told_by_both_origins() {
        assert_eq!(ask(gateway("GET", "/peer", "")).await["body"], "192.0.2.7");
        let answer = ask(gateway("GET", "/cookies", "")).await;
        assert_eq!(answer["cookies"], json!(["a=1", "b=2"]));
        let balancer = |path: &str| {
            json!({
                "requestContext": { "elb": { "targetGroupArn": "arn:invented" } },
                "httpMethod": "GET", "path": path,
                "multiValueQueryStringParameters": { "q": ["a%26b", "c"] },
                "multiValueHeaders": { "x-forwarded-for": ["10.0.0.1, 198.51.100.4"] },
                "body": "", "isBase64Encoded": false,
            })
        };
        assert_eq!(ask(balancer("/peer")).await["body"], "198.51.100.4");
        assert_eq!(ask(balancer("/uri")).await["body"], "/uri?q=a%26b&q=c");
        let answer = ask(balancer("/cookies")).await;
        assert_eq!(
            answer["multiValueHeaders"]["set-cookie"],
            json!(["a=1", "b=2"])
        );
        assert_eq!(answer["statusDescription"], "200 OK");
    }
}
