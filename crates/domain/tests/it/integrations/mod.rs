//! Integration managers, as services on a store: a recipe and an app that are fakes.

mod fake;
mod life;
mod many;
mod processes;
mod trouble;

use gna_domain::connect::integration::{Integration, Status};
use gna_domain::connect::{Mapping, Owner};
use gna_domain::ctx::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::id::{EntityId, GroupId};
use gna_domain::model::{Job, Queue, Schedule};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::apps::Apps;
use gna_domain::port::recipes::Recipes;
use gna_domain::port::repo;
use gna_domain::port::store::{Entity, Stored};
use gna_domain::service::connect::authorize::{Complete, Completed, complete};
use gna_domain::service::connect::integration::work::IntegrationHandler;
use gna_domain::service::connect::integration::{self, NewIntegration, Telling, follower};
use gna_domain::service::feed::Follower;
use gna_domain::service::report::UploadReport;
use gna_domain::service::schedule;
use gna_testkit::Stores;
use gna_testkit::{Issue, sarif};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::access::{Scope, SignedIn, Start, start_on};
use fake::{Book, FakeApps, Herald};

const MINUTE: i64 = 60_000;

/// Ada's organization with an app connected for all, and a herald who may be sent there.
struct Office {
    start: Start,
    apps: Arc<FakeApps>,
    herald: Arc<Herald>,
    recipes: Arc<dyn Recipes>,
    ada: Ctx,
    entity: EntityId,
    follower: Follower<Telling>,
}

impl Office {
    async fn new() -> Self {
        Self::on(Stores::Memory).await
    }

    async fn on(stores: Stores) -> Self {
        let mut start = start_on(stores).await;
        let apps = Arc::new(FakeApps::new(start.world.ports.vault.clone()));
        let herald = Arc::new(Herald::new());
        let recipes: Arc<dyn Recipes> = Arc::new(Book(herald.clone()));
        let as_apps: Arc<dyn Apps> = apps.clone();
        for handler in IntegrationHandler::all(&as_apps, &recipes) {
            start.world = start.world.handling(handler);
        }
        let ada = start.ada().await;
        let entity = connect(&ada, apps.as_ref(), start.acme.id, true).await;
        let follower = follower(recipes.clone());
        let office = Self {
            start,
            apps,
            herald,
            recipes,
            ada,
            entity,
            follower,
        };
        // The feed is followed from the first look on.
        office.dispatch().await;
        office
    }

    fn wanted(&self) -> NewIntegration {
        NewIntegration {
            organization: self.start.acme.id,
            owner: Owner::Organization,
            group: Some(self.start.shop.id),
            recipe: "herald".to_owned(),
            entities: vec![self.entity],
            config: map(json!({"project": "gna"})),
        }
    }

    async fn create(&self, ctx: &Ctx, new: NewIntegration) -> Result<Stored<Integration>> {
        integration::create(ctx, self.apps.as_ref(), self.recipes.as_ref(), new).await
    }

    /// Made, and begun.
    async fn made(&self) -> Stored<Integration> {
        let made = self
            .create(&self.ada, self.wanted())
            .await
            .expect("is made");
        self.work().await;
        self.herald.heard();
        made
    }

    async fn now(&self, of: &Integration) -> Integration {
        let store = self.start.world.ports.store.as_ref();
        let found = repo::require::<Integration>(store, of.id).await;
        found.expect("is there").value
    }

    async fn dispatch(&self) {
        let ctx = self.start.world.system();
        self.start.world.caught_up().await;
        self.follower
            .catch_up(&ctx)
            .await
            .expect("follows the feed");
    }

    /// Everything that is due; what fails is put back.
    async fn work(&self) {
        for _ in 0..20 {
            if self.start.world.run_jobs().await.is_ok() {
                return;
            }
        }
    }

    /// Time passes: schedules make their jobs, and those are done.
    async fn wait(&self, minutes: i64) {
        for _ in 0..minutes {
            self.start.world.clock.advance_millis(MINUTE);
            schedule::tick(&self.start.world.system())
                .await
                .expect("ticks");
            self.work().await;
        }
    }

    /// The scanner shows these rules, and whoever wants to know is told.
    async fn scan(&self, group: GroupId, rules: &[&str]) {
        let issues: Vec<Issue> = rules
            .iter()
            .map(|rule| Issue::new(rule, "src/main.py", 7))
            .collect();
        let upload = UploadReport {
            asset: "api".to_owned(),
            file_name: "scan.sarif".to_owned(),
            ..UploadReport::default()
        };
        let bytes = sarif("scanner", &issues);
        gna_domain::service::report::upload(&self.ada, group, upload, bytes.into())
            .await
            .expect("is taken");
        self.work().await;
        self.dispatch().await;
        self.work().await;
    }

    async fn all<E: Entity>(&self, collection: &'static str) -> Vec<E> {
        let store = self.start.world.ports.store.as_ref();
        let page = store.scan(collection, &PageRequest::first(1_000)).await;
        let page = repo::typed_page::<E>(page.expect("scans")).expect("reads");
        page.items.into_iter().map(|stored| stored.value).collect()
    }

    async fn dead(&self) -> Vec<Job> {
        let mut jobs = self.all::<Job>("job").await;
        jobs.retain(|job| job.queue == Some(Queue::Dead));
        jobs
    }

    /// Mia, a member of the organization with this role in the shop.
    async fn mia(&self, role: Role) -> (SignedIn, Ctx) {
        let mia = self
            .start
            .join("mia", self.start.acme(), Role::Member)
            .await;
        let ada = self.start.ada().await;
        let shop = Scope::Group(self.start.shop.id);
        let user = mia.user.id;
        gna_domain::service::member::set_role(&ada, shop, user, role)
            .await
            .expect("gives the role");
        let ctx = self.start.ctx(&mia).await;
        (mia, ctx)
    }
}

async fn connect(
    ctx: &Ctx,
    apps: &dyn Apps,
    organization: gna_domain::id::OrganizationId,
    shared: bool,
) -> EntityId {
    let input = Complete {
        organization,
        module: "board".to_owned(),
        shared,
        state: None,
        entity: None,
        data: json!({"api_key": "hunter2"}),
    };
    match complete(ctx, apps, input).await.expect("connects") {
        Completed::Connected(connected) => connected.entity.id,
        Completed::Next(other) => panic!("{other:?}"),
    }
}

fn map(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result
        .map_err(|error: Error| error.code())
        .expect_err("must be refused")
}
