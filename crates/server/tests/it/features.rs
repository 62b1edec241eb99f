//! What a build without a feature leaves out.

use std::process::Command;

/// The crates that a build of the server consists of; `None` where cargo can't look at all of them.
fn crates(features: &[&str]) -> Option<Vec<String>> {
    crates_of("gna-server", features)
}

fn crates_of(package: &str, features: &[&str]) -> Option<Vec<String>> {
    let told = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--locked", "-p", package, "-e", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(features)
        .output()
        .expect("cargo runs");
    let stderr = String::from_utf8_lossy(&told.stderr);
    if stderr.contains("failed to download") {
        eprintln!("SKIPPED: cargo can't fetch the crates that only some features need");
        return None;
    }
    assert!(told.status.success(), "{stderr}");
    let names = String::from_utf8(told.stdout).expect("UTF-8");
    let names = names.lines().filter_map(|line| line.split(' ').next());
    Some(names.map(str::to_owned).collect())
}

/// A feature, and how the names of crates begin that only it may bring.
const DRIVERS: &[(&str, &[&str])] = &[
    ("cel", &["cel"]),
    ("jq", &["jaq"]),
    ("xlsx", &["rust_xlsxwriter"]),
    ("sqlite", &["rusqlite", "libsqlite3-sys"]),
    ("postgres", &["sqlx"]),
    ("dynamodb", &["aws-sdk-dynamodb"]),
    ("mongodb", &["mongodb"]),
    ("kms", &["aws-sdk-kms"]),
    ("mail", &["lettre"]),
    ("otlp", &["opentelemetry", "tracing-opentelemetry"]),
    ("lambda", &["lambda_runtime", "aws_lambda_events"]),
    ("s3", &["crc-fast"]),
];

fn declared() -> Vec<String> {
    let manifest = include_str!("../../Cargo.toml");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let features = manifest["features"].as_table().expect("features");
    features.keys().cloned().collect()
}

#[test]
fn a_build_without_a_backend_holds_none_of_its_driver() {
    let declared = declared();
    let has = |crates: &[String], drivers: &[&str]| {
        let is_driver = |name: &String| drivers.iter().any(|driver| name.starts_with(driver));
        crates.iter().any(is_driver)
    };
    let (Some(bare), Some(full)) = (
        crates(&["--no-default-features"]),
        crates(&["--features", "full"]),
    ) else {
        return;
    };
    for (feature, drivers) in DRIVERS {
        assert!(declared.iter().any(|name| name == feature), "{feature}");
        assert!(!has(&bare, drivers), "{feature} is left out");
        assert!(has(&full, drivers), "full has {feature}");
        // With one alone, none of the others.
        let Some(alone) = crates(&["--no-default-features", "--features", feature]) else {
            return;
        };
        assert!(has(&alone, drivers), "{feature} alone");
        for (other, drivers) in DRIVERS.iter().filter(|(other, _)| other != feature) {
            assert!(!has(&alone, drivers), "{feature} brings {other}");
        }
    }
}

/// OpenSearch is asked by the HTTP client that the server has anyway; the storage crate has it for this
/// only.
#[test]
fn stores_ask_nobody_by_http_without_opensearch() {
    for (features, expected) in [
        (&["--no-default-features"][..], false),
        (&["--features", "dynamodb,postgres,sqlite"], false),
        (&["--no-default-features", "--features", "opensearch"], true),
    ] {
        let Some(crates) = crates_of("gna-storage", features) else {
            return;
        };
        let has = crates.iter().any(|name| name == "reqwest");
        assert_eq!(has, expected, "{features:?}");
    }
}

#[test]
fn every_feature_is_in_full() {
    let manifest = include_str!("../../Cargo.toml");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let full = manifest["features"]["full"].as_array().expect("a list");
    for feature in declared() {
        let is_there = full.iter().any(|name| name.as_str() == Some(&feature));
        assert!(
            is_there || ["default", "full"].contains(&feature.as_str()),
            "{feature}"
        );
    }
}
