//! Blockers: retests wait for them, and go on when they are solved, whatever is cut when.

use gna_domain::error::Result;
use gna_domain::id::{BlockerId, VulnerabilityId};
use gna_domain::model::{
    AuditEntry, Blocker, BlockerEntryKind, BlockerKind, BlockerStatus, NoticeKind,
    VerificationStatus, Vulnerability,
};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::port::repo;
use gna_domain::port::search::Sort;
use gna_domain::rules::blocker::Command as B;
use gna_domain::rules::desk::Command;
use gna_domain::rules::notice::kind_of;
use gna_domain::rules::verification::Command as V;
use gna_domain::service::blocker::{self, OpenBlocker};
use gna_domain::service::bulk::{self, Chosen};
use gna_domain::service::filter::VulnerabilityFilter;
use gna_domain::service::report::UploadReport;
use gna_domain::service::{asset, triage, vulnerability};
use gna_domain::{Ctx, Resource};
use gna_testkit::{Stores, trivy};

use super::Desk;
use crate::failing::Failing;

/// More than one step of the job takes.
const MANY: usize = 130;

async fn crowded(stores: Stores, many: usize) -> Desk {
    let desk = Desk::on(stores).await;
    let names: Vec<(String, String)> = (0..many)
        .map(|n| (format!("CVE-2023-{n:04}"), format!("pad-{n}")))
        .collect();
    let mut rows: Vec<(&str, &str, &str)> = names
        .iter()
        .map(|(cve, name)| (cve.as_str(), name.as_str(), "1.0.0"))
        .collect();
    rows.push(("CVE-2024-0001", "left-pad", "1.0.0"));
    desk.scene.import(trivy("package-lock.json", &rows)).await;
    desk
}

fn hold_for(blocker: BlockerId) -> Command {
    Command::Verification(V::HoldFor(blocker))
}

impl Desk {
    async fn blocker(&self, title: &str) -> Stored<Blocker> {
        let new = OpenBlocker {
            kind: BlockerKind::Environment,
            title: title.to_owned(),
            ..OpenBlocker::default()
        };
        let opened = blocker::open(&self.developer, &self.scene.group, new).await;
        opened.expect("is opened")
    }

    async fn about(&self, who: &Ctx, of: BlockerId, command: B) -> Result<Stored<Blocker>> {
        blocker::act(who, of, &command, Some("because"), None).await
    }

    /// Decides on all that is there.
    async fn all(&self, who: &Ctx, command: Command) -> u64 {
        let chosen = Chosen::Filter(Box::default());
        let group = self.scene.group.id;
        let started = bulk::start(who, group, chosen, command, Some("because"));
        let started = started.await.expect("starts");
        self.scene.world.run_jobs().await.expect("runs");
        let ended = bulk::require(who, started.id).await.expect("is there");
        ended.changed
    }

    async fn now(&self, id: VulnerabilityId) -> Vulnerability {
        let found = vulnerability::require(&self.triager, id).await;
        found.expect("is there").value
    }

    async fn held_for(&self, of: BlockerId) -> usize {
        let page = PageRequest::first(1_000);
        let held = blocker::held(&self.triager, of, page).await.expect("lists");
        held.items.len()
    }

    async fn filtered(&self, of: BlockerId) -> usize {
        self.scene.world.run_jobs().await.expect("indexes");
        let filter = VulnerabilityFilter {
            blockers: vec![of],
            ..VulnerabilityFilter::default()
        };
        let place = Resource::Group(self.scene.group.organization, self.scene.group.id);
        let sort = Sort {
            field: "created",
            descending: false,
        };
        let page = PageRequest::first(1_000);
        let found = vulnerability::query(&self.triager, &[place], &filter, sort, &page).await;
        found.expect("finds").items.len()
    }

    async fn on_hold(&self) -> usize {
        let all = self.scene.vulnerabilities().await;
        let is_held = |value: &&Stored<Vulnerability>| {
            let verification = value.triage.verification.as_ref();
            verification.is_some_and(|known| known.status == VerificationStatus::OnHold)
        };
        all.iter().filter(is_held).count()
    }
}

