//! A short soak; `cargo xtask soak refresh --runs 10000` is the long one.

use std::process::Command;

#[test]
fn nothing_is_lost_and_nothing_presented_twice_while_processes_are_killed() {
    let binary = env!("CARGO_BIN_EXE_xtask");
    let args = [
        "soak",
        "refresh",
        "--runs",
        "400",
        "--refreshes",
        "12",
        "--accounts",
        "8",
        "--json",
    ];
    let output = Command::new(binary).args(args).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    assert!(number(&report["kills"]) > 0, "{text}");
    let providers = report["providers"].as_array().expect("a list");
    assert_eq!(providers.len(), 3);
    for provider in providers {
        assert!(number(&provider["refreshes"]) >= 12, "{text}");
        assert_eq!(number(&provider["lost"]), 0, "{text}");
        assert_eq!(number(&provider["doubled"]), 0, "{text}");
        assert_eq!(number(&provider["reconnect_without_reason"]), 0, "{text}");
        let expected = &provider["expected"]["reconnect_needed"];
        let needed = number(&provider["reconnect_needed"]);
        assert!(needed >= number(&expected["least"]), "{text}");
        assert!(needed <= number(&expected["most"]), "{text}");
    }
    // Where there is a server to share, one process lives on while the other is killed.
    let is_shared = std::env::var_os("TEST_POSTGRES_URL").is_some();
    let processes = if is_shared { 2 } else { 1 };
    assert_eq!(number(&report["processes"]), processes, "{text}");
}
