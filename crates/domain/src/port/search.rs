//! Search over vulnerabilities: filter, full text, sort, facets, bounded counts.
//!
//! The index is derived: it can be rebuilt from the store at any time, and may lag behind it. It
//! holds [`Document`]s whose fields are declared in [`FIELDS`]; adding a filter or a sort to the
//! product is a line there and a value in the function that makes documents. Every query names the
//! groups it may see; an implementation has no way to look outside them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{FindingId, GroupId, VulnerabilityId};
use crate::page::{Count, Cursor};
use crate::time::Timestamp;

/// How a field's values behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// One exact text.
    Keyword,
    /// Any number of exact texts.
    Keywords,
    /// A whole number; also times (milliseconds), flags (0 or 1) and scores (tenths).
    Number,
    /// One text searched by words, by prefix and by substring; also an exact keyword. Paths, packages.
    Path,
}

/// A declared field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Lower case with underscores; also the column's name where there are columns.
    pub name: &'static str,
    pub kind: FieldKind,
    /// Facets may be asked for it.
    pub facet: bool,
    /// Pages may be sorted by it; implementations keep an ordered index per group.
    pub sort: bool,
}

const fn field(name: &'static str, kind: FieldKind, facet: bool, sort: bool) -> Field {
    Field {
        name,
        kind,
        facet,
        sort,
    }
}

/// All fields a vulnerability can be filtered, sorted and counted by.
pub const FIELDS: &[Field] = &[
    field("state", FieldKind::Keyword, true, false),
    field("closed_reason", FieldKind::Keyword, true, false),
    field("level", FieldKind::Keyword, true, false),
    // CVSS-like score times ten, 0 to 100.
    field("severity", FieldKind::Number, false, true),
    // What to look at first, in tenths, 0 to 100.
    field("priority", FieldKind::Number, false, true),
    field("asset", FieldKind::Keyword, true, false),
    field("finding", FieldKind::Keyword, false, false),
    field("location_kind", FieldKind::Keyword, true, false),
    field("on_default_ref", FieldKind::Number, true, false),
    // 1 where every source that shows it has set it aside.
    field("suppressed", FieldKind::Number, true, false),
    field("treatment", FieldKind::Keyword, true, false),
    // Id of the user who is responsible.
    field("assignee", FieldKind::Keyword, true, false),
    // State of the request; none where nobody asked.
    field("false_positive", FieldKind::Keyword, true, false),
    field("verification", FieldKind::Keyword, true, false),
    // Id of the blocker that its retest waits for.
    field("blocker", FieldKind::Keyword, true, false),
    // 1 while a permanent acceptance waits for its second person.
    field("acceptance_requested", FieldKind::Number, true, false),
    // When it must be repaired; none where the policy sets no term.
    field("due", FieldKind::Number, false, true),
    // When time alone does something to it; what the sweep waits for.
    field("next_moment", FieldKind::Number, false, true),
    field("created", FieldKind::Number, false, true),
    field("last_seen", FieldKind::Number, false, true),
    field("state_changed", FieldKind::Number, false, false),
    field("path", FieldKind::Path, false, false),
    field("package", FieldKind::Path, true, false),
    field("place", FieldKind::Path, false, false),
    field("tool", FieldKind::Keywords, true, false),
    field("cwe", FieldKind::Keywords, true, false),
    field("identifier", FieldKind::Keywords, false, false),
    field("tag", FieldKind::Keywords, true, false),
    // Names of the environments that its place lies in.
    field("environment", FieldKind::Keywords, true, false),
    field("ref", FieldKind::Keywords, true, false),
];

#[must_use]
pub fn declared(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(i64),
    Keyword(String),
    Keywords(Vec<String>),
}

/// One vulnerability as the index sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: VulnerabilityId,
    pub group: GroupId,
    pub finding: FindingId,
    /// Version of the vulnerability this was made from: an older one never replaces a newer one.
    pub version: u64,
    /// By field name; a field that is missing has no value.
    pub values: BTreeMap<&'static str, Value>,
}

/// The words of a finding, shared by all its vulnerabilities and indexed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingText {
    pub id: FindingId,
    pub group: GroupId,
    pub version: u64,
    pub title: String,
    /// Description, identifiers, rule names: whatever a person may search for.
    pub text: String,
}

