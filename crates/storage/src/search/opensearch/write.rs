//! Fills an index: what is there is read, and is replaced only if it is still that.
//!
//! OpenSearch's own external versions would refuse older documents in one request, but they count
//! what is touched and what is removed, too: a document whose `last_seen` moved, or that was removed
//! and comes again, must be taken in the version that it has. So the version is a field, and every
//! write is bound to the sequence number of what was read.

use gna_domain::error::{Error, Result};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::client::{Ask, Body, Client, refusal};
use super::index;

/// Documents read at once, and written at once.
const AT_ONCE: usize = 1_000;
/// Bytes written at once; OpenSearch takes 100 MB, and less is faster.
const BYTES: usize = 5_000_000;
/// How often documents are read and written again that others changed in between, or that the server
/// was too busy to take.
const ROUNDS: u32 = 12;
/// How often a shard is waited for, three seconds in all.
const WAITS: u32 = 6;
/// The document that says how far the store has been followed.
const POSITION: &str = "position";

/// What is to be done with a document, given what is there.
pub(super) enum Change {
    /// Replaces what is not as new.
    Put { version: i64, source: Value },
    /// Sets a number of what is there, where the rule says so.
    Set {
        field: &'static str,
        to: i64,
        when: fn(Option<i64>, i64) -> bool,
    },
    /// Removes whatever is there.
    Remove,
}

/// What is there.
#[derive(Deserialize)]
struct Known {
    _index: String,
    #[serde(default)]
    found: bool,
    #[serde(default)]
    _seq_no: i64,
    #[serde(default)]
    _primary_term: i64,
    #[serde(default)]
    _source: Value,
    #[serde(default)]
    error: Option<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Outcome {
    _id: String,
    status: u16,
    #[serde(default)]
    error: Option<Failed>,
}

/// Reads documents by their ids, as they are now, whether or not they are shown yet.
async fn read(client: &Client, from: &str, ids: &[&String], fields: &str) -> Result<Vec<Known>> {
    #[derive(Deserialize)]
    struct Read {
        docs: Vec<Known>,
    }
    let path = format!("{from}/_mget?_source_includes={fields}");
    let body = json!({ "ids": ids });
    let ask = Ask {
        doing: "read documents",
        method: Method::POST,
        path: &path,
        body: Body::Json(&body),
    };
    let mut round = 0;
    loop {
        let Read { docs } = client.send(ask.clone()).await?.read()?;
        let failed = docs.iter().find_map(|known| known.error.as_ref());
        let Some(Failed { kind }) = failed else {
            return Ok(docs);
        };
        // An index that was made or moved just now has shards that do not answer yet.
        if round == WAITS || kind == "index_not_found_exception" {
            return Err(refusal("read documents", 500, kind));
        }
        tokio::time::sleep(Duration::from_millis(50 << round)).await;
        round += 1;
    }
}

impl Change {
    fn fields(&self) -> &'static str {
        match self {
            Self::Put { .. } | Self::Remove => "version",
            Self::Set { field, .. } => field,
        }
    }

    /// The lines that do it; `None` where nothing is to be done.
    fn lines(&self, id: &str, known: &Known) -> Option<String> {
        let place = |mut about: Value| {
            if let Some(about) = about.as_object_mut() {
                about.insert("_index".into(), json!(index::at(&known._index)));
                about.insert("_id".into(), json!(id));
            }
            about
        };
        let seen = json!({"if_seq_no": known._seq_no, "if_primary_term": known._primary_term});
        let number = |field: &str| known._source.get(field).and_then(Value::as_i64);
        match self {
            Self::Put { version, source } => {
                let how = match known.found {
                    false => json!({"create": place(json!({}))}),
                    true if number("version").is_none_or(|there| there < *version) => {
                        json!({"index": place(seen)})
                    }
                    true => return None,
                };
                Some(format!("{how}\n{source}\n"))
            }
            Self::Set { field, to, when } => {
                if !known.found || !when(number(field), *to) {
                    return None;
                }
                let how = json!({"update": place(seen)});
                let what = json!({"doc": {*field: to}});
                Some(format!("{how}\n{what}\n"))
            }
            Self::Remove if known.found => {
                Some(format!("{}\n", json!({"delete": place(json!({}))})))
            }
            Self::Remove => None,
        }
    }
}

/// Does all of them, each document for itself; answers how many were written.
///
/// # Errors
/// `search.unavailable`, `search.refused`; some are then done and others not.
pub(super) async fn change(
    client: &Client,
    to: &str,
    mut pending: BTreeMap<String, Change>,
) -> Result<u64> {
    let mut written = 0;
    for round in 0..ROUNDS {
        if pending.is_empty() {
            return Ok(written);
        }
        if round > 1 {
            // The first collision is resolved at once, a busy server is given time.
            tokio::time::sleep(Duration::from_millis(20 << round.min(6))).await;
        }
        let ids: Vec<String> = pending.keys().cloned().collect();
        for ids in ids.chunks(AT_ONCE) {
            written += once(client, to, ids, &mut pending).await?;
        }
    }
    match pending.is_empty() {
        true => Ok(written),
        false => Err(Error::unavailable(
            "search.unavailable",
            "OpenSearch does not take all documents, or others keep changing them; try again",
        )),
    }
}

