//! `gna config`.

use crate::run::{Said, gna, run};
use serde_json::json;

#[test]
fn what_applies_is_shown_and_can_be_put_into_a_file() {
    let folder = tempfile::tempdir().expect("folder");
    let shown = run(folder.path(), &["config"]).ended(0).stdout;
    std::fs::write(folder.path().join("gna.toml"), &shown).expect("written");
    let again = run(folder.path(), &["config"]).ended(0).stdout;
    assert_eq!(shown, again);
    let explained = run(folder.path(), &["config", "defaults"]).ended(0).stdout;
    std::fs::write(folder.path().join("gna.toml"), explained).expect("written");
    run(folder.path(), &["config", "check"]).ended(0);
}

#[test]
fn file_dotenv_environment_and_flags_override_each_other_in_that_order() {
    let folder = tempfile::tempdir().expect("folder");
    let port = |said: &Said| said.json()[0]["server"]["listen"].clone();
    std::fs::write(
        folder.path().join("gna.toml"),
        "[server]\nlisten = '127.0.0.1:1'\n",
    )
    .expect("written");
    assert_eq!(
        port(&run(folder.path(), &["config", "--json"])),
        "127.0.0.1:1"
    );
    std::fs::write(
        folder.path().join(".env"),
        "GNA_SERVER__LISTEN=127.0.0.1:2\n",
    )
    .expect("written");
    assert_eq!(
        port(&run(folder.path(), &["config", "--json"])),
        "127.0.0.1:2"
    );
    let said = gna(folder.path())
        .args(["config", "--json"])
        .env("GNA_SERVER__LISTEN", "127.0.0.1:3")
        .output()
        .expect("runs");
    assert_eq!(port(&said.into()), "127.0.0.1:3");
}

#[test]
fn lists_and_texts_that_look_like_numbers_can_come_from_the_environment() {
    let folder = tempfile::tempdir().expect("folder");
    let said: Said = gna(folder.path())
        .args(["config", "--json"])
        .env("GNA_EGRESS__ALLOW", "10.0.0.0/8, 192.168.1.1")
        .env("GNA_EGRESS__PORTS", "443")
        .env("GNA_METRICS__KEY", "12345678")
        .env("GNA_KEYRING__FILE", "gna.keys")
        .env("GNA_FRIGG__ORGANIZATION", "42")
        .output()
        .expect("runs")
        .into();
    let told = &said.ended(0).json()[0];
    assert_eq!(
        told["egress"]["allow"],
        json!(["10.0.0.0/8", "192.168.1.1"])
    );
    assert_eq!(told["egress"]["ports"], json!([443]));
    assert_eq!(told["keyring"]["file"], "gna.keys");
    assert_eq!(told["frigg"]["organization"], "42");
}

#[test]
fn secrets_are_masked_and_mistakes_end_with_code_2() {
    let folder = tempfile::tempdir().expect("folder");
    let secret = folder.path().join("url");
    std::fs::write(&secret, "postgres://gna:s3cret@db/gna\n").expect("written");
    let said: Said = gna(folder.path())
        .args(["config", "--json"])
        .env("GNA_STORE__URL_FILE", &secret)
        .output()
        .expect("runs")
        .into();
    let said = said.ended(0);
    assert!(!said.stdout.contains("s3cret"), "{}", said.stdout);
    assert_eq!(
        said.json()[0]["store"]["url"],
        "postgres://gna:********@db/gna"
    );

    std::fs::write(folder.path().join("gna.toml"), "[worker]\nslot = 3\n").expect("written");
    let wrong = run(folder.path(), &["config", "check", "--json"]).ended(2);
    assert_eq!(wrong.json()[0]["error"]["code"], json!("config.invalid"));
    assert!(
        wrong.stderr.contains("worker.slot") && wrong.stderr.contains("gna.toml"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn registrations_with_apps_are_masked_and_checked() {
    let folder = tempfile::tempdir().expect("folder");
    let said: Said = gna(folder.path())
        .args(["config"])
        .env("GNA_MODULES__JIRA_CLOUD__CLIENT_ID", "12345")
        .env("GNA_MODULES__JIRA_CLOUD__CLIENT_SECRET", "hunter2-a")
        .env("GNA_MODULES__JIRA_CLOUD__SCOPES", "manage:jira-webhook")
        .env(
            "GNA_FRIGG__API_KEY",
            "hunter2-0123456789abcdef0123456789abcdef",
        )
        .env(
            "GNA_FRIGG__JWT_SECRET",
            "hunter2-0123456789abcdef0123456789abcdef",
        )
        .output()
        .expect("runs")
        .into();
    let said = said.ended(0);
    assert!(
        said.stdout.contains("[modules.jira-cloud]"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("client_id = \"12345\""),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("\"manage:jira-webhook\""),
        "{}",
        said.stdout
    );
    assert!(!said.stdout.contains("hunter2"), "{}", said.stdout);
    for (name, value, word) in [
        ("GNA_MODULES__GITHUB__CLIENT_SECRET", "x", "client_id"),
        ("GNA_MODULES__GITHUB__CLIENT", "x", "client"),
        ("GNA_FRIGG__API_KEY", "short", "32 characters"),
        ("GNA_FRIGG__OPEN_REGISTRATION", "true", "frigg.organization"),
    ] {
        let said: Said = gna(folder.path())
            .args(["config", "check"])
            .env(name, value)
            .output()
            .expect("runs")
            .into();
        let said = said.ended(2);
        assert!(said.stderr.contains(word), "{name}: {}", said.stderr);
    }
    // A registration with an app that nobody knows is most likely a slip of the pen.
    let said: Said = gna(folder.path())
        .args(["doctor", "--data", "data"])
        .env("GNA_MODULES__GITHUP__CLIENT_ID", "x")
        .output()
        .expect("runs")
        .into();
    assert!(
        said.stdout.contains("there is no module \"githup\""),
        "{}",
        said.stdout
    );
}

#[cfg(not(feature = "kms"))]
#[test]
fn a_build_without_kms_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = "[keyring]\nkind = 'kms'\n";
    std::fs::write(folder.path().join("gna.toml"), settings).expect("written");
    let said = run(folder.path(), &["config", "check"]).ended(2);
    assert!(said.stderr.contains("keyring.kms_key"), "{}", said.stderr);
    std::fs::write(
        folder.path().join("gna.toml"),
        format!("{settings}kms_key = 'alias/gna'\n"),
    )
    .expect("written");
    let said = run(folder.path(), &["group", "create", "acme/shop"]).ended(2);
    assert!(said.stderr.contains("no AWS KMS"), "{}", said.stderr);
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_server_without_the_feature_refuses_a_collector_and_names_it() {
    let folder = tempfile::tempdir().expect("folder");
    let said: Said = gna(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("GNA_TELEMETRY__OTLP_ENDPOINT", "http://collector:4318")
        .output()
        .expect("runs")
        .into();
    let said = said.ended(2);
    assert!(said.stderr.contains("feature otlp"), "{}", said.stderr);
}
