//! Accounts that a back end of Frigg's connected, from its documents to a call that works.

use gna_domain::connect::{ConnectedEntity, Credential, Owner};
use gna_domain::port::repo;
use gna_domain::secret::Secret;
use gna_domain::service::connect::take_over::{Elsewhere, Taken, take_over};
use gna_domain::service::connect::{entity, secrets};
use gna_domain::service::user;
use gna_integrations::framework::frigg_export::read;
use gna_integrations::framework::vault::legacy::LegacyKeys;
use gna_testkit::World;
use serde_json::{Value, json};

/// Made with OpenSSL's AES-256-CTR as the framework does it, by an old and a present key: what the
/// keyed app and the tracker take.
const RIGHT: &str = "a2V5LTIwMjQ=:01010101010101010101010101010101:abb999505f61f054a5ed307c08:MDIwMjAyMDIwMjAyMDIwMjAyMDIwMjAyMDIwMjAyMDI6ODVkMDk4ZjZlZjQ3NGYxZjNiYmEwYzUwY2JjNDU2YzhiNjFmMTBmNzQyZmZiZDJiZGNkMDBiNzk2NTI5NGU4Yg==";
const ACCESS: &str = "a2V5LTIwMjA=:03030303030303030303030303030303:8b5a96a3337fcf8fb3e577fecc7f:MDQwNDA0MDQwNDA0MDQwNDA0MDQwNDA0MDQwNDA0MDQ6NTUxMjJjMmEzNzdiZDcwZTRhYzcyNzk3ZWYxNWUxZDFiYmUzNDExMjhkNmEyMjMwYTlkOWRlMGNhYTIzYTgyMg==";
const REFRESH: &str = "a2V5LTIwMjQ=:05050505050505050505050505050505:d67c3c494b35b83971cc9ef8e635bf:MDYwNjA2MDYwNjA2MDYwNjA2MDYwNjA2MDYwNjA2MDY6NzI4ZDYwNWMzMzY4NjBiYTcyNTRkMzk5ZmRjMTYzOWQzMjVmMjhlMWQ1NDJhMWU2YmU4NzFhZTczYmYwMDMyYw==";

fn keys() -> LegacyKeys {
    let pairs = [
        ("key-2024", "abcdefghijklmnopqrstuvwxyz012345"),
        ("key-2020", "ABCDEFGHIJKLMNOPQRSTUVWXYZ543210"),
    ];
    let pairs = pairs.iter();
    LegacyKeys::new(
        pairs
            .map(|(id, key)| ((*id).to_owned(), Secret::new(*key)))
            .collect(),
    )
}

#[tokio::test]
async fn accounts_of_friggs_work_here_and_are_taken_over_once() {
    let world = World::new().await;
    world.answer_apps();
    let acme = world.organization("acme").await;
    let (ctx, apps) = (world.system(), world.apps.as_ref());
    let store = world.ports.store.as_ref();
    let keyed = json!({
        "_id": {"$oid": "1"}, "user": {"$oid": "u1"}, "auth_is_valid": true, "externalId": "7",
        "moduleName": "keyed", "apiKey": RIGHT,
    });
    let tracker = json!({
        "_id": {"$oid": "2"}, "user": {"$oid": "u1"}, "authIsValid": true, "externalId": "8",
        "moduleName": "tracker", "data": {"access_token": ACCESS, "refresh_token": REFRESH},
    });
    for (document, values) in [
        (keyed, json!({"api_key": "right-hunter2"})),
        (
            tracker,
            json!({"access_token": "access-hunter2", "refresh_token": "refresh-hunter2"}),
        ),
    ] {
        let found = read(&document.to_string(), &keys()).expect("is read");
        let mut account = Elsewhere {
            organization: acme.id,
            owner: Owner::Organization,
            module: found.kinds[0].clone(),
            external_id: found.external_id,
            values: found.values,
            access_expires: found.access_expires,
            refresh_expires: found.refresh_expires,
            valid: found.valid,
        };
        let taken = take_over(&ctx, apps, &account)
            .await
            .expect("is taken over");
        assert!(taken.is_new && taken.left_out.is_empty(), "{taken:?}");
        let fault = entity::verdict(&ctx, apps, taken.entity).await;
        assert!(fault.expect("is asked").is_none(), "it works");
        let stored = repo::require::<ConnectedEntity>(store, taken.entity).await;
        let stored = stored.expect("is there");
        let credential = repo::require::<Credential>(store, stored.credential).await;
        let credential = credential.expect("is there");
        let opened = secrets::open(world.vault.as_ref(), &credential).await;
        assert_eq!(Value::Object(opened.expect("opens")), values);
        assert_eq!(
            credential.refresh_digest.is_some(),
            values.get("refresh_token").is_some()
        );
        // Read again, it changes nothing: what is here is newer.
        account
            .values
            .insert("access_token".to_owned(), "older-hunter2".into());
        let again = take_over(&ctx, apps, &account).await.expect("is there");
        assert_eq!((again.entity, again.is_new), (taken.entity, false));
        let after = repo::require::<Credential>(store, stored.credential).await;
        assert_eq!(after.expect("is there").version, credential.version);
        // Nobody gets it who has no part in the organization.
        let email = format!("{}@example.com", account.module);
        let (eve, _) = user::create(&ctx, &email, "Eve").await.expect("is made");
        account.owner = Owner::User(eve.id);
        let refused = take_over(&ctx, apps, &account).await;
        let refused = refused
            .map(|taken: Taken| taken.entity)
            .expect_err("is no member");
        assert_eq!(
            (refused.code(), refused.field()),
            ("form.invalid", Some("owner"))
        );
    }
}
