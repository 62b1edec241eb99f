//! Lists, page by page: Relay connections with a bounded total.
//!
//! Services tell where a page ends, not where each item stands. So the cursor of an item in the
//! middle of a page is the page's own start and how many items to pass over from there; the last
//! one's is what the service says. Both continue a list that changes meanwhile without repeating
//! or leaving out more than what changed within that one page.

use async_graphql::connection::{
    Connection, DefaultConnectionName, DefaultEdgeName, DisableNodesField, Edge, EmptyFields,
};
use async_graphql::{Context, Enum, Object, OutputType, SimpleObject};
use futures::future::BoxFuture;
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::page::{Count, Cursor, Page, PageRequest};

/// Items of a page where the caller does not say.
pub const DEFAULT_FIRST: i32 = 50;
/// Most items of a page.
pub const MAX_FIRST: i32 = 200;
/// Up to how many items a total is counted in lists that only the store has.
const LIST_BOUND: usize = 1_000;
/// Stands between a page's start and the number of items to pass over. No store's cursor has it.
const PASS_OVER: char = '~';

pub type List<N> = Connection<
    String,
    N,
    Totals,
    EmptyFields,
    DefaultConnectionName,
    DefaultEdgeName,
    DisableNodesField,
>;

/// Whether a total is all there is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalRelation {
    /// Exactly so many.
    Exact,
    /// Counting stopped there; there may be more.
    AtLeast,
}

/// How many items a list has in all.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub struct TotalCount {
    /// The number.
    pub value: u64,
    /// Whether that is all of them.
    pub relation: TotalRelation,
}

impl From<Count> for TotalCount {
    fn from(count: Count) -> Self {
        let relation = match count {
            Count::Exact(_) => TotalRelation::Exact,
            Count::AtLeast(_) => TotalRelation::AtLeast,
        };
        Self {
            value: count.value(),
            relation,
        }
    }
}

type Counter = Box<dyn Fn(Ctx) -> BoxFuture<'static, Result<Count>> + Send + Sync>;

/// Counts when it is asked for, not before.
pub enum Totals {
    Known(Count),
    Asked(Counter),
}

#[Object]
impl Totals {
    /// How many items there are in all, whatever the page; counted up to a bound.
    async fn total_count(&self, ctx: &Context<'_>) -> async_graphql::Result<TotalCount> {
        Ok(match self {
            Self::Known(count) => (*count).into(),
            Self::Asked(counter) => counter(ctx.data::<Ctx>()?.clone()).await?.into(),
        })
    }
}

/// How many items of a page, for the cost of a query.
#[must_use]
pub fn cost(first: Option<i32>, child: usize) -> usize {
    let items = first.unwrap_or(DEFAULT_FIRST).clamp(1, MAX_FIRST);
    usize::try_from(items)
        .unwrap_or(1)
        .saturating_mul(child)
        .saturating_add(1)
}

/// What a caller asks of a list.
#[derive(Clone, Debug)]
pub struct Wish {
    first: usize,
    after: Option<Cursor>,
    pass_over: usize,
}

impl Wish {
    /// # Errors
    /// `page.first` for a size that is not between 1 and [`MAX_FIRST`].
    pub fn new(first: Option<i32>, after: Option<String>) -> Result<Self> {
        let first = first.unwrap_or(DEFAULT_FIRST);
        let size = usize::try_from(first)
            .ok()
            .filter(|_| (1..=MAX_FIRST).contains(&first))
            .ok_or_else(|| {
                Error::invalid("page.first", format!("a page has 1 to {MAX_FIRST} items"))
                    .on_field("first")
            })?;
        let (start, pass_over) = match after
            .as_deref()
            .and_then(|text| text.rsplit_once(PASS_OVER))
        {
            Some((start, count)) => match count.parse::<usize>() {
                Ok(count) if count <= 200 => (Some(start.to_owned()), count),
                _ => {
                    return Err(
                        Error::invalid("page.cursor", "that is no cursor of this list")
                            .on_field("after"),
                    );
                }
            },
            None => (after, 0),
        };
        Ok(Self {
            first: size,
            after: start.filter(|start| !start.is_empty()).map(Cursor),
            pass_over,
        })
    }

