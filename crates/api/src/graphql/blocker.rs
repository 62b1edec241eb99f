//! Blockers: what keeps people from testing or repairing, and the retests that wait for it.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::id::{BlockerId, VulnerabilityId};
use gna_domain::model;
use gna_domain::policy::Action;
use gna_domain::rules::blocker::Command;
use gna_domain::rules::{desk, verification};
use gna_domain::service::{blocker, group, triage};
use gna_domain::{Ctx, Resource};
use std::sync::Arc;

use super::asset::Asset;
use super::connection::{List, Wish, cost, listed};
use super::decide::VulnerabilityPayload;
use super::group::Group;
use super::loaders::{self, Shared};
use super::scalar::{DateTime, id, parse};
use super::triage::Note;
use super::vulnerability::Vulnerability;

/// What is in the way.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::BlockerKind")]
pub enum BlockerKind {
    /// The environment is down or not as it should be.
    Environment,
    /// Credentials are missing or do not work.
    Credentials,
    /// The network can't be reached: firewall, VPN, remote access.
    Network,
    /// The source can't be fetched, built or installed.
    Build,
    /// Test data or equipment is missing.
    Data,
    /// Somebody must allow it first.
    Authorization,
    /// What is there is not what was agreed on.
    Scope,
    /// Whoever it belongs to has put it off.
    Suspended,
    /// Something else.
    Other,
}

/// How far a blocker has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::BlockerStatus")]
pub enum BlockerStatus {
    /// It is in the way.
    Open,
    /// Somebody says that it is out of the way; it still holds what it holds.
    Proposed,
    /// It is out of the way for good.
    Solved,
}

/// What happened to a blocker.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::BlockerEntryKind")]
pub enum BlockerEntryKind {
    /// Somebody said that it is in the way.
    Opened,
    /// Its kind or its words changed.
    Changed,
    /// Somebody said something about it.
    Commented,
    /// Somebody said that it is out of the way.
    Proposed,
    /// It is in the way all the same.
    Rejected,
    /// It is out of the way for good.
    Solved,
}

pub struct Blocker(pub Shared<model::Blocker>);

impl Blocker {
    /// Where the caller may read it; none otherwise, and none for none.
    pub async fn maybe(ctx: &Context<'_>, id: Option<BlockerId>) -> Result<Option<Self>> {
        let Some(id) = id else { return Ok(None) };
        let found = loaders::of(ctx)?.load_one(id).await?;
        let gna = ctx.data::<Ctx>()?;
        Ok(found.map(Self).filter(|found| {
            let place = Resource::Group(found.0.organization, found.0.group);
            gna.can(Action::BlockerRead, place)
        }))
    }
}

