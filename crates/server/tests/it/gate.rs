//! `gna gate` without a server.

use crate::run::{Said, run, sample};
use serde_json::{Value, json};
use std::path::Path;

fn write(folder: &Path, name: &str, value: &Value) {
    std::fs::write(folder.join(name), value.to_string()).expect("written");
}

/// A report of places in files, each with a rule and a score.
fn sarif(results: &[(&str, &str, u32, &str)]) -> Value {
    let rules: Vec<Value> = results
        .iter()
        .map(|(rule, _, _, score)| {
            json!({ "id": rule, "shortDescription": { "text": format!("about {rule}") },
                    "properties": { "security-severity": score, "tags": ["security", "external/cwe/cwe-79"] } })
        })
        .collect();
    let results: Vec<Value> = results
        .iter()
        .map(|(rule, path, line, _)| {
            json!({ "ruleId": rule, "message": { "text": format!("found by {rule}") },
                    "locations": [{ "physicalLocation": { "artifactLocation": { "uri": path },
                                    "region": { "startLine": line, "snippet": { "text": format!("code of {rule} at {path}") } } } }] })
        })
        .collect();
    json!({ "version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "runs": [{ "tool": { "driver": { "name": "Scan", "rules": rules } }, "results": results }] })
}

fn judged(folder: &Path, args: &[&str]) -> Said {
    run(folder, &[&["gate", "--json"], args].concat())
}

#[test]
fn a_report_passes_or_breaks_by_its_threshold() {
    let folder = tempfile::tempdir().expect("folder");
    let report = sample("trivy.json");
    let broken = judged(folder.path(), &["--report", &report]).ended(1);
    let told = &broken.json()[0];
    assert_eq!(told["verdict"], "BROKEN");
    assert_eq!(told["exit_code"], 1);
    assert_eq!(told["basis"], "report-only");
    assert_eq!(told["terms"]["threshold"], 0.0);
    assert_eq!(told["counts"]["judged"], 6);
    assert_eq!(told["counts"]["breaking"], 6);
    let scores: Vec<f64> = told["breaking"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["score"].as_f64())
        .collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert_eq!(told["breaking"][0]["first_seen"], Value::Null);

    let critical = judged(folder.path(), &["--report", &report, "--threshold", "9.0"]).ended(1);
    let told = &critical.json()[0];
    let breaking = told["counts"]["breaking"].as_u64().expect("a number");
    assert!((1..6).contains(&breaking), "{told}");
    assert_eq!(told["counts"]["below_threshold"], 6 - breaking);

    let passed = judged(folder.path(), &["--report", &report, "--threshold", "10"]).ended(0);
    assert_eq!(passed.json()[0]["verdict"], "PASS");
    assert_eq!(passed.json()[0]["breaking"], json!([]));
}

#[test]
fn lax_tells_what_is_broken_and_lets_it_through() {
    let folder = tempfile::tempdir().expect("folder");
    let report = sample("trivy.json");
    let lax = judged(folder.path(), &["--report", &report, "--lax"]).ended(0);
    let told = &lax.json()[0];
    assert_eq!(
        (&told["verdict"], &told["exit_code"]),
        (&json!("BROKEN"), &json!(0))
    );
    run(
        folder.path(),
        &["gate", "--report", &report, "--lax", "--strict"],
    )
    .ended(2);
}

#[test]
fn what_cannot_be_read_is_never_a_pass_not_even_in_lax_mode() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(
        folder.path().join("cut.json"),
        b"{\"SchemaVersion\": 2, \"Resul",
    )
    .expect("written");
    write(folder.path(), "clean.sarif", &sarif(&[]));
    let told = judged(
        folder.path(),
        &["--report", "cut.json", "clean.sarif", "--lax"],
    )
    .ended(3);
    let told = &told.json()[0];
    assert_eq!(told["verdict"], "UNKNOWN");
    assert_eq!(told["unreadable"][0]["file"], "cut.json");
    assert_eq!(told["reports"][0]["file"], "clean.sarif");
    // The rest is judged all the same.
    let told = judged(
        folder.path(),
        &["--report", "missing.json", &sample("trivy.json"), "--lax"],
    )
    .ended(3);
    assert_eq!(told.json()[0]["verdict"], "BROKEN");
    assert_eq!(told.json()[0]["counts"]["judged"], 6);
}

#[test]
fn a_clean_report_passes() {
    let folder = tempfile::tempdir().expect("folder");
    write(folder.path(), "clean.sarif", &sarif(&[]));
    let said = run(folder.path(), &["gate", "--report", "clean.sarif"]).ended(0);
    assert!(said.stdout.starts_with("PASS: 0 of 0"), "{}", said.stdout);
    assert!(
        said.stdout.contains("basis: report-only"),
        "{}",
        said.stdout
    );
}

#[test]
fn new_only_judges_what_the_base_does_not_have_also_when_lines_moved() {
    let folder = tempfile::tempdir().expect("folder");
    write(
        folder.path(),
        "base.sarif",
        &sarif(&[
            ("xss", "src/a.js", 10, "9.1"),
            ("sqli", "src/b.js", 20, "9.8"),
        ]),
    );
    write(
        folder.path(),
        "moved.sarif",
        &sarif(&[
            ("sqli", "src/b.js", 27, "9.8"),
            ("xss", "src/a.js", 12, "9.1"),
        ]),
    );
    let same = judged(
        folder.path(),
        &[
            "--report",
            "moved.sarif",
            "--base",
            "base.sarif",
            "--new-only",
        ],
    )
    .ended(0);
    assert_eq!(same.json()[0]["counts"]["on_base"], 2);
    write(
        folder.path(),
        "more.sarif",
        &sarif(&[
            ("sqli", "src/b.js", 27, "9.8"),
            ("xss", "src/c.js", 1, "6.1"),
        ]),
    );
    let more = judged(
        folder.path(),
        &[
            "--report",
            "more.sarif",
            "--base",
            "base.sarif",
            "--new-only",
        ],
    )
    .ended(1);
    let told = &more.json()[0];
    assert_eq!(told["counts"]["breaking"], 1);
    assert_eq!(told["breaking"][0]["location"]["path"], "src/c.js");
    let alone = run(
        folder.path(),
        &["gate", "--report", "more.sarif", "--new-only"],
    )
    .ended(2);
    assert!(alone.stderr.contains("--base"), "{}", alone.stderr);
}

#[test]
fn two_tools_that_report_one_cve_in_one_package_break_the_gate_once() {
    let folder = tempfile::tempdir().expect("folder");
    let report = sample("trivy.json");
    let told = judged(folder.path(), &["--report", &report, &report]).ended(1);
    assert_eq!(told.json()[0]["counts"]["judged"], 6);
    assert_eq!(told.json()[0]["reports"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_a_tool_set_aside_is_spared_and_what_is_gone_is_not_judged() {
    let folder = tempfile::tempdir().expect("folder");
    let mut report = sarif(&[
        ("xss", "src/a.js", 10, "9.1"),
        ("sqli", "src/b.js", 20, "9.8"),
    ]);
    report["runs"][0]["results"][0]["suppressions"] =
        json!([{ "kind": "inSource", "status": "accepted", "justification": "reviewed" }]);
    report["runs"][0]["results"][1]["baselineState"] = json!("absent");
    write(folder.path(), "a.sarif", &report);
    let told = judged(folder.path(), &["--report", "a.sarif"]).ended(0);
    let counts = &told.json()[0]["counts"];
    assert_eq!(
        (&counts["judged"], &counts["suppressed"]),
        (&json!(1), &json!(1))
    );
}

/// As the standard has it.
fn valid(log: &Value) {
    let schema = include_str!("../../../api/tests/schemas/sarif-2.1.0-rtm.5.json");
    let mut schema: Value = serde_json::from_str(schema).expect("JSON");
    // Two patterns that readers of regular expressions refuse; no log of ours has the member.
    for part in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][part]["properties"]["language"];
        language.as_object_mut().and_then(|of| of.remove("pattern"));
    }
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let broken: Vec<String> = validator
        .iter_errors(log)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_form_says_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let nasty = "src/<b>|\"&,:%0A.js";
    write(
        folder.path(),
        "a.sarif",
        &sarif(&[("xss", nasty, 3, "9.1"), ("sqli", "src/b.js", 20, "5.0")]),
    );
    let form = |form: &str| {
        run(
            folder.path(),
            &[
                "gate",
                "--report",
                "a.sarif",
                "--threshold",
                "7",
                "--format",
                form,
            ],
        )
        .ended(1)
        .stdout
    };
    assert!(
        form("text").contains(
            "BROKEN: 1 of 2 vulnerabilities break the gate; spared: 1 below the threshold"
        )
    );
    let json: Value = serde_json::from_str(&form("json")).expect("JSON");
    assert_eq!(json["counts"]["breaking"], 1);

    let junit = form("junit");
    assert!(
        junit.contains("tests=\"1\" failures=\"1\" errors=\"0\""),
        "{junit}"
    );
    assert_eq!(junit.matches("<testcase ").count(), 1);
    assert!(!junit.contains("<b>"), "{junit}");

    let sarif: Value = serde_json::from_str(&form("sarif")).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    valid(&sarif);
    let results = sarif["runs"][0]["results"].as_array().expect("a list");
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["ruleId"], "xss");
    assert_eq!(results[0]["level"], "error");

    let markdown = form("markdown");
    assert!(markdown.contains("❌"), "{markdown}");
    assert_eq!(
        markdown
            .lines()
            .filter(|line| line.starts_with("| 9.5"))
            .count(),
        1
    );

    let github = form("github");
    let annotation = github.lines().next().expect("a line");
    assert!(
        annotation.starts_with("::error file=src/<b>|\"&%2C%3A%0A.js,line=3,title=CRITICAL 9.5::"),
        "{annotation}"
    );
    assert_eq!(github.lines().count(), 2);

    // Into a file, while a person reads the text.
    let said = run(
        folder.path(),
        &[
            "gate",
            "--report",
            "a.sarif",
            "--format",
            "sarif",
            "-o",
            "out.sarif",
        ],
    )
    .ended(1);
    assert!(said.stdout.contains("BROKEN"), "{}", said.stdout);
    // What the gate writes, Gna reads.
    let read = run(folder.path(), &["parse", "--json", "out.sarif"]).ended(0);
    assert_eq!(read.json()[0]["counts"]["findings"], 2);
}

#[test]
fn wrong_terms_are_refused_before_anything_is_judged() {
    let folder = tempfile::tempdir().expect("folder");
    let report = sample("trivy.json");
    for wrong in [
        &["--threshold", "11"][..],
        &["--grace", "30", "--debt", "10"],
        &["--grace", "-1"],
        &["--snapshot", "x.json"],
        &["--snapshot", "x.json", "--snapshot-key", "k", "--base", "y"],
        &["--as", "nope"],
    ] {
        run(
            folder.path(),
            &[&["gate", "--report", &report], wrong].concat(),
        )
        .ended(2);
    }
    run(folder.path(), &["gate"]).ended(2);
}

#[test]
fn days_need_a_snapshot_and_the_answer_says_so() {
    let folder = tempfile::tempdir().expect("folder");
    let told = judged(
        folder.path(),
        &["--report", &sample("trivy.json"), "--grace", "30"],
    )
    .ended(1);
    let notes = told.json()[0]["notes"].to_string();
    assert!(notes.contains("grace and debt do not apply"), "{notes}");
}

/// A folder with a store that has a group.
fn shop(folder: &Path) {
    run(folder, &["group", "create", "acme/shop"]).ended(0);
}

const SHOP: [&str; 6] = [
    "--group",
    "acme/shop",
    "--asset",
    "checkout",
    "--data",
    "gna-data",
];

#[test]
fn the_store_at_hand_judges_what_it_knows_and_keeps_a_record() {
    let folder = tempfile::tempdir().expect("folder");
    shop(folder.path());
    let report = sample("trivy.json");
    let args = [&["--report", &report, "--threshold", "9"], &SHOP[..]].concat();
    let broken = judged(folder.path(), &args).ended(1);
    let told = &broken.json()[0];
    assert_eq!(
        (&told["basis"], &told["verdict"]),
        (&json!("server"), &json!("BROKEN"))
    );
    assert_eq!(told["counts"]["judged"], 6);
    assert!(
        told["breaking"][0]["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("vul_"))
    );
    assert_eq!(told["breaking"][0]["age_days"], 0);
    let grace = [&["--report", &report, "--grace", "1"], &SHOP[..]].concat();
    let told = judged(folder.path(), &grace).ended(0);
    assert_eq!(told.json()[0]["counts"]["in_grace"], 6);
    let runs = run(
        folder.path(),
        &[
            "gate",
            "runs",
            "--json",
            "--group",
            "acme/shop",
            "--data",
            "gna-data",
        ],
    )
    .ended(0)
    .json();
    let verdicts: Vec<&Value> = runs.iter().map(|run| &run["verdict"]).collect();
    assert_eq!(verdicts, ["PASS", "BROKEN"]);
    assert_eq!(runs[1]["id"], broken.json()[0]["runs"][0]);

    // By its id, again; and one that is refused is never a pass.
    let id = runs[0]["report"].as_str().expect("an id");
    judged(folder.path(), &["--report", id, "--data", "gna-data"]).ended(1);
    std::fs::write(folder.path().join("what.txt"), "no report").expect("written");
    let refused = [&["--report", "what.txt", &report, "--lax"], &SHOP[..]].concat();
    let told = judged(folder.path(), &refused).ended(3);
    assert_eq!(
        told.json()[0]["unreadable"][0]["code"],
        "report.unknown_format"
    );
    assert_eq!(told.json()[0]["counts"]["judged"], 6);
    let unknown = "rep_00000000000000000000000000000001";
    judged(folder.path(), &["--report", unknown, "--data", "gna-data"]).ended(2);
    judged(folder.path(), &["--report", &report, "--data", "gna-data"]).ended(2);
}

#[test]
fn a_snapshot_of_the_instance_judges_elsewhere_and_no_other_does() {
    let folder = tempfile::tempdir().expect("folder");
    shop(folder.path());
    let report = sample("trivy.json");
    run(folder.path(), &[&["import", &report], &SHOP[..]].concat()).ended(0);
    let key = || {
        run(folder.path(), &["gate", "key", "--data", "gna-data"])
            .ended(0)
            .stdout
            .trim()
            .to_owned()
    };
    assert!(key().starts_with("There is no key yet"));
    let taken = run(
        folder.path(),
        &[&["gate", "snapshot", "-o", "gate.json"], &SHOP[..]].concat(),
    )
    .ended(0);
    assert!(taken.stderr.contains(&key()), "{}", taken.stderr);
    let elsewhere = tempfile::tempdir().expect("folder");
    let file = folder.path().join("gate.json").display().to_string();
    let with = |more: &[&str]| {
        judged(
            elsewhere.path(),
            &[&["--report", &report, "--snapshot", &file], more].concat(),
        )
    };
    let told = with(&[
        "--snapshot-key",
        &key(),
        "--new-only",
        "--asset",
        "checkout",
    ])
    .ended(0);
    let told = &told.json()[0];
    assert_eq!(told["basis"], "snapshot");
    assert_eq!(told["snapshot"]["asset"], "checkout");
    assert_eq!(told["counts"]["on_base"], 6, "{told}");
    // Known since today, so that grace applies; and the ids are those on record.
    assert_eq!(
        with(&["--snapshot-key", &key(), "--grace", "1"])
            .ended(0)
            .json()[0]["counts"]["in_grace"],
        6
    );
    let broken = with(&["--snapshot-key", &key()]).ended(1);
    assert!(
        broken.json()[0]["breaking"][0]["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("vul_"))
    );

    let code =
        |more: &[&str], ending: i32| with(more).ended(ending).json()[0]["error"]["code"].clone();
    assert_eq!(code(&[], 2), "snapshot.key");
    assert_eq!(code(&["--snapshot-key", "AAAA"], 3), "snapshot.foreign");
    assert_eq!(
        code(&["--snapshot-key", &key(), "--asset", "other"], 3),
        "snapshot.other_asset"
    );
    let text = std::fs::read_to_string(&file).expect("there");
    let loosened = text.replace("\"limits\":{}", "\"limits\":{\"threshold\":10.0}");
    assert_ne!(loosened, text);
    std::fs::write(&file, loosened).expect("written");
    assert_eq!(
        code(&["--snapshot-key", &key(), "--lax"], 3),
        "snapshot.tampered"
    );
    std::fs::write(&file, "{}").expect("written");
    assert_eq!(code(&["--snapshot-key", &key()], 3), "snapshot.malformed");
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(code(&["--snapshot-key", &key()], 3), "snapshot.unreadable");
}

#[test]
fn a_server_judges_and_one_that_is_not_there_is_no_pass() {
    let folder = tempfile::tempdir().expect("folder");
    let server = crate::server::Server::start(folder.path(), &["--demo"]);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let url = server.url().to_owned();
    let report = sample("trivy.json");
    let elsewhere = tempfile::tempdir().expect("folder");
    let judged = |url: &str, more: &[&str]| -> Said {
        crate::run::gna(elsewhere.path())
            .args(["gate", "--json", "--server", url, "--report", &report])
            .args([
                "--group",
                "demo/shop",
                "--asset",
                "gate",
                "--ref",
                "feature",
            ])
            .args(more)
            .env("GNA_TOKEN", &token)
            .output()
            .expect("runs")
            .into()
    };
    let told = judged(&url, &["--threshold", "9.0"]).ended(1);
    assert_eq!(told.json()[0]["basis"], "server");
    judged(&url, &["--lax"]).ended(0);
    judged(&url, &["--new-only"]).ended(1);
    assert_eq!(server.stop(), Some(0));
    let gone = judged(&url, &["--lax"]).ended(3);
    assert_eq!(gone.json()[0]["error"]["code"], "server.unreachable");
}

#[test]
fn a_policy_that_has_everything_judged_binds_with_a_server_and_with_a_snapshot() {
    let folder = tempfile::tempdir().expect("folder");
    let server = crate::server::Server::start(folder.path(), &["--demo"]);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let url = server.url().to_owned();
    let report = sample("trivy.json");
    let elsewhere = tempfile::tempdir().expect("folder");
    let gna = |args: &[&str]| -> Said {
        crate::run::gna(elsewhere.path())
            .args(args)
            .env("GNA_TOKEN", &token)
            .output()
            .expect("runs")
            .into()
    };
    let place = ["--server", &url, "--group", "demo/shop", "--asset", "gate"];
    let judged = |of: &str, more: &[&str]| {
        let args = ["gate", "--json", "--report", &report, "--ref", of];
        gna(&[&args[..], &place[..], more].concat())
    };
    // The default ref has all of it, so that nothing is new on a branch.
    judged("main", &[]).ended(1);
    judged("feature", &["--new-only"]).ended(0);

    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let ask = |query: &str| -> Value {
        let body = json!({ "query": query }).to_string();
        let (_, answer) = server.send("POST", "/api", &headers, &body);
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).expect("JSON")
    };
    let shop = ask("{ group(organization: \"demo\", slug: \"shop\") { id } }");
    let shop = &shop["data"]["group"]["id"];
    let set = ask(&format!(
        "mutation {{ updateGroup(input: {{ id: {shop}, policy: {{ gateAllowNewOnly: false }} }}) {{ group {{ id }} }} }}"
    ));
    assert!(set["errors"].is_null(), "{set}");

    let told = judged("feature", &["--new-only"]).ended(1).json()[0].clone();
    assert_eq!(told["terms"]["new_only"], false, "{told}");
    assert!(
        told["notes"].to_string().contains("not allowed here"),
        "{told}"
    );
    gna(&[&["gate", "snapshot", "-o", "gate.json"], &place[..]].concat()).ended(0);
    let key = gna(&["gate", "key", "--server", &url]).ended(0).stdout;
    let args = ["gate", "--json", "--report", &report, "--new-only"];
    let trusted = ["--snapshot", "gate.json", "--snapshot-key", key.trim()];
    let told = gna(&[&args[..], &trusted[..]].concat()).ended(1);
    let told = told.json()[0].clone();
    assert_eq!(told["basis"], "snapshot");
    assert_eq!(told["terms"]["new_only"], false, "{told}");
    assert!(
        told["notes"].to_string().contains("not allowed here"),
        "{told}"
    );
    assert_eq!(server.stop(), Some(0));
}
