//! The gate with a server: it has the reports or takes them in, judges by what it knows, and keeps a
//! record. Read next: [`gna_domain::service::gate`].

use gna_domain::rules::gate::{Counts, Terms, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

use super::JudgeArgs;
use super::told::{Offender, ReportTold, Told, Unreadable, ending, overruled, why};
use crate::cli::client::{Client, Need, Query, ServerArgs};
use crate::cli::local::block_on;
use crate::cli::{Failure, Global, import, sending};

/// What the server answers to a run.
#[derive(Deserialize)]
struct Ran {
    id: String,
    verdict: Verdict,
    terms: Terms,
    counts: Counts,
    #[serde(default)]
    notes: Vec<String>,
    breaking: Vec<OffenderAnswer>,
}

#[derive(Deserialize)]
struct OffenderAnswer {
    id: String,
    age_days: i64,
    #[serde(flatten)]
    rest: Value,
}

/// Has the reports judged.
///
/// # Errors
/// Exit code 2 for wrong use, 3 where the server can't be reached.
pub fn judge(args: &JudgeArgs, server: &ServerArgs, global: &Global) -> Result<Told, Failure> {
    let config = server.config(global)?;
    let limit = config.import.max_upload_bytes;
    block_on(async {
        let client = server.connect(config, Need::Work).await?;
        let ended = all(args, &client, limit).await;
        client.close().await;
        ended
    })
}

async fn all(args: &JudgeArgs, client: &Client, limit: u64) -> Result<Told, Failure> {
    let mut reports = Vec::new();
    let mut unreadable = Vec::new();
    for given in &args.reports {
        match one(args, client, given, limit).await {
            Ok(report) => match refusal(given, &report) {
                Some(refused) => unreadable.push(refused),
                None => reports.push((given.clone(), report)),
            },
            Err(failure) if failure.code.starts_with("report.") => unreadable.push(Unreadable {
                file: given.clone(),
                code: failure.code,
                message: failure.message,
            }),
            Err(failure) => return Err(failure),
        }
    }
    // Reports of one asset and ref are one build: they are judged together.
    let mut builds: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (_, report) in &reports {
        let place = (text(report, "asset"), text(report, "ref"));
        builds.entry(place).or_default().push(text(report, "id"));
    }
    let mut runs = Vec::new();
    for build in builds.into_values() {
        runs.push(run(args, client, build).await?);
    }
    told(args, reports, unreadable, runs)
}

/// The report as it stands when its import has ended.
async fn one(args: &JudgeArgs, client: &Client, given: &str, limit: u64) -> Result<Value, Failure> {
    let is_id = given.starts_with("rep_") && !Path::new(given).exists();
    let report = if is_id {
        if !given.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Failure::usage(
                "gate.report",
                format!("{given:?} is neither a file nor the id of a report"),
            ));
        }
        client
            .get(&format!("/api/v2/reports/{given}"), &Query::new())
            .await?
    } else {
        let bytes = import::read(given, limit)?;
        let query = query(args, given)?;
        sending::report(client, &query, bytes).await?
    };
    import::follow(client, report, given).await
}

fn query(args: &JudgeArgs, file: &str) -> Result<Query, Failure> {
    let Some(asset) = &args.asset else {
        return Err(Failure::usage(
            "asset.required",
            "say of what the reports are, with --asset; or name a report that is there by its id",
        ));
    };
    let mut query = args.place.query();
    query.push(("asset", asset.clone()));
    query.push(("file_name", import::name_of(file)));
    query.push(("wait", import::WAIT_SECONDS.to_owned()));
    let optional = [
        ("ref", &args.r#ref),
        ("commit", &args.commit),
        ("format", &args.format_of_reports),
    ];
    query.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?))),
    );
    Ok(query)
}