/// Something that keeps people from testing or repairing.
#[Object]
impl Blocker {
    /// Its id.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Counts its changes; name it in a change to lose no race.
    async fn version(&self) -> u64 {
        self.0.version
    }
    /// The group it is about.
    async fn group(&self, ctx: &Context<'_>) -> Result<Group> {
        Group::load(ctx, self.0.group).await
    }
    /// The asset it is about; none: all of the group.
    async fn asset(&self, ctx: &Context<'_>) -> Result<Option<Asset>> {
        match self.0.asset {
            Some(asset) => Asset::load(ctx, asset).await.map(Some),
            None => Ok(None),
        }
    }
    /// What kind of thing is in the way.
    async fn kind(&self) -> BlockerKind {
        self.0.kind.into()
    }
    /// What is in the way, in one line.
    async fn title(&self) -> &str {
        &self.0.title
    }
    /// More about it: plain text or Markdown, as it was written.
    async fn description(&self) -> &str {
        &self.0.description
    }
    /// The description as HTML that is safe to show: no scripts, no styles, no pictures.
    async fn description_html(&self) -> String {
        crate::markdown::render(&self.0.description)
    }
    /// How far it has come.
    async fn status(&self) -> BlockerStatus {
        self.0.status.into()
    }
    /// Who opened it.
    async fn opened(&self) -> Note {
        Note(self.0.opened.clone())
    }
    /// Who says that it is out of the way, and how.
    async fn proposed(&self) -> Option<Note> {
        self.0.proposed.clone().map(Note)
    }
    /// Who solved it, and how.
    async fn solved(&self) -> Option<Note> {
        self.0.solved.clone().map(Note)
    }
    /// When it was opened.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// What happened to it and what was said about it, oldest first.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<BlockerEntry>> {
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { blocker::entries(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            BlockerEntry(stored.value)
        })
        .await?)
    }
    /// The retests that wait for it.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn held(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<HeldRetest>> {
        let place = Resource::Group(self.0.organization, self.0.group);
        ctx.data::<Ctx>()?
            .permit(Action::VulnerabilityRead, place)?;
        let of = self.0.id;
        let list = move |ctx: Ctx, page| async move { blocker::held(&ctx, of, page).await };
        let wish = Wish::new(first, after)?;
        Ok(listed(ctx.data::<Ctx>()?, &wish, list, |stored| {
            HeldRetest(stored.value.vulnerability)
        })
        .await?)
    }
}

pub struct BlockerEntry(pub model::BlockerEntry);

/// One line of a blocker's record.
#[Object]
impl BlockerEntry {
    /// From 1, without gaps.
    async fn number(&self) -> u32 {
        self.0.number
    }
    /// What happened.
    async fn kind(&self) -> BlockerEntryKind {
        self.0.kind.into()
    }
    /// Who, when, and in which words.
    async fn note(&self) -> Note {
        Note(self.0.note.clone())
    }
    /// The words as HTML that is safe to show: no scripts, no styles, no pictures.
    async fn html(&self) -> Option<String> {
        self.0.note.reason.as_deref().map(crate::markdown::render)
    }
}

pub struct HeldRetest(pub VulnerabilityId);

/// A retest that waits for a blocker.
#[Object]
impl HeldRetest {
    /// What is to be looked at again.
    async fn vulnerability(&self, ctx: &Context<'_>) -> Result<Vulnerability> {
        Ok(Vulnerability(loaders::one(ctx, self.0).await?))
    }
}

#[derive(Default)]
pub struct BlockerQuery;

