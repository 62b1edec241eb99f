//! The parent's side of one report: items out, answers in, in order, whatever an item does.
//!
//! Items are sent ahead of their answers. The child works in order and answers each at once, so
//! the first unanswered item is the one that hangs or kills it: it is given up, the child is
//! replaced, and the others are sent again.

use gna_domain::import::{Position, Refusal};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;

use super::frame::{self, Kind};
use super::process::{NoAnswer, Process, Runner};

/// Items that may be under way.
const WINDOW: usize = 256;
/// Bytes that may be under way.
const WINDOW_BYTES: usize = 4 << 20;

/// What the child is told first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    pub map: String,
    pub meta: Option<String>,
    /// JSON that `meta` runs on.
    pub outline: Option<String>,
    pub memory_bytes: u64,
    pub cpu_seconds: u64,
    pub max_outputs: usize,
    pub max_output_bytes: usize,
}

impl Setup {
    /// The programs of a format under the limits of a runner.
    #[must_use]
    pub fn new(runner: &Runner, map: &str, meta: Option<&str>, outline: Option<String>) -> Self {
        Self {
            map: map.to_owned(),
            meta: meta.map(str::to_owned),
            outline,
            memory_bytes: runner.memory_bytes,
            cpu_seconds: runner.cpu_seconds,
            max_outputs: runner.max_outputs,
            max_output_bytes: runner.max_output_bytes,
        }
    }

    #[cfg(test)]
    pub(super) fn unlimited(map: &str) -> Self {
        Self::new(&Runner::default(), map, None, None)
    }
}

/// What came of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub position: Position,
    /// A JSON array.
    pub outputs: String,
    /// Why there are no more outputs than these.
    pub error: Option<String>,
}

struct Pending<'a> {
    at: String,
    item: Cow<'a, str>,
    position: Position,
}

/// One report's items on their way through the child.
pub struct Session<'a, 'r> {
    runner: &'r Runner,
    setup: Setup,
    process: Option<Process>,
    /// Why `meta` failed (an empty line if it did not) and what it gave, once a child is ready.
    meta: Option<String>,
    /// Sent and not yet answered.
    pending: VecDeque<Pending<'a>>,
    pending_bytes: usize,
    /// Items that this child has answered.
    answered: u64,
    kills_in_a_row: u32,
    kills: u32,
}

impl<'a, 'r> Session<'a, 'r> {
    #[must_use]
    pub fn new(runner: &'r Runner, setup: Setup) -> Self {
        Self {
            runner,
            setup,
            process: None,
            meta: None,
            pending: VecDeque::new(),
            pending_bytes: 0,
            answered: 0,
            kills_in_a_row: 0,
            kills: 0,
        }
    }

    /// What the `meta` program gave, as JSON, and why it gave nothing; starts the child if need be.
    ///
    /// # Errors
    /// `format.program_failed` where the child does not start, a program does not compile, or
    /// `meta` does not end.
    pub fn meta(&mut self) -> Result<(&str, Option<&str>), Refusal> {
        self.running()?;
        let told = self.meta.as_deref().unwrap_or_default();
        let (error, value) = told.split_once('\n').unwrap_or(("", "null"));
        Ok((value, Some(error).filter(|error| !error.is_empty())))
    }

    /// Sends an item (JSON) with what `$at` shall hold (JSON on one line). Hands over the answers
    /// that must be taken before there is room.
    ///
    /// # Errors
    /// `format.program_failed`, or whatever `each` returned.
    pub fn push(
        &mut self,
        at: String,
        item: Cow<'a, str>,
        position: Position,
        each: &mut dyn FnMut(Answer) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.pending_bytes = self.pending_bytes.saturating_add(item.len());
        let pending = Pending { at, item, position };
        let frame = framed(&pending)?;
        self.running()?.send(frame);
        self.pending.push_back(pending);
        while self.pending.len() > WINDOW
            || (self.pending_bytes > WINDOW_BYTES && !self.pending.is_empty())
        {
            self.take(each)?;
        }
        Ok(())
    }

