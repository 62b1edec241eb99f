//! The way to a mail server: SMTP, by the library `lettre`.

use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::port::mail::{Mail, Mailer};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

use crate::config::{MailConfig, MailSecurity};

/// How long the server may take to answer a command.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends through one server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpMailer {
    /// # Errors
    /// `mail.invalid` for settings that can't be used.
    pub fn new(config: &MailConfig) -> Result<Self> {
        let wrong = |what: &str| Error::invalid("mail.invalid", what.to_owned());
        let (host, port) = config
            .server
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
            .ok_or_else(|| wrong("mail.server must be like mail.example.com:587"))?;
        let from = config
            .from
            .parse()
            .map_err(|_| wrong("mail.from must be like Gna <gna@example.com>"))?;
        let parameters = || {
            TlsParameters::new(host.to_owned())
                .map_err(|_| wrong("mail.server is no name that certificates are made for"))
        };
        let tls = match config.security {
            MailSecurity::Starttls => Tls::Required(parameters()?),
            MailSecurity::Tls => Tls::Wrapper(parameters()?),
            MailSecurity::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if !config.user.is_empty() {
            let (user, password) = (config.user.clone(), config.password.clone());
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self {
            transport: builder.build(),
            from,
        })
    }
}

/// The letter as it is sent.
///
/// # Errors
/// `mail.refused` where it can't be put together, as for an address that is none.
pub(super) fn letter(from: &Mailbox, mail: &Mail) -> Result<Message> {
    let unusable = |_| Error::invalid("mail.refused", "the address can't be written to");
    let to: Address = mail.to.parse().map_err(unusable)?;
    let host = from.email.domain();
    let name = Some(one_line(&mail.name)).filter(|name| !name.is_empty());
    let id = (!mail.id.is_empty()).then(|| format!("<{}@{host}>", mail.id));
    let mut builder = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(name, to))
        .subject(one_line(&mail.text.subject))
        .message_id(id)
        .header(AutoSubmitted);
    if let Some(address) = &mail.unsubscribe {
        builder = builder
            .header(ListUnsubscribe(format!("<{address}>")))
            .header(OneClick);
    }
    let text = SinglePart::plain(mail.text.text.clone());
    let made = match &mail.text.html {
        Some(html) => builder.multipart(
            MultiPart::alternative()
                .singlepart(text)
                .singlepart(SinglePart::html(html.clone())),
        ),
        None => builder.singlepart(text),
    };
    made.map_err(|_| Error::invalid("mail.refused", "the letter can't be put together"))
}

/// Whether this letter will never be taken. That we are not known (RFC 4954, section 6) is the
/// operator's to mend, and no fault of the letter.
fn is_final(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    error.is_permanent() && !matches!(code, Some(530 | 534 | 535 | 538))
}

/// Text from outside for a header: nothing in it begins another one.
fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    text.trim().to_owned()
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<()> {
        let message = letter(&self.from, mail)?;
        let outcome = self.transport.send(message).await;
        let code = match &outcome {
            Ok(_) => "ok",
            Err(error) if is_final(error) => "refused",
            Err(_) => "unavailable",
        };
        metrics::counter!("gna_mails_total", "outcome" => code).increment(1);
        outcome.map(|_| ()).map_err(|error| {
            if is_final(&error) {
                Error::invalid(
                    "mail.refused",
                    format!("the mail server refused a letter: {error}"),
                )
            } else {
                Error::unavailable(
                    "mail.unavailable",
                    format!("the mail server does not take letters now: {error}"),
                )
            }
        })
    }
}

macro_rules! fixed_header {
    ($name:ident, $header:literal, $value:literal) => {
        #[derive(Clone)]
        struct $name;

        impl Header for $name {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($header)
            }
            fn parse(
                _: &str,
            ) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self)
            }
            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), $value.to_owned())
            }
        }
    };
}

// Nobody's holiday notice answers it (RFC 3834, section 5).
fixed_header!(AutoSubmitted, "Auto-Submitted", "auto-generated");
// RFC 8058, section 3.1.
fixed_header!(
    OneClick,
    "List-Unsubscribe-Post",
    "List-Unsubscribe=One-Click"
);

#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }
    fn parse(text: &str) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }
    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}
