//! Keys on the command line: looked at, changed with and without a running server.

use crate::run::run;
use crate::server::Server;
use serde_json::Value;
use std::path::Path;

fn doctor(at: &Path) -> (Option<bool>, String) {
    let said = run(at, &["doctor", "--data", "data", "--json"]);
    let checks = said.json()[0]["checks"].clone();
    let keyring = checks
        .as_array()
        .and_then(|checks| checks.iter().find(|check| check["what"] == "keyring"))
        .cloned()
        .unwrap_or_default();
    (
        keyring["ok"].as_bool(),
        keyring["says"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn keys_change_with_and_without_a_server() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let file = at.join("data/gna.keys");
    run(at, &["group", "create", "acme/shop", "--data", "data"]).ended(0);
    let (ok, says) = doctor(at);
    assert!(ok == Some(true) && says.contains("will be made"), "{says}");
    assert!(!file.exists(), "looking changes nothing");

    let rotate = |more: &[&str]| -> Value {
        let args = [&["keys", "rotate", "--data", "data", "--json"], more].concat();
        run(at, &args).ended(0).json()[0].clone()
    };
    let first = rotate(&[]);
    assert_eq!(first["state"], "DONE");
    assert!(file.is_file());
    let (ok, says) = doctor(at);
    let key = first["key"].as_str().expect("a key");
    assert!(ok == Some(true) && says.contains(key), "{says}");

    let server = Server::start(at, &["--data", "data"]);
    let second = rotate(&[]);
    assert_eq!(second["state"], "DONE");
    assert_ne!(second["key"], first["key"]);
    assert_eq!(server.stop(), Some(0));

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("changed");
        let (ok, says) = doctor(at);
        assert!(ok == Some(false) && says.contains("chmod 600"), "{says}");
    }
}
