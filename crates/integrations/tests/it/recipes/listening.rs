//! Webhooks that integrations have trackers send, on invented answers of each: asked for once, seen to
//! once a day, prolonged, asked for again when they are gone, removed at the end, and what is said
//! where a tracker refuses.

use super::workplace::{Asked, Said, Workplace};
use super::*;
use gna_domain::connect::inbox::{Dispatcher, HookApps};
use gna_domain::connect::module::Check;
use gna_domain::model::HookReceiver;
use gna_domain::port::Vault;
use gna_domain::port::apps::Registration;
use gna_domain::secret::Secret;
use gna_domain::service::hook::Inbox;
use gna_domain::service::hook::receiver::{self, NewReceiver};
use std::sync::Mutex;

const DAY_MS: i64 = 86_400_000;
/// The secret of this server's registrations.
const CLIENT: &str = "client-hunter2";
/// Every tracker that is asked, with a project of it.
const ALL: [(&str, &str); 5] = [
    ("github", "acme/web"),
    ("gitlab", "42"),
    ("jira-cloud", "ACME"),
    ("jira-data-center", "ACME"),
    ("linear", "team-1"),
];

/// A webhook in the tracker.
#[derive(Clone, Debug, PartialEq)]
struct Hook {
    id: u64,
    url: String,
    /// Nothing where the tracker signs with the registration's.
    secret: Option<String>,
}

/// A tracker without issues.
#[derive(Debug, Default)]
struct There {
    hooks: Vec<Hook>,
    made: u64,
    prolonged: usize,
    refuses: bool,
}

impl There {
    fn make(&mut self, url: &Value, secret: &Value) -> u64 {
        self.made += 1;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.hooks.push(Hook {
            id: self.made,
            url: text(url).expect("an address"),
            secret: text(secret),
        });
        self.made
    }

    fn remove(&mut self, id: &str) {
        self.hooks.retain(|hook| hook.id.to_string() != id);
    }

    fn listed(&self) -> Vec<Value> {
        let hooks = self.hooks.iter();
        hooks
            .map(|hook| json!({"id": hook.id, "url": hook.url, "config": {"url": hook.url}}))
            .collect()
    }
}

fn answer(asked: &Asked, there: &mut There) -> Said {
    let path = asked.path.as_str();
    if path == "api.linear.app/graphql" {
        return linear(asked, there);
    }
    if path.contains("/rest/api/2/webhook") {
        return jira_cloud(asked, there);
    }
    if path.contains("/hooks") || path.contains("/jira-webhook/1.0/webhooks") {
        return plain(asked, there);
    }
    if path.contains("/search") {
        return (200, json!({"issues": [], "total": 0, "isLast": true}));
    }
    (200, json!([]))
}

/// GitHub, GitLab and Jira Data Center.
fn plain(asked: &Asked, there: &mut There) -> Said {
    match asked.method {
        "GET" => (200, there.listed().into()),
        "POST" if there.refuses => (403, json!({"message": "Must have admin rights"})),
        "POST" => {
            let nested = asked.body.get("config").filter(|config| config.is_object());
            let of = nested.unwrap_or(&asked.body);
            let places = [&of["secret"], &of["token"], &of["configuration"]["secret"]];
            let secret = places.into_iter().find(|secret| secret.is_string());
            let id = there.make(&of["url"], secret.expect("a secret"));
            (201, json!({"id": id}))
        }
        "DELETE" => {
            there.remove(asked.path.rsplit('/').next().unwrap_or_default());
            (204, Value::Null)
        }
        other => panic!("nobody expects {other} {}", asked.path),
    }
}

fn jira_cloud(asked: &Asked, there: &mut There) -> Said {
    let expires = json!({"expirationDate": 1_900_000_000_000_i64});
    match asked.method {
        "GET" => {
            let all = there.listed();
            (
                200,
                json!({"values": all, "total": all.len(), "isLast": true}),
            )
        }
        "POST" if there.refuses => {
            let said = json!({"code": 401, "message": "Unauthorized; scope does not match"});
            (401, said)
        }
        "POST" => {
            assert_eq!(asked.body["webhooks"][0]["jqlFilter"], "project = \"ACME\"");
            let id = there.make(&asked.body["url"], &Value::Null);
            let made = json!({"webhookRegistrationResult": [{"createdWebhookId": id}]});
            (200, made)
        }
        "PUT" => {
            assert_eq!(asked.body["webhookIds"][0], json!(there.hooks[0].id));
            there.prolonged += 1;
            (200, expires)
        }
        "DELETE" => {
            there.remove(&asked.body["webhookIds"][0].to_string());
            (202, Value::Null)
        }
        other => panic!("nobody expects {other} {}", asked.path),
    }
}

