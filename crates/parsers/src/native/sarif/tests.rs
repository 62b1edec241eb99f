//! The standard's corners, each on a report of a few lines.

use gna_domain::import::{Reported, SeverityBasis};
use gna_domain::model::{Level, Location};

use super::Sarif;
use crate::format::Confidence;
use crate::native::testing::{detected, fixture, place, read, refused};

/// A log of one run with this driver and these results.
fn log(driver: &str, results: &str) -> String {
    format!(
        r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{driver}}},"results":[{results}]}}]}}"#
    )
}

#[test]
fn results_before_their_rules_are_read_with_all_that_the_run_says() {
    let read = read(&Sarif, &fixture("sarif/results_first.sarif"));
    let meta = &read.meta;
    assert_eq!(
        (meta.tool.as_str(), meta.tool_version.as_deref()),
        ("ShopScan", Some("3.1.0"))
    );
    assert_eq!(
        (meta.commit.as_deref(), meta.branch.as_deref()),
        (Some("b87c4e9"), Some("main"))
    );
    assert_eq!(
        meta.subject.as_deref(),
        Some("https://git.shop.example/shop")
    );
    assert_eq!(
        meta.scanned_at.unwrap().to_string(),
        "2024-05-01T10:02:00.000Z"
    );

    let flow = &read.findings[0];
    assert_eq!(
        (flow.severity, flow.severity_basis),
        (Level::High, SeverityBasis::Score)
    );
    assert_eq!(flow.message.as_deref(), Some("'id' flows into 'select'."));
    let weakness = &flow.weakness;
    assert_eq!(
        (weakness.rule.as_str(), weakness.title.as_str()),
        ("shop/sql-injection", "SQL query built from user input")
    );
    assert_eq!(weakness.cwes, [89, 943]);
    assert_eq!(
        weakness.recommendation.as_deref(),
        Some("Use bound parameters.")
    );
    assert_eq!(weakness.references, ["https://shop.example/rules/sql"]);
    let Location::Code(code) = &flow.location else {
        panic!("{flow:?}")
    };
    assert_eq!(
        (code.path.as_str(), code.line, code.end_line, code.column),
        ("src/shop/search.py", Some(42), Some(43), Some(7))
    );
    assert_eq!(code.symbol.as_deref(), Some("shop.orders.Search.run"));
    assert_eq!(
        flow.fingerprints,
        [(
            "primaryLocationLineHash".to_owned(),
            "39fa2ee980eb94b0:1".to_owned()
        )]
    );

    let second = &read.findings[1];
    assert_eq!(place(&second.location), "src/shop/legacy search.py:5");
    assert!(
        second.fingerprints.is_empty(),
        "the fingerprint is that of the first place"
    );
    assert!(std::sync::Arc::ptr_eq(&flow.weakness, &second.weakness));
}

#[test]
fn states_are_kept_and_a_broken_result_is_accounted_for() {
    let read = read(&Sarif, &fixture("sarif/results_first.sarif"));
    let states: Vec<_> = read
        .findings
        .iter()
        .skip(2)
        .map(|finding| (place(&finding.location), finding.reported.clone()))
        .collect();
    let absent = |reason: &str| Reported::Absent {
        reason: reason.to_owned(),
    };
    let suppressed = Reported::Suppressed {
        status: "inSource".into(),
        justification: Some("next release".into()),
    };
    assert_eq!(
        states,
        [
            ("src/a.py:1".to_owned(), suppressed),
            (String::new(), absent("kind pass")),
            (String::new(), absent("baselineState absent")),
            (String::new(), Reported::Present),
            ("deploy/key.txt:3".to_owned(), Reported::Present),
        ]
    );
    assert_eq!(read.codes(), ["item.skipped"]);
    assert_eq!(read.findings[2].weakness.rule, "shop/todo/1");
    assert_eq!(read.findings[2].weakness.title, "Unfinished work");
    assert_eq!(
        read.findings[2].message.as_deref(),
        Some("Unfinished work, see the list (https://shop.example/todo).")
    );
    assert_eq!(read.findings[2].severity, Level::Info);

    let key = &read.findings[6];
    let Location::Code(code) = &key.location else {
        panic!("{key:?}")
    };
    assert_eq!(
        (code.snippet.as_deref(), key.fingerprints[0].0.as_str()),
        (None, "secret-sha256")
    );
    assert!(!format!("{:?}", read.findings).contains("AKIAEXAMPLE"));
}

