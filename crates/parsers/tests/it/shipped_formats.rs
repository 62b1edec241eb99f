//! Every shipped format on small reports of ours: it is recognised among all of them, and what is
//! found is kept in `expected.snap` files beside the reports (`cargo insta review` to change them).

use gna_parsers::data::{DataFormat, builtin};
use gna_parsers::{Confidence, Format, Input, Registry};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

use crate::support::{Read, read, runner};

fn fixtures(format: &DataFormat) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(&format.definition().name);
    let files = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.path());
    let mut reports: Vec<PathBuf> = files
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end != "snap" && end != "md")
        })
        .collect();
    reports.sort();
    reports
}

/// The part of a result that a person can judge: no offsets, no empty fields.
fn shown(read: &Read) -> Value {
    let findings: Vec<Value> = read
        .findings
        .iter()
        .map(|finding| {
            let mut value = serde_json::to_value(finding).expect("a finding is JSON");
            let item = value["position"]["item"].clone();
            value["position"] = item;
            value
        })
        .collect();
    let warnings: Vec<String> = read
        .warnings
        .iter()
        .map(|warning| {
            format!(
                "{}{}: {}",
                warning.code,
                if warning.skipped { " (skipped)" } else { "" },
                warning.message
            )
        })
        .collect();
    json!({ "meta": read.meta, "findings": findings, "warnings": warnings })
}

#[test]
fn every_format_reads_its_fixtures() {
    for format in builtin().unwrap() {
        let name = &format.definition().name;
        let reports = fixtures(&format);
        assert!(!reports.is_empty(), "{name} has no fixture");
        for path in reports {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let read = read(&format, &file, &text, runner())
                .unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()));
            assert!(!read.findings.is_empty(), "{}", path.display());
            assert!(
                !read.warnings.iter().any(|warning| warning.code == "field.unknown" || warning.code == "meta.failed"),
                "{}: {:?}",
                path.display(),
                read.warnings
            );
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            insta::with_settings!({
                snapshot_path => path.parent().unwrap(),
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_json_snapshot!(format!("{stem}.expected"), shown(&read));
            });
        }
    }
}

#[test]
fn every_fixture_is_claimed_by_its_format_alone() {
    let formats = builtin().unwrap();
    for format in &formats {
        for path in fixtures(format) {
            let text = std::fs::read_to_string(&path).unwrap();
            let input = Input::new("report", text.as_bytes());
            let own = format.detect(&input);
            assert!(
                own >= Confidence::Likely,
                "{} is not recognised",
                path.display()
            );
            for other in &formats {
                if other.definition().name != format.definition().name {
                    let claim = other.detect(&input);
                    assert!(
                        claim < own,
                        "{} is claimed by {} as well",
                        path.display(),
                        other.definition().name
                    );
                }
            }
        }
    }
}

/// Adding formats as data must not make a report ambiguous that code reads, nor the other way round.
#[test]
fn code_and_data_do_not_quarrel_over_reports() {
    let native = Registry::native();
    let all = Registry::with_data(None, runner()).unwrap();
    let data: Vec<String> = builtin()
        .unwrap()
        .iter()
        .map(|format| format.definition().name.clone())
        .collect();
    let mut seen = 0;
    for folder in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"))
        .unwrap()
        .flatten()
    {
        let name = folder.file_name().to_string_lossy().into_owned();
        for file in std::fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = file.path();
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            if path
                .extension()
                .is_none_or(|end| end == "snap" || end == "md")
            {
                continue;
            }
            let input = Input::new("report", text.as_bytes());
            let found = |registry: &Registry| {
                registry
                    .detect(&input)
                    .map(|format| format.info().name.clone())
                    .ok()
            };
            let expected = if data.contains(&name) {
                Some(name.clone())
            } else {
                found(&native)
            };
            assert_eq!(found(&all), expected, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= data.len(), "the fixtures were found");
}

#[test]
fn no_format_claims_what_says_nothing() {
    let texts = [
        "",
        "[]",
        "{}",
        "[{}]",
        "null",
        "<a/>",
        "a,b\n1,2\n",
        "hello",
        "{\"results\": []}",
        "{\"version\": \"2.1.0\", \"runs\": []}",
        "{\"vulnerabilities\": []}",
        "{\"findings\": []}",
        "<report/>",
        "{\"type\": \"object\"}",
    ];
    for format in builtin().unwrap() {
        for text in texts {
            assert_eq!(
                format.detect(&Input::new("r", text.as_bytes())),
                Confidence::No,
                "{}: {text}",
                format.definition().name
            );
        }
    }
}

#[test]
fn secrets_do_not_leave_the_formats_that_list_them() {
    for format in builtin().unwrap() {
        for path in fixtures(&format) {
            let text = std::fs::read_to_string(&path).unwrap();
            let read = read(&format, "report", &text, runner()).unwrap();
            let all = shown(&read).to_string();
            assert!(!all.contains("EXAMPLE-NOT-A-KEY"), "{}", path.display());
        }
    }
}

#[test]
fn the_schema_accepts_every_shipped_format_and_refuses_mistakes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("format.schema.json")).unwrap())
            .unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let as_json =
        |text: &str| serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap();
    let mut count = 0;
    for format in builtin().unwrap() {
        let text = std::fs::read_to_string(folder.join(format.file())).unwrap();
        let errors: Vec<String> = schema
            .iter_errors(&as_json(&text))
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", format.file());
        count += 1;
    }
    assert!(count >= 15, "the promised number of formats");
    let good = std::fs::read_to_string(folder.join("gosec.toml")).unwrap();
    for (from, to) in [
        ("name = \"gosec\"", "name = \"Go Sec\""),
        ("title = ", "titel = "),
        ("category = \"SAST\"", "category = \"MAGIC\""),
        ("items = \"Issues[]\"", ""),
        ("input = \"json\"", "input = \"csv\""),
        ("input = \"json\"", "input = \"json\"\nbeside = [\"a\"]"),
        ("confidence = \"certain\"", "confidence = \"sure\""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(!schema.is_valid(&as_json(&bad)), "{to}");
        assert!(
            gna_parsers::data::load("gosec.toml", &bad).is_err(),
            "the loader agrees on {to}"
        );
    }
}

/// The example of docs/FORMATS-AS-DATA.md, as it stands there.
#[test]
fn the_example_in_the_manual_works() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FORMATS-AS-DATA.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let block = |start: &str| {
        let (_, rest) = manual.split_once(start).unwrap();
        let (block, _) = rest.split_once("```").unwrap();
        block
            .lines()
            .map(|line| line.strip_prefix("   ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let format = gna_parsers::data::load("acme-scan.toml", &block("```toml\n")).unwrap();
    let report = block("```json\n");
    assert_eq!(
        format.detect(&Input::new("r", report.as_bytes())),
        Confidence::Likely
    );
    let read = read(&format, "r", &report, runner()).unwrap();
    assert_eq!(read.meta.tool_version.as_deref(), Some("2.1"));
    assert_eq!(read.findings.len(), 1);
    let finding = &read.findings[0];
    assert_eq!(
        (finding.weakness.rule.as_str(), finding.severity.as_str()),
        ("A-17", "HIGH")
    );
    assert_eq!(
        (finding.location.path(), finding.location.line()),
        (Some("src/tls.c"), Some(40))
    );
}
