//! Weaknesses that an organization bears: decided by two people, applied everywhere, taken back exactly.

use async_trait::async_trait;
use gna_domain::Ctx;
use gna_domain::error::Result;
use gna_domain::id::{OrganizationId, RuleId};
use gna_domain::model::{
    AcceptanceRun, AcceptanceRunStatus, AuditEntry, Group, HistoryEntry, Organization,
    PolicyChange, Treatment, Vulnerability, WEAKNESS_ACCEPTANCES_MAX, WeaknessAcceptance,
    WeaknessAcceptanceStatus as Status,
};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::store::{ChangeSet, Stored};
use gna_domain::port::{Handler, Jobs, Outcome, repo};
use gna_domain::rules::{decide, desk, treatment};
use gna_domain::service::asset::{self, UpdateAsset};
use gna_domain::service::index;
use gna_domain::service::report::UploadReport;
use gna_domain::service::triage;
use gna_domain::service::vulnerability;
use gna_domain::service::weakness_acceptance::run::{AcceptanceRunHandler, KIND};
use gna_domain::service::weakness_acceptance::{self as service, Command, Draft};
use gna_domain::time::Timestamp;
use gna_storage::backend::counting::Calls;
use gna_storage::repo::StoreJobs;
use gna_testkit::{AtCommit, Late, StoreBetween, Stores, trivy};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::failing::Failing;
use crate::import::helpers::Scene;
use crate::triage::set;

const LOG4SHELL: &str = "CVE-2021-44228";

/// Acme with its shop and people who decide for all of it.
struct Acme {
    scene: Scene,
    organization: Organization,
    /// Owners.
    olga: Ctx,
    otto: Ctx,
    mia: Ctx,
    triager: Ctx,
}

impl Acme {
    async fn on(stores: Stores) -> Self {
        let scene = Scene::on(stores).await;
        let store = scene.world.ports.store.as_ref();
        let organization = repo::require::<Organization>(store, scene.group.organization)
            .await
            .expect("is there")
            .value;
        let world = &scene.world;
        Self {
            olga: world.in_organization(&organization, Role::Owner),
            otto: world.in_organization(&organization, Role::Owner),
            mia: world.in_organization(&organization, Role::Member),
            triager: world.member(&scene.group, Role::Triager),
            organization,
            scene,
        }
    }

    fn in_days(&self, days: i64) -> Timestamp {
        self.scene.world.ports.clock.now().plus_days(days)
    }

    async fn submit(&self, draft: &Draft) -> RuleId {
        service::submit(&self.mia, self.organization.id, None, draft, Some("borne"))
            .await
            .expect("is submitted")
            .id
    }

    async fn decide(
        &self,
        who: &Ctx,
        id: RuleId,
        command: Command,
    ) -> Result<Stored<WeaknessAcceptance>> {
        let reason = Some("as discussed");
        service::decide(who, self.organization.id, id, command, reason, None).await
    }

    /// Decides, and lets what follows from it happen.
    async fn decided(&self, who: &Ctx, id: RuleId, command: Command) -> Vec<AcceptanceRun> {
        self.scene.world.clock.advance_millis(1_000);
        self.decide(who, id, command).await.expect("is decided");
        self.scene.world.run_jobs().await.expect("runs");
        self.runs(id).await
    }

    /// Latest first.
    async fn runs(&self, id: RuleId) -> Vec<AcceptanceRun> {
        let store = self.scene.world.ports.store.as_ref();
        let runs = repo::all_children::<AcceptanceRun>(store, &id.to_string()).await;
        let runs = runs.expect("reads").into_iter().rev();
        runs.map(|stored| stored.value).collect()
    }

    async fn import(&self, group: &Group, asset: &str, packages: &[(&str, &str)]) {
        let rows: Vec<_> = packages
            .iter()
            .map(|(cve, name)| (*cve, *name, "1.0.0"))
            .collect();
        let upload = UploadReport {
            asset: asset.to_owned(),
            file_name: "report.json".to_owned(),
            ..UploadReport::default()
        };
        let world = &self.scene.world;
        world.clock.advance_millis(60_000);
        let report = trivy("package-lock.json", &rows);
        world.import(&world.system(), group, upload, report).await;
    }

