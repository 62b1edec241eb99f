//! Recipes as data: the one that comes with Gna on invented answers, and the files themselves.

use super::workplace::Workplace;
use super::*;
use gna_integrations::recipes::data;
use std::sync::Mutex;

#[tokio::test]
async fn a_recipe_of_a_file_sends_to_an_invented_address_when_something_opens_and_closes() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let there = Arc::clone(&sent);
    let workplace = Workplace::new(move |asked| {
        there.lock().expect("a lock").push(asked.body.clone());
        (202, Value::Null)
    })
    .await;
    let config = json!({"min_severity": "MEDIUM"});
    let of = workplace.made("webhook-notice", &["webhook"], config).await;
    workplace.scan(&["rule-1"]).await;
    workplace.scan(&["rule-1"]).await;
    workplace.scan(&[]).await;
    workplace.scan(&["rule-1"]).await;
    let change = json!({"min_severity": "CRITICAL"})
        .as_object()
        .cloned()
        .expect("an object");
    integration::configure(&workplace.olga, workplace.recipes.as_ref(), of.id, &change)
        .await
        .expect("changes");
    workplace.scan(&["rule-1", "rule-2"]).await;
    let test = integration::act(
        &workplace.olga,
        workplace.apps.as_ref(),
        workplace.recipes.as_ref(),
        of.id,
        "SEND_TEST",
        &Value::Null,
    );
    test.await.expect("is sent");
    let sent = sent.lock().expect("a lock").clone();
    let events: Vec<&str> = sent
        .iter()
        .filter_map(|body| body["event"].as_str())
        .collect();
    assert_eq!(events, ["opened", "closed", "opened", "test"]);
    assert_eq!(sent[0]["severity"], "MEDIUM");
    assert_eq!(sent[0]["asset"], "api");
    assert!(sent[0]["score"].is_number(), "{}", sent[0]);
}

#[tokio::test]
async fn what_was_told_is_not_told_again_because_another_could_not_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/webhook-notice.toml");
    let text = std::fs::read_to_string(shipped).expect("a file");
    let text = text
        .replace("name = \"webhook-notice\"", "name = \"plain-notice\"")
        .replace("memory = \"makes\"", "memory = \"none\"");
    std::fs::write(folder.path().join("plain.toml"), text).expect("writes");
    let recipes = RecipeBook::with_folder(Some(folder.path())).expect("loads");
    // How often each was asked for and taken; the second that is asked for is refused for a while.
    let calls = Arc::new(Mutex::new(Vec::<(String, usize, usize)>::new()));
    let there = Arc::clone(&calls);
    let workplace = Workplace::with(recipes, move |asked| {
        let id = asked.body["id"].as_str().unwrap_or_default().to_owned();
        let mut calls = there.lock().expect("a lock");
        let at = calls.iter().position(|(known, ..)| *known == id);
        let at = at.unwrap_or_else(|| {
            calls.push((id, 0, 0));
            calls.len() - 1
        });
        calls[at].1 += 1;
        if at == 1 && calls[at].1 <= 3 {
            return (503, Value::Null);
        }
        calls[at].2 += 1;
        (202, Value::Null)
    })
    .await;
    let config = json!({"min_severity": "INFO"});
    let of = workplace.made("plain-notice", &["webhook"], config).await;
    let issues: Vec<Issue> = (1..=5)
        .map(|nth| Issue::new(&format!("rule-{nth}"), "src/main.py", 7))
        .collect();
    let upload = UploadReport {
        asset: "api".to_owned(),
        file_name: "scan.sarif".to_owned(),
        ..UploadReport::default()
    };
    let bytes = sarif("scanner", &issues);
    gna_domain::service::report::upload(&workplace.olga, workplace.shop.id, upload, bytes.into())
        .await
        .expect("is taken");
    workplace.work().await;
    workplace.dispatch().await;
    for _ in 0..120 {
        workplace.world.clock.advance_millis(60_000);
        // Fails as often as the app does.
        let _ = workplace.world.run_jobs().await;
    }
    let calls = calls.lock().expect("a lock").clone();
    assert_eq!(calls.len(), 5);
    let once = calls[0].2;
    for (at, (_, asked, taken)) in calls.iter().enumerate() {
        assert_eq!(*taken, once, "{calls:?}");
        assert_eq!(*asked, once + if at == 1 { 3 } else { 0 }, "{calls:?}");
    }
    // Nothing of it is remembered when it is done.
    let store = workplace.world.ports.store.as_ref();
    let kept = store.scan("mapping", &PageRequest::first(100)).await;
    let kept = kept.expect("scans").items;
    let of_jobs = |raw: &&gna_domain::port::store::Raw| format!("{:?}", raw.key).contains("job:");
    assert_eq!(kept.iter().filter(of_jobs).count(), 0, "{of:?}");
}