    /// Hands over all answers that are still missing.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(
        &mut self,
        each: &mut dyn FnMut(Answer) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        while !self.pending.is_empty() {
            self.take(each)?;
        }
        Ok(())
    }

    /// Waits for the answer to the oldest item.
    fn take(&mut self, each: &mut dyn FnMut(Answer) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let deadline = self.runner.item_deadline;
        match self.running()?.receive(deadline) {
            Ok((Kind::Outputs, payload)) => {
                self.answered += 1;
                self.kills_in_a_row = 0;
                let payload = String::from_utf8_lossy(&payload);
                let (error, outputs) = payload.split_once('\n').unwrap_or((payload.as_ref(), "[]"));
                let error = (!error.is_empty()).then(|| error.to_owned());
                let outputs = outputs.to_owned();
                self.answer(each, outputs, error)
            }
            Ok(_) => Err(failed("the worker process does not answer as one")),
            Err(NoAnswer::Late) => {
                let reason = format!(
                    "the map program did not end within {:.1} s",
                    deadline.as_secs_f64()
                );
                self.give_up(each, reason)
            }
            // It may have died of what earlier items left behind: the item gets a child of its own.
            Err(NoAnswer::Gone) if self.answered > 0 => {
                self.process = None;
                Ok(())
            }
            Err(NoAnswer::Gone) => {
                let reason =
                    "the map program ran out of memory, stack or processor time".to_owned();
                self.give_up(each, reason)
            }
        }
    }

    /// Skips the oldest item and the child that it ruined.
    fn give_up(
        &mut self,
        each: &mut dyn FnMut(Answer) -> Result<(), Refusal>,
        reason: String,
    ) -> Result<(), Refusal> {
        self.process = None;
        self.kills += 1;
        self.kills_in_a_row += 1;
        if self.kills_in_a_row >= self.runner.max_kills_in_a_row
            || self.kills >= self.runner.max_kills
        {
            let position = self
                .pending
                .front()
                .map(|pending| pending.position)
                .unwrap_or_default();
            let message = format!(
                "{reason}, on {} items by now; the format must be corrected",
                self.kills
            );
            return Err(failed(message).at(position));
        }
        self.answer(each, "[]".to_owned(), Some(reason))
    }

    fn answer(
        &mut self,
        each: &mut dyn FnMut(Answer) -> Result<(), Refusal>,
        outputs: String,
        error: Option<String>,
    ) -> Result<(), Refusal> {
        let Some(done) = self.pending.pop_front() else {
            return Err(failed("the worker answers without being asked"));
        };
        self.pending_bytes = self.pending_bytes.saturating_sub(done.item.len());
        each(Answer {
            position: done.position,
            outputs,
            error,
        })
    }

    /// The child, started if there is none, with all unanswered items under way.
    fn running(&mut self) -> Result<&Process, Refusal> {
        if cfg!(not(feature = "jq")) {
            return Err(Refusal::new(
                "format.not_built",
                "this build leaves out formats as data; build it with the cargo feature `jq`",
            ));
        }
        if self.process.is_none() {
            let process = Process::start(self.runner).map_err(|reason| {
                failed(format!(
                    "the worker process for formats as data failed: {reason}"
                ))
            })?;
            let setup =
                serde_json::to_vec(&self.setup).map_err(|error| failed(error.to_string()))?;
            let mut hello = Vec::new();
            frame::write(&mut hello, Kind::Setup, &[&setup])
                .map_err(|error| failed(error.to_string()))?;
            process.send(hello);
            let has_meta = self.setup.meta.is_some();
            let wait = self.runner.meta_deadline;
            match process.receive(wait) {
                Ok((Kind::Ready, meta)) => {
                    self.meta = Some(String::from_utf8_lossy(&meta).into_owned())
                }
                Ok((Kind::Refused, reason)) => {
                    return Err(failed(String::from_utf8_lossy(&reason)));
                }
                Ok(_) | Err(NoAnswer::Gone) if !has_meta => {
                    return Err(failed(format!(
                        "the worker process ended at once; its command must run Gna with the argument {:?}",
                        super::WORKER_COMMAND
                    )));
                }
                Ok(_) | Err(NoAnswer::Gone) => {
                    return Err(failed(
                        "its meta program ran out of memory, stack or processor time",
                    ));
                }
                Err(NoAnswer::Late) => {
                    let what = if has_meta {
                        "its meta program did not end"
                    } else {
                        "the worker process did not answer"
                    };
                    let seconds = wait.as_secs_f64();
                    return Err(failed(format!("{what} within {seconds:.1} s")));
                }
            }
            for pending in &self.pending {
                process.send(framed(pending)?);
            }
            self.answered = 0;
            self.process = Some(process);
        }
        self.process
            .as_ref()
            .ok_or_else(|| failed("the worker process is gone"))
    }
}

fn framed(pending: &Pending<'_>) -> Result<Vec<u8>, Refusal> {
    let mut frame = Vec::with_capacity(pending.item.len() + pending.at.len() + 8);
    frame::write(
        &mut frame,
        Kind::Item,
        &[pending.at.as_bytes(), b"\n", pending.item.as_bytes()],
    )
    .map_err(|error| Refusal::new("report.too_large", error.to_string()).at(pending.position))?;
    Ok(frame)
}

fn failed(message: impl Into<String>) -> Refusal {
    Refusal::new("format.program_failed", message)
}
