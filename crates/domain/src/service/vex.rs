//! Taking VEX documents in: what others, or another Gna, decided about the vulnerabilities of a group.
//!
//! A document is read to its end and compared with the group before anything is written. It is applied in
//! steps, each whole in itself; one that was interrupted is sent again, and what was taken over is found
//! to be that way already. The rule is [`crate::rules::vex::apply`].

use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::filter::VulnerabilityFilter;
use super::import::on_thread;
use super::triage::policy_of;
use super::vulnerability::{Step, commit_with, query};
use super::{index, lookup};
use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{AssetId, GroupId, TypedId, VulnerabilityId};
use crate::model::{Asset, AuditEntry, Group, Note, PackageLocation, Vulnerability, asset_name};
use crate::page::PageRequest;
use crate::policy::Action;
use crate::port::repo;
use crate::port::search::Sort;
use crate::port::store::{ChangeSet, Entity, Raw, Stored, UniqueKey};
use crate::rules::vex::apply::decide;
use crate::rules::vex::claim::{Claim, Document, Product, Says, asset_of_purl};
use crate::rules::vex::read::read;

pub use crate::rules::vex::claim::LARGEST;

/// Most vulnerabilities that one document decides about.
const DECIDED_MAX: usize = 20_000;
/// Names looked for at once.
const NAMES: usize = 100;
/// Vulnerabilities of one commit, and the writes that one may need.
const CHUNK: usize = 100;
const WRITES_PER_ITEM: usize = 10;
/// Most refusals that are told; all are counted.
const TOLD: usize = 1_000;
/// How often a step is decided anew when something else changed its vulnerabilities meanwhile.
const RACES: usize = 8;

/// What is asked for beside the document.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Name of the asset that all of it is about, whatever it calls its products.
    pub asset: Option<String>,
    /// Only to be told what would follow.
    pub dry_run: bool,
}

/// One claim that could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Public name of the vulnerability.
    pub name: String,
    /// The product, as the document calls it.
    pub product: String,
    /// None where the group has no such product.
    pub vulnerability: Option<VulnerabilityId>,
    pub code: String,
    pub message: String,
}

/// What came of a document. `claims` = `undecided` + `unknown` + `absent` + those that were found;
/// `changed`, `unchanged` and `refused` count vulnerabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// `openvex`, `cyclonedx` or `csaf`.
    pub format: &'static str,
    /// Id of the document, as its author gave it.
    pub document: String,
    pub author: String,
    /// What is said of one vulnerability in one product.
    pub claims: u64,
    /// Claims that decide nothing: under investigation, fixed, affected.
    pub undecided: u64,
    /// Claims about products that the group does not have.
    pub unknown: u64,
    /// Claims about vulnerabilities that their products do not have here.
    pub absent: u64,
    pub changed: u64,
    /// They were that way already.
    pub unchanged: u64,
    pub refused: u64,
    /// The first 1,000, those about unknown products included.
    pub refusals: Vec<Refusal>,
}

