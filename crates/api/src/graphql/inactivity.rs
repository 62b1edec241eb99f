//! Members who have not come for long.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use gna_domain::Ctx;
use gna_domain::rules::inactivity::Verdict;
use gna_domain::service::inactivity::{self, Inactive};
use gna_domain::service::organization;

use super::connection::{List, Wish, cost, listed};
use super::enums::Role;
use super::scalar::{DateTime, id, parse};

/// What is about to happen to a membership.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactivityVerdict {
    /// They will be told with the next daily run.
    Warn,
    /// They were told, and it ends at `endsAt`.
    Warned,
    /// It ends with the next daily run.
    Remove,
    /// It stays: of all owners they came last.
    Keeper,
}

/// A membership that ends because nobody uses it.
#[derive(SimpleObject)]
pub struct InactiveMember {
    /// Id of the person.
    pub user_id: ID,
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Id of the organization or group.
    pub place: ID,
    /// The role held there; one in the organization takes those in its groups with it.
    pub role: Role,
    /// When they last acted, to the day.
    pub last_active: DateTime,
    /// When they were told.
    pub warned_at: Option<DateTime>,
    /// When it ends; null where nobody was told yet.
    pub ends_at: Option<DateTime>,
    /// What is about to happen.
    pub verdict: InactivityVerdict,
}

impl From<Inactive> for InactiveMember {
    fn from(of: Inactive) -> Self {
        let (verdict, ends) = match of.verdict {
            Verdict::Warn { .. } => (InactivityVerdict::Warn, None),
            Verdict::Warned { ends } => (InactivityVerdict::Warned, Some(ends)),
            Verdict::Remove => (InactivityVerdict::Remove, None),
            // Whoever is active stays too, and is not listed.
            Verdict::Keeper | Verdict::Active => (InactivityVerdict::Keeper, None),
        };
        Self {
            user_id: id(of.user.id),
            name: of.user.name,
            email: of.user.email.as_str().to_owned(),
            place: ID(of.membership.scope.to_string()),
            role: of.membership.role.into(),
            last_active: of.active.into(),
            warned_at: of.membership.warned.map(Into::into),
            ends_at: ends.map(Into::into),
            verdict,
        }
    }
}

#[derive(Default)]
pub struct InactivityQuery;

#[Object]
impl InactivityQuery {
    /// The memberships of an organization that the policy's `inactivityDays` would end, or that another number
    /// would, by user. Nothing is written. Needs `member.manage`.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn inactive_members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organization.")] organization: ID,
        #[graphql(desc = "To be tried in place of what policies say, everywhere.")] days: Option<
            u32,
        >,
        #[graphql(desc = "Items of a page, 1 to 200; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Cursor after which the page starts.")] after: Option<String>,
    ) -> Result<List<InactiveMember>> {
        let gna = ctx.data::<Ctx>()?;
        let wish = Wish::new(first, after)?;
        let of = organization::require(gna, parse(&organization, "organization")?).await?;
        let of = of.id;
        let list =
            move |ctx: Ctx, page| async move { inactivity::preview(&ctx, of, days, page).await };
        Ok(listed(gna, &wish, list, InactiveMember::from).await?)
    }
}
