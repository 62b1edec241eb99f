//! API tokens of people and of groups.

use super::*;

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
    start.world.caught_up().await;
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
        start.world.caught_up().await;
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
    start.world.caught_up().await;
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