/// Takes a document over: confirmed false positives, acceptances, work in progress. Importing it makes
/// the caller the second person beside its author.
///
/// # Errors
/// Not permitted (`vex.import`), `vex.malformed`, `vex.unknown_format`, `vex.empty`, `vex.too_large`,
/// `vex.unknown_asset`, `vex.unknown_product` where the group has none of its products, or the store's.
pub async fn import(ctx: &Ctx, id: GroupId, wish: &Wish, bytes: Bytes) -> Result<Outcome> {
    let group = lookup::permitted::<Group>(ctx, id, Action::VexImport).await?;
    let digest = hex::encode(Sha256::digest(&bytes));
    let document = on_thread(move || read(&bytes)).await??;
    let assets = Assets::of(ctx, &group, &document, wish.asset.as_deref()).await?;
    // What the caller had seen is in the index then.
    index::catch_up(ctx).await?;
    let known = Known::of(ctx, &group, &document).await?;
    let mut outcome = Outcome {
        format: document.format.as_str(),
        document: document.id.clone(),
        author: document.author.clone(),
        claims: count(document.claims.len()),
        ..Outcome::default()
    };
    let plan = matched(&document, &assets, &known, &mut outcome)?;
    if outcome.unknown == outcome.claims {
        let label = document
            .claims
            .first()
            .map(|claim| claim.product.label.as_str());
        return Err(Error::invalid(
            "vex.unknown_product",
            format!(
                "the group has none of the document's products, such as {:?}; nothing was changed. Say with the parameter asset what it is about, or import a report of it first",
                label.unwrap_or_default()
            ),
        ));
    }
    let mut audit = AuditEntry::new(
        ctx,
        Some(group.organization),
        "vex.imported",
        [group.id.to_string(), document.id.clone()],
    )
    .with(serde_json::json!({
        "format": document.format.as_str(),
        "author": document.author,
        "sha256": digest,
        "claims": document.claims.len(),
    }));
    audit.subject.retain(|part| !part.is_empty());
    let size = (ctx.store().limits().writes / WRITES_PER_ITEM).clamp(1, CHUNK);
    let mut audit = Some(audit);
    for chunk in plan.chunks(size) {
        step(
            ctx,
            &group,
            &document,
            chunk,
            wish.dry_run,
            &mut audit,
            &mut outcome,
        )
        .await?;
    }
    Ok(outcome)
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// The assets that products may be.
struct Assets {
    by_name: HashMap<String, AssetId>,
    by_uuid: HashMap<uuid::Uuid, AssetId>,
    /// What all products are.
    only: Option<AssetId>,
}

/// Which of the group's things a product is.
struct Meant<'a> {
    asset: Option<AssetId>,
    purl: Option<&'a str>,
}

impl Assets {
    /// By name and by id, so that an asset counts from the moment it was made.
    async fn of(ctx: &Ctx, group: &Group, document: &Document, only: Option<&str>) -> Result<Self> {
        let only = only.map(str::trim).filter(|name| !name.is_empty());
        let mut names: BTreeSet<String> = only.map(str::to_owned).into_iter().collect();
        let mut ids: BTreeSet<AssetId> = BTreeSet::new();
        for claim in &document.claims {
            let product = &claim.product;
            names.extend(product.assets.iter().cloned());
            names.extend(product.purl.as_deref().and_then(asset_of_purl));
            ids.extend(product.uuid.map(AssetId::from_uuid));
        }
        // A document may say anything; what no asset can be called is not looked up.
        let is_name = |name: &String| asset_name(name).is_ok_and(|valid| valid == *name);
        let names: Vec<String> = names.into_iter().filter(is_name).collect();
        let ids: Vec<AssetId> = ids.into_iter().collect();
        let mut by_name = HashMap::new();
        for some in names.chunks(NAMES) {
            for asset in named(ctx, group, some).await? {
                by_name.insert(asset.name.clone(), asset.id);
            }
        }
        let mut by_uuid = HashMap::new();
        for some in ids.chunks(NAMES) {
            let found = repo::get_many::<Asset>(ctx.store(), some).await?;
            let mine = found.into_iter().flatten();
            let mine = mine.filter(|asset| asset.group == group.id);
            by_uuid.extend(mine.map(|asset| (asset.id.uuid(), asset.id)));
        }
        let only = match only {
            None => None,
            Some(name) => Some(*by_name.get(name).ok_or_else(|| {
                Error::invalid(
                    "vex.unknown_asset",
                    "the group has no asset of that name; nothing was changed",
                )
                .on_field("asset")
            })?),
        };
        Ok(Self {
            by_name,
            by_uuid,
            only,
        })
    }

    /// None where nothing says which thing of the group it may be.
    fn meant<'a>(&self, product: &'a Product) -> Option<Meant<'a>> {
        let by_uuid = product.uuid.and_then(|uuid| self.by_uuid.get(&uuid));
        let by_name = || {
            product
                .assets
                .iter()
                .find_map(|name| self.by_name.get(name))
        };
        let found = self.only.or_else(|| by_uuid.or_else(by_name).copied());
        // The asset's own purl names no package.
        let is_own = |purl: &str| {
            asset_of_purl(purl).is_some_and(|name| self.by_name.get(&name) == found.as_ref())
        };
        let purl = product.purl.as_deref().filter(|purl| !is_own(purl));
        (found.is_some() || purl.is_some()).then_some(Meant { asset: found, purl })
    }
}