#[tokio::test]
async fn retests_wait_for_a_blocker_and_go_on_when_it_is_solved() {
    for stores in Stores::ALL {
        let desk = crowded(stores, MANY).await;
        let (dev, triager) = (&desk.developer, &desk.triager);
        let total = desk.scene.vulnerabilities().await.len();
        let request = Command::Verification(V::Request);
        assert_eq!(desk.all(dev, request).await, total as u64);
        // One is held for a reason of its own, which the blocker does not end.
        desk.act(triager, Command::Verification(V::Hold))
            .await
            .expect("holds");
        let down = desk.blocker("staging is down").await;
        let others: Vec<_> = desk.scene.vulnerabilities().await;
        let others = others.iter().map(|value| value.id);
        let others = others.filter(|id| *id != desk.id).collect();
        let group = desk.scene.group.id;
        bulk::start(triager, group, Chosen::Ids(others), hold_for(down.id), None)
            .await
            .expect("starts");
        desk.scene.world.run_jobs().await.expect("holds");
        assert_eq!(desk.held_for(down.id).await, total - 1, "{stores:?}");
        assert_eq!(desk.filtered(down.id).await, total - 1, "{stores:?}");
        assert_eq!(desk.on_hold().await, total);

        let proposed = desk.about(dev, down.id, B::Propose).await.expect("says so");
        assert_eq!(proposed.status, BlockerStatus::Proposed);
        desk.scene.world.run_jobs().await.expect("runs");
        assert_eq!(desk.on_hold().await, total, "it is only said");
        let refused = desk.about(dev, down.id, B::Solve).await;
        assert_eq!(refused.expect_err("may not").code(), "auth.forbidden");
        desk.about(triager, down.id, B::Reject).await.expect("no");
        desk.about(dev, down.id, B::Comment).await.expect("talks");
        let solved = desk.about(triager, down.id, B::Solve).await.expect("done");
        assert_eq!(solved.status, BlockerStatus::Solved);
        desk.scene.world.run_jobs().await.expect("resumes");

        assert_eq!(desk.held_for(down.id).await, 0, "{stores:?}");
        assert_eq!(desk.filtered(down.id).await, 0, "{stores:?}");
        assert_eq!(desk.on_hold().await, 1, "the one with its own reason");
        assert_eq!(desk.now(desk.id).await.blocker(), None);
        desk.scene.check().await;

        let page = PageRequest::first(50);
        let entries = blocker::entries(dev, down.id, page.clone()).await;
        let entries = entries.expect("lists").items;
        let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
        use BlockerEntryKind as K;
        let said = [K::Opened, K::Proposed, K::Rejected, K::Commented, K::Solved];
        assert_eq!(kinds, said);
        let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let store = desk.scene.world.ports.store.as_ref();
        let of = desk.scene.group.organization.to_string();
        let audit = repo::all_children::<AuditEntry>(store, &of).await;
        let audit = audit.expect("reads");
        let count = |action: &str| audit.iter().filter(|entry| entry.action == action).count();
        assert_eq!(count("blocker.opened"), 1);
        assert_eq!(count("blocker.solved"), 1);
        assert_eq!(count("verification.resumed"), total - 1);

        desk.scene.world.clock.advance_millis(1);
        let next = desk.blocker("the vpn is down").await;
        let list = |status| blocker::of_group(dev, &desk.scene.group, status, page.clone());
        let listed = async |status| -> Vec<BlockerId> {
            desk.scene.world.caught_up().await;
            let found = list(status).await.expect("lists").items;
            found.iter().map(|blocker| blocker.id).collect()
        };
        assert_eq!(listed(None).await, [next.id, down.id], "newest first");
        assert_eq!(listed(Some(BlockerStatus::Open)).await, [next.id]);
        assert_eq!(listed(Some(BlockerStatus::Solved)).await, [down.id]);
        assert_eq!(listed(Some(BlockerStatus::Proposed)).await, []);
    }
}

