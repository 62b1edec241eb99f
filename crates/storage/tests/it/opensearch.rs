//! What is OpenSearch's own: rebuilds that do not stop answers, processes that write at the same time,
//! servers that fail. Needs the server that `TEST_OPENSEARCH_URL` names.

mod faults;
mod servers;
mod tls;

use futures::FutureExt;
use gna_domain::port::search::{
    Condition, Document, MOVED, Removed, Search, SearchUpdate, Selection, Value,
};
use gna_domain::time::Timestamp;
use gna_storage::conformance::opensearch::Place;
use gna_storage::search::OpenSearch;
use gna_storage::search::conformance::{finding_text, group, vulnerability, vulnerability_id};
use gna_storage::search::opensearch::Address;
use std::sync::Arc;

fn everything() -> Condition {
    Condition::All(Vec::new())
}

fn is_number(field: &'static str, number: i64) -> Condition {
    Condition::Between(field, Some(number), Some(number))
}

async fn count(search: &dyn Search, condition: Condition) -> u64 {
    saying(search, condition, None).await
}

async fn saying(search: &dyn Search, condition: Condition, text: Option<&str>) -> u64 {
    let selection = Selection {
        groups: vec![group(1)],
        condition,
        text: text.map(str::to_owned),
    };
    let count = search.count(&selection, 100_000).await;
    count.expect("counts").value()
}

fn documents(numbers: std::ops::Range<u128>) -> Vec<Document> {
    let one = |number| {
        let path = Value::Keyword(format!("src/{number}.rs"));
        vulnerability(number, &[("path", path), ("priority", Value::Number(1))])
    };
    numbers.map(one).collect()
}

fn put(documents: Vec<Document>) -> SearchUpdate {
    SearchUpdate {
        documents,
        ..SearchUpdate::default()
    }
}

fn at(position: &str, after: Option<&str>) -> SearchUpdate {
    SearchUpdate {
        position: Some(position.to_owned()),
        after: after.map(str::to_owned),
        ..SearchUpdate::default()
    }
}

async fn position(search: &dyn Search) -> Option<String> {
    search.position().await.expect("answers")
}

#[tokio::test]
async fn an_index_is_still_there_after_opening_it_again() {
    let Some(place) = Place::fresh() else { return };
    let first = place.open().await;
    first.apply(put(documents(1..4))).await.expect("applies");
    first.apply(at("7", None)).await.expect("moves");
    let again = place.open().await;
    assert_eq!(count(&again, everything()).await, 3);
    assert_eq!(position(&again).await.as_deref(), Some("7"));
    assert_eq!(place.indexes().await.len(), 1);
}

/// A process that opens the index while another makes it shares it.
#[tokio::test]
async fn processes_that_start_at_once_share_an_index() {
    let Some(place) = Place::fresh() else { return };
    let (one, other, third) = tokio::join!(place.open(), place.open(), place.open());
    one.apply(put(documents(1..2))).await.expect("applies");
    one.apply(at("1", None)).await.expect("moves");
    for search in [&other, &third] {
        assert_eq!(count(search, everything()).await, 1);
        assert_eq!(position(search).await.as_deref(), Some("1"));
    }
    assert_eq!(place.indexes().await.len(), 1);
}

#[tokio::test]
async fn a_rebuild_does_not_stop_answers() {
    let Some(place) = Place::fresh() else { return };
    let live = place.open().await;
    live.apply(put(documents(1..11))).await.expect("applies");
    live.apply(at("5", None)).await.expect("moves");
    let other = place.open().await;

    let fresh = live.renew().await.expect("begins").expect("has room");
    assert_eq!(position(fresh.as_ref()).await, None);
    fresh.apply(put(documents(1..6))).await.expect("applies");
    let scores = [(vulnerability_id(2), 70), (vulnerability_id(9), 70)];
    assert_eq!(other.prioritize(&scores).await.expect("sets"), 2);
    for search in [&live, &other] {
        assert_eq!(count(search, everything()).await, 10, "the old one answers");
        assert_eq!(position(search).await.as_deref(), Some("5"));
    }
    // What the old one still takes is of no use to the new one, and does not get in its way.
    other.apply(put(documents(20..21))).await.expect("applies");
    fresh.apply(put(documents(6..8))).await.expect("applies");
    assert_eq!(place.indexes().await.len(), 2);
    fresh.apply(at("6", None)).await.expect("takes its place");
    drop(fresh);
    for search in [&live, &other] {
        assert_eq!(count(search, everything()).await, 7, "the new one answers");
        assert_eq!(position(search).await.as_deref(), Some("6"));
        assert_eq!(
            count(search, is_number("priority", 70)).await,
            1,
            "what was set meanwhile is in it"
        );
    }
    assert_eq!(place.indexes().await.len(), 1, "the old one is removed");
}

