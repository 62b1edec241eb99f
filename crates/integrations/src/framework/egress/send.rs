//! Sends one request, following redirects where that is wanted.

use async_trait::async_trait;
use bytes::Bytes;
use gna_domain::error::{Error, Result};
use gna_domain::port::egress::{
    Body, Delivery, Egress, EgressError, Failure, Header, Method, OutRequest, OutResponse,
    Redirects,
};
use gna_domain::rules::address::{NotThere, Target, TargetPolicy, check_target};
use gna_domain::rules::redact::names_a_secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

use super::error::{from_client, timed_out};
use super::read;
use super::resolve::{Guard, Lookup, SystemLookup};

/// Redirects followed at most.
const MAX_HOPS: usize = 5;
/// How long taking up a connection may last, encryption included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Headers that are ours alone: they decide where a request ends and another begins.
const OURS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How requests may leave.
#[derive(Clone, Debug, Default)]
pub struct EgressConfig {
    pub target: TargetPolicy,
    /// `http://proxy.example:3128`; `None` goes directly, whatever the environment's variables say.
    /// What is behind a proxy is the proxy's to guard: it resolves the names.
    pub proxy: Option<String>,
}

/// The egress port.
pub struct HttpEgress {
    policy: Arc<TargetPolicy>,
    encrypted: Client,
    in_the_clear: Client,
}

/// One request on its way: what a redirect changes.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Body>,
}

impl HttpEgress {
    /// # Errors
    /// `egress.proxy` where the proxy's address can't be used, `egress.tls` where the system's
    /// certificates can't be read.
    pub fn new(config: EgressConfig) -> Result<Self> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    /// With another resolver than the system's.
    ///
    /// # Errors
    /// As [`HttpEgress::new`].
    pub fn with_lookup(config: EgressConfig, lookup: Arc<dyn Lookup>) -> Result<Self> {
        let policy = Arc::new(config.target);
        let client = |in_the_clear: bool| -> Result<Client> {
            let bad_proxy = || {
                Error::invalid(
                    "egress.proxy",
                    "egress.proxy must be an address such as http://proxy.example:3128",
                )
            };
            let proxy = config
                .proxy
                .as_deref()
                .map(|url| Url::parse(url).map_err(|_| bad_proxy()))
                .transpose()?;
            let guard = Guard {
                lookup: Arc::clone(&lookup),
                policy: Arc::clone(&policy),
                in_the_clear,
                proxy_host: proxy
                    .as_ref()
                    .and_then(|url| url.host_str())
                    .map(str::to_owned),
            };
            let builder = Client::builder()
                .user_agent(concat!("gna/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
                .connect_timeout(CONNECT)
                .pool_idle_timeout(IDLE)
                .dns_resolver(guard)
                .no_proxy();
            let builder = match proxy {
                Some(url) => builder.proxy(reqwest::Proxy::all(url).map_err(|_| bad_proxy())?),
                None => builder,
            };
            builder.build().map_err(|_| {
                Error::unavailable(
                    "egress.tls",
                    "no client could be made; check the system's certificates",
                )
            })
        };
        Ok(Self {
            encrypted: client(false)?,
            in_the_clear: client(true)?,
            policy,
        })
    }

    async fn attempt(&self, request: &OutRequest) -> Result<OutResponse, EgressError> {
        let mut hop = first_hop(request)?;
        let mut hops = 0;
        loop {
            let answered = self.one(&hop, request).await;
            // Once an earlier hop took the request, nothing is certain any more.
            let answered =
                answered.map_err(|error| if hops > 0 { unknown(error) } else { error })?;
            let next = match request.redirects {
                Redirects::Return => None,
                Redirects::Follow => redirected(&hop, &answered).map_err(unknown)?,
            };
            match next {
                None => {
                    return Ok(answered);
                }
                Some(_) if hops >= MAX_HOPS => {
                    return Err(EgressError::unknown(
                        Failure::Redirect,
                        format!("{} redirects more than {MAX_HOPS} times", host(&hop.url)),
                    ));
                }
                Some(next) => hop = next,
            }
            hops += 1;
        }
    }

    /// Sends to one place and reads its answer.
    async fn one(&self, hop: &Hop, request: &OutRequest) -> Result<OutResponse, EgressError> {
        self.check(&hop.url)?;
        let client = if hop.url.scheme() == "https" {
            &self.encrypted
        } else {
            &self.in_the_clear
        };
        let mut out = client
            .request(method(hop.method), hop.url.clone())
            .headers(hop.headers.clone())
            .header(reqwest::header::ACCEPT_ENCODING, "gzip");
        if let Some(body) = &hop.body {
            out = out
                .header(reqwest::header::CONTENT_TYPE, &body.content_type)
                .body(body.bytes.clone());
        }
        let host = host(&hop.url);
        let response = out
            .send()
            .await
            .map_err(|error| from_client(&error, host))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "content-encoding" | "content-length"))
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let body = match request.status_only {
            true => Bytes::new(),
            false => read::body(response, host, request.largest_answer).await?,
        };
        Ok(OutResponse {
            status,
            headers,
            body,
        })
    }

