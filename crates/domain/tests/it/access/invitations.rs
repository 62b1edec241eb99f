//! Invitations: once, for whom they are, and worth what their maker may grant.

use super::*;

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
    start.world.caught_up().await;
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
    start.world.caught_up().await;
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
