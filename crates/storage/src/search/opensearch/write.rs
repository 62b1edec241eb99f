//! Fills an index: what is there is read, and is replaced only if it is still that.
//!
//! OpenSearch's own external versions would refuse older documents in one request, but they count
//! what is touched and what is removed, too: a document whose `last_seen` moved, or that was removed
//! and comes again, must be taken in the version that it has. So the version is a field, and every
//! write is bound to the sequence number of what was read. Of a document that was removed in a known
//! version only that is left: no search finds it, and who writes an older one late is refused by it.

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
/// was too busy to take: nine seconds in all.
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
    /// Removes whatever is there; with a version what is as old or older, and keeps the version.
    Remove { version: Option<i64> },
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

/// What became of a document that was sent.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// Somebody else changed, made or removed it since it was read: it is looked at again.
    Overtaken,
    /// The server had no time for it, or its shard is not there yet: it is sent again later.
    Busy,
    Refused,
}

impl Outcome {
    fn kind(&self) -> &str {
        self.error.as_ref().map_or("", |error| error.kind.as_str())
    }

    fn fate(&self) -> Fate {
        match (self.status, self.kind()) {
            (200..=299, _) | (404, "") => Fate::Done,
            (409, _) | (404, "document_missing_exception") => Fate::Overtaken,
            (429 | 503, _) => Fate::Busy,
            _ => Fate::Refused,
        }
    }

    fn error(&self) -> Error {
        let doing = format!("write document {}", self._id);
        refusal(&doing, self.status, self.kind())
    }
}

/// What came of documents that were sent together.
#[derive(Default)]
struct Sent {
    done: Vec<String>,
    /// Of the first that the server had no time for.
    busy: Option<Error>,
}

