//! Programs that loop, eat memory, recurse, or flood; and items that a good program stumbles over.
//! Whatever an item does, the others are read, and the report ends.

use std::time::{Duration, Instant};

use gna_parsers::data::Runner;

use crate::support::{Read, format, read, runner};

/// A report of `count` good items, with `bad` in place of those at `at`.
fn report(count: usize, at: &[usize], bad: &str) -> String {
    let item = |number| {
        if at.contains(&number) {
            bad.to_owned()
        } else {
            format!("{{\"id\": \"R{number}\"}}")
        }
    };
    let items: Vec<String> = (0..count).map(item).collect();
    format!("{{\"results\": [{}]}}", items.join(", "))
}

fn quick() -> Runner {
    Runner {
        item_deadline: Duration::from_secs(2),
        memory_bytes: 96 << 20,
        ..runner()
    }
}

/// A program that runs `evil` on the items that say so.
fn evil(evil: &str) -> String {
    format!("if .evil then {evil} else {{rule: .id, title: .id}} end")
}

fn one_bad_item(program: &str, runner: Runner) -> Read {
    let text = report(40, &[17], "{\"evil\": true}");
    let started = Instant::now();
    let read = read(&format(&evil(program), ""), "t.json", &text, runner)
        .unwrap_or_else(|refusal| panic!("{program}: {refusal}"));
    assert!(
        started.elapsed() < Duration::from_secs(120),
        "{program} took {:?}",
        started.elapsed()
    );
    assert_eq!(read.findings.len(), 39, "{program}: all others are read");
    let rules: Vec<&str> = read
        .findings
        .iter()
        .map(|finding| finding.weakness.rule.as_str())
        .collect();
    let expected: Vec<String> = (0..40)
        .filter(|number| *number != 17)
        .map(|number| format!("R{number}"))
        .collect();
    assert_eq!(rules, expected, "in their order, each once");
    let skipped = read.skipped();
    assert_eq!(skipped.len(), 1, "{program}: {skipped:?}");
    let at = skipped[0].position;
    assert_eq!((skipped[0].code.as_str(), at.item), ("item.skipped", 17));
    assert_eq!(
        at.byte,
        text.find("{\"evil\"").map(|at| at as u64),
        "the warning points at the item"
    );
    read
}

#[test]
fn an_endless_loop_costs_one_item() {
    for program in ["def f: f; f", "until(false; .)"] {
        let read = one_bad_item(program, quick());
        assert!(
            read.skipped()[0]
                .message
                .contains("did not end within 2.0 s"),
            "{:?}",
            read.skipped()
        );
    }
}

#[test]
fn a_memory_bomb_costs_one_item() {
    for program in [
        "[range(1000000000)]",
        "reduce range(60) as $i (\"xxxxxxxxxxxxxxxx\"; . + .)",
    ] {
        let read = one_bad_item(
            program,
            Runner {
                item_deadline: Duration::from_secs(60),
                ..quick()
            },
        );
        assert!(
            read.skipped()[0].message.contains("ran out of memory"),
            "{:?}",
            read.skipped()
        );
    }
}

#[test]
fn deep_recursion_costs_one_item() {
    for program in [
        "def f: 1 + f; f",
        "reduce range(1000000) as $i (0; [.])",
        "[limit(100000; repeat(\"[\"))] | add | fromjson",
    ] {
        one_bad_item(
            program,
            Runner {
                item_deadline: Duration::from_secs(60),
                ..quick()
            },
        );
    }
}

#[test]
fn huge_output_costs_one_item() {
    let runner = Runner {
        max_output_bytes: 100_000,
        max_outputs: 1_000,
        ..quick()
    };
    for (program, part) in [
        ("{title: (\"x\" * 200000)}", "more than 100000 bytes"),
        ("repeat(null)", "more than 1000 outputs"),
    ] {
        let read = one_bad_item(program, runner.clone());
        assert!(
            read.skipped()[0].message.contains(part),
            "{:?}",
            read.skipped()
        );
    }
}

