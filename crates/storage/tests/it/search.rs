//! Every search implementation does what the port says, and answers like the model.

use gna_domain::id::{FindingId, GroupId, TypedId, VulnerabilityId};
use gna_domain::port::search::{
    Condition, Document, FIELDS, FieldKind, FindingText, Operand, Search, SearchRequest,
    SearchUpdate, Selection, Sort, Value,
};
use gna_domain::time::Timestamp;
use gna_storage::backend::sqlite::{SqliteDb, SqliteOptions};
#[cfg(feature = "opensearch")]
use gna_storage::conformance::opensearch;
#[cfg(feature = "postgres")]
use gna_storage::conformance::postgres::Place;
#[cfg(feature = "postgres")]
use gna_storage::search::PostgresSearch;
use gna_storage::search::conformance::{Subject, run};
use gna_storage::search::{LaggingSearch, MemorySearch, SqliteSearch};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

async fn sqlite(folder: &TempDir) -> SqliteSearch {
    let db =
        SqliteDb::open(&folder.path().join("search.db"), &SqliteOptions::default()).expect("opens");
    SqliteSearch::open(db).await.expect("opens the index")
}

#[tokio::test]
async fn memory_conforms() {
    run(&Subject::new(Arc::new(MemorySearch::new()))).await;
}

#[tokio::test]
async fn sqlite_conforms() {
    let folder = TempDir::new().expect("a folder");
    run(&Subject::new(Arc::new(sqlite(&folder).await))).await;
}

#[tokio::test]
async fn memory_conforms_when_it_is_late() {
    run(&Subject::lagging(Arc::new(MemorySearch::new()), 3)).await;
}

#[tokio::test]
async fn sqlite_conforms_when_it_is_late() {
    let folder = TempDir::new().expect("a folder");
    run(&Subject::lagging(Arc::new(sqlite(&folder).await), 3)).await;
}

