//! Triage rules: what they decide by themselves, and what they never take from people.

use gna_domain::Resource;
use gna_domain::error::Error;
use gna_domain::model::{
    FalsePositiveStatus, HistoryEntry, PolicyChange, RuleActions, RuleTreatment, Treatment,
    TriageRule, TriageRun, TriageRunStatus, Vulnerability, VulnerabilityEvent,
};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::{false_positive, treatment};
use gna_domain::service::triage_rule::{self, RuleDraft, run};
use gna_domain::service::vulnerability;
use gna_testkit::{Stores, trivy};

use crate::triage::{Desk, nobody, set};

fn draft(condition: &str, actions: RuleActions) -> RuleDraft {
    RuleDraft {
        name: condition.chars().take(80).collect(),
        condition: condition.to_owned(),
        actions,
        reason: "agreed on in the review".to_owned(),
        enabled: true,
    }
}

pub fn tagging(condition: &str, tag: &str) -> RuleDraft {
    let tags = vec![tag.to_owned()];
    draft(
        condition,
        RuleActions {
            tags,
            ..RuleActions::default()
        },
    )
}

pub fn suppressing(condition: &str) -> RuleDraft {
    draft(
        condition,
        RuleActions {
            suppress: true,
            ..RuleActions::default()
        },
    )
}

fn accepting(condition: &str, days: u32) -> RuleDraft {
    let treatment = Some(RuleTreatment::Accept { days });
    draft(
        condition,
        RuleActions {
            treatment,
            ..RuleActions::default()
        },
    )
}

impl Desk {
    fn place(&self) -> Resource {
        Resource::Group(self.scene.group.organization, self.scene.group.id)
    }

    async fn rule(&self, draft: &RuleDraft) -> TriageRule {
        triage_rule::save(&self.manager, self.place(), None, draft, None)
            .await
            .expect("is a rule")
    }

    async fn one(&self, package: &str) -> Stored<Vulnerability> {
        let all = self.scene.vulnerabilities().await;
        all.into_iter()
            .find(|value| {
                value
                    .location
                    .package()
                    .is_some_and(|of| of.name == package)
            })
            .expect("is there")
    }

    async fn history(&self, of: &Stored<Vulnerability>) -> Vec<HistoryEntry> {
        vulnerability::history(&self.triager, of, PageRequest::first(100))
            .await
            .expect("reads")
            .items
    }

    /// Applies the rules, or tries them.
    async fn run(&self, dry: bool, draft: Option<&RuleDraft>) -> Stored<TriageRun> {
        let started = run::start(&self.manager, self.scene.group.id, dry, draft)
            .await
            .expect("starts");
        self.scene.world.run_jobs().await.expect("runs");
        let ended = run::require(&self.triager, started.id)
            .await
            .expect("reads");
        assert_eq!(ended.status, TriageRunStatus::Complete);
        assert_eq!(ended.total, Some(ended.done));
        ended
    }
}

/// What the desk has from its beginning, and more.
fn three() -> Vec<u8> {
    let rows = [
        ("CVE-2024-0001", "left-pad", "1.0.0"),
        ("CVE-2024-0002", "right-pad", "1.0.0"),
        ("CVE-2024-0003", "test-tool", "1.0.0"),
    ];
    trivy("package-lock.json", &rows)
}

