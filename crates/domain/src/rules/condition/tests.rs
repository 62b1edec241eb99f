//! Conditions: what they may say, what they may not, and that nothing hostile gets through.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const WORDS: Vocabulary = Vocabulary(&[
    ("vulnerability.score", Kind::Number),
    ("vulnerability.level", Kind::Text),
    ("vulnerability.tags", Kind::Texts),
    ("vulnerability.cwes", Kind::Wholes),
    ("vulnerability.line", Kind::Whole),
    ("vulnerability.fixed", Kind::Flag),
    ("asset.name", Kind::Text),
    ("asset.tags", Kind::Texts),
]);

/// As filters of webhooks have it: any depth, nothing known of it.
const OPEN: Vocabulary = Vocabulary(&[("payload", Kind::Any), ("event", Kind::Text)]);

fn facts() -> Facts {
    let facts = json!({
        "vulnerability": { "score": 9.8, "level": "CRITICAL", "tags": ["web", "pci"], "cwes": [79, 89],
            "fixed": true },
        "asset": { "name": "shop-frontend" },
        "payload": { "report": { "counts": { "created": 3 } } },
    });
    Facts::new(&facts).expect("facts")
}

fn holds(source: &str) -> bool {
    Condition::compile(source, WORDS)
        .expect(source)
        .holds(&facts())
        .expect(source)
}

#[test]
fn conditions_say_what_is_true_of_the_facts() {
    for (source, expected) in [
        ("true", true),
        ("vulnerability.score >= 9.0", true),
        ("vulnerability.score >= 9", true),
        (
            "vulnerability.score < 9.0 || vulnerability.level == 'CRITICAL'",
            true,
        ),
        (
            "'pci' in vulnerability.tags && !('mobile' in vulnerability.tags)",
            true,
        ),
        ("79 in vulnerability.cwes", true),
        ("vulnerability.tags.exists(t, t.startsWith('we'))", true),
        ("vulnerability.tags.all(t, size(t) == 3)", true),
        ("vulnerability.tags.exists_one(t, t == 'web')", true),
        (
            "vulnerability.tags.exists(t, vulnerability.cwes.exists(c, c > 80 && t == 'web'))",
            true,
        ),
        ("asset.name.matches('^shop-(front|back)end$')", true),
        ("asset.name.contains('back')", false),
        ("has(vulnerability.line) && vulnerability.line > 10", false),
        (
            "vulnerability.fixed ? vulnerability.level == 'CRITICAL' : false",
            true,
        ),
        ("'web' == vulnerability.tags[0]", true),
    ] {
        assert_eq!(holds(source), expected, "{source}");
    }
}

