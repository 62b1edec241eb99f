//! `gna import`: reports into Gna, by a server or directly into the store at hand.

use clap::Args;
use gna_domain::import::Category;
use gna_domain::model::AssetKind;
use gna_domain::time::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::client::{Client, Need, PlaceArgs, Query, ServerArgs};
use super::local::block_on;
use super::output::{is_watched, plain};
use super::{Exit, Failure, Global, Out, sending};

/// How long the first answer may wait for the end of the import, in seconds: most end in that.
pub(super) const WAIT_SECONDS: &str = "2";
/// How often a longer import is looked at.
const GLANCE: Duration = Duration::from_millis(500);

/// Import scanner reports
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna import --group acme/shop --asset shop-api trivy.json semgrep.sarif
  gna import --group acme/shop --asset shop-api --ref feature-x --partial changed.sarif
  trivy image -f json app | gna import --group acme/shop --asset app -
  GNA_SERVER=https://gna.example.com GNA_TOKEN=gna_… gna import --asset shop-api trivy.json

Without a server the reports go into the store in ./gna-data (or --data, --store).
Each file is imported; one that is refused is told with its reason, and the exit code is 3.")]
pub struct ImportArgs {
    /// Reports, plain, gzip or zip; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// What was scanned; made if the group has nothing of that name
    #[arg(long, value_name = "NAME")]
    asset: String,
    /// If it has to be made: repository, image, host, url, cloud-account, package, other
    #[arg(long, value_name = "KIND", value_parser = word::<AssetKind>)]
    asset_kind: Option<String>,
    /// Branch, tag or version that was scanned [default: the asset's default]
    #[arg(long = "ref", value_name = "NAME")]
    r#ref: Option<String>,
    /// Commit that was scanned
    #[arg(long, value_name = "ID")]
    commit: Option<String>,
    /// Read them as this format instead of detecting it; `gna formats` lists the names
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Kind of scan, where the report does not say: sast, sca, container, secret, iac, dast, network, cloud, other
    #[arg(long, value_name = "KIND", value_parser = word::<Category>)]
    category: Option<String>,
    /// When the scan ran, such as 2026-01-31T09:30:00Z [default: as the report says, or now]
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    scanned_at: Option<Timestamp>,
    /// The reports show only a part: close nothing that they leave out
    #[arg(long)]
    partial: bool,
    /// The asset's environment that was scanned, by name: close nothing that lies elsewhere
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Do not wait for the end of the import (with a server)
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A word of a closed list in the API's spelling.
fn word<T: DeserializeOwned>(text: &str) -> Result<String, String> {
    let word = text.trim().to_ascii_uppercase().replace('-', "_");
    serde_json::from_value::<T>(Value::String(word.clone()))
        .map(|_| word)
        .map_err(|error| error.to_string())
}

/// # Errors
/// Exit code 2 for a wrong group or setting, 3 where the store or server can't be reached.
pub fn run(args: &ImportArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    let limit = config.import.max_upload_bytes;
    block_on(async {
        let client = args.server.connect(config, Need::Work).await?;
        let ended = all(args, &client, limit, out).await;
        client.close().await;
        ended
    })
}

async fn all(
    args: &ImportArgs,
    client: &Client,
    limit: u64,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let mut worst = Exit::Done;
    for file in &args.files {
        let ended = match read(file, limit) {
            Ok(bytes) => one(args, client, file, bytes).await,
            Err(failure) => Err(failure),
        };
        worst = worst.max(match ended {
            Ok(report) => tell(file, &report, out)?,
            // About this file alone; whatever else is wrong is wrong for all of them.
            Err(failure) if failure.code.starts_with("report.") => {
                tell_failure(file, &failure, out)?;
                Exit::Unreadable
            }
            Err(failure) => return Err(failure),
        });
    }
    Ok(worst)
}

/// The bytes, no more than may be uploaded.
///
/// # Errors
/// Exit code 3 with `report.unreadable` or `report.too_large`.
pub(super) fn read(file: &str, limit: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::unreadable(
            "report.unreadable",
            format!("{file:?} can't be read ({error}); check the path and that you may read it"),
        )
    };
    let source: Box<dyn Read> = if file == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::unreadable(
            "report.too_large",
            format!(
                "{file:?} is larger than {limit} bytes; compress it with gzip, split it, or raise import.max_upload_bytes"
            ),
        ));
    }
    Ok(bytes)
}

/// The name under which a file is uploaded.
pub(super) fn name_of(file: &str) -> String {
    match file {
        "-" => "stdin".to_owned(),
        file => Path::new(file).file_name().map_or_else(
            || file.to_owned(),
            |name| name.to_string_lossy().into_owned(),
        ),
    }
}

