//! The command line: one file per command, each an `Args` and a `run`.
//!
//! Exit codes are the same for all: 0 done; 1 a broken gate only; 2 wrong use or configuration; 3
//! input unreadable or server unreachable. With several files each is processed and the highest
//! code wins.

mod client;
mod config_command;
mod demo;
mod deploy;
mod describe;
mod doctor;
mod export;
mod feeds;
mod filter;
mod formats_command;
mod frigg;
mod functions;
mod gate;
mod graphql;
mod group;
mod health;
mod import;
mod jobs;
mod keys;
mod lambda;
mod list;
mod local;
mod member;
mod modules_command;
mod output;
mod parse;
mod place;
mod schedules;
mod sending;
mod serve;
mod store_command;
mod store_copy;
mod token;
mod user;
mod vex;
mod webhooks;

use clap::{Args, Parser, Subcommand};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::additions::Additions;
use crate::config::{self, Config, Environment, Overrides};
pub use output::{Exit, Failure, Out};

/// Scanner reports in, one deduplicated record of what is wrong where out.
#[derive(Parser)]
#[command(
    name = "gna",
    version,
    about,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "Examples:
  gna parse report.sarif --json     what Gna understands of a report; needs no server
  gna serve --demo                  a server with sample data, to look around
  gna serve                         a server on 127.0.0.1:8420 that keeps its data in ./gna-data

Exit codes: 0 done, 1 broken gate, 2 wrong use or configuration, 3 input unreadable or server unreachable.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// Configuration file [default: gna.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", env = "GNA_CONFIG")]
    pub config: Option<PathBuf>,
    /// Of the program that this is
    #[arg(skip)]
    pub additions: Additions,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Parse(parse::ParseArgs),
    Gate(Box<gate::GateArgs>),
    Import(import::ImportArgs),
    List(list::ListArgs),
    Export(export::ExportArgs),
    Vex(vex::VexArgs),
    Jobs(jobs::JobsArgs),
    Schedules(schedules::SchedulesArgs),
    Webhooks(webhooks::WebhooksArgs),
    Feeds(feeds::FeedsArgs),
    Functions(functions::FunctionsArgs),
    Invoke(functions::InvokeArgs),
    Lambda(lambda::LambdaArgs),
    Deploy(deploy::DeployArgs),
    Group(group::GroupArgs),
    User(user::UserArgs),
    Token(token::TokenArgs),
    Member(member::MemberArgs),
    Invite(member::InviteArgs),
    Store(store_command::StoreCommand),
    Keys(keys::KeysArgs),
    Formats(formats_command::FormatsArgs),
    Modules(modules_command::ModulesArgs),
    Frigg(frigg::FriggArgs),
    Config(config_command::ConfigArgs),
    Doctor(doctor::DoctorArgs),
    Health(health::HealthArgs),
    Schema(describe::SchemaArgs),
    Openapi(describe::OpenapiArgs),
}

/// The effective configuration, and what the program adds.
#[derive(Clone, Debug)]
pub struct Setup {
    pub config: Config,
    pub additions: Additions,
}

impl Deref for Setup {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl Global {
    /// The effective configuration under a command's own flags.
    ///
    /// # Errors
    /// Exit code 2 with what is wrong.
    pub fn load(&self, flags: Overrides) -> Result<Setup, Failure> {
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let environment =
            Environment::read(&folder).map_err(|error| Failure::usage("config.invalid", error))?;
        let config = config::load(&folder, self.config.as_deref(), &environment, flags)
            .map_err(|error| Failure::usage("config.invalid", error.0))?;
        Ok(Setup {
            config,
            additions: self.additions.clone(),
        })
    }
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main(additions: Additions) -> ExitCode {
    let mut cli = match lambda::is_meant() {
        true => Cli::parse_from(["gna", "lambda"]),
        false => Cli::parse(),
    };
    cli.global.additions = additions;
    let mut out = Out::new(cli.global.json);
    let ended = match cli.command {
        Command::Serve(args) => serve::run(&args, &cli.global, &mut out),
        Command::Parse(args) => parse::run(&args, &cli.global, &mut out),
        Command::Gate(args) => gate::run(&args, &cli.global, &mut out),
        Command::Import(args) => import::run(&args, &cli.global, &mut out),
        Command::List(args) => list::run(&args, &cli.global, &mut out),
        Command::Export(args) => export::run(&args, &cli.global, &mut out),
        Command::Vex(args) => vex::run(&args, &cli.global, &mut out),
        Command::Schedules(args) => schedules::run(&args, &cli.global, &mut out),
        Command::Webhooks(args) => webhooks::run(&args, &cli.global, &mut out),
        Command::Feeds(args) => feeds::run(&args, &cli.global, &mut out),
        Command::Functions(args) => functions::list(&args, &cli.global, &mut out),
        Command::Invoke(args) => functions::invoke(&args, &cli.global, &mut out),
        Command::Deploy(args) => deploy::run(&args, &cli.global, &mut out),
        Command::Lambda(args) => lambda::run(&args, &cli.global),
        Command::Jobs(args) => jobs::run(&args, &cli.global, &mut out),
        Command::Group(args) => group::run(&args, &cli.global, &mut out),
        Command::User(args) => user::run(&args, &cli.global, &mut out),
        Command::Token(args) => token::run(&args, &cli.global, &mut out),
        Command::Member(args) => member::run(&args, &cli.global, &mut out),
        Command::Invite(args) => member::invite(&args, &cli.global, &mut out),
        Command::Store(args) => store_command::run(&args, &cli.global, &mut out),
        Command::Keys(args) => keys::run(&args, &cli.global, &mut out),
        Command::Formats(args) => formats_command::run(&args, &cli.global, &mut out),
        Command::Modules(args) => modules_command::run(&args, &cli.global, &mut out),
        Command::Frigg(args) => frigg::run(&args, &cli.global, &mut out),
        Command::Config(args) => config_command::run(&args, &cli.global, &mut out),
        Command::Schema(args) => describe::schema(&args, &mut out),
        Command::Openapi(args) => describe::openapi(&args, &mut out),
        Command::Health(args) => health::run(&args, &cli.global, &mut out),
        Command::Doctor(args) => doctor::run(&args, &cli.global, &mut out),
    };
    output::end(ended, out)
}
