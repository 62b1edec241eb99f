//! Conditions, and the walls between groups.

use gna_domain::port::search::Condition::{All, Any, Between, Contains, In, Not, Prefix};
use gna_domain::port::search::{Condition, Document, Operand, SearchRequest, Selection, Sort};

use super::make::{finding_text, group, num, vulnerability, word, words};
use super::{Subject, everything, groups, set, where_};

fn is(field: &'static str, values: &[&str]) -> Condition {
    In(
        field,
        values
            .iter()
            .map(|value| Operand::Keyword((*value).to_owned()))
            .collect(),
    )
}

fn equals(field: &'static str, values: &[i64]) -> Condition {
    In(field, values.iter().copied().map(Operand::Number).collect())
}

fn not(condition: Condition) -> Condition {
    Not(Box::new(condition))
}

fn examples() -> Vec<Document> {
    vec![
        vulnerability(
            1,
            &[
                ("state", word("OPEN")),
                ("severity", num(98)),
                ("on_default_ref", num(1)),
                ("path", word("src/Main.rs")),
                ("tag", words(&["red", "blue", "red"])),
                ("created", num(1_000)),
                ("state_changed", num(5_000)),
            ],
        ),
        vulnerability(
            2,
            &[
                ("state", word("OPEN")),
                ("severity", num(40)),
                ("on_default_ref", num(0)),
                ("path", word("src/lib/Übung.rs")),
                ("tag", words(&["blue"])),
                ("created", num(2_000)),
                ("state_changed", num(-5)),
            ],
        ),
        vulnerability(
            3,
            &[
                ("state", word("CLOSED")),
                ("severity", num(0)),
                ("on_default_ref", num(1)),
                ("package", word("pkg:npm/left_pad%")),
                ("tag", words(&[])),
                ("created", num(3_000)),
                ("closed_reason", word("")),
            ],
        ),
        vulnerability(4, &[]),
    ]
}

pub async fn fields_of_each_kind(subject: &Subject) {
    subject.put(examples()).await;
    let finding = examples()
        .first()
        .map(|document| document.finding.to_string())
        .unwrap_or_default();
    for (condition, expected) in [
        (everything(), set([1, 2, 3, 4])),
        (is("state", &["OPEN"]), set([1, 2])),
        (
            is("state", &["CLOSED", "OPEN", "OPEN", "open"]),
            set([1, 2, 3]),
        ),
        (is("state", &["open"]), set([])),
        (is("state", &[]), set([])),
        (is("closed_reason", &[""]), set([3])),
        (is("finding", &[&finding]), set([1])),
        (is("tag", &["blue"]), set([1, 2])),
        (is("tag", &["red", "blue"]), set([1, 2])),
        (is("tag", &["re"]), set([])),
        (is("path", &["src/Main.rs"]), set([1])),
        (equals("severity", &[98, 0]), set([1, 3])),
        (equals("severity", &[i64::MIN, i64::MAX]), set([])),
        (equals("on_default_ref", &[1]), set([1, 3])),
        (equals("state_changed", &[-5, 5_000]), set([1, 2])),
        (Between("severity", Some(40), None), set([1, 2])),
        (Between("severity", None, Some(40)), set([2, 3])),
        (Between("severity", Some(1), Some(97)), set([2])),
        (Between("severity", Some(97), Some(1)), set([])),
        (Between("severity", None, None), set([1, 2, 3])),
        (
            Between("severity", Some(i64::MIN), Some(i64::MAX)),
            set([1, 2, 3]),
        ),
        (Between("state_changed", None, Some(0)), set([2])),
        (Between("created", Some(2_000), None), set([2, 3])),
        (Between("on_default_ref", Some(1), None), set([1, 3])),
        (Prefix("path", "src/".into()), set([1, 2])),
        (Prefix("path", "Src/".into()), set([])),
        (Prefix("path", String::new()), set([1, 2])),
        (Prefix("package", "pkg:npm/left_".into()), set([3])),
        (Prefix("package", "pkg:npm/left%".into()), set([])),
        (Contains("path", "MAIN".into()), set([1])),
        (Contains("path", "ÜBUNG".into()), set([2])),
        (Contains("path", "_".into()), set([])),
        (Contains("package", "%".into()), set([3])),
        (Contains("path", String::new()), set([1, 2])),
    ] {
        assert_eq!(
            subject.matching(condition.clone()).await,
            expected,
            "{condition:?}"
        );
    }
}

