//! Keeps the search index in step with the store by following its feed.
//!
//! The index is derived: it may be dropped and rebuilt at any time. Documents carry the version they
//! were made from, so that following the feed twice, or late, changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{AssetId, FindingId, GroupId, VulnerabilityId};
use crate::model::{
    Asset, EnvironmentBook, Finding, Group, Organization, Policy, PresenceRecord, Stream,
    Vulnerability,
};
use crate::page::PageRequest;
use crate::port::repo;
use crate::port::search::{
    Condition, MOVED, Operand, Removed, SearchRequest, SearchUpdate, Selection, Sort,
};
use crate::port::store::{Entity, FeedItem, FeedPosition, Key, List, Stored};
use crate::rules::document::{document, finding_text};
use crate::rules::environment::names_of;
use crate::rules::sla::next_moment;
use crate::time::Timestamp;

use super::{environment, priority, sweep};

/// Feed entries taken at once.
const BATCH: usize = 2_000;
/// Bits of a document's version that tell policies apart.
const POLICY_BITS: u32 = 20;
/// Records read at once.
const READ: usize = 1_000;

/// Follows the feed to its end. Answers how many entries were taken. Several processes may do so at
/// once: a stretch counts once, and one of them makes the index anew where that is due.
///
/// # Errors
/// The store's or the index's; call again later.
pub async fn catch_up(ctx: &Ctx) -> Result<usize> {
    let mut taken = 0;
    loop {
        let position = ctx.ports.search.position().await?.map(FeedPosition);
        let Some(position) = position else {
            renew(ctx, None).await?;
            continue;
        };
        let items = match ctx.store().feed(Some(&position), BATCH).await {
            Ok(items) => items,
            Err(error) if error.code() == "feed.gap" => {
                renew(ctx, Some(&position)).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if items.is_empty() {
            return Ok(taken);
        }
        match follow(ctx, &position, &items).await {
            Ok(()) => taken += items.len(),
            // Another process moved the index on, or makes it anew: on from where it stands now.
            Err(error) if error.code() == MOVED => {}
            Err(error) => return Err(error),
        }
    }
}

/// Applies what follows `after`.
async fn follow(ctx: &Ctx, after: &FeedPosition, items: &[FeedItem]) -> Result<()> {
    let mut vulnerabilities = BTreeSet::new();
    let mut findings = BTreeSet::new();
    let mut continued: BTreeSet<(String, String)> = BTreeSet::new();
    let mut groups: BTreeSet<GroupId> = BTreeSet::new();
    // Whose environments changed.
    let mut assets: BTreeSet<AssetId> = BTreeSet::new();
    for item in items {
        match item.key.collection {
            Vulnerability::COLLECTION => {
                vulnerabilities.extend(item.key.partition.parse::<VulnerabilityId>())
            }
            Group::COLLECTION if says_policy(item) => {
                groups.extend(item.key.partition.parse::<GroupId>());
            }
            Organization::COLLECTION if says_policy(item) => {
                groups.extend(groups_of(ctx, &item.key.partition).await?);
            }
            EnvironmentBook::COLLECTION => assets.extend(item.key.partition.parse::<AssetId>()),
            Finding::COLLECTION => findings.extend(item.key.partition.parse::<FindingId>()),
            Stream::COLLECTION if item.event.name == "stream.continued" => {
                continued.insert((item.key.partition.clone(), item.key.sort.clone()));
            }
            _ => {}
        }
    }
    let vulnerabilities: Vec<VulnerabilityId> = vulnerabilities.into_iter().collect();
    let findings: Vec<FindingId> = findings.into_iter().collect();
    let mut update = Update::default();
    for ids in vulnerabilities.chunks(READ) {
        let stored = repo::get_many::<Vulnerability>(ctx.store(), ids).await?;
        update.search.removed.extend(
            ids.iter()
                .zip(&stored)
                .filter(|(_, stored)| stored.is_none())
                .map(|(id, _)| Removed {
                    id: *id,
                    version: Some(u64::MAX),
                }),
        );
        describe(ctx, stored.into_iter().flatten(), &mut update).await?;
    }
    for ids in findings.chunks(READ) {
        let stored = repo::get_many::<Finding>(ctx.store(), ids).await?;
        update.search.findings.extend(
            stored
                .into_iter()
                .flatten()
                .map(|stored| finding_text(&stored.value, stored.version)),
        );
    }
    // The position moves with the last step only: whatever fails before is done again.
    let position = items.last().map(|item| item.position.0.clone());
    let after = Some(after.0.clone());
    update.search.after = after.clone();
    let moments = std::mem::take(&mut update.moments);
    let is_all = continued.is_empty() && groups.is_empty() && assets.is_empty();
    if is_all && moments.is_empty() {
        update.search.position = position;
        return ctx.ports.search.apply(update.search).await;
    }
    ctx.ports.search.apply(update.search).await?;
    arm_all(ctx, moments).await?;
    for group in groups {
        redescribe(ctx, &after, group, Condition::All(Vec::new())).await?;
    }
    let assets: Vec<AssetId> = assets.into_iter().collect();
    for asset in repo::get_many::<Asset>(ctx.store(), &assets)
        .await?
        .into_iter()
        .flatten()
    {
        let only = vec![Operand::Keyword(asset.id.to_string())];
        redescribe(ctx, &after, asset.group, Condition::In("asset", only)).await?;
    }
    for (asset, stream) in continued {
        if let Ok(asset) = asset.parse() {
            touch(ctx, asset, &stream).await?;
        }
    }
    ctx.ports
        .search
        .apply(SearchUpdate {
            position,
            after,
            ..SearchUpdate::default()
        })
        .await
}

/// What a stretch of the feed comes to.
#[derive(Default)]
struct Update {
    search: SearchUpdate,
    /// The first moment in each group at which time alone does something.
    moments: BTreeMap<GroupId, Timestamp>,
}

/// The sweep reads the index, so it is armed only after the index knows what it is armed for.
async fn arm_all(ctx: &Ctx, moments: BTreeMap<GroupId, Timestamp>) -> Result<()> {
    for (group, at) in moments {
        sweep::arm(ctx, group, at).await?;
    }
    Ok(())
}

/// Whether the change of a group or an organization was one of its policy.
fn says_policy(item: &FeedItem) -> bool {
    item.event.data.get("policy").is_some()
}

async fn groups_of(ctx: &Ctx, organization: &str) -> Result<Vec<GroupId>> {
    let groups = repo::list_all::<Group>(ctx.store(), "by_organization", &[organization]).await?;
    Ok(groups.into_iter().map(|group| group.id).collect())
}

/// What applies in the groups of these vulnerabilities, with a number that grows with each change. Two
/// calls of the store, however many groups it are.
pub(super) async fn policies(
    ctx: &Ctx,
    stored: &[Stored<Vulnerability>],
) -> Result<HashMap<GroupId, (Policy, u64)>> {
    let ids: BTreeSet<GroupId> = stored.iter().map(|stored| stored.group).collect();
    let ids: Vec<GroupId> = ids.into_iter().collect();
    let groups = repo::get_many::<Group>(ctx.store(), &ids).await?;
    let above: BTreeSet<_> = groups
        .iter()
        .flatten()
        .map(|group| group.organization)
        .collect();
    let above: Vec<_> = above.into_iter().collect();
    let above: HashMap<_, _> = repo::get_many::<Organization>(ctx.store(), &above)
        .await?
        .into_iter()
        .flatten()
        .map(|organization| (organization.id, organization))
        .collect();
    Ok(groups
        .into_iter()
        .flatten()
        .filter_map(|group| {
            let organization = above.get(&group.organization)?;
            let policy = Policy::effective(&organization.policy, &group.policy);
            Some((group.id, (policy, group.version + organization.version)))
        })
        .collect())
}

/// Documents of a group anew, after its policy changed, or those of an asset, after its environments
/// did; only while the index stands where it is followed from.
async fn redescribe(
    ctx: &Ctx,
    after: &Option<String>,
    group: GroupId,
    condition: Condition,
) -> Result<()> {
    let mut request = SearchRequest {
        selection: Selection {
            groups: vec![group],
            condition,
            text: None,
        },
        sort: Sort {
            field: "created",
            descending: false,
        },
        limit: READ,
        after: None,
    };
    loop {
        let page = ctx.ports.search.query(&request).await?;
        let ids: Vec<VulnerabilityId> = page.hits.iter().map(|hit| hit.id).collect();
        let stored = repo::get_many::<Vulnerability>(ctx.store(), &ids).await?;
        let mut update = Update::default();
        describe(ctx, stored.into_iter().flatten(), &mut update).await?;
        update.search.after = after.clone();
        ctx.ports.search.apply(update.search).await?;
        arm_all(ctx, update.moments).await?;
        request.after = page.hits.last().map(|hit| hit.cursor.clone());
        if !page.has_more {
            return Ok(());
        }
    }
}

/// Adds documents, and removals of what was merged, to an update.
async fn describe(
    ctx: &Ctx,
    stored: impl Iterator<Item = Stored<Vulnerability>>,
    update: &mut Update,
) -> Result<()> {
    let stored: Vec<Stored<Vulnerability>> = stored.collect();
    let scanned = scanned(ctx, &stored).await?;
    let policies = policies(ctx, &stored).await?;
    let values: Vec<&Vulnerability> = stored.iter().map(|stored| &stored.value).collect();
    let priorities = priority::of(ctx, &values).await?;
    let books = books(ctx, &values).await?;
    for (stored, priority) in stored.iter().zip(priorities) {
        let Some((policy, revision)) = policies.get(&stored.group) else {
            continue;
        };
        let of = |stream: &str| scanned.get(&(stored.asset, stream.to_owned())).copied();
        let book = books.get(&stored.asset);
        let revision = revision + book.map_or(0, |book| book.version);
        let environments = book.map(|book| names_of(book, &stored.location));
        // An older document never replaces a newer one, and another policy or other environments
        // make a newer one.
        let version = (stored.version << POLICY_BITS) | (revision & ((1 << POLICY_BITS) - 1));
        let environments = environments.unwrap_or_default();
        match document(
            &stored.value,
            version,
            policy,
            priority.tenths,
            environments,
            &of,
        ) {
            Some(document) => update.search.documents.push(document),
            None => update.search.removed.push(Removed {
                id: stored.id,
                version: Some(version),
            }),
        }
        if let Some(at) = next_moment(&stored.value, policy) {
            let first = update.moments.entry(stored.group).or_insert(at);
            *first = at.min(*first);
        }
    }
    Ok(())
}

/// The environments of the assets of these vulnerabilities.
async fn books(
    ctx: &Ctx,
    values: &[&Vulnerability],
) -> Result<HashMap<AssetId, Stored<EnvironmentBook>>> {
    let assets: BTreeSet<AssetId> = values.iter().map(|value| value.asset).collect();
    let assets: Vec<AssetId> = assets.into_iter().collect();
    let books = environment::books(ctx, &assets).await?;
    Ok(assets
        .into_iter()
        .zip(books)
        .filter_map(|(asset, book)| Some((asset, book?)))
        .collect())
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

/// Makes the index anew unless somebody has done so since it stood at `seen`.
async fn renew(ctx: &Ctx, seen: Option<&FeedPosition>) -> Result<()> {
    let _mine = ctx.ports.search.rebuilding().await?;
    let position = ctx.ports.search.position().await?;
    if position.as_ref() != seen.map(|seen| &seen.0) {
        return Ok(());
    }
    make(ctx).await
}

/// Makes the index anew from the store. What commits meanwhile is followed afterwards. Where the index
/// has room for a second one, the present one answers until that is complete.
///
/// # Errors
/// The store's or the index's; an index that was not finished starts over.
pub async fn rebuild(ctx: &Ctx) -> Result<()> {
    let _mine = ctx.ports.search.rebuilding().await?;
    make(ctx).await
}

/// For whoever alone may. The position is `None` until the end: what others follow meanwhile is not
/// taken, and where this one dies the next begins anew.
async fn make(ctx: &Ctx) -> Result<()> {
    let end = ctx.store().feed_end().await?;
    let fresh = ctx.ports.search.renew().await?;
    let index = fresh.as_ref().unwrap_or(&ctx.ports.search);
    if fresh.is_none() {
        index.clear().await?;
    }
    let mut moments: BTreeMap<GroupId, Timestamp> = BTreeMap::new();
    let mut page = PageRequest::first(READ);
    loop {
        let raw = ctx.store().scan(Finding::COLLECTION, &page).await?;
        let findings = repo::typed_page::<Finding>(raw)?;
        let texts = findings
            .items
            .iter()
            .map(|stored| finding_text(&stored.value, stored.version))
            .collect();
        index
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
        let mut update = Update::default();
        describe(ctx, stored.items.into_iter(), &mut update).await?;
        index.apply(update.search).await?;
        for (group, at) in update.moments {
            let first = moments.entry(group).or_insert(at);
            *first = at.min(*first);
        }
        match stored.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    arm_all(ctx, moments).await?;
    index
        .apply(SearchUpdate {
            position: Some(end.0),
            ..SearchUpdate::default()
        })
        .await
}
