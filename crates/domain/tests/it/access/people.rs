//! Accounts: the first one, passwords, one-time links, disabling.

use super::*;
use async_trait::async_trait;
use gna_domain::port::ChangeSet;
use gna_testkit::{AtCommit, StoreBetween};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[tokio::test]
async fn the_first_administrator_claims_once_on_every_store() {
    for stores in Stores::ALL {
        let start = start_on(stores).await;
        let ada = start.ada().await;
        assert!(ada.grants.instance_admin);
        assert!(ada.can(Action::MemberManage, Resource::Organization(start.acme.id)));
        let system = start.world.system();
        assert!(
            bootstrap::claim_link(&system)
                .await
                .expect("asks")
                .is_none(),
            "{stores:?}"
        );
        assert_eq!(
            start.audit(INSTANCE).await,
            [
                "instance.claim_link_made",
                "member.added",
                "instance.claimed",
                "session.opened"
            ]
        );
        assert_eq!(
            start.audit(&start.acme.id.to_string()).await,
            ["organization.created", "member.added"]
        );
    }
}

/// Lets another link claim before one of the reads.
struct Overtaken {
    anonymous: Ctx,
    link: Secret,
    at: usize,
    reads: AtomicUsize,
    claimed: AtomicBool,
}

#[async_trait]
impl AtCommit for Overtaken {
    async fn before(&self, _: &ChangeSet) -> gna_domain::error::Result<()> {
        Ok(())
    }

    async fn reads(&self) {
        if self.reads.fetch_add(1, Ordering::SeqCst) == self.at {
            let claim = bootstrap::claim(&self.anonymous, &self.link, claim("eve"));
            let claimed = claim.await.is_ok();
            self.claimed.store(claimed, Ordering::SeqCst);
        }
    }
}

fn claim(name: &str) -> Claim {
    Claim {
        person: person(name),
        organization: None,
        origin: Origin::default(),
    }
}

#[tokio::test]
async fn whenever_another_link_claims_there_is_one_administrator() {
    for at in 0.. {
        let mut world = World::new().await;
        let mut links = Vec::new();
        for _ in 0..2 {
            let link = bootstrap::claim_link(&world.system()).await;
            links.push(link.expect("mints").expect("unclaimed"));
        }
        let overtaken = Arc::new(Overtaken {
            anonymous: world.anonymous(),
            link: links.remove(0),
            at,
            reads: AtomicUsize::new(0),
            claimed: AtomicBool::new(false),
        });
        world.ports.store = Arc::new(StoreBetween {
            inner: world.ports.store.clone(),
            with: overtaken.clone(),
        });
        let claimed = bootstrap::claim(&world.anonymous(), &links[0], claim("ada")).await;
        if overtaken.reads.load(Ordering::SeqCst) <= at {
            assert!(at > 3, "it reads more than that");
            return;
        }
        let other = overtaken.claimed.load(Ordering::SeqCst);
        assert!(claimed.is_ok() != other, "exactly one, at read {at}");
    }
}

#[tokio::test]
async fn of_two_links_one_claims_and_the_other_is_dead() {
    let world = World::new().await;
    let system = world.system();
    let mut links = Vec::new();
    for _ in 0..2 {
        links.push(
            bootstrap::claim_link(&system)
                .await
                .expect("mints")
                .expect("unclaimed"),
        );
    }
    let anonymous = world.anonymous();
    let (ada, eve) = tokio::join!(
        bootstrap::claim(&anonymous, &links[0], claim("ada")),
        bootstrap::claim(&anonymous, &links[1], claim("eve")),
    );
    assert!(ada.is_ok() != eve.is_ok(), "exactly one");
    for link in &links {
        assert_eq!(
            code(bootstrap::look_at(&anonymous, link).await),
            "link.not_found"
        );
    }
    assert_eq!(
        code(bootstrap::claim_link(&anonymous).await),
        "auth.required"
    );
}

