//! Accounts of a back end of Frigg's, taken over on the command line.

use serde_json::{Value, json};
use std::path::Path;

use crate::run::{Said, gna, run};

/// Made with OpenSSL's AES-256-CTR as the framework does it: `right-hunter2` and `access-hunter2`.
const TOKEN: &str = "a2V5LTIwMjQ=:01010101010101010101010101010101:abb999505f61f054a5ed307c08:MDIwMjAyMDIwMjAyMDIwMjAyMDIwMjAyMDIwMjAyMDI6ODVkMDk4ZjZlZjQ3NGYxZjNiYmEwYzUwY2JjNDU2YzhiNjFmMTBmNzQyZmZiZDJiZGNkMDBiNzk2NTI5NGU4Yg==";
const OLDER: &str = "a2V5LTIwMjA=:03030303030303030303030303030303:8b5a96a3337fcf8fb3e577fecc7f:MDQwNDA0MDQwNDA0MDQwNDA0MDQwNDA0MDQwNDA0MDQ6NTUxMjJjMmEzNzdiZDcwZTRhYzcyNzk3ZWYxNWUxZDFiYmUzNDExMjhkNmEyMjMwYTlkOWRlMGNhYTIzYTgyMg==";
const KEYS: [(&str, &str); 4] = [
    ("AES_KEY_ID", "key-2024"),
    ("AES_KEY", "abcdefghijklmnopqrstuvwxyz012345"),
    ("DEPRECATED_AES_KEY_ID", "key-2020"),
    ("DEPRECATED_AES_KEY", "ABCDEFGHIJKLMNOPQRSTUVWXYZ543210"),
];

fn document(user: &str, id: &str) -> Value {
    json!({
        "_id": {"$oid": format!("65a{id}")}, "__v": 0, "user": {"$oid": user}, "subType": "snyk",
        "auth_is_valid": true, "externalId": id, "createdAt": {"$date": "2024-01-01T00:00:00Z"},
        "apiKey": TOKEN, "organization": "11111111-1111-1111-1111-111111111111",
        "note": OLDER, "portalId": 7,
    })
}

fn import(at: &Path, keys: &[(&str, &str)], more: &[&str]) -> Said {
    let fixed = [
        "frigg",
        "import",
        "credentials.jsonl",
        "--organization",
        "acme",
        "--data",
        "data",
        "--json",
        "--field",
        "api_key=token",
    ];
    let mut command = gna(at);
    for (name, _) in KEYS {
        command.env_remove(name);
    }
    command.args(fixed).args(more).envs(keys.iter().copied());
    let said: Said = command.output().expect("runs").into();
    assert!(!said.stdout.contains("hunter2") && !said.stderr.contains("hunter2"));
    said
}

#[test]
fn accounts_are_taken_over_once_and_their_secrets_are_sealed() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    run(at, &["group", "create", "acme/shop", "--data", "data"]).ended(0);
    let write = |documents: &[String]| {
        std::fs::write(at.join("credentials.jsonl"), documents.join("\n")).expect("is written");
    };
    let one = document("u1", "1").to_string();
    write(&[one.clone(), "no document".to_owned()]);
    // Without Frigg's keys nothing of it can be read.
    let said = import(at, &[], &[]).ended(3).json();
    assert_eq!(said[0]["error"]["code"], "legacy.key_missing");
    // Each line stands for itself.
    let said = import(at, &KEYS, &[]).ended(3).json();
    assert_eq!((said.len(), &said[0]["became"]), (2, &json!("made")));
    assert_eq!(said[0]["left_out"], json!(["note", "portal_id"]));
    assert_eq!(said[1]["error"]["code"], "legacy.document");
    assert_eq!(said[1]["place"], "credentials.jsonl:2");
    // The same again changes nothing.
    write(std::slice::from_ref(&one));
    let again = import(at, &KEYS, &[]).ended(0).json();
    assert_eq!(again[0]["became"], "kept");
    assert_eq!(again[0]["entity"], said[0]["entity"]);
    // Nobody is given what is another's by mistake.
    write(&[one, document("u2", "2").to_string()]);
    let refused = import(at, &KEYS, &[]).ended(2).json();
    assert_eq!(refused[0]["error"]["code"], "frigg.users");
    let second = import(at, &KEYS, &["--of", "u2"]).ended(0).json();
    assert_eq!((second.len(), &second[0]["became"]), (1, &json!("made")));
    // What the module needs and the document lacks is named; nothing is made.
    let mut bare = document("u1", "3");
    let fields = bare.as_object_mut().expect("an object");
    fields.remove("organization");
    write(&[bare.to_string()]);
    let refused = import(at, &KEYS, &[]).ended(3).json();
    assert_eq!(refused[0]["error"]["code"], "form.invalid");
    // Nothing lies open in the store.
    for entry in std::fs::read_dir(at.join("data")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("is read");
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("hunter2"), "{}", path.display());
        }
    }
}
