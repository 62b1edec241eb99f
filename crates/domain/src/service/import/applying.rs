//! Applying: the plan's items in chunks, each one commit.

use std::collections::HashMap;
use std::sync::Arc;

use super::apart::told;
use super::findings::Findings;
use super::identities::{Identities, bytes_of};
use super::run::Import;
use crate::error::{Error, Kind, Result};
use crate::id::VulnerabilityId;
use crate::import::{ParsedFinding, Plan, Reported, Step};
use crate::model::{
    Counter, Counts, PresenceRecord, Progress, Report, Sighting, State, Stream, Tally,
    Vulnerability, VulnerabilityEvent,
};
use crate::port::store::{ChangeSet, Effect, Entity, Expect, Stored, TOO_LARGE, Write};
use crate::port::{OpenReport, repo};
use crate::rules::identity::Keys;
use crate::rules::lifecycle::apply_all;
use crate::rules::sighting::{Home, View, absorb, born, seen};
use crate::rules::triage_rule;
use crate::service::change::{Cause, record, record_born};

/// Items in a chunk where the store takes that many: large enough that one commit's cost is
/// shared, small enough that readers and other writers are not kept waiting.
const CHUNK: usize = 1_000;
/// Writes that one item needs as a rule: itself, presence, keys. A chunk whose items need more (two
/// history rows, their findings with names) than the store takes at once is applied in halves.
const WRITES_PER_ITEM: usize = 5;
/// How often a chunk is done anew when someone else changed what it rests on.
const RACES: usize = 5;

pub struct Applying<'a, 'b> {
    import: &'a mut Import<'b>,
    plan: &'a Plan,
    keys: &'a [Keys],
    identities: &'a mut Identities,
    findings: Findings,
    counter: Option<Stored<Counter>>,
}

/// What one chunk comes to, before it is committed.
struct Chunk {
    changes: ChangeSet,
    counts: Counts,
    tally: Tally,
    /// Values after this chunk of vulnerabilities that it touched, with what they were before.
    touched: HashMap<VulnerabilityId, Touched>,
}

/// What a sighting did to a known vulnerability, from the least on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Nothing,
    Updated,
    Reopened,
}

struct Touched {
    before: Option<Stored<Vulnerability>>,
    events: Vec<VulnerabilityEvent>,
    now: Vulnerability,
}

impl<'a, 'b> Applying<'a, 'b> {
    pub fn new(
        import: &'a mut Import<'b>,
        plan: &'a Plan,
        keys: &'a [Keys],
        identities: &'a mut Identities,
    ) -> Self {
        let findings = Findings::new(import.asset.organization, import.asset.group);
        Self {
            import,
            plan,
            keys,
            identities,
            findings,
            counter: None,
        }
    }

    /// Applies what is not applied yet.
    ///
    /// # Errors
    /// The store's; the job is then taken up again from the last chunk that committed.
    pub async fn run(mut self, report: Arc<dyn OpenReport>) -> Result<()> {
        let mut next = usize::try_from(self.import.report.progress.applied).unwrap_or(usize::MAX);
        if next >= self.plan.items.len() {
            return Ok(());
        }
        self.load_counter().await?;
        let size = (self.import.ctx.store().limits().writes / WRITES_PER_ITEM).clamp(1, CHUNK);
        let mut batches = super::reading::findings(report, next);
        let mut pending: Vec<ParsedFinding> = Vec::with_capacity(size * 2);
        while let Some(batch) = batches.recv().await {
            // The report was read to its end before; a refusal now is ours.
            pending.extend(
                batch.map_err(|refusal| Error::internal("import.unstable", refusal.message))?,
            );
            while pending.len() >= size {
                let rest = pending.split_off(size);
                self.chunk(next, &pending).await?;
                next += pending.len();
                pending = rest;
            }
        }
        if !pending.is_empty() {
            self.chunk(next, &pending).await?;
        }
        Ok(())
    }

    async fn load_counter(&mut self) -> Result<()> {
        let key = Counter::key_of(self.import.asset.group, self.import.asset.id);
        self.counter = repo::get_keys::<Counter>(self.import.ctx.store(), &[key])
            .await?
            .pop()
            .flatten();
        Ok(())
    }

