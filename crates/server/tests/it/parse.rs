//! `gna parse`.

use crate::run::{run, run_with_input, sample};
use serde_json::{Value, json};
use std::io::Write;

#[test]
fn a_report_becomes_one_object_with_all_that_is_known_of_each_finding() {
    let folder = tempfile::tempdir().expect("folder");
    let said = run(folder.path(), &["parse", "--json", &sample("trivy.json")]).ended(0);
    let [report] = said.json().try_into().expect("one line");
    assert_eq!(report["format"], "trivy");
    assert_eq!(report["tool"], "Trivy");
    assert_eq!(report["counts"]["findings"], 6);
    assert_eq!(report["counts"]["severity"]["CRITICAL"], 2);
    let zlib = report["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|finding| finding["identifiers"] == json!(["CVE-2022-37434"]))
        .expect("found");
    assert_eq!(zlib["severity"], "CRITICAL");
    assert_eq!(zlib["cwe"], json!([787]));
    assert_eq!(zlib["cvss"][0]["score"], 9.8);
    assert_eq!(zlib["component"]["name"], "zlib1g");
    assert_eq!(zlib["component"]["version"], "1:1.2.11.dfsg-2");
    assert!(
        zlib["component"]["purl"]
            .as_str()
            .is_some_and(|purl| purl.starts_with("pkg:deb/"))
    );
    assert!(
        zlib["fingerprint"]
            .as_str()
            .is_some_and(|key| key.len() == 32)
    );
    let said = run(folder.path(), &["parse", "--json", &sample("code.sarif")]).ended(0);
    let finding = &said.json()[0]["findings"][0];
    assert_eq!(
        (&finding["path"], &finding["line"], &finding["rule"]),
        (&json!("src/search.js"), &json!(33), &json!("js/xss"))
    );
}

#[test]
fn each_file_is_processed_and_the_gravest_ending_wins() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    };
    let whole = std::fs::read(sample("trivy.json")).expect("there");
    write("cut.json", &whole[..whole.len() / 2]);
    write("empty.json", b"");
    write("what.txt", b"hello, this is no report");
    let good = sample("gitleaks.json");
    let said = run(
        folder.path(),
        &[
            "parse",
            "--json",
            "cut.json",
            "empty.json",
            &good,
            "what.txt",
            "missing.json",
        ],
    )
    .ended(3);
    let lines = said.json();
    let codes: Vec<&Value> = lines.iter().map(|line| &line["error"]["code"]).collect();
    assert_eq!(
        codes,
        [
            &json!("report.truncated"),
            &json!("report.empty"),
            &Value::Null,
            &json!("report.unknown_format"),
            &json!("report.unreadable"),
        ]
    );
    assert!(lines[0]["error"]["position"].is_object(), "{}", lines[0]);
    assert_eq!(lines[0]["error"]["format"], "trivy");
    assert_eq!(lines[2]["counts"]["findings"], 2);
    let spoken = run(folder.path(), &["parse", "cut.json", &good]).ended(3);
    assert!(
        spoken.stderr.contains("cut.json: refused: trivy:"),
        "{}",
        spoken.stderr
    );
    assert!(spoken.stdout.contains("2 findings"), "{}", spoken.stdout);
}

#[test]
fn standard_input_and_gzip_are_read_like_files() {
    let folder = tempfile::tempdir().expect("folder");
    let plain = std::fs::read(sample("semgrep.json")).expect("there");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&plain).expect("packed");
    let packed = packer.finish().expect("packed");
    for input in [&plain, &packed] {
        let said = run_with_input(folder.path(), &["parse", "-", "--json"], input).ended(0);
        let lines = said.json();
        assert_eq!(
            (&lines[0]["file"], &lines[0]["counts"]["findings"]),
            (&json!("-"), &json!(6))
        );
    }
}

#[test]
fn a_format_of_ones_own_is_a_file_in_a_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let formats = folder.path().join("formats");
    std::fs::create_dir(&formats).expect("made");
    std::fs::write(formats.join("broken.toml"), "name = 3").expect("written");
    let broken = super::run::gna(folder.path())
        .args(["formats"])
        .env("GNA_FORMATS__DIR", &formats)
        .output()
        .expect("runs");
    let broken = super::run::Said::from(broken).ended(2);
    assert!(broken.stderr.contains("broken.toml"), "{}", broken.stderr);
}

