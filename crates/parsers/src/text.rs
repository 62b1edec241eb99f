//! Small helpers that every format needs: cutting, names, paths, and what stands in `text/`.
//!
//! What it is not: anything that knows a format. Read next: `text/ids.rs`, `text/html.rs`.

mod html;
mod ids;
mod purl;
mod unique;

pub use html::plain;
pub use ids::{cwe, cwes, identifier, identifiers, in_order};
pub use purl::{Purl, purl};
pub use unique::unique;

use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The text, at most `max` bytes of it: a longer one is cut at a character and ends with `…`.
#[must_use]
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let mark = "…";
    let mut end = max.saturating_sub(mark.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{mark}", text.get(..end).unwrap_or_default()))
}

/// One line: white space and control characters in runs become one space; at most `max` bytes.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max) + 1);
    for word in text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > max {
            break;
        }
    }
    cut(&line, max).into_owned()
}

/// The text without white space around it, `None` where nothing is left.
#[must_use]
pub fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// Lower-case letters and digits of any script with single hyphens between, at most 80 bytes; for
/// a rule whose tool gives it no id. Never empty.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() {
            if slug.len() + character.len_utf8() > 80 {
                break;
            }
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "unnamed".to_owned()
    } else {
        slug.to_owned()
    }
}

/// A path as the conventions want it: `file://` and leading `./` gone, `\` as `/`. Escapes (`%20`)
/// are decoded where `uri` says that the field holds an address.
#[must_use]
pub fn path(text: &str, uri: bool) -> String {
    let mut path = Cow::Borrowed(text.trim());
    if let Some(rest) = path.strip_prefix("file://") {
        // `file:///C:/x` names a drive, `file:///x` the root.
        let rest = rest
            .strip_prefix("localhost/")
            .map_or(rest, |_| rest.strip_prefix("localhost").unwrap_or(rest));
        let drive = rest
            .strip_prefix('/')
            .filter(|rest| rest.get(1..2) == Some(":"));
        path = Cow::Owned(unescape(drive.unwrap_or(rest)));
    } else if uri {
        path = Cow::Owned(unescape(&path));
    }
    let mut path = path.replace('\\', "/");
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/').to_owned();
    }
    path
}

/// Decodes `%XX`; text that would no longer be UTF-8 stays as it is.
#[must_use]
pub fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = digits
            .filter(|_| *first == b'%')
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// What may be kept of a secret: a name and the first 16 hexadecimal digits of its SHA-256.
#[must_use]
pub fn secret_fingerprint(secret: &str) -> (String, String) {
    let mut digits = hex::encode(Sha256::digest(secret.as_bytes()));
    digits.truncate(16);
    ("secret-sha256".to_owned(), digits)
}

