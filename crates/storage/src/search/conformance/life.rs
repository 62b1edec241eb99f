//! How documents come, change and go.

use gna_domain::port::search::{Condition, MOVED, Operand, SearchUpdate, Selection, Sort, Value};
use gna_domain::time::Timestamp;

use super::make::{finding_text, group, num, vulnerability, vulnerability_id, word, words};
use super::{Subject, everything, groups, set, where_};

fn is(field: &'static str, value: &str) -> Condition {
    Condition::In(field, vec![Operand::Keyword(value.to_owned())])
}

pub async fn newer_versions_win(subject: &Subject) {
    let at = |version: u64, state: &str, path: &str, severity: i64| {
        let mut document = vulnerability(
            1,
            &[
                ("state", word(state)),
                ("path", word(path)),
                ("severity", num(severity)),
                ("tag", words(&[state, "kept"])),
            ],
        );
        document.version = version;
        document
    };
    subject.put([at(5, "OPEN", "src/a.rs", 10)]).await;
    subject.put([at(4, "CLOSED", "src/b.rs", 20)]).await;
    subject.put([at(5, "CLOSED", "src/b.rs", 20)]).await;
    assert_eq!(
        subject.matching(is("state", "OPEN")).await,
        set([1]),
        "neither an older nor the same version replaces it"
    );
    // In one update the order does not matter.
    subject
        .put([
            at(7, "CLOSED", "src/c.rs", 30),
            at(6, "REJECTED", "src/d.rs", 40),
        ])
        .await;
    for (condition, expected) in [
        (is("state", "CLOSED"), set([1])),
        (is("state", "OPEN"), set([])),
        (is("tag", "OPEN"), set([])),
        (is("tag", "CLOSED"), set([1])),
        (is("tag", "kept"), set([1])),
        (is("path", "src/a.rs"), set([])),
        (Condition::Between("severity", Some(30), Some(30)), set([1])),
        (Condition::Between("severity", None, Some(29)), set([])),
    ] {
        assert_eq!(
            subject.matching(condition.clone()).await,
            expected,
            "{condition:?}"
        );
    }
    assert_eq!(subject.saying("a").await, set([]));
    assert_eq!(subject.saying("src c").await, set([1]));
    assert_eq!(
        subject
            .page(
                where_(everything()),
                Sort {
                    field: "severity",
                    descending: true
                },
                10
            )
            .await,
        [1]
    );
    // A value that is left out is gone.
    let mut bare = vulnerability(1, &[]);
    bare.version = u64::MAX;
    subject.put([bare]).await;
    assert_eq!(
        subject
            .matching(Condition::Any(vec![
                is("tag", "kept"),
                is("state", "CLOSED"),
                Condition::Between("severity", None, None)
            ]))
            .await,
        set([])
    );
    assert_eq!(subject.matching(everything()).await, set([1]));
}

pub async fn removal_and_moves(subject: &Subject) {
    subject
        .put((1..=200).map(|number| {
            vulnerability(
                number,
                &[("path", word("src/a.rs")), ("created", num(number as i64))],
            )
        }))
        .await;
    subject.remove((1..=198).chain([5, 777])).await;
    assert_eq!(subject.matching(everything()).await, set([199, 200]));
    assert_eq!(subject.saying("src").await, set([199, 200]));
    assert_eq!(
        subject
            .matching(Condition::Not(Box::new(is("path", "other"))))
            .await,
        set([199, 200])
    );
    // Removed wins over put in the same update; afterwards it may come again, in any version.
    let again = |number| vulnerability(number, &[("path", word("src/b.rs"))]);
    subject
        .apply(SearchUpdate {
            documents: vec![again(7)],
            removed: vec![vulnerability_id(7).into()],
            ..SearchUpdate::default()
        })
        .await;
    assert!(!subject.has(vulnerability_id(7)).await);
    subject.put([again(7)]).await;
    assert_eq!(subject.matching(is("path", "src/b.rs")).await, set([7]));
    // A vulnerability that changes its group takes nothing of the old one along.
    let mut moved = again(200);
    (moved.version, moved.group) = (2, group(2));
    subject.put([moved]).await;
    assert_eq!(subject.matching(everything()).await, set([7, 199]));
    let there = |condition| Selection {
        groups: groups(&[2]),
        ..where_(condition)
    };
    assert_eq!(subject.found(there(everything())).await, set([200]));
    assert_eq!(
        subject.found(there(is("path", "src/b.rs"))).await,
        set([200])
    );
    assert_eq!(subject.found(there(is("path", "src/a.rs"))).await, set([]));
}

/// Another priority is another place in the order, and nothing else: a document of the same version is
/// still an old one, and one of a newer version brings its own.
pub async fn prioritizing(subject: &Subject) {
    let of = |number, priority| {
        vulnerability(
            number,
            &[("priority", num(priority)), ("state", word("OPEN"))],
        )
    };
    subject.put([of(1, 10), of(2, 20), of(3, 30)]).await;
    subject.settle().await;
    let scores =
        [(1, 99), (2, 20), (4, 50)].map(|(number, score)| (vulnerability_id(number), score));
    let rewritten = subject.search.prioritize(&scores).await.expect("sets");
    assert_eq!(rewritten, 1, "one has it already, one is not there");
    let at = |from, to| Condition::Between("priority", Some(from), Some(to));
    assert_eq!(subject.matching(at(99, 99)).await, set([1]));
    assert_eq!(subject.matching(at(0, 50)).await, set([2, 3]));
    assert_eq!(subject.matching(is("state", "OPEN")).await, set([1, 2, 3]));
    subject.put([of(1, 10)]).await;
    subject.settle().await;
    assert_eq!(subject.matching(at(99, 99)).await, set([1]));
    let mut newer = of(1, 40);
    newer.version = 2;
    subject.put([newer]).await;
    subject.settle().await;
    assert_eq!(subject.matching(at(40, 40)).await, set([1]));
    assert_eq!(subject.search.prioritize(&[]).await.expect("sets"), 0);
}

