//! The apps that accounts can be connected with: the same for everybody who is known.

use std::sync::Arc;

use super::access;
use crate::connect::Module;
use crate::connect::module::{Auth, ClientFrom};
use crate::ctx::Ctx;
use crate::error::Result;
use crate::port::apps::Apps;
use crate::service::access::not_anonymous;

/// A module, and whether this server can connect with it.
#[derive(Clone, Debug)]
pub struct Known {
    pub module: Arc<Module>,
    /// False where the server itself must be registered with the app and is not.
    pub is_ready: bool,
}

/// Whether the app lets nobody in before the server's operator has registered it there.
#[must_use]
pub fn needs_registration(module: &Module) -> bool {
    match &module.auth {
        Auth::Oauth2Code(kind) => kind.client_from == ClientFrom::Configuration,
        Auth::Oauth2Password(kind) => kind.client_from == ClientFrom::Configuration,
        Auth::Oauth2ClientCredentials(kind) => {
            !kind.fields.iter().any(|field| field.name == "client_id")
        }
        _ => false,
    }
}

fn known(apps: &dyn Apps, module: Arc<Module>) -> Known {
    let is_ready = !needs_registration(&module) || apps.registration(&module).is_some();
    Known { module, is_ready }
}

/// All modules, by name.
///
/// # Errors
/// `auth.required`.
pub fn list(ctx: &Ctx, apps: &dyn Apps) -> Result<Vec<Known>> {
    not_anonymous(ctx)?;
    let all = apps.modules().into_iter();
    Ok(all.map(|module| known(apps, module)).collect())
}

/// One module.
///
/// # Errors
/// `auth.required`; `module.unknown` with the names there are.
pub fn get(ctx: &Ctx, apps: &dyn Apps, name: &str) -> Result<Known> {
    not_anonymous(ctx)?;
    Ok(known(apps, access::module(apps, name)?))
}
