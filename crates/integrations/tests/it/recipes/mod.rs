//! Issues and vulnerabilities, changed from both sides in random order while calls fail: in the end
//! both sides agree, and nothing has two issues.

mod as_data;
mod contacts;
mod fake;
mod flaky;
mod notices;
mod pulls;
mod redmine;
mod trackers;
mod workplace;

use gna_domain::connect::integration::{Integration, Status};
use gna_domain::ctx::Ctx;
use gna_domain::id::VulnerabilityId;
use gna_domain::model::{Group, Organization, State, Vulnerability};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::Egress;
use gna_domain::port::apps::Apps;
use gna_domain::port::recipes::Recipes;
use gna_domain::port::repo;
use gna_domain::port::store::Stored;
use gna_domain::service::connect::authorize::{Complete, Completed, complete};
use gna_domain::service::connect::integration::work::IntegrationHandler;
use gna_domain::service::connect::integration::{self, NewIntegration, Telling, follower};
use gna_domain::service::feed::Follower;
use gna_domain::service::report::UploadReport;
use gna_domain::service::schedule;
use gna_integrations::framework::client::{AppClient, AppPorts};
use gna_integrations::modules::{Catalogue, Signer};
use gna_integrations::recipes::RecipeBook;
use gna_testkit::{Issue, Stores, World, sarif};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flaky::{Flaky, Random};

/// A tracker, as somebody who works there sees it.
#[async_trait::async_trait]
trait Person: Send + Sync {
    /// Id, text and whether it is closed, of every issue.
    async fn issues(&self) -> Vec<(String, String, bool)>;
    async fn set(&self, issue: &str, closed: bool);
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

    async fn vulnerabilities(&self) -> BTreeMap<VulnerabilityId, bool> {
        let store = self.world.ports.store.as_ref();
        let page = store
            .scan("vulnerability", &PageRequest::first(1_000))
            .await
            .expect("scans");
        let all = page
            .items
            .iter()
            .map(|raw| raw.typed::<Vulnerability>().expect("reads"));
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

    /// Every vulnerability has one issue, and both are open or both are closed.
    async fn assert_agreement(&self, person: &dyn Person) {
        let vulnerabilities = self.vulnerabilities().await;
        let issues = person.issues().await;
        let mut with_issue = BTreeSet::new();
        for (issue, text, closed) in &issues {
            let id = text.lines().find_map(|line| line.strip_prefix("Gna: "));
            let id: VulnerabilityId = id.expect("a marker").trim().parse().expect("an id");
            assert!(with_issue.insert(id), "{id} has two issues");
            assert_eq!(
                vulnerabilities.get(&id),
                Some(&!closed),
                "{id} and issue {issue}"
            );
        }
        for (id, open) in vulnerabilities {
            assert!(
                !open || with_issue.contains(&id),
                "{id} is open and has no issue"
            );
        }
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

/// Scanner and people change things in random order while one call in `fail` fails.
async fn story(office: &mut Office, person: &dyn Person, seed: u64, steps: usize, fail: u64) {
    let mut random = Random::new(seed);
    office.scan(&[0, 1, 2]).await;
    for _ in 0..steps {
        office.flaky.fail_one_in(fail);
        match random.below(5) {
            0 => {
                let seen = random.below(16);
                let rules: Vec<usize> = (0..4).filter(|rule| seen >> rule & 1 == 1).collect();
                office.scan(&rules).await;
            }
            1 | 2 => {
                let issues = person.issues().await;
                if !issues.is_empty() {
                    let at = usize::try_from(random.below(issues.len() as u64)).expect("small");
                    let (issue, _, closed) = &issues[at];
                    person.set(issue, !closed).await;
                }
            }
            3 => {
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
}

async fn status(office: &Office) -> Status {
    let store = office.world.ports.store.as_ref();
    repo::require::<Integration>(store, office.integration.id)
        .await
        .expect("is there")
        .status
}
