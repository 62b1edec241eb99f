//! One result at a time: its rule, its places, its state, and the findings made of them.

use gna_domain::import::{ParsedFinding, Position, Refusal, Reported, Sink, Warning};
use gna_domain::model::Location as Place;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{Finding, Run};
use super::rules::Rules;
use super::{message, package, place, severity};
use crate::json::Item;
use crate::text;

/// What Semgrep writes for a fingerprint or a line to those who are not signed in.
const LOGIN: &str = "requires login";
/// Weaknesses whose snippet is a secret: hard-coded passwords, keys and credentials.
const SECRET_CWES: [u32; 3] = [259, 321, 798];
/// Tools that look for nothing but secrets.
const SECRET_TOOLS: [&str; 9] = [
    "gitleaks",
    "trufflehog",
    "ggshield",
    "gitguardian",
    "detect-secrets",
    "noseyparker",
    "kingfisher",
    "betterleaks",
    "secretlint",
];

pub struct Reader<'r, 's> {
    runs: Vec<RunState<'r>>,
    sink: &'s mut dyn Sink,
    items: u64,
}

struct RunState<'r> {
    run: &'r Run,
    rules: Rules<'r>,
    tool: Option<Arc<str>>,
    finds_secrets: bool,
}

impl<'r, 's> Reader<'r, 's> {
    pub fn new(runs: &'r [Run], sink: &'s mut dyn Sink) -> Self {
        let several = runs.len() > 1;
        let runs = runs
            .iter()
            .map(|run| {
                let name = run.tool.driver.name.trim();
                let lower = name.to_ascii_lowercase();
                RunState {
                    run,
                    rules: Rules::new(run),
                    tool: (several && !name.is_empty()).then(|| Arc::from(name)),
                    finds_secrets: SECRET_TOOLS.iter().any(|tool| lower.contains(tool)),
                }
            })
            .collect();
        Self {
            runs,
            sink,
            items: 0,
        }
    }

    /// Findings handed over plus results skipped.
    pub fn items(&self) -> u64 {
        self.items
    }

    pub fn read(&mut self, item: &Item<'_, '_>) -> Result<(), Refusal> {
        let result: Finding = match item.read() {
            Ok(result) => result,
            Err(warning) => {
                self.items += 1;
                self.sink.warning(warning);
                return Ok(());
            }
        };
        let Some(state) = self.runs.get_mut(item.index(0)) else {
            // The first sweep saw every run; only a log with `runs` twice comes here.
            self.items += 1;
            self.sink.warning(crate::json::skipped(
                item.position,
                "the run of this result could not be read",
            ));
            return Ok(());
        };
        let findings = state.findings(&result, item.position, self.sink);
        for finding in findings {
            self.items += 1;
            self.sink.finding(finding)?;
        }
        Ok(())
    }
}

