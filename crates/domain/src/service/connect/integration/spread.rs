//! Telling all integrations of an organization, however many there are: a page of them at a time, each
//! page's jobs in one commit with the end of the page before and with the job of the next page. So each
//! integration is told once, and no commit is larger than a store takes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;

use super::work;
use crate::connect::ConnectedEntity;
use crate::connect::integration::{Integration, Status};
use crate::connect::recipe::{Occurrence, RecipeInfo};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{EntityId, GroupId, OrganizationId};
use crate::model::{Job, ReceivedHook};
use crate::page::{Cursor, PageRequest};
use crate::port::jobs::{Claimed, Handler, Outcome};
use crate::port::recipes::{Recipe, Recipes};
use crate::port::store::{ChangeSet, FeedItem, Stored};
use crate::port::{fresh, repo};
use crate::rules::hook::{may_be_for, project};
use crate::rules::integration::{Work, work as work_for};
use crate::time::Timestamp;

/// Kind of the jobs that tell the next page of integrations.
pub const SPREAD: &str = "integration.spread";

/// The event of an account that was connected again.
pub(super) const RECONNECTED: &str = "entity.reconnected";

/// Integrations told in one commit, at most.
const AT_ONCE: usize = 100;
/// What a commit may hold for each integration that it tells: two jobs, and as much again for what
/// comes beside them.
const WRITES_EACH: usize = 4;

/// Something that happened, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heard {
    #[serde(flatten)]
    what: Occurrence,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<GroupId>,
    at: Timestamp,
}

impl Heard {
    pub(super) fn of(item: &FeedItem, group: Option<GroupId>) -> Self {
        Self {
            what: Occurrence {
                event: item.event.name.clone(),
                subject: item.key.partition.clone(),
            },
            group,
            at: item.at,
        }
    }
}

/// Which webhook it is: its content stays in its own record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Arrived {
    pub(super) app: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) target: String,
    pub(super) delivery: String,
    /// As [`ReceivedHook`] has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    projects: Vec<String>,
}

impl Arrived {
    /// Of several accounts nobody says which one the configured project is of.
    fn is_of_other_project(&self, integration: &Integration) -> bool {
        let own = project(&integration.config).filter(|_| integration.entities.len() == 1);
        !may_be_for(&self.projects, own.as_deref())
    }

    fn may_be_about(&self, account: &ConnectedEntity) -> bool {
        account.module.as_str() == self.app
            && may_be_for(&self.accounts, Some(&account.external_id))
    }
}

/// What is to be told to the integrations of an organization, and from where on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spread {
    organization: OrganizationId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heard: Vec<Heard>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hook: Option<Arrived>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Cursor>,
}

impl Spread {
    /// Of what happened here, in order.
    pub(super) fn of_events(organization: OrganizationId, heard: Vec<Heard>) -> Self {
        Self {
            organization,
            heard,
            hook: None,
            after: None,
        }
    }

    /// Of what an app told.
    pub(super) fn of_hook(hook: &ReceivedHook) -> Self {
        Self {
            organization: hook.organization,
            heard: Vec::new(),
            hook: Some(Arrived {
                app: hook.app.clone(),
                target: hook.target.clone(),
                delivery: hook.delivery.clone(),
                accounts: hook.accounts.clone(),
                projects: hook.projects.clone(),
            }),
            after: None,
        }
    }