#[test]
fn what_is_wrong_is_refused_with_a_code_and_its_place() {
    let deep = format!("{}true{}", "(".repeat(300), ")".repeat(300));
    let sum = vec!["1"; 400].join(" + ");
    let nested = "vulnerability.tags.exists(a, vulnerability.tags.exists(b, vulnerability.tags.exists(c, a == c)))";
    let costly = format!(
        "vulnerability.tags.exists(a, vulnerability.tags.exists(b, {}))",
        vec!["a == b"; 20].join(" || ")
    );
    let bomb = "asset.name.matches('(a{1000}){1000}')";
    let growing = "[asset.name + asset.name].map(b, b + b).map(c, c + c).size() > 0";
    let cases = [
        ("", "condition.empty", ""),
        (
            "vulnerability.score >=",
            "condition.syntax",
            "line 1, column",
        ),
        (
            "vulnerability.score\n  >= >= 3",
            "condition.syntax",
            "line 2, column 6",
        ),
        ("'unclosed", "condition.syntax", "line 1"),
        (
            "vulnerability.scor > 1.0",
            "condition.unknown_name",
            "line 1, column 14: there is no vulnerability.scor",
        ),
        (
            "true &&\n  secret == 'x'",
            "condition.unknown_name",
            "line 2, column 3",
        ),
        (
            "vulnerability.tags.exists(t, u == t)",
            "condition.unknown_name",
            "column 30",
        ),
        (
            "vulnerability.tags.filter(t, t == 'a').size() > 0",
            "condition.not_supported",
            "map and filter",
        ),
        (growing, "condition.not_supported", "map and filter"),
        ("{'a': 1}.a == 1", "condition.not_supported", "maps"),
        (
            "bytes(asset.name) == b''",
            "condition.not_supported",
            "bytes",
        ),
        (
            "asset.name.matches(vulnerability.level)",
            "condition.pattern",
            "between quotes",
        ),
        ("asset.name.matches('(')", "condition.pattern", "line 1"),
        (bomb, "condition.pattern", "too large"),
        ("vulnerability.score", "condition.type", "true or false"),
        (
            "vulnerability.score > 'high'",
            "condition.type",
            "can't be applied to (double, string)",
        ),
        ("asset.name.startsWith(3)", "condition.type", "startsWith"),
        (&deep, "condition.syntax", ""),
        (&sum, "condition.too_costly", "additions"),
        (nested, "condition.too_costly", "2 loops"),
        (&costly, "condition.too_costly", "steps"),
    ];
    for (source, code, says) in cases {
        let error = Condition::compile(source, WORDS).expect_err(source);
        assert_eq!(error.code(), code, "{source}: {error}");
        assert_eq!(error.field(), Some("condition"), "{source}");
        assert!(error.message().contains(says), "{source}: {error}");
    }
    let long = "true || ".repeat(500) + "true";
    let error = Condition::compile(&long, WORDS).expect_err("too long");
    assert_eq!(error.code(), "condition.too_long");
}

#[test]
fn what_the_facts_do_not_have_is_an_error_and_not_a_match() {
    let asks = |source: &str| {
        Condition::compile(source, WORDS)
            .expect(source)
            .holds(&facts())
            .expect_err(source)
    };
    assert_eq!(asks("vulnerability.line > 3").code(), "condition.failed");
    assert_eq!(
        asks("vulnerability.tags[7] == 'a'").code(),
        "condition.failed"
    );
    let many = json!({ "vulnerability": { "tags": vec!["a"; LIST_LIMIT + 1] } });
    let error = Facts::new(&many).err().expect("too many");
    assert_eq!(error.code(), "condition.facts");
}

#[test]
fn where_anything_may_be_asked_what_is_missing_shows_when_it_is_asked() {
    let holds = |source: &str| {
        Condition::compile(source, OPEN)
            .expect(source)
            .holds(&facts())
    };
    assert_eq!(holds("payload.report.counts.created > 2"), Ok(true));
    assert_eq!(
        holds("has(payload.report.nothing) && payload.report.nothing == 1"),
        Ok(false)
    );
    let missing = holds("payload.report.nothing == 1").expect_err("not there");
    assert_eq!(missing.code(), "condition.failed");
    let unknown = Condition::compile("vulnerability.score > 1.0", OPEN).expect_err("unknown");
    assert_eq!(unknown.code(), "condition.unknown_name");
}

#[test]
fn conditions_can_be_kept_across_threads() {
    fn kept<T: Send + Sync>() {}
    kept::<Condition>();
    kept::<Facts>();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is written: an answer or a refusal, on any thread.
    #[test]
    fn no_text_does_harm(parts in prop::collection::vec(
        prop::sample::select(vec!["(", ")", "[", "]", "{", "}", "?", ":", "!", "-", "&&", "||", "a", "1", "1.5", "'x'", ".",
            "vulnerability", ".tags", ".exists(t, ", ".all(", "==", "<", "+", " in ", "has(", "`", "\\", "\u{0}", "é", "\"", "//"]),
        0..60,
    )) {
        if let Ok(condition) = Condition::compile(&parts.concat(), WORDS) {
            let _ = condition.holds(&facts());
        }
    }
}
