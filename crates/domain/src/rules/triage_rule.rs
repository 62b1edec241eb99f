//! What triage rules decide about a vulnerability: pure decisions with their refusals.
//!
//! Rules are asked in their order, those of the organization before those of the group. Of what one
//! vulnerability can only have once (a treatment or a suppression, an assignee, a severity) the first
//! rule whose condition holds decides, and only where no person has: a rule never takes back what
//! somebody said. Tags add up. Each version of a rule decides on a vulnerability once, so that what a
//! person changes afterwards stays changed.

use serde_json::json;

use super::condition::{Condition, Facts, Kind, LIST_LIMIT, Vocabulary};
use super::decide::Decision;
use super::desk::{self, Command, own_severity};
use super::lifecycle::apply_all;
use super::policy::MAX_DAYS;
use super::treatment;
use super::weakness_acceptance::{granted, is_about};
use crate::error::{Error, Result};
use crate::model::{
    AppliedRule, Asset, AssetKind, Criticality, FalsePositive, FalsePositiveStatus, Location, Note,
    Policy, RuleActions, RuleTreatment, State, Treatment, TriageRule, Vulnerability,
    VulnerabilityEvent, WeaknessAcceptance, display_name, normal_tags,
};
use crate::time::Timestamp;

/// What conditions of triage rules may speak of. Texts that there are none of are empty; of lists the
/// first [`LIST_LIMIT`] elements are seen.
pub const VOCABULARY: Vocabulary = Vocabulary(&[
    ("vulnerability.score", Kind::Number),
    ("vulnerability.level", Kind::Text),
    ("vulnerability.state", Kind::Text),
    ("vulnerability.age_days", Kind::Whole),
    ("vulnerability.identifiers", Kind::Texts),
    ("vulnerability.cwes", Kind::Wholes),
    ("vulnerability.tools", Kind::Texts),
    ("vulnerability.rules", Kind::Texts),
    ("vulnerability.tags", Kind::Texts),
    ("vulnerability.on_default_ref", Kind::Flag),
    ("vulnerability.suppressed_by_tool", Kind::Flag),
    ("vulnerability.treatment", Kind::Text),
    ("vulnerability.assigned", Kind::Flag),
    ("vulnerability.location", Kind::Text),
    ("vulnerability.path", Kind::Text),
    ("vulnerability.package", Kind::Text),
    ("vulnerability.package_version", Kind::Text),
    ("vulnerability.fixed_version", Kind::Text),
    ("vulnerability.purl", Kind::Text),
    ("vulnerability.place", Kind::Text),
    ("asset.name", Kind::Text),
    ("asset.kind", Kind::Text),
    ("asset.criticality", Kind::Text),
    ("asset.internet_facing", Kind::Flag),
    ("asset.tags", Kind::Texts),
]);

/// Where a rule decides.
#[derive(Clone, Debug)]
enum When {
    Condition(Condition),
    /// Where a weakness is that an organization bears; it says itself what is decided.
    Weakness(Box<WeaknessAcceptance>),
}

/// A rule that can be asked.
#[derive(Clone, Debug)]
pub struct Ready {
    pub rule: TriageRule,
    when: When,
    /// Whether its assignee may still be made responsible.
    pub may_assign: bool,
}

impl Ready {
    /// # Errors
    /// Those of [`Condition::compile`].
    pub fn new(rule: TriageRule) -> Result<Self> {
        Ok(Self {
            when: When::Condition(Condition::compile(&rule.condition, VOCABULARY)?),
            may_assign: true,
            rule,
        })
    }

    /// A weakness acceptance, to be asked like a rule.
    #[must_use]
    pub fn of_acceptance(acceptance: WeaknessAcceptance) -> Self {
        let submitted = &acceptance.submitted;
        let rule = TriageRule {
            id: acceptance.id,
            name: format!("acceptance of {}", acceptance.weakness),
            condition: String::new(),
            actions: RuleActions::default(),
            reason: submitted.reason.clone().unwrap_or_default(),
            enabled: true,
            version: acceptance.version,
            changed: submitted.at,
            by: submitted.by.clone(),
        };
        Self {
            rule,
            when: When::Weakness(Box::new(acceptance)),
            may_assign: true,
        }
    }

    /// # Errors
    /// Those of [`Condition::holds`].
    fn holds(&self, facts: &Facts, value: &Vulnerability, asset: &Asset) -> Result<bool> {
        match &self.when {
            When::Condition(condition) => condition.holds(facts),
            When::Weakness(acceptance) => Ok(is_about(acceptance, value, asset)),
        }
    }
}

/// What one rule did.
#[derive(Clone, Debug, PartialEq)]
pub enum Did {
    /// Its condition does not hold, or this version decided before.
    Nothing,
    /// Its condition could not be evaluated on this vulnerability.
    Failed,
    /// Its condition holds.
    Matched {
        changed: bool,
        /// Codes.
        refused: Vec<String>,
    },
}

/// What all rules come to, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ran {
    pub events: Vec<VulnerabilityEvent>,
    pub did: Vec<Did>,
}

