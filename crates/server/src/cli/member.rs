//! `gna member` and `gna invite`: who has which role where, as the operator at the machine.

use clap::{Args, Subcommand};
use gna_domain::id::InvitationId;
use gna_domain::policy::Role;
use serde_json::{Value, json};

use super::client::{Client, Need, operator};
use super::local::{StoreArgs, block_on};
use super::output::plain;
use super::place::{self, Place};
use super::{Exit, Failure, Global, Out};

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
/// Exit code 2 for what is not there or not allowed, 3 where nobody answers or the store can't be
/// opened.
pub fn run(args: &MemberArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(async {
        let client = operator(config, Need::Read).await?;
        match &args.what {
            What::List { place } => list(&client, place, out).await?,
            What::Set { place, email, role } => {
                let mut input = held(&client, place, email).await?;
                input["role"] = role.as_str().into();
                let query = "mutation($input: SetRoleInput!) { setRole(input: $input) { role } }";
                let held = client.ask(query, json!({ "input": input })).await?;
                if out.is_json() {
                    out.json(&json!({"place": place, "email": email, "role": held["role"]}))?;
                } else {
                    let role = held["role"].as_str().unwrap_or_default();
                    out.line(format_args!("{email} is {role} in {place}"))?;
                }
            }
            What::Remove { place, email } => {
                let input = held(&client, place, email).await?;
                let query =
                    "mutation($input: RemoveMemberInput!) { removeMember(input: $input) { done } }";
                client.ask(query, json!({ "input": input })).await?;
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

/// The ids of a place and a person.
async fn held(client: &Client, place: &str, email: &str) -> Result<Value, Failure> {
    let place = Place::new(place).id(client).await?;
    let user = place::person(client, email, "").await?;
    Ok(json!({ "place": place, "user": user["id"] }))
}

async fn list(client: &Client, place: &str, out: &mut Out) -> Result<(), Failure> {
    let node = "role user { id email name }";
    for member in Place::new(place).list(client, "members", node).await? {
        let (user, role) = (&member["user"], &member["role"]);
        if out.is_json() {
            out.json(&json!({
                "place": place, "user": user["id"], "email": user["email"], "name": user["name"], "role": role,
            }))?;
        } else {
            let text = |field: &str| plain(user[field].as_str().unwrap_or_default());
            out.line(format_args!(
                "{:<10} {}  {}",
                role.as_str().unwrap_or_default(),
                text("email"),
                text("name")
            ))?;
        }
    }
    Ok(())
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
        let client = operator(config, Need::Read).await?;
        match &args.what {
            Invite::Create { place, role, email } => {
                let input = json!({
                    "place": Place::new(place).id(&client).await?,
                    "role": role.as_str(),
                    "email": email,
                });
                let query = "mutation($input: InviteInput!) {
                    invite(input: $input) { invitation { id role expires } link } }";
                let made = client.ask(query, json!({ "input": input })).await?;
                let invitation = &made["invitation"];
                if out.is_json() {
                    out.json(&json!({
                        "id": invitation["id"], "role": invitation["role"], "link": made["link"],
                        "expires": invitation["expires"],
                    }))?;
                } else {
                    out.line(format_args!(
                        "Send this link; it works once, until {}:\n  {}",
                        invitation["expires"].as_str().unwrap_or_default(),
                        made["link"].as_str().unwrap_or_default()
                    ))?;
                }
            }
            Invite::List { place } => {
                let node = "id role email expires";
                for invitation in Place::new(place).list(&client, "invitations", node).await? {
                    if out.is_json() {
                        out.json(&invitation)?;
                    } else {
                        let text = |field: &str| invitation[field].as_str().unwrap_or_default();
                        let email = invitation["email"].as_str().unwrap_or("anyone");
                        out.line(format_args!(
                            "{}  {:<10} {email}  until {}",
                            text("id"),
                            text("role"),
                            text("expires")
                        ))?;
                    }
                }
            }
            Invite::Revoke { id } => {
                let query = "mutation($id: ID!) { revokeInvitation(id: $id) { done } }";
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
