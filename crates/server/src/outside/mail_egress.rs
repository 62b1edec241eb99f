//! Mail servers that people connect, on the way out beside HTTP: `smtp://host:port`, by the library `lettre`.
//!
//! A request without a body takes up the connection, encrypts it and signs in (EHLO, STARTTLS, AUTH); one with
//! a body also hands over the letter in it. What the server says becomes a status of HTTP, so that
//! modules, tries and credentials work as with any app: 401 where it does not know us, 422 where it will
//! never take the letter, 503 where it may later. The name is resolved here, and only an address that the
//! guard lets pass is connected to. A proxy is for HTTP and is not used.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gna_domain::connect::request::mail_server;
use gna_domain::port::egress::{Egress, EgressError, Failure, OutRequest, OutResponse};
use gna_domain::port::mail::{Mail, MailText};
use gna_domain::rules::address::{NotThere, TargetPolicy, check_ip};
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde::Deserialize;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};

use super::mail::letter;

/// Ports of mail servers (RFC 5321, 6409 and 8314, and one that hosts without port 25 use). Others are open
/// where they are for HTTP.
const PORTS: [u16; 4] = [25, 465, 587, 2525];
/// Longest id of a letter, in characters.
const LONGEST_ID: usize = 100;

/// The way out to mail servers; all other requests go on to another one.
pub struct MailEgress {
    others: Arc<dyn Egress>,
    policy: TargetPolicy,
}

/// The body of a request that hands over a letter.
#[derive(Deserialize)]
struct Written {
    to: String,
    #[serde(default)]
    name: String,
    subject: String,
    text: String,
    #[serde(default)]
    id: String,
}

impl MailEgress {
    #[must_use]
    pub fn new(others: Arc<dyn Egress>, policy: TargetPolicy) -> Self {
        Self { others, policy }
    }

    async fn ask(
        &self,
        request: &OutRequest,
        host: &str,
        port: u16,
    ) -> Result<OutResponse, EgressError> {
        let security = header(request, "X-Smtp-Security").unwrap_or("tls");
        let message = match &request.body {
            None => None,
            Some(body) => match written(request, &body.bytes) {
                Ok(message) => Some(message),
                Err(why) => return Ok(answer(422, &why)),
            },
        };
        let ip = self.address(host, port, security == "none").await?;
        let transport = transport(request, security, (host, port), ip)?;
        let done = match message {
            Some(message) => transport.send(message).await.map(|_| true),
            None => transport.test_connection().await,
        };
        match done {
            Ok(true) => Ok(answer(200, "taken")),
            Ok(false) => Ok(answer(503, "the mail server ended the conversation")),
            Err(error) => answered(&error, host),
        }
    }

    /// The first address of the host that the guard lets pass and that takes a connection.
    async fn address(
        &self,
        host: &str,
        port: u16,
        in_the_clear: bool,
    ) -> Result<IpAddr, EgressError> {
        let refused = |why: String| {
            let text = format!("connections to {host} are refused: {why}");
            EgressError::not_sent(Failure::Refused, text)
        };
        let open = &self.policy.ports;
        if !PORTS.contains(&port) && !open.is_empty() && !open.contains(&port) {
            return Err(refused(format!(
                "port {port} is not one of mail servers; add it to egress.ports to allow it"
            )));
        }
        let found: Vec<SocketAddr> = match lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(_) => {
                return Err(EgressError::not_sent(
                    Failure::Resolve,
                    format!("the name {host} can't be resolved; check it, and the name server"),
                ));
            }
        };
        let mut why_not = None;
        for address in found {
            // First where it may be at all, then without encryption.
            let judged = check_ip(address.ip(), false, &self.policy).and_then(|()| {
                check_ip(address.ip(), in_the_clear, &self.policy).map_err(|_| {
                    NotThere::Refused(
                        "without encryption mail goes to networks in egress.allow only; choose TLS or STARTTLS"
                            .to_owned(),
                    )
                })
            });
            match judged {
                Ok(()) => {
                    if TcpStream::connect(address).await.is_ok() {
                        return Ok(address.ip());
                    }
                }
                Err(NotThere::Refused(why) | NotThere::Address(why)) => {
                    why_not.get_or_insert(why);
                }
            }
        }
        Err(match why_not {
            Some(why) => refused(why),
            None => EgressError::not_sent(
                Failure::Connect,
                format!("{host} takes no connection at port {port}; check both"),
            ),
        })
    }
}

