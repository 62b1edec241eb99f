//! Bringing vulnerabilities and issues together, one at a time.

use gna_domain::connect::integration::Level as MessageLevel;
use gna_domain::connect::mapping::Mapping;
use gna_domain::connect::process::{Process, ProcessProgress};
use gna_domain::ctx::Resource;
use gna_domain::error::{Error, Result};
use gna_domain::id::VulnerabilityId;
use gna_domain::model::{ClosedReason, Group, State};
use gna_domain::page::{Cursor, PageRequest};
use gna_domain::port::recipes::Desk;
use gna_domain::port::repo;
use gna_domain::port::search::Sort;
use gna_domain::port::store::Stored;
use gna_domain::rules::decide::Decision;
use gna_domain::rules::integration::is_permanent;
use gna_domain::rules::process::Step;
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::{triage, vulnerability};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::plan::{Move, Side, is_to_be_written, plan};
use super::tracker::{Changed, Issue, Seen, Tracker};
use super::words::{Said, below, shown};
use crate::recipes::changes::Look;
use crate::recipes::subject::{Subject, threshold};

/// Source id of the mapping that holds how far the tracker was looked at.
const CURSOR: &str = "cursor";
/// Source id of the mapping that holds when unfinished issues were looked for.
const SWEPT: &str = "swept";
/// How often they are, in milliseconds.
const SWEEP_MS: i64 = 3_600_000;
/// Vulnerabilities looked at in one step of the process that files issues.
const STEP: usize = 25;
/// Title of messages about single issues.
const ISSUE: &str = "Issue";

/// What is remembered of a vulnerability that has an issue, or is getting one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// The state that both sides agreed on last.
    pub agreed: Side,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A person made the issue: its title and text stay theirs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
    /// Digest of the title and text that were written there last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Digest of what the tracker showed after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

impl Known {
    /// Before there is an issue.
    fn begun() -> Self {
        Self {
            agreed: Side::Open,
            url: None,
            by_hand: false,
            said: None,
            shown: None,
        }
    }

    pub fn of(mapping: &Mapping) -> Self {
        serde_json::from_value(mapping.data.clone()).unwrap_or_else(|_| Self::begun())
    }

    /// Whether title and text are to be written, where the tracker shows this.
    fn lacks(&self, said: &Said, theirs: Option<&str>) -> bool {
        let (written, after) = (self.said.as_deref(), self.shown.as_deref());
        !self.by_hand && is_to_be_written(&said.digest, written, theirs, after)
    }
}

/// Source id of the mapping that leads from an issue back.
pub(super) fn back(issue: &str) -> String {
    format!("issue:{issue}")
}

impl Subject {
    pub(super) fn side(&self) -> Side {
        if self.is_open() {
            Side::Open
        } else {
            Side::Closed
        }
    }
}

pub(super) struct Sync<'d, 'a> {
    pub desk: &'d Desk<'a>,
    pub tracker: Tracker<'d, 'a>,
    /// Whether issues that people made were looked for.
    pub heard: OnceCell<()>,
}

impl<'d, 'a> Sync<'d, 'a> {
    /// # Errors
    /// `integration.not_configured`.
    pub fn at(desk: &'d Desk<'a>) -> Result<Self> {
        Ok(Self {
            desk,
            tracker: Tracker::at(desk)?,
            heard: OnceCell::new(),
        })
    }

    pub async fn remember(
        &self,
        before: Option<&Stored<Mapping>>,
        source: &str,
        issue: Option<&str>,
        known: &Known,
    ) -> Result<Stored<Mapping>> {
        let issue = issue.map(str::to_owned);
        self.desk
            .remember(before, source, issue, json!(known))
            .await
    }