    async fn of(&self, package: &str) -> Stored<Vulnerability> {
        let all = self.scene.vulnerabilities().await.into_iter();
        let mut named = all.filter(|value| {
            let of = value.location.package();
            of.is_some_and(|of| of.name == package)
        });
        named.next().expect("is there")
    }

    async fn last(&self, of: &Stored<Vulnerability>) -> HistoryEntry {
        let page = PageRequest::first(100);
        let system = self.scene.world.system();
        let history = vulnerability::history(&system, of, page).await;
        history.expect("reads").items.pop().expect("has one")
    }

    async fn act(&self, package: &str, command: desk::Command) {
        let id = self.of(package).await.id;
        triage::act(&self.scene.world.system(), id, &command, Some("ours"), None)
            .await
            .expect("is decided");
    }
}

fn draft(weakness: &str) -> Draft {
    Draft {
        weakness: weakness.to_owned(),
        ..Draft::default()
    }
}

/// Who set the acceptance, for good or until a date.
fn author(value: &Vulnerability) -> Option<&str> {
    value
        .triage
        .treatment
        .decided()
        .map(|note| note.by.as_str())
}

#[tokio::test]
async fn two_people_accept_a_weakness_everywhere_and_what_they_set_goes_with_it() {
    for stores in Stores::ALL {
        let acme = Acme::on(stores).await;
        let shop = acme.scene.group.clone();
        let bank = acme.scene.world.group(&acme.organization, "bank").await;
        let other = acme.scene.world.organization("other").await;
        let theirs = acme.scene.world.group(&other, "else").await;
        acme.import(
            &shop,
            "checkout",
            &[(LOG4SHELL, "kept"), ("CVE-2024-0002", "apart")],
        )
        .await;
        acme.import(
            &bank,
            "ledger",
            &[(LOG4SHELL, "changed"), (LOG4SHELL, "taken")],
        )
        .await;
        acme.import(&theirs, "foreign", &[(LOG4SHELL, "foreign")])
            .await;
        acme.act(
            "taken",
            desk::Command::Treatment(treatment::Command::Accept {
                until: acme.in_days(5),
            }),
        )
        .await;

        let id = acme.submit(&draft("cve-2021-44228")).await;
        acme.scene.world.run_jobs().await.expect("nothing is due");
        assert_eq!(acme.of("kept").await.triage.treatment, Treatment::Untreated);
        let code = |decided: Result<Stored<WeaknessAcceptance>>| {
            decided.map(|_| "done").unwrap_or_else(|error| error.code())
        };
        assert_eq!(
            code(acme.decide(&acme.mia, id, Command::Approve).await),
            "auth.forbidden"
        );
        assert_eq!(
            code(acme.decide(&acme.triager, id, Command::Approve).await),
            "auth.forbidden"
        );
        let runs = acme.decided(&acme.olga, id, Command::Approve).await;
        let run = &runs[0];
        assert_eq!((runs.len(), run.status), (1, AcceptanceRunStatus::Complete));
        assert_eq!((run.total, run.done, run.changed), (Some(3), 3, 2));

        // What is new is accepted as it comes.
        let both = [
            (LOG4SHELL, "kept"),
            ("CVE-2024-0002", "apart"),
            (LOG4SHELL, "new"),
        ];
        acme.import(&shop, "checkout", &both).await;
        let by = format!("rule:{id}@1");
        for package in ["kept", "changed", "new"] {
            let value = acme.of(package).await;
            let Treatment::AcceptedPermanently { decided, approved } = &value.triage.treatment
            else {
                panic!("{package}: {:?}", value.triage.treatment);
            };
            assert_eq!(
                (&decided.by, decided.reason.as_deref()),
                (&by, Some("borne"))
            );
            assert_eq!(approved.person, acme.olga.actor.user());
            let events = acme.last(&value).await.events;
            let told = serde_json::to_value(events.last()).expect("is JSON");
            assert_eq!(told["event"], "rule_applied");
            assert_eq!(told["version"], 1);
            assert_eq!(told["rule"], id.to_string());
        }
        for package in ["apart", "foreign"] {
            assert_eq!(
                acme.of(package).await.triage.treatment,
                Treatment::Untreated
            );
        }
        assert!(author(&acme.of("taken").await.value).is_some_and(|by| !by.starts_with("rule:")));

        // What somebody has changed since is theirs.
        let until = acme.in_days(9);
        acme.act(
            "changed",
            desk::Command::Treatment(treatment::Command::Accept { until }),
        )
        .await;
        let runs = acme.decided(&acme.otto, id, Command::Deactivate).await;
        assert_eq!((runs[0].back, runs[0].changed), (true, 2));
        for package in ["kept", "new"] {
            let value = acme.of(package).await;
            assert_eq!(value.triage.treatment, Treatment::Untreated);
            let reason = acme.last(&value).await.reason.expect("says why");
            assert!(
                reason.contains("as discussed") && reason.contains(&id.to_string()),
                "{reason}"
            );
        }
        for package in ["changed", "taken"] {
            assert!(matches!(
                acme.of(package).await.triage.treatment,
                Treatment::Accepted { .. }
            ));
        }
        acme.import(&shop, "checkout", &[(LOG4SHELL, "later")])
            .await;
        assert_eq!(
            acme.of("later").await.triage.treatment,
            Treatment::Untreated
        );

        // Submitted again it is another version, which decides anew.
        let (of, same) = (acme.organization.id, draft(LOG4SHELL));
        let again = service::submit(&acme.olga, of, Some(id), &same, Some("again"));
        assert_eq!(again.await.expect("is submitted").value.version, 2);
        assert_eq!(
            code(acme.decide(&acme.olga, id, Command::Approve).await),
            "approval.same_person"
        );
        acme.decided(&acme.otto, id, Command::Approve).await;
        assert_eq!(
            author(&acme.of("later").await.value),
            Some(format!("rule:{id}@2").as_str())
        );
        acme.scene.check().await;

        let store = acme.scene.world.ports.store.as_ref();
        let audit = repo::all_children::<AuditEntry>(store, &of.to_string()).await;
        let audit = audit.expect("reads");
        let count = |action: &str| audit.iter().filter(|entry| entry.action == action).count();
        for (action, times) in [
            ("weakness_acceptance.submitted", 2),
            ("weakness_acceptance.approved", 2),
            ("weakness_acceptance.deactivated", 1),
            ("weakness_acceptance.taken_back", 2),
        ] {
            assert_eq!(count(action), times, "{action}");
        }
    }
}

