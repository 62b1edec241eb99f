//! Having an app send its webhooks to us, where its module says how (`create_webhook`,
//! `delete_webhook`) and it can reach us. What is not told is found out by looking, only later.

use gna_domain::connect::integration::Level;
use gna_domain::connect::mapping::Mapping;
use gna_domain::error::{Error, Result};
use gna_domain::id::ReceiverId;
use gna_domain::port::fresh;
use gna_domain::port::recipes::Desk;
use gna_domain::port::store::Stored;
use gna_domain::rules::integration::{is_permanent, waits_for_person};
use gna_domain::service::hook::provided;
use gna_domain::time::{DAY_MS, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Title of the message about it.
const WEBHOOKS: &str = "Webhooks";
const CREATE: &str = "create_webhook";
const DELETE: &str = "delete_webhook";

/// What is remembered of a webhook in an app. Its id there is the mapping's external id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    receiver: ReceiverId,
    /// Of which project it tells.
    project: String,
    /// When it was asked for last.
    tried: Timestamp,
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
    if let Some((mapping, of)) = found
        .as_ref()
        .and_then(|found| Some((found, known(found)?)))
    {
        let is_young = now.millis().saturating_sub(of.tried.millis()) < DAY_MS;
        if of.project == project && (mapping.external.is_some() || is_young) {
            return Ok(());
        }
        if of.project != project {
            forget(desk, slot).await?;
            found = None;
        }
    }
    match ask(desk, slot, project, found, now).await {
        Ok(()) => desk.unnote(WEBHOOKS).await,
        Err(error) if is_permanent(&error) && !waits_for_person(&error) => {
            let text = format!(
                "The app could not be asked to send webhooks ({}). It is looked at from time to time instead.",
                error.message().trim_end_matches('.')
            );
            desk.note(Level::Warning, WEBHOOKS, &text).await
        }
        Err(error) => Err(error),
    }
}

async fn ask(
    desk: &Desk<'_>,
    slot: &str,
    project: &str,
    before: Option<Stored<Mapping>>,
    now: Timestamp,
) -> Result<()> {
    let app = desk.account(slot)?.entity.module.clone();
    let module = desk.apps.module(app.as_str());
    let module = module.ok_or_else(|| {
        Error::invalid(
            "module.unknown",
            format!("there is no module {app} on this server"),
        )
    })?;
    let of = Known {
        receiver: match before.as_ref().and_then(|before| known(before)) {
            Some(known) => known.receiver,
            None => fresh(desk.ctx.ports.ids.as_ref()),
        },
        project: project.to_owned(),
        tried: now,
    };
    // Written down before anything is made, so that nothing is made that nobody knows of.
    let written = desk
        .remember(before.as_ref(), &source(slot), None, json!(of))
        .await?;
    let secret = provided::provide(&desk.ctx, &desk.integration, of.receiver, &module).await?;
    let url = format!(
        "{}/api/v2/hooks/{app}/{}",
        desk.apps.public_url(),
        of.receiver
    );
    let input = json!({ "project": project, "url": url, "secret": secret.expose() });
    let made = desk
        .call(slot, CREATE, desk.fitting(slot, CREATE, input))
        .await?;
    let id = match made.get("id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => {
            return Err(Error::invalid(
                "integration.webhook",
                "the app did not say what it calls the webhook",
            ));
        }
    };
    desk.remember(Some(&written), &source(slot), Some(id), json!(of))
        .await
        .map(|_| ())
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
            let input = json!({ "project": of.project, "webhook": webhook });
            let input = desk.fitting(slot, DELETE, input);
            if let Err(error) = desk.call(slot, DELETE, input).await {
                tracing::info!(
                    code = error.code(),
                    "a webhook could not be removed in the app"
                );
            }
        }
        provided::withdraw(&desk.ctx, &desk.integration, of.receiver).await?;
    }
    desk.forget(&found).await
}
