//! The story of one issue in each tracker, told to answers of our own invention: made with its
//! vulnerability, closed and reopened with it, and the other way round.

use super::workplace::{Asked, Said, Workplace};
use super::*;
use gna_domain::model::HookReceiver;
use gna_domain::port::Vault;
use gna_domain::service::hook::receiver;
use std::sync::Mutex;

/// One issue, as every tracker knows it.
#[derive(Clone, Debug, Default)]
struct Issue7 {
    made: usize,
    title: String,
    body: String,
    closed: bool,
    /// Address and secret of the webhook, and how often one was asked for.
    hook: Option<(String, String)>,
    asked_for_hooks: usize,
    refuses_hooks: bool,
}

/// Webhooks of a repository, a project or a server, the same everywhere but for where things stand.
fn hooks(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    let of_jira = "/rest/jira-webhook/1.0/webhooks";
    let is_all = asked.path.ends_with("/hooks") || asked.path.ends_with(of_jira);
    match asked.method {
        "GET" if is_all => Some((200, json!([]))),
        "POST" if is_all => {
            issue.asked_for_hooks += 1;
            if issue.refuses_hooks {
                return Some((404, json!({"message": "Not Found"})));
            }
            let config = if asked.body["config"].is_object() {
                (
                    &asked.body["config"]["url"],
                    &asked.body["config"]["secret"],
                )
            } else {
                (&asked.body["url"], &asked.body["token"])
            };
            issue.hook = Some((text(config.0), text(config.1)));
            Some((201, json!({"id": 31})))
        }
        "DELETE" if asked.path.ends_with("/hooks/31") => {
            issue.hook = None;
            Some((204, Value::Null))
        }
        _ => None,
    }
}

type Answer = fn(&Asked, &mut Issue7) -> Option<Said>;

const AT: &str = "2026-01-01T00:00:00Z";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn make(issue: &mut Issue7, title: &Value, body: &Value) {
    issue.made += 1;
    (issue.title, issue.body, issue.closed) = (text(title), text(body), false);
}

fn github(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    let shown = |issue: &Issue7| {
        let state = if issue.closed { "closed" } else { "open" };
        json!({"number": 7, "html_url": "https://github.com/acme/web/issues/7", "title": issue.title,
            "body": issue.body, "state": state, "updated_at": AT})
    };
    match (asked.method, asked.path.as_str()) {
        ("POST", "api.github.com/repos/acme/web/issues") => {
            make(issue, &asked.body["title"], &asked.body["body"]);
            Some((201, shown(issue)))
        }
        ("PATCH", "api.github.com/repos/acme/web/issues/7") => {
            if let Some(state) = asked.body["state"].as_str() {
                issue.closed = state == "closed";
            }
            Some((200, shown(issue)))
        }
        ("GET", "api.github.com/repos/acme/web/issues") => {
            let mut pull = shown(issue);
            pull["number"] = json!(8);
            pull["pull_request"] = json!({"url": "https://api.github.com/pulls/8"});
            Some((200, json!([shown(issue), pull])))
        }
        _ => None,
    }
}

fn gitlab(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    let shown = |issue: &Issue7| {
        let state = if issue.closed { "closed" } else { "opened" };
        json!({"iid": 7, "references": {"full": "acme/web#7"}, "web_url": "https://git.example.com/acme/web/-/issues/7",
            "title": issue.title, "description": issue.body, "state": state, "updated_at": AT})
    };
    let path = asked
        .path
        .trim_start_matches("git.example.com")
        .trim_start_matches('/');
    match (asked.method, path) {
        ("POST", "api/v4/projects/42/issues") => {
            make(issue, &asked.body["title"], &asked.body["description"]);
            Some((201, shown(issue)))
        }
        ("PUT", "api/v4/projects/42/issues/7") => {
            match asked.body["state_event"].as_str() {
                Some("close") => issue.closed = true,
                Some("reopen") => issue.closed = false,
                _ => {}
            }
            Some((200, shown(issue)))
        }
        ("GET", "api/v4/projects/42/issues") => Some((200, json!([shown(issue)]))),
        _ => None,
    }
}

