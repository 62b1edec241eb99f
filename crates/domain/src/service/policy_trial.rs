//! Trying a policy: what would change if it were set, over what is open now. Nothing is written.

use std::collections::{BTreeMap, HashMap};

use super::filter::VulnerabilityFilter;
use super::vulnerability::select;
use super::{group, organization};
use crate::ctx::{Ctx, Resource};
use crate::error::Result;
use crate::id::{GroupId, VulnerabilityId};
use crate::model::{Group, Organization, Policy, PolicyChange, Vulnerability};
use crate::page::{Count, Cursor};
use crate::policy::Action;
use crate::port::repo;
use crate::port::search::{SearchRequest, Sort};
use crate::rules;
use crate::rules::policy_trial::{Applied, Effect, effects};

/// Vulnerabilities that one page looks at.
pub const PAGE: usize = 1_000;

/// Vulnerabilities that are named for each effect.
pub const EXAMPLES: usize = 10;

/// How far the total is counted.
const COUNTED: u64 = 1_000_000;

/// What one effect comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    pub effect: Effect,
    pub count: u64,
    /// The first ones.
    pub examples: Vec<VulnerabilityId>,
}

/// What a policy would change on a page of vulnerabilities.
#[derive(Clone, Debug)]
pub struct Trial {
    /// How many this page looked at.
    pub examined: u64,
    /// How many are open in all.
    pub total: Count,
    /// How many of this page's any effect concerns.
    pub changed: u64,
    /// Effects that there are, in the order of [`Effect::ALL`].
    pub effects: Vec<Affected>,
    /// Where the next page begins; add its counts up with these.
    pub next: Option<Cursor>,
}

/// Tries a change of the policy of a group or an organization, [`PAGE`] open vulnerabilities at a time,
/// those that matter most first.
///
/// # Errors
/// Not permitted (`policy.update`, `organization.update`), `policy.range`, `policy.contradiction`, or the
/// store's.
pub async fn run(
    ctx: &Ctx,
    place: Resource,
    change: PolicyChange,
    after: Option<Cursor>,
) -> Result<Trial> {
    let terms = terms(ctx, place, change).await?;
    let scope: Vec<Resource> = terms.values().map(|(resource, ..)| *resource).collect();
    let filter = VulnerabilityFilter {
        states: vec!["OPEN".to_owned()],
        ..VulnerabilityFilter::default()
    };
    let selection = select(ctx, &scope, &filter).await?;
    let total = ctx.ports.search.count(&selection, COUNTED).await?;
    let request = SearchRequest {
        selection,
        sort: Sort {
            field: "severity",
            descending: true,
        },
        limit: PAGE,
        after,
    };
    let found = ctx.ports.search.query(&request).await?;
    let next = found
        .hits
        .last()
        .filter(|_| found.has_more)
        .map(|hit| hit.cursor.clone());
    let ids: Vec<VulnerabilityId> = found.hits.into_iter().map(|hit| hit.id).collect();
    let values = repo::get_many::<Vulnerability>(ctx.store(), &ids).await?;
    let mut counts: BTreeMap<Effect, Affected> = BTreeMap::new();
    let mut trial = Trial {
        examined: u64::try_from(ids.len()).unwrap_or(u64::MAX),
        total,
        changed: 0,
        effects: Vec::new(),
        next,
    };
    for value in values.into_iter().flatten() {
        let Some((_, before, after)) = terms.get(&value.group) else {
            continue;
        };
        let all = effects(&value, before, after, ctx.now());
        trial.changed += u64::from(!all.is_empty());
        for effect in all {
            let affected = counts.entry(effect).or_insert_with(|| Affected {
                effect,
                count: 0,
                examples: Vec::new(),
            });
            affected.count += 1;
            if affected.examples.len() < EXAMPLES {
                affected.examples.push(value.id);
            }
        }
    }
    trial.effects = counts.into_values().collect();
    Ok(trial)
}

type Terms = HashMap<GroupId, (Resource, Applied, Applied)>;

/// What applies now and what would, in each group that the change is about.
async fn terms(ctx: &Ctx, place: Resource, change: PolicyChange) -> Result<Terms> {
    let mut terms = HashMap::new();
    match place {
        Resource::Group(organization, id) => {
            ctx.permit(Action::PolicyUpdate, place)?;
            let organization = repo::require::<Organization>(ctx.store(), organization).await?;
            let group = group::require(ctx, id).await?;
            let next = change.apply(&group.policy);
            rules::policy::check(&Policy::effective(&organization.policy, &next))?;
            let before = Applied::new(&organization.policy, &group.policy)?;
            let after = Applied::new(&organization.policy, &next)?;
            terms.insert(id, (place, before, after));
        }
        Resource::Organization(id) => {
            ctx.permit(Action::OrganizationUpdate, place)?;
            let current = organization::require(ctx, id).await?;
            let next = Organization {
                policy: change.apply(&current.policy),
                ..current.value.clone()
            };
            organization::check_policy(ctx, &next).await?;
            let groups =
                repo::list_all::<Group>(ctx.store(), "by_organization", &[&id.to_string()]).await?;
            for group in groups {
                let before = Applied::new(&current.policy, &group.policy)?;
                let after = Applied::new(&next.policy, &group.policy)?;
                terms.insert(group.id, (Resource::Group(id, group.id), before, after));
            }
        }
        Resource::Instance => ctx.permit(Action::InstanceManage, place)?,
    }
    Ok(terms)
}
