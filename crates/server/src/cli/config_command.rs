//! `gna config`: the effective configuration, and whether it is right.

use clap::{Args, Subcommand};

use super::{Exit, Failure, Global, Out};
use crate::config::{DEFAULTS, Overrides, masked_json, masked_toml};

/// Show the effective configuration, with secrets masked
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna config                                what applies here, as a gna.toml
  gna config defaults > gna.toml            a file to start from, with every setting explained
  GNA_SERVER__LISTEN=0.0.0.0:80 gna config  what a variable changes
  gna config check                          exit code 2 and the reason when something is wrong")]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Say whether the configuration is right
    Check,
    /// Print the built-in values with what each setting means
    Defaults,
}

/// # Errors
/// Exit code 2 with everything that is wrong.
pub fn run(args: &ConfigArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    if matches!(args.what, Some(What::Defaults)) && !out.is_json() {
        out.bytes(DEFAULTS.as_bytes())?;
        return Ok(Exit::Done);
    }
    let config = match args.what {
        // What the file, the environment and flags say does not matter here.
        Some(What::Defaults) => toml::from_str(DEFAULTS)
            .map_err(|error| Failure::usage("config.invalid", error.to_string()))?,
        _ => global.load(Overrides::default())?.config,
    };
    match (&args.what, out.is_json()) {
        (Some(What::Check), true) => out.json(&serde_json::json!({"valid": true}))?,
        (Some(What::Check), false) => out.line("the configuration is valid")?,
        (_, true) => out.json(&masked_json(&config))?,
        (_, false) => out.bytes(masked_toml(&config).as_bytes())?,
    }
    Ok(Exit::Done)
}
