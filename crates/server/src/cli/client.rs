//! One way to ask Gna, whether it is a server or the store at hand.
//!
//! Commands speak the APIs. Where no server is meant and none runs, their routes answer inside this
//! process, for the person at the machine (`local-operator`); where a server has the store, it
//! answers the same person, known by the key that it wrote down ([`crate::operator`]). So all ways
//! do and say the same. Read next: `graphql.rs`, `import.rs`, `list.rs`, `export.rs`.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use clap::Args;
use futures::StreamExt;
use futures::stream::BoxStream;
use gna_api::operator::SCHEME;
use gna_domain::secret::Secret;
use gna_domain::service::authenticate::Caller;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

use super::local::{StoreArgs, open, open_or_make, server_of};
use super::{Failure, Global, Setup};
use crate::config::{Config, Environment};
use crate::wiring::{Instance, Running, sqlite_path};
use crate::{app, operator as door};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Of a request that was refused for its size by something that is not Gna.
pub const REQUEST_TOO_LARGE: &str = "request.too_large";

/// Of the place to which a server has bytes sent, where that is not the server.
pub const PLACE_REFUSED: &str = "upload.refused";
pub const PLACE_UNREACHABLE: &str = "upload.unreachable";

/// Largest answer that is taken whole, in bytes.
const WHOLE_BYTES: usize = 64 << 20;

/// Whom to ask.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerArgs {
    /// Address of the server [env: GNA_SERVER] [default: the one that has the store, else the store itself]
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["data", "store"])]
    server: Option<String>,
    /// API token for the server; better in the environment than here [env: GNA_TOKEN]
    #[arg(long, value_name = "TOKEN", global = true)]
    token: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// What a command needs of the store at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// That it is there.
    Read,
    /// That it is there, or is made.
    Make,
    /// That it is there, and a worker for the jobs that the command makes.
    Work,
}

/// Someone who answers.
pub enum Client {
    Remote {
        http: reqwest::Client,
        url: String,
        /// The header by which the server knows us.
        authorization: Secret,
    },
    Local {
        instance: Box<Instance>,
        /// Only for commands that make work.
        running: Option<Running>,
        router: Router,
    },
}

/// What was answered: a success.
pub struct Answer {
    pub body: BoxStream<'static, Result<Bytes, Failure>>,
}

/// The body of a request.
pub enum Sent {
    /// A report as it is.
    Bytes(Bytes),
    Json(Value),
}

impl Sent {
    fn kind(&self) -> &'static str {
        match self {
            Self::Bytes(_) => "application/octet-stream",
            Self::Json(_) => "application/json",
        }
    }

    fn bytes(self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Json(value) => value.to_string().into(),
        }
    }
}

