//! Which issue a vulnerability has: made here, found again after a crash, or made by a person.

use gna_domain::connect::mapping::Mapping;
use gna_domain::error::Result;
use gna_domain::port::store::Stored;
use gna_domain::rules::desk::Command;
use gna_domain::service::triage;
use gna_domain::time::Timestamp;
use serde_json::Value;

use super::sync::{Known, Sync, back};
use super::tracker::Issue;
use super::words::{Author, Said, author, named, shown};
use crate::recipes::subject::Subject;

impl Sync<'_, '_> {
    /// Makes the issue that was begun. `look`: somebody began before and did not come back.
    ///
    /// # Errors
    /// The app's, or the store's.
    pub async fn make(&self, subject: &Subject, begun: Stored<Mapping>, look: bool) -> Result<()> {
        if look && let Some((issue, author)) = self.find(subject, begun.updated).await? {
            return self.join(subject, Some(&begun), &issue, author).await;
        }
        if !subject.is_open() {
            // It closed before anybody opened an issue: there is nothing to do any more.
            return self.desk.forget(&begun).await;
        }
        let said = Said::of(subject);
        let issue = self.tracker.create(&said.title, &said.body).await?;
        self.join(subject, Some(&begun), &issue, Author::Gna).await
    }

    /// Writes down which issue a vulnerability has, and brings the two together. The state here
    /// counts: nothing was agreed on before.
    async fn join(
        &self,
        subject: &Subject,
        before: Option<&Stored<Mapping>>,
        issue: &Issue,
        author: Author,
    ) -> Result<()> {
        let source = subject.vulnerability.id.to_string();
        let way_back = back(&issue.id);
        if self.desk.mapping(&way_back).await?.is_none() {
            let to = Some(source.clone());
            self.desk.remember(None, &way_back, to, Value::Null).await?;
        }
        let ours = Said::of(subject).digest;
        let is_said = shown(issue, &source).as_ref() == Some(&ours);
        let known = Known {
            agreed: issue.side,
            url: issue.url.clone(),
            by_hand: author == Author::Person,
            said: is_said.then_some(ours),
            shown: None,
        };
        let mapping = self
            .remember(before, &source, Some(&issue.id), &known)
            .await?;
        let mapping = self.say(subject, &issue.id, mapping, Some(issue)).await?;
        if subject.side() != issue.side {
            self.tell_them(&issue.id, subject.side()).await?;
            let known = Known {
                agreed: subject.side(),
                ..Known::of(&mapping)
            };
            self.remember(Some(&mapping), &source, Some(&issue.id), &known)
                .await?;
        }
        self.link(subject, issue.url.clone()).await
    }

    /// The issue that somebody made and did not write down.
    async fn find(&self, subject: &Subject, begun: Timestamp) -> Result<Option<(Issue, Author)>> {
        let since = begun.plus_millis(-self.tracker.overlap());
        for seen in self.tracker.changed_since(since, None).await?.issues {
            if let Some(issue) = self.tracker.whole(seen).await?
                && let Some(text) = issue.body.as_deref()
                && let Some(author) = author(text, subject.vulnerability.id)
            {
                return Ok(Some((issue, author)));
            }
        }
        Ok(None)
    }

    /// Joins an issue that nobody knows to the vulnerability that it names, where that has none.
    ///
    /// # Errors
    /// The app's, or the store's.
    pub async fn adopt(&self, issue: &Issue) -> Result<()> {
        let Some((id, author)) = issue.body.as_deref().and_then(named) else {
            return Ok(());
        };
        let before = self.desk.mapping(&id.to_string()).await?;
        let has_issue = before
            .as_ref()
            .is_some_and(|before| before.external.is_some());
        if has_issue {
            return Ok(());
        }
        let Some(subject) = Subject::load(self.desk, id).await? else {
            return Ok(());
        };
        // Anybody can write any id into an issue.
        let (of, integration) = (&subject.vulnerability, &self.desk.integration);
        let is_in_reach = of.organization == integration.organization
            && integration.group.is_none_or(|group| group == of.group);
        if !is_in_reach {
            return Ok(());
        }
        self.join(&subject, before.as_ref(), issue, author).await
    }

    /// Joins the issues that people made for vulnerabilities since the last look, once, before the
    /// first is made here: else there would be two for one vulnerability.
    ///
    /// # Errors
    /// The app's, or the store's.
    pub async fn hear_of_new(&self) -> Result<()> {
        if !self.tracker.lists_texts() {
            return Ok(());
        }
        self.heard
            .get_or_try_init(|| async {
                let (_, _, changed) = self.read().await?;
                for seen in &changed.issues {
                    if let Some(issue) = &seen.issue
                        && self.desk.mapping(&back(&seen.id)).await?.is_none()
                    {
                        self.noted(&seen.id, self.adopt(issue).await).await?;
                    }
                }
                Ok(())
            })
            .await
            .map(|_| ())
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
}
