//! From TOML files to formats: those built in, and those of a user's folder.

use std::fmt;
use std::path::Path;

use super::definition::{Definition, Mistake};
use super::format::DataFormat;
use super::jq;
use super::shipped::SHIPPED;

/// Largest definition, in bytes.
const MAX_FILE: u64 = 262_144;
/// Variables of the two programs.
const MAP_VARIABLES: &[&str] = &["$meta", "$at"];

/// Why a format could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    pub file: String,
    /// From 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for LoadError {}

/// The formats that come with Gna. Their programs are compiled by tests, not at every start.
///
/// # Errors
/// None in a released build; the tests load them all.
pub fn builtin() -> Result<Vec<DataFormat>, LoadError> {
    SHIPPED
        .iter()
        .map(|(file, text)| DataFormat::new(define(file, text)?, file))
        .collect()
}

/// The formats in a folder: every `*.toml` in it, in the order of names. Their programs are
/// compiled to find mistakes now rather than at the first report.
///
/// # Errors
/// The first thing that is wrong with any of them, with its file and line.
pub fn load_dir(folder: &Path) -> Result<Vec<DataFormat>, LoadError> {
    let failed = |path: &Path, message: String| LoadError {
        file: path.display().to_string(),
        line: None,
        message,
    };
    let entries = std::fs::read_dir(folder).map_err(|error| {
        failed(
            folder,
            format!(
                "the folder of formats can't be read ({error}); create it or unset formats.dir"
            ),
        )
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| failed(folder, error.to_string()))?
            .path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut formats: Vec<DataFormat> = Vec::new();
    for path in paths {
        let size = std::fs::metadata(&path)
            .map_err(|error| failed(&path, error.to_string()))?
            .len();
        if size > MAX_FILE {
            return Err(failed(
                &path,
                format!("larger than {MAX_FILE} bytes; a format is a short file"),
            ));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| failed(&path, format!("can't be read: {error}")))?;
        let format = load(&path.display().to_string(), &text)?;
        if let Some(other) = formats
            .iter()
            .find(|other| other.definition().name == format.definition().name)
        {
            return Err(LoadError {
                file: path.display().to_string(),
                line: line_of_field(&text, "name"),
                message: format!(
                    "the name {:?} is taken by {}; give one of them another name",
                    format.definition().name,
                    other.file()
                ),
            });
        }
        formats.push(format);
    }
    Ok(formats)
}

/// One format from its text, with its programs compiled.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn load(file: &str, text: &str) -> Result<DataFormat, LoadError> {
    let definition = define(file, text)?;
    let programs = [
        ("meta", definition.meta.as_ref(), [].as_slice()),
        ("map", Some(&definition.map), MAP_VARIABLES),
    ];
    for (name, program, variables) in programs {
        let Some(program) = program else { continue };
        jq::check(program.get_ref(), variables).map_err(|error| {
            let first = first_line(text, program.span().start);
            LoadError {
                file: file.to_owned(),
                line: Some(first + error.line.map_or(0, |line| line - 1)),
                message: format!("the {name} program does not compile: {}", error.message),
            }
        })?;
    }
    DataFormat::new(definition, file)
}

/// Puts a user's formats over the built-in ones.
///
/// # Errors
/// A user's format has the name of a built-in one and does not say `replaces = true`, or says so
/// and there is none. `taken` tells the names of formats that are code.
pub fn merge(
    builtin: Vec<DataFormat>,
    own: Vec<DataFormat>,
    taken: impl Fn(&str) -> bool,
) -> Result<Vec<DataFormat>, LoadError> {
    let mut all = builtin;
    for format in own {
        let name = format.definition().name.clone();
        let before = all.len();
        let known = taken(&name) || all.iter().any(|other| other.definition().name == name);
        let problem = match (known, format.definition().replaces) {
            (true, false) => {
                format!(
                    "{name:?} is the name of a built-in format; choose another name, or write replaces = true"
                )
            }
            (false, true) => {
                format!("there is no built-in format {name:?} to replace; remove replaces = true")
            }
            _ => {
                all.retain(|other| other.definition().name != name);
                debug_assert!(all.len() + 1 >= before);
                all.push(format);
                continue;
            }
        };
        return Err(LoadError {
            file: format.file().to_owned(),
            line: None,
            message: problem,
        });
    }
    Ok(all)
}

fn define(file: &str, text: &str) -> Result<Definition, LoadError> {
    Definition::parse(text).map_err(|Mistake { byte, message }| LoadError {
        file: file.to_owned(),
        line: byte.map(|byte| line_of_byte(text, byte)),
        message: format!("{message} (docs/FORMATS-AS-DATA.md lists every field)"),
    })
}

