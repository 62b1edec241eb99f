//! Who gives which role, who sees what, and what goes with leaving.

use super::*;

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

    start.world.caught_up().await;
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
