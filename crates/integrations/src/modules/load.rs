//! From a file's text to a module; each mistake with its file, line and key.

use gna_domain::connect::Module;
use std::fmt;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Tables of named entries: in a file that extends another one they are added by name.
const NAMED: &[&str] = &["operations", "paging", "urls"];

/// Why a module could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    pub file: String,
    /// From 1, where it is known.
    pub line: Option<usize>,
    /// Keys with dots between, where it is known: `operations.create_issue.path`.
    pub key: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for LoadError {
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

impl std::error::Error for LoadError {}

/// One module from its text, with everything checked.
///
/// # Errors
/// The first thing that is wrong with it. A file that extends another one needs [`load_over`].
pub fn load(file: &str, text: &str) -> Result<Module, LoadError> {
    load_over(file, text, |_| None)
}

/// One module whose file may say `extends`: `base` gives the text of the module of that name.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn load_over<'t>(
    file: &str,
    text: &str,
    base: impl Fn(&str) -> Option<&'t str>,
) -> Result<Module, LoadError> {
    let own: Table = toml::from_str(text).map_err(|error| LoadError {
        file: file.to_owned(),
        line: error.span().map(|span| line_of(text, span.start)),
        key: None,
        message: error.message().to_owned(),
    })?;
    let whole = match own
        .get("extends")
        .and_then(Value::as_str)
        .map(str::to_owned)
    {
        None => own,
        Some(name) => over(file, text, own, &name, base)?,
    };
    let module: Module =
        serde_path_to_error::deserialize(Value::Table(whole)).map_err(|error| {
            let path: Vec<String> = error
                .path()
                .iter()
                .filter_map(|part| match part {
                    serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                    serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                    serde_path_to_error::Segment::Enum { variant } => Some(variant.clone()),
                    serde_path_to_error::Segment::Unknown => None,
                })
                .collect();
            let message = error.inner().message().trim().to_owned();
            at(
                file,
                text,
                with_unknown(path, &message),
                format!("{message} (docs/MODULES.md lists every key)"),
            )
        })?;
    match module.mistakes().into_iter().next() {
        None => Ok(module),
        Some(mistake) => Err(at(file, text, mistake.path, mistake.message)),
    }
}

/// The tables of the extended module under those of this one; named entries are added by name.
fn over<'t>(
    file: &str,
    text: &str,
    own: Table,
    name: &str,
    base: impl Fn(&str) -> Option<&'t str>,
) -> Result<Table, LoadError> {
    let refuse = |message: String| at(file, text, vec!["extends".to_owned()], message);
    let below = base(name).ok_or_else(|| {
        refuse(format!(
            "there is no built-in module {name:?} to extend; `gna modules list` names them"
        ))
    })?;
    let mut whole: Table = toml::from_str(below)
        .map_err(|error| refuse(format!("{name:?} can't be read: {}", error.message())))?;
    if whole.contains_key("extends") {
        return Err(refuse(format!(
            "{name:?} extends another module itself; extend that one"
        )));
    }
    for (key, value) in own {
        match (whole.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(own)) if NAMED.contains(&key.as_str()) => {
                below.extend(own)
            }
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
    Ok(whole)
}

/// Facts that nobody confirmed: the texts of `# unconfirmed:` comments with the lines they stand on.
#[must_use]
pub fn unconfirmed(text: &str) -> Vec<(usize, String)> {
    (1..)
        .zip(text.lines())
        .filter_map(|(line, text)| {
            text.split_once("# unconfirmed:")
                .map(|(_, fact)| (line, fact.trim().to_owned()))
        })
        .collect()
}

/// The path of an unknown key ends at its table; the key itself is in the message.
fn with_unknown(mut path: Vec<String>, message: &str) -> Vec<String> {
    if let Some(key) = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next())
        && path.last().map(String::as_str) != Some(key)
    {
        path.push(key.to_owned());
    }
    path
}

fn at(file: &str, text: &str, path: Vec<String>, message: String) -> LoadError {
    LoadError {
        file: file.to_owned(),
        line: line_of_path(text, &path),
        key: (!path.is_empty()).then(|| path.join(".")),
        message,
    }
}

