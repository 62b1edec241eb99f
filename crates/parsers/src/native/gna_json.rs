//! Gna's own report format as JSON, for tools and scripts that have none.
//!
//! Documented in `docs/GENERIC-FORMAT.md`; [`SCHEMA`] defines it. A finding is the generic form of
//! [`crate::data::generic`]. Identity: rule and place; for packages the advisory's identifiers.
//! Reading is lenient as to types; a field that the format does not know becomes a warning, since
//! it is a typing error more often than an extension.

use gna_domain::import::{Category, FormatInfo, Position, Refusal, ReportMeta, Sink, Warning};
use gna_domain::model::Level;
use gna_domain::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use super::sniff::Outline;
use crate::data::generic::{FIELDS, GenericFinding, LOCATION_FIELDS};
use crate::data::{Converter, Rules};
use crate::format::{Confidence, Format, Options};
use crate::{Input, json, lenient, text};

/// The JSON Schema (2020-12) of the format.
pub const SCHEMA: &str = include_str!("../../data/gna-report.schema.json");

/// The value of `format` that makes a document a report of this format.
pub const MARK: &str = "gna-report";
/// The newest version of the format.
pub const VERSION: u32 = 1;

pub struct GnaJson;

static INFO: LazyLock<FormatInfo> = LazyLock::new(|| FormatInfo {
    name: "gna-json".into(),
    title: "Gna report JSON".into(),
    tool: "Gna report".into(),
    category: Category::Other,
    identity:
        "rule and place; for packages identifiers, package, place; for code also its fingerprints"
            .into(),
    streams: true,
});

/// All but the findings.
#[derive(Deserialize)]
struct Head {
    #[serde(default, deserialize_with = "lenient::string")]
    format: String,
    #[serde(default, deserialize_with = "lenient::opt_u32")]
    version: Option<u32>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    tool: Tool,
    #[serde(default, deserialize_with = "lenient::opt_string")]
    category: Option<String>,
    #[serde(default, deserialize_with = "lenient::or_default")]
    scan: Scan,
    findings: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    #[serde(deserialize_with = "lenient::opt_string")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scan {
    #[serde(deserialize_with = "lenient::opt_string")]
    time: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    subject: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    commit: Option<String>,
    #[serde(deserialize_with = "lenient::opt_string")]
    branch: Option<String>,
}

impl Format for GnaJson {
    fn info(&self) -> &FormatInfo {
        &INFO
    }

    fn detect(&self, input: &Input<'_>) -> Confidence {
        match Outline::of(input.head_text()) {
            Some(outline)
                if !outline.list && outline.has("format") && outline.mentions("\"gna-report\"") =>
            {
                Confidence::Certain
            }
            _ => Confidence::No,
        }
    }

    fn parse(
        &self,
        input: &Input<'_>,
        _: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal> {
        let head: Head = json::document(input)?;
        check(&head)?;
        let category = category(head.category.as_deref(), sink);
        let mut writer = Writer::new(input, category == Some(Category::Secret));
        let mut unknown = Unknown::default();
        json::for_each_of(input, &["findings[]", "findings[].location"], |item| {
            if item.path == 1 {
                unknown.note(sink, item.raw, item.position, "location.", LOCATION_FIELDS);
                return Ok(());
            }
            unknown.note(sink, item.raw, item.position, "", FIELDS);
            match item.read::<GenericFinding>() {
                Ok(form) => writer.write(form, item.position, sink),
                Err(warning) => {
                    writer.items += 1;
                    sink.warning(warning);
                    Ok(())
                }
            }
        })?;
        let scanned_at = head
            .scan
            .time
            .as_deref()
            .and_then(|time| Timestamp::parse(time).ok());
        if let (Some(time), None) = (&head.scan.time, scanned_at) {
            let message = format!(
                "scan.time {:?} is no time; write it like 2026-01-31T09:30:00Z",
                text::cut(time, 60)
            );
            sink.warning(note("time.malformed", message, Position::default()));
        }
        Ok(ReportMeta {
            tool: head.tool.name.unwrap_or_else(|| INFO.tool.clone()),
            tool_version: head.tool.version,
            category,
            scanned_at,
            subject: head.scan.subject,
            commit: head.scan.commit,
            branch: head.scan.branch,
            items: writer.items,
        })
    }
}

fn check(head: &Head) -> Result<(), Refusal> {
    let wrong = |message: String| Err(Refusal::new("report.wrong_format", message));
    if head.format != MARK {
        return wrong(format!(
            "\"format\" must be {MARK:?}, see docs/GENERIC-FORMAT.md"
        ));
    }
    match head.version {
        Some(VERSION) => {}
        Some(version) if version > VERSION => {
            return wrong(format!(
                "version {version} of the format is newer than this Gna, which reads version {VERSION}; upgrade Gna"
            ));
        }
        _ => return wrong(format!("\"version\" must be {VERSION}")),
    }
    if head.findings.is_none() {
        return wrong(
            "there are no \"findings\"; write an empty list where nothing was found".to_owned(),
        );
    }
    Ok(())
}

/// The word of a category, in any case.
fn category(word: Option<&str>, sink: &mut dyn Sink) -> Option<Category> {
    let word = word?;
    let read = serde_json::from_value(serde_json::Value::String(word.trim().to_ascii_uppercase()));
    read.map_err(|_| {
        let shown = text::cut(word, 40);
        let message = format!("the category {shown:?} is not one of SAST, SCA, CONTAINER, SECRET, IAC, DAST, NETWORK, CLOUD, OTHER");
        sink.warning(note("category.unknown", message, Position::default()));
    })
    .ok()
}

fn note(code: &str, message: String, position: Position) -> Warning {
    Warning {
        code: code.to_owned(),
        message,
        position,
        skipped: false,
    }
}

/// Names each unknown field once.
#[derive(Default)]
struct Unknown(HashSet<String>);

impl Unknown {
    fn note(&mut self, sink: &mut dyn Sink, raw: &str, at: Position, of: &str, known: &[&str]) {
        let Ok(keys) = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(raw) else {
            return;
        };
        for key in keys
            .into_keys()
            .filter(|key| !known.contains(&key.as_str()))
        {
            let name = format!("{of}{}", text::cut(&key, 80));
            if self.0.len() < 100 && self.0.insert(name.clone()) {
                sink.warning(note(
                    "field.unknown",
                    format!("the format has no field {name:?}; it was not read"),
                    at,
                ));
            }
        }
    }
}

/// Turns generic forms into findings and counts them; also for [`super::gna_csv`].
pub(super) struct Writer {
    converter: Converter,
    pub items: u64,
}

impl Writer {
    pub fn new(input: &Input<'_>, secret: bool) -> Self {
        let rules = Rules {
            words: HashMap::new(),
            default: Level::Medium,
            max_text: input.limits.max_text,
            secret,
            html: false,
        };
        Self {
            converter: Converter::new(rules),
            items: 0,
        }
    }