#[tokio::test]
async fn a_blocker_holds_only_in_its_place_and_while_it_is_in_the_way() {
    let desk = Desk::on(Stores::Memory).await;
    let (dev, triager) = (&desk.developer, &desk.triager);
    let world = &desk.scene.world;
    let upload = UploadReport {
        asset: "billing".to_owned(),
        file_name: "b.json".to_owned(),
        ..UploadReport::default()
    };
    let file = trivy("b.json", &[("CVE-2024-0009", "right-pad", "1.0.0")]);
    world
        .import(&desk.manager, &desk.scene.group, upload, file)
        .await;
    let page = PageRequest::first(10);
    let assets = asset::of_group(dev, &desk.scene.group, page)
        .await
        .expect("lists");
    let billing = assets.items.iter().find(|asset| asset.name == "billing");
    let there = OpenBlocker {
        title: "billing has no test data".to_owned(),
        kind: BlockerKind::Data,
        asset: billing.map(|asset| asset.id),
        ..OpenBlocker::default()
    };
    let there = blocker::open(dev, &desk.scene.group, there).await;
    let there = there.expect("is opened");
    let here = desk.blocker("staging is down").await;
    let elsewhere = world.group(&world.organization("evil").await, "den").await;
    let eve = world.member(&elsewhere, Role::Manager);
    let theirs = OpenBlocker {
        title: "theirs".to_owned(),
        ..OpenBlocker::default()
    };
    let theirs = blocker::open(&eve, &elsewhere, theirs).await.expect("may");

    assert_eq!(
        desk.code(triager, hold_for(here.id)).await,
        "verification.not_requested"
    );
    desk.act(dev, Command::Verification(V::Request))
        .await
        .expect("asks");
    for (of, code) in [
        (there.id, "blocker.other_place"),
        (theirs.id, "blocker.unknown"),
    ] {
        assert_eq!(desk.code(triager, hold_for(of)).await, code);
    }
    assert_eq!(desk.code(dev, hold_for(here.id)).await, "auth.forbidden");
    let refused = blocker::require(&eve, here.id).await.expect_err("hidden");
    assert_eq!(refused.code(), "not_found");

    // Held for a reason first, then linked; the same link twice changes nothing.
    desk.act(triager, Command::Verification(V::Hold))
        .await
        .expect("holds");
    let linked = desk.act(triager, hold_for(here.id)).await.expect("links");
    assert_eq!(linked.blocker(), Some(here.id));
    let again = desk.act(triager, hold_for(here.id)).await.expect("same");
    assert_eq!(again.version, linked.version);
    // What a person resumes by hand waits no more.
    desk.act(triager, Command::Verification(V::Resume))
        .await
        .expect("resumes");
    assert_eq!(desk.held_for(here.id).await, 0);
    // So does what a report closes meanwhile.
    desk.act(triager, hold_for(here.id)).await.expect("holds");
    assert_eq!(desk.held_for(here.id).await, 1);
    desk.scene.import(trivy("package-lock.json", &[])).await;
    assert_eq!(desk.held_for(here.id).await, 0);
    desk.scene.import(super::report()).await;
    desk.about(triager, here.id, B::Solve).await.expect("done");
    desk.scene.world.run_jobs().await.expect("runs");
    desk.act(dev, Command::Verification(V::Request))
        .await
        .expect("asks");
    assert_eq!(
        desk.code(triager, hold_for(here.id)).await,
        "blocker.solved"
    );
    desk.scene.check().await;
}

/// Whoever comes first: in the end nothing waits for what is solved.
#[tokio::test]
async fn holding_and_solving_at_once_leaves_nothing_waiting() {
    for _ in 0..8 {
        let desk = crowded(Stores::Memory, 5).await;
        let (dev, triager) = (&desk.developer, &desk.triager);
        desk.all(dev, Command::Verification(V::Request)).await;
        let down = desk.blocker("staging is down").await;
        let all = desk.scene.vulnerabilities().await;
        let command = hold_for(down.id);
        let holds = all
            .iter()
            .map(|value| triage::act(triager, value.id, &command, None, None));
        let (held, solved) = tokio::join!(
            futures::future::join_all(holds),
            desk.about(triager, down.id, B::Solve)
        );
        solved.expect("is solved");
        for refused in held.into_iter().filter_map(Result::err) {
            assert_eq!(refused.code(), "blocker.solved");
        }
        desk.scene.world.run_jobs().await.expect("resumes");
        assert_eq!((desk.on_hold().await, desk.held_for(down.id).await), (0, 0));
        desk.scene.check().await;
    }
}

#[tokio::test]
async fn a_resume_that_is_cut_at_any_commit_goes_on_where_it_stopped() {
    for cut in 0.. {
        let mut desk = crowded(Stores::Memory, 4).await;
        let (dev, triager) = (desk.developer.clone(), desk.triager.clone());
        desk.all(&dev, Command::Verification(V::Request)).await;
        let down = desk.blocker("staging is down").await;
        desk.all(&triager, hold_for(down.id)).await;
        let total = desk.scene.vulnerabilities().await.len();
        assert_eq!(desk.held_for(down.id).await, total);
        desk.about(&triager, down.id, B::Solve).await.expect("done");
        let failing = Failing::install(&mut desk.scene.world, 22);
        let failed = failing.cut(&mut desk.scene.world, Some(cut)).await;
        assert_eq!((desk.on_hold().await, desk.held_for(down.id).await), (0, 0));
        for value in desk.scene.vulnerabilities().await {
            let cycle = value.triage.verification.as_ref().map(|known| known.cycle);
            // Created, asked, held, resumed: once each.
            assert_eq!((value.version, cycle), (4, Some(1)), "cut at {cut}");
        }
        desk.scene.check().await;
        if !failed {
            assert!(cut > 3, "it took several commits");
            break;
        }
    }
}

#[test]
fn people_can_be_told_of_blockers() {
    for event in [
        "blocker.opened",
        "blocker.solution_proposed",
        "blocker.solution_rejected",
        "blocker.solved",
    ] {
        assert_eq!(kind_of(event), Some(NoticeKind::Blocker), "{event}");
    }
}
