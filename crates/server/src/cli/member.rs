//! `gna member` and `gna invite`: who has which role where, as the operator at the machine.

use clap::{Args, Subcommand};
use gna_domain::Ctx;
use gna_domain::id::InvitationId;
use gna_domain::model::Email;
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::service::{invitation, member};
use serde_json::json;

use super::local::{StoreArgs, block_on, open};
use super::{Exit, Failure, Global, Out, place};
use crate::app;

/// See and change who has which role in an organization or group
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna member list acme
  gna member set acme/shop ann@example.com triager
  gna member remove acme ann@example.com

Roles: owner, member (of an organization); manager, triager, developer, reader (of a group).
The last owner can't be removed.")]
pub struct MemberArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List the members
    List {
        #[arg(value_name = "ORG[/GROUP]")]
        place: String,
    },
    /// Give someone a role, or change it
    Set {
        #[arg(value_name = "ORG[/GROUP]")]
        place: String,
        #[arg(value_name = "EMAIL")]
        email: String,
        #[arg(value_name = "ROLE")]
        role: Role,
    },
    /// Take someone's role away
    Remove {
        #[arg(value_name = "ORG[/GROUP]")]
        place: String,
        #[arg(value_name = "EMAIL")]
        email: String,
    },
}

/// # Errors
/// Exit code 2 for what is not there or not allowed, 3 where the store can't be opened.
pub fn run(args: &MemberArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(async {
        let instance = open(config).await?;
        let ctx = instance.operator();
        match &args.what {
            What::List { place } => list(&ctx, place, out).await?,
            What::Set { place, email, role } => {
                let scope = place::scope(&ctx, place).await?;
                let user = place::person(&ctx, email).await?;
                let held = member::set_role(&ctx, scope, user, *role).await?;
                if out.is_json() {
                    out.json(&json!({"place": place, "email": email, "role": held.role}))?;
                } else {
                    out.line(format_args!("{email} is {} in {place}", held.role.as_str()))?;
                }
            }
            What::Remove { place, email } => {
                let scope = place::scope(&ctx, place).await?;
                let user = place::person(&ctx, email).await?;
                member::remove(&ctx, scope, user).await?;
                if out.is_json() {
                    out.json(&json!({"place": place, "email": email, "role": null}))?;
                } else {
                    out.line(format_args!("{email} has no role in {place} any more"))?;
                }
            }
        }
        Ok(Exit::Done)
    })
}

async fn list(ctx: &Ctx, place: &str, out: &mut Out) -> Result<(), Failure> {
    let scope = place::scope(ctx, place).await?;
    let mut page = PageRequest::first(500);
    loop {
        let members = member::list(ctx, scope, page.clone()).await?;
        for member in &members.items {
            let (user, role) = (&member.user, member.membership.role);
            if out.is_json() {
                out.json(&json!({
                    "place": place, "user": user.id, "email": user.email, "name": user.name, "role": role,
                }))?;
            } else {
                out.line(format_args!(
                    "{:<10} {}  {}",
                    role.as_str(),
                    user.email.as_str(),
                    user.name
                ))?;
            }
        }
        match members.next {
            Some(next) => page.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Invite people into an organization or group
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna invite create acme member --email ann@example.com   prints the link to send her
  gna invite list acme
  gna invite revoke inv_01934a5b6c7d7e8f9a0b1c2d3e4f5061

A link works once and expires. Without --email whoever has the link may use it.")]
pub struct InviteArgs {
    #[command(subcommand)]
    what: Invite,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Subcommand, Debug)]
enum Invite {
    /// Make an invitation and print its link
    Create {
        #[arg(value_name = "ORG[/GROUP]")]
        place: String,
        #[arg(value_name = "ROLE")]
        role: Role,
        /// Only for this address
        #[arg(long)]
        email: Option<String>,
    },
    /// List open invitations
    List {
        #[arg(value_name = "ORG[/GROUP]")]
        place: String,
    },
    /// Take an invitation back
    Revoke {
        #[arg(value_name = "ID")]
        id: InvitationId,
    },
}

/// # Errors
/// As [`run`].
pub fn invite(args: &InviteArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(async {
        let instance = open(config).await?;
        let ctx = instance.operator();
        match &args.what {
            Invite::Create { place, role, email } => {
                let scope = place::scope(&ctx, place).await?;
                let email = email.as_deref().map(Email::new).transpose()?;
                let (secret, made) = invitation::create(&ctx, scope, *role, email).await?;
                let link = app::invitation_link(&instance.config.public_url(), &secret);
                if out.is_json() {
                    out.json(&json!({
                        "id": made.id, "role": made.role, "link": link, "expires": made.expires.to_string(),
                    }))?;
                } else {
                    out.line(format_args!(
                        "Send this link; it works once, until {}:\n  {link}",
                        made.expires
                    ))?;
                }
            }
            Invite::List { place } => {
                let scope = place::scope(&ctx, place).await?;
                let open = invitation::list(&ctx, scope, PageRequest::first(1_000)).await?;
                for invitation in &open.items {
                    let email = invitation.email.as_ref().map(Email::as_str);
                    if out.is_json() {
                        out.json(&json!({
                            "id": invitation.id, "role": invitation.role, "email": email,
                            "expires": invitation.expires.to_string(),
                        }))?;
                    } else {
                        out.line(format_args!(
                            "{}  {:<10} {}  until {}",
                            invitation.id,
                            invitation.role.as_str(),
                            email.unwrap_or("anyone"),
                            invitation.expires
                        ))?;
                    }
                }
            }
            Invite::Revoke { id } => {
                invitation::revoke(&ctx, *id).await?;
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