async fn run(args: &JudgeArgs, client: &Client, build: Vec<String>) -> Result<Ran, Failure> {
    let limits = args.limits.limits();
    let (report, with) = build
        .split_last()
        .ok_or_else(|| Failure::usage("gate.report", "there is no report to judge"))?;
    let body = json!({
        "report": report,
        "with": with,
        "threshold": limits.threshold,
        "grace_days": limits.grace_days,
        "debt_days": limits.debt_days,
        "strict": limits.strict,
        "new_only": args.new_only,
        "base": args.base_ref,
    });
    let answer = client.post("/api/v2/gate", body).await?;
    serde_json::from_value(answer).map_err(|error| {
        Failure::unreadable(
            "server.answer",
            format!("the server's verdict can't be read ({error}); is it of another version?"),
        )
    })
}

fn text(report: &Value, field: &str) -> String {
    report[field].as_str().unwrap_or_default().to_owned()
}

fn refusal(file: &str, report: &Value) -> Option<Unreadable> {
    let status = text(report, "status");
    matches!(status.as_str(), "REFUSED" | "FAILED").then(|| Unreadable {
        file: file.to_owned(),
        code: text(&report["refusal"], "code"),
        message: text(&report["refusal"], "message"),
    })
}

fn told(
    args: &JudgeArgs,
    reports: Vec<(String, Value)>,
    unreadable: Vec<Unreadable>,
    runs: Vec<Ran>,
) -> Result<Told, Failure> {
    let asked = args.limits.limits();
    let terms = match runs.first() {
        Some(run) => run.terms,
        // Nothing could be judged: then nothing but the command line is known.
        None => gna_domain::rules::gate::Limits::agreed(
            &gna_domain::rules::gate::Limits::default(),
            &asked,
            args.new_only,
        )?,
    };
    // Builds of several groups can have several policies: one that is strict and broken decides.
    let strict = runs
        .iter()
        .any(|run| run.verdict == Verdict::Broken && run.terms.strict)
        || (runs.iter().all(|run| run.verdict == Verdict::Pass) && terms.strict);
    let terms = Terms { strict, ..terms };
    let counts = runs
        .iter()
        .fold(Counts::default(), |all, run| all.plus(run.counts));
    let mut breaking = Vec::new();
    let mut listed = Vec::new();
    let mut notes = overruled(&asked, &terms);
    for run in runs {
        for note in run.notes {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        for offender in run.breaking {
            breaking.push(offender_of(offender, &run.terms)?);
        }
        listed.push(run.id);
    }
    breaking.sort_by(|a: &Offender, b| b.score.total_cmp(&a.score));
    let (verdict, exit) = ending(&counts, terms.strict, !unreadable.is_empty());
    let shown = u64::try_from(breaking.len()).unwrap_or(u64::MAX);
    if shown < counts.breaking {
        notes.push(format!(
            "only the worst {shown} of {} are listed",
            counts.breaking
        ));
    }
    Ok(Told {
        verdict,
        exit_code: exit as u8,
        basis: "server".to_owned(),
        terms,
        counts,
        breaking,
        notes,
        reports: reports
            .into_iter()
            .map(|(file, report)| ReportTold {
                file,
                format: text(&report, "format"),
                tool: text(&report, "tool"),
                findings: report["progress"]["planned"].as_u64().unwrap_or(0),
                skipped: report["counts"]["skipped"]
                    .as_object()
                    .map(|skipped| skipped.values().filter_map(Value::as_u64).sum())
                    .unwrap_or_default(),
            })
            .collect(),
        unreadable,
        snapshot: None,
        runs: listed,
    })
}

fn offender_of(answer: OffenderAnswer, terms: &Terms) -> Result<Offender, Failure> {
    let mut value = answer.rest;
    value["id"] = answer.id.into();
    value["age_days"] = answer.age_days.into();
    value["why"] = why(
        value["score"].as_f64().unwrap_or_default(),
        Some(answer.age_days),
        terms,
    )
    .into();
    serde_json::from_value(value).map_err(|error| {
        Failure::unreadable(
            "server.answer",
            format!("the server's verdict can't be read ({error}); is it of another version?"),
        )
    })
}
