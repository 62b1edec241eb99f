//! What people decided about a vulnerability, as the API shows it. Deciding is in [`super::desk`].

use async_graphql::{ComplexObject, Context, Object, Result, SimpleObject};
use gna_domain::id::BlockerId;
use gna_domain::model;

use super::blocker::Blocker;
use super::enums::{
    FalsePositiveStatus, SeverityLevel, TreatmentStatus, VerificationOutcome, VerificationStatus,
};
use super::scalar::DateTime;
use super::user::Person;

pub struct Note(pub model::Note);

/// Who decided something, when, and why.
#[Object]
impl Note {
    /// Who, as it stands in the history: a user's or a token's id, or a part of Gna.
    async fn by(&self) -> &str {
        &self.0.by
    }
    /// The person behind it, where there is one.
    async fn person(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        Person::maybe(ctx, self.0.person).await
    }
    /// When.
    async fn at(&self) -> DateTime {
        self.0.at.into()
    }
    /// Why, in their words.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
}

pub struct Treatment(pub model::Treatment);

/// What is being done about a vulnerability.
#[Object]
impl Treatment {
    /// In a word.
    async fn status(&self) -> TreatmentStatus {
        match &self.0 {
            model::Treatment::Untreated => TreatmentStatus::Untreated,
            model::Treatment::InProgress { .. } => TreatmentStatus::InProgress,
            model::Treatment::Accepted { .. } => TreatmentStatus::Accepted,
            model::Treatment::AcceptedPermanently { .. } => TreatmentStatus::AcceptedPermanently,
        }
    }
    /// When an acceptance ends by itself.
    async fn until(&self) -> Option<DateTime> {
        self.0.until().map(Into::into)
    }
    /// Who decided on it; of a permanent acceptance, who asked for it.
    async fn decided(&self) -> Option<Note> {
        self.0.decided().cloned().map(Note)
    }
    /// The second person of a permanent acceptance.
    async fn approved(&self) -> Option<Note> {
        match &self.0 {
            model::Treatment::AcceptedPermanently { approved, .. } => Some(Note(approved.clone())),
            _ => None,
        }
    }
}

/// That someone holds it for a false positive, and what another person says to that.
#[derive(SimpleObject)]
pub struct FalsePositive {
    /// How far it has come.
    pub status: FalsePositiveStatus,
    /// Who asked.
    pub requested: Note,
    /// Who confirmed or rejected it.
    pub decided: Option<Note>,
    /// The VEX document that it was taken over from.
    pub origin: Option<VexOrigin>,
}

/// What a VEX document said, in its own words.
#[derive(SimpleObject)]
pub struct VexOrigin {
    /// `openvex`, `cyclonedx` or `csaf`.
    pub format: String,
    /// Id of the document, as its author gave it.
    pub document: String,
    /// Who says it.
    pub author: String,
    /// The format's own word.
    pub status: String,
    /// The format's own word for why, where it has words for that.
    pub justification: Option<String>,
    /// Why, as a text.
    pub statement: Option<String>,
}

impl From<model::VexOrigin> for VexOrigin {
    fn from(of: model::VexOrigin) -> Self {
        Self {
            format: of.format.as_str().to_owned(),
            document: of.document,
            author: of.author,
            status: of.status,
            justification: of.justification,
            statement: of.statement,
        }
    }
}

impl From<model::FalsePositive> for FalsePositive {
    fn from(value: model::FalsePositive) -> Self {
        Self {
            status: value.status.into(),
            requested: Note(value.requested),
            decided: value.decided.map(Note),
            origin: value.origin.map(|origin| (*origin).into()),
        }
    }
}

/// A retest.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Verification {
    /// How far it has come.
    pub status: VerificationStatus,
    /// Who asked.
    pub requested: Note,
    /// What blocks it, while it is on hold.
    pub held: Option<Note>,
    /// What it found, once it is verified.
    pub outcome: Option<VerificationOutcome>,
    /// Who verified it; none where it was closed for another reason meanwhile.
    pub verified: Option<Note>,
    /// How many retests were asked for so far, this one included.
    pub cycle: u32,
    #[graphql(skip)]
    waits_for: Option<BlockerId>,
}

#[ComplexObject]
impl Verification {
    /// The blocker that it waits for, where there is a record of what blocks it and the caller may
    /// read it.
    async fn blocker(&self, ctx: &Context<'_>) -> Result<Option<Blocker>> {
        Blocker::maybe(ctx, self.waits_for).await
    }
}

impl From<model::Verification> for Verification {
    fn from(value: model::Verification) -> Self {
        Self {
            status: value.status.into(),
            requested: Note(value.requested),
            held: value.held.map(Note),
            outcome: value.outcome.map(Into::into),
            verified: value.verified.map(Note),
            cycle: value.cycle,
            waits_for: value.blocker,
        }
    }
}

/// A severity that a person gave it.
#[derive(SimpleObject)]
pub struct OwnSeverity {
    /// Level.
    pub level: SeverityLevel,
    /// 0.0 to 10.0.
    pub score: f64,
    /// The CVSS vector that the score was computed from.
    pub vector: Option<String>,
}

impl From<model::OwnSeverity> for OwnSeverity {
    fn from(value: model::OwnSeverity) -> Self {
        Self {
            level: value.level.into(),
            score: value.score,
            vector: value.vector,
        }
    }
}