#[tokio::test]
async fn tags_narrow_it_and_policies_of_groups_refuse_it() {
    let acme = Acme::on(Stores::Memory).await;
    let shop = acme.scene.group.clone();
    for (asset, package) in [("checkout", "one"), ("billing", "two"), ("search", "three")] {
        acme.import(&shop, asset, &[(LOG4SHELL, package)]).await;
    }
    let system = acme.scene.world.system();
    for package in ["one", "two"] {
        let input = UpdateAsset {
            tags: Some(vec!["Internal".to_owned()]),
            ..UpdateAsset::default()
        };
        let id = acme.of(package).await.asset;
        asset::update(&system, id, input).await.expect("is tagged");
    }
    for package in ["two", "three"] {
        let add = vec!["known".to_owned()];
        let tag = decide::Decision::Tag {
            add,
            remove: Vec::new(),
        };
        acme.act(package, desk::Command::State(tag)).await;
    }
    let tags = |tag: &str| vec![tag.to_owned()];
    let narrow = Draft {
        tags: tags(" Known "),
        asset_tags: tags("internal"),
        until: Some(acme.in_days(30)),
        ..draft(LOG4SHELL)
    };
    let id = acme.submit(&narrow).await;
    let runs = acme.decided(&acme.olga, id, Command::Approve).await;
    assert_eq!((runs[0].done, runs[0].changed), (3, 1));
    assert_eq!(acme.of("two").await.triage.treatment.until(), narrow.until);
    for package in ["one", "three"] {
        assert_eq!(
            acme.of(package).await.triage.treatment,
            Treatment::Untreated
        );
    }

    // The group's policy stands above it, and says so in the history of each.
    gna_domain::service::group::update(
        &system,
        shop.id,
        gna_domain::service::group::UpdateGroup {
            policy: PolicyChange {
                max_acceptance_days: set(10),
                ..PolicyChange::default()
            },
            ..Default::default()
        },
    )
    .await
    .expect("is set");
    let wide = Draft {
        until: narrow.until,
        ..draft(LOG4SHELL)
    };
    let wide = acme.submit(&wide).await;
    let runs = acme.decided(&acme.olga, wide, Command::Approve).await;
    assert_eq!((runs[0].done, runs[0].changed), (3, 0));
    assert_eq!(runs[0].refused.get("acceptance.too_long"), Some(&2));
    let one = acme.of("one").await;
    let told = serde_json::to_value(acme.last(&one).await.events.last()).expect("is JSON");
    assert_eq!(told["refused"], serde_json::json!(["acceptance.too_long"]));

    // Its own end ends it: nothing of what comes after is accepted.
    acme.scene.world.clock.advance_days(31);
    acme.import(&shop, "late", &[(LOG4SHELL, "four")]).await;
    assert_eq!(acme.of("four").await.triage.treatment, Treatment::Untreated);
    let rejected = service::remove(&acme.olga, acme.organization.id, id).await;
    assert_eq!(
        rejected.expect_err("is in force").code(),
        "weakness_acceptance.state"
    );
    acme.decided(&acme.olga, id, Command::Deactivate).await;
    service::remove(&acme.olga, acme.organization.id, id)
        .await
        .expect("goes");
    let left = service::list(&acme.mia, acme.organization.id)
        .await
        .expect("lists");
    assert_eq!(
        left.iter().map(|of| of.status).collect::<Vec<_>>(),
        [Status::Approved]
    );
    acme.scene.check().await;
}

