//! The story against a fake of Redmine, many times over; and what only a fake can be made to do.

use super::*;
use bytes::Bytes;
use gna_domain::port::egress::{EgressError, OutRequest, OutResponse};
use std::sync::Mutex;

const KEY: &str = "fake-key-hunter2";

#[derive(Clone)]
struct Ticket {
    subject: String,
    description: String,
    closed: bool,
    updated: u32,
    /// How often somebody gave it a title.
    titled: u32,
}

/// Answers as Redmine does, for the calls that its module makes.
#[derive(Default)]
struct FakeRedmine {
    tickets: Mutex<Vec<Ticket>>,
    locked_out: Mutex<bool>,
}

impl FakeRedmine {
    fn ticket(at: usize, ticket: &Ticket) -> Value {
        let (id, name) = if ticket.closed {
            (5, "Closed")
        } else {
            (1, "New")
        };
        json!({
            "id": at + 1, "subject": ticket.subject, "description": ticket.description,
            "status": {"id": id, "name": name},
            "updated_on": format!("2026-01-01T00:00:{:02}Z", ticket.updated % 60),
        })
    }

    fn answer(&self, request: &OutRequest) -> Result<OutResponse, EgressError> {
        let url = request
            .url
            .strip_prefix("https://redmine.example")
            .expect("our Redmine");
        let path = url.split('?').next().expect("a path");
        let mut tickets = self.tickets.lock().expect("a lock");
        let body = request.body.as_ref().map(|body| {
            serde_json::from_slice::<Value>(&body.bytes).expect("JSON")["issue"].clone()
        });
        let (status, answer) = match (request.method.as_str(), path, body) {
            _ if *self.locked_out.lock().expect("a lock") => (401, Value::Null),
            ("GET", "/users/current.json", _) => {
                (200, json!({"user": {"id": 1, "login": "admin"}}))
            }
            ("GET", "/issue_statuses.json", _) => (
                200,
                json!({"issue_statuses": [
                    {"id": 1, "name": "New", "is_closed": false}, {"id": 5, "name": "Closed", "is_closed": true},
                ]}),
            ),
            ("GET", "/issues.json", _) => {
                let all: Vec<Value> = tickets
                    .iter()
                    .enumerate()
                    .map(|(at, ticket)| Self::ticket(at, ticket))
                    .collect();
                (200, json!({"total_count": all.len(), "issues": all}))
            }
            ("POST", "/issues.json", Some(issue)) => {
                let text = |key: &str| issue[key].as_str().unwrap_or_default().to_owned();
                let made = Ticket {
                    subject: text("subject"),
                    description: text("description"),
                    closed: false,
                    updated: 0,
                    titled: 1,
                };
                tickets.push(made.clone());
                (
                    201,
                    json!({"issue": Self::ticket(tickets.len() - 1, &made)}),
                )
            }
            ("GET", path, _) if path.starts_with("/issues/") => {
                let id = path
                    .trim_start_matches("/issues/")
                    .trim_end_matches(".json");
                let at: usize = id.parse::<usize>().expect("an id") - 1;
                (200, json!({"issue": Self::ticket(at, &tickets[at])}))
            }
            ("PUT", path, Some(issue)) => {
                let id = path
                    .trim_start_matches("/issues/")
                    .trim_end_matches(".json");
                let at: usize = id.parse::<usize>().expect("an id") - 1;
                if let Some(status) = issue["status_id"].as_i64() {
                    tickets[at].closed = status == 5;
                    tickets[at].updated += 1;
                }
                for (key, field) in [("subject", 0), ("description", 1)] {
                    if let Some(text) = issue[key].as_str() {
                        let ticket = &mut tickets[at];
                        let place = if field == 0 {
                            ticket.titled += 1;
                            &mut ticket.subject
                        } else {
                            &mut ticket.description
                        };
                        text.clone_into(place);
                    }
                }
                (204, Value::Null)
            }
            other => panic!("the fake does not know {other:?}"),
        };
        let body = if answer.is_null() {
            Bytes::new()
        } else {
            Bytes::from(answer.to_string())
        };
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(OutResponse {
            status,
            headers,
            body,
        })
    }
}

#[async_trait::async_trait]
impl Person for FakeRedmine {
    async fn all(&self) -> Vec<RedmineIssue> {
        let tickets = self.tickets.lock().expect("a lock");
        let all = tickets.iter().enumerate();
        all.map(|(at, ticket)| RedmineIssue {
            id: (at + 1).to_string(),
            title: ticket.subject.clone(),
            text: ticket.description.clone(),
            closed: ticket.closed,
        })
        .collect()
    }

    async fn set(&self, issue: &str, closed: bool) {
        let at: usize = issue.parse::<usize>().expect("an id") - 1;
        self.tickets.lock().expect("a lock")[at].closed = closed;
    }