fn line_of_byte(text: &str, byte: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(byte)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// The line on which the content of a string begins; after `'''` and a line break it is the next.
fn first_line(text: &str, start: usize) -> usize {
    let raw = text.get(start..).unwrap_or_default();
    let opened = raw
        .strip_prefix("'''")
        .or_else(|| raw.strip_prefix("\"\"\""))
        .unwrap_or_default();
    line_of_byte(text, start) + usize::from(opened.starts_with('\n') || opened.starts_with("\r\n"))
}

fn line_of_field(text: &str, field: &str) -> Option<usize> {
    text.lines()
        .position(|line| line.trim_start().starts_with(field))
        .map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "name = \"acme\"\ntitle = \"Acme\"\ntool = \"Acme\"\ncategory = \"SAST\"\n\
        docs = \"https://acme.example\"\nidentity = \"rule\"\ninput = \"jsonl\"\nmap = '''\n{\n  rule: .id\n}\n'''\n\
        [[detect]]\nkeys = [\"id\"]\n";

    #[test]
    fn every_built_in_format_loads_and_compiles() {
        let mut names = Vec::new();
        for (file, text) in SHIPPED {
            let format = load(file, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                *file,
                format!("{}.toml", format.definition().name),
                "a file is named as its format"
            );
            assert!(!format.definition().replaces, "{file}");
            names.push(format.definition().name.clone());
        }
        assert!(
            names.is_sorted_by(|a, b| a < b),
            "in the order of names, none twice: {names:?}"
        );
        assert_eq!(builtin().unwrap().len(), SHIPPED.len());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        let files = std::fs::read_dir(folder).unwrap().flatten();
        let toml = files
            .filter(|file| file.path().extension().is_some_and(|end| end == "toml"))
            .count();
        assert_eq!(toml, SHIPPED.len(), "every file in data/ is listed");
    }

    #[test]
    fn mistakes_are_told_with_file_and_line() {
        for (from, to, line, part) in [
            (
                "tool = \"Acme\"",
                "tool = \"Acme\"\ntol = 1",
                Some(4),
                "tol",
            ),
            ("rule: .id", "rule: .id, x: nosuch", Some(10), "nosuch"),
            ("  rule: .id\n", "  rule: (.id\n", Some(11), "map program"),
            (
                "map = ",
                "meta = \"nosuch\"\nmap = ",
                Some(8),
                "meta program",
            ),
            (
                "[[detect]]\nkeys",
                "[[detect]]\nfirst_line = \"(\"\nkeys",
                None,
                "first_line",
            ),
            ("name = \"acme\"", "name = ", Some(1), ""),
        ] {
            let text = OWN.replace(from, to);
            assert_ne!(text, OWN);
            let error = load("acme.toml", &text).unwrap_err();
            assert!(error.message.contains(part), "{error}");
            if line.is_some() {
                assert_eq!(error.line, line, "{error}");
            }
            assert!(error.to_string().starts_with("acme.toml"), "{error}");
        }
    }

    #[test]
    fn a_folder_extends_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("acme.toml", OWN);
        write("notes.txt", "no format");
        let own = || load_dir(folder.path()).unwrap();
        assert_eq!(own().len(), 1);
        let none = |_: &str| false;
        assert_eq!(merge(vec![], own(), none).unwrap().len(), 1);
        let clash = merge(own(), own(), none).unwrap_err();
        assert!(clash.message.contains("replaces = true"), "{clash}");
        assert!(
            merge(vec![], own(), |name| name == "acme").is_err(),
            "the name of a format that is code"
        );

        write(
            "acme.toml",
            &OWN.replace("tool =", "replaces = true\ntool ="),
        );
        assert!(
            merge(vec![], own(), none)
                .unwrap_err()
                .message
                .contains("no built-in format")
        );
        let builtin = vec![load("acme.toml", OWN).unwrap()];
        let merged = merge(builtin, own(), none).unwrap();
        assert_eq!(merged.len(), 1);
        assert!(merged[0].definition().replaces);

        write("b.toml", OWN);
        let twice = load_dir(folder.path()).unwrap_err();
        assert!(
            twice.file.ends_with("b.toml")
                && twice.line == Some(1)
                && twice.message.contains("acme.toml"),
            "{twice}"
        );
        assert!(
            load_dir(&folder.path().join("none"))
                .unwrap_err()
                .message
                .contains("formats.dir")
        );
        write("b.toml", &"#".repeat(300_000));
        assert!(
            load_dir(folder.path())
                .unwrap_err()
                .message
                .contains("larger")
        );
    }
}
