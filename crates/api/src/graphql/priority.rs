//! Priorities, and the feeds of threats that they rest on.

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::rules::priority as rules;
use gna_domain::service::feeds;
use gna_domain::time::Timestamp;

use super::scalar::DateTime;

/// What a part of a priority is about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "rules::Factor")]
pub enum PriorityFactor {
    /// Its severity: up to 4.0.
    Severity,
    /// How likely exploitation is, by EPSS: up to 2.0.
    ExploitProbability,
    /// That exploitation is known, by KEV: 1.5.
    KnownExploitation,
    /// That the asset faces the internet: 1.0.
    Exposure,
    /// How bad it is when the asset fails: up to 1.0.
    Criticality,
    /// Whether it can be reached: 0.3, or -1.0 where it can't.
    Reachability,
    /// That a version without it is known: 0.2.
    FixAvailable,
}

/// A part of a priority with its reason.
#[derive(SimpleObject)]
pub struct PriorityPart {
    /// What it is about.
    pub factor: PriorityFactor,
    /// What it adds; below zero where it lowers the score.
    pub points: f64,
    /// Why, in words.
    pub because: String,
}

/// What to look at first.
#[derive(SimpleObject)]
pub struct Priority {
    /// The sum of the parts, 0.0 to 10.0.
    pub score: f64,
    /// The moment that the newest feed of threats is of; null where none was imported.
    pub as_of: Option<DateTime>,
    /// What the score is made of.
    pub parts: Vec<PriorityPart>,
}

impl From<&(rules::Priority, Option<Timestamp>)> for Priority {
    fn from((priority, as_of): &(rules::Priority, Option<Timestamp>)) -> Self {
        Self {
            score: priority.score(),
            as_of: as_of.map(Into::into),
            parts: priority
                .parts
                .iter()
                .map(|part| PriorityPart {
                    factor: part.factor.into(),
                    points: rules::in_tenths(part.tenths),
                    because: part.because.clone(),
                })
                .collect(),
        }
    }
}

/// Where what is known of CVEs comes from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::FeedKind")]
pub enum ThreatFeedKind {
    /// How likely exploitation is (FIRST).
    Epss,
    /// What is known to be exploited (CISA).
    Kev,
}

/// What was last taken from a feed.
#[derive(SimpleObject)]
pub struct ThreatFeed {
    /// Which feed.
    pub kind: ThreatFeedKind,
    /// The moment that its data is of.
    pub as_of: DateTime,
    /// When it was taken over.
    pub imported: DateTime,
    /// A file's name, or an address.
    pub source: String,
    /// How many CVEs it tells of.
    pub entries: u64,
    /// Of how many CVEs something else is known since.
    pub changed: u64,
}

#[derive(Default)]
pub struct ThreatQuery;

#[Object]
impl ThreatQuery {
    /// What was last taken from each feed of threats.
    async fn threat_feeds(&self, ctx: &Context<'_>) -> Result<Vec<ThreatFeed>> {
        let feeds = feeds::list(ctx.data::<Ctx>()?).await?;
        Ok(feeds
            .into_iter()
            .map(|feed| ThreatFeed {
                kind: feed.kind.into(),
                as_of: feed.as_of.into(),
                imported: feed.imported.into(),
                source: feed.source,
                entries: feed.entries,
                changed: feed.changed,
            })
            .collect())
    }
}