#[cfg(feature = "postgres")]
async fn postgres(place: &Place) -> PostgresSearch {
    PostgresSearch::open(place.open().await)
        .await
        .expect("opens the index")
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_conforms() {
    let Some(place) = Place::fresh() else { return };
    run(&Subject::new(Arc::new(postgres(&place).await))).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_conforms_when_it_is_late() {
    let Some(place) = Place::fresh() else { return };
    run(&Subject::lagging(Arc::new(postgres(&place).await), 3)).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn an_index_in_postgres_is_still_there_after_opening_it_again() {
    let Some(place) = Place::fresh() else { return };
    postgres(&place)
        .await
        .apply(one_document())
        .await
        .expect("applies");
    assert_eq!(found(&postgres(&place).await).await, (1, Some("7".into())));
    postgres(&place).await.clear().await.expect("clears");
    assert_eq!(found(&postgres(&place).await).await, (0, None));
}

/// Imports, feeds and new reports write at the same documents at once: nobody waits in a circle.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_writers_at_the_same_documents_wait_for_each_other_in_one_order() {
    // So many that statements overlap.
    const DOCUMENTS: u128 = 2_000;
    const ROUNDS: u64 = 15;
    let Some(place) = Place::fresh() else { return };
    let search = Arc::new(postgres(&place).await);
    let id = |number| VulnerabilityId::from_uuid(Uuid::from_u128(number));
    let of = move |number: u128, version: u64| Document {
        id: id(number),
        version,
        values: [("last_seen", Value::Number(0))].into(),
        ..one_document().documents.remove(0)
    };
    let update = SearchUpdate {
        documents: (1..=DOCUMENTS).map(|number| of(number, 1)).collect(),
        ..SearchUpdate::default()
    };
    search.apply(update).await.expect("applies");
    let (feeds, reports, imports) = (search.clone(), search.clone(), search.clone());
    let feeds = tokio::spawn(async move {
        for round in 1..=ROUNDS {
            let score = i64::try_from(round).expect("small");
            let scores: Vec<_> = (1..=DOCUMENTS).rev().map(|n| (id(n), score)).collect();
            feeds.prioritize(&scores).await.expect("scores");
        }
    });
    let reports = tokio::spawn(async move {
        for round in 1..=ROUNDS {
            let at = Timestamp::from_millis(i64::try_from(round).expect("small"));
            let touched: Vec<_> = (1..=DOCUMENTS).map(id).collect();
            reports.touch(&touched, at).await.expect("touches");
        }
    });
    let imports = tokio::spawn(async move {
        for round in 1..=ROUNDS {
            // Those with small ids come and go, those with large ones change.
            let comes = 1..=if round % 2 == 0 { 10 } else { 0 };
            let changed = comes.clone().chain(20..=60);
            let update = SearchUpdate {
                documents: changed.map(|number| of(number, round + 1)).collect(),
                removed: (1..=10)
                    .filter(|number| !comes.contains(number))
                    .map(|number| id(number).into())
                    .collect(),
                ..SearchUpdate::default()
            };
            imports.apply(update).await.expect("applies");
        }
    });
    for writer in [feeds, reports, imports] {
        writer.await.expect("no panic");
    }
}

#[cfg(feature = "opensearch")]
#[tokio::test]
async fn opensearch_conforms() {
    let Some(place) = opensearch::Place::fresh() else {
        return;
    };
    run(&Subject::new(Arc::new(place.open().await))).await;
}

#[cfg(feature = "opensearch")]
#[tokio::test]
async fn opensearch_conforms_when_it_is_late() {
    let Some(place) = opensearch::Place::fresh() else {
        return;
    };
    run(&Subject::lagging(Arc::new(place.open().await), 3)).await;
}

fn one_document() -> SearchUpdate {
    let document = Document {
        id: VulnerabilityId::from_uuid(Uuid::from_u128(1)),
        group: GroupId::from_uuid(Uuid::from_u128(1)),
        finding: FindingId::from_uuid(Uuid::from_u128(1)),
        version: 1,
        values: [("path", Value::Keyword("src/a.rs".into()))].into(),
    };
    SearchUpdate {
        documents: vec![document],
        position: Some("7".into()),
        ..SearchUpdate::default()
    }
}

async fn found(search: &dyn Search) -> (u64, Option<String>) {
    let selection = Selection {
        groups: vec![GroupId::from_uuid(Uuid::from_u128(1))],
        condition: Condition::All(vec![]),
        text: Some("src".into()),
    };
    let count = search.count(&selection, 10).await.expect("counts");
    (count.value(), search.position().await.expect("answers"))
}

#[tokio::test]
async fn an_index_is_still_there_after_opening_it_again() {
    let folder = TempDir::new().expect("a folder");
    sqlite(&folder)
        .await
        .apply(one_document())
        .await
        .expect("applies");
    assert_eq!(found(&sqlite(&folder).await).await, (1, Some("7".into())));
}

#[tokio::test]
async fn an_index_made_for_other_fields_is_emptied_and_asks_to_be_rebuilt() {
    let folder = TempDir::new().expect("a folder");
    sqlite(&folder)
        .await
        .apply(one_document())
        .await
        .expect("applies");
    {
        let db = SqliteDb::open(&folder.path().join("search.db"), &SqliteOptions::default())
            .expect("opens");
        let older = "UPDATE search_meta SET value = 'format 0' WHERE name = 'fields'";
        db.write(move |conn| Ok(conn.execute(older, [])?))
            .await
            .expect("writes");
    }
    assert_eq!(found(&sqlite(&folder).await).await, (0, None));
    let again = sqlite(&folder).await;
    again.apply(one_document()).await.expect("applies");
    assert_eq!(found(&again).await, (1, Some("7".into())));
}

#[tokio::test]
async fn a_late_index_answers_from_before() {
    let late = LaggingSearch::new(Arc::new(MemorySearch::new()), 2);
    late.apply(one_document()).await.expect("applies");
    assert_eq!(found(&late).await, (0, None));
    for _ in 0..2 {
        late.touch(&[], Timestamp::from_millis(0))
            .await
            .expect("touches");
    }
    assert_eq!(
        found(&late).await,
        (1, Some("7".into())),
        "two later changes let the first through"
    );
    let id = VulnerabilityId::from_uuid(Uuid::from_u128(1));
    late.apply(SearchUpdate {
        removed: vec![id.into()],
        ..SearchUpdate::default()
    })
    .await
    .expect("applies");
    assert_eq!(found(&late).await.0, 1);
    late.catch_up().await.expect("catches up");
    assert_eq!(found(&late).await.0, 0);
}

/// Few values, so that random questions meet random documents.
const TEXTS: &[&str] = &[
    "a",
    "b",
    "ab",
    "a/b.c",
    "A-b",
    "src/lib.rs",
    "é b",
    "x\u{0}\"*",
    "",
];

fn text() -> impl Strategy<Value = String> {
    proptest::sample::select(TEXTS).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..6i64, 1 => any::<i64>(), 1 => proptest::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX])]
}