#[Object]
impl BlockerQuery {
    /// A blocker by its id.
    async fn blocker(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Blocker> {
        let found = blocker::require(ctx.data::<Ctx>()?, parse(&id, "id")?).await?;
        Ok(Blocker(Arc::new(found)))
    }
}

/// What is in the way.
#[derive(InputObject)]
pub struct OpenBlockerInput {
    /// Id of the group.
    pub group: ID,
    /// Id of the asset; left out: it is about all of the group.
    pub asset: Option<ID>,
    /// What kind of thing it is.
    pub kind: BlockerKind,
    /// What is in the way, in one line of at most 200 bytes.
    pub title: String,
    /// More about it: plain text or Markdown, at most 10,000 bytes.
    #[graphql(default)]
    pub description: String,
}

/// Other words about a blocker; what is left out stays.
#[derive(InputObject)]
pub struct UpdateBlockerInput {
    /// Its id.
    pub id: ID,
    /// What kind of thing it is.
    pub kind: Option<BlockerKind>,
    /// What is in the way, in one line of at most 200 bytes.
    pub title: Option<String>,
    /// More about it: plain text or Markdown, at most 10,000 bytes.
    pub description: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// Something to say about a blocker.
#[derive(InputObject)]
pub struct BlockerWordInput {
    /// Id of the blocker.
    pub id: ID,
    /// In your words: plain text or Markdown. A comment has at most 20,000 bytes, all others 2,000.
    pub text: String,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// A retest that is to wait.
#[derive(InputObject)]
pub struct HoldVerificationForInput {
    /// Id of the vulnerability.
    pub id: ID,
    /// Id of the blocker, of the same group.
    pub blocker: ID,
    /// Why, in your words; kept in its history.
    pub reason: Option<String>,
    /// The version that was seen, to lose no race.
    pub expected_version: Option<u64>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct BlockerPayload {
    /// The blocker as it is now.
    pub blocker: Blocker,
}

async fn act(
    ctx: &Context<'_>,
    id: &ID,
    command: Command,
    reason: Option<&str>,
    expected: Option<u64>,
) -> Result<BlockerPayload> {
    let id = parse(id, "input.id")?;
    let after = blocker::act(ctx.data::<Ctx>()?, id, &command, reason, expected).await?;
    Ok(BlockerPayload {
        blocker: Blocker(Arc::new(after)),
    })
}

async fn say(
    ctx: &Context<'_>,
    input: BlockerWordInput,
    command: Command,
) -> Result<BlockerPayload> {
    let (text, expected) = (Some(input.text.as_str()), input.expected_version);
    act(ctx, &input.id, command, text, expected).await
}

#[derive(Default)]
pub struct BlockerMutation;

#[Object]
impl BlockerMutation {
    /// Says that something is in the way.
    async fn open_blocker(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What.")] input: OpenBlockerInput,
    ) -> Result<BlockerPayload> {
        let gna = ctx.data::<Ctx>()?;
        let of = group::require(gna, parse(&input.group, "input.group")?).await?;
        let asset = input.asset.as_ref();
        let new = blocker::OpenBlocker {
            kind: input.kind.into(),
            title: input.title,
            description: input.description,
            asset: asset.map(|asset| parse(asset, "input.asset")).transpose()?,
        };
        let opened = blocker::open(gna, &of, new).await?;
        Ok(BlockerPayload {
            blocker: Blocker(Arc::new(opened)),
        })
    }
    /// Changes what a blocker says.
    async fn update_blocker(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateBlockerInput,
    ) -> Result<BlockerPayload> {
        let command = Command::Change {
            kind: input.kind.map(Into::into),
            title: input.title,
            description: input.description,
        };
        act(ctx, &input.id, command, None, input.expected_version).await
    }
    /// Says something about a blocker, also after it is solved.
    async fn comment_blocker(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to say.")] input: BlockerWordInput,
    ) -> Result<BlockerPayload> {
        say(ctx, input, Command::Comment).await
    }
    /// Says that a blocker is out of the way, and how; somebody who may solve it answers.
    async fn propose_blocker_solution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How.")] input: BlockerWordInput,
    ) -> Result<BlockerPayload> {
        say(ctx, input, Command::Propose).await
    }
    /// Says that a blocker is in the way all the same, and why.
    async fn reject_blocker_solution(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Why.")] input: BlockerWordInput,
    ) -> Result<BlockerPayload> {
        say(ctx, input, Command::Reject).await
    }
    /// Says that a blocker is out of the way for good, and how. The retests that wait for it go on
    /// soon after.
    async fn solve_blocker(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How.")] input: BlockerWordInput,
    ) -> Result<BlockerPayload> {
        say(ctx, input, Command::Solve).await
    }
    /// Lets a vulnerability's retest wait for a blocker; one that is on hold already is linked to it.
    async fn hold_verification_for(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and for what.")] input: HoldVerificationForInput,
    ) -> Result<VulnerabilityPayload> {
        let blocker = parse(&input.blocker, "input.blocker")?;
        let command = desk::Command::Verification(verification::Command::HoldFor(blocker));
        let (reason, expected) = (input.reason.as_deref(), input.expected_version);
        let of = parse(&input.id, "input.id")?;
        let after = triage::act(ctx.data::<Ctx>()?, of, &command, reason, expected).await?;
        Ok(VulnerabilityPayload {
            vulnerability: Vulnerability(Arc::new(after)),
        })
    }
}
