//! What a build without a feature leaves out.

use std::process::Command;

/// The crates that a build of the server consists of.
fn crates(features: &[&str]) -> Vec<String> {
    let told = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "gna-server",
            "-e",
            "normal",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(features)
        .output()
        .expect("cargo runs");
    let stderr = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{stderr}");
    String::from_utf8(told.stdout)
        .expect("UTF-8")
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_build_without_postgres_holds_no_driver_for_it() {
    let driver = |crates: Vec<String>| crates.iter().any(|name| name.starts_with("sqlx"));
    assert!(driver(crates(&[])), "it is there by default");
    assert!(!driver(crates(&["--no-default-features"])));
}
