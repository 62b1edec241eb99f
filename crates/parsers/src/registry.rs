//! Every known format, how a report finds its own, and the way all reports are parsed.
//!
//! What it is not: a place for rules of single formats. Read next: [`crate::native`].

use gna_domain::import::{FormatInfo, ParsedFinding, Position, Refusal, ReportMeta, Sink, Warning};
use std::sync::Arc;

use crate::format::{Confidence, Format, Options};
use crate::input::Input;
use crate::sink::{Collect, Guard};
use crate::{json, native};

enum Entry {
    Native(&'static dyn Format),
    Added(Arc<dyn Format>),
}

impl Entry {
    fn format(&self) -> &dyn Format {
        match self {
            Self::Native(format) => *format,
            Self::Added(format) => format.as_ref(),
        }
    }
}

/// The formats that can be read.
pub struct Registry {
    entries: Vec<Entry>,
    options: Options,
}

/// How the parsing of one report ended; the findings went to the sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub format: FormatInfo,
    /// `items` equals `findings` plus `skipped`.
    pub meta: ReportMeta,
    pub findings: u64,
    /// Items that a warning says were left out.
    pub skipped: u64,
    /// Warnings met, including those beyond [`crate::Limits::max_warnings`].
    pub warnings: u64,
}

/// One report with all that is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub format: FormatInfo,
    pub meta: ReportMeta,
    pub findings: Vec<ParsedFinding>,
    pub warnings: Vec<Warning>,
    pub skipped: u64,
}

impl Default for Registry {
    fn default() -> Self {
        Self::native()
    }
}

impl Registry {
    /// The formats read by code.
    #[must_use]
    pub fn native() -> Self {
        Self {
            entries: native::all().into_iter().map(Entry::Native).collect(),
            options: Options::default(),
        }
    }

    /// Adds a format, for example one read from a file.
    ///
    /// # Errors
    /// `format.duplicate` where the name is taken.
    pub fn add(&mut self, format: Arc<dyn Format>) -> Result<(), Refusal> {
        let name = &format.info().name;
        if self.by_name(name).is_some() {
            return Err(Refusal::new(
                "format.duplicate",
                format!("there is a format named {name:?} already; give this one another name"),
            ));
        }
        self.entries.push(Entry::Added(format));
        Ok(())
    }

    /// Adds a format in place of the one of its name, if there is one.
    pub(crate) fn put(&mut self, format: Arc<dyn Format>) {
        let name = &format.info().name;
        self.entries
            .retain(|entry| entry.format().info().name != *name);
        self.entries.push(Entry::Added(format));
    }

    /// Reads all reports with these choices from now on.
    #[must_use]
    pub fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Every format, in the order of names.
    #[must_use]
    pub fn all(&self) -> Vec<&dyn Format> {
        let mut all: Vec<&dyn Format> = self.entries.iter().map(Entry::format).collect();
        all.sort_by(|a, b| a.info().name.cmp(&b.info().name));
        all
    }

    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&dyn Format> {
        self.entries
            .iter()
            .map(Entry::format)
            .find(|format| format.info().name == name)
    }

    /// The format that claims the report with the highest confidence. A weak claim counts only
    /// where the format then reads a finding: what fits many formats says nothing by its shape.
    ///
    /// # Errors
    /// `report.unknown_format` where none does, or several do equally; `report.empty`.
    pub fn detect(&self, input: &Input<'_>) -> Result<&dyn Format, Refusal> {
        if input.head().trim_ascii().is_empty() {
            input.text()?;
        }
        let mut best = Confidence::No;
        let mut claims: Vec<&dyn Format> = Vec::new();
        for format in self.all() {
            let confidence = format.detect(input);
            if confidence > best {
                best = confidence;
                claims.clear();
            }
            if confidence == best && best > Confidence::No {
                claims.push(format);
            }
        }
        let proved: Vec<&dyn Format> = if best == Confidence::Weak && check_size(input).is_ok() {
            claims
                .iter()
                .copied()
                .filter(|format| self.reads_something(*format, input))
                .collect()
        } else {
            claims.clone()
        };
        let name = input.name;
        let message = match (proved.as_slice(), claims.as_slice()) {
            ([one], _) => return Ok(*one),
            ([], []) => {
                let known = names(&self.all());
                format!(
                    "{name:?} looks like none of the formats known here ({known}); if it is one of them, name it with --format NAME"
                )
            }
            ([], shaped) => {
                let shaped = names(shaped);
                format!(
                    "{name:?} has the shape of {shaped} but nothing that tells; if it is one of them, say which with --format NAME"
                )
            }
            (several, _) => {
                let several = names(several);
                format!("{name:?} could be any of {several}; say which with --format NAME")
            }
        };
        Err(Refusal::new("report.unknown_format", message))
    }

