//! Signing in and out, sessions, what a call costs, and how guessing is slowed down.

use super::*;
use gna_domain::model::Session;
use gna_domain::port::fresh;
use gna_domain::port::store::ChangeSet;

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
async fn a_list_of_sessions_has_the_newest_of_those_that_go_on() {
    let start = start().await;
    let ada = start.sign_in("ada", PASSWORD).await.expect("signs in");
    let ports = &start.world.ports;
    for at in 0..150_i64 {
        let session = Session {
            id: fresh(ports.ids.as_ref()),
            digest: format!("{at:064x}"),
            // Every third is over.
            epoch: ada.session.epoch + u32::from(at % 3 == 0),
            created: ada.session.created.plus_millis(at + 1),
            ..ada.session.clone()
        };
        let mut changes = ChangeSet::new();
        changes.create(&session, None).expect("writes as JSON");
        ports.store.commit(changes).await.expect("commits");
    }
    let ctx = start.ctx(&ada).await;
    start.world.caught_up().await;
    let listed = session::list(&ctx).await.expect("lists");
    assert_eq!(listed.len(), session::SESSIONS_SHOWN);
    let made: Vec<_> = listed.iter().map(|session| session.created).collect();
    let expected: Vec<_> = (0..150_i64)
        .rev()
        .filter(|at| at % 3 != 0)
        .map(|at| ada.session.created.plus_millis(at + 1))
        .collect();
    assert_eq!(made, expected);
}

#[tokio::test]
async fn people_end_their_own_sessions_and_no_one_elses() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Member).await;
    let phone = start.sign_in("ada", PASSWORD).await.expect("signs in");
    let laptop = start.sign_in("ada", PASSWORD).await.expect("signs in");
    let ada = start.enter(&laptop).await.expect("holds");
    start.world.caught_up().await;
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
    start.world.caught_up().await;
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

/// What the audit log has of guessing that had to wait, oldest first.
async fn throttled(start: &Start) -> Vec<AuditEntry> {
    let store = start.world.ports.store.as_ref();
    let entries = repo::all_children::<AuditEntry>(store, INSTANCE)
        .await
        .expect("reads");
    let entries = entries.into_iter().map(|entry| entry.value);
    entries
        .filter(|entry| entry.action == "sign_in.throttled")
        .collect()
}

#[tokio::test]
async fn the_audit_log_has_once_in_a_window_that_guessing_had_to_wait() {
    let start = start().await;
    for name in ["ada", "nobody"] {
        for _ in 0..PER_ACCOUNT {
            assert_eq!(
                code(start.sign_in(name, "wrong horse battery").await),
                "auth.wrong"
            );
        }
    }
    assert!(throttled(&start).await.is_empty(), "nobody had to wait yet");
    for name in ["ada", "nobody"] {
        let flood = (0..20).map(|_| start.sign_in(name, PASSWORD));
        for answer in futures::future::join_all(flood).await {
            assert_eq!(code(answer), "auth.throttled");
        }
        assert_eq!(code(start.sign_in(name, PASSWORD).await), "auth.throttled");
        start.world.clock.advance_millis(1);
    }
    let told = throttled(&start).await;
    let subjects: Vec<_> = told.iter().map(|entry| entry.subject.clone()).collect();
    assert_eq!(subjects, [vec![start.ada.user.id.to_string()], vec![]]);
    for entry in &told {
        assert_eq!(entry.actor, "anonymous");
        assert_eq!(entry.detail["of"], "account");
        assert_eq!(entry.detail["limit"], PER_ACCOUNT);
        let said = serde_json::to_string(entry).expect("writes as JSON");
        assert!(
            !said.contains("nobody"),
            "what was typed is not kept: {said}"
        );
    }
    // It goes on in the next window: that is news.
    start.world.clock.advance_millis(WINDOW_MS - 2);
    for _ in 0..3 {
        assert_eq!(code(start.sign_in("ada", PASSWORD).await), "auth.throttled");
    }
    assert_eq!(throttled(&start).await.len(), 3);
}

#[tokio::test]
async fn an_administrator_lets_somebody_try_again_at_once() {
    let start = start().await;
    let bob = start.join("bob", start.acme(), Role::Member).await;
    let ada = start.ada().await;
    let unlocked = async || {
        let entries = start.audit(INSTANCE).await;
        entries
            .iter()
            .filter(|action| *action == "user.unlocked")
            .count()
    };
    user::unlock(&ada, bob.user.id)
        .await
        .expect("there is nothing to forget");
    assert_eq!(unlocked().await, 0, "nothing was done");
    for _ in 0..PER_ACCOUNT {
        assert_eq!(
            code(start.sign_in("bob", "wrong horse battery").await),
            "auth.wrong"
        );
    }
    assert_eq!(code(start.sign_in("bob", PASSWORD).await), "auth.throttled");

    let bobs = start.ctx(&bob).await;
    assert_eq!(code(user::unlock(&bobs, bob.user.id).await), "not_found");
    let nobody = start.world.anonymous();
    assert_eq!(
        code(user::unlock(&nobody, bob.user.id).await),
        "auth.required"
    );
    assert_eq!(code(start.sign_in("bob", PASSWORD).await), "auth.throttled");

    for _ in 0..2 {
        let user = user::unlock(&ada, bob.user.id).await.expect("unlocks");
        assert_eq!(user.id, bob.user.id);
        assert_eq!(unlocked().await, 1, "the second time nothing is left to do");
    }
    assert!(start.sign_in("bob", PASSWORD).await.is_ok());
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
