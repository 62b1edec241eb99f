//! The `gna` binary. Everything is in the library; see `cli/`.

use gna_server::Additions;
use mimalloc::MiMalloc;
use std::process::ExitCode;

// A page of vulnerabilities and a chunk of an import are some ten thousand small allocations
// each: a quarter of the processor's time with the C library's allocator (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    gna_server::run(Additions::new())
}
