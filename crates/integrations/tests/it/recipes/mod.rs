//! Issues and vulnerabilities, made, changed, closed and reopened from both sides in random order while
//! calls fail: in the end both sides agree on state, title and text, nothing has two issues, and what
//! people wrote below or by themselves is there.

mod as_data;
mod contacts;
mod fake;
mod flaky;
mod listening;
mod notices;
mod own_tracker;
mod pulls;
mod redmine;
mod trackers;
mod workplace;

use gna_domain::connect::integration::{Integration, Status};
use gna_domain::ctx::Ctx;
use gna_domain::id::VulnerabilityId;
use gna_domain::model::{Finding, Group, Organization, State, Vulnerability};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::Egress;
use gna_domain::port::apps::Apps;
use gna_domain::port::recipes::Recipes;
use gna_domain::port::repo;
use gna_domain::port::store::Stored;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::service::connect::authorize::{Complete, Completed, complete};
use gna_domain::service::connect::integration::work::IntegrationHandler;
use gna_domain::service::connect::integration::{self, NewIntegration, Telling, follower};
use gna_domain::service::feed::Follower;
use gna_domain::service::report::UploadReport;
use gna_domain::service::schedule;
use gna_domain::service::triage;
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::modules::{Catalogue, Signer};
use gna_integrations::recipes::RecipeBook;
use gna_testkit::{Issue, RedmineIssue, Stores, World, sarif};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flaky::{Flaky, Random};

/// What titles of issues that people make begin with.
const BY_HAND: &str = "By hand";

/// A tracker, as somebody who works there sees it.
#[async_trait::async_trait]
trait Person: Send + Sync {
    async fn all(&self) -> Vec<RedmineIssue>;
    async fn set(&self, issue: &str, closed: bool);
    async fn write(&self, issue: &str, title: &str, text: &str);
    async fn create(&self, title: &str, text: &str);
}

/// The vulnerability that an issue is about: by Gna's line, or by a line of its own.
fn about(issue: &RedmineIssue) -> VulnerabilityId {
    let lines = issue.text.lines().map(str::trim);
    let mut ids = lines.map(|line| line.strip_prefix("Gna: ").unwrap_or(line));
    ids.find_map(|line| line.parse().ok())
        .unwrap_or_else(|| panic!("{issue:?} names no vulnerability"))
}

struct Office {
    world: World,
    flaky: Arc<Flaky>,
    recipes: Arc<dyn Recipes>,
    shop: Group,
    ci: Ctx,
    olga: Ctx,
    integration: Stored<Integration>,
    follower: Follower<Telling>,
}

impl Office {
    /// An organization whose group is kept in step with a project of Redmine.
    async fn new(stores: Stores, egress: Option<Arc<dyn Egress>>, url: &str, key: &str) -> Self {
        let world = World::on(stores).await;
        Self::in_world(world, egress, url, key).await
    }

    async fn in_world(world: World, egress: Option<Arc<dyn Egress>>, url: &str, key: &str) -> Self {
        let ports = AppPorts {
            store: world.ports.store.clone(),
            clock: world.ports.clock.clone(),
            ids: world.ports.ids.clone(),
            egress: egress.unwrap_or_else(|| world.ports.egress.clone()),
            vault: world.ports.vault.clone(),
            signer: Arc::new(Signer),
        };
        let catalogue = Catalogue::shipped().expect("the shipped modules load");
        let modules = catalogue.all().map(|loaded| loaded.module.clone());
        let client = AppClient::new(ports, modules, BTreeMap::new(), "https://gna.example");
        let flaky = Arc::new(Flaky::new(client));
        let apps: Arc<dyn Apps> = flaky.clone();
        let recipes: Arc<dyn Recipes> = Arc::new(RecipeBook::shipped());
        let world = IntegrationHandler::all(&apps, &recipes)
            .into_iter()
            .fold(world, World::handling);
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let olga = world.in_organization(&acme, Role::Owner);
        let ci = world.member(&shop, Role::Ci);
        let entity = connect(&olga, apps.as_ref(), &acme, url, key).await;
        let follower = follower(recipes.clone());
        // The feed is followed from the first look on.
        follower.catch_up(&world.system()).await.expect("begins");
        let integration = integration::create(
            &olga,
            apps.as_ref(),
            recipes.as_ref(),
            NewIntegration {
                organization: acme.id,
                owner: gna_domain::connect::Owner::Organization,
                group: Some(shop.id),
                recipe: "issue-sync".to_owned(),
                entities: vec![entity],
                config: json!({"project": "gna", "min_severity": "INFO"})
                    .as_object()
                    .cloned()
                    .expect("an object"),
            },
        )
        .await
        .expect("is made");
        assert_eq!(integration.status, Status::Enabled);
        Self {
            world,
            flaky,
            recipes,
            shop,
            ci,
            olga,
            integration,
            follower,
        }
    }