fn applied(entry: &HistoryEntry) -> Vec<(u32, Vec<String>)> {
    entry
        .events
        .iter()
        .filter_map(|event| match event {
            VulnerabilityEvent::RuleApplied {
                version, refused, ..
            } => Some((*version, refused.clone())),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn an_import_decides_on_what_is_new_and_the_history_tells_by_which_rule() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        let test = desk
            .rule(&suppressing("vulnerability.package.startsWith('test-')"))
            .await;
        desk.rule(&tagging(
            "'CVE-2024-0002' in vulnerability.identifiers",
            "Watch",
        ))
        .await;
        desk.rule(&accepting(
            "asset.name == 'checkout' && vulnerability.score > 5.0",
            30,
        ))
        .await;
        desk.scene.import(three()).await;
        desk.scene.check().await;

        // What was there and stays the same is not looked at by an import.
        let old = desk.one("left-pad").await;
        assert!(old.rules.is_empty() && old.triage.is_blank());

        let tool = desk.one("test-tool").await;
        assert_eq!(tool.version, 1, "created as it was decided on");
        let held = tool.triage.false_positive.as_ref().expect("is held");
        assert_eq!(held.status, FalsePositiveStatus::Confirmed);
        assert_eq!(held.requested.by, format!("rule:{}@1", test.id));
        assert_eq!(
            tool.triage.treatment,
            Treatment::Untreated,
            "the first rule decides"
        );
        let history = desk.history(&tool).await;
        let names: Vec<&str> = history[0].events.iter().map(|event| event.name()).collect();
        assert_eq!(
            names[..3],
            ["created", "false_positive_confirmed", "rule_applied"]
        );
        assert_eq!(applied(&history[0]), [(1, vec![])]);

        let right = desk.one("right-pad").await;
        assert!(right.tags.contains(&"watch".to_owned()));
        assert_eq!(right.triage.treatment.until(), Some(desk.in_days(30)));

        // The same report again decides nothing again.
        desk.scene.import(three()).await;
        assert_eq!(desk.one("test-tool").await.version, 1);

        // Its next change is its second version, and the row of its creation stays the one it was.
        let reject = Command::FalsePositive(false_positive::Command::Reject);
        gna_domain::service::triage::act(&desk.triager, tool.id, &reject, Some("it is real"), None)
            .await
            .expect("is rejected");
        desk.scene.check().await;
        assert_eq!(desk.history(&desk.one("test-tool").await).await.len(), 2);
    }
}

#[tokio::test]
async fn what_a_person_decided_stays_until_the_rule_says_something_new() {
    let desk = Desk::on(Stores::Memory).await;
    let rule = desk.rule(&accepting("vulnerability.score > 5.0", 10)).await;
    let ran = desk.run(false, None).await;
    assert_eq!((ran.changed, ran.outcomes[0].changed), (1, 1));
    let reset = Command::Treatment(treatment::Command::Reset);
    desk.act(&desk.triager, reset).await.expect("is reset");

    let again = desk.run(false, None).await;
    assert_eq!(
        (again.changed, again.outcomes[0].matched),
        (0, 0),
        "this version has decided"
    );
    let place = desk.place();
    let renamed = RuleDraft {
        name: "another name".to_owned(),
        ..accepting("vulnerability.score > 5.0", 10)
    };
    let same = triage_rule::save(&desk.manager, place, Some(rule.id), &renamed, None)
        .await
        .expect("is changed");
    assert_eq!(same.version, 1, "a name decides nothing");
    let longer = accepting("vulnerability.score > 5.0", 20);
    let next = triage_rule::save(&desk.manager, place, Some(rule.id), &longer, None)
        .await
        .expect("is changed");
    assert_eq!((next.id, next.version), (rule.id, 2));
    assert_eq!(desk.run(false, None).await.changed, 1);
    let value = desk.one("left-pad").await;
    assert_eq!(value.triage.treatment.until(), Some(desk.in_days(20)));
    let last = desk.history(&value).await.pop().expect("has one");
    assert_eq!(applied(&last), [(2, vec![])]);

    // A person's own assignee and severity are not a rule's to take.
    let own = Command::Rate(Some(Rating::Score(2.0)));
    desk.act(&desk.triager, own).await.expect("is rated");
    desk.rule(&draft(
        "true",
        RuleActions {
            severity: Some(Rating::Score(9.0)),
            ..RuleActions::default()
        },
    ))
    .await;
    let ran = desk.run(false, None).await;
    assert_eq!((ran.outcomes[1].matched, ran.outcomes[1].changed), (1, 0));
    assert_eq!(desk.one("left-pad").await.severity.score, 2.0);
    desk.scene.check().await;
}

#[tokio::test]
async fn a_dry_run_counts_what_a_run_then_does_and_changes_nothing() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        desk.scene.import(three()).await;
        desk.policy(PolicyChange {
            max_acceptance_days: set(5),
            ..PolicyChange::default()
        })
        .await;
        desk.rule(&tagging("vulnerability.package.endsWith('-pad')", "pad"))
            .await;
        desk.rule(&accepting("vulnerability.package == 'left-pad'", 30))
            .await;
        desk.rule(&tagging("vulnerability.cwes[0] == 79", "never"))
            .await;
        let before = desk.scene.vulnerabilities().await;
        let tried = desk.run(true, None).await;
        let counts = |run: &TriageRun| -> Vec<[u64; 4]> {
            run.outcomes
                .iter()
                .map(|of| [of.matched, of.changed, of.refused, of.failed])
                .collect()
        };
        assert_eq!(counts(&tried), [[2, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 3]]);
        assert_eq!(tried.outcomes[0].examples.len(), 2);
        assert_eq!(desk.scene.vulnerabilities().await, before);

        let done = desk.run(false, None).await;
        assert_eq!(counts(&done), counts(&tried));
        let left = desk.one("left-pad").await;
        assert!(left.tags.contains(&"pad".to_owned()));
        let last = desk.history(&left).await.pop().expect("has one");
        assert_eq!(
            applied(&last),
            [(1, vec![]), (1, vec!["acceptance.too_long".to_owned()])]
        );
        desk.scene.check().await;

        // A draft is tried alone and is no rule afterwards.
        let alone = desk.run(true, Some(&suppressing("true"))).await;
        assert_eq!(counts(&alone), [[3, 3, 0, 0]]);
        let rules = triage_rule::list(&desk.triager, desk.place()).await;
        assert_eq!(rules.expect("reads").len(), 3);
    }
}

