//! A server that is reached over TLS: whose certificate is believed, and what is said where it is not.

use super::own::Server;
use crate::certificates::Certificates;
use gna_storage::backend::mongodb::MongoBackend;
use gna_storage::conformance::TestClock;
use gna_storage::conformance::make::{append, create, item};
use gna_storage::kernel::{Backend, Batch, Error};
use std::path::Path;

fn rooted(authority: &Path) -> String {
    format!("&tls=true&tlsCAFile={}", authority.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_believed_for_its_authority() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    let (ours, other) = (
        certificates.authority("ours"),
        certificates.authority("other"),
    );
    let [pem, key] = certificates.server("ours");
    let [pem, key] = [&pem, &key].map(|path| path.to_str().expect("a plain path"));
    let also = ["--tls-cert-file", pem, "--tls-key-file", key];
    let Some(server) = Server::new(&also).await else {
        return;
    };

    let db = server.connect_as("", &rooted(&ours)).await.unwrap();
    let clock = TestClock::default();
    let store = MongoBackend::open(db, clock.reader()).await.unwrap();
    let note = item("p", "1");
    let ops = vec![
        create(&note),
        append("note.created", &note.key, 1, clock.now()),
    ];
    store.commit(Batch { ops }).await.unwrap();
    assert_eq!(store.feed(None, 10).await.unwrap().len(), 1);

    for (words, says) in [
        (rooted(&other), "tlsCAFile"),
        // The authorities that browsers believe do not know it.
        ("&tls=true".to_owned(), "tlsCAFile"),
        (rooted(Path::new("/nowhere/ca.pem")), "tlsCAFile"),
        // Without TLS nobody answers.
        (String::new(), "no primary"),
    ] {
        let refused = server.connect_as("gna:hunter2@", &words).await;
        let told = match refused.err() {
            Some(Error::Unavailable(told)) => told,
            other => panic!("{words}: {other:?}"),
        };
        assert!(told.contains(says), "{words}: {told}");
        assert!(!told.contains("hunter2"), "{words}: {told}");
    }
}