#[test]
fn wrong_use_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().expect("folder");
    let unknown = run(folder.path(), &["parse", "--format", "nope", "x.json"]).ended(2);
    assert!(unknown.stderr.contains("gna formats"), "{}", unknown.stderr);
    run(folder.path(), &["parse"]).ended(2);
    run(folder.path(), &["parse", "--nope"]).ended(2);
    let help = run(folder.path(), &["parse", "--help"]).ended(0);
    assert!(help.stdout.contains("Examples:"), "{}", help.stdout);
    let names = run(folder.path(), &["formats", "--json"]).ended(0);
    let formats = &names.json()[0]["formats"];
    assert!(
        formats.as_array().is_some_and(|formats| formats.len() > 20),
        "{formats}"
    );
}

#[test]
fn whoever_reads_the_output_may_stop() {
    let folder = tempfile::tempdir().expect("folder");
    let many = vec![sample("trivy.json"); 200];
    let mut child = super::run::gna(folder.path())
        .arg("parse")
        .args(&many)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("runs");
    drop(child.stdout.take());
    let said = super::run::Said::from(child.wait_with_output().expect("ends")).ended(0);
    assert_eq!(said.stderr, "");
}

#[test]
fn a_format_of_ones_own_reads_reports_and_may_replace_one_by_code() {
    let folder = tempfile::tempdir().expect("folder");
    let own = |name: &str, more: &str| {
        format!(
            "name = '{name}'\n{more}\ntitle = 'Own {name}'\ntool = 'Own'\ncategory = 'SAST'\n\
             docs = 'https://acme.example'\nidentity = 'rule'\ninput = 'jsonl'\n\
             map = '{{title: .acme, rule: .acme}}'\n[[detect]]\nkeys = ['acme']\n"
        )
    };
    let write = |file: &str, text: &str| {
        std::fs::write(folder.path().join(file), text).expect("written");
    };
    std::fs::create_dir(folder.path().join("formats")).expect("made");
    write("formats/acme.toml", &own("acme", ""));
    write("formats/gitleaks.toml", &own("gitleaks", "replaces = true"));
    write("gna.toml", "[formats]\ndir = \"formats\"\n");
    write("report.jsonl", "{\"acme\": \"weak-cipher\"}\n");

    let said = run(
        folder.path(),
        &["parse", "--json", "--format", "acme", "report.jsonl"],
    )
    .ended(0);
    assert_eq!(said.json()[0]["findings"][0]["rule"], "weak-cipher");
    let listed = run(folder.path(), &["formats"]).ended(0);
    assert!(listed.stdout.contains("Own gitleaks"), "{}", listed.stdout);
}

#[test]
fn a_format_of_ones_own_gets_the_memory_that_it_is_granted_and_no_more() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |file: &str, text: &str| {
        std::fs::write(folder.path().join(file), text).expect("written");
    };
    // Text that doubles: 16 bytes become 16 << N, beside the half that it was made of.
    std::fs::create_dir(folder.path().join("formats")).expect("made");
    write(
        "formats/acme.toml",
        "name = 'acme'\ntitle = 'Acme'\ntool = 'Acme'\ncategory = 'SAST'\n\
         docs = 'https://acme.example'\nidentity = 'rule'\ninput = 'jsonl'\n\
         map = 'reduce range(.doublings) as $i (\"xxxxxxxxxxxxxxxx\"; . + .) | {title: \"\\(length)\", rule: \"large\"}'\n\
         [[detect]]\nkeys = ['doublings']\n",
    );
    write("gna.toml", "[formats]\ndir = \"formats\"\n");
    write("report.jsonl", "{\"doublings\": 20}\n{\"doublings\": 26}\n");
    // Where memory is laid out differs from start to start.
    for _ in 0..20 {
        let said = run(
            folder.path(),
            &["parse", "--json", "--format", "acme", "report.jsonl"],
        );
        let [report] = said.json().try_into().expect("one line");
        let findings = report["findings"].as_array().expect("a list");
        let titles: Vec<&Value> = findings.iter().map(|one| &one["title"]).collect();
        assert_eq!(titles, [&json!("16777216")], "{report}");
        let warning = &report["warnings"][0];
        assert!(
            warning["message"]
                .as_str()
                .is_some_and(|text| text.contains("ran out of memory")),
            "{warning}"
        );
    }
}
