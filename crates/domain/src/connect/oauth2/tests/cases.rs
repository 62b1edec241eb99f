//! OAuth 2.0, case by case; each names the section it comes from.

use serde_json::{Value, json};

use super::*;
use crate::connect::answer::Answer;
use crate::connect::module::{Auth, Module, TokenFields};
use crate::connect::request::{Body, Request};
use crate::connect::values::Values;
use crate::secret::Secret;
use crate::time::Timestamp;

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn module(auth: Value) -> Module {
    serde_json::from_value(json!({
        "name": "acme", "docs": ["https://acme.example/docs"],
        "display": {"label": "Acme", "description": "A test.", "category": "issue_tracker", "details_url": "https://acme.example"},
        "connection": [{"name": "site", "title": "Site", "pattern": "[a-z]+"}],
        "urls": {"api": "https://api.acme.example"}, "auth": auth,
        "identity": {"external_id": "{connection.site}", "display_name": "{connection.site}"}
    }))
    .expect("a module")
}

fn oauth(change: Value) -> Module {
    let mut kind = json!({"authorize_url": "https://{connection.site}.acme.example/authorize", "token_url": "https://acme.example/token"});
    for (name, value) in change.as_object().expect("an object") {
        kind[name] = value.clone();
    }
    module(json!({"oauth2_code": kind}))
}

fn client() -> Client {
    Client {
        id: "id 1".to_owned(),
        secret: Some(Secret::new("se:cret")),
        redirect_uri: Some("https://gna.example/redirect/acme".to_owned()),
        scopes: Vec::new(),
    }
}

fn values() -> Values {
    Values::new()
        .with("connection", json!({"site": "eu"}))
        .with(
            "credential",
            json!({"username": "ada", "password": "hunter2"}),
        )
}

fn code_kind(module: &Module) -> &crate::connect::module::Oauth2Code {
    match &module.auth {
        Auth::Oauth2Code(kind) => kind,
        _ => panic!("another kind"),
    }
}

#[test]
fn authorize_addresses() {
    let base = "https://eu.acme.example/authorize?response_type=code&client_id=id%201&redirect_uri=https%3A%2F%2Fgna.example%2Fredirect%2Facme";
    for (section, change, rest) in [
        (
            "RFC 7636, 4.3",
            json!({}),
            format!("&state=st&code_challenge={CHALLENGE}&code_challenge_method=S256"),
        ),
        (
            "RFC 6749, 4.1.1",
            json!({"pkce": "none"}),
            "&state=st".to_owned(),
        ),
        (
            "RFC 6749, 3.3",
            json!({"pkce": "none", "scopes": ["a", "b:c"]}),
            "&scope=a%20b%3Ac&state=st".to_owned(),
        ),
        (
            "a comma between scopes",
            json!({"pkce": "none", "scopes": ["a", "b"], "scope_separator": ","}),
            "&scope=a%2Cb&state=st".to_owned(),
        ),
        (
            "another name for scopes",
            json!({"pkce": "none", "scopes": ["a"], "scope_parameter": "user_scope"}),
            "&user_scope=a&state=st".to_owned(),
        ),
        (
            "more parameters",
            json!({"pkce": "none", "authorize_params": {"access_type": "offline", "site": "{connection.site}"}}),
            "&state=st&access_type=offline&site=eu".to_owned(),
        ),
    ] {
        let module = oauth(change);
        let flow = Authorize {
            client: &client(),
            state: "st",
            verifier: &Secret::new(VERIFIER),
        };
        let url = authorize_url(&module, code_kind(&module), &flow, &values()).expect(section);
        assert_eq!(url, format!("{base}{rest}"), "{section}");
    }
}

#[test]
fn what_the_operator_adds_is_asked_for_once_beside_the_scopes_of_the_module() {
    for (of_module, added, asked) in [
        (json!(["a"]), vec!["b"], "scope=a%20b&"),
        (json!(["a", "b"]), vec!["b", "c"], "scope=a%20b%20c&"),
        (json!([]), vec!["b"], "scope=b&"),
    ] {
        let module = oauth(json!({"pkce": "none", "scopes": of_module}));
        let client = Client {
            scopes: added.into_iter().map(str::to_owned).collect(),
            ..client()
        };
        let flow = Authorize {
            client: &client,
            state: "st",
            verifier: &Secret::new(VERIFIER),
        };
        let url = authorize_url(&module, code_kind(&module), &flow, &values()).expect(asked);
        assert!(url.contains(asked), "{url}");
    }
}