fn jira(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    let shown = |issue: &Issue7| {
        let (name, kind) = if issue.closed {
            ("Fertig", "done")
        } else {
            ("Offen", "new")
        };
        json!({"id": "10007", "key": "ACME-7", "fields": {"summary": issue.title, "description": issue.body,
            "status": {"name": name, "statusCategory": {"key": kind}}, "updated": "2026-01-01T00:00:00.000+0000"}})
    };
    let (_, path) = asked.path.split_once("/rest/api/2")?;
    match (asked.method, path) {
        ("POST", "/issue") => {
            let fields = &asked.body["fields"];
            assert_eq!(fields["project"]["key"], "ACME");
            make(issue, &fields["summary"], &fields["description"]);
            Some((201, json!({"id": "10007", "key": "ACME-7"})))
        }
        ("GET", "/issue/10007/transitions") => Some((
            200,
            json!({"transitions": [
                {"id": "11", "name": "Los", "to": {"name": "Offen", "statusCategory": {"key": "new"}}},
                {"id": "31", "name": "Schluss", "to": {"name": "Fertig", "statusCategory": {"key": "done"}}},
            ]}),
        )),
        ("POST", "/issue/10007/transitions") => {
            issue.closed = asked.body["transition"]["id"] == "31";
            Some((204, Value::Null))
        }
        ("PUT", "/issue/10007") => Some((204, Value::Null)),
        ("GET", "/search" | "/search/jql") => {
            assert!(asked.query.contains("jql="), "{}", asked.query);
            Some((
                200,
                json!({"total": 1, "issues": [shown(issue)], "isLast": true}),
            ))
        }
        _ => None,
    }
}

fn linear(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    assert_eq!(
        (asked.method, asked.path.as_str()),
        ("POST", "api.linear.app/graphql")
    );
    let shown = |issue: &Issue7| {
        let (name, kind) = if issue.closed {
            ("Gone", "completed")
        } else {
            ("Todo", "unstarted")
        };
        json!({"id": "li-7", "identifier": "ACM-7", "url": "https://linear.app/acme/issue/ACM-7", "title": issue.title,
            "description": issue.body, "updatedAt": AT, "state": {"id": "s", "name": name, "type": kind}})
    };
    let query = text(&asked.body["query"]);
    let variables = &asked.body["variables"];
    let data = if query.contains("issueCreate") {
        make(
            issue,
            &variables["input"]["title"],
            &variables["input"]["description"],
        );
        json!({"issueCreate": {"success": true, "issue": shown(issue)}})
    } else if query.contains("issueUpdate") {
        match variables["input"]["stateId"].as_str() {
            Some("s-done") => issue.closed = true,
            Some("s-todo") => issue.closed = false,
            _ => {}
        }
        json!({"issueUpdate": {"success": true, "issue": shown(issue)}})
    } else if query.contains("states") {
        json!({"issue": {"team": {"states": {"nodes": [
            {"id": "s-todo", "name": "Todo", "type": "unstarted"}, {"id": "s-done", "name": "Gone", "type": "completed"},
        ]}}}})
    } else if query.contains("issues(") {
        json!({"issues": {"nodes": [shown(issue)], "pageInfo": {"hasNextPage": false, "endCursor": null}}})
    } else {
        return None;
    };
    Some((200, json!({ "data": data })))
}

