//! One step of a pull: one kind of finding of one project.

use gna_domain::connect::integration::Level;
use gna_domain::connect::mapping::Mapping;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::model::AssetKind;
use gna_domain::page::PageRequest;
use gna_domain::port::recipes::Desk;
use gna_domain::port::store::Stored;
use gna_domain::rules::integration::is_permanent;
use gna_domain::secret::Secret;
use gna_domain::service::report::{self, UploadReport};
use gna_domain::time::{DAY_MS, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::SLOT;
use super::export::{self, Export, Look};
use super::feed::{Feed, Order, text};
use super::snapshot::Snapshot;
use super::source::feeds;

/// How much earlier than the last pull the next one begins, in milliseconds: ten minutes. Apps
/// have clocks and indexes of their own.
const OVERLAP_MS: i64 = 600_000;
/// Most projects of one pull.
const PROJECTS: usize = 500;
/// Longest name of an asset, in characters.
const NAME: usize = 200;
/// Title of messages about single projects.
const TITLE: &str = "Pull";

/// One kind of finding of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Name of the feed.
    pub feed: String,
    /// The app's id of the project.
    pub project: String,
    /// Name of the asset that the findings are of, unless each host is one.
    pub asset: String,
    /// What the app was asked to prepare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
}

/// What became of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// It was read; so many reports were imported.
    Read(u64),
    /// The app prepares it: what to go on with, and not before when.
    Waits(Unit, Option<Timestamp>),
}

impl Unit {
    /// Source id of what is remembered of it.
    fn key(&self) -> String {
        let project = if self.project.len() <= 100 {
            self.project.clone()
        } else {
            Secret::new(self.project.clone()).digest()
        };
        format!("{KEYS}{}:{project}", self.feed)
    }
}

const KEYS: &str = "pull:";

/// What is remembered of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// When it was read last.
    since: Option<Timestamp>,
    /// When everything of it was read last.
    whole: Option<Timestamp>,
    /// Blob of the snapshot.
    blob: Option<String>,
    /// Digest of the last report that was imported.
    digest: Option<String>,
}

impl State {
    fn of(mapping: Option<&Stored<Mapping>>) -> Self {
        mapping
            .and_then(|mapping| serde_json::from_value(mapping.data.clone()).ok())
            .unwrap_or_default()
    }

    /// Since when to ask; `None` for everything.
    fn ask_since(&self, order: Order, now: Timestamp) -> Option<Timestamp> {
        let whole = self.whole?;
        let is_fresh = now.millis().saturating_sub(whole.millis()) < DAY_MS;
        if order == Order::Whole || !is_fresh || self.blob.is_none() {
            return None;
        }
        self.since.map(|since| since.plus_millis(-OVERLAP_MS))
    }

    /// The times after reading what changed since `asked`, all of it or only what comes first.
    fn read(&self, now: Timestamp, asked: Option<Timestamp>, is_whole: bool) -> Self {
        Self {
            // What was left out changed before now, and is asked for again.
            since: if is_whole { Some(now) } else { self.since },
            whole: match asked {
                Some(_) => self.whole,
                None if is_whole => Some(now),
                None => None,
            },
            ..Self::default()
        }
    }
}

/// Everything that a pull goes through.
///
/// # Errors
/// The app's, where it is asked for its projects.
pub async fn units(desk: &Desk<'_>) -> Result<Vec<Unit>> {
    let module = desk.account(SLOT)?.entity.module.as_str().to_owned();
    let (by_project, whole): (Vec<&Feed>, Vec<&Feed>) =
        feeds(&module).partition(|feed| feed.by_project);
    let mut units = Vec::new();
    if !by_project.is_empty() {
        let projects = projects(desk).await?;
        for (project, asset) in projects {
            units.extend(by_project.iter().map(|feed| Unit {
                feed: feed.name.to_owned(),
                project: project.clone(),
                asset: asset.clone(),
                export: None,
            }));
        }
    }
    let account = &desk.account(SLOT)?.entity;
    units.extend(whole.into_iter().map(|feed| Unit {
        feed: feed.name.to_owned(),
        project: account.external_id.clone(),
        asset: name(&account.name),
        export: None,
    }));
    // They are taken from the end.
    units.reverse();
    Ok(units)
}

fn name(name: &str) -> String {
    let name = name.chars().filter(|c| !c.is_control());
    name.take(NAME).collect()
}