/// Checks what a rule is to be, and gives it its normal form.
///
/// # Errors
/// Those of [`Condition::compile`], `rule.name`, `rule.reason`, `rule.actions`, `rule.days`, `severity.*`,
/// and those of tags.
pub fn check(rule: TriageRule) -> Result<TriageRule> {
    let name = display_name(&rule.name).map_err(|_| {
        Error::invalid("rule.name", "a rule has a name of 1 to 200 characters").on_field("name")
    })?;
    let reason = rule.reason.trim();
    if reason.is_empty() || reason.len() > treatment::REASON_LIMIT {
        return Err(Error::invalid(
            "rule.reason",
            "say why, in at most 2,000 bytes; it is kept in the history of what the rule decides",
        )
        .on_field("reason"));
    }
    let actions = &rule.actions;
    if actions.is_empty() {
        return Err(Error::invalid(
            "rule.actions",
            "say what the rule does: a treatment, tags, an assignee, a severity, or suppress",
        )
        .on_field("actions"));
    }
    if actions.suppress && actions.treatment.is_some() {
        return Err(Error::invalid(
            "rule.actions",
            "a false positive needs no treatment; choose one of them",
        )
        .on_field("actions"));
    }
    match actions.treatment {
        Some(RuleTreatment::InProgress) if actions.assignee.is_none() => {
            return Err(Error::invalid(
                "rule.actions",
                "say who works on it, or choose another treatment",
            )
            .on_field("actions.assignee"));
        }
        Some(RuleTreatment::Accept { days }) if days == 0 || days > MAX_DAYS => {
            return Err(Error::invalid(
                "rule.days",
                format!("a risk is accepted for 1 to {MAX_DAYS} days"),
            )
            .on_field("actions.treatment"));
        }
        _ => {}
    }
    if let Some(rating) = &actions.severity {
        own_severity(rating)?;
    }
    Condition::compile(&rule.condition, VOCABULARY)?;
    let tags = normal_tags(&actions.tags)?;
    Ok(TriageRule {
        name,
        reason: reason.to_owned(),
        condition: rule.condition.trim().to_owned(),
        actions: RuleActions {
            tags,
            ..rule.actions
        },
        ..rule
    })
}

/// What the rules decide about it now.
#[must_use]
pub fn run(
    rules: &[Ready],
    current: &Vulnerability,
    asset: &Asset,
    policy: &Policy,
    now: Timestamp,
) -> Ran {
    let nothing = || Ran {
        events: Vec::new(),
        did: vec![Did::Nothing; rules.len()],
    };
    let is_open = matches!(current.state, State::Open | State::Submitted);
    if rules.is_empty() || !is_open || current.merged_into.is_some() {
        return nothing();
    }
    // Lists are cut to what conditions take.
    let Ok(facts) = Facts::new(&facts(current, asset, now)) else {
        return nothing();
    };
    let mut ran = Ran::default();
    let mut value = current.clone();
    let mut taken = Taken::by_people(current);
    for ready in rules {
        let applied = AppliedRule {
            rule: ready.rule.id,
            version: ready.rule.version,
        };
        let did = if !ready.rule.enabled || current.rules.contains(&applied) {
            Did::Nothing
        } else {
            match ready.holds(&facts, current, asset) {
                Ok(false) => Did::Nothing,
                Err(_) => Did::Failed,
                Ok(true) => {
                    let (events, refused) = apply(ready, &value, &mut taken, asset, policy, now);
                    let changed = !events.is_empty();
                    if changed || !refused.is_empty() {
                        value = apply_all(&value, &events, now);
                        ran.events.extend(events);
                        ran.events.push(VulnerabilityEvent::RuleApplied {
                            rule: applied.rule,
                            version: applied.version,
                            name: ready.rule.name.clone(),
                            refused: refused.clone(),
                        });
                    }
                    Did::Matched { changed, refused }
                }
            }
        };
        ran.did.push(did);
    }
    ran
}

/// What is decided already: by people, or by a rule before.
struct Taken {
    treatment: bool,
    assignee: bool,
    severity: bool,
}

impl Taken {
    fn by_people(current: &Vulnerability) -> Self {
        let triage = &current.triage;
        Self {
            treatment: triage.treatment != Treatment::Untreated
                || triage.acceptance_request.is_some()
                || triage.false_positive.is_some(),
            assignee: triage.assignee.is_some(),
            severity: triage.severity.is_some(),
        }
    }
}