/// What somebody does about an acceptance.
#[derive(Clone, Debug)]
enum Then {
    /// Mia asks for it again.
    Submit(Draft),
    /// Otto decides.
    Decide(Command),
}

/// In whose so-manieth commit from now somebody else is quicker.
struct Meddled {
    left: AtomicI64,
    mia: Ctx,
    otto: Ctx,
    organization: OrganizationId,
    id: RuleId,
    does: Vec<Then>,
    jobs: StoreJobs,
    late: Late,
}

impl Meddled {
    async fn meddle(&self) {
        let (of, id, reason) = (self.organization, self.id, Some("now"));
        for step in &self.does {
            match step {
                Then::Submit(draft) => {
                    service::submit(&self.mia, of, Some(id), draft, reason)
                        .await
                        .expect("is submitted");
                }
                Then::Decide(command) => {
                    service::decide(&self.otto, of, id, *command, reason, None)
                        .await
                        .expect("is decided");
                    if *command != Command::Reject {
                        self.run().await;
                    }
                }
            }
        }
    }

    /// Goes over what is there by now.
    async fn run(&self) {
        self.late.caught_up().await;
        let claimed = self.jobs.claim("another-worker", &[KIND]).await;
        let claimed = claimed.expect("claims").expect("has work");
        let Outcome::Done(changes) = AcceptanceRunHandler
            .run(&self.otto, &claimed)
            .await
            .expect("runs")
        else {
            panic!("it ends at once")
        };
        self.jobs.complete(&claimed, changes).await.expect("ends");
    }
}

