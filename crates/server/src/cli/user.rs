//! `gna user`: accounts, as the operator at the machine.

use clap::{Args, Subcommand};
use gna_domain::model::User;
use gna_domain::page::PageRequest;
use gna_domain::service::user;
use serde_json::{Value, json};

use super::local::{StoreArgs, block_on, open};
use super::{Exit, Failure, Global, Out, place};
use crate::app;

/// Manage people's accounts
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna user list
  gna user create ann@example.com --name 'Ann Lee'   prints a link by which Ann sets her password
  gna user reset-link ann@example.com                when she forgot it
  gna user disable ann@example.com                   locks her out at once

Done on the store itself, and written into the audit log as local-operator.")]
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
    /// Let someone in again
    Enable {
        #[arg(value_name = "EMAIL")]
        email: String,
    },
}

/// # Errors
/// Exit code 2 for what is not there or not allowed, 3 where the store can't be opened.
pub fn run(args: &UserArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(async {
        let instance = open(config).await?;
        let ctx = instance.operator();
        let url = instance.config.public_url();
        match &args.what {
            What::List => {
                let mut page = PageRequest::first(500);
                loop {
                    let users = user::list(&ctx, page.clone()).await?;
                    for user in &users.items {
                        show(user, None, out)?;
                    }
                    match users.next {
                        Some(next) => page.after = Some(next),
                        None => break,
                    }
                }
            }
            What::Create { email, name } => {
                let before_at = email.split('@').next().unwrap_or(email);
                let name = name.as_deref().unwrap_or(before_at);
                let (user, secret) = user::create(&ctx, email, name).await?;
                show(&user, Some(app::password_link(&url, &secret)), out)?;
            }
            What::ResetLink { email } => {
                let id = place::person(&ctx, email).await?;
                let secret = user::reset_link(&ctx, id).await?;
                let user = user::get(&ctx, id).await?;
                show(&user, Some(app::password_link(&url, &secret)), out)?;
            }
            What::Disable { email } => {
                let id = place::person(&ctx, email).await?;
                show(&user::disable(&ctx, id).await?, None, out)?;
            }
            What::Enable { email } => {
                let id = place::person(&ctx, email).await?;
                show(&user::enable(&ctx, id).await?, None, out)?;
            }
        }
        Ok(Exit::Done)
    })
}

fn view(user: &User, link: Option<&str>) -> Value {
    let mut view = json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "created": user.created.to_string(),
        "disabled": user.disabled.map(|at| at.to_string()),
    });
    if let (Some(link), Some(fields)) = (link, view.as_object_mut()) {
        fields.insert("link".to_owned(), link.into());
    }
    view
}

fn show(user: &User, link: Option<String>, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(&view(user, link.as_deref()));
    }
    let disabled = if user.is_disabled() { "  disabled" } else { "" };
    out.line(format_args!(
        "{}  {}  {}{disabled}",
        user.id,
        user.email.as_str(),
        user.name
    ))?;
    if let Some(link) = link {
        out.line(format_args!(
            "Give them this link; it works once, for setting the password:\n  {link}"
        ))?;
    }
    Ok(())
}
