//! Templates: texts and JSON with `{scope.name}` in them.
//!
//! `{input.title}` is a value; `{input.labels?}` may be absent; `{input.since|seconds}` goes through a
//! filter; `{{` and `}}` are braces. A text that is nothing but one placeholder keeps the kind of its
//! value; in JSON, queries and headers a member whose only placeholder is absent is left out, and
//! `{input.x?!}` takes the object of a list that it stands in along. There are no conditions and no loops: what needs them is code. Read next: `filter.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

use super::filter::{self, Filter};
use super::request::encode;
use super::values::{SCOPES, Values};

/// Longest template, in bytes.
const LONGEST: usize = 8_192;

/// A text with placeholders.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(Slot),
}

/// One placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Scope, then names.
    pub path: Vec<String>,
    pub optional: bool,
    /// Written `?!`: where it is absent, the list's object that it is a member of goes with it.
    pub takes_object: bool,
    pub filters: Vec<Filter>,
}

impl Slot {
    /// `input.title`, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = text.split('|');
        let path = pieces.next().unwrap_or_default().trim();
        let (path, takes_object) = path
            .strip_suffix('!')
            .map_or((path, false), |path| (path, true));
        let (path, optional) = path
            .strip_suffix('?')
            .map_or((path, false), |path| (path, true));
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let fits = |part: &String| {
            !part.is_empty()
                && part.chars().all(|c| {
                    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@' | '$' | '/' | ':')
                })
        };
        let scope = path.first().map(String::as_str).unwrap_or_default();
        if !SCOPES.iter().any(|(name, _)| *name == scope) {
            let known: Vec<&str> = SCOPES.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "the placeholder {{{text}}} must begin with one of {}; a brace itself is written {{{{",
                known.join(", ")
            ));
        }
        if !path.iter().all(fits) || (path.len() < 2 && scope != "jwt" && scope != "answer") {
            return Err(format!(
                "the placeholder {{{text}}} must be like {{{scope}.name}}"
            ));
        }
        let filters: Vec<Filter> = pieces.map(Filter::parse).collect::<Result<_, _>>()?;
        let has_default = filters.iter().any(|filter| matches!(filter, Filter::Or(_)));
        Ok(Self {
            path,
            optional: optional || has_default,
            takes_object,
            filters,
        })
    }

    fn value(&self, values: &Values) -> Result<Option<Value>, Unfilled> {
        let mut value = values.get(&self.path).cloned();
        for filter in &self.filters {
            if let (Filter::Or(other), None) = (filter, &value) {
                value = Some(Value::from(other.clone()));
            }
            value = value
                .map(|value| filter.apply(value))
                .transpose()
                .map_err(|why| Unfilled::new(self, why))?;
        }
        if value.is_none() && !self.optional {
            return Err(Unfilled::new(self, "it is missing"));
        }
        Ok(value)
    }

    fn has_path_filter(&self) -> bool {
        self.filters.contains(&Filter::Path)
    }
}

/// A placeholder that could not be filled: its name and why, never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    pub slot: String,
    pub why: String,
}