    /// # Errors
    /// What the sink answered.
    pub fn write(
        &mut self,
        form: GenericFinding,
        at: Position,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        self.items += 1;
        let mut notes = Vec::new();
        let converted = self.converter.convert(form, at, &mut notes);
        for (code, message) in notes {
            sink.warning(note(code, message, at));
        }
        match converted {
            Ok(finding) => sink.finding(finding),
            Err(reason) => {
                sink.warning(json::skipped(at, format!("finding {}: {reason}", at.item)));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::testing::{detected, fixture, read, refused};
    use gna_domain::import::Reported;

    fn schema() -> jsonschema::Validator {
        jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap()
    }

    #[test]
    fn our_reports_are_valid_and_are_read_without_a_warning() {
        let schema = schema();
        for (file, items, category) in [
            ("gna-json/all-places.json", 6, Some(Category::Other)),
            ("gna-json/nothing-found.json", 0, Some(Category::Sast)),
            ("gna-json/smallest.json", 1, None),
        ] {
            let text = fixture(file);
            let problems: Vec<String> = schema
                .iter_errors(&serde_json::from_str(&text).unwrap())
                .map(|error| error.to_string())
                .collect();
            assert!(problems.is_empty(), "{file}: {problems:?}");
            assert_eq!(detected(&GnaJson, &text), Confidence::Certain, "{file}");
            let read = read(&GnaJson, &text);
            assert_eq!(
                (read.meta.items, read.meta.category, read.codes()),
                (items, category, vec![]),
                "{file}"
            );
        }
    }

    #[test]
    fn every_kind_of_place_is_read() {
        let read = read(&GnaJson, &fixture("gna-json/all-places.json"));
        assert_eq!(
            read.lines(),
            [
                ("no-eval".into(), Level::High, "src/cart.js:41".into()),
                (
                    "GHSA-jf85-cpcp-j695".into(),
                    Level::Critical,
                    "lodash@4.17.11 (web/package-lock.json)".into()
                ),
                (
                    "sqli".into(),
                    Level::High,
                    "POST https://shop.example/search".into()
                ),
                ("weak-tls".into(), Level::Medium, "shop.example:443".into()),
                (
                    "public-bucket".into(),
                    Level::Low,
                    "arn:aws:s3:::shop-assets".into()
                ),
                ("no-policy".into(), Level::Info, String::new()),
            ]
        );
        assert_eq!(
            read.findings[1].weakness.identifiers,
            ["CVE-2019-10744", "GHSA-jf85-cpcp-j695"]
        );
        assert!(
            matches!(&read.findings[4].reported, Reported::Suppressed { justification: Some(why), .. } if why == "static site")
        );
        assert_eq!(
            (read.meta.tool.as_str(), read.meta.commit.as_deref()),
            ("acme-check", Some("0c1d2e3f"))
        );
        assert!(read.meta.scanned_at.is_some());
    }

    #[test]
    fn the_schema_knows_the_fields_that_are_read_and_no_others() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for (of, fields) in [("finding", FIELDS), ("location", LOCATION_FIELDS)] {
            let mut stated: Vec<&str> = schema["$defs"][of]["properties"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let mut read = fields.to_vec();
            stated.sort_unstable();
            read.sort_unstable();
            assert_eq!(stated, read, "{of}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            (r#"{"version": 1, "findings": []}"#, "gna-report"),
            (
                r#"{"format": "gna-report", "version": 2, "findings": []}"#,
                "newer",
            ),
            (r#"{"format": "gna-report", "findings": []}"#, "version"),
            (r#"{"format": "gna-report", "version": 1}"#, "findings"),
        ] {
            let refusal = refused(&GnaJson, text);
            assert_eq!(refusal.code, "report.wrong_format", "{text}");
            assert!(refusal.message.contains(word), "{refusal}");
        }
        let text = r#"{"format": "gna-report", "version": 1, "category": "lint", "scan": {"time": "yesterday"}, "findings": [
            {"title": "a", "titel": "b", "location": {"path": "x", "lin": 3}}, {"title": "c", "titel": "d"}, {"severity": "low"}, 5]}"#;
        let odd = read(&GnaJson, text);
        assert_eq!((odd.meta.items, odd.findings.len()), (4, 2));
        let mut codes = odd.codes();
        codes.sort_unstable();
        assert_eq!(
            codes,
            [
                "category.unknown",
                "field.unknown",
                "field.unknown",
                "item.skipped",
                "item.skipped",
                "time.malformed"
            ]
        );
        assert!(!schema().is_valid(&serde_json::from_str(text).unwrap()));
    }
}