/// Those of the group that have one of these names.
async fn named(ctx: &Ctx, group: &Group, names: &[String]) -> Result<Vec<Stored<Asset>>> {
    let unique = |name: &String| UniqueKey {
        collection: Asset::COLLECTION,
        name: "name",
        values: vec![group.id.to_string(), name.clone()],
    };
    let uniques: Vec<UniqueKey> = names.iter().map(unique).collect();
    let found = ctx.store().find(&uniques).await?;
    found.iter().flatten().map(Raw::typed).collect()
}

/// A vulnerability of the group that the document may be about.
struct Candidate {
    id: VulnerabilityId,
    asset: AssetId,
    package: Option<PackageLocation>,
}

/// Those that have a name of the document.
struct Known {
    by_name: HashMap<String, Vec<usize>>,
    all: Vec<Candidate>,
}

impl Known {
    async fn of(ctx: &Ctx, group: &Group, document: &Document) -> Result<Self> {
        let names: BTreeSet<String> = document
            .claims
            .iter()
            .flat_map(|claim| claim.names.iter().map(|name| name.to_ascii_uppercase()))
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        let mut known = Self {
            by_name: HashMap::new(),
            all: Vec::new(),
        };
        let mut seen: BTreeSet<VulnerabilityId> = BTreeSet::new();
        for some in names.chunks(NAMES) {
            let filter = VulnerabilityFilter {
                identifiers: some.to_vec(),
                any_ref: true,
                any_false_positive: true,
                ..VulnerabilityFilter::default()
            };
            let sort = Sort {
                field: "created",
                descending: false,
            };
            let scope = [Resource::Group(group.organization, group.id)];
            let mut page = PageRequest::first(500);
            loop {
                let found = query(ctx, &scope, &filter, sort, &page).await?;
                page.after = found.items.last().map(|(_, cursor)| cursor.clone());
                for (stored, _) in found.items {
                    if seen.insert(stored.id) {
                        known.add(&stored.value);
                    }
                }
                if known.all.len() > DECIDED_MAX {
                    return Err(too_many());
                }
                if !found.has_more || page.after.is_none() {
                    break;
                }
            }
        }
        Ok(known)
    }

    fn add(&mut self, value: &Vulnerability) {
        let at = self.all.len();
        self.all.push(Candidate {
            id: value.id,
            asset: value.asset,
            package: value.location.package().cloned(),
        });
        for name in &value.identifiers {
            self.by_name
                .entry(name.to_ascii_uppercase())
                .or_default()
                .push(at);
        }
    }

    fn named(&self, names: &[String]) -> BTreeSet<usize> {
        let upper = names.iter().map(|name| name.to_ascii_uppercase());
        upper
            .filter_map(|name| self.by_name.get(&name))
            .flatten()
            .copied()
            .collect()
    }
}

fn too_many() -> Error {
    Error::limit(
        "vex.too_large",
        format!(
            "a VEX document is about at most {DECIDED_MAX} vulnerabilities of a group; split it"
        ),
    )
}

/// Whether a purl names that package: the same type, namespace and name, and the same version where it
/// has one.
fn covers(purl: &packageurl::PackageUrl<'_>, package: &PackageLocation) -> bool {
    let Some(own) = package.purl.as_deref() else {
        return false;
    };
    let Ok(own) = own.parse::<packageurl::PackageUrl<'_>>() else {
        return false;
    };
    let version = own.version().or(package.version.as_deref());
    own.ty() == purl.ty()
        && own.namespace() == purl.namespace()
        && own.name() == purl.name()
        && purl.version().is_none_or(|wanted| version == Some(wanted))
}

