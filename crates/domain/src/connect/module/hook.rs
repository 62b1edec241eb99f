//! How an app's webhooks are told from forgeries, and what is read of them before they are queued.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connect::template::Take;

/// Webhooks of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub check: Check,
    /// Header with the kind of event.
    #[serde(default)]
    pub event_header: Option<String>,
    /// The kind of event in the body.
    #[serde(default)]
    pub event: Option<Take>,
    /// Header with the delivery's own id, the same when it is sent again.
    #[serde(default)]
    pub delivery_header: Option<String>,
    /// That id in the body.
    #[serde(default)]
    pub delivery: Option<Take>,
    /// Different webhooks of this app may have the same body, so that only the id tells whether one
    /// came before, also where nobody signs it.
    #[serde(default)]
    pub same_body: bool,
    /// Pointers to the external ids of the accounts that it is about; `*` stands for each item of a
    /// list. Who has another account is not told.
    #[serde(default)]
    pub external_id: Vec<String>,
    /// Pointers to the ids and names of the projects that it is about, in all forms in which one may be
    /// configured. Who is configured for another project is not told.
    #[serde(default)]
    pub project: Vec<String>,
    /// The app asks for an answer before it sends anything.
    #[serde(default)]
    pub handshake: Option<Handshake>,
    /// Those that Gna itself has the app send (`create_webhook`), where they differ from those that
    /// people set up.
    #[serde(default)]
    pub registered: Option<Registered>,
}

impl Webhook {
    /// What is checked of those that Gna itself has the app send.
    #[must_use]
    pub fn check_of_registered(&self) -> &Check {
        let own = self.registered.as_ref().and_then(|own| own.check.as_ref());
        own.unwrap_or(&self.check)
    }

    /// Whose secret those have.
    #[must_use]
    pub fn secret_of_registered(&self) -> SecretOf {
        self.registered
            .as_ref()
            .map_or(SecretOf::Receiver, |own| own.secret)
    }
}

/// Webhooks that Gna has an app send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// How they are told from forgeries, where not as the others.
    #[serde(default)]
    pub check: Option<Check>,
    #[serde(default)]
    pub secret: SecretOf,
    /// The app takes them only from whom it asked for this scope. It is among the module's scopes or
    /// among those that the operator adds; else the app is not asked.
    #[serde(default)]
    pub scope: Option<String>,
}

/// Whose secret webhooks are signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretOf {
    /// One that Gna makes for the receiver and gives to the app.
    #[default]
    Receiver,
    /// The client secret of this server's registration with the app.
    Client,
}

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// A keyed hash over the body and sometimes more.
    Hmac(Hmac),
    /// A fixed secret in a header or the query.
    Token(TokenCheck),
    /// HTTP Basic, the secret being `user:password`.
    Basic(BasicCheck),
    /// A signed JWT in a header.
    Jwt(JwtCheck),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    pub algorithm: HashAlgorithm,
    pub encoding: Encoding,
    /// Header with the signature, or with several of which one must fit.
    pub header: String,
    /// Stands before each signature, like `sha256=`. Others in the header are passed over.
    #[serde(default)]
    pub prefix: String,
    /// Between several signatures in one header.
    #[serde(default)]
    pub separator: Option<String>,
    /// The header holds `name=value` parts, like Stripe's.
    #[serde(default)]
    pub parts: Option<Parts>,
    /// What is signed: `{body}`, `{timestamp}`, `{id}`, `{method}`, `{url}`.
    #[serde(default = "body")]
    pub content: String,
    #[serde(default)]
    pub id_header: Option<String>,
    #[serde(default)]
    pub timestamp_header: Option<String>,
    /// The time is in the body at this pointer; it is signed with it.
    #[serde(default)]
    pub timestamp_pointer: Option<String>,
    #[serde(default)]
    pub timestamp_unit: TimeUnit,
    /// Seconds that the time may differ from ours, both ways. Needed where there is a time.
    #[serde(default)]
    pub tolerance_seconds: Option<u32>,
    #[serde(default)]
    pub secret: SecretForm,
}

fn body() -> String {
    "{body}".to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    Sha256,
    Sha512,
    /// Only where an app has nothing better; HMAC with it is not broken (RFC 6194, section 3.3).
    Sha1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    Hex,
    Base64,
}

/// Names of the parts of a header like `t=1492774577,v1=5257a869...`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    pub signature: String,
    #[serde(default)]
    pub timestamp: Option<String>,
    #[serde(default = "comma")]
    pub separator: String,
}

fn comma() -> String {
    ",".to_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    #[default]
    Seconds,
    Millis,
}

/// How the secret is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretForm {
    /// Its bytes as they stand.
    #[default]
    Text,
    /// Base64 after a prefix that may be missing, like `whsec_`.
    Base64 {
        #[serde(default)]
        prefix: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCheck {
    #[serde(default)]
    pub header: Option<String>,
    /// Stands before the token in the header, like `Bearer `.
    #[serde(default)]
    pub prefix: String,
    /// Name in the query of the address, for apps that send no headers of ours.
    #[serde(default)]
    pub query: Option<String>,
    /// Pointer into the body.
    #[serde(default)]
    pub pointer: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicCheck {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtCheck {
    /// `Authorization` mostly; a leading `Bearer ` is passed over.
    pub header: String,
    pub algorithm: super::auth::JwtAlgorithm,
    /// Address of the issuer's keys (RFC 7517). Not for HS256, whose key is the secret.
    #[serde(default)]
    pub jwks_url: Option<String>,
    #[serde(default)]
    pub issuer: Option<String>,
    /// `aud` must be the secret's text that was set up for the hook, like a project number.
    #[serde(default)]
    pub audience_is_secret: bool,
}

/// What an app wants to hear first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Handshake {
    /// The text at this pointer, as plain text.
    Body(String),
    /// The same as JSON, under the name that the body had it.
    Json(String),
    /// The value of this header, in a header of the same name.
    Header(String),
    /// The value of this query parameter, as plain text.
    Query(String),
}