/// Parameters of a request.
pub type Query = Vec<(&'static str, String)>;

impl ServerArgs {
    /// The configuration that the flags lead to.
    ///
    /// # Errors
    /// Exit code 2 with what is wrong.
    pub fn config(&self, global: &Global) -> Result<Setup, Failure> {
        self.store.config(global)
    }

    /// Whether a server or a store is meant: by a flag, or by the environment.
    ///
    /// # Errors
    /// Exit code 2 with what is wrong in the environment.
    pub fn is_named(&self) -> Result<bool, Failure> {
        let folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
        let environment =
            Environment::read(&folder).map_err(|error| Failure::usage("config.invalid", error))?;
        let from_outside = environment
            .get("GNA_SERVER")
            .is_some_and(|url| !url.trim().is_empty());
        Ok(from_outside
            || self.server.is_some()
            || self.store.data.is_some()
            || self.store.store.is_some())
    }

    /// # Errors
    /// Exit code 2 where a token or the store is missing, 3 where the store can't be opened.
    pub async fn connect(&self, setup: Setup, need: Need) -> Result<Client, Failure> {
        let folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
        let environment =
            Environment::read(&folder).map_err(|error| Failure::usage("config.invalid", error))?;
        let said = |flag: &Option<String>, name| {
            let value = flag
                .clone()
                .or_else(|| environment.get(name).map(str::to_owned));
            value.filter(|value| !value.trim().is_empty())
        };
        let is_store_named = self.store.data.is_some() || self.store.store.is_some();
        let server = said(&self.server, "GNA_SERVER").filter(|_| !is_store_named);
        let token = said(&self.token, "GNA_TOKEN");
        let running = match &server {
            Some(_) => None,
            None => server_of(&setup)?.and_then(|owner| owner.address),
        };
        match (server.or(running.clone()), token) {
            (None, _) => local(setup, need).await,
            (Some(_), None) if running.is_some() => through_server(&setup),
            (Some(url), token) => remote(url, token),
        }
    }
}

/// Asks as the operator at this machine: the server that has the store, else the store itself.
///
/// # Errors
/// Exit code 2 where the store is missing or the server's key can't be read, 3 where the store
/// can't be opened.
pub async fn operator(setup: Setup, need: Need) -> Result<Client, Failure> {
    match server_of(&setup)?.and_then(|owner| owner.address) {
        Some(_) => through_server(&setup),
        None => local(setup, need).await,
    }
}

fn through_server(config: &Config) -> Result<Client, Failure> {
    let url = config.store_url();
    let store = sqlite_path(&url).ok_or_else(|| {
        Failure::usage(
            "store.no_file",
            "only a store that is a file tells whose it is",
        )
    })?;
    let door = door::read(store)?;
    Ok(Client::Remote {
        // The key must not pass through a proxy that the environment names.
        http: http(reqwest::Client::builder().no_proxy())?,
        url: door.address,
        authorization: Secret::new(format!("{SCHEME} {}", door.key.expose())),
    })
}

fn http(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Failure> {
    builder
        .connect_timeout(CONNECT)
        .user_agent(concat!("gna/", env!("CARGO_PKG_VERSION")))
        // A token must not follow a redirect to somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Failure::unreadable("server.client", error.to_string()))
}

fn remote(url: String, token: Option<String>) -> Result<Client, Failure> {
    let url = url.trim_end_matches('/').to_owned();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(Failure::usage(
            "server.address",
            format!("{url:?} is no address of a server; write it like https://gna.example.com"),
        ));
    }
    let token = token.ok_or_else(|| {
        Failure::usage(
            "auth.required",
            format!(
                "the server at {url} wants an API token: set GNA_TOKEN to one that was made on its account page or with `gna token create`"
            ),
        )
    })?;
    Ok(Client::Remote {
        http: http(reqwest::Client::builder())?,
        url,
        authorization: Secret::new(format!("Bearer {}", token.trim())),
    })
}

async fn local(setup: Setup, need: Need) -> Result<Client, Failure> {
    let instance = match need {
        Need::Make => open_or_make(setup).await?,
        Need::Read | Need::Work => open(setup).await?,
    };
    if matches!(need, Need::Work) && instance.paused {
        return Err(Failure::usage(
            "store.paused",
            "this store is a copy whose jobs wait; run `gna store activate` first",
        ));
    }
    let running = match need {
        Need::Work => Some(instance.start().await?),
        Need::Read | Need::Make => None,
    };
    let router = app::router(&instance, None);
    Ok(Client::Local {
        instance: Box::new(instance),
        running,
        router,
    })
}

impl Client {
    /// Asks, and waits for the head of the answer.
    ///
    /// # Errors
    /// The problem that was answered; exit code 3 where nobody answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Option<Sent>,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Remote {
                http,
                url,
                authorization,
            } => {
                let mut request = http
                    .request(method, format!("{url}{path}"))
                    .query(query)
                    .header(header::AUTHORIZATION, authorization.expose());
                if let Some(body) = body {
                    request = request
                        .header(header::CONTENT_TYPE, body.kind())
                        .body(body.bytes());
                }
                let response = request
                    .send()
                    .await
                    .map_err(|error| unreachable(url, &error))?;
                let status = response.status();
                let url = url.clone();
                let body = response
                    .bytes_stream()
                    .map(move |part| part.map_err(|error| unreachable(&url, &error)))
                    .boxed();
                checked(status, body).await
            }
            Self::Local {
                instance, router, ..
            } => {
                let mut request = Request::builder()
                    .method(method)
                    .uri(format!("{path}?{}", encoded(query)));
                if let Some(body) = &body {
                    request = request.header(header::CONTENT_TYPE, body.kind());
                }
                let mut request = request
                    .body(body.map_or_else(Body::empty, |body| Body::from(body.bytes())))
                    .map_err(|error| Failure::usage("request.malformed", error.to_string()))?;
                request.extensions_mut().insert(Caller {
                    ctx: instance.operator(),
                    session: None,
                    user: None,
                });
                let response = match router.clone().oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                let status = response.status();
                let body = response
                    .into_body()
                    .into_data_stream()
                    .map(|part| {
                        part.map_err(|error| {
                            Failure::unreadable("store.unavailable", error.to_string())
                        })
                    })
                    .boxed();
                checked(status, body).await
            }
        }
    }

    /// A JSON answer.
    ///
    /// # Errors
    /// As [`Self::send`], and exit code 3 where the answer is no JSON.
    pub async fn get(&self, path: &str, query: &Query) -> Result<Value, Failure> {
        self.send(Method::GET, path, query, None)
            .await?
            .json()
            .await
    }

    /// Sends JSON and takes the JSON answer.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        let sent = Some(Sent::Json(body));
        self.send(Method::POST, path, &Query::new(), sent)
            .await?
            .json()
            .await
    }

    /// Sends bytes where the server said, without anything by which the server knows us: with these
    /// headers only. A path is one on the server itself.
    ///
    /// # Errors
    /// The problem that was answered; exit code 3 where nobody answers or another place refuses. None
    /// of them tells the address, which is a secret as long as it works.
    pub async fn put(&self, address: &str, headers: &Value, bytes: Bytes) -> Result<(), Failure> {
        let Self::Remote { http, url, .. } = self else {
            return Err(Failure::usage(
                "server.required",
                "only a server is sent a report in two steps",
            ));
        };
        let is_own = address.starts_with('/');
        let (to, place) = if is_own {
            (format!("{url}{address}"), url.clone())
        } else {
            (address.to_owned(), host_of(address))
        };
        let mut request = http.put(to).body(bytes);
        for (name, value) in headers.as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                request = request.header(name.as_str(), value);
            }
        }
        let response = request.send().await.map_err(|error| {
            let failure = unreachable(&place, &error.without_url());
            if is_own {
                return failure;
            }
            Failure::unreadable(
                PLACE_UNREACHABLE,
                format!(
                    "the server wants large reports sent elsewhere: {}",
                    failure.message
                ),
            )
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        if !is_own {
            // What object stores answer may repeat the address.
            return Err(Failure::unreadable(
                PLACE_REFUSED,
                format!(
                    "{place}, where the server wants large reports sent, answered {status}; try again, or compress the report with gzip"
                ),
            ));
        }
        let body = response
            .bytes_stream()
            .map(move |part| part.map_err(|error| unreachable(&place, &error.without_url())))
            .boxed();
        checked(status, body).await.map(|_| ())
    }

    /// Brings the search index up to date. A server does this by itself.
    ///
    /// # Errors
    /// The store's.
    pub async fn settle(&self) -> Result<(), Failure> {
        if let Self::Local { instance, .. } = self {
            gna_domain::service::index::catch_up(&instance.operator()).await?;
        }
        Ok(())
    }

    /// Ends what runs in this process.
    pub async fn close(self) {
        if let Self::Local {
            running: Some(running),
            ..
        } = self
        {
            running.stop().await;
        }
    }
}

