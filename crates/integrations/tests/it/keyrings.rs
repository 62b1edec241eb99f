//! The places where the keys above all secrets live.

use futures::FutureExt;
use gna_domain::port::vault::{KeyBytes, Keyring};
use gna_domain::secret::Secret;
use gna_integrations::framework::vault::keyring::{FileKeyring, HeldKeyring};
use gna_testkit::SequenceIds;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn file(path: &Path) -> FileKeyring {
    FileKeyring::new(path.to_owned(), Arc::new(SequenceIds::default()))
}

fn held(current: &str, older: &[&str]) -> gna_domain::Result<HeldKeyring> {
    let older: Vec<Secret> = older.iter().map(|&key| Secret::new(key)).collect();
    HeldKeyring::parse(
        &Secret::new(current),
        &older,
        Arc::new(SequenceIds::default()),
    )
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data/gna.keys");
    (folder, path)
}

#[tokio::test]
async fn the_file_is_made_on_first_use_for_its_owner_alone() {
    let (_folder, path) = folder();
    let keyring = file(&path);
    assert!(!path.exists(), "nothing is made before it is needed");
    let wrapped = keyring
        .wrap("t/1", &KeyBytes::new([9; 32]))
        .await
        .expect("wraps");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path)
            .expect("the file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // Another process reads the same key.
    let opened = file(&path).unwrap("t/1", &wrapped).await.expect("unwraps");
    assert_eq!(opened.expose(), &[9; 32]);
}

/// Whoever looks while another makes the file finds none or a whole one: what is under its name is
/// never begun only, also not after a crash.
#[test]
fn first_uses_at_once_find_one_whole_file() {
    for _ in 0..100 {
        let (_folder, path) = folder();
        let ids = Arc::new(SequenceIds::default());
        let current = || {
            let keyring = FileKeyring::new(path.clone(), ids.clone());
            let current = keyring.current().now_or_never();
            current.expect("does not wait").expect("a key")
        };
        let seen: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(current)).collect();
            all.into_iter()
                .map(|one| one.join().expect("ends"))
                .collect()
        });
        assert!(seen.iter().all(|key| *key == seen[0]), "{seen:?}");
        let folder = path.parent().expect("a folder");
        let files = std::fs::read_dir(folder).expect("reads").count();
        assert_eq!(files, 1, "nothing is left beside it");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_killed_first_use_left_is_no_obstacle_and_a_lost_file_is_not_made_anew() {
    let (_folder, path) = folder();
    // What an earlier try left behind when it was killed.
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path.with_extension("0.new"), "# Keys").expect("written");
    let first = file(&path).current().await.expect("a key");
    assert_eq!(file(&path).current().await.ok(), Some(first));
    // A file that is gone is not made anew over what it opened.
    let keyring = file(&path);
    keyring.current().await.expect("a key");
    std::fs::remove_file(&path).expect("removed");
    let error = keyring.current().await.expect_err("is gone");
    assert_eq!(error.code(), "keyring.unavailable");
    assert!(!path.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    file(&path).current().await.expect("made");
    for (mode, fine) in [
        (0o600, true),
        (0o400, true),
        (0o640, false),
        (0o604, false),
        (0o620, false),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
        let current = file(&path).current().await;
        assert_eq!(current.is_ok(), fine, "{mode:o}");
        if let Err(error) = current {
            assert_eq!(error.code(), "keyring.insecure");
            assert!(error.message().contains("chmod 600"));
        }
    }
}

#[tokio::test]
async fn rotation_adds_a_key_and_old_ones_open_what_they_wrapped() {
    let (_folder, path) = folder();
    let (ours, other) = (file(&path), file(&path));
    let before = ours
        .wrap("t/1", &KeyBytes::new([1; 32]))
        .await
        .expect("wraps");
    assert_eq!(other.current().await.ok(), ours.current().await.ok());
    let fresh = ours.rotate().await.expect("rotates");
    assert_ne!(fresh, before.key_id);
    assert_eq!(ours.current().await.ok().as_ref(), Some(&fresh));
    let after = ours
        .wrap("t/1", &KeyBytes::new([2; 32]))
        .await
        .expect("wraps");
    assert_eq!(after.key_id, fresh);
    // The other process knows the key before; it sees that the file is another one.
    assert_eq!(other.current().await.ok().as_ref(), Some(&fresh));
    assert!(
        other.has(&before.key_id).await.expect("has") && !other.has("x").await.expect("has not")
    );
    for (wrapped, byte) in [(&before, 1), (&after, 2)] {
        let opened = other.unwrap("t/1", wrapped).await.expect("unwraps");
        assert_eq!(opened.expose(), &[byte; 32]);
    }
    // One that was killed while it wrote the new file is no obstacle.
    std::fs::write(path.with_extension("new"), "half").expect("written");
    ours.rotate().await.expect("rotates");
}

#[tokio::test]
async fn damaged_files_are_errors_that_do_not_show_them() {
    for (content, code) in [
        ("", "keyring.invalid"),
        ("# nothing\n", "keyring.invalid"),
        ("aHVudGVyMg==\n", "keyring.invalid"),
    ] {
        let (_folder, path) = folder();
        file(&path).current().await.expect("made");
        std::fs::write(&path, content).expect("written");
        let error = file(&path).current().await.expect_err("damaged");
        assert_eq!(error.code(), code);
        assert!(!error.message().contains("aHVudGVyMg"), "{error}");
    }
}

#[tokio::test]
async fn keys_of_the_environment_are_read_in_the_usual_forms() {
    let hex = "00".repeat(31) + "ff";
    let base64 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=";
    let same = held(&hex, &[]).expect("hexadecimal");
    for form in [
        base64,
        base64.trim_end_matches('='),
        &format!(" {base64}\n"),
    ] {
        let other = held(form, &[]).expect("base64");
        assert_eq!(
            other.current().await.ok(),
            same.current().await.ok(),
            "{form}"
        );
    }
    for bad in ["", "hunter2", &"0".repeat(63), "AAAA"] {
        let error = held(bad, &[]).err().expect("refused");
        assert_eq!(error.code(), "keyring.invalid");
        assert!(!error.message().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_new_key_of_the_environment_opens_what_the_old_one_wrapped() {
    let (old, new) = ("11".repeat(32), "22".repeat(32));
    let before = held(&old, &[]).expect("keys");
    let wrapped = before
        .wrap("t/1", &KeyBytes::new([5; 32]))
        .await
        .expect("wraps");
    let both = held(&new, &[&old]).expect("keys");
    assert_eq!(
        both.unwrap("t/1", &wrapped)
            .await
            .expect("unwraps")
            .expose(),
        &[5; 32]
    );
    let again = both
        .wrap("t/1", &KeyBytes::new([5; 32]))
        .await
        .expect("wraps");
    assert_ne!(again.key_id, wrapped.key_id);
    let without = held(&new, &[]).expect("keys");
    let error = without.unwrap("t/1", &wrapped).await.expect_err("gone");
    assert_eq!(error.code(), "keyring.key_missing");
    // Another context, and a changed byte.
    let error = both
        .unwrap("t/2", &wrapped)
        .await
        .expect_err("of another tenant");
    assert_eq!(error.code(), "keyring.unreadable");
    let mut changed = wrapped.clone();
    changed.bytes[20] ^= 1;
    assert!(both.unwrap("t/1", &changed).await.is_err());
}
