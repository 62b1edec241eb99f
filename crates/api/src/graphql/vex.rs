//! Taking VEX documents in.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject, Upload};
use gna_domain::Ctx;
use gna_domain::service::vex::{self, Outcome, Refusal, Wish};

use super::scalar::{id, parse};

/// A VEX document for a group.
#[derive(InputObject)]
pub struct ImportVexInput {
    /// Id of the group.
    pub group: ID,
    /// OpenVEX, CycloneDX or CSAF in JSON, at most 16 MiB, by the GraphQL multipart request specification.
    pub file: Upload,
    /// Name of the asset that all of it is about, whatever it calls its products.
    pub asset: Option<String>,
    /// Only tells what would follow.
    #[graphql(default)]
    pub dry_run: bool,
}

/// A claim of a VEX document that could not be taken over.
#[derive(SimpleObject)]
pub struct VexRefusal {
    /// Public name of the vulnerability.
    pub name: String,
    /// The product, as the document calls it.
    pub product: String,
    /// Id of the vulnerability; none where the group has no such product.
    pub vulnerability: Option<ID>,
    /// Why, as a code.
    pub code: String,
    /// Why, as a sentence.
    pub message: String,
}

impl From<Refusal> for VexRefusal {
    fn from(of: Refusal) -> Self {
        Self {
            name: of.name,
            product: of.product,
            vulnerability: of.vulnerability.map(id),
            code: of.code,
            message: of.message,
        }
    }
}

/// What came of a VEX document.
#[derive(SimpleObject)]
pub struct ImportVexPayload {
    /// `openvex`, `cyclonedx` or `csaf`.
    pub format: String,
    /// Id of the document, as its author gave it.
    pub document: String,
    /// Who says all of it.
    pub author: String,
    /// How often it says something of one vulnerability in one product.
    pub claims: u64,
    /// Claims that decide nothing: under investigation, fixed, affected without a word on what is done.
    pub undecided: u64,
    /// Claims about products that the group does not have.
    pub unknown: u64,
    /// Claims about vulnerabilities that their products do not have here.
    pub absent: u64,
    /// Vulnerabilities that were decided on.
    pub changed: u64,
    /// Those that were that way already.
    pub unchanged: u64,
    /// Those that could not be decided on.
    pub refused: u64,
    /// The first 1,000 claims that could not be taken over.
    pub refusals: Vec<VexRefusal>,
}

impl From<Outcome> for ImportVexPayload {
    fn from(of: Outcome) -> Self {
        Self {
            format: of.format.to_owned(),
            document: of.document,
            author: of.author,
            claims: of.claims,
            undecided: of.undecided,
            unknown: of.unknown,
            absent: of.absent,
            changed: of.changed,
            unchanged: of.unchanged,
            refused: of.refused,
            refusals: of.refusals.into_iter().map(VexRefusal::from).collect(),
        }
    }
}

#[derive(Default)]
pub struct VexMutation;

#[Object]
impl VexMutation {
    /// Takes over what a VEX document decides about the group's vulnerabilities; the caller is the second
    /// person beside its author. Sent again it changes nothing.
    async fn import_vex(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The document.")] input: ImportVexInput,
    ) -> Result<ImportVexPayload> {
        let file = input.file.value(ctx)?;
        let group = parse(&input.group, "input.group")?;
        let wish = Wish {
            asset: input.asset,
            dry_run: input.dry_run,
        };
        let outcome = vex::import(ctx.data::<Ctx>()?, group, &wish, file.content).await?;
        Ok(outcome.into())
    }
}
