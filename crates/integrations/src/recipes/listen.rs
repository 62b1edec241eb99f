//! Having an app send its webhooks to us, where its module says how (`create_webhook`,
//! `delete_webhook`) and it can reach us. What is not told is found out by looking, only later.
//!
//! Once a day it is seen to: where the module says how, one that is gone there (`list_webhooks`) is asked
//! for again, and one that ends by itself is prolonged (`refresh_webhook`).

use gna_domain::connect::Module;
use gna_domain::connect::integration::Level;
use gna_domain::connect::mapping::Mapping;
use gna_domain::connect::module::{Auth, SecretOf, Webhook};
use gna_domain::error::{Error, Result};
use gna_domain::id::ReceiverId;
use gna_domain::port::fresh;
use gna_domain::port::recipes::Desk;
use gna_domain::port::store::Stored;
use gna_domain::rules::integration::{is_permanent, waits_for_person};
use gna_domain::secret::Secret;
use gna_domain::service::hook::provided;
use gna_domain::time::{DAY_MS, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Title of the message about it.
const WEBHOOKS: &str = "Webhooks";
const CREATE: &str = "create_webhook";
const DELETE: &str = "delete_webhook";
const LIST: &str = "list_webhooks";
const REFRESH: &str = "refresh_webhook";

/// What is remembered of a webhook in an app. Its id there is the mapping's external id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    receiver: ReceiverId,
    /// Of which project it tells.
    project: String,
    /// When it was asked for or seen to last.
    tried: Timestamp,
}

impl Known {
    fn address(&self, desk: &Desk<'_>, app: &str) -> String {
        let receiver = self.receiver;
        format!("{}/api/v2/hooks/{app}/{receiver}", desk.apps.public_url())
    }
}

