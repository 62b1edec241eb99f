//! What is told about an entry of the feed: the record that it is about, as it is when the feed is
//! followed. Webhooks send it as it is, and whoever watches is shown it; notices make sentences of it.
//!
//! Records are read for a whole stretch of the feed at once, in two steps: [`Subjects`] says whose
//! each entry is, and only where somebody listens [`Messages`] reads what the records name beside
//! themselves. The form is `data.rs`, part of the API and described in `docs/WEBHOOKS.md`.

mod data;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{AssetId, FindingId, GroupId, OrganizationId, RefId, UserId, VulnerabilityId};
use crate::model::{
    Asset, AssetRef, Blocker, Comment, Finding, GateRun, Group, Level, Organization, Report,
    Vulnerability,
};
use crate::port::repo;
use crate::port::store::{ById, Entity, FeedItem, Key, Stored};
use crate::rules::event_type::{TEST, type_of};
use crate::time::Timestamp;

/// What happened, before it is given its time.
pub(super) struct Message {
    pub event: &'static str,
    pub organization: OrganizationId,
    pub group: GroupId,
    /// Where it is about one, or about something of one.
    pub asset: Option<AssetId>,
    /// Where it is about a vulnerability.
    pub level: Option<Level>,
    /// Who is responsible for the vulnerability.
    pub assignee: Option<UserId>,
    pub data: Value,
}

impl Message {
    /// The whole of it (Standard Webhooks, "Payload structure").
    pub fn body(&self, at: Timestamp) -> Value {
        body(self.event, at, &self.data)
    }
}

fn body(event: &str, at: Timestamp, data: &Value) -> Value {
    json!({ "type": event, "timestamp": at.to_string(), "data": data })
}

/// The message that tries an endpoint.
pub(super) fn test(at: Timestamp, by: &str) -> Value {
    body(TEST, at, &json!({ "test": { "sent_by": by } }))
}

/// The records that a stretch of the feed is about.
pub(super) struct Subjects {
    reports: BTreeMap<Key, Stored<Report>>,
    comments: BTreeMap<Key, Stored<Comment>>,
    blockers: BTreeMap<Key, Stored<Blocker>>,
    gate_runs: BTreeMap<Key, Stored<GateRun>>,
    assets: BTreeMap<Key, Stored<Asset>>,
    groups: BTreeMap<Key, Stored<Group>>,
    vulnerabilities: BTreeMap<VulnerabilityId, Stored<Vulnerability>>,
}

impl Subjects {
    /// Of the entries that have a type of event; what is gone is left out.
    pub async fn load(ctx: &Ctx, items: &[FeedItem]) -> Result<Self> {
        let told: Vec<&FeedItem> = items
            .iter()
            .filter(|item| item.version > 0 && type_of(&item.event.name).is_some())
            .collect();
        let comments = records::<Comment>(ctx, &told).await?;
        let own = told
            .iter()
            .filter(|item| item.key.collection == Vulnerability::COLLECTION)
            .filter_map(|item| item.key.partition.parse().ok());
        let vulnerabilities: BTreeSet<VulnerabilityId> = own
            .chain(comments.values().map(|comment| comment.vulnerability))
            .collect();
        Ok(Self {
            reports: records::<Report>(ctx, &told).await?,
            blockers: records::<Blocker>(ctx, &told).await?,
            gate_runs: records::<GateRun>(ctx, &told).await?,
            assets: records::<Asset>(ctx, &told).await?,
            groups: records::<Group>(ctx, &told).await?,
            vulnerabilities: by_id(ctx, vulnerabilities).await?,
            comments,
        })
    }

