//! What a configuration must have for a place where the machine is gone between two events.

use crate::config::{Config, KeyringKind};

/// Where Lambda mounts file systems that stay (Amazon EFS): nowhere else is kept.
const MOUNTS: &str = "/mnt/";

/// Whether each instance of the function has a search index of its own, which it makes when it starts
/// and must bring up to date before it answers.
#[must_use]
pub fn has_own_index(config: &Config) -> bool {
    config.store.search.starts_with("sqlite:/tmp/")
}

/// Everything that can't work there, one sentence each with what to do.
#[must_use]
pub fn unfit(config: &Config) -> Vec<String> {
    if config.lambda.trial {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let mut check = |holds: bool, message: &str| {
        if !holds {
            wrong.push(message.to_owned());
        }
    };
    let is_here = |url: &str| url.starts_with("sqlite:") || url.starts_with("memory:");
    check(
        !is_here(&config.store_url()),
        "store.url is on this machine, which a function loses: set GNA_STORE__URL to a server's, postgres://… or dynamodb://…",
    );
    check(
        !is_here(&config.store.search) || has_own_index(config),
        "store.search is on this machine, which a function loses: leave it empty for postgres:, name a server that all instances share with GNA_STORE__SEARCH=opensearch://HOST/INDEX (for dynamodb:, say), or give each instance an index of its own with GNA_STORE__SEARCH=sqlite:/tmp/search.db",
    );
    let blobs = config.blobs_url();
    let folder = blobs.strip_prefix("file:");
    let folder = folder.map(|path| path.strip_prefix("//").unwrap_or(path));
    check(
        blobs != "memory:" && folder.is_none_or(|path| path.starts_with(MOUNTS)),
        "blobs.url is on this machine, which a function loses: set GNA_BLOBS__URL to s3://BUCKET/FOLDER, or to file:/mnt/… where a file system is mounted",
    );
    let file = config.key_file();
    check(
        config.keyring.kind == KeyringKind::Env || file.starts_with(MOUNTS),
        "keyring.kind is file, and the file would be made anew again and again: set GNA_KEYRING__KIND=env and GNA_KEYRING__KEY, or keep the file under /mnt/",
    );
    check(
        !config.server.public_url.is_empty(),
        "server.public_url is empty, but links and the check of browsers' origins need it: set GNA_SERVER__PUBLIC_URL to the address of the API or the Function URL",
    );
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Overrides, load};

    #[test]
    fn what_a_function_would_lose_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().expect("folder");
        let of = |pairs: &[(&str, &str)]| {
            let environment = Environment::from_pairs(pairs.iter().copied());
            load(folder.path(), None, &environment, Overrides::default()).expect("valid")
        };
        let wrong = unfit(&of(&[])).join("\n");
        for word in [
            "GNA_STORE__URL",
            "GNA_BLOBS__URL",
            "GNA_KEYRING__KEY",
            "GNA_SERVER__PUBLIC_URL",
        ] {
            assert!(wrong.contains(word), "{word}: {wrong}");
        }
        let fit = [
            ("GNA_STORE__URL", "postgres://gna@db/gna"),
            ("GNA_BLOBS__URL", "file:/mnt/reports"),
            ("GNA_KEYRING__KIND", "env"),
            (
                "GNA_KEYRING__KEY",
                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            ),
            ("GNA_SERVER__PUBLIC_URL", "https://gna.example.com"),
        ];
        assert_eq!(unfit(&of(&fit)), Vec::<String>::new());
        for (name, value, word) in [
            ("GNA_STORE__URL", "sqlite:/tmp/gna.db", "store.url"),
            ("GNA_STORE__SEARCH", "sqlite:search.db", "store.search"),
            ("GNA_BLOBS__URL", "file:/tmp/blobs", "blobs.url"),
            ("GNA_BLOBS__URL", "memory:", "blobs.url"),
            ("GNA_KEYRING__KIND", "file", "keyring.kind"),
        ] {
            let mut pairs: Vec<(&str, &str)> = fit.to_vec();
            pairs.push((name, value));
            let wrong = unfit(&of(&pairs)).join("\n");
            assert!(
                wrong.starts_with(word) && !wrong.contains('\n'),
                "{value}: {wrong}"
            );
        }
        let mut elsewhere: Vec<(&str, &str)> = fit.to_vec();
        elsewhere.push(("GNA_STORE__SEARCH", "sqlite:search.db"));
        let wrong = unfit(&of(&elsewhere)).join("\n");
        for remedy in ["leave it empty", "opensearch://", "sqlite:/tmp/"] {
            assert!(wrong.contains(remedy), "{remedy}: {wrong}");
        }
        assert!(unfit(&of(&[("GNA_LAMBDA__TRIAL", "true")])).is_empty());
    }
}
