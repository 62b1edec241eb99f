//! The questions that lists and overviews ask.

use gna_domain::id::GroupId;
use gna_domain::port::search::{Condition, Operand, Search, SearchRequest, Selection, Sort};
use gna_storage::search::SqliteSearch;

use super::measure;

fn is(field: &'static str, values: &[&str]) -> Condition {
    Condition::In(
        field,
        values
            .iter()
            .map(|value| Operand::Keyword((*value).to_owned()))
            .collect(),
    )
}

pub async fn questions(
    search: &SqliteSearch,
    who: &str,
    groups: &dyn Fn(usize) -> Vec<GroupId>,
    rounds: usize,
) {
    let usual = || {
        vec![
            is("state", &["OPEN"]),
            Condition::In("on_default_ref", vec![Operand::Number(1)]),
        ]
    };
    let with = |more: Condition| Condition::All(usual().into_iter().chain([more]).collect());
    let by = |field, descending| Sort { field, descending };
    let asset = |round: usize| format!("ast_{:032}", round % 20);
    type Ask<'a> = (
        &'a str,
        Box<dyn Fn(usize) -> (Condition, Option<String>)>,
        Sort,
    );
    let fixed = |condition: Condition| -> Box<dyn Fn(usize) -> (Condition, Option<String>)> {
        Box::new(move |_| (condition.clone(), None))
    };
    let text =
        |words: &'static [&'static str]| -> Box<dyn Fn(usize) -> (Condition, Option<String>)> {
            let condition = Condition::All(usual());
            Box::new(move |round| {
                (
                    condition.clone(),
                    Some(words[round % words.len()].to_owned()),
                )
            })
        };
    let asks: Vec<Ask<'_>> = vec![
        (
            "everything by severity",
            fixed(Condition::All(vec![])),
            by("severity", true),
        ),
        (
            "open, default ref, by severity",
            fixed(Condition::All(usual())),
            by("severity", true),
        ),
        (
            "open, default ref, by created",
            fixed(Condition::All(usual())),
            by("created", true),
        ),
        (
            "open, default ref, by last seen, oldest first",
            fixed(Condition::All(usual())),
            by("last_seen", false),
        ),
        (
            "+ level critical or high, by created",
            fixed(with(is("level", &["CRITICAL", "HIGH"]))),
            by("created", true),
        ),
        (
            "+ severity of at least 90, by created",
            fixed(with(Condition::Between("severity", Some(90), None))),
            by("created", true),
        ),
        (
            "+ tag, by severity",
            fixed(with(is("tag", &["tag-3"]))),
            by("severity", true),
        ),
        (
            "+ asset, by severity",
            Box::new(move |round| {
                (
                    Condition::All(vec![is("state", &["OPEN"]), is("asset", &[&asset(round)])]),
                    None,
                )
            }),
            by("severity", true),
        ),
        (
            "+ one identifier, by severity",
            fixed(with(is(
                "identifier",
                &["CVE-2015-1000", "rules.security.7"],
            ))),
            by("severity", true),
        ),
        (
            "+ not a tool, not a tag, by severity",
            fixed(with(Condition::Not(Box::new(Condition::Any(vec![
                is("tool", &["trivy"]),
                is("tag", &["tag-1"]),
            ]))))),
            by("severity", true),
        ),
        (
            "+ path prefix, by severity",
            fixed(with(Condition::Prefix("path", "src/http/".into()))),
            by("severity", true),
        ),
        (
            "+ path contains, by severity",
            fixed(with(Condition::Contains("path", "Token_1".into()))),
            by("severity", true),
        ),
        (
            "nothing matches",
            fixed(is("state", &["SUBMITTED"])),
            by("severity", true),
        ),
        (
            "text: one word of paths",
            text(&["login", "payment", "crypto", "socket"]),
            by("severity", true),
        ),
        (
            "text: two words, last one begun",
            text(&["src logi", "http pars", "services packa", "cve 2019"]),
            by("severity", true),
        ),
        (
            "text: a word of findings",
            text(&["login17", "payment3", "crypto55", "socket40"]),
            by("severity", true),
        ),
        (
            "text: an identifier",
            text(&["CVE-2016-1003", "CVE-2018-1014", "CVE-2015-1100"]),
            by("severity", true),
        ),
        (
            "text: one letter",
            text(&["s", "m", "p"]),
            by("severity", true),
        ),
    ];
    for (name, ask, sort) in &asks {
        measure(&format!("{who}: {name}"), rounds, |round| {
            let (condition, text) = ask(round);
            let request = SearchRequest {
                selection: Selection {
                    groups: groups(round),
                    condition,
                    text,
                },
                sort: *sort,
                limit: 50,
                after: None,
            };
            async move { search.query(&request).await.expect("answers").hits.len() }
        })
        .await;
    }
    measure(&format!("{who}: tenth page"), rounds.min(50), |round| {
        let groups = groups(round);
        let condition = Condition::All(usual());
        async move {
            let mut request = SearchRequest {
                selection: Selection {
                    groups,
                    condition,
                    text: None,
                },
                sort: by("severity", true),
                limit: 50,
                after: None,
            };
            for _ in 0..9 {
                let page = search.query(&request).await.expect("answers");
                request.after = page.hits.last().map(|hit| hit.cursor.clone());
            }
            search.query(&request).await.expect("answers").hits.len()
        }
    })
    .await;
    for (name, condition) in [
        ("all", Condition::All(vec![])),
        ("open, default ref", Condition::All(usual())),
        (
            "severity of at least 70",
            Condition::Between("severity", Some(70), None),
        ),
    ] {
        let selection = |round| Selection {
            groups: groups(round),
            condition: condition.clone(),
            text: None,
        };
        measure(
            &format!("{who}: count {name}, up to 10,000"),
            rounds,
            |round| {
                let selection = selection(round);
                async move {
                    search
                        .count(&selection, 10_000)
                        .await
                        .expect("counts")
                        .value() as usize
                }
            },
        )
        .await;
        for fields in [
            &["state", "level", "on_default_ref"][..],
            &[
                "state",
                "closed_reason",
                "level",
                "asset",
                "location_kind",
                "package",
                "tool",
                "cwe",
                "tag",
                "ref",
            ],
        ] {
            measure(
                &format!("{who}: {} facets, {name}", fields.len()),
                rounds.min(20),
                |round| {
                    let selection = selection(round);
                    async move {
                        search
                            .facets(&selection, fields, 20)
                            .await
                            .expect("counts")
                            .iter()
                            .map(|facet| facet.values.len())
                            .sum()
                    }
                },
            )
            .await;
        }
    }
}
