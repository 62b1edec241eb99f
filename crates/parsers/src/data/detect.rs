//! How a format as data recognises its reports: rules over the first 64 KiB, without jq.
//!
//! A rule fits if all that it names fits. What it is not: a check of the whole report.

use regex::bytes::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::definition::Kind;
use super::keys;
use crate::format::Confidence;
use crate::input::Input;
use crate::xml;

/// One `[[detect]]` block.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    pub confidence: Sure,
    /// The rule is only asked for files whose name ends so.
    pub extensions: Vec<String>,
    /// JSON paths that must be there, as in `items`.
    pub keys: Vec<String>,
    /// JSON paths with the text, number or word that must be there; a `*` at its end stands for
    /// any rest.
    pub equals: BTreeMap<String, String>,
    /// JSON paths that must not be there.
    pub absent: Vec<String>,
    /// Local name of the XML root element.
    pub root: Option<String>,
    /// Attributes of the XML root element; `*` is any value.
    pub attributes: BTreeMap<String, String>,
    /// Names of columns that must be there.
    pub headers: Vec<String>,
    /// Pattern that the first line that is not blank must match.
    pub first_line: Option<String>,
    /// Texts that the head must hold anywhere.
    pub contains: Vec<String>,
}

/// [`Confidence`] as a rule states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    Weak,
    #[default]
    Likely,
    Certain,
}

impl From<Sure> for Confidence {
    fn from(sure: Sure) -> Self {
        match sure {
            Sure::Weak => Self::Weak,
            Sure::Likely => Self::Likely,
            Sure::Certain => Self::Certain,
        }
    }
}

impl Rule {
    /// Says what makes no sense about the rule for reports of this kind.
    pub(super) fn check(&self, kind: Kind) -> Result<(), String> {
        let json = !self.keys.is_empty() || !self.equals.is_empty();
        let xml = self.root.is_some();
        let csv = !self.headers.is_empty();
        let json_report = matches!(kind, Kind::Json | Kind::Jsonl);
        if (json || !self.absent.is_empty()) && !json_report {
            return Err("keys, equals and absent are for reports in JSON".to_owned());
        }
        if (xml || !self.attributes.is_empty()) && kind != Kind::Xml {
            return Err("root and attributes are for reports in XML".to_owned());
        }
        if csv && kind != Kind::Csv {
            return Err("headers is for reports in CSV".to_owned());
        }
        if !(json || xml || csv || self.first_line.is_some() || !self.contains.is_empty()) {
            return Err("the rule asks for nothing that tells the format from others".to_owned());
        }
        if let Some(pattern) = &self.first_line {
            Regex::new(pattern)
                .map_err(|error| format!("first_line is not a regular expression: {error}"))?;
        }
        Ok(())
    }
}

/// A rule made ready.
#[derive(Clone, Debug)]
pub struct Detector {
    rule: Rule,
    first_line: Option<Regex>,
    /// Names that must stand in the head for the rule to fit; a search for them is far cheaper
    /// than reading the head.
    words: Vec<String>,
}

impl Detector {
    pub(super) fn new(rule: &Rule) -> Self {
        let words = rule
            .keys
            .iter()
            .chain(rule.equals.keys())
            .filter_map(|path| keys::last_name(path));
        Self {
            // `check` has seen that it compiles.
            first_line: rule
                .first_line
                .as_deref()
                .and_then(|pattern| Regex::new(pattern).ok()),
            words: words
                .map(|name| format!("\"{name}\""))
                .chain(rule.contains.iter().cloned())
                .collect(),
            rule: rule.clone(),
        }
    }

    /// How sure the rule is that the report is of its format.
    pub(super) fn judge(&self, input: &Input<'_>) -> Confidence {
        if self.fits(input) {
            self.rule.confidence.into()
        } else {
            Confidence::No
        }
    }

    fn fits(&self, input: &Input<'_>) -> bool {
        let rule = &self.rule;
        let name = input.name.to_ascii_lowercase();
        if !rule.extensions.is_empty()
            && !rule
                .extensions
                .iter()
                .any(|end| name.ends_with(&end.to_ascii_lowercase()))
        {
            return false;
        }
        let head = input.head_text();
        if !self.words.iter().all(|word| head.contains(word.as_str())) {
            return false;
        }
        if let Some(pattern) = &self.first_line {
            let line = head
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default();
            if !pattern.is_match(line.as_bytes().get(..4096).unwrap_or(line.as_bytes())) {
                return false;
            }
        }
        self.fits_json(head) && self.fits_xml(head) && self.fits_csv(head)
    }

