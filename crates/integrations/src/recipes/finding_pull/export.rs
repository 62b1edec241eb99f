//! Exports: what an app is asked to prepare, waited for, and read part by part when it is ready.

use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::recipes::Desk;
use gna_domain::time::{DAY_MS, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SLOT;
use super::feed::{Feed, Listed, Read, text};

/// How often one that is not ready is looked at, in milliseconds.
const LOOK_MS: i64 = 30_000;
/// How long one is waited for, in milliseconds: two hours.
const WAIT_MS: i64 = 7_200_000;
/// How much more than what changed is asked for, in milliseconds: a day. Findings have the time of
/// their scan and are told when it has ended.
const SCAN_MS: i64 = DAY_MS;
/// Since when everything is asked for: 1 January 2000. Apps that are told no time choose one.
const EVER: Timestamp = Timestamp::from_millis(946_684_800_000);
/// Most findings that are read of one.
const FINDINGS: usize = 50_000;

/// One that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The app's id of it.
    pub id: String,
    /// Since when changes are asked for; everything that is there if absent.
    pub since: Option<Timestamp>,
    pub begun: Timestamp,
}

/// How far it is.
pub enum Look {
    /// It is to be looked at again then.
    NotYet(Timestamp),
    Ready(Read),
}

/// Asks for one.
///
/// # Errors
/// The app's.
pub async fn begin(desk: &Desk<'_>, operation: &str, since: Option<Timestamp>) -> Result<Export> {
    let begun = desk.ctx.now();
    // What is fixed is news only to who knew of it.
    let (from, states) = match since {
        Some(since) => (
            since.plus_millis(-SCAN_MS),
            json!(["OPEN", "REOPENED", "FIXED"]),
        ),
        None => (EVER, json!(["OPEN", "REOPENED"])),
    };
    let input = json!({ "since": from.to_string(), "states": states });
    let made = desk.call(SLOT, operation, input).await?;
    let id = text(made.get("id")).ok_or_else(|| {
        Error::new(
            Kind::Upstream,
            "app.answer",
            "the app began an export and did not say which",
        )
    })?;
    Ok(Export { id, since, begun })
}

/// Reads one, if it is ready.
///
/// # Errors
/// The app's, and `app.refused` where nothing will come of it.
pub async fn look(desk: &Desk<'_>, feed: &Feed, export: &Export) -> Result<Look> {
    let now = desk.ctx.now();
    let input = json!({ "export": export.id });
    let told = desk.call(SLOT, "get_export", input).await?;
    if let Some(at) = wait(&told, export.begun, now)? {
        return Ok(Look::NotYet(at));
    }
    let parts = told.get("parts").and_then(Value::as_array);
    let parts = parts.map(Vec::as_slice).unwrap_or_default();
    let mut items = Vec::new();
    for (read, part) in parts.iter().enumerate() {
        let input = json!({ "export": export.id, "part": part });
        let (some, _) = desk.page(SLOT, feed.operation, input, None).await?;
        items.extend(some.iter().filter_map(feed.map));
        if items.len() >= FINDINGS && read + 1 < parts.len() {
            return Ok(Look::Ready(Read {
                items,
                is_whole: false,
            }));
        }
    }
    Ok(Look::Ready(Read {
        items,
        is_whole: lacks_nothing(&told),
    }))
}

/// When to look again, or nothing where it is ready.
fn wait(told: &Listed, begun: Timestamp, now: Timestamp) -> Result<Option<Timestamp>> {
    let refused = |why: String| Err(Error::new(Kind::Upstream, "app.refused", why));
    let state = text(told.get("state")).unwrap_or_default();
    match state.as_str() {
        "FINISHED" => Ok(None),
        "CANCELLED" | "ERROR" => refused(format!(
            "the export ended as {state}; the next pull asks for another"
        )),
        _ if now.millis().saturating_sub(begun.millis()) > WAIT_MS => {
            refused("the export was not ready in two hours; the next pull asks for another".into())
        }
        _ => Ok(Some(now.plus_millis(LOOK_MS))),
    }
}

/// Whether no part of it failed.
fn lacks_nothing(told: &Listed) -> bool {
    ["failed", "cancelled"].iter().all(|name| {
        let parts = told.get(*name).and_then(Value::as_array);
        parts.is_none_or(Vec::is_empty)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: Value) -> Listed {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn one_is_waited_for_while_there_is_hope() {
        let (begun, soon) = (Timestamp::from_millis(0), Timestamp::from_millis(60_000));
        let late = Timestamp::from_millis(WAIT_MS + 1);
        for (state, now, again) in [
            ("QUEUED", soon, Ok(Some(90_000))),
            ("PROCESSING", soon, Ok(Some(90_000))),
            ("PROCESSING", late, Err("app.refused")),
            ("FINISHED", late, Ok(None)),
            ("CANCELLED", soon, Err("app.refused")),
            ("ERROR", soon, Err("app.refused")),
        ] {
            let found = wait(&told(json!({ "state": state })), begun, now);
            let found = found
                .map(|at| at.map(Timestamp::millis))
                .map_err(|error| error.code());
            assert_eq!(found, again, "{state}");
        }
    }

    #[test]
    fn one_that_lost_a_part_is_not_everything() {
        for (value, is_whole) in [
            (json!({ "parts": [1] }), true),
            (json!({ "failed": [], "cancelled": null }), true),
            (json!({ "failed": [2] }), false),
            (json!({ "cancelled": [2] }), false),
        ] {
            assert_eq!(lacks_nothing(&told(value.clone())), is_whole, "{value}");
        }
    }
}