#[test]
fn one_bad_item_among_a_thousand_is_a_warning() {
    let program = "{rule: .id, title: (.id | ascii_downcase)}";
    let text = report(1_000, &[500], "{\"id\": 7}");
    let read = read(&format(program, ""), "t.json", &text, runner()).unwrap();
    assert_eq!((read.findings.len(), read.meta.items), (999, 1_000));
    let skipped = read.skipped();
    assert_eq!(skipped.len(), 1);
    assert_eq!(
        (skipped[0].position.item, skipped[0].position.byte),
        (500, text.find("{\"id\": 7}").map(|at| at as u64))
    );
    assert!(skipped[0].message.contains("fails on it"), "{skipped:?}");
}

#[test]
fn a_program_that_kills_its_process_again_and_again_is_given_up() {
    let text = report(40, &[3, 4, 5], "{\"evil\": true}");
    let refusal = read(
        &format(&evil("def f: 1 + f; f"), ""),
        "t.json",
        &text,
        quick(),
    )
    .unwrap_err();
    assert_eq!(refusal.code, "format.program_failed");
    assert_eq!(refusal.position.map(|at| at.item), Some(5), "{refusal}");
    // Two in a row, twice: still a report.
    let text = report(40, &[3, 4, 20, 21], "{\"evil\": true}");
    let read = read(
        &format(&evil("def f: 1 + f; f"), ""),
        "t.json",
        &text,
        quick(),
    )
    .unwrap();
    assert_eq!((read.findings.len(), read.skipped().len()), (36, 4));
}

#[test]
fn meta_that_hangs_or_dies_refuses_the_report_and_one_that_fails_does_not() {
    // The second must come to its end on a busy machine too.
    for (meta, part, seconds) in [
        ("def f: f; f", "did not end", 5),
        ("def f: 1 + f; f", "ran out of", 60),
    ] {
        let quick = Runner {
            meta_deadline: Duration::from_secs(seconds),
            ..quick()
        };
        let format = format("{title: .id}", &format!("meta = '{meta}'"));
        let refusal = read(&format, "t.json", &report(3, &[], ""), quick).unwrap_err();
        assert_eq!(refusal.code, "format.program_failed", "{meta}");
        assert!(refusal.message.contains(part), "{meta}: {refusal}");
    }
    let format = format(
        "{title: .id, message: $meta.version}",
        "meta = 'error(\"no version\")'",
    );
    let read = read(&format, "t.json", &report(3, &[], ""), quick()).unwrap();
    assert_eq!(read.findings.len(), 3);
    assert_eq!(read.warnings[0].code, "meta.failed");
    assert!(
        read.warnings[0].message.contains("no version"),
        "{:?}",
        read.warnings
    );
}

#[test]
fn a_wrong_worker_is_named_as_the_problem() {
    for program in ["/bin/true", "/bin/echo", "/no/such/file"] {
        let runner = Runner {
            program: Some(program.into()),
            ..quick()
        };
        let refusal = read(
            &format("{title: .id}", ""),
            "t.json",
            &report(3, &[], ""),
            runner,
        )
        .unwrap_err();
        assert_eq!(refusal.code, "format.program_failed", "{program}");
        assert!(refusal.message.contains("worker process"), "{refusal}");
    }
}

