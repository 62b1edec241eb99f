//! House rules as checks. Each is also an ordinary test, so that `cargo test` finds a breach.

mod arrows;
mod doors;
mod files;
mod parity;

use anyhow::Result;

/// Runs all checks; prints what is wrong and whether anything is.
pub fn run() -> Result<bool> {
    let mut problems = arrows::problems(&crate::root())?;
    problems.extend(doors::problems(&crate::root())?);
    problems.extend(files::problems(&crate::root())?);
    problems.extend(parity::problems(&crate::root())?);
    for problem in &problems {
        println!("{problem}");
    }
    println!("tidy: {} problems", problems.len());
    Ok(problems.is_empty())
}