impl RunState<'_> {
    fn findings(
        &mut self,
        result: &Finding,
        position: Position,
        sink: &mut dyn Sink,
    ) -> Vec<ParsedFinding> {
        let rule = self.rules.of(result);
        let message = message::text(&result.message, rule, self.run);
        let id = result
            .rule_id
            .as_deref()
            .or(result.rule.id.as_deref())
            .or(rule.map(|rule| rule.id.as_str()));
        let weakness = self.rules.weakness(
            id.unwrap_or_default().trim(),
            rule,
            result,
            message.as_deref(),
        );
        let judged = severity::judge(result, rule, self.rules.overridden(rule));
        if let Some(word) = &judged.unknown {
            sink.warning(Warning {
                code: "severity.unknown".to_owned(),
                message: format!(
                    "the level {:?} is none of the standard's; {} was taken",
                    text::cut(word, 60),
                    judged.level
                ),
                position,
                skipped: false,
            });
        }
        let advisory = !weakness.identifiers.is_empty();
        let package = package::package(result, rule, message.as_deref(), advisory);
        let bags = [Some(&result.properties), rule.map(|rule| &rule.properties)];
        let tags: Vec<String> = bags
            .into_iter()
            .flatten()
            .flat_map(|bag| &bag.tags)
            .take(50)
            .cloned()
            .collect();
        let secret = self.finds_secrets
            || weakness.cwes.iter().any(|cwe| SECRET_CWES.contains(cwe))
            || tags.iter().any(|tag| {
                matches!(
                    tag.to_ascii_lowercase().as_str(),
                    "secret" | "secrets" | "credentials"
                )
            });

        let located = result.locations.iter();
        let mut places =
            text::unique(located.filter_map(|location| place::place(location, self.run)));
        if places.is_empty() {
            let target = place::path(&result.analysis_target, self.run);
            places.push(target.map_or(Place::Asset, |path| {
                Place::Code(gna_domain::model::CodeLocation {
                    path,
                    ..Default::default()
                })
            }));
        }
        let state = reported(result);
        let mut findings = Vec::with_capacity(places.len());
        for (nth, place) in places.into_iter().enumerate() {
            let mut fingerprints = if nth == 0 {
                fingerprints(result)
            } else {
                Vec::new()
            };
            let mut location = match &package {
                Some(package) => in_package(package, &place),
                None => place,
            };
            if secret {
                fingerprints.extend(hide_secret(&mut location));
            }
            findings.push(ParsedFinding {
                weakness: Arc::clone(&weakness),
                location,
                severity: judged.level,
                severity_basis: judged.basis,
                message: message.clone().filter(|message| *message != weakness.title),
                fingerprints,
                tool: self.tool.clone(),
                tags: tags.clone(),
                reported: state.clone(),
                position,
            });
        }
        findings
    }
}

/// The package, found in the file that the place names.
fn in_package(package: &gna_domain::model::PackageLocation, place: &Place) -> Place {
    let mut package = package.clone();
    package.path = place.path().map(str::to_owned);
    package.line = place.line();
    Place::Package(package)
}

/// Takes the snippet away and leaves its digest, so that the secret is still told from others.
fn hide_secret(location: &mut Place) -> Option<(String, String)> {
    let Place::Code(code) = location else {
        return None;
    };
    let snippet = code.snippet.take()?;
    let snippet = snippet.trim();
    (!snippet.is_empty() && snippet != LOGIN).then(|| text::secret_fingerprint(snippet))
}

/// §3.27.9 (kind), §3.27.24 (baseline state), §3.27.23 and §3.35 (suppressions): a result is
/// suppressed when each suppression is accepted, which is what a missing status means.
fn reported(result: &Finding) -> Reported {
    let kind = result.kind.as_deref().unwrap_or_default();
    if matches!(kind, "pass" | "notApplicable") {
        return Reported::Absent {
            reason: format!("kind {kind}"),
        };
    }
    if result.baseline_state.as_deref() == Some("absent") {
        return Reported::Absent {
            reason: "baselineState absent".to_owned(),
        };
    }
    let accepted =
        |status: Option<&str>| status.is_none_or(|status| status.eq_ignore_ascii_case("accepted"));
    if result.suppressions.is_empty()
        || !result
            .suppressions
            .iter()
            .all(|one| accepted(one.status.as_deref()))
    {
        return Reported::Present;
    }
    let kind = result.suppressions.iter().find_map(|one| one.kind.clone());
    Reported::Suppressed {
        status: kind.unwrap_or_else(|| "accepted".to_owned()),
        justification: result
            .suppressions
            .iter()
            .find_map(|one| one.justification.clone()),
    }
}

/// §3.27.16 and §3.27.17: full fingerprints first, then partial ones. Left out are those that
/// change when lines move.
fn fingerprints(result: &Finding) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in result
        .fingerprints
        .iter()
        .chain(&result.partial_fingerprints)
    {
        if name.starts_with("primaryLocationStartColumn") {
            continue;
        }
        match value {
            serde_json::Value::Object(parts) => {
                let parts: BTreeMap<_, _> = parts.iter().collect();
                found.extend(
                    parts.into_iter().filter_map(|(part, value)| {
                        Some((format!("{name}/{part}"), scalar(value)?))
                    }),
                );
            }
            value => found.extend(scalar(value).map(|value| (name.clone(), value))),
        }
    }
    found
}

fn scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.trim())
            .filter(|text| !text.is_empty() && *text != LOGIN)
            .map(str::to_owned),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
