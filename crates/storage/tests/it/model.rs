//! Random sequences of operations: each backend answers as the model does, call by call.

#[cfg(feature = "sqlite")]
use super::backends::open;
#[cfg(feature = "dynamodb")]
use super::backends::open_dynamodb;
#[cfg(feature = "mongodb")]
use super::backends::open_mongodb;
#[cfg(feature = "postgres")]
use super::backends::open_postgres;
use gna_domain::page::Cursor;
use gna_storage::backend::memory::MemoryBackend;
use gna_storage::conformance::TestClock;
#[cfg(feature = "dynamodb")]
use gna_storage::conformance::dynamodb;
#[cfg(feature = "mongodb")]
use gna_storage::conformance::mongodb;
#[cfg(feature = "postgres")]
use gna_storage::conformance::postgres::Place;
use gna_storage::kernel::{
    Backend, Batch, Direction, Error, Expect, FeedEntry, FeedRecord, IndexEntry, Item, ItemKey,
    ItemPage, Op, RangeQuery,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::Bound;

/// Few, so that sequences meet the same items again; and each next to another in byte order.
const PARTITIONS: &[&str] = &["p", "p\u{1f}", "q"];
const SORTS: &[&str] = &["", "a", "a\u{1f}b", "aa", "b", "é"];
const COLLECTIONS: &[&str] = &["note", "task"];

#[derive(Clone, Debug)]
enum Step {
    Commit(Batch),
    Get(Vec<ItemKey>),
    /// All pages of a range, with a commit after each page but the last.
    Query(RangeQuery, Vec<Batch>),
    Scan(&'static str, usize),
    Feed(usize),
    Trim(i64),
    Purge,
    Wait(i64),
    Reopen,
}

fn key() -> impl Strategy<Value = ItemKey> {
    (select(COLLECTIONS), select(PARTITIONS), select(SORTS)).prop_map(
        |(collection, partition, sort)| ItemKey {
            collection,
            partition: partition.into(),
            sort: sort.into(),
        },
    )
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        3 => Just(Expect::Any),
        2 => Just(Expect::Absent),
        2 => (1..4u64).prop_map(Expect::Version),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let entry = |index| {
        let made = (select(PARTITIONS), select(SORTS))
            .prop_map(move |(partition, sort)| (index, partition, sort));
        proptest::option::of(made)
    };
    let expires = proptest::option::weighted(0.2, 0..200i64);
    (key(), 1..4u64, entry("first"), entry("second"), expires).prop_map(
        |(key, version, first, second, expires)| {
            // The order among equal sort keys is each backend's own: here there are none.
            let of_item = format!("{}{}{}", key.partition, '\u{1}', key.sort);
            let entries = [first, second]
                .into_iter()
                .flatten()
                .map(|(index, partition, sort)| IndexEntry {
                    index,
                    partition: partition.into(),
                    sort: format!("{sort}\u{2}{of_item}"),
                });
            Item {
                version,
                body: format!("{{\"v\":{version}}}").into(),
                entries: entries.collect(),
                expires: expires.map(|after| TestClock::default().now().plus_millis(after)),
                key,
            }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (item(), expect()).prop_map(|(item, expect)| Op::Put { item, expect }),
        2 => (key(), expect()).prop_map(|(key, expect)| Op::Delete { key, expect }),
        1 => (key(), expect()).prop_map(|(key, expect)| Op::Check { key, expect }),
        2 => (key(), 0..200i64).prop_map(|(key, at)| Op::Append(FeedRecord {
            event: "note.changed".into(),
            key,
            version: 1,
            at: TestClock::default().now().plus_millis(at),
            data: "{}".into(),
        })),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    prop::collection::vec(op(), 0..6).prop_map(|ops| Batch { ops })
}

fn bound() -> impl Strategy<Value = Bound<String>> {
    let text = || select(SORTS).prop_map(ToOwned::to_owned);
    prop_oneof![
        2 => Just(Bound::Unbounded),
        1 => text().prop_map(Bound::Included),
        1 => text().prop_map(Bound::Excluded),
    ]
}

fn query() -> impl Strategy<Value = RangeQuery> {
    let index = select(&[None, Some("first"), Some("second"), Some("unknown")][..]);
    let direction = select(&[Direction::Ascending, Direction::Descending][..]);
    (
        select(COLLECTIONS),
        index,
        select(PARTITIONS),
        bound(),
        bound(),
        direction,
        1..4usize,
    )
        .prop_map(
            |(collection, index, partition, from, to, direction, limit)| RangeQuery {
                collection,
                index,
                partition: partition.into(),
                from,
                to,
                direction,
                limit,
                after: None,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => batch().prop_map(Step::Commit),
        2 => prop::collection::vec(key(), 0..5).prop_map(Step::Get),
        4 => (query(), prop::collection::vec(batch(), 0..3)).prop_map(|(query, between)| Step::Query(query, between)),
        1 => (select(COLLECTIONS), 1..4usize).prop_map(|(collection, limit)| Step::Scan(collection, limit)),
        2 => (1..4usize).prop_map(Step::Feed),
        1 => (0..200i64).prop_map(Step::Trim),
        1 => Just(Step::Purge),
        1 => (1..80i64).prop_map(Step::Wait),
        1 => Just(Step::Reopen),
    ]
}

/// What a call answered, without what is each backend's own: cursors and the words of errors.
#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    Items(Vec<Option<Item>>),
    Page(Vec<Item>, bool),
    Feed(Vec<FeedRecord>),
    Count(u64),
    Conflict(usize, ItemKey),
    Refused(String),
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        match error {
            Error::Conflict { op, key } => Self::Conflict(op, key),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// One of the two stores, with the cursors that it gave out.
struct Side<B> {
    backend: B,
    read_to: Option<gna_storage::kernel::FeedCursor>,
}

impl<B: Backend> Side<B> {
    async fn run(&mut self, step: &Step) -> Vec<Answer> {
        match step {
            Step::Commit(batch) => vec![self.commit(batch).await],
            Step::Get(keys) => vec![
                self.backend
                    .get_many(keys)
                    .await
                    .map_or_else(Answer::from, Answer::Items),
            ],
            Step::Query(query, between) => self.query(query.clone(), between).await,
            Step::Scan(collection, limit) => self.scan(collection, *limit).await,
            Step::Feed(limit) => vec![self.feed(*limit).await],
            Step::Trim(after) => {
                let before = TestClock::default().now().plus_millis(*after);
                vec![
                    self.backend
                        .trim_feed(before)
                        .await
                        .map_or_else(Answer::from, Answer::Count),
                ]
            }
            Step::Purge => vec![
                self.backend
                    .purge_expired(1_000)
                    .await
                    .map_or_else(Answer::from, Answer::Count),
            ],
            Step::Wait(_) | Step::Reopen => vec![],
        }
    }

    async fn commit(&self, batch: &Batch) -> Answer {
        self.backend
            .commit(batch.clone())
            .await
            .map_or_else(Answer::from, |_| Answer::Done)
    }

    async fn query(&self, mut query: RangeQuery, between: &[Batch]) -> Vec<Answer> {
        let mut answers = Vec::new();
        let mut between = between.iter();
        loop {
            let pages = self.backend.query_many(std::slice::from_ref(&query)).await;
            let Some(next) = take_page(pages.map(|mut pages| pages.remove(0)), &mut answers) else {
                return answers;
            };
            query.after = Some(next);
            if let Some(batch) = between.next() {
                answers.push(self.commit(batch).await);
            }
        }
    }

    async fn scan(&self, collection: &'static str, limit: usize) -> Vec<Answer> {
        let (mut answers, mut after) = (Vec::new(), None);
        loop {
            let page = self.backend.scan(collection, after.as_ref(), limit).await;
            let Some(next) = take_page(page, &mut answers) else {
                return answers;
            };
            after = Some(next);
        }
    }

    /// Goes on from where it stopped, or from the oldest entry after a gap.
    async fn feed(&mut self, limit: usize) -> Answer {
        match self.backend.feed(self.read_to.as_ref(), limit).await {
            Ok(entries) => {
                if let Some(FeedEntry { cursor, .. }) = entries.last() {
                    self.read_to = Some(cursor.clone());
                }
                Answer::Feed(entries.into_iter().map(|entry| entry.record).collect())
            }
            Err(error) => {
                self.read_to = None;
                error.into()
            }
        }
    }
}

fn take_page(page: Result<ItemPage, Error>, answers: &mut Vec<Answer>) -> Option<Cursor> {
    match page {
        Ok(ItemPage { items, next }) => {
            answers.push(Answer::Page(items, next.is_some()));
            next
        }
        Err(error) => {
            answers.push(error.into());
            None
        }
    }
}

/// Runs the steps on a fresh model and on what `open` opens, again and again, at one place.
async fn like_the_model<B: Backend>(
    steps: Vec<Step>,
    open: impl AsyncFn(&TestClock) -> B,
) -> Result<(), TestCaseError> {
    let clock = TestClock::default();
    let mut model = Side {
        backend: MemoryBackend::new(clock.reader()),
        read_to: None,
    };
    let mut other = Side {
        backend: open(&clock).await,
        read_to: None,
    };
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Wait(millis) => clock.advance(*millis),
            Step::Reopen => {
                let read_to = other.read_to.take();
                drop(other);
                other = Side {
                    backend: open(&clock).await,
                    read_to,
                };
            }
            // This engine removes what has expired by itself; nothing else shows whether it did.
            Step::Purge if other.backend.name() == "dynamodb" => {
                model.run(step).await;
                other.run(step).await;
            }
            _ => {
                let (expected, found) = (model.run(step).await, other.run(step).await);
                prop_assert_eq!(found, expected, "step {}: {:?}", n, step);
            }
        }
    }
    prop_assert_eq!(other.backend.check().await.expect("checks"), vec![]);
    prop_assert_eq!(model.backend.check().await.expect("checks"), vec![]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_answers_as_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("gna.db");
        runtime.block_on(like_the_model(steps, async |clock| open(&path, clock).await))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[cfg(feature = "postgres")]
    #[test]
    fn postgres_answers_as_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let Some(place) = Place::fresh() else { return Ok(()) };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(like_the_model(steps, async |clock| open_postgres(&place, clock).await))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[cfg(feature = "dynamodb")]
    #[test]
    fn dynamodb_answers_as_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let Some(place) = runtime.block_on(dynamodb::Place::fresh()) else { return Ok(()) };
        runtime.block_on(like_the_model(steps, async |clock| open_dynamodb(&place, clock).await))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[cfg(feature = "mongodb")]
    #[test]
    fn mongodb_answers_as_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let Some(place) = mongodb::Place::fresh() else { return Ok(()) };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(like_the_model(steps, async |clock| open_mongodb(&place, clock).await))?;
    }
}
