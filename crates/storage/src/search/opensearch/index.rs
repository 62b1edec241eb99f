//! Which indexes there are: the one that answers, behind an alias, and those that are being built.
//!
//! The alias carries a hash of the declared fields: versions of Gna that declare different ones each
//! have an index of their own on the same server. Every index has an alias of its own besides
//! (`.at`), through which it is written to: it goes with the index, so that a write that comes too
//! late fails instead of making an index that nobody declared.

use gna_domain::error::{Error, Result};
use gna_domain::port::search::FIELDS;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};

use super::client::{Ask, Body, Client};
use super::{Address, source};

/// Counts up when the meaning of what is kept changes.
const FORMAT: u32 = 1;
/// After this time an index that was never finished is of a process that died, in milliseconds.
const ABANDONED: i64 = 7 * 24 * 3_600 * 1_000;
/// How often an alias is moved again when another process moved it at the same time.
const ROUNDS: usize = 5;

/// The names of an address's indexes.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The alias of the index that answers.
    pub live: String,
    /// The alias of those that are being built.
    pub building: String,
}

impl Names {
    pub fn of(address: &Address) -> Self {
        let hash = Sha256::digest(signature());
        let live = format!("{}-{}", address.index, hex::encode(&hash[..4]));
        Self {
            building: format!("{live}.building"),
            live,
        }
    }
}

/// The alias through which an index is written to.
pub(super) fn at(index: &str) -> String {
    format!("{index}.at")
}

fn signature() -> String {
    let fields = FIELDS
        .iter()
        .map(|field| format!("{} {:?}", field.name, field.kind));
    let fields: Vec<String> = fields.collect();
    format!("format {FORMAT}; {}", fields.join("; "))
}

/// Makes sure that the server is one that is understood, and that there is an index that answers.
///
/// # Errors
/// `search.version` for another or an older program; those of [`Client::send`].
pub(super) async fn prepare(client: &Client, address: &Address, names: &Names) -> Result<()> {
    version(client).await?;
    if behind(client, &names.live).await?.is_empty() {
        // The name is no chance's: of two processes that start at once one makes it.
        let first = format!("{}-0", names.live);
        create(client, address, &first, &[&names.live]).await?;
    }
    Ok(())
}

/// The server's version, where it is one that is understood.
///
/// # Errors
/// As [`prepare`].
pub(super) async fn version(client: &Client) -> Result<String> {
    #[derive(Deserialize)]
    struct About {
        version: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        number: String,
        #[serde(default)]
        distribution: String,
    }
    let about = get(client, "look who answers", "").await?;
    let About { version } = about.read()?;
    understood(&version.distribution, &version.number)?;
    Ok(version.number)
}

/// # Errors
/// `search.version`.
fn understood(distribution: &str, number: &str) -> Result<()> {
    let major = number
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if distribution == "opensearch" && major.is_some_and(|major: u32| major >= 2) {
        return Ok(());
    }
    let is = match distribution {
        "opensearch" => "OpenSearch",
        _ => "another program than OpenSearch (or one that pretends to be one)",
    };
    Err(Error::unavailable(
        "search.version",
        format!("the server of the search index is {is} {number}; Gna needs OpenSearch 2 or newer"),
    ))
}

async fn get(client: &Client, doing: &'static str, path: &str) -> Result<super::client::Answer> {
    let ask = Ask {
        doing,
        method: Method::GET,
        path,
        body: Body::None,
    };
    client.send(ask).await
}

/// The indexes behind an alias.
pub(super) async fn behind(client: &Client, alias: &str) -> Result<BTreeSet<String>> {
    let answer = get(client, "look for the index", &format!("_alias/{alias}")).await?;
    if answer.status.as_u16() == 404 {
        return Ok(BTreeSet::new());
    }
    let found: BTreeMap<String, Value> = answer.read()?;
    Ok(found.into_keys().collect())
}

/// Makes an index; it is no error if it is there already.
async fn create(client: &Client, address: &Address, index: &str, aliases: &[&str]) -> Result<()> {
    let own = at(index);
    let aliases: BTreeMap<&str, Value> = aliases
        .iter()
        .copied()
        .chain([own.as_str()])
        .map(|alias| (alias, json!({})))
        .collect();
    let body = json!({
        "settings": {"number_of_shards": address.shards, "number_of_replicas": address.replicas},
        "mappings": source::mapping(),
        "aliases": aliases,
    });
    let ask = Ask {
        doing: "make an index",
        method: Method::PUT,
        path: index,
        body: Body::Json(&body),
    };
    let answer = client.send(ask).await?;
    if answer.status.is_success() || answer.kind() == "resource_already_exists_exception" {
        return Ok(());
    }
    Err(answer.error())
}

