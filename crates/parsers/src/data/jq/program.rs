//! The jq language as formats may use it: `jaq` without everything that looks outside.
//!
//! Left out, and therefore refused as unknown names: the environment (`env`, `$ENV`), the clock
//! and the local time zone (`now`, `localtime`, `strflocaltime`), other inputs (`input`, `inputs`),
//! output beside the result (`debug`, `stderr`), the end of the process (`halt`, `halt_error`),
//! and modules (`import`, `include`). A program is a pure function of its input and variables.

use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::native::{bome, run, v};
use jaq_core::{Ctx, Filter, Vars, unwrap_valr};
use jaq_json::Val;
use jaq_std::ValT as _;
use sha2::{Digest, Sha256};
use std::thread;

use super::ProgramError;

/// Longest program, in bytes.
pub const MAX_PROGRAM: usize = 32_768;
/// Names that jaq has and a format has not.
const FORBIDDEN: &[&str] = &[
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "input",
    "inputs",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "halt",
    "halt_error",
];
/// Room for the recursion of jaq's parser on the longest program; only touched pages cost memory.
const STACK: usize = 512 << 20;

/// A compiled program.
pub(super) struct Program {
    filter: Filter<JustLut<Val>>,
}

impl Program {
    /// Compiles a program that sees these variables (written with their `$`).
    ///
    /// # Errors
    /// The first mistake in it.
    pub(super) fn compile(code: &str, variables: &[&str]) -> Result<Self, ProgramError> {
        if code.len() > MAX_PROGRAM {
            let message = format!("the program is longer than {MAX_PROGRAM} bytes");
            return Err(ProgramError {
                line: None,
                message,
            });
        }
        let allowed = |name: &str| !FORBIDDEN.contains(&name);
        let defs = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs());
        let defs = defs.filter(|def| allowed(def.name)).chain(own_defs());
        let funs = jaq_core::funs()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs());
        let funs = funs
            .filter(|(name, ..)| allowed(name))
            .chain([run::<JustLut<Val>>(sha256())]);
        let arena = Arena::default();
        let modules = Loader::new(defs)
            .load(&arena, File { code, path: () })
            .map_err(|errors| parse_error(code, errors))?;
        load::import(&modules, |_| Err("not available".to_owned()))
            .map_err(|errors| parse_error(code, errors))?;
        let filter = jaq_core::Compiler::default()
            .with_funs(funs)
            .with_global_vars(variables.iter().copied())
            .compile(modules)
            .map_err(|errors| {
                let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
                match first {
                    Some((name, kind)) => ProgramError {
                        line: line_of(code, name),
                        message: format!("there is no {} {name:?} here", kind.as_str()),
                    },
                    None => ProgramError {
                        line: None,
                        message: "it does not compile".to_owned(),
                    },
                }
            })?;
        Ok(Self { filter })
    }

    /// Runs the program lazily; each output is a value or the text of an error, after which
    /// nothing follows that makes sense.
    pub(super) fn run(
        &self,
        input: Val,
        variables: Vec<Val>,
    ) -> impl Iterator<Item = Result<Val, String>> + '_ {
        let context = Ctx::<JustLut<Val>>::new(&self.filter.lut, Vars::new(variables));
        self.filter.id.run((context, input)).map(|output| {
            unwrap_valr(output).map_err(|error| {
                let text = error.to_string();
                // What `error("...")` raises is shown as JSON.
                serde_json::from_str(&text).unwrap_or(text)
            })
        })
    }
}

/// What formats have beside the language: see `docs/FORMATS-AS-DATA.md`.
const OWN: &str = r#"
    def filled: if . == null or . == "" or . == [] or . == {} then empty else . end;
    def list: if . == null then empty elif type == "array" then .[] else . end;
"#;

fn own_defs() -> impl Iterator<Item = load::parse::Def<&'static str>> {
    load::parse(OWN, |parser| parser.defs())
        .unwrap_or_default()
        .into_iter()
}

/// `sha256`: the digest of a text in hexadecimal, for values that must not be kept.
fn sha256() -> jaq_core::native::Filter<jaq_core::RunPtr<JustLut<Val>>> {
    ("sha256", v(0), |cv| {
        bome(
            cv.1.try_as_utf8_bytes()
                .map(|text| Val::from(hex::encode(Sha256::digest(text)))),
        )
    })
}

/// Compiles a program to see whether it does, on a thread of its own whose stack the deepest
/// program that is allowed cannot exhaust.
///
/// # Errors
/// The first mistake in it.
pub fn check(code: &str, variables: &[&str]) -> Result<(), ProgramError> {
    thread::scope(|scope| {
        let compile = || Program::compile(code, variables).map(drop);
        let failed = |_| ProgramError {
            line: None,
            message: "it could not be compiled".to_owned(),
        };
        let thread = thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, compile);
        let thread = thread.map_err(|error| ProgramError {
            line: None,
            message: error.to_string(),
        })?;
        thread.join().map_err(|_| failed(()))?
    })
}

