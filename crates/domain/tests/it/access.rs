//! People, sessions, tokens, invitations and roles, as services on a store.

use gna_domain::ctx::{Actor, Ctx};
use gna_domain::error::Error;
use gna_domain::id::{GroupId, OrganizationId, TypedId, UserId};
use gna_domain::model::{
    AuditEntry, Email, Group, INSTANCE, INVITATION_MS, LINK_MS, Organization, Origin,
    SESSION_IDLE_MS, SESSION_MS, Scope, User,
};
use gna_domain::page::PageRequest;
use gna_domain::policy::{Action, Role};
use gna_domain::port::repo;
use gna_domain::rules::throttle::{PER_ACCOUNT, WINDOW_MS};
use gna_domain::secret::Secret;
use gna_domain::service::account::{self, ChangePassword};
use gna_domain::service::authenticate::{Caller, Credential, authenticate};
use gna_domain::service::bootstrap::{self, Claim};
use gna_domain::service::sign_in::{SignIn, SignedIn, sign_in};
use gna_domain::service::token::NewToken;
use gna_domain::service::user::NewPerson;
use gna_domain::service::{invitation, link, member, session, token, user};
use gna_domain::{Resource, Result};
use gna_storage::backend::counting::Calls;
use gna_testkit::{Stores, World};
use proptest::prelude::*;

const PASSWORD: &str = "correct horse battery";

fn person(name: &str) -> NewPerson {
    NewPerson {
        email: format!("{name}@example.com"),
        name: name.to_owned(),
        password: Secret::new(PASSWORD),
    }
}

fn email(name: &str) -> Email {
    Email::new(&format!("{name}@example.com")).expect("an address")
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result
        .map_err(|error: Error| error.code())
        .expect_err("must be refused")
}

/// Ada has claimed the instance and owns the organization `acme` with the group `shop`.
struct Start {
    world: World,
    ada: SignedIn,
    acme: Organization,
    shop: Group,
}

async fn start() -> Start {
    start_on(Stores::Memory).await
}

async fn start_on(stores: Stores) -> Start {
    let world = World::on(stores).await;
    let secret = bootstrap::claim_link(&world.system())
        .await
        .expect("mints")
        .expect("unclaimed");
    let claim = Claim {
        person: person("ada"),
        organization: Some("Acme".to_owned()),
        origin: Origin::default(),
    };
    let ada = bootstrap::claim(&world.anonymous(), &secret, claim)
        .await
        .expect("claims");
    let acme = repo::find::<Organization>(world.ports.store.as_ref(), "slug", &["acme"]).await;
    let acme = acme.expect("reads").expect("was made").value;
    let shop = world.group(&acme, "shop").await;
    Start {
        world,
        ada,
        acme,
        shop,
    }
}

impl Start {
    async fn enter(&self, signed_in: &SignedIn) -> Result<Caller> {
        authenticate(
            &self.world.ports,
            &Credential::Session(signed_in.secret.clone()),
        )
        .await
    }

    async fn ctx(&self, signed_in: &SignedIn) -> Ctx {
        self.enter(signed_in).await.expect("the session holds").ctx
    }

    async fn ada(&self) -> Ctx {
        self.ctx(&self.ada).await
    }

    /// Someone new, by an invitation of Ada's.
    async fn join(&self, name: &str, scope: Scope, role: Role) -> SignedIn {
        let ada = self.ada().await;
        let (secret, _) = invitation::create(&ada, scope, role, Some(email(name)))
            .await
            .expect("invites");
        let anonymous = self.world.anonymous();
        invitation::accept_as_new(&anonymous, &secret, person(name), Origin::default())
            .await
            .expect("accepts")
    }

    fn acme(&self) -> Scope {
        Scope::Organization(self.acme.id)
    }

