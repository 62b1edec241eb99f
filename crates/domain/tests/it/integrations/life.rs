//! The life of an integration: made once, told what happens, changed, paused, taken down.

use super::*;
use gna_domain::connect::Process;
use gna_domain::connect::process::{ProcessProgress, ProcessState};
use gna_domain::error::Kind;
use gna_domain::port::fresh;
use gna_domain::port::store::ChangeSet;
use gna_domain::service::connect::integration::work;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn it_is_told_what_happens_in_its_group_from_then_on_and_everything_once() {
    for stores in Stores::ALL {
        let office = Office::on(stores).await;
        let shop = office.start.shop.clone();
        let other = office.start.world.group(&office.start.acme, "other").await;
        office.scan(shop.id, &["before"]).await;
        let made = office
            .create(&office.ada, office.wanted())
            .await
            .expect("is made");
        assert_eq!(made.status, Status::Enabled);
        office.work().await;
        assert_eq!(office.herald.heard(), ["begin", "tick"]);
        office.scan(shop.id, &["before", "after"]).await;
        assert_eq!(office.herald.heard(), ["vulnerability.created"]);
        office.scan(shop.id, &["before"]).await;
        assert_eq!(office.herald.heard(), ["vulnerability.closed"]);
        office.scan(other.id, &["elsewhere"]).await;
        assert!(office.herald.heard().is_empty());
        // Another process follows from the place that is kept, and tells nothing again.
        let another = follower(office.recipes.clone());
        let ctx = office.start.world.system();
        another.catch_up(&ctx).await.expect("follows the feed");
        office.work().await;
        assert!(office.herald.heard().is_empty());
        assert!(office.dead().await.is_empty());
    }
}

#[tokio::test]
async fn of_two_processes_that_follow_the_feed_one_tells() {
    let office = Office::on(Stores::Sqlite).await;
    office.made().await;
    let shop = office.start.shop.id;
    let upload = UploadReport {
        asset: "api".to_owned(),
        file_name: "scan.sarif".to_owned(),
        ..UploadReport::default()
    };
    let bytes = sarif("scanner", &[Issue::new("one", "a.py", 1)]);
    gna_domain::service::report::upload(&office.ada, shop, upload, bytes.into())
        .await
        .expect("is taken");
    office.work().await;
    let ctx = office.start.world.system();
    let (one, two) = (
        follower(office.recipes.clone()),
        follower(office.recipes.clone()),
    );
    let (first, second) = tokio::join!(one.catch_up(&ctx), two.catch_up(&ctx));
    first.expect("follows");
    second.expect("follows");
    office.dispatch().await;
    office.work().await;
    assert_eq!(office.herald.heard(), ["vulnerability.created"]);
}

#[tokio::test]
async fn asking_for_it_again_makes_it_once_and_goes_on_with_a_paused_one() {
    let office = Office::new().await;
    let made = office.made().await;
    let paused = integration::pause(&office.ada, made.id)
        .await
        .expect("pauses");
    assert_eq!(paused.status, Status::Disabled);
    let schedules = office.all::<Schedule>("schedule").await;
    assert_eq!(schedules.len(), 1);
    assert!(!schedules[0].armed);
    office.wait(10).await;
    let shop = office.start.shop.id;
    office.scan(shop, &["meanwhile"]).await;
    assert!(office.herald.heard().is_empty(), "paused is silent");
    let act = integration::act(
        &office.ada,
        office.apps.as_ref(),
        office.recipes.as_ref(),
        made.id,
        "COUNT",
        &Value::Null,
    )
    .await;
    assert_eq!(code(act), "integration.not_running");
    let again = office
        .create(&office.ada, office.wanted())
        .await
        .expect("is there");
    assert_eq!((again.id, again.status), (made.id, Status::Enabled));
    office.work().await;
    assert_eq!(
        office.herald.heard(),
        ["begin", "tick"],
        "and looks at once"
    );
    office.wait(6).await;
    assert!(office.herald.heard().contains(&"tick".to_owned()));
    assert_eq!(office.all::<Integration>("integration").await.len(), 1);
}

