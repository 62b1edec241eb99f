//! The findings (weakness types) of a chunk: found by name, created, told more, or joined.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{FindingId, GroupId, OrganizationId};
use crate::import::{ParsedFinding, Weakness};
use crate::model::{Finding, FindingKey};
use crate::port::store::{ChangeSet, Event, Key, Stored};
use crate::port::{fresh, repo};
use crate::rules::identity::finding_names;
use crate::rules::weakness::{first_told, joined, told};

/// Knows which finding each weakness of a running import belongs to.
pub struct Findings {
    organization: OrganizationId,
    group: GroupId,
    by_name: HashMap<String, FindingId>,
    /// Weaknesses of this reading that are done, by address: a parser shares one among all its
    /// instances. Kept alive here so that an address is never used twice.
    done: HashMap<(usize, bool), (Arc<Weakness>, FindingId)>,
}

/// The work of one chunk on findings.
#[derive(Default)]
struct Work {
    current: BTreeMap<FindingId, Option<Stored<Finding>>>,
    next: BTreeMap<FindingId, Finding>,
    new_names: BTreeMap<String, FindingId>,
    moved_names: BTreeMap<String, (Stored<FindingKey>, FindingId)>,
}

impl Findings {
    #[must_use]
    pub fn new(organization: OrganizationId, group: GroupId) -> Self {
        Self {
            organization,
            group,
            by_name: HashMap::new(),
            done: HashMap::new(),
        }
    }

    fn address(finding: &ParsedFinding) -> (usize, bool) {
        (
            Arc::as_ptr(&finding.weakness).addr(),
            finding.location.package().is_some(),
        )
    }

    /// Forgets what a failed commit would have made true.
    pub fn forget(&mut self) {
        self.by_name.clear();
        self.done.clear();
    }

    /// The finding of each item, in order; what must be written is added to `changes`.
    ///
    /// # Errors
    /// The store's.
    pub async fn resolve(
        &mut self,
        ctx: &Ctx,
        items: &[(&ParsedFinding, &str)],
        changes: &mut ChangeSet,
    ) -> Result<Vec<FindingId>> {
        let mut open: Vec<(&ParsedFinding, Vec<String>)> = Vec::new();
        let mut met: HashSet<(usize, bool)> = HashSet::new();
        for (finding, tool) in items {
            if !self.done.contains_key(&Self::address(finding))
                && met.insert(Self::address(finding))
            {
                open.push((finding, finding_names(finding, tool)));
            }
        }
        if !open.is_empty() {
            let mut work = self.load(ctx, &open).await?;
            for (finding, names) in &open {
                let id = self.tell(ctx, &mut work, names, &finding.weakness).await?;
                self.done
                    .insert(Self::address(finding), (finding.weakness.clone(), id));
            }
            self.write(work, changes)?;
        }
        let ids = items
            .iter()
            .map(|(finding, _)| self.done.get(&Self::address(finding)).map(|(_, id)| *id));
        ids.collect::<Option<Vec<_>>>().ok_or_else(|| {
            crate::Error::internal("import.finding_lost", "a finding was not resolved")
        })
    }

    /// Reads the findings of all names that are not known yet.
    async fn load(&mut self, ctx: &Ctx, open: &[(&ParsedFinding, Vec<String>)]) -> Result<Work> {
        let mut names: Vec<&String> = open
            .iter()
            .flat_map(|(_, names)| names)
            .filter(|name| !self.by_name.contains_key(*name))
            .collect();
        names.sort();
        names.dedup();
        let keys: Vec<Key> = names
            .iter()
            .map(|name| FindingKey::key_of(self.group, name))
            .collect();
        let rows = repo::get_keys::<FindingKey>(ctx.store(), &keys).await?;
        for (name, row) in names.into_iter().zip(rows) {
            if let Some(row) = row {
                self.by_name.insert(name.clone(), row.value.finding);
            }
        }
        let mut ids: Vec<FindingId> = open
            .iter()
            .flat_map(|(_, names)| names)
            .filter_map(|name| self.by_name.get(name).copied())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let stored = repo::get_many::<Finding>(ctx.store(), &ids).await?;
        Ok(Work {
            current: ids.into_iter().zip(stored).collect(),
            ..Work::default()
        })
    }