impl Unfilled {
    fn new(slot: &Slot, why: impl Into<String>) -> Self {
        Self {
            slot: slot.name(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Unfilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.slot, self.why)
    }
}

impl std::error::Error for Unfilled {}

impl Template {
    /// # Errors
    /// A sentence that tells what is wrong and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a template has at most {LONGEST} bytes"));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some((slot, after)) =
                from.strip_prefix('{').and_then(|from| from.split_once('}'))
            {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Slot(Slot::parse(slot)?));
                rest = after;
            } else {
                return Err(format!(
                    "a brace in {text:?} is not closed; a brace itself is written {{{{ or }}}}"
                ));
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot) => Some(slot),
            Part::Text(_) => None,
        })
    }

    /// Whether it begins with a placeholder.
    #[must_use]
    pub fn begins_with_slot(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Slot(_)))
    }

    fn only_slot(&self) -> Option<&Slot> {
        match self.parts.as_slice() {
            [Part::Slot(slot)] => Some(slot),
            _ => None,
        }
    }

    /// The value: of its own kind where the template is one placeholder, else text. Nothing where
    /// the only placeholder is optional and absent.
    ///
    /// # Errors
    /// A placeholder can't be filled.
    pub fn value(&self, values: &Values) -> Result<Option<Value>, Unfilled> {
        match self.only_slot() {
            Some(slot) => slot.value(values),
            None => self
                .fill(values, |_, text| Ok(text))
                .map(|text| Some(Value::from(text))),
        }
    }

    /// The text. Optional placeholders that are absent leave nothing behind.
    ///
    /// # Errors
    /// A placeholder can't be filled, or its value is a list or an object.
    pub fn text(&self, values: &Values) -> Result<String, Unfilled> {
        self.fill(values, |_, text| Ok(text))
    }

    /// The text for a query or header: nothing where the only placeholder is optional and absent.
    ///
    /// # Errors
    /// As [`Template::text`].
    pub fn optional_text(&self, values: &Values) -> Result<Option<String>, Unfilled> {
        if let Some(slot) = self.only_slot()
            && slot.value(values)?.is_none()
        {
            return Ok(None);
        }
        self.text(values).map(Some)
    }

    /// The text as a path: values are encoded, can't be empty, and can't climb up.
    ///
    /// # Errors
    /// As [`Template::text`], and for a value that would change the path's shape.
    pub fn path(&self, values: &Values) -> Result<String, Unfilled> {
        let path = self.fill(values, |slot, text| {
            let refuse = |why: &str| Err(Unfilled::new(slot, why));
            if text.is_empty() && !slot.optional {
                return refuse("it is empty");
            }
            let parts: Vec<&str> = if slot.has_path_filter() {
                text.split('/').collect()
            } else {
                vec![&text]
            };
            let climbs =
                |part: &&str| *part == "." || *part == ".." || (part.is_empty() && parts.len() > 1);
            if parts.iter().any(climbs) {
                return refuse("it can't be used in an address");
            }
            Ok(parts.into_iter().map(encode).collect::<Vec<_>>().join("/"))
        })?;
        self.not_climbing(path)
    }

    /// Refuses what climbs as a whole though no value alone does: two placeholders side by side, or one
    /// beside a dot of the template.
    fn not_climbing(&self, filled: String) -> Result<String, Unfilled> {
        let climbs = |part: &str| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part == "." || part == ".."
        };
        match self.slots().next() {
            Some(slot) if before_query(&filled).split(['/', '\\']).any(climbs) => {
                Err(Unfilled::new(slot, "it can't be used in an address"))
            }
            _ => Ok(filled),
        }
    }

    /// The text as the start of an address. A value that the template begins with is the address of
    /// a server and stays as it is, all others are encoded.
    ///
    /// # Errors
    /// As [`Template::text`].
    pub fn base(&self, values: &Values) -> Result<String, Unfilled> {
        let mut first = self.begins_with_slot();
        let base = self.fill(values, |_, text| {
            let raw = std::mem::take(&mut first);
            Ok(if raw {
                text.trim_end_matches('/').to_owned()
            } else {
                encode(&text)
            })
        })?;
        self.not_climbing(base)
    }

    fn fill(
        &self,
        values: &Values,
        mut place: impl FnMut(&Slot, String) -> Result<String, Unfilled>,
    ) -> Result<String, Unfilled> {
        let mut whole = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Slot(slot) => {
                    if let Some(value) = slot.value(values)? {
                        let text = filter::text(&value).map_err(|why| Unfilled::new(slot, why))?;
                        whole.push_str(&place(slot, text)?);
                    }
                }
            }
        }
        Ok(whole)
    }
}

