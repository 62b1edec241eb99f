//! Gna with an app and a type of integrations of our own: everything that `gna` can do, and these.

mod recipe;

use gna_server::Additions;
use std::process::ExitCode;

fn main() -> ExitCode {
    let additions = Additions::new()
        .module("board.toml", include_str!("../board.toml"))
        .recipe(recipe::ReportCards::new());
    gna_server::run(additions)
}
