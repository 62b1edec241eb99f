//! Receivers of what parsers find: one that keeps all, and the guard that stands before every
//! receiver and holds parsers to the contract.

use gna_domain::import::{
    Category, FormatInfo, ParsedFinding, Position, Refusal, Sink, Warning, Weakness,
};
use gna_domain::model::{Location, SNIPPET_LIMIT};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

use crate::input::Limits;
use crate::text;

/// Longest title and rule, in bytes.
const LINE_LIMIT: usize = 500;
/// Longest text that names a place, and longest reference, identifier and tag, in bytes.
const NAME_LIMIT: usize = 4_096;
/// Most references and tags of one weakness or finding.
const LIST_LIMIT: usize = 200;

/// Keeps everything in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collect {
    pub findings: Vec<ParsedFinding>,
    pub warnings: Vec<Warning>,
}

impl Sink for Collect {
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
        self.findings.push(finding);
        Ok(())
    }

    fn warning(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }
}

/// Enforces the limits, tidies what parsers hand over, and counts.
pub(crate) struct Guard<'s> {
    inner: &'s mut dyn Sink,
    limits: Limits,
    secret: bool,
    pub(crate) findings: u64,
    pub(crate) skipped: u64,
    pub(crate) warnings: u64,
    /// Weaknesses that had to be changed, by address. The original is kept so that its address
    /// can't be given to another one.
    tidied: HashMap<usize, (Arc<Weakness>, Arc<Weakness>)>,
}

impl<'s> Guard<'s> {
    pub(crate) fn new(inner: &'s mut dyn Sink, limits: Limits, info: &FormatInfo) -> Self {
        let secret = info.category == Category::Secret;
        Self {
            inner,
            limits,
            secret,
            findings: 0,
            skipped: 0,
            warnings: 0,
            tidied: HashMap::new(),
        }
    }

    /// Says how many warnings were only counted.
    pub(crate) fn finish(&mut self) {
        let kept = u64::try_from(self.limits.max_warnings).unwrap_or(u64::MAX);
        if let Some(more) = self.warnings.checked_sub(kept).filter(|more| *more > 0) {
            self.inner.warning(Warning {
                code: "warnings.more".to_owned(),
                message: format!(
                    "{more} more warnings were counted but not kept (setting import.max_warnings)"
                ),
                position: Position::default(),
                skipped: false,
            });
        }
    }

    fn tidy(&mut self, weakness: &Arc<Weakness>) -> Arc<Weakness> {
        if is_tidy(weakness, self.limits.max_text) {
            return Arc::clone(weakness);
        }
        let address = Arc::as_ptr(weakness).addr();
        if let Some((_, tidied)) = self.tidied.get(&address) {
            return Arc::clone(tidied);
        }
        let tidied = Arc::new(made_tidy(weakness, self.limits.max_text));
        if self.tidied.len() < 10_000 {
            self.tidied
                .insert(address, (Arc::clone(weakness), Arc::clone(&tidied)));
        }
        tidied
    }
}

impl Sink for Guard<'_> {
    fn finding(&mut self, mut finding: ParsedFinding) -> Result<(), Refusal> {
        if self.findings >= self.limits.max_findings {
            return Err(Refusal::new(
                "report.too_many_findings",
                format!(
                    "the report holds more than {} findings; split it, or raise the setting import.max_findings",
                    self.limits.max_findings
                ),
            )
            .at(finding.position));
        }
        self.findings += 1;
        finding.weakness = self.tidy(&finding.weakness);
        cut_optional(&mut finding.message, self.limits.max_text);
        finding.tags.truncate(LIST_LIMIT);
        finding.tags.retain(|tag| tag.len() <= NAME_LIMIT);
        finding.location.for_each_name(shorten);
        if let Location::Code(code) = &mut finding.location {
            if self.secret {
                code.snippet = None;
            }
            cut_optional(&mut code.snippet, SNIPPET_LIMIT);
        }
        self.inner.finding(finding)
    }

    fn warning(&mut self, mut warning: Warning) {
        self.warnings += 1;
        self.skipped += u64::from(warning.skipped);
        if self.warnings <= u64::try_from(self.limits.max_warnings).unwrap_or(u64::MAX) {
            if warning.message.len() > LINE_LIMIT {
                warning.message = text::cut(&warning.message, LINE_LIMIT).into_owned();
            }
            self.inner.warning(warning);
        }
    }
}

/// A name that is too long ends with a digest of all of it, so that it stays another one than those
/// that begin alike.
fn shorten(name: &mut String) {
    if name.len() > NAME_LIMIT {
        let digest = hex::encode(Sha256::digest(name.as_bytes()));
        let start = text::cut(name, NAME_LIMIT - digest.len());
        *name = format!("{start}{digest}");
    }
}

fn cut_optional(text: &mut Option<String>, max: usize) {
    if text.as_ref().is_some_and(|text| text.len() > max) {
        *text = text
            .as_deref()
            .map(|long| text::cut(long, max).into_owned());
    }
    if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        *text = None;
    }
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= LINE_LIMIT && !text.contains(['\n', '\r', '\t'])
}

fn has_repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter()
        .enumerate()
        .any(|(at, item)| list.iter().take(at).any(|before| before == item))
}

fn is_tidy(weakness: &Weakness, max_text: usize) -> bool {
    let fits = |text: &Option<String>| {
        text.as_ref()
            .is_none_or(|text| text.len() <= max_text && !text.trim().is_empty())
    };
    is_line(&weakness.rule)
        && is_line(&weakness.title)
        && fits(&weakness.description)
        && fits(&weakness.recommendation)
        && weakness
            .references
            .iter()
            .all(|text| text.len() <= NAME_LIMIT)
        && weakness
            .identifiers
            .iter()
            .all(|text| text.len() <= NAME_LIMIT)
        && weakness.references.len() <= LIST_LIMIT
        && !has_repeats(&weakness.references)
        && !weakness.cwes.contains(&0)
        && weakness.cwes.len() <= LIST_LIMIT
        && !has_repeats(&weakness.cwes)
        && weakness.cvss.len() <= LIST_LIMIT
        && weakness.identifiers.len() <= LIST_LIMIT
        && !has_repeats(&weakness.identifiers)
}

fn made_tidy(weakness: &Weakness, max_text: usize) -> Weakness {
    let mut tidy = weakness.clone();
    tidy.title = text::one_line(&weakness.title, LINE_LIMIT);
    tidy.rule = text::one_line(&weakness.rule, LINE_LIMIT);
    if tidy.rule.is_empty() {
        tidy.rule = text::slug(&tidy.title);
    }
    if tidy.title.is_empty() {
        tidy.title.clone_from(&tidy.rule);
    }
    cut_optional(&mut tidy.description, max_text);
    cut_optional(&mut tidy.recommendation, max_text);
    tidy.references = unique(&weakness.references);
    tidy.references.retain(|text| text.len() <= NAME_LIMIT);
    tidy.identifiers = unique(&weakness.identifiers);
    tidy.identifiers.retain(|text| text.len() <= NAME_LIMIT);
    tidy.cwes = unique(&weakness.cwes);
    tidy.cwes.retain(|number| *number != 0);
    tidy.cvss.truncate(LIST_LIMIT);
    tidy
}

/// The list without repeats, no longer than is kept.
fn unique<T: Clone + PartialEq>(list: &[T]) -> Vec<T> {
    let mut unique = Vec::new();
    for item in list {
        if unique.len() < LIST_LIMIT && !unique.contains(item) {
            unique.push(item.clone());
        }
    }
    unique
}