fn query(args: &ImportArgs, file: &str) -> Query {
    let mut query = args.place.query();
    let optional = [
        ("asset_kind", args.asset_kind.clone()),
        ("ref", args.r#ref.clone()),
        ("commit", args.commit.clone()),
        ("format", args.format.clone()),
        ("category", args.category.clone()),
        ("scanned_at", args.scanned_at.map(|at| at.to_string())),
        ("environment", args.environment.clone()),
        ("partial", args.partial.then(|| "true".to_owned())),
        ("wait", (!args.no_wait).then(|| WAIT_SECONDS.to_owned())),
    ];
    query.push(("asset", args.asset.clone()));
    query.push(("file_name", name_of(file)));
    query.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    query
}

/// Uploads and waits for the end.
async fn one(
    args: &ImportArgs,
    client: &Client,
    file: &str,
    bytes: Vec<u8>,
) -> Result<Value, Failure> {
    let report = sending::report(client, &query(args, file), bytes).await?;
    // The store at hand is given up with this process: there the end is always waited for.
    if args.no_wait && matches!(client, Client::Remote { .. }) {
        return Ok(report);
    }
    follow(client, report, file).await
}

/// Waits for the end of an import; a person is shown how far it is.
///
/// # Errors
/// Exit code 3 where nobody answers any more.
pub(super) async fn follow(
    client: &Client,
    mut report: Value,
    file: &str,
) -> Result<Value, Failure> {
    let id = report["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/api/v2/reports/{id}");
    let bar = is_watched().then(|| progress_bar(file));
    while matches!(report["status"].as_str(), Some("QUEUED" | "RUNNING")) {
        if let Some(bar) = &bar {
            bar.set_length(report["progress"]["planned"].as_u64().unwrap_or(0));
            bar.set_position(report["progress"]["applied"].as_u64().unwrap_or(0));
        }
        tokio::time::sleep(GLANCE).await;
        report = client.get(&path, &Query::new()).await?;
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(report)
}

fn progress_bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {per_sec}") {
        bar.set_style(style);
    }
    bar.set_message(plain(name));
    bar
}

fn tell_failure(file: &str, failure: &Failure, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        let error = json!({"code": failure.code, "message": failure.message});
        return out.json(&json!({"file": file, "error": error}));
    }
    out.flush()?;
    eprintln!("{file}: {}", failure.message);
    Ok(())
}

/// What is said of a report in JSON, by its name here and in the API.
const TOLD: [(&str, &str); 9] = [
    ("report", "id"),
    ("group", "group"),
    ("asset", "asset"),
    ("ref", "ref"),
    ("status", "status"),
    ("format", "format"),
    ("tool", "tool"),
    ("counts", "counts"),
    ("warnings", "warnings"),
];

fn tell(file: &str, report: &Value, out: &mut Out) -> Result<Exit, Failure> {
    let exit = match report["status"].as_str() {
        Some("REFUSED" | "FAILED") => Exit::Unreadable,
        _ => Exit::Done,
    };
    let refusal = &report["refusal"];
    if out.is_json() {
        let mut view = serde_json::Map::new();
        view.insert("file".to_owned(), file.into());
        for (name, field) in TOLD {
            view.insert(name.to_owned(), report[field].clone());
        }
        if !refusal.is_null() {
            view.insert("error".to_owned(), refusal.clone());
        }
        out.json(&view)?;
    } else if refusal.is_null() {
        out.line(summary(file, report))?;
    } else {
        out.flush()?;
        eprintln!("{file}: {}", plain(&refused(refusal)));
    }
    Ok(exit)
}

fn refused(refusal: &Value) -> String {
    let message = refusal["message"].as_str().unwrap_or("refused");
    let format = refusal["format"]
        .as_str()
        .map(|format| format!("{format}: "));
    let position = &refusal["position"];
    let place = match (&position["line"], &position["byte"]) {
        (Value::Number(line), _) => format!(" (line {line})"),
        (_, Value::Number(byte)) => format!(" (byte {byte})"),
        _ => String::new(),
    };
    format!("{}{message}{place}", format.unwrap_or_default())
}

/// One line with all counts that are not zero.
fn summary(file: &str, report: &Value) -> String {
    if report["status"] != "COMPLETE" {
        return format!(
            "{file}: taken in as {}; the import goes on",
            report["id"].as_str().unwrap_or_default()
        );
    }
    let counts = &report["counts"];
    let skipped = counts["skipped"]
        .as_object()
        .map(|skipped| skipped.values().filter_map(Value::as_u64).sum());
    let parts: [(Option<u64>, &str); 9] = [
        (counts["created"].as_u64(), "new"),
        (counts["reopened"].as_u64(), "reopened"),
        (counts["updated"].as_u64(), "updated"),
        (counts["unchanged"].as_u64(), "unchanged"),
        (counts["duplicates"].as_u64(), "said twice"),
        (counts["suppressed"].as_u64(), "suppressed"),
        (skipped, "skipped"),
        (counts["closed"].as_u64(), "closed"),
        (report["warnings"].as_u64(), "warnings"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter_map(|(count, what)| Some(((*count)?, what)))
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let told = if told.is_empty() {
        "nothing found".to_owned()
    } else {
        told.join(", ")
    };
    let tool = report["tool"].as_str().unwrap_or("unknown tool");
    format!("{file}: {}: {told}", plain(tool))
}
