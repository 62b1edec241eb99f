//! What commands say: results on standard output, all else on standard error.

use gna_domain::error::{Error, Kind};
use serde::Serialize;
use serde_json::json;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

/// How a command ended. The order is the order of gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Done = 0,
    /// A broken gate, and nothing else.
    Broken = 1,
    /// Wrong use or configuration.
    Usage = 2,
    /// Input unreadable or server unreachable.
    Unreadable = 3,
}

/// Why a command could not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// Stable, `noun.reason`.
    pub code: String,
    /// What is wrong and what to do next.
    pub message: String,
}

impl Failure {
    pub fn usage(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            code: code.into(),
            message: message.into(),
        }
    }

    pub fn unreadable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Unreadable,
            code: code.into(),
            message: message.into(),
        }
    }

    /// Standard output is closed: whoever read it has seen enough.
    fn is_closed_pipe(&self) -> bool {
        self.code == CLOSED
    }
}

const CLOSED: &str = "output.closed";

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            Kind::Upstream | Kind::Unavailable | Kind::Internal => Exit::Unreadable,
            _ => Exit::Usage,
        };
        Self {
            exit,
            code: error.code().to_owned(),
            message: error.message().to_owned(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::usage(CLOSED, "standard output is closed");
        }
        Self::unreadable(
            "output.failed",
            format!("writing the answer failed: {error}"),
        )
    }
}

/// Standard output, buffered.
pub struct Out {
    json: bool,
    writer: BufWriter<io::Stdout>,
}

impl Out {
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self {
            json,
            writer: BufWriter::new(io::stdout()),
        }
    }

    /// Whether to answer in JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One value on one line, written out at once.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.writer, value)
            .map_err(|error| Failure::from(io::Error::from(error)))?;
        self.writer.write_all(b"\n")?;
        Ok(self.writer.flush()?)
    }

    /// One line of text for people.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.writer, "{text}")?)
    }

    /// # Errors
    /// Standard output is closed or full.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.writer.flush()?)
    }

    /// Raw bytes of an export.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.writer.write_all(bytes)?)
    }
}

/// Whether a person watches standard error: progress is shown to nobody else.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Text from outside for a terminal: without control characters, which could move the cursor or
/// change colours.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Tells how it ended, and makes the exit code.
pub(super) fn end(ended: Result<Exit, Failure>, mut out: Out) -> ExitCode {
    let ended = ended.and_then(|exit| out.flush().map(|()| exit));
    let exit = match ended {
        Ok(exit) => exit,
        Err(failure) if failure.is_closed_pipe() => Exit::Done,
        Err(failure) => {
            eprintln!("gna: {}", failure.message);
            if out.is_json() {
                let error = json!({"error": {"code": failure.code, "message": failure.message}});
                // Whether or not it can be said, the exit code says it too.
                let _ = out.json(&error);
            }
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}
