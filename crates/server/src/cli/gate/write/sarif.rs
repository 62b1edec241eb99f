//! SARIF 2.1.0: what breaks the gate, one run per tool.

use gna_api::export::sarif::{filled as text, level, location};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::super::told::{Offender, Told};
use super::headline;

pub fn written(told: &Told) -> Value {
    let mut tools: BTreeMap<&str, Vec<&Offender>> = BTreeMap::new();
    for offender in &told.breaking {
        tools.entry(&offender.tool).or_default().push(offender);
    }
    // A file without a run says nothing; an empty run says that nothing was found.
    if tools.is_empty() {
        tools.insert("Gna", Vec::new());
    }
    let runs: Vec<Value> = tools
        .into_iter()
        .map(|(tool, offenders)| run(tool, &offenders, told))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": runs,
    })
}

fn run(tool: &str, offenders: &[&Offender], told: &Told) -> Value {
    let mut rules: Vec<Value> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let results: Vec<Value> = offenders
        .iter()
        .map(|offender| {
            let rule = text(&offender.rule, "unknown");
            let place = *places.entry(rule).or_insert_with(|| {
                rules.push(described(rule, offender));
                rules.len() - 1
            });
            result(offender, rule, place)
        })
        .collect();
    json!({
        "tool": { "driver": { "name": text(tool, "unknown"), "rules": rules } },
        "automationDetails": { "id": "gna-gate/" },
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": { "gna/verdict": told.verdict.as_str(), "gna/basis": told.basis },
    })
}

fn described(rule: &str, offender: &Offender) -> Value {
    let mut tags = vec!["security".to_owned()];
    tags.extend(
        offender
            .cwes
            .iter()
            .map(|cwe| format!("external/cwe/cwe-{cwe}")),
    );
    json!({
        "id": rule,
        "shortDescription": { "text": text(&offender.title, rule) },
        "properties": { "tags": tags, "security-severity": format!("{:.1}", offender.score) },
    })
}

fn result(offender: &Offender, rule: &str, place: usize) -> Value {
    let message = format!("{} ({})", headline(offender), offender.why);
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": place,
        "level": level(offender.level),
        "message": { "text": message },
        "partialFingerprints": { "gna/v1": offender.fingerprint },
        "properties": { "identifiers": offender.identifiers },
    });
    let location = location(&offender.location);
    if let (Some(result), false) = (result.as_object_mut(), location.is_null()) {
        result.insert("locations".to_owned(), json!([location]));
    }
    result
}
