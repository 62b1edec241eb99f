//! The child process: limits itself, compiles, then answers item after item until its input ends.

use jaq_json::Val;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use super::frame::{self, Kind};
use super::program::Program;
use super::session::Setup;

/// Variables of a `map` program, in the order of their values.
const MAP_VARIABLES: &[&str] = &["$meta", "$at"];

/// Runs this process as the worker of a parent that started it with [`super::WORKER_COMMAND`].
/// Reads from standard input, writes to standard output, and does nothing else.
#[must_use]
pub fn child_main() -> ExitCode {
    // A panic is reported by the exit of the process; its text could hold a piece of the report.
    std::panic::set_hook(Box::new(|_| {}));
    match serve(
        &mut BufReader::new(io::stdin().lock()),
        &mut BufWriter::new(io::stdout().lock()),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let Some((Kind::Setup, setup)) = frame::read(from, usize::MAX)? else {
        return Err(io::Error::other("the parent did not introduce itself"));
    };
    let setup: Setup = serde_json::from_slice(&setup)?;
    limit(&setup)?;
    let (map, meta, error) = match prepare(&setup) {
        Ok(prepared) => prepared,
        Err(reason) => {
            frame::write(to, Kind::Refused, &[reason.as_bytes()])?;
            return to.flush();
        }
    };
    let error = error.unwrap_or_default().replace(['\n', '\r'], " ");
    frame::write(
        to,
        Kind::Ready,
        &[error.as_bytes(), b"\n", meta.to_string().as_bytes()],
    )?;
    to.flush()?;
    while let Some((Kind::Item, payload)) = frame::read(from, usize::MAX)? {
        let (outputs, error) = answer(&map, &meta, &payload, &setup);
        let error = error.unwrap_or_default().replace(['\n', '\r'], " ");
        frame::write(to, Kind::Outputs, &[error.as_bytes(), b"\n", &outputs])?;
        // At once: the parent tells by the answer that is missing which item does not end.
        to.flush()?;
    }
    Ok(())
}

/// No more memory and processor time than the parent grants, no file and no core dump written.
#[cfg(unix)]
fn limit(setup: &Setup) -> io::Result<()> {
    use rlimit::Resource;
    Resource::CORE.set(0, 0)?;
    Resource::FSIZE.set(0, 0)?;
    Resource::CPU.set(setup.cpu_seconds, setup.cpu_seconds)?;
    // Not every system has this one; the deadline still ends a program that eats all memory.
    if Resource::AS.is_supported() {
        let most = setup.memory_bytes.saturating_add(own_bytes());
        Resource::AS.set(most, most)?;
    }
    Ok(())
}

/// Address space that the program takes before it has read anything; 0 where the system does not tell.
#[cfg(unix)]
fn own_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = size.and_then(|size| size.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(0, |kib| kib.saturating_mul(1_024))
}

#[cfg(not(unix))]
fn limit(_: &Setup) -> io::Result<()> {
    Ok(())
}

/// Compiles both programs and runs `meta`; an error of it is told beside the value `null`.
fn prepare(setup: &Setup) -> Result<(Program, Val, Option<String>), String> {
    let compile = |name: &str, code: &str, variables: &[&str]| {
        Program::compile(code, variables).map_err(|error| match error.line {
            Some(line) => format!(
                "its {name} program does not compile: {} (line {line})",
                error.message
            ),
            None => format!("its {name} program does not compile: {}", error.message),
        })
    };
    let map = compile("map", &setup.map, MAP_VARIABLES)?;
    let Some(meta) = &setup.meta else {
        return Ok((map, Val::Null, None));
    };
    let meta = compile("meta", meta, &[])?;
    let outline = setup.outline.as_deref().unwrap_or("null");
    let outline = jaq_json::read::parse_single(outline.as_bytes())
        .map_err(|error| format!("no outline: {error}"))?;
    Ok(match meta.run(outline, vec![]).next() {
        None => (map, Val::Null, None),
        Some(Ok(value)) => (map, value, None),
        Some(Err(error)) => (map, Val::Null, Some(shorten(&error))),
    })
}

/// The outputs as a JSON array, and the error that ended them.
fn answer(map: &Program, meta: &Val, payload: &[u8], setup: &Setup) -> (Vec<u8>, Option<String>) {
    let mut outputs = b"[".to_vec();
    let error = collect(map, meta, payload, setup, &mut outputs).err();
    outputs.push(b']');
    (outputs, error)
}

fn collect(
    map: &Program,
    meta: &Val,
    payload: &[u8],
    setup: &Setup,
    outputs: &mut Vec<u8>,
) -> Result<(), String> {
    let split = payload
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or("the item was not framed")?;
    let (at, item) = payload.split_at(split);
    let read =
        |bytes: &[u8]| jaq_json::read::parse_single(bytes).map_err(|error| error.to_string());
    let (at, item) = (read(at)?, read(item)?);
    let mut count = 0;
    for output in map.run(item, vec![meta.clone(), at]) {
        let text = output.map_err(|error| shorten(&error))?.to_string();
        count += 1;
        if count > setup.max_outputs {
            return Err(format!("it gives more than {} outputs", setup.max_outputs));
        }
        if outputs.len() + text.len() > setup.max_output_bytes {
            return Err(format!(
                "it gives more than {} bytes",
                setup.max_output_bytes
            ));
        }
        if count > 1 {
            outputs.push(b',');
        }
        outputs.extend_from_slice(text.as_bytes());
    }
    Ok(())
}

/// jaq quotes the values it stumbled over, which can be a whole item.
fn shorten(error: &str) -> String {
    crate::text::cut(error, 200).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the child answers to these items, without a process around it and without limits of
    /// the system.
    fn answers(map: &str, items: &[&str]) -> Vec<String> {
        let setup = Setup {
            max_outputs: 3,
            max_output_bytes: 40,
            ..Setup::unlimited(map)
        };
        let (program, meta, _) = prepare(&setup).unwrap();
        let text = |item: &&str| {
            let (outputs, error) = answer(
                &program,
                &meta,
                format!("{{\"n\":7}}\n{item}").as_bytes(),
                &setup,
            );
            format!(
                "{} {}",
                String::from_utf8(outputs).unwrap(),
                error.unwrap_or_default()
            )
        };
        items.iter().map(text).collect()
    }

    #[test]
    fn outputs_before_an_error_are_kept_and_limits_hold() {
        assert_eq!(
            answers(
                ".[] | if . == 0 then error(\"zero\") else {v: ., n: $at.n} end",
                &["[1,0,2]", "[]", "{\"a\":", "[1,1,1,1]"]
            )
            .iter()
            .map(|answer| answer.chars().take(60).collect::<String>())
            .collect::<Vec<_>>(),
            [
                "[{\"v\":1,\"n\":7}] zero",
                "[] ",
                "[] byte offset 6: value expected",
                "[{\"v\":1,\"n\":7},{\"v\":1,\"n\":7}] it gives more than 40 bytes",
            ]
        );
        assert_eq!(
            answers("repeat(1)", &["0"]),
            ["[1,1,1] it gives more than 3 outputs"],
            "endless outputs end"
        );
    }

    #[test]
    fn meta_runs_once_on_the_outline() {
        let setup = Setup {
            meta: Some("{v: .version}".into()),
            outline: Some(r#"{"version": "1.2", "items": [null]}"#.into()),
            ..Setup::unlimited("$meta.v")
        };
        let (program, meta, error) = prepare(&setup).unwrap();
        assert_eq!(answer(&program, &meta, b"null\n0", &setup).0, b"[\"1.2\"]");
        assert_eq!(error, None);
        let failing = Setup {
            meta: Some("error(\"why\")".into()),
            ..Setup::unlimited(".")
        };
        assert_eq!(
            prepare(&failing)
                .ok()
                .and_then(|(_, _, error)| error)
                .as_deref(),
            Some("why")
        );
        let wrong = Setup {
            meta: Some("nosuch".into()),
            ..Setup::unlimited(".")
        };
        assert!(prepare(&wrong).err().unwrap().contains("does not compile"));
    }
}