fn azure(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    let shown = |issue: &Issue7| {
        let state = if issue.closed { "Closed" } else { "Active" };
        json!({"id": 7, "_links": {"html": {"href": "https://dev.azure.com/acme/_workitems/edit/7"}}, "fields": {
            "System.Title": issue.title, "System.Description": issue.body, "System.State": state, "System.ChangedDate": AT}})
    };
    let field = |name: &str| {
        let operations = asked.body.as_array().into_iter().flatten();
        operations
            .filter(|operation| operation["path"] == format!("/fields/{name}"))
            .map(|operation| operation["value"].clone())
            .next()
            .unwrap_or_default()
    };
    match (asked.method, asked.path.as_str()) {
        ("POST", "dev.azure.com/acme/web/_apis/wit/workitems/$Bug") => {
            make(issue, &field("System.Title"), &field("System.Description"));
            assert!(issue.body.contains("<br>"), "{}", issue.body);
            Some((200, shown(issue)))
        }
        ("PATCH", "dev.azure.com/acme/_apis/wit/workitems/7") => {
            if let Some(state) = field("System.State").as_str() {
                issue.closed = state == "Closed";
            }
            Some((200, shown(issue)))
        }
        ("GET", "dev.azure.com/acme/_apis/wit/workitems/7") => Some((200, shown(issue))),
        ("POST", "dev.azure.com/acme/web/_apis/wit/wiql") => {
            Some((200, json!({"workItems": [{"id": 7}, {"id": 8}]})))
        }
        _ => None,
    }
}

fn servicenow(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    let shown = |issue: &Issue7| {
        let state = if issue.closed { "6" } else { "2" };
        json!({"sys_id": "sn7", "number": "INC0007", "short_description": issue.title, "description": issue.body,
            "state": state, "sys_updated_on": "2026-01-01 00:00:00"})
    };
    let (_, path) = asked.path.split_once("/api/now")?;
    match (asked.method, path) {
        ("POST", "/table/incident") => {
            make(
                issue,
                &asked.body["short_description"],
                &asked.body["description"],
            );
            Some((201, json!({"result": shown(issue)})))
        }
        ("PATCH", "/table/incident/sn7") => {
            match asked.body["state"].as_str() {
                Some("6") => {
                    assert!(
                        asked.body["close_code"].is_string(),
                        "resolving needs a code"
                    );
                    issue.closed = true;
                }
                Some(_) => issue.closed = false,
                None => {}
            }
            Some((200, json!({"result": shown(issue)})))
        }
        ("GET", "/table/incident") => Some((200, json!({"result": [shown(issue)]}))),
        _ => None,
    }
}

fn asana(asked: &Asked, issue: &mut Issue7) -> Option<Said> {
    let shown = |issue: &Issue7| {
        json!({"gid": "7", "name": issue.title, "notes": issue.body, "completed": issue.closed, "modified_at": AT,
            "permalink_url": "https://app.asana.com/0/1/7"})
    };
    let path = asked.path.strip_prefix("app.asana.com/api/1.0")?;
    let sent = &asked.body["data"];
    match (asked.method, path) {
        ("POST", "/tasks") => {
            make(issue, &sent["name"], &sent["notes"]);
            Some((201, json!({"data": shown(issue)})))
        }
        ("PUT", "/tasks/7") => {
            if let Some(completed) = sent["completed"].as_bool() {
                issue.closed = completed;
            }
            Some((200, json!({"data": shown(issue)})))
        }
        ("GET", "/tasks") => Some((200, json!({"data": [shown(issue)], "next_page": null}))),
        _ => None,
    }
}

async fn story(module: &str, project: &str, answer: Answer) {
    let issue = Arc::new(Mutex::new(Issue7::default()));
    let there = Arc::clone(&issue);
    let name = module.to_owned();
    let workplace = Workplace::new(move |asked| {
        let issue = &mut there.lock().expect("a lock");
        let answered = hooks(asked, issue).or_else(|| answer(asked, issue));
        answered.unwrap_or_else(|| panic!("{name}: nobody expects {} {}", asked.method, asked.path))
    })
    .await;
    let config = json!({"project": project, "min_severity": "LOW"});
    let of = workplace.made("issue-sync", &[module], config).await;
    let there = || issue.lock().expect("a lock").clone();
    let state = async |workplace: &Workplace| workplace.vulnerabilities().await[0].state;
    workplace.scan(&["rule-1"]).await;
    let made = there();
    assert_eq!(made.made, 1, "{module}");
    assert!(
        made.title.starts_with("[Medium] ") && made.body.contains("Gna: vul_"),
        "{module} {made:?}"
    );
    workplace.scan(&[]).await;
    assert!(there().closed, "{module}: fixed here, closed there");
    workplace.scan(&["rule-1"]).await;
    assert!(!there().closed, "{module}: seen again, open again");
    issue.lock().expect("a lock").closed = true;
    workplace.wait(11).await;
    let closed = State::Closed(gna_domain::model::ClosedReason::Fixed);
    assert_eq!(
        state(&workplace).await,
        closed,
        "{module}: closed there, closed here"
    );
    issue.lock().expect("a lock").closed = false;
    workplace.wait(11).await;
    assert_eq!(
        state(&workplace).await,
        State::Open,
        "{module}: reopened there, open here"
    );
    let end = there();
    assert_eq!((end.made, end.closed), (1, false), "{module}");
    let of = workplace.now(&of).await;
    assert_eq!(
        (of.status, of.messages.errors.len()),
        (Status::Enabled, 0),
        "{module} {:?}",
        of.messages
    );
}