/// How long to wait before a round: the longer, the more there were.
fn pause(round: u32) -> Duration {
    Duration::from_millis(20 << round.min(6))
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
    /// What must be known of what is there.
    fn fields(&self) -> [&'static str; 2] {
        match self {
            Self::Put { .. } | Self::Remove { .. } => ["id", "version"],
            Self::Set { field, .. } => ["id", *field],
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
        let put = |version: i64, source: &Value| {
            let how = match known.found {
                false => json!({"create": place(json!({}))}),
                true if number("version").is_none_or(|there| there < version) => {
                    json!({"index": place(seen.clone())})
                }
                true => return None,
            };
            Some(format!("{how}\n{source}\n"))
        };
        match self {
            Self::Put { version, source } => put(*version, source),
            Self::Remove {
                version: Some(version),
            } => put(*version, &json!({ "version": version })),
            Self::Set { field, to, when } => {
                // Of what was removed no more than its version is there.
                let is_there = known.found && known._source.get("id").is_some();
                if !is_there || !when(number(field), *to) {
                    return None;
                }
                let how = json!({"update": place(seen)});
                let what = json!({"doc": {*field: to}});
                Some(format!("{how}\n{what}\n"))
            }
            Self::Remove { version: None } if known.found => {
                Some(format!("{}\n", json!({"delete": place(json!({}))})))
            }
            Self::Remove { version: None } => None,
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
    let mut busy = None;
    for round in 0..ROUNDS {
        if pending.is_empty() {
            return Ok(written);
        }
        // The first collision is resolved at once, a busy server is given time.
        if round > 1 || busy.is_some() {
            tokio::time::sleep(pause(round)).await;
        }
        busy = None;
        let ids: Vec<String> = pending.keys().cloned().collect();
        for ids in ids.chunks(AT_ONCE) {
            let sent = once(client, to, ids, &mut pending).await?;
            written += sent.done.len() as u64;
            busy = busy.or(sent.busy);
        }
    }
    match pending.is_empty() {
        true => Ok(written),
        false => Err(busy.unwrap_or_else(|| {
            Error::unavailable(
                "search.unavailable",
                "others keep changing the documents that are written to OpenSearch; try again",
            )
        })),
    }
}

/// Leaves in `pending` what must be tried again.
async fn once(
    client: &Client,
    to: &str,
    ids: &[String],
    pending: &mut BTreeMap<String, Change>,
) -> Result<Sent> {
    let of: Vec<(&String, &Change)> = ids
        .iter()
        .filter_map(|id| pending.get_key_value(id))
        .collect();
    let fields: BTreeSet<&str> = of.iter().flat_map(|(_, change)| change.fields()).collect();
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
    let mut all = Sent::default();
    for bulk in bulks.iter().filter(|bulk| !bulk.is_empty()) {
        let sent = send(client, bulk).await?;
        for done in &sent.done {
            undone.remove(done);
        }
        all.done.extend(sent.done);
        all.busy = all.busy.or(sent.busy);
    }
    for id in ids {
        if !undone.contains(id) {
            pending.remove(id);
        }
    }
    Ok(all)
}

/// # Errors
/// That of the first document that is refused, with its id; those of [`Client::send`].
async fn send(client: &Client, bulk: &str) -> Result<Sent> {
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
    let mut sent = Sent::default();
    for outcome in items.into_iter().flat_map(BTreeMap::into_values) {
        match outcome.fate() {
            Fate::Done => sent.done.push(outcome._id),
            Fate::Overtaken => {}
            Fate::Busy => {
                sent.busy.get_or_insert_with(|| outcome.error());
            }
            Fate::Refused => return Err(outcome.error()),
        }
    }
    Ok(sent)
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

    /// The alias of the index that it is of.
    pub fn index(&self) -> String {
        index::at(&self.known._index)
    }

    pub fn position(&self) -> Option<&str> {
        self.known._source.get(POSITION).and_then(Value::as_str)
    }

    /// Shows what was written before, then moves the position; answers whether it was still where it
    /// was read.
    ///
    /// # Errors
    /// `search.unavailable` where the server has no time for it: the position may be moved again.
    pub async fn move_on(&self, client: &Client, position: &str) -> Result<bool> {
        let known = &self.known;
        let at = self.index();
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
        let mut busy = None;
        for round in 0..ROUNDS {
            if busy.is_some() {
                tokio::time::sleep(pause(round)).await;
            }
            let sent = send(client, &bulk).await?;
            if !sent.done.is_empty() {
                return Ok(true);
            }
            busy = sent.busy;
            if busy.is_none() {
                return Ok(false);
            }
        }
        busy.map_or(Ok(false), Err)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::opensearch::Address;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn only_a_conflict_is_a_move() {
        for (status, kind, fate) in [
            (200, "", Fate::Done),
            (201, "", Fate::Done),
            // Deleted already.
            (404, "", Fate::Done),
            (409, "version_conflict_engine_exception", Fate::Overtaken),
            (404, "document_missing_exception", Fate::Overtaken),
            (429, "opensearch_rejected_execution_exception", Fate::Busy),
            (503, "unavailable_shards_exception", Fate::Busy),
            (400, "strict_dynamic_mapping_exception", Fate::Refused),
            (403, "cluster_block_exception", Fate::Refused),
            (404, "index_not_found_exception", Fate::Refused),
            (500, "", Fate::Refused),
        ] {
            let error = (!kind.is_empty()).then(|| Failed { kind: kind.into() });
            let outcome = Outcome {
                _id: "7".into(),
                status,
                error,
            };
            assert_eq!(outcome.fate(), fate, "{status} {kind}");
        }
    }

    /// A server that answers every write with this outcome of document 7, and that all documents are
    /// new to.
    async fn fake_server(status: u16, kind: &str) -> (Client, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let item = json!({"_id": "7", "status": status, "error": {"type": kind}});
        let written = json!({"items": [{"create": item}]}).to_string();
        let read = json!({"docs": [{"_index": "i", "found": false}]}).to_string();
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&writes);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 65_536];
                let n = stream.read(&mut request).await.unwrap_or_default();
                let is_write = request
                    .get(..n)
                    .is_some_and(|bytes| bytes.starts_with(b"POST /_bulk"));
                let body = match is_write {
                    true => &written,
                    false => &read,
                };
                counted.fetch_add(usize::from(is_write), Ordering::SeqCst);
                let answer = format!(
                    "HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let address = Address::parse(&format!("opensearch+http://127.0.0.1:{port}/gna"));
        let client = Client::new(&address.expect("an address")).expect("a client");
        (client, writes)
    }

    fn one() -> BTreeMap<String, Change> {
        let (version, source) = (1, json!({"path": "src/secret.rs"}));
        [("7".to_owned(), Change::Put { version, source })].into()
    }

    #[tokio::test]
    async fn a_document_that_is_refused_is_named_with_the_reason() {
        let (client, writes) = fake_server(400, "strict_dynamic_mapping_exception").await;
        let error = change(&client, "i", one()).await.expect_err("refused");
        assert_eq!(error.code(), "search.refused");
        let says = error.to_string();
        assert!(
            says.contains("document 7") && says.contains("strict_dynamic"),
            "{says}"
        );
        assert!(!says.contains("secret"), "{says}");
        assert_eq!(
            writes.load(Ordering::SeqCst),
            1,
            "trying again helps nobody"
        );
    }

    /// It is no move: who follows the feed would begin again at once, and never let go.
    #[tokio::test]
    async fn a_busy_server_is_given_time_and_then_told_of() {
        let (client, writes) = fake_server(429, "opensearch_rejected_execution_exception").await;
        let place = Place {
            known: Known {
                _index: "i".into(),
                found: false,
                _seq_no: 0,
                _primary_term: 0,
                _source: Value::Null,
                error: None,
            },
        };
        let (changed, moved) =
            tokio::join!(change(&client, "i", one()), place.move_on(&client, "8"));
        for error in [changed.map(drop), moved.map(drop)] {
            let error = error.expect_err("busy");
            assert_eq!(error.code(), "search.unavailable");
            assert!(error.to_string().contains("document 7"), "{error}");
        }
        let rounds = usize::try_from(ROUNDS).expect("small");
        assert_eq!(writes.load(Ordering::SeqCst), 2 * rounds);
    }
}
