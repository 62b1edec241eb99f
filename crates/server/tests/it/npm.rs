//! Packages of npm that tests run real clients and servers from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The folder `name` with these packages in its `node_modules`; installed once per target folder.
///
/// # Errors
/// Why they can't be had, to be said where a test is skipped.
pub fn installed(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let complete = folder.join("complete");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&complete).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let done = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent"])
        .args(packages)
        .arg("--prefix")
        .arg(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match done {
        Ok(status) if status.success() => {
            std::fs::write(complete, wanted).map_err(|error| error.to_string())?;
            Ok(folder)
        }
        Ok(_) => Err(format!("npm can't install {wanted}")),
        Err(error) => Err(format!("npm can't be started ({error})")),
    }
}