    /// The scanner runs and reports these rules.
    async fn scan(&self, rules: &[usize]) {
        let issues: Vec<Issue> = rules
            .iter()
            .map(|rule| {
                Issue::new(
                    &format!("rule-{rule}"),
                    "src/main.py",
                    10 + u32::try_from(*rule).expect("small"),
                )
            })
            .collect();
        let upload = UploadReport {
            asset: "api".to_owned(),
            file_name: "scan.sarif".to_owned(),
            ..UploadReport::default()
        };
        gna_domain::service::report::upload(
            &self.ci,
            self.shop.id,
            upload,
            sarif("scanner", &issues).into(),
        )
        .await
        .expect("is taken");
        self.work().await;
    }

    /// Everything that is due; what fails is put back and comes again.
    async fn work(&self) {
        schedule::tick(&self.world.system()).await.expect("ticks");
        for _ in 0..50 {
            if self.world.run_jobs().await.is_ok() {
                return;
            }
        }
    }

    async fn dispatch(&mut self) {
        let ctx = self.world.system();
        self.follower
            .catch_up(&ctx)
            .await
            .expect("follows the feed");
    }

    async fn records(&self) -> Vec<Vulnerability> {
        let store = self.world.ports.store.as_ref();
        let page = store
            .scan("vulnerability", &PageRequest::first(1_000))
            .await
            .expect("scans");
        let all = page.items.iter().map(|raw| raw.typed::<Vulnerability>());
        all.map(|found| found.expect("reads").value).collect()
    }

    async fn vulnerabilities(&self) -> BTreeMap<VulnerabilityId, bool> {
        let all = self.records().await.into_iter();
        all.map(|found| (found.id, found.state == State::Open))
            .collect()
    }

    /// Nobody does anything any more and nothing fails: rounds of work until both sides are heard.
    async fn settle(&mut self) {
        self.flaky.fail_one_in(0);
        for _ in 0..6 {
            self.dispatch().await;
            self.work().await;
            self.world.clock.advance_millis(3_600_000);
        }
    }

    /// Every vulnerability has one issue, both are open or both are closed, and what Gna's issue says is
    /// what the vulnerability says.
    async fn assert_agreement(&self, person: &dyn Person) {
        let records = self.records().await;
        let mut with_issue = BTreeSet::new();
        for issue in person.all().await {
            let id = about(&issue);
            assert!(with_issue.insert(id), "{id} has two issues");
            let found = records.iter().find(|record| record.id == id);
            let found = found.unwrap_or_else(|| panic!("{issue:?} is about nothing"));
            assert_eq!(found.state == State::Open, !issue.closed, "{issue:?}");
            if !issue.title.starts_with(BY_HAND) {
                self.assert_words(found, &issue).await;
            }
        }
        for record in records {
            assert!(
                record.state != State::Open || with_issue.contains(&record.id),
                "{} is open and has no issue",
                record.id
            );
        }
    }

    async fn assert_words(&self, record: &Vulnerability, issue: &RedmineIssue) {
        let store = self.world.ports.store.as_ref();
        let finding = repo::require::<Finding>(store, record.finding).await;
        let finding = finding.expect("is there");
        let (level, score) = match &record.triage.severity {
            Some(own) => (own.level, own.score),
            None => (record.severity.level, record.severity.score),
        };
        let title = format!("[{level:?}] {} in api", finding.title);
        assert_eq!(issue.title, title, "{issue:?}");
        let line = format!("Gna: {}", record.id);
        let (ours, _) = issue.text.split_once(&line).expect("Gna's line");
        let severity = format!("Severity: {level:?} ({score:.1})");
        assert!(
            ours.starts_with("Where: api") && ours.lines().any(|line| line.trim() == severity),
            "{issue:?} lacks {severity:?}"
        );
    }
}

/// Olga connects the account with its key.
async fn connect(
    olga: &Ctx,
    apps: &dyn Apps,
    acme: &Organization,
    url: &str,
    key: &str,
) -> gna_domain::id::EntityId {
    let input = Complete {
        organization: acme.id,
        module: "redmine".to_owned(),
        shared: true,
        state: None,
        entity: None,
        data: json!({"url": url, "api_key": key}),
    };
    match complete(olga, apps, input).await.expect("connects") {
        Completed::Connected(connected) => connected.entity.id,
        Completed::Next(other) => panic!("{other:?}"),
    }
}

