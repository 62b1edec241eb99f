//! A format made of a definition: runs its programs and makes findings of what they give.
//!
//! What it is not: the place where jq runs; that is the child process behind [`super::jq`].

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Sink, Warning};
use gna_domain::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

use super::convert::{Converter, Rules};
use super::definition::{Definition, MetaInput};
use super::detect::Detector;
use super::generic::{FIELDS, GenericFinding, LOCATION_FIELDS};
use super::jq::{Answer, Session, Setup};
use super::load::LoadError;
use super::source;
use crate::format::{Confidence, Format, Options};
use crate::input::Input;
use crate::{json, lenient};

/// Outputs per report whose field names are looked at, to tell the author of a typing error.
const CHECKED: u32 = 100;

/// One format as data.
#[derive(Clone, Debug)]
pub struct DataFormat {
    definition: Definition,
    info: FormatInfo,
    detectors: Vec<Detector>,
    file: String,
}

impl DataFormat {
    pub(super) fn new(definition: Definition, file: &str) -> Result<Self, LoadError> {
        let info = FormatInfo {
            name: definition.name.clone(),
            title: definition.title.clone(),
            tool: definition.tool.clone(),
            category: definition.category,
            identity: definition.identity.clone(),
            streams: definition.meta.is_none() || definition.meta_input == MetaInput::Outline,
        };
        let detectors = definition
            .detect
            .iter()
            .map(|rule| Detector::new(rule.get_ref()))
            .collect();
        Ok(Self {
            definition,
            info,
            detectors,
            file: file.to_owned(),
        })
    }

    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The file it was read from, for messages.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    fn rules(&self, input: &Input<'_>) -> Rules {
        Rules {
            words: self
                .definition
                .severity
                .iter()
                .map(|(word, level)| (word.to_lowercase(), *level))
                .collect(),
            default: self.definition.default_severity,
            max_text: input.limits.max_text,
            secret: self.definition.category == Category::Secret,
            html: self.definition.html,
        }
    }
}

impl Format for DataFormat {
    fn info(&self) -> &FormatInfo {
        &self.info
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        self.detectors
            .iter()
            .map(|detector| detector.judge(input))
            .max()
            .unwrap_or(Confidence::No)
    }

    fn parse(
        &self,
        input: &Input<'_>,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let definition = &self.definition;
        let runner = &options.jq;
        let program = definition
            .meta
            .as_ref()
            .map(|program| program.get_ref().as_str());
        let outline = match program {
            Some(_) => Some(source::outline(
                input,
                definition,
                runner.max_outline_bytes,
            )?),
            None => None,
        };
        let setup = Setup::new(runner, definition.map.get_ref(), program, outline);
        let mut session = Session::new(runner, setup);
        let mut run = Run {
            sink,
            converter: Converter::new(self.rules(input)),
            container: definition.container,
            secret: definition.category == Category::Secret,
            items: 0,
            checked: 0,
            unknown: BTreeSet::new(),
        };
        let mut meta = ReportMeta {
            tool: definition.tool.clone(),
            ..ReportMeta::default()
        };
        if program.is_some() {
            let (value, error) = session.meta()?;
            run.about(value, &mut meta);
            if let Some(error) = error {
                let message = format!("the meta program fails on this report: {error}");
                run.warn("meta.failed", message, Position::default());
            }
        }
        let mut met = 0_u64;
        source::items(input, definition, &mut |item| {
            met += 1;
            session.push(item.at, item.json, item.position, &mut |answer| {
                run.take(&answer)
            })
        })?;
        session.finish(&mut |answer| run.take(&answer))?;
        if met == 0
            && !source::is_plausible(input, definition)
            && self.detect(input) == Confidence::No
        {
            return Err(Refusal::new(
                "report.wrong_format",
                format!(
                    "there is nothing of {} in it; let the format be detected, or name the right one",
                    self.info.title
                ),
            ));
        }
        meta.items = run.items;
        Ok(meta)
    }
}

/// What `meta` may tell about the report; its other members are for `map` alone.
#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    #[serde(deserialize_with = "lenient::opt_string")]
    tool: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    tool_version: Option<String>,
    /// RFC 3339 or similar text, or seconds or milliseconds since 1970.
    #[serde(deserialize_with = "lenient::opt_string")]
    scanned_at: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    subject: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    commit: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    branch: Option<String>,
    /// Overrides the format's category for this report.
    #[serde(deserialize_with = "lenient::or_default")]
    category: Option<Category>,
}

/// The report under way.
struct Run<'s> {
    sink: &'s mut dyn Sink,
    converter: Converter,
    container: bool,
    secret: bool,
    items: u64,
    checked: u32,
    /// Unknown fields that were warned of.
    unknown: BTreeSet<String>,
}

