//! Feeds of threats (EPSS, KEV): taken from files or addresses, kept once per CVE for the whole
//! instance. The formats are in [`crate::rules::feeds`], what follows for priorities in
//! [`super::priority`].

use async_trait::async_trait;
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::bulk::run::discard;
use super::import::on_thread;
use super::priority;
use super::schedule::NewSchedule;
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::JobId;
use crate::model::{AuditEntry, Epss, FeedKind, Job, Kev, Overlap, Threat, ThreatFeed, Timing};
use crate::policy::Action;
use crate::port::egress::{Method, OutRequest};
use crate::port::jobs::{Claimed, Class, Handler, Outcome};
use crate::port::store::{ChangeSet, Event, Stored};
use crate::port::{fresh, repo};
use crate::rules::feeds::{Entries, Feed, read};
use crate::rules::redact::redacted_url;

/// The kind of the job.
pub const KIND: &str = "feeds.import";

/// Largest feed as sent, in bytes.
pub const LARGEST: usize = 64 << 20;
/// Largest feed after decompression, in bytes.
const LARGEST_TEXT: u64 = 512 << 20;
/// CVEs of one commit, where the store takes that many.
const CHUNK: usize = 400;
/// Longest name of a source that is kept, in bytes.
const SOURCE_LIMIT: usize = 500;

/// Where the feeds are published.
#[must_use]
pub fn address(kind: FeedKind) -> &'static str {
    match kind {
        FeedKind::Epss => "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
        FeedKind::Kev => {
            "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
        }
    }
}

/// Fetches a feed from where it is published once a day, within two hours from 06:00 UTC on: not all
/// instances ask at once.
#[must_use]
pub fn schedule(kind: FeedKind) -> NewSchedule {
    NewSchedule {
        organization: None,
        name: schedule_name(kind),
        timing: Timing::Cron {
            expression: "0 6 * * *".to_owned(),
            zone: "UTC".to_owned(),
        },
        overlap: Overlap::Skip,
        spread_ms: 7_200_000,
        job: KIND.to_owned(),
        payload: serde_json::json!({
            "kind": kind,
            "source": address(kind),
            "by": "system:schedule",
            "fetch": true,
        }),
    }
}

/// The name of its schedule.
#[must_use]
pub fn schedule_name(kind: FeedKind) -> String {
    format!("feeds.{}", kind.as_str().to_lowercase())
}

/// What a job is to do.
#[derive(Serialize, Deserialize)]
struct Payload {
    kind: FeedKind,
    source: String,
    by: String,
    /// To be fetched from the source; else the bytes are in the blob store.
    #[serde(default)]
    fetch: bool,
}

/// Where the bytes of an upload are: each has its own, so that two at once do not read each other's.
fn blob(kind: FeedKind, job: JobId) -> String {
    format!("feeds/{}/{job}", kind.as_str())
}

/// Takes a feed in, plain or as gzip. It is read to its end first, so that what can't be read is
/// refused; then a durable job applies it.
///
/// # Errors
/// Not permitted, `feed.malformed`, `feed.empty`, `feed.too_large`, or the store's.
pub async fn import(ctx: &Ctx, kind: FeedKind, source: &str, bytes: Bytes) -> Result<Stored<Job>> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    let checked = bytes.clone();
    on_thread(move || parsed(kind, &checked)).await??;
    let id = fresh(ctx.ports.ids.as_ref());
    ctx.ports.blobs.put(&blob(kind, id), bytes).await?;
    let begun = begin(ctx, id, kind, source, false).await;
    if begun.is_err() {
        // Nobody will come for them.
        discard(ctx, &blob(kind, id)).await;
    }
    begun
}

/// Has a feed fetched from an address; where it is published if none is given.
///
/// # Errors
/// Not permitted, `feed.address`, or the store's.
pub async fn update(ctx: &Ctx, kind: FeedKind, url: Option<&str>) -> Result<Stored<Job>> {
    ctx.permit(Action::InstanceManage, Resource::Instance)?;
    let url = url.unwrap_or_else(|| address(kind)).trim();
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.len() > SOURCE_LIMIT {
        return Err(Error::invalid(
            "feed.address",
            "a feed is fetched from an http or https address",
        )
        .on_field("url"));
    }
    begin(ctx, fresh(ctx.ports.ids.as_ref()), kind, url, true).await
}

