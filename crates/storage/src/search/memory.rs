//! The model of a search index: everything in maps, every query looks at every document.
//!
//! It is what the others are compared with, and what `memory:` instances use. It is not meant to
//! be fast: a query costs time proportional to all documents.

use async_trait::async_trait;
use gna_domain::error::Result;
use gna_domain::id::{FindingId, GroupId, VulnerabilityId};
use gna_domain::page::Count;
use gna_domain::port::search::{
    Condition, Document, Facet, FieldKind, FindingText, Hit, Operand, Rebuilding, Search,
    SearchPage, SearchRequest, SearchUpdate, Selection, Value, declared, moved,
};
use gna_domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

use super::{check, cursor, text};

#[derive(Debug, Default)]
pub struct MemorySearch {
    index: RwLock<Index>,
    /// Held by whoever makes it anew.
    rebuilding: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Index {
    documents: HashMap<VulnerabilityId, Document>,
    /// A finding's words count in its own group only.
    findings: HashMap<(GroupId, FindingId), (u64, BTreeSet<String>)>,
    position: Option<String>,
}

impl MemorySearch {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, f: impl FnOnce(&Index) -> T) -> T {
        f(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, f: impl FnOnce(&mut Index) -> T) -> T {
        f(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Index {
    fn put(&mut self, mut document: Document) {
        if self
            .documents
            .get(&document.id)
            .is_some_and(|old| old.version >= document.version)
        {
            return;
        }
        // The field of this name is always the id that the texts are found by.
        document
            .values
            .insert("finding", Value::Keyword(document.finding.to_string()));
        self.documents.insert(document.id, document);
    }

    fn put_finding(&mut self, finding: &FindingText) {
        let key = (finding.group, finding.id);
        if self
            .findings
            .get(&key)
            .is_some_and(|(version, _)| *version >= finding.version)
        {
            return;
        }
        let words = text::words(&finding.title)
            .chain(text::words(&finding.text))
            .collect();
        self.findings.insert(key, (finding.version, words));
    }

    fn selected<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a Document> {
        let words: Vec<String> = selection
            .text
            .as_deref()
            .map(|query| text::words(query).collect())
            .unwrap_or_default();
        self.documents.values().filter(move |document| {
            selection.groups.contains(&document.group)
                && matches(document, &selection.condition)
                && self.has_words(document, &words)
        })
    }

    fn has_words(&self, document: &Document, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let mut own: BTreeSet<String> = text::SEARCHED
            .iter()
            .flat_map(|name| texts(document, name))
            .flat_map(|t| text::words(&t).collect::<Vec<_>>())
            .collect();
        if let Some((_, shared)) = self.findings.get(&(document.group, document.finding)) {
            own.extend(shared.iter().cloned());
        }
        words
            .iter()
            .enumerate()
            .all(|(at, word)| match at + 1 == words.len() {
                true => own
                    .iter()
                    .any(|candidate| candidate.starts_with(word.as_str())),
                false => own.contains(word),
            })
    }
}

/// The values of a field as texts, each once; numbers in decimal.
fn texts(document: &Document, name: &str) -> BTreeSet<String> {
    match document.values.get(name) {
        Some(Value::Keyword(text)) => BTreeSet::from([text.clone()]),
        Some(Value::Keywords(texts)) => texts.iter().cloned().collect(),
        Some(Value::Number(_)) => number(document, name)
            .map(|n| n.to_string())
            .into_iter()
            .collect(),
        None => BTreeSet::new(),
    }
}

fn number(document: &Document, name: &str) -> Option<i64> {
    match document.values.get(name) {
        Some(Value::Number(number)) if *number != cursor::MISSING => Some(*number),
        _ => None,
    }
}

fn matches(document: &Document, condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| matches(document, part)),
        Condition::Any(parts) => parts.iter().any(|part| matches(document, part)),
        Condition::Not(part) => !matches(document, part),
        Condition::In(name, operands) => operands.iter().any(|operand| match operand {
            Operand::Number(wanted) => number(document, name) == Some(*wanted),
            Operand::Keyword(wanted) => {
                declared(name).is_some_and(|field| field.kind != FieldKind::Number)
                    && texts(document, name).contains(wanted)
            }
        }),
        Condition::Between(name, from, to) => number(document, name).is_some_and(|value| {
            from.is_none_or(|from| from <= value) && to.is_none_or(|to| value <= to)
        }),
        Condition::Prefix(name, prefix) => texts(document, name)
            .iter()
            .any(|text| text.starts_with(prefix.as_str())),
        Condition::Contains(name, part) => {
            let part = text::lower(part);
            texts(document, name)
                .iter()
                .any(|text| text::contains(text, &part))
        }
    }
}

#[async_trait]
impl Search for MemorySearch {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn apply(&self, update: SearchUpdate) -> Result<()> {
        update.documents.iter().try_for_each(check::document)?;
        self.write(|index| {
            if update.after.is_some() && update.after != index.position {
                return Err(moved());
            }
            update
                .findings
                .iter()
                .for_each(|finding| index.put_finding(finding));
            update
                .documents
                .into_iter()
                .for_each(|document| index.put(document));
            for removed in &update.removed {
                index.documents.remove(&removed.id);
            }
            index.position = update.position.or(index.position.take());
            Ok(())
        })
    }