/// The purl type for a word that tools use for an ecosystem, a language or a package manager, by
/// the list of types of the purl specification. `None` for words it has none for.
#[must_use]
pub fn ecosystem(word: &str) -> Option<&'static str> {
    let word = word.trim().to_ascii_lowercase();
    // OSV writes `Debian:12`, others `alpine:v3.18`.
    let word = word.split([':', ' ']).next().unwrap_or_default();
    Some(match word {
        "npm" | "yarn" | "pnpm" | "node" | "nodejs" | "node.js" | "node-pkg" | "javascript"
        | "js" | "bun" => "npm",
        "pypi" | "pip" | "pipenv" | "poetry" | "uv" | "python" | "python-pkg" | "conda-pkg-pip" => {
            "pypi"
        }
        "maven" | "gradle" | "java" | "java-archive" | "jar" | "pom" | "sbt" | "java-maven" => {
            "maven"
        }
        "go" | "golang" | "gomod" | "gomodules" | "gobinary" | "go-module" => "golang",
        "cargo" | "rust" | "rust-crate" | "rustbinary" => "cargo",
        // OSV names this ecosystem by its registry.
        word if word.strip_suffix(".io") == Some("crates") => "cargo",
        "gem" | "rubygems" | "ruby" | "bundler" | "gemspec" => "gem",
        "nuget" | "dotnet" | ".net" | "dotnet-core" | "dotnet-deps" | "packages-props" => "nuget",
        "composer" | "packagist" | "php" | "php-composer" | "composer-vendor" => "composer",
        "debian" | "ubuntu" | "deb" | "dpkg" | "distroless" => "deb",
        "redhat" | "rhel" | "centos" | "fedora" | "rocky" | "alma" | "almalinux" | "oracle"
        | "amazon" | "suse" | "opensuse" | "sles" | "opensuse-leap" | "photon" | "rpm"
        | "rhel-rpm" | "azurelinux" | "mariner" | "cbl-mariner" | "rockylinux" | "oraclelinux"
        | "amazonlinux" => "rpm",
        "alpine" | "apk" | "wolfi" | "chainguard" | "minimos" => "apk",
        "cocoapods" | "pod" | "pods" => "cocoapods",
        "swift" | "swifturl" | "swiftpm" => "swift",
        "hex" | "elixir" | "erlang" | "mix" => "hex",
        "pub" | "dart" | "flutter" => "pub",
        "conan" | "c" | "c++" | "cpp" => "conan",
        "conda" | "conda-pkg" => "conda",
        "hackage" | "haskell" | "stack" => "hackage",
        "cran" | "r" | "r-package" => "cran",
        "bitnami" => "bitnami",
        "julia" => "julia",
        "github" | "githubactions" | "github-action" | "actions" => "github",
        "docker" | "oci" | "arch" | "alpm" => match word {
            "docker" => "docker",
            "oci" => "oci",
            _ => "alpm",
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_characters() {
        for (text, max, cut_to) in [
            ("short", 5, "short"),
            ("längere", 6, "lä…"),
            ("ääää", 7, "ää…"),
            ("abc", 1, "…"),
        ] {
            assert_eq!(cut(text, max), cut_to, "{text}");
        }
        assert_eq!(
            one_line(" SQL\n\tinjection  in\u{0} login ", 80),
            "SQL injection in login"
        );
        assert_eq!(one_line(&"word ".repeat(50), 10), "word wo…");
    }

    #[test]
    fn slugs_are_never_empty() {
        for (text, expected) in [
            ("SQL Injection (Blind)!", "sql-injection-blind"),
            ("  ", "unnamed"),
            ("Überlauf", "überlauf"),
        ] {
            assert_eq!(slug(text), expected);
        }
        assert!(slug(&"ä".repeat(200)).len() <= 80);
    }

    #[test]
    fn paths_are_cleaned_but_kept() {
        for (text, uri, expected) in [
            ("file:///home/ci/a%20b.py", true, "/home/ci/a b.py"),
            ("file:///C:/src/x.cs", true, "C:/src/x.cs"),
            ("./src\\main.rs", false, "src/main.rs"),
            (".//./x", false, "x"),
            ("100%25/a%zz", true, "100%/a%zz"),
            ("100%25", false, "100%25"),
            ("%ff", true, "%ff"),
            ("../up.c", false, "../up.c"),
        ] {
            assert_eq!(path(text, uri), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_leaves_only_its_digest() {
        let (name, digits) = secret_fingerprint("hunter2");
        assert_eq!(
            (name.as_str(), digits.as_str()),
            ("secret-sha256", "f52fbd32b2b3b86f")
        );
    }

    #[test]
    fn ecosystems_get_their_purl_type() {
        for (word, expected) in [
            ("Debian:12", Some("deb")),
            (concat!("crates", ".io"), Some("cargo")),
            ("PyPI", Some("pypi")),
            ("arch", Some("alpm")),
            ("fortran", None),
        ] {
            assert_eq!(ecosystem(word), expected, "{word}");
        }
    }
}