fn value(kind: FieldKind) -> BoxedStrategy<Value> {
    match kind {
        FieldKind::Number => number().prop_map(Value::Number).boxed(),
        FieldKind::Keywords => vec(text(), 0..4).prop_map(Value::Keywords).boxed(),
        FieldKind::Keyword | FieldKind::Path => text().prop_map(Value::Keyword).boxed(),
    }
}

fn document() -> impl Strategy<Value = Document> {
    let value = |field: &gna_domain::port::search::Field| {
        let name = field.name;
        proptest::option::of(value(field.kind)).prop_map(move |value| (name, value))
    };
    let values: Vec<_> = FIELDS.iter().map(value).collect();
    (0..40u128, 0..3u128, 0..5u128, 0..4u64, values).prop_map(
        |(id, group, finding, version, values)| Document {
            id: VulnerabilityId::from_uuid(Uuid::from_u128(id)),
            group: GroupId::from_uuid(Uuid::from_u128(group)),
            finding: FindingId::from_uuid(Uuid::from_u128(finding)),
            version,
            values: values
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
        },
    )
}

fn finding() -> impl Strategy<Value = FindingText> {
    (0..5u128, 0..3u128, 0..3u64, text(), text()).prop_map(|(id, group, version, title, text)| {
        FindingText {
            id: FindingId::from_uuid(Uuid::from_u128(id)),
            group: GroupId::from_uuid(Uuid::from_u128(group)),
            version,
            title,
            text,
        }
    })
}

#[derive(Clone, Debug)]
enum Change {
    Apply(Vec<Document>, Vec<FindingText>, Vec<u128>),
    Touch(Vec<u128>, i64),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => (vec(document(), 0..25), vec(finding(), 0..3), vec(0..40u128, 0..4)).prop_map(|(a, b, c)| Change::Apply(a, b, c)),
        1 => (vec(0..40u128, 0..10), 0..9i64).prop_map(|(ids, at)| Change::Touch(ids, at)),
    ]
}

fn leaf() -> impl Strategy<Value = Condition> {
    let named = |accepts: fn(FieldKind) -> bool| {
        proptest::sample::select(
            FIELDS
                .iter()
                .filter(|field| accepts(field.kind))
                .map(|field| field.name)
                .collect::<Vec<_>>(),
        )
    };
    let bound = || proptest::option::of(number());
    let (texts, numbers) = (
        named(|kind| kind != FieldKind::Number),
        named(|kind| kind == FieldKind::Number),
    );
    let paths = named(|kind| kind == FieldKind::Path);
    prop_oneof![
        (texts, vec(text().prop_map(Operand::Keyword), 0..3))
            .prop_map(|(name, any)| Condition::In(name, any)),
        (
            numbers.clone(),
            vec(number().prop_map(Operand::Number), 0..3)
        )
            .prop_map(|(name, any)| Condition::In(name, any)),
        (numbers, bound(), bound()).prop_map(|(name, from, to)| Condition::Between(name, from, to)),
        (paths.clone(), text()).prop_map(|(name, text)| Condition::Prefix(name, text)),
        (paths, text()).prop_map(|(name, text)| Condition::Contains(name, text)),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 0..3).prop_map(Condition::All),
            2 => vec(inner.clone(), 0..3).prop_map(Condition::Any),
            1 => inner.prop_map(|part| Condition::Not(Box::new(part))),
        ]
    })
}