#[tokio::test]
async fn a_claim_link_expires() {
    let world = World::new().await;
    let link = bootstrap::claim_link(&world.system())
        .await
        .expect("mints")
        .expect("unclaimed");
    assert!(bootstrap::look_at(&world.anonymous(), &link).await.is_ok());
    world.clock.advance_millis(LINK_MS);
    assert_eq!(
        code(bootstrap::look_at(&world.anonymous(), &link).await),
        "link.not_found"
    );
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_needs_the_old_one() {
    let start = start().await;
    let other = start.sign_in("ada", PASSWORD).await.expect("signs in");
    let ada = start.enter(&start.ada).await.expect("holds");
    let change = |current: &str, next: &str| ChangePassword {
        current: Secret::new(current),
        next: Secret::new(next),
        keep: ada.session,
        origin: Origin::default(),
    };
    for (current, next, refusal) in [
        (
            "wrong horse battery",
            "a new long password",
            "auth.wrong_password",
        ),
        (PASSWORD, "short", "password.length"),
        (PASSWORD, "Ada@Example.com", "password.guessable"),
    ] {
        assert_eq!(
            code(account::change_password(&ada.ctx, change(current, next)).await),
            refusal
        );
    }
    account::change_password(&ada.ctx, change(PASSWORD, "a new long password"))
        .await
        .expect("changes");
    assert!(start.enter(&start.ada).await.is_ok());
    assert!(start.enter(&other).await.is_err());
    assert_eq!(code(start.sign_in("ada", PASSWORD).await), "auth.wrong");
    assert!(start.sign_in("ada", "a new long password").await.is_ok());
}

#[tokio::test]
async fn a_reset_link_works_once_for_a_day_and_ends_sessions() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Member).await;
    let ada = start.ada().await;
    let bobs = start.ctx(&bob).await;
    assert_eq!(
        code(user::reset_link(&bobs, ada_id(&start)).await),
        "not_found"
    );

    let first = user::reset_link(&ada, bob.user.id).await.expect("mints");
    let second = user::reset_link(&ada, bob.user.id).await.expect("mints");
    let anonymous = start.world.anonymous();
    let found = link::look_at(&anonymous, &first).await.expect("looks");
    assert_eq!(found.email, email("bob"));
    let next = || Secret::new("a new long password");
    link::set_password(&anonymous, &first, next())
        .await
        .expect("sets");
    for used in [&first, &second] {
        assert_eq!(
            code(link::set_password(&anonymous, used, next()).await),
            "link.not_found"
        );
    }
    assert!(start.enter(&bob).await.is_err());
    assert!(start.sign_in("bob", "a new long password").await.is_ok());

    let third = user::reset_link(&ada, bob.user.id).await.expect("mints");
    start.world.clock.advance_millis(LINK_MS);
    assert_eq!(
        code(link::look_at(&anonymous, &third).await),
        "link.not_found"
    );
}

#[tokio::test]
async fn an_account_is_made_without_a_password_and_gets_one_by_its_link() {
    let start = start().await;
    let ada = start.ada().await;
    let (carol, link) = user::create(&ada, " Carol@example.com ", "Carol")
        .await
        .expect("makes");
    assert_eq!(
        code(user::create(&ada, "carol@EXAMPLE.com", "C").await),
        "user.exists"
    );
    assert_eq!(code(start.sign_in("carol", PASSWORD).await), "auth.wrong");
    let anonymous = start.world.anonymous();
    link::set_password(&anonymous, &link, Secret::new(PASSWORD))
        .await
        .expect("sets");
    let signed_in = start.sign_in("carol", PASSWORD).await.expect("signs in");
    assert_eq!(signed_in.user.id, carol.id);
    let carols = start.ctx(&signed_in).await;
    let me = account::me(&carols).await.expect("tells");
    assert!(me.organizations.is_empty() && me.permissions.is_empty());
    assert_eq!(
        code(user::list(&carols, PageRequest::first(10)).await),
        "not_found"
    );
    start.world.caught_up().await;
    let users = user::list(&ada, PageRequest::first(10))
        .await
        .expect("lists");
    let addresses: Vec<&str> = users.items.iter().map(|user| user.email.as_str()).collect();
    assert_eq!(addresses, ["ada@example.com", "carol@example.com"]);
}

#[tokio::test]
async fn a_disabled_person_loses_everything_at_once_and_gets_roles_back_but_no_sessions() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Owner).await;
    let bobs = start.ctx(&bob).await;
    let (token, _) = token::create(&bobs, start.token(&["organization.read"], 5))
        .await
        .expect("makes");
    let ada = start.ada().await;
    user::disable(&ada, bob.user.id).await.expect("disables");
    assert!(start.enter(&bob).await.is_err());
    assert!(start.bearer(&token).await.is_err());
    assert_eq!(code(start.sign_in("bob", PASSWORD).await), "auth.disabled");
    assert_eq!(
        code(start.sign_in("bob", "wrong horse battery").await),
        "auth.wrong"
    );
    // With Bob locked out, Ada is the last one who can act as owner.
    assert_eq!(
        code(member::remove(&ada, start.acme(), ada_id(&start)).await),
        "member.last_owner"
    );
    assert_eq!(
        code(member::set_role(&ada, start.shop(), bob.user.id, Role::Reader).await),
        "user.disabled"
    );

    user::enable(&ada, bob.user.id).await.expect("enables");
    user::enable(&ada, bob.user.id)
        .await
        .expect("again is no error");
    assert!(start.enter(&bob).await.is_err(), "old sessions stay over");
    let again = start.sign_in("bob", PASSWORD).await.expect("signs in");
    assert!(
        start
            .ctx(&again)
            .await
            .can(Action::MemberManage, Resource::Organization(start.acme.id))
    );
    member::remove(&ada, start.acme(), ada_id(&start))
        .await
        .expect("Bob can act again");
    assert_eq!(
        code(user::disable(&ada, bob.user.id).await),
        "member.last_owner"
    );
    assert_eq!(
        code(user::disable(&ada, ada_id(&start)).await),
        "member.last_owner"
    );
}

