//! Who does not come for long is told, then removed; who comes stays.

use super::*;
use gna_domain::model::{Job, Letter, Membership, PolicyChange};
use gna_domain::page::Page;
use gna_domain::port::Jobs;
use gna_domain::port::store::{ChangeSet, Stored};
use gna_domain::rules::inactivity::Verdict;
use gna_domain::service::group::{self, UpdateGroup};
use gna_domain::service::inactivity::{self, InactiveHandler, KIND};
use gna_domain::service::organization;
use std::sync::Arc;

use crate::triage::set;

/// Ada's organization, where who stays away for 90 days is removed.
async fn strict(stores: Stores) -> Start {
    let mut start = start_on(stores).await;
    start.world = start
        .world
        .handling(Arc::new(InactiveHandler { letters: true }));
    let policy = PolicyChange {
        inactivity_days: set(90),
        ..PolicyChange::default()
    };
    let system = start.world.system();
    organization::update(&system, start.acme.id, None, policy, None)
        .await
        .expect("is set");
    start
}

impl Start {
    /// What the daily schedule starts.
    async fn daily(&self) {
        let ports = &self.world.ports;
        let id = gna_domain::port::fresh(ports.ids.as_ref());
        let job = Job::new(id, KIND, serde_json::Value::Null, ports.clock.now());
        let mut changes = ChangeSet::new();
        changes.create(&job, None).expect("writes as JSON");
        ports.store.commit(changes).await.expect("commits");
        self.world.run_jobs().await.expect("runs");
    }

    async fn roles(&self, of: UserId) -> Vec<Scope> {
        let store = self.world.ports.store.as_ref();
        let held = repo::all_children::<Membership>(store, &of.to_string()).await;
        held.expect("reads").iter().map(|held| held.scope).collect()
    }

    async fn letters(&self) -> Vec<Stored<Letter>> {
        let page = PageRequest::first(100);
        let all = self.world.ports.store.scan("letter", &page).await;
        repo::typed_page::<Letter>(all.expect("scans"))
            .expect("reads")
            .items
    }

    async fn verdicts(&self, days: Option<u32>) -> Vec<(String, Verdict)> {
        let page = self.preview(days, PageRequest::first(100)).await;
        assert_eq!(page.next, None);
        page.items
    }

    async fn preview(&self, days: Option<u32>, page: PageRequest) -> Page<(String, Verdict)> {
        self.world.caught_up().await;
        let all = inactivity::preview(&self.world.system(), self.acme.id, days, page).await;
        all.expect("reads").map(|one| (one.user.name, one.verdict))
    }
}

#[tokio::test]
async fn who_stays_away_is_told_and_removed_a_week_later_and_who_comes_stays() {
    for stores in Stores::ALL {
        let start = strict(stores).await;
        let bob = start.join("bob", start.acme(), Role::Member).await;
        let system = start.world.system();
        member::set_role(&system, start.shop(), bob.user.id, Role::Developer)
            .await
            .expect("is given");
        let cleo = start.join("cleo", start.shop(), Role::Reader).await;
        let dora = start.join("dora", start.shop(), Role::Triager).await;
        let dora_ctx = start.ctx(&dora).await;
        let (token, _) = token::create(&dora_ctx, start.token(&["group.read"], 300))
            .await
            .expect("is made");
        start.world.clock.advance_days(60);
        start.daily().await;
        assert!(start.letters().await.is_empty(), "a month is left");
        let by_then = start.verdicts(Some(30)).await;
        assert_eq!(by_then.len(), 5, "with 30 days: {by_then:?}");
        assert!(start.verdicts(Some(0)).await.is_empty());

        start.bearer(&token).await.expect("holds");
        start.world.clock.advance_days(24);
        let of = |name: &str, verdict| (name.to_owned(), verdict);
        assert!(
            start
                .verdicts(None)
                .await
                .iter()
                .any(|one| *one == of("ada", Verdict::Keeper))
        );
        start.daily().await;
        start.daily().await;
        let letters = start.letters().await;
        let mut told: Vec<_> = letters
            .iter()
            .map(|letter| {
                let leaving = letter.leaving.as_ref().expect("says so");
                (letter.user, leaving.place.as_str())
            })
            .collect();
        told.sort();
        let mut expected = vec![(bob.user.id, "acme"), (cleo.user.id, "acme/shop")];
        // The group inherits the organization's policy.
        expected.push((bob.user.id, "acme/shop"));
        expected.sort();
        assert_eq!(told, expected, "each was told once");

        // Cleo signs in again; bob does not.
        let cleo_again = start.sign_in("cleo", PASSWORD).await.expect("enters");
        start.ctx(&cleo_again).await;
        start.world.clock.advance_days(6);
        start.daily().await;
        assert_eq!(
            start.roles(bob.user.id).await.len(),
            2,
            "the week is not over"
        );
        start.world.clock.advance_days(1);
        start.daily().await;
        assert!(start.roles(bob.user.id).await.is_empty());
        for stays in [cleo.user.id, dora.user.id, ada_id(&start)] {
            assert!(!start.roles(stays).await.is_empty());
        }
        let audit = start.audit(&start.acme.id.to_string()).await;
        let count = |action: &str| audit.iter().filter(|of| *of == action).count();
        assert_eq!(count("member.inactive_warned"), 3);
        assert_eq!(count("member.inactive_removed"), 2);
        assert_eq!(count("member.removed"), 2);
    }
}

