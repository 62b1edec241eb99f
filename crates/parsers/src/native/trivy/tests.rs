//! Trivy's four shapes of a report, and all kinds of its items.

use gna_domain::import::{Category, Reported, SeverityBasis};
use gna_domain::model::{Level, Location};

use super::Trivy;
use crate::format::Confidence;
use crate::native::testing::{detected, fixture, read, refused};

#[test]
fn an_image_with_every_kind_of_item() {
    let read = read(&Trivy, &fixture("trivy/image.json"));
    assert_eq!(
        read.meta.subject.as_deref(),
        Some("registry.shop.example/shop:1.4")
    );
    assert_eq!(read.meta.category, Some(Category::Container));
    assert_eq!(
        read.meta.scanned_at.unwrap().to_string(),
        "2024-05-01T08:00:00.500Z"
    );
    let line = |rule: &str, level, place: &str| (rule.to_owned(), level, place.to_owned());
    assert_eq!(
        read.lines(),
        [
            line("CVE-2024-0001", Level::High, "libacme@1.0-1"),
            line("TEMP-0000001-AAAAAA", Level::Info, "bash@5.2"),
            line(
                "CVE-2024-0002",
                Level::Critical,
                "org.acme:acme-db@3 (app/lib/acme-db-3.jar)"
            ),
            line("CVE-2024-0003", Level::High, "org.acme:acme-web@1 (Java)"),
            line("AVD-AWS-0086", Level::High, "deploy/main.tf:4"),
            line("AWS-0087", Level::Low, "deploy/main.tf"),
            line("aws-access-key-id", Level::Critical, "/app/.env:2"),
            line("license-GPL-3.0", Level::High, "/app/COPYING"),
        ]
    );
    assert_eq!(
        read.codes(),
        ["severity.unknown", "item.skipped", "item.skipped"]
    );
}

#[test]
fn a_vulnerability_keeps_vectors_package_and_layer() {
    let read = read(&Trivy, &fixture("trivy/image.json"));
    let weakness = &read.findings[0].weakness;
    assert_eq!(weakness.title, "libacme: overflow in the parser");
    assert_eq!(
        (weakness.cwes.as_slice(), weakness.identifiers.as_slice()),
        (
            [120, 787].as_slice(),
            ["CVE-2024-0001".to_owned()].as_slice()
        )
    );
    assert_eq!(
        weakness
            .cvss
            .iter()
            .map(|cvss| cvss.score)
            .collect::<Vec<_>>(),
        [9.8, 7.5],
        "the same vector of two sources counts once"
    );
    let package = read.package(0);
    assert_eq!(
        package.purl.as_deref(),
        Some("pkg:deb/debian/libacme@1.0-1?arch=amd64&distro=debian-12.5")
    );
    assert_eq!(
        (package.fixed_version.as_deref(), package.layer.as_deref()),
        (Some("1.0-2"), Some("sha256:aa"))
    );
    assert_eq!(package.image, None, "one image needs no name");
    assert_eq!(read.findings[1].severity_basis, SeverityBasis::Default);
}

#[test]
fn states_are_kept_and_secrets_are_not() {
    let read = read(&Trivy, &fixture("trivy/image.json"));
    let suppressed = Reported::Suppressed {
        status: "not_affected".into(),
        justification: Some("vulnerable_code_not_present".into()),
    };
    assert_eq!(read.findings[3].reported, suppressed);
    assert_eq!(
        read.findings[5].reported,
        Reported::Absent {
            reason: "status PASS".into()
        }
    );
    assert!(!format!("{:?}", read.findings).contains("AKIAEXAMPLE"));
    let Location::Code(code) = &read.findings[4].location else {
        panic!()
    };
    assert_eq!(
        code.snippet.as_deref(),
        Some("resource \"aws_s3_bucket\" \"logs\" {")
    );
    assert_eq!(code.symbol.as_deref(), Some("aws_s3_bucket.logs"));
    assert_eq!(
        read.findings[4].weakness.recommendation.as_deref(),
        Some("Block public access.")
    );
}

#[test]
fn clusters_are_read_in_both_shapes() {
    let new = fixture("trivy/cluster.json");
    for text in [
        new.clone(),
        new.replace("\"Resources\"", "\"Vulnerabilities\""),
        new.replace("\"Resources\"", "\"Misconfigurations\""),
    ] {
        let read = read(&Trivy, &text);
        assert_eq!(
            read.package(0).image.as_deref(),
            Some("registry.shop.example/cart:2")
        );
        assert_eq!(
            read.findings[0].message.as_deref(),
            Some("In web/Deployment/cart")
        );
        let Location::Code(code) = &read.findings[1].location else {
            panic!()
        };
        assert_eq!(
            (code.path.as_str(), code.symbol.as_deref()),
            ("Deployment/cart", Some("web/Deployment/cart"))
        );
        assert_eq!(read.meta.subject.as_deref(), Some("shop"));
    }
}

#[test]
fn the_list_of_the_first_schema_is_read() {
    let text = r#"[{"Target":"alpine:3.10 (alpine 3.10.2)","Vulnerabilities":[{"VulnerabilityID":"CVE-2019-0001","PkgName":"openssl","InstalledVersion":"1","Severity":"MEDIUM"}]},
        {"Target":"app/package-lock.json","Vulnerabilities":[{"VulnerabilityID":"CVE-2019-0002","PkgName":"left","InstalledVersion":"1","Severity":"LOW"}]},
        {"Target":"empty","Vulnerabilities":null}]"#;
    assert_eq!(detected(&Trivy, text), Confidence::Likely);
    let read = read(&Trivy, text);
    assert_eq!(read.package(0).path, None);
    assert_eq!(
        read.package(1).path.as_deref(),
        Some("app/package-lock.json")
    );
}

#[test]
fn empty_reports_are_read_and_foreign_ones_refused() {
    for text in [
        r#"{"SchemaVersion":2,"ArtifactName":"x","ArtifactType":"filesystem"}"#,
        r#"{"ClusterName":"c","Resources":null}"#,
    ] {
        assert_eq!(read(&Trivy, text).meta.items, 0, "{text}");
        assert_eq!(detected(&Trivy, text), Confidence::Certain, "{text}");
    }
    assert_eq!(
        refused(&Trivy, r#"{"results":[]}"#).code,
        "report.wrong_format"
    );
    assert_eq!(
        detected(&Trivy, r#"{"results":[],"Target":1}"#),
        Confidence::No
    );
    assert_eq!(detected(&Trivy, r#"[{"rule":1}]"#), Confidence::No);
}