#[tokio::test]
async fn what_is_required_is_asked_for_and_what_does_not_fit_is_refused() {
    let office = Office::new().await;
    let bare = NewIntegration {
        config: map(json!({})),
        ..office.wanted()
    };
    let made = office
        .create(&office.ada, bare.clone())
        .await
        .expect("is made");
    assert_eq!(made.status, Status::NeedsConfig);
    assert_eq!(made.messages.warnings[0].message, "Project is required");
    for (change, refused) in [
        (json!({"projekt": "x"}), "projekt"),
        (json!({"project": 7}), "project"),
        (json!({"days": "many"}), "days"),
    ] {
        let change = map(change);
        let error = integration::configure(&office.ada, office.recipes.as_ref(), made.id, &change)
            .await
            .expect_err("is refused");
        assert_eq!(
            (error.code(), error.field()),
            ("integration.config", Some(refused))
        );
    }
    let change = map(json!({"project": "gna"}));
    let changed = integration::configure(&office.ada, office.recipes.as_ref(), made.id, &change)
        .await
        .expect("fits");
    assert_eq!(changed.status, Status::Enabled);
    assert!(changed.messages.warnings.is_empty());
    let form = integration::form(
        &office.ada,
        office.apps.as_ref(),
        office.recipes.as_ref(),
        made.id,
        &Value::Null,
    )
    .await
    .expect("answers");
    assert_eq!(form.data, json!({"project": "gna"}));
    let change = map(json!({"project": null}));
    let changed = integration::configure(&office.ada, office.recipes.as_ref(), made.id, &change)
        .await
        .expect("may be taken back");
    assert_eq!(changed.status, Status::NeedsConfig);
    // Wrong from the start.
    for (new, refused) in [
        (
            NewIntegration {
                recipe: "x".to_owned(),
                ..bare.clone()
            },
            "recipe.unknown",
        ),
        (
            NewIntegration {
                entities: Vec::new(),
                ..bare.clone()
            },
            "integration.accounts",
        ),
        (
            NewIntegration {
                config: map(json!({"x": 1})),
                ..bare
            },
            "integration.config",
        ),
    ] {
        assert_eq!(code(office.create(&office.ada, new).await), refused);
    }
}

#[tokio::test]
async fn only_actions_that_it_names_can_be_called() {
    let office = Office::new().await;
    let made = office.made().await;
    let act = |action: &'static str| {
        integration::act(
            &office.ada,
            office.apps.as_ref(),
            office.recipes.as_ref(),
            made.id,
            action,
            &Value::Null,
        )
    };
    assert_eq!(act("COUNT").await.expect("counts"), json!({"count": 2}));
    for hidden in ["ON_DELETE", "tick", ""] {
        assert_eq!(code(act(hidden).await), "integration.action_unknown");
    }
    office.apps.is_locked.store(true, Ordering::SeqCst);
    assert_eq!(code(act("COUNT").await), "app.unauthorized");
    assert_eq!(office.now(&made).await.status, Status::Error);
}

