//! Runs `gna` and reads what it says.

use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// Each line of standard output as JSON.
    pub fn json(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
            })
            .collect()
    }

    /// Panics with everything that was said unless it ended with this code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\nstdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// The binary in a folder, with nothing of Gna's in its environment.
pub fn gna(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gna"));
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_lowercase();
        // Nor the way out through somebody's proxy: all servers are on this machine.
        if text.starts_with("gna_") || text.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
}

pub fn run(folder: &Path, args: &[&str]) -> Said {
    gna(folder).args(args).output().expect("runs").into()
}

pub fn run_with_input(folder: &Path, args: &[&str], input: &[u8]) -> Said {
    let mut child = gna(folder)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    // A command that refuses early closes its input; that is its right.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("ends").into()
}

/// A sample that ships with the demo.
pub fn sample(name: &str) -> String {
    format!("{}/demo/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// `gna` on the store in a folder, which holds the sample of Trivy's for an asset of `acme/shop`.
pub fn with_trivy(folder: &Path) -> impl Fn(&[&str]) -> Said {
    let gna = move |args: &[&str]| run(folder, &[args, &["--data", "gna-data"]].concat());
    gna(&["group", "create", "acme/shop"]).ended(0);
    let place = ["--group", "acme/shop", "--asset", "checkout"];
    gna(&[&["import"], &place[..], &[&sample("trivy.json")]].concat()).ended(0);
    gna
}
