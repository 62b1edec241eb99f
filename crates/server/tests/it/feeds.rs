//! `gna feeds`, and what comes first because of them.

use crate::run::with_trivy;
use serde_json::Value;

#[test]
fn a_feed_from_a_file_decides_what_comes_first_without_any_network() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let gna = with_trivy(folder);
    let first = |sort: &str| -> Value {
        gna(&["list", "--json", "--limit", "1", "--sort", sort])
            .ended(0)
            .json()[0]
            .clone()
    };
    let by_severity = first("severity");
    let all = gna(&["list", "--json"]).ended(0).json();
    let mildest = all
        .iter()
        .filter(|one| {
            one["identifiers"][0]
                .as_str()
                .is_some_and(|name| name.starts_with("CVE-"))
        })
        .min_by(|a, b| {
            a["severity"]["score"]
                .as_f64()
                .partial_cmp(&b["severity"]["score"].as_f64())
                .expect("numbers")
        })
        .expect("is there");
    let cve = mildest["identifiers"][0].as_str().expect("a name");
    assert_ne!(by_severity["id"], mildest["id"]);

    let none = gna(&["feeds", "list"]).ended(0);
    assert!(none.stdout.contains("No feed"), "{}", none.stdout);
    let kev = serde_json::json!({ "dateReleased": "2026-01-03T00:00:00Z",
        "vulnerabilities": [{ "cveID": cve, "dateAdded": "2025-12-01", "knownRansomwareCampaignUse": "Known" }] });
    std::fs::write(folder.join("kev.json"), kev.to_string()).expect("written");
    let told = gna(&["feeds", "import", "kev", "kev.json", "--json"]).ended(0);
    assert_eq!(
        (&told.json()[0]["entries"], &told.json()[0]["source"]),
        (&1.into(), &"kev.json".into())
    );
    let worst = first("priority");
    assert_eq!(
        worst["id"], mildest["id"],
        "exploitation that is known weighs more"
    );
    assert_eq!(worst["severity"], mildest["severity"]);
    assert_eq!(worst["priority"]["as_of"], "2026-01-03T00:00:00.000Z");
    let parts = worst["priority"]["parts"].as_array().expect("parts");
    let sum: f64 = parts
        .iter()
        .filter_map(|part| part["points"].as_f64())
        .sum();
    assert!((sum - worst["priority"]["score"].as_f64().expect("a score")).abs() < 1e-9);
    assert!(
        parts
            .iter()
            .any(|part| part["factor"] == "KNOWN_EXPLOITATION")
    );

    std::fs::write(folder.join("bad.csv"), "cve,epss\nCVE-1,x\n").expect("written");
    let refused = gna(&["feeds", "import", "epss", "bad.csv"]).ended(3);
    assert!(refused.stderr.contains("line"), "{}", refused.stderr);
    gna(&["feeds", "import", "epss", "missing.csv"]).ended(3);
    gna(&["feeds", "import", "osv", "kev.json"]).ended(2);
}