async fn begin(
    ctx: &Ctx,
    id: JobId,
    kind: FeedKind,
    source: &str,
    fetch: bool,
) -> Result<Stored<Job>> {
    let payload = Payload {
        kind,
        source: crate::rules::sighting::cut(source.trim(), SOURCE_LIMIT),
        by: ctx.actor.label(),
        fetch,
    };
    let written = serde_json::to_value(&payload)
        .map_err(|_| Error::internal("job.payload", "the job can't be written"))?;
    let job = Job::new(id, KIND, written, ctx.now()).in_lane("feeds");
    let audit = AuditEntry::new(ctx, None, "feed.imported", [kind.as_str().to_owned()])
        .with(serde_json::json!({ "source": shown(&payload.source) }));
    let mut changes = ChangeSet::new();
    changes.create(&job, None)?;
    changes.create(&audit, None)?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: job,
        version: 1,
    })
}

/// A source as everybody may see it: the address of a private mirror may hold a token.
fn shown(source: &str) -> String {
    if source.contains("://") {
        redacted_url(source)
    } else {
        source.to_owned()
    }
}

/// What was last taken from each feed; for whoever has signed in.
///
/// # Errors
/// `auth.required`, or the store's.
pub async fn list(ctx: &Ctx) -> Result<Vec<ThreatFeed>> {
    if ctx.actor == crate::Actor::Anonymous {
        return Err(ctx.absent::<ThreatFeed>());
    }
    known(ctx).await
}

/// As [`list`], for those who have already been let in to what it explains.
pub(super) async fn known(ctx: &Ctx) -> Result<Vec<ThreatFeed>> {
    let keys = FeedKind::ALL.map(ThreatFeed::key_of);
    let feeds = repo::get_keys::<ThreatFeed>(ctx.store(), &keys).await?;
    Ok(feeds
        .into_iter()
        .flatten()
        .map(|stored| stored.value)
        .collect())
}

fn parsed(kind: FeedKind, bytes: &[u8]) -> Result<Feed> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return read(kind, bytes);
    }
    let mut text = Vec::new();
    GzDecoder::new(bytes)
        .take(LARGEST_TEXT + 1)
        .read_to_end(&mut text)
        .map_err(|error| {
            Error::invalid(
                "feed.malformed",
                format!("the feed can't be unpacked: {error}; nothing was changed"),
            )
        })?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LARGEST_TEXT {
        return Err(Error::limit(
            "feed.too_large",
            format!("a feed has at most {LARGEST_TEXT} bytes"),
        ));
    }
    read(kind, &text)
}

/// Applies feeds.
pub struct FeedHandler;

#[async_trait]
impl Handler for FeedHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Takes over what a feed of threats says of each CVE"
    }

    fn class(&self) -> Class {
        Class::Apps
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let payload = payload_of(claimed.job())?;
        let (kind, id) = (payload.kind, claimed.job().id);
        if payload.fetch {
            let bytes = fetched(ctx, &payload.source).await?;
            let feed = on_thread(move || parsed(kind, &bytes)).await??;
            apply(ctx, claimed, payload, feed).await?;
            return Ok(Outcome::done());
        }
        let key = ThreatFeed::key_of(kind);
        let before = repo::get_keys::<ThreatFeed>(ctx.store(), &[key])
            .await?
            .pop()
            .flatten();
        // Cut between its last commit and its end: the bytes may be gone already.
        if before.is_none_or(|before| before.job != Some(id)) {
            let bytes = match ctx.ports.blobs.get(&blob(kind, id)).await {
                Err(error) if error.code() == "blob.not_found" => {
                    return Err(Error::not_found(
                        "feed.gone",
                        "what was uploaded is not kept any more; send the feed again",
                    ));
                }
                other => other?,
            };
            let feed = on_thread(move || parsed(kind, &bytes)).await??;
            apply(ctx, claimed, payload, feed).await?;
        }
        ctx.ports.blobs.delete(&blob(kind, id)).await?;
        Ok(Outcome::done())
    }

    /// What was uploaded stays for whoever has it tried again, unless that can come to nothing.
    async fn give_up(&self, ctx: &Ctx, job: &Job, error: &Error) -> Result<ChangeSet> {
        if is_unreadable(error) || error.code() == "job.cancelled" {
            forget(ctx, job).await;
        }
        Ok(ChangeSet::new())
    }
}

/// Whether the same bytes are refused again.
fn is_unreadable(error: &Error) -> bool {
    error.kind() == Kind::Invalid || error.code() == "feed.too_large"
}

/// Drops what was uploaded for a job of this kind that nobody does any more.
pub(super) async fn forget(ctx: &Ctx, job: &Job) {
    if let Ok(payload) = payload_of(job)
        && !payload.fetch
    {
        discard(ctx, &blob(payload.kind, job.id)).await;
    }
}