/// What a recipe of a file can begin with beside events of ours: time, the app's webhooks, choices.
const OUTSIDE: &str = r#"
name = "project-notice"
every_seconds = 600

[display]
label = "Projects"
description = "Tells of projects."

[[slots]]
key = "source"
modules = ["redmine"]

[[slots]]
key = "target"
modules = ["webhook"]

[config.project]
type = "string"
title = "Project"
choices = { call = "source.list_projects", value = "key" }

[[on]]
event = "vulnerability.created"
condition = "subject.severity == 'MEDIUM' && subject.asset == 'api' && config.project == 'gna'"
call = "target.send"
input.payload = { event = "found", id = "{input.subject.id}" }

[[on]]
event = "vulnerability.created"
condition = "!subject.is_open"
call = "target.send"
input.payload = { event = "never", id = "{input.subject.id}" }

[[ticks]]
list = "source.list_projects"
condition = "item.key != 'old'"
call = "target.send"
input.payload = { event = "project", id = "{input.item.key}" }
memory = "makes"

[[ticks]]
call = "target.send"
input.payload = { event = "tick", id = "{input.config.project}" }

[[webhooks]]
slot = "source"
event = "issue.*"
condition = "webhook.body.action == 'closed'"
call = "target.send"
input.payload = { event = "told", id = "{input.webhook.body.number}" }
"#;

#[tokio::test]
async fn a_recipe_of_a_file_begins_with_time_with_webhooks_and_with_conditions() {
    use gna_domain::model::{Job, ReceivedHook};
    use gna_domain::port::store::ChangeSet;
    use gna_domain::service::connect::integration::work;

    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("outside.toml"), OUTSIDE).expect("writes");
    let recipes = RecipeBook::with_folder(Some(folder.path())).expect("loads");
    let sent = Arc::new(Mutex::new(Vec::new()));
    let there = Arc::clone(&sent);
    let workplace = Workplace::with(recipes, move |asked| {
        if asked.path.ends_with("/projects.json") {
            let projects = json!([
                {"id": 1, "identifier": "gna", "name": "Gna"},
                {"id": 2, "identifier": "old", "name": "Old"},
            ]);
            let first = asked.query.contains("offset=0");
            let projects = if first { projects } else { json!([]) };
            return (200, json!({"projects": projects, "total_count": 2}));
        }
        let told = (asked.body["event"].clone(), asked.body["id"].clone());
        there.lock().expect("a lock").push(told);
        (202, Value::Null)
    })
    .await;
    let of = |event: &str| {
        let sent = sent.lock().expect("a lock");
        let told = sent.iter().filter(|(told, _)| told == event);
        told.map(|(_, id)| id.clone()).collect::<Vec<Value>>()
    };
    let config = json!({"project": "gna"});
    let made = workplace
        .made("project-notice", &["redmine", "webhook"], config)
        .await;
    // It looks once when it is made, and then every ten minutes; each project is told once.
    assert_eq!(
        (of("project"), of("tick")),
        (vec![json!("gna")], vec![json!("gna")])
    );
    workplace.wait(45).await;
    assert_eq!(of("project"), [json!("gna")]);
    assert!(of("tick").len() >= 3, "{:?}", of("tick"));
    workplace.scan(&["rule-1"]).await;
    assert_eq!(of("found").len(), 1);
    assert!(of("never").is_empty());
    // The app tells of something; of three deliveries one is what the file speaks of.
    let now = workplace.world.ports.clock.now();
    let ids = workplace.world.ports.ids.as_ref();
    let mut changes = ChangeSet::new();
    for (delivery, event, action) in [
        ("d1", "issue.updated", "closed"),
        ("d2", "issue.updated", "opened"),
        ("d3", "project.updated", "closed"),
    ] {
        let hook = ReceivedHook {
            organization: workplace.acme.id,
            app: "redmine".to_owned(),
            target: String::new(),
            delivery: delivery.to_owned(),
            event: Some(event.to_owned()),
            accounts: Vec::new(),
            projects: Vec::new(),
            content_type: None,
            body: json!({"action": action, "number": delivery}).to_string(),
            received: now,
        };
        changes.create(&hook, None).expect("writes");
        let told = json!({"slot": "source", "app": "redmine", "delivery": delivery});
        let payload = json!({"integration": made.id, "hook": told});
        let job = Job::new(gna_domain::port::fresh(ids), work::WEBHOOK, payload, now);
        changes.create(&job, None).expect("writes");
    }
    let store = workplace.world.ports.store.as_ref();
    store.commit(changes).await.expect("commits");
    workplace.work().await;
    assert_eq!(of("told"), [json!("d1")]);
    // What can be chosen is what the app has now.
    let form = integration::form(
        &workplace.olga,
        workplace.apps.as_ref(),
        workplace.recipes.as_ref(),
        made.id,
        &Value::Null,
    );
    let project = form.await.expect("a form").schema["properties"]["project"].clone();
    assert_eq!(
        project["oneOf"],
        json!([{"const": "gna", "title": "Gna"}, {"const": "old", "title": "Old"}])
    );
    assert!(project.get("choices").is_none());
}