/// Id and name of the wanted projects.
async fn projects(desk: &Desk<'_>) -> Result<Vec<(String, String)>> {
    let wanted: Vec<String> = desk
        .text("projects")
        .map(|names| {
            names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect()
        })
        .unwrap_or_default();
    let listed = desk.list(SLOT, "list_projects", json!({})).await?;
    let mut found: Vec<(String, String)> = listed
        .items
        .iter()
        .filter_map(|item| {
            let id = text(item.get("id"))?;
            let title = text(item.get("name")).unwrap_or_else(|| id.clone());
            let is_wanted = wanted.is_empty() || wanted.contains(&id) || wanted.contains(&title);
            is_wanted.then(|| (id, name(&title)))
        })
        .collect();
    // One that the account can read and the list leaves out.
    for project in wanted {
        if !found
            .iter()
            .any(|(id, title)| *id == project || *title == name(&project))
        {
            found.push((project.clone(), name(&project)));
        }
    }
    if found.len() > PROJECTS || !listed.is_whole {
        let text = format!("there are more than {PROJECTS} projects; name those that are wanted");
        desk.note(Level::Warning, TITLE, &text).await?;
        found.truncate(PROJECTS);
    }
    Ok(found)
}

/// Whether an error is about one project, so that the others can go on.
pub fn is_of_unit(error: &Error) -> bool {
    is_permanent(error)
}

/// # Errors
/// The store's.
pub async fn tell(desk: &Desk<'_>, unit: &Unit, error: &Error) -> Result<()> {
    let text = format!("{} of {}: {}", unit.feed, unit.asset, error.message());
    desk.note(Level::Error, TITLE, &text).await
}

/// Reads a unit and imports it where something changed.
///
/// # Errors
/// The app's, the import's refusal, or the store's. Nothing is remembered then, and the next pull
/// reads the same.
pub async fn pull(desk: &Desk<'_>, unit: &Unit) -> Result<Pulled> {
    let module = desk.account(SLOT)?.entity.module.as_str().to_owned();
    let Some(feed) = feeds(&module).find(|feed| feed.name == unit.feed) else {
        return Ok(Pulled::Read(0));
    };
    let key = unit.key();
    let mapping = desk.mapping(&key).await?;
    let state = State::of(mapping.as_ref());
    let now = desk.ctx.now();
    let (begun, since, read) = match (feed.export, &unit.export) {
        (None, _) => {
            let since = state.ask_since(feed.order, now);
            (now, since, feed.read(desk, &unit.project, since).await?)
        }
        (Some(operation), None) => {
            let since = state.ask_since(feed.order, now);
            let begun = export::begin(desk, operation, since).await?;
            let waits = Unit {
                export: Some(begun),
                ..unit.clone()
            };
            return Ok(Pulled::Waits(waits, None));
        }
        (Some(_), Some(export)) => match export::look(desk, feed, export).await? {
            Look::NotYet(at) => return Ok(Pulled::Waits(unit.clone(), Some(at))),
            Look::Ready(read) => (export.begun, export.since, read),
        },
    };
    let known = match &state.blob {
        Some(blob) => known(desk, blob, since).await?,
        None => Snapshot::default(),
    };
    let before = match since {
        Some(_) => known.clone(),
        None => Snapshot::default(),
    };
    let snapshot = before.with(read.items);
    let digest_now = digest(&snapshot.report(feed, &unit.asset), read.is_whole);
    let mut imported = 0;
    if state.digest.as_ref() != Some(&digest_now) {
        // After a part, all that is there is news once more.
        let last = digest(&known.report(feed, &unit.asset), read.is_whole);
        let is_other = state.digest.as_ref() != Some(&last);
        for (asset, report) in snapshot.reports(feed, &unit.asset, &known, is_other) {
            upload(desk, feed, asset, report, !read.is_whole).await?;
            imported += 1;
        }
    }
    if !read.is_whole {
        let text = format!(
            "{} has more findings than are read at once; nothing of it is closed",
            unit.asset
        );
        desk.note(Level::Warning, TITLE, &text).await?;
    }
    let blob = keep(desk, &digest_now, &state, &snapshot).await?;
    let next = State {
        blob: blob.clone(),
        digest: Some(digest_now),
        ..state.read(begun, since, read.is_whole)
    };
    desk.remember(
        mapping.as_ref(),
        &key,
        Some(unit.project.clone()),
        json!(next),
    )
    .await?;
    if let Some(old) = state.blob.filter(|old| blob.as_ref() != Some(old)) {
        forget(desk, &old).await;
    }
    Ok(Pulled::Read(imported))
}

/// What was imported last. Where everything is read anew it may be lost.
async fn known(desk: &Desk<'_>, blob: &str, since: Option<Timestamp>) -> Result<Snapshot> {
    match desk.ctx.ports.blobs.get(blob).await {
        Ok(bytes) => Ok(Snapshot::from_bytes(&bytes)),
        Err(error) if since.is_none() && error.kind() == Kind::NotFound => Ok(Snapshot::default()),
        Err(error) => Err(error),
    }
}