#[async_trait]
impl AtCommit for Meddled {
    async fn before(&self, _: &ChangeSet) -> Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.meddle().await;
        }
        Ok(())
    }
}

/// An import with several chunks, in whose so-manieth commit an owner decides and the decision's own run
/// goes over what is there. Answers by whom the vulnerabilities are accepted in the end.
async fn meddled(before: &[Command], does: &[Then], at: i64) -> (Vec<Option<String>>, bool) {
    let mut acme = Acme::on(Stores::Memory).await;
    let id = acme.submit(&draft(LOG4SHELL)).await;
    for command in before {
        acme.decided(&acme.olga, id, *command).await;
    }
    let inner = acme.scene.world.ports.store.clone();
    Failing::install(&mut acme.scene.world, 25);
    let ports = &acme.scene.world.ports;
    let meddled = Arc::new(Meddled {
        left: AtomicI64::new(at),
        mia: acme.mia.clone(),
        otto: acme.otto.clone(),
        organization: acme.organization.id,
        id,
        does: does.to_vec(),
        jobs: StoreJobs::new(inner.clone(), ports.clock.clone(), ports.ids.clone()),
        late: acme.scene.world.late.clone(),
    });
    acme.scene.world.ports.store = Arc::new(StoreBetween {
        inner: ports.store.clone(),
        with: meddled.clone(),
    });
    let names: Vec<String> = (0..12).map(|number| format!("pad-{number}")).collect();
    let packages: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (LOG4SHELL, name.as_str()))
        .collect();
    let shop = acme.scene.group.clone();
    acme.import(&shop, "checkout", &packages).await;
    acme.scene.world.ports.store = inner;
    acme.scene.check().await;
    let all = acme.scene.vulnerabilities().await;
    assert_eq!(all.len(), 12);
    let by = all.iter().map(|value| author(value).map(str::to_owned));
    (by.collect(), meddled.left.load(Ordering::SeqCst) < 0)
}

#[tokio::test]
async fn what_begins_or_ends_in_the_middle_of_an_import_holds_for_all_of_it() {
    use Then::{Decide, Submit};
    let again = || Submit(draft(LOG4SHELL));
    let elsewhere = || {
        Submit(Draft {
            asset_tags: vec!["elsewhere".to_owned()],
            ..draft(LOG4SHELL)
        })
    };
    let end = || Decide(Command::Deactivate);
    let approve = || Decide(Command::Approve);
    let reject = || Decide(Command::Reject);
    // What was decided before the import, what happens in it, and by which version all is accepted then.
    let stories: [(&[Command], Vec<Then>, Option<u32>); 7] = [
        (&[], vec![approve()], Some(1)),
        (&[Command::Approve], vec![end()], None),
        (&[Command::Approve], vec![end(), again()], None),
        (&[Command::Approve], vec![end(), again(), reject()], None),
        (
            &[Command::Approve],
            vec![end(), again(), approve()],
            Some(2),
        ),
        (
            &[Command::Approve],
            vec![end(), elsewhere(), approve()],
            None,
        ),
        (
            &[Command::Approve],
            vec![end(), again(), approve(), end()],
            None,
        ),
    ];
    for (before, does, version) in stories {
        let mut met = 0;
        for at in 0.. {
            let (by, happened) = meddled(before, &does, at).await;
            if !happened {
                break;
            }
            let is_so = |by: &Option<String>| {
                let version_of = by.as_ref().and_then(|by| by.split_once('@'));
                version_of.map(|(_, of)| of.to_owned()) == version.map(|of| of.to_string())
            };
            assert!(by.iter().all(is_so), "{does:?} in commit {at}: {by:?}");
            met += 1;
        }
        assert!(met >= 8, "only {met} commits to be quicker than");
    }
}