pub async fn touching(subject: &Subject) {
    subject
        .put([
            vulnerability(1, &[("last_seen", num(100)), ("state", word("OPEN"))]),
            vulnerability(2, &[("last_seen", num(500))]),
            vulnerability(3, &[]),
        ])
        .await;
    let ids = [1, 2, 3, 4].map(vulnerability_id);
    subject
        .search
        .touch(&ids, Timestamp::from_millis(300))
        .await
        .expect("touches");
    subject.settle().await;
    for (number, seen) in [(1, 300), (2, 500), (3, 300)] {
        assert_eq!(
            subject
                .matching(Condition::Between("last_seen", Some(seen), Some(seen)))
                .await
                .contains(&number),
            number != 4,
            "{number} at {seen}"
        );
    }
    assert_eq!(subject.matching(everything()).await, set([1, 2, 3]));
    assert_eq!(subject.matching(is("state", "OPEN")).await, set([1]));
    assert_eq!(
        subject
            .page(
                where_(everything()),
                Sort {
                    field: "last_seen",
                    descending: true
                },
                10
            )
            .await,
        [2, 3, 1]
    );
    // The version has not changed: the next one is still newer.
    let mut next = vulnerability(1, &[("last_seen", num(400)), ("state", word("CLOSED"))]);
    next.version = 2;
    subject.put([next]).await;
    assert_eq!(
        subject
            .matching(Condition::Between("last_seen", Some(400), Some(400)))
            .await,
        set([1])
    );
}

pub async fn position_and_clearing(subject: &Subject) {
    let position = || async { subject.search.position().await.expect("answers") };
    assert_eq!(position().await, None);
    let at = |position: Option<&str>| SearchUpdate {
        position: position.map(str::to_owned),
        ..SearchUpdate::default()
    };
    subject.apply(at(Some("00017"))).await;
    assert_eq!(position().await.as_deref(), Some("00017"));
    subject.apply(at(None)).await;
    assert_eq!(
        position().await.as_deref(),
        Some("00017"),
        "an update without a position keeps it"
    );
    subject
        .put([vulnerability(
            1,
            &[("path", word("src/a.rs")), ("created", num(1))],
        )])
        .await;
    subject
        .put_findings([finding_text(1, "title", "text")])
        .await;
    subject.apply(at(Some("x' --"))).await;
    assert_eq!(position().await.as_deref(), Some("x' --"));

    subject.search.clear().await.expect("clears");
    assert_eq!(position().await, None);
    assert_eq!(subject.matching(everything()).await, set([]));
    // As if it had never been: the same version is taken again, and old words are gone.
    subject
        .put([vulnerability(1, &[("path", word("src/b.rs"))])])
        .await;
    assert_eq!(subject.saying("title").await, set([]));
    assert_eq!(subject.saying("b").await, set([1]));
    subject
        .put_findings([finding_text(1, "title", "text")])
        .await;
    assert_eq!(subject.saying("title").await, set([1]));
}

pub async fn an_update_that_follows_another_position(subject: &Subject) {
    let from = |after: &str, number, to: &str| SearchUpdate {
        documents: vec![vulnerability(number, &[("state", word("OPEN"))])],
        removed: vec![vulnerability_id(7).into()],
        position: Some(to.to_owned()),
        after: Some(after.to_owned()),
        ..SearchUpdate::default()
    };
    // An index without a position is being made.
    assert_eq!(subject.refusal(from("1", 1, "2")).await, Some(MOVED));
    subject.put([vulnerability(7, &[])]).await;
    subject
        .apply(SearchUpdate {
            position: Some("1".into()),
            ..SearchUpdate::default()
        })
        .await;
    assert_eq!(subject.refusal(from("0", 1, "2")).await, Some(MOVED));
    assert_eq!(subject.matching(everything()).await, set([7]));
    subject.apply(from("1", 1, "2")).await;
    assert_eq!(subject.matching(everything()).await, set([1]));
    assert_eq!(subject.refusal(from("1", 2, "2")).await, Some(MOVED));
    assert_eq!(subject.matching(everything()).await, set([1]));
    let position = subject.search.position().await.expect("answers");
    assert_eq!(position.as_deref(), Some("2"));
    subject.search.clear().await.expect("clears");
    assert_eq!(subject.refusal(from("2", 1, "3")).await, Some(MOVED));
    assert_eq!(subject.search.position().await.expect("answers"), None);
}

pub async fn a_bad_document_changes_nothing(subject: &Subject) {
    for bad in [
        ("no_such", num(1)),
        ("severity", word("high")),
        ("state", num(1)),
        ("tag", word("one")),
        ("path", Value::Keywords(vec![])),
    ] {
        let documents = vec![
            vulnerability(1, &[("state", word("OPEN"))]),
            vulnerability(2, std::slice::from_ref(&bad)),
        ];
        let update = SearchUpdate {
            documents,
            position: Some("1".into()),
            ..SearchUpdate::default()
        };
        let refusal = subject
            .search
            .apply(update)
            .await
            .map_err(|error| error.code());
        assert_eq!(refusal, Err("search.document"), "{bad:?}");
        assert_eq!(subject.matching(everything()).await, set([]), "{bad:?}");
        assert_eq!(subject.search.position().await.expect("answers"), None);
    }
}
