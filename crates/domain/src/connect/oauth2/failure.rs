//! What a refused token request means.

use serde_json::Value;

use crate::connect::answer::Answer;
use crate::connect::module::TokenFields;
use crate::connect::template::Take;
use crate::connect::values::Values;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `invalid_grant`: the code or refresh token is expired, used or revoked. It is never presented
    /// again; the user connects the account again.
    Dead,
    /// `invalid_client`, `unauthorized_client`: our registration is wrong, not the user's token. The
    /// token stays; the operator corrects the configuration.
    Client,
    /// The request is wrong in another way: a defect of the module, or of its configuration.
    Request,
    /// The user said no, or is asked to do something first.
    Denied,
    /// The provider did nothing and asks to try again (RFC 6749, section 4.1.2.1; status 429, 503).
    Transient,
    /// Nobody can tell whether the token was used: no answer, or one that makes no sense (RFC 9700,
    /// section 4.14, on replay). It may be presented again only where the module says so.
    Unknown,
}

/// A refusal, in words that hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub verdict: Verdict,
    pub status: u16,
    /// The provider's error code (RFC 6749, section 5.2), if it looks like one.
    pub code: Option<String>,
    /// Its description, short and without control characters.
    pub description: Option<String>,
}

impl Refused {
    /// No answer at all.
    #[must_use]
    pub fn no_answer() -> Self {
        Self {
            verdict: Verdict::Unknown,
            status: 0,
            code: None,
            description: None,
        }
    }

    /// Whether the provider names the request itself as what is wrong, whatever token is in it: RFC 6749,
    /// section 5.2. The token is not at fault then.
    #[must_use]
    pub fn is_about_the_request(&self) -> bool {
        matches!(
            self.code.as_deref(),
            Some("unsupported_grant_type" | "invalid_scope")
        )
    }

    pub(super) fn malformed(status: u16) -> Self {
        Self {
            verdict: Verdict::Unknown,
            status,
            code: None,
            description: Some(
                "the answer holds no access token where the module expects it".to_owned(),
            ),
        }
    }

    /// A sentence for the user, with what to do. `app` is the module's label.
    #[must_use]
    pub fn sentence(&self, app: &str) -> String {
        let code = self
            .code
            .as_deref()
            .map(|code| format!(" ({code})"))
            .unwrap_or_default();
        let said = self
            .description
            .as_deref()
            .map(|text| format!(": {text}"))
            .unwrap_or_default();
        match self.verdict {
            Verdict::Dead => format!(
                "{app} does not accept the authorization any more{code}{said}; connect the account again"
            ),
            Verdict::Client => {
                format!(
                    "{app} does not know our registration{code}{said}; the operator checks client id, secret and redirect address"
                )
            }
            Verdict::Request => {
                format!("{app} refused the request{code}{said}; check the module and its scopes")
            }
            Verdict::Denied => {
                format!("{app} says that access was denied{code}{said}; start again and agree")
            }
            Verdict::Transient => format!("{app} can't answer now{code}{said}; it is tried again"),
            Verdict::Unknown => format!(
                "whether {app} took the request is not known{said}; connect the account again if it does not heal"
            ),
        }
    }
}

/// Nothing where the answer is a success, else what it means.
#[must_use]
pub fn classify(fields: &TokenFields, answer: &Answer) -> Option<Refused> {
    let text = |take: &Take| {
        take.from(&answer.body, &Values::new())
            .and_then(|value| match value {
                Value::String(text) => Some(text),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
    };
    let code = text(&fields.error)
        .filter(|code| is_code(code))
        .map(|code| code.to_ascii_lowercase());
    let has_error = fields
        .error
        .from(&answer.body, &Values::new())
        .is_some_and(|error| error != Value::Bool(false) && error != "");
    let succeeded = (200..300).contains(&answer.status);
    if succeeded && !has_error {
        return None;
    }
    let verdict = match (answer.status, code.as_deref()) {
        (
            _,
            Some(
                "invalid_grant"
                | "invalid_refresh_token"
                | "token_revoked"
                | "bad_refresh_token"
                | "bad_auth_code"
                | "bad_verification_code"
                | "expired_token"
                | "invalid_code"
                | "code_already_used"
                | "token_expired"
                | "refresh_token_expired",
            ),
        ) => Verdict::Dead,
        (
            _,
            Some(
                "invalid_client"
                | "unauthorized_client"
                | "incorrect_client_credentials"
                | "invalid_client_id"
                | "bad_client_secret"
                | "redirect_uri_mismatch"
                | "bad_redirect_uri",
            ),
        ) => Verdict::Client,
        (
            _,
            Some("access_denied" | "consent_required" | "interaction_required" | "login_required"),
        ) => Verdict::Denied,
        (
            _,
            Some(
                "temporarily_unavailable"
                | "slow_down"
                | "rate_limited"
                | "ratelimited"
                | "too_many_requests",
            ),
        ) => Verdict::Transient,
        // A gateway may have lost the answer of a request that was carried out; only 429 and 503 say that it was not.
        (429 | 503, _) => Verdict::Transient,
        (408 | 500..=599, _) | (_, Some("server_error" | "internal_error")) => Verdict::Unknown,
        (401, None) => Verdict::Client,
        (400..=499, _) => Verdict::Request,
        (_, Some(_)) => Verdict::Request,
        _ => Verdict::Unknown,
    };
    Some(Refused {
        verdict,
        status: answer.status,
        code,
        description: text(&fields.error_description)
            .map(|text| short(&text))
            .filter(|text| !text.is_empty()),
    })
}

/// RFC 6749, section 5.2 allows more, but no provider's code is longer or stranger; anything else
/// could be an echo of what we sent.
fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 60
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))
}

/// Descriptions sometimes repeat the token: words that long are left out.
fn short(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    let words: Vec<&str> = clean
        .split_whitespace()
        .map(|word| if word.len() > 30 { "…" } else { word })
        .collect();
    words.join(" ")
}
