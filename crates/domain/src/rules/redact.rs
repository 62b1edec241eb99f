//! Masking secrets in what is about to be logged, shown or put into an error.
//!
//! The first line of defence is that secrets are [`crate::secret::Secret`] and that bodies are not
//! printed at all. This is the second: for addresses, headers, JSON and free text of other
//! systems, whose authors repeat in errors what they were sent. It masks by name and by shape;
//! what it does not know it can't mask.

use serde_json::Value;
use std::borrow::Cow;

/// What stands where a secret was.
pub const MASK: &str = "[secret]";

/// Parts of names, in lower case without `-`, `_` and spaces, that say that the value is a secret.
const NAMES: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "apitoken",
    "assertion",
    "authkey",
    "authorization",
    "authtoken",
    "bearer",
    "clientsecret",
    "codeverifier",
    "connectionstring",
    "cookie",
    "credential",
    "hashword",
    "idtoken",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "privatetoken",
    "pwd",
    "refreshtoken",
    "secret",
    "securitytoken",
    "sessionid",
    "sessionkey",
    "sessiontoken",
    "signature",
    "signingkey",
    "xauth",
];

/// Whole names that are too short to be looked for inside others. `code` is OAuth 2's
/// authorization code (RFC 6749, section 4.1.2); `sig` is in Azure's signed addresses.
const WHOLE: &[&str] = &[
    "code", "jwt", "key", "otp", "pass", "pin", "sid", "sig", "token",
];

/// How well-known tokens start. A word that starts like this and goes on for at least 12
/// characters is masked wherever it stands.
const STARTS: &[&str] = &[
    "AKIA",
    "ASIA",
    "AIza",
    "EAAC",
    "dop_v1_",
    "eyJ",
    "gh",
    "github_pat_",
    "glpat-",
    "gna_",
    "hooks.slack.com/services/",
    "lin_api_",
    "npm_",
    "pat-",
    "pypi-",
    "rk_live_",
    "rk_test_",
    "sealed:",
    "shpat_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "sq0",
    "whsec_",
    "xapp-",
    "xox",
    "ya29.",
];

/// Whether a name (of a header, a field, a parameter, a variable) announces a secret.
#[must_use]
pub fn names_a_secret(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    WHOLE.contains(&name.as_str())
        || name.ends_with("token")
        || NAMES.iter().any(|known| name.contains(known))
}

/// A header's value as it may be shown. Of `Authorization` the scheme stays.
#[must_use]
pub fn redacted_header<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if names_a_secret(name) {
        match value.split_once(' ') {
            Some((scheme, _)) if name.eq_ignore_ascii_case("authorization") => {
                Cow::Owned(format!("{scheme} {MASK}"))
            }
            _ => Cow::Borrowed(MASK),
        }
    } else if value.contains("://") {
        // Location, Referer, Link.
        Cow::Owned(redacted_text(value))
    } else {
        redact_words(value)
    }
}

/// An address with its user part, and the values of parameters that are secrets, masked. Reads
/// whatever it is given; what is no address is treated as text.
#[must_use]
pub fn redacted_url(url: &str) -> String {
    let (before, fragment) = match url.split_once('#') {
        Some((before, fragment)) => (before, Some(fragment)),
        None => (url, None),
    };
    let (address, query) = match before.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (before, None),
    };
    let mut shown = match address.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = match rest.find(['/', '\\']) {
                Some(at) => rest.split_at(at),
                None => (rest, ""),
            };
            let authority = match authority.rsplit_once('@') {
                Some((_, host)) => format!("{MASK}@{host}"),
                None => authority.to_owned(),
            };
            format!("{scheme}://{authority}{}", redacted_path(path))
        }
        None => redact_words(address).into_owned(),
    };
    if let Some(query) = query {
        shown.push('?');
        shown.push_str(&redacted_pairs(query));
    }
    if let Some(fragment) = fragment {
        shown.push('#');
        shown.push_str(&redacted_pairs(fragment));
    }
    shown
}

/// Some systems keep the secret in the path of an incoming webhook.
fn redacted_path(path: &str) -> String {
    let parts: Vec<Cow<'_, str>> = path
        .split('/')
        .scan(false, |after_hook, part| {
            let shown = if *after_hook && part.len() >= 16 {
                Cow::Borrowed(MASK)
            } else {
                redact_words(part)
            };
            *after_hook |= matches!(
                part,
                "services"
                    | "webhooks"
                    | "webhook"
                    | "webhookb2"
                    | "hooks"
                    | "workflows"
                    | "triggers"
            );
            Some(shown)
        })
        .collect();
    parts.join("/")
}

