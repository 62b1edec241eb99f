//! What the asset already knows under the keys of a report: read once for the whole report, kept
//! in step with what is applied, and written with each chunk.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::id::{AssetId, VulnerabilityId};
use crate::model::{Holder, Identity, SnippetHash};
use crate::port::Store;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::identity::Keys;
use crate::rules::matching::Known;

/// Keys looked up at once.
const LOOK_UP: usize = 1_000;

/// The key records of one asset, as far as a report touches them.
pub struct Identities {
    asset: AssetId,
    /// Keys that several items of the report have: only their records are needed again once they
    /// are written. All others are let go, which for a large report is most of its memory.
    repeated: HashSet<[u8; 16]>,
    /// Holders by key; a key that is not here has no record, or is not needed again.
    known: Known,
    /// Versions of those records.
    versions: HashMap<[u8; 16], u64>,
    /// Keys changed since the last commit, with the holders to be written.
    changed: BTreeMap<[u8; 16], Vec<Holder>>,
}

impl Identities {
    /// Reads the records of all these keys. `fresh` says that the asset has none at all.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(
        store: &dyn Store,
        asset: AssetId,
        items: &[Keys],
        fresh: bool,
    ) -> Result<Self> {
        let mut loaded = Self {
            asset,
            repeated: repeated(items),
            known: Known::new(),
            versions: HashMap::new(),
            changed: BTreeMap::new(),
        };
        if !fresh {
            let hashes: BTreeSet<[u8; 16]> = items
                .iter()
                .flat_map(|item| item.keys.iter().map(|key| key.hash))
                .collect();
            loaded.reload(store, hashes).await?;
        }
        Ok(loaded)
    }

    /// Reads these keys' records again and forgets what was to be written.
    ///
    /// # Errors
    /// The store's.
    pub async fn reload(
        &mut self,
        store: &dyn Store,
        hashes: impl IntoIterator<Item = [u8; 16]>,
    ) -> Result<()> {
        self.changed.clear();
        let hashes: Vec<[u8; 16]> = hashes.into_iter().collect();
        for some in hashes.chunks(LOOK_UP) {
            let keys: Vec<_> = some
                .iter()
                .map(|hash| Identity::key_of(self.asset, &hex::encode(hash)))
                .collect();
            for (hash, raw) in some.iter().zip(store.get(&keys).await?) {
                match raw {
                    Some(raw) => self.remember(*hash, raw.typed()?),
                    None => {
                        self.known.remove(hash);
                        self.versions.remove(hash);
                    }
                }
            }
        }
        Ok(())
    }

    fn remember(&mut self, hash: [u8; 16], row: Stored<Identity>) {
        self.versions.insert(hash, row.version);
        self.known.insert(hash, row.value.holders);
    }

    /// For matching.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.known
    }

    fn holders(&self, hash: &[u8; 16]) -> &[Holder] {
        let holders = self.changed.get(hash).or_else(|| self.known.get(hash));
        holders.map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the vulnerability has this key.
    #[must_use]
    pub fn is_held(&self, hash: &[u8; 16], vulnerability: VulnerabilityId) -> bool {
        let mut holders = self.holders(hash).iter();
        holders.any(|holder| holder.vulnerability == vulnerability)
    }

    /// Notes that a vulnerability has these keys, and where it is now.
    pub fn hold(&mut self, vulnerability: VulnerabilityId, keys: &Keys) {
        let now = Holder {
            vulnerability,
            line: keys.line,
            snippet: keys.snippet.map(SnippetHash),
        };
        for key in &keys.keys {
            // A report that says nothing new changes no record, and copies none.
            let holders = self.holders(&key.hash);
            if holders.contains(&now) {
                continue;
            }
            let mut holders = holders.to_vec();
            match holders
                .iter_mut()
                .find(|holder| holder.vulnerability == vulnerability)
            {
                Some(holder) => *holder = now.clone(),
                None => holders.push(now.clone()),
            }
            self.changed.insert(key.hash, holders);
        }
    }

    /// Gives all keys of one vulnerability to another. The records of the keys must have been read
    /// ([`Identities::ensure`]).
    pub fn hand_over(&mut self, from: VulnerabilityId, to: VulnerabilityId, hashes: &[[u8; 16]]) {
        for hash in hashes {
            let mut holders = self.holders(hash).to_vec();
            let already = holders.iter().any(|holder| holder.vulnerability == to);
            for holder in holders
                .iter_mut()
                .filter(|holder| holder.vulnerability == from)
            {
                holder.vulnerability = to;
            }
            if already {
                let mut kept = false;
                holders.retain(|holder| {
                    holder.vulnerability != to || !std::mem::replace(&mut kept, true)
                });
            }
            self.changed.insert(*hash, holders);
        }
    }

    /// Reads records of keys that the report itself does not have.
    ///
    /// # Errors
    /// The store's.
    pub async fn ensure(&mut self, store: &dyn Store, hashes: &[[u8; 16]]) -> Result<()> {
        let missing: Vec<[u8; 16]> = hashes
            .iter()
            .filter(|hash| !self.known.contains_key(*hash))
            .copied()
            .collect();
        for some in missing.chunks(LOOK_UP) {
            let keys: Vec<_> = some
                .iter()
                .map(|hash| Identity::key_of(self.asset, &hex::encode(hash)))
                .collect();
            for (hash, raw) in some.iter().zip(store.get(&keys).await?) {
                if let Some(raw) = raw {
                    self.remember(*hash, raw.typed()?);
                }
            }
        }
        Ok(())
    }

    /// Adds the changed records to a change set.
    ///
    /// # Errors
    /// Only if a value can't be written as JSON.
    pub fn write(&self, changes: &mut ChangeSet) -> Result<()> {
        for (hash, holders) in &self.changed {
            let row = Identity {
                asset: Some(self.asset),
                hash: hex::encode(hash),
                holders: holders.clone(),
            };
            match self.versions.get(hash) {
                Some(version) => changes.update(
                    &Stored {
                        value: row.clone(),
                        version: *version,
                    },
                    &row,
                    None,
                )?,
                None => changes.create(&row, None)?,
            }
        }
        Ok(())
    }

    /// What was written is committed.
    pub fn committed(&mut self) {
        for (hash, holders) in std::mem::take(&mut self.changed) {
            if self.repeated.contains(&hash) {
                *self.versions.entry(hash).or_insert(0) += 1;
                self.known.insert(hash, holders);
            } else {
                self.versions.remove(&hash);
                self.known.remove(&hash);
            }
        }
    }
}

fn repeated(items: &[Keys]) -> HashSet<[u8; 16]> {
    let mut met = HashSet::with_capacity(items.len());
    let hashes = items.iter().flat_map(|item| &item.keys);
    hashes
        .filter_map(|key| (!met.insert(key.hash)).then_some(key.hash))
        .collect()
}

/// A stored key's hash as bytes; `None` for one that another version of the algorithm wrote.
#[must_use]
pub fn bytes_of(hash: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(hash, &mut bytes).ok()?;
    Some(bytes)
}
