//! Reading a VEX document: OpenVEX, CycloneDX or CSAF, in JSON. All or nothing: what can't be read is
//! refused with its place in the document.

use serde_json::Value;

use super::claim::{CLAIMS_MAX, Claim, Document, LARGEST, Says, kept};
use super::{csaf, cyclonedx, openvex};
use crate::error::{Error, Result};
use crate::model::VexFormat;

/// # Errors
/// `vex.too_large`, `vex.malformed` with the place, `vex.unknown_format`, `vex.empty`.
pub fn read(bytes: &[u8]) -> Result<Document> {
    if bytes.len() > LARGEST {
        return Err(Error::limit(
            "vex.too_large",
            format!("a VEX document has at most {LARGEST} bytes"),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| malformed(format!("it is no JSON: {error}")))?;
    let document = match format_of(&value) {
        Some(VexFormat::OpenVex) => openvex::read(&value),
        Some(VexFormat::CycloneDx) => cyclonedx::read(&value),
        Some(VexFormat::Csaf) => csaf::read(&value),
        None => Err(Error::invalid(
            "vex.unknown_format",
            "this is no OpenVEX, CycloneDX or CSAF document in JSON; nothing was changed",
        )),
    }?;
    if document.claims.is_empty() {
        return Err(Error::invalid(
            "vex.empty",
            "the document says nothing about any vulnerability of a product; nothing was changed",
        ));
    }
    Ok(document)
}

fn format_of(value: &Value) -> Option<VexFormat> {
    let context = match &value["@context"] {
        Value::Array(all) => all.first().and_then(Value::as_str),
        one => one.as_str(),
    };
    if context.is_some_and(|context| context.starts_with("https://openvex.dev/ns")) {
        Some(VexFormat::OpenVex)
    } else if value["bomFormat"] == "CycloneDX" {
        Some(VexFormat::CycloneDx)
    } else if value["document"]["csaf_version"].is_string() {
        Some(VexFormat::Csaf)
    } else {
        None
    }
}

pub(super) fn malformed(what: impl std::fmt::Display) -> Error {
    Error::invalid(
        "vex.malformed",
        format!("the VEX document can't be read: {what}; nothing was changed"),
    )
}

/// A text that must be there.
pub(super) fn text<'a>(of: &'a Value, name: &str, place: &str) -> Result<&'a str> {
    let found = maybe(of, name);
    found.ok_or_else(|| malformed(format!("{place} has no {name}")))
}

/// A text that may be there; an empty one is none.
pub(super) fn maybe<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    let found = of.get(name).and_then(Value::as_str).map(str::trim);
    found.filter(|text| !text.is_empty())
}

/// A list that may be there.
///
/// # Errors
/// `vex.malformed` where there is something else.
pub(super) fn list<'a>(of: &'a Value, name: &str, place: &str) -> Result<&'a [Value]> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(malformed(format!("{place}: {name} is no list"))),
    }
}

/// The texts of a list.
pub(super) fn texts<'a>(of: &'a Value, name: &str, place: &str) -> Result<Vec<&'a str>> {
    let items = list(of, name, place)?.iter();
    items
        .map(|item| {
            let text = item.as_str();
            text.ok_or_else(|| {
                malformed(format!("{place}: {name} holds something other than text"))
            })
        })
        .collect()
}

/// Adds a claim, as long as there is room.
///
/// # Errors
/// `vex.too_large`.
pub(super) fn add<T>(claims: &mut Vec<T>, claim: T) -> Result<()> {
    if claims.len() >= CLAIMS_MAX {
        return Err(Error::limit(
            "vex.too_large",
            format!(
                "a VEX document has at most {CLAIMS_MAX} claims about a vulnerability in a product; split it"
            ),
        ));
    }
    claims.push(claim);
    Ok(())
}

/// Names of a vulnerability without repetitions and blanks.
pub(super) fn names<'a>(all: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in all {
        let name = name.trim();
        if !name.is_empty() && name.len() <= 200 && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The words of OpenVEX 0.2.0 and of CSAF 2.0 (3.2.3.5) for why a product is not affected.
pub(super) const JUSTIFICATIONS: [&str; 5] = [
    "component_not_present",
    "inline_mitigations_already_exist",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_not_present",
];

/// That a product is not affected. A word for why that the format does not know is a text like any
/// other, so that what is written again is valid.
pub(super) fn not_affected(word: Option<&str>, text: Option<&str>, words: &[&str]) -> Says {
    let known = word.filter(|word| words.contains(word));
    Says::NotAffected {
        justification: known.map(str::to_owned),
        impact: text.or(word.filter(|_| known.is_none())).map(kept),
    }
}

/// A claim about nothing that has a name says nothing that can be found again.
pub(super) fn is_named(claim: &Claim) -> bool {
    !claim.names.is_empty()
}