    fn reads_something(&self, format: &dyn Format, input: &Input<'_>) -> bool {
        let mut probe = Probe::default();
        // The probe refuses the first finding, so the outcome says nothing.
        let _ = format.parse(input, &self.options, &mut probe);
        probe.found
    }

    /// Parses a report to its end, in the format of that name or the one it looks like.
    ///
    /// # Errors
    /// `report.unknown_format`, `report.too_large`, `report.too_deep`, `report.too_many_findings`,
    /// and whatever the format or the sink refuse it for.
    pub fn parse(
        &self,
        input: &Input<'_>,
        format: Option<&str>,
        sink: &mut dyn Sink,
    ) -> Result<Parsed, Refusal> {
        let format = match format {
            None => self.detect(input)?,
            Some(name) => self
                .by_name(name)
                .ok_or_else(|| self.no_such_format(name))?,
        };
        let info = format.info();
        self.run(format, input, sink)
            .map_err(|refusal| refusal.in_format(&info.name))
    }

    fn run(
        &self,
        format: &dyn Format,
        input: &Input<'_>,
        sink: &mut dyn Sink,
    ) -> Result<Parsed, Refusal> {
        check_size(input)?;
        let info = format.info().clone();
        let mut guard = Guard::new(sink, input.limits, &info);
        let mut meta = format.parse(input, &self.options, &mut guard)?;
        if meta.tool.trim().is_empty() {
            meta.tool.clone_from(&info.tool);
        }
        meta.category.get_or_insert(info.category);
        let accounted = guard.findings + guard.skipped;
        if meta.items != accounted {
            guard.warning(Warning {
                code: "report.miscounted".to_owned(),
                message: format!(
                    "the parser met {} items but accounted for {accounted}; please report this as a defect of the format",
                    meta.items
                ),
                position: Position::default(),
                skipped: false,
            });
            meta.items = accounted;
        }
        guard.finish();
        Ok(Parsed {
            format: info,
            meta,
            findings: guard.findings,
            skipped: guard.skipped,
            warnings: guard.warnings,
        })
    }

    /// As [`Self::parse`], with everything kept in memory.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn collect(&self, input: &Input<'_>, format: Option<&str>) -> Result<Outcome, Refusal> {
        let mut sink = Collect::default();
        let Parsed {
            format,
            meta,
            skipped,
            ..
        } = self.parse(input, format, &mut sink)?;
        Ok(Outcome {
            format,
            meta,
            findings: sink.findings,
            warnings: sink.warnings,
            skipped,
        })
    }

    fn no_such_format(&self, name: &str) -> Refusal {
        let known: Vec<&str> = self
            .all()
            .iter()
            .map(|format| format.info().name.as_str())
            .collect();
        Refusal::new(
            "report.unknown_format",
            format!(
                "there is no format {name:?}; known are {}",
                known.join(", ")
            ),
        )
    }
}

/// Takes one finding and no more.
#[derive(Default)]
struct Probe {
    found: bool,
}

impl Sink for Probe {
    fn finding(&mut self, _: ParsedFinding) -> Result<(), Refusal> {
        self.found = true;
        Err(Refusal::new(
            "probe.enough",
            "one finding is enough to tell",
        ))
    }

