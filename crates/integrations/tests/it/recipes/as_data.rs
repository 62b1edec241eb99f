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
fn the_whole_example_of_the_document_loads() {
    let text = include_str!("../../../../../docs/RECIPES.md");
    let example = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let recipe = data::load("RECIPES.md", example.expect("an example"));
    assert_eq!(recipe.expect("loads").name(), "board-cards");
}
