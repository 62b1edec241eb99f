//! The vault on memory and SQLite: what opens, what does not, and rotation under load.

use gna_domain::Ctx;
use gna_domain::connect::{Credential, ModuleName, Owner};
use gna_domain::id::{CredentialId, OrganizationId, TypedId, UserId};
use gna_domain::model::DataKey;
use gna_domain::page::PageRequest;
use gna_domain::port::jobs::{Claimed, Handler, Outcome};
use gna_domain::port::store::Entity;
use gna_domain::port::vault::{Binding, KeyBytes, Sealed, SealingOf, Tenant, Vault};
use gna_domain::port::{ChangeSet, repo};
use gna_domain::secret::Secret;
use gna_domain::service::keys::{self, Plan};
use gna_integrations::framework::vault::EnvelopeVault;
use gna_integrations::framework::vault::keyring::{FileKeyring, HeldKeyring};
use gna_integrations::framework::vault::rotation::RotationHandler;
use gna_testkit::{SequenceIds, Stores, World};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use uuid::Uuid;

fn tenant(number: u128) -> Tenant {
    Tenant::Organization(OrganizationId::from_uuid(Uuid::from_u128(number)))
}

fn binding(number: u128, record: &str, field: &str) -> Binding {
    Binding::new(tenant(number), record, field)
}

#[tokio::test]
async fn a_secret_opens_with_its_own_binding_only() {
    for stores in Stores::ALL {
        let world = World::on(stores).await;
        let vault = &world.ports.vault;
        let mine = binding(1, "credential/a", "token");
        let sealed = vault
            .seal(&mine, &Secret::new("hunter2"))
            .await
            .expect("seals");
        assert!(!sealed.as_str().contains("hunter2"));
        let opened = vault.open(&mine, &sealed).await.expect("opens");
        assert_eq!(opened.expose(), "hunter2");
        // A key of the other tenant must be there, or the test would only prove that it is not.
        vault
            .seal(&binding(2, "x", "y"), &Secret::new("x"))
            .await
            .expect("seals");
        for other in [
            binding(2, "credential/a", "token"),
            binding(1, "credential/b", "token"),
            binding(1, "credential/a", "secret"),
            binding(1, "credential/atoken", ""),
            Binding::new(Tenant::Instance, "credential/a", "token"),
        ] {
            let error = vault
                .open(&other, &sealed)
                .await
                .expect_err("another binding");
            assert_eq!(error.code(), "vault.unreadable", "{other:?}");
        }
        let again = vault
            .seal(&mine, &Secret::new("hunter2"))
            .await
            .expect("seals");
        assert_ne!(again, sealed, "equal secrets look different");
    }
}

#[tokio::test]
async fn every_changed_character_is_noticed() {
    let world = World::new().await;
    let vault = &world.ports.vault;
    let mine = binding(1, "r", "f");
    let sealed = vault
        .seal(&mine, &Secret::new("hunter2"))
        .await
        .expect("seals");
    let text = sealed.as_str();
    for at in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("text");
        let result = vault.open(&mine, &Sealed::from_text(changed)).await;
        assert!(result.is_err(), "character {at}");
    }
    for short in [
        "",
        "sealed:",
        "sealed:AQ",
        &text[..text.len() - 1],
        &format!("{text}A"),
    ] {
        assert!(
            vault.open(&mine, &Sealed::from_text(short)).await.is_err(),
            "{short}"
        );
    }
}

/// What was sealed once opens for ever: these texts were made from fixed keys and nonces, by
/// another implementation of the cipher, as the first version writes them.
#[tokio::test]
async fn what_the_first_version_sealed_opens() {
    let world = World::new().await;
    let record = DataKey {
        tenant: tenant(7),
        number: 3,
        wrapped_by: GOLDEN_KEY_ID.to_owned(),
        wrapped: GOLDEN_WRAPPED.to_owned(),
        created: world.ports.clock.now(),
    };
    let mut changes = ChangeSet::new();
    changes.create(&record, None).expect("JSON");
    world.ports.store.commit(changes).await.expect("commits");
    for (secret, sealed) in GOLDEN {
        let binding = binding(7, "credential/golden", "token");
        let opened = world
            .ports
            .vault
            .open(&binding, &Sealed::from_text(*sealed))
            .await;
        assert_eq!(opened.expect("opens").expose(), *secret);
    }
}

