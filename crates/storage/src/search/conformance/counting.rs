//! Facets and counts.

use gna_domain::page::Count;
use gna_domain::port::search::{Condition, Operand, Selection};

use super::make::{finding_text, group, num, vulnerability, word, words};
use super::{Subject, everything, groups, where_};

pub async fn facets(subject: &Subject) {
    let of = |number: u128, state: &str, tags: &[&str], on_default: i64| {
        vulnerability(
            number,
            &[
                ("state", word(state)),
                ("tag", words(tags)),
                ("on_default_ref", num(on_default)),
                ("severity", num(number as i64)),
                ("package", word(&format!("pkg:npm/p{}", number % 2))),
            ],
        )
    };
    let mut other = of(5, "OPEN", &["b"], 1);
    other.group = group(2);
    subject
        .put([
            of(1, "OPEN", &["a", "b", "a"], 1),
            of(2, "OPEN", &["b"], 0),
            of(3, "CLOSED", &[], 1),
            of(4, "CLOSED", &["c", "B"], 1),
            vulnerability(9, &[]),
            other,
        ])
        .await;
    subject
        .put_findings([
            finding_text(1, "alpha", ""),
            finding_text(2, "alpha beta", ""),
        ])
        .await;
    let open = Condition::In("state", vec![Operand::Keyword("OPEN".into())]);
    let grave = Condition::Between("severity", Some(3), None);
    let both = |condition| Selection {
        groups: groups(&[1, 2]),
        ..where_(condition)
    };
    let text = |text: &str| Selection {
        text: Some(text.into()),
        ..where_(everything())
    };
    for (selection, field, limit, expected) in [
        (
            where_(everything()),
            "state",
            10,
            vec![("CLOSED", 2), ("OPEN", 2)],
        ),
        (
            both(everything()),
            "state",
            10,
            vec![("OPEN", 3), ("CLOSED", 2)],
        ),
        (
            where_(everything()),
            "tag",
            10,
            vec![("b", 2), ("B", 1), ("a", 1), ("c", 1)],
        ),
        (both(everything()), "tag", 2, vec![("b", 3), ("B", 1)]),
        (both(everything()), "tag", 0, vec![]),
        (
            where_(everything()),
            "on_default_ref",
            10,
            vec![("1", 3), ("0", 1)],
        ),
        (where_(everything()), "package", 1, vec![("pkg:npm/p0", 2)]),
        (where_(open.clone()), "tag", 10, vec![("b", 2), ("a", 1)]),
        (where_(open.clone()), "state", 10, vec![("OPEN", 2)]),
        (where_(grave.clone()), "state", 10, vec![("CLOSED", 2)]),
        (
            both(Condition::All(vec![open, grave])),
            "tag",
            10,
            vec![("b", 1)],
        ),
        (text("alpha"), "tag", 10, vec![("b", 2), ("a", 1)]),
        (text("beta"), "tag", 10, vec![("b", 1)]),
        (where_(Condition::Any(vec![])), "state", 10, vec![]),
        (where_(everything()), "level", 10, vec![]),
        (
            Selection {
                groups: vec![],
                ..where_(everything())
            },
            "state",
            10,
            vec![],
        ),
    ] {
        let facets = subject
            .search
            .facets(&selection, &[field], limit)
            .await
            .expect("counts");
        let values: Vec<(&str, u64)> = facets
            .iter()
            .flat_map(|facet| &facet.values)
            .map(|(value, count)| (value.as_str(), *count))
            .collect();
        assert_eq!(values, expected, "{field} of {selection:?}");
    }
    let several = subject
        .search
        .facets(&where_(everything()), &["tag", "state", "tag"], 1)
        .await
        .expect("counts");
    assert_eq!(
        several.iter().map(|facet| facet.field).collect::<Vec<_>>(),
        ["tag", "state", "tag"]
    );
    assert_eq!(
        several.first().map(|facet| &facet.values),
        several.last().map(|facet| &facet.values)
    );
}

pub async fn counts_stop_at_a_bound(subject: &Subject) {
    subject
        .put((1..=300).map(|number| {
            let mut document = vulnerability(number, &[("severity", num((number % 2) as i64))]);
            document.group = group(1 + number % 2);
            document
        }))
        .await;
    let odd = Condition::Between("severity", Some(1), None);
    for (asked, condition, bound, expected) in [
        (vec![1, 2], everything(), 1_000, Count::Exact(300)),
        (vec![1, 2], everything(), 300, Count::Exact(300)),
        (vec![1, 2], everything(), 299, Count::AtLeast(299)),
        (vec![1, 2], everything(), 100, Count::AtLeast(100)),
        (vec![1], everything(), 150, Count::Exact(150)),
        (vec![2, 1], odd.clone(), 149, Count::AtLeast(149)),
        (vec![1], odd.clone(), 10, Count::Exact(0)),
        (vec![2], Condition::Not(Box::new(odd)), 0, Count::Exact(0)),
        (vec![2], everything(), 0, Count::AtLeast(0)),
        (vec![], everything(), 5, Count::Exact(0)),
    ] {
        let selection = Selection {
            groups: groups(&asked),
            ..where_(condition)
        };
        let count = subject
            .search
            .count(&selection, bound)
            .await
            .expect("counts");
        assert_eq!(count, expected, "{selection:?} up to {bound}");
    }
}
