//! An organization with accounts of real modules, whose apps are answers of our own invention.

use super::*;
use bytes::Bytes;
use gna_domain::connect::credential::Owner;
use gna_domain::connect::{ConnectedEntity, Credential, Module};
use gna_domain::id::EntityId;
use gna_domain::port::apps::Registration;
use gna_domain::port::egress::{EgressError, Failure, OutRequest, OutResponse};
use gna_domain::port::fresh;
use gna_domain::port::store::ChangeSet;
use gna_domain::service::connect::secrets;
use serde_json::Map;
use std::path::Path;

/// A request as an invented app sees it.
pub struct Asked {
    pub method: &'static str,
    /// Host and path.
    pub path: String,
    pub query: String,
    pub body: Value,
}

/// Status and body.
pub type Said = (u16, Value);

pub struct Workplace {
    pub world: World,
    pub apps: Arc<dyn Apps>,
    /// The same, to have calls fail.
    pub flaky: Arc<Flaky>,
    pub recipes: Arc<dyn Recipes>,
    pub acme: Organization,
    pub shop: Group,
    pub olga: Ctx,
    follower: Follower<Telling>,
}

impl Workplace {
    pub async fn new(app: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        Self::with(RecipeBook::shipped(), app).await
    }

    pub async fn with(
        recipes: RecipeBook,
        app: impl Fn(&Asked) -> Said + Send + Sync + 'static,
    ) -> Self {
        let catalogue = Catalogue::shipped().expect("the shipped modules load");
        Self::of(&catalogue, recipes, app).await
    }

    pub async fn of(
        catalogue: &Catalogue,
        recipes: RecipeBook,
        app: impl Fn(&Asked) -> Said + Send + Sync + 'static,
    ) -> Self {
        Self::registered(catalogue, recipes, BTreeMap::new(), app).await
    }

    /// As [`Workplace::of`], on a server that apps know by these registrations.
    pub async fn registered(
        catalogue: &Catalogue,
        recipes: RecipeBook,
        registrations: BTreeMap<String, Registration>,
        app: impl Fn(&Asked) -> Said + Send + Sync + 'static,
    ) -> Self {
        let world = World::new().await;
        world.egress.respond(move |request| answered(&app, request));
        let ports = AppPorts {
            store: world.ports.store.clone(),
            clock: world.ports.clock.clone(),
            ids: world.ports.ids.clone(),
            egress: world.ports.egress.clone(),
            vault: world.ports.vault.clone(),
            signer: Arc::new(Signer),
        };
        let modules = catalogue.all().map(|loaded| loaded.module.clone());
        let client = AppClient::new(ports, modules, registrations, "https://gna.example");
        let flaky = Arc::new(Flaky::new(client));
        let apps: Arc<dyn Apps> = flaky.clone();
        let recipes: Arc<dyn Recipes> = Arc::new(recipes);
        let world = IntegrationHandler::all(&apps, &recipes)
            .into_iter()
            .fold(world, World::handling);
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        let olga = world.in_organization(&acme, Role::Owner);
        let follower = follower(recipes.clone());
        let workplace = Self {
            world,
            apps,
            flaky,
            recipes,
            acme,
            shop,
            olga,
            follower,
        };
        workplace.dispatch().await;
        workplace
    }

    /// An account as the module's fixture describes it.
    pub async fn connected(&self, name: &str) -> EntityId {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let path = path.join(name).join("contract.invented.json");
        let fixture = std::fs::read_to_string(path).expect("a fixture");
        let fixture: Value = serde_json::from_str(&fixture).expect("JSON");
        let properties = fixture["entity"].as_object().cloned();
        self.account(name, &fixture["form"], properties.unwrap_or_default())
            .await
    }

