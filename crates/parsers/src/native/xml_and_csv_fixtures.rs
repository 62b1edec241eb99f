//! Our XML and CSV fixtures, read the way the importer does, whole and damaged.

use super::testing::fixture;
use crate::{Input, Registry};

/// File and the format it must be found to be.
const REPORTS: [(&str, &str); 10] = [
    ("burp/issues.xml", "burp"),
    ("dependency-check/schema-1.xml", "dependency-check"),
    ("dependency-check/schema-4.xml", "dependency-check"),
    ("nessus/two-hosts.nessus", "nessus"),
    ("nessus-csv/nessus.csv", "nessus-csv"),
    ("nessus-csv/security-center.csv", "nessus-csv"),
    ("nessus-csv/vulnerability-management.csv", "nessus-csv"),
    ("nessus-csv/web.csv", "nessus-csv"),
    ("zap-json/two-sites.json", "zap-json"),
    ("zap-xml/two-sites.xml", "zap-xml"),
];

#[test]
fn each_report_finds_its_format() {
    let registry = Registry::native();
    for (file, format) in REPORTS {
        let text = fixture(file);
        let outcome = registry
            .collect(&Input::new("upload", text.as_bytes()), None)
            .unwrap();
        assert_eq!(outcome.format.name, format, "{file}");
        assert!(!outcome.findings.is_empty(), "{file}");
    }
}

#[test]
fn no_beginning_of_an_xml_report_passes_for_the_whole() {
    let registry = Registry::native();
    for (file, format) in REPORTS
        .iter()
        .filter(|(file, _)| !file.ends_with(".csv") && !file.ends_with(".json"))
    {
        let text = fixture(file);
        let whole = text.trim_end();
        for cut in (1..whole.len()).step_by(53) {
            let Some(beginning) = whole.get(..cut) else {
                continue;
            };
            let refused = registry
                .collect(&Input::new(file, beginning.as_bytes()), Some(format))
                .unwrap_err();
            assert_eq!(refused.code, "report.truncated", "{file} cut at {cut}");
        }
    }
}

/// One byte replaced or taken away: whatever comes out, it is a refusal or adds up.
#[test]
fn damaged_bytes_never_break_the_account() {
    let registry = Registry::native();
    for (file, format) in REPORTS {
        let text = fixture(file);
        for (nth, at) in (0..text.len()).step_by(41).enumerate() {
            let mut bytes = text.clone().into_bytes();
            match *b"<>\"&;,\n\0]/".get(nth % 12).unwrap_or(&0xff) {
                0xff => drop(bytes.remove(at)),
                byte => bytes[at] = byte,
            }
            if let Ok(outcome) = registry.collect(&Input::new(file, &bytes), Some(format)) {
                let skipped = outcome.warnings.iter().filter(|w| w.skipped).count();
                assert_eq!(
                    outcome.meta.items,
                    (outcome.findings.len() + skipped) as u64,
                    "{file} at {at}"
                );
            }
        }
    }
}
