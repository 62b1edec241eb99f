//! Taking a merge back: a person says that two vulnerabilities are not the same after all.

use std::collections::BTreeMap;

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{RuleId, VulnerabilityId};
use crate::model::{
    Asset, HistoryEntry, Holder, Identity, State, Triage, Verification, VerificationStatus,
    Vulnerability, VulnerabilityEvent,
};
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::lifecycle::{apply, apply_all, resettle_severity, settle};
use crate::rules::weakness_acceptance::{accepted_by, taken_back};
use crate::time::Timestamp;

use super::vulnerability::{Step, commit_with, require};
use super::weakness_acceptance;

/// Separates `absorbed` from the vulnerability that took it in. The absorbed one gets back its
/// state, what people had decided about it, and the keys that it had; both remember that they are kept apart, so that no later import
/// merges them again. What reports said after the merge stays with the survivor. A weakness acceptance that
/// ended while they were one does not come back with what it had set.
///
/// # Errors
/// Not permitted, `vulnerability.not_merged`, `store.conflict`, or the store's.
pub async fn unmerge(
    ctx: &Ctx,
    absorbed: VulnerabilityId,
    reason: Option<&str>,
) -> Result<Stored<Vulnerability>> {
    let other = require(ctx, absorbed).await?;
    ctx.permit(
        Action::VulnerabilityDecide,
        Resource::Group(other.organization, other.group),
    )?;
    let Some(into) = other.merged_into else {
        return Err(Error::conflict(
            "vulnerability.not_merged",
            "it was not merged into another one",
        ));
    };
    let survivor = repo::require::<Vulnerability>(ctx.store(), into).await?;
    let asset = repo::require::<Asset>(ctx.store(), other.asset).await?;
    let mut changes = ChangeSet::new();
    give_keys_back(ctx, &survivor.value, &other.value, &mut changes).await?;
    let mut mine = vec![VulnerabilityEvent::Unmerged { other: other.id }];
    mine.extend(triage_before(ctx, &survivor, other.id).await?);
    let after = apply_all(&survivor.value, &mine, ctx.now());
    mine.extend(resettle_severity(&after));
    let mut theirs = restored(ctx, &other, &asset.value, into).await?;
    let mut apart = [(&survivor.value, &mut mine), (&other.value, &mut theirs)];
    take_back_ended(ctx, &mut apart, &mut changes).await?;
    let steps = vec![
        Step {
            current: survivor,
            events: mine,
        },
        Step {
            current: other,
            events: theirs,
        },
    ];
    let mut after = commit_with(ctx, steps, changes, "vulnerability.unmerged", reason).await?;
    after
        .pop()
        .ok_or_else(|| Error::internal("vulnerability.lost", "nothing was changed"))
}

/// What people had decided about the survivor before the merge, where the merge changed it and
/// nobody has decided anything since. Later decisions were made about both and stay.
async fn triage_before(
    ctx: &Ctx,
    survivor: &Stored<Vulnerability>,
    other: VulnerabilityId,
) -> Result<Option<VulnerabilityEvent>> {
    let history = repo::all_children::<HistoryEntry>(ctx.store(), &survivor.id.to_string()).await?;
    let events = history
        .iter()
        .flat_map(|entry| entry.events.iter().map(|event| (event, entry.at)));
    let mut value: Option<Vulnerability> = None;
    let mut before: Option<Triage> = None;
    let mut merged = None;
    let mut in_merge = false;
    for (event, at) in events {
        match event {
            VulnerabilityEvent::Absorbed { other: absorbed } => {
                in_merge = *absorbed == other;
                if in_merge {
                    before = value.as_ref().map(|value| value.triage.clone());
                }
            }
            VulnerabilityEvent::TriageMerged { triage } if in_merge => {
                merged = Some(triage.as_ref().clone());
            }
            _ => {}
        }
        value = after(value, event, at);
    }
    Ok(before
        .filter(|_| merged.as_ref() == Some(&survivor.triage))
        .map(|triage| VulnerabilityEvent::TriageMerged {
            triage: Box::new(triage),
        }))
}

