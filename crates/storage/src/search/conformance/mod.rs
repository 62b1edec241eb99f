//! What every implementation of the search port must pass, one function per topic.
//!
//! A [`Subject`] is an implementation, or one under [`LaggingSearch`]; topics let it catch up
//! before they look. Random documents and questions are compared with the memory model in the
//! crate's own tests.

mod counting;
mod filters;
mod life;
mod make;
mod paging;
mod words;

use futures::future::BoxFuture;
use gna_domain::id::{GroupId, VulnerabilityId};
use gna_domain::port::search::{
    Condition, Document, FindingText, Search, SearchRequest, SearchUpdate, Selection, Sort,
};
use std::collections::BTreeSet;
use std::sync::Arc;

pub use make::{finding_text, group, vulnerability, vulnerability_id};

use super::LaggingSearch;

/// A topic by its name. It empties the index first.
pub type Topic = (&'static str, for<'a> fn(&'a Subject) -> BoxFuture<'a, ()>);

macro_rules! topics {
    ($($module:ident :: $topic:ident),* $(,)?) => {
        &[$((stringify!($topic), |subject| Box::pin(async move {
            subject.search.clear().await.expect("clears");
            $module::$topic(subject).await;
        }))),*]
    };
}

pub const TOPICS: &[Topic] = topics![
    filters::fields_of_each_kind,
    filters::nesting,
    filters::groups_are_closed,
    filters::what_makes_no_sense_is_refused,
    paging::order_and_ties,
    paging::pages_are_complete_while_documents_change,
    paging::cursors_are_checked,
    words::words_and_prefixes,
    words::any_text_is_safe,
    words::words_of_findings,
    counting::facets,
    counting::counts_stop_at_a_bound,
    life::newer_versions_win,
    life::removal_and_moves,
    life::touching,
    life::prioritizing,
    life::position_and_clearing,
    life::an_update_that_follows_another_position,
    life::a_bad_document_changes_nothing,
];

/// Runs all topics, one after the other; prints the name of each, so that a failure has one.
///
/// # Panics
/// When the implementation does not do what the port says.
pub async fn run(subject: &Subject) {
    for (name, topic) in TOPICS {
        println!("{}: {name}", subject.search.name());
        topic(subject).await;
    }
}

/// An implementation under test.
pub struct Subject {
    pub search: Arc<dyn Search>,
    lagging: Option<Arc<LaggingSearch>>,
}

impl Subject {
    #[must_use]
    pub fn new(search: Arc<dyn Search>) -> Self {
        Self {
            search,
            lagging: None,
        }
    }

    /// The same, always `behind` changes late.
    #[must_use]
    pub fn lagging(search: Arc<dyn Search>, behind: usize) -> Self {
        let lagging = Arc::new(LaggingSearch::new(search, behind));
        Self {
            search: Arc::clone(&lagging) as Arc<dyn Search>,
            lagging: Some(lagging),
        }
    }

    async fn settle(&self) {
        if let Some(lagging) = &self.lagging {
            lagging.catch_up().await.expect("catches up");
        }
    }

    async fn apply(&self, update: SearchUpdate) {
        self.search.apply(update).await.expect("applies");
        self.settle().await;
    }

    /// The code with which an update is refused, at once or when it is let through.
    async fn refusal(&self, update: SearchUpdate) -> Option<&'static str> {
        let mut done = self.search.apply(update).await;
        if let (Ok(()), Some(lagging)) = (&done, &self.lagging) {
            done = lagging.catch_up().await;
        }
        done.err().map(|error| error.code())
    }

    async fn put(&self, documents: impl IntoIterator<Item = Document>) {
        self.apply(SearchUpdate {
            documents: documents.into_iter().collect(),
            ..SearchUpdate::default()
        })
        .await;
    }

    async fn put_findings(&self, findings: impl IntoIterator<Item = FindingText>) {
        self.apply(SearchUpdate {
            findings: findings.into_iter().collect(),
            ..SearchUpdate::default()
        })
        .await;
    }

    async fn remove(&self, removed: impl IntoIterator<Item = u128>) {
        let removed = removed
            .into_iter()
            .map(|number| vulnerability_id(number).into())
            .collect();
        self.apply(SearchUpdate {
            removed,
            ..SearchUpdate::default()
        })
        .await;
    }

    /// Numbers of all hits; checks that the count agrees.
    async fn found(&self, selection: Selection) -> BTreeSet<u128> {
        let hits = self
            .page(
                selection.clone(),
                Sort {
                    field: "created",
                    descending: false,
                },
                1_000,
            )
            .await;
        let count = self.search.count(&selection, 1_000).await.expect("counts");
        assert_eq!(
            count.value(),
            hits.len() as u64,
            "the count of {selection:?}"
        );
        hits.into_iter().collect()
    }

    /// Numbers of the hits of the first page, in order.
    async fn page(&self, selection: Selection, sort: Sort, limit: usize) -> Vec<u128> {
        let request = SearchRequest {
            selection,
            sort,
            limit,
            after: None,
        };
        let page = self.search.query(&request).await.expect("answers");
        page.hits.iter().map(|hit| make::number(hit.id)).collect()
    }

    async fn matching(&self, condition: Condition) -> BTreeSet<u128> {
        self.found(where_(condition)).await
    }

    async fn saying(&self, text: &str) -> BTreeSet<u128> {
        self.found(Selection {
            text: Some(text.to_owned()),
            ..where_(everything())
        })
        .await
    }

    async fn has(&self, id: VulnerabilityId) -> bool {
        self.found(where_(everything()))
            .await
            .contains(&make::number(id))
    }
}

/// In group 1.
fn where_(condition: Condition) -> Selection {
    Selection {
        groups: vec![group(1)],
        condition,
        text: None,
    }
}

fn everything() -> Condition {
    Condition::All(Vec::new())
}

fn groups(numbers: &[u128]) -> Vec<GroupId> {
    numbers.iter().copied().map(group).collect()
}

fn set<const N: usize>(numbers: [u128; N]) -> BTreeSet<u128> {
    BTreeSet::from(numbers)
}
