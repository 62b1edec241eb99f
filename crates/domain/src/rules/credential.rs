//! What makes a password, a token's scope and a token's life acceptable.

use crate::error::{Error, Result};
use crate::model::{Email, TOKEN_MAX_DAYS};
use crate::policy::Action;
use crate::secret::Secret;
use crate::time::Timestamp;

/// Fewest and most characters of a password. Length is what counts (NIST SP 800-63B-4, section
/// 3.1.1.2); no mixture of kinds is asked for. The upper end bounds the work of hashing.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 12..=256;

/// # Errors
/// `password.length`, `password.guessable`.
pub fn check_password(password: &Secret, email: &Email) -> Result<()> {
    let length = password.expose().chars().count();
    if !PASSWORD_LENGTH.contains(&length) {
        return Err(Error::invalid(
            "password.length",
            format!(
                "a password has {} to {} characters",
                PASSWORD_LENGTH.start(),
                PASSWORD_LENGTH.end()
            ),
        )
        .on_field("password"));
    }
    let lower = password.expose().to_lowercase();
    let mut chars = lower.chars();
    let first = chars.next();
    let one_letter = chars.all(|c| Some(c) == first);
    if lower.trim() == email.as_str() || lower.trim() == email.name_part() || one_letter {
        return Err(Error::invalid(
            "password.guessable",
            "a password is neither the e-mail address nor one repeated character",
        )
        .on_field("password"));
    }
    Ok(())
}

/// Ready-made scopes, by the name that people choose them by.
pub const PRESETS: [&str; 3] = ["upload", "read", "all"];

/// The actions of a preset: `upload` (what a pipeline needs), `read`, `all` (that there are today).
#[must_use]
pub fn preset(name: &str) -> Option<Vec<String>> {
    let wanted: fn(&str) -> bool = match name {
        "upload" => |action| {
            matches!(
                action,
                "report.upload"
                    | "report.read"
                    | "group.read"
                    | "asset.read"
                    | "policy.read"
                    | "vulnerability.read"
                    | "organization.read"
            )
        },
        "read" => |action| action.ends_with(".read"),
        "all" => |_| true,
        _ => return None,
    };
    let names = Action::ALL.iter().map(|action| action.name());
    Some(
        names
            .filter(|name| wanted(name))
            .map(str::to_owned)
            .collect(),
    )
}

/// Checks and orders the scopes of a new token; repeats are dropped.
///
/// # Errors
/// `token.scopes` when there are none, or one is not the name of an action.
pub fn check_scopes(scopes: &[String]) -> Result<Vec<String>> {
    let known = |scope: &String| Action::ALL.iter().any(|action| action.name() == scope);
    if let Some(unknown) = scopes.iter().find(|scope| !known(scope)) {
        return Err(Error::invalid(
            "token.scopes",
            format!("{unknown:?} is not an action; see docs/ROLES.md for their names"),
        )
        .on_field("scopes"));
    }
    if scopes.is_empty() {
        return Err(
            Error::invalid("token.scopes", "a token needs at least one scope").on_field("scopes"),
        );
    }
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// # Errors
/// `token.expiry`: not after now, or later than [`TOKEN_MAX_DAYS`] from now.
pub fn check_expiry(expires: Timestamp, now: Timestamp) -> Result<()> {
    if expires > now && expires <= now.plus_days(TOKEN_MAX_DAYS) {
        Ok(())
    } else {
        Err(Error::invalid(
            "token.expiry",
            format!("a token expires within {TOKEN_MAX_DAYS} days from now"),
        )
        .on_field("expires"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_the_address() {
        let email = Email::new("some.long.name@example.com").expect("an address");
        let long = "x".repeat(255) + "yy";
        for (password, code) in [
            ("correct horse battery", None),
            ("zwölf Zeichen", None),
            ("eleven char", Some("password.length")),
            (&long, Some("password.length")),
            ("Some.Long.Name@example.com", Some("password.guessable")),
            ("some.long.name", Some("password.guessable")),
            ("aaaaaaaaaaaaaaaa", Some("password.guessable")),
        ] {
            let answer = check_password(&Secret::new(password), &email);
            assert_eq!(answer.err().map(|error| error.code()), code, "{password}");
        }
    }

    #[test]
    fn scopes_are_names_of_actions() {
        let scopes =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        assert_eq!(
            check_scopes(&scopes(&["report.upload", "group.read", "report.upload"])).ok(),
            Some(scopes(&["group.read", "report.upload"]))
        );
        for bad in [&[][..], &["report.*"], &["group.read", "fly"]] {
            let refused = check_scopes(&scopes(bad)).expect_err("refused");
            assert_eq!(refused.code(), "token.scopes", "{bad:?}");
        }
        for name in PRESETS {
            let preset = preset(name).expect("there is one");
            assert!(check_scopes(&preset).is_ok(), "{name}");
        }
        assert_eq!(preset("fly"), None);
        assert_eq!(preset("upload").map(|names| names.len()), Some(7));
    }

    #[test]
    fn a_token_lives_at_most_a_leap_year() {
        let now = Timestamp::from_millis(1_000);
        assert!(check_expiry(now.plus_days(TOKEN_MAX_DAYS), now).is_ok());
        assert!(check_expiry(now.plus_days(TOKEN_MAX_DAYS).plus_millis(1), now).is_err());
        assert!(check_expiry(now, now).is_err());
    }
}
