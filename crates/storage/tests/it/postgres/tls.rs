//! A server that is reached over TLS only: whose certificate is believed, and what is said where it is not.

use super::own::Server;
use crate::certificates::Certificates;
use gna_storage::backend::postgres::{Address, PostgresBackend, PostgresDb};
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, item};
use gna_storage::kernel::{Backend, Batch, Error};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The settings of a server that has this certificate and its key.
fn settings(server: &Server, [pem, key]: &[PathBuf; 2]) -> [String; 3] {
    let place = |from: &Path, name: &str| {
        let path = server.data().join(name);
        std::fs::copy(from, &path).expect("copied");
        // The server refuses a key that others may read.
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, mode).expect("its mode is set");
        server.give(&path);
        path.display().to_string()
    };
    [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", place(pem, "server.pem")),
        format!("ssl_key_file={}", place(key, "server.key")),
    ]
}

/// What is said where the store at this address can't be opened.
async fn refusal(host: &str, server: &Server, words: &str) -> String {
    let port = server.port;
    let url = format!("postgres://postgres:hunter2@{host}:{port}/postgres?connections=4&{words}");
    let refused = PostgresDb::open(&Address::parse(&url).expect("an address")).await;
    match refused.err() {
        Some(Error::Unavailable(told)) => told,
        other => panic!("{words}: {other:?}"),
    }
}

fn rooted(authority: &Path) -> String {
    format!("sslmode=verify-full&sslrootcert={}", authority.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_believed_for_its_authority_and_its_name() {
    let Some(server) = Server::made() else { return };
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let (ours, other) = (
        certificates.authority("ours"),
        certificates.authority("other"),
    );
    // Who comes without TLS is not let in.
    let only = "hostssl all all 127.0.0.1/32 trust\n";
    std::fs::write(server.data().join("pg_hba.conf"), only).expect("written");
    let settings = settings(&server, &certificates.server("ours"));
    let settings = settings.each_ref().map(String::as_str);
    server.start(&settings);

    let url = format!(
        "postgres://postgres:hunter2@127.0.0.1:{}/postgres?connections=4&{}",
        server.port,
        rooted(&ours)
    );
    let db = PostgresDb::open(&Address::parse(&url).unwrap()).await;
    let clock = TestClock::default();
    let store = PostgresBackend::open(db.unwrap(), clock.reader());
    let store = store.await.unwrap();
    let note = item("p", "1");
    let ops = vec![
        create(&note),
        append("note.created", &note.key, 1, clock.now()),
    ];
    store.commit(Batch { ops }).await.unwrap();
    let found = store.get_many(std::slice::from_ref(&note.key)).await;
    assert_eq!(found.unwrap(), [Some(note)]);
    drop(store);

    let missing = rooted(Path::new("/nowhere/ca.pem"));
    for (host, words, says) in [
        ("127.0.0.1", rooted(&other), "certificate"),
        // The authorities that browsers believe do not know it.
        ("127.0.0.1", "sslmode=verify-full".to_owned(), "certificate"),
        ("localhost", rooted(&ours), "not valid for name"),
        ("127.0.0.1", missing, "can't be read"),
    ] {
        let told = refusal(host, &server, &words).await;
        assert!(told.contains(says), "{host} {words}: {told}");
        assert!(told.contains("sslrootcert"), "{host} {words}: {told}");
        assert!(!told.contains("hunter2"), "{host} {words}: {told}");
    }
    let told = refusal("127.0.0.1", &server, "sslmode=disable").await;
    assert!(told.contains("no encryption"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    // Encrypted and not checked is enough for some.
    let unchecked = url.replace(&rooted(&ours), "sslmode=require");
    let db = PostgresDb::open(&Address::parse(&unchecked).unwrap()).await;
    db.unwrap().close().await;

    // A server that has no TLS is not talked to without it.
    server.kill();
    server.start(&[]);
    let told = refusal("127.0.0.1", &server, &rooted(&ours)).await;
    assert!(told.contains("TLS") && told.contains("sslmode"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}
