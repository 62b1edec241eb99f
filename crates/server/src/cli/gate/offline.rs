//! The gate without a server: reports, perhaps a snapshot of what a server knows, nothing else.

use gna_domain::model::Level;
use gna_domain::port::Clock;
use gna_domain::rules::gate::{
    Basis, Counts, Item, Judged, Judgement, Limits, Snapshot, Terms, candidates, judge as judged,
    seal,
};
use gna_domain::rules::identity::{Keys, Options};
use gna_domain::time::Timestamp;
use std::path::Path;

use super::JudgeArgs;
use super::read::{Read, read};
use super::told::{Offender, SnapshotTold, Told, ending, why};
use crate::cli::{Failure, Global};
use crate::config::Overrides;
use crate::formats;
use crate::outside::SystemClock;

/// Largest snapshot that is read, in bytes.
const SNAPSHOT_BYTES: u64 = 512 << 20;

/// Reads, judges, and says what came of it.
///
/// # Errors
/// Exit code 2 for wrong use, 3 for a snapshot that can't be used.
pub fn judge(args: &JudgeArgs, global: &Global) -> Result<Told, Failure> {
    let config = global.load(Overrides::default())?;
    let registry =
        formats::registry(&config).map_err(|error| Failure::usage("format.invalid", error))?;
    let format = args.format_of_reports.as_deref();
    if let Some(name) = format
        && registry.by_name(name).is_none()
    {
        return Err(Failure::usage(
            "report.unknown_format",
            format!("there is no format {name:?}; `gna formats` lists them"),
        ));
    }
    let snapshot = snapshot(args)?;
    let policy = snapshot.as_ref().map(|snapshot| snapshot.limits);
    let policy = policy.unwrap_or_default();
    let asked = args.limits.limits();
    let terms = Limits::agreed(&policy, &asked, args.new_only)?;
    let own_base = !args.base.is_empty() && policy.allows_base();
    let base_ref = match terms.new_only && !own_base {
        true => Some(base_ref(args, &policy, snapshot.as_ref())?),
        false => None,
    };
    let options = Options {
        merge_code_across_tools: snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.merge_code_across_tools),
    };
    let mut read_all = read(&args.reports, format, options, &config, &registry);
    let base = (terms.new_only && own_base).then(|| {
        let base = read(&args.base, format, options, &config, &registry);
        read_all.unreadable.extend(base.unreadable);
        keys_of(&base.items)
    });
    let now = SystemClock.now();
    let basis = Basis {
        snapshot: snapshot.as_ref(),
        base: base.as_deref(),
        base_ref,
    };
    let all = candidates(&read_all.items, basis, now);
    let names_base = !args.base.is_empty() || args.base_ref.is_some();
    let not_compared = policy.not_compared(args.new_only, names_base);
    let mut told = told(read_all, &all, &terms, snapshot.as_ref(), &asked, now);
    told.notes
        .extend(not_compared.into_iter().map(str::to_owned));
    Ok(told)
}

fn keys_of(items: &[Item]) -> Vec<Keys> {
    items.iter().map(|item| item.keys.clone()).collect()
}

fn snapshot(args: &JudgeArgs) -> Result<Option<Snapshot>, Failure> {
    let Some(path) = &args.snapshot else {
        return Ok(None);
    };
    if args.snapshot_key.is_empty() {
        return Err(Failure::usage(
            "snapshot.key",
            "say whose snapshots you trust: --snapshot-key, or GNA_SNAPSHOT_KEY, with the public key that `gna gate snapshot` told",
        ));
    }
    let file = snapshot_file(path)?;
    let snapshot = seal::open(&file, &args.snapshot_key).map_err(|error| {
        Failure::unreadable(
            error.code(),
            format!("{}: {}", path.display(), error.message()),
        )
    })?;
    if let Some(asset) = &args.asset
        && *asset != snapshot.asset_name
    {
        return Err(Failure::unreadable(
            "snapshot.other_asset",
            format!(
                "{} is of the asset {:?}, not of {asset:?}",
                path.display(),
                snapshot.asset_name
            ),
        ));
    }
    Ok(Some(snapshot))
}