/// Which claim holds for which vulnerability: of several the last.
fn matched<'a>(
    document: &'a Document,
    assets: &Assets,
    known: &Known,
    outcome: &mut Outcome,
) -> Result<Vec<(VulnerabilityId, &'a Claim)>> {
    let mut plan: BTreeMap<VulnerabilityId, &Claim> = BTreeMap::new();
    for claim in &document.claims {
        let meant = assets.meant(&claim.product);
        let purl = meant
            .as_ref()
            .and_then(|meant| meant.purl)
            .map(|purl| purl.parse::<packageurl::PackageUrl<'_>>().ok());
        let fits = |at: &usize| {
            let (Some(meant), Some(candidate)) = (&meant, known.all.get(*at)) else {
                return None;
            };
            let is_there = meant.asset.is_none_or(|asset| asset == candidate.asset);
            let is_it = match (&purl, &candidate.package) {
                (None, _) => true,
                (Some(Some(purl)), Some(package)) => covers(purl, package),
                (Some(_), _) => false,
            };
            (is_there && is_it).then_some(candidate.id)
        };
        let found: Vec<VulnerabilityId> =
            known.named(&claim.names).iter().filter_map(fits).collect();
        let is_known = meant.as_ref().is_some_and(|meant| meant.asset.is_some());
        if found.is_empty() && !is_known {
            outcome.unknown += 1;
            let name = claim.names.first().cloned().unwrap_or_default();
            tell(
                outcome,
                (name, claim.product.label.clone()),
                None,
                &Error::invalid(
                    "vex.unknown_product",
                    "the group has no such product with that vulnerability",
                ),
            );
        } else if claim.says == Says::Nothing {
            outcome.undecided += 1;
        } else if found.is_empty() {
            outcome.absent += 1;
        }
        // What decides nothing takes an earlier word back, too.
        plan.extend(found.into_iter().map(|id| (id, claim)));
    }
    plan.retain(|_, claim| claim.says != Says::Nothing);
    Ok(plan.into_iter().collect())
}

fn tell(
    outcome: &mut Outcome,
    (name, product): (String, String),
    vulnerability: Option<VulnerabilityId>,
    why: &Error,
) {
    if outcome.refusals.len() < TOLD {
        outcome.refusals.push(Refusal {
            name,
            product,
            vulnerability,
            code: why.code().to_owned(),
            message: why.message().to_owned(),
        });
    }
}

/// Decides on some, and commits it.
async fn step(
    ctx: &Ctx,
    group: &Group,
    document: &Document,
    chunk: &[(VulnerabilityId, &Claim)],
    dry_run: bool,
    audit: &mut Option<AuditEntry>,
    outcome: &mut Outcome,
) -> Result<()> {
    let reason = format!(
        "{} {} of {}",
        document.format.as_str(),
        document.id,
        document.author
    );
    for race in 0.. {
        let mut next = outcome.clone();
        let steps = decided(ctx, group, document, chunk, &mut next).await?;
        if !steps.is_empty() && !dry_run {
            let mut changes = ChangeSet::new();
            if let Some(audit) = audit.as_ref() {
                changes.create(audit, None)?;
            }
            match commit_with(ctx, steps, changes, "vex.applied", Some(&reason)).await {
                Ok(_) => *audit = None,
                Err(error) if error.code() == "store.conflict" && race < RACES => continue,
                Err(error) => return Err(error),
            }
        }
        *outcome = next;
        return Ok(());
    }
    Ok(())
}

async fn decided(
    ctx: &Ctx,
    group: &Group,
    document: &Document,
    chunk: &[(VulnerabilityId, &Claim)],
    outcome: &mut Outcome,
) -> Result<Vec<Step>> {
    let policy = policy_of(ctx, group.organization, group.id).await?;
    let note = Note::new(&ctx.actor, ctx.now(), None);
    let ids: Vec<VulnerabilityId> = chunk.iter().map(|(id, _)| *id).collect();
    let found: Vec<Option<Stored<Vulnerability>>> = repo::get_many(ctx.store(), &ids).await?;
    let mut steps = Vec::new();
    for ((id, claim), current) in chunk.iter().zip(found) {
        let Some(current) = current.filter(|current| current.group == group.id) else {
            continue;
        };
        match decide(&current.value, document, claim, &policy, &note) {
            Ok(events) if events.is_empty() => outcome.unchanged += 1,
            Ok(events) => {
                outcome.changed += 1;
                steps.push(Step { current, events });
            }
            Err(refusal) if is_refusal(&refusal) => {
                outcome.refused += 1;
                let name = claim.names.first().cloned().unwrap_or_default();
                tell(
                    outcome,
                    (name, claim.product.label.clone()),
                    Some(*id),
                    &refusal,
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(steps)
}

/// Whether it says something about the one vulnerability, and not about our means.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), Kind::Invalid | Kind::Conflict | Kind::Limit)
}