    /// Jobs for the next integrations that are to be told, and one for the rest where there are more.
    /// `since` is when the telling began: what began first is told first.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn told(
        &self,
        ctx: &Ctx,
        recipes: &[Arc<dyn Recipe>],
        since: Timestamp,
    ) -> Result<ChangeSet> {
        let organization = self.organization.to_string();
        let mut request = PageRequest {
            first: (ctx.store().limits().writes / WRITES_EACH).clamp(1, AT_ONCE),
            after: self.after.clone(),
        };
        loop {
            let page = repo::list::<Integration>(
                ctx.store(),
                "by_organization",
                &[&organization],
                false,
                request.clone(),
            )
            .await?;
            let mut changes = ChangeSet::new();
            match &self.hook {
                Some(hook) => {
                    tell_of_hook(ctx, recipes, hook, &page.items, &mut changes).await?;
                }
                None => {
                    for integration in &page.items {
                        self.tell(ctx, recipes, integration, &mut changes)?;
                    }
                }
            }
            match page.next {
                None => return Ok(changes),
                // Nobody of these: nothing to be committed.
                after if changes.is_empty() => request.after = after,
                after => {
                    let rest = Self {
                        after,
                        ..self.clone()
                    };
                    changes.create(&rest.job(ctx, since), None)?;
                    return Ok(changes);
                }
            }
        }
    }

    /// Those of one organization take turns.
    fn job(&self, ctx: &Ctx, since: Timestamp) -> Job {
        let id = fresh(ctx.ports.ids.as_ref());
        Job::new(id, SPREAD, json!(self), since)
            .in_lane(format!("integrations:{}", self.organization))
            .of(self.organization)
    }

    /// What one integration is told of what happened. One whose account was connected again goes on at
    /// once.
    fn tell(
        &self,
        ctx: &Ctx,
        recipes: &[Arc<dyn Recipe>],
        integration: &Integration,
        changes: &mut ChangeSet,
    ) -> Result<()> {
        let goes_on = self.heard.iter().any(|heard| {
            heard.what.event == RECONNECTED && waits_for(integration, &heard.what.subject)
        });
        if goes_on {
            changes.create(&work::begin(ctx, integration), None)?;
        }
        let info = info_of(recipes, integration);
        let mut events: Vec<Occurrence> = Vec::new();
        for heard in &self.heard {
            // One look at a thing is enough, however much happened to it.
            if is_for(info, integration, heard) && events.last() != Some(&heard.what) {
                events.push(heard.what.clone());
            }
        }
        if !events.is_empty() {
            let at_once = info.map_or(1, |info| info.at_once);
            changes.create(&work::events(ctx, integration, events, at_once), None)?;
        }
        Ok(())
    }
}

/// Whether it stands still because of this account.
fn waits_for(integration: &Integration, entity: &str) -> bool {
    integration.status == Status::Error
        && integration
            .entities
            .iter()
            .any(|joined| joined.entity.to_string() == entity)
}

/// None where this server no longer has its recipe.
fn info_of<'a>(
    recipes: &'a [Arc<dyn Recipe>],
    integration: &Integration,
) -> Option<&'a RecipeInfo> {
    let mut all = recipes.iter().map(|recipe| recipe.info());
    all.find(|info| info.name == integration.recipe)
}

fn is_for(info: Option<&RecipeInfo>, integration: &Integration, heard: &Heard) -> bool {
    integration.group.is_none_or(|of| heard.group == Some(of))
        && integration.created <= heard.at
        && work_for(integration.status) != Work::Drop
        && info.is_some_and(|info| info.handles(&heard.what.event))
}

/// Those that have an account which the webhook may be about, in the slot that has it.
async fn tell_of_hook(
    ctx: &Ctx,
    recipes: &[Arc<dyn Recipe>],
    hook: &Arrived,
    integrations: &[Stored<Integration>],
    changes: &mut ChangeSet,
) -> Result<()> {
    let meant = || {
        integrations.iter().filter(|integration| {
            work_for(integration.status) != Work::Drop && !hook.is_of_other_project(integration)
        })
    };
    let mut ids: Vec<EntityId> = meant()
        .flat_map(|integration| integration.entities.iter().map(|joined| joined.entity))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let entities = repo::get_many::<ConnectedEntity>(ctx.store(), &ids).await?;
    let known: HashSet<EntityId> = entities
        .into_iter()
        .flatten()
        .filter(|entity| hook.may_be_about(entity))
        .map(|entity| entity.id)
        .collect();
    for integration in meant() {
        let mut accounts = integration.entities.iter();
        if let Some(joined) = accounts.find(|joined| known.contains(&joined.entity)) {
            let slot = joined.slot.clone();
            let at_once = info_of(recipes, integration).map_or(1, |info| info.at_once);
            let job = work::webhook(ctx, integration, slot, hook, at_once);
            changes.create(&job, None)?;
        }
    }
    Ok(())
}

/// Tells the next page.
pub(super) struct SpreadHandler(pub(super) Arc<dyn Recipes>);

#[async_trait]
impl Handler for SpreadHandler {
    fn kind(&self) -> &'static str {
        SPREAD
    }

    fn description(&self) -> &'static str {
        "Tells more integrations of an organization what happened, or what an app told."
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let job = claimed.job();
        let spread: Spread = serde_json::from_value(job.payload.clone())
            .map_err(|_| Error::invalid("job.payload", "the job's payload can't be read"))?;
        let told = spread.told(ctx, &self.0.all(), job.created).await?;
        // With the end of this job: each page is told once.
        Ok(Outcome::Done(told))
    }
}
