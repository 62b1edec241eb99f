//! A module: the definition of ONE external app, as its file says it.
//!
//! Plain types that serde reads, and the pure functions that make requests and read answers by them.
//! `definition.rs` is the whole file; `docs/MODULES.md` explains it to those who write one.

mod auth;
mod call;
mod check;
mod check_auth;
mod definition;
mod errors;
mod field;
mod hook;
mod identity;
mod name;
mod operation;
mod paging;
mod steps;
mod token;

pub use auth::{
    ApiKey, Auth, AuthKind, Basic, ClientAuth, ClientCredentials, ClientFrom, Exchange,
    JwtAlgorithm, JwtApp, MultiStep, Oauth2Code, Open, Password, Pkce, Send, StateMode, Step,
    UserPassword,
};
pub use call::{BodyTemplate, Call, GraphQl};
pub(crate) use call::{filled, refused};
pub use check::Mistake;
pub use definition::{
    Category, CredentialField, Display, EntityOptions, Extra, Identity, IdentityCall, Limits,
    Module, Persist, RequestDefaults, ResetKind, Transport,
};
pub use errors::{ErrorRule, When};
pub use field::{Choice, Field, FieldKind, Form};
pub use hook::{
    BasicCheck, Check, Encoding, Handshake, HashAlgorithm, Hmac, JwtCheck, Parts, Registered,
    SecretForm, SecretOf, TimeUnit, TokenCheck, Webhook,
};
pub use identity::Account;
pub use name::ModuleName;
pub use operation::{InputKind, Kind as InputOf, Operation, Output};
pub use paging::{Anew, HARD_PAGE_LIMIT, Most, Next, PageState, Paging};
pub use token::{Reuse, TokenFields};