/// A name of the app's own, which may be a number.
fn named(item: &Map<String, Value>, key: &str) -> Option<String> {
    match item.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn module(desk: &Desk<'_>, slot: &str) -> Result<Arc<Module>> {
    let app = &desk.account(slot)?.entity.module;
    desk.apps.module(app.as_str()).ok_or_else(|| {
        Error::invalid(
            "module.unknown",
            format!("there is no module {app} on this server"),
        )
    })
}

/// The scope that the app wants to have been asked for, where nobody asks for it.
fn lacks<'m>(desk: &Desk<'_>, module: &'m Module) -> Option<&'m str> {
    let scope = module
        .webhook
        .as_ref()?
        .registered
        .as_ref()?
        .scope
        .as_deref()?;
    let is_of_module = match &module.auth {
        Auth::Oauth2Code(kind) => kind.scopes.iter().any(|one| one == scope),
        _ => false,
    };
    let registration = desk.apps.registration(module);
    let is_added = registration.is_some_and(|ours| ours.scopes.iter().any(|one| one == scope));
    (!is_of_module && !is_added).then_some(scope)
}

fn source(slot: &str) -> String {
    format!("webhook:{slot}")
}

fn known(mapping: &Mapping) -> Option<Known> {
    serde_json::from_value(mapping.data.clone()).ok()
}

/// Whether the app's module says how, and the app can send to this server's address at all.
fn is_possible(desk: &Desk<'_>, slot: &str) -> bool {
    desk.can(slot, CREATE)
        && desk.can(slot, DELETE)
        && desk.integration.owner.user().is_none()
        && !is_of_this_machine(desk.apps.public_url())
}

/// No app reaches us by an address that means itself.
fn is_of_this_machine(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    ["localhost", "127.", "[::1]", "0.0.0.0"]
        .iter()
        .any(|start| host.starts_with(start))
}

/// Sees to it that the app tells of a project. What it refuses is told to the user and tried again
/// a day later: without webhooks everything works, too.
///
/// # Errors
/// The store's or the vault's, and the app's where a person has to see to the account.
pub async fn listen(desk: &Desk<'_>, slot: &str, project: &str) -> Result<()> {
    if !is_possible(desk, slot) {
        return Ok(());
    }
    let now = desk.ctx.now();
    let mut found = desk.mapping(&source(slot)).await?;
    if let Some(of) = found.as_ref().and_then(|found| known(found)) {
        let is_young = now.millis().saturating_sub(of.tried.millis()) < DAY_MS;
        if of.project != project {
            forget(desk, slot).await?;
            found = None;
        } else if is_young {
            return Ok(());
        }
    }
    match ask(desk, slot, project, found, now).await {
        Ok(()) => desk.unnote(WEBHOOKS).await,
        Err(error) if is_permanent(&error) && !waits_for_person(&error) => {
            let remedy = match error.code() {
                "app.forbidden" | "app.not_found" => {
                    " Connect an account that may manage webhooks there to change that."
                }
                _ => "",
            };
            let text = format!(
                "The app could not be asked to send webhooks ({}). It is looked at from time to time instead.{remedy}",
                error.message().trim_end_matches('.')
            );
            desk.note(Level::Warning, WEBHOOKS, &text).await
        }
        Err(error) => Err(error),
    }
}

/// Asks for one, or sees to the one that there is.
async fn ask(
    desk: &Desk<'_>,
    slot: &str,
    project: &str,
    before: Option<Stored<Mapping>>,
    now: Timestamp,
) -> Result<()> {
    let module = module(desk, slot)?;
    let had = before.as_ref().and_then(|before| known(before));
    let webhook = before.as_ref().and_then(|before| before.external.clone());
    let of = Known {
        receiver: match &had {
            Some(known) => known.receiver,
            None => fresh(desk.ctx.ports.ids.as_ref()),
        },
        project: project.to_owned(),
        tried: now,
    };
    // Written down before anything is made, so that nothing is made that nobody knows of.
    let written = desk
        .remember(before.as_ref(), &source(slot), webhook.clone(), json!(of))
        .await?;
    if let Some(scope) = lacks(desk, &module) {
        return Err(Error::forbidden(
            "integration.webhook_scope",
            format!(
                "{label} lets in only those who were asked for the scope {scope}: the operator adds it to modules.{name}.scopes, then connect the account again",
                label = module.display.label,
                name = module.name
            ),
        ));
    }
    let all = if had.is_some() {
        there(desk, slot, project).await?
    } else {
        None
    };
    if let Some(webhook) = &webhook {
        let is_gone = all
            .as_ref()
            .is_some_and(|all| all.iter().all(|(id, _)| id != webhook));
        if !is_gone && prolonged(desk, slot, &module, &of, webhook).await? {
            return Ok(());
        }
    }
    // What an attempt before made without our hearing of it would send by a secret that is no more.
    let url = of.address(desk, module.name.as_str());
    for (id, to) in all.iter().flatten() {
        if to.as_deref() == Some(url.as_str()) {
            remove(desk, slot, project, id).await;
        }
    }
    let id = create(desk, slot, &module, &of, &url).await?;
    desk.remember(Some(&written), &source(slot), Some(id), json!(of))
        .await
        .map(|_| ())
}

/// The project's webhooks by id, with their addresses; nothing where they can't be told or not all are.
async fn there(
    desk: &Desk<'_>,
    slot: &str,
    project: &str,
) -> Result<Option<Vec<(String, Option<String>)>>> {
    if !desk.can(slot, LIST) {
        return Ok(None);
    }
    let input = desk.fitting(slot, LIST, json!({ "project": project }));
    match desk.list(slot, LIST, input).await {
        Ok(listed) => {
            let of = |item: &Map<String, Value>| Some((named(item, "id")?, named(item, "url")));
            let all = listed.items.iter().filter_map(of).collect();
            Ok(listed.is_whole.then_some(all))
        }
        // Who may not list them may still have one.
        Err(error) if is_permanent(&error) => {
            tracing::info!(
                code = error.code(),
                "webhooks in an app could not be listed"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Has one that is there go on. Whether it does: an app may not know it any more.
async fn prolonged(
    desk: &Desk<'_>,
    slot: &str,
    module: &Module,
    of: &Known,
    webhook: &str,
) -> Result<bool> {
    let own = module.webhook.as_ref();
    let whose = own.map(Webhook::secret_of_registered);
    if whose == Some(SecretOf::Client) {
        // The operator may have changed it.
        provide(desk, module, of).await?;
    }
    if !desk.can(slot, REFRESH) {
        return Ok(true);
    }
    let input = json!({ "project": of.project, "webhook": webhook });
    let input = desk.fitting(slot, REFRESH, input);
    match desk.call(slot, REFRESH, input).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == "app.not_found" => Ok(false),
        Err(error) => Err(error),
    }
}

async fn provide(desk: &Desk<'_>, module: &Module, of: &Known) -> Result<Secret> {
    let client = desk.apps.registration(module).and_then(|ours| ours.secret);
    let (ctx, integration) = (&desk.ctx, &desk.integration);
    provided::provide(ctx, integration, of.receiver, module, client.as_ref()).await
}

/// Makes one, and answers what the app calls it.
async fn create(
    desk: &Desk<'_>,
    slot: &str,
    module: &Module,
    of: &Known,
    url: &str,
) -> Result<String> {
    let secret = provide(desk, module, of).await?;
    // An app that signs with the registration's secret knows it: it takes no input of that name.
    let input = json!({ "project": of.project, "url": url, "secret": secret.expose() });
    let made = desk
        .call(slot, CREATE, desk.fitting(slot, CREATE, input))
        .await?;
    named(&made, "id").ok_or_else(|| {
        Error::invalid(
            "integration.webhook",
            "the app did not say what it calls the webhook",
        )
    })
}

/// Removes one there. What the app says to it does not matter.
async fn remove(desk: &Desk<'_>, slot: &str, project: &str, webhook: &str) {
    let input = json!({ "project": project, "webhook": webhook });
    let input = desk.fitting(slot, DELETE, input);
    if let Err(error) = desk.call(slot, DELETE, input).await {
        tracing::info!(
            code = error.code(),
            "a webhook could not be removed in the app"
        );
    }
}

/// Has the app send nothing any more. What the app says to it does not matter: our address is gone.
///
/// # Errors
/// The store's.
pub async fn forget(desk: &Desk<'_>, slot: &str) -> Result<()> {
    let Some(found) = desk.mapping(&source(slot)).await? else {
        return Ok(());
    };
    if let Some(of) = known(&found) {
        if let Some(webhook) = &found.external {
            remove(desk, slot, &of.project, webhook).await;
        }
        provided::withdraw(&desk.ctx, &desk.integration, of.receiver).await?;
    }
    desk.forget(&found).await
}