#[tokio::test]
async fn a_rebuild_that_is_given_up_leaves_nothing() {
    let Some(place) = Place::fresh() else { return };
    let live = place.open().await;
    live.apply(put(documents(1..3))).await.expect("applies");
    let fresh = live.renew().await.expect("begins").expect("has room");
    fresh.apply(put(documents(1..2))).await.expect("applies");
    assert_eq!(place.indexes().await.len(), 2);
    drop(fresh);
    while place.indexes().await.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(count(&live, everything()).await, 2);
}

#[tokio::test]
async fn rebuilds_at_the_same_time_end_in_one_whole_index() {
    let Some(place) = Place::fresh() else { return };
    let rebuild = async || {
        let search = place.open().await;
        let fresh = search.renew().await.expect("begins").expect("has room");
        for from in [1, 101, 201] {
            let some = documents(from..from + 100);
            fresh.apply(put(some)).await.expect("applies");
        }
        fresh.apply(at("9", None)).await.expect("takes its place");
    };
    tokio::join!(rebuild(), rebuild(), rebuild());
    let search = place.open().await;
    assert_eq!(count(&search, everything()).await, 300);
    assert_eq!(position(&search).await.as_deref(), Some("9"));
    assert_eq!(place.indexes().await.len(), 1);
}

/// Who follows the feed must not move an index on that was never told what it skips.
#[tokio::test]
async fn a_position_moves_only_from_where_it_was_taken() {
    let Some(place) = Place::fresh() else { return };
    let (one, other) = (place.open().await, place.open().await);
    one.apply(at("1", None)).await.expect("moves");
    one.apply(at("2", Some("1"))).await.expect("moves");
    let refused = async |update| other.apply(update).await.map_err(|error| error.code());
    assert_eq!(refused(at("2", Some("1"))).await, Err(MOVED));
    assert_eq!(refused(at("3", Some("2"))).await, Ok(()));
    // An index is put in place that knows less.
    let fresh = one.renew().await.expect("begins").expect("has room");
    fresh.apply(at("2", None)).await.expect("takes its place");
    assert_eq!(refused(at("4", Some("3"))).await, Err(MOVED));
    assert_eq!(position(&one).await.as_deref(), Some("2"));
    // Of many who move it on from the same place one does.
    let index = &one;
    let moves = (0..8).map(|n: u32| async move {
        let update = at(&format!("3-{n}"), Some("2"));
        index.apply(update).await.map_err(|error| error.code())
    });
    let outcomes = futures::future::join_all(moves).await;
    let done: Vec<usize> = (0..8).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(done.len(), 1, "{outcomes:?}");
    let expected = format!("3-{}", done[0]);
    assert_eq!(position(&other).await, Some(expected));
}