impl Run<'_> {
    /// Takes over what the `meta` program gave.
    fn about(&mut self, value: &str, meta: &mut ReportMeta) {
        let Ok(about) = serde_json::from_str::<About>(value) else {
            return;
        };
        if let Some(tool) = about.tool {
            meta.tool = tool;
        }
        meta.tool_version = about.tool_version;
        meta.subject = about.subject;
        meta.commit = about.commit;
        meta.branch = about.branch;
        meta.category = about.category;
        if let Some(text) = about.scanned_at {
            meta.scanned_at = instant(&text);
            if meta.scanned_at.is_none() {
                self.warn(
                    "time.malformed",
                    format!("the time of the scan, {text:?}, can't be read"),
                    Position::default(),
                );
            }
        }
    }

    /// Makes findings of what came of one item.
    fn take(&mut self, answer: &Answer) -> Result<(), Refusal> {
        let outputs: Vec<&RawValue> = match serde_json::from_str(&answer.outputs) {
            Ok(outputs) => outputs,
            Err(error) => {
                self.skip(
                    answer.position,
                    format!("what was made of it is not JSON: {error}"),
                );
                return Ok(());
            }
        };
        let mut made = false;
        for output in outputs {
            if output.get() != "null" {
                made = true;
                self.output(output.get(), answer.position)?;
            }
        }
        match &answer.error {
            // jaq quotes values, and a secret must not be repeated.
            Some(_) if self.secret => {
                self.skip(answer.position, "the map program fails on it".to_owned())
            }
            Some(error) => self.skip(
                answer.position,
                format!("the map program fails on it: {error}"),
            ),
            None if !made && !self.container => {
                self.skip(answer.position, "the format makes nothing of it".to_owned())
            }
            None => {}
        }
        Ok(())
    }

    fn output(&mut self, output: &str, position: Position) -> Result<(), Refusal> {
        #[derive(Deserialize)]
        struct Skip {
            skip: String,
        }

        if output.starts_with("{\"skip\":")
            && let Ok(Skip { skip }) = serde_json::from_str(output)
        {
            self.skip(position, skip);
            return Ok(());
        }
        self.check_names(output, position);
        let form: GenericFinding = match serde_json::from_str(output) {
            Ok(form) => form,
            Err(error) => {
                self.skip(
                    position,
                    format!("what was made of it is no finding: {error}"),
                );
                return Ok(());
            }
        };
        let mut notes = Vec::new();
        match self.converter.convert(form, position, &mut notes) {
            Ok(finding) => {
                self.items += 1;
                self.sink.finding(finding)?;
            }
            Err(reason) => self.skip(position, reason),
        }
        for (code, message) in notes {
            self.warn(code, message, position);
        }
        Ok(())
    }

    /// Warns once of each field that the generic form does not have.
    fn check_names(&mut self, output: &str, position: Position) {
        #[derive(Deserialize)]
        struct Place<'a> {
            #[serde(borrow)]
            location: Option<&'a RawValue>,
        }

        if self.checked >= CHECKED {
            return;
        }
        self.checked += 1;
        let members = |text: &str| -> Vec<String> {
            serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text)
                .map(|map| map.into_keys().collect())
                .unwrap_or_default()
        };
        let top = members(output)
            .into_iter()
            .filter(|name| !FIELDS.contains(&name.as_str()));
        let place = serde_json::from_str::<Place<'_>>(output)
            .ok()
            .and_then(|place| place.location);
        let inner = place.map(|place| members(place.get())).unwrap_or_default();
        let inner = inner
            .into_iter()
            .filter(|name| !LOCATION_FIELDS.contains(&name.as_str()));
        let unknown: Vec<String> = top
            .chain(inner.map(|name| format!("location.{name}")))
            .collect();
        for name in unknown {
            if self.unknown.len() < 20 && self.unknown.insert(name.clone()) {
                let message =
                    format!("the map program gives {name:?}, which no finding has; it is left out");
                self.warn("field.unknown", message, position);
            }
        }
    }

    fn skip(&mut self, position: Position, reason: String) {
        self.items += 1;
        self.sink.warning(json::skipped(
            position,
            format!("item {} was left out: {reason}", position.item),
        ));
    }

    fn warn(&mut self, code: &str, message: String, position: Position) {
        self.sink.warning(Warning {
            code: code.to_owned(),
            message,
            position,
            skipped: false,
        });
    }
}

/// A time as text, or a number of seconds or (from 100,000,000,000 on) milliseconds since 1970.
fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.trim().parse::<f64>() {
        let seconds = if number.abs() < 1e11 {
            number
        } else {
            number / 1_000.0
        };
        let whole = format!("{:.0}", seconds * 1_000.0);
        return whole.parse().ok().map(Timestamp::from_millis);
    }
    Timestamp::parse(text).ok().or_else(|| {
        const FORMATS: &[&str] = &[
            "%Y-%m-%d %H:%M:%S%.f %z",
            "%Y-%m-%d %H:%M:%S%.f %z %Z",
            "%a, %d %b %Y %H:%M:%S %z",
            "%a %b %d %H:%M:%S %Y",
            "%Y-%m-%d %H:%M",
            "%Y%m%d-%H%M",
        ];
        FORMATS
            .iter()
            .find_map(|format| Timestamp::parse_with(format, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_text_or_number() {
        for (text, millis) in [
            ("2026-01-31T09:30:00Z", Some(1_769_851_800_000)),
            ("1769851800", Some(1_769_851_800_000)),
            ("1769851800.5", Some(1_769_851_800_500)),
            ("1769851800123", Some(1_769_851_800_123)),
            ("2026-01-31 10:30:00 +0100", Some(1_769_851_800_000)),
            ("Sat Jan 31 09:30:00 2026", Some(1_769_851_800_000)),
            ("Sat, 31 Jan 2026 09:30:00 +0000", Some(1_769_851_800_000)),
            ("noon", None),
        ] {
            assert_eq!(instant(text).map(Timestamp::millis), millis, "{text}");
        }
    }
}