    /// Whose an entry is; none for what is not told.
    pub fn organization(&self, item: &FeedItem) -> Option<OrganizationId> {
        type_of(&item.event.name)?;
        match item.key.collection {
            Vulnerability::COLLECTION => Some(self.vulnerability(item)?.organization),
            Comment::COLLECTION => Some(self.comment(item)?.1.organization),
            Report::COLLECTION => Some(self.reports.get(&item.key)?.organization),
            Blocker::COLLECTION => Some(self.blockers.get(&item.key)?.organization),
            GateRun::COLLECTION => Some(self.gate_runs.get(&item.key)?.organization),
            Asset::COLLECTION => Some(self.assets.get(&item.key)?.organization),
            Group::COLLECTION => Some(self.groups.get(&item.key)?.organization),
            _ => None,
        }
    }

    fn vulnerability(&self, item: &FeedItem) -> Option<&Stored<Vulnerability>> {
        self.vulnerabilities.get(&item.key.partition.parse().ok()?)
    }

    fn comment(&self, item: &FeedItem) -> Option<(&Stored<Comment>, &Stored<Vulnerability>)> {
        let comment = self.comments.get(&item.key)?;
        Some((comment, self.vulnerabilities.get(&comment.vulnerability)?))
    }
}

/// The subjects with what they name beside themselves.
pub(super) struct Messages {
    subjects: Subjects,
    organizations: BTreeMap<OrganizationId, Stored<Organization>>,
    groups: BTreeMap<GroupId, Stored<Group>>,
    assets: BTreeMap<AssetId, Stored<Asset>>,
    findings: BTreeMap<FindingId, Stored<Finding>>,
    refs: BTreeMap<RefId, Stored<AssetRef>>,
}