    fn check(&self, url: &Url) -> Result<(), EgressError> {
        // The parser has turned every way to write an IPv4 address into the usual one.
        let ip = url
            .host_str()
            .and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let target = Target {
            scheme: url.scheme(),
            port: url.port_or_known_default(),
            has_user: !url.username().is_empty() || url.password().is_some(),
            ip,
        };
        check_target(&target, &self.policy).map_err(|why| match why {
            NotThere::Address(why) => EgressError::not_sent(Failure::Address, why),
            NotThere::Refused(why) => EgressError::not_sent(
                Failure::Refused,
                format!("requests to {} are refused: {why}", host(url)),
            ),
        })
    }
}

#[async_trait]
impl Egress for HttpEgress {
    async fn send(&self, request: OutRequest) -> Result<OutResponse, EgressError> {
        let started = Instant::now();
        let limit = Duration::from_millis(request.timeout_ms);
        let url = Url::parse(&request.url).ok();
        let to = url.as_ref().map_or("the other side", host);
        // The host alone: secrets are in paths and queries, too.
        let span = tracing::info_span!(
            "egress.request",
            egress.purpose = %request.purpose,
            http.method = %method(request.method),
            server.address = to,
            http.status = tracing::field::Empty,
            egress.outcome = tracing::field::Empty,
        );
        let attempt = self.attempt(&request).instrument(span.clone());
        let result = match tokio::time::timeout(limit, attempt).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(to)),
        };
        let outcome = match &result {
            Ok(answer) => match answer.status {
                0..400 => "ok",
                400..500 => "4xx",
                _ => "5xx",
            },
            Err(error) => error.code(),
        };
        if let Ok(answer) = &result {
            span.record("http.status", i64::from(answer.status));
        }
        span.record("egress.outcome", outcome);
        metrics::counter!("gna_egress_requests_total", "purpose" => request.purpose.to_string(), "outcome" => outcome)
            .increment(1);
        tracing::debug!(
            purpose = %request.purpose,
            outcome,
            status = result.as_ref().map(|answer| answer.status).ok(),
            duration_ms = started.elapsed().as_millis(),
            "sent a request"
        );
        result
    }

    fn permits(&self, url: &str) -> Result<(), EgressError> {
        self.check(&parsed(url)?)
    }
}

fn parsed(url: &str) -> Result<Url, EgressError> {
    Url::parse(url).map_err(|_| {
        EgressError::not_sent(
            Failure::Address,
            "the address can't be read; it must look like https://example.com/path",
        )
    })
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or("the other side")
}

fn unknown(error: EgressError) -> EgressError {
    EgressError {
        delivery: Delivery::Unknown,
        ..error
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Options => reqwest::Method::OPTIONS,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn first_hop(request: &OutRequest) -> Result<Hop, EgressError> {
    let mut url = parsed(&request.url)?;
    url.set_fragment(None);
    for (name, value) in &request.secret_query {
        url.query_pairs_mut().append_pair(name, value.expose());
    }
    Ok(Hop {
        method: request.method,
        url,
        headers: headers(&request.headers)?,
        body: request.body.clone(),
    })
}

fn headers(headers: &[Header]) -> Result<HeaderMap, EgressError> {
    let mut map = HeaderMap::new();
    for header in headers {
        let bad = |why: &str| {
            EgressError::not_sent(
                Failure::Address,
                format!("the header {:?} {why}", header.name),
            )
        };
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| bad("is not the name of one"))?;
        if OURS.contains(&name.as_str()) {
            return Err(bad("can't be set: Gna sets it itself"));
        }
        let mut value = HeaderValue::from_str(header.value.expose())
            .map_err(|_| bad("holds characters that a header can't"))?;
        value.set_sensitive(header.value.is_secret() || names_a_secret(name.as_str()));
        map.append(name, value);
    }
    Ok(map)
}

/// Where a redirect leads; `None` where the answer is none.
fn redirected(hop: &Hop, answer: &OutResponse) -> Result<Option<Hop>, EgressError> {
    let refused = |why: &str| {
        let text = format!("{} redirects {why}", host(&hop.url));
        EgressError::unknown(Failure::Redirect, text)
    };
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.header("location") else {
        return Ok(None);
    };
    let mut url = hop
        .url
        .join(location)
        .map_err(|_| refused("to an address that can't be read"))?;
    url.set_fragment(None);
    if hop.url.scheme() == "https" && url.scheme() != "https" {
        return Err(refused("from https: to an address that is not encrypted"));
    }
    let becomes_get = match answer.status {
        303 => hop.method != Method::Head,
        301 | 302 => hop.method == Method::Post,
        _ => false,
    };
    let body = hop.body.clone().filter(|_| !becomes_get);
    let mut headers = hop.headers.clone();
    if url.origin() != hop.url.origin() {
        if body.is_some() {
            return Err(refused("to another origin, where the body is not repeated"));
        }
        headers = headers
            .iter()
            .filter(|(_, value)| !value.is_sensitive())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
    }
    Ok(Some(Hop {
        method: if becomes_get { Method::Get } else { hop.method },
        url,
        headers,
        body,
    }))
}