fn linear(asked: &Asked, there: &mut There) -> Said {
    let query = asked.body["query"].as_str().expect("a query");
    let variables = &asked.body["variables"];
    let page = json!({"hasNextPage": false, "endCursor": null});
    let data = if query.contains("webhookCreate") {
        if there.refuses {
            let code = json!({"code": "FORBIDDEN"});
            let errors = json!([{"message": "Invalid role: admin required", "extensions": code}]);
            return (200, json!({"data": null, "errors": errors}));
        }
        let input = &variables["input"];
        assert_eq!(input["teamId"], "team-1");
        let id = there.make(&input["url"], &input["secret"]);
        json!({"webhookCreate": {"success": true, "webhook": {"id": id.to_string()}}})
    } else if query.contains("webhookDelete") {
        there.remove(variables["id"].as_str().expect("an id"));
        json!({"webhookDelete": {"success": true}})
    } else if query.contains("webhooks(") {
        let hooks = there.hooks.iter();
        let nodes: Vec<Value> = hooks
            .map(|hook| json!({"id": hook.id.to_string(), "url": hook.url}))
            .collect();
        json!({"webhooks": {"nodes": nodes, "pageInfo": page}})
    } else {
        json!({"issues": {"nodes": [], "pageInfo": page}})
    };
    (200, json!({ "data": data }))
}

/// As the operator registers this server where webhooks have a scope of their own.
fn registrations() -> BTreeMap<String, Registration> {
    let scopes = [("jira-cloud", "manage:jira-webhook"), ("linear", "admin")];
    BTreeMap::from(scopes.map(|(name, scope)| {
        let registration = Registration {
            id: "gna".to_owned(),
            secret: Some(Secret::new(CLIENT)),
            scopes: vec![scope.to_owned()],
        };
        (name.to_owned(), registration)
    }))
}

/// A workplace whose tracker has no issues, and what is there.
async fn place(registrations: BTreeMap<String, Registration>) -> (Workplace, Arc<Mutex<There>>) {
    let there = Arc::new(Mutex::new(There::default()));
    let app = Arc::clone(&there);
    let catalogue = Catalogue::shipped().expect("the shipped modules load");
    let recipes = RecipeBook::shipped();
    let workplace = Workplace::registered(&catalogue, recipes, registrations, move |asked| {
        answer(asked, &mut app.lock().expect("a lock"))
    })
    .await;
    (workplace, there)
}

/// A day passes, and a look after it.
async fn a_day(workplace: &Workplace) {
    workplace.world.clock.advance_millis(DAY_MS);
    workplace.wait(6).await;
}

/// The receivers that Acme has: addresses and secrets.
async fn receivers(workplace: &Workplace) -> Vec<(String, String)> {
    let all = receiver::list(&workplace.olga, workplace.acme.id).await;
    let mut found = Vec::new();
    for one in all.expect("lists") {
        let binding = HookReceiver::binding(one.organization, one.id);
        let sealed = one.secret.as_ref().expect("a secret");
        let secret = workplace.world.vault.open(&binding, sealed).await;
        let url = format!("https://gna.example/api/v2/hooks/{}/{}", one.app, one.id);
        found.push((url, secret.expect("opens").expose().to_owned()));
    }
    found
}

/// What the tracker sends by, as the receivers must have it.
fn sent_by(there: &Mutex<There>) -> Vec<(String, String)> {
    let there = there.lock().expect("a lock");
    let of = |hook: &Hook| {
        let secret = hook.secret.clone();
        (
            hook.url.clone(),
            secret.unwrap_or_else(|| CLIENT.to_owned()),
        )
    };
    there.hooks.iter().map(of).collect()
}

#[tokio::test]
async fn a_webhook_is_asked_for_once_seen_to_daily_and_removed_at_the_end() {
    for (module, project) in ALL {
        let (workplace, there) = place(registrations()).await;
        let config = json!({"project": project});
        let of = workplace.made("issue-sync", &[module], config).await;
        workplace.wait(20).await;
        let counts = || {
            let there = there.lock().expect("a lock");
            (there.hooks.len(), there.made, there.prolonged)
        };
        assert_eq!(
            counts(),
            (1, 1, 0),
            "{module}: once, however often it looks"
        );
        let first = sent_by(&there);
        assert_eq!(receivers(&workplace).await, first, "{module}");
        a_day(&workplace).await;
        let ends = usize::from(module == "jira-cloud");
        assert_eq!(counts(), (1, 1, ends), "{module}: it goes on");
        // Somebody removes it there, or it ended.
        there.lock().expect("a lock").hooks.clear();
        workplace.wait(20).await;
        assert_eq!(counts(), (0, 1, ends), "{module}: not before the next day");
        a_day(&workplace).await;
        assert_eq!(counts(), (1, 2, ends), "{module}: asked for again");
        let second = sent_by(&there);
        assert_eq!(receivers(&workplace).await, second, "{module}");
        assert_eq!(first[0].0, second[0].0, "{module}: one address");
        let told = workplace.now(&of).await;
        assert_eq!(told.status, Status::Enabled, "{module}");
        assert!(told.messages.warnings.is_empty(), "{module}");
        integration::delete(&workplace.olga, of.id)
            .await
            .expect("is deleted");
        workplace.work().await;
        assert_eq!(sent_by(&there), [], "{module}: ended there");
        assert_eq!(receivers(&workplace).await, [], "{module}: and here");
    }
}