/// Several processes write, touch and score the same documents, each in its own order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_writers_never_overwrite_newer_documents() {
    const VERSIONS: u64 = 12;
    let Some(place) = Place::fresh() else { return };
    let of = |number: u128, version: u64| {
        let created = Value::Number(i64::try_from(version).expect("small"));
        let mut document = vulnerability(number, &[("created", created)]);
        document.version = version;
        document
    };
    let writer = async |step: u64| {
        let search = place.open().await;
        for n in 0..VERSIONS {
            // Each takes all versions, in an order of its own.
            let version = 1 + (n * step) % (VERSIONS + 1);
            let some = (1..20).map(|number| of(number, version)).collect();
            search.apply(put(some)).await.expect("applies");
        }
    };
    let toucher = async || {
        let search = place.open().await;
        let ids: Vec<_> = (1..20).map(vulnerability_id).collect();
        for n in 0..VERSIONS {
            let seen = Timestamp::from_millis(i64::try_from(n).expect("small"));
            search.touch(&ids, seen).await.expect("touches");
            let scores: Vec<_> = ids.iter().map(|id| (*id, 3)).collect();
            search.prioritize(&scores).await.expect("sets");
        }
    };
    tokio::join!(writer(5), writer(7), writer(11), toucher());
    let newest = (0..VERSIONS)
        .flat_map(|n| [5, 7, 11].map(|step| 1 + (n * step) % (VERSIONS + 1)))
        .max()
        .expect("some");
    let search = place.open().await;
    // Shows what the others wrote.
    search.apply(at("1", None)).await.expect("moves");
    let newest = i64::try_from(newest).expect("small");
    assert_eq!(count(&search, is_number("created", newest)).await, 19);
    assert_eq!(count(&search, everything()).await, 19);
}

/// One who described documents before they went, and writes them after another told the index so.
#[tokio::test]
async fn a_late_writer_does_not_bring_back_what_was_removed() {
    let Some(place) = Place::fresh() else { return };
    let (search, late) = (place.open().await, place.open().await);
    search.apply(put(documents(1..2))).await.expect("applies");
    search.apply(at("1", None)).await.expect("moves");
    let removed = |number, version| Removed {
        id: vulnerability_id(number),
        version: Some(version),
    };
    // One was there, two went before it ever was, three is gone for good.
    let update = SearchUpdate {
        removed: vec![removed(1, 5), removed(2, 5), removed(3, u64::MAX)],
        ..at("2", Some("1"))
    };
    search.apply(update).await.expect("moves");
    late.apply(put(documents(1..5))).await.expect("applies");
    let ids = [1, 2, 3, 4].map(vulnerability_id);
    let seen = Timestamp::from_millis(7);
    late.touch(&ids, seen).await.expect("touches");
    let scores = ids.map(|id| (id, 70));
    assert_eq!(late.prioritize(&scores).await.expect("sets"), 1);
    assert_eq!(count(&late, everything()).await, 1, "only four");
    assert_eq!(saying(&late, everything(), Some("src")).await, 1);
    // What was merged and is its own again is newer.
    let newer = documents(1..4).into_iter().map(|document| Document {
        version: 6,
        ..document
    });
    late.apply(put(newer.collect())).await.expect("applies");
    assert_eq!(count(&late, everything()).await, 3, "all but three");
    // A removal that is late takes nothing that is newer.
    let update = SearchUpdate {
        removed: vec![removed(1, 5)],
        ..SearchUpdate::default()
    };
    search.apply(update).await.expect("applies");
    assert_eq!(count(&search, everything()).await, 3);
}

/// Of two in one process the second waits, and then finds that it is done.
#[tokio::test]
async fn in_one_process_one_at_a_time_makes_the_index_anew() {
    let Some(place) = Place::fresh() else { return };
    let (search, other) = (place.open().await, place.open().await);
    let mine = search.rebuilding().await.expect("begins");
    assert!(search.rebuilding().now_or_never().is_none(), "it waits");
    assert!(
        other.rebuilding().now_or_never().is_some(),
        "not for another"
    );
    let fresh = search.renew().await.expect("begins").expect("has room");
    assert!(fresh.rebuilding().now_or_never().is_none(), "the same one");
    drop(mine);
    search.rebuilding().await.expect("begins");
}

#[tokio::test]
async fn an_index_is_made_when_it_is_first_used() {
    let Some(place) = Place::fresh() else { return };
    let address = Address::parse(&place.url).expect("an address");
    let search = OpenSearch::new(&address).expect("asks nothing");
    let found = search.look().await.expect("answers");
    assert!(!found.has_index && !found.version.is_empty(), "{found:?}");
    assert!(place.indexes().await.is_empty(), "looking changes nothing");
    assert_eq!(count(&search, everything()).await, 0);
    assert_eq!(place.indexes().await.len(), 1);
    assert!(search.look().await.expect("answers").has_index);
}

