//! What a format's TOML file says, and whether it makes sense.
//!
//! `docs/FORMATS-AS-DATA.md` explains every field to those who write one. Next: [`super::load`].

use gna_domain::import::Category;
use gna_domain::model::Level;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

use super::detect::{Detector, Rule};
use crate::format::Confidence;
use crate::input::Input;

/// One format as its file defines it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Stable, lower case with hyphens.
    pub name: String,
    /// For people: `gosec JSON`.
    pub title: String,
    /// The tool's name where the report does not give it.
    pub tool: String,
    pub category: Category,
    /// Address of the vendor's documentation of the format.
    pub docs: String,
    /// Which fields make up identity, in words.
    pub identity: String,
    /// This file stands in for the built-in format of the same name.
    #[serde(default)]
    pub replaces: bool,
    /// Rules of which one must fit; the surest that does counts.
    pub detect: Vec<Spanned<Rule>>,
    pub input: Kind,
    /// Where the items are: one path or several. Not for `jsonl` and `csv`, whose records are it.
    #[serde(default)]
    pub items: Paths,
    /// XML only: paths of elements that `meta` gets beside the root's attributes.
    #[serde(default)]
    pub beside: Vec<String>,
    /// XML only: names of elements inside items of which only the attributes are kept.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// An item is a file, host or package that holds findings: one without any is no skipped item.
    #[serde(default)]
    pub container: bool,
    /// The level where the report states nothing.
    #[serde(default = "medium")]
    pub default_severity: Level,
    /// Texts are HTML.
    #[serde(default)]
    pub html: bool,
    /// The vendor's own severity words.
    #[serde(default)]
    pub severity: BTreeMap<String, Level>,
    /// What `meta` runs on.
    #[serde(default)]
    pub meta_input: MetaInput,
    /// jq program, run once.
    pub meta: Option<Spanned<String>>,
    /// jq program, run once per item.
    pub map: Spanned<String>,
}

fn medium() -> Level {
    Level::Medium
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One document.
    Json,
    /// One value per line, or values one after the other, or an array of them.
    Jsonl,
    Xml,
    /// With a header row; a row becomes an object.
    Csv,
}

/// What a `meta` program is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetaInput {
    /// The document with `null` in place of each item.
    #[default]
    Outline,
    /// The whole report, for formats whose items can only be understood with each other; such a
    /// report has to fit `Runner::max_outline_bytes`.
    Report,
}

/// One path or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a path or a list of paths")]
pub enum Paths {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Paths {
    #[must_use]
    pub fn list(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::One(path) => vec![path.as_str()],
            Self::Many(paths) => paths.iter().map(String::as_str).collect(),
        }
    }
}

/// What is wrong with a definition: the place in its file as a byte offset, where it is known, and
/// a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub byte: Option<usize>,
    pub message: String,
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            byte: None,
            message: message.into(),
        }
    }

    pub(super) fn at(mut self, byte: usize) -> Self {
        self.byte = Some(byte);
        self
    }
}