fn request() -> impl Strategy<Value = SearchRequest> {
    let sorts: Vec<_> = FIELDS
        .iter()
        .filter(|field| field.sort)
        .map(|field| field.name)
        .collect();
    let sort = (proptest::sample::select(sorts), any::<bool>())
        .prop_map(|(field, descending)| Sort { field, descending });
    let words =
        proptest::option::weighted(0.4, vec(text(), 0..3).prop_map(|words| words.join(" ")));
    (vec(0..4u128, 0..4), condition(), words, sort, 1..12usize).prop_map(
        |(groups, condition, text, sort, limit)| {
            let groups = groups
                .into_iter()
                .map(|number| GroupId::from_uuid(Uuid::from_u128(number)))
                .collect();
            SearchRequest {
                selection: Selection {
                    groups,
                    condition,
                    text,
                },
                sort,
                limit,
                after: None,
            }
        },
    )
}

async fn change_both(change: &Change, both: [&dyn Search; 2]) {
    let ids = |numbers: &[u128]| -> Vec<_> {
        numbers
            .iter()
            .map(|id| VulnerabilityId::from_uuid(Uuid::from_u128(*id)))
            .collect()
    };
    for search in both {
        match change {
            Change::Apply(documents, findings, removed) => {
                let update = SearchUpdate {
                    documents: documents.clone(),
                    findings: findings.clone(),
                    removed: ids(removed).into_iter().map(Into::into).collect(),
                    ..SearchUpdate::default()
                };
                search.apply(update).await.expect("applies");
            }
            Change::Touch(touched, at) => search
                .touch(&ids(touched), Timestamp::from_millis(*at))
                .await
                .expect("touches"),
        }
    }
}

async fn compare(request: &SearchRequest, [model, other]: [&dyn Search; 2]) {
    let mut request = request.clone();
    // All pages, up to the end that the model sets.
    loop {
        let expected = model.query(&request).await.expect("the model answers");
        assert_eq!(
            other.query(&request).await.expect("answers"),
            expected,
            "{request:?}"
        );
        match expected.hits.last() {
            Some(last) if expected.has_more => request.after = Some(last.cursor.clone()),
            _ => break,
        }
    }
    let selection = &request.selection;
    for bound in [0, 3, 1_000] {
        let counts = (
            model.count(selection, bound).await,
            other.count(selection, bound).await,
        );
        assert_eq!(counts.0, counts.1, "count of {selection:?} up to {bound}");
    }
    let fields: Vec<_> = FIELDS
        .iter()
        .filter(|field| field.facet)
        .map(|field| field.name)
        .collect();
    let facets = (
        model.facets(selection, &fields, 3).await,
        other.facets(selection, &fields, 3).await,
    );
    assert_eq!(facets.0, facets.1, "facets of {selection:?}");
}

/// `PROPTEST_CASES` sets how many; 24 take a few seconds.
fn answers_like_the_model(runtime: &tokio::runtime::Runtime, other: &dyn Search) {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(24);
    let config = Config {
        cases,
        max_shrink_iters: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = vec((change(), vec(request(), 6)), 1..5);
    let model = MemorySearch::new();
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            model.clear().await.expect("clears");
            other.clear().await.expect("clears");
            for (change, requests) in &steps {
                change_both(change, [&model, other]).await;
                for request in requests {
                    compare(request, [&model, other]).await;
                }
            }
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn sqlite_answers_like_the_model() {
    let (runtime, folder) = (one_thread(), TempDir::new().expect("a folder"));
    let index = runtime.block_on(sqlite(&folder));
    answers_like_the_model(&runtime, &index);
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_answers_like_the_model() {
    let Some(place) = Place::fresh() else { return };
    let runtime = one_thread();
    let index = runtime.block_on(postgres(&place));
    answers_like_the_model(&runtime, &index);
}

#[cfg(feature = "opensearch")]
#[test]
fn opensearch_answers_like_the_model() {
    let Some(place) = opensearch::Place::fresh() else {
        return;
    };
    let runtime = one_thread();
    let index = runtime.block_on(place.open());
    answers_like_the_model(&runtime, &index);
}
