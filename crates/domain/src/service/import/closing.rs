//! Closing: what a complete report no longer shows is gone from its streams.

use std::collections::HashSet;

use super::applying::presence;
use super::planning::shown;
use super::run::Import;
use crate::error::{Error, Kind, Result};
use crate::id::VulnerabilityId;
use crate::import::{Plan, PlannedStream};
use crate::model::{
    Counter, Environment, Location, PresenceRecord, Progress, Report, Sighting, State, Stream,
    Vulnerability,
};
use crate::page::PageRequest;
use crate::port::repo;
use crate::port::store::{ChangeSet, Entity, Key, List, Stored};
use crate::rules::environment::is_in;
use crate::rules::sighting::{View, gone};
use crate::service::change::{Cause, record};
use crate::service::environment;

/// Vulnerabilities closed in one commit.
const CHUNK: usize = 500;
/// Writes that one of them may need.
const WRITES_PER_ITEM: usize = 6;
const RACES: usize = 5;

/// Closes what is missing in each stream that is not done yet. A partial report closes nothing.
///
/// # Errors
/// The store's; the job is then taken up again.
pub async fn close_missing(import: &mut Import<'_>, plan: &Plan) -> Result<()> {
    if import.report.partial || !import.policy.close_missing {
        return Ok(());
    }
    let place = match &import.report.environment {
        None => Place::Everywhere,
        Some(about) => {
            let books = environment::books(import.ctx, &[import.asset.id]).await?;
            let book = books.into_iter().next().flatten();
            let all = book.map_or_else(Vec::new, |book| book.value.environments);
            let known = all.into_iter().find(|known| known.id == about.id);
            // Removed meanwhile: then it is not known where it looked.
            known.map_or(Place::Nowhere, Place::In)
        }
    };
    let done = usize::try_from(import.report.progress.streams_closed).unwrap_or(usize::MAX);
    for (at, stream) in plan.streams.iter().enumerate().skip(done) {
        let shown = shown(plan, at);
        close_stream(import, stream, &place, &shown).await?;
        let progress = Progress {
            streams_closed: u32::try_from(at + 1).unwrap_or(u32::MAX),
            ..import.report.progress.clone()
        };
        let next = Report {
            progress,
            ..import.report.value.clone()
        };
        import
            .commit(ChangeSet::new(), next, "report.progressed")
            .await?;
    }
    Ok(())
}

/// Where a report looked.
enum Place {
    Everywhere,
    In(Environment),
    Nowhere,
}

impl Place {
    fn has(&self, location: &Location) -> bool {
        match self {
            Self::Everywhere => true,
            Self::In(environment) => is_in(environment, location),
            Self::Nowhere => false,
        }
    }
}

async fn close_stream(
    import: &mut Import<'_>,
    stream: &PlannedStream,
    place: &Place,
    shown: &HashSet<VulnerabilityId>,
) -> Result<()> {
    let name = Stream::name_of(import.report.r#ref, stream.category, &stream.tool);
    let size = (import.ctx.store().limits().writes / WRITES_PER_ITEM).clamp(1, CHUNK);
    let key = Key::new(
        Stream::COLLECTION,
        import.asset.id.to_string(),
        name.clone(),
    );
    let previous = repo::get_keys::<Stream>(import.ctx.store(), &[key])
        .await?
        .pop()
        .flatten();
    let previous = previous.map(|stream| Sighting {
        report: stream.report,
        at: stream.scanned_at,
        commit: stream.commit.clone(),
    });
    let mut page = PageRequest::first(1_000);
    loop {
        let list = List {
            collection: "presence",
            index: None,
            partition: vec![PresenceRecord::partition_of(import.asset.id, &name)],
            prefix: String::new(),
            until: None,
            descending: false,
            page: page.clone(),
        };
        let Some(listed) = import.ctx.store().list(&[list]).await?.pop() else {
            return Ok(());
        };
        let missing: Vec<VulnerabilityId> = repo::ids(listed.items.iter().map(|raw| &raw.key.sort))
            .into_iter()
            .filter(|id| !shown.contains(id))
            .collect();
        for some in missing.chunks(size) {
            close_some(import, stream, place, previous.as_ref(), some).await?;
        }
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// One commit, done anew if a race was lost.
async fn close_some(
    import: &mut Import<'_>,
    stream: &PlannedStream,
    place: &Place,
    previous: Option<&Sighting>,
    ids: &[VulnerabilityId],
) -> Result<()> {
    for race in 0.. {
        match try_close(import, stream, place, previous, ids).await {
            Err(error) if error.kind() == Kind::Conflict && race < RACES => {}
            other => return other,
        }
    }
    Ok(())
}

async fn try_close(
    import: &mut Import<'_>,
    stream: &PlannedStream,
    place: &Place,
    previous: Option<&Sighting>,
    ids: &[VulnerabilityId],
) -> Result<()> {
    let ctx = import.ctx;
    let report = import.report.value.clone();
    let now = ctx.now();
    let sighting = Sighting {
        report: report.id,
        at: report.scanned_at,
        commit: report.commit.clone(),
    };
    let view = View {
        tool: &stream.tool,
        category: stream.category,
        r#ref: report.r#ref,
        default_ref: import.asset.default_ref,
        sighting,
        previous: previous.cloned(),
    };
    let cause = Cause {
        actor: report.uploaded_by.clone(),
        at: now,
        report: Some(report.id),
        reason: None,
    };
    let counter_key = Counter::key_of(import.asset.group, import.asset.id);
    let counter: Option<Stored<Counter>> = repo::get_keys(ctx.store(), &[counter_key])
        .await?
        .pop()
        .flatten();
    let Some(counter) = counter else {
        return Err(Error::internal(
            "store.corrupt",
            "an asset's counter is missing; run `gna store check`",
        ));
    };
    let mut changes = ChangeSet::new();
    let mut tally = counter.tally.clone();
    let mut closed = 0;
    for current in repo::get_many::<Vulnerability>(ctx.store(), ids)
        .await?
        .into_iter()
        .flatten()
        .filter(|current| place.has(&current.location))
    {
        let events = gone(&current.value, &view, now);
        if events.is_empty() {
            continue;
        }
        let was_open = !matches!(current.state, State::Closed(_));
        let next = record(&mut changes, &current, events, &cause)?;
        presence(&mut changes, Some(&current.value), &next)?;
        tally = tally.moved(Some(&current.value), Some(&next), now);
        closed += u64::from(was_open && matches!(next.state, State::Closed(_)));
    }
    let next = Counter {
        tally,
        ..counter.value.clone()
    };
    if next != counter.value {
        changes.update(&counter, &next, None)?;
    }
    let mut counts = report.counts.clone();
    counts.closed += closed;
    import
        .commit(changes, Report { counts, ..report }, "report.progressed")
        .await
}
