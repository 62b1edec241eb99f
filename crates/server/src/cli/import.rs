//! `gna import`: reports into Gna, by a server or directly into the store at hand.

use clap::Args;
use gna_domain::Ctx;
use gna_domain::id::ReportId;
use gna_domain::model::{AssetKind, Report, ReportStatus};
use gna_domain::service::report::{self, UploadReport};
use gna_domain::time::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::local::{StoreArgs, block_on, open};
use super::output::{is_watched, plain};
use super::{Exit, Failure, Global, Out, place};
use crate::config::Config;

/// How long the progress display waits for the next commit.
const GLANCE: Duration = Duration::from_millis(500);

/// Import scanner reports
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna import --group acme/shop --asset shop-api trivy.json semgrep.sarif
  gna import --group acme/shop --asset shop-api --ref feature-x --partial changed.sarif
  trivy image -f json app | gna import --group acme/shop --asset app -

Each file is imported; one that is refused is told with its reason, and the exit code is 3.")]
pub struct ImportArgs {
    /// Reports, plain, gzip or zip; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Group that they belong to
    #[arg(long, value_name = "ORG/GROUP")]
    group: String,
    /// What was scanned; made if the group has nothing of that name
    #[arg(long, value_name = "NAME")]
    asset: String,
    /// What kind of thing it is, if it has to be made: repository, image, host, url, cloud-account, package, other
    #[arg(long, value_name = "KIND", value_parser = asset_kind)]
    asset_kind: Option<AssetKind>,
    /// Branch, tag or version that was scanned [default: the asset's default]
    #[arg(long = "ref", value_name = "NAME")]
    r#ref: Option<String>,
    /// Commit that was scanned
    #[arg(long, value_name = "ID")]
    commit: Option<String>,
    /// Read them as this format instead of detecting it; `gna formats` lists the names
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// When the scan ran, such as 2026-01-31T09:30:00Z [default: as the report says, or now]
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    scanned_at: Option<Timestamp>,
    /// The reports show only a part: close nothing that they leave out
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// By its name in the API, in any case.
fn asset_kind(text: &str) -> Result<AssetKind, String> {
    let upper = text.trim().to_ascii_uppercase().replace('-', "_");
    serde_json::from_value(Value::String(upper)).map_err(|error| error.to_string())
}

/// # Errors
/// Exit code 2 for a wrong group or setting, 3 where the store or server can't be reached.
pub fn run(args: &ImportArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = args.store.config(global)?;
    block_on(local(args, config, out))
}

async fn local(args: &ImportArgs, config: Config, out: &mut Out) -> Result<Exit, Failure> {
    let limit = config.import.max_upload_bytes;
    let instance = open(config).await?;
    let ctx = instance.operator();
    let group = place::group(&ctx, &args.group).await?;
    let running = instance.start().await?;
    let mut worst = Exit::Done;
    let mut failed = None;
    for file in &args.files {
        let bytes = match read(file, limit) {
            Ok(bytes) => bytes,
            Err(failure) => {
                worst = worst.max(failure.exit);
                tell_failure(file, &failure, out)?;
                continue;
            }
        };
        let upload = UploadReport {
            asset: args.asset.clone(),
            asset_kind: args.asset_kind,
            r#ref: args.r#ref.clone(),
            file_name: file_name(file),
            format: args.format.clone(),
            category: None,
            commit: args.commit.clone(),
            scanned_at: args.scanned_at,
            partial: args.partial,
        };
        match one(&ctx, group.id, upload, bytes.into()).await {
            Ok(report) => worst = worst.max(tell(file, &report, out)?),
            Err(failure) if failure.code.starts_with("report.") => {
                worst = worst.max(Exit::Unreadable);
                tell_failure(file, &failure, out)?;
            }
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    running.stop().await;
    failed.map_or(Ok(worst), Err)
}

fn file_name(file: &str) -> String {
    if file == "-" {
        return "stdin".to_owned();
    }
    let name = Path::new(file).file_name();
    name.map_or_else(
        || file.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The bytes, no more than may be uploaded.
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

/// Uploads and waits for the end.
async fn one(
    ctx: &Ctx,
    group: gna_domain::id::GroupId,
    upload: UploadReport,
    bytes: bytes::Bytes,
) -> Result<Report, Failure> {
    let name = upload.file_name.clone();
    let queued = report::upload(ctx, group, upload, bytes).await?;
    watch(ctx, queued.id, &name).await
}

/// Waits for the end of the import; a person is shown how far it is.
async fn watch(ctx: &Ctx, id: ReportId, name: &str) -> Result<Report, Failure> {
    let bar = is_watched().then(|| progress_bar(name));
    loop {
        let report = report::wait(ctx, id, GLANCE).await?;
        if let Some(bar) = &bar {
            bar.set_length(report.progress.planned);
            bar.set_position(report.progress.applied);
        }
        if report.status.is_final() {
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
            return Ok(report.value);
        }
    }
}

pub(super) fn progress_bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {per_sec}") {
        bar.set_style(style);
    }
    bar.set_message(plain(name));
    bar
}

pub(super) fn tell_failure(file: &str, failure: &Failure, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        let error = json!({"code": failure.code, "message": failure.message});
        return out.json(&json!({"file": file, "error": error}));
    }
    out.flush()?;
    eprintln!("{file}: {}", failure.message);
    Ok(())
}

fn tell(file: &str, report: &Report, out: &mut Out) -> Result<Exit, Failure> {
    let exit = match report.status {
        ReportStatus::Complete => Exit::Done,
        _ => Exit::Unreadable,
    };
    if out.is_json() {
        let counts = &report.counts;
        let mut view = json!({
            "file": file,
            "report": report.id,
            "asset": report.asset,
            "status": report.status,
            "format": report.format,
            "tool": report.tool,
            "counts": counts,
            "warnings": report.warnings,
        });
        if let (Some(refusal), Some(fields)) = (&report.refusal, view.as_object_mut()) {
            fields.insert("error".to_owned(), json!(refusal));
        }
        out.json(&view)?;
        return Ok(exit);
    }
    match &report.refusal {
        Some(refusal) => {
            out.flush()?;
            eprintln!("{file}: {}", plain(&refusal.to_string()));
        }
        None => out.line(summary(file, report))?,
    }
    Ok(exit)
}

/// One line with all counts that are not zero.
fn summary(file: &str, report: &Report) -> String {
    let counts = &report.counts;
    let parts = [
        (counts.created, "new"),
        (counts.reopened, "reopened"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.duplicates, "said twice"),
        (counts.suppressed, "suppressed"),
        (counts.skipped_total(), "skipped"),
        (counts.closed, "closed"),
        (report.warnings, "warnings"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let told = if told.is_empty() {
        "nothing found".to_owned()
    } else {
        told.join(", ")
    };
    format!(
        "{file}: {}: {told}",
        plain(report.tool.as_deref().unwrap_or("unknown tool"))
    )
}