fn apply(
    ready: &Ready,
    current: &Vulnerability,
    taken: &mut Taken,
    asset: &Asset,
    policy: &Policy,
    now: Timestamp,
) -> (Vec<VulnerabilityEvent>, Vec<String>) {
    let rule = &ready.rule;
    let note = Note {
        by: format!("rule:{}@{}", rule.id, rule.version),
        person: None,
        at: now,
        reason: Some(rule.reason.clone()),
    };
    let mut events = Vec::new();
    let mut refused = Vec::new();
    let mut value = current.clone();
    let mut take =
        |decided: Result<Vec<VulnerabilityEvent>>, value: &mut Vulnerability| match decided {
            Ok(more) => {
                *value = apply_all(value, &more, now);
                events.extend(more);
            }
            Err(error) => refused.push(error.code().to_owned()),
        };
    let desk = |value: &Vulnerability, command: &Command| {
        desk::decide(value, command, policy, asset.default_ref, &note)
    };
    if let When::Weakness(acceptance) = &ready.when {
        if !taken.treatment {
            taken.treatment = true;
            take(granted(acceptance, current, policy, &note), &mut value);
        }
        return (events, refused);
    }
    let actions = &rule.actions;
    if let Some(user) = actions.assignee.filter(|_| !taken.assignee) {
        taken.assignee = true;
        let decided = if ready.may_assign {
            desk(&value, &Command::Assign(Some(user)))
        } else {
            Err(Error::invalid("assignee.unknown", "may not work on it"))
        };
        take(decided, &mut value);
    }
    if let Some(rating) = actions.severity.as_ref().filter(|_| !taken.severity) {
        taken.severity = true;
        let decided = desk(&value, &Command::Rate(Some(rating.clone())));
        take(decided, &mut value);
    }
    if !taken.treatment && (actions.suppress || actions.treatment.is_some()) {
        taken.treatment = true;
        let decided = match actions.treatment {
            Some(RuleTreatment::InProgress) => {
                desk(&value, &Command::Treatment(treatment::Command::Start))
            }
            Some(RuleTreatment::Accept { days }) => {
                let until = now.plus_days(i64::from(days));
                desk(
                    &value,
                    &Command::Treatment(treatment::Command::Accept { until }),
                )
            }
            Some(RuleTreatment::RequestPermanentAcceptance) => {
                desk(&value, &Command::Treatment(treatment::Command::Request))
            }
            None => Ok(vec![VulnerabilityEvent::FalsePositiveChanged {
                false_positive: Some(FalsePositive {
                    status: FalsePositiveStatus::Confirmed,
                    requested: note.clone(),
                    decided: Some(note.clone()),
                    origin: None,
                }),
            }]),
        };
        take(decided, &mut value);
    }
    if !actions.tags.is_empty() {
        let tag = Decision::Tag {
            add: actions.tags.clone(),
            remove: Vec::new(),
        };
        let decided = desk(&value, &Command::State(tag));
        take(decided, &mut value);
    }
    (events, refused)
}

/// A vulnerability as conditions see it.
fn facts(value: &Vulnerability, asset: &Asset, now: Timestamp) -> serde_json::Value {
    fn some<T: Ord>(list: impl Iterator<Item = T>) -> Vec<T> {
        let mut list: Vec<T> = list.collect();
        list.sort_unstable();
        list.dedup();
        list.truncate(LIST_LIMIT);
        list
    }
    let package = value.location.package();
    let of_package = |field: fn(&crate::model::PackageLocation) -> Option<&String>| {
        package.and_then(field).cloned().unwrap_or_default()
    };
    let place = match &value.location {
        Location::Endpoint(endpoint) => endpoint.url.clone(),
        Location::Network(network) => network.host.clone(),
        Location::Cloud(cloud) => cloud.resource.clone(),
        Location::Code(_) | Location::Package(_) | Location::Asset => String::new(),
    };
    let sources = &value.sources;
    json!({
        "vulnerability": {
            "score": value.severity.score,
            "level": value.severity.level.as_str(),
            "state": value.state.as_str(),
            "age_days": (now.millis() - value.created.millis()).div_euclid(crate::time::DAY_MS),
            "identifiers": some(value.identifiers.iter()),
            "cwes": some(value.cwes.iter()),
            "tools": some(sources.iter().map(|source| &source.tool)),
            "rules": some(sources.iter().map(|source| &source.rule)),
            "tags": some(value.tags.iter()),
            "on_default_ref": value.on_default_ref,
            "suppressed_by_tool": value.is_suppressed(),
            "treatment": value.triage.treatment.as_str(),
            "assigned": value.triage.assignee.is_some(),
            "location": value.location.kind(),
            "path": value.location.path().unwrap_or_default(),
            "package": package.map(|package| package.name.as_str()).unwrap_or_default(),
            "package_version": of_package(|package| package.version.as_ref()),
            "fixed_version": of_package(|package| package.fixed_version.as_ref()),
            "purl": of_package(|package| package.purl.as_ref()),
            "place": place,
        },
        "asset": {
            "name": asset.name,
            "kind": kind_of(asset.kind),
            "criticality": match asset.criticality {
                Criticality::Low => "LOW",
                Criticality::Medium => "MEDIUM",
                Criticality::High => "HIGH",
            },
            "internet_facing": asset.internet_facing,
            "tags": some(asset.tags.iter()),
        },
    })
}

fn kind_of(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Repository => "REPOSITORY",
        AssetKind::Image => "IMAGE",
        AssetKind::Host => "HOST",
        AssetKind::Url => "URL",
        AssetKind::CloudAccount => "CLOUD_ACCOUNT",
        AssetKind::Package => "PACKAGE",
        AssetKind::Other => "OTHER",
    }
}
