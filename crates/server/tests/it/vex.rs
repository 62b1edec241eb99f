//! `gna vex import`, and the exports for people, on a store at hand.

use crate::run::with_trivy;
use serde_json::{Value, json};

#[test]
fn what_others_decided_is_taken_over_once_and_shown_in_exports() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let gna = with_trivy(folder);
    let all = gna(&["list", "--json"]).ended(0).json();
    let is_named =
        |one: &&Value| one["identifiers"][0].is_string() && one["location"]["purl"].is_string();
    let one = all.iter().find(is_named).expect("a package with a name");
    let document = |product: &Value| {
        json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://vendor.invented/1", "author": "Invented Vendor",
            "timestamp": "2026-01-01T00:00:00Z", "version": 1,
            "statements": [{ "vulnerability": { "name": one["identifiers"][0] }, "products": [{ "@id": product }],
                "status": "not_affected", "justification": "vulnerable_code_not_present" }],
        })
        .to_string()
    };
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("writes");
    write("good.json", document(&one["location"]["purl"]));
    write(
        "other.json",
        document(&json!("pkg:npm/nobody-has-this@1.0.0")),
    );
    write("bad.json", "{".to_owned());
    let import = |file: &str, more: &[&str]| {
        gna(&[
            &["vex", "import", file, "--group", "acme/shop", "--json"],
            more,
        ]
        .concat())
    };
    let told = import("good.json", &["--dry-run"]).ended(0).json();
    assert!(
        told[0]["changed"]
            .as_u64()
            .is_some_and(|changed| changed >= 1),
        "{told:?}"
    );
    let changed = told[0]["changed"].clone();
    for (changed, unchanged) in [(changed.clone(), json!(0)), (json!(0), changed)] {
        let told = import("good.json", &[]).ended(0).json();
        assert_eq!(
            (&told[0]["changed"], &told[0]["unchanged"]),
            (&changed, &unchanged)
        );
    }
    let refused = import("other.json", &[]).ended(2);
    assert!(
        refused.stderr.contains("nothing was changed"),
        "{}",
        refused.stderr
    );
    import("bad.json", &[]).ended(3);

    let export = |format: &str| {
        let file = format!("out.{format}");
        let filter = ["--group", "acme/shop"];
        gna(&[&["export", "--format", format, "-o", &file], &filter[..]].concat()).ended(0);
        std::fs::read(folder.join(file)).expect("is written")
    };
    let vex = String::from_utf8(export("openvex")).expect("a text");
    assert!(vex.contains("vulnerable_code_not_present"), "{vex}");
    assert!(export("xlsx").starts_with(b"PK\x03\x04"));
    let page = String::from_utf8(export("html")).expect("a text");
    assert!(page.contains("Vulnerabilities of acme/shop") && page.contains("<svg"));
}
