//! A PostgreSQL server of the test's own.

use gna_storage::backend::postgres::{Address, PostgresDb};
use gna_storage::conformance::ports::free_port;
use gna_storage::kernel::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server of the test's own, which it may kill.
pub(super) struct Server {
    pub(super) bin: PathBuf,
    folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl Server {
    /// None, said loudly, where no PostgreSQL is installed.
    pub(super) fn new(also: &[&str]) -> Option<Self> {
        let server = Self::made()?;
        server.start(also);
        Some(server)
    }

    /// One that was not started yet.
    pub(super) fn made() -> Option<Self> {
        let installed = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .map(|version| version.path().join("bin"))
            .find(|bin| bin.join("initdb").is_file());
        let Some(bin) = installed else {
            eprintln!("SKIPPED: no PostgreSQL server is installed in /usr/lib/postgresql");
            return None;
        };
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder");
        let server = Self { bin, folder, port };
        server.give(server.folder.path());
        server.run(
            "initdb",
            &[
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ],
        );
        Some(server)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes a file or folder the server's own; it is not run by root.
    pub(super) fn give(&self, path: &Path) {
        if is_root() {
            let given = Command::new("chown").arg("postgres").arg(path).status();
            assert!(given.expect("chown runs").success());
        }
    }

    fn run(&self, program: &str, args: &[&str]) {
        let program = self.bin.join(program);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        let log = std::fs::File::create(self.folder.path().join("said")).expect("a file");
        let done = command
            .current_dir(Path::new("/"))
            .arg("-D")
            .arg(self.data())
            .args(args)
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .status()
            .expect("runs");
        let said = std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
        assert!(done.success(), "{args:?}: {said}");
    }

    pub(super) fn start(&self, also: &[&str]) {
        let mut options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1",
            self.port,
            self.folder.path().display()
        );
        for one in also {
            options.push_str(&format!(" -c {one}"));
        }
        self.run("pg_ctl", &["-w", "-o", &options, "start"]);
    }

    /// As a crash does: no goodbye to anybody, recovery at the next start.
    pub(super) fn kill(&self) {
        self.run("pg_ctl", &["-w", "-m", "immediate", "stop"]);
    }

    pub(super) fn url(&self) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable&connections=4",
            self.port
        )
    }

    pub(super) async fn open(&self) -> Result<PostgresDb, Error> {
        PostgresDb::open(&Address::parse(&self.url())?).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.kill();
        }
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("procfs")) == 0
}