#[test]
fn what_is_wrong_with_what_begins_outside_is_told_with_its_key() {
    for (from, to, told) in [
        ("every_seconds = 600", "", "every_seconds: ticks are"),
        ("every_seconds = 600", "at_once = 65", "at_once: 1 to 64"),
        (
            "every_seconds = 600",
            "every_seconds = 1",
            "every_seconds: ticks are",
        ),
        (
            "list = \"source.list_projects\"\n",
            "",
            "ticks.0.memory: say",
        ),
        (
            "list = \"source.",
            "list = \"nobody.",
            "ticks.0.list: write a slot",
        ),
        (
            "item.key != 'old'",
            "subject.is_open",
            "ticks.0.condition: ",
        ),
        (
            "!subject.is_open",
            "subject.score > 'high'",
            "on.1.condition: ",
        ),
        (
            "slot = \"source\"",
            "slot = \"nobody\"",
            "webhooks.0.slot: the slots",
        ),
        (
            "value = \"key\"",
            "valu = \"key\"",
            "config.project.choices: unknown",
        ),
        (
            "type = \"string\"",
            "type = \"integer\"",
            "config.project.choices: what",
        ),
    ] {
        assert!(OUTSIDE.contains(from), "{from}");
        let error = data::load("x.toml", &OUTSIDE.replacen(from, to, 1)).err();
        let text = error.expect("is refused").to_string();
        assert!(text.contains(told), "{text}");
    }
}

/// In its part on recipes as files.
#[test]
fn the_document_has_each_key() {
    let text = include_str!("../../../../../docs/RECIPES.md");
    let (_, part) = text.split_once("## A recipe as a file").expect("a part");
    let (part, _) = part.split_once("\n## ").expect("another part after it");
    let schema = data::schema();
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().expect("definitions").values());
    let keys = objects
        .iter()
        .filter_map(|object| object["properties"].as_object())
        .flat_map(|properties| properties.keys());
    for key in keys {
        let is_there = part
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|word| word == key);
        assert!(is_there, "{key} is not in docs/RECIPES.md");
    }
}

#[test]
fn the_schema_of_recipe_files_is_the_one_in_the_documents() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recipe.schema.json");
    let text = serde_json::to_string_pretty(&data::schema()).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).expect("writes");
    }
    let kept = std::fs::read_to_string(path).expect("the document");
    assert_eq!(kept, text, "run again with UPDATE_SCHEMA=1");
    let schema = jsonschema::validator_for(&data::schema()).expect("a schema");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/webhook-notice.toml");
    let file = std::fs::read_to_string(shipped).expect("a file");
    let file: Value = toml::from_str(&file).expect("TOML");
    assert!(schema.is_valid(&file));
    assert!(!schema.is_valid(&json!({"name": "x"})));
}

#[test]
fn recipes_of_a_folder_are_added_and_replace_those_of_the_same_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/webhook-notice.toml");
    let text = std::fs::read_to_string(shipped).expect("a file");
    let own = text
        .replace("Notices to any address", "Ours")
        .replace("name = \"webhook-notice\"", "name = \"ours\"");
    std::fs::write(folder.path().join("ours.toml"), own).expect("writes");
    let replaced = text.replace("Notices to any address", "Replaced");
    std::fs::write(folder.path().join("webhook-notice.toml"), replaced).expect("writes");
    let book = RecipeBook::with_folder(Some(folder.path())).expect("loads");
    assert_eq!(book.get("ours").expect("is there").info().label, "Ours");
    assert_eq!(
        book.get("webhook-notice").expect("is there").info().label,
        "Replaced"
    );
    assert!(book.get("issue-sync").is_some());
    std::fs::write(folder.path().join("bad.toml"), "name = 7").expect("writes");
    let error = RecipeBook::with_folder(Some(folder.path()))
        .err()
        .expect("is refused");
    assert!(error.to_string().contains("bad.toml: name"), "{error}");
}

#[test]
fn the_whole_examples_of_the_document_load() {
    let text = include_str!("../../../../../docs/RECIPES.md");
    let examples = text.split("```toml\n").skip(1);
    let names: Vec<String> = examples
        .map(|rest| {
            let example = rest.split("```").next().unwrap_or_default();
            let recipe = data::load("RECIPES.md", example);
            let recipe = recipe.unwrap_or_else(|error| panic!("{error}"));
            recipe.name().to_owned()
        })
        .collect();
    assert_eq!(names, ["board-cards", "order-cards"]);
}
