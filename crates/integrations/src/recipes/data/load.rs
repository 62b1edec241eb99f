//! From a file's text to a definition; each mistake with its file, line and key.

use std::fmt;
use std::path::Path;

use super::definition::{Definition, Mistake};
use super::run::DataRecipe;

/// Largest file, in bytes.
const MAX_FILE: u64 = 262_144;

/// Why a recipe could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeError {
    pub file: String,
    /// From 1, where it is known.
    pub line: Option<usize>,
    /// Keys with dots between, where it is known: `on.0.call`.
    pub key: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for RecipeError {}

/// One recipe from its text, with everything checked that can be without its modules.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn load(file: &str, text: &str) -> Result<DataRecipe, RecipeError> {
    let error = |line, key, message: String| RecipeError {
        file: file.to_owned(),
        line,
        key,
        message,
    };
    let table: toml::Table = toml::from_str(text).map_err(|wrong| {
        let line = wrong.span().map(|span| line_of(text, span.start));
        error(line, None, wrong.message().to_owned())
    })?;
    let definition: Definition = serde_path_to_error::deserialize(toml::Value::Table(table))
        .map_err(|wrong| {
            let key = wrong.path().to_string();
            let message = wrong.inner().message().trim();
            let message = format!("{message} (docs/RECIPES.md lists every key)");
            error(None, (key != ".").then_some(key), message)
        })?;
    let wrong = |mistake: Mistake| error(None, Some(mistake.path), mistake.message);
    match definition.mistake() {
        Some(mistake) => Err(wrong(mistake)),
        None => DataRecipe::new(definition).map_err(wrong),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// The recipes in a folder: every `*.toml` in it, in the order of names.
///
/// # Errors
/// The first thing that is wrong with any of them.
pub fn load_dir(folder: &Path) -> Result<Vec<DataRecipe>, RecipeError> {
    let failed = |path: &Path, message: String| RecipeError {
        file: path.display().to_string(),
        line: None,
        key: None,
        message,
    };
    let entries = std::fs::read_dir(folder).map_err(|error| {
        let text = format!(
            "the folder of recipes can't be read ({error}); create it or unset recipes.dir"
        );
        failed(folder, text)
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| failed(folder, error.to_string()))?
            .path();
        if path.extension().is_some_and(|end| end == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut recipes = Vec::with_capacity(paths.len());
    for path in paths {
        let size = std::fs::metadata(&path).map_err(|error| failed(&path, error.to_string()))?;
        if size.len() > MAX_FILE {
            return Err(failed(
                &path,
                format!("a recipe has at most {MAX_FILE} bytes"),
            ));
        }
        let text =
            std::fs::read_to_string(&path).map_err(|error| failed(&path, error.to_string()))?;
        recipes.push(load(&path.display().to_string(), &text)?);
    }
    Ok(recipes)
}