    fn shop(&self) -> Scope {
        Scope::Group(self.shop.id)
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn> {
        let input = SignIn {
            email: format!("{name}@example.com"),
            password: Secret::new(password),
            origin: Origin::default(),
        };
        sign_in(&self.world.anonymous(), input).await
    }

    async fn audit(&self, partition: &str) -> Vec<String> {
        let store = self.world.ports.store.as_ref();
        let entries = repo::all_children::<AuditEntry>(store, partition)
            .await
            .expect("reads");
        entries
            .into_iter()
            .map(|entry| entry.value.action)
            .collect()
    }

    fn token(&self, scopes: &[&str], days: i64) -> NewToken {
        NewToken {
            name: "pipeline".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            expires: self.world.ports.clock.now().plus_days(days),
        }
    }

    async fn bearer(&self, secret: &Secret) -> Result<Caller> {
        authenticate(&self.world.ports, &Credential::Bearer(secret.clone())).await
    }
}

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
    let claim = |name| Claim {
        person: person(name),
        organization: None,
        origin: Origin::default(),
    };
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
async fn signing_in_tells_nothing_and_signing_out_ends_the_session() {
    let start = start().await;
    for (name, password) in [
        ("ada", "wrong horse battery"),
        ("nobody", PASSWORD),
        ("", ""),
    ] {
        assert_eq!(
            code(start.sign_in(name, password).await),
            "auth.wrong",
            "{name}"
        );
    }
    let signed_in = start.sign_in("ADA", PASSWORD).await.expect("signs in");
    let ctx = start.ctx(&signed_in).await;
    assert_eq!(ctx.actor, Actor::User(start.ada.user.id));
    session::sign_out(&ctx, &signed_in.secret)
        .await
        .expect("signs out");
    session::sign_out(&ctx, &signed_in.secret)
        .await
        .expect("again is no error");
    assert_eq!(
        start
            .enter(&signed_in)
            .await
            .err()
            .map(|error| error.code()),
        Some("auth.invalid")
    );
    assert!(
        start.enter(&start.ada).await.is_ok(),
        "the other session goes on"
    );
}

#[tokio::test]
async fn sessions_end_unused_after_a_week_and_used_after_a_month() {
    let start = start().await;
    let unused = start.sign_in("ada", PASSWORD).await.expect("signs in");
    for _ in 0..(SESSION_MS / SESSION_IDLE_MS) {
        start.world.clock.advance_millis(SESSION_IDLE_MS - 1);
        assert!(start.enter(&start.ada).await.is_ok(), "used within a week");
        assert!(
            start.enter(&unused).await.is_err() || unused.session.seen == unused.session.created
        );
    }
    start.world.clock.advance_millis(SESSION_IDLE_MS - 1);
    assert!(start.enter(&start.ada).await.is_err(), "over a month old");

    let again = start.sign_in("ada", PASSWORD).await.expect("signs in");
    start.world.clock.advance_millis(SESSION_IDLE_MS);
    assert!(start.enter(&again).await.is_err(), "a week unused");
}

#[tokio::test]
async fn a_call_costs_two_reads_and_a_write_at_most_once_a_minute() {
    let start = start().await;
    start.join("bob", start.shop(), Role::Reader).await;
    let (secret, _) = token::create(&start.ada().await, start.token(&["group.read"], 1))
        .await
        .expect("makes");
    for credential in [
        Credential::Session(start.ada.secret.clone()),
        Credential::Bearer(secret),
    ] {
        start.world.clock.advance_millis(60_000);
        start.world.calls.take();
        let quiet = Calls {
            get_many: 1,
            query_many: 1,
            ..Calls::default()
        };
        // The store reads the unique values of what it replaces.
        let written = Calls {
            get_many: 2,
            commit: 1,
            ..quiet
        };
        for expected in [written, quiet] {
            authenticate(&start.world.ports, &credential)
                .await
                .expect("holds");
            assert_eq!(start.world.calls.take(), expected, "{credential:?}");
        }
    }
}

#[tokio::test]
async fn people_end_their_own_sessions_and_no_one_elses() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Member).await;
    let phone = start.sign_in("ada", PASSWORD).await.expect("signs in");
    let laptop = start.sign_in("ada", PASSWORD).await.expect("signs in");
    let ada = start.enter(&laptop).await.expect("holds");
    assert_eq!(session::list(&ada.ctx).await.expect("lists").len(), 3);

    let bobs = start.ctx(&bob).await;
    assert_eq!(
        code(session::revoke(&bobs, phone.session.id).await),
        "not_found"
    );
    session::revoke(&ada.ctx, phone.session.id)
        .await
        .expect("revokes");
    assert!(start.enter(&phone).await.is_err());

    session::revoke_others(&ada.ctx, ada.session)
        .await
        .expect("revokes");
    assert!(start.enter(&start.ada).await.is_err());
    assert!(
        start.enter(&laptop).await.is_ok(),
        "the one that asked goes on"
    );
    assert!(start.enter(&bob).await.is_ok());
    let left = session::list(&ada.ctx).await.expect("lists");
    assert_eq!(
        left.iter().map(|session| session.id).collect::<Vec<_>>(),
        [laptop.session.id]
    );
    assert_eq!(
        code(session::list(&start.world.anonymous()).await),
        "auth.required"
    );
}