#[tokio::test]
async fn what_it_can_do_by_its_account_is_carried_through_and_a_refusal_shows() {
    let office = Office::new().await;
    let made = office.made().await;
    let (apps, recipes) = (office.apps.as_ref(), office.recipes.as_ref());
    let listed = async || {
        let all = integration::actions(&office.ada, apps, recipes, made.id, None).await;
        all.map(|all| {
            all.into_iter()
                .map(|action| action.name)
                .collect::<Vec<_>>()
        })
    };
    let count = async |name: &'static str| {
        integration::act(&office.ada, apps, recipes, made.id, name, &Value::Null).await
    };
    assert_eq!(listed().await.expect("lists"), ["COUNT", "MARCH"]);
    assert_eq!(code(count("GREET").await), "integration.action_unknown");
    let greet = super::fake::action("GREET");
    office.herald.more.lock().expect("a lock").push(greet);
    assert_eq!(listed().await.expect("lists"), ["COUNT", "MARCH", "GREET"]);
    count("GREET").await.expect("greets");
    // An app that is out of order for a moment is no news.
    office
        .herald
        .hides(|| Error::new(Kind::Upstream, "app.unavailable", "out of order"));
    assert_eq!(code(listed().await), "app.unavailable");
    let now = office.now(&made).await;
    assert_eq!(
        (now.status, now.messages.errors.len()),
        (Status::Enabled, 0)
    );
    // One that refuses shows, also where an action is asked for, and only once.
    office
        .herald
        .hides(|| Error::new(Kind::Upstream, "app.forbidden", "no list for you"));
    assert_eq!(code(listed().await), "app.forbidden");
    assert_eq!(code(count("COUNT").await), "app.forbidden");
    let now = office.now(&made).await;
    assert_eq!(now.status, Status::Error);
    let texts: Vec<&str> = now
        .messages
        .errors
        .iter()
        .map(|error| error.message.as_str())
        .collect();
    assert_eq!(texts, ["no list for you"]);
    office.herald.shows();
    listed().await.expect("lists again");
    let now = office.now(&made).await;
    assert_eq!(
        (now.status, now.messages.errors.len()),
        (Status::Enabled, 0)
    );
    // A list does not heal what an account is ill of.
    office.herald.hides(|| {
        Error::new(
            Kind::Upstream,
            "app.unauthorized",
            "the key is no longer good",
        )
    });
    assert_eq!(code(listed().await), "app.unauthorized");
    office.herald.shows();
    listed().await.expect("lists again");
    assert_eq!(office.now(&made).await.status, Status::Error);
}

#[tokio::test]
async fn taking_it_down_leaves_nothing_and_makes_room_at_once() {
    let office = Office::new().await;
    let made = office.made().await;
    assert_eq!(office.all::<Mapping>("mapping").await.len(), 1);
    integration::delete(&office.ada, made.id)
        .await
        .expect("is asked for");
    integration::delete(&office.ada, made.id)
        .await
        .expect("twice is once");
    assert_eq!(office.now(&made).await.status, Status::InDeletion);
    let next = office
        .create(&office.ada, office.wanted())
        .await
        .expect("there is room");
    assert_ne!(next.id, made.id);
    office.work().await;
    assert_eq!(office.herald.heard(), ["end", "begin", "tick"]);
    assert_eq!(
        code(integration::get(&office.ada, made.id).await),
        "not_found"
    );
    integration::delete(&office.ada, next.id)
        .await
        .expect("is asked for");
    office.work().await;
    office.herald.heard();
    assert!(office.all::<Integration>("integration").await.is_empty());
    assert!(office.all::<Mapping>("mapping").await.is_empty());
    assert!(office.all::<Schedule>("schedule").await.is_empty());
    let shop = office.start.shop.id;
    office.scan(shop, &["later"]).await;
    office.wait(10).await;
    assert!(office.herald.heard().is_empty());
    let audit = office.start.audit(&office.start.acme.id.to_string()).await;
    for action in ["integration.created", "integration.deleted"] {
        assert!(audit.contains(&action.to_owned()), "{action} in {audit:?}");
    }
}

/// More than are removed in one commit, from a list that goes on showing what is gone.
#[tokio::test]
async fn taking_it_down_leaves_no_process_though_their_list_is_late() {
    let office = Office::on(Stores::Lagging).await;
    let made = office.made().await;
    let ports = &office.start.world.ports;
    let mut changes = ChangeSet::new();
    for number in 0..60 {
        let process = Process {
            id: fresh(ports.ids.as_ref()),
            organization: made.organization,
            integration: made.id,
            name: format!("march {number}"),
            kind: "march".to_owned(),
            state: ProcessState::Initializing,
            context: Value::Null,
            results: Value::Null,
            parent: None,
            progress: ProcessProgress::default(),
            message: None,
            created: ports.clock.now(),
            updated: ports.clock.now(),
            finished: None,
        };
        changes.create(&process, None).expect("writes");
    }
    ports.store.commit(changes).await.expect("commits");
    integration::delete(&office.ada, made.id)
        .await
        .expect("is asked for");
    office.work().await;
    assert!(office.all::<Integration>("integration").await.is_empty());
    assert!(office.all::<Process>("process").await.is_empty());
}