#[tokio::test]
async fn one_that_was_made_while_its_answer_was_lost_is_not_there_twice() {
    for (module, project) in ALL {
        let (workplace, there) = place(registrations()).await;
        workplace.flaky.lose_next("create_webhook");
        let config = json!({"project": project});
        let account = workplace.connected(module).await;
        workplace.begun("issue-sync", vec![account], config).await;
        schedule::tick(&workplace.world.system())
            .await
            .expect("ticks");
        let lost = workplace.world.run_jobs().await.expect_err("is lost");
        assert_eq!(lost.code(), "app.unavailable", "{module}");
        workplace.wait(6).await;
        assert_eq!(there.lock().expect("a lock").made, 1, "{module}");
        a_day(&workplace).await;
        assert_eq!(there.lock().expect("a lock").made, 2, "{module}");
        let sends = sent_by(&there);
        assert_eq!(sends.len(), 1, "{module}: the first one is removed");
        assert_eq!(receivers(&workplace).await, sends, "{module}");
    }
}

#[tokio::test]
async fn a_tracker_that_refuses_is_looked_at_and_its_user_told_what_to_do() {
    for (module, project) in ALL {
        let (workplace, there) = place(registrations()).await;
        there.lock().expect("a lock").refuses = true;
        let config = json!({"project": project});
        let of = workplace.made("issue-sync", &[module], config).await;
        workplace.wait(20).await;
        let told = workplace.now(&of).await;
        assert_eq!(told.status, Status::Enabled, "{module}: it works");
        let [warning] = told.messages.warnings.as_slice() else {
            panic!("{module}: {:?}", told.messages);
        };
        for part in ["looked at from time to time", "may manage webhooks"] {
            assert!(warning.message.contains(part), "{module}: {warning:?}");
        }
        there.lock().expect("a lock").refuses = false;
        a_day(&workplace).await;
        assert_eq!(receivers(&workplace).await, sent_by(&there), "{module}");
        assert_eq!(sent_by(&there).len(), 1, "{module}");
        let told = workplace.now(&of).await;
        assert!(told.messages.warnings.is_empty(), "{module}: it is over");
    }
}

#[tokio::test]
async fn an_app_is_not_asked_without_the_scope_that_it_wants() {
    for (module, project) in [("jira-cloud", "ACME"), ("linear", "team-1")] {
        let (workplace, there) = place(BTreeMap::new()).await;
        let config = json!({"project": project});
        let of = workplace.made("issue-sync", &[module], config).await;
        workplace.wait(20).await;
        assert_eq!(there.lock().expect("a lock").made, 0, "{module}");
        assert_eq!(receivers(&workplace).await, [], "{module}");
        let told = workplace.now(&of).await;
        assert_eq!(told.status, Status::Enabled, "{module}");
        let remedy = format!("modules.{module}.scopes");
        let warnings = &told.messages.warnings;
        assert!(warnings[0].message.contains(&remedy), "{warnings:?}");
    }
}

#[tokio::test]
async fn what_jira_cloud_signs_for_the_oauth_app_is_checked_so_and_what_people_set_up_as_before() {
    let (workplace, _) = place(registrations()).await;
    let config = json!({"project": "ACME"});
    workplace.made("issue-sync", &["jira-cloud"], config).await;
    workplace.wait(6).await;
    let apps: Arc<dyn HookApps> = Arc::new(Catalogue::shipped().expect("they load"));
    let by_hand = NewReceiver {
        app: "jira-cloud".to_owned(),
        ..NewReceiver::default()
    };
    let by_hand = receiver::create(&workplace.olga, &apps, workplace.acme.id, by_hand).await;
    let by_hand = by_hand.expect("is made").receiver.id;
    let inbox = Inbox::new(apps, Vec::new());
    let ctx = workplace.world.system();
    let all = receiver::list(&workplace.olga, workplace.acme.id).await;
    let mut seen = Vec::new();
    for one in all.expect("lists") {
        let id = one.id.to_string();
        let target = inbox.target(&ctx, "jira-cloud", Some(&id)).await;
        let target = target.expect("asks").expect("somebody waits");
        let is_jwt = matches!(target.webhook.check, Check::Jwt(_));
        let is_client = target.secret.expect("a secret").expose() == CLIENT;
        seen.push((one.id == by_hand, is_jwt, is_client));
    }
    seen.sort_unstable();
    assert_eq!(seen, [(false, true, true), (true, false, false)]);
}
