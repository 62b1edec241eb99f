//! Both forms of a bill, and the extension that came before them.

use gna_domain::import::{Category, Reported, SeverityBasis};
use gna_domain::model::Level;

use super::{CycloneDxJson, CycloneDxXml};
use crate::format::Confidence;
use crate::native::testing::{detected, fixture, read, refused};

fn line(rule: &str, level: Level, place: &str) -> (String, Level, String) {
    (rule.to_owned(), level, place.to_owned())
}

#[test]
fn every_affected_component_is_an_instance() {
    let read = read(&CycloneDxJson, &fixture("cyclonedx/vex.json"));
    assert_eq!(
        read.lines(),
        [
            line(
                "SNYK-JAVA-ORGACME-1",
                Level::Critical,
                "acme-db@3.0 (lib/acme-db.jar)"
            ),
            line("SNYK-JAVA-ORGACME-1", Level::Critical, "@acme/cart@2.0"),
            line(
                "CVE-2024-0002",
                Level::Medium,
                "libacme@1.0-r1 (/lib/apk/db/installed)"
            ),
            line("CVE-2024-0002", Level::Medium, "@acme/shop@1.0"),
            line("CVE-2024-0003", Level::Medium, "gone@7"),
            line(
                "CVE-2024-0004",
                Level::Medium,
                "libacme@1.0-r1 (/lib/apk/db/installed)"
            ),
            line("nobody-named-this-one", Level::Medium, ""),
        ]
    );
    assert_eq!(read.codes(), ["component.unread", "item.skipped"]);
    assert_eq!(
        (read.meta.tool.as_str(), read.meta.tool_version.as_deref()),
        ("acme-sbom", Some("3.2"))
    );
    assert_eq!(
        (read.meta.subject.as_deref(), read.meta.category),
        (Some("shop@1.4"), Some(Category::Container))
    );
    assert_eq!(read.package(2).layer.as_deref(), Some("sha256:aa"));
    assert_eq!(read.package(3).ecosystem.as_deref(), Some("npm"));
}

#[test]
fn a_vulnerability_keeps_its_other_names_and_vectors() {
    let read = read(&CycloneDxJson, &fixture("cyclonedx/vex.json"));
    let weakness = &read.findings[0].weakness;
    assert_eq!(
        weakness.identifiers,
        [
            "CVE-2024-0001",
            "GHSA-aaaa-bbbb-cccc",
            "SNYK-JAVA-ORGACME-1"
        ]
    );
    assert_eq!(weakness.cwes, [502, 184]);
    let vectors: Vec<&str> = weakness
        .cvss
        .iter()
        .map(|cvss| cvss.vector.as_str())
        .collect();
    assert_eq!(
        vectors,
        [
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "AV:N/AC:L/Au:N/C:P/I:P/A:P"
        ]
    );
    assert_eq!(
        weakness.description.as_deref(),
        Some("Untrusted data is deserialized.\n\nBy the method readValue.")
    );
    assert_eq!(
        weakness.references[0],
        "https://advisories.example/SNYK-JAVA-ORGACME-1"
    );
    assert_eq!(read.findings[2].severity_basis, SeverityBasis::Score);
    assert_eq!(read.findings[4].severity_basis, SeverityBasis::Default);
}

#[test]
fn analysis_states_are_kept() {
    let read = read(&CycloneDxJson, &fixture("cyclonedx/vex.json"));
    let justification = Some("code_not_reachable, will_not_fix, update".into());
    assert_eq!(
        read.findings[0].reported,
        Reported::Suppressed {
            status: "not_affected".into(),
            justification
        }
    );
    assert_eq!(
        read.findings[0].message.as_deref(),
        Some("The class is never loaded.")
    );
    assert_eq!(read.findings[2].reported, Reported::Present);
    assert_eq!(
        read.findings[4].reported,
        Reported::Absent {
            reason: "analysis state resolved".into()
        }
    );
    assert!(matches!(read.findings[5].reported, Reported::Absent { .. }));
}

#[test]
fn the_xml_form_says_the_same() {
    let read = read(&CycloneDxXml, &fixture("cyclonedx/vex.xml"));
    assert_eq!(
        read.lines(),
        [
            line("CVE-2024-0001", Level::Critical, "acme-db@3.0"),
            line("CVE-2024-0001", Level::Critical, "inner@1")
        ]
    );
    let weakness = &read.findings[0].weakness;
    assert_eq!(
        weakness.identifiers,
        ["CVE-2024-0001", "GHSA-aaaa-bbbb-cccc"]
    );
    assert_eq!(
        (
            weakness.cwes.as_slice(),
            weakness.cvss.len(),
            weakness.references.len()
        ),
        ([502].as_slice(), 1, 2)
    );
    assert_eq!(
        read.findings[0].reported,
        Reported::Suppressed {
            status: "false_positive".into(),
            justification: None
        }
    );
    assert_eq!(
        read.package(0).purl.as_deref(),
        Some("pkg:maven/org.acme/acme-db@3.0")
    );
    assert_eq!(
        (read.meta.tool.as_str(), read.meta.subject.as_deref()),
        ("acme-sbom", Some("shop"))
    );
}

#[test]
fn the_extension_is_read_inside_components_and_beside_them() {
    let read = read(&CycloneDxXml, &fixture("cyclonedx/extension.xml"));
    assert_eq!(
        read.lines(),
        [
            line("CVE-2024-0001", Level::High, "acme-web@2.0"),
            line("CVE-2024-0002", Level::Medium, "acme-web@2.0")
        ]
    );
    let weakness = &read.findings[0].weakness;
    assert_eq!(
        weakness
            .cvss
            .iter()
            .map(|cvss| cvss.score)
            .collect::<Vec<_>>(),
        [9.8],
        "the vector of another method is none"
    );
    assert_eq!(weakness.recommendation.as_deref(), Some("Upgrade"));
    assert_eq!(weakness.references, ["https://acme.example/security/1"]);
}

#[test]
fn a_bill_without_vulnerabilities_is_a_report_without_findings() {
    let json = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"name":"x"}]}"#;
    assert_eq!(read(&CycloneDxJson, json).meta.items, 0);
    let xml = r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components/></bom>"#;
    assert_eq!(read(&CycloneDxXml, xml).meta.items, 0);
}

#[test]
fn bills_are_told_from_other_reports() {
    assert_eq!(
        detected(&CycloneDxJson, &fixture("cyclonedx/vex.json")),
        Confidence::Certain
    );
    assert_eq!(
        detected(&CycloneDxXml, &fixture("cyclonedx/vex.xml")),
        Confidence::Certain
    );
    for text in [
        r#"{"spdxVersion":"SPDX-2.3"}"#,
        r#"{"version":"2.1.0","runs":[]}"#,
        "<bom/>",
        "[]",
    ] {
        assert_eq!(detected(&CycloneDxJson, text), Confidence::No, "{text}");
    }
    for text in ["<issues/>", "{}", ""] {
        assert_eq!(detected(&CycloneDxXml, text), Confidence::No, "{text}");
    }
    assert_eq!(refused(&CycloneDxJson, "{}").code, "report.wrong_format");
    assert_eq!(
        refused(&CycloneDxXml, "<issues/>").code,
        "report.wrong_format"
    );
    assert_eq!(
        refused(&CycloneDxXml, "<bom><vulnerabilities>").code,
        "report.truncated"
    );
}