    /// Brings one vulnerability and its issue together. `theirs` is the issue where it was just read.
    ///
    /// # Errors
    /// The app's, or the store's.
    pub async fn reconcile(&self, id: VulnerabilityId, theirs: Option<&Issue>) -> Result<()> {
        let Some(subject) = Subject::load(self.desk, id).await? else {
            return Ok(());
        };
        let source = id.to_string();
        let Some(mapping) = self.desk.mapping(&source).await? else {
            if subject.is_open() && subject.level() >= threshold(self.desk) {
                self.hear_of_new().await?;
                if self.desk.mapping(&source).await?.is_none() {
                    let known = Known::begun();
                    let begun = self.remember(None, &source, None, &known).await?;
                    self.make(&subject, begun, false).await?;
                }
            }
            return Ok(());
        };
        let Some(issue) = mapping.external.clone() else {
            // Somebody began and did not come back: it may be there.
            return self.make(&subject, mapping, true).await;
        };
        let mapping = self.say(&subject, &issue, mapping, theirs).await?;
        let known = Known::of(&mapping);
        let ours = subject.side();
        let agree = async |side| {
            let known = Known {
                agreed: side,
                ..known.clone()
            };
            self.remember(Some(&mapping), &source, Some(&issue), &known)
                .await
        };
        match plan(known.agreed, ours, theirs.map(|theirs| theirs.side)) {
            Move::Nothing => {}
            Move::Agree(side) => {
                agree(side).await?;
            }
            Move::TellThem(side) => {
                self.tell_them(&issue, side).await?;
                agree(side).await?;
            }
            Move::TellUs(side) => {
                if self.tell_us(&subject, side).await? {
                    agree(side).await?;
                } else {
                    // Here it can't be so: the issue follows.
                    self.tell_them(&issue, ours).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes title and text there where they are other than they should be. `theirs` is the issue
    /// where it was just read.
    pub async fn say(
        &self,
        subject: &Subject,
        issue: &str,
        mapping: Stored<Mapping>,
        theirs: Option<&Issue>,
    ) -> Result<Stored<Mapping>> {
        let known = Known::of(&mapping);
        let said = Said::of(subject);
        let source = subject.vulnerability.id.to_string();
        let theirs = theirs.and_then(|theirs| shown(theirs, &source));
        if !known.lacks(&said, theirs.as_deref()) {
            return Ok(mapping);
        }
        // What people wrote below is read anew, so that little of it can be written over.
        let after = match self.tracker.get(issue).await? {
            None => {
                self.gone(issue).await?;
                None
            }
            Some(now) => {
                let theirs = shown(&now, &source);
                if !known.lacks(&said, theirs.as_deref()) {
                    return Ok(mapping);
                }
                let below = below(now.body.as_deref().unwrap_or_default(), &source);
                let written = self.tracker.rewrite(issue, &said.title, &said.body, below);
                if let Err(error) = written.await {
                    self.missing(issue, error).await?;
                }
                self.tracker.get(issue).await?
            }
        };
        let known = Known {
            shown: after.and_then(|after| shown(&after, &source)),
            said: Some(said.digest),
            ..known
        };
        self.remember(Some(&mapping), &source, Some(issue), &known)
            .await
    }

    pub async fn tell_them(&self, issue: &str, side: Side) -> Result<()> {
        match self.tracker.set(issue, side).await {
            Err(error) => self.missing(issue, error).await,
            Ok(()) => Ok(()),
        }
    }

    /// Somebody removed the issue: nothing is left to be told.
    async fn missing(&self, issue: &str, error: Error) -> Result<()> {
        if error.code() != "app.not_found" {
            return Err(error);
        }
        self.gone(issue).await
    }

    async fn gone(&self, issue: &str) -> Result<()> {
        let text = format!("issue {issue} is gone from the tracker");
        self.desk.note(MessageLevel::Warning, ISSUE, &text).await
    }

    /// Whether the vulnerability could be changed.
    async fn tell_us(&self, subject: &Subject, side: Side) -> Result<bool> {
        let value = &subject.vulnerability.value;
        let decision = match (side, value.state) {
            (Side::Closed, State::Open) => Decision::Close(ClosedReason::Fixed),
            (Side::Open, State::Closed(_)) => Decision::Reopen,
            _ => return Ok(false),
        };
        let reason = Some("the issue in the connected tracker was changed");
        match triage::decide(&self.desk.ctx, value.id, decision, reason, None).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_retryable() || error.code() == "store.conflict" => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Tells of an issue that can't be dealt with, which is no reason to leave the others.
    pub async fn noted(&self, issue: &str, done: Result<()>) -> Result<()> {
        match done {
            Err(error) if is_permanent(&error) => {
                let text = format!("issue {issue}: {}", error.message());
                self.desk.note(MessageLevel::Error, ISSUE, &text).await
            }
            done => done,
        }
    }

    /// What changed in the tracker since the last look, and how far that came.
    pub async fn read(&self) -> Result<(Option<Stored<Mapping>>, Look, Changed)> {
        let cursor = self.desk.mapping(CURSOR).await?;
        let data = cursor.as_ref().map(|cursor| &cursor.data);
        let overlap = self.tracker.overlap();
        let first = self.desk.integration.created.plus_millis(-overlap);
        let mut look = Look::after(data, first, overlap, self.desk.ctx.now());
        let read = self.tracker.changed_since(look.since, look.page.clone());
        let changed = match read.await {
            Err(error) if look.page.is_some() && is_permanent(&error) => {
                look = look.anew();
                self.tracker.changed_since(look.since, None).await?
            }
            read => read?,
        };
        Ok((cursor, look, changed))
    }

    /// Brings together what changed in the tracker since the last look.
    ///
    /// # Errors
    /// The app's, or the store's; the next look begins where this one did.
    pub async fn look(&self) -> Result<()> {
        let (cursor, look, changed) = self.read().await?;
        for seen in &changed.issues {
            self.noted(&seen.id, self.hear(seen).await).await?;
        }
        let next = look.read_to(changed.next);
        self.desk
            .remember(cursor.as_ref(), CURSOR, None, next)
            .await
            .map(|_| ())
    }

    async fn hear(&self, seen: &Seen) -> Result<()> {
        let Some(mapping) = self.desk.mapping(&back(&seen.id)).await? else {
            return match &seen.issue {
                Some(issue) => self.adopt(issue).await,
                None => Ok(()),
            };
        };
        let id = mapping.external.as_deref().and_then(|id| id.parse().ok());
        let Some(id) = id else { return Ok(()) };
        let read = match &seen.issue {
            Some(issue) => Some(issue.clone()),
            None => self.tracker.get(&seen.id).await?,
        };
        match read {
            Some(issue) => self.reconcile(id, Some(&issue)).await,
            None => Ok(()),
        }
    }

    /// What was begun and not ended: its job was killed while it made an issue, and given up. Looked
    /// for once an hour, since it takes reading everything that is remembered.
    ///
    /// # Errors
    /// The app's, or the store's.
    pub async fn finish_begun(&self) -> Result<()> {
        let now = self.desk.ctx.now().millis();
        let swept = self.desk.mapping(SWEPT).await?;
        let last = swept.as_ref().and_then(|swept| swept.data.as_i64());
        if last.is_some_and(|last| now.saturating_sub(last) < SWEEP_MS) {
            return Ok(());
        }
        self.finish_all().await?;
        self.desk
            .remember(swept.as_ref(), SWEPT, None, Value::from(now))
            .await
            .map(|_| ())
    }

    async fn finish_all(&self) -> Result<()> {
        let mut page = PageRequest::first(500);
        loop {
            let some = self.desk.mappings(page.clone()).await?;
            for mapping in &some.items {
                if mapping.external.is_none()
                    && let Ok(id) = mapping.source.parse::<VulnerabilityId>()
                {
                    self.reconcile(id, None).await?;
                }
            }
            match some.next {
                Some(next) => page.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// One step through all open vulnerabilities: those without an issue get one.
    ///
    /// # Errors
    /// The app's, the index's, or the store's.
    pub async fn file(&self, process: &Process) -> Result<Step> {
        let ctx = &self.desk.ctx;
        let organization = self.desk.integration.organization;
        let groups = match self.desk.integration.group {
            Some(group) => vec![group],
            None => {
                let of = organization.to_string();
                let all = repo::list_all::<Group>(ctx.store(), "by_organization", &[&of]).await?;
                all.iter().map(|group| group.id).collect()
            }
        };
        let scope: Vec<Resource> = groups
            .into_iter()
            .map(|group| Resource::Group(organization, group))
            .collect();
        let sort = Sort {
            field: "created",
            descending: false,
        };
        let page = PageRequest {
            first: STEP,
            after: process
                .context
                .as_str()
                .map(|after| Cursor(after.to_owned())),
        };
        let filter = VulnerabilityFilter::default();
        let found = vulnerability::query(ctx, &scope, &filter, sort, &page).await?;
        let mut progress = process.progress;
        for (stored, _) in &found.items {
            progress.done += 1;
            match self.reconcile(stored.id, None).await {
                Err(error) if is_permanent(&error) => {
                    progress.failed += 1;
                    let text = format!("{}: {}", stored.id, error.message());
                    self.desk.note(MessageLevel::Error, ISSUE, &text).await?;
                }
                done => done?,
            }
        }
        Ok(match found.items.last() {
            Some((_, cursor)) if found.has_more => Step::More {
                context: Value::from(cursor.0.clone()),
                progress,
                at: None,
            },
            _ => Step::Done {
                results: json!({ "looked_at": progress.done, "failed": progress.failed }),
                progress: ProcessProgress {
                    total: Some(progress.done),
                    ..progress
                },
            },
        })
    }
}