#[test]
fn authorize_addresses_that_can_not_be_made() {
    let module = oauth(json!({}));
    let kind = code_kind(&module);
    let long = "a".repeat(129);
    for (verifier, values, code) in [
        ("short", values(), "oauth2.verifier"),
        (long.as_str(), values(), "oauth2.verifier"),
        (
            "dBjftJeZ4CVP mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            values(),
            "oauth2.verifier",
        ),
        (VERIFIER, Values::new(), "module.input"),
    ] {
        let flow = Authorize {
            client: &client(),
            state: "st",
            verifier: &Secret::new(verifier),
        };
        let refused = authorize_url(&module, kind, &flow, &values).expect_err("refused");
        assert_eq!(refused.code(), code);
        assert!(!refused.message().contains(verifier), "{refused}");
    }
}

fn form(request: &Request) -> Value {
    match &request.body {
        Body::Form(pairs) => pairs
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Body::Json(value) => json!({"json": value}),
        _ => panic!("no form"),
    }
}

#[test]
fn token_requests() {
    let redirect = "https://gna.example/redirect/acme";
    let basic_encoded = Some("Basic aWQlMjAxOnNlJTNBY3JldA==");
    let basic_raw = Some("Basic aWQgMTpzZTpjcmV0");
    let whole = json!({"grant_type": "authorization_code", "code": "c", "redirect_uri": redirect, "code_verifier": VERIFIER});
    let with = |more: Value| {
        let mut form = whole.clone();
        for (name, value) in more.as_object().expect("an object") {
            form[name] = value.clone();
        }
        form
    };
    let in_body = json!({"client_id": "id 1", "client_secret": "se:cret"});
    for (section, change, authorization, body) in [
        (
            "RFC 6749, 4.1.3, client in the body 2.3.1",
            json!({}),
            None,
            with(in_body.clone()),
        ),
        (
            "RFC 6749, 2.3.1, Basic",
            json!({"client_auth": "basic"}),
            basic_encoded,
            whole.clone(),
        ),
        (
            "Basic as it is",
            json!({"client_auth": "basic_raw"}),
            basic_raw,
            whole.clone(),
        ),
        (
            "JSON",
            json!({"client_auth": "json"}),
            None,
            json!({"json": with(in_body.clone())}),
        ),
        (
            "RFC 6749, 3.2.1, a public client",
            json!({"client_auth": "none"}),
            None,
            with(json!({"client_id": "id 1"})),
        ),
        (
            "more parameters",
            json!({"client_auth": "basic", "token_params": {"audience": "{connection.site}"}}),
            basic_encoded,
            with(json!({"audience": "eu"})),
        ),
    ] {
        let module = oauth(change);
        let request = code(
            &module,
            code_kind(&module),
            &client(),
            &Secret::new("c"),
            Some(&Secret::new(VERIFIER)),
            &values(),
        )
        .expect(section);
        assert_eq!(request.header("authorization"), authorization, "{section}");
        assert_eq!(form(&request), body, "{section}");
        assert_eq!(request.url, "https://acme.example/token");
        assert!(!format!("{request:?}").contains("cret"), "{section}");
    }
    let without = oauth(json!({"pkce": "none"}));
    let request = code(
        &without,
        code_kind(&without),
        &client(),
        &Secret::new("c"),
        Some(&Secret::new(VERIFIER)),
        &values(),
    )
    .expect("made");
    assert_eq!(
        form(&request).get("code_verifier"),
        None,
        "the app knows no PKCE"
    );
}

