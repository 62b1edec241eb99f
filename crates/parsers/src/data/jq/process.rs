//! One child process and the two threads that keep its pipes moving.

use std::ffi::OsString;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::frame::{self, Kind};

/// Answers that are kept until they are asked for; small ones also wait in the pipe.
const AHEAD: usize = 4;

/// First argument that makes `gna` run [`super::child_main`].
pub const WORKER_COMMAND: &str = "jq-worker";

/// For mimalloc, which `gna` is linked with: by itself it reserves 1 GiB before the child can limit its
/// address space. What does not fit in there would then fail at once, however little is in use; and what
/// fits would be more than was granted.
const SMALL_ARENAS: [(&str, &str); 2] = [
    // KiB; further ones are reserved as they are needed.
    ("MIMALLOC_ARENA_RESERVE", "32768"),
    ("MIMALLOC_ALLOW_THP", "0"),
];

/// How the child process is started, and what it may use. Configuration of the caller.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The executable; `None` for the running one.
    pub program: Option<PathBuf>,
    pub args: Vec<OsString>,
    /// How long one item may take.
    pub item_deadline: Duration,
    /// How long the child may take to start and to run the `meta` program.
    pub meta_deadline: Duration,
    /// Address space of the child beside its program, in bytes. Enforced where the system can (Linux
    /// does).
    pub memory_bytes: u64,
    /// Processor time of one child, in seconds; a child that used it up on good items is replaced.
    pub cpu_seconds: u64,
    /// Most outputs of one item.
    pub max_outputs: usize,
    /// Most bytes of all outputs of one item.
    pub max_output_bytes: usize,
    /// Longest outline that `meta` gets, in bytes.
    pub max_outline_bytes: usize,
    /// Items in a row that may kill the child before the report is refused.
    pub max_kills_in_a_row: u32,
    /// Items that may kill it in one report.
    pub max_kills: u32,
}

impl Default for Runner {
    fn default() -> Self {
        Self {
            program: None,
            args: vec![WORKER_COMMAND.into()],
            item_deadline: Duration::from_secs(5),
            meta_deadline: Duration::from_secs(30),
            memory_bytes: 512 << 20,
            cpu_seconds: 300,
            max_outputs: 100_000,
            max_output_bytes: 16 << 20,
            max_outline_bytes: 32 << 20,
            max_kills_in_a_row: 3,
            max_kills: 20,
        }
    }
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    Late,
    Gone,
}

/// A running child. Dropping it kills it.
pub(super) struct Process {
    child: Child,
    to: Sender<Vec<u8>>,
    from: Receiver<(Kind, Vec<u8>)>,
}

impl Process {
    /// # Errors
    /// A sentence that says why the executable could not be started.
    pub(super) fn start(runner: &Runner) -> Result<Self, String> {
        let program = match &runner.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()
                .map_err(|error| format!("the own executable is not known: {error}"))?,
        };
        let mut command = Command::new(&program);
        command.args(&runner.args).env_clear();
        command.envs(SMALL_ARENAS);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("it has no standard input or output".to_owned());
        };
        let (to, frames) = mpsc::channel::<Vec<u8>>();
        // Both threads end by themselves once the child or this value is gone.
        thread::spawn(move || {
            let mut stdin = BufWriter::with_capacity(1 << 16, stdin);
            while let Ok(first) = frames.recv() {
                let mut next = Some(first);
                while let Some(frame) = next {
                    if stdin.write_all(&frame).is_err() {
                        return;
                    }
                    next = frames.try_recv().ok();
                }
                if stdin.flush().is_err() {
                    return;
                }
            }
        });
        let max = runner
            .max_output_bytes
            .saturating_add(1 << 16)
            .max(runner.max_outline_bytes);
        let from = answers(stdout, max);
        Ok(Self { child, to, from })
    }

    /// Queues a frame; that the child is gone shows when its answer is missing.
    pub(super) fn send(&self, frame: Vec<u8>) {
        let _ = self.to.send(frame);
    }

    pub(super) fn receive(&self, deadline: Duration) -> Result<(Kind, Vec<u8>), NoAnswer> {
        self.from
            .recv_timeout(deadline)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => NoAnswer::Late,
                RecvTimeoutError::Disconnected => NoAnswer::Gone,
            })
    }
}

/// Reads answers of at most `max` bytes on a thread of its own. A child that is further ahead than
/// [`AHEAD`] waits: whoever writes a format decides how long answers are, and they are ours to keep.
fn answers(stdout: impl Read + Send + 'static, max: usize) -> Receiver<(Kind, Vec<u8>)> {
    let (answers, from) = mpsc::sync_channel(AHEAD);
    thread::spawn(move || {
        let mut stdout = BufReader::with_capacity(1 << 16, stdout);
        while let Ok(Some(answer)) = frame::read(&mut stdout, max) {
            if answers.send(answer).is_err() {
                return;
            }
        }
    });
    from
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; either way it must be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Bytes of one answer.
    const SIZE: usize = 200_000;

    /// Answers as fast as they are read, and counts how many bytes were taken.
    struct Flood(Vec<u8>, Arc<AtomicUsize>);

    impl Read for Flood {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let taken = self.1.load(Ordering::SeqCst);
            let left = &self.0[taken % self.0.len()..];
            let count = left.len().min(to.len());
            to[..count].copy_from_slice(&left[..count]);
            // Not for ever, so that a reader that takes everything ends too.
            let ends = taken > 1_000 * SIZE;
            self.1.fetch_add(count, Ordering::SeqCst);
            Ok(if ends { 0 } else { count })
        }
    }

    #[test]
    fn answers_that_nobody_asks_for_are_not_piled_up() {
        let mut frame = Vec::new();
        frame::write(&mut frame, Kind::Outputs, &[&vec![b'x'; SIZE]]).unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let from = answers(Flood(frame.clone(), Arc::clone(&taken)), SIZE);
        for asked in 1..=20 {
            assert_eq!(from.recv().unwrap().1.len(), SIZE);
            // Those in the channel, the one that waits to go in, and what the buffer holds.
            let most = (asked + AHEAD + 1) * frame.len() + (1 << 16);
            for _ in 0..1_000 {
                thread::yield_now();
                let taken = taken.load(Ordering::SeqCst);
                assert!(taken <= most, "{taken} bytes after {asked} answers");
            }
        }
    }
}