/// The same findings are news once they are all there are: only a complete report closes others.
fn digest(report: &[u8], is_whole: bool) -> String {
    let mut text = String::from_utf8_lossy(report).into_owned();
    if !is_whole {
        text.push_str(" in part");
    }
    Secret::new(text).digest()
}

async fn upload(
    desk: &Desk<'_>,
    feed: &Feed,
    asset: String,
    bytes: Vec<u8>,
    partial: bool,
) -> Result<()> {
    let group = desk.integration.group.ok_or_else(|| {
        Error::invalid(
            "integration.group",
            "name the group that this integration is for",
        )
    })?;
    let upload = UploadReport {
        asset,
        asset_kind: Some(match feed.by_host {
            true => AssetKind::Host,
            false => AssetKind::Repository,
        }),
        r#ref: desk.text("branch").map(str::to_owned),
        file_name: format!("{}.json", feed.name),
        format: Some("gna-json".to_owned()),
        partial,
        ..UploadReport::default()
    };
    report::upload(&desk.ctx, group, upload, bytes.into())
        .await
        .map(|_| ())
}

/// The blob of a snapshot, under a name of its own for each content: the one that is remembered
/// stays whole whatever happens.
async fn keep(
    desk: &Desk<'_>,
    digest: &str,
    state: &State,
    snapshot: &Snapshot,
) -> Result<Option<String>> {
    if state.digest.as_deref() == Some(digest) && state.blob.is_some() {
        return Ok(state.blob.clone());
    }
    let id = desk.ctx.ports.ids.uuid().simple();
    let blob = format!("integrations/{}/{id}", desk.integration.id);
    desk.ctx
        .ports
        .blobs
        .put(&blob, snapshot.to_bytes().into())
        .await?;
    Ok(Some(blob))
}

async fn forget(desk: &Desk<'_>, blob: &str) {
    if let Err(error) = desk.ctx.ports.blobs.delete(blob).await {
        tracing::warn!(
            code = error.code(),
            "a snapshot that nobody needs could not be removed"
        );
    }
}

/// Removes all snapshots.
///
/// # Errors
/// The store's.
pub async fn clear(desk: &Desk<'_>) -> Result<()> {
    let mut page = PageRequest::first(500);
    loop {
        let some = desk.mappings(page.clone()).await?;
        for mapping in some
            .items
            .iter()
            .filter(|mapping| mapping.source.starts_with(KEYS))
        {
            if let Some(blob) = State::of(Some(mapping)).blob {
                forget(desk, &blob).await;
            }
        }
        match some.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_that_was_cut_off_left_out_is_asked_for_again() {
        let at = Timestamp::from_millis;
        let state = State {
            since: Some(at(2_000)),
            whole: Some(at(1_000)),
            blob: Some("b".to_owned()),
            digest: None,
        };
        for (asked, is_whole, since, whole) in [
            (Some(1_500), true, 9_000, Some(1_000)),
            (Some(1_500), false, 2_000, Some(1_000)),
            (None, true, 9_000, Some(9_000)),
            (None, false, 2_000, None),
        ] {
            let next = state.read(at(9_000), asked.map(at), is_whole);
            assert_eq!(next.since, Some(at(since)), "{asked:?} {is_whole}");
            assert_eq!(next.whole, whole.map(at), "{asked:?} {is_whole}");
        }
    }

    #[test]
    fn the_same_findings_are_another_report_once_they_are_all() {
        assert_ne!(digest(b"{}", true), digest(b"{}", false));
        assert_eq!(digest(b"{}", true), digest(b"{}", true));
    }

    #[test]
    fn what_changed_is_asked_for_and_everything_once_a_day() {
        let at = Timestamp::from_millis;
        let state = State {
            since: Some(at(2_000_000)),
            whole: Some(at(1_000_000)),
            blob: Some("b".to_owned()),
            digest: None,
        };
        let asked = state.ask_since(Order::Since, at(3_000_000));
        assert_eq!(asked, Some(at(2_000_000 - OVERLAP_MS)));
        assert_eq!(state.ask_since(Order::NewestFirst, at(3_000_000)), asked);
        assert_eq!(state.ask_since(Order::Whole, at(3_000_000)), None);
        assert_eq!(state.ask_since(Order::Since, at(1_000_000 + DAY_MS)), None);
        let lost = State {
            blob: None,
            ..state
        };
        assert_eq!(lost.ask_since(Order::Since, at(3_000_000)), None);
        assert_eq!(State::default().ask_since(Order::Since, at(1)), None);
    }

    #[test]
    fn long_projects_have_short_keys() {
        let unit = |project: String| Unit {
            feed: "code".to_owned(),
            project,
            asset: "a".to_owned(),
            export: None,
        };
        assert_eq!(unit("acme/web".to_owned()).key(), "pull:code:acme/web");
        assert!(unit("x".repeat(500)).key().len() <= 200);
    }
}
