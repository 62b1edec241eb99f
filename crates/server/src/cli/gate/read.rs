//! Reading report files for the gate: what can't be read is told and does not end the command.

use gna_domain::import::ParsedFinding;
use gna_domain::rules::gate::Item;
use gna_domain::rules::identity::{Options, keys};
use gna_parsers::Registry;

use super::told::{ReportTold, Unreadable};
use crate::cli::parse;
use crate::config::Config;

/// All items of some files.
#[derive(Default)]
pub struct Read {
    pub items: Vec<Item>,
    /// What each item is made from, in the same order.
    pub shown: Vec<Shown>,
    pub reports: Vec<ReportTold>,
    pub unreadable: Vec<Unreadable>,
}

pub struct Shown {
    /// Its place in [`Read::reports`].
    pub report: usize,
    pub tool: String,
    pub finding: ParsedFinding,
}

/// Reads them to their ends, in the named format or the one that each looks like.
pub fn read(
    files: &[String],
    format: Option<&str>,
    options: Options,
    config: &Config,
    registry: &Registry,
) -> Read {
    let mut all = Read::default();
    for file in files {
        match parse::read(file, config) {
            Ok(decoded) => {
                let several = decoded.len() > 1;
                for report in decoded {
                    let name = if several {
                        format!("{file} ({})", report.name)
                    } else {
                        file.clone()
                    };
                    match registry.collect(&report.input(config.limits()), format) {
                        Ok(outcome) => all.take(name, outcome, options),
                        Err(refusal) => all.refuse(name, &refusal),
                    }
                }
            }
            Err(refusal) => all.refuse(file.clone(), &refusal),
        }
    }
    all
}

impl Read {
    fn take(&mut self, file: String, outcome: gna_parsers::Outcome, options: Options) {
        let report = self.reports.len();
        let meta = outcome.meta;
        self.reports.push(ReportTold {
            file,
            format: outcome.format.name,
            tool: meta.tool.clone(),
            findings: u64::try_from(outcome.findings.len()).unwrap_or(u64::MAX),
            skipped: outcome.skipped,
        });
        for finding in outcome.findings {
            let tool = finding.tool.as_deref().unwrap_or(&meta.tool).to_owned();
            if let Some(item) = Item::new(&finding, keys(&finding, &tool, options)) {
                self.items.push(item);
                self.shown.push(Shown {
                    report,
                    tool,
                    finding,
                });
            }
        }
    }

    fn refuse(&mut self, file: String, refusal: &gna_domain::import::Refusal) {
        self.unreadable.push(Unreadable {
            file,
            code: refusal.code.clone(),
            message: refusal.to_string(),
        });
    }
}