    async fn write(&self, issue: &str, title: &str, text: &str) {
        let at: usize = issue.parse::<usize>().expect("an id") - 1;
        let ticket = &mut self.tickets.lock().expect("a lock")[at];
        title.clone_into(&mut ticket.subject);
        text.clone_into(&mut ticket.description);
    }

    async fn create(&self, title: &str, text: &str) {
        self.tickets.lock().expect("a lock").push(Ticket {
            subject: title.to_owned(),
            description: text.to_owned(),
            closed: false,
            updated: 0,
            titled: 1,
        });
    }
}

async fn with_fake(stores: Stores) -> (Office, Arc<FakeRedmine>) {
    let world = World::on(stores).await;
    let redmine = Arc::new(FakeRedmine::default());
    let answering = redmine.clone();
    world
        .egress
        .respond(move |request| answering.answer(request));
    (
        Office::in_world(world, None, "https://redmine.example", KEY).await,
        redmine,
    )
}

#[tokio::test]
async fn both_sides_of_a_fake_redmine_agree_in_the_end_whatever_fails() {
    for seed in 0..12 {
        let (mut office, redmine) = with_fake(Stores::Memory).await;
        story(&mut office, redmine.as_ref(), seed, 70, 5).await;
    }
    let (mut office, redmine) = with_fake(Stores::Sqlite).await;
    story(&mut office, redmine.as_ref(), 99, 50, 4).await;
}

#[tokio::test]
async fn an_account_of_a_fake_redmine_that_stops_working_loses_nothing_and_heals_by_itself() {
    let (mut office, redmine) = with_fake(Stores::Memory).await;
    office.scan(&[0]).await;
    office.settle().await;
    assert_eq!(redmine.all().await.len(), 1);
    *redmine.locked_out.lock().expect("a lock") = true;
    office.scan(&[0, 1]).await;
    office.dispatch().await;
    office.work().await;
    assert_eq!(status(&office).await, Status::Error);
    let told = integration::get(&office.olga, office.integration.id)
        .await
        .expect("reads");
    assert_eq!(told.messages.errors.len(), 1, "{:?}", told.messages);
    *redmine.locked_out.lock().expect("a lock") = false;
    integration::test(&office.olga, office.flaky.as_ref(), office.integration.id)
        .await
        .expect("works again");
    assert_eq!(status(&office).await, Status::Enabled);
    office.settle().await;
    office.assert_agreement(redmine.as_ref()).await;
    assert_eq!(redmine.all().await.len(), 2);
}

#[tokio::test]
async fn making_it_twice_makes_it_once_and_taking_it_down_leaves_nothing() {
    let (mut office, redmine) = with_fake(Stores::Memory).await;
    office.scan(&[0, 1]).await;
    office.settle().await;
    let first = office.integration.value.clone();
    let again = NewIntegration {
        organization: first.organization,
        owner: first.owner,
        group: first.group,
        recipe: first.recipe.clone(),
        entities: first.entities.iter().map(|joined| joined.entity).collect(),
        config: first.config.clone(),
    };
    integration::pause(&office.olga, first.id)
        .await
        .expect("pauses");
    let second = integration::create(
        &office.olga,
        office.flaky.as_ref(),
        office.recipes.as_ref(),
        again,
    )
    .await
    .expect("is there");
    assert_eq!((second.id, second.status), (first.id, Status::Enabled));
    let strangers = office
        .world
        .in_organization(&office.world.organization("other").await, Role::Owner);
    let hidden = integration::get(&strangers, first.id)
        .await
        .expect_err("hidden");
    assert_eq!(hidden.code(), "not_found");
    integration::delete(&office.olga, first.id)
        .await
        .expect("goes");
    office.work().await;
    let store = office.world.ports.store.as_ref();
    for collection in ["integration", "mapping"] {
        let left = store
            .scan(collection, &PageRequest::first(10))
            .await
            .expect("scans");
        assert!(left.items.is_empty(), "{collection}");
    }
    office.scan(&[2]).await;
    office.settle().await;
    assert_eq!(redmine.all().await.len(), 2, "nobody listens any more");
}

#[tokio::test]
async fn what_a_fake_redmine_was_not_told_of_gets_its_issue_when_somebody_asks() {
    use gna_domain::connect::process::ProcessState;
    use gna_domain::service::connect::integration::process;

    let (mut office, redmine) = with_fake(Stores::Memory).await;
    let id = office.integration.id;
    integration::pause(&office.olga, id).await.expect("pauses");
    office.scan(&[0, 1, 2]).await;
    office.dispatch().await;
    integration::resume(&office.olga, office.recipes.as_ref(), id)
        .await
        .expect("goes on");
    office.settle().await;
    assert!(redmine.all().await.is_empty(), "nobody told it");
    let begun = integration::act(
        &office.olga,
        office.flaky.as_ref(),
        office.recipes.as_ref(),
        id,
        "FILE_OPEN",
        &Value::Null,
    )
    .await
    .expect("begins");
    office.settle().await;
    assert_eq!(redmine.all().await.len(), 3);
    office.assert_agreement(redmine.as_ref()).await;
    let process = begun["processIds"][0].as_str().expect("an id").parse();
    let process = process::get(&office.olga, process.expect("an id")).await;
    let process = process.expect("is there");
    assert_eq!(process.state, ProcessState::Completed);
    assert_eq!((process.progress.done, process.progress.failed), (3, 0));
}