pub async fn nesting(subject: &Subject) {
    subject.put(examples()).await;
    let open = || is("state", &["OPEN"]);
    let grave = || Between("severity", Some(90), None);
    for (condition, expected) in [
        (All(vec![]), set([1, 2, 3, 4])),
        (Any(vec![]), set([])),
        (not(All(vec![])), set([])),
        (not(Any(vec![])), set([1, 2, 3, 4])),
        (not(open()), set([3, 4])),
        (not(grave()), set([2, 3, 4])),
        (not(not(open())), set([1, 2])),
        (All(vec![open(), grave()]), set([1])),
        (All(vec![open(), not(grave())]), set([2])),
        (
            All(vec![not(open()), not(is("tag", &["red"]))]),
            set([3, 4]),
        ),
        (Any(vec![grave(), is("state", &["CLOSED"])]), set([1, 3])),
        (
            Any(vec![
                All(vec![open(), is("tag", &["red"])]),
                All(vec![equals("severity", &[0])]),
            ]),
            set([1, 3]),
        ),
        (
            All(vec![
                Any(vec![open(), is("state", &["CLOSED"])]),
                Any(vec![
                    Contains("path", "lib".into()),
                    equals("on_default_ref", &[1]),
                ]),
            ]),
            set([1, 2, 3]),
        ),
        (All(vec![open(), is("state", &["CLOSED"])]), set([])),
        (
            All(vec![
                All(vec![All(vec![open()])]),
                Any(vec![Any(vec![grave()])]),
            ]),
            set([1]),
        ),
        ((0..20).fold(open(), |inner, _| not(inner)), set([1, 2])),
    ] {
        assert_eq!(
            subject.matching(condition.clone()).await,
            expected,
            "{condition:?}"
        );
    }
}

/// The same documents in three groups; whatever is asked, nothing of another group answers.
pub async fn groups_are_closed(subject: &Subject) {
    let in_group = |number: u128| {
        let mut document = vulnerability(
            number,
            &[
                ("state", word("OPEN")),
                ("path", word("shared/path.rs")),
                ("tag", words(&["shared"])),
                ("severity", num(50)),
                ("created", num(7)),
            ],
        );
        (document.group, document.finding) = (group(number), vulnerability(9, &[]).finding);
        document
    };
    subject.put([1, 2, 3].map(in_group)).await;
    // The finding's words are known in group 2 only, although all three have a finding of this id.
    let mut text = finding_text(9, "Overflow", "of a buffer");
    text.group = group(2);
    subject.put_findings([text]).await;
    let conditions = [
        everything(),
        is("state", &["OPEN"]),
        not(is("state", &["CLOSED"])),
        Prefix("path", "shared".into()),
        Contains("path", "PATH".into()),
        is("tag", &["shared"]),
        Between("severity", Some(1), None),
        not(Any(vec![])),
    ];
    for condition in conditions {
        for text in [None, Some("shared"), Some("pa")] {
            for asked in [
                &[][..],
                &[1],
                &[2],
                &[1, 3],
                &[3, 3, 1],
                &[1, 2, 3],
                &[4],
                &[4, 2],
            ] {
                let selection = Selection {
                    groups: groups(asked),
                    condition: condition.clone(),
                    text: text.map(str::to_owned),
                };
                let expected = asked
                    .iter()
                    .copied()
                    .filter(|number| *number <= 3)
                    .collect();
                assert_eq!(
                    subject.found(selection).await,
                    expected,
                    "{condition:?} {text:?} {asked:?}"
                );
                let selection = Selection {
                    groups: groups(asked),
                    condition: condition.clone(),
                    text: text.map(str::to_owned),
                };
                let facets = subject
                    .search
                    .facets(&selection, &["tag"], 10)
                    .await
                    .expect("facets");
                let counted: u64 = facets
                    .iter()
                    .flat_map(|facet| &facet.values)
                    .map(|(_, count)| count)
                    .sum();
                assert_eq!(
                    counted,
                    expected.len() as u64,
                    "facets of {condition:?} {text:?} {asked:?}"
                );
            }
        }
    }
    for (asked, expected) in [(vec![1, 3], set([])), (vec![1, 2, 3], set([2]))] {
        let selection = Selection {
            groups: groups(&asked),
            condition: everything(),
            text: Some("overflow buf".into()),
        };
        assert_eq!(subject.found(selection).await, expected);
    }
}

pub async fn what_makes_no_sense_is_refused(subject: &Subject) {
    let sort = Sort {
        field: "created",
        descending: false,
    };
    let request = |condition: Condition| SearchRequest {
        selection: where_(condition),
        sort,
        limit: 10,
        after: None,
    };
    let good = request(everything());
    for (bad, code) in [
        (request(is("no_such", &["x"])), "search.field"),
        (request(is("severity", &["x"])), "search.operand"),
        (request(Prefix("tag", "x".into())), "search.operand"),
        (
            request((0..200).fold(everything(), |inner, _| not(inner))),
            "search.size",
        ),
        (
            SearchRequest {
                limit: 0,
                ..good.clone()
            },
            "search.limit",
        ),
        (
            SearchRequest {
                limit: 1_001,
                ..good.clone()
            },
            "search.limit",
        ),
        (
            SearchRequest {
                sort: Sort {
                    field: "state",
                    descending: false,
                },
                ..good.clone()
            },
            "search.sort",
        ),
        (
            SearchRequest {
                sort: Sort {
                    field: "; DROP TABLE",
                    descending: false,
                },
                ..good.clone()
            },
            "search.sort",
        ),
    ] {
        let refusal = subject
            .search
            .query(&bad)
            .await
            .map_err(|error| error.code());
        assert_eq!(refusal, Err(code), "{bad:?}");
    }
    let facet = subject
        .search
        .facets(&good.selection, &["path"], 10)
        .await
        .map_err(|error| error.code());
    assert_eq!(facet, Err("search.field"), "paths are too many to count");
}
