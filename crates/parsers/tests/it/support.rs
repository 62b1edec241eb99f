//! Reads a text with a format as data, through the real child process.

use gna_domain::import::{ParsedFinding, Refusal, ReportMeta, Sink, Warning};
use gna_parsers::data::{DataFormat, Runner, load};
use gna_parsers::{Format, Input, Options};
use std::path::PathBuf;

#[derive(Debug, Default)]
pub struct Read {
    pub findings: Vec<ParsedFinding>,
    pub warnings: Vec<Warning>,
    pub meta: ReportMeta,
}

impl Sink for Read {
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
        self.findings.push(finding);
        Ok(())
    }

    fn warning(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }
}

impl Read {
    pub fn skipped(&self) -> Vec<&Warning> {
        self.warnings
            .iter()
            .filter(|warning| warning.skipped)
            .collect()
    }
}

pub fn runner() -> Runner {
    Runner {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_gna-jq-worker"))),
        args: vec![],
        ..Runner::default()
    }
}

pub fn read(format: &DataFormat, name: &str, text: &str, runner: Runner) -> Result<Read, Refusal> {
    let mut read = Read::default();
    let options = Options { jq: runner };
    read.meta = format.parse(&Input::new(name, text.as_bytes()), &options, &mut read)?;
    let accounted = read.findings.len() + read.skipped().len();
    assert_eq!(
        read.meta.items, accounted as u64,
        "every item is accounted for"
    );
    Ok(read)
}

/// A format for `{"results": [...]}` with this map program and these more lines.
pub fn format(map: &str, more: &str) -> DataFormat {
    let text = format!(
        "name = 'acme'\ntitle = 'Acme'\ntool = 'Acme'\ncategory = 'SAST'\ndocs = 'https://acme.example'\n\
         identity = 'rule'\ninput = 'json'\nitems = 'results[]'\nmap = '''{map}'''\n{more}\n[[detect]]\nkeys = ['results']\n"
    );
    load("acme.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}
