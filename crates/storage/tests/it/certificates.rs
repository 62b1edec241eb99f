//! Certificates of the tests' own making, for servers that are reached over TLS.

use std::path::PathBuf;
use std::process::Command;

const KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

/// Certificates of our own making, in a folder.
pub struct Certificates(tempfile::TempDir);

impl Certificates {
    /// None, said loudly, where there is no openssl.
    pub fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("SKIPPED: openssl is not installed");
            return None;
        }
        let certificates = Self(tempfile::tempdir().expect("a folder"));
        std::fs::write(
            certificates.path("cnf"),
            "[req]\n\
             distinguished_name = name\n\
             prompt = no\n\
             [name]\n\
             CN = invented\n\
             [authority]\n\
             basicConstraints = critical, CA:TRUE\n\
             keyUsage = critical, keyCertSign, cRLSign\n\
             [server]\n\
             basicConstraints = critical, CA:FALSE\n\
             extendedKeyUsage = serverAuth\n\
             subjectAltName = IP:127.0.0.1\n",
        )
        .expect("written");
        Some(certificates)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, args: &[&str]) {
        let done = Command::new("openssl")
            .args(args)
            .current_dir(self.0.path())
            .output()
            .expect("runs");
        assert!(done.status.success(), "{args:?}: {done:?}");
    }

    /// An authority that nobody else knows: `NAME.pem` and its key.
    pub fn authority(&self, name: &str) -> PathBuf {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let (subject, made) = (format!("/CN=invented {name}"), ["req", "-x509"]);
        let of = ["-config", "cnf", "-extensions", "authority", "-days", "2"];
        let to = ["-subj", &subject, "-keyout", &key, "-out", &pem];
        self.openssl(&[&made[..], &of, &KEY, &to].concat());
        self.path(&pem)
    }

    /// A certificate for 127.0.0.1, and no name, that the authority has signed; and its key.
    pub fn server(&self, authority: &str) -> [PathBuf; 2] {
        let asked = ["req", "-new", "-config", "cnf", "-subj", "/CN=127.0.0.1"];
        let to = ["-keyout", "server.key", "-out", "server.csr"];
        self.openssl(&[&asked[..], &KEY, &to].concat());
        let (key, pem) = (format!("{authority}.key"), format!("{authority}.pem"));
        let signed = ["x509", "-req", "-in", "server.csr", "-set_serial", "2"];
        let of = ["-CA", &pem, "-CAkey", &key, "-days", "2"];
        let to = ["-extfile", "cnf", "-extensions", "server"];
        let out = ["-out", "server.pem"];
        self.openssl(&[&signed[..], &of, &to, &out].concat());
        [self.path("server.pem"), self.path("server.key")]
    }
}
