//! Keeps the search index in step with the store by following its feed.
//!
//! The index is derived: it may be dropped and rebuilt at any time. Documents carry the version they
//! were made from, so that following the feed twice, or late, changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{AssetId, FindingId, VulnerabilityId};
use crate::model::{Finding, PresenceRecord, Stream, Vulnerability};
use crate::page::PageRequest;
use crate::port::repo;
use crate::port::search::SearchUpdate;
use crate::port::store::{Entity, FeedItem, FeedPosition, Key, List, Stored};
use crate::rules::document::{document, finding_text};
use crate::time::Timestamp;

/// Feed entries taken at once.
const BATCH: usize = 2_000;
/// Records read at once.
const READ: usize = 1_000;

/// Follows the feed to its end. Answers how many entries were taken.
///
/// # Errors
/// The store's or the index's; call again later.
pub async fn catch_up(ctx: &Ctx) -> Result<usize> {
    let mut taken = 0;
    loop {
        let position = ctx.ports.search.position().await?.map(FeedPosition);
        let Some(position) = position else {
            rebuild(ctx).await?;
            continue;
        };
        let items = match ctx.store().feed(Some(&position), BATCH).await {
            Ok(items) => items,
            Err(error) if error.code() == "feed.gap" => {
                rebuild(ctx).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if items.is_empty() {
            return Ok(taken);
        }
        taken += items.len();
        follow(ctx, &items).await?;
    }
}

async fn follow(ctx: &Ctx, items: &[FeedItem]) -> Result<()> {
    let mut vulnerabilities = BTreeSet::new();
    let mut findings = BTreeSet::new();
    let mut continued: BTreeSet<(String, String)> = BTreeSet::new();
    for item in items {
        match item.key.collection {
            Vulnerability::COLLECTION => {
                vulnerabilities.extend(item.key.partition.parse::<VulnerabilityId>())
            }
            Finding::COLLECTION => findings.extend(item.key.partition.parse::<FindingId>()),
            Stream::COLLECTION if item.event.name == "stream.continued" => {
                continued.insert((item.key.partition.clone(), item.key.sort.clone()));
            }
            _ => {}
        }
    }
    let vulnerabilities: Vec<VulnerabilityId> = vulnerabilities.into_iter().collect();
    let findings: Vec<FindingId> = findings.into_iter().collect();
    let mut update = SearchUpdate::default();
    for ids in vulnerabilities.chunks(READ) {
        let stored = repo::get_many::<Vulnerability>(ctx.store(), ids).await?;
        update.removed.extend(
            ids.iter()
                .zip(&stored)
                .filter(|(_, stored)| stored.is_none())
                .map(|(id, _)| *id),
        );
        describe(ctx, stored.into_iter().flatten(), &mut update).await?;
    }
    for ids in findings.chunks(READ) {
        let stored = repo::get_many::<Finding>(ctx.store(), ids).await?;
        update.findings.extend(
            stored
                .into_iter()
                .flatten()
                .map(|stored| finding_text(&stored.value, stored.version)),
        );
    }
    // The position moves with the last step only: whatever fails before is done again.
    let position = items.last().map(|item| item.position.0.clone());
    if continued.is_empty() {
        update.position = position;
        return ctx.ports.search.apply(update).await;
    }
    ctx.ports.search.apply(update).await?;
    for (asset, stream) in continued {
        if let Ok(asset) = asset.parse() {
            touch(ctx, asset, &stream).await?;
        }
    }
    ctx.ports
        .search
        .apply(SearchUpdate {
            position,
            ..SearchUpdate::default()
        })
        .await
}

/// Adds documents, and removals of what was merged, to an update.
async fn describe(
    ctx: &Ctx,
    stored: impl Iterator<Item = Stored<Vulnerability>>,
    update: &mut SearchUpdate,
) -> Result<()> {
    let stored: Vec<Stored<Vulnerability>> = stored.collect();
    let scanned = scanned(ctx, &stored).await?;
    for stored in &stored {
        let of = |stream: &str| scanned.get(&(stored.asset, stream.to_owned())).copied();
        match document(&stored.value, stored.version, &of) {
            Some(document) => update.documents.push(document),
            None => update.removed.push(stored.id),
        }
    }
    Ok(())
}

/// When the streams that show these vulnerabilities were last read.
pub(super) async fn scanned(
    ctx: &Ctx,
    stored: &[Stored<Vulnerability>],
) -> Result<HashMap<(AssetId, String), Timestamp>> {
    let mut names: BTreeMap<(AssetId, String), ()> = BTreeMap::new();
    for vulnerability in stored {
        for source in &vulnerability.sources {
            for presence in source
                .presence
                .iter()
                .filter(|presence| presence.gone.is_none())
            {
                names.insert(
                    (
                        vulnerability.asset,
                        Stream::name_of(presence.r#ref, presence.category, &source.tool),
                    ),
                    (),
                );
            }
        }
    }
    let names: Vec<(AssetId, String)> = names.into_keys().collect();
    let keys: Vec<Key> = names
        .iter()
        .map(|(asset, name)| Key::new(Stream::COLLECTION, asset.to_string(), name.clone()))
        .collect();
    let streams = repo::get_keys::<Stream>(ctx.store(), &keys).await?;
    Ok(names
        .into_iter()
        .zip(streams)
        .filter_map(|(name, stream)| Some((name, stream?.scanned_at)))
        .collect())
}

/// A new report of a stream is the last sighting of everything that is still in it.
async fn touch(ctx: &Ctx, asset: AssetId, stream: &str) -> Result<()> {
    let key = Key::new(Stream::COLLECTION, asset.to_string(), stream);
    let Some(record) = repo::get_keys::<Stream>(ctx.store(), &[key])
        .await?
        .pop()
        .flatten()
    else {
        return Ok(());
    };
    let mut page = PageRequest::first(READ);
    loop {
        let list = List {
            collection: PresenceRecord::COLLECTION,
            index: None,
            partition: vec![PresenceRecord::partition_of(asset, stream)],
            prefix: String::new(),
            until: None,
            descending: false,
            page: page.clone(),
        };
        let Some(listed) = ctx.store().list(&[list]).await?.pop() else {
            return Ok(());
        };
        let ids: Vec<VulnerabilityId> = repo::ids(listed.items.iter().map(|raw| &raw.key.sort));
        ctx.ports.search.touch(&ids, record.scanned_at).await?;
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Makes the index anew from the store. What commits meanwhile is followed afterwards.
///
/// # Errors
/// The store's or the index's; an index that was not finished starts over.
pub async fn rebuild(ctx: &Ctx) -> Result<()> {
    let end = ctx.store().feed_end().await?;
    ctx.ports.search.clear().await?;
    let mut page = PageRequest::first(READ);
    loop {
        let raw = ctx.store().scan(Finding::COLLECTION, &page).await?;
        let findings = repo::typed_page::<Finding>(raw)?;
        let texts = findings
            .items
            .iter()
            .map(|stored| finding_text(&stored.value, stored.version))
            .collect();
        ctx.ports
            .search
            .apply(SearchUpdate {
                findings: texts,
                ..SearchUpdate::default()
            })
            .await?;
        match findings.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    page.after = None;
    loop {
        let raw = ctx.store().scan(Vulnerability::COLLECTION, &page).await?;
        let stored = repo::typed_page::<Vulnerability>(raw)?;
        let mut update = SearchUpdate::default();
        describe(ctx, stored.items.into_iter(), &mut update).await?;
        ctx.ports.search.apply(update).await?;
        match stored.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    ctx.ports
        .search
        .apply(SearchUpdate {
            position: Some(end.0),
            ..SearchUpdate::default()
        })
        .await
}