#[test]
fn other_grants() {
    let module_of = oauth(
        json!({"refresh_params": {"scope": "all"}, "refresh_url": "https://acme.example/again", "revocation_url": "https://acme.example/revoke"}),
    );
    let request =
        refresh(&module_of, &client(), &Secret::new("r"), &values()).expect("RFC 6749, 6");
    assert_eq!(request.url, "https://acme.example/again");
    assert_eq!(
        form(&request),
        json!({"grant_type": "refresh_token", "refresh_token": "r", "scope": "all", "client_id": "id 1", "client_secret": "se:cret"})
    );
    let request = revoke(
        &module_of,
        code_kind(&module_of),
        &client(),
        &Secret::new("r"),
        &values(),
    )
    .expect("RFC 7009, 2.1")
    .expect("there is one");
    assert_eq!(
        form(&request),
        json!({"token": "r", "client_id": "id 1", "client_secret": "se:cret"})
    );
    let plain = oauth(json!({}));
    assert_eq!(
        revoke(
            &plain,
            code_kind(&plain),
            &client(),
            &Secret::new("r"),
            &values()
        )
        .expect("made"),
        None
    );

    let machine = module(
        json!({"oauth2_client_credentials": {"token_url": "https://acme.example/token", "scopes": ["a"], "client_auth": "basic", "token_params": {"audience": "x"}}}),
    );
    let Auth::Oauth2ClientCredentials(kind) = &machine.auth else {
        panic!("another kind")
    };
    let request =
        client_credentials(&machine, kind, &client(), &values()).expect("RFC 6749, 4.4.2");
    assert_eq!(
        form(&request),
        json!({"grant_type": "client_credentials", "scope": "a", "audience": "x"})
    );
    let refused =
        refresh(&machine, &client(), &Secret::new("r"), &values()).expect_err("RFC 6749, 4.4.3");
    assert_eq!(refused.code(), "oauth2.no_refresh");

    let old = module(
        json!({"oauth2_password": {"token_url": "https://acme.example/token", "fields": []}}),
    );
    let Auth::Oauth2Password(kind) = &old.auth else {
        panic!("another kind")
    };
    let request = password(&old, kind, &client(), &values()).expect("RFC 6749, 4.3.2");
    assert_eq!(
        form(&request),
        json!({"grant_type": "password", "username": "ada", "password": "hunter2", "client_id": "id 1", "client_secret": "se:cret"})
    );
    let refused = password(&old, kind, &client(), &Values::new()).expect_err("nobody to sign in");
    assert_eq!(refused.code(), "module.input");
}

fn answer(status: u16, body: Value) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body,
    }
}

fn fields(change: Value) -> TokenFields {
    serde_json::from_value(change).expect("fields")
}

#[test]
fn lives_of_tokens() {
    let seconds = |at: Timestamp| (at.millis() - NOW.millis()) / 1_000;
    for (case, change, body, life) in [
        (
            "RFC 6749, 5.1",
            json!({}),
            json!({"expires_in": 3600}),
            Some(3600),
        ),
        (
            "RFC 6749, 5.1: it may be left out, and then it is not known",
            json!({}),
            json!({}),
            None,
        ),
        (
            "a number as text",
            json!({}),
            json!({"expires_in": " 3600 "}),
            Some(3600),
        ),
        (
            "a number with a fraction",
            json!({}),
            json!({"expires_in": 3599.9}),
            Some(3599),
        ),
        (
            "zero says that it does not expire",
            json!({}),
            json!({"expires_in": 0}),
            None,
        ),
        ("less than zero", json!({}), json!({"expires_in": -1}), None),
        ("null", json!({}), json!({"expires_in": null}), None),
        ("a word", json!({}), json!({"expires_in": "never"}), None),
        (
            "more than ten years",
            json!({}),
            json!({"expires_in": 99_999_999_999_i64}),
            None,
        ),
        (
            "more than any number",
            json!({}),
            json!({"expires_in": 1e300}),
            None,
        ),
        (
            "another name",
            json!({"expires_in": "/data/ttl"}),
            json!({"data": {"ttl": 60}}),
            Some(60),
        ),
        (
            "a point in time",
            json!({"expires_at": "/expires_at"}),
            json!({"expires_at": "2023-11-14T22:14:20Z"}),
            Some(60),
        ),
        (
            "seconds since 1970",
            json!({"expires_at": "/e"}),
            json!({"e": 1_700_000_060}),
            Some(60),
        ),
        (
            "milliseconds since 1970",
            json!({"expires_at": "/e"}),
            json!({"e": "1700000060000"}),
            Some(60),
        ),
        (
            "no point in time",
            json!({"expires_at": "/e"}),
            json!({"e": "soon"}),
            None,
        ),
        (
            "documented, never said",
            json!({"assume_expires_in": 7200}),
            json!({}),
            Some(7200),
        ),
        (
            "said, though documented",
            json!({"assume_expires_in": 7200}),
            json!({"expires_in": 60}),
            Some(60),
        ),
    ] {
        let mut whole = body.clone();
        whole["access_token"] = json!("a");
        let tokens = read(&fields(change), &answer(200, whole), None, NOW).expect(case);
        assert_eq!(tokens.expires_at.map(seconds), life, "{case}");
    }
}