impl Messages {
    /// Of the subjects of these organizations.
    pub async fn load(
        ctx: &Ctx,
        subjects: Subjects,
        listening: &BTreeSet<OrganizationId>,
    ) -> Result<Self> {
        let of = |organization: &OrganizationId| listening.contains(organization);
        let vulnerabilities: Vec<&Stored<Vulnerability>> = subjects
            .vulnerabilities
            .values()
            .filter(|value| of(&value.organization))
            .collect();
        let reports = subjects.reports.values();
        let reports: Vec<_> = reports.filter(|value| of(&value.organization)).collect();
        let own_assets = subjects.assets.values();
        let own_assets: Vec<_> = own_assets.filter(|value| of(&value.organization)).collect();
        let own_groups = subjects.groups.values();
        let own_groups: Vec<_> = own_groups.filter(|value| of(&value.organization)).collect();
        let blockers = subjects.blockers.values();
        let blockers: Vec<_> = blockers.filter(|value| of(&value.organization)).collect();
        let gate_runs = subjects.gate_runs.values();
        let gate_runs: Vec<_> = gate_runs.filter(|value| of(&value.organization)).collect();
        let assets = vulnerabilities.iter().map(|value| value.asset);
        let assets = assets
            .chain(blockers.iter().filter_map(|value| value.asset))
            .chain(gate_runs.iter().map(|value| value.asset))
            .chain(reports.iter().map(|value| value.asset))
            .chain(own_assets.iter().map(|value| value.id));
        let groups = vulnerabilities.iter().map(|value| value.group);
        let groups = groups
            .chain(blockers.iter().map(|value| value.group))
            .chain(gate_runs.iter().map(|value| value.group))
            .chain(reports.iter().map(|value| value.group))
            .chain(own_assets.iter().map(|value| value.group))
            .chain(own_groups.iter().map(|value| value.id));
        let findings = vulnerabilities.iter().map(|value| value.finding);
        Ok(Self {
            organizations: by_id(ctx, listening.clone()).await?,
            assets: by_id(ctx, assets.collect()).await?,
            groups: by_id(ctx, groups.collect()).await?,
            findings: by_id(ctx, findings.collect()).await?,
            refs: by_id(ctx, gate_runs.iter().map(|value| value.r#ref).collect()).await?,
            subjects,
        })
    }

    /// What is told about an entry; none for what is not told, is gone, or nobody listens to.
    pub fn of(&self, item: &FeedItem) -> Option<Message> {
        let event = type_of(&item.event.name)?;
        let subjects = &self.subjects;
        match item.key.collection {
            Vulnerability::COLLECTION => self.vulnerability(event, subjects.vulnerability(item)?),
            Comment::COLLECTION => {
                let (comment, about) = subjects.comment(item)?;
                let told = self.vulnerability(event, about)?;
                Some(told.with("comment", data::comment(comment)))
            }
            Report::COLLECTION => {
                let report = subjects.reports.get(&item.key)?;
                let told = self.place(event, report.group, Some(report.asset))?;
                let told = match &report.removed_asset {
                    Some(asset) => told.with("asset", data::asset(asset)),
                    None => told,
                };
                Some(told.with("report", data::report(report)))
            }
            Blocker::COLLECTION => {
                let blocker = subjects.blockers.get(&item.key)?;
                let told = self.place(event, blocker.group, blocker.asset)?;
                Some(told.with("blocker", data::blocker(blocker)))
            }
            GateRun::COLLECTION => {
                let run = subjects.gate_runs.get(&item.key)?;
                let told = self.place(event, run.group, Some(run.asset))?;
                let r#ref = self.refs.get(&run.r#ref).map(|known| &known.value);
                Some(told.with("gate_run", data::gate_run(run, r#ref)))
            }
            Asset::COLLECTION => {
                let asset = subjects.assets.get(&item.key)?;
                self.place(event, asset.group, Some(asset.id))
            }
            Group::COLLECTION => self.place(event, subjects.groups.get(&item.key)?.id, None),
            _ => None,
        }
    }

    /// Organization, group and asset, as all messages name them.
    fn place(
        &self,
        event: &'static str,
        group: GroupId,
        asset: Option<AssetId>,
    ) -> Option<Message> {
        let group = self.groups.get(&group)?;
        let organization = self.organizations.get(&group.organization)?;
        let told = Message {
            event,
            organization: organization.id,
            group: group.id,
            asset,
            level: None,
            assignee: None,
            data: json!({
                "organization": data::organization(organization),
                "group": data::group(group),
            }),
        };
        Some(match asset.and_then(|asset| self.assets.get(&asset)) {
            Some(asset) => told.with("asset", data::asset(asset)),
            None => told,
        })
    }

    fn vulnerability(&self, event: &'static str, of: &Stored<Vulnerability>) -> Option<Message> {
        let told = self.place(event, of.group, Some(of.asset))?;
        let finding = self.findings.get(&of.finding).map(|finding| &finding.value);
        Some(Message {
            level: Some(of.severity.level),
            assignee: of.triage.assignee,
            ..told.with("vulnerability", data::vulnerability(of, finding))
        })
    }
}

impl Message {
    fn with(mut self, name: &str, value: Value) -> Self {
        if let Value::Object(data) = &mut self.data {
            data.insert(name.to_owned(), value);
        }
        self
    }
}

async fn records<E: Entity>(ctx: &Ctx, items: &[&FeedItem]) -> Result<BTreeMap<Key, Stored<E>>> {
    let keys: BTreeSet<&Key> = items
        .iter()
        .map(|item| &item.key)
        .filter(|key| key.collection == E::COLLECTION)
        .collect();
    let keys: Vec<Key> = keys.into_iter().cloned().collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = repo::get_keys::<E>(ctx.store(), &keys).await?;
    Ok(keys
        .into_iter()
        .zip(found)
        .filter_map(|(key, found)| Some((key, found?)))
        .collect())
}

async fn by_id<E: ById>(ctx: &Ctx, ids: BTreeSet<E::Id>) -> Result<BTreeMap<E::Id, Stored<E>>> {
    let ids: Vec<E::Id> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = repo::get_many::<E>(ctx.store(), &ids).await?;
    Ok(ids
        .into_iter()
        .zip(found)
        .filter_map(|(id, found)| Some((id, found?)))
        .collect())
}
