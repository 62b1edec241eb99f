//! `gna serve`: its first start, the demo, and what is told when it can't start.

use crate::run::{gna, run};
use crate::server::Server;
use serde_json::Value;

#[test]
fn a_first_start_offers_the_claim_link_and_ends_when_asked() {
    let folder = tempfile::tempdir().expect("folder");
    let server = Server::start(folder.path(), &[]);
    let link = server.first["claim_link"]
        .as_str()
        .expect("a link")
        .to_owned();
    let path = link.strip_prefix(server.url()).expect("on this server");
    assert_eq!(server.get(path).0, 200);

    let listens = server.url().trim_start_matches("http://");
    let health = gna(folder.path())
        .args(["health", "--json"])
        .env("GNA_SERVER__LISTEN", listens)
        .output();
    let health = crate::run::Said::from(health.expect("runs")).ended(0);
    assert_eq!(health.json()[0]["ready"], true);
    run(folder.path(), &["health", "--url", "http://127.0.0.1:9"]).ended(3);

    let second = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]).ended(2);
    assert!(second.stderr.contains(server.url()), "{}", second.stderr);
    assert_eq!(server.stop(), Some(0));
    assert!(folder.path().join("gna-data/gna.db").is_file());
    run(folder.path(), &["user", "list"]).ended(0);
}

#[test]
fn a_port_in_use_is_told_and_the_store_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("known").to_string();
    let said = run(folder.path(), &["serve", "--listen", &address]).ended(3);
    assert!(said.stderr.contains("--listen"), "{}", said.stderr);
    assert!(!folder.path().join("gna-data").exists());
}

#[test]
fn the_demo_says_first_how_to_get_in_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("folder");
    let server = Server::start(folder.path(), &["--demo"]);
    for field in ["url", "token", "sign_in_link", "curl", "password"] {
        assert!(
            server.first[field]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{field}"
        );
    }
    let link = server.first["sign_in_link"].as_str().expect("a link");
    let path = link
        .strip_prefix(server.url())
        .expect("on this server")
        .to_owned();
    assert_eq!(server.get(&path).0, 200);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 0);
    let missing = run(folder.path(), &["list"]).ended(2);
    assert!(missing.stderr.contains("gna serve"), "{}", missing.stderr);
    assert!(!folder.path().join("gna-data").exists());
}

#[test]
fn the_demos_token_opens_both_apis_to_curl_and_to_the_command_line() {
    let folder = tempfile::tempdir().expect("folder");
    let server = Server::start(folder.path(), &["--demo"]);
    let curl = server.first["curl"].as_str().expect("a command");
    // The command as it was printed, by a shell, as a person would run it.
    let answer = std::process::Command::new("sh")
        .args(["-c", curl])
        .env("NO_PROXY", "127.0.0.1")
        .output();
    if let Ok(answer) = answer.as_ref().map(|answer| &answer.stdout)
        && !answer.is_empty()
    {
        let answer: Value = serde_json::from_slice(answer).expect("JSON");
        let found = &answer["data"]["group"]["vulnerabilities"];
        assert_eq!(found["totalCount"]["value"], 18, "{answer}");
    } else {
        eprintln!("SKIPPED: there is no curl here");
    }
    let ask = |args: &[&str]| {
        let said = gna(folder.path())
            .args(args)
            .env("GNA_SERVER", server.url())
            .env(
                "GNA_TOKEN",
                server.first["token"].as_str().expect("a token"),
            )
            .output();
        crate::run::Said::from(said.expect("runs"))
    };
    let all = ask(&["list", "--json", "--limit", "100"]).ended(0).json();
    assert_eq!(all.len(), 18);
    assert_eq!(all[0]["severity"]["level"], "CRITICAL");
    let some = ask(&[
        "list",
        "--level",
        "critical",
        "--organization",
        "demo",
        "--group",
        "shop",
    ])
    .ended(0);
    assert!(some.stdout.contains("2 of 2"), "{}", some.stdout);
    let groups = ask(&["group", "list"]).ended(0);
    assert!(groups.stdout.contains("demo/shop"), "{}", groups.stdout);
    let trivy = crate::run::sample("trivy.json");
    let again = ask(&[
        "import",
        "--json",
        "--group",
        "demo/shop",
        "--asset",
        "shop-api-image",
        &trivy,
    ])
    .ended(0);
    assert_eq!(again.json()[0]["counts"]["unchanged"], 6);
    let wrong = ask(&["list", "--group", "demo/none"]).ended(2);
    assert!(!wrong.stderr.is_empty());
    for (format, lines) in [("jsonl", 18), ("csv", 19)] {
        let exported = ask(&["export", "--format", format]).ended(0);
        assert_eq!(exported.stdout.lines().count(), lines, "{format}");
    }
    let sarif = ask(&["export", "--format", "sarif", "-o", "all.sarif", "--json"]).ended(0);
    assert_eq!(sarif.json()[0]["file"], "all.sarif");
    let parsed = run(folder.path(), &["parse", "all.sarif", "--json"]).ended(0);
    assert_eq!(parsed.json()[0]["counts"]["findings"], 18);
    let nobody = gna(folder.path())
        .args(["list", "--server", "http://127.0.0.1:9", "--token", "x"])
        .output();
    crate::run::Said::from(nobody.expect("runs")).ended(3);
    assert_eq!(server.stop(), Some(0));
}
