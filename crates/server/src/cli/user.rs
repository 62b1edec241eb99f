//! `gna user`: accounts, as the operator at the machine.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Need, operator};
use super::local::{StoreArgs, block_on};
use super::output::plain;
use super::{Exit, Failure, Global, Out, place};

/// Manage people's accounts
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna user list
  gna user create ann@example.com --name 'Ann Lee'   prints a link by which Ann sets her password
  gna user reset-link ann@example.com                when she forgot it
  gna user unlock ann@example.com                    when she mistyped it too often and would have to wait
  gna user disable ann@example.com                   locks her out at once
  gna user delete ann@example.com                    for good; what she did stays under her id

Goes through the server that has the store, where one runs; written into the audit log as
local-operator either way.")]
pub struct UserArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List all accounts
    List,
    /// Make an account, and a one-time link to set its password
    Create {
        #[arg(value_name = "EMAIL")]
        email: String,
        /// The person's name [default: the part before the @]
        #[arg(long)]
        name: Option<String>,
    },
    /// Make a one-time link to set a new password
    ResetLink {
        #[arg(value_name = "EMAIL")]
        email: String,
    },
    /// Lock someone out: sessions and tokens stop working at once
    Disable {
        #[arg(value_name = "EMAIL")]
        email: String,
    },
    /// Forget someone's failed sign-ins, so that they need not wait before they try again
    Unlock {
        #[arg(value_name = "EMAIL")]
        email: String,
    },
    /// Delete someone for good: sign-in, sessions, tokens and roles go, with name and address
    Delete {
        #[arg(value_name = "EMAIL")]
        email: String,
    },
    /// Let someone in again
    Enable {
        #[arg(value_name = "EMAIL")]
        email: String,
    },
}

/// # Errors
/// Exit code 2 for what is not there or not allowed, 3 where nobody answers or the store can't be
/// opened.
pub fn run(args: &UserArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(async {
        let client = operator(config, Need::Read).await?;
        let person = async |email: &str| place::person(&client, email, "").await;
        match &args.what {
            What::List => {
                let query = format!(
                    "query($first: Int, $after: String) {{ users(first: $first, after: $after) {{
                       edges {{ node {{ {FIELDS} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
                );
                for user in client.nodes(&query, "", json!({})).await? {
                    show(user, None, out)?;
                }
            }
            What::Create { email, name } => {
                let before_at = email.split('@').next().unwrap_or(email);
                let name = name.as_deref().unwrap_or(before_at);
                let query = format!(
                    "mutation($input: CreateUserInput!) {{ createUser(input: $input) {{ user {{ {FIELDS} }} link }} }}"
                );
                let input = json!({ "input": { "email": email, "name": name } });
                let mut made = client.ask(&query, input).await?;
                show(made["user"].take(), made["link"].as_str(), out)?;
            }
            What::ResetLink { email } => {
                let user = person(email).await?;
                let query = format!(
                    "mutation($user: ID!) {{ createPasswordLink(user: $user) {{ user {{ {FIELDS} }} link }} }}"
                );
                let mut made = client.ask(&query, json!({ "user": user["id"] })).await?;
                show(made["user"].take(), made["link"].as_str(), out)?;
            }
            What::Disable { email } => {
                let user = person(email).await?;
                show(change(&client, "disableUser", &user).await?, None, out)?;
            }
            What::Unlock { email } => {
                let user = person(email).await?;
                show(change(&client, "unlockUser", &user).await?, None, out)?;
            }
            What::Delete { email } => {
                let user = person(email).await?;
                let query = "mutation($user: ID!) { deleteUser(user: $user) { done } }";
                client.ask(query, json!({ "user": user["id"] })).await?;
                if out.is_json() {
                    out.json(&json!({"deleted": user["id"], "email": email}))?;
                } else {
                    out.line(format_args!("{email} is deleted"))?;
                }
            }
            What::Enable { email } => {
                let user = person(email).await?;
                show(change(&client, "enableUser", &user).await?, None, out)?;
            }
        }
        Ok(Exit::Done)
    })
}

/// What is shown of an account.
const FIELDS: &str = "id email name created disabled";

async fn change(client: &Client, verb: &str, user: &Value) -> Result<Value, Failure> {
    let query = format!("mutation($user: ID!) {{ {verb}(user: $user) {{ user {{ {FIELDS} }} }} }}");
    let mut changed = client.ask(&query, json!({ "user": user["id"] })).await?;
    Ok(changed["user"].take())
}

fn show(mut user: Value, link: Option<&str>, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        if let Some(link) = link {
            user["link"] = link.into();
        }
        return out.json(&user);
    }
    let text = |field: &str| plain(user[field].as_str().unwrap_or_default());
    let disabled = if user["disabled"].is_null() {
        ""
    } else {
        "  disabled"
    };
    out.line(format_args!(
        "{}  {}  {}{disabled}",
        text("id"),
        text("email"),
        text("name")
    ))?;
    if let Some(link) = link {
        out.line(format_args!(
            "Give them this link; it works once, for setting the password:\n  {link}"
        ))?;
    }
    Ok(())
}
