//! The filter of vulnerability lists and exports, from a query's parameters.

use gna_domain::error::Result;
use gna_domain::model::Level;
use gna_domain::service::filter::VulnerabilityFilter;
use utoipa::IntoParams;

use super::upload::word;
use crate::extract::Params;

/// What a list is narrowed to. All parts must hold; a part with several values (repeated, or with
/// commas between them) holds where one of them does.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one"
)]
pub struct FilterParams {
    /// Words in path, package, address, identifier or tag, or in the finding's texts.
    q: Option<String>,
    /// `SUBMITTED`, `OPEN`, `REJECTED`, `CLOSED`.
    state: Option<Vec<String>>,
    /// `FIXED`, `NOT_DETECTED`, `VERIFIED`, `OUT_OF_SCOPE`, `DUPLICATE`.
    closed_reason: Option<Vec<String>>,
    /// `INFO`, `LOW`, `MEDIUM`, `HIGH`, `CRITICAL`.
    level: Option<Vec<String>>,
    /// 0.0 to 10.0, inclusive.
    min_severity: Option<f64>,
    /// 0.0 to 10.0, inclusive.
    max_severity: Option<f64>,
    /// 0.0 to 10.0, inclusive.
    min_priority: Option<f64>,
    /// 0.0 to 10.0, inclusive.
    max_priority: Option<f64>,
    /// Ids of assets.
    asset: Option<Vec<String>>,
    /// Ids of findings.
    finding: Option<Vec<String>>,
    /// Ids of refs.
    r#ref: Option<Vec<String>>,
    tool: Option<Vec<String>>,
    tag: Option<Vec<String>>,
    /// Names of environments that their places lie in.
    environment: Option<Vec<String>>,
    /// `79` or `CWE-79`.
    cwe: Option<Vec<String>>,
    /// CVE, GHSA and other public names, in any case.
    cve: Option<Vec<String>>,
    /// A package's name, or its start with a `*` at the end.
    package: Option<String>,
    /// A piece of a path, or its start with a `*` at the end.
    path: Option<String>,
    /// `code`, `package`, `endpoint`, `network`, `cloud`, `asset`.
    location_kind: Option<Vec<String>>,
    /// Left out: those seen on the default ref. `false`: only the others.
    on_default_ref: Option<bool>,
    /// `true`: on whatever ref.
    any_ref: Option<bool>,
    /// Left out: not those that every tool has set aside. `true`: only those.
    suppressed: Option<bool>,
    /// `UNTREATED`, `IN_PROGRESS`, `ACCEPTED`, `ACCEPTED_PERMANENTLY`.
    treatment: Option<Vec<String>>,
    /// Ids of users who are responsible.
    assignee: Option<Vec<String>>,
    /// `true`: those that nobody is responsible for.
    unassigned: Option<bool>,
    /// `REQUESTED`, `CONFIRMED`, `REJECTED`. Left out: neither requested nor confirmed ones.
    false_positive: Option<Vec<String>>,
    /// `true`: false positives or not.
    any_false_positive: Option<bool>,
    /// `REQUESTED`, `ON_HOLD`, `VERIFIED`.
    verification: Option<Vec<String>>,
    /// Ids of blockers that their retests wait for.
    blocker: Option<Vec<String>>,
    /// `true`: only those whose permanent acceptance waits for its second person.
    acceptance_requested: Option<bool>,
    /// Due then or later; what has no due date is left out.
    due_after: Option<String>,
    due_before: Option<String>,
    created_after: Option<String>,
    created_before: Option<String>,
    seen_after: Option<String>,
    seen_before: Option<String>,
    changed_after: Option<String>,
    changed_before: Option<String>,
    /// Whole days since it was created.
    min_age_days: Option<u32>,
    max_age_days: Option<u32>,
}

