//! Notices as services on a store, with a mail server that is made up.

use async_trait::async_trait;
use gna_domain::Ctx;
use gna_domain::ctx::{Actor, Grants};
use gna_domain::error::{Error, Result};
use gna_domain::id::UserId;
use gna_domain::model::{
    DigestDays, Email, Group, Job, Level, Notice, NoticeKind, NoticePreferences, NoticeRule,
    NoticeWhen, Queue, ReportEvery, Scope, User, Vulnerability,
};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::mail::{Mail, MailText, MailTexts, Mailer};
use gna_domain::port::repo;
use gna_domain::port::store::ChangeSet;
use gna_domain::rules::desk::Command;
use gna_domain::rules::gate::Limits;
use gna_domain::service::blocker::{self, OpenBlocker};
use gna_domain::service::gate::{self, RunGate};
use gna_domain::service::notice::preferences::{self, PreferencesChange};
use gna_domain::service::notice::summary::{self, Wish};
use gna_domain::service::notice::{
    GatherHandler, PostHandler, ReportsHandler, follow, gather, unsubscribe,
};
use gna_domain::service::report::{self, UploadReport};
use gna_domain::service::{member, schedule, triage, user};
use gna_testkit::{Stores, World, trivy};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Keeps what it is given; fails as often as it is told.
#[derive(Default)]
struct MadeUpMailer {
    sent: Mutex<Vec<Mail>>,
    fails: Mutex<u32>,
}

#[async_trait]
impl Mailer for MadeUpMailer {
    async fn send(&self, mail: &Mail) -> Result<()> {
        let mut fails = self.fails.lock().expect("whole");
        if *fails > 0 {
            *fails -= 1;
            return Err(Error::unavailable("mail.unavailable", "not now"));
        }
        self.sent.lock().expect("whole").push(mail.clone());
        Ok(())
    }
}

/// The values as they are.
struct Plain;

impl MailTexts for Plain {
    fn word(&self, name: &str, values: &Value) -> Result<MailText> {
        Ok(MailText {
            subject: name.to_owned(),
            text: values.to_string(),
            html: None,
        })
    }
}

struct Scene {
    world: World,
    mailer: Arc<MadeUpMailer>,
    shop: Group,
    follower: gna_domain::service::feed::Follower<follow::Notices>,
}

impl Scene {
    async fn on(stores: Stores) -> Self {
        let world = World::on(stores).await;
        let mailer = Arc::new(MadeUpMailer::default());
        let post = PostHandler {
            mailer: mailer.clone(),
            texts: Arc::new(Plain),
            public_url: "https://gna.example.com".to_owned(),
        };
        let world = world
            .handling(Arc::new(GatherHandler))
            .handling(Arc::new(ReportsHandler))
            .handling(Arc::new(post));
        let acme = world.organization("acme").await;
        let shop = world.group(&acme, "shop").await;
        schedule::ensure(&world.system(), gather::schedule())
            .await
            .expect("is made");
        schedule::ensure(&world.system(), summary::schedule())
            .await
            .expect("is made");
        let scene = Self {
            world,
            mailer,
            shop,
            follower: follow::follower(),
        };
        scene.world.caught_up().await;
        follow::begin(&scene.world.system()).await.expect("begins");
        scene
    }

    async fn follow(&self) {
        self.world.caught_up().await;
        self.follower
            .catch_up(&self.world.system())
            .await
            .expect("follows");
    }

    /// A person with a role in the shop.
    async fn person(&self, name: &str, role: Role) -> Ctx {
        let system = self.world.system();
        let (person, _) = user::create(&system, &format!("{name}@example.com"), name)
            .await
            .expect("is made");
        member::set_role(&system, Scope::Group(self.shop.id), person.id, role)
            .await
            .expect("is given");
        let groups = BTreeMap::from([(self.shop.id, (self.shop.organization, role))]);
        let grants = Grants {
            groups,
            ..Grants::default()
        };
        Ctx::new(self.world.ports.clone(), Actor::User(person.id), grants)
    }