    /// Tells the finding with these names about a weakness; creates or joins where needed.
    async fn tell(
        &mut self,
        ctx: &Ctx,
        work: &mut Work,
        names: &[String],
        weakness: &Weakness,
    ) -> Result<FindingId> {
        let mut holders: Vec<FindingId> = names
            .iter()
            .filter_map(|name| self.by_name.get(name).copied())
            .collect();
        holders.sort_unstable();
        holders.dedup();
        let Some((&id, others)) = holders.split_first() else {
            let id = fresh(ctx.ports.ids.as_ref());
            work.next.insert(
                id,
                first_told(
                    id,
                    self.organization,
                    self.group,
                    names,
                    weakness,
                    ctx.now(),
                ),
            );
            self.name(work, names, id);
            return Ok(id);
        };
        let mut value = work.value(id).ok_or_else(|| {
            crate::Error::internal(
                "store.corrupt",
                "a finding's name points nowhere; run `gna store check`",
            )
        })?;
        for other in others {
            if let Some(absorbed) = work.value(*other) {
                value = joined(&value, &absorbed);
                self.take_names(ctx, work, &absorbed, id).await?;
                work.next.insert(
                    *other,
                    Finding {
                        merged_into: Some(id),
                        ..absorbed
                    },
                );
            }
        }
        let next = told(&value, names, weakness);
        if work.value(id).as_ref() != Some(&next) {
            work.next.insert(id, next);
        }
        self.name(work, names, id);
        Ok(id)
    }

    fn name(&mut self, work: &mut Work, names: &[String], id: FindingId) {
        for name in names {
            if self.by_name.insert(name.clone(), id).is_none() {
                work.new_names.insert(name.clone(), id);
            }
        }
    }

    /// The names of a finding that was joined now belong to the survivor.
    async fn take_names(
        &mut self,
        ctx: &Ctx,
        work: &mut Work,
        absorbed: &Finding,
        survivor: FindingId,
    ) -> Result<()> {
        let keys: Vec<Key> = absorbed
            .keys
            .iter()
            .map(|name| FindingKey::key_of(self.group, name))
            .collect();
        for (name, row) in absorbed
            .keys
            .iter()
            .zip(repo::get_keys::<FindingKey>(ctx.store(), &keys).await?)
        {
            self.by_name.insert(name.clone(), survivor);
            match row {
                // It may move twice in one chunk; the last survivor has it.
                Some(row) => {
                    work.moved_names.insert(name.clone(), (row, survivor));
                }
                None => {
                    work.new_names.insert(name.clone(), survivor);
                }
            }
        }
        Ok(())
    }

    fn write(&self, work: Work, changes: &mut ChangeSet) -> Result<()> {
        for (id, next) in &work.next {
            match work.current.get(id).and_then(Option::as_ref) {
                Some(current) => {
                    changes.update(current, next, Some(Event::named("finding.updated")))?
                }
                None => changes.create(next, Some(Event::named("finding.created")))?,
            }
        }
        for (name, finding) in work.new_names {
            changes.create(
                &FindingKey {
                    group: self.group,
                    name,
                    finding,
                },
                None,
            )?;
        }
        for (row, finding) in work.moved_names.into_values() {
            changes.update(
                &row,
                &FindingKey {
                    finding,
                    ..row.value.clone()
                },
                None,
            )?;
        }
        Ok(())
    }
}

impl Work {
    fn value(&self, id: FindingId) -> Option<Finding> {
        self.next.get(&id).cloned().or_else(|| {
            self.current
                .get(&id)?
                .as_ref()
                .map(|stored| stored.value.clone())
        })
    }
}