const GOLDEN_KEY_ID: &str = "k-a70fb9effea0408f";
const GOLDEN_WRAPPED: &str = "01010101010101010101010193b582029708bb200d39e1eaf67a180b8d34547f191fc4b3576a857726a2fda592a138e4666726f05c49ba82fdb188b6";
const GOLDEN: &[(&str, &str)] = &[
    (
        "hunter2",
        "sealed:AQAAAAMCAgICAgICAgICAgJYyt0gvLIp3itKG7gOTYJzQ78zSKRcwQ",
    ),
    ("", "sealed:AQAAAAMDAwMDAwMDAwMDAwMDivE92BSc-i07fEMfiAfc"),
    (
        "ünïcode ✓",
        "sealed:AQAAAAMEBAQEBAQEBAQEBASb_P9TNvXL9pc1hSOnz4X6sNiS6Zq2vQAwUge5IA",
    ),
];

#[tokio::test]
async fn data_keys_are_in_the_store_only_wrapped() {
    let world = World::new().await;
    let vault = &world.ports.vault;
    vault
        .seal(&binding(1, "r", "f"), &Secret::new("hunter2"))
        .await
        .expect("seals");
    let page = world
        .ports
        .store
        .scan(DataKey::COLLECTION, &PageRequest::first(10))
        .await
        .expect("a page");
    assert_eq!(page.items.len(), 1);
    let record = page.items[0].typed::<DataKey>().expect("typed");
    assert_eq!((record.tenant, record.number), (tenant(1), 1));
    // Another keyring opens nothing, and says which key it lacks.
    let other =
        HeldKeyring::from_keys(&[KeyBytes::new([8; 32])], world.ports.ids.clone()).expect("a key");
    let stranger = EnvelopeVault::new(
        world.ports.store.clone(),
        Arc::new(other),
        world.ports.ids.clone(),
        world.ports.clock.clone(),
    );
    let error = stranger
        .seal(&binding(1, "r", "f"), &Secret::new("hunter2"))
        .await
        .expect_err("no key");
    assert_eq!(error.code(), "keyring.key_missing");
    assert!(error.message().contains(&record.wrapped_by) && !error.message().contains("hunter2"));
}

#[tokio::test]
async fn one_of_many_makes_the_first_key_of_a_tenant() {
    for stores in Stores::ALL {
        let world = World::on(stores).await;
        let mine = binding(1, "r", "f");
        // Vaults of several processes, each with a cache of its own.
        let vaults: Vec<EnvelopeVault> = (0..4).map(|_| vault_of(&world)).collect();
        let sealed = futures(vaults.iter().map(|vault| vault.seal(&mine, &SECRET))).await;
        for text in sealed {
            let text = text.expect("seals");
            for vault in &vaults {
                assert_eq!(
                    vault.open(&mine, &text).await.expect("opens").expose(),
                    "hunter2"
                );
            }
        }
    }
}

static SECRET: std::sync::LazyLock<Secret> = std::sync::LazyLock::new(|| Secret::new("hunter2"));

async fn futures<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures::future::join_all(work).await
}

fn vault_of(world: &World) -> EnvelopeVault {
    let keyring =
        HeldKeyring::from_keys(&[KeyBytes::new([7; 32])], world.ports.ids.clone()).expect("a key");
    EnvelopeVault::new(
        world.ports.store.clone(),
        Arc::new(keyring),
        world.ports.ids.clone(),
        world.ports.clock.clone(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_error_holds_the_secret(secret in "[a-zA-Z0-9]{8,40}", damage in 0_usize..80) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new().await;
            let vault = &world.ports.vault;
            let mine = binding(1, "r", "f");
            let sealed = vault.seal(&mine, &Secret::new(secret.clone())).await.expect("seals");
            let mut text = sealed.as_str().to_owned();
            text.replace_range(damage.min(text.len() - 1)..=damage.min(text.len() - 1), "!");
            let damaged = vault.open(&mine, &Sealed::from_text(text)).await.expect_err("damaged");
            let elsewhere = vault.open(&binding(1, "r", "g"), &sealed).await.expect_err("elsewhere");
            let long = Secret::new(secret.repeat(20_000));
            let too_long = vault.seal(&mine, &long).await.expect_err("too long");
            for error in [damaged, elsewhere, too_long] {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains(&secret), "{shown}");
            }
        });
    }
}