#[tokio::test]
async fn an_index_that_somebody_deleted_is_not_made_by_the_way() {
    let Some(place) = Place::fresh() else { return };
    let search = place.open().await;
    search.apply(put(documents(1..3))).await.expect("applies");
    search.apply(at("1", None)).await.expect("moves");
    let all = format!("{}-*", place.index);
    let (status, _) = place.ask(reqwest::Method::DELETE, &all, "").await;
    assert_eq!(status, 200);
    assert_eq!(position(&search).await, None, "it must be made anew");
    let refused = search.apply(put(documents(1..3))).await;
    let refused = refused.expect_err("there is none");
    assert_eq!(refused.code(), "search.unavailable");
    assert!(refused.to_string().contains("made anew"), "{refused}");
    assert!(place.indexes().await.is_empty());
    let fresh = search.renew().await.expect("begins").expect("has room");
    fresh.apply(put(documents(1..3))).await.expect("applies");
    fresh.apply(at("2", None)).await.expect("takes its place");
    assert_eq!(count(&search, everything()).await, 2);
    assert_eq!(place.indexes().await.len(), 1);
}

#[tokio::test]
async fn words_are_found_in_more_findings_than_a_page_holds() {
    const FINDINGS: u128 = 10_500;
    let Some(place) = Place::fresh() else { return };
    let search = place.open().await;
    let findings = (1..=FINDINGS).map(|number| {
        let rare = if number % 1_000 == 7 { "rare" } else { "" };
        finding_text(number, "common", rare)
    });
    let update = SearchUpdate {
        findings: findings.collect(),
        documents: documents(FINDINGS - 20..FINDINGS + 5),
        ..SearchUpdate::default()
    };
    search.apply(update).await.expect("applies");
    for (text, expected) in [
        ("common", 21),
        ("comm", 21),
        ("common src", 21),
        ("rare", 0),
    ] {
        let found = saying(&search, everything(), Some(text)).await;
        assert_eq!(found, expected, "{text}");
    }
    search
        .apply(put(documents(3_000..3_010)))
        .await
        .expect("applies");
    assert_eq!(saying(&search, everything(), Some("common rare")).await, 1);
}

#[tokio::test]
async fn texts_of_any_length_are_kept_and_found() {
    let Some(place) = Place::fresh() else { return };
    let search: Arc<OpenSearch> = Arc::new(place.open().await);
    let long = "/ünd".repeat(20_000);
    let path = |text: &str| Value::Keyword(text.to_owned());
    let (one, other) = (format!("{long}a"), format!("{long}b"));
    search
        .apply(put(vec![
            vulnerability(1, &[("path", path(&one)), ("package", path(&one))]),
            vulnerability(2, &[("path", path(&other))]),
        ]))
        .await
        .expect("applies");
    let is = |text: &str| {
        let operand = gna_domain::port::search::Operand::Keyword(text.to_owned());
        Condition::In("path", vec![operand])
    };
    for (condition, expected) in [
        (is(&one), 1),
        (is(&other), 1),
        (is(&long), 0),
        (Condition::Prefix("path", "/ünd/ünd".into()), 2),
        (Condition::Contains("path", "ND/Ü".into()), 2),
        (Condition::Contains("path", "a".repeat(250)), 0),
        (Condition::Contains("path", "/ünd".repeat(62)), 2),
    ] {
        let shown = format!("{condition:?}")
            .chars()
            .take(60)
            .collect::<String>();
        assert_eq!(count(search.as_ref(), condition).await, expected, "{shown}");
    }
    let selection = Selection {
        groups: vec![group(1)],
        condition: Condition::Not(Box::new(Condition::Contains("path", "a".repeat(251)))),
        text: None,
    };
    let refused = search.count(&selection, 1).await;
    assert_eq!(refused.map_err(|error| error.code()), Err("search.operand"));
}
