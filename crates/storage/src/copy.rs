//! Copies a whole store into another, whatever the two are.
//!
//! Every item goes over as it is: key, version, body, index entries, expiry; with them histories
//! and unique values, which are items too. The feed does not: nobody who follows it must hear of a
//! copy, and derived indexes are rebuilt. A record in the target says how far the copy came, and
//! moves in the same commit as the items, so that a copy that was killed goes on where it stopped.
//! Until [`activate`] that record stays: a target is not to work on jobs before somebody says so.
//!
//! Nothing may write to either store meanwhile; the comparison at the end shows if something did.

use crate::collection::{COLLECTIONS, FOLLOWER};
use crate::kernel::{Backend, Batch, Error, Expect, Item, ItemKey, ItemPage, Op};
use gna_domain::page::Cursor;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Holds the one record about a copy; itself never copied.
pub const COLLECTION: &str = "copy";

/// Items read at once, and most in one commit, where the target takes so many.
const PAGE: usize = 500;
/// Bodies in one commit, in bytes, where the target takes so many.
const BYTES: usize = 16 * 1_024 * 1_024;
/// Of them, what is kept for the record of the copy.
const RECORD: usize = 16 * 1_024;

/// How far a copy came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Not all is there: the store must not be used.
    Copying,
    /// Complete and compared; jobs wait until it is activated.
    Paused,
}

/// The record in the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub stage: Stage,
    /// Items copied so far.
    pub items: u64,
    /// The collection that is being copied; all before it are done.
    pub collection: String,
    /// Where in it to go on.
    pub after: Option<String>,
}

/// One collection after the copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    pub collection: &'static str,
    pub items: u64,
    /// SHA-256 over all of its items in key order, the same in both stores.
    pub sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("the source: {0}")]
    From(Error),
    #[error("the target: {0}")]
    To(Error),
    #[error("{0}")]
    Refused(String),
}

fn marker() -> ItemKey {
    ItemKey {
        collection: COLLECTION,
        partition: "state".into(),
        sort: String::new(),
    }
}

/// What the store knows of a copy into it; `None` for a store that works.
///
/// # Errors
/// The store's.
pub async fn progress(store: &dyn Backend) -> Result<Option<(Progress, u64)>, Error> {
    let found = store.get_many(&[marker()]).await?.pop().flatten();
    found
        .map(|item| {
            serde_json::from_slice(&item.body)
                .map(|progress| (progress, item.version))
                .map_err(|_| Error::Corrupt("the record of a copy can't be read".into()))
        })
        .transpose()
}

/// Lets a complete copy work. False where there is nothing to activate.
///
/// # Errors
/// The store's; [`CopyError::Refused`] while the copy is not complete.
pub async fn activate(store: &dyn Backend) -> Result<bool, CopyError> {
    match progress(store).await.map_err(CopyError::To)? {
        None => Ok(false),
        Some((
            Progress {
                stage: Stage::Copying,
                ..
            },
            _,
        )) => Err(CopyError::Refused(
            "the copy is not complete; run `gna store copy` again, it goes on where it stopped"
                .into(),
        )),
        Some((_, version)) => {
            let delete = Op::Delete {
                key: marker(),
                expect: Expect::Version(version),
            };
            store
                .commit(Batch { ops: vec![delete] })
                .await
                .map_err(CopyError::To)?;
            Ok(true)
        }
    }
}

/// Copies everything and compares the two stores. Calls `told` after every step. Goes on with a
/// copy that was interrupted; one that is complete and not yet activated is compared again.
///
/// # Errors
/// Either store's; [`CopyError::Refused`] where the source is itself a copy that is not complete, or
/// the target holds something else or turns out to differ.
pub async fn copy(
    from: &dyn Backend,
    to: &dyn Backend,
    told: &(dyn Fn(&Progress) + Send + Sync),
) -> Result<Vec<Copied>, CopyError> {
    complete(from).await?;
    let (mut state, mut version) = begin(to).await?;
    let names: Vec<&'static str> = copied().collect();
    let start = match state.stage {
        // Killed after the last commit, before it could be told: only compared again.
        Stage::Paused => names.len(),
        Stage::Copying => names
            .iter()
            .position(|name| *name == state.collection)
            .unwrap_or(0),
    };
    for name in names.iter().copied().skip(start) {
        if state.collection != name {
            state.collection = name.to_owned();
            state.after = None;
        }
        loop {
            let after = state.after.clone().map(Cursor);
            let page = from
                .scan(name, after.as_ref(), PAGE)
                .await
                .map_err(CopyError::From)?;
            state.items += u64::try_from(page.items.len()).unwrap_or_default();
            state.after = page.next.as_ref().map(|next| next.0.clone());
            version = write(to, page, &state, version).await?;
            told(&state);
            if state.after.is_none() {
                break;
            }
        }
    }
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        let source = digest(from, name).await.map_err(CopyError::From)?;
        let target = digest(to, name).await.map_err(CopyError::To)?;
        if source != target {
            return Err(CopyError::Refused(format!(
                "the collection {name} differs after the copy ({} and {} items); was one of the stores in use? Empty the target and copy again with both at rest",
                source.items, target.items
            )));
        }
        all.push(source);
    }
    if state.stage == Stage::Copying {
        state.stage = Stage::Paused;
        mark(to, Vec::new(), &state, version).await?;
    }
    Ok(all)
}

