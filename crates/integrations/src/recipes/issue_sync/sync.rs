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
use gna_domain::rules::desk::Command;
use gna_domain::rules::integration::is_permanent;
use gna_domain::rules::process::Step;
use gna_domain::secret::Secret;
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::{triage, vulnerability};
use gna_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::plan::{Move, Side, plan};
use super::tracker::{Issue, Tracker};
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
struct Known {
    /// The state that both sides agreed on last.
    agreed: Side,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Digest of the title and text that were written there last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

impl Known {
    fn of(mapping: &Mapping) -> Self {
        serde_json::from_value(mapping.data.clone()).unwrap_or(Self {
            agreed: Side::Open,
            url: None,
            said: None,
        })
    }
}

/// The line by which an issue is found again.
fn marker(id: &str) -> String {
    format!("Gna: {id}")
}

/// Whether a text has that line, and not only the start of a longer id.
fn has_marker(text: &str, id: &str) -> bool {
    let line = marker(id);
    text.match_indices(&line).any(|(at, _)| {
        let rest = text.get(at + line.len()..).unwrap_or_default();
        !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
    })
}

/// Source id of the mapping that leads from an issue back.
fn back(issue: &str) -> String {
    format!("issue:{issue}")
}

impl Subject {
    fn side(&self) -> Side {
        if self.is_open() {
            Side::Open
        } else {
            Side::Closed
        }
    }
}

/// What the issue says.
struct Said {
    title: String,
    body: String,
    digest: String,
}

impl Said {
    fn of(subject: &Subject) -> Self {
        let title = subject.title();
        let id = subject.vulnerability.id.to_string();
        let body = format!("{}\n\n{}", subject.text(), marker(&id));
        let digest = Secret::new(format!("{title}\n{body}")).digest();
        Self {
            title,
            body,
            digest,
        }
    }
}

pub(super) struct Sync<'d, 'a> {
    desk: &'d Desk<'a>,
    tracker: Tracker<'d, 'a>,
}

impl<'d, 'a> Sync<'d, 'a> {
    /// # Errors
    /// `integration.not_configured`.
    pub fn at(desk: &'d Desk<'a>) -> Result<Self> {
        Ok(Self {
            desk,
            tracker: Tracker::at(desk)?,
        })
    }

    async fn remember(
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
                let known = Known {
                    agreed: Side::Open,
                    url: None,
                    said: None,
                };
                let begun = self.remember(None, &source, None, &known).await?;
                self.make(&subject, begun, false).await?;
            }
            return Ok(());
        };
        let Some(issue) = mapping.external.clone() else {
            // Somebody began and did not come back: it may be there.
            return self.make(&subject, mapping, true).await;
        };
        let mapping = self.say(&subject, &issue, mapping).await?;
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

    /// Writes title and text there where they changed here.
    async fn say(
        &self,
        subject: &Subject,
        issue: &str,
        mapping: Stored<Mapping>,
    ) -> Result<Stored<Mapping>> {
        let known = Known::of(&mapping);
        let said = Said::of(subject);
        if known.said.as_deref() == Some(said.digest.as_str()) {
            return Ok(mapping);
        }
        if let Err(error) = self.tracker.rewrite(issue, &said.title, &said.body).await {
            self.missing(issue, error).await?;
        }
        let known = Known {
            said: Some(said.digest),
            ..known
        };
        let source = subject.vulnerability.id.to_string();
        self.remember(Some(&mapping), &source, Some(issue), &known)
            .await
    }

    async fn tell_them(&self, issue: &str, side: Side) -> Result<()> {
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

    async fn make(&self, subject: &Subject, begun: Stored<Mapping>, look: bool) -> Result<()> {
        let source = subject.vulnerability.id.to_string();
        let there = if look {
            self.find(&source, begun.updated).await?
        } else {
            None
        };
        let said = Said::of(subject);
        let issue = match there {
            Some(issue) => issue,
            // It closed before anybody opened an issue: there is nothing to do any more.
            None if !subject.is_open() => return self.desk.forget(&begun).await,
            None => self.tracker.create(&said.title, &said.body).await?,
        };
        let way_back = back(&issue.id);
        if self.desk.mapping(&way_back).await?.is_none() {
            let to = Some(source.clone());
            self.desk.remember(None, &way_back, to, Value::Null).await?;
        }
        let known = Known {
            agreed: issue.side,
            url: issue.url.clone(),
            said: Some(said.digest),
        };
        let mapping = self
            .remember(Some(&begun), &source, Some(&issue.id), &known)
            .await?;
        if subject.side() != issue.side {
            // It changed while nobody knew whether it had an issue.
            self.tell_them(&issue.id, subject.side()).await?;
            let known = Known {
                agreed: subject.side(),
                ..known
            };
            self.remember(Some(&mapping), &source, Some(&issue.id), &known)
                .await?;
        }
        self.link(subject, issue.url).await
    }

    /// The issue that somebody made and did not write down.
    async fn find(&self, source: &str, begun: Timestamp) -> Result<Option<Issue>> {
        let since = begun.plus_millis(-self.tracker.overlap());
        for seen in self.tracker.changed_since(since, None).await?.issues {
            let issue = match seen.issue {
                Some(issue) => Some(issue),
                None => self.tracker.get(&seen.id).await?,
            };
            if let Some(issue) = issue
                && has_marker(&issue.body, source)
            {
                return Ok(Some(issue));
            }
        }
        Ok(None)
    }

    /// Shows the issue's address with the vulnerability, unless a person linked another ticket.
    async fn link(&self, subject: &Subject, url: Option<String>) -> Result<()> {
        let value = &subject.vulnerability.value;
        if url.is_none() || value.triage.ticket.is_some() {
            return Ok(());
        }
        match triage::act(&self.desk.ctx, value.id, &Command::Link(url), None, None).await {
            Err(error) if error.is_retryable() => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads what changed in the tracker since the last look; answers how many issues were compared.
    ///
    /// # Errors
    /// The app's, or the store's; the next look begins where this one did.
    pub async fn look(&self) -> Result<usize> {
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
        let mut looked = 0;
        for seen in &changed.issues {
            let Some(mapping) = self.desk.mapping(&back(&seen.id)).await? else {
                continue;
            };
            let Some(id) = mapping.external.as_deref().and_then(|id| id.parse().ok()) else {
                continue;
            };
            let read = match &seen.issue {
                Some(issue) => Some(issue.clone()),
                None => self.tracker.get(&seen.id).await?,
            };
            let Some(issue) = read else { continue };
            match self.reconcile(id, Some(&issue)).await {
                Err(error) if is_permanent(&error) => {
                    let text = format!("issue {}: {}", seen.id, error.message());
                    self.desk.note(MessageLevel::Error, ISSUE, &text).await?;
                }
                done => done?,
            }
            looked += 1;
        }
        let next = look.read_to(changed.next);
        self.desk
            .remember(cursor.as_ref(), CURSOR, None, next)
            .await?;
        Ok(looked)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_is_told_by_the_whole_line_whatever_the_markup_around_it() {
        for (text, id, is) in [
            ("Where: api\n\nGna: vul_12", "vul_12", true),
            ("<p>Where</p><p>Gna: vul_12</p>", "vul_12", true),
            ("Gna: vul_123", "vul_12", false),
            ("Gna: vul_123 Gna: vul_12", "vul_12", true),
            ("gna vul_12", "vul_12", false),
        ] {
            assert_eq!(has_marker(text, id), is, "{text:?}");
        }
    }
}