fn credential(world: &World, number: u128, sealed: &Sealed) -> Credential {
    let now = world.ports.clock.now();
    let user = UserId::from_uuid(Uuid::from_u128(1));
    Credential {
        id: CredentialId::from_uuid(Uuid::from_u128(number)),
        organization: OrganizationId::from_uuid(Uuid::from_u128(number % 3)),
        owner: Owner::User(user),
        module: ModuleName::new("sample").expect("a name"),
        external_id: number.to_string(),
        connection: serde_json::Map::new(),
        sealed: sealed.clone(),
        refresh_digest: None,
        issued: now,
        access_expires: None,
        refresh_expires: None,
        valid: true,
        message: None,
        generation: 1,
        intent: None,
        refusals: None,
        entities: Vec::new(),
        created: now,
        updated: now,
    }
}

fn credential_binding(number: u128) -> Binding {
    Credential::binding(
        OrganizationId::from_uuid(Uuid::from_u128(number % 3)),
        CredentialId::from_uuid(Uuid::from_u128(number)),
    )
}

async fn stored(world: &World, number: u128) -> gna_domain::port::Stored<Credential> {
    let id = CredentialId::from_uuid(Uuid::from_u128(number));
    repo::require::<Credential>(world.ports.store.as_ref(), id)
        .await
        .expect("a credential")
}

/// A world whose vault stands on a key file, with `many` credentials of three organizations.
async fn world_with_file(
    stores: Stores,
    many: u128,
) -> (World, Arc<EnvelopeVault>, tempfile::TempDir) {
    let (world, vault, folder) = world_without_worker(stores, many).await;
    let handler = RotationHandler::new(
        vault.clone(),
        vec![Arc::new(SealingOf::<Credential>::new())],
    );
    (world.handling(Arc::new(handler)), vault, folder)
}

/// The same, in which nobody does the rotation's jobs yet.
async fn world_without_worker(
    stores: Stores,
    many: u128,
) -> (World, Arc<EnvelopeVault>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::on(stores).await;
    let keyring = FileKeyring::new(
        folder.path().join("gna.keys"),
        Arc::new(SequenceIds::default()),
    );
    let vault = Arc::new(EnvelopeVault::new(
        world.ports.store.clone(),
        Arc::new(keyring),
        world.ports.ids.clone(),
        world.ports.clock.clone(),
    ));
    for number in 0..many {
        let secret = Secret::new(format!("secret {number}.0"));
        let sealed = vault
            .seal(&credential_binding(number), &secret)
            .await
            .expect("seals");
        let mut changes = ChangeSet::new();
        changes
            .create(&credential(&world, number, &sealed), None)
            .expect("JSON");
        world.ports.store.commit(changes).await.expect("commits");
    }
    (world, vault, folder)
}

/// Does the rotation's jobs, and moves time on for the second pass.
async fn finish(world: &World, job: gna_domain::id::JobId) {
    for _ in 0..20 {
        world.clock.advance_millis(120_000);
        world.run_jobs().await.expect("the jobs run");
        let standing = keys::standing(&world.system(), job)
            .await
            .expect("a standing");
        assert_eq!(standing.failed, None);
        if standing.done {
            return;
        }
    }
    panic!("the rotation does not end");
}