#[test]
fn outputs_that_are_no_findings_are_accounted_for() {
    let program = r#"if .n == 0 then empty
        elif .n == 1 then {skip: "passed"}
        elif .n == 2 then ({title: "a"}, {title: "b"})
        elif .n == 3 then "text"
        elif .n == 4 then {severity: "HIGH"}
        elif .n == 5 then null
        elif .n == 6 then {title: "c", serverity: "LOW", location: {path: "p", lines: 3}}
        else {title: "d", score: nan} end"#;
    let items: Vec<String> = (0..8).map(|n| format!("{{\"n\": {n}}}")).collect();
    let text = format!("{{\"results\": [{}]}}", items.join(","));
    let read = read(&format(program, ""), "t.json", &text, runner()).unwrap();
    let titles: Vec<&str> = read
        .findings
        .iter()
        .map(|finding| finding.weakness.title.as_str())
        .collect();
    assert_eq!(titles, ["a", "b", "c"]);
    let told: Vec<(u64, &str)> = read
        .skipped()
        .iter()
        .map(|warning| (warning.position.item, warning.message.as_str()))
        .collect();
    let expected = [
        (0, "makes nothing"),
        (1, "passed"),
        (3, "no finding"),
        (4, "neither a title"),
        (5, "makes nothing"),
        (7, "JSON"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((item, message), (expected, part)) in told.iter().zip(expected) {
        assert!(
            *item == expected && message.contains(part),
            "{item} {message}, expected {part}"
        );
    }
    let unknown: Vec<&str> = read
        .warnings
        .iter()
        .filter(|warning| warning.code == "field.unknown")
        .map(|warning| warning.message.as_str())
        .collect();
    assert_eq!(unknown.len(), 2);
    assert!(
        unknown[0].contains("serverity") && unknown[1].contains("location.lines"),
        "{unknown:?}"
    );
}

#[test]
fn variables_tell_the_report_and_the_place() {
    let format = format(
        "{rule: .id, title: \"\\($meta.prefix) \\($at.indexes[0])\"}",
        "meta = '''{tool_version: .version, prefix: .p, scanned_at: 1769851800, subject: .s, items: (.results | length)}'''",
    );
    let text = r#"{"version": "1.2", "results": [{"id": "a"}, {"id": "b"}], "p": "late", "s": "acme/till"}"#;
    let read = read(&format, "t.json", text, runner()).unwrap();
    let titles: Vec<&str> = read
        .findings
        .iter()
        .map(|finding| finding.weakness.title.as_str())
        .collect();
    assert_eq!(
        titles,
        ["late 0", "late 1"],
        "meta sees what follows the items"
    );
    assert_eq!(read.meta.tool_version.as_deref(), Some("1.2"));
    assert_eq!(read.meta.subject.as_deref(), Some("acme/till"));
    assert_eq!(
        read.meta
            .scanned_at
            .map(gna_domain::time::Timestamp::millis),
        Some(1_769_851_800_000)
    );
}

#[test]
fn at_says_where_the_item_stands() {
    let read = read(
        &format("{title: ($at | tojson)}", ""),
        "t.json",
        &report(1, &[], ""),
        runner(),
    )
    .unwrap();
    assert_eq!(
        read.findings[0].weakness.title,
        r#"{"indexes":[0],"keys":[],"path":0}"#
    );
}

#[test]
fn items_that_are_not_the_formats_are_refused_as_a_whole() {
    let refusal = read(
        &format("{title: .id}", ""),
        "t.json",
        "{\"other\": 1}",
        runner(),
    )
    .unwrap_err();
    assert_eq!(refusal.code, "report.wrong_format");
    let empty = read(
        &format("{title: .id}", ""),
        "t.json",
        "{\"results\": []}",
        runner(),
    )
    .unwrap();
    assert_eq!(empty.meta.items, 0);
    let cut = read(
        &format("{title: .id}", ""),
        "t.json",
        "{\"results\": [{\"id\": \"a\"}, ",
        runner(),
    )
    .unwrap_err();
    assert_eq!(cut.code, "report.truncated");
}

#[test]
fn ten_thousand_items_pass_through_in_seconds() {
    // A bound against pathology; the speed itself is measured by the benchmarks.
    let text = report(10_000, &[], "");
    let started = Instant::now();
    let read = read(
        &format(
            "{rule: .id, title: .id, severity: \"HIGH\", location: {path: .id}}",
            "",
        ),
        "t.json",
        &text,
        runner(),
    )
    .unwrap();
    assert_eq!(read.findings.len(), 10_000);
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
}
