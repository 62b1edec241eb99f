//! The `gna` binary. Everything is in the library; see `cli/`.

use mimalloc::MiMalloc;
use std::process::ExitCode;

// A page of vulnerabilities and a chunk of an import are some ten thousand small allocations
// each: a quarter of the processor's time with the C library's allocator (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // The child that runs the programs of formats as data: before anything else, since it starts
    // once per report and limits its own memory.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == gna_parsers::data::WORKER_COMMAND)
    {
        return gna_parsers::data::child_main();
    }
    gna_server::cli::main()
}
