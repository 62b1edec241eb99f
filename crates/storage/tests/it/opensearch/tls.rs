//! TLS and signing in: whose certificates are trusted, and how user and password are sent. A stand-in
//! answers, for the OpenSearch of the tests has neither.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gna_domain::error::Result;
use gna_storage::search::OpenSearch;
use gna_storage::search::opensearch::{Address, Found};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// As it stands in an address, and as it is.
const PASSWORD: (&str, &str) = ("hunter%402%2F%C3%BC", "hunter@2/ü");

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer() -> Issuer {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "an invented issuer");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("signs itself")
}

/// Serves for 127.0.0.1, as this issuer says.
fn acceptor(issuer: &Issuer) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let issuer: &rcgen::Issuer<'_, KeyPair> = issuer;
    let certificate = params.signed_by(&key, issuer).expect("signs");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        );
    TlsAcceptor::from(Arc::new(config.expect("a certificate")))
}

/// What the stand-in was sent, head by head.
type Heads = Arc<Mutex<Vec<String>>>;

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, heads: Heads) {
    const BODY: &str = r#"{"version":{"number":"2.19.3","distribution":"opensearch"}}"#;
    let mut request = [0; 4_096];
    let n = stream.read(&mut request).await.unwrap_or_default();
    let head = String::from_utf8_lossy(&request[..n]).into_owned();
    heads.lock().expect("no panic").push(head);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A stand-in for an OpenSearch with users, with TLS or without; its host and port.
async fn fake_server(tls: Option<TlsAcceptor>) -> (String, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let host = listener.local_addr().expect("an address").to_string();
    let heads = Heads::default();
    let sent = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &tls {
                None => answer(stream, Arc::clone(&sent)).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        answer(stream, Arc::clone(&sent)).await;
                    }
                }
            }
        }
    });
    (host, heads)
}

async fn look(url: &str) -> Result<Found> {
    let address = Address::parse(url)?;
    assert!(!format!("{address:?}").contains("hunter"), "{address:?}");
    OpenSearch::new(&address)?.look().await
}

fn is_signed_in(heads: &Heads) -> bool {
    let expected = STANDARD.encode(format!("gna:{}", PASSWORD.1));
    let expected = format!("authorization: Basic {expected}");
    let heads = heads.lock().expect("no panic");
    !heads.is_empty()
        && heads.iter().all(|head| {
            let head = head.replace("Authorization:", "authorization:");
            head.contains(&expected) && !head.contains("hunter")
        })
}

fn written(folder: &Path, name: &str, pem: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, pem).expect("written");
    file.display().to_string()
}

#[tokio::test]
async fn user_and_password_are_sent_as_basic_authentication() {
    let (host, heads) = fake_server(None).await;
    let url = format!("opensearch+http://gna:{}@{host}/gna", PASSWORD.0);
    let found = look(&url).await.expect("answers");
    assert_eq!(found.version, "2.19.3");
    assert!(is_signed_in(&heads), "{heads:?}");
    let (host, heads) = fake_server(None).await;
    let found = look(&format!("opensearch+http://{host}/gna")).await;
    found.expect("answers");
    let heads = heads.lock().expect("no panic").concat();
    assert!(!heads.to_lowercase().contains("authorization"), "{heads}");
}

#[tokio::test]
async fn only_a_certificate_of_a_trusted_issuer_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (issuer(), issuer());
    let ca = written(folder.path(), "ours.pem", &ours.pem());
    let others = written(folder.path(), "other.pem", &other.pem());
    let empty = written(folder.path(), "empty.pem", "none");
    let (host, heads) = fake_server(Some(acceptor(&ours))).await;
    let url = format!("opensearch://gna:{}@{host}/gna", PASSWORD.0);

    let both = written(folder.path(), "both.pem", &(other.pem() + &ours.pem()));
    for file in [&ca, &both] {
        let found = look(&format!("{url}?ca={file}")).await.expect("is trusted");
        assert_eq!(found.version, "2.19.3");
    }
    assert!(is_signed_in(&heads));

    let before = heads.lock().expect("no panic").len();
    let gone = format!("{url}?ca={}/gone.pem", folder.path().display());
    for (url, code, says) in [
        // The system trusts nobody that was made up here.
        (url.clone(), "search.unavailable", "certificate"),
        (
            format!("{url}?ca={others}"),
            "search.unavailable",
            "certificate",
        ),
        (format!("{url}?ca={empty}"), "search.url", "empty.pem"),
        (gone, "search.url", "gone.pem"),
    ] {
        let error = look(&url).await.expect_err("is not trusted");
        assert_eq!(error.code(), code, "{error}");
        let told = error.to_string();
        assert!(told.contains(says) && !told.contains("hunter"), "{told}");
    }
    let after = heads.lock().expect("no panic").len();
    assert_eq!(after, before, "nobody else was told the password");
}
