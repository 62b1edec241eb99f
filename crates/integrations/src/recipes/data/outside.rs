//! What a recipe file does that begins outside of Gna: when time has passed, when the app tells of
//! something, and the choices of a form that only the app knows.

use gna_domain::connect::Values;
use gna_domain::connect::mapping::SOURCE_BYTES;
use gna_domain::connect::recipe::{Delivery, Form};
use gna_domain::error::{Error, Result};
use gna_domain::port::recipes::Desk;
use gna_domain::rules::condition::Condition;
use gna_domain::rules::integration::waits_for_person;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::condition::Place;
use super::definition::{Choices, Memory, Tick, Webhook, called};
use super::run::{call, filled};

/// Whether the same would happen to all else that is to be done now.
pub(super) fn ends_all(error: &Error) -> bool {
    waits_for_person(error) || error.retry_after().is_some()
}

fn scope(input: &Value) -> Values {
    Values::new().with("input", input.clone())
}

/// An id, as the app writes it.
fn id_of(item: &Map<String, Value>) -> Option<String> {
    match item.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Does what a file says for the time that has passed: once, or for each thing that the app lists. One
/// that fails does not keep the others.
///
/// # Errors
/// The first of the app's, or what a template or condition can't be filled with.
pub(super) async fn tick(
    desk: &Desk<'_>,
    tick: &Tick,
    condition: Option<&Condition>,
) -> Result<()> {
    let input = json!({ "config": desk.integration.config });
    let Some(list) = &tick.list else {
        if !Place::Tick.holds(condition, &input)? {
            return Ok(());
        }
        let filled = filled(&tick.input, &scope(&input))?;
        return call(desk, &tick.call, filled).await.map(|_| ());
    };
    let (slot, operation) = called(list).unwrap_or_default();
    let asked = filled(&tick.list_input, &scope(&input))?;
    let listed = desk.list(slot, operation, asked).await?;
    let mut failed = None;
    for item in listed.items {
        match one(desk, tick, list, condition, item).await {
            Err(error) if ends_all(&error) => return Err(error),
            Err(error) => {
                failed.get_or_insert(error);
            }
            Ok(()) => {}
        }
    }
    failed.map_or(Ok(()), Err)
}

/// One thing that the app listed.
async fn one(
    desk: &Desk<'_>,
    tick: &Tick,
    list: &str,
    condition: Option<&Condition>,
    item: Map<String, Value>,
) -> Result<()> {
    let mut known = None;
    if tick.memory == Memory::Makes {
        let id = id_of(&item).ok_or_else(|| {
            let sentence = format!("what {list} lists has no id to be remembered by");
            Error::invalid("recipe.value", sentence)
        })?;
        let source = format!("{list}:{}:{id}", tick.call);
        if source.len() > SOURCE_BYTES {
            let sentence = format!("an id of {list} is too long to be remembered");
            return Err(Error::invalid("recipe.value", sentence));
        }
        let mapping = desk.mapping(&source).await?;
        if mapping.is_some() {
            return Ok(());
        }
        known = Some((source, id));
    }
    let input = json!({ "config": desk.integration.config, "item": item });
    if !Place::Tick.holds(condition, &input)? {
        return Ok(());
    }
    let answer = call(desk, &tick.call, filled(&tick.input, &scope(&input))?).await?;
    if let Some((source, id)) = known {
        let made = id_of(&answer).unwrap_or(id);
        desk.remember(None, &source, Some(made), Value::Null)
            .await?;
    }
    Ok(())
}

/// Whether what a file says of webhooks is about this one.
pub(super) fn is_about(webhook: &Webhook, delivery: &Delivery) -> bool {
    let told = delivery.event.as_deref().unwrap_or_default();
    webhook.slot == delivery.slot
        && match webhook.event.as_deref() {
            None => true,
            Some(wanted) => match wanted.strip_suffix('*') {
                Some(start) => told.starts_with(start),
                None => told == wanted,
            },
        }
}

/// Does what a file says for what an app told.
///
/// # Errors
/// The app's, or what a template or condition can't be filled with.
pub(super) async fn webhook(
    desk: &Desk<'_>,
    webhook: &Webhook,
    condition: Option<&Condition>,
    delivery: &Delivery,
) -> Result<()> {
    let input = json!({
        "config": desk.integration.config,
        "webhook": { "event": delivery.event, "id": delivery.id, "body": delivery.body },
    });
    if !Place::Webhook.holds(condition, &input)? {
        return Ok(());
    }
    let filled = filled(&webhook.input, &scope(&input))?;
    call(desk, &webhook.call, filled).await.map(|_| ())
}

/// The form with the choices that the app knows now. What depends on something that is not filled in yet
/// has none so far.
///
/// # Errors
/// The app's.
pub(super) async fn form(
    desk: &Desk<'_>,
    mut form: Form,
    choices: &BTreeMap<String, Choices>,
    typed: &Value,
) -> Result<Form> {
    let mut config = desk.integration.config.clone();
    config.extend(typed.as_object().cloned().unwrap_or_default());
    let values = scope(&json!({ "config": config }));
    for (name, choices) in choices {
        let Ok(input) = filled(&choices.input, &values) else {
            continue;
        };
        let (slot, operation) = called(&choices.call).unwrap_or_default();
        let listed = desk.list(slot, operation, input).await?;
        let all: Vec<Value> = listed
            .items
            .iter()
            .filter_map(|item| {
                let value = item.get(&choices.value).filter(|value| !value.is_null())?;
                let title = item.get(&choices.label).and_then(Value::as_str);
                // The configuration holds texts.
                let value = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let title = title.unwrap_or(&value).to_owned();
                Some(json!({ "const": value, "title": title }))
            })
            .collect();
        let property = form.schema.pointer_mut(&format!("/properties/{name}"));
        if let Some(Value::Object(property)) = property
            && !all.is_empty()
        {
            property.insert("oneOf".to_owned(), all.into());
        }
    }
    Ok(form)
}
