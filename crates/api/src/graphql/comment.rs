//! Comments on vulnerabilities.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::service::{comment, vulnerability};
use std::sync::Arc;

use super::scalar::{DateTime, id, parse};
use super::user::Person;
use super::vulnerability::Vulnerability;

pub struct Comment(pub model::Comment);

/// What a person said about a vulnerability.
#[Object]
impl Comment {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// The comment this one answers.
    async fn parent(&self) -> Option<ID> {
        self.0.parent.map(id)
    }
    /// Who said it, where that is a person.
    async fn author(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        Person::maybe(ctx, self.0.author).await
    }
    /// Who said it, as it stands in the history: a user's or a token's id, or a part of Gna.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// Plain text or Markdown, as it was written.
    async fn text(&self) -> &str {
        &self.0.text
    }
    /// The text as HTML that is safe to show: no scripts, no styles, no pictures.
    async fn html(&self) -> String {
        crate::markdown::render(&self.0.text)
    }
    /// When.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
}

/// What to say about a vulnerability.
#[derive(InputObject)]
pub struct AddCommentInput {
    /// Id of the vulnerability.
    pub vulnerability: ID,
    /// Plain text or Markdown, at most 20,000 bytes.
    pub text: String,
    /// Id of the comment it answers.
    pub parent: Option<ID>,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct AddCommentPayload {
    /// The new comment.
    pub comment: Comment,
    /// What it is about.
    pub vulnerability: Vulnerability,
}

#[derive(Default)]
pub struct CommentMutation;

#[Object]
impl CommentMutation {
    /// Says something about a vulnerability, or answers a comment on it.
    async fn add_comment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to say, and where.")] input: AddCommentInput,
    ) -> Result<AddCommentPayload> {
        let gna = ctx.data::<Ctx>()?;
        let of = parse(&input.vulnerability, "input.vulnerability")?;
        let parent = input
            .parent
            .as_ref()
            .map(|parent| parse(parent, "input.parent"))
            .transpose()?;
        let comment = comment::add(gna, of, &input.text, parent).await?;
        let vulnerability = vulnerability::require(gna, of).await?;
        Ok(AddCommentPayload {
            comment: Comment(comment.value),
            vulnerability: Vulnerability(Arc::new(vulnerability)),
        })
    }
}