fn parse_error(code: &str, errors: load::Errors<&str, ()>) -> ProgramError {
    let what = |found: &str| match found.lines().next().map(str::trim).unwrap_or_default() {
        "" => "the end".to_owned(),
        found => format!("{:?}", crate::text::cut(found, 40)),
    };
    for (_, error) in errors {
        let (at, message) = match error {
            load::Error::Io(errors) => match errors.into_iter().next() {
                Some((path, _)) => (
                    path,
                    "import and include are not available to a format".to_owned(),
                ),
                None => continue,
            },
            load::Error::Lex(errors) => match errors.into_iter().next() {
                Some((expected, found)) => (
                    found,
                    format!("expected {}, found {}", expected.as_str(), what(found)),
                ),
                None => continue,
            },
            load::Error::Parse(errors) => match errors.into_iter().next() {
                Some((expected, found)) => (
                    found,
                    format!("expected {}, found {}", expected.as_str(), what(found)),
                ),
                None => continue,
            },
        };
        return ProgramError {
            line: line_of(code, at),
            message,
        };
    }
    ProgramError {
        line: None,
        message: "it is not a jq program".to_owned(),
    }
}

/// The line of a part of the code that was borrowed from it.
fn line_of(code: &str, part: &str) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(code.as_ptr().addr())?;
    code.get(..at)
        .map(|before| before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(code: &str, input: &str) -> Result<String, String> {
        let program = Program::compile(code, &["$meta"]).map_err(|error| error.message)?;
        let input = jaq_json::read::parse_single(input.as_bytes()).unwrap();
        let outputs: Result<Vec<_>, _> = program
            .run(input, vec![Val::from("M".to_owned())])
            .collect();
        outputs.map(|outputs| {
            outputs
                .iter()
                .map(Val::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
    }

    #[test]
    fn programs_map_values() {
        for (code, input, expected) in [
            (
                ".a[] | {b: ., m: $meta}",
                r#"{"a":[1,2]}"#,
                Ok(r#"{"b":1,"m":"M"} {"b":2,"m":"M"}"#),
            ),
            ("def f: select(.>1); .[] | f", "[1,2,3]", Ok("2 3")),
            ("capture(\"(?<n>[0-9]+)\").n", "\"a12b\"", Ok("\"12\"")),
            ("empty", "1", Ok("")),
            (
                "[.[] | filled]",
                r#"[null, "", [], {}, 0, "a"]"#,
                Ok(r#"[0,"a"]"#),
            ),
            (
                "[(.a | list), (.b | list), (.c | list)]",
                r#"{"a": [1, 2], "b": 3}"#,
                Ok("[1,2,3]"),
            ),
            ("sha256[0:16]", "\"hunter2\"", Ok("\"f52fbd32b2b3b86f\"")),
            (".a.b", "[1]", Err("cannot index [1] with \"a\"")),
        ] {
            assert_eq!(
                run(code, input),
                expected.map(str::to_owned).map_err(str::to_owned),
                "{code}"
            );
        }
    }

    #[test]
    fn nothing_outside_is_within_reach() {
        for code in [
            "env",
            "$ENV",
            "env.HOME",
            "now",
            "input",
            "[inputs]",
            "debug",
            "debug(1)",
            "stderr",
            "halt",
            "halt(3)",
            "halt_error",
            "localtime",
            "strflocaltime(\"%H\")",
            "import \"a\" as a; .",
            "include \"a\"; .",
            "import \"a\" as $a; $a",
            "input_filename",
            "get_search_list",
            "$__prog_args",
        ] {
            assert!(check(code, &[]).is_err(), "{code}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (code, line, part) in [
            (".a\n| .b\n| nosuch", Some(3), "\"nosuch\""),
            (".a\n| {b: $none}", Some(2), "$none"),
            ("{a: 1", Some(1), "expected"),
            ("if . then\n 1", Some(2), "expected"),
            ("\n\n\"x", Some(3), "closing quote"),
        ] {
            let error = check(code, &["$meta"]).unwrap_err();
            assert!(error.message.contains(part), "{code}: {error:?}");
            assert_eq!(error.line, line, "{code}: {error:?}");
        }
    }

    #[test]
    fn a_program_that_nests_as_deep_as_its_length_allows_is_refused_not_fatal() {
        let half = MAX_PROGRAM / 2;
        for code in [
            "(".repeat(MAX_PROGRAM),
            "-".repeat(MAX_PROGRAM - 1) + "1",
            "[".repeat(half) + &"]".repeat(half),
            ".|".repeat(half - 1) + ".",
            ".,".repeat(half - 1) + ".",
            "if ".repeat(MAX_PROGRAM / 3),
            "try ".repeat(MAX_PROGRAM / 4) + ".",
            ".[".repeat(MAX_PROGRAM / 3) + &"]".repeat(MAX_PROGRAM / 3),
            "[".repeat(MAX_PROGRAM + 1),
        ] {
            // Whether it compiles does not matter: the process must survive it.
            let _ = check(&code, &[]);
        }
    }
}
