//! Contacts of two CRMs, which are answers of our own invention, changed on both sides in random
//! order while calls fail: in the end both have the same, and nobody is there twice.

use super::flaky::Random;
use super::workplace::{Asked, Said, Workplace};
use super::*;
use std::sync::Mutex;

#[derive(Clone, Debug, Default, PartialEq)]
struct Card {
    email: String,
    first: String,
    last: String,
}

/// By the name of the module.
#[derive(Default)]
struct Crms(BTreeMap<&'static str, BTreeMap<String, Card>>);

impl Crms {
    fn of(&mut self, name: &'static str) -> &mut BTreeMap<String, Card> {
        self.0.entry(name).or_default()
    }

    fn answer(&mut self, asked: &Asked) -> Said {
        match asked.path.split_once('/') {
            Some(("api.hubapi.com", path)) => hubspot(self.of("hubspot"), asked, path),
            Some(("acme.pipedrive.com", path)) => pipedrive(self.of("pipedrive"), asked, path),
            Some(("acme.my.salesforce.com", path)) => {
                salesforce(self.of("salesforce"), asked, path)
            }
            other => panic!("nobody expects {other:?}"),
        }
    }
}

const AT: &str = "2026-01-01T00:00:00Z";

fn text(value: &Value, old: &str) -> String {
    value.as_str().unwrap_or(old).to_owned()
}

fn hubspot(cards: &mut BTreeMap<String, Card>, asked: &Asked, path: &str) -> Said {
    let shown = |id: &str, card: &Card| json!({"id": id, "updatedAt": AT, "properties": {"email": card.email, "firstname": card.first, "lastname": card.last, "company": "Hub"}});
    let properties = &asked.body["properties"];
    match (asked.method, path) {
        ("POST", "crm/v3/objects/contacts/search") => {
            let all: Vec<Value> = cards.iter().map(|(id, card)| shown(id, card)).collect();
            (200, json!({"total": all.len(), "results": all}))
        }
        ("POST", "crm/v3/objects/contacts") => {
            let id = format!("h{}", cards.len() + 1);
            let card = Card {
                email: text(&properties["email"], ""),
                first: text(&properties["firstname"], ""),
                last: text(&properties["lastname"], ""),
            };
            cards.insert(id.clone(), card);
            (201, json!({"id": id, "updatedAt": AT}))
        }
        (method, path) => {
            let id = path.rsplit('/').next().expect("an id");
            let Some(card) = cards.get_mut(id) else {
                return (404, json!({"message": "gone"}));
            };
            if method == "PATCH" {
                card.email = text(&properties["email"], &card.email);
                card.first = text(&properties["firstname"], &card.first);
                card.last = text(&properties["lastname"], &card.last);
            }
            (200, shown(id, card))
        }
    }
}

fn pipedrive(cards: &mut BTreeMap<String, Card>, asked: &Asked, path: &str) -> Said {
    let shown = |id: &str, card: &Card| {
        let number: u32 = id.trim_start_matches('p').parse().expect("a number");
        json!({"id": number, "name": format!("{} {}", card.first, card.last), "first_name": card.first, "last_name": card.last,
            "emails": [{"value": card.email, "primary": true}], "update_time": AT, "org_id": 3})
    };
    let apply = |card: &mut Card, body: &Value| {
        if let Some(email) = body["emails"][0]["value"].as_str() {
            email.clone_into(&mut card.email);
        }
        if let Some(name) = body["name"].as_str() {
            let (first, last) = name.rsplit_once(' ').unwrap_or(("", name));
            (card.first, card.last) = (first.to_owned(), last.to_owned());
        }
    };
    match (asked.method, path) {
        ("GET", "api/v2/persons") => {
            let all: Vec<Value> = cards.iter().map(|(id, card)| shown(id, card)).collect();
            (
                200,
                json!({"success": true, "data": all, "additional_data": {"next_cursor": null}}),
            )
        }
        ("POST", "api/v2/persons") => {
            let id = format!("p{}", cards.len() + 1);
            let mut card = Card::default();
            apply(&mut card, &asked.body);
            cards.insert(id.clone(), card.clone());
            (201, json!({"success": true, "data": shown(&id, &card)}))
        }
        (method, path) => {
            let id = format!("p{}", path.rsplit('/').next().expect("an id"));
            let Some(card) = cards.get_mut(&id) else {
                return (404, json!({"error": "gone"}));
            };
            if method == "PATCH" {
                apply(card, &asked.body);
            }
            (200, json!({"success": true, "data": shown(&id, card)}))
        }
    }
}

fn salesforce(cards: &mut BTreeMap<String, Card>, asked: &Asked, path: &str) -> Said {
    let shown = |id: &str, card: &Card| json!({"Id": id, "Email": card.email, "FirstName": card.first, "LastName": card.last, "SystemModstamp": AT});
    let apply = |card: &mut Card, body: &Value| {
        card.email = text(&body["Email"], &card.email);
        card.first = text(&body["FirstName"], &card.first);
        card.last = text(&body["LastName"], &card.last);
    };
    let path = path.trim_start_matches("services/data/v61.0/");
    match (asked.method, path) {
        ("GET", "query") => {
            let all: Vec<Value> = cards.iter().map(|(id, card)| shown(id, card)).collect();
            (
                200,
                json!({"totalSize": all.len(), "done": true, "records": all}),
            )
        }
        ("POST", "sobjects/Contact") => {
            let id = format!("s{}", cards.len() + 1);
            let mut card = Card::default();
            apply(&mut card, &asked.body);
            cards.insert(id.clone(), card);
            (201, json!({"id": id, "success": true, "errors": []}))
        }
        (method, path) => {
            let id = path.rsplit('/').next().expect("an id");
            let Some(card) = cards.get_mut(id) else {
                return (404, json!([{"message": "gone", "errorCode": "NOT_FOUND"}]));
            };
            if method == "PATCH" {
                apply(card, &asked.body);
                return (204, Value::Null);
            }
            (200, shown(id, card))
        }
    }
}

fn card(name: &str, last: &str) -> Card {
    Card {
        email: format!("{name}@example.com"),
        first: name.to_owned(),
        last: last.to_owned(),
    }
}

fn sorted(cards: &BTreeMap<String, Card>) -> Vec<(String, String, String)> {
    let all = cards.values().cloned();
    let mut all: Vec<_> = all
        .map(|card| (card.email, card.first, card.last))
        .collect();
    all.sort();
    all
}

/// Calls may fail: whatever is due is done until nothing is.
async fn settle(workplace: &Workplace, minutes: i64) {
    for _ in 0..minutes {
        workplace.world.clock.advance_millis(60_000);
        schedule::tick(&workplace.world.system())
            .await
            .expect("ticks");
        for _ in 0..20 {
            if workplace.world.run_jobs().await.is_ok() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn contacts_of_two_invented_crms_become_the_same_whoever_changes_them() {
    for seed in 0..6 {
        story("hubspot", "pipedrive", seed).await;
    }
}

#[tokio::test]
async fn contacts_of_an_invented_salesforce_take_part_on_either_side() {
    story("salesforce", "hubspot", 6).await;
    story("pipedrive", "salesforce", 7).await;
}

#[tokio::test]
async fn a_user_who_compares_beside_a_look_makes_no_contact_of_invented_crms_twice() {
    let crms = Arc::new(Mutex::new(Crms::default()));
    let there = Arc::clone(&crms);
    let workplace = Workplace::new(move |asked| there.lock().expect("a lock").answer(asked)).await;
    let of = workplace
        .made("contact-sync", &["hubspot", "pipedrive"], json!({}))
        .await;
    let ada = card("ada", "Lovelace");
    {
        let mut crms = crms.lock().expect("a lock");
        crms.of("hubspot").insert("h1".to_owned(), ada);
    }
    workplace.world.clock.advance_millis(900_000);
    let pause = workplace.flaky.pause_next("create_contact");
    let user = async {
        pause.reached.notified().await;
        // It is written down that she is being made, and she is not there yet.
        for _ in 0..2 {
            let done = integration::act(
                &workplace.olga,
                workplace.apps.as_ref(),
                workplace.recipes.as_ref(),
                of.id,
                "SYNC_NOW",
                &Value::Null,
            );
            assert!(done.await.expect("is queued")["message"].is_string());
        }
        workplace.world.run_jobs().await.expect("waits its turn");
        let made = crms.lock().expect("a lock").of("pipedrive").len();
        assert_eq!(made, 0, "nobody but the look makes her");
        pause.released.notify_one();
    };
    tokio::join!(workplace.work(), user);
    settle(&workplace, 12).await;
    let mut crms = crms.lock().expect("a lock");
    assert_eq!(crms.of("pipedrive").len(), 1, "there once");
    let (one, two) = (sorted(crms.of("hubspot")), sorted(crms.of("pipedrive")));
    assert_eq!(one, two);
}

#[tokio::test]
async fn a_contact_whose_making_was_not_heard_of_is_found_in_a_long_list_of_an_invented_crm() {
    const PERSONS: &str = "acme.pipedrive.com/api/v2/persons";
    let crms = Arc::new(Mutex::new(Crms::default()));
    let there = Arc::clone(&crms);
    // One contact on a page: a look reads 200 of them.
    let workplace = Workplace::new(move |asked| {
        let (status, said) = there.lock().expect("a lock").answer(asked);
        if (asked.method, asked.path.as_str()) != ("GET", PERSONS) {
            return (status, said);
        }
        let all = said["data"].as_array().cloned().unwrap_or_default();
        let mut parts = asked.query.split('&');
        let cursor = parts.find_map(|part| part.strip_prefix("cursor="));
        let at: usize = cursor.map_or(0, |at| at.parse().expect("a number"));
        let next = (at + 1 < all.len()).then(|| (at + 1).to_string());
        let page: Vec<&Value> = all.get(at).into_iter().collect();
        let said = json!({"success": true, "data": page, "additional_data": {"next_cursor": next}});
        (200, said)
    })
    .await;
    workplace
        .made("contact-sync", &["hubspot", "pipedrive"], json!({}))
        .await;
    {
        let mut crms = crms.lock().expect("a lock");
        let ada = card("ada", "Lovelace");
        crms.of("hubspot").insert("h1".to_owned(), ada);
        // In this order the next one, p401, comes behind more than 300.
        for number in 1..=400 {
            let other = card(&format!("other{number}"), "Comer");
            crms.of("pipedrive").insert(format!("p{number}"), other);
        }
    }
    workplace.flaky.lose_next("create_contact");
    settle(&workplace, 20).await;
    let mut crms = crms.lock().expect("a lock");
    let all = crms.of("pipedrive").values();
    let adas = all.filter(|card| card.email == "ada@example.com").count();
    assert_eq!(adas, 1);
}

/// Contacts of two CRMs, changed at random on both sides.
async fn story(first: &'static str, second: &'static str, seed: u64) {
    let crms = Arc::new(Mutex::new(Crms::default()));
    let id = |of: &str, number: usize| format!("{}{number}", &of[..1]);
    {
        let mut crms = crms.lock().expect("a lock");
        let one = crms.of(first);
        one.insert(id(first, 1), card("ada", "Lovelace"));
        one.insert(id(first, 2), card("grace", "Hopper"));
        // The same person, known before, under another name.
        crms.of(second).insert(id(second, 1), card("ada", "Byron"));
    }
    let there = Arc::clone(&crms);
    let workplace = Workplace::new(move |asked| there.lock().expect("a lock").answer(asked)).await;
    let config = json!({"winner": "first"});
    let of = workplace
        .made("contact-sync", &[first, second], config)
        .await;
    {
        let mut crms = crms.lock().expect("a lock");
        let (one, two) = (sorted(crms.of(first)), sorted(crms.of(second)));
        assert_eq!(one, two, "after the first look");
        let ada = &crms.of(second)[&id(second, 1)];
        assert_eq!(ada.last, "Lovelace", "the first wins");
    }
    let mut random = Random::new(seed + 100);
    workplace.flaky.fail_one_in(8);
    for step in 0..30 {
        {
            let mut crms = crms.lock().expect("a lock");
            let name = if random.below(2) == 0 { first } else { second };
            let side = crms.of(name);
            let ids: Vec<String> = side.keys().cloned().collect();
            let at = usize::try_from(random.below(ids.len() as u64)).expect("small");
            match random.below(3) {
                0 => {
                    let id = id(name, side.len() + 1);
                    side.insert(id, card(&format!("new{step}"), "Comer"));
                }
                1 => side.get_mut(&ids[at]).expect("there").last = format!("Name{step}"),
                _ => side.get_mut(&ids[at]).expect("there").first = format!("First{step}"),
            }
        }
        settle(&workplace, 6).await;
    }
    workplace.flaky.fail_one_in(0);
    settle(&workplace, 30).await;
    let (one, two) = {
        let mut crms = crms.lock().expect("a lock");
        (sorted(crms.of(first)), sorted(crms.of(second)))
    };
    assert_eq!(one, two, "seed {seed}");
    let mut emails: Vec<&String> = one.iter().map(|(email, ..)| email).collect();
    emails.dedup();
    assert_eq!(emails.len(), one.len(), "nobody is there twice");
    let told = workplace.now(&of).await;
    assert_eq!(told.status, Status::Enabled, "{:?}", told.messages);
}
