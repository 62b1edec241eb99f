//! A server to be measured: started as a user would start it, watched from outside.

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Clock ticks in a second, as `/proc` counts them on Linux.
const TICKS: f64 = 100.0;

/// What is measured.
pub struct Product {
    pub binary: PathBuf,
    /// A server of PostgreSQL (`postgres://…`, without a schema); the default store if there is none.
    pub url: Option<String>,
}

impl Product {
    /// The kind of store, as a word of the output.
    pub fn store(&self) -> &str {
        let scheme = self.url.as_ref().and_then(|url| url.split(':').next());
        scheme.unwrap_or("sqlite")
    }

    /// The address of the store that belongs to a folder: a schema of its own, so that a new folder is
    /// an empty store and a kept one is found again.
    fn address(&self, data: &Path) -> Option<String> {
        let url = self.url.as_ref()?;
        let path = std::path::absolute(data).unwrap_or(data.to_owned());
        let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
        let name: String = hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let glue = if url.contains('?') { '&' } else { '?' };
        Some(format!("{url}{glue}schema=bench_{name}"))
    }
}

pub struct Server {
    child: Child,
    pub url: String,
    pub token: String,
}

impl Server {
    /// Starts `gna serve --demo` and waits until it says that it answers.
    pub fn start(product: &Product, data: &Path) -> Result<Self> {
        Self::of(Command::new(&product.binary), product, data)
    }

    /// The same with a configuration file.
    pub fn configured(product: &Product, data: &Path, config: &Path) -> Result<Self> {
        let mut command = Command::new(&product.binary);
        command.env("GNA_CONFIG", config);
        Self::of(command, product, data)
    }

    fn of(mut command: Command, product: &Product, data: &Path) -> Result<Self> {
        if let Some(address) = product.address(data) {
            command.env("GNA_STORE__URL", address);
        }
        let mut child = command
            .args([
                "serve",
                "--demo",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(data)
            .env("GNA_LOG__LEVEL", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", product.binary.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let told: Value =
            serde_json::from_str(&line).with_context(|| format!("the first line is {line:?}"))?;
        let text = |name: &str| {
            told[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {name} in {line}"))
        };
        Ok(Self {
            url: text("url")?,
            token: text("token")?,
            child,
        })
    }

    pub fn stop(&mut self) -> Result<()> {
        // Asks, as an operator would.
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        self.child.wait()?;
        Ok(())
    }

    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name in parentheses: field 3 is the state, 14 and 15 the times.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|field| field.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        Ok((ticks(11) + ticks(12)) / TICKS)
    }

    pub fn peak_bytes(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    pub fn resident_bytes(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .with_context(|| format!("no {name}"))?;
        let kilobytes: u64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        Ok(kilobytes * 1_024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
