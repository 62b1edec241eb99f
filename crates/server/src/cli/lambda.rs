//! `gna lambda`: the same instance as a function of AWS Lambda.

use clap::Args;

use super::local::StoreArgs;
use super::{Exit, Failure, Global};

/// Take events as a function of AWS Lambda
#[derive(Args, Debug, Default)]
#[command(after_help = "Examples:
  gna lambda                 started by AWS Lambda, in a container image with this command
  cp gna bootstrap           in a package for provided.al2023: the name alone makes it a function
  GNA_LAMBDA__TRIAL=true AWS_LAMBDA_RUNTIME_API=127.0.0.1:9000/gna gna lambda   with an emulator

Configured by the environment (GNA_STORE__URL, ...); docs/FUNCTIONS.md tells what must be set, and
`gna deploy template` prints what to deploy.")]
pub struct LambdaArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Whether the process was started as a function without a word: Lambda starts `bootstrap` so.
#[must_use]
pub fn is_meant() -> bool {
    std::env::args_os().len() == 1 && std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some()
}

/// # Errors
/// Exit code 2 for a configuration that can't work there, 3 where the store or the runtime API can't
/// be reached.
#[cfg(feature = "lambda")]
pub fn run(args: &LambdaArgs, global: &Global) -> Result<Exit, Failure> {
    use super::Setup;
    use super::local::{block_on, server_of};
    use crate::wiring::Builder;
    use crate::{lambda, logging};

    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err(Failure::usage(
            "lambda.environment",
            "AWS_LAMBDA_RUNTIME_API is not set: AWS Lambda or an emulator starts this command; `gna serve` is the same on a machine of your own",
        ));
    }
    let Setup { config, additions } = args.store.config(global)?;
    let unfit = lambda::unfit(&config);
    if !unfit.is_empty() {
        return Err(Failure::usage("lambda.config", unfit.join("\n")));
    }
    let traces = logging::start(&config.log, &config.telemetry)?;
    if let Some(owner) = server_of(&config)? {
        return Err(Failure::usage(
            "store.in_use",
            format!("process {} has this store open", owner.pid),
        ));
    }
    let exit = block_on(async {
        let instance = Builder::new(config).with(&additions).open().await?;
        tracing::info!(store = instance.ports.store.backend(), "ready");
        lambda::serve(instance).await?;
        Ok(Exit::Done)
    });
    traces.stop();
    exit
}

/// # Errors
/// Exit code 2: this build has no such thing.
#[cfg(not(feature = "lambda"))]
pub fn run(_: &LambdaArgs, _: &Global) -> Result<Exit, Failure> {
    Err(Failure::usage(
        "lambda.feature",
        "this build leaves out AWS Lambda; build it with the cargo feature `lambda`",
    ))
}