#[tokio::test]
async fn the_organizations_rules_come_first_and_both_are_ordered() {
    let desk = Desk::on(Stores::Memory).await;
    let world = &desk.scene.world;
    let everywhere = Resource::Organization(desk.scene.group.organization);
    let owner = world.system();
    let save = async |place, draft: RuleDraft, position| {
        triage_rule::save(&owner, place, None, &draft, position)
            .await
            .expect("is a rule")
    };
    save(desk.place(), accepting("true", 7), None).await;
    save(desk.place(), accepting("true", 6), Some(0)).await;
    assert_eq!(desk.run(true, None).await.outcomes[0].changed, 1);
    save(everywhere, accepting("true", 5), None).await;
    let ran = desk.run(false, None).await;
    let changed: Vec<u64> = ran.outcomes.iter().map(|of| of.changed).collect();
    assert_eq!(changed, [1, 0, 0]);
    let until = desk.one("left-pad").await.triage.treatment.until();
    assert_eq!(until, Some(desk.in_days(5)));
}

#[tokio::test]
async fn rules_that_are_wrong_or_not_ones_own_are_refused() {
    let desk = Desk::on(Stores::Memory).await;
    let code = async |who: &gna_domain::Ctx, place, draft: &RuleDraft| {
        let saved = triage_rule::save(who, place, None, draft, None).await;
        saved.err().map_or("saved", |error: Error| error.code())
    };
    let place = desk.place();
    let ok = tagging("true", "a");
    assert_eq!(code(&desk.triager, place, &ok).await, "auth.forbidden");
    let everywhere = Resource::Organization(desk.scene.group.organization);
    assert_eq!(code(&desk.manager, everywhere, &ok).await, "auth.forbidden");
    let other = desk.scene.world.organization("other").await;
    let group = desk.scene.world.group(&other, "theirs").await;
    let stranger = desk.scene.world.member(&group, Role::Manager);
    assert_eq!(code(&stranger, place, &ok).await, "not_found");

    let treat = |treatment, assignee| {
        draft(
            "true",
            RuleActions {
                treatment: Some(treatment),
                assignee,
                ..RuleActions::default()
            },
        )
    };
    let both = draft(
        "true",
        RuleActions {
            suppress: true,
            treatment: Some(RuleTreatment::RequestPermanentAcceptance),
            ..RuleActions::default()
        },
    );
    let assigning = treat(RuleTreatment::InProgress, Some(nobody()));
    let silent = RuleDraft {
        reason: " ".to_owned(),
        ..ok.clone()
    };
    let nameless = RuleDraft {
        name: String::new(),
        ..ok.clone()
    };
    for (draft, expected) in [
        (tagging("vulnerability.score >", "a"), "condition.syntax"),
        (
            tagging("vulnerability.colour == 'red'", "a"),
            "condition.unknown_name",
        ),
        (draft("true", RuleActions::default()), "rule.actions"),
        (both, "rule.actions"),
        (treat(RuleTreatment::InProgress, None), "rule.actions"),
        (treat(RuleTreatment::Accept { days: 0 }, None), "rule.days"),
        (assigning.clone(), "assignee.unknown"),
        (silent, "rule.reason"),
        (nameless, "rule.name"),
    ] {
        assert_eq!(
            code(&desk.manager, place, &draft).await,
            expected,
            "{draft:?}"
        );
    }
    let system = desk.scene.world.system();
    assert_eq!(code(&system, everywhere, &assigning).await, "rule.assignee");
    let started = run::start(&desk.manager, desk.scene.group.id, false, Some(&ok)).await;
    assert_eq!(started.expect_err("refused").code(), "run.draft");

    for _ in 0..gna_domain::model::RULES_MAX {
        assert_eq!(code(&desk.manager, place, &ok).await, "saved");
    }
    assert_eq!(code(&desk.manager, place, &ok).await, "rule.too_many");
    let rules = triage_rule::list(&desk.triager, place)
        .await
        .expect("reads");
    let gone = triage_rule::remove(&desk.manager, place, rules[3].id).await;
    gone.expect("is removed");
    let again = triage_rule::remove(&desk.manager, place, rules[3].id).await;
    assert_eq!(again.expect_err("gone").code(), "not_found");
    let value = desk.one("left-pad").await;
    assert_eq!(value.version, 1, "nothing was decided by itself");
}
