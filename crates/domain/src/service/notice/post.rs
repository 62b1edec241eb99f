//! The job that sends one letter, until the mail server takes or refuses it.

use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::unsubscribe;
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::LetterId;
use crate::model::{Job, Letter, Level, Notice, NoticeQueue, Summary, User};
use crate::port::jobs::{Claimed, Class, Handler, Outcome};
use crate::port::mail::{Mail, MailTexts, Mailer};
use crate::port::{fresh, repo};

/// The kind of the job.
pub const KIND: &str = "notice.send";

/// Tries before a letter is given up: with the waits between them about six hours.
const TRIES: u32 = 16;

/// Sends letters.
pub struct PostHandler {
    pub mailer: Arc<dyn Mailer>,
    pub texts: Arc<dyn MailTexts>,
    /// Address under which people reach the server, without a slash at the end.
    pub public_url: String,
}

/// The job of a letter. Those to one person take turns.
pub(in crate::service) fn job(ctx: &Ctx, letter: &Letter) -> Job {
    let id = fresh(ctx.ports.ids.as_ref());
    Job::new(id, KIND, json!({ "letter": letter.id }), ctx.now())
        .in_lane(format!("mail:{}", letter.user))
        .yielding()
        .with_attempts(TRIES)
}

#[async_trait]
impl Handler for PostHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn description(&self) -> &'static str {
        "Sends one e-mail with notices"
    }

    fn class(&self) -> Class {
        Class::Mail
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let letter = claimed.job().payload.get("letter").and_then(Value::as_str);
        let letter: LetterId = letter
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::invalid("job.payload", "the job names no letter"))?;
        let Some(letter) = repo::get::<Letter>(ctx.store(), letter).await? else {
            return Ok(Outcome::done());
        };
        let user = repo::get::<User>(ctx.store(), letter.user).await?;
        let Some(user) = user.filter(|user| !user.is_disabled() && !user.is_deleted()) else {
            return Ok(Outcome::done());
        };
        // Nobody's address: a mail server would refuse each letter, and each would be a dead letter.
        if user.email.is_reserved() {
            return Ok(Outcome::done());
        }
        let name = match (&letter.leaving, &letter.summary, letter.queue) {
            (Some(_), ..) => "leaving",
            (None, Some(_), _) => "report",
            (None, None, NoticeQueue::Now) => "notice",
            (None, None, NoticeQueue::Digest) => "digest",
        };
        let mail = Mail {
            id: letter.id.to_string(),
            to: user.email.as_str().to_owned(),
            name: user.name.clone(),
            text: self.texts.word(name, &self.values(&user, &letter))?,
            unsubscribe: Some(unsubscribe::address(ctx, &self.public_url, user.id).await?),
        };
        self.mailer.send(&mail).await?;
        Ok(Outcome::done())
    }
}

impl PostHandler {
    /// What templates can name; `docs/NOTICES.md` lists it.
    fn values(&self, user: &User, letter: &Letter) -> Value {
        let notices: Vec<Value> = letter.notices.iter().map(|one| self.notice(one)).collect();
        let count = letter.notices.len();
        json!({
            "person": { "name": user.name, "email": user.email.as_str() },
            "notices": notices,
            "more": letter.more,
            "count": letter.more.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
            "server": self.public_url,
            "report": letter.summary.as_ref().map(report),
            "leaving": letter.leaving,
        })
    }

    fn notice(&self, of: &Notice) -> Value {
        let path = match of.subject.split_once('_') {
            Some(("rep", _)) => "reports",
            Some(("blo", _)) => "blockers",
            Some(("gat", _)) => "gate/runs",
            _ => "vulnerabilities",
        };
        json!({
            "kind": of.kind,
            "event": of.event,
            "says": says(&of.event),
            "title": of.title,
            "place": of.place,
            "group": of.group,
            "level": of.level,
            "at": of.at,
            "id": of.subject,
            "link": format!("{}/api/v2/{path}/{}", self.public_url, of.subject),
        })
    }
}

/// A periodic report, the most severe first.
fn report(of: &Summary) -> Value {
    let count = |of: &BTreeMap<Level, i64>, level| of.get(level).copied().unwrap_or(0);
    let levels: Vec<Value> = Level::ALL
        .iter()
        .rev()
        .map(|level| {
            json!({
                "level": level,
                "open": count(&of.open, level),
                "change": count(&of.change, level),
            })
        })
        .collect();
    json!({
        "group": of.group,
        "since": of.since,
        "until": of.until,
        "levels": levels,
        "open": of.open.values().sum::<i64>(),
        "change": of.change.values().sum::<i64>(),
        "closed": of.closed,
    })
}

/// An event in words.
fn says(event: &str) -> &'static str {
    match event {
        "vulnerability.assigned" => "You are responsible for it now",
        "vulnerability.created" => "It was found",
        "vulnerability.opened" => "It is open again",
        "vulnerability.closed" => "It is closed",
        "vulnerability.due_soon" => "Its due date comes near",
        "vulnerability.sla_breached" => "Its due date has passed",
        "vulnerability.acceptance_requested" => "Somebody asks to accept it for good",
        "vulnerability.false_positive_requested" => "Somebody says that it is a false positive",
        "vulnerability.verification_requested" => "Somebody asks whether it is gone",
        "vulnerability.submitted" => "It waits for review",
        "comment.added" => "There is a new comment",
        "report.refused" => "A report was refused",
        "report.failed" => "The import of a report was given up",
        "blocker.opened" => "Something is in the way",
        "blocker.solution_proposed" => "Somebody says that it is out of the way",
        "blocker.solution_rejected" => "It is in the way all the same",
        "blocker.solved" => "It is out of the way",
        "gate.broken" => "A build does not pass the gate",
        "gate.recovered" => "It passes the gate again",
        _ => "Something changed",
    }
}