/// A condition on documents.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// The field has (one of) these values.
    In(&'static str, Vec<Operand>),
    /// Inclusive bounds on a number.
    Between(&'static str, Option<i64>, Option<i64>),
    /// A path or package starts with this.
    Prefix(&'static str, String),
    /// A path or package holds this, in any case.
    Contains(&'static str, String),
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Operand {
    Number(i64),
    Keyword(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// A field with `sort: true`.
    pub field: &'static str,
    pub descending: bool,
}

/// Which documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Only documents of these groups; empty means none, never all.
    pub groups: Vec<GroupId>,
    pub condition: Condition,
    /// Words that must all occur in the vulnerability's own short fields or in its finding's text;
    /// the last word also as a prefix. User input: any characters are allowed.
    pub text: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SearchRequest {
    pub selection: Selection,
    pub sort: Sort,
    /// 1 to 1,000.
    pub limit: usize,
    pub after: Option<Cursor>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub id: VulnerabilityId,
    /// Continues after this hit. Ties are broken by id, so that nothing is repeated or left out.
    pub cursor: Cursor,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPage {
    pub hits: Vec<Hit>,
    pub has_more: bool,
}

/// Values of a field with how many documents have each, most frequent first (ties by value).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facet {
    pub field: &'static str,
    pub values: Vec<(String, u64)>,
}

#[async_trait]
pub trait Search: Send + Sync {
    fn name(&self) -> &'static str;

    /// Adds or replaces documents and finding texts, removes others, remembers the feed position
    /// up to which the store has been followed: all in one step where the implementation can.
    ///
    /// # Errors
    /// [`MOVED`] where the update says what it follows and the index stands elsewhere: nothing is
    /// applied. `search.document` for what the declared fields do not allow; the store's.
    async fn apply(&self, update: SearchUpdate) -> Result<()>;

    /// The feed position of the last [`Search::apply`]; `None` for an empty index.
    async fn position(&self) -> Result<Option<String>>;

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage>;

    /// Exact up to `bound`, else "at least `bound`".
    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count>;

    /// At most `limit` values per field.
    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>>;

    /// Moves `last_seen` of documents forward without touching anything else.
    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()>;

    /// Sets `priority` of documents that are there and have another one, without touching anything
    /// else: the version stays. Answers how many that were.
    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64>;

    /// Drops everything, before a rebuild.
    async fn clear(&self) -> Result<()>;

    /// Waits until nobody else makes the index anew; nobody else begins to until the answer is dropped
    /// or this process ends. Without it two would empty the index under each other's hands.
    ///
    /// As given here it holds nobody back: for an index that cannot be shared.
    async fn rebuilding(&self) -> Result<Rebuilding> {
        Ok(Box::new(()))
    }

    /// A fresh index beside this one, for a rebuild during which this one goes on answering: it takes
    /// this one's place as soon as it is given a position, and is given up when it is dropped before.
    /// `None` where an implementation has no room for two; then [`Search::clear`] begins a rebuild.
    async fn renew(&self) -> Result<Option<Arc<dyn Search>>> {
        Ok(None)
    }
}

/// The right to make an index anew, until it is dropped.
pub type Rebuilding = Box<dyn Send>;

/// Code of the error that the index does not stand any more where an update follows it.
pub const MOVED: &str = "search.moved";

/// What [`Search::apply`] answers where the index stands elsewhere.
#[must_use]
pub fn moved() -> Error {
    Error::conflict(
        MOVED,
        "another process was faster in bringing the search index up to date; nothing is to be done",
    )
}

/// A document that is not to be found any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    pub id: VulnerabilityId,
    /// The version of the vulnerability that has no document, as in [`Document::version`]; `u64::MAX`
    /// where the vulnerability itself is gone. An index that several processes write at once takes no
    /// document of this version or an older one afterwards: who described it before and writes late
    /// would bring it back. `None`: it may come again in any version.
    pub version: Option<u64>,
}

impl From<VulnerabilityId> for Removed {
    fn from(id: VulnerabilityId) -> Self {
        Self { id, version: None }
    }
}

#[derive(Clone, Debug, Default)]
pub struct SearchUpdate {
    pub documents: Vec<Document>,
    pub findings: Vec<FindingText>,
    pub removed: Vec<Removed>,
    pub position: Option<String>,
    /// The position that this follows on. An index that several processes keep is moved on from no
    /// other, with [`MOVED`]: else one that was made anew meanwhile would skip what only its
    /// predecessor was told. `None` moves it from wherever it is.
    pub after: Option<String>,
}