#[tokio::test]
async fn who_is_given_another_role_is_told_anew_before_it_ends() {
    for stores in Stores::ALL {
        let start = strict(stores).await;
        let cleo = start.join("cleo", start.shop(), Role::Reader).await;
        start.world.clock.advance_days(84);
        start.daily().await;
        assert_eq!(start.letters().await.len(), 1);
        start.world.clock.advance_days(6);
        let system = start.world.system();
        member::set_role(&system, start.shop(), cleo.user.id, Role::Developer)
            .await
            .expect("is given");
        // The week of the first letter is over, but that was about another role.
        start.world.clock.advance_days(1);
        start.daily().await;
        assert_eq!(start.roles(cleo.user.id).await, [start.shop()]);
        assert_eq!(start.letters().await.len(), 2, "{stores:?}");
        start.world.clock.advance_days(6);
        start.daily().await;
        assert_eq!(start.roles(cleo.user.id).await, [start.shop()]);
        start.world.clock.advance_days(1);
        start.daily().await;
        assert!(start.roles(cleo.user.id).await.is_empty());
    }
}

#[tokio::test]
async fn an_organization_keeps_the_owner_who_came_last() {
    let start = strict(Stores::Memory).await;
    let bob = start.join("bob", start.acme(), Role::Owner).await;
    start.world.clock.advance_days(30);
    let again = start.sign_in("bob", PASSWORD).await.expect("enters");
    start.ctx(&again).await;
    for _ in 0..400 {
        start.world.clock.advance_days(1);
        start.daily().await;
    }
    assert!(
        start.roles(ada_id(&start)).await.contains(&Scope::Instance),
        "not of an organization"
    );
    assert!(!start.roles(ada_id(&start)).await.contains(&start.acme()));
    assert_eq!(start.roles(bob.user.id).await, [start.acme()]);
}

#[tokio::test]
async fn a_group_may_say_something_else_and_nobody_may_say_too_little() {
    let start = strict(Stores::Memory).await;
    let bob = start.join("bob", start.shop(), Role::Reader).await;
    let system = start.world.system();
    let never = |inactivity_days| UpdateGroup {
        policy: PolicyChange {
            inactivity_days: set(inactivity_days),
            ..PolicyChange::default()
        },
        ..UpdateGroup::default()
    };
    let refused = group::update(&system, start.shop.id, never(13)).await;
    assert_eq!(code(refused), "policy.range");
    group::update(&system, start.shop.id, never(0))
        .await
        .expect("is set");
    start.world.clock.advance_days(300);
    start.daily().await;
    start.world.clock.advance_days(8);
    start.daily().await;
    assert_eq!(start.roles(bob.user.id).await, [start.shop()]);
    let bobs = start.sign_in("bob", PASSWORD).await.expect("enters");
    let bobs = start.ctx(&bobs).await;
    let page = PageRequest::first(10);
    let seen = inactivity::preview(&bobs, start.acme.id, None, page).await;
    assert_eq!(code(seen), "auth.forbidden");
}

#[tokio::test]
async fn a_preview_comes_in_pages_that_leave_nobody_out() {
    for stores in Stores::ALL {
        let start = strict(stores).await;
        let names = ["bob", "cleo", "dora", "emil", "fred", "gina", "hugo"];
        for name in names {
            start.join(name, start.shop(), Role::Reader).await;
        }
        start.world.clock.advance_days(30);
        // They come, so that a page of memberships holds fewer than it shows.
        for name in ["cleo", "emil", "gina"] {
            let again = start.sign_in(name, PASSWORD).await.expect("enters");
            start.ctx(&again).await;
        }
        let whole = start.verdicts(Some(14)).await;
        let mut away: Vec<&str> = whole.iter().map(|(name, _)| name.as_str()).collect();
        away.sort_unstable();
        assert_eq!(away, ["ada", "bob", "dora", "fred", "hugo"]);
        for first in 1..=6 {
            let mut seen = Vec::new();
            let mut pages = 0;
            let mut wanted = PageRequest::first(first);
            loop {
                let page = start.preview(Some(14), wanted.clone()).await;
                assert!(page.items.len() <= first, "{first}: {:?}", page.items);
                seen.extend(page.items);
                pages += 1;
                match page.next {
                    Some(next) => wanted.after = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen, whole, "in pages of {first}");
            assert_eq!(pages, whole.len().div_ceil(first), "in pages of {first}");
        }
    }
}

#[tokio::test]
async fn coming_costs_one_write_a_day() {
    let start = start().await;
    start.ada().await;
    let writes = |calls: Calls| calls.commit;
    start.world.calls.take();
    // Within the minute in which a session's own last use is not written either.
    for _ in 0..20 {
        start.ada().await;
    }
    assert_eq!(writes(start.world.calls.take()), 0);
    let seen = || async {
        let store = start.world.ports.store.as_ref();
        let user = repo::require::<User>(store, ada_id(&start))
            .await
            .expect("is there");
        (user.version, user.seen)
    };
    let before = seen().await;
    let mut last = before;
    let mut written = 0;
    for _ in 0..3 * 24 {
        start.world.clock.advance_millis(3_600_000);
        start.ada().await;
        let now = seen().await;
        written += i32::from(now != last);
        last = now;
    }
    assert_eq!(written, 3, "three days");
    assert_eq!(last.0, before.0 + 3);
    start.world.caught_up().await;
    let claimed = start.world.jobs().claim("worker", &[KIND]).await;
    assert!(
        claimed.expect("claims").is_none(),
        "nothing follows from it at once"
    );
}
