//! In a build without the cargo feature `jq`: formats as data are known and listed, and what they would
//! read is refused.

use std::process::ExitCode;

use super::ProgramError;

/// Whether a program compiles can't be told here.
///
/// # Errors
/// None.
pub fn check(_: &str, _: &[&str]) -> Result<(), ProgramError> {
    Ok(())
}

/// Nothing to do.
#[must_use]
pub fn child_main() -> ExitCode {
    ExitCode::FAILURE
}
