//! `gna group`: groups and the organizations that they are in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Need, Query, ServerArgs};
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out};

/// List and make groups, the places that reports go to
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna group list
  gna group create acme/shop --name 'Shop team'   makes the organization acme too if there is none")]
pub struct GroupArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List the groups that you may see
    List,
    /// Make a group, and its organization if there is none
    Create {
        /// Short names of a-z, 0-9 and -
        #[arg(value_name = "ORG/GROUP")]
        place: String,
        /// For people [default: the short name]
        #[arg(long)]
        name: Option<String>,
        #[arg(long, default_value = "")]
        description: String,
    },
}

/// # Errors
/// Exit code 2 for what is not allowed or there already, 3 where nobody answers.
pub fn run(args: &GroupArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let need = match args.what {
            What::List => Need::Read,
            What::Create { .. } => Need::Make,
        };
        let client = args.server.connect(config, need).await?;
        let ended = match &args.what {
            What::List => list(&client, out).await,
            What::Create {
                place,
                name,
                description,
            } => create(&client, place, name.as_deref(), description, out).await,
        };
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

/// Every item of a list, whatever its number of pages.
async fn items(client: &Client, path: &str, query: &Query) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = query.clone();
        query.push(("first", "500".to_owned()));
        query.extend(after.take().map(|after| ("after", after)));
        let mut page = client.get(path, &query).await?;
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            all.extend(items);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
}

async fn list(client: &Client, out: &mut Out) -> Result<(), Failure> {
    let organizations = items(client, "/api/v2/organizations", &Query::new()).await?;
    for organization in &organizations {
        let slug = organization["slug"].as_str().unwrap_or_default();
        let id = organization["id"].as_str().unwrap_or_default().to_owned();
        for mut group in items(client, "/api/v2/groups", &vec![("organization", id)]).await? {
            let place = format!("{slug}/{}", group["slug"].as_str().unwrap_or_default());
            if out.is_json() {
                group["place"] = place.into();
                out.json(&group)?;
            } else {
                let name = group["name"].as_str().unwrap_or_default();
                out.line(format_args!("{place}  {}", plain(name)))?;
            }
        }
    }
    if organizations.is_empty() && !out.is_json() {
        out.line("There are no groups yet; make one with `gna group create ORG/GROUP`.")?;
    }
    Ok(())
}

async fn create(
    client: &Client,
    place: &str,
    name: Option<&str>,
    description: &str,
    out: &mut Out,
) -> Result<(), Failure> {
    let Some((organization, slug)) = place.split_once('/') else {
        return Err(Failure::usage(
            "group.place",
            format!("{place:?} names no group; write ORGANIZATION/GROUP"),
        ));
    };
    let path = format!("/api/v2/organizations/{organization}");
    match client.get(&path, &Query::new()).await {
        Ok(_) => {}
        Err(failure) if failure.code == "not_found" => {
            let body = json!({"slug": organization, "name": organization});
            client.post("/api/v2/organizations", body).await?;
        }
        Err(failure) => return Err(failure),
    }
    let body = json!({
        "organization": organization,
        "slug": slug,
        "name": name.unwrap_or(slug),
        "description": description,
    });
    let mut group = client.post("/api/v2/groups", body).await?;
    if out.is_json() {
        group["place"] = place.into();
        return out.json(&group);
    }
    out.line(format_args!(
        "{place} is there; import into it with --group {place}"
    ))
}