impl Answer {
    /// All of it.
    ///
    /// # Errors
    /// Exit code 3 where the answer breaks off.
    pub async fn bytes(self) -> Result<Vec<u8>, Failure> {
        whole(self.body).await
    }

    /// # Errors
    /// Exit code 3 where the answer breaks off or is no JSON.
    pub async fn json(self) -> Result<Value, Failure> {
        let whole = self.bytes().await?;
        serde_json::from_slice(&whole).map_err(|_| {
            Failure::unreadable(
                "server.answer",
                "the answer is no JSON; check that the address is a Gna server's",
            )
        })
    }
}

async fn whole(mut body: BoxStream<'static, Result<Bytes, Failure>>) -> Result<Vec<u8>, Failure> {
    let mut whole = Vec::new();
    while let Some(part) = body.next().await {
        whole.extend_from_slice(&part?);
        if whole.len() > WHOLE_BYTES {
            return Err(Failure::unreadable(
                "server.answer",
                "the answer is too large",
            ));
        }
    }
    Ok(whole)
}

/// The answer, where it is a success.
async fn checked(
    status: StatusCode,
    body: BoxStream<'static, Result<Bytes, Failure>>,
) -> Result<Answer, Failure> {
    if status.is_success() {
        return Ok(Answer { body });
    }
    let whole = whole(body).await?;
    let problem: Value = serde_json::from_slice(&whole).unwrap_or_default();
    let text = |field: &str| problem.get(field).and_then(Value::as_str);
    let code = match text("code") {
        Some(code) => code.to_owned(),
        None if status == StatusCode::PAYLOAD_TOO_LARGE => REQUEST_TOO_LARGE.to_owned(),
        None => "server.answer".to_owned(),
    };
    let message = match text("detail") {
        Some(detail) => detail.to_owned(),
        None => format!("the server answered {status}; check that the address is a Gna server's"),
    };
    // Wrong use is what another call would mend; all else is the server's trouble.
    let is_ours = status.is_client_error() && text("code").is_some();
    Err(if is_ours {
        Failure::usage(code, message)
    } else {
        Failure::unreadable(code, message)
    })
}