    async fn import(&self, cves: &[&str]) {
        let items: Vec<(&str, &str, &str)> =
            cves.iter().map(|cve| (*cve, "left-pad", "1.0.0")).collect();
        let upload = UploadReport {
            asset: "checkout".to_owned(),
            file_name: "a.json".to_owned(),
            partial: true,
            ..UploadReport::default()
        };
        let tess = self.world.member(&self.shop, Role::Triager);
        self.world
            .import(&tess, &self.shop, upload, trivy("a.json", &items))
            .await;
    }

    async fn first(&self) -> Vulnerability {
        let store = self.world.ports.store.as_ref();
        let raw = store
            .scan("vulnerability", &PageRequest::first(10))
            .await
            .expect("reads");
        let found = repo::typed_page::<Vulnerability>(raw).expect("reads");
        found.items.into_iter().next().expect("one").value
    }

    /// Follows the feed, lets so much time pass, and does what is due.
    async fn after(&self, seconds: i64) {
        self.follow().await;
        self.world.clock.advance_millis(seconds * 1_000);
        let system = self.world.system();
        schedule::tick(&system).await.expect("starts what is due");
        self.world.run_jobs().await.expect("runs");
    }

    fn sent(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.mailer.sent.lock().expect("whole"))
    }
}

fn id(who: &Ctx) -> UserId {
    who.actor.user().expect("a person")
}

async fn wants(who: &Ctx, kind: NoticeKind, when: NoticeWhen, min_level: Level) {
    let rules = BTreeMap::from([(kind, NoticeRule { when, min_level })]);
    let change = PreferencesChange {
        rules,
        ..PreferencesChange::default()
    };
    preferences::change(who, change).await.expect("may");
}

#[tokio::test]
async fn whoever_becomes_responsible_is_told_at_once_and_nobody_else() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let dora = scene.person("dora", Role::Developer).await;
        let tess = scene.person("tess", Role::Triager).await;
        scene.import(&["CVE-2024-0001"]).await;
        let of = scene.first().await;
        let assign = Command::Assign(Some(id(&dora)));
        triage::act(&tess, of.id, &assign, None, None)
            .await
            .expect("may");
        scene.after(9).await;
        assert!(scene.sent().is_empty(), "{stores:?}: ten seconds together");
        scene.after(2).await;
        let sent = scene.sent();
        assert_eq!(sent.len(), 1, "{stores:?}");
        assert_eq!(
            (sent[0].to.as_str(), sent[0].text.subject.as_str()),
            ("dora@example.com", "notice")
        );
        let text: Value = serde_json::from_str(&sent[0].text.text).expect("JSON");
        assert_eq!(text["notices"][0]["kind"], "ASSIGNED");
        assert_eq!(text["notices"][0]["group"], "acme/shop");
        assert_eq!(
            (&text["count"], &text["more"]),
            (&Value::from(1), &Value::from(0))
        );
        // Nothing is told twice.
        scene.after(3_600).await;
        assert!(scene.sent().is_empty(), "{stores:?}");
    }
}

#[tokio::test]
async fn a_report_with_many_findings_is_one_letter_by_severity_with_the_rest_counted() {
    let scene = Scene::on(Stores::Memory).await;
    let dora = scene.person("dora", Role::Developer).await;
    wants(&dora, NoticeKind::New, NoticeWhen::AtOnce, Level::Info).await;
    let cves: Vec<String> = (0..60)
        .map(|number| format!("CVE-2024-{number:04}"))
        .collect();
    let cves: Vec<&str> = cves.iter().map(String::as_str).collect();
    scene.import(&cves).await;
    scene.after(11).await;
    let sent = scene.sent();
    assert_eq!(sent.len(), 1);
    let text: Value = serde_json::from_str(&sent[0].text.text).expect("JSON");
    assert_eq!(text["notices"].as_array().map(Vec::len), Some(50));
    assert_eq!(
        (&text["count"], &text["more"]),
        (&Value::from(60), &Value::from(10))
    );
}