#[tokio::test]
async fn a_run_that_is_cut_at_any_commit_goes_on_and_counts_each_once() {
    async fn cut(fail_after: i64) -> (AcceptanceRun, bool) {
        let mut acme = Acme::on(Stores::Memory).await;
        let names: Vec<String> = (0..11).map(|number| format!("pad-{number}")).collect();
        let packages: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (LOG4SHELL, name.as_str()))
            .collect();
        let shop = acme.scene.group.clone();
        acme.import(&shop, "checkout", &packages).await;
        let id = acme.submit(&draft(LOG4SHELL)).await;
        acme.decide(&acme.olga, id, Command::Approve)
            .await
            .expect("is approved");
        let failing = Failing::install(&mut acme.scene.world, 30);
        let failed = failing.cut(&mut acme.scene.world, Some(fail_after)).await;
        acme.scene.check().await;
        for value in acme.scene.vulnerabilities().await {
            assert_eq!(
                (value.version, author(&value)),
                (2, Some(format!("rule:{id}@1").as_str()))
            );
        }
        (acme.runs(id).await.remove(0), failed)
    }
    let mut interrupted = 0;
    for fail_after in 0.. {
        let (run, failed) = cut(fail_after).await;
        assert_eq!(run.status, AcceptanceRunStatus::Complete);
        assert_eq!(
            (run.total, run.done, run.changed),
            (Some(11), 11, 11),
            "cut after {fail_after}"
        );
        if !failed {
            break;
        }
        interrupted += 1;
    }
    assert!(interrupted >= 4, "only {interrupted} places to be cut at");
}

#[tokio::test]
async fn a_run_asks_the_store_no_more_often_for_more_groups_and_lists_them_once() {
    /// What a run over so many vulnerabilities in each of so many groups costs, and in how many steps.
    async fn cost(groups: usize, each: usize) -> (Calls, usize) {
        let mut acme = Acme::on(Stores::Memory).await;
        let names: Vec<String> = (0..each).map(|number| format!("pad-{number}")).collect();
        let packages: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (LOG4SHELL, name.as_str()))
            .collect();
        for number in 0..groups {
            let slug = format!("group-{number}");
            let group = acme.scene.world.group(&acme.organization, &slug).await;
            acme.import(&group, "checkout", &packages).await;
        }
        let id = acme.submit(&draft(LOG4SHELL)).await;
        acme.decide(&acme.olga, id, Command::Approve)
            .await
            .expect("is approved");
        let inner = acme.scene.world.ports.store.clone();
        Failing::install(&mut acme.scene.world, 60);
        let world = &acme.scene.world;
        let ctx = world.system();
        world.caught_up().await;
        index::catch_up(&ctx).await.expect("follows");
        let claimed = world.jobs().claim("worker", &[KIND]).await;
        let claimed = claimed.expect("claims").expect("has work");
        let before = inner.feed_end().await.expect("ends");
        world.calls.take();
        AcceptanceRunHandler
            .run(&ctx, &claimed)
            .await
            .expect("runs");
        let calls = world.calls.take();
        world.caught_up().await;
        let told = inner.feed(Some(&before), 1_000).await.expect("reads");
        let steps = told
            .iter()
            .filter(|item| item.key.collection == "acceptance_run")
            .count();
        let run = acme.runs(id).await.remove(0);
        let all = u64::try_from(groups * each).expect("a number");
        assert_eq!(
            (run.status, run.changed),
            (AcceptanceRunStatus::Complete, all)
        );
        (calls, steps)
    }
    // Six vulnerabilities are a step.
    let (few, one) = cost(1, 6).await;
    let (many, same) = cost(6, 1).await;
    assert_eq!((one, same), (1, 1));
    assert_eq!(few, many, "one step costs the same in one group and in six");
    let (long, three) = cost(6, 3).await;
    assert_eq!(three, 3);
    assert_eq!(long.query_many, many.query_many, "groups are listed once");
}