/// The line of the deepest key of a path that is in the text.
fn line_of_path(text: &str, path: &[String]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut here: Option<&DeValue<'_>> = None;
    for (depth, part) in path.iter().enumerate() {
        let table = if depth == 0 {
            Some(table.get_ref())
        } else {
            here.and_then(DeValue::as_table)
        };
        let next: Option<&Spanned<DeValue<'_>>> = match (table, here) {
            (Some(table), _) => {
                let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else {
                    break;
                };
                found = Some(key.span().start);
                Some(value)
            }
            (None, Some(DeValue::Array(list))) => {
                let value = part.parse::<usize>().ok().and_then(|index| list.get(index));
                found = value.map(|value| value.span().start).or(found);
                value
            }
            _ => None,
        };
        let Some(next) = next else { break };
        here = Some(next.get_ref());
    }
    found.map(|byte| line_of(text, byte))
}

fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(byte)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"name = "acme"
docs = ["https://acme.example/docs"]

[display]
label = "Acme"
description = "Where Acme keeps its issues."
category = "finance"
details_url = "https://acme.example"

[[connection]]
name = "site"
title = "Site"
pattern = "[a-z]+"

[urls]
api = "https://{connection.site}.acme.example/v1"

[auth.api_key]
fields = [{ name = "key", title = "Key", secret = true }]
send = { headers = { X-Key = "{credential.key}" } }

[test]
path = "/me"

[identity]
calls = [{ call = { path = "/me" }, keep = { id = "/id" } }]
external_id = "{kept.id}"
display_name = "{kept.id}"

[paging.pages]
page = { size = 50 }