#[tokio::test]
async fn a_digest_comes_at_its_hour_in_its_zone_with_what_it_was_asked_for() {
    let scene = Scene::on(Stores::Sqlite).await;
    let dora = scene.person("dora", Role::Developer).await;
    wants(&dora, NoticeKind::New, NoticeWhen::Digest, Level::Info).await;
    let when = PreferencesChange {
        days: Some(DigestDays::Daily),
        hour: Some(8),
        zone: Some("Asia/Kolkata".to_owned()),
        ..PreferencesChange::default()
    };
    preferences::change(&dora, when).await.expect("may");
    // It is midnight in Greenwich and half past five in Kolkata.
    scene.import(&["CVE-2024-0001", "CVE-2024-0002"]).await;
    scene.after(2 * 3_600).await;
    assert!(scene.sent().is_empty());
    scene.after(1_800).await;
    let sent = scene.sent();
    assert_eq!(
        sent.len(),
        1,
        "half past two in Greenwich is eight in Kolkata"
    );
    assert_eq!(sent[0].text.subject, "digest");
    scene.after(86_400).await;
    assert!(scene.sent().is_empty(), "there was nothing new");
}

#[tokio::test]
async fn a_letter_is_sent_again_while_the_server_is_away_and_is_the_same_letter() {
    let scene = Scene::on(Stores::Memory).await;
    let dora = scene.person("dora", Role::Developer).await;
    wants(&dora, NoticeKind::New, NoticeWhen::AtOnce, Level::Info).await;
    scene.import(&["CVE-2024-0001"]).await;
    scene.follow().await;
    *scene.mailer.fails.lock().expect("whole") = 2;
    scene.world.clock.advance_millis(11_000);
    for _ in 0..2 {
        assert!(scene.world.run_jobs().await.is_err());
        scene.world.clock.advance_millis(60_000);
    }
    scene.world.run_jobs().await.expect("sends");
    assert_eq!(scene.sent().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_nobodys_and_nothing_is_given_up() {
    let scene = Scene::on(Stores::Memory).await;
    let dora = scene.person("dora", Role::Developer).await;
    let rita = scene.person("rita", Role::Reader).await;
    for who in [&dora, &rita] {
        wants(who, NoticeKind::New, NoticeWhen::AtOnce, Level::Info).await;
    }
    // As accounts are kept that have no address.
    let store = scene.world.ports.store.as_ref();
    let account = repo::require::<User>(store, id(&dora)).await;
    let account = account.expect("is there");
    let nobody = User {
        email: Email::new("dora@adopter.invalid").expect("an address"),
        ..account.value.clone()
    };
    let mut changes = ChangeSet::new();
    changes.update(&account, &nobody, None).expect("json");
    store.commit(changes).await.expect("commits");

    scene.import(&["CVE-2024-0001"]).await;
    scene.after(11).await;
    let sent = scene.sent();
    let to: Vec<&str> = sent.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["rita@example.com"]);
    scene.world.caught_up().await;
    let queues = [Queue::Dead, Queue::Ready];
    for queue in queues {
        let left = repo::list_all::<Job>(store, "due", &[queue.as_str()]).await;
        let left = left.expect("reads");
        let letters = left.iter().filter(|job| job.kind == "notice.send");
        assert_eq!(letters.count(), 0, "{queue:?}");
    }
}

#[tokio::test]
async fn one_request_with_the_letters_own_token_ends_them_and_no_other_does() {
    let scene = Scene::on(Stores::Memory).await;
    let dora = scene.person("dora", Role::Developer).await;
    let tess = scene.person("tess", Role::Triager).await;
    for who in [&dora, &tess] {
        wants(who, NoticeKind::New, NoticeWhen::AtOnce, Level::Info).await;
    }
    scene.import(&["CVE-2024-0001"]).await;
    scene.after(11).await;
    let sent = scene.sent();
    assert_eq!(sent.len(), 2);
    let of = |name: &str| {
        let mail = sent
            .iter()
            .find(|mail| mail.name == name)
            .expect("was sent");
        let address = mail.unsubscribe.clone().expect("is there");
        let (_, token) = address.split_once("&token=").expect("a token");
        percent_encoding::percent_decode_str(token)
            .decode_utf8_lossy()
            .into_owned()
    };
    let nobody = scene.world.anonymous();
    let dora_id = id(&dora).to_string();
    for (user, token) in [
        (&dora_id, of("tess")),
        (&dora_id, "x".to_owned()),
        (&"usr_1".to_owned(), of("dora")),
    ] {
        let refused = unsubscribe::unsubscribe(&nobody, user, &token).await;
        assert_eq!(refused.expect_err("is refused").code(), "not_found");
    }
    unsubscribe::unsubscribe(&nobody, &dora_id, &of("dora"))
        .await
        .expect("is theirs");
    assert!(preferences::own(&dora).await.expect("may").muted);
    assert!(!preferences::own(&tess).await.expect("may").muted);
    scene.import(&["CVE-2024-0002"]).await;
    scene.after(11).await;
    let sent = scene.sent();
    assert_eq!(
        sent.iter()
            .map(|mail| mail.name.as_str())
            .collect::<Vec<_>>(),
        ["tess"]
    );
}

#[tokio::test]
async fn what_waits_for_someone_who_left_is_not_sent_and_wrong_wishes_are_refused() {
    let scene = Scene::on(Stores::Memory).await;
    let dora = scene.person("dora", Role::Developer).await;
    wants(&dora, NoticeKind::New, NoticeWhen::AtOnce, Level::Info).await;
    scene.import(&["CVE-2024-0001"]).await;
    scene.follow().await;
    user::delete(&scene.world.system(), id(&dora))
        .await
        .expect("is deleted");
    scene.after(11).await;
    assert!(scene.sent().is_empty());
    let store = scene.world.ports.store.as_ref();
    let waits = repo::all_children::<Notice>(store, "now")
        .await
        .expect("reads");
    assert!(waits.is_empty());

    let rita = scene.person("rita", Role::Reader).await;
    wants(&rita, NoticeKind::New, NoticeWhen::AtOnce, Level::Info).await;
    scene.import(&["CVE-2024-0002"]).await;
    scene.follow().await;
    let shop = Scope::Group(scene.shop.id);
    member::remove(&scene.world.system(), shop, id(&rita))
        .await
        .expect("goes");
    scene.after(11).await;
    assert!(
        scene.sent().is_empty(),
        "who left the group is not told what they may not read"
    );

    let tess = scene.person("tess", Role::Triager).await;
    for (change, code) in [
        (
            PreferencesChange {
                hour: Some(24),
                ..PreferencesChange::default()
            },
            "notice.hour",
        ),
        (
            PreferencesChange {
                zone: Some("Nowhere".to_owned()),
                ..PreferencesChange::default()
            },
            "schedule.zone",
        ),
    ] {
        let refused = preferences::change(&tess, change)
            .await
            .expect_err("is refused");
        assert_eq!(refused.code(), code);
    }
    assert_eq!(
        preferences::own(&tess).await.expect("may"),
        NoticePreferences::default_of(id(&tess))
    );
    let nobody = scene.world.anonymous();
    assert_eq!(
        preferences::own(&nobody)
            .await
            .expect_err("is refused")
            .code(),
        "auth.required"
    );
}

#[tokio::test]
async fn a_periodic_report_tells_what_changed_until_its_reader_may_not_read_it_any_more() {
    for stores in Stores::ALL {
        let scene = Scene::on(stores).await;
        let dora = scene.person("dora", Role::Reader).await;
        let stranger = scene
            .world
            .group(&scene.world.organization("evil").await, "den")
            .await;
        let wish = |group| Wish {
            group,
            every: ReportEvery::Week,
            hour: 8,
            zone: "Europe/Berlin".to_owned(),
        };
        let refused = summary::subscribe(&dora, &wish(stranger.id)).await;
        assert_eq!(refused.expect_err("is refused").code(), "not_found");
        let late = Wish {
            hour: 24,
            ..wish(scene.shop.id)
        };
        let refused = summary::subscribe(&dora, &late).await;
        assert_eq!(refused.expect_err("is refused").code(), "notice.hour");
        let made = summary::subscribe(&dora, &wish(scene.shop.id))
            .await
            .expect("may");
        // The first of January 2026 is a Thursday.
        assert_eq!(made.next.to_string(), "2026-01-05T07:00:00.000Z");
        assert_eq!(summary::list(&dora).await.expect("may").len(), 1);
        scene.import(&["CVE-2024-0001", "CVE-2024-0002"]).await;
        scene.after(3 * 86_400).await;
        assert!(scene.sent().is_empty(), "{stores:?}: it is Sunday");
        scene.after(86_400 + 7 * 3_600).await;
        let sent = scene.sent();
        assert_eq!(sent.len(), 1, "{stores:?}");
        assert_eq!(sent[0].text.subject, "report");
        let text: Value = serde_json::from_str(&sent[0].text.text).expect("JSON");
        let report = &text["report"];
        assert_eq!(
            (&report["open"], &report["change"]),
            (&Value::from(2), &Value::from(2))
        );
        assert_eq!(report["group"], "acme/shop");
        // The next one says that nothing is new.
        scene.after(7 * 86_400).await;
        let sent = scene.sent();
        assert_eq!(sent.len(), 1, "{stores:?}");
        let text: Value = serde_json::from_str(&sent[0].text.text).expect("JSON");
        assert_eq!(text["report"]["change"], 0);

        let system = scene.world.system();
        member::remove(&system, Scope::Group(scene.shop.id), id(&dora))
            .await
            .expect("goes");
        scene.after(7 * 86_400).await;
        assert!(scene.sent().is_empty(), "{stores:?}");
        assert!(summary::list(&dora).await.expect("may").is_empty());
        let gone = summary::unsubscribe(&dora, scene.shop.id).await;
        assert_eq!(gone.expect_err("is gone").code(), "not_found");
    }
}

#[tokio::test]
async fn whoever_wants_it_is_told_of_a_broken_gate_and_of_blockers() {
    let scene = Scene::on(Stores::Memory).await;
    let dora = scene.person("dora", Role::Developer).await;
    let robot = scene.person("robot", Role::Ci).await;
    for kind in [NoticeKind::Gate, NoticeKind::Blocker] {
        wants(&dora, kind, NoticeWhen::AtOnce, Level::Info).await;
        wants(&robot, kind, NoticeWhen::AtOnce, Level::Info).await;
    }
    scene.import(&["CVE-2024-0001"]).await;
    let page = PageRequest::first(10);
    let reports = report::of_group(&dora, &scene.shop, page).await;
    let asked = RunGate {
        report: reports.expect("lists").items[0].id,
        with: Vec::new(),
        limits: Limits::default(),
        new_only: false,
        base: None,
    };
    let ran = gate::run(&robot, asked).await.expect("judges");
    let new = OpenBlocker {
        title: "staging is down".to_owned(),
        ..OpenBlocker::default()
    };
    let opened = blocker::open(&dora, &scene.shop, new).await.expect("may");
    scene.after(11).await;
    let mut sent = scene.sent();
    sent.sort_by(|a, b| a.to.cmp(&b.to));
    let texts: Vec<Value> = sent
        .iter()
        .map(|mail| serde_json::from_str(&mail.text.text).expect("JSON"))
        .collect();
    // The role of robots may read the gate's record, and no blockers.
    let kinds = |text: &Value| {
        let all = text["notices"].as_array().expect("a list");
        let mut kinds: Vec<String> = all.iter().map(|one| one["kind"].to_string()).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&texts[0]), ["\"BLOCKER\"", "\"GATE\""]);
    assert_eq!(kinds(&texts[1]), ["\"GATE\""]);
    let of = |kind: &str| {
        let all = texts[0]["notices"].as_array().expect("a list");
        all.iter().find(|one| one["kind"] == kind).cloned()
    };
    let gate = of("GATE").expect("is told");
    assert_eq!(gate["title"], "main: 1 of 1 break the gate");
    assert_eq!(gate["place"], "checkout");
    let link = format!("https://gna.example.com/api/v2/gate/runs/{}", ran.run.id);
    assert_eq!(gate["link"], link);
    let blocked = of("BLOCKER").expect("is told");
    assert_eq!(blocked["title"], "staging is down");
    let link = format!("https://gna.example.com/api/v2/blockers/{}", opened.id);
    assert_eq!(blocked["link"], link);
}