#[test]
fn what_an_answer_leaves_out_stays() {
    let first = fields(json!({"refresh_expires_in": "/rx", "keep": {"url": "/instance_url"}}));
    let body = json!({"access_token": "a1", "refresh_token": "r1", "rx": 100, "scope": "s1", "instance_url": "https://i.example"});
    let before = read(&first, &answer(200, body), None, NOW).expect("RFC 6749, 5.1");
    for (case, body, token, refresh_life, scope) in [
        (
            "RFC 6749, 6: no new refresh token",
            json!({}),
            "r1",
            Some(100_000),
            "s1",
        ),
        (
            "RFC 6749, 6: null is none",
            json!({"refresh_token": null}),
            "r1",
            Some(100_000),
            "s1",
        ),
        (
            "an empty one is none",
            json!({"refresh_token": ""}),
            "r1",
            Some(100_000),
            "s1",
        ),
        (
            "RFC 6749, 6: a new one",
            json!({"refresh_token": "r2", "rx": 200}),
            "r2",
            Some(200_000),
            "s1",
        ),
        (
            "RFC 6749, 5.1: another scope",
            json!({"scope": "s2"}),
            "r1",
            Some(100_000),
            "s2",
        ),
        (
            "scopes as a list",
            json!({"scope": ["a", "b"]}),
            "r1",
            Some(100_000),
            "a b",
        ),
    ] {
        let mut whole = body;
        whole["access_token"] = json!("a2");
        let tokens = read(&first, &answer(200, whole), Some(&before), NOW).expect(case);
        assert_eq!(tokens.access_token.expose(), "a2", "{case}");
        assert_eq!(
            tokens.refresh_token.as_ref().map(Secret::expose),
            Some(token),
            "{case}"
        );
        assert_eq!(
            tokens
                .refresh_expires_at
                .map(|at| at.millis() - NOW.millis()),
            refresh_life,
            "{case}"
        );
        assert_eq!(tokens.scope.as_deref(), Some(scope), "{case}");
        assert_eq!(
            tokens.kept.get("url"),
            Some(&json!("https://i.example")),
            "{case}"
        );
        let printed = format!("{tokens:?}");
        assert!(
            !printed.contains("a2") && !printed.contains("r1") && !printed.contains("i.example"),
            "{printed}"
        );
    }
}

#[test]
fn nested_tokens() {
    let slack = fields(
        json!({"access_token": ["/authed_user/access_token", "/access_token"], "refresh_token": "/authed_user/refresh_token"}),
    );
    let body = json!({"ok": true, "access_token": "bot", "authed_user": {"access_token": "user", "refresh_token": "r"}});
    let tokens = read(&slack, &answer(200, body), None, NOW).expect("read");
    assert_eq!(
        (
            tokens.access_token.expose(),
            tokens.refresh_token.map(|token| token.expose().to_owned())
        ),
        ("user", Some("r".to_owned()))
    );
}

#[test]
fn refusals() {
    use Verdict::{Client as Registration, Dead, Denied, Request, Transient, Unknown};
    for (case, status, body, verdict) in [
        (
            "RFC 6749, 5.2: invalid_grant",
            400,
            json!({"error": "invalid_grant"}),
            Dead,
        ),
        (
            "invalid_grant with 401",
            401,
            json!({"error": "invalid_grant"}),
            Dead,
        ),
        (
            "invalid_grant with 403",
            403,
            json!({"error": "INVALID_GRANT"}),
            Dead,
        ),
        (
            "200 with an error in it",
            200,
            json!({"error": "bad_verification_code"}),
            Dead,
        ),
        (
            "200 with a bad refresh token",
            200,
            json!({"error": "bad_refresh_token", "access_token": null}),
            Dead,
        ),
        (
            "Slack's 200",
            200,
            json!({"ok": false, "error": "token_expired"}),
            Dead,
        ),
        (
            "RFC 6749, 5.2: invalid_client",
            401,
            json!({"error": "invalid_client"}),
            Registration,
        ),
        (
            "RFC 6749, 5.2: unauthorized_client",
            400,
            json!({"error": "unauthorized_client"}),
            Registration,
        ),
        (
            "200 with a wrong registration",
            200,
            json!({"error": "incorrect_client_credentials"}),
            Registration,
        ),
        ("401 without a word", 401, json!(null), Registration),
        (
            "another redirect address",
            200,
            json!({"error": "redirect_uri_mismatch"}),
            Registration,
        ),
        (
            "RFC 6749, 5.2: invalid_request",
            400,
            json!({"error": "invalid_request"}),
            Request,
        ),
        (
            "RFC 6749, 5.2: invalid_scope",
            400,
            json!({"error": "invalid_scope"}),
            Request,
        ),
        (
            "RFC 6749, 5.2: unsupported_grant_type",
            400,
            json!({"error": "unsupported_grant_type"}),
            Request,
        ),
        ("400 without a word", 400, json!("no"), Request),
        ("404, a wrong address", 404, json!("<html>"), Request),
        (
            "RFC 6749, 4.1.2.1: access_denied",
            400,
            json!({"error": "access_denied"}),
            Denied,
        ),
        (
            "OpenID Connect Core, 3.1.2.6",
            400,
            json!({"error": "interaction_required"}),
            Denied,
        ),
        (
            "RFC 6749, 4.1.2.1: temporarily_unavailable",
            400,
            json!({"error": "temporarily_unavailable"}),
            Transient,
        ),
        (
            "RFC 8628, 3.5: slow_down",
            400,
            json!({"error": "slow_down"}),
            Transient,
        ),
        ("RFC 6585, 4", 429, json!(null), Transient),
        ("RFC 9110, 15.6.4", 503, json!("busy"), Transient),
        (
            "500: it may have been carried out",
            500,
            json!(null),
            Unknown,
        ),
        (
            "RFC 6749, 4.1.2.1: server_error",
            400,
            json!({"error": "server_error"}),
            Unknown,
        ),
        (
            "502: a gateway lost the answer",
            502,
            json!("<html>"),
            Unknown,
        ),
        ("504", 504, json!(null), Unknown),
        ("408", 408, json!(null), Unknown),
        (
            "200 without a token",
            200,
            json!({"token_type": "bearer"}),
            Unknown,
        ),
        (
            "200 that is no JSON",
            200,
            json!("<html>sign in</html>"),
            Unknown,
        ),
        (
            "200 with a token that is none",
            200,
            json!({"access_token": {"a": 1}}),
            Unknown,
        ),
        (
            "200 with an empty token",
            200,
            json!({"access_token": ""}),
            Unknown,
        ),
        ("302", 302, json!(null), Unknown),
    ] {
        let refused =
            read(&TokenFields::default(), &answer(status, body), None, NOW).expect_err(case);
        assert_eq!(
            (refused.verdict, refused.status),
            (verdict, status),
            "{case}"
        );
        assert!(refused.sentence("Acme").contains("Acme"), "{case}");
    }
    assert_eq!(Refused::no_answer().verdict, Unknown);
}

