//! `gna token`: API tokens, as the operator at the machine.

use clap::{ArgGroup, Args, Subcommand};
use gna_domain::id::TokenId;
use gna_domain::policy::Role;
use gna_domain::port::Clock;
use gna_domain::rules::credential::preset;
use serde_json::{Value, json};

use super::client::{Client, Need, operator};
use super::local::{StoreArgs, block_on};
use super::output::plain;
use super::{Exit, Failure, Global, Out, place};
use crate::outside::SystemClock;

/// Manage API tokens
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna token create --group acme/shop --role ci --name pipeline     for uploads by a pipeline
  gna token create --user ann@example.com --name laptop --days 30
  gna token list --group acme/shop
  gna token revoke tok_01934a5b6c7d7e8f9a0b1c2d3e4f5061

The token is shown once. Without --scope it may do all that its role (or owner) may.")]
pub struct TokenArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("whose").required(true).args(["user", "group"])))]
struct Whose {
    /// Of the person with this address
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Of this group
    #[arg(long, value_name = "ORG/GROUP")]
    group: Option<String>,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List the tokens of a person or a group
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Make a token
    Create {
        #[command(flatten)]
        whose: Whose,
        /// What it is for
        #[arg(long)]
        name: String,
        /// With --group: its role there
        #[arg(long, default_value = "ci")]
        role: Role,
        /// Days until it expires
        #[arg(long, default_value_t = 90)]
        days: u16,
        /// Only this: upload, read, all, or an action such as report.upload; may be repeated
        #[arg(long = "scope", value_name = "ACTION")]
        scopes: Vec<String>,
    },
    /// End a token at once
    Revoke {
        #[arg(value_name = "ID")]
        id: TokenId,
    },
}

/// # Errors
/// Exit code 2 for what is not there or not allowed, 3 where nobody answers or the store can't be
/// opened.
pub fn run(args: &TokenArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(async {
        let client = operator(config, Need::Read).await?;
        match &args.what {
            What::List { whose } => {
                for token in list(&client, whose).await? {
                    show(token, None, out)?;
                }
            }
            What::Create {
                whose,
                name,
                role,
                days,
                scopes,
            } => {
                let input = json!({
                    "name": name,
                    "scopes": expand(scopes),
                    "expires": SystemClock.now().plus_days(i64::from(*days)).to_string(),
                });
                let mut made = create(&client, whose, *role, input).await?;
                show(made["token"].take(), made["secret"].as_str(), out)?;
            }
            What::Revoke { id } => {
                let query = "mutation($id: ID!) { revokeToken(id: $id) { done } }";
                client.ask(query, json!({ "id": id })).await?;
                if out.is_json() {
                    out.json(&json!({"revoked": id}))?;
                } else {
                    out.line(format_args!("{id} is revoked"))?;
                }
            }
        }
        Ok(Exit::Done)
    })
}

/// What is shown of a token.
const FIELDS: &str = "id name start role scopes created expires used";

/// Actions by name, with the presets (`upload`, `read`, `all`) spelled out; all where none is said.
pub(super) fn expand(scopes: &[String]) -> Vec<String> {
    let all = ["all".to_owned()];
    let scopes = if scopes.is_empty() { &all } else { scopes };
    scopes
        .iter()
        .flat_map(|scope| preset(scope).unwrap_or_else(|| vec![scope.clone()]))
        .collect()
}

async fn list(client: &Client, whose: &Whose) -> Result<Vec<Value>, Failure> {
    let fields = format!("tokens {{ {FIELDS} }}");
    let mut holder = match (&whose.user, &whose.group) {
        (Some(email), _) => place::person(client, email, &fields).await?,
        (None, Some(slugs)) => place::group(client, slugs, &fields).await?,
        (None, None) => return Err(nobody()),
    };
    match holder["tokens"].take() {
        Value::Array(tokens) => Ok(tokens),
        _ => Ok(Vec::new()),
    }
}

async fn create(
    client: &Client,
    whose: &Whose,
    role: Role,
    mut input: Value,
) -> Result<Value, Failure> {
    let answer = format!("{{ token {{ {FIELDS} }} secret }}");
    match (&whose.user, &whose.group) {
        (Some(email), _) => {
            let owner = place::person(client, email, "").await?;
            let query = format!(
                "mutation($user: ID!, $input: CreateTokenInput!) {{
                   createTokenFor(user: $user, input: $input) {answer} }}"
            );
            let variables = json!({ "user": owner["id"], "input": input });
            client.ask(&query, variables).await
        }
        (None, Some(slugs)) => {
            input["group"] = place::group(client, slugs, "").await?["id"].take();
            input["role"] = role.as_str().into();
            let query = format!(
                "mutation($input: CreateGroupTokenInput!) {{
                   createGroupToken(input: $input) {answer} }}"
            );
            client.ask(&query, json!({ "input": input })).await
        }
        (None, None) => Err(nobody()),
    }
}

fn nobody() -> Failure {
    Failure::usage(
        "token.holder",
        "say whose token: --user EMAIL or --group ORG/GROUP",
    )
}

fn show(mut token: Value, secret: Option<&str>, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        if let Some(secret) = secret {
            token["token"] = secret.into();
        }
        return out.json(&token);
    }
    let text = |field: &str| plain(token[field].as_str().unwrap_or_default());
    let used = match token["used"].as_str() {
        Some(at) => format!("used {at}"),
        None => "never used".to_owned(),
    };
    out.line(format_args!(
        "{}  {}…  {}  expires {}  {used}",
        text("id"),
        text("start"),
        text("name"),
        text("expires")
    ))?;
    if let Some(secret) = secret {
        out.line(format_args!("The token, shown this once:\n  {secret}"))?;
    }
    Ok(())
}
