//! From what a report says about one item to a finding: one way for all formats that list items.
//!
//! A format fills a [`Draft`] in the report's own words and hands it to its [`Emitter`], which
//! reads identifiers and vectors, settles the severity, shares the weakness among its instances,
//! and counts, so that findings plus skipped items are always the items. It decides nothing about
//! identity and cuts no texts (the guard of the registry does). Next: any format beside it.

use gna_domain::import::{
    ParsedFinding, Position, Refusal, Reported, SeverityBasis, Sink, Warning, Weakness,
};
use gna_domain::model::{Cvss, Level, Location, preferred};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::text;

/// Most weaknesses that are remembered for sharing; beyond it sharing starts anew.
const POOL: usize = 20_000;
/// Longest title, rule, tag or similar line, in bytes.
const LINE: usize = 500;

/// What a report says about one item. Everything may be missing but the rule.
#[derive(Debug, Default)]
pub struct Draft {
    pub rule: String,
    pub title: String,
    pub description: Option<String>,
    pub recommendation: Option<String>,
    pub references: Vec<String>,
    pub cwes: Vec<u32>,
    /// As written; what is no identifier is left out.
    pub identifiers: Vec<String>,
    /// CVSS vectors as written; what is none becomes a warning.
    pub vectors: Vec<String>,
    /// The report's word.
    pub severity: Option<String>,
    /// A base score, used where there is neither a known word nor a vector.
    pub score: Option<f64>,
    /// The level where the item says nothing, if it is not the format's.
    pub default: Option<Level>,
    pub message: Option<String>,
    pub fingerprints: Vec<(String, String)>,
    pub tool: Option<String>,
    pub tags: Vec<String>,
    pub reported: Reported,
}

/// Takes drafts, gives findings, counts items.
pub struct Emitter<'s> {
    sink: &'s mut dyn Sink,
    default: Level,
    words: fn(&str) -> Option<Level>,
    pool: HashMap<(String, String), Arc<Weakness>>,
    tools: HashMap<String, Arc<str>>,
    items: u64,
}

impl<'s> Emitter<'s> {
    /// `default` is the level of items that state none.
    #[must_use]
    pub fn new(sink: &'s mut dyn Sink, default: Level) -> Self {
        Self {
            sink,
            default,
            words: Level::from_word,
            pool: HashMap::new(),
            tools: HashMap::new(),
            items: 0,
        }
    }

    /// For formats with severity words of their own.
    #[must_use]
    pub fn with_words(mut self, words: fn(&str) -> Option<Level>) -> Self {
        self.words = words;
        self
    }

    /// Findings handed over plus items skipped.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }

    /// # Errors
    /// What the sink answered.
    pub fn emit(
        &mut self,
        draft: Draft,
        location: Location,
        position: Position,
    ) -> Result<(), Refusal> {
        self.items += 1;
        let cvss = self.vectors(&draft.vectors, position);
        let (severity, severity_basis) = self.severity(&draft, &cvss, position);
        let tool = draft.tool.map(|tool| {
            Arc::clone(
                self.tools
                    .entry(tool)
                    .or_insert_with_key(|tool| Arc::from(tool.as_str())),
            )
        });
        let weakness = Weakness {
            rule: text::one_line(&draft.rule, LINE),
            title: text::one_line(
                if draft.title.trim().is_empty() {
                    &draft.rule
                } else {
                    &draft.title
                },
                LINE,
            ),
            description: trimmed(draft.description),
            recommendation: trimmed(draft.recommendation),
            references: references(draft.references),
            cwes: draft.cwes,
            identifiers: text::in_order(draft.identifiers),
            cvss,
        };
        let finding = ParsedFinding {
            weakness: self.share(weakness),
            location: counted_from_one(location),
            severity,
            severity_basis,
            message: trimmed(draft.message),
            fingerprints: draft.fingerprints,
            tool,
            tags: tags(draft.tags),
            reported: draft.reported,
            position,
        };
        self.sink.finding(finding)
    }

    /// Takes the result of reading an item: hands a warning on, counts it, and gives `None`.
    pub fn check<T>(&mut self, read: Result<T, Warning>) -> Option<T> {
        read.map_err(|warning| self.skip(warning)).ok()
    }

    /// Counts an item that was left out.
    pub fn skip(&mut self, warning: Warning) {
        self.items += 1;
        self.sink.warning(warning);
    }

    /// Says something that leaves no item out.
    pub fn note(&mut self, code: &str, message: impl Into<String>, position: Position) {
        let message = text::cut(&message.into(), 1_000).into_owned();
        self.sink.warning(Warning {
            code: code.to_owned(),
            message,
            position,
            skipped: false,
        });
    }

    fn vectors(&mut self, texts: &[String], position: Position) -> Vec<Cvss> {
        let mut vectors: Vec<Cvss> = Vec::new();
        let mut seen = HashSet::new();
        for vector in texts.iter().filter(|text| !text.trim().is_empty()) {
            match Cvss::parse(vector) {
                Some(cvss) if !seen.insert(cvss.vector.clone()) => {}
                Some(cvss) => vectors.push(cvss),
                None => {
                    let shown = text::cut(vector, 120);
                    self.note(
                        "vector.malformed",
                        format!("{shown:?} is not a complete CVSS vector; it was left out"),
                        position,
                    );
                }
            }
        }
        vectors
    }