fn payload_of(job: &Job) -> Result<Payload> {
    serde_json::from_value(job.payload.clone())
        .map_err(|_| Error::invalid("job.payload", "the job names no feed"))
}

async fn fetched(ctx: &Ctx, url: &str) -> Result<Bytes> {
    let request = OutRequest::new(Method::Get, url, "feeds")
        .largest_answer(LARGEST_TEXT)
        .following_redirects();
    let answer = ctx.ports.egress.send(request).await?;
    if answer.is_success() {
        return Ok(answer.body);
    }
    Err(Error::new(
        Kind::Upstream,
        "feed.unavailable",
        format!("the feed's server answered {}", answer.status),
    ))
}

/// What a feed says of a CVE.
enum Said {
    Epss(Epss),
    Kev(Option<Kev>),
}

impl Said {
    fn of(&self, cve: &str, current: Option<&Threat>) -> Threat {
        let mut next = current.cloned().unwrap_or_else(|| Threat {
            cve: cve.to_owned(),
            ..Threat::default()
        });
        match self {
            Self::Epss(epss) => next.epss = Some(*epss),
            Self::Kev(kev) => next.kev.clone_from(kev),
        }
        next
    }
}

/// In chunks, each one commit that has the job that puts the priorities right with it. Run again
/// from the start it finds nothing left to do for what was done.
async fn apply(ctx: &Ctx, claimed: &Claimed, payload: Payload, feed: Feed) -> Result<()> {
    let key = ThreatFeed::key_of(feed.kind());
    let before = repo::get_keys::<ThreatFeed>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten();
    let count = u64::try_from(feed.len()).unwrap_or(u64::MAX);
    let mut listed = Vec::new();
    let said: BTreeMap<String, Said> = match feed.entries {
        Entries::Epss(list) => list
            .into_iter()
            .map(|(cve, epss)| (cve, Said::Epss(epss)))
            .collect(),
        Entries::Kev(list) => {
            let names: BTreeSet<String> = list.iter().map(|(cve, _)| cve.clone()).collect();
            let gone = before
                .iter()
                .flat_map(|feed| &feed.listed)
                .filter(|cve| !names.contains(*cve))
                .map(|cve| (cve.clone(), Said::Kev(None)));
            let said = gone
                .chain(
                    list.into_iter()
                        .map(|(cve, kev)| (cve, Said::Kev(Some(kev)))),
                )
                .collect();
            listed = names.into_iter().collect();
            said
        }
    };
    let said: Vec<(String, Said)> = said.into_iter().collect();
    let size = (ctx.store().limits().writes / 3).clamp(1, CHUNK);
    let mut changed = 0;
    for some in said.chunks(size) {
        changed += chunk(ctx, claimed, some).await?;
    }
    let after = ThreatFeed {
        kind: payload.kind,
        as_of: feed.as_of,
        imported: ctx.now(),
        by: payload.by,
        source: shown(&payload.source),
        entries: count,
        changed,
        listed,
        job: Some(claimed.job().id),
    };
    let mut changes = ChangeSet::new();
    claimed.fence(&mut changes);
    let event = Some(Event::named("feed.imported"));
    match &before {
        Some(before) => changes.update(before, &after, event)?,
        None => changes.create(&after, event)?,
    }
    ctx.store().commit(changes).await.map(|_| ())
}

async fn chunk(ctx: &Ctx, claimed: &Claimed, some: &[(String, Said)]) -> Result<u64> {
    let keys: Vec<_> = some.iter().map(|(cve, _)| Threat::key_of(cve)).collect();
    let known = repo::get_keys::<Threat>(ctx.store(), &keys).await?;
    let mut changes = ChangeSet::new();
    let mut cves = Vec::new();
    for ((cve, said), current) in some.iter().zip(known) {
        let next = said.of(cve, current.as_ref().map(|stored| &stored.value));
        match &current {
            Some(current) if current.value == next => continue,
            Some(current) => changes.update(current, &next, None)?,
            None => changes.create(&next, None)?,
        }
        cves.push(cve.clone());
    }
    if cves.is_empty() {
        return Ok(0);
    }
    let count = u64::try_from(cves.len()).unwrap_or(u64::MAX);
    changes.create(&priority::job(ctx, &priority::Scope::Cves(cves))?, None)?;
    claimed.fence(&mut changes);
    ctx.store().commit(changes).await?;
    Ok(count)
}