/// Leaves in `pending` what must be tried again.
async fn once(
    client: &Client,
    to: &str,
    ids: &[String],
    pending: &mut BTreeMap<String, Change>,
) -> Result<u64> {
    let of: Vec<(&String, &Change)> = ids
        .iter()
        .filter_map(|id| pending.get_key_value(id))
        .collect();
    let fields: BTreeSet<&str> = of.iter().map(|(_, change)| change.fields()).collect();
    let fields: Vec<&str> = fields.into_iter().collect();
    let names: Vec<&String> = of.iter().map(|(id, _)| *id).collect();
    let known = read(client, to, &names, &fields.join(",")).await?;
    let mut bulks = vec![String::new()];
    let mut undone = BTreeSet::new();
    for ((id, change), known) in of.iter().zip(&known) {
        let Some(lines) = change.lines(id, known) else {
            continue;
        };
        undone.insert((*id).clone());
        match bulks.last_mut() {
            Some(bulk) if bulk.is_empty() || bulk.len() + lines.len() <= BYTES => {
                bulk.push_str(&lines);
            }
            _ => bulks.push(lines),
        }
    }
    let mut written = 0;
    for bulk in bulks.iter().filter(|bulk| !bulk.is_empty()) {
        for done in send(client, bulk).await? {
            undone.remove(&done);
            written += 1;
        }
    }
    for id in ids {
        if !undone.contains(id) {
            pending.remove(id);
        }
    }
    Ok(written)
}

/// Answers the ids of what is done; what others changed meanwhile, and what the server had no time for,
/// is left out.
async fn send(client: &Client, bulk: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Bulk {
        items: Vec<BTreeMap<String, Outcome>>,
    }
    let ask = Ask {
        doing: "write documents",
        method: Method::POST,
        path: "_bulk?require_alias=true",
        body: Body::Lines(bulk),
    };
    let Bulk { items } = client.send(ask).await?.read()?;
    let mut done = Vec::with_capacity(items.len());
    for outcome in items.into_iter().flat_map(BTreeMap::into_values) {
        let kind = outcome.error.as_ref().map(|error| error.kind.as_str());
        match (outcome.status, kind) {
            (200..=299, _) | (404, None) => done.push(outcome._id),
            // What was to be changed was removed, replaced or made by somebody else: look again.
            (404, Some("document_missing_exception")) | (409, _) => {}
            (429 | 503, _) => {}
            (status, kind) => {
                return Err(refusal("write documents", status, kind.unwrap_or_default()));
            }
        }
    }
    Ok(done)
}

/// Where an index is, as it was read: it is moved on only if it is still there.
pub(super) struct Place {
    known: Known,
}

impl Place {
    pub async fn read(client: &Client, of: &str) -> Result<Self> {
        let id = POSITION.to_owned();
        let known = read(client, of, &[&id], POSITION).await?.pop();
        let known = known.ok_or_else(|| refusal("read the position", 500, "no answer"))?;
        Ok(Self { known })
    }

    pub fn position(&self) -> Option<&str> {
        self.known._source.get(POSITION).and_then(Value::as_str)
    }

    /// Shows what was written before, then moves the position; answers whether it was still where it
    /// was read.
    pub async fn move_on(&self, client: &Client, position: &str) -> Result<bool> {
        let known = &self.known;
        let at = index::at(&known._index);
        index::refresh(client, &at).await?;
        let mut about = json!({"_index": at, "_id": POSITION});
        let how = match (known.found, about.as_object_mut()) {
            (true, Some(fields)) => {
                fields.insert("if_seq_no".into(), json!(known._seq_no));
                fields.insert("if_primary_term".into(), json!(known._primary_term));
                "index"
            }
            _ => "create",
        };
        let bulk = format!("{}\n{}\n", json!({how: about}), json!({POSITION: position}));
        Ok(!send(client, &bulk).await?.is_empty())
    }
}

/// How far an index has followed the store; `None` also where there is none.
pub(super) async fn position(client: &Client, of: &str) -> Result<Option<String>> {
    match Place::read(client, of).await {
        Ok(place) => Ok(place.position().map(str::to_owned)),
        Err(error) if error.code() == "search.unavailable" && is_missing(client, of).await? => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn is_missing(client: &Client, alias: &str) -> Result<bool> {
    Ok(index::behind(client, alias).await?.is_empty())
}
