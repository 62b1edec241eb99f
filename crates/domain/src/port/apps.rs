//! Calls of external apps, by the definitions of their modules.

use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

use crate::connect::module::{Call, PageState};
use crate::connect::oauth2::SigningInput;
use crate::connect::{Answer, ConnectedEntity, Credential, Module, Request};
use crate::error::Result;
use crate::port::Vault;
use crate::port::egress::EgressError;
use crate::port::store::Stored;
use crate::secret::Secret;

/// What is asked of a connected app.
#[derive(Clone, Debug)]
pub enum Ask<'a> {
    /// The module's test call.
    Test,
    /// An operation with its input, and the page of it where it is a list.
    Operation {
        name: &'a str,
        input: Value,
        page: Option<PageState>,
    },
    /// A call that is not an operation, for recipes of code. `what` names it in logs.
    Call {
        what: &'a str,
        call: &'a Call,
        input: Value,
    },
}

/// Our registration with an app, from the server's configuration.
#[derive(Clone, Debug)]
pub struct Registration {
    pub id: String,
    /// Absent for public clients.
    pub secret: Option<Secret>,
    /// Scopes that people are asked for beside those of the module.
    pub scopes: Vec<String>,
}

/// The apps that this server knows, and the way to them.
#[async_trait]
pub trait Apps: Send + Sync + 'static {
    fn module(&self, name: &str) -> Option<Arc<Module>>;

    /// All modules, by name.
    fn modules(&self) -> Vec<Arc<Module>>;

    fn registration(&self, module: &Module) -> Option<Registration>;

    /// Address of this server for people and apps, without a slash at its end.
    fn public_url(&self) -> &str;

    /// Where the app sends users back to.
    fn redirect_uri(&self, module: &Module) -> String;

    fn vault(&self) -> &dyn Vault;

    /// # Errors
    /// `jwt.key`.
    fn sign(&self, input: &SigningInput) -> Result<Secret>;

    /// Sends a request that is complete, again where that does no harm, and answers what came, unless
    /// the module says that it is a failure.
    ///
    /// # Errors
    /// `app.*` by what the failure means, `egress.*` where there is no answer.
    async fn send(&self, module: &Module, request: Request, repeatable: bool) -> Result<Answer>;

    /// Sends a token request, once.
    ///
    /// # Errors
    /// No answer, and whether it was sent.
    async fn exchange(&self, request: Request, timeout_ms: i64) -> Result<Answer, EgressError>;

    /// Calls an app with a stored credential: tokens that are due or refused are refreshed, once,
    /// whoever else is at it; a credential that does not work is marked so.
    ///
    /// # Errors
    /// `credential.reconnect` where a person must connect the account again, `app.*`, `egress.*`,
    /// `module.*`, `vault.*`, or the store's.
    async fn call(&self, entity: &ConnectedEntity, ask: Ask<'_>) -> Result<Answer>;

    /// The credential with tokens that are neither refused nor due.
    ///
    /// # Errors
    /// As [`Apps::call`].
    async fn fresh(&self, credential: Stored<Credential>) -> Result<Stored<Credential>>;
}