    /// One chunk, in as many commits as the store makes of it.
    async fn chunk(&mut self, from: usize, findings: &[ParsedFinding]) -> Result<()> {
        let mut waiting = vec![(from, findings)];
        while let Some((from, some)) = waiting.pop() {
            match self.whole(from, some).await {
                Err(error) if error.code() == TOO_LARGE && some.len() > 1 => {
                    self.forget(from, some).await?;
                    let (first, second) = some.split_at(some.len() / 2);
                    waiting.push((from + first.len(), second));
                    waiting.push((from, first));
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Items in one commit: decided and committed, anew if a race was lost.
    async fn whole(&mut self, from: usize, findings: &[ParsedFinding]) -> Result<()> {
        for race in 0.. {
            let decided = self.decide(from, findings).await?;
            match self.commit(decided, findings.len()).await {
                Err(error) if error.kind() == Kind::Conflict && race < RACES => {
                    self.forget(from, findings).await?;
                }
                other => return other,
            }
        }
        Ok(())
    }

    /// Unlearns what a commit that did not happen would have changed.
    async fn forget(&mut self, from: usize, findings: &[ParsedFinding]) -> Result<()> {
        self.findings.forget();
        self.load_counter().await?;
        let keys = self
            .keys
            .get(from..from + findings.len())
            .unwrap_or_default();
        let hashes: Vec<[u8; 16]> = keys
            .iter()
            .flat_map(|keys| keys.keys.iter().map(|key| key.hash))
            .collect();
        self.identities
            .reload(self.import.ctx.store(), hashes)
            .await
    }

    async fn commit(&mut self, mut chunk: Chunk, items: usize) -> Result<()> {
        let asset = &self.import.asset;
        let counter = Counter {
            group: asset.group,
            asset: asset.id,
            tally: chunk.tally,
        };
        match &self.counter {
            Some(current) if current.value == counter => {}
            Some(current) => chunk.changes.update(current, &counter, None)?,
            None => chunk.changes.create(&counter, None)?,
        }
        let changed = self
            .counter
            .as_ref()
            .is_none_or(|current| current.value != counter);
        let progress = Progress {
            applied: self.import.report.progress.applied + u64::try_from(items).unwrap_or(0),
            ..self.import.report.progress.clone()
        };
        let report = Report {
            counts: chunk.counts,
            progress,
            ..self.import.report.value.clone()
        };
        self.import
            .commit(chunk.changes, report, "report.progressed")
            .await?;
        if changed {
            let version = self
                .counter
                .as_ref()
                .map_or(1, |current| current.version + 1);
            self.counter = Some(Stored {
                value: counter,
                version,
            });
        }
        self.identities.committed();
        Ok(())
    }

    async fn decide(&mut self, from: usize, findings: &[ParsedFinding]) -> Result<Chunk> {
        let tally = self
            .counter
            .as_ref()
            .map(|counter| counter.tally.clone())
            .unwrap_or_default();
        let mut chunk = Chunk {
            changes: ChangeSet::new(),
            counts: self.import.report.counts.clone(),
            tally,
            touched: HashMap::new(),
        };
        let mut items = Vec::new();
        for (at, finding) in (from..).zip(findings) {
            let (Some(planned), Some(keys)) = (self.plan.items.get(at), self.keys.get(at)) else {
                return Err(Error::internal(
                    "import.unstable",
                    "the report read differently the second time",
                ));
            };
            match &planned.step {
                Step::Duplicate(_) => chunk.counts.duplicates += 1,
                step => items.push((finding, keys, step, planned.stream)),
            }
        }
        let plan = self.plan;
        let tool = |stream: usize| {
            plan.streams
                .get(stream)
                .map_or("", |stream| stream.tool.as_str())
        };
        let named: Vec<(&ParsedFinding, &str)> = items
            .iter()
            .map(|(finding, _, _, stream)| (*finding, tool(*stream)))
            .collect();
        let homes = self
            .findings
            .resolve(self.import.ctx, &named, &mut chunk.changes)
            .await?;
        let mut known = self.load(&items).await?;
        for ((finding, keys, step, stream), home) in items.into_iter().zip(homes) {
            let Some(stream) = plan.streams.get(stream) else {
                continue;
            };
            let view = self.view(&stream.tool, stream.category);
            let home = Home {
                organization: self.import.asset.organization,
                group: self.import.asset.group,
                asset: self.import.asset.id,
                finding: home,
                review: self.import.policy.review_new,
            };
            match step {
                Step::Create(id) => self.create(&mut chunk, *id, home, &view, finding, keys),
                Step::See(id, absorbs) => {
                    let change = self
                        .see(&mut chunk, &mut known, *id, absorbs, &view, finding, keys)
                        .await?;
                    chunk.count(finding, change);
                }
                Step::SeeEach(each) => {
                    let current = |id| chunk.current(&known, id);
                    let told = told(each, finding, keys, self.identities, current);
                    // One item counts once: by the most that it did.
                    let mut most = Change::Nothing;
                    for ((id, absorbs), (finding, keys)) in each.iter().zip(&told) {
                        let change = self
                            .see(&mut chunk, &mut known, *id, absorbs, &view, finding, keys)
                            .await?;
                        most = most.max(change);
                    }
                    chunk.count(finding, most);
                }
                Step::Duplicate(_) => {}
            }
        }
        self.settle(chunk)
    }

    fn view<'v>(&self, tool: &'v str, category: crate::import::Category) -> View<'v> {
        let report = &self.import.report;
        let sighting = Sighting {
            report: report.id,
            at: report.scanned_at,
            commit: report.commit.clone(),
        };
        View {
            tool,
            category,
            r#ref: report.r#ref,
            default_ref: self.import.asset.default_ref,
            sighting,
            previous: None,
        }
    }

    /// The known vulnerabilities that the chunk is about.
    async fn load(
        &self,
        items: &[(&ParsedFinding, &Keys, &Step, usize)],
    ) -> Result<HashMap<VulnerabilityId, Stored<Vulnerability>>> {
        let mut ids: Vec<VulnerabilityId> = Vec::new();
        for (_, _, step, _) in items {
            match step {
                Step::See(id, absorbs) => {
                    ids.push(*id);
                    ids.extend(absorbs);
                }
                Step::SeeEach(each) => {
                    for (id, absorbs) in each {
                        ids.push(*id);
                        ids.extend(absorbs);
                    }
                }
                Step::Create(_) | Step::Duplicate(_) => {}
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let stored = repo::get_many::<Vulnerability>(self.import.ctx.store(), &ids).await?;
        Ok(stored
            .into_iter()
            .flatten()
            .map(|stored| (stored.value.id, stored))
            .collect())
    }

    fn create(
        &mut self,
        chunk: &mut Chunk,
        id: VulnerabilityId,
        home: Home,
        view: &View<'_>,
        finding: &ParsedFinding,
        keys: &Keys,
    ) {
        let value = born(id, home, view, finding, keys, self.import.ctx.now());
        match finding.reported {
            Reported::Suppressed { .. } => chunk.counts.suppressed += 1,
            _ => chunk.counts.created += 1,
        }
        self.identities.hold(id, keys);
        chunk.touched.insert(
            id,
            Touched {
                before: None,
                events: Vec::new(),
                now: value,
            },
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of the loop, split off to be read alone"
    )]
    async fn see(
        &mut self,
        chunk: &mut Chunk,
        known: &mut HashMap<VulnerabilityId, Stored<Vulnerability>>,
        id: VulnerabilityId,
        absorbs: &[VulnerabilityId],
        view: &View<'_>,
        finding: &ParsedFinding,
        keys: &Keys,
    ) -> Result<Change> {
        let now = self.import.ctx.now();
        // Most of a report that was imported before: nothing new about it, so nothing is copied.
        if let Some(current) = known.get(&id)
            && absorbs.is_empty()
            && seen(current, view, finding, keys, now).is_empty()
        {
            self.identities.hold(id, keys);
            return Ok(Change::Nothing);
        }
        let Some(current) = chunk.take(known, id) else {
            return Err(Error::internal(
                "store.corrupt",
                "a key points at a vulnerability that is not there; run `gna store check`",
            ));
        };
        let mut value = current.now;
        let mut events = current.events;
        for other in absorbs {
            if let Some(absorbed) = chunk
                .take(known, *other)
                .filter(|absorbed| absorbed.now.merged_into.is_none())
            {
                let (mine, theirs) = absorb(&value, &absorbed.now, view.default_ref, now);
                let hashes: Vec<[u8; 16]> = absorbed
                    .now
                    .keys
                    .iter()
                    .filter_map(|key| bytes_of(&key.hash))
                    .collect();
                self.identities
                    .ensure(self.import.ctx.store(), &hashes)
                    .await?;
                self.identities.hand_over(*other, id, &hashes);
                value = apply_all(&value, &mine, now);
                events.extend(mine);
                let merged = apply_all(&absorbed.now, &theirs, now);
                chunk.touched.insert(
                    *other,
                    Touched {
                        events: [absorbed.events, theirs].concat(),
                        now: merged,
                        before: absorbed.before,
                    },
                );
                chunk.counts.merged += 1;
            }
        }
        let was_closed = matches!(value.state, State::Closed(_));
        let news = seen(&value, view, finding, keys, now);
        let next = apply_all(&value, &news, now);
        self.identities.hold(id, keys);
        let change = if was_closed && next.state == State::Open {
            Change::Reopened
        } else if news.is_empty() && absorbs.is_empty() {
            Change::Nothing
        } else {
            Change::Updated
        };
        events.extend(news);
        chunk.touched.insert(
            id,
            Touched {
                before: current.before,
                events,
                now: next,
            },
        );
        Ok(change)
    }

    /// Turns what the chunk touched into writes.
    fn settle(&self, mut chunk: Chunk) -> Result<Chunk> {
        let report = &self.import.report;
        let cause = Cause {
            actor: report.uploaded_by.clone(),
            at: self.import.ctx.now(),
            report: Some(report.id),
            reason: None,
        };
        let mut touched: Vec<Touched> = std::mem::take(&mut chunk.touched).into_values().collect();
        touched.sort_by_key(|touched| touched.now.id);
        let import = &self.import;
        for Touched {
            before,
            mut events,
            mut now,
        } in touched
        {
            let was = before.as_ref().map(|stored| &stored.value);
            if was.is_some() && events.is_empty() {
                continue;
            }
            // What is new counts from when it was made.
            let at = was.map_or(now.created, |_| cause.at);
            let ran = triage_rule::run(&import.rules, &now, &import.asset, &import.policy, at);
            let born = now.clone();
            if !ran.events.is_empty() {
                now = apply_all(&now, &ran.events, at);
            }
            chunk.tally = chunk.tally.moved(was, Some(&now), at);
            presence(&mut chunk.changes, was, &now)?;
            match &before {
                Some(current) => {
                    events.extend(ran.events);
                    record(&mut chunk.changes, current, events, &cause)?;
                }
                None => {
                    record_born(&mut chunk.changes, &born, ran.events)?;
                }
            }
        }
        self.identities.write(&mut chunk.changes)?;
        Ok(chunk)
    }
}

impl Chunk {
    /// Counts an item by what it did to what it is a sighting of.
    fn count(&mut self, finding: &ParsedFinding, change: Change) {
        let counts = &mut self.counts;
        match (&finding.reported, change) {
            (Reported::Suppressed { .. }, _) => counts.suppressed += 1,
            (_, Change::Nothing) => counts.unchanged += 1,
            (_, Change::Updated) => counts.updated += 1,
            (_, Change::Reopened) => counts.reopened += 1,
        }
    }

    /// The value of a known vulnerability as this chunk has it so far.
    fn current<'v>(
        &'v self,
        known: &'v HashMap<VulnerabilityId, Stored<Vulnerability>>,
        id: VulnerabilityId,
    ) -> Option<&'v Vulnerability> {
        let touched = self.touched.get(&id).map(|touched| &touched.now);
        touched.or_else(|| known.get(&id).map(|stored| &stored.value))
    }

    /// Takes the vulnerability out, as this chunk has it so far.
    fn take(
        &mut self,
        known: &mut HashMap<VulnerabilityId, Stored<Vulnerability>>,
        id: VulnerabilityId,
    ) -> Option<Touched> {
        self.touched.remove(&id).or_else(|| {
            let stored = known.remove(&id)?;
            Some(Touched {
                now: stored.value.clone(),
                before: Some(stored),
                events: Vec::new(),
            })
        })
    }
}

/// The streams a vulnerability is present in, as keys of presence records.
fn streams(value: &Vulnerability) -> Vec<String> {
    if value.merged_into.is_some() {
        return Vec::new();
    }
    let mut names: Vec<String> = value
        .sources
        .iter()
        .flat_map(|source| {
            source
                .presence
                .iter()
                .filter(|presence| presence.gone.is_none())
                .map(|presence| Stream::name_of(presence.r#ref, presence.category, &source.tool))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Keeps the list of each stream in step with the sources of a vulnerability.
///
/// # Errors
/// Only if a value can't be written as JSON.
pub fn presence(
    changes: &mut ChangeSet,
    before: Option<&Vulnerability>,
    after: &Vulnerability,
) -> Result<()> {
    let was = before.map(streams).unwrap_or_default();
    let is = streams(after);
    for stream in is.iter().filter(|stream| !was.contains(stream)) {
        changes.create(&PresenceRecord::new(after.asset, stream, after.id), None)?;
    }
    for stream in was.iter().filter(|stream| !is.contains(stream)) {
        let key = PresenceRecord::new(after.asset, stream, after.id).key();
        // Presence records are created and removed, never changed.
        changes.writes.push(Write {
            key,
            expect: Expect::Version(1),
            effect: Effect::Delete,
            event: None,
        });
    }
    Ok(())
}