#[tokio::test]
async fn an_app_that_can_not_be_cleared_up_does_not_keep_it() {
    let office = Office::new().await;
    let made = office.made().await;
    office.herald.fails(|| Error::invalid("app.refused", "no"));
    integration::delete(&office.ada, made.id)
        .await
        .expect("is asked for");
    office.work().await;
    assert!(office.all::<Integration>("integration").await.is_empty());
}

#[tokio::test]
async fn a_webhook_of_an_app_reaches_the_integrations_that_have_an_account_of_it() {
    use gna_domain::connect::ConnectedEntity;
    use gna_domain::connect::inbox::HookTaker;
    use gna_domain::model::ReceivedHook;
    use gna_domain::port::jobs::{Handler, Outcome};
    use gna_domain::service::connect::integration::IntegrationHooks;

    /// Hands on whatever it is given, as the inbox does.
    struct Hands(IntegrationHooks, Vec<ReceivedHook>);

    #[async_trait::async_trait]
    impl Handler for Hands {
        fn kind(&self) -> &'static str {
            "test.hands"
        }
        async fn run(&self, ctx: &Ctx, claimed: &gna_domain::port::Claimed) -> Result<Outcome> {
            let nth = claimed
                .job()
                .payload
                .as_u64()
                .and_then(|nth| usize::try_from(nth).ok());
            self.0
                .take(ctx, claimed, &self.1[nth.expect("a number")])
                .await
        }
    }

    let mut office = Office::new().await;
    office.made().await;
    let hooks = IntegrationHooks(office.recipes.clone());
    assert!(hooks.takes("board") && !hooks.takes("slack"));
    let hook = ReceivedHook {
        organization: office.start.acme.id,
        app: "board".to_owned(),
        target: String::new(),
        delivery: "d1".to_owned(),
        event: Some("issue.changed".to_owned()),
        accounts: Vec::new(),
        projects: Vec::new(),
        content_type: None,
        body: r#"{"issue":7}"#.to_owned(),
        received: office.start.world.ports.clock.now(),
    };
    let mut changes = ChangeSet::new();
    changes.create(&hook, None).expect("writes");
    // Another that is no longer kept when it is the recipe's turn.
    let gone = ReceivedHook {
        delivery: "d2".to_owned(),
        ..hook.clone()
    };
    // It is told what names its account and its project, and not what names others.
    let store = office.start.world.ports.store.as_ref();
    let account = repo::require::<ConnectedEntity>(store, office.entity)
        .await
        .expect("is there");
    let names = |delivery: &str, account: &str, project: &str| ReceivedHook {
        delivery: delivery.to_owned(),
        accounts: vec!["somebody".to_owned(), account.to_owned()],
        projects: vec!["42".to_owned(), project.to_owned()],
        ..hook.clone()
    };
    let meant = names("d3", &account.external_id, "GNA");
    let of_another = names("d4", "another", "gna");
    let elsewhere = names("d5", &account.external_id, "elsewhere");
    for named in [&meant, &of_another, &elsewhere] {
        changes.create(named, None).expect("writes");
    }
    let all = vec![hook.clone(), gone, meant, of_another, elsewhere];
    let count = all.len();
    let hands = Arc::new(Hands(hooks, all));
    office.start.world = office.start.world.handling(hands);
    let ids = office.start.world.ports.ids.as_ref();
    let now = office.start.world.ports.clock.now();
    for nth in 0..count {
        let job = Job::new(gna_domain::port::fresh(ids), "test.hands", json!(nth), now);
        changes.create(&job, None).expect("writes");
    }
    office
        .start
        .world
        .ports
        .store
        .commit(changes)
        .await
        .expect("commits");
    office.work().await;
    let mut heard = office.herald.heard();
    heard.sort();
    assert_eq!(
        heard,
        [
            "webhook null",
            r#"webhook {"issue":7}"#,
            r#"webhook {"issue":7}"#
        ]
    );
    // Who runs the server reads the jobs, and is not who the webhook is for.
    let jobs = office.all::<Job>("job").await;
    let told = jobs.iter().filter(|job| job.kind == work::WEBHOOK);
    assert_eq!(told.count(), 3);
    for job in &jobs {
        assert!(!job.payload.to_string().contains("issue"), "{job:?}");
    }
}
