//! `gna export`: all vulnerabilities that a filter chooses, as a file.

use axum::http::Method;
use clap::{Args, ValueEnum};
use futures::StreamExt;
use indicatif::ProgressBar;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::client::{Answer, Need, ServerArgs};
use super::filter::FilterArgs;
use super::local::block_on;
use super::output::is_watched;
use super::{Exit, Failure, Global, Out};

/// Export vulnerabilities as JSON lines, CSV, a workbook, a page, SARIF or VEX
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna export > all.jsonl                                   one JSON object per line
  gna export --format csv --state open -o open.csv
  gna export --format sarif --group acme/shop -o shop.sarif
  gna export --format html --group acme/shop -o shop.html               a summary with charts
  gna export --format openvex --group acme/shop -o shop.openvex.json    what was decided

A file is written whole or not at all.")]
pub struct ExportArgs {
    /// How it is written
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    /// The file; standard output without it
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Jsonl,
    Csv,
    /// A workbook
    Xlsx,
    /// A page with a summary and charts, to be printed
    Html,
    Sarif,
    /// OpenVEX: what was decided
    Openvex,
    /// CycloneDX with the analysis of each vulnerability
    Cyclonedx,
    /// CSAF, profile VEX
    Csaf,
}

/// # Errors
/// Exit code 2 for a wrong filter, 3 where the store, the server or the file can't be had.
pub fn run(args: &ExportArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.server.config(global)?;
    block_on(async {
        let client = args.server.connect(config, Need::Read).await?;
        client.settle().await?;
        let mut query = args.filter.query();
        let format = match args.format {
            Form::Jsonl => "jsonl",
            Form::Csv => "csv",
            Form::Xlsx => "xlsx",
            Form::Html => "html",
            Form::Sarif => "sarif",
            Form::Openvex => "openvex",
            Form::Cyclonedx => "cyclonedx",
            Form::Csaf => "csaf",
        };
        query.push(("format", format.to_owned()));
        let answer = client
            .send(Method::GET, "/api/v2/vulnerabilities/export", &query, None)
            .await?;
        let ended = match &args.output {
            Some(path) => to_file(answer, path, out).await,
            None => to_output(answer, out).await,
        };
        client.close().await;
        ended.map(|()| Exit::Done)
    })
}

async fn to_output(mut answer: Answer, out: &mut Out) -> Result<(), Failure> {
    while let Some(part) = answer.body.next().await {
        out.bytes(&part?)?;
    }
    out.flush()
}

async fn to_file(mut answer: Answer, path: &Path, out: &mut Out) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::unreadable(
            "export.file",
            format!("{} can't be written ({error})", path.display()),
        )
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    let bar = is_watched().then(ProgressBar::new_spinner);
    let mut bytes = 0_u64;
    while let Some(part) = answer.body.next().await {
        let part = part?;
        file.write_all(&part).map_err(failed)?;
        bytes += u64::try_from(part.len()).unwrap_or(0);
        if let Some(bar) = &bar {
            bar.set_message(format!("{bytes} bytes"));
            bar.tick();
        }
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if out.is_json() {
        return out.json(&serde_json::json!({"file": path, "bytes": bytes}));
    }
    out.line(format_args!("wrote {} ({bytes} bytes)", path.display()))
}
