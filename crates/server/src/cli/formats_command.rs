//! `gna formats`: the report formats that this installation reads.

use clap::Args;

use super::{Exit, Failure, Global, Out};
use crate::config::Overrides;
use crate::formats;

/// List the report formats that can be read
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna formats
  gna formats --json | jq -r '.formats[].name'
  GNA_FORMATS__DIR=./formats gna formats    with formats of your own")]
pub struct FormatsArgs {}

/// # Errors
/// Exit code 2 where a format of the user's can't be used.
pub fn run(_: &FormatsArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = global.load(Overrides::default())?;
    let registry =
        formats::registry(&config).map_err(|error| Failure::usage("format.invalid", error))?;
    let all = registry.all();
    if out.is_json() {
        let infos: Vec<_> = all.iter().map(|format| format.info()).collect();
        out.json(&serde_json::json!({ "formats": infos }))?;
        return Ok(Exit::Done);
    }
    let width = all
        .iter()
        .map(|format| format.info().name.len())
        .max()
        .unwrap_or(0);
    for format in all {
        let info = format.info();
        out.line(format_args!("{:<width$}  {}", info.name, info.title))?;
    }
    Ok(Exit::Done)
}
