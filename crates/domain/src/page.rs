//! Keyset paging: a page is asked for by "so many after this cursor", never by an offset.

use serde::{Deserialize, Serialize};

/// Where a page ended. Opaque to callers; its content belongs to whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items at most; already checked against the API's limit.
    pub first: usize,
    pub after: Option<Cursor>,
}

impl PageRequest {
    #[must_use]
    pub fn first(first: usize) -> Self {
        Self { first, after: None }
    }
}

/// One page. `next` is there only while more items follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    #[must_use]
    pub fn empty() -> Self {
        Self {
            items: Vec::new(),
            next: None,
        }
    }

    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next: self.next,
        }
    }
}

/// A count that may have stopped at a bound: `AtLeast(10_000)` means "10,000 or more".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "relation", content = "value")]
pub enum Count {
    Exact(u64),
    AtLeast(u64),
}

impl Count {
    #[must_use]
    pub fn value(self) -> u64 {
        match self {
            Self::Exact(value) | Self::AtLeast(value) => value,
        }
    }
}
