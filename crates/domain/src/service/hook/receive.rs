//! Receiving webhooks, in two stages: first it is verified and made durable together with the job
//! of the second stage, then the app gets its answer; what follows from it is done by a worker.

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use crate::connect::Values;
use crate::connect::inbox::{Dispatcher, HookTarget};
use crate::connect::module::Handshake;
use crate::connect::verify::{Delivery, Refusal, covered_without_id, verify};
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::model::{HookProof, Job, ReceivedHook};
use crate::port::jobs::{Claimed, Class, Handler, Outcome};
use crate::port::store::ChangeSet;
use crate::port::{fresh, repo};
use crate::rules::hook::named;
use crate::rules::sighting::cut;
use crate::secret::Secret;

/// The kind of the second stage's job.
pub const KIND: &str = "hook.dispatch";

/// Largest webhook, in bytes.
pub const HOOK_BYTES: usize = 256 * 1_024;

/// Longest name of what happened, and longest type of the content, that is kept, in bytes. With them the
/// record of the largest webhook stays within any store's limit.
const WORD_BYTES: usize = 1_000;

/// Longest name in an address, in bytes.
const NAME_BYTES: usize = 100;

/// A webhook as it came in.
pub struct Incoming<'a> {
    pub app: &'a str,
    pub target: Option<&'a str>,
    /// With the whole address by which the app reaches us.
    pub delivery: Delivery<'a>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is kept, and will be worked on.
    Received,
    /// It came before; nothing more will be done.
    Known,
    /// The app asks for this before it sends anything: a text.
    Text(String),
    /// The same as JSON.
    Json(Value),
    /// The same in a header.
    Header(String, String),
}

/// The first stage.
///
/// # Errors
/// `not_found` where nobody waits for it, `hook.*` where it is not believed, or the store's.
pub async fn receive(
    ctx: &Ctx,
    dispatcher: &dyn Dispatcher,
    incoming: &Incoming<'_>,
) -> Result<Receipt> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= NAME_BYTES
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let nobody = || Error::not_found("hook.nobody", "nobody waits for this webhook");
    if !is_name(incoming.app) || !incoming.target.is_none_or(is_name) {
        return Err(nobody());
    }
    let target = dispatcher
        .target(ctx, incoming.app, incoming.target)
        .await?;
    let target = target.ok_or_else(nobody)?;
    let content: Value = serde_json::from_slice(incoming.delivery.body).unwrap_or(Value::Null);
    let proof = match &target.secret {
        Some(secret) => verify(&target.webhook.check, secret, &incoming.delivery, ctx.now()),
        None => return adopted(ctx, dispatcher, &target, incoming).await,
    };
    // What an app asks for before it sends anything often carries no proof yet. Its own words are
    // given back and nothing is kept. A wrong proof is never answered.
    if matches!(proof, Ok(()) | Err(Refusal::Missing))
        && let Some(answer) = handshake(&target, incoming, &content)
    {
        return Ok(answer);
    }
    proof.map_err(refused)?;
    let body = std::str::from_utf8(incoming.delivery.body)
        .map_err(|_| Error::invalid("hook.body", "a webhook's body must be text in UTF-8"))?;
    let hook = kept(ctx, &target, incoming, body, &content);
    let job = job(ctx, &hook);
    let mut changes = ChangeSet::new();
    changes.create(&hook, None)?;
    changes.create(&job, None)?;
    if let Some(covered) = covered_without_id(&target.webhook, &incoming.delivery) {
        changes.create(&proof_of(&hook, &covered), None)?;
    }
    match ctx.store().commit(changes).await {
        Ok(_) => Ok(Receipt::Received),
        Err(error) if error.kind() == Kind::Conflict => Ok(Receipt::Known),
        Err(error) => Err(error),
    }
}

/// An app that brings its own secret does so with its first call, and hears it back.
async fn adopted(
    ctx: &Ctx,
    dispatcher: &dyn Dispatcher,
    target: &HookTarget,
    incoming: &Incoming<'_>,
) -> Result<Receipt> {
    if let Some(Handshake::Header(name)) = &target.webhook.handshake
        && let Some(secret) = header(incoming, name).filter(|text| !text.trim().is_empty())
    {
        let kept = Secret::new(secret);
        dispatcher
            .adopt(ctx, incoming.app, incoming.target, &kept)
            .await?;
        return Ok(Receipt::Header(name.clone(), secret.to_owned()));
    }
    Err(refused(Refusal::Missing))
}

