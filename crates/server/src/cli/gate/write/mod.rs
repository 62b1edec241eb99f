//! The forms of a verdict. Each is a file with one function from [`Told`] to bytes.

mod github;
mod junit;
mod markdown;
mod sarif;
mod text;

use super::Form;
use super::told::{Offender, Told};
use crate::cli::Failure;

/// The verdict in a form.
///
/// # Errors
/// Only if it can't be written as JSON.
pub fn written(told: &Told, form: Form) -> Result<Vec<u8>, Failure> {
    let text = match form {
        Form::Text => text::written(told),
        Form::Json => json(told)?,
        Form::Junit => junit::written(told),
        Form::Sarif => sarif::written(told).to_string() + "\n",
        Form::Markdown => markdown::written(told),
        Form::Github => github::written(told),
    };
    Ok(text.into_bytes())
}

fn json(told: &Told) -> Result<String, Failure> {
    serde_json::to_string(told)
        .map(|text| text + "\n")
        .map_err(|error| Failure::unreadable("output.failed", error.to_string()))
}

/// Rule and title, the rule only where the title does not have it.
fn headline(offender: &Offender) -> String {
    if offender.title.trim().is_empty() {
        offender.rule.clone()
    } else if offender.title.contains(&offender.rule) {
        offender.title.clone()
    } else {
        format!("{}: {}", offender.rule, offender.title)
    }
}

/// What the verdict comes to, in one sentence.
fn summary(told: &Told) -> String {
    let counts = &told.counts;
    let lax = if told.terms.strict { "" } else { " (lax)" };
    let spared: Vec<String> = [
        (counts.below_threshold, "below the threshold"),
        (counts.on_base, "on the base"),
        (counts.accepted, "accepted"),
        (counts.false_positive, "held for false positives"),
        (counts.suppressed, "set aside by their tools"),
        (counts.in_grace, "in their grace period"),
        (counts.technical_debt, "technical debt"),
        (counts.not_open, "not open"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let spared = if spared.is_empty() {
        String::new()
    } else {
        format!("; spared: {}", spared.join(", "))
    };
    format!(
        "{}{lax}: {} of {} vulnerabilities break the gate{spared}",
        told.verdict.as_str(),
        counts.breaking,
        counts.judged,
    )
}

/// By which terms, in one sentence.
fn terms(told: &Told) -> String {
    let terms = &told.terms;
    let mut parts = vec![format!("threshold {:.1}", terms.threshold)];
    if terms.grace_days > 0 {
        parts.push(format!("{} days of grace", terms.grace_days));
    }
    if terms.debt_days > 0 {
        parts.push(format!("technical debt after {} days", terms.debt_days));
    }
    if terms.new_only {
        parts.push("new ones only".to_owned());
    }
    parts.push(if terms.strict { "strict" } else { "lax" }.to_owned());
    parts.join(", ")
}