    /// An account whose form was filled in so.
    pub async fn account(
        &self,
        name: &str,
        form: &Value,
        properties: Map<String, Value>,
    ) -> EntityId {
        let module: Arc<Module> = self.apps.module(name).expect("a module");
        let (connection, mut values) = module.read_form(0, form).expect("a form");
        if module.auth.token().is_some() {
            values.insert("access_token".to_owned(), json!("hunter2"));
        }
        let ids = self.world.ports.ids.as_ref();
        let (credential, entity) = (fresh(ids), fresh(ids));
        let now = self.world.ports.clock.now();
        let sealed = secrets::seal(self.world.vault.as_ref(), self.acme.id, credential, &values);
        let credential = Credential {
            id: credential,
            organization: self.acme.id,
            owner: Owner::Organization,
            module: module.name.clone(),
            external_id: entity_name(name),
            connection,
            sealed: sealed.await.expect("seals"),
            refresh_digest: None,
            issued: now,
            access_expires: None,
            refresh_expires: None,
            valid: true,
            message: None,
            generation: 1,
            intent: None,
            refusals: None,
            entities: vec![entity],
            created: now,
            updated: now,
        };
        let account = ConnectedEntity {
            id: entity,
            organization: self.acme.id,
            owner: Owner::Organization,
            module: module.name.clone(),
            credential: credential.id,
            external_id: entity_name(name),
            name: name.to_owned(),
            properties,
            created: now,
            updated: now,
        };
        let mut changes = ChangeSet::new();
        changes.create(&credential, None).expect("writes");
        changes.create(&account, None).expect("writes");
        self.world
            .ports
            .store
            .commit(changes)
            .await
            .expect("commits");
        entity
    }

    /// An integration of a recipe with accounts of these modules.
    pub async fn made(&self, recipe: &str, modules: &[&str], config: Value) -> Stored<Integration> {
        let mut entities = Vec::new();
        for module in modules {
            entities.push(self.connected(module).await);
        }
        self.joined(recipe, entities, config).await
    }

    /// An integration of a recipe with these accounts.
    pub async fn joined(
        &self,
        recipe: &str,
        entities: Vec<EntityId>,
        config: Value,
    ) -> Stored<Integration> {
        let made = self.begun(recipe, entities, config).await;
        self.work().await;
        made
    }

    /// The same before anything is done for it.
    pub async fn begun(
        &self,
        recipe: &str,
        entities: Vec<EntityId>,
        config: Value,
    ) -> Stored<Integration> {
        let is_of_group = recipe != "contact-sync";
        let new = NewIntegration {
            organization: self.acme.id,
            owner: Owner::Organization,
            group: is_of_group.then_some(self.shop.id),
            recipe: recipe.to_owned(),
            entities,
            config: config.as_object().cloned().expect("an object"),
        };
        let made = integration::create(&self.olga, self.apps.as_ref(), self.recipes.as_ref(), new);
        made.await.expect("is made")
    }

    pub async fn now(&self, of: &Integration) -> Integration {
        let store = self.world.ports.store.as_ref();
        let found = repo::require::<Integration>(store, of.id).await;
        found.expect("is there").value
    }

    pub async fn work(&self) {
        schedule::tick(&self.world.system()).await.expect("ticks");
        self.world.run_jobs().await.expect("works");
    }

    pub async fn dispatch(&self) {
        let ctx = self.world.system();
        self.follower
            .catch_up(&ctx)
            .await
            .expect("follows the feed");
    }

    /// So many minutes pass, one by one.
    pub async fn wait(&self, minutes: usize) {
        for _ in 0..minutes {
            self.world.clock.advance_millis(60_000);
            self.work().await;
            self.dispatch().await;
            self.work().await;
        }
    }

    pub async fn scan(&self, rules: &[&str]) {
        self.report(rules).await;
        self.work().await;
    }

    /// A scan whose news wait as jobs of the integrations.
    pub async fn report(&self, rules: &[&str]) {
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
        gna_domain::service::report::upload(&self.olga, self.shop.id, upload, bytes.into())
            .await
            .expect("is taken");
        self.work().await;
        self.dispatch().await;
    }

    pub async fn vulnerabilities(&self) -> Vec<Vulnerability> {
        let store = self.world.ports.store.as_ref();
        let page = store
            .scan("vulnerability", &PageRequest::first(1_000))
            .await;
        let page = page.expect("scans");
        let all = page.items.iter().map(|raw| raw.typed::<Vulnerability>());
        all.map(|found| found.expect("reads").value).collect()
    }
}

fn entity_name(module: &str) -> String {
    format!("account-of-{module}")
}

fn answered(
    app: &dyn Fn(&Asked) -> Said,
    request: &OutRequest,
) -> Result<OutResponse, EgressError> {
    let address = request.url.strip_prefix("https://");
    let address = address.ok_or_else(|| EgressError::not_sent(Failure::Refused, "not https"))?;
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let body = request.body.as_ref();
    let body = body.and_then(|body| serde_json::from_slice(&body.bytes).ok());
    let asked = Asked {
        method: request.method.as_str(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: body.unwrap_or(Value::Null),
    };
    let (status, said) = app(&asked);
    let body = if said.is_null() {
        Bytes::new()
    } else {
        Bytes::from(said.to_string())
    };
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Ok(OutResponse {
        status,
        headers,
        body,
    })
}
