//! How an app lets us in: one of the kinds below, as a table of that name under `[auth]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::call::Call;
use super::field::Field;
use super::token::TokenFields;
use crate::connect::template::{Take, Template, Tree};

/// How requests are let in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// OAuth 2.0 authorization code (RFC 6749, section 4.1) with or without PKCE (RFC 7636).
    Oauth2Code(Box<Oauth2Code>),
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    Oauth2ClientCredentials(Box<ClientCredentials>),
    /// OAuth 2.0 password (RFC 6749, section 4.3), for apps that have nothing else.
    Oauth2Password(Box<Password>),
    /// A key or token that the user makes in the app and pastes here.
    ApiKey(Box<ApiKey>),
    /// User name and password by RFC 7617.
    Basic(Box<Basic>),
    /// An app that signs a JWT (RFC 7519) with its own key and may exchange it for a token.
    JwtApp(Box<JwtApp>),
    /// Several forms in a row, each with a call, like a code sent by mail.
    MultiStep(Box<MultiStep>),
    /// No credential.
    None(Open),
}

/// `[auth.none]` has no fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Open {}

/// The kinds by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    Oauth2Code,
    Oauth2ClientCredentials,
    Oauth2Password,
    ApiKey,
    Basic,
    JwtApp,
    MultiStep,
    None,
}

impl AuthKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Oauth2Code => "oauth2_code",
            Self::Oauth2ClientCredentials => "oauth2_client_credentials",
            Self::Oauth2Password => "oauth2_password",
            Self::ApiKey => "api_key",
            Self::Basic => "basic",
            Self::JwtApp => "jwt_app",
            Self::MultiStep => "multi_step",
            Self::None => "none",
        }
    }
}

/// What is added to each request. Values are templates over `credential`, `connection`, `entity`
/// and, for signed apps, `jwt`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// `Authorization: Basic` of these two.
    #[serde(default)]
    pub basic: Option<UserPassword>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPassword {
    pub username: Template,
    pub password: Template,
}

/// How the client authenticates at the token endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form (RFC 6749, section 2.3.1, second way).
    #[default]
    Body,
    /// HTTP Basic, both parts form-encoded first (RFC 6749, section 2.3.1, first way).
    Basic,
    /// HTTP Basic with both parts as they are, for apps that do not decode them.
    BasicRaw,
    /// All parameters as a JSON object, which no standard knows and several apps want.
    Json,
    /// The id alone: a public client with PKCE.
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pkce {
    /// RFC 7636 with the method S256.
    #[default]
    S256,
    /// The app does not know PKCE.
    None,
}

/// What becomes of `state` on the way through the app and the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateMode {
    /// It comes back; a callback without it is refused.
    #[default]
    Required,
    /// Some clients drop it: a callback without it counts where exactly one flow of the same user and
    /// module is open.
    MayBeDropped,
}