#[tokio::test]
async fn guessing_must_wait_also_after_a_restart_and_for_unknown_accounts() {
    let start = start().await;
    for name in ["ada", "nobody"] {
        for _ in 0..PER_ACCOUNT {
            assert_eq!(
                code(start.sign_in(name, "wrong horse battery").await),
                "auth.wrong"
            );
        }
        // The right password does not help either; nothing of this is kept in the process.
        let refused = start.sign_in(name, PASSWORD).await.expect_err("must wait");
        assert_eq!(refused.code(), "auth.throttled");
        assert!(
            refused.message().contains("seconds"),
            "{}",
            refused.message()
        );
    }
    start.world.clock.advance_millis(2 * WINDOW_MS);
    assert!(start.sign_in("ada", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn success_forgives_what_failed_before() {
    let start = start().await;
    for _ in 0..3 {
        for _ in 0..PER_ACCOUNT - 1 {
            assert_eq!(
                code(start.sign_in("ada", "wrong horse battery").await),
                "auth.wrong"
            );
        }
        assert!(start.sign_in("ada", PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn one_source_is_throttled_over_all_accounts() {
    let start = start().await;
    let attempt = async |number: u32, address: &str| {
        let input = SignIn {
            email: format!("user{number}@example.com"),
            password: Secret::new("wrong horse battery"),
            origin: Origin::new(address.parse().ok(), None),
        };
        code(sign_in(&start.world.anonymous(), input).await)
    };
    for number in 0..gna_domain::rules::throttle::PER_SOURCE {
        let address = format!("2001:db8::{number:x}");
        assert_eq!(
            attempt(number, &address).await,
            "auth.wrong",
            "one /64 is one source"
        );
    }
    assert_eq!(attempt(200, "2001:db8::ffff").await, "auth.throttled");
    assert_eq!(attempt(201, "2001:db8:0:1::1").await, "auth.wrong");
}

#[tokio::test]
async fn ten_guesses_at_once_count_as_ten() {
    let start = start().await;
    let guesses = (0..30).map(|_| start.sign_in("ada", "wrong horse battery"));
    let answers = futures::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| {
        answer
            .as_ref()
            .is_err_and(|error| error.code() == "auth.wrong")
    });
    assert!(looked_at.count() <= PER_ACCOUNT as usize);
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

fn ada_id(start: &Start) -> UserId {
    start.ada.user.id
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
async fn an_invitation_works_once_for_its_address_within_a_week() {
    let start = start().await;
    let ada = start.ada().await;
    let anonymous = start.world.anonymous();
    let invite = async |name: Option<&str>| {
        invitation::create(&ada, start.shop(), Role::Triager, name.map(email))
            .await
            .expect("invites")
    };
    let (secret, _) = invite(Some("bob")).await;
    let offer = invitation::look_at(&anonymous, &secret)
        .await
        .expect("looks");
    assert_eq!(
        (offer.organization.as_str(), offer.group.as_deref()),
        ("Acme", Some("shop"))
    );
    assert!(!offer.has_account && offer.role == Role::Triager);

    let eve = invitation::accept_as_new(&anonymous, &secret, person("eve"), Origin::default());
    assert_eq!(code(eve.await), "invitation.other_address");
    assert_eq!(
        code(invitation::accept(&ada, &secret).await),
        "invitation.other_address"
    );
    let both =
        futures::future::join_all((0..2).map(|_| {
            invitation::accept_as_new(&anonymous, &secret, person("bob"), Origin::default())
        }))
        .await;
    assert_eq!(
        both.iter().filter(|answer| answer.is_ok()).count(),
        1,
        "single use"
    );
    assert_eq!(
        code(invitation::look_at(&anonymous, &secret).await),
        "invitation.not_found"
    );
    let bob = both.into_iter().flatten().next().expect("one");
    let bobs = start.ctx(&bob).await;
    assert!(bobs.can(
        Action::VulnerabilityDecide,
        Resource::Group(start.acme.id, start.shop.id)
    ));
    assert!(!bobs.can(Action::MemberRead, Resource::Organization(start.acme.id)));

    // Whoever has the link of one without an address.
    let (secret, _) = invite(None).await;
    assert_eq!(
        code(
            invitation::accept_as_new(&anonymous, &secret, person("bob"), Origin::default()).await
        ),
        "user.exists"
    );
    invitation::accept(&bobs, &secret).await.expect("accepts");

    let (late, _) = invite(None).await;
    start.world.clock.advance_millis(INVITATION_MS);
    assert_eq!(
        code(invitation::look_at(&anonymous, &late).await),
        "invitation.not_found"
    );
}

#[tokio::test]
async fn accepting_never_narrows_a_role_and_is_listed_until_then() {
    let start = start().await;
    let bob = start.join("bob", start.shop(), Role::Manager).await;
    let bobs = start.ctx(&bob).await;
    let ada = start.ada().await;
    let (secret, open) = invitation::create(&ada, start.shop(), Role::Reader, None)
        .await
        .expect("invites");
    let page = || PageRequest::first(10);
    let listed = invitation::list_everywhere(&ada, start.acme.id, page())
        .await
        .expect("lists");
    assert_eq!(
        listed
            .items
            .iter()
            .map(|invitation| invitation.id)
            .collect::<Vec<_>>(),
        [open.id]
    );
    invitation::accept(&bobs, &secret).await.expect("accepts");
    assert!(
        invitation::list(&ada, start.shop(), page())
            .await
            .expect("lists")
            .items
            .is_empty()
    );
    let bobs = start.ctx(&bob).await;
    assert_eq!(
        bobs.grants
            .groups
            .get(&start.shop.id)
            .map(|(_, role)| *role),
        Some(Role::Manager)
    );
}

#[tokio::test]
async fn an_invitation_is_worth_what_its_maker_may_still_grant() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Owner).await;
    let bobs = start.ctx(&bob).await;
    let make = async |role| {
        invitation::create(&bobs, start.acme(), role, None)
            .await
            .expect("invites")
            .0
    };
    let (owner, member) = (make(Role::Owner).await, make(Role::Member).await);
    let revoked = invitation::create(&bobs, start.acme(), Role::Member, None)
        .await
        .expect("invites");
    let ada = start.ada().await;
    invitation::revoke(&ada, revoked.1.id)
        .await
        .expect("revokes");
    member::set_role(&ada, start.acme(), bob.user.id, Role::Member)
        .await
        .expect("changes");
    let anonymous = start.world.anonymous();
    for (secret, name) in [(owner, "eve"), (member, "mallory"), (revoked.0, "carol")] {
        let answer =
            invitation::accept_as_new(&anonymous, &secret, person(name), Origin::default());
        assert_eq!(code(answer.await), "invitation.not_found", "{name}");
    }
}

#[tokio::test]
async fn roles_are_given_by_who_manages_the_place_and_within_their_reach() {
    let start = start().await;
    let manager = start.join("manager", start.shop(), Role::Manager).await;
    let member = start.join("member", start.acme(), Role::Member).await;
    let reader = start.join("reader", start.shop(), Role::Reader).await;
    let admin = start.join("admin", start.acme(), Role::Member).await;
    let ada = start.ada().await;
    member::set_role(&ada, Scope::Instance, admin.user.id, Role::InstanceAdmin)
        .await
        .expect("gives");
    let outsider = user::create(&ada, "out@example.com", "Out")
        .await
        .expect("makes")
        .0;

    let by = [
        ("manager", &manager),
        ("member", &member),
        ("reader", &reader),
        ("admin", &admin),
    ];
    let ctx_of = async |name: &str| {
        let (_, who) = by.iter().find(|(known, _)| *known == name).expect("known");
        start.ctx(who).await
    };
    for (who, scope, whom, role, refusal) in [
        ("manager", start.shop(), member.user.id, Role::Triager, None),
        ("manager", start.shop(), reader.user.id, Role::Manager, None),
        (
            "manager",
            start.shop(),
            outsider.id,
            Role::Reader,
            Some("not_found"),
        ),
        (
            "manager",
            start.acme(),
            reader.user.id,
            Role::Member,
            Some("auth.forbidden"),
        ),
        (
            "manager",
            start.shop(),
            reader.user.id,
            Role::Owner,
            Some("role.misplaced"),
        ),
        (
            "member",
            start.acme(),
            reader.user.id,
            Role::Member,
            Some("auth.forbidden"),
        ),
        (
            "member",
            Scope::Instance,
            member.user.id,
            Role::InstanceAdmin,
            Some("not_found"),
        ),
        (
            "admin",
            start.acme(),
            admin.user.id,
            Role::Owner,
            Some("auth.forbidden"),
        ),
        (
            "admin",
            Scope::Instance,
            outsider.id,
            Role::InstanceAdmin,
            None,
        ),
    ] {
        let answer = member::set_role(&ctx_of(who).await, scope, whom, role).await;
        let refused = answer.err().map(|error| error.code());
        assert_eq!(refused, refusal, "{who} gives {role:?} on {scope}");
    }
    // Taking a role away needs the same.
    assert_eq!(
        code(member::remove(&ctx_of("member").await, start.acme(), admin.user.id).await),
        "auth.forbidden"
    );
    let unknown = Scope::Group(GroupId::from_uuid(uuid::Uuid::nil()));
    assert_eq!(
        code(member::remove(&ada, unknown, admin.user.id).await),
        "not_found"
    );
}

#[tokio::test]
async fn another_organization_learns_nothing() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Member).await;
    let other = start.world.organization("other").await;
    let system = start.world.system();
    let (eve, link) = user::create(&system, "eve@example.com", "Eve")
        .await
        .expect("makes");
    link::set_password(&start.world.anonymous(), &link, Secret::new(PASSWORD))
        .await
        .expect("sets");
    member::set_role(&system, Scope::Organization(other.id), eve.id, Role::Owner)
        .await
        .expect("gives");
    let eves = start
        .ctx(&start.sign_in("eve", PASSWORD).await.expect("signs in"))
        .await;
    let page = || PageRequest::first(10);
    let codes = [
        code(member::list(&eves, start.acme(), page()).await),
        code(member::list(&eves, start.shop(), page()).await),
        code(member::list_everywhere(&eves, start.acme.id, page()).await),
        code(member::place(&eves, "acme", None).await),
        code(member::place(&eves, "acme", Some("shop")).await),
        code(member::place(&eves, "no-such", None).await),
        code(member::remove(&eves, start.acme(), bob.user.id).await),
        code(invitation::create(&eves, start.acme(), Role::Member, None).await),
        code(invitation::list(&eves, start.shop(), page()).await),
        code(
            token::create_for_group(
                &eves,
                start.shop.id,
                Role::Ci,
                start.token(&["report.upload"], 1),
            )
            .await,
        ),
        code(token::list_of_group(&eves, start.shop.id).await),
        // Someone of another organization can't be pulled into one's own either.
        code(
            member::set_role(
                &eves,
                Scope::Organization(other.id),
                bob.user.id,
                Role::Member,
            )
            .await,
        ),
    ];
    assert!(codes.iter().all(|code| *code == "not_found"), "{codes:?}");
    let anonymous = start.world.anonymous();
    for answer in [
        code(member::list(&anonymous, start.acme(), page()).await),
        code(member::place(&anonymous, "acme", None).await),
        code(user::list(&anonymous, page()).await),
        code(account::me(&anonymous).await),
    ] {
        assert_eq!(answer, "auth.required");
    }
}

#[tokio::test]
async fn who_leaves_the_organization_leaves_its_groups() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Member).await;
    let ada = start.ada().await;
    member::set_role(&ada, start.shop(), bob.user.id, Role::Manager)
        .await
        .expect("gives");
    let bobs = start.ctx(&bob).await;
    let (token, _) = token::create(&bobs, start.token(&["group.read"], 9))
        .await
        .expect("makes");
    let reads = Resource::Group(start.acme.id, start.shop.id);
    assert!(
        start
            .bearer(&token)
            .await
            .expect("holds")
            .ctx
            .can(Action::GroupRead, reads)
    );

    let listed = member::list_everywhere(&ada, start.acme.id, PageRequest::first(10)).await;
    let listed: Vec<(String, Role)> = listed
        .expect("lists")
        .items
        .into_iter()
        .map(|member| (member.user.name, member.membership.role))
        .collect();
    let named = |name: &str, role| (name.to_owned(), role);
    assert_eq!(
        listed,
        [
            named("ada", Role::Owner),
            named("bob", Role::Manager),
            named("bob", Role::Member)
        ]
    );
    member::remove(&bobs, start.acme(), bob.user.id)
        .await
        .expect("everyone may leave");
    member::remove(&ada, start.acme(), bob.user.id)
        .await
        .expect("again is no error");
    let left = start.ctx(&bob).await;
    assert!(left.grants.organizations.is_empty() && left.grants.groups.is_empty());
    assert!(
        !start
            .bearer(&token)
            .await
            .expect("valid, but")
            .ctx
            .can(Action::GroupRead, reads)
    );
    let audit = start.audit(&start.acme.id.to_string()).await;
    assert_eq!(
        audit
            .iter()
            .filter(|action| *action == "member.removed")
            .count(),
        2
    );
}

#[tokio::test]
async fn of_two_owners_who_remove_each_other_at_once_one_stays() {
    for stores in Stores::ALL {
        let start = start_on(stores).await;
        let bob = start.join("bob", start.acme(), Role::Owner).await;
        let (ada, bobs) = (start.ada().await, start.ctx(&bob).await);
        let (first, second) = tokio::join!(
            member::remove(&ada, start.acme(), bob.user.id),
            member::remove(&bobs, start.acme(), ada_id(&start)),
        );
        assert!(
            first.is_ok() != second.is_ok(),
            "{stores:?}: {first:?} {second:?}"
        );
        let owners = member::owners(&start.world.system(), start.acme())
            .await
            .expect("reads");
        assert_eq!(owners.users.len(), 1);
    }
}

#[tokio::test]
async fn a_token_does_what_its_scopes_and_its_owner_may() {
    let start = start().await;
    let bob = start.join("bob", start.shop(), Role::Developer).await;
    let bobs = start.ctx(&bob).await;
    let shop = Resource::Group(start.acme.id, start.shop.id);
    let input = start.token(&["report.upload", "asset.write"], 30);
    let (secret, made) = token::create(&bobs, input).await.expect("makes");
    assert!(secret.expose().starts_with("gna_") && secret.expose().len() == 68);
    assert!(
        !format!("{made:?}").contains(secret.expose()),
        "only the digest is kept"
    );
    let caller = start.bearer(&secret).await.expect("holds");
    assert!(
        caller.ctx.can(Action::ReportUpload, shop),
        "in scope and in the role"
    );
    assert!(
        !caller.ctx.can(Action::AssetWrite, shop),
        "in scope, not in the role"
    );
    assert!(
        !caller.ctx.can(Action::VulnerabilityRead, shop),
        "in the role, not in scope"
    );
    // A token manages no account: neither tokens nor sessions nor passwords.
    for refused in [
        code(token::create(&caller.ctx, start.token(&["group.read"], 1)).await),
        code(token::list(&caller.ctx).await),
        code(session::list(&caller.ctx).await),
    ] {
        assert_eq!(refused, "auth.person_required");
    }
    assert_eq!(token::list(&bobs).await.expect("lists").len(), 1);
    let eve = start.join("eve", start.shop(), Role::Manager).await;
    assert_eq!(
        code(token::revoke(&start.ctx(&eve).await, made.id).await),
        "not_found"
    );
    token::revoke(&bobs, made.id).await.expect("revokes");
    assert!(start.bearer(&secret).await.is_err());
    for wrong in ["gna_", "gna_00", "", "x"] {
        assert!(start.bearer(&Secret::new(wrong)).await.is_err());
    }
}

#[tokio::test]
async fn a_token_expires_and_notes_its_last_use_by_the_hour() {
    let start = start().await;
    let ada = start.ada().await;
    let (secret, made) = token::create(&ada, start.token(&["group.read"], 2))
        .await
        .expect("makes");
    assert_eq!(made.used, None);
    let used = async || {
        token::list(&ada)
            .await
            .expect("lists")
            .first()
            .and_then(|token| token.used)
    };
    start.bearer(&secret).await.expect("holds");
    let first = used().await.expect("noted");
    start.world.clock.advance_millis(3_599_999);
    start.bearer(&secret).await.expect("holds");
    assert_eq!(used().await, Some(first), "within the hour");
    start.world.clock.advance_millis(1);
    start.bearer(&secret).await.expect("holds");
    assert_eq!(used().await, Some(first.plus_millis(3_600_000)));
    start.world.clock.advance_days(2);
    assert!(start.bearer(&secret).await.is_err());
    for (scopes, days, refusal) in [
        (&["group.read"][..], 367, "token.expiry"),
        (&["group.read"], 0, "token.expiry"),
        (&["fly"], 1, "token.scopes"),
        (&[], 1, "token.scopes"),
    ] {
        assert_eq!(
            code(token::create(&ada, start.token(scopes, days)).await),
            refusal
        );
    }
}

#[tokio::test]
async fn a_groups_token_outlives_who_made_it() {
    let start = start().await;
    let bob = start.join("bob", start.shop(), Role::Manager).await;
    let bobs = start.ctx(&bob).await;
    let input = || start.token(&["report.upload", "report.read"], 90);
    assert_eq!(
        code(token::create_for_group(&bobs, start.shop.id, Role::Owner, input()).await),
        "role.misplaced"
    );
    let (secret, made) = token::create_for_group(&bobs, start.shop.id, Role::Ci, input())
        .await
        .expect("makes");
    let ada = start.ada().await;
    member::remove(&ada, start.acme(), bob.user.id)
        .await
        .expect("removes");
    let caller = start.bearer(&secret).await.expect("holds");
    let shop = Resource::Group(start.acme.id, start.shop.id);
    assert!(caller.ctx.can(Action::ReportUpload, shop) && caller.user.is_none());
    assert_eq!(caller.ctx.actor.label(), made.id.to_string());
    assert_eq!(
        token::list_of_group(&ada, start.shop.id)
            .await
            .expect("lists")
            .len(),
        1
    );
    assert_eq!(
        code(token::list_of_group(&bobs_now(&start, &bob).await, start.shop.id).await),
        "not_found"
    );
    token::revoke(&ada, made.id)
        .await
        .expect("the owner revokes");
    assert!(start.bearer(&secret).await.is_err());
}

async fn bobs_now(start: &Start, bob: &SignedIn) -> Ctx {
    start.ctx(bob).await
}

#[tokio::test]
async fn the_operator_at_the_machine_makes_tokens_for_others_and_no_one_else_does() {
    let start = start().await;
    let operator = start.world.system();
    let input = || start.token(&["group.read"], 1);
    let (secret, _) = token::create_for(&operator, ada_id(&start), input())
        .await
        .expect("makes");
    assert!(start.bearer(&secret).await.is_ok());
    assert_eq!(
        code(token::create_for(&start.ada().await, ada_id(&start), input()).await),
        "auth.forbidden"
    );
}

#[tokio::test]
async fn me_lists_where_and_what() {
    let start = start().await;
    let bob = start.join("bob", start.shop(), Role::Reader).await;
    start.world.group(&start.acme, "app").await;
    let me = account::me(&start.ada().await).await.expect("tells");
    let acme = &me.organizations[0];
    let slugs: Vec<&str> = acme
        .groups
        .iter()
        .map(|group| group.group.slug.as_str())
        .collect();
    assert_eq!((acme.role, slugs), (Some(Role::Owner), vec!["app", "shop"]));
    assert!(me.permissions.contains(&"user.manage"));
    assert!(acme.permissions.contains(&"member.manage"));

    let me = account::me(&start.ctx(&bob).await).await.expect("tells");
    assert_eq!(me.user.map(|user| user.email), Some(email("bob")));
    let acme = &me.organizations[0];
    assert_eq!(
        (acme.role, acme.permissions.len(), acme.groups.len()),
        (None, 0, 1)
    );
    let shop = &acme.groups[0];
    assert_eq!(shop.role, Some(Role::Reader));
    assert!(shop.permissions.contains(&"vulnerability.read"));
    assert!(!shop.permissions.contains(&"report.upload"));
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

#[derive(Clone, Debug)]
enum Step {
    Set(usize, Role),
    Remove(usize),
    Disable(usize),
    Enable(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3usize;
    prop_oneof![
        (who.clone(), any::<bool>()).prop_map(|(who, owner)| Step::Set(
            who,
            if owner { Role::Owner } else { Role::Member }
        )),
        who.clone().prop_map(Step::Remove),
        who.clone().prop_map(Step::Disable),
        who.prop_map(Step::Enable),
    ]
}

async fn apply(ctx: &Ctx, scope: Scope, people: &[UserId], step: &Step) -> Result<()> {
    match step {
        Step::Set(who, role) => member::set_role(ctx, scope, people[*who], *role)
            .await
            .map(|_| ()),
        Step::Remove(who) => member::remove(ctx, scope, people[*who]).await,
        Step::Disable(who) => user::disable(ctx, people[*who]).await.map(|_| ()),
        Step::Enable(who) => user::enable(ctx, people[*who]).await.map(|_| ()),
    }
}

/// Those who hold the owner's role and can sign in, by reading every membership.
async fn acting_owners(
    world: &World,
    organization: OrganizationId,
    people: &[UserId],
) -> Vec<UserId> {
    let store = world.ports.store.as_ref();
    let mut owners = Vec::new();
    for id in people {
        let user = repo::require::<User>(store, *id).await.expect("is there");
        let held =
            repo::all_children::<gna_domain::model::Membership>(store, &id.to_string()).await;
        let owns = held.expect("reads").iter().any(|held| {
            held.scope == Scope::Organization(organization) && held.role == Role::Owner
        });
        if owns && !user.is_disabled() {
            owners.push(*id);
        }
    }
    owners.sort_unstable();
    owners
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Pairs of changes at once, in any order: there is always an owner who can act, and the roll
    /// names exactly those.
    #[test]
    fn the_roll_names_the_owners_who_can_act_and_is_never_empty(
        steps in prop::collection::vec((step(), step()), 1..16)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new().await;
            let system = world.system();
            let acme = world.organization("acme").await;
            let scope = Scope::Organization(acme.id);
            let mut people = Vec::new();
            for name in ["ada", "bob", "cyd"] {
                let address = format!("{name}@example.com");
                people.push(user::create(&system, &address, name).await.expect("makes").0.id);
            }
            member::set_role(&system, scope, people[0], Role::Owner).await.expect("gives");
            for (one, other) in &steps {
                let answers = tokio::join!(
                    apply(&system, scope, &people, one),
                    apply(&system, scope, &people, other),
                );
                for answer in [answers.0, answers.1] {
                    if let Err(error) = answer {
                        let expected = ["member.last_owner", "user.disabled"];
                        assert!(expected.contains(&error.code()), "{error:?}");
                    }
                }
                let owners = acting_owners(&world, acme.id, &people).await;
                assert!(!owners.is_empty());
                let roll = member::owners(&system, scope).await.expect("reads");
                assert_eq!(roll.users.into_iter().collect::<Vec<_>>(), owners);
            }
        });
    }
}