#[test]
fn severity_is_taken_from_the_best_source() {
    for (rule, result, expected) in [
        (
            r#""properties":{"security-severity":"9.1"}"#,
            r#""level":"note""#,
            (Level::Critical, SeverityBasis::Score),
        ),
        (
            r#""properties":{"security-severity":4}"#,
            "",
            (Level::Medium, SeverityBasis::Score),
        ),
        (
            r#""properties":{"security-severity":"HIGH"}"#,
            "",
            (Level::High, SeverityBasis::Stated),
        ),
        (
            "",
            r#""level":"error""#,
            (Level::High, SeverityBasis::Stated),
        ),
        (
            r#""defaultConfiguration":{"level":"error"}"#,
            r#""level":"none""#,
            (Level::Info, SeverityBasis::Stated),
        ),
        (
            r#""defaultConfiguration":{"level":"note"}"#,
            "",
            (Level::Info, SeverityBasis::Stated),
        ),
        (
            r#""properties":{"problem.severity":"recommendation"}"#,
            "",
            (Level::Info, SeverityBasis::Stated),
        ),
        (
            "",
            r#""properties":{"severity":"Low"}"#,
            (Level::Low, SeverityBasis::Stated),
        ),
        ("", r#""rank":75.5"#, (Level::High, SeverityBasis::Score)),
        ("", "", (Level::Medium, SeverityBasis::Default)),
    ] {
        let comma = |text: &str| {
            if text.is_empty() {
                String::new()
            } else {
                format!(",{text}")
            }
        };
        let driver = format!(r#"{{"name":"t","rules":[{{"id":"r"{}}}]}}"#, comma(rule));
        let read = read(
            &Sarif,
            &log(
                &driver,
                &format!(
                    r#"{{"ruleId":"r","message":{{"text":"m"}}{}}}"#,
                    comma(result)
                ),
            ),
        );
        assert_eq!(
            (read.findings[0].severity, read.findings[0].severity_basis),
            expected,
            "{rule} {result}"
        );
    }
    let odd = read(
        &Sarif,
        &log(
            r#"{"name":"t"}"#,
            r#"{"ruleId":"r","level":"odd","message":{"text":"m"}}"#,
        ),
    );
    assert_eq!(odd.codes(), ["severity.unknown"]);
}

#[test]
fn dependency_scanners_name_their_packages() {
    let trivy = log(
        r#"{"name":"Trivy","rules":[{"id":"CVE-2024-0001","name":"OsPackageVulnerability","properties":{"tags":["vulnerability","HIGH"]}}]}"#,
        r#"{"ruleId":"CVE-2024-0001","ruleIndex":0,"message":{"text":"Package: openssl\nInstalled Version: 1.0\nFixed Version: 1.1\nLink: [CVE-2024-0001](https://x.example)"},
            "locations":[{"physicalLocation":{"artifactLocation":{"uri":"acme/shop"},"region":{"startLine":1}}}]}"#,
    );
    let read = read(&Sarif, &trivy);
    let package = read.package(0);
    assert_eq!(
        (
            package.name.as_str(),
            package.version.as_deref(),
            package.fixed_version.as_deref()
        ),
        ("openssl", Some("1.0"), Some("1.1"))
    );
    assert_eq!(
        (package.path.as_deref(), package.line),
        (Some("acme/shop"), Some(1))
    );
    assert_eq!(read.findings[0].weakness.identifiers, ["CVE-2024-0001"]);
}

#[test]
fn several_runs_keep_their_tools_apart() {
    let run = |name: &str| {
        format!(
            r#"{{"tool":{{"driver":{{"name":"{name}"}}}},"results":[{{"ruleId":"r","message":{{"text":"m"}}}}]}}"#
        )
    };
    let read = read(
        &Sarif,
        &format!(
            r#"{{"version":"2.1.0","runs":[{},{}]}}"#,
            run("one"),
            run("two")
        ),
    );
    assert_eq!(
        read.findings
            .iter()
            .map(|finding| finding.tool.as_deref().unwrap())
            .collect::<Vec<_>>(),
        ["one", "two"]
    );
    assert_eq!(read.meta.tool, "one, two");
}

#[test]
fn results_kept_elsewhere_and_foreign_versions_are_named() {
    let external = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},"externalPropertyFileReferences":{"results":[{"guid":"x"}]}}]}"#;
    assert_eq!(read(&Sarif, external).codes(), ["results.external"]);
    assert_eq!(
        read(&Sarif, r#"{"version":"2.1.0","runs":null}"#)
            .meta
            .items,
        0
    );
    for text in [r#"{"version":"2.0.0","runs":[]}"#, r#"{"other":1}"#, "[]"] {
        assert_eq!(refused(&Sarif, text).code, "report.wrong_format", "{text}");
    }
    assert_eq!(
        refused(&Sarif, r#"{"version":"2.1.0","runs":[{"results":[{"#).code,
        "report.truncated"
    );
}

#[test]
fn only_sarif_is_claimed() {
    for (text, expected) in [
        (
            fixture("sarif/results_first.sarif").as_str(),
            Confidence::Certain,
        ),
        (r#"{"version":"2.1.0","runs":[]}"#, Confidence::Certain),
        (r#"{"runs":[{"results":[{"ruleId":"x"#, Confidence::Certain),
        (
            r#"{"$schema":"https://cyclonedx.example/bom.json","bomFormat":"CycloneDX"}"#,
            Confidence::No,
        ),
        (r#"[{"version":1,"runs":2}]"#, Confidence::No),
        ("<runs/>", Confidence::No),
    ] {
        assert_eq!(
            detected(&Sarif, text),
            expected,
            "{}",
            &text[..20.min(text.len())]
        );
    }
}