#[tokio::test]
async fn rotation_of_the_keyring_wraps_every_data_key_anew() {
    for stores in Stores::ALL {
        let (world, vault, _folder) = world_with_file(stores, 9).await;
        let before = stored(&world, 4).await;
        let job = keys::rotate(&world.system(), Plan::Keyring)
            .await
            .expect("asked for");
        finish(&world, job).await;
        let current = vault.keyring().current().await.expect("a key");
        let page = world
            .ports
            .store
            .scan(DataKey::COLLECTION, &PageRequest::first(10))
            .await
            .expect("a page");
        assert_eq!(page.items.len(), 3);
        for record in &page.items {
            let record = record.typed::<DataKey>().expect("typed");
            assert_eq!((&record.wrapped_by, record.number), (&current, 1));
        }
        assert_eq!(
            stored(&world, 4).await.version,
            before.version,
            "secrets are not touched"
        );
        // A process that starts afterwards reads everything.
        let opened = vault.open(&credential_binding(4), &before.sealed).await;
        assert_eq!(opened.expect("opens").expose(), "secret 4.0");
    }
}

/// The same job in two processes that take its steps in turns.
struct Turns([RotationHandler; 2], AtomicU64);

#[async_trait::async_trait]
impl Handler for Turns {
    fn kind(&self) -> &'static str {
        keys::KIND
    }
    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> gna_domain::Result<Outcome> {
        let nth = self.1.fetch_add(1, Ordering::SeqCst) % 2;
        self.0[usize::try_from(nth).expect("small")]
            .run(ctx, claimed)
            .await
    }
}

#[tokio::test]
async fn a_process_that_knew_the_old_key_goes_on_with_a_rotation_that_another_began() {
    let (world, first, folder) = world_without_worker(Stores::Memory, 9).await;
    let keyring = FileKeyring::new(
        folder.path().join("gna.keys"),
        Arc::new(SequenceIds::default()),
    );
    let second = Arc::new(EnvelopeVault::new(
        world.ports.store.clone(),
        Arc::new(keyring),
        world.ports.ids.clone(),
        world.ports.clock.clone(),
    ));
    let old = second.keyring().current().await.expect("a key");
    let rotation = |vault: &Arc<EnvelopeVault>| RotationHandler::new(vault.clone(), Vec::new());
    let turns = Turns([rotation(&first), rotation(&second)], AtomicU64::new(0));
    let world = world.handling(Arc::new(turns));
    let job = keys::rotate(&world.system(), Plan::Keyring)
        .await
        .expect("asked for");
    finish(&world, job).await;
    let standing = keys::standing(&world.system(), job)
        .await
        .expect("a standing");
    assert_eq!(standing.rotation.wrapped, 3);
    assert_ne!(standing.rotation.key, old);
    // What the second process makes from now on is wrapped with the new key too.
    let sealed = second.seal(&binding(77, "x", "y"), &Secret::new("z")).await;
    sealed.expect("seals");
    let page = PageRequest::first(10);
    let page = world.ports.store.scan(DataKey::COLLECTION, &page).await;
    let records = page.expect("a page").items;
    assert_eq!(records.len(), 4);
    for record in &records {
        let record = record.typed::<DataKey>().expect("typed");
        assert_eq!(record.wrapped_by, standing.rotation.key);
    }
}

#[tokio::test]
async fn a_process_without_the_new_key_leaves_a_rotation_to_others() {
    let (world, first, _folder) = world_without_worker(Stores::Memory, 1).await;
    // Configured with another key and not started again since: it can't even open the data keys.
    let held = HeldKeyring::parse(
        &Secret::new("11".repeat(32)),
        &[],
        Arc::new(SequenceIds::default()),
    );
    let second = Arc::new(EnvelopeVault::new(
        world.ports.store.clone(),
        Arc::new(held.expect("a key")),
        world.ports.ids.clone(),
        world.ports.clock.clone(),
    ));
    // It believes that every data key is wrapped with its own key already.
    let own = second.keyring().current().await.expect("a key");
    let store = world.ports.store.as_ref();
    let page = store
        .scan(DataKey::COLLECTION, &PageRequest::first(10))
        .await;
    for record in page.expect("a page").items {
        let record: gna_domain::port::Stored<DataKey> = record.typed().expect("typed");
        let next = DataKey {
            wrapped_by: own.clone(),
            ..record.value.clone()
        };
        let mut changes = ChangeSet::new();
        changes.update(&record, &next, None).expect("JSON");
        store.commit(changes).await.expect("commits");
    }
    let rotation = |vault: &Arc<EnvelopeVault>| RotationHandler::new(vault.clone(), Vec::new());
    let turns = Turns([rotation(&first), rotation(&second)], AtomicU64::new(0));
    let world = world.handling(Arc::new(turns));
    let job = keys::rotate(&world.system(), Plan::Keyring)
        .await
        .expect("asked for");
    let _ = world.run_jobs().await;
    let standing = keys::standing(&world.system(), job)
        .await
        .expect("a standing");
    assert!(!standing.done, "{standing:?}");
    let why = standing.last_error.expect("says why");
    assert!(why.contains("does not have the new key"), "{why}");
}