[operations.list_things]
description = "Things."
input = { since = "time?" }
path = "/things"
query = { since = "{input.since?|seconds}", page = "{page.number}" }
items = "/things"
output = { id = "/id" }
paging = "pages"
"#;

    #[test]
    fn a_good_file_loads() {
        let module = load("acme.toml", GOOD).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(module.name.as_str(), "acme");
        assert_eq!(module.credential_fields().len(), 1);
    }

    #[test]
    fn a_state_may_be_dropped_only_where_a_verifier_ties_the_code_to_its_flow() {
        let (before, rest) = GOOD.split_once("[auth.api_key]").expect("its way in");
        let (_, after) = rest.split_once("[test]").expect("its test");
        let by_code = |pkce: &str| {
            format!(
                "{before}[auth.oauth2_code]\nauthorize_url = \"https://acme.example/authorize\"\ntoken_url = \"https://acme.example/token\"\npkce = \"{pkce}\"\nstate = \"may_be_dropped\"\n\n[test]{after}"
            )
        };
        load("acme.toml", &by_code("s256")).unwrap_or_else(|error| panic!("{error}"));
        let refused = load("acme.toml", &by_code("none")).expect_err("nothing ties it");
        assert_eq!(refused.key.as_deref(), Some("auth.oauth2_code.state"));
        assert!(refused.message.contains("s256"), "{refused}");
    }

    #[test]
    fn mistakes_are_told_with_file_line_key_and_remedy() {
        for (from, to, line, key, part) in [
            (
                "name = \"acme\"",
                "name = \"Acme\"",
                1,
                "name",
                "lower-case",
            ),
            ("name = \"acme\"", "name = \"types\"", 1, "name", "shadow"),
            ("name = \"acme\"", "name = ", 1, "", ""),
            (
                "label = \"Acme\"",
                "lable = \"Acme\"",
                5,
                "display.lable",
                "unknown field",
            ),
            (
                "label = \"Acme\"",
                "label = \" \"",
                5,
                "display.label",
                "empty",
            ),
            (
                "category = \"finance\"",
                "category = \"magic\"",
                7,
                "display.category",
                "unknown variant",
            ),
            (
                "category = \"finance\"",
                "category = \"crm\"",
                33,
                "operations",
                "needs the operation create_contact",
            ),
            (
                "details_url = \"https://acme.example\"",
                "details_url = \"acme\"",
                8,
                "display.details_url",
                "https://",
            ),
            (
                "pattern = \"[a-z]+\"",
                "pattern = \"[a-z\"",
                10,
                "connection",
                "regular expression",
            ),
            (
                "name = \"site\"",
                "name = \"siet\"",
                16,
                "urls.api",
                "nothing defines \"site\"",
            ),
            (
                "{connection.site}",
                "{conection.site}",
                16,
                "urls.api",
                "must begin with one of",
            ),
            (
                "{connection.site}",
                "{connection.site",
                16,
                "urls.api",
                "not closed",
            ),
            (
                "secret = true",
                "secret = 1",
                19,
                "auth.api_key.fields.0.secret",
                "boolean",
            ),
            (
                "secret = true",
                "secret = false",
                18,
                "auth.api_key",
                "secret = true",
            ),
            (
                "{ headers = { X-Key = \"{credential.key}\" } }",
                "{}",
                20,
                "auth.api_key.send",
                "never be sent",
            ),
            (
                "[auth.api_key]",
                "[auth.api_kee]",
                18,
                "auth",
                "unknown variant",
            ),
            (
                "path = \"/me\"\n\n",
                "path = \"me\"\n\n",
                22,
                "test",
                "slash",
            ),
            (
                "{kept.id}\"\ndisplay",
                "{kept.no}\"\ndisplay",
                27,
                "identity.external_id",
                "kept by no call",
            ),
            (
                "external_id = \"{kept.id}\"",
                "external_id = \"me\"",
                27,
                "identity.external_id",
                "same for every account",
            ),
            (
                "page = { size = 50 }",
                "page = { siz = 50 }",
                31,
                "paging.pages.page.siz",
                "unknown field",
            ),
            (
                "page = { size = 50 }",
                "page = { size = 50, most = { items = 49 } }",
                30,
                "paging.pages",
                "at least the items of one page",
            ),
            (
                "page = { size = 50 }",
                "page = { size = 50, most = { items = 99, anew = { input = \"until\", last_item = \"/at\" } } }",
                40,
                "operations.list_things.paging",
                "begins anew by the input \"until\"",
            ),
            (
                "\"time?\"",
                "\"tim?\"",
                35,
                "operations.list_things.input.since",
                "input kind",
            ),
            (
                "since?|seconds",
                "since|seconds",
                33,
                "operations.list_things",
                "may be absent",
            ),
            (
                "{input.since?|seconds}",
                "x",
                35,
                "operations.list_things.input",
                "used nowhere",
            ),
            (
                "items = \"/things\"",
                "items = \"things\"",
                38,
                "operations.list_things.items",
                "JSON pointer",
            ),
            (
                "paging = \"pages\"",
                "paging = \"none\"",
                40,
                "operations.list_things.paging",
                "[paging.none]",
            ),
            (
                "paging = \"pages\"",
                "paging = \"pages\"\nanswer_mb = 65",
                41,
                "operations.list_things.answer_mb",
                "from 1 to 64",
            ),
            (
                "{page.number}",
                "{page.numbr}",
                33,
                "operations.list_things",
                "nothing defines",
            ),
            (
                "docs = [\"https://acme.example/docs\"]",
                "docs = []",
                2,
                "docs",
                "at least one address",
            ),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = load("acme.toml", &text).expect_err(to);
            assert!(error.message.contains(part), "{to}: {error}");
            assert_eq!(
                (error.line, error.key.as_deref().unwrap_or_default()),
                (Some(line), key),
                "{to}: {error}"
            );
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("acme.toml:{line}: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_may_extend_a_built_in_one() {
        let text = "name = \"acme-2\"\nextends = \"acme\"\n[auth.basic]\nusername = \"x\"\npassword = \"{credential.p}\"\nfields = [{ name = \"p\", title = \"P\", secret = true }]\n";
        let base = |name: &str| (name == "acme").then_some(GOOD);
        let module = load_over("acme-2.toml", text, base).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (module.name.as_str(), module.auth.kind().name()),
            ("acme-2", "basic")
        );
        assert!(module.operations.contains_key("list_things"));
        let none = load("acme-2.toml", text).expect_err("nothing to extend");
        assert!(
            none.line == Some(2) && none.message.contains("gna modules list"),
            "{none}"
        );
    }

    #[test]
    fn webhooks_that_are_registered_may_be_checked_in_a_way_of_their_own() {
        let with = |more: &str| {
            let jwt = "check.jwt = { header = \"Authorization\", algorithm = \"HS256\" }";
            let text = format!(
                "{GOOD}\n[webhook]\ncheck.token = {{ header = \"X-Token\" }}\nregistered = {{ {more}{jwt} }}\n"
            );
            load("acme.toml", &text)
        };
        let module = with("secret = \"client\", ").unwrap_or_else(|error| panic!("{error}"));
        let webhook = module.webhook.expect("it has webhooks");
        assert_ne!(webhook.check_of_registered(), &webhook.check);
        let made_up = with("").expect_err("nobody signs a JWT with a secret of ours");
        assert!(made_up.message.contains("\"client\""), "{made_up}");
    }

    #[test]
    fn unconfirmed_facts_are_found() {
        let text = "a = 1 # unconfirmed: the limit\nb = 2\n# unconfirmed:  all of it\n";
        assert_eq!(
            unconfirmed(text),
            [(1, "the limit".to_owned()), (3, "all of it".to_owned())]
        );
    }
}