/// What a caller hears who is not believed. It tells a forger nothing new.
fn refused(refusal: Refusal) -> Error {
    let why = refusal.to_string();
    match refusal {
        Refusal::Missing => Error::unauthenticated("hook.signature_missing", why),
        Refusal::Malformed => Error::invalid("hook.signature_malformed", why),
        Refusal::Stale => Error::unauthenticated("hook.stale", why),
        Refusal::Wrong => Error::unauthenticated("hook.signature_wrong", why),
        Refusal::NeedsKeys => Error::unavailable("hook.needs_keys", why),
        Refusal::Secret => Error::unavailable("hook.secret", why),
    }
}

fn header<'a>(incoming: &'a Incoming<'_>, name: &str) -> Option<&'a str> {
    let mut headers = incoming.delivery.headers.iter();
    headers
        .find(|(has, _)| has.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// What the app wants to hear first, where it asks.
fn handshake(target: &HookTarget, incoming: &Incoming<'_>, content: &Value) -> Option<Receipt> {
    let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str);
    match target.webhook.handshake.as_ref()? {
        Handshake::Body(pointer) => text(pointer).map(|text| Receipt::Text(text.to_owned())),
        Handshake::Json(pointer) => {
            let name = pointer.rsplit('/').next()?;
            text(pointer).map(|text| Receipt::Json(json!({ name: text })))
        }
        Handshake::Header(name) => {
            header(incoming, name).map(|value| Receipt::Header(name.clone(), value.to_owned()))
        }
        // Comes without a body.
        Handshake::Query(name) if incoming.delivery.body.is_empty() => {
            query(incoming.delivery.url, name).map(Receipt::Text)
        }
        Handshake::Query(_) => None,
    }
}

/// The value of a parameter, decoded.
fn query(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(other, _)| *other == name)?;
    let value = value.replace('+', " ");
    let value = percent_encoding::percent_decode_str(&value).decode_utf8();
    value.ok().map(std::borrow::Cow::into_owned)
}

fn kept(
    ctx: &Ctx,
    target: &HookTarget,
    incoming: &Incoming<'_>,
    body: &str,
    content: &Value,
) -> ReceivedHook {
    let webhook = &target.webhook;
    let from_body = |take: Option<&crate::connect::Take>| {
        let taken = take?.from(content, &Values::default())?;
        Some(match taken {
            Value::String(text) => text,
            other => other.to_string(),
        })
    };
    let from_header = |name: Option<&String>| {
        let value = header(incoming, name?)?;
        Some(value.to_owned())
    };
    let word = |text: String| cut(&text, WORD_BYTES);
    let id = from_header(webhook.delivery_header.as_ref())
        .or_else(|| from_body(webhook.delivery.as_ref()))
        .unwrap_or_else(|| body.to_owned());
    ReceivedHook {
        organization: target.organization,
        app: incoming.app.to_owned(),
        target: incoming.target.unwrap_or_default().to_owned(),
        delivery: hex::encode(Sha256::digest(id)),
        event: from_header(webhook.event_header.as_ref())
            .or_else(|| from_body(webhook.event.as_ref()))
            .map(word),
        accounts: named(content, &webhook.external_id),
        projects: named(content, &webhook.project),
        content_type: header(incoming, "content-type").map(|text| cut(text, WORD_BYTES)),
        body: body.to_owned(),
        received: ctx.now(),
    }
}

/// Has the same known under another id, which anybody could give it.
fn proof_of(hook: &ReceivedHook, covered: &[u8]) -> HookProof {
    HookProof {
        organization: hook.organization,
        app: hook.app.clone(),
        target: hook.target.clone(),
        digest: hex::encode(Sha256::digest(covered)),
        received: hook.received,
    }
}

/// The second stage's job. Those of one receiver take turns, in the order in which they came.
pub(super) fn job(ctx: &Ctx, hook: &ReceivedHook) -> Job {
    let payload = json!({ "app": hook.app, "target": hook.target, "delivery": hook.delivery });
    Job::new(fresh(ctx.ports.ids.as_ref()), KIND, payload, ctx.now())
        .in_lane(format!("hook:{}/{}", hook.app, hook.target))
        .of(hook.organization)
}

/// The second stage.
pub struct HookHandler(pub Arc<dyn Dispatcher>);

#[async_trait]
impl Handler for HookHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Does what follows from a webhook that another app sent"
    }

    fn class(&self) -> Class {
        Class::Apps
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let text = |name: &str| {
            let text = claimed.job().payload.get(name).and_then(Value::as_str);
            text.ok_or_else(|| Error::invalid("job.payload", "the job names no webhook"))
        };
        let key = ReceivedHook::key_of(text("app")?, text("target")?, text("delivery")?);
        let found = repo::get_keys::<ReceivedHook>(ctx.store(), &[key]).await?;
        match found.into_iter().next().flatten() {
            Some(hook) => self.0.dispatch(ctx, claimed, &hook).await,
            None => Ok(Outcome::done()),
        }
    }
}