#[test]
fn a_success_with_error_false_is_a_success() {
    let body = json!({"access_token": "a", "error": false});
    assert!(read(&TokenFields::default(), &answer(200, body), None, NOW).is_ok());
}

#[test]
fn refusals_do_not_repeat_tokens() {
    let secret = "hunter2hunter2hunter2hunter2hunter2";
    let body = json!({"error": format!("unknown token {secret}{secret}"), "error_description": format!("the token {secret}\nis bad")});
    let refused =
        read(&TokenFields::default(), &answer(400, body), None, NOW).expect_err("refused");
    let told = format!("{refused:?} {}", refused.sentence("Acme"));
    assert!(
        !told.contains("hunter2") && told.contains("is bad"),
        "{told}"
    );
}

#[test]
fn jwts_of_apps() {
    let app = module(json!({"jwt_app": {
        "fields": [{"name": "app_id", "title": "App"}, {"name": "private_key", "title": "Key", "secret": true, "kind": "lines"}],
        "algorithm": "RS256", "key": "{credential.private_key}", "key_id": "{credential.app_id}", "claims": {"iss": "{credential.app_id}", "sub": "{credential.none?}"},
        "lifetime_seconds": 600, "issued_before_seconds": 60,
        "exchange": {"call": {"method": "POST", "path": "/installations/1/access_tokens"}, "token": {"access_token": "/token", "expires_at": "/expires_at"}}
    }}));
    let Auth::JwtApp(kind) = &app.auth else {
        panic!("another kind")
    };
    let values = Values::new().with(
        "credential",
        json!({"app_id": "7", "private_key": "hunter2"}),
    );
    let input = signing_input(&app, kind, &values, NOW).expect("RFC 7519, 4.1");
    assert_eq!(
        Value::Object(input.claims.clone()),
        json!({"iss": "7", "iat": 1_699_999_940, "exp": 1_700_000_540})
    );
    assert_eq!(
        (input.key_id.as_deref(), input.key.expose()),
        (Some("7"), "hunter2")
    );
    assert!(!format!("{input:?}").contains("hunter2"));
    let request = exchange(&app, kind, &Secret::new("j.w.t"), &values)
        .expect("made")
        .expect("there is one");
    assert_eq!(
        (request.url.as_str(), request.header("authorization")),
        (
            "https://api.acme.example/installations/1/access_tokens",
            Some("Bearer j.w.t")
        )
    );
    assert!(signing_input(&app, kind, &Values::new(), NOW).is_err());
}