    /// For searches, which have a cursor for every hit.
    #[must_use]
    pub fn plain(&self) -> PageRequest {
        PageRequest {
            first: self.first,
            after: self.after.clone(),
        }
    }

    fn whole(&self) -> PageRequest {
        PageRequest {
            first: self.first + self.pass_over,
            after: self.after.clone(),
        }
    }

    fn cursor(&self, passed: usize) -> String {
        let start = self.after.as_ref().map_or("", |after| &after.0);
        format!("{start}{PASS_OVER}{passed}")
    }
}

/// A page of what a service lists, as a connection.
///
/// In a box, as whatever else a field of a node may have to wait for long: each field of each node of
/// a page gets a future as large as that of the largest field beside it.
///
/// # Errors
/// The service's.
pub fn listed<'a, T, N, F, Fut>(
    ctx: &'a Ctx,
    wish: &'a Wish,
    list: F,
    node: impl Fn(T) -> N + Send + 'a,
) -> BoxFuture<'a, Result<List<N>>>
where
    T: Send + 'static,
    N: OutputType + 'a,
    F: Fn(Ctx, PageRequest) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Page<T>>> + Send + 'static,
{
    Box::pin(async move {
        let page = list(ctx.clone(), wish.whole()).await?;
        let is_all = wish.after.is_none() && page.next.is_none();
        let totals = if is_all {
            Totals::Known(Count::Exact(
                page.items.len().try_into().unwrap_or(u64::MAX),
            ))
        } else {
            Totals::Asked(Box::new(move |ctx| {
                let list = list.clone();
                Box::pin(async move {
                    let page = list(ctx, PageRequest::first(LIST_BOUND)).await?;
                    let count = page.items.len().try_into().unwrap_or(u64::MAX);
                    Ok(if page.next.is_some() {
                        Count::AtLeast(count)
                    } else {
                        Count::Exact(count)
                    })
                })
            }))
        };
        let has_previous = wish.after.is_some() || wish.pass_over > 0;
        let mut connection =
            List::with_additional_fields(has_previous, page.next.is_some(), totals);
        let last = page.items.len();
        for (at, item) in page.items.into_iter().enumerate().skip(wish.pass_over) {
            let cursor = match &page.next {
                Some(next) if at + 1 == last => next.0.clone(),
                _ => wish.cursor(at + 1),
            };
            connection.edges.push(Edge::new(cursor, node(item)));
        }
        Ok(connection)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_sensible_size() {
        for (first, good) in [
            (None, true),
            (Some(1), true),
            (Some(200), true),
            (Some(0), false),
            (Some(-1), false),
            (Some(201), false),
        ] {
            assert_eq!(Wish::new(first, None).is_ok(), good, "{first:?}");
        }
        assert_eq!(cost(None, 3), 151);
        assert_eq!(cost(Some(i32::MAX), 1), 201);
        assert_eq!(cost(Some(10), usize::MAX), usize::MAX);
    }

    #[test]
    fn a_cursor_inside_a_page_leads_back_to_where_it_stood() {
        let wish = Wish::new(Some(10), Some("abc".into())).expect("a wish");
        let again = Wish::new(Some(10), Some(wish.cursor(3))).expect("a wish");
        assert_eq!(
            again.whole(),
            PageRequest {
                first: 13,
                after: Some(Cursor("abc".into()))
            }
        );
        let first = Wish::new(Some(10), None).expect("a wish");
        let again = Wish::new(Some(10), Some(first.cursor(3))).expect("a wish");
        assert_eq!(
            again.whole(),
            PageRequest {
                first: 13,
                after: None
            }
        );
        assert!(Wish::new(None, Some("abc~999999".into())).is_err());
    }
}
