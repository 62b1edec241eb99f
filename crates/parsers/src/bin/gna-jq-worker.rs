//! The child process of formats as data, alone: for tests of this crate, and for programs that use
//! it as a library and have no `gna jq-worker` of their own.

use std::process::ExitCode;

fn main() -> ExitCode {
    gna_parsers::data::child_main()
}
