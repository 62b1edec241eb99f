//! Order, ties and cursors.

use gna_domain::page::Cursor;
use gna_domain::port::search::{Condition, Document, Operand, SearchRequest, Selection, Sort};
use std::collections::BTreeSet;

use super::make::{group, num, number, vulnerability, word};
use super::{Subject, everything, groups, set, where_};

const fn by(field: &'static str, descending: bool) -> Sort {
    Sort { field, descending }
}

/// Without a sort value a document comes first; among equals the id decides; descending is the
/// exact reverse.
pub async fn order_and_ties(subject: &Subject) {
    let of = |number: u128, severity: i64, created: i64| {
        vulnerability(
            number,
            &[("severity", num(severity)), ("created", num(created))],
        )
    };
    let mut elsewhere = of(6, 40, -20);
    elsewhere.group = group(2);
    subject
        .put([
            of(5, 40, 10),
            of(1, 90, 30),
            of(3, 40, -1),
            vulnerability(4, &[]),
            of(2, 90, 20),
            elsewhere,
        ])
        .await;
    for (field, expected) in [
        ("severity", [4, 3, 5, 6, 1, 2]),
        ("created", [4, 6, 3, 5, 2, 1]),
        ("last_seen", [1, 2, 3, 4, 5, 6]),
    ] {
        let all = || Selection {
            groups: groups(&[2, 1, 2]),
            ..where_(everything())
        };
        assert_eq!(
            subject.page(all(), by(field, false), 10).await,
            expected,
            "{field}"
        );
        let backwards: Vec<u128> = expected.into_iter().rev().collect();
        assert_eq!(
            subject.page(all(), by(field, true), 10).await,
            backwards,
            "{field} descending"
        );
        assert_eq!(
            subject.page(all(), by(field, true), 2).await,
            backwards[..2],
            "{field}, two of them"
        );
    }
    let bounded = |from, to| {
        where_(Condition::All(vec![
            everything(),
            Condition::Between("severity", from, to),
        ]))
    };
    for (from, to, expected) in [
        (Some(41), None, vec![1, 2]),
        (None, Some(40), vec![3, 5]),
        (None, None, vec![3, 5, 1, 2]),
        (Some(40), Some(90), vec![3, 5, 1, 2]),
        (Some(i64::MIN), Some(i64::MAX), vec![3, 5, 1, 2]),
        (Some(91), None, vec![]),
        (Some(90), Some(40), vec![]),
    ] {
        assert_eq!(
            subject
                .page(bounded(from, to), by("severity", false), 10)
                .await,
            expected,
            "{from:?} {to:?}"
        );
        let backwards: Vec<u128> = expected.into_iter().rev().collect();
        assert_eq!(
            subject
                .page(bounded(from, to), by("severity", true), 10)
                .await,
            backwards,
            "{from:?} {to:?}"
        );
    }
}

fn many(number: u128) -> Document {
    let mut document = vulnerability(
        number,
        &[
            ("severity", num((number % 7) as i64)),
            ("created", num((number % 50) as i64)),
            ("last_seen", num(1)),
            (
                "state",
                word(if number.is_multiple_of(3) {
                    "OPEN"
                } else {
                    "CLOSED"
                }),
            ),
            (
                "asset",
                word(if number.is_multiple_of(97) {
                    "rare"
                } else {
                    "common"
                }),
            ),
        ],
    );
    document.group = group(1 + number % 3);
    document
}

/// Pages through several groups; between pages documents come, go and change, but those that
/// were there all along and kept their sort value are each seen exactly once.
pub async fn pages_are_complete_while_documents_change(subject: &Subject) {
    let is = |field, value: &str| Condition::In(field, vec![Operand::Keyword(value.to_owned())]);
    for (sort, condition, limit) in [
        (by("severity", true), everything(), 40),
        (by("severity", false), is("state", "OPEN"), 17),
        (by("last_seen", true), is("state", "OPEN"), 50),
        (by("created", true), is("asset", "rare"), 1),
        (
            by("created", false),
            Condition::All(vec![
                is("asset", "common"),
                Condition::Between("severity", Some(3), None),
            ]),
            23,
        ),
    ] {
        subject.search.clear().await.expect("clears");
        subject.put((1_000..1_600).map(many)).await;
        let selection = Selection {
            groups: groups(&[1, 2, 3]),
            condition: condition.clone(),
            text: None,
        };
        let before = subject.found(selection.clone()).await;
        let (mut seen, mut after, mut round) = (Vec::new(), None, 0u128);
        let mut gone = BTreeSet::new();
        loop {
            let request = SearchRequest {
                selection: selection.clone(),
                sort,
                limit,
                after: after.clone(),
            };
            let page = subject.search.query(&request).await.expect("answers");
            assert!(page.hits.len() <= limit);
            assert!(
                page.hits.len() == limit || !page.has_more,
                "a page is full while there is more"
            );
            seen.extend(page.hits.iter().map(|hit| number(hit.id)));
            let Some(last) = page.hits.last().filter(|_| page.has_more) else {
                break;
            };
            after = Some(last.cursor.clone());
            // One comes, one goes, one moves to the other end of the order.
            round += 1;
            let (leaver, mover) = (1_000 + round * 31 % 600, 1_000 + round * 43 % 600);
            let mut moved = many(mover);
            moved.version = 1 + round as u64;
            moved
                .values
                .insert(sort.field, num(if sort.descending { -1 } else { 99 }));
            subject.put([many(500 + round), moved]).await;
            subject.remove([leaver]).await;
            gone.extend([leaver, mover]);
        }
        let distinct: BTreeSet<u128> = seen
            .iter()
            .copied()
            .filter(|number| !gone.contains(number))
            .collect();
        assert_eq!(
            distinct.len(),
            seen.iter().filter(|number| !gone.contains(number)).count(),
            "nothing twice {sort:?} {condition:?}"
        );
        let missed: Vec<&u128> = before
            .difference(&distinct)
            .filter(|number| !gone.contains(number))
            .collect();
        assert!(
            missed.is_empty(),
            "{missed:?} left out of {sort:?} {condition:?}"
        );
        assert!(round > 2, "several pages");
    }
}

pub async fn cursors_are_checked(subject: &Subject) {
    subject
        .put([1, 2, 3].map(|number| vulnerability(number, &[("created", num(number as i64))])))
        .await;
    let request = |sort, after| SearchRequest {
        selection: where_(everything()),
        sort,
        limit: 2,
        after,
    };
    let first = subject
        .search
        .query(&request(by("created", false), None))
        .await
        .expect("answers");
    assert!(first.has_more);
    let cursor = first.hits.last().map(|hit| hit.cursor.clone());
    let second = subject
        .search
        .query(&request(by("created", false), cursor.clone()))
        .await
        .expect("answers");
    assert_eq!(
        (
            second.hits.iter().map(|hit| number(hit.id)).collect(),
            second.has_more
        ),
        (set([3]), false)
    );
    for (sort, cursor) in [
        (by("created", true), cursor.clone()),
        (by("severity", false), cursor),
        (by("created", false), Some(Cursor(String::new()))),
        (by("created", false), Some(Cursor("' OR 1=1 --".into()))),
        (by("created", false), Some(Cursor("A".repeat(10_000)))),
    ] {
        let refusal = subject
            .search
            .query(&request(sort, cursor.clone()))
            .await
            .map_err(|error| error.code());
        assert_eq!(refusal, Err("cursor.invalid"), "{cursor:?}");
    }
}