/// A record after one more of its events; there is none before it was created.
fn after(
    value: Option<Vulnerability>,
    event: &VulnerabilityEvent,
    at: Timestamp,
) -> Option<Vulnerability> {
    match (value, event) {
        (None, VulnerabilityEvent::Created { value }) => Some(value.as_ref().clone()),
        (value, event) => value.map(|value| apply(&value, event, at)),
    }
}

/// The events that bring the absorbed one back to what it was before the merge. A retest that waited,
/// which the merge had answered, waits again; on hold for nothing, since what blocked it may be solved.
async fn restored(
    ctx: &Ctx,
    other: &Stored<Vulnerability>,
    asset: &Asset,
    into: VulnerabilityId,
) -> Result<Vec<VulnerabilityEvent>> {
    let history = repo::all_children::<HistoryEntry>(ctx.store(), &other.id.to_string()).await?;
    let mut before: Option<Vulnerability> = None;
    for entry in &history {
        let merged_here = entry
            .events
            .iter()
            .any(|event| matches!(event, VulnerabilityEvent::MergedInto { .. }));
        if merged_here {
            break;
        }
        for event in &entry.events {
            before = after(before, event, entry.at);
        }
    }
    let state = before.as_ref().map_or(State::Open, |before| before.state);
    let mut events = vec![
        VulnerabilityEvent::Unmerged { other: into },
        VulnerabilityEvent::StateChanged { state },
    ];
    let retest = before.and_then(|before| before.triage.verification);
    if let Some(retest) = retest.filter(Verification::is_pending) {
        let retest = Verification {
            status: VerificationStatus::Requested,
            held: None,
            blocker: None,
            ..retest
        };
        let triage = Triage {
            verification: Some(retest),
            ..other.triage.clone()
        };
        events.push(VulnerabilityEvent::TriageMerged {
            triage: Box::new(triage),
        });
    }
    let now = apply_all(&other.value, &events, ctx.now());
    events.extend(settle(&now, asset.default_ref));
    Ok(events)
}

/// Adds what takes back the acceptances that ended meanwhile: their runs went past what was merged.
async fn take_back_ended(
    ctx: &Ctx,
    apart: &mut [(&Vulnerability, &mut Vec<VulnerabilityEvent>)],
    changes: &mut ChangeSet,
) -> Result<()> {
    let mut ended: BTreeMap<RuleId, u32> = BTreeMap::new();
    for (current, events) in apart {
        let after = apply_all(current, events, ctx.now());
        let Some((id, _)) = accepted_by(&after) else {
            continue;
        };
        let last = match ended.get(&id) {
            Some(last) => *last,
            None => weakness_acceptance::last_ended(ctx, after.organization, id, changes).await?,
        };
        ended.insert(id, last);
        events.extend(taken_back(&after, id, last));
    }
    Ok(())
}

/// The keys that the absorbed one had are its own again; those that only the survivor had stay.
async fn give_keys_back(
    ctx: &Ctx,
    survivor: &Vulnerability,
    other: &Vulnerability,
    changes: &mut ChangeSet,
) -> Result<()> {
    let hashes: BTreeMap<&str, ()> = other
        .keys
        .iter()
        .map(|key| (key.hash.as_str(), ()))
        .collect();
    let keys: Vec<_> = hashes
        .keys()
        .map(|hash| Identity::key_of(other.asset, hash))
        .collect();
    for (hash, row) in hashes
        .keys()
        .zip(repo::get_keys::<Identity>(ctx.store(), &keys).await?)
    {
        let Some(row) = row else { continue };
        let mut holders: Vec<Holder> = row
            .holders
            .iter()
            .filter(|holder| {
                holder.vulnerability != survivor.id && holder.vulnerability != other.id
            })
            .cloned()
            .collect();
        holders.push(Holder {
            vulnerability: other.id,
            line: other.location.line(),
            snippet: None,
        });
        let value = |holders| Identity {
            asset: Some(other.asset),
            hash: (*hash).to_owned(),
            holders,
        };
        let current = Stored {
            value: value(row.holders.clone()),
            version: row.version,
        };
        changes.update(&current, &value(holders), None)?;
    }
    Ok(())
}