fn pick<'t, T>(random: &mut Random, of: &'t [T]) -> Option<&'t T> {
    let at = random.below(of.len() as u64);
    of.get(usize::try_from(at).expect("small"))
}

/// What people wrote in the tracker and expect to find there: whole issues of their own, and notes
/// below what Gna says.
#[derive(Default)]
struct Written {
    own: BTreeMap<String, (String, String)>,
    notes: Vec<(String, String)>,
}

impl Written {
    /// Somebody changes the words of an issue.
    async fn change(&mut self, person: &dyn Person, issue: RedmineIssue, kind: u64, step: usize) {
        let RedmineIssue {
            id, title, text, ..
        } = issue;
        let is_own = title.starts_with(BY_HAND);
        let note = format!("Note {step}.");
        let (title, text) = match (kind, is_own) {
            (0, true) => (format!("{BY_HAND}, {step}"), text),
            (0, false) => (format!("Renamed {step}"), text),
            (1, false) => (title, text.replacen("Where:", "Scribbled:", 1)),
            _ => (title, format!("{text}\n{note}")),
        };
        person.write(&id, &title, &text).await;
        if is_own {
            self.own.insert(id, (title, text));
        } else if kind > 1 {
            self.notes.push((id, note));
        }
    }

    async fn assert_kept(&self, person: &dyn Person) {
        for issue in person.all().await {
            let lines: Vec<&str> = issue.text.lines().map(str::trim_end).collect();
            for (_, note) in self.notes.iter().filter(|(id, _)| *id == issue.id) {
                assert!(lines.contains(&note.as_str()), "{issue:?} lost {note:?}");
            }
            if let Some((title, text)) = self.own.get(&issue.id) {
                let written: Vec<&str> = text.lines().map(str::trim_end).collect();
                assert_eq!((&issue.title, lines), (title, written), "a person's own");
            }
        }
    }
}

/// Scanner and people on both sides make and change things in random order while one call in `fail`
/// fails.
async fn story(office: &mut Office, person: &dyn Person, seed: u64, steps: usize, fail: u64) {
    let mut random = Random::new(seed);
    let mut written = Written::default();
    office.scan(&[0, 1, 2]).await;
    for step in 0..steps {
        office.flaky.fail_one_in(fail);
        match random.below(9) {
            0 => {
                let seen = random.below(16);
                let rules: Vec<usize> = (0..4).filter(|rule| seen >> rule & 1 == 1).collect();
                office.scan(&rules).await;
            }
            1 | 2 => {
                if let Some(issue) = pick(&mut random, &person.all().await) {
                    person.set(&issue.id, !issue.closed).await;
                }
            }
            3 => {
                if let Some(issue) = pick(&mut random, &person.all().await) {
                    let kind = random.below(3);
                    written.change(person, issue.clone(), kind, step).await;
                }
            }
            4 => {
                let all = office.vulnerabilities().await.into_iter();
                let open: Vec<_> = all.filter(|(_, open)| *open).collect();
                if let Some((id, _)) = pick(&mut random, &open) {
                    let score = pick(&mut random, &[2.0, 5.0, 8.0, 9.8]).copied();
                    let rate = Command::Rate(score.map(Rating::Score));
                    let rated = triage::act(&office.olga, *id, &rate, Some("seen anew"), None);
                    rated.await.expect("is rated");
                }
            }
            5 => {
                let all: BTreeSet<_> = person.all().await.iter().map(about).collect();
                let known = office.vulnerabilities().await.into_keys();
                let without: Vec<_> = known.filter(|id| !all.contains(id)).collect();
                if let Some(id) = pick(&mut random, &without) {
                    let text = format!("Ann found this, too:\n{id}\nSee the wiki.");
                    person.create(&format!("{BY_HAND} {step}"), &text).await;
                }
            }
            6 | 7 => {
                office.dispatch().await;
                office.work().await;
            }
            _ => {
                office.world.clock.advance_millis(400_000);
                office.work().await;
            }
        }
    }
    office.settle().await;
    office.assert_agreement(person).await;
    written.assert_kept(person).await;
}

async fn status(office: &Office) -> Status {
    let store = office.world.ports.store.as_ref();
    repo::require::<Integration>(store, office.integration.id)
        .await
        .expect("is there")
        .status
}