/// Reads what [`FilterParams`] describes.
///
/// # Errors
/// `query.malformed`, with the parameter's name.
pub fn filter(params: &mut Params) -> Result<VulnerabilityFilter> {
    Ok(VulnerabilityFilter {
        text: params.one("q")?,
        states: one_of(
            params,
            "state",
            &["SUBMITTED", "OPEN", "REJECTED", "CLOSED"],
        )?,
        closed_reasons: one_of(
            params,
            "closed_reason",
            &[
                "FIXED",
                "NOT_DETECTED",
                "VERIFIED",
                "OUT_OF_SCOPE",
                "DUPLICATE",
            ],
        )?,
        levels: params.read_all(
            "level",
            "INFO, LOW, MEDIUM, HIGH or CRITICAL",
            word::<Level>,
        )?,
        min_severity: score(params, "min_severity")?,
        max_severity: score(params, "max_severity")?,
        min_priority: score(params, "min_priority")?,
        max_priority: score(params, "max_priority")?,
        assets: params.read_all("asset", "an asset's id (ast_…)", |text| text.parse().ok())?,
        findings: params.read_all("finding", "a finding's id (fnd_…)", |text| {
            text.parse().ok()
        })?,
        refs: params.read_all("ref", "a ref's id (ref_…)", |text| text.parse().ok())?,
        tools: params.all("tool")?,
        tags: params.all("tag")?,
        environments: params.all("environment")?,
        cwes: params.read_all("cwe", "a number such as 79 or CWE-79", |text| {
            let upper = text.to_ascii_uppercase();
            upper.strip_prefix("CWE-").unwrap_or(&upper).parse().ok()
        })?,
        identifiers: params.all("cve")?,
        package: params.one("package")?,
        path: params.one("path")?,
        location_kinds: params.read_all(
            "location_kind",
            "code, package, endpoint, network, cloud or asset",
            |text| {
                let kinds = ["code", "package", "endpoint", "network", "cloud", "asset"];
                kinds.contains(&text).then(|| text.to_owned())
            },
        )?,
        on_default_ref: params.flag("on_default_ref")?,
        any_ref: params.flag("any_ref")?.unwrap_or_default(),
        suppressed: params.flag("suppressed")?,
        treatments: one_of(
            params,
            "treatment",
            &[
                "UNTREATED",
                "IN_PROGRESS",
                "ACCEPTED",
                "ACCEPTED_PERMANENTLY",
            ],
        )?,
        assignees: params.read_all("assignee", "a user's id (usr_…)", |text| {
            text.parse().ok()
        })?,
        unassigned: params.flag("unassigned")?.unwrap_or_default(),
        false_positives: one_of(
            params,
            "false_positive",
            &["REQUESTED", "CONFIRMED", "REJECTED"],
        )?,
        any_false_positive: params.flag("any_false_positive")?.unwrap_or_default(),
        verifications: one_of(
            params,
            "verification",
            &["REQUESTED", "ON_HOLD", "VERIFIED"],
        )?,
        blockers: params.read_all("blocker", "a blocker's id (blo_…)", |text| {
            text.parse().ok()
        })?,
        acceptance_requested: params.flag("acceptance_requested")?.unwrap_or_default(),
        due_after: params.time("due_after")?,
        due_before: params.time("due_before")?,
        created_after: params.time("created_after")?,
        created_before: params.time("created_before")?,
        seen_after: params.time("seen_after")?,
        seen_before: params.time("seen_before")?,
        changed_after: params.time("changed_after")?,
        changed_before: params.time("changed_before")?,
        min_age_days: days(params, "min_age_days")?,
        max_age_days: days(params, "max_age_days")?,
    })
}

fn one_of(params: &mut Params, name: &'static str, words: &[&str]) -> Result<Vec<String>> {
    params.read_all(name, &words.join(" or "), |text| {
        let word = text.to_ascii_uppercase().replace('-', "_");
        words.contains(&word.as_str()).then_some(word)
    })
}

fn score(params: &mut Params, name: &'static str) -> Result<Option<f64>> {
    params.read(name, "a number from 0.0 to 10.0", |text| {
        text.parse()
            .ok()
            .filter(|score| (0.0..=10.0).contains(score))
    })
}

fn days(params: &mut Params, name: &'static str) -> Result<Option<i64>> {
    params.read(name, "a number of days from 0 to 36500", |text| {
        text.parse().ok().filter(|days| (0..=36_500).contains(days))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<VulnerabilityFilter> {
        let pairs = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut params = Params::of(pairs.collect());
        let filter = filter(&mut params)?;
        params.done()?;
        Ok(filter)
    }

    #[test]
    fn parameters_become_the_filter() {
        let found = read(&[
            ("q", "log4j"),
            ("state", "open,closed"),
            ("level", "high"),
            ("cwe", "CWE-79,89"),
            ("min_severity", "7.5"),
            ("any_ref", "true"),
        ])
        .expect("a filter");
        let expected = VulnerabilityFilter {
            text: Some("log4j".into()),
            states: vec!["OPEN".into(), "CLOSED".into()],
            levels: vec![Level::High],
            cwes: vec![79, 89],
            min_severity: Some(7.5),
            any_ref: true,
            ..Default::default()
        };
        assert_eq!(found, expected);
        assert_eq!(read(&[]).expect("a filter"), VulnerabilityFilter::default());
    }

    #[test]
    fn a_slip_of_the_pen_is_refused_not_ignored() {
        for (name, value) in [
            ("state", "OPENED"),
            ("level", "extreme"),
            ("cwe", "xss"),
            ("min_severity", "11"),
            ("min_severity", "NaN"),
            ("asset", "shop"),
            ("location_kind", "disk"),
            ("max_age_days", "-1"),
            ("serverity", "1"),
        ] {
            let error = read(&[(name, value)]).expect_err("refused");
            assert_eq!(error.field(), Some(name), "{name}={value}");
        }
    }
}