/// `a=1&token=2` with the values of secrets masked.
fn redacted_pairs(pairs: &str) -> String {
    let shown: Vec<Cow<'_, str>> = pairs
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if names_a_secret(name) => Cow::Owned(format!("{name}={MASK}")),
            _ => redact_words(pair),
        })
        .collect();
    shown.join("&")
}

/// JSON with the values of fields whose names announce secrets masked, and text in it treated as
/// [`redacted_text`] does. Structure and harmless values stay.
#[must_use]
pub fn redacted_json(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    let shown = match value {
                        Value::Null | Value::Bool(_) => value.clone(),
                        _ if names_a_secret(name) => Value::from(MASK),
                        _ => redacted_json(value),
                    };
                    (name.clone(), shown)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(redacted_json).collect()),
        Value::String(text) => Value::from(redacted_text(text)),
        other => other.clone(),
    }
}

/// Free text, such as the answer of another system, with what looks like a secret masked:
/// addresses, JSON, `name=value` and `name: value`, what follows `Bearer` and `Basic`, private
/// keys, and tokens of a known shape.
#[must_use]
pub fn redacted_text(text: &str) -> String {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        return redacted_json(&value).to_string();
    }
    let text = without_blocks(text);
    let mut shown = String::with_capacity(text.len());
    let mut hide_next = false;
    // Whether the word before announced a secret, so that a mark that stands alone belongs to it.
    let mut named = false;
    for piece in text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, ',' | ';')) {
        let word = piece.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        let after = piece.get(word.len()..).unwrap_or_default();
        if word.is_empty() {
            shown.push_str(after);
            continue;
        }
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_scheme = ["bearer", "basic", "digest"]
            .iter()
            .any(|scheme| bare.eq_ignore_ascii_case(scheme));
        if is_scheme {
            shown.push_str(word);
            hide_next = true;
        } else if matches!(word, "=" | ":" | "=>") {
            shown.push_str(word);
            hide_next |= named;
        } else if hide_next {
            shown.push_str(MASK);
            hide_next = false;
        } else if word.contains("://") {
            shown.push_str(&redacted_url(word));
        } else {
            let (masked, opened) = redacted_pair(word);
            shown.push_str(&masked);
            hide_next = opened;
        }
        named = !is_scheme && names_a_secret(bare);
        shown.push_str(after);
    }
    shown
}

/// The text with every block of PEM masked (RFC 7468, section 2; OpenPGP's armour looks the same): from
/// `-----BEGIN` over the whole of `-----END …-----`, or to the end of the text where that does not come,
/// as in a text that was cut off. Certificates go with the keys: their label is in the hand of
/// whoever wrote it.
fn without_blocks(text: &str) -> Cow<'_, str> {
    let (begin, end, dashes) = ("-----BEGIN", "-----END", "-----");
    if !text.contains(begin) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, block)) = rest.split_once(begin) {
        shown.push_str(before);
        shown.push_str(MASK);
        let last = block.split_once(end).map(|(_, label)| label);
        rest = last
            .and_then(|label| label.split_once(dashes))
            .map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// One word such as `token=abc`, `"token":"abc"` or `token:`. Also answers whether the value is yet
/// to come.
fn redacted_pair(word: &str) -> (Cow<'_, str>, bool) {
    let Some(at) = word.find(['=', ':']) else {
        return (redact_words(word), false);
    };
    let (name, rest) = word.split_at(at);
    let name_only = name.rsplit(['&', '?', '{', '(']).next().unwrap_or(name);
    if !names_a_secret(name_only) {
        if word.contains('&') {
            return (Cow::Owned(redacted_pairs(word)), false);
        }
        return (redact_words(word), false);
    }
    let value = rest.trim_start_matches(['=', ':', '>', '"', '\'']);
    if value.is_empty() {
        return (Cow::Borrowed(word), true);
    }
    let mark = rest.get(..1).unwrap_or_default();
    let more = match value.split_once('&') {
        Some((_, more)) => format!("&{}", redacted_pairs(more)),
        None => String::new(),
    };
    (Cow::Owned(format!("{name}{mark}{MASK}{more}")), false)
}

/// Words of a known shape masked: tokens by how they start, and long runs of base64 or hexadecimal
/// digits that mix kinds of characters as only keys do.
fn redact_words(text: &str) -> Cow<'_, str> {
    let is_word =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '=' | ':');
    let mut shown: Option<String> = None;
    let mut done = 0;
    let mut start = None;
    let ends = text
        .char_indices()
        .map(|(at, c)| (at, Some(c)))
        .chain(std::iter::once((text.len(), None)));
    for (at, c) in ends {
        match (c.filter(|&c| is_word(c)), start) {
            (Some(_), None) => start = Some(at),
            (None, Some(from)) => {
                let word = text.get(from..at).unwrap_or_default();
                if looks_secret(word) {
                    let shown = shown.get_or_insert_default();
                    shown.push_str(text.get(done..from).unwrap_or_default());
                    shown.push_str(MASK);
                    done = at;
                }
                start = None;
            }
            _ => {}
        }
    }
    match shown {
        None => Cow::Borrowed(text),
        Some(mut shown) => {
            shown.push_str(text.get(done..).unwrap_or_default());
            Cow::Owned(shown)
        }
    }
}

