//! Searching by words.

use super::make::{finding_text, vulnerability, word, words};
use super::{Subject, everything, set, where_};
use gna_domain::port::search::{Condition, Operand, Selection};

pub async fn words_and_prefixes(subject: &Subject) {
    subject
        .put([
            vulnerability(
                1,
                &[
                    ("path", word("src/http/ParserMain.rs")),
                    ("tag", words(&["needs-review", "Team Blue"])),
                ],
            ),
            vulnerability(
                2,
                &[
                    ("package", word("pkg:maven/org.apache.logging/log4j-core")),
                    (
                        "identifier",
                        words(&["CVE-2021-44228", "GHSA-jfh8-c2jp-5v3q"]),
                    ),
                ],
            ),
            vulnerability(
                3,
                &[
                    ("place", word("GET https://Example.org/straße?q=日本語")),
                    ("cwe", words(&["CWE-79"])),
                ],
            ),
            vulnerability(
                4,
                &[("path", word("src/café_übung.py")), ("state", word("OPEN"))],
            ),
            vulnerability(5, &[]),
        ])
        .await;
    for (text, expected) in [
        ("src", set([1, 4])),
        ("SRC http", set([1])),
        ("http src", set([1])),
        ("parser", set([1])),
        ("parser src", set([])),
        ("main", set([])),
        ("src parsermain rs", set([1])),
        ("src/http/ParserMain.rs", set([1])),
        ("needs-review", set([1])),
        ("blue team", set([1])),
        ("team bl", set([1])),
        ("log4j", set([2])),
        ("log4j-c", set([2])),
        ("cve-2021-44228", set([2])),
        ("CVE 44228", set([2])),
        ("44228 cve", set([2])),
        ("4422 cve", set([])),
        ("log4j 44228", set([2])),
        ("CWE-79", set([])),
        ("OPEN", set([])),
        ("straße", set([3])),
        ("STRASSE", set([])),
        ("日本", set([3])),
        ("本", set([])),
        ("https e", set([3])),
        ("CAFÉ", set([4])),
        ("cafe", set([])),
        ("Übung", set([4])),
        ("ü", set([4])),
        ("", set([1, 2, 3, 4, 5])),
        (" -- / ", set([1, 2, 3, 4, 5])),
        ("nothing", set([])),
    ] {
        assert_eq!(subject.saying(text).await, expected, "{text:?}");
    }
    let is_open = Condition::In("state", vec![Operand::Keyword("OPEN".into())]);
    let selection = Selection {
        text: Some("src".into()),
        ..where_(is_open)
    };
    assert_eq!(
        subject.found(selection).await,
        set([4]),
        "text and condition must both hold"
    );
}

/// Nothing that a person types is an operator, and nothing that a document holds is one.
pub async fn any_text_is_safe(subject: &Subject) {
    let nasty = [
        "\"",
        "'",
        "\"\"\"",
        "a\" OR \"b",
        "* ",
        "^x",
        "x*",
        "-x",
        "NOT x",
        "x AND",
        "OR",
        "NEAR(a b, 3)",
        "words : x",
        "{words} : x",
        "'; DROP TABLE search_doc; --",
        "%",
        "_",
        "\\",
        "\u{0}",
        "x\u{0}y",
        "(",
        ")",
        "((((",
        "+",
        "🦀",
        "\u{202e}abc",
        "e\u{301}",
        "ﬁ İ K",
        "search_fts MATCH",
        "00001src",
        "0000100001",
        "$1 ?1 :a @b",
        "\u{10FFFF}\u{E000}",
    ];
    subject
        .put(nasty.iter().zip(1..).map(|(text, number)| {
            vulnerability(
                number,
                &[
                    ("path", word(text)),
                    ("tag", words(&[text, "marker"])),
                    ("asset", word(text)),
                ],
            )
        }))
        .await;
    subject
        .put_findings(
            nasty
                .iter()
                .zip(1..)
                .map(|(text, number)| finding_text(number, text, text)),
        )
        .await;
    let all = subject.saying("marker").await;
    assert_eq!(all.len(), nasty.len());
    for (text, number) in nasty.iter().zip(1..) {
        let found = subject.saying(text).await;
        assert!(
            found.contains(&number),
            "{text:?} finds itself, not only {found:?}"
        );
        for condition in [
            Condition::In("tag", vec![Operand::Keyword((*text).to_owned())]),
            Condition::In("asset", vec![Operand::Keyword((*text).to_owned())]),
            Condition::Prefix("path", (*text).to_owned()),
            Condition::Contains("path", (*text).to_owned()),
        ] {
            assert!(
                subject.matching(condition.clone()).await.contains(&number),
                "{condition:?}"
            );
        }
    }
    assert_eq!(subject.saying("DROP TABLE").await, set([15]));
    assert_eq!(subject.saying("marker nowhere").await, set([]));
    assert_eq!(
        subject.saying(&"x".repeat(100_000)).await,
        set([]),
        "a very long word"
    );
    subject
        .put([vulnerability(99, &[("path", word(&"y".repeat(100_000)))])])
        .await;
    assert_eq!(subject.saying(&"y".repeat(70_000)).await, set([99]));
    let many = subject
        .search
        .count(
            &Selection {
                text: Some("a ".repeat(1_000)),
                ..where_(everything())
            },
            10,
        )
        .await;
    assert_eq!(many.map_err(|error| error.code()), Err("search.text"));
}

/// A finding's words count for its vulnerabilities, whichever came first; each word may be in
/// either place.
pub async fn words_of_findings(subject: &Subject) {
    subject
        .put_findings([finding_text(
            1,
            "SQL injection",
            "The query is built from user input. CWE-89",
        )])
        .await;
    subject
        .put([1, 2, 3].map(|number| {
            vulnerability(number, &[("path", word(&format!("src/module{number}.rs")))])
        }))
        .await;
    subject
        .put_findings([finding_text(
            2,
            "Cross-site scripting",
            "user input reaches the page",
        )])
        .await;
    for (text, expected) in [
        ("injection", set([1])),
        ("user input", set([1, 2])),
        ("input use", set([1, 2])),
        ("scr", set([2])),
        ("cross site", set([2])),
        ("module2 scripting", set([2])),
        ("scripting module1", set([])),
        ("src user", set([1, 2])),
        ("src", set([1, 2, 3])),
        ("89", set([1])),
    ] {
        assert_eq!(subject.saying(text).await, expected, "{text:?}");
    }
    let mut newer = finding_text(1, "Command injection", "The shell runs it");
    newer.version = 3;
    subject.put_findings([newer]).await;
    let mut older = finding_text(1, "Ancient", "words");
    older.version = 2;
    subject.put_findings([older]).await;
    for (text, expected) in [
        ("command", set([1])),
        ("sql", set([])),
        ("ancient", set([])),
        ("user", set([2])),
        ("module1 shell", set([1])),
    ] {
        assert_eq!(subject.saying(text).await, expected, "{text:?}");
    }
    // A vulnerability moves to another finding.
    let mut moved = vulnerability(3, &[("path", word("src/module3.rs"))]);
    (moved.version, moved.finding) = (2, vulnerability(2, &[]).finding);
    subject.put([moved]).await;
    assert_eq!(subject.saying("scripting").await, set([2, 3]));
}