#[tokio::test]
async fn rotation_of_data_keys_seals_everything_anew_while_others_read_and_write() {
    for stores in Stores::ALL {
        let (world, vault, _folder) = world_with_file(stores, 150).await;
        let old = stored(&world, 149).await.sealed.clone();
        let (world, vault) = (&world, &vault);
        let job = keys::rotate(&world.system(), Plan::DataKeys)
            .await
            .expect("asked for");
        let done = AtomicBool::new(false);
        let writes = AtomicU64::new(0);
        let write = async {
            // Each write reads, checks that nothing was lost, and puts the next number.
            let mut counts = [0_u64; 10];
            while !done.load(Ordering::SeqCst) {
                for number in 0..10_u128 {
                    let now = stored(world, number).await;
                    let binding = credential_binding(number);
                    let opened = vault.open(&binding, &now.sealed).await;
                    let at = usize::try_from(number).expect("small");
                    assert_eq!(
                        opened.expect("opens").expose(),
                        format!("secret {number}.{}", counts[at])
                    );
                    let secret = Secret::new(format!("secret {number}.{}", counts[at] + 1));
                    let sealed = vault.seal(&binding, &secret).await.expect("seals");
                    let next = Credential {
                        sealed: sealed.clone(),
                        ..now.value.clone()
                    };
                    let mut changes = ChangeSet::new();
                    changes.update(&now, &next, None).expect("JSON");
                    // A conflict means that the rotation was first; the next round reads its text.
                    if world.ports.store.commit(changes).await.is_ok() {
                        counts[at] += 1;
                        writes.fetch_add(1, Ordering::SeqCst);
                    }
                    tokio::task::yield_now().await;
                }
            }
            counts
        };
        let read = async {
            let mut number = 10;
            while !done.load(Ordering::SeqCst) {
                let now = stored(world, number).await;
                let opened = vault.open(&credential_binding(number), &now.sealed).await;
                assert_eq!(
                    opened.expect("opens").expose(),
                    format!("secret {number}.0")
                );
                number = 10 + (number - 9) % 140;
                tokio::task::yield_now().await;
            }
        };
        let rotate = async {
            finish(world, job).await;
            done.store(true, Ordering::SeqCst);
        };
        let (counts, (), ()) = tokio::join!(write, read, rotate);
        assert!(writes.load(Ordering::SeqCst) > 0, "{counts:?}");
        for number in 0..150 {
            let now = stored(world, number).await;
            let sealed = now.sealed.clone();
            let binding = credential_binding(number);
            assert!(
                vault
                    .is_current(binding.tenant, &sealed)
                    .await
                    .expect("sealed"),
                "{number}"
            );
            let count = usize::try_from(number)
                .ok()
                .and_then(|at| counts.get(at))
                .copied()
                .unwrap_or(0);
            let opened = vault.open(&binding, &sealed).await.expect("opens");
            assert_eq!(opened.expose(), format!("secret {number}.{count}"));
        }
        let opened = vault.open(&credential_binding(149), &old).await;
        assert_eq!(
            opened.expect("old texts stay readable").expose(),
            "secret 149.0"
        );
        let standing = keys::standing(&world.system(), job)
            .await
            .expect("a standing");
        assert_eq!(
            (standing.rotation.renewed, standing.rotation.resealed >= 140),
            (3, true)
        );
    }
}

#[tokio::test]
async fn only_administrators_of_the_instance_rotate() {
    let world = World::new().await;
    let error = keys::rotate(&world.anonymous(), Plan::Keyring)
        .await
        .expect_err("not permitted");
    assert_eq!(error.code(), "auth.required");
}
