//! `gna gate`: whether a build may pass. Without a server from report files (and a snapshot), with
//! one from what it knows; the engine is the same ([`gna_domain::rules::gate`]).

mod keep;
mod offline;
mod online;
mod place;
mod read;
mod told;
mod write;

use clap::{Args, Subcommand, ValueEnum};
use gna_domain::rules::gate::Limits;
use std::path::PathBuf;

use super::client::{PlaceArgs, ServerArgs};
use super::{Exit, Failure, Global, Out};
use told::Told;

/// Judge reports: may this build pass?
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  gna gate --report trivy.json --threshold 7          what the report shows from a score of 7.0 on
  gna gate --report pr.sarif --base main.sarif --new-only
  gna gate --report *.sarif --snapshot gate.json --snapshot-key KEY --format sarif -o gate.sarif
  gna gate --server https://gna.example.com --report trivy.json --group acme/shop --asset shop
  gna gate --server https://gna.example.com --report rep_01934a5b6c7d7e8f9a0b1c2d3e4f5061
  gna gate snapshot --group acme/shop --asset shop -o gate.json

Without --server (or GNA_SERVER, --data, --store) nothing is asked and nothing is stored.

Exit codes: 0 pass (always with --lax, where all could be judged), 1 broken, 2 wrong use or
configuration, 3 a report, snapshot or server that can't be read or reached, also with --lax.")]
pub struct GateArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Take a signed snapshot of an asset, for verdicts without a server
    Snapshot(SnapshotArgs),
    /// Show the public key that snapshots are signed with
    Key,
    /// List verdicts on record, newest first
    Runs {
        #[command(flatten)]
        place: PlaceArgs,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
        limit: u16,
    },
}

#[derive(Args, Debug)]
struct SnapshotArgs {
    /// The asset, by its name or id
    #[arg(long, value_name = "NAME")]
    asset: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// The file; standard output without it
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct JudgeArgs {
    /// Report to judge, plain, gzip or zip; - is standard input; several are judged together. With a
    /// server also the id of one that it has
    #[arg(long = "report", required = true, num_args = 1.., value_name = "FILE")]
    reports: Vec<String>,
    /// Read the reports as this format instead of detecting it; `gna formats` lists the names
    #[arg(long = "as", value_name = "NAME")]
    format_of_reports: Option<String>,
    /// What the instance knows of the asset: ages, decisions, policy
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Public key of the instance that signs snapshots; several with commas between
    #[arg(
        long,
        value_name = "KEY",
        env = "GNA_SNAPSHOT_KEY",
        value_delimiter = ','
    )]
    snapshot_key: Vec<String>,
    /// Judge only what the base does not have
    #[arg(long)]
    new_only: bool,
    /// Reports of the base, for --new-only [default: the default ref, with a snapshot]
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "new_only")]
    base: Vec<String>,
    /// The base, a ref of the snapshot or the server [default: the asset's default ref]
    #[arg(
        long,
        value_name = "NAME",
        requires = "new_only",
        conflicts_with = "base"
    )]
    base_ref: Option<String>,
    /// The asset that is judged; a snapshot of another one is refused
    #[arg(long, value_name = "NAME")]
    asset: Option<String>,
    /// With a server: branch, tag or version that was scanned [default: the asset's default]
    #[arg(long = "ref", value_name = "NAME")]
    r#ref: Option<String>,
    /// With a server: commit that was scanned
    #[arg(long, value_name = "ID")]
    commit: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// How the verdict is written
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// File for the verdict; standard output then has the text
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What breaks the gate. A policy can be tightened here, never loosened.
#[derive(Args, Clone, Copy, Debug)]
struct LimitArgs {
    /// Lowest score that breaks the gate, 0.0 to 10.0 [default: 0.0]
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f64>,
    /// Days for which a new vulnerability is spared [default: 0]
    #[arg(long, value_name = "DAYS")]
    grace: Option<u32>,
    /// Days after which a vulnerability is technical debt and spared; 0 never [default: 0]
    #[arg(long, value_name = "DAYS")]
    debt: Option<u32>,
    /// A broken gate fails the build [default, unless the policy says lax]
    #[arg(long, conflicts_with = "lax")]
    strict: bool,
    /// A broken gate is told, and the exit code is 0 [unless the policy says strict]
    #[arg(long)]
    lax: bool,
}

impl LimitArgs {
    fn limits(self) -> Limits {
        Limits {
            threshold: self.threshold,
            grace_days: self.grace,
            debt_days: self.debt,
            strict: match (self.strict, self.lax) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
            ..Limits::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// For programs: everything, as one object
    Json,
    /// For test reports of CI systems
    Junit,
    /// SARIF 2.1.0 with what breaks the gate, for code scanning
    Sarif,
    /// For comments and job summaries
    Markdown,
    /// Annotations of GitHub Actions
    Github,
}

/// # Errors
/// Exit code 2 for wrong use, 3 for a snapshot that can't be read. Reports that can't be read are no
/// error of the command: they are told with the verdict, and raise the exit code to 3.
pub fn run(args: &GateArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    if let Some(what) = &args.what {
        return keep::run(what, &args.server, global, out).map(|()| Exit::Done);
    }
    let judge = &args.judge;
    let has_own_basis = judge.snapshot.is_some() || !judge.base.is_empty();
    let told = if args.server.is_named()? && !has_own_basis {
        online::judge(judge, &args.server, global)?
    } else {
        offline::judge(judge, global)?
    };
    tell(&told, judge, out)?;
    Ok(told.exit())
}

fn tell(told: &Told, args: &JudgeArgs, out: &mut Out) -> Result<(), Failure> {
    let form = if out.is_json() && args.output.is_none() {
        Form::Json
    } else {
        args.format
    };
    let Some(path) = &args.output else {
        return out.bytes(&write::written(told, form)?);
    };
    let written = write::written(told, form)?;
    std::fs::write(path, written).map_err(|error| {
        Failure::usage(
            "output.failed",
            format!("{} can't be written: {error}", path.display()),
        )
    })?;
    let spoken = if out.is_json() {
        Form::Json
    } else {
        Form::Text
    };
    out.bytes(&write::written(told, spoken)?)
}