fn before_query(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// JSON whose texts are templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Value", into = "Value")]
#[schemars(with = "Value")]
pub enum Tree {
    Fixed(Value),
    Text(Template),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

impl Tree {
    /// The JSON. Members and elements whose only placeholder is absent are left out, and so are
    /// objects that become empty by it.
    ///
    /// # Errors
    /// A placeholder can't be filled.
    pub fn value(&self, values: &Values) -> Result<Option<Value>, Unfilled> {
        Ok(match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Text(template) => template.value(values)?,
            Self::List(list) => {
                let mut whole = Vec::with_capacity(list.len());
                for one in list {
                    if !one.lacks_a_member(values)? {
                        whole.extend(one.value(values)?);
                    }
                }
                (list.is_empty() || !whole.is_empty()).then_some(Value::Array(whole))
            }
            Self::Map(map) => {
                let mut whole = Map::new();
                for (name, one) in map {
                    if let Some(value) = one.value(values)? {
                        whole.insert(name.clone(), value);
                    }
                }
                (map.is_empty() || !whole.is_empty()).then_some(Value::Object(whole))
            }
        })
    }

    /// Whether it is an object with an absent member that takes the object along.
    fn lacks_a_member(&self, values: &Values) -> Result<bool, Unfilled> {
        let Self::Map(map) = self else {
            return Ok(false);
        };
        for one in map.values() {
            if let Self::Text(template) = one
                && template.slots().any(|slot| slot.takes_object)
                && template.value(values)?.is_none()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Every placeholder in it.
    #[must_use]
    pub fn slots(&self) -> Vec<&Slot> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Text(template) => template.slots().collect(),
            Self::List(list) => list.iter().flat_map(Self::slots).collect(),
            Self::Map(map) => map.values().flat_map(Self::slots).collect(),
        }
    }
}

impl TryFrom<Value> for Tree {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(&text)?),
            Value::Array(list) => Self::List(
                list.into_iter()
                    .map(Self::try_from)
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(map) => Self::Map(
                map.into_iter()
                    .map(|(name, value)| Ok((name, Self::try_from(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            fixed => Self::Fixed(fixed),
        })
    }
}

impl From<Tree> for Value {
    fn from(tree: Tree) -> Self {
        match tree {
            Tree::Fixed(value) => value,
            Tree::Text(template) => Self::String(template.text),
            Tree::List(list) => Self::Array(list.into_iter().map(Self::from).collect()),
            Tree::Map(map) => Self::Object(
                map.into_iter()
                    .map(|(name, tree)| (name, Self::from(tree)))
                    .collect(),
            ),
        }
    }
}

/// Where a value of an answer is: a JSON pointer (RFC 6901) when it begins with `/`, else a template
/// over `{answer...}`. Of several the first that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a pointer like \"/user/id\", a template, or a list of them"
)]
pub enum Take {
    One(Template),
    Several(Vec<Template>),
}

impl Take {
    /// The value, or nothing. `values` are those that templates may name besides the answer.
    #[must_use]
    pub fn from(&self, answer: &Value, values: &Values) -> Option<Value> {
        self.templates().find_map(|one| {
            let found = if one.source().starts_with('/') {
                answer.pointer(one.source()).cloned()
            } else if one.source().is_empty() {
                Some(answer.clone())
            } else {
                one.value(&values.clone().with("answer", answer.clone()))
                    .ok()
                    .flatten()
            };
            found.filter(|value| !value.is_null())
        })
    }

    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let (one, several) = match self {
            Self::One(one) => (Some(one), [].as_slice()),
            Self::Several(several) => (None, several.as_slice()),
        };
        one.into_iter().chain(several)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values() -> Values {
        Values::new()
            .with(
                "input",
                json!({"title": "Say \"hi\"", "labels": ["a", "b"], "n": 7, "since": "2026-03-01T09:30:00Z", "repo": "acme/web app",
                       "up": "..", "dot": ".", "empty": "", "e": "e", "state": "Open"}),
            )
            .with("connection", json!({"url": "https://git.example/", "site": "acme", "evil": "x.evil.example/#"}))
    }

    #[test]
    fn templates_keep_kinds_and_drop_what_is_absent() {
        for (template, value) in [
            ("plain", Some(json!("plain"))),
            ("{input.title}", Some(json!("Say \"hi\""))),
            ("{input.labels}", Some(json!(["a", "b"]))),
            ("{input.n}", Some(json!(7))),
            ("n={input.n}", Some(json!("n=7"))),
            ("{input.none?}", None),
            ("a{input.none?}b", Some(json!("ab"))),
            ("{input.none|or:x}", Some(json!("x"))),
            ("{{{input.n}}}", Some(json!("{7}"))),
            ("{input.labels|join:, }", Some(json!("a, b"))),
            (
                "{input.labels|each:name}",
                Some(json!([{"name": "a"}, {"name": "b"}])),
            ),
            ("{input.since|seconds}", Some(json!(1_772_357_400))),
            ("{input.since|millis}", Some(json!(1_772_357_400_000_i64))),
            (
                "{input.since|rfc3339}",
                Some(json!("2026-03-01T09:30:00.000Z")),
            ),
            (
                "{input.since|time:%Y-%m-%d %H:%M}",
                Some(json!("2026-03-01 09:30")),
            ),
            (
                "\"{input.title|quoted}\"",
                Some(json!("\"Say \\\"hi\\\"\"")),
            ),
            ("{input.n|text}", Some(json!("7"))),
            ("{input.state|words:open=1,closed=2|number}", Some(json!(1))),
            ("{input.state|lower}", Some(json!("open"))),
            ("{input.n|base64}", Some(json!("Nw=="))),
        ] {
            let parsed = Template::parse(template).expect(template);
            assert_eq!(
                parsed.value(&values()).expect(template),
                value,
                "{template}"
            );
        }
    }

    #[test]
    fn what_can_not_be_filled_is_told_by_name_only() {
        for (template, why) in [
            ("{input.none}", "input.none: it is missing"),
            ("{input.title|seconds}", "input.title: it must be a time"),
            ("x{input.labels}", "input.labels: a list"),
            ("{input.title|number}", "input.title: it must be a number"),
            (
                "{input.title|words:open=1}",
                "input.title: the word must be one of open",
            ),
        ] {
            let refused = Template::parse(template)
                .expect(template)
                .value(&values())
                .expect_err(template)
                .to_string();
            assert!(
                refused.starts_with(why) && !refused.contains("hi"),
                "{refused}"
            );
        }
    }

    #[test]
    fn paths_can_not_be_climbed() {
        for (template, path) in [
            ("/r/{input.repo}", Ok("/r/acme%2Fweb%20app")),
            ("/r/{input.repo|path}/i", Ok("/r/acme/web%20app/i")),
            ("/r/{input.up}", Err("input.up")),
            ("/r/{input.up|path}", Err("input.up")),
            ("/r/{input.none}", Err("input.none")),
            // No value climbs by itself, both together would.
            ("/r/{input.dot?}", Err("input.dot")),
            ("/r/{input.empty?}.{input.empty?}.", Err("input.empty")),
            ("/r/{input.empty?}./x", Err("input.empty")),
            ("/r/%2{input.e}.", Err("input.e")),
            ("/r/%2E{input.empty?}%2e/x", Err("input.empty")),
            ("/r/{input.n}.{input.n}./x", Ok("/r/7.7./x")),
            ("/r/...{input.empty?}/x", Ok("/r/.../x")),
        ] {
            let path_of = Template::parse(template).expect(template).path(&values());
            assert_eq!(
                path_of.as_deref().map_err(|error| error.slot.as_str()),
                path,
                "{template}"
            );
        }
        let base = |template: &str| {
            Template::parse(template)
                .expect(template)
                .base(&values())
                .expect(template)
        };
        let climbing = Template::parse("https://api.example/v1/{input.up}/x").expect("a template");
        assert!(climbing.base(&values()).is_err());
        assert_eq!(base("{connection.url}/api"), "https://git.example/api");
        assert_eq!(
            base("https://{connection.site}.example.com"),
            "https://acme.example.com"
        );
        assert_eq!(
            base("https://{connection.evil}.example.com"),
            "https://x.evil.example%2F%23.example.com"
        );
    }

    #[test]
    fn mistakes_name_the_remedy() {
        for (template, part) in [
            ("{input.title", "not closed"),
            ("a } b", "not closed"),
            ("{title}", "must begin with one of"),
            ("{input}", "like {input.name}"),
            ("{input..x}", "like {input.name}"),
            ("{input.x|shout}", "no filter"),
            ("{input.x|words:open}", "like open=1"),
        ] {
            let mistake = Template::parse(template).expect_err(template);
            assert!(mistake.contains(part), "{mistake}");
        }
    }

    #[test]
    fn trees_are_filled_and_pruned() {
        let tree: Tree = serde_json::from_value(json!({
            "title": "{input.title}", "labels": "{input.labels?}", "gone": "{input.none?}",
            "fields": {"gone": "{input.none?}"}, "kept": {}, "list": ["{input.none?}", "{input.n}", true, {"op": "add", "value": "{input.none?!}"}, {"op": "add", "value": "{input.none?}"}]
        }))
        .expect("a tree");
        assert_eq!(
            tree.value(&values()).expect("filled"),
            Some(
                json!({"title": "Say \"hi\"", "labels": ["a", "b"], "kept": {}, "list": [7, true, {"op": "add"}]})
            )
        );
        assert_eq!(tree.slots().len(), 8);
    }

    #[test]
    fn values_are_taken_from_answers() {
        let answer = json!({"user": {"id": 7, "mail": null}, "key": "A-1", "a/b": 1});
        for (take, value) in [
            (json!("/user/id"), Some(json!(7))),
            (json!(["/user/mail", "/user/id"]), Some(json!(7))),
            (json!("/a~1b"), Some(json!(1))),
            (
                json!("https://x.example/{connection.site}/{answer.key}"),
                Some(json!("https://x.example/acme/A-1")),
            ),
            (json!("/nothing"), None),
            (json!("{answer.nothing}"), None),
            (json!(""), Some(answer.clone())),
        ] {
            let parsed: Take = serde_json::from_value(take.clone()).expect("a take");
            assert_eq!(parsed.from(&answer, &values()), value, "{take}");
        }
    }
}