    fn warning(&mut self, _: Warning) {}
}

fn names(formats: &[&dyn Format]) -> String {
    formats
        .iter()
        .map(|format| format.info().name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn check_size(input: &Input<'_>) -> Result<(), Refusal> {
    let limits = input.limits;
    if u64::try_from(input.bytes.len()).unwrap_or(u64::MAX) > limits.max_bytes {
        return Err(Refusal::new(
            "report.too_large",
            format!(
                "{:?} is larger than {} bytes; split the report, or raise the setting import.max_bytes",
                input.name, limits.max_bytes
            ),
        ));
    }
    if matches!(input.bytes.trim_ascii_start().first(), Some(b'{' | b'['))
        && let Some(byte) = json::too_deep(input.bytes, limits.max_depth)
    {
        return Err(Refusal::new(
            "report.too_deep",
            format!(
                "{:?} nests deeper than {} levels, as no scanner writes; raise import.max_depth if this one does",
                input.name, limits.max_depth
            ),
        )
        .at(Position { byte: Some(byte), ..Position::default() }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Limits;
    use gna_domain::import::{Category, Reported, SeverityBasis, Weakness};
    use gna_domain::model::{Level, Location};

    /// Reads one finding per line; claims what starts with its mark.
    struct Lines {
        info: FormatInfo,
        mark: &'static [u8],
        confidence: Confidence,
    }

    impl Format for Lines {
        fn info(&self) -> &FormatInfo {
            &self.info
        }

        fn detect(&self, input: &Input<'_>) -> Confidence {
            if input.head().starts_with(self.mark) {
                self.confidence
            } else {
                Confidence::No
            }
        }

        fn parse(
            &self,
            input: &Input<'_>,
            _: &Options,
            sink: &mut dyn Sink,
        ) -> Result<ReportMeta, Refusal> {
            let mut items = 0;
            json::lines(input, |item| {
                items += 1;
                if item.raw == "skip" {
                    sink.warning(json::skipped(item.position, "asked to"));
                    return Ok(());
                }
                // A line `lost` breaks the contract: neither finding nor warning.
                if item.raw == "lost" {
                    return Ok(());
                }
                sink.finding(ParsedFinding {
                    weakness: Arc::new(Weakness {
                        title: item.raw.to_owned(),
                        cwes: vec![0, 79, 79],
                        ..Weakness::default()
                    }),
                    location: Location::Asset,
                    severity: Level::Low,
                    severity_basis: SeverityBasis::Stated,
                    message: Some("m".repeat(100)),
                    fingerprints: vec![],
                    tool: None,
                    tags: vec![],
                    reported: Reported::Present,
                    position: item.position,
                })
            })?;
            Ok(ReportMeta {
                items,
                ..ReportMeta::default()
            })
        }
    }

    fn lines(name: &str, mark: &'static [u8], confidence: Confidence) -> Arc<Lines> {
        let info = FormatInfo {
            name: name.to_owned(),
            title: name.to_owned(),
            tool: "Liner".to_owned(),
            category: Category::Sast,
            identity: "line".to_owned(),
            streams: true,
        };
        Arc::new(Lines {
            info,
            mark,
            confidence,
        })
    }

    fn registry() -> Registry {
        let mut registry = Registry {
            entries: vec![],
            options: Options::default(),
        };
        registry
            .add(lines("sure", b"a", Confidence::Certain))
            .unwrap();
        registry.add(lines("vague", b"", Confidence::Weak)).unwrap();
        registry
            .add(lines("also-vague", b"b", Confidence::Weak))
            .unwrap();
        registry
    }

    #[test]
    fn the_surest_format_wins_and_a_tie_asks() {
        let registry = registry();
        for (text, expected) in [
            ("a", Ok("sure")),
            ("c", Ok("vague")),
            ("lost", Err("has the shape of vague but nothing that tells")),
            ("b", Err("could be any of also-vague, vague")),
        ] {
            match (registry.detect(&Input::new("f", text.as_bytes())), expected) {
                (Ok(format), expected) => assert_eq!(Ok(format.info().name.as_str()), expected),
                (Err(refusal), expected) => {
                    assert_eq!(refusal.code, "report.unknown_format");
                    assert!(
                        expected.is_err_and(|part| refusal.message.contains(part)),
                        "{refusal}"
                    );
                }
            }
        }
        let named = registry
            .collect(&Input::new("f", b"b"), Some("nope"))
            .unwrap_err();
        assert!(named.message.contains("also-vague, sure, vague"), "{named}");
        assert!(
            Registry {
                entries: vec![],
                options: Options::default()
            }
            .detect(&Input::new("f", b"x"))
            .is_err()
        );
        assert_eq!(
            registry.detect(&Input::new("f", b" ")).err().unwrap().code,
            "report.empty"
        );
        let mut registry = registry;
        assert_eq!(
            registry
                .add(lines("sure", b"", Confidence::Weak))
                .unwrap_err()
                .code,
            "format.duplicate"
        );
    }

    #[test]
    fn limits_hold_for_every_format() {
        let registry = registry();
        let limits = Limits {
            max_findings: 2,
            max_warnings: 1,
            max_text: 10,
            ..Limits::default()
        };
        let outcome = registry
            .collect(
                &Input {
                    name: "f",
                    bytes: b"SQL  Injection\nskip\nskip\nb",
                    limits,
                },
                Some("sure"),
            )
            .unwrap();
        assert_eq!(
            (outcome.meta.items, outcome.skipped, outcome.findings.len()),
            (4, 2, 2)
        );
        assert_eq!(
            (outcome.meta.tool.as_str(), outcome.meta.category),
            ("Liner", Some(Category::Sast))
        );
        let weakness = &outcome.findings[0].weakness;
        assert_eq!(
            (weakness.rule.as_str(), weakness.title.as_str()),
            ("sql-injection", "SQL Injection")
        );
        assert_eq!(weakness.cwes, [79]);
        assert_eq!(outcome.findings[0].message.as_deref(), Some("mmmmmmm…"));
        let codes: Vec<&str> = outcome
            .warnings
            .iter()
            .map(|warning| warning.code.as_str())
            .collect();
        assert_eq!(codes, ["item.skipped", "warnings.more"]);

        let many = registry
            .collect(
                &Input {
                    name: "f",
                    bytes: b"1\n2\n3",
                    limits,
                },
                Some("sure"),
            )
            .unwrap_err();
        assert_eq!(
            (many.code.as_str(), many.format.as_deref()),
            ("report.too_many_findings", Some("sure"))
        );
        let large = Limits {
            max_bytes: 2,
            ..limits
        };
        let large = registry
            .collect(
                &Input {
                    name: "f",
                    bytes: b"123",
                    limits: large,
                },
                Some("sure"),
            )
            .unwrap_err();
        assert_eq!(large.code, "report.too_large");
        let deep = Limits {
            max_depth: 2,
            ..limits
        };
        let deep = registry
            .collect(
                &Input {
                    name: "f",
                    bytes: b"[[[1]]]",
                    limits: deep,
                },
                Some("sure"),
            )
            .unwrap_err();
        assert_eq!(
            (deep.code.as_str(), deep.position.and_then(|at| at.byte)),
            ("report.too_deep", Some(2))
        );
    }

    #[test]
    fn an_item_that_is_lost_is_noticed() {
        let outcome = registry()
            .collect(&Input::new("f", b"a\nlost"), None)
            .unwrap();
        assert_eq!(outcome.meta.items, 1);
        assert_eq!(outcome.warnings[0].code, "report.miscounted");
    }

    #[test]
    fn native_names_are_unique_and_sorted() {
        let names: Vec<String> = native::all()
            .iter()
            .map(|format| format.info().name.clone())
            .collect();
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        let mut plain = names.clone();
        plain.sort();
        assert_eq!(plain, sorted, "no name twice");
    }
}