/// Refuses a source of which a part is missing: counts and checksums of the two would agree all the same.
async fn complete(from: &dyn Backend) -> Result<(), CopyError> {
    match progress(from).await.map_err(CopyError::From)? {
        Some((state, _)) if state.stage == Stage::Copying => Err(CopyError::Refused(
            "the source is itself a copy that is not complete; run the `gna store copy` into it again, it goes on where it stopped"
                .into(),
        )),
        _ => Ok(()),
    }
}

/// Places in the feed mean nothing in another store; whoever followed it begins anew at its end.
fn copied() -> impl Iterator<Item = &'static str> {
    COLLECTIONS
        .iter()
        .map(|collection| collection.name)
        .filter(|name| ![COLLECTION, FOLLOWER].contains(name))
}

/// The record of an interrupted copy, or a new one in an empty target.
async fn begin(to: &dyn Backend) -> Result<(Progress, u64), CopyError> {
    if let Some(begun) = progress(to).await.map_err(CopyError::To)? {
        return Ok(begun);
    }
    for name in copied() {
        let some = to.scan(name, None, 1).await.map_err(CopyError::To)?;
        if !some.items.is_empty() {
            return Err(CopyError::Refused(format!(
                "the target is not empty (it holds {name} records); copy into a new store"
            )));
        }
    }
    let state = Progress {
        stage: Stage::Copying,
        items: 0,
        collection: String::new(),
        after: None,
    };
    let version = mark(to, Vec::new(), &state, 0).await?;
    Ok((state, version))
}

/// Writes a page in commits that the target takes; the record moves with the last of them.
async fn write(
    to: &dyn Backend,
    page: ItemPage,
    state: &Progress,
    version: u64,
) -> Result<u64, CopyError> {
    let limits = to.limits();
    let most_ops = limits.batch_ops.saturating_sub(1);
    let most_bytes = BYTES.min(limits.batch_bytes).saturating_sub(RECORD);
    let (mut ops, mut bytes) = (Vec::new(), 0);
    for item in page.items {
        let is_full = ops.len() >= most_ops || bytes + item.body.len() > most_bytes;
        if is_full && !ops.is_empty() {
            let ops = std::mem::take(&mut ops);
            to.commit(Batch { ops }).await.map_err(CopyError::To)?;
            bytes = 0;
        }
        bytes += item.body.len();
        // Whatever is there: what a killed copy wrote is written again.
        ops.push(Op::Put {
            item,
            expect: Expect::Any,
        });
    }
    mark(to, ops, state, version).await
}

/// Commits with the record, which nobody else may have moved.
async fn mark(
    to: &dyn Backend,
    mut ops: Vec<Op>,
    state: &Progress,
    version: u64,
) -> Result<u64, CopyError> {
    let item = Item {
        key: marker(),
        version: version + 1,
        // Texts and numbers always serialise.
        body: serde_json::to_vec(state).unwrap_or_default().into(),
        entries: Vec::new(),
        expires: None,
    };
    let expect = match version {
        0 => Expect::Absent,
        version => Expect::Version(version),
    };
    ops.push(Op::Put { item, expect });
    match to.commit(Batch { ops }).await {
        Ok(_) => Ok(version + 1),
        Err(Error::Conflict { .. }) => Err(CopyError::Refused(
            "another process copies into this store".into(),
        )),
        Err(error) => Err(CopyError::To(error)),
    }
}

async fn digest(store: &dyn Backend, collection: &'static str) -> Result<Copied, Error> {
    let (mut hash, mut items, mut after) = (Sha256::new(), 0_u64, None);
    loop {
        let page = store.scan(collection, after.as_ref(), PAGE).await?;
        for item in &page.items {
            add(&mut hash, item);
            items += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(Copied {
        collection,
        items,
        sha256: hex::encode(hash.finalize()),
    })
}

/// Every part with its length, so that no two items give the same bytes.
fn add(hash: &mut Sha256, item: &Item) {
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    part(item.key.partition.as_bytes());
    part(item.key.sort.as_bytes());
    part(&item.version.to_be_bytes());
    part(&item.body);
    part(
        item.expires
            .map_or_else(String::new, |at| at.millis().to_string())
            .as_bytes(),
    );
    for entry in &item.entries {
        part(entry.index.as_bytes());
        part(entry.partition.as_bytes());
        part(entry.sort.as_bytes());
    }
}

#[cfg(test)]
mod tests;
