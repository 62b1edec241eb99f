//! `gna token`: API tokens, as the operator at the machine.

use clap::{ArgGroup, Args, Subcommand};
use gna_domain::Ctx;
use gna_domain::id::TokenId;
use gna_domain::model::ApiToken;
use gna_domain::policy::Role;
use gna_domain::rules::credential::preset;
use gna_domain::service::token::{self, NewToken};
use serde_json::json;

use super::local::{StoreArgs, block_on, open};
use super::{Exit, Failure, Global, Out, place};

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
/// Exit code 2 for what is not there or not allowed, 3 where the store can't be opened.
pub fn run(args: &TokenArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(async {
        let instance = open(config).await?;
        let ctx = instance.operator();
        match &args.what {
            What::List { whose } => {
                for token in list(&ctx, whose).await? {
                    show(&token, None, out)?;
                }
            }
            What::Create {
                whose,
                name,
                role,
                days,
                scopes,
            } => {
                let input = NewToken {
                    name: name.clone(),
                    scopes: expand(scopes),
                    expires: ctx.now().plus_days(i64::from(*days)),
                };
                let (secret, token) = create(&ctx, whose, *role, input).await?;
                show(&token, Some(secret.expose()), out)?;
            }
            What::Revoke { id } => {
                token::revoke(&ctx, *id).await?;
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

/// Actions by name, with the presets (`upload`, `read`, `all`) spelled out; all where none is said.
pub(super) fn expand(scopes: &[String]) -> Vec<String> {
    let all = ["all".to_owned()];
    let scopes = if scopes.is_empty() { &all } else { scopes };
    scopes
        .iter()
        .flat_map(|scope| preset(scope).unwrap_or_else(|| vec![scope.clone()]))
        .collect()
}

async fn list(ctx: &Ctx, whose: &Whose) -> Result<Vec<ApiToken>, Failure> {
    match (&whose.user, &whose.group) {
        (Some(email), _) => {
            let owner = place::person(ctx, email).await?;
            Ok(token::list_of_user(ctx, owner).await?)
        }
        (None, Some(slugs)) => {
            let group = place::group(ctx, slugs).await?;
            Ok(token::list_of_group(ctx, group.id).await?)
        }
        (None, None) => Err(nobody()),
    }
}

async fn create(
    ctx: &Ctx,
    whose: &Whose,
    role: Role,
    input: NewToken,
) -> Result<(gna_domain::secret::Secret, ApiToken), Failure> {
    match (&whose.user, &whose.group) {
        (Some(email), _) => {
            let owner = place::person(ctx, email).await?;
            Ok(token::create_for(ctx, owner, input).await?)
        }
        (None, Some(slugs)) => {
            let group = place::group(ctx, slugs).await?;
            Ok(token::create_for_group(ctx, group.id, role, input).await?)
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

fn show(token: &ApiToken, secret: Option<&str>, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        let mut view = json!({
            "id": token.id,
            "name": token.name,
            "start": token.start,
            "role": token.role,
            "scopes": token.scopes,
            "created": token.created.to_string(),
            "expires": token.expires.to_string(),
            "used": token.used.map(|at| at.to_string()),
        });
        if let (Some(secret), Some(fields)) = (secret, view.as_object_mut()) {
            fields.insert("token".to_owned(), secret.into());
        }
        return out.json(&view);
    }
    let used = token
        .used
        .map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
    out.line(format_args!(
        "{}  {}…  {}  expires {}  {used}",
        token.id, token.start, token.name, token.expires
    ))?;
    if let Some(secret) = secret {
        out.line(format_args!("The token, shown this once:\n  {secret}"))?;
    }
    Ok(())
}