#[tokio::test]
async fn an_issue_in_a_fake_redmine_says_what_the_vulnerability_says_by_now() {
    let (mut office, redmine) = with_fake(Stores::Memory).await;
    office.scan(&[0]).await;
    office.settle().await;
    let ticket = || redmine.tickets.lock().expect("a lock")[0].clone();
    let subject = || ticket().subject;
    assert!(subject().starts_with("[Medium] "), "{}", subject());
    let id = *office.vulnerabilities().await.keys().next().expect("one");
    let rate = Command::Rate(Some(Rating::Score(9.8)));
    let rated = triage::act(&office.olga, id, &rate, Some("it is exposed"), None).await;
    let rated = rated.expect("is rated");
    let link = rated.triage.ticket.clone();
    assert_eq!(link.as_deref(), Some("https://redmine.example/issues/1"));
    office.settle().await;
    assert!(subject().starts_with("[Critical] "), "{}", subject());
    // Whatever people do to it there; what they write below stays.
    let text = ticket().description.replace("Where:", "Here:");
    let text = format!("{text}\r\nAsk Ann.");
    redmine.write("1", "Ours", &text).await;
    office.settle().await;
    office.assert_agreement(redmine.as_ref()).await;
    let now = ticket();
    assert!(now.description.ends_with("Ask Ann."), "{}", now.description);
    office.settle().await;
    assert_eq!(ticket().titled, now.titled, "not again and again");
}

#[tokio::test]
async fn an_issue_that_a_person_made_in_a_fake_redmine_is_joined_to_the_vulnerability_that_it_names()
 {
    let (mut office, redmine) = with_fake(Stores::Memory).await;
    let other = office.world.organization("other").await;
    let lab = office.world.group(&other, "lab").await;
    let upload = UploadReport {
        asset: "api".to_owned(),
        file_name: "scan.sarif".to_owned(),
        ..UploadReport::default()
    };
    let issues = [Issue::new("rule-9", "src/main.py", 9)];
    let ci = office.world.member(&lab, Role::Ci);
    let report = sarif("scanner", &issues).into();
    let taken = gna_domain::service::report::upload(&ci, lab.id, upload, report).await;
    taken.expect("is taken");
    office.work().await;
    let foreign = office.records().await.remove(0);
    office.scan(&[0, 1]).await;
    let of_shop = |records: Vec<Vulnerability>| {
        let shop = office.shop.id;
        let ours = records.into_iter().filter(move |found| found.group == shop);
        ours.collect::<Vec<_>>()
    };
    let ours = of_shop(office.records().await);
    let (named, unnamed) = (ours[0].id, ours[1].id);
    let text = format!("Ann found this, too.\r\n\r\n{named}\r\n");
    redmine.create("By hand", &text).await;
    // Whatever else people write joins nothing: what is not the integration's, what is not there, what
    // is only mentioned.
    let unknown = "vul_00000000000000000000000000000001";
    for text in [
        foreign.id.to_string(),
        unknown.to_owned(),
        format!("like {unnamed}, but worse"),
    ] {
        redmine.create("Another", &text).await;
    }
    office.settle().await;
    let all = redmine.all().await;
    assert_eq!(all.len(), 5, "one more, for the other: {all:?}");
    assert_eq!(about(&all[4]), unnamed);
    assert_eq!((all[0].title.as_str(), &all[0].text), ("By hand", &text));
    let ticket = |records: &[Vulnerability], id: VulnerabilityId| {
        let found = records.iter().find(|found| found.id == id);
        found.expect("is there").triage.ticket.clone()
    };
    let records = office.records().await;
    let link = ticket(&records, named);
    assert_eq!(link.as_deref(), Some("https://redmine.example/issues/1"));
    assert_eq!(ticket(&records, foreign.id), None);
    // From then on they move together, and its words stay the person's.
    for issue in ["1", "2"] {
        redmine.set(issue, true).await;
    }
    office.settle().await;
    let states = office.vulnerabilities().await;
    assert_eq!(
        (states[&named], states[&foreign.id]),
        (false, true),
        "closed there, closed here"
    );
    office.scan(&[0, 1]).await;
    office.settle().await;
    let all = redmine.all().await;
    assert!(!all[0].closed, "seen again, open again");
    assert_eq!((all[0].title.as_str(), &all[0].text), ("By hand", &text));
    assert_eq!(all.len(), 5);
}