    async fn position(&self) -> Result<Option<String>> {
        Ok(self.read(|index| index.position.clone()))
    }

    async fn query(&self, request: &SearchRequest) -> Result<SearchPage> {
        check::request(request)?;
        let sort = request.sort;
        let after = request
            .after
            .as_ref()
            .map(|after| cursor::decode(sort, after))
            .transpose()?;
        let mut places: Vec<cursor::Place> = self.read(|index| {
            let place = |document: &Document| {
                (
                    number(document, sort.field).unwrap_or(cursor::MISSING),
                    document.id,
                )
            };
            index.selected(&request.selection).map(place).collect()
        });
        places.sort_unstable();
        if sort.descending {
            places.reverse();
        }
        places.retain(|place| {
            after.is_none_or(|after| {
                if sort.descending {
                    *place < after
                } else {
                    *place > after
                }
            })
        });
        let has_more = places.len() > request.limit;
        places.truncate(request.limit);
        let hits = places
            .into_iter()
            .map(|place| Hit {
                id: place.1,
                cursor: cursor::encode(sort, place),
            })
            .collect();
        Ok(SearchPage { hits, has_more })
    }

    async fn count(&self, selection: &Selection, bound: u64) -> Result<Count> {
        check::selection(selection)?;
        let found = self.read(|index| index.selected(selection).count()) as u64;
        Ok(if found > bound {
            Count::AtLeast(bound)
        } else {
            Count::Exact(found)
        })
    }

    async fn facets(
        &self,
        selection: &Selection,
        fields: &[&'static str],
        limit: usize,
    ) -> Result<Vec<Facet>> {
        check::selection(selection)?;
        check::facets(fields)?;
        Ok(self.read(|index| {
            let facet = |field: &&'static str| {
                let mut counts: BTreeMap<String, u64> = BTreeMap::new();
                for value in index
                    .selected(selection)
                    .flat_map(|document| texts(document, field))
                {
                    *counts.entry(value).or_default() += 1;
                }
                let mut values: Vec<(String, u64)> = counts.into_iter().collect();
                // Stable: what is equally frequent stays in the order of its texts.
                values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
                values.truncate(limit);
                Facet { field, values }
            };
            fields.iter().map(facet).collect()
        }))
    }

    async fn touch(&self, ids: &[VulnerabilityId], last_seen: Timestamp) -> Result<()> {
        self.write(|index| {
            for id in ids {
                if let Some(document) = index.documents.get_mut(id) {
                    let seen = number(document, "last_seen")
                        .unwrap_or(cursor::MISSING)
                        .max(last_seen.millis());
                    document.values.insert("last_seen", Value::Number(seen));
                }
            }
        });
        Ok(())
    }

    async fn prioritize(&self, scores: &[(VulnerabilityId, i64)]) -> Result<u64> {
        let mut rewritten = 0;
        self.write(|index| {
            for (id, score) in scores {
                if let Some(document) = index.documents.get_mut(id)
                    && number(document, "priority") != Some(*score)
                {
                    document.values.insert("priority", Value::Number(*score));
                    rewritten += 1;
                }
            }
        });
        Ok(rewritten)
    }

    async fn clear(&self) -> Result<()> {
        self.write(|index| *index = Index::default());
        Ok(())
    }

    async fn rebuilding(&self) -> Result<Rebuilding> {
        Ok(Box::new(Arc::clone(&self.rebuilding).lock_owned().await))
    }
}
