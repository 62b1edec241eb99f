//! Notices: which events are of which kind, who is told, and when a digest is due. Pure.

use crate::error::{Error, Result};
use crate::id::UserId;
use crate::model::{DigestDays, Level, NoticeKind, NoticePreferences, NoticeQueue, NoticeWhen};
use crate::policy::{Action, Role, allows};
use crate::rules::cron::CronRule;
use crate::time::Timestamp;

/// The kind of an event; none for what nobody is told.
#[must_use]
pub fn kind_of(event: &str) -> Option<NoticeKind> {
    Some(match event {
        "vulnerability.assigned" => NoticeKind::Assigned,
        "vulnerability.created" | "vulnerability.opened" => NoticeKind::New,
        "vulnerability.closed" => NoticeKind::Closed,
        "vulnerability.due_soon" | "vulnerability.sla_breached" => NoticeKind::Due,
        "vulnerability.acceptance_requested"
        | "vulnerability.false_positive_requested"
        | "vulnerability.verification_requested"
        | "vulnerability.submitted" => NoticeKind::Request,
        "comment.added" => NoticeKind::Comment,
        "report.refused" | "report.failed" => NoticeKind::Report,
        "blocker.opened"
        | "blocker.solution_proposed"
        | "blocker.solution_rejected"
        | "blocker.solved" => NoticeKind::Blocker,
        "gate.broken" | "gate.recovered" => NoticeKind::Gate,
        _ => return None,
    })
}

/// What whoever is told of an event must be allowed to do where it happened.
#[must_use]
pub fn needs(event: &str, kind: NoticeKind) -> Action {
    match kind {
        NoticeKind::Request if event == "vulnerability.acceptance_requested" => {
            Action::AcceptanceApprove
        }
        NoticeKind::Request => Action::VulnerabilityDecide,
        NoticeKind::Comment => Action::CommentRead,
        NoticeKind::Report => Action::ReportRead,
        NoticeKind::Blocker => Action::BlockerRead,
        NoticeKind::Gate => Action::GateRead,
        NoticeKind::Assigned | NoticeKind::New | NoticeKind::Closed | NoticeKind::Due => {
            Action::VulnerabilityRead
        }
    }
}

/// What happened, for whoever decides on who is told.
#[derive(Clone, Copy, Debug)]
pub struct Happened<'a> {
    pub event: &'a str,
    pub kind: NoticeKind,
    /// Where it is about a vulnerability.
    pub level: Option<Level>,
    pub assignee: Option<UserId>,
}

/// Where it is put for a person with a role in its group; none where they are not told.
#[must_use]
pub fn queue_for(
    happened: &Happened<'_>,
    person: &NoticePreferences,
    role: Role,
) -> Option<NoticeQueue> {
    let is_theirs = happened.assignee == Some(person.user);
    let concerns = match happened.kind {
        NoticeKind::Assigned => is_theirs,
        NoticeKind::Due => is_theirs || happened.assignee.is_none(),
        _ => true,
    };
    if !concerns || person.muted || !allows(needs(happened.event, happened.kind), role) {
        return None;
    }
    let default = NoticePreferences::default_of(person.user);
    let rule = person.rules.get(&happened.kind);
    let rule = rule.or_else(|| default.rules.get(&happened.kind))?;
    if happened.level.is_some_and(|level| level < rule.min_level) {
        return None;
    }
    match rule.when {
        NoticeWhen::Never => None,
        NoticeWhen::AtOnce => Some(NoticeQueue::Now),
        NoticeWhen::Digest => Some(NoticeQueue::Digest),
    }
}

/// When a person's digests are sent.
///
/// # Errors
/// `notice.hour`, `schedule.zone`.
pub fn digest(days: DigestDays, hour: u8, zone: &str) -> Result<CronRule> {
    if hour > 23 {
        return Err(Error::invalid(
            "notice.hour",
            "the hour of the digest is a number from 0 to 23",
        )
        .on_field("hour"));
    }
    let days = match days {
        DigestDays::Daily => "*",
        DigestDays::Workdays => "1-5",
        DigestDays::Weekly => "1",
    };
    CronRule::new(&format!("0 {hour} * * {days}"), zone)
}