#[tokio::test]
async fn who_asked_may_withdraw_it_and_only_another_person_approves_it() {
    for stores in Stores::ALL {
        let acme = Acme::on(stores).await;
        let other = acme
            .scene
            .world
            .in_organization(&acme.organization, Role::Member);
        let code = |decided: Result<Stored<WeaknessAcceptance>>| {
            decided.map(|_| "done").unwrap_or_else(|error| error.code())
        };
        let mias = acme.submit(&draft(LOG4SHELL)).await;
        for (who, command) in [
            (&acme.mia, Command::Approve),
            (&other, Command::Reject),
            (&acme.triager, Command::Reject),
        ] {
            assert_eq!(
                code(acme.decide(who, mias, command).await),
                "auth.forbidden"
            );
        }
        let of = acme.organization.id;
        let without = service::decide(&acme.mia, of, mias, Command::Reject, None, None).await;
        assert_eq!(code(without), "reason.required");
        let gone = acme.decide(&acme.mia, mias, Command::Reject).await;
        let gone = gone.expect("is withdrawn");
        assert_eq!(gone.status, Status::Rejected);
        let by = gone.decided.as_ref().and_then(|note| note.person);
        assert_eq!(by, acme.mia.actor.user());
        assert_eq!(
            code(acme.decide(&acme.mia, mias, Command::Reject).await),
            "weakness_acceptance.state"
        );

        // An owner withdraws their own as well, and may not approve it.
        let own = service::submit(&acme.olga, of, None, &draft("CWE-79"), Some("borne")).await;
        let own = own.expect("is submitted").id;
        assert_eq!(
            code(acme.decide(&acme.olga, own, Command::Approve).await),
            "approval.same_person"
        );
        acme.decide(&acme.olga, own, Command::Reject)
            .await
            .expect("is withdrawn");
        acme.scene.world.run_jobs().await.expect("nothing is due");
        assert!(acme.runs(mias).await.is_empty());
    }
}

/// Asks for another acceptance at the moment at which somebody else does.
struct Crowding {
    was: AtomicBool,
    ctx: Ctx,
    organization: OrganizationId,
}

#[async_trait]
impl AtCommit for Crowding {
    async fn before(&self, changes: &ChangeSet) -> Result<()> {
        let mut writes = changes.writes.iter();
        let is_one = writes.any(|write| write.key.collection == "weakness_acceptance");
        if is_one && !self.was.swap(true, Ordering::SeqCst) {
            let draft = draft("CWE-89");
            service::submit(&self.ctx, self.organization, None, &draft, Some("borne")).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn of_two_submitted_at_once_only_one_takes_the_last_place() {
    for stores in Stores::ALL {
        let mut acme = Acme::on(stores).await;
        let mut last = None;
        for number in 1..WEAKNESS_ACCEPTANCES_MAX {
            last = Some(acme.submit(&draft(&format!("CWE-{number}"))).await);
        }
        let of = acme.organization.id;
        let inner = acme.scene.world.ports.store.clone();
        acme.scene.world.ports.store = Arc::new(StoreBetween {
            inner: inner.clone(),
            with: Arc::new(Crowding {
                was: AtomicBool::new(false),
                ctx: acme.mia.clone(),
                organization: of,
            }),
        });
        let late = acme
            .scene
            .world
            .in_organization(&acme.organization, Role::Member);
        let one = draft("CWE-22");
        let refused = service::submit(&late, of, None, &one, Some("borne")).await;
        assert_eq!(
            refused.expect_err("the other was quicker").code(),
            "weakness_acceptance.too_many"
        );
        acme.scene.world.ports.store = inner;
        let there = service::list(&late, of).await.expect("lists").len();
        assert_eq!(there, WEAKNESS_ACCEPTANCES_MAX, "{stores:?}");

        // One that goes makes room.
        let last = last.expect("there are some");
        acme.decide(&acme.mia, last, Command::Reject)
            .await
            .expect("is withdrawn");
        service::remove(&acme.olga, of, last).await.expect("goes");
        service::submit(&late, of, None, &one, Some("borne"))
            .await
            .expect("has a place");
    }
}