    fn fits_json(&self, head: &str) -> bool {
        let rule = &self.rule;
        if rule.keys.is_empty() && rule.equals.is_empty() && rule.absent.is_empty() {
            return true;
        }
        let asked: Vec<&str> = rule
            .keys
            .iter()
            .chain(rule.equals.keys())
            .chain(&rule.absent)
            .map(String::as_str)
            .collect();
        let seen = keys::seen(head, &asked);
        let is_there = |path: &String| seen.iter().any(|(at, _)| *at == path.as_str());
        let equals = |(path, expected): (&String, &String)| {
            seen.iter().any(|(at, value)| {
                *at == path.as_str() && value.is_some_and(|value| like(value, expected))
            })
        };
        rule.keys.iter().all(is_there)
            && rule.equals.iter().all(equals)
            && !rule.absent.iter().any(is_there)
    }

    fn fits_xml(&self, head: &str) -> bool {
        let Some(name) = &self.rule.root else {
            return true;
        };
        let Some(root) = xml::root(head) else {
            return false;
        };
        let has = |(name, value): (&String, &String)| {
            root.attributes
                .iter()
                .any(|(key, found)| key == name && like(found, value))
        };
        root.name == *name && self.rule.attributes.iter().all(has)
    }

    fn fits_csv(&self, head: &str) -> bool {
        if self.rule.headers.is_empty() {
            return true;
        }
        // A header is plain text in practice; quotes around the names are all there is to undo.
        head.lines().take(20).any(|line| {
            [',', ';', '\t', '|'].iter().any(|delimiter| {
                let names: Vec<String> = line
                    .split(*delimiter)
                    .map(|name| name.trim().trim_matches('"').to_lowercase())
                    .collect();
                self.rule
                    .headers
                    .iter()
                    .all(|header| names.contains(&header.to_lowercase()))
            })
        })
    }
}

fn like(found: &str, expected: &str) -> bool {
    match expected.strip_suffix('*') {
        Some(start) => found.starts_with(start),
        None => found == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(rule: &str, name: &str, head: &str) -> bool {
        let rule: Rule = toml::from_str(rule).unwrap();
        Detector::new(&rule).judge(&Input::new(name, head.as_bytes())) > Confidence::No
    }

    #[test]
    fn rules_tell_reports_apart() {
        let json = r#"{"version": "2.1", "scan": {"tool": "acme", "n": 3}, "results": [{"id": "R1", "deep": {"x": null}}"#;
        for (rule, head, expected) in [
            ("keys = ['results', 'scan.tool']", json, true),
            ("keys = ['results[].id', 'results[].deep.x']", json, true),
            ("keys = ['tool']", json, false),
            ("keys = ['results[].deep.y']", json, false),
            (
                "equals = {'scan.tool' = 'acme', version = '2.*', 'scan.n' = '3'}",
                json,
                true,
            ),
            ("equals = {version = '3.*'}", json, false),
            ("keys = ['results']\nabsent = ['scan']", json, false),
            ("keys = ['results']\nabsent = ['scans']", json, true),
            ("keys = ['[].a']", "[{\"a\": 1}]", true),
            (
                "keys = ['m{}.a']",
                "{\"m\": {\"x\": {\"b\": 1}, \"y\": {\"a\": 1}}}",
                true,
            ),
            ("keys = ['a']", "[{\"a\": 1}]", false),
            (
                "root = 'acme'",
                "<?xml version='1.0'?>\n<!-- <b/> --><!DOCTYPE acme>\n<n:acme v='1'>",
                true,
            ),
            (
                "root = 'acme'\nattributes = {v = '1', w = '*'}",
                "<acme v='1' w='x'/>",
                true,
            ),
            (
                "root = 'acme'\nattributes = {v = '2'}",
                "<acme v='1'/>",
                false,
            ),
            ("root = 'acme'", "<other><acme/></other>", false),
            (
                "headers = ['plugin id', 'Host']",
                "Host;\"Plugin ID\";Risk\n",
                true,
            ),
            ("headers = ['Plugin', 'Host']", "Host,Plugin ID\n", false),
            ("first_line = '^- Acme v\\d'", "\n- Acme v2\nmore", true),
            ("first_line = '^more'", "- Acme v2\nmore", false),
            ("contains = ['Acme']", "{\"by\": \"Acme\"}", true),
            ("extensions = ['.ACME']\ncontains = ['x']", "x", true),
            ("extensions = ['.json']\ncontains = ['x']", "x", false),
        ] {
            assert_eq!(
                fits(rule, "Report.acme", head),
                expected,
                "{rule} on {head}"
            );
        }
    }

    #[test]
    fn a_rule_states_how_sure_it_is() {
        let rule: Rule = toml::from_str("confidence = 'certain'\ncontains = ['x']").unwrap();
        assert_eq!(
            Detector::new(&rule).judge(&Input::new("", b"x")),
            Confidence::Certain
        );
    }
}