/// The receivers that Acme has, with their secrets.
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

#[tokio::test]
async fn a_tracker_is_asked_to_send_webhooks_as_long_as_the_integration_is_there() {
    for (module, project, answer) in [
        ("github", "acme/web", github as Answer),
        ("gitlab", "42", gitlab),
    ] {
        let issue = Arc::new(Mutex::new(Issue7::default()));
        let there = Arc::clone(&issue);
        let workplace = Workplace::new(move |asked| {
            let issue = &mut there.lock().expect("a lock");
            let answered = hooks(asked, issue).or_else(|| answer(asked, issue));
            answered.unwrap_or_else(|| panic!("nobody expects {} {}", asked.method, asked.path))
        })
        .await;
        issue.lock().expect("a lock").refuses_hooks = true;
        let config = json!({"project": project});
        let of = workplace.made("issue-sync", &[module], config).await;
        // Without them it works, too; it is asked again a day later, by the same address.
        workplace.wait(20).await;
        assert_eq!(issue.lock().expect("a lock").asked_for_hooks, 1, "{module}");
        let told = workplace.now(&of).await;
        assert_eq!(
            (told.status, told.messages.warnings.len()),
            (Status::Enabled, 1),
            "{:?}",
            told.messages
        );
        let refused = receivers(&workplace).await;
        issue.lock().expect("a lock").refuses_hooks = false;
        workplace.world.clock.advance_millis(86_400_000);
        workplace.wait(6).await;
        let hook = issue
            .lock()
            .expect("a lock")
            .hook
            .clone()
            .expect("a webhook");
        let now = receivers(&workplace).await;
        assert_eq!(now, std::slice::from_ref(&hook), "{module}");
        assert_eq!(refused[0].0, hook.0, "{module}: one address");
        assert_eq!(
            workplace.now(&of).await.messages.warnings.len(),
            0,
            "{module}"
        );
        // Nobody has two, however often it looks; another project has its own.
        workplace.wait(20).await;
        assert_eq!(issue.lock().expect("a lock").asked_for_hooks, 2, "{module}");
        integration::delete(&workplace.olga, of.id)
            .await
            .expect("is deleted");
        workplace.work().await;
        assert_eq!(
            issue.lock().expect("a lock").hook,
            None,
            "{module}: ended there"
        );
        assert_eq!(receivers(&workplace).await, [], "{module}: and here");
    }
}

#[tokio::test]
async fn an_issue_and_its_vulnerability_move_together_on_invented_answers_of_each_tracker() {
    let all: [(&str, &str, Answer); 9] = [
        ("asana", "1", asana),
        ("github", "acme/web", github),
        ("github-app", "acme/web", github),
        ("gitlab", "42", gitlab),
        ("jira-cloud", "ACME", jira),
        ("jira-data-center", "ACME", jira),
        ("linear", "team-1", linear),
        ("azure-devops", "web", azure),
        ("servicenow", "group-1", servicenow),
    ];
    for (module, project, answer) in all {
        story(module, project, answer).await;
    }
}