fn looks_secret(word: &str) -> bool {
    if word.len() >= 12 {
        let known = STARTS.iter().any(|start| {
            word.strip_prefix(start).is_some_and(|rest| match *start {
                // ghp_, gho_, ghu_, ghs_, ghr_ of GitHub; a plain word may start with "gh".
                "gh" => rest.as_bytes().get(1) == Some(&b'_'),
                _ => true,
            })
        });
        if known {
            return true;
        }
    }
    let has = |test: fn(&char) -> bool| word.chars().any(|c| test(&c));
    let plain = word
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '_' | '-' | '/'));
    word.len() >= 40
        && plain
        && (!word.contains('/') || is_mixed(word))
        && has(char::is_ascii_digit)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
}

/// Whether small letters, capitals and digits change as often as in base64 of random bytes, where
/// nearly two of three neighbours differ; in paths, which have slashes too, it is one in five.
fn is_mixed(word: &str) -> bool {
    let kind = |c: char| match c {
        'a'..='z' => Some(0),
        'A'..='Z' => Some(1),
        '0'..='9' => Some(2),
        _ => None,
    };
    let kinds = || word.chars().filter_map(kind);
    let changes = kinds().zip(kinds().skip(1)).filter(|(a, b)| a != b).count();
    changes * 10 >= kinds().count() * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::json;

    const KEY: &str = "hunter2-hunter2";

    #[test]
    fn addresses_lose_their_secrets_and_keep_the_rest() {
        for (url, shown) in [
            ("https://a.example/x?page=2", "https://a.example/x?page=2"),
            ("https://u:p@a.example/", "https://[secret]@a.example/"),
            (
                "https://a.example/?api_key=1&b=2",
                "https://a.example/?api_key=[secret]&b=2",
            ),
            (
                "https://a.example/cb?code=1&state=2",
                "https://a.example/cb?code=[secret]&state=2",
            ),
            (
                "https://a.example/#access_token=1",
                "https://a.example/#access_token=[secret]",
            ),
            (
                "https://a.example/s?X-Amz-Signature=ff",
                "https://a.example/s?X-Amz-Signature=[secret]",
            ),
            (
                "https://hooks.slack.com/services/T0/B0/abcdefghijklmnopqrstuvwx",
                "https://hooks.slack.com/services/T0/B0/[secret]",
            ),
            ("not an address", "not an address"),
            ("", ""),
        ] {
            assert_eq!(redacted_url(url), shown, "{url}");
        }
    }

    #[test]
    fn headers_are_known_by_name_and_by_shape() {
        for (name, value, shown) in [
            ("Authorization", "Bearer x", "Bearer [secret]"),
            ("authorization", "x", "[secret]"),
            ("X-Api-Key", "x", "[secret]"),
            ("PRIVATE-TOKEN", "x", "[secret]"),
            ("Set-Cookie", "sid=1; Path=/", "[secret]"),
            ("X-Hub-Signature-256", "sha256=ab", "[secret]"),
            ("Content-Type", "application/json", "application/json"),
            (
                "Location",
                "https://a.example/?token=1",
                "https://a.example/?token=[secret]",
            ),
            ("X-Note", "ghp_abcdefghijklmnop", "[secret]"),
        ] {
            assert_eq!(redacted_header(name, value), shown, "{name}");
        }
    }

    #[test]
    fn json_keeps_its_structure() {
        let value = json!({
            "access_token": KEY, "expires_in": 3600, "nested": [{"clientSecret": KEY, "name": "x"}],
            "error": format!("bad password={KEY}"), "password": null, "ok": true,
        });
        assert_eq!(
            redacted_json(&value),
            json!({
                "access_token": MASK, "expires_in": 3600, "nested": [{"clientSecret": MASK, "name": "x"}],
                "error": "bad password=[secret]", "password": null, "ok": true,
            })
        );
    }

    #[test]
    fn text_of_other_systems_loses_what_looks_like_a_secret() {
        for (text, shown) in [
            ("invalid token: hunter2", "invalid token: [secret]"),
            (
                "invalid token = hunter2 sent",
                "invalid token = [secret] sent",
            ),
            (
                "Authorization: Bearer hunter2",
                "Authorization: Bearer [secret]",
            ),
            (
                "grant_type=a&refresh_token=hunter2&x=1",
                "grant_type=a&refresh_token=[secret]&x=1",
            ),
            ("refresh_token=hunter2&x=1", "refresh_token=[secret]&x=1"),
            (
                "see https://a.example/?key=hunter2, please",
                "see https://a.example/?key=[secret], please",
            ),
            (
                "key xoxb-123456789012-abc is revoked",
                "key [secret] is revoked",
            ),
            ("(glpat-abcdefghij0123456789)", "([secret])"),
            ("{\"password\":\"hunter2\"}", "{\"password\":\"[secret]\"}"),
            ("'password':'hunter2'", "'password':[secret]"),
            ("nothing to hide: 17 items", "nothing to hide: 17 items"),
            (
                "the commit 0123456789abcdef0123456789abcdef01234567",
                "the commit 0123456789abcdef0123456789abcdef01234567",
            ),
        ] {
            assert_eq!(redacted_text(text), shown, "{text}");
        }
    }

    /// The lines of a key as `openssl genrsa` writes them: 26 of 64 characters. Made up of digests, so
    /// that no real key is here.
    fn invented_key() -> Vec<String> {
        use sha2::{Digest, Sha256};
        let bytes: Vec<u8> = (0_u8..38).flat_map(|nth| Sha256::digest([nth])).collect();
        let text = STANDARD.encode(bytes);
        let lines: Vec<String> = text
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        assert!(lines.len() > 25 && lines.iter().filter(|line| line.contains('/')).count() > 10);
        lines
    }

    #[test]
    fn no_line_of_a_private_key_is_shown() {
        let lines = invented_key();
        for label in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
        ] {
            for (break_, end) in [
                ("\n", true),
                ("\r\n", true),
                ("\\n", true),
                ("\n", false),
                (" ", true),
            ] {
                let body = lines.join(break_);
                let closing = match end {
                    true => format!("{break_}-----END {label}----- here"),
                    false => String::new(),
                };
                let block = format!("-----BEGIN {label}-----{break_}{body}{closing}");
                for text in [
                    format!("got {block}"),
                    format!("key={block} and {block}"),
                    json!({ "note": format!("got {block}") }).to_string(),
                ] {
                    let shown = redacted_text(&text);
                    for line in &lines {
                        for part in [&line[..8], &line[line.len() - 8..]] {
                            assert!(!shown.contains(part), "{part} in {shown}");
                        }
                    }
                    assert_eq!(shown.contains("here"), end, "{shown}");
                }
            }
        }
        assert_eq!(
            redacted_text("a -----BEGIN X----- b -----END X----- c"),
            "a [secret] c"
        );
    }

    #[test]
    fn keys_with_slashes_are_known_and_paths_are_not_hidden() {
        for line in invented_key().iter().filter(|line| line.len() == 64) {
            assert_eq!(
                redacted_text(&format!("sent {line} twice")),
                "sent [secret] twice"
            );
        }
        // The example key of Amazon's documentation.
        let amazon = concat!("wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY");
        assert_eq!(redacted_text(amazon), MASK);
        for path in [
            "src/main/java/com/acmeshop1/checkout/CartServiceImpl2",
            "/usr/local/lib/Python3/site-packages/numpy/core/include/v2",
            "web/packages/Frontend2/node_modules/react-dom/cjs/Index",
        ] {
            assert_eq!(redacted_text(path), path);
        }
    }

    proptest! {
        #[test]
        fn a_named_secret_never_survives(secret in "[a-zA-Z0-9]{6,60}", around in "[a-z ]{0,20}") {
            prop_assume!(!around.contains(&secret) && !"access_token password secret json name".contains(&secret));
            let forms = [
                format!("{around} access_token={secret}"),
                format!("{around} password: {secret} {around}"),
                format!("Bearer {secret}"),
                json!({"client_secret": secret, "name": around}).to_string(),
                format!("https://{secret}@a.example/?api_key={secret}"),
            ];
            for form in forms {
                prop_assert!(!redacted_text(&form).contains(&secret), "{} in {}", secret, redacted_text(&form));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,200}") {
            let _ = (redacted_text(&text), redacted_url(&text), redacted_header(&text, &text));
        }
    }
}