    fn severity(
        &mut self,
        draft: &Draft,
        cvss: &[Cvss],
        position: Position,
    ) -> (Level, SeverityBasis) {
        let word = draft.severity.as_deref().map(str::trim).unwrap_or_default();
        if let Some(level) = (self.words)(word) {
            return (level, SeverityBasis::Stated);
        }
        let score = preferred(cvss)
            .map(|cvss| cvss.score)
            .or(draft.score.filter(|score| (0.1..=10.0).contains(score)));
        let (level, basis) = match score {
            Some(score) => (Level::from_score(score), SeverityBasis::Score),
            None => (
                draft.default.unwrap_or(self.default),
                SeverityBasis::Default,
            ),
        };
        if !word.is_empty() && basis == SeverityBasis::Default {
            let shown = text::cut(word, 60);
            self.note(
                "severity.unknown",
                format!("the severity {shown:?} says nothing; {level} was taken"),
                position,
            );
        }
        (level, basis)
    }

    fn share(&mut self, weakness: Weakness) -> Arc<Weakness> {
        let key = (weakness.rule.clone(), weakness.title.clone());
        if let Some(known) = self.pool.get(&key)
            && **known == weakness
        {
            return Arc::clone(known);
        }
        if self.pool.len() >= POOL {
            self.pool.clear();
        }
        let shared = Arc::new(weakness);
        self.pool.insert(key, Arc::clone(&shared));
        shared
    }
}

/// The position of a value that stands inside another one: its own byte, and the number given.
#[must_use]
pub fn inside(outer: Position, whole: &str, part: &str, item: u64) -> Position {
    let offset = part
        .as_ptr()
        .addr()
        .checked_sub(whole.as_ptr().addr())
        .filter(|offset| *offset <= whole.len());
    let byte = outer
        .byte
        .zip(offset.and_then(|offset| u64::try_from(offset).ok()))
        .map(|(start, offset)| start + offset);
    Position {
        item,
        byte: byte.or(outer.byte),
        line: None,
    }
}

/// Several tools write 0 or -1 where they know no line.
fn counted_from_one(mut location: Location) -> Location {
    if let Location::Code(code) = &mut location {
        let from_one = |number: Option<u32>| number.filter(|number| *number > 0);
        code.line = from_one(code.line);
        code.end_line =
            from_one(code.end_line).filter(|end| code.line.is_some_and(|line| *end >= line));
        code.column = from_one(code.column);
        code.snippet = code
            .snippet
            .take()
            .map(|snippet| snippet.trim_end().to_owned());
    }
    location
}

fn trimmed(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn references(texts: Vec<String>) -> Vec<String> {
    let trimmed = texts.iter().map(|text| text.trim());
    let kept = trimmed.filter(|text| !text.is_empty() && text.len() <= 2_000);
    text::unique(kept).into_iter().map(str::to_owned).collect()
}

fn tags(texts: Vec<String>) -> Vec<String> {
    let lines = texts.iter().map(|text| text::one_line(text, 100));
    text::unique(lines.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::model::CodeLocation;

    #[derive(Default)]
    struct Kept(Vec<ParsedFinding>, Vec<Warning>);

    impl Sink for Kept {
        fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
            self.0.push(finding);
            Ok(())
        }
        fn warning(&mut self, warning: Warning) {
            self.1.push(warning);
        }
    }

    #[test]
    fn the_word_wins_over_vector_over_score_over_default() {
        const VECTOR: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        for (word, vector, score, expected, codes) in [
            (
                Some("low"),
                Some(VECTOR),
                Some(5.0),
                (Level::Low, SeverityBasis::Stated),
                vec![],
            ),
            (
                Some("unknown"),
                Some(VECTOR),
                Some(5.0),
                (Level::Critical, SeverityBasis::Score),
                vec![],
            ),
            (
                None,
                Some("CVSS:3.1/AV:N"),
                Some(5.0),
                (Level::Medium, SeverityBasis::Score),
                vec!["vector.malformed"],
            ),
            (
                Some("odd"),
                None,
                None,
                (Level::High, SeverityBasis::Default),
                vec!["severity.unknown"],
            ),
            (
                None,
                None,
                Some(0.0),
                (Level::High, SeverityBasis::Default),
                vec![],
            ),
        ] {
            let mut kept = Kept::default();
            let mut emitter = Emitter::new(&mut kept, Level::High);
            let draft = Draft {
                rule: "r".into(),
                severity: word.map(str::to_owned),
                vectors: vector.iter().map(|vector| (*vector).to_owned()).collect(),
                score,
                ..Draft::default()
            };
            emitter
                .emit(draft, Location::Asset, Position::default())
                .unwrap();
            assert_eq!(emitter.items(), 1);
            assert_eq!(
                (kept.0[0].severity, kept.0[0].severity_basis),
                expected,
                "{word:?}"
            );
            assert_eq!(
                kept.1
                    .iter()
                    .map(|warning| warning.code.as_str())
                    .collect::<Vec<_>>(),
                codes
            );
        }
    }

    #[test]
    fn instances_of_one_rule_share_their_weakness_and_places_are_tidied() {
        let mut kept = Kept::default();
        let mut emitter = Emitter::new(&mut kept, Level::Low);
        for line in [0, 7] {
            let draft = Draft {
                rule: "r".into(),
                description: Some(" a long text\n".into()),
                ..Draft::default()
            };
            let code = CodeLocation {
                path: "a".into(),
                line: Some(line),
                end_line: Some(5),
                ..CodeLocation::default()
            };
            emitter
                .emit(draft, Location::Code(code), Position::default())
                .unwrap();
        }
        assert!(Arc::ptr_eq(&kept.0[0].weakness, &kept.0[1].weakness));
        assert_eq!(
            kept.0[0].weakness.description.as_deref(),
            Some("a long text")
        );
        assert_eq!(kept.0[0].weakness.title, "r");
        assert_eq!(
            kept.0
                .iter()
                .map(|finding| finding.location.line())
                .collect::<Vec<_>>(),
            [None, Some(7)]
        );
    }
}