/// The part of an address that may be told.
fn host_of(address: &str) -> String {
    let host = reqwest::Url::parse(address)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "an address that can't be read".to_owned())
}

fn unreachable(url: &str, error: &reqwest::Error) -> Failure {
    // The innermost reason is the one that tells: "connection refused", a name that is unknown.
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    Failure::unreadable(
        "server.unreachable",
        format!("{url} does not answer ({reason}); check the address and that the server runs"),
    )
}

/// Where, as flags say it.
#[derive(Args, Clone, Debug, Default)]
pub struct PlaceArgs {
    /// Group, as ORG/GROUP or with --organization; not needed with a token of one group
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Organization, by its short name
    #[arg(long, value_name = "ORG")]
    pub organization: Option<String>,
}

impl PlaceArgs {
    /// As parameters of the API.
    #[must_use]
    pub fn query(&self) -> Query {
        let (organization, group) = match self.group.as_deref().map(|group| group.split_once('/')) {
            Some(Some((organization, group))) => (Some(organization), Some(group)),
            _ => (self.organization.as_deref(), self.group.as_deref()),
        };
        let pairs = [("organization", organization), ("group", group)];
        pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_owned())))
            .collect()
    }
}

/// The query as it stands in an address (`application/x-www-form-urlencoded`).
fn encoded(query: &Query) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                byte => format!("%{byte:02X}"),
            })
            .collect::<String>()
    };
    let pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_signed_address_only_the_host_is_told() {
        for (address, told) in [
            (
                "https://reports.s3.amazonaws.com/a/b?X-Amz-Signature=secret",
                "reports.s3.amazonaws.com",
            ),
            (
                "http://127.0.0.1:5000/a?X-Amz-Signature=secret",
                "127.0.0.1",
            ),
            ("secret", "an address that can't be read"),
        ] {
            assert_eq!(host_of(address), told);
        }
    }

    #[test]
    fn a_query_survives_any_text() {
        let query = vec![("text", "a b&c=d/ü".to_owned()), ("x", String::new())];
        assert_eq!(encoded(&query), "text=a%20b%26c%3Dd%2F%C3%BC&x=");
    }

    #[test]
    fn a_group_is_named_in_either_way() {
        for (group, organization, query) in [
            (Some("a/b"), None, vec!["a", "b"]),
            (Some("b"), Some("a"), vec!["a", "b"]),
            (Some("grp_1"), None, vec!["grp_1"]),
            (None, Some("a"), vec!["a"]),
            (None, None, vec![]),
        ] {
            let place = PlaceArgs {
                group: group.map(str::to_owned),
                organization: organization.map(str::to_owned),
            };
            let said: Vec<String> = place.query().into_iter().map(|(_, value)| value).collect();
            assert_eq!(said, query);
        }
    }

    #[test]
    fn a_server_without_a_token_is_told_how_to_get_one() {
        let refused = remote("https://gna.example/".to_owned(), None)
            .err()
            .expect("refused");
        assert!(refused.message.contains("GNA_TOKEN"), "{}", refused.message);
        let refused = remote("gna.example".to_owned(), None)
            .err()
            .expect("refused");
        assert!(refused.message.contains("https://"), "{}", refused.message);
    }
}
