//! Pages, counts and facets: one request each, after one for the words.

use gna_domain::error::{Error, Result};
use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::page::Count;
use gna_domain::port::search::{
    Facet, FieldKind, Hit, SearchPage, SearchRequest, Selection, declared,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::client::{Ask, Body, Client};
use super::plan;
use super::told::told;
use crate::search::cursor::{self, Place};

/// Most values of a facet (`search.max_buckets` is 65,535).
const BUCKETS: usize = 10_000;
/// Values asked for besides those that are wanted: with several shards each tells its own most
/// frequent ones, and numbers are ordered as texts here.
const SPARE: usize = 500;

#[derive(Deserialize)]
pub(super) struct Found {
    pub hits: Hits,
    #[serde(default)]
    aggregations: BTreeMap<String, Aggregation>,
}

#[derive(Deserialize)]
pub(super) struct Hits {
    #[serde(default)]
    total: Option<Total>,
    pub hits: Vec<Raw>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
pub(super) struct Raw {
    #[serde(default)]
    pub sort: Vec<Value>,
    #[serde(default)]
    pub matched_queries: Vec<String>,
}

#[derive(Deserialize)]
struct Aggregation {
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    key: Value,
    doc_count: u64,
}

/// All of it or an error: where a shard is missing, what is there is not the answer.
pub(super) async fn search(client: &Client, index: &str, body: &Value) -> Result<Found> {
    let path = format!("{index}/_search?allow_partial_search_results=false");
    let ask = Ask {
        doing: "search",
        method: Method::POST,
        path: &path,
        body: Body::Json(body),
    };
    client.send(ask).await?.read()
}

pub(super) async fn query(
    client: &Client,
    index: &str,
    request: &SearchRequest,
    after: Option<Place>,
) -> Result<SearchPage> {
    let selection = &request.selection;
    let told = told(client, index, selection).await?;
    let sort = request.sort;
    let (order, missing) = match sort.descending {
        true => ("desc", "_last"),
        false => ("asc", "_first"),
    };
    let mut body = json!({
        "size": request.limit + 1,
        "_source": false,
        "track_total_hits": false,
        "sort": [
            {format!("f_{}", sort.field): {"order": order, "missing": missing}},
            {"id": order},
        ],
        "query": plan::query(selection, &told),
    });
    if let (Some((value, id)), Some(body)) = (after, body.as_object_mut()) {
        body.insert("search_after".into(), json!([value, id.uuid()]));
    }
    let found = search(client, index, &body).await?.hits.hits;
    let has_more = found.len() > request.limit;
    let hits = found.iter().take(request.limit).map(|raw| {
        let (at, id) = place(&raw.sort)?;
        Ok(Hit {
            id,
            cursor: cursor::encode(sort, (at, id)),
        })
    });
    Ok(SearchPage {
        hits: hits.collect::<Result<_>>()?,
        has_more,
    })
}

/// Documents without a value have the lowest number there is, as [`cursor::MISSING`] has it.
fn place(sort: &[Value]) -> Result<Place> {
    let read = || {
        let [at, id] = sort else { return None };
        let id = Uuid::parse_str(id.as_str()?).ok()?;
        Some((at.as_i64()?, VulnerabilityId::from_uuid(id)))
    };
    read().ok_or_else(|| {
        Error::unavailable(
            "search.refused",
            "a hit of the search index can't be read: look at the address",
        )
    })
}

pub(super) async fn count(
    client: &Client,
    index: &str,
    selection: &Selection,
    bound: u64,
) -> Result<Count> {
    let told = told(client, index, selection).await?;
    // OpenSearch counts up to a 32-bit number, or all.
    let most = match i32::try_from(bound.saturating_add(1)) {
        Ok(most) => json!(most),
        Err(_) => json!(true),
    };
    let body = json!({
        "size": 0,
        "track_total_hits": most,
        "query": plan::query(selection, &told),
    });
    let found = search(client, index, &body).await?.hits.total;
    let found = found.map_or(0, |total| total.value);
    Ok(match found > bound {
        true => Count::AtLeast(bound),
        false => Count::Exact(found),
    })
}

pub(super) async fn facets(
    client: &Client,
    index: &str,
    selection: &Selection,
    fields: &[&'static str],
    limit: usize,
) -> Result<Vec<Facet>> {
    let told = told(client, index, selection).await?;
    let limit = limit.min(BUCKETS);
    let wanted: Map<String, Value> = fields
        .iter()
        .map(|name| {
            let counted = json!({"terms": {
                "field": format!("f_{name}"),
                "size": limit + SPARE,
                "order": [{"_count": "desc"}, {"_key": "asc"}],
            }});
            ((*name).to_owned(), counted)
        })
        .collect();
    let body = json!({
        "size": 0,
        "track_total_hits": false,
        "query": plan::query(selection, &told),
        "aggs": wanted,
    });
    let found = search(client, index, &body).await?.aggregations;
    Ok(fields
        .iter()
        .map(|field| Facet {
            field,
            values: values(field, found.get(*field), limit),
        })
        .collect())
}

/// The most frequent first, ties by value as a text.
fn values(field: &str, found: Option<&Aggregation>, limit: usize) -> Vec<(String, u64)> {
    let is_number = declared(field).is_some_and(|field| field.kind == FieldKind::Number);
    let buckets = found.map(|found| found.buckets.as_slice());
    let mut values: Vec<(String, u64)> = buckets
        .unwrap_or_default()
        .iter()
        .filter_map(|bucket| {
            let value = match is_number {
                true => bucket.key.as_i64()?.to_string(),
                false => bucket.key.as_str()?.to_owned(),
            };
            Some((value, bucket.doc_count))
        })
        .collect();
    values.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
    values.truncate(limit);
    values
}