/// The conversation, with an address that was judged. Certificates are checked for the name.
fn transport(
    request: &OutRequest,
    security: &str,
    (host, port): (&str, u16),
    ip: IpAddr,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, EgressError> {
    let parameters = || {
        TlsParameters::new(host.to_owned()).map_err(|_| {
            let text = format!("{host} is no name that certificates are made for");
            EgressError::not_sent(Failure::Tls, text)
        })
    };
    let tls = match security {
        "tls" => Tls::Wrapper(parameters()?),
        "starttls" => Tls::Required(parameters()?),
        "none" => Tls::None,
        _ => {
            return Err(EgressError::not_sent(
                Failure::Address,
                "the encryption must be tls, starttls or none",
            ));
        }
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(ip.to_string())
        .port(port)
        .tls(tls)
        .timeout(Some(Duration::from_millis(request.timeout_ms)));
    if let Some(credentials) = credentials(request) {
        builder = builder.credentials(credentials);
    }
    Ok(builder.build())
}

fn header<'r>(request: &'r OutRequest, name: &str) -> Option<&'r str> {
    let found = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name));
    found.map(|header| header.value.expose())
}

/// User name and password of RFC 7617.
fn credentials(request: &OutRequest) -> Option<Credentials> {
    let given = header(request, "Authorization")?.strip_prefix("Basic ")?;
    let given = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
    let (user, password) = given.split_once(':')?;
    Some(Credentials::new(user.to_owned(), password.to_owned()))
}

/// The letter, or why there is none.
fn written(request: &OutRequest, body: &[u8]) -> Result<Message, String> {
    let from = header(request, "X-Smtp-From").unwrap_or_default();
    let from: Mailbox = from
        .parse()
        .map_err(|_| "the sender must be an address like gna@example.com".to_owned())?;
    let written: Written = serde_json::from_slice(body)
        .map_err(|_| "a letter needs the texts to, subject and text".to_owned())?;
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(*c, '-' | '_' | '.');
    let mail = Mail {
        id: written.id.chars().filter(fits).take(LONGEST_ID).collect(),
        to: written.to,
        name: written.name,
        text: MailText {
            subject: written.subject,
            text: written.text,
            html: None,
        },
        unsubscribe: None,
    };
    letter(&from, &mail).map_err(|error| error.message().to_owned())
}

fn answer(status: u16, message: &str) -> OutResponse {
    OutResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: json!({ "message": message }).to_string().into(),
    }
}

/// What the server said, or that it said nothing. Codes: RFC 5321, section 4.2; RFC 4954, section 6.
fn answered(
    error: &lettre::transport::smtp::Error,
    host: &str,
) -> Result<OutResponse, EgressError> {
    match error.status().map(u16::from) {
        // A server may repeat what it does not know.
        Some(530 | 534 | 535 | 538) => Ok(answer(401, "")),
        Some(_) if error.is_permanent() => Ok(answer(422, &error.to_string())),
        Some(_) => Ok(answer(503, &error.to_string())),
        None if error.is_client() => Ok(answer(422, &error.to_string())),
        None if error.is_tls() => Err(EgressError::not_sent(
            Failure::Tls,
            format!("no secure connection to {host}; check its certificate, port and encryption"),
        )),
        None if error.is_timeout() => Err(late(host)),
        None => Err(EgressError::unknown(
            Failure::Reset,
            format!("{host} ended the conversation; check port and encryption"),
        )),
    }
}

fn late(host: &str) -> EgressError {
    EgressError::unknown(Failure::Timeout, format!("{host} did not answer in time"))
}

#[async_trait]
impl Egress for MailEgress {
    async fn send(&self, request: OutRequest) -> Result<OutResponse, EgressError> {
        let server = mail_server(&request.url).map(|(host, port)| (host.to_owned(), port));
        let Some((host, port)) = server else {
            return self.others.send(request).await;
        };
        let wait = Duration::from_millis(request.timeout_ms);
        match tokio::time::timeout(wait, self.ask(&request, &host, port)).await {
            Ok(done) => done,
            Err(_) => Err(late(&host)),
        }
    }

    fn permits(&self, url: &str) -> Result<(), EgressError> {
        self.others.permits(url)
    }
}

#[cfg(test)]
#[path = "mail_egress_tests.rs"]
mod tests;
