//! Evidence: files that show something about a vulnerability. Their bytes are given out over REST.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject, Upload};
use gna_domain::Ctx;
use gna_domain::model;
use gna_domain::service::{evidence, vulnerability};
use std::sync::Arc;

use super::scalar::{DateTime, id, parse};
use super::user::Person;
use super::vulnerability::Vulnerability;

pub struct Evidence(pub model::Evidence);

/// A file that shows something about a vulnerability.
#[Object]
impl Evidence {
    /// Its id.
    async fn id(&self) -> ID {
        id(self.0.id)
    }
    /// Name of the file.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// What its bytes are: `PNG`, `JPEG`, `GIF`, `WEBP`, `MP4`, `WEBM`, `PDF`, `TEXT`.
    async fn kind(&self) -> &str {
        self.0.kind.as_str()
    }
    /// In bytes.
    async fn size(&self) -> u64 {
        self.0.size
    }
    /// Of its bytes, in hexadecimal.
    async fn sha256(&self) -> &str {
        &self.0.sha256
    }
    /// Who brought it, where that is a person.
    async fn author(&self, ctx: &Context<'_>) -> Result<Option<Person>> {
        Person::maybe(ctx, self.0.author).await
    }
    /// Who brought it, as it stands in the history: a user's or a token's id, or a part of Gna.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// When.
    async fn created(&self) -> DateTime {
        self.0.created.into()
    }
    /// Path on this server under which its bytes are.
    async fn path(&self) -> String {
        format!(
            "/api/v2/vulnerabilities/{}/evidence/{}",
            self.0.vulnerability, self.0.id
        )
    }
}

/// A file for a vulnerability.
#[derive(InputObject)]
pub struct AddEvidenceInput {
    /// Id of the vulnerability.
    pub vulnerability: ID,
    /// The file, by the GraphQL multipart request specification: at most 10 MiB; pictures, videos, PDF, text.
    pub file: Upload,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct AddEvidencePayload {
    /// The file as it is kept.
    pub evidence: Evidence,
    /// What it is about.
    pub vulnerability: Vulnerability,
}

/// Which file.
#[derive(InputObject)]
pub struct RemoveEvidenceInput {
    /// Id of the vulnerability.
    pub vulnerability: ID,
    /// Id of the file.
    pub evidence: ID,
}

/// What came of it.
#[derive(SimpleObject)]
pub struct RemoveEvidencePayload {
    /// What it was about.
    pub vulnerability: Vulnerability,
}

#[derive(Default)]
pub struct EvidenceMutation;

#[Object]
impl EvidenceMutation {
    /// Adds a file to a vulnerability. The same file under the same name again changes nothing.
    async fn add_evidence(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file, and where.")] input: AddEvidenceInput,
    ) -> Result<AddEvidencePayload> {
        let gna = ctx.data::<Ctx>()?;
        let file = input.file.value(ctx)?;
        let of = parse(&input.vulnerability, "input.vulnerability")?;
        let made = evidence::add(gna, of, &file.filename, file.content).await?;
        let vulnerability = vulnerability::require(gna, of).await?;
        Ok(AddEvidencePayload {
            evidence: Evidence(made.value),
            vulnerability: Vulnerability(Arc::new(vulnerability)),
        })
    }

    /// Removes a file for good; the history keeps that it was there.
    async fn remove_evidence(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: RemoveEvidenceInput,
    ) -> Result<RemoveEvidencePayload> {
        let gna = ctx.data::<Ctx>()?;
        let of = parse(&input.vulnerability, "input.vulnerability")?;
        let which = parse(&input.evidence, "input.evidence")?;
        evidence::remove(gna, of, which).await?;
        let vulnerability = vulnerability::require(gna, of).await?;
        Ok(RemoveEvidencePayload {
            vulnerability: Vulnerability(Arc::new(vulnerability)),
        })
    }
}