fn snapshot_file(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| {
        Failure::unreadable(
            "snapshot.unreadable",
            format!("{} can't be read: {error}", path.display()),
        )
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(unreadable)?
        .take(SNAPSHOT_BYTES)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

/// The snapshot's ref to compare with, where it is one.
fn base_ref(
    args: &JudgeArgs,
    policy: &Limits,
    snapshot: Option<&Snapshot>,
) -> Result<usize, Failure> {
    let Some(snapshot) = snapshot else {
        return Err(Failure::usage(
            "gate.no_base",
            "--new-only needs something to compare with: --base with the base's reports, or --snapshot",
        ));
    };
    let named = args.base_ref.as_ref().filter(|_| policy.allows_base());
    let name = named.unwrap_or(&snapshot.default_ref);
    snapshot.place_of(name).ok_or_else(|| {
        Failure::usage(
            "gate.no_base",
            format!("the snapshot knows no ref {name:?}"),
        )
    })
}

fn told(
    read: Read,
    all: &[Judged],
    terms: &Terms,
    snapshot: Option<&Snapshot>,
    asked: &Limits,
    now: Timestamp,
) -> Told {
    let mut counts = Counts::default();
    let mut breaking = Vec::new();
    for one in all {
        let judgement = judged(&one.candidate, terms, now);
        counts = counts.and(judgement);
        if judgement == Judgement::Breaks {
            breaking.extend(offender(&read, one, terms, now));
        }
    }
    breaking.sort_by(|a: &Offender, b| b.score.total_cmp(&a.score));
    let (verdict, exit) = ending(&counts, terms.strict, !read.unreadable.is_empty());
    Told {
        verdict,
        exit_code: exit as u8,
        basis: if snapshot.is_some() {
            "snapshot"
        } else {
            "report-only"
        }
        .to_owned(),
        terms: *terms,
        counts,
        breaking,
        notes: notes(terms, snapshot, asked),
        reports: read.reports,
        unreadable: read.unreadable,
        snapshot: snapshot.map(|snapshot| SnapshotTold {
            asset: snapshot.asset_name.clone(),
            made: snapshot.made.to_string(),
        }),
        runs: Vec::new(),
    }
}

/// What applies otherwise than one might think from the command line.
fn notes(terms: &Terms, snapshot: Option<&Snapshot>, asked: &Limits) -> Vec<String> {
    let mut notes = Vec::new();
    if snapshot.is_none() && (terms.grace_days != 0 || terms.debt_days != 0) {
        notes.push(
            "a report does not tell how old a vulnerability is: grace and debt do not apply without a snapshot"
                .to_owned(),
        );
    }
    notes.extend(super::told::overruled(asked, terms));
    notes
}

fn offender(read: &Read, one: &Judged, terms: &Terms, now: Timestamp) -> Option<Offender> {
    let shown = read.shown.get(one.item)?;
    let keys = &read.items.get(one.item)?.keys;
    let finding = &shown.finding;
    let weakness = &finding.weakness;
    let score = one.candidate.score;
    // Without a snapshot nothing is known of its age, with one what is unknown is new.
    let age_days = one
        .candidate
        .first_seen
        .map(|seen| now.days_since(seen).max(0));
    Some(Offender {
        id: one.id.map(|id| id.to_string()),
        title: weakness.title.clone(),
        rule: weakness.rule.clone(),
        tool: shown.tool.clone(),
        level: Level::from_score(score),
        score,
        location: finding.location.clone(),
        identifiers: weakness.identifiers.clone(),
        cwes: weakness.cwes.clone(),
        first_seen: one.candidate.first_seen.map(|seen| seen.to_string()),
        age_days,
        fingerprint: keys
            .keys
            .first()
            .map(gna_domain::rules::identity::Key::hex)
            .unwrap_or_default(),
        report: read
            .reports
            .get(shown.report)
            .map(|report| report.file.clone()),
        why: why(score, age_days, terms),
    })
}