/// A new empty index among those that are being built; answers its name. Those that were begun long ago
/// and never finished are removed.
pub(super) async fn begin(client: &Client, address: &Address, names: &Names) -> Result<String> {
    // Each of these hashers has a key of its own.
    let chance = RandomState::new().build_hasher().finish();
    let index = format!("{}-{chance:016x}", names.live);
    create(client, address, &index, &[&names.building]).await?;
    let path = format!("{}/_settings/index.creation_date", names.building);
    let settings: BTreeMap<String, Value> =
        get(client, "look for old indexes", &path).await?.read()?;
    let made = |settings: &Value| -> Option<i64> {
        let date = settings.pointer("/settings/index/creation_date")?;
        date.as_str()?.parse().ok()
    };
    // The server's own time, by the index that was made just now.
    let now = settings.get(&index).and_then(made).unwrap_or_default();
    for (other, settings) in &settings {
        if made(settings).is_some_and(|made| now - made > ABANDONED) {
            tracing::info!(index = other, "an index that was never finished is removed");
            remove(client, other).await?;
        }
    }
    Ok(index)
}

/// Removes an index; it is no error if it is gone already.
pub(super) async fn remove(client: &Client, index: &str) -> Result<()> {
    let ask = Ask {
        doing: "remove an index",
        method: Method::DELETE,
        path: index,
        body: Body::None,
    };
    let answer = client.send(ask).await?;
    match answer.status.is_success() || answer.status.as_u16() == 404 {
        true => Ok(()),
        false => Err(answer.error()),
    }
}

/// From now on this index answers, in one step; those that did before are removed.
pub(super) async fn put_in_place(client: &Client, names: &Names, index: &str) -> Result<()> {
    for _ in 0..ROUNDS {
        let there = behind(client, &names.live).await?;
        let is_there = there.contains(index);
        if is_there && there.len() == 1 {
            return Ok(());
        }
        // Of two that were put in place at once all agree on which one stays.
        let stays = match is_there {
            true => there.iter().next_back().map_or(index, String::as_str),
            false => index,
        };
        let mut actions: Vec<Value> = there
            .iter()
            .filter(|other| other.as_str() != stays)
            .map(|other| json!({"remove_index": {"index": other}}))
            .collect();
        if !is_there {
            actions.push(json!({"add": {"index": index, "alias": names.live}}));
            actions.push(json!({"remove": {"index": index, "alias": names.building}}));
        }
        let body = json!({ "actions": actions });
        let ask = Ask {
            doing: "put an index in place",
            method: Method::POST,
            path: "_aliases",
            body: Body::Json(&body),
        };
        let answer = client.send(ask).await?;
        match answer.status.as_u16() {
            200 if stays != index => return Ok(()),
            // Look whether another process did the same meanwhile; 404: it has removed one of these.
            200 | 404 => {}
            _ => return Err(answer.error()),
        }
    }
    Err(Error::unavailable(
        "search.unavailable",
        "other processes put their own search indexes in place at the same time; try again",
    ))
}

/// Shows what was written.
pub(super) async fn refresh(client: &Client, index: &str) -> Result<()> {
    let path = format!("{index}/_refresh");
    let ask = Ask {
        doing: "show what was written",
        method: Method::POST,
        path: &path,
        body: Body::None,
    };
    client.send(ask).await?.read::<Value>().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_and_an_older_one_are_refused_by_name() {
        for (distribution, number, good) in [
            ("opensearch", "2.19.1", true),
            ("opensearch", "3.2.0", true),
            ("opensearch", "1.3.20", false),
            ("", "7.10.2", false),
            ("", "8.15.0", false),
            ("opensearch", "", false),
        ] {
            let told = understood(distribution, number);
            assert_eq!(told.is_ok(), good, "{distribution} {number}");
            if let Err(error) = told {
                assert_eq!(error.code(), "search.version");
                assert!(error.to_string().contains("OpenSearch 2"), "{error}");
            }
        }
    }
}
