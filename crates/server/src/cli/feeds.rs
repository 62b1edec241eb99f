//! `gna feeds`: what the world knows of CVEs, from files or from where it is published.

use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::client::{Client, Need, Query, Sent, ServerArgs};
use super::local::block_on;
use super::output::plain;
use super::{Exit, Failure, Global, Out};

/// How often a job is looked at.
const GLANCE: Duration = Duration::from_millis(200);

/// Import feeds of threats (EPSS, KEV), which priorities rest on
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna feeds import epss epss_scores-current.csv.gz   from a file: works offline
  gna feeds import kev known_exploited_vulnerabilities.json
  gna feeds update                                   both, from where they are published
  gna feeds update epss --url https://mirror.example.com/epss.csv.gz
  gna feeds list")]
pub struct FeedsArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Feed {
    /// How likely exploitation is (FIRST)
    Epss,
    /// What is known to be exploited (CISA)
    Kev,
}

impl Feed {
    fn name(self) -> &'static str {
        match self {
            Self::Epss => "epss",
            Self::Kev => "kev",
        }
    }
}

#[derive(Subcommand, Debug)]
enum What {
    /// Take a feed from a file, plain or gzip
    Import {
        #[arg(value_enum)]
        feed: Feed,
        file: PathBuf,
    },
    /// Have feeds fetched
    Update {
        /// Which one [default: both]
        #[arg(value_enum)]
        feed: Option<Feed>,
        /// Address [default: where it is published]
        #[arg(long, value_name = "URL", requires = "feed")]
        url: Option<String>,
    },
    /// List what was last taken from each feed
    List,
}

/// # Errors
/// Exit code 2 for what is not allowed, 3 for a feed that can't be read or had.
pub fn run(args: &FeedsArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let need = match args.what {
            What::List => Need::Read,
            What::Import { .. } | What::Update { .. } => Need::Work,
        };
        let client = args.server.connect(config, need).await?;
        let ended = match &args.what {
            What::Import { feed, file } => import(&client, *feed, file, out).await,
            What::Update { feed, url } => {
                let feeds = feed.map_or(vec![Feed::Epss, Feed::Kev], |feed| vec![feed]);
                update(&client, &feeds, url.as_deref(), out).await
            }
            What::List => list(&client, out).await,
        };
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

async fn import(client: &Client, feed: Feed, file: &Path, out: &mut Out) -> Result<(), Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        Failure::unreadable(
            "feed.unreadable",
            format!("{} can't be read: {error}", file.display()),
        )
    })?;
    let name = file
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let query: Query = vec![("source", name)];
    let path = format!("/api/v2/feeds/{}", feed.name());
    let sent = Some(Sent::Bytes(bytes.into()));
    let answer = client.send(Method::POST, &path, &query, sent).await;
    let job = answer.map_err(unreadable)?.json().await?;
    follow(client, job).await?;
    settled(client).await?;
    tell(client, feed, out).await
}

/// A feed that was refused is input that can't be read.
fn unreadable(failure: Failure) -> Failure {
    match failure.code.as_str() {
        "feed.malformed" | "feed.empty" | "feed.too_large" => Failure {
            exit: Exit::Unreadable,
            ..failure
        },
        _ => failure,
    }
}

async fn update(
    client: &Client,
    feeds: &[Feed],
    url: Option<&str>,
    out: &mut Out,
) -> Result<(), Failure> {
    for feed in feeds {
        let path = format!("/api/v2/feeds/{}/updates", feed.name());
        let job = client.post(&path, json!({ "url": url })).await?;
        follow(client, job).await?;
        settled(client).await?;
        tell(client, *feed, out).await?;
    }
    Ok(())
}

/// Waits for the end of a job; one that has to be tried again is not waited for.
async fn follow(client: &Client, mut job: Value) -> Result<(), Failure> {
    let id = job["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/api/v2/jobs/{id}");
    loop {
        match job["state"].as_str() {
            Some("DONE") => return Ok(()),
            Some("WAITING" | "RUNNING") if job["attempts"].as_u64().unwrap_or(0) == 0 => {}
            _ => {
                let why = job["last_error"].as_str().unwrap_or("it was ended");
                return Err(Failure::unreadable(
                    "feed.failed",
                    format!(
                        "the feed was not taken over: {}; see `gna jobs show {id}`",
                        plain(why)
                    ),
                ));
            }
        }
        tokio::time::sleep(GLANCE).await;
        job = client.get(&path, &Query::new()).await?;
    }
}

/// Waits for what follows from a feed where nobody else would do it: in the store at hand, whose worker
/// ends with this command. A server goes on by itself.
async fn settled(client: &Client) -> Result<(), Failure> {
    if matches!(client, Client::Remote { .. }) {
        return Ok(());
    }
    let query: Query = vec![("queue", "ready".to_owned()), ("first", "500".to_owned())];
    loop {
        let page = client.get("/api/v2/jobs", &query).await?;
        let waits = page["items"]
            .as_array()
            .is_some_and(|jobs| jobs.iter().any(|job| job["kind"] == "priority.rescore"));
        if !waits {
            return Ok(());
        }
        tokio::time::sleep(GLANCE).await;
    }
}

async fn feeds(client: &Client) -> Result<Vec<Value>, Failure> {
    let mut page = client.get("/api/v2/feeds", &Query::new()).await?;
    Ok(match page["items"].take() {
        Value::Array(feeds) => feeds,
        _ => Vec::new(),
    })
}

async fn tell(client: &Client, feed: Feed, out: &mut Out) -> Result<(), Failure> {
    for told in feeds(client).await? {
        let is_it = told["kind"]
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case(feed.name()));
        if is_it {
            line(&told, out)?;
        }
    }
    Ok(())
}

async fn list(client: &Client, out: &mut Out) -> Result<(), Failure> {
    let feeds = feeds(client).await?;
    if feeds.is_empty() && !out.is_json() {
        return out.line("No feed was imported yet; `gna feeds update` fetches them.");
    }
    feeds.iter().try_for_each(|feed| line(feed, out))
}

fn line(feed: &Value, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(feed);
    }
    let text = |name: &str| plain(feed[name].as_str().unwrap_or_default());
    out.line(format_args!(
        "{:<5} of {}: {} CVEs, {} changed, from {}",
        text("kind"),
        text("as_of"),
        feed["entries"],
        feed["changed"],
        text("source"),
    ))
}
