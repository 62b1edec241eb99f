//! Reading a report: parsing runs on a thread of its own and hands over what it finds, so that
//! parsing and writing use two processors.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};
use crate::import::{
    Category, ParsedFinding, PlannedStream, Refusal, ReportMeta, Reported, Sink, Warning,
};
use crate::port::{OpenReport, Parsing};
use crate::rules::identity::{Keys, Options, keys};

/// Findings handed over at once.
const BATCH: usize = 500;
/// Batches that may wait, so that a fast parser does not fill the memory.
const WAITING: usize = 4;
/// What an item counts as that the report lists only to say that it is gone or passed.
const ABSENT: &str = "item.absent";

/// The report, opened; or why it is refused.
///
/// # Errors
/// Only if the thread can't run.
pub async fn open(
    parsing: Arc<dyn Parsing>,
    file_name: String,
    raw: Bytes,
    format: Option<String>,
) -> Result<Result<Arc<dyn OpenReport>, Refusal>> {
    on_thread(move || {
        parsing
            .open(&file_name, raw, format.as_deref())
            .map(Arc::from)
    })
    .await
}

/// What the first reading, to the very end, gives.
#[derive(Debug)]
pub struct Survey {
    pub meta: ReportMeta,
    pub streams: Vec<PlannedStream>,
    /// Keys of each finding, in order.
    pub keys: Vec<Keys>,
    /// Position in `streams` of each.
    pub stream_of: Vec<usize>,
    pub warnings: Vec<Warning>,
    /// How often an item was left out, by code.
    pub skipped: BTreeMap<String, u64>,
}

struct SurveySink {
    streams: Streams,
    options: Options,
    keys: Vec<Keys>,
    stream_of: Vec<usize>,
    warnings: Vec<Warning>,
    skipped: BTreeMap<String, u64>,
}

impl Sink for SurveySink {
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
        let stream = self.streams.of(&finding);
        if is_absent(&finding) {
            *self.skipped.entry(ABSENT.to_owned()).or_default() += 1;
            return Ok(());
        }
        let tool = self.streams.name(stream);
        self.keys.push(keys(&finding, &tool, self.options));
        self.stream_of.push(stream);
        Ok(())
    }

    fn warning(&mut self, warning: Warning) {
        if warning.skipped {
            *self.skipped.entry(warning.code.clone()).or_default() += 1;
        }
        self.warnings.push(warning);
    }
}

/// The tools of a report; most have one.
struct Streams {
    /// The tool of findings that name none.
    fallback: Arc<str>,
    names: Vec<Arc<str>>,
    used_fallback: bool,
}

impl Streams {
    fn of(&mut self, finding: &ParsedFinding) -> usize {
        self.used_fallback |= finding.tool.is_none();
        let tool = finding.tool.as_ref().unwrap_or(&self.fallback);
        match self.names.iter().position(|name| name == tool) {
            Some(at) => at,
            None => {
                self.names.push(tool.clone());
                self.names.len() - 1
            }
        }
    }

    fn name(&self, at: usize) -> Arc<str> {
        self.names
            .get(at)
            .cloned()
            .unwrap_or_else(|| self.fallback.clone())
    }
}

/// Reads the report to its end without keeping its findings. `category` is what the uploader said.
///
/// # Errors
/// Only if the thread can't run.
pub async fn survey(
    report: Arc<dyn OpenReport>,
    options: Options,
    category: Option<Category>,
) -> Result<Result<Survey, Refusal>> {
    on_thread(move || {
        let info = report.format().clone();
        let (mut sink, mut meta) = read_as(report.as_ref(), &info.tool, options)?;
        // Some formats carry any tool's findings and name it where it can't be known before they
        // are read. Identity rests on the name, so they are read again with the right one.
        let named = meta.tool.trim().to_owned();
        if named.is_empty() {
            meta.tool.clone_from(&info.tool);
        } else if named != info.tool && sink.streams.used_fallback {
            (sink, meta) = read_as(report.as_ref(), &named, options)?;
        }
        let category = category.or(meta.category).unwrap_or(info.category);
        let mut tools: Vec<String> = sink.streams.names.iter().map(ToString::to_string).collect();
        if tools.is_empty() {
            tools.push(meta.tool.clone());
        }
        let streams = tools
            .into_iter()
            .map(|tool| PlannedStream { tool, category })
            .collect();
        Ok(Survey {
            meta,
            streams,
            keys: sink.keys,
            stream_of: sink.stream_of,
            warnings: sink.warnings,
            skipped: sink.skipped,
        })
    })
    .await
}

fn read_as(
    report: &dyn OpenReport,
    tool: &str,
    options: Options,
) -> Result<(SurveySink, ReportMeta), Refusal> {
    let streams = Streams {
        fallback: tool.into(),
        names: Vec::new(),
        used_fallback: false,
    };
    let mut sink = SurveySink {
        streams,
        options,
        keys: Vec::new(),
        stream_of: Vec::new(),
        warnings: Vec::new(),
        skipped: BTreeMap::new(),
    };
    let meta = report.parse(&mut sink)?;
    Ok((sink, meta))
}

/// The report's findings once more, in batches, from number `from` on.
pub fn findings(
    report: Arc<dyn OpenReport>,
    from: usize,
) -> mpsc::Receiver<Result<Vec<ParsedFinding>, Refusal>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    thread::spawn(move || {
        let mut sink = BatchSink {
            sender: sender.clone(),
            skip: from,
            batch: Vec::with_capacity(BATCH),
        };
        let ended = report.parse(&mut sink).and_then(|_| sink.flush());
        if let Err(refusal) = ended {
            // The receiver may have gone away first; then nobody is left to tell.
            let _ = sender.blocking_send(Err(refusal));
        }
    });
    receiver
}

struct BatchSink {
    sender: mpsc::Sender<Result<Vec<ParsedFinding>, Refusal>>,
    skip: usize,
    batch: Vec<ParsedFinding>,
}

impl BatchSink {
    fn flush(&mut self) -> Result<(), Refusal> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.sender
            .blocking_send(Ok(batch))
            .map_err(|_| Refusal::new("import.stopped", "the import was stopped"))
    }
}

impl Sink for BatchSink {
    fn finding(&mut self, finding: ParsedFinding) -> Result<(), Refusal> {
        if is_absent(&finding) {
            return Ok(());
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        self.batch.push(finding);
        if self.batch.len() >= BATCH {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn warning(&mut self, _: Warning) {}
}

/// Left out of both readings, so that items have the same numbers in both. Its vulnerability, if
/// there is one, closes as those do of which the report says nothing.
fn is_absent(finding: &ParsedFinding) -> bool {
    matches!(finding.reported, Reported::Absent { .. })
}

/// Runs what uses the processor for a while on a thread of its own.
///
/// # Errors
/// Only if the thread can't run.
pub async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    thread::Builder::new()
        .name("report".to_owned())
        .spawn(move || {
            let _ = sender.send(work());
        })
        .map_err(|_| {
            Error::unavailable(
                "import.no_thread",
                "no thread could be started to read the report",
            )
        })?;
    receiver.await.map_err(|_| {
        Error::internal(
            "import.parser_failed",
            "the parser of this format failed; please report it with the format's name",
        )
    })
}