impl Definition {
    /// Reads a definition and checks all that needs no jq.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let definition: Self = toml::from_str(text).map_err(|error| Mistake {
            byte: error.span().map(|span| span.start),
            message: error.message().to_owned(),
        })?;
        definition.check()?;
        Ok(definition)
    }

    fn check(&self) -> Result<(), Mistake> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty()
            || self.name.len() > 60
            || !self.name.chars().all(fits)
            || self.name.starts_with('-')
        {
            return Err(Mistake::new(format!(
                "the name {:?} must be of lower-case letters, digits and hyphens, like my-scanner",
                self.name
            )));
        }
        for (field, text) in [
            ("title", &self.title),
            ("tool", &self.tool),
            ("identity", &self.identity),
        ] {
            if text.trim().is_empty() {
                return Err(Mistake::new(format!("{field} is empty")));
            }
        }
        if !self.docs.starts_with("https://") && !self.docs.starts_with("http://") {
            return Err(Mistake::new(
                "docs must be the address of the vendor's documentation, https://...",
            ));
        }
        if self.detect.is_empty() {
            return Err(Mistake::new(
                "there is no [[detect]] rule, so no report would ever be taken for this format",
            ));
        }
        for rule in &self.detect {
            rule.get_ref()
                .check(self.input)
                .map_err(|message| Mistake::new(message).at(rule.span().start))?;
        }
        self.check_paths()?;
        if self.input != Kind::Xml && !(self.beside.is_empty() && self.left_out.is_empty()) {
            return Err(Mistake::new("beside and left_out are for reports in XML"));
        }
        if self.map.get_ref().trim().is_empty() {
            return Err(Mistake::new("map is empty").at(self.map.span().start));
        }
        Ok(())
    }

    /// The columns by which the header row is known: those of the first rule that fits, else of
    /// the first.
    pub(super) fn headers(&self, input: &Input<'_>) -> &[String] {
        let rules = || self.detect.iter().map(Spanned::get_ref);
        let fits = |rule: &&Rule| Detector::new(rule).judge(input) > Confidence::No;
        rules()
            .find(fits)
            .or_else(|| rules().next())
            .map_or(&[], |rule| &rule.headers)
    }

    fn check_paths(&self) -> Result<(), Mistake> {
        let paths = self.items.list();
        let needed = matches!(self.input, Kind::Json | Kind::Xml);
        if needed && (paths.is_empty() || paths.len() > 8) {
            return Err(Mistake::new(
                "items must name one to eight paths to the items, like \"results[]\"",
            ));
        }
        if !needed && !paths.is_empty() {
            return Err(Mistake::new(
                "items has no meaning here: every record or row is an item",
            ));
        }
        if paths.iter().any(|path| path.is_empty()) && paths.len() > 1 {
            return Err(Mistake::new(
                "the empty path (the whole document) can't be one of several",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const GOOD: &str = r#"
name = "acme-scan"
title = "Acme Scan JSON"
tool = "Acme Scan"
category = "SAST"
docs = "https://acme.example/docs"
identity = "rule, path"
input = "json"
items = "results[]"
map = "{rule: .id, title: .name, location: {path: .file}}"
[[detect]]
keys = ["results"]
"#;

    #[test]
    fn a_definition_is_read_with_its_defaults() {
        let definition = Definition::parse(GOOD).unwrap();
        assert_eq!(definition.items.list(), ["results[]"]);
        assert_eq!(
            (definition.default_severity, definition.replaces),
            (Level::Medium, false)
        );
        assert_eq!(definition.meta_input, MetaInput::Outline);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (from, to, part) in [
            ("name = \"acme-scan\"", "name = \"Acme Scan\"", "lower-case"),
            ("title = ", "titel = ", "titel"),
            ("category = \"SAST\"", "category = \"MAGIC\"", "MAGIC"),
            (
                "identity = \"rule, path\"",
                "identity = \" \"",
                "identity is empty",
            ),
            ("https://", "ftp://", "docs"),
            ("items = \"results[]\"", "", "items"),
            (
                "items = \"results[]\"",
                "items = 3",
                "a path or a list of paths",
            ),
            (
                "input = \"json\"",
                "input = \"csv\"",
                "are for reports in JSON",
            ),
            ("input = \"json\"", "input = \"jsonl\"", "every record"),
            ("[[detect]]\nkeys = [\"results\"]", "", "detect"),
            ("keys = [\"results\"]", "", "nothing"),
            ("keys = [\"results\"]", "first_line = \"(\"", "first_line"),
            ("keys = [\"results\"]", "root = \"r\"", "root"),
            ("map = \"{rule", "map = \"\"\nfoo = \"{rule", "foo"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let mistake = Definition::parse(&text).unwrap_err();
            assert!(mistake.message.contains(part), "{to}: {}", mistake.message);
        }
    }
}
