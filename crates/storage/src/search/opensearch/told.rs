//! The words of findings, which are kept once and count for all their vulnerabilities.
//!
//! A search with words asks twice: first which findings say each of them, then for documents that
//! have each word themselves or are told by one of those findings.

use gna_domain::error::{Error, Result};
use gna_domain::port::search::Selection;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::answer::{Hits, search};
use super::client::Client;
use super::plan::{Word, any, groups, own, words};

/// Findings taken at once; OpenSearch gives no more (`index.max_result_window`).
const PAGE: usize = 10_000;
/// Most findings that a search may name, over all of its words.
const MOST: usize = 200_000;

/// A word of a search, and which findings say it.
pub(super) struct Told {
    pub word: Word,
    pub by: BTreeSet<String>,
}

/// # Errors
/// `search.text` when too many findings say these words; those of [`Client::send`].
pub(super) async fn told(client: &Client, index: &str, selection: &Selection) -> Result<Vec<Told>> {
    let mut told: Vec<Told> = words(selection)
        .into_iter()
        .map(|word| Told {
            word,
            by: BTreeSet::new(),
        })
        .collect();
    if told.is_empty() {
        return Ok(told);
    }
    let ways = told.iter().enumerate().map(|(at, told)| {
        let mut way = own("telling", &told.word);
        // So that each hit says which words it has.
        name(&mut way, at);
        way
    });
    let ways = any(ways.collect());
    let mut after: Option<String> = None;
    let mut named = 0;
    loop {
        let mut body = json!({
            "size": PAGE,
            "_source": false,
            "track_total_hits": false,
            "sort": [{"teller": "asc"}],
            "query": {"bool": {"filter": [{"terms": {"owner": groups(selection)}}, ways]}},
        });
        if let (Some(after), Some(body)) = (&after, body.as_object_mut()) {
            body.insert("search_after".into(), json!([after]));
        }
        let hits: Hits = search(client, index, &body).await?.hits;
        for hit in &hits.hits {
            let Some(key) = hit.sort.first().and_then(Value::as_str) else {
                continue;
            };
            for name in &hit.matched_queries {
                let word = name.parse().ok().and_then(|at: usize| told.get_mut(at));
                named += usize::from(word.is_some_and(|word| word.by.insert(key.to_owned())));
            }
            after = Some(key.to_owned());
        }
        if named > MOST {
            return Err(Error::invalid(
                "search.text",
                "too many findings say these words; search for rarer ones, or in fewer groups",
            ));
        }
        if hits.hits.len() < PAGE {
            return Ok(told);
        }
    }
}

fn name(query: &mut Value, at: usize) {
    let inner = query
        .as_object_mut()
        .and_then(|query| query.values_mut().next());
    let inner = inner
        .and_then(Value::as_object_mut)
        .and_then(|field| field.values_mut().next());
    if let Some(inner) = inner.and_then(Value::as_object_mut) {
        inner.insert("_name".into(), json!(at.to_string()));
    }
}
