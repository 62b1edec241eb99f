//! `gna deploy`: what to give to a cloud.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Need, ServerArgs};
use super::local::block_on;
use super::{Exit, Failure, Global, Out, functions, schedules};
use crate::deploy::{Listed, template};

/// Print what to deploy to a cloud
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna deploy template > gna.template.json             for the functions of the store at hand
  gna deploy template --store memory: > gna.template.json   for those of a new one
  aws cloudformation deploy --template-file gna.template.json --s3-bucket BUCKET --stack-name gna \\
      --capabilities CAPABILITY_IAM --parameter-overrides CodeBucket=... CodeKey=gna.zip StoreUrl=...

docs/FUNCTIONS.md tells what goes into the package.")]
pub struct DeployArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// A CloudFormation template with exactly the functions that `gna functions` lists
    Template,
}

/// # Errors
/// Exit code 2 for what is not allowed, 3 where nobody answers.
pub fn run(args: &DeployArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let What::Template = args.what;
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        let listed = async {
            let functions = functions::listed(&client).await?;
            Ok::<_, Failure>((functions, schedules::all(&client, None).await?))
        };
        let listed = listed.await;
        client.close().await;
        let (functions, schedules) = listed?;
        let functions: Vec<Listed> = functions
            .iter()
            .map(|function| function_of(function, &schedules))
            .collect();
        let template = template(&functions);
        if out.is_json() {
            out.json(&template)?;
        } else {
            out.line(serde_json::to_string_pretty(&template).unwrap_or_default())?;
        }
        Ok(Exit::Done)
    })
}

fn function_of(function: &Value, schedules: &[Value]) -> Listed {
    let text = |field: &str| function[field].as_str().unwrap_or_default().to_owned();
    let name = text("name");
    let timing = name.strip_prefix("schedule:").and_then(|name| {
        let found = schedules.iter().find(|schedule| schedule["name"] == name);
        found.cloned()
    });
    let routes = function["routes"].as_array();
    Listed {
        name,
        trigger: text("trigger"),
        routes: routes
            .map(|routes| {
                routes
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default(),
        timing: timing.unwrap_or_default(),
    }
}
