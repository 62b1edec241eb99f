//! Runs a document: writes the files that it shows, and does what it tells a shell to do.
//!
//! A code block says what it is behind its language: `file=NAME` is written, `sh` is run, all of them
//! in their order by one shell.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a whole document may take.
const WAIT: Duration = Duration::from_secs(300);

/// A code block.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// Behind the language.
    pub marks: Vec<&'a str>,
    pub language: &'a str,
    pub text: &'a str,
}

impl<'a> Block<'a> {
    /// The value of `NAME=value`.
    #[must_use]
    pub fn mark(&self, name: &str) -> Option<&'a str> {
        self.marks
            .iter()
            .find_map(|mark| mark.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The code blocks of a document, in their order.
#[must_use]
pub fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = document;
    loop {
        // At the beginning of a line.
        let from = match rest.strip_prefix("```") {
            Some(from) => from,
            None => match rest.split_once("\n```") {
                Some((_, from)) => from,
                None => break,
            },
        };
        let Some((head, body)) = from.split_once('\n') else {
            break;
        };
        let Some((text, after)) = body.split_once("\n```\n") else {
            break;
        };
        let mut words = head.split_whitespace();
        blocks.push(Block {
            language: words.next().unwrap_or_default(),
            marks: words.collect(),
            text,
        });
        rest = after;
    }
    blocks
}

/// A document's blocks in a folder, with programs that are found before all others.
pub struct Guide<'a> {
    pub folder: &'a Path,
    pub programs: PathBuf,
    /// What stands in the document, and what stands here instead: ports that others may have.
    pub instead: Vec<(&'a str, String)>,
}

impl Guide<'_> {
    /// Writes and runs the blocks.
    ///
    /// # Errors
    /// What the shell said, where a command failed or did not end.
    ///
    /// # Panics
    /// Where the folder can't be written.
    pub fn run(&self, blocks: &[Block<'_>]) -> Result<(), String> {
        let mut script = String::from("set -eu\n");
        for block in blocks {
            let text = self
                .instead
                .iter()
                .fold(block.text.to_owned(), |text, (from, to)| {
                    text.replace(from, to)
                });
            if let Some(file) = block.mark("file") {
                let path = self.folder.join(file);
                let parent = path.parent().expect("a folder");
                std::fs::create_dir_all(parent).expect("is made");
                std::fs::write(path, text + "\n").expect("is written");
            } else if block.language == "sh" {
                let shown = text.replace('\'', "'\\''");
                let _ = write!(script, "echo '--- {shown}'\n{text}\n");
            }
        }
        let log = self.folder.join("guide.log");
        let out = std::fs::File::create(&log).expect("is made");
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GNA_") {
                command.env_remove(name);
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = command
            .arg("-s")
            .current_dir(self.folder)
            .env("PATH", format!("{}:{path}", self.programs.display()))
            .stdin(Stdio::piped())
            .stderr(out.try_clone().expect("is opened"))
            .stdout(out)
            // What it leaves running ends with it.
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut input = shell.stdin.take().expect("is piped");
        input.write_all(script.as_bytes()).expect("is read");
        drop(input);
        let until = Instant::now() + WAIT;
        let ended = loop {
            match shell.try_wait().expect("can be asked") {
                Some(status) => break status.success(),
                None if Instant::now() > until => break false,
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let group = format!("-{}", shell.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = shell.wait();
        if ended {
            return Ok(());
        }
        Err(std::fs::read_to_string(&log).unwrap_or_default())
    }
}

/// Whether programs are there; says which is not.
#[must_use]
pub fn have(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let found = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok();
        if !found {
            eprintln!("SKIPPED: there is no {program} here");
        }
        found
    })
}

/// A port that was free a moment ago.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart_by_their_marks() {
        let text = "# A\n\n```sh both\necho a\necho b\n```\n\ntext\n\n```toml file=x/y.toml\na = 1\n```\n```sh\nc\n```\n";
        let all = blocks(text);
        let told: Vec<_> = all
            .iter()
            .map(|block| (block.language, block.mark("file"), block.text))
            .collect();
        assert_eq!(
            told,
            [
                ("sh", None, "echo a\necho b"),
                ("toml", Some("x/y.toml"), "a = 1"),
                ("sh", None, "c")
            ]
        );
        assert_eq!(all[0].marks, ["both"]);
    }

    #[test]
    fn a_command_that_fails_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let guide = |text: &str| {
            let guide = Guide {
                folder: folder.path(),
                programs: folder.path().to_owned(),
                instead: vec![("4711", "12".to_owned())],
            };
            guide.run(&blocks(text))
        };
        let good = "\n```txt file=a.txt\n4711\n```\n\n```sh\ngrep 12 a.txt\n```\n";
        assert_eq!(guide(good), Ok(()));
        let told = guide("\n```sh\necho before\nfalse\n```\n").expect_err("it failed");
        assert!(told.contains("before"), "{told}");
    }
}