/// Where the app's registration (client id and secret) comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientFrom {
    /// From the server's configuration, one for all users.
    #[default]
    Configuration,
    /// From the connection form's fields `client_id` and `client_secret`, for self-hosted apps.
    Connection,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oauth2Code {
    pub authorize_url: Template,
    pub token_url: Template,
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Between scopes: a space by RFC 6749, section 3.3; some apps want a comma.
    #[serde(default = "space")]
    pub scope_separator: String,
    /// Name of the parameter that carries the scopes.
    #[serde(default = "scope")]
    pub scope_parameter: String,
    #[serde(default)]
    pub pkce: Pkce,
    #[serde(default)]
    pub client_auth: ClientAuth,
    #[serde(default)]
    pub client_from: ClientFrom,
    #[serde(default)]
    pub state: StateMode,
    /// Added to the authorize address.
    #[serde(default)]
    pub authorize_params: BTreeMap<String, Template>,
    /// Added to the code request.
    #[serde(default)]
    pub token_params: BTreeMap<String, Template>,
    /// Added to the refresh request.
    #[serde(default)]
    pub refresh_params: BTreeMap<String, Template>,
    /// Another address for refreshing.
    #[serde(default)]
    pub refresh_url: Option<Template>,
    /// RFC 7009. Called when the entity is disconnected.
    #[serde(default)]
    pub revocation_url: Option<Template>,
    #[serde(default)]
    pub token: TokenFields,
    #[serde(default)]
    pub send: Send,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    pub token_url: Template,
    /// The form; `client_id` and `client_secret` are among them unless the configuration has them.
    #[serde(default)]
    pub fields: Vec<Field>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default = "space")]
    pub scope_separator: String,
    #[serde(default)]
    pub client_auth: ClientAuth,
    #[serde(default)]
    pub token_params: BTreeMap<String, Template>,
    #[serde(default)]
    pub token: TokenFields,
    #[serde(default)]
    pub send: Send,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Password {
    pub token_url: Template,
    /// The form; `username` and `password` are among them.
    pub fields: Vec<Field>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default = "space")]
    pub scope_separator: String,
    #[serde(default)]
    pub client_auth: ClientAuth,
    #[serde(default)]
    pub client_from: ClientFrom,
    #[serde(default)]
    pub token_params: BTreeMap<String, Template>,
    #[serde(default)]
    pub token: TokenFields,
    #[serde(default)]
    pub send: Send,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    pub fields: Vec<Field>,
    pub send: Send,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    pub fields: Vec<Field>,
    pub username: Template,
    pub password: Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JwtAlgorithm {
    RS256,
    ES256,
    HS256,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtApp {
    pub fields: Vec<Field>,
    pub algorithm: JwtAlgorithm,
    /// The key: PEM for RS256 and ES256, the secret for HS256.
    pub key: Template,
    /// `kid` of the header.
    #[serde(default)]
    pub key_id: Option<Template>,
    /// Claims besides `iat` and `exp`.
    pub claims: BTreeMap<String, Tree>,
    /// Seconds that the JWT lives.
    pub lifetime_seconds: u32,
    /// Seconds that `iat` lies back, against clocks that differ.
    #[serde(default)]
    pub issued_before_seconds: u32,
    /// Without it the JWT itself is sent.
    #[serde(default)]
    pub exchange: Option<Exchange>,
    #[serde(default)]
    pub send: Send,
}

/// A call that gives a token for a JWT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub call: Call,
    #[serde(default)]
    pub token: TokenFields,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultiStep {
    pub steps: Vec<Step>,
    pub send: Send,
}

/// One form, its call, and what is kept of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub title: String,
    pub fields: Vec<Field>,
    #[serde(default)]
    pub call: Option<Call>,
    /// Values for later steps as `{kept.NAME}`. Those named as fields of `persist.credential` or
    /// `persist.entity` are stored after the last step.
    #[serde(default)]
    pub keep: BTreeMap<String, Take>,
}

fn space() -> String {
    " ".to_owned()
}

fn scope() -> String {
    "scope".to_owned()
}

impl Auth {
    #[must_use]
    pub fn kind(&self) -> AuthKind {
        match self {
            Self::Oauth2Code(_) => AuthKind::Oauth2Code,
            Self::Oauth2ClientCredentials(_) => AuthKind::Oauth2ClientCredentials,
            Self::Oauth2Password(_) => AuthKind::Oauth2Password,
            Self::ApiKey(_) => AuthKind::ApiKey,
            Self::Basic(_) => AuthKind::Basic,
            Self::JwtApp(_) => AuthKind::JwtApp,
            Self::MultiStep(_) => AuthKind::MultiStep,
            Self::None(_) => AuthKind::None,
        }
    }

    /// The fields of the form, of the step with that number (from 0) where there are several.
    #[must_use]
    pub fn fields(&self, step: usize) -> &[Field] {
        match self {
            Self::Oauth2Code(_) | Self::None(_) => &[],
            Self::Oauth2ClientCredentials(kind) => &kind.fields,
            Self::Oauth2Password(kind) => &kind.fields,
            Self::ApiKey(kind) => &kind.fields,
            Self::Basic(kind) => &kind.fields,
            Self::JwtApp(kind) => &kind.fields,
            Self::MultiStep(kind) => kind.steps.get(step).map_or(&[], |step| &step.fields),
        }
    }

    /// How many forms there are.
    #[must_use]
    pub fn steps(&self) -> usize {
        match self {
            Self::MultiStep(kind) => kind.steps.len(),
            _ => 1,
        }
    }

    /// Where a token answer keeps what, for kinds that have one.
    #[must_use]
    pub fn token(&self) -> Option<&TokenFields> {
        match self {
            Self::Oauth2Code(kind) => Some(&kind.token),
            Self::Oauth2ClientCredentials(kind) => Some(&kind.token),
            Self::Oauth2Password(kind) => Some(&kind.token),
            Self::JwtApp(kind) => kind.exchange.as_ref().map(|exchange| &exchange.token),
            _ => None,
        }
    }

    /// What the module says is added to each request; the default is decided in [`super::call`].
    #[must_use]
    pub fn send(&self) -> Option<&Send> {
        match self {
            Self::Oauth2Code(kind) => Some(&kind.send),
            Self::Oauth2ClientCredentials(kind) => Some(&kind.send),
            Self::Oauth2Password(kind) => Some(&kind.send),
            Self::ApiKey(kind) => Some(&kind.send),
            Self::JwtApp(kind) => Some(&kind.send),
            Self::MultiStep(kind) => Some(&kind.send),
            Self::Basic(_) | Self::None(_) => None,
        }
    }
}

impl Send {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.query.is_empty() && self.basic.is_none()
    }
}
