//! E-mail: [`Mailer`] sends a letter, [`MailTexts`] words it.

use async_trait::async_trait;
use serde_json::Value;

use crate::error::Result;

/// A letter as it is worded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailText {
    /// One line.
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
}

/// A letter as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The same for every try, so that a second copy is known as one.
    pub id: String,
    /// Address and name of whom it is for.
    pub to: String,
    pub name: String,
    pub text: MailText,
    /// Where a mail program can unsubscribe its user with one request (RFC 8058).
    pub unsubscribe: Option<String>,
}

/// Hands letters to a mail server.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// # Errors
    /// `mail.refused` (`Invalid`) where it will never be taken, `mail.unavailable` where it may be
    /// later. Neither holds a password.
    async fn send(&self, mail: &Mail) -> Result<()>;
}

/// The templates.
pub trait MailTexts: Send + Sync + 'static {
    /// `name` is the template's, without its ending.
    ///
    /// # Errors
    /// `mail.template` where a template of the operator's own does not work.
    fn word(&self, name: &str, values: &Value) -> Result<MailText>;
}
