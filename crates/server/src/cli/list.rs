//! `gna list`: vulnerabilities, filtered and sorted.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::client::{Client, Need, Query, ServerArgs};
use super::filter::FilterArgs;
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out};

/// Vulnerabilities asked for at once.
const PAGE: usize = 500;

/// List vulnerabilities
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna list                                         the 50 most severe that are known
  gna list --group acme/shop --state open --level critical,high
  gna list --cve CVE-2021-44228 --json | jq -r .asset.name
  gna list --package 'log4j*' --limit 1000

With --json each vulnerability is one line. For all of them, use `gna export`.")]
pub struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// What comes first
    #[arg(long, value_enum, default_value_t = SortBy::Severity)]
    sort: SortBy,
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortBy {
    /// The most severe
    Severity,
    /// What to look at first
    Priority,
    /// The newest
    Created,
    /// Those seen last
    LastSeen,
}

/// # Errors
/// Exit code 2 for a wrong filter, 3 where the store or server can't be reached.
pub fn run(args: &ListArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        client.settle().await?;
        let ended = pages(args, &client, out).await;
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

async fn pages(args: &ListArgs, client: &Client, out: &mut Out) -> Result<(), Failure> {
    let sort = match args.sort {
        SortBy::Severity => "-severity",
        SortBy::Priority => "-priority",
        SortBy::Created => "-created",
        SortBy::LastSeen => "-last_seen",
    };
    let mut left = args.limit;
    let mut after: Option<String> = None;
    let mut total = Value::Null;
    while left > 0 {
        let mut query: Query = args.filter.query();
        query.push(("sort", sort.to_owned()));
        query.push(("first", left.min(PAGE).to_string()));
        match &after {
            Some(after) => query.push(("after", after.clone())),
            None => query.push(("count", "true".to_owned())),
        }
        let page = client.get("/api/v2/vulnerabilities", &query).await?;
        if after.is_none() {
            total = page["total"].clone();
        }
        let items = page["items"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for item in items {
            if out.is_json() {
                out.json(item)?;
            } else {
                out.line(line(item))?;
            }
        }
        left = left.saturating_sub(items.len());
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() || items.is_empty() {
            break;
        }
    }
    if !out.is_json() {
        out.line(footer(&total, args.limit - left))?;
    }
    Ok(())
}

fn footer(total: &Value, shown: usize) -> String {
    let count = total["value"].as_u64().unwrap_or_default();
    let at_least = if total["relation"] == "at_least" {
        "more than "
    } else {
        ""
    };
    let hint = if u64::try_from(shown).unwrap_or(u64::MAX) < count {
        "; --limit shows more, `gna export` all"
    } else {
        ""
    };
    format!("{shown} of {at_least}{count}{hint}")
}

/// Level, state, what, where.
fn line(item: &Value) -> String {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let location = &item["location"];
    let first = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| location[*name].as_str())
            .map(plain)
            .unwrap_or_default()
    };
    let place = match location["kind"].as_str() {
        Some("package") => {
            let version = first(&["version"]);
            format!("{} {version}", first(&["name"]))
                .trim_end()
                .to_owned()
        }
        Some("code") => match location["line"].as_u64() {
            Some(line) => format!("{}:{line}", first(&["path"])),
            None => first(&["path"]),
        },
        _ => first(&["url", "host", "resource"]),
    };
    let identifier = item["identifiers"][0]
        .as_str()
        .map(|name| format!("{} ", plain(name)));
    format!(
        "{:<8} {:<9} {}{}  {place}  [{}]",
        text(&item["severity"]["level"]),
        text(&item["state"]),
        identifier.unwrap_or_default(),
        text(&item["finding"]["name"]),
        text(&item["asset"]["name"]),
    )
}
