//! A tracker that Gna does not know, by a file of the user's own: the recipe for issues serves it as
//! any other. Its app is answers of our own invention, and its list shows no texts.

use super::workplace::{Asked, Said, Workplace};
use super::*;
use serde_json::Map;
use std::sync::Mutex;

const MODULE: &str = r#"
name = "paper-board"
docs = ["https://board.example/api"]

[display]
label = "Paper board"
description = "Cards on paper."
category = "issue_tracker"
details_url = "https://board.example"

[[connection]]
name = "url"
title = "Address of the board"
kind = "url"

[urls]
api = "{connection.url}"

[auth.api_key]
send = { headers = { X-Key = "{credential.key}" } }

[[auth.api_key.fields]]
name = "key"
title = "Key"
secret = true

[test]
path = "/me"

[identity]
calls = [{ call = { path = "/me" }, keep = { id = "/id", name = "/name" } }]
external_id = "{kept.id}"
display_name = "{kept.name}"

[operations.create_issue]
description = "Makes a card."
input = { project = "text", title = "text", body = "text?" }
method = "POST"
path = "/cards"
body.json = { lane = "{input.project}", title = "{input.title}", text = "{input.body?}" }
output = { id = "/id", state = "/state" }

[operations.get_issue]
description = "One card."
input = { issue = "text" }
path = "/cards/{input.issue}"
output = { id = "/id", title = "/title", body = "/text", state = "/state" }

[operations.update_issue]
description = "Changes a card."
input = { issue = "text", title = "text?", body = "text?", state = "text?" }
method = "PATCH"
path = "/cards/{input.issue}"
body.json = { title = "{input.title?}", text = "{input.body?}", state = "{input.state?}" }

[operations.add_comment]
description = "Says something about a card."
input = { issue = "text", body = "text" }
method = "POST"
path = "/cards/{input.issue}/comments"
body.json = { text = "{input.body}" }

[operations.list_issues]
description = "All cards of a lane."
input = { project = "text" }
path = "/cards"
query = { lane = "{input.project}" }
items = "/cards"
output = { id = "/id", title = "/title", state = "/state" }
"#;

type Cards = Arc<Mutex<Vec<Map<String, Value>>>>;

fn answer(asked: &Asked, cards: &mut Vec<Map<String, Value>>) -> Said {
    let path = asked.path.strip_prefix("board.example").expect("the board");
    let sent = asked.body.as_object().cloned().unwrap_or_default();
    match (asked.method, path) {
        ("POST", "/cards") => {
            let mut card = sent;
            card.insert("id".to_owned(), format!("c{}", cards.len() + 1).into());
            card.insert("state".to_owned(), "todo".into());
            cards.push(card.clone());
            (201, card.into())
        }
        ("GET", "/cards") => (200, json!({ "cards": cards })),
        (method, path) => {
            let id = path.trim_start_matches("/cards/");
            let Some(card) = cards.iter_mut().find(|card| card["id"] == id) else {
                return (404, Value::Null);
            };
            if method == "PATCH" {
                card.extend(sent);
            }
            (200, card.clone().into())
        }
    }
}

#[tokio::test]
async fn a_tracker_of_ones_own_whose_invented_list_shows_no_texts_is_kept_in_step_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("paper-board.toml"), MODULE).expect("written");
    let catalogue = Catalogue::new(Some(folder.path())).expect("loads");
    let modules = catalogue.all().map(|loaded| &loaded.module);
    let book = RecipeBook::shipped().for_apps(modules);
    let cards = Cards::default();
    let there = Arc::clone(&cards);
    let app = move |asked: &Asked| answer(asked, &mut there.lock().expect("a lock"));
    let workplace = Workplace::of(&catalogue, book, app).await;
    let form = json!({"url": "https://board.example", "key": "hunter2"});
    let account = workplace.account("paper-board", &form, Map::new()).await;
    let config = json!({"project": "lane-1", "min_severity": "LOW", "close_with": "done", "reopen_with": "todo"});
    workplace.joined("issue-sync", vec![account], config).await;
    let state = |of: usize| cards.lock().expect("a lock")[of]["state"].clone();

    // The card was made and nobody heard of it: it is found again by its text, which only it shows.
    workplace.flaky.lose_next("create_issue");
    workplace.report(&["rule-1"]).await;
    let lost = workplace.world.run_jobs().await.expect_err("is lost");
    assert_eq!(lost.code(), "app.unavailable");
    workplace.world.clock.advance_millis(3_600_000);
    workplace.work().await;
    assert_eq!(cards.lock().expect("a lock").len(), 1, "and not made twice");

    // It moves with its vulnerability, and the other way round.
    workplace.scan(&[]).await;
    assert_eq!(state(0), "done");
    workplace.scan(&["rule-1"]).await;
    assert_eq!(state(0), "todo");
    cards.lock().expect("a lock")[0].insert("state".to_owned(), "done".into());
    workplace.wait(11).await;
    let vulnerability = workplace.vulnerabilities().await.remove(0);
    assert_ne!(
        vulnerability.state,
        State::Open,
        "closed there, closed here"
    );
    assert_eq!(cards.lock().expect("a lock").len(), 1);
}