/// Whether a digest is due whose oldest notice is from then. One that was missed comes at the next
/// look.
#[must_use]
pub fn is_digest_due(person: &NoticePreferences, oldest: Timestamp, now: Timestamp) -> bool {
    // Preferences are checked when they are saved; what can't be read any more must not wait for ever.
    match digest(person.days, person.hour, &person.zone) {
        Ok(rule) => rule.after(oldest).is_some_and(|at| at <= now),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId;
    use crate::model::NoticeRule;
    use uuid::Uuid;

    fn person(number: u128) -> NoticePreferences {
        NoticePreferences::default_of(UserId::from_uuid(Uuid::from_u128(number)))
    }

    #[test]
    fn people_are_told_what_concerns_them_and_what_they_may_decide_on() {
        let me = person(1);
        let other = Some(person(2).user);
        for (event, assignee, level, role, queue) in [
            (
                "vulnerability.assigned",
                Some(me.user),
                Level::Low,
                Role::Developer,
                Some(NoticeQueue::Now),
            ),
            (
                "vulnerability.assigned",
                other,
                Level::Low,
                Role::Developer,
                None,
            ),
            (
                "vulnerability.due_soon",
                None,
                Level::High,
                Role::Reader,
                Some(NoticeQueue::Digest),
            ),
            (
                "vulnerability.due_soon",
                None,
                Level::Medium,
                Role::Reader,
                None,
            ),
            (
                "vulnerability.sla_breached",
                other,
                Level::High,
                Role::Manager,
                None,
            ),
            (
                "vulnerability.acceptance_requested",
                None,
                Level::Low,
                Role::Manager,
                Some(NoticeQueue::Digest),
            ),
            (
                "vulnerability.acceptance_requested",
                None,
                Level::Low,
                Role::Triager,
                None,
            ),
            (
                "vulnerability.verification_requested",
                None,
                Level::Low,
                Role::Triager,
                Some(NoticeQueue::Digest),
            ),
            (
                "vulnerability.verification_requested",
                None,
                Level::Low,
                Role::Developer,
                None,
            ),
            (
                "vulnerability.created",
                None,
                Level::Critical,
                Role::Owner,
                None,
            ),
        ] {
            let happened = Happened {
                event,
                kind: kind_of(event).expect("is told"),
                level: Some(level),
                assignee,
            };
            assert_eq!(
                queue_for(&happened, &me, role),
                queue,
                "{event} {level:?} {role:?}"
            );
            let muted = NoticePreferences {
                muted: true,
                ..me.clone()
            };
            assert_eq!(queue_for(&happened, &muted, role), None, "{event}");
        }
        let mut eager = me.clone();
        let rule = NoticeRule {
            when: NoticeWhen::AtOnce,
            min_level: Level::High,
        };
        eager.rules.insert(NoticeKind::New, rule);
        for (level, queue) in [(Level::High, Some(NoticeQueue::Now)), (Level::Medium, None)] {
            let happened = Happened {
                event: "vulnerability.created",
                kind: NoticeKind::New,
                level: Some(level),
                assignee: None,
            };
            assert_eq!(queue_for(&happened, &eager, Role::Reader), queue);
        }
        assert_eq!(kind_of("vulnerability.updated"), None);
    }

    #[test]
    fn a_digest_comes_at_its_hour_in_its_zone_on_its_days() {
        let at = |text: &str| Timestamp::parse(text).expect("a time");
        let berlin = NoticePreferences {
            zone: "Europe/Berlin".to_owned(),
            ..person(1)
        };
        let weekly = NoticePreferences {
            days: DigestDays::Weekly,
            ..person(1)
        };
        // 2026-01-02 is a Friday.
        for (who, oldest, now, due) in [
            (
                &berlin,
                "2026-01-02T05:00:00Z",
                "2026-01-02T05:59:00Z",
                false,
            ),
            (
                &berlin,
                "2026-01-02T05:00:00Z",
                "2026-01-02T06:00:00Z",
                true,
            ),
            (
                &berlin,
                "2026-01-02T06:30:00Z",
                "2026-01-04T12:00:00Z",
                false,
            ),
            (
                &berlin,
                "2026-01-02T06:30:00Z",
                "2026-01-05T06:00:00Z",
                true,
            ),
            (
                &weekly,
                "2026-01-01T06:30:00Z",
                "2026-01-05T06:59:00Z",
                false,
            ),
            (
                &weekly,
                "2026-01-01T06:30:00Z",
                "2026-01-05T09:00:00Z",
                true,
            ),
        ] {
            assert_eq!(
                is_digest_due(who, at(oldest), at(now)),
                due,
                "{oldest} {now}"
            );
        }
        assert!(digest(DigestDays::Daily, 24, "UTC").is_err());
        assert!(digest(DigestDays::Daily, 7, "Mars/Olympus").is_err());
    }
}