#[tokio::test]
async fn a_deleted_person_leaves_nothing_but_an_id_on_every_store() {
    for stores in Stores::ALL {
        let start = start_on(stores).await;
        let ada = start.ada().await;
        let bob = start.join("bob", start.acme(), Role::Owner).await;
        member::set_role(&ada, start.shop(), bob.user.id, Role::Triager)
            .await
            .expect("gives");
        let bobs = start.ctx(&bob).await;
        let (token, _) = token::create(&bobs, start.token(&["organization.read"], 5))
            .await
            .expect("makes");
        let reset = user::reset_link(&ada, bob.user.id).await.expect("mints");
        assert_eq!(
            code(user::delete(&ada, ada_id(&start)).await),
            "member.last_owner",
            "the last administrator stays"
        );
        assert_eq!(code(user::delete(&bobs, ada_id(&start)).await), "not_found");

        user::delete(&ada, bob.user.id).await.expect("deletes");
        assert!(start.enter(&bob).await.is_err());
        assert!(start.bearer(&token).await.is_err());
        assert_eq!(code(start.sign_in("bob", PASSWORD).await), "auth.wrong");
        let anonymous = start.world.anonymous();
        let by_link = link::set_password(&anonymous, &reset, Secret::new(PASSWORD)).await;
        assert_eq!(code(by_link), "link.not_found");
        for again in [
            user::delete(&ada, bob.user.id).await,
            user::enable(&ada, bob.user.id).await.map(|_| ()),
            user::disable(&ada, bob.user.id).await.map(|_| ()),
            user::reset_link(&ada, bob.user.id).await.map(|_| ()),
            user::get(&ada, bob.user.id).await.map(|_| ()),
            user::find(&ada, "bob@example.com").await.map(|_| ()),
        ] {
            assert_eq!(code(again), "not_found");
        }
        start.world.caught_up().await;
        for scope in [start.acme(), start.shop()] {
            let members = member::list(&ada, scope, PageRequest::first(9))
                .await
                .expect("lists");
            assert!(members.items.iter().all(|held| held.user.id != bob.user.id));
        }
        let users = user::list(&ada, PageRequest::first(9))
            .await
            .expect("lists");
        assert_eq!(users.items.len(), 1);
        // Without Bob, Ada is the last owner again.
        assert_eq!(
            code(member::remove(&ada, start.acme(), ada_id(&start)).await),
            "member.last_owner"
        );

        // History finds the id, and nothing that names its person.
        let store = start.world.ports.store.as_ref();
        let kept = repo::require::<User>(store, bob.user.id)
            .await
            .expect("kept");
        assert_eq!(kept.name, "deleted user");
        let kept = serde_json::to_string(&kept.value).expect("writes as JSON");
        assert!(
            !kept.contains("bob") && !kept.contains("password\":"),
            "{kept}"
        );
        let audit = start.audit(INSTANCE).await;
        assert!(audit.contains(&"user.deleted".to_owned()), "{audit:?}");
        // The address is free again.
        start.join("bob", start.acme(), Role::Member).await;
    }
}

#[tokio::test]
async fn no_secret_is_in_the_store() {
    let start = start().await;
    let ada = start.ada().await;
    let (token, _) = token::create(&ada, start.token(&["group.read"], 1))
        .await
        .expect("makes");
    let (invitation, _) = invitation::create(&ada, start.acme(), Role::Member, None)
        .await
        .expect("invites");
    let (_, link) = user::create(&ada, "bob@example.com", "Bob")
        .await
        .expect("makes");
    let secrets = [&start.ada.secret, &token, &invitation, &link];
    for collection in gna_storage::collection::COLLECTIONS {
        let page = PageRequest::first(1_000);
        let records = start
            .world
            .ports
            .store
            .scan(collection.name, &page)
            .await
            .expect("scans");
        for record in records.items {
            let body = String::from_utf8_lossy(&record.body).into_owned() + &record.key.partition;
            for secret in secrets {
                assert!(
                    !body.contains(secret.expose()),
                    "{} holds a secret",
                    collection.name
                );
            }
            assert!(
                !body.contains(PASSWORD),
                "{} holds a password",
                collection.name
            );
        }
    }
}
