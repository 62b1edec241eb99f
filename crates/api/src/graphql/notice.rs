//! Notices: what the caller wants to be told by e-mail.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::service::notice::preferences::{self, PreferencesChange};

use super::enums::SeverityLevel;

/// What a notice is about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::NoticeKind")]
pub enum NoticeKind {
    /// A vulnerability became one's own.
    Assigned,
    /// A vulnerability was found, or is open again.
    New,
    /// A vulnerability is gone.
    Closed,
    /// A due date comes near or has passed.
    Due,
    /// Somebody asks for something that one may decide on.
    Request,
    /// Somebody said something about a vulnerability.
    Comment,
    /// A report was refused, or its import given up.
    Report,
    /// Something is in the way of testing or repairing, or no longer.
    Blocker,
    /// A build does not pass the gate, or a ref passes again.
    Gate,
}

/// Whether and when one is told.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::NoticeWhen")]
pub enum NoticeWhen {
    /// Not at all.
    Never,
    /// As soon as it happens.
    AtOnce,
    /// With the next digest.
    Digest,
}

/// On which days a digest is sent.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::DigestDays")]
pub enum DigestDays {
    /// Every day.
    Daily,
    /// Monday to Friday.
    Workdays,
    /// On Mondays.
    Weekly,
}

/// What a person wants of one kind.
#[derive(SimpleObject)]
pub struct NoticeRule {
    /// What it is about.
    pub kind: NoticeKind,
    /// Whether and when one is told.
    pub when: NoticeWhen,
    /// Only vulnerabilities that are at least so severe.
    pub min_level: SeverityLevel,
}

pub struct NoticePreferences(model::NoticePreferences);

/// What a person wants to be told by e-mail.
#[Object]
impl NoticePreferences {
    /// By kind.
    async fn rules(&self) -> Vec<NoticeRule> {
        let rules = self.0.rules.iter();
        rules
            .map(|(kind, rule)| NoticeRule {
                kind: (*kind).into(),
                when: rule.when.into(),
                min_level: rule.min_level.into(),
            })
            .collect()
    }
    /// On which days a digest is sent.
    async fn days(&self) -> DigestDays {
        self.0.days.into()
    }
    /// Full hour of the digest, 0 to 23, in the zone.
    async fn hour(&self) -> u8 {
        self.0.hour
    }
    /// Of the IANA database.
    async fn zone(&self) -> &str {
        &self.0.zone
    }
    /// Nothing is sent at all.
    async fn muted(&self) -> bool {
        self.0.muted
    }
}

/// What is wanted of one kind.
#[derive(InputObject)]
pub struct NoticeRuleInput {
    /// What it is about.
    pub kind: NoticeKind,
    /// Whether and when one is told.
    pub when: NoticeWhen,
    /// Only vulnerabilities that are at least so severe; all if left out.
    pub min_level: Option<SeverityLevel>,
}

/// What is to be changed; what is left out stays.
#[derive(InputObject)]
pub struct UpdateNoticePreferencesInput {
    /// The kinds that are to be changed.
    pub rules: Option<Vec<NoticeRuleInput>>,
    /// On which days a digest is sent.
    pub days: Option<DigestDays>,
    /// Full hour of the digest, 0 to 23, in the zone.
    pub hour: Option<u8>,
    /// Of the IANA database.
    pub zone: Option<String>,
    /// Whether nothing is sent at all.
    pub muted: Option<bool>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct NoticePreferencesPayload {
    /// The preferences as they are now.
    pub preferences: NoticePreferences,
}

#[derive(Default)]
pub struct NoticeQuery;

#[Object]
impl NoticeQuery {
    /// What the caller wants to be told by e-mail.
    async fn notice_preferences(&self, ctx: &Context<'_>) -> Result<NoticePreferences> {
        Ok(NoticePreferences(
            preferences::own(ctx.data::<Ctx>()?).await?,
        ))
    }
}

#[derive(Default)]
pub struct NoticeMutation;

#[Object]
impl NoticeMutation {
    /// Changes the caller's own preferences; for people with a session.
    async fn update_notice_preferences(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateNoticePreferencesInput,
    ) -> Result<NoticePreferencesPayload> {
        let rules = input.rules.unwrap_or_default().into_iter();
        let rules = rules.map(|rule| {
            let min_level = rule.min_level.map_or(model::Level::Info, Into::into);
            let when = rule.when.into();
            (rule.kind.into(), model::NoticeRule { when, min_level })
        });
        let change = PreferencesChange {
            rules: rules.collect(),
            days: input.days.map(Into::into),
            hour: input.hour,
            zone: input.zone,
            muted: input.muted,
        };
        let now = preferences::change(ctx.data::<Ctx>()?, change).await?;
        Ok(NoticePreferencesPayload {
            preferences: NoticePreferences(now),
        })
    }
}
