//! Each page, for everyone who may come by: nobody, a member, an owner, another organization.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use gna_domain::model::Scope;
use gna_domain::policy::Role;
use gna_domain::secret::Secret;
use gna_domain::service::authenticate::{Credential, authenticate};
use gna_domain::service::{link, member, user};

use crate::browser::{Browser, PASSWORD, Site, new_person};

const MEMBERS: &str = "/organizations/acme/members";
const SHOP: &str = "/organizations/acme/groups/shop/members";

/// Eve, who owns another organization.
pub async fn eve(site: &Site) -> Browser {
    let other = site.world.organization("other").await;
    let system = site.world.system();
    let (eve, secret) = user::create(&system, "eve@example.com", "Eve")
        .await
        .expect("makes");
    let scope = Scope::Organization(other.id);
    member::set_role(&system, scope, eve.id, Role::Owner)
        .await
        .expect("gives");
    link::set_password(&site.world.anonymous(), &secret, Secret::new(PASSWORD))
        .await
        .expect("sets");
    let mut browser = site.browser();
    assert_eq!(sign_in(&mut browser, "eve", PASSWORD).await.to(), "/");
    browser
}

async fn sign_in(browser: &mut Browser, name: &str, password: &str) -> crate::browser::Answer {
    let email = format!("{name}@example.com");
    browser
        .post("/sign-in", &[("email", &email), ("password", password)])
        .await
}

#[tokio::test]
async fn the_first_administrator_claims_by_the_form_behind_the_link() {
    let site = Site::new().await;
    let path = site.claim_path().await;
    let mut ada = site.browser();
    for _ in 0..2 {
        let page = ada.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "looking uses nothing up");
        assert!(page.text.contains("<h1>Welcome</h1>") && !page.text.contains("Sign out"));
    }
    let short = [
        ("name", "Ada"),
        ("email", "ada@example.com"),
        ("password", "short"),
        ("again", "short"),
    ];
    let again = ada.post(&path, &short).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.text.contains("12 to 256") && again.text.contains("value=\"ada@example.com\""));
    assert!(
        !again.text.contains("short\""),
        "a password is never shown again"
    );
    let answer = ada
        .post(&path, &[&new_person("ada")[..], &[("again", "x")]].concat())
        .await;
    assert_eq!(answer.to(), "/");
    let cookie = answer.header("set-cookie");
    for part in ["gna_session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(ada.get("/").await.status, StatusCode::OK);
    assert_eq!(
        site.browser().get(&path).await.status,
        StatusCode::NOT_FOUND
    );
    let late = site.browser().post(&path, &new_person("eve")).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn signing_in_leads_back_and_signing_out_ends_the_session() {
    let site = Site::new().await;
    site.ada().await;
    let mut browser = site.browser();
    assert_eq!(browser.get("/account").await.to(), "/sign-in?next=/account");
    let page = browser.get("/sign-in?next=/account").await;
    assert!(page.text.contains("name=\"next\" value=\"/account\""));
    let wrong = sign_in(&mut browser, "ada", "wrong horse battery").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.text.contains("role=\"alert\"") && browser.cookie.is_none());
    let fields = [
        ("email", "ada@example.com"),
        ("password", PASSWORD),
        ("next", "//evil.example"),
    ];
    assert_eq!(browser.post("/sign-in", &fields).await.to(), "/");
    let cookie = browser.cookie.clone();
    browser.get("/account").await;
    assert_eq!(
        browser.post("/sign-out", &[]).await.to(),
        "/sign-in?done=out"
    );
    assert_eq!(browser.cookie, None);
    browser.cookie = cookie;
    assert_eq!(
        browser.get("/account").await.to(),
        "/sign-in?next=/account",
        "it is over on the server"
    );
}

#[tokio::test]
async fn guessing_is_told_how_long_to_wait() {
    let site = Site::new().await;
    site.ada().await;
    let mut browser = site.browser();
    for _ in 0..gna_domain::rules::throttle::PER_ACCOUNT {
        let wrong = sign_in(&mut browser, "ada", "wrong horse battery").await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    let slow = sign_in(&mut browser, "ada", PASSWORD).await;
    assert_eq!(slow.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: i64 = slow.header("retry-after").parse().expect("seconds");
    assert!(seconds > 0 && slow.text.contains("seconds"));
}

#[tokio::test]
async fn every_page_asks_nobody_to_sign_in_and_tells_another_organization_nothing() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    site.shop().await;
    let mut bob = site.join(&mut ada, MEMBERS, "bob", "MEMBER").await;
    let mut eve = eve(&site).await;
    let mut nobody = site.browser();
    let (ok, unknown) = (StatusCode::OK, StatusCode::NOT_FOUND);
    for (path, owner, member, other) in [
        ("/", ok, ok, ok),
        ("/account", ok, ok, ok),
        (MEMBERS, ok, ok, unknown),
        (SHOP, ok, unknown, unknown),
        ("/users", ok, unknown, unknown),
        ("/organizations/no-such/members", unknown, unknown, unknown),
    ] {
        let asked = nobody.get(path).await;
        assert!(asked.to().starts_with("/sign-in?next=/"), "{path}");
        assert_eq!(ada.get(path).await.status, owner, "{path}");
        assert_eq!(bob.get(path).await.status, member, "{path}");
        let told = eve.get(path).await;
        assert_eq!(told.status, other, "{path}");
        assert!(!told.text.to_lowercase().contains("acme"), "{path}");
    }
    let bobs_row = ada.get(MEMBERS).await.row_value("bob@example.com", "user");
    let forbidden = StatusCode::FORBIDDEN;
    for (path, fields, member, other) in [
        (
            format!("{MEMBERS}/invite"),
            vec![("role", "OWNER")],
            forbidden,
            unknown,
        ),
        (
            format!("{MEMBERS}/role"),
            vec![("user", bobs_row.as_str()), ("role", "OWNER")],
            forbidden,
            unknown,
        ),
        (
            format!("{MEMBERS}/reset"),
            vec![("user", bobs_row.as_str())],
            unknown,
            unknown,
        ),
        (
            format!("{SHOP}/invite"),
            vec![("role", "READER")],
            unknown,
            unknown,
        ),
        (
            "/users/create".to_owned(),
            vec![("email", "x@example.com"), ("name", "x")],
            unknown,
            unknown,
        ),
        (
            "/users/disable".to_owned(),
            vec![("user", bobs_row.as_str())],
            unknown,
            unknown,
        ),
        ("/account/no-such".to_owned(), vec![], unknown, unknown),
    ] {
        assert!(
            nobody
                .post(&path, &fields)
                .await
                .to()
                .starts_with("/sign-in"),
            "{path}"
        );
        assert_eq!(bob.post(&path, &fields).await.status, member, "{path}");
        let told = eve.post(&path, &fields).await;
        assert_eq!(told.status, other, "{path}");
        assert!(!told.text.to_lowercase().contains("acme"), "{path}");
    }
}

#[tokio::test]
async fn an_owner_invites_changes_and_removes() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    site.shop().await;
    let mut bob = site.join(&mut ada, MEMBERS, "bob", "MEMBER").await;
    let seen = bob.get(MEMBERS).await;
    assert!(seen.text.contains("ada@example.com") && !seen.text.contains("Invite</h2>"));

    let row = ada.get(MEMBERS).await.row_value("bob@example.com", "user");
    let change = [("user", row.as_str()), ("role", "OWNER")];
    assert_eq!(
        ada.post(&format!("{MEMBERS}/role"), &change).await.to(),
        format!("{MEMBERS}?done=role")
    );
    assert!(bob.get(MEMBERS).await.text.contains("Invite</h2>"));
    // The new owner can remove the old one (who, as administrator, still knows that the
    // organization exists), but not leave as the last.
    let adas = bob.get(MEMBERS).await.row_value("ada@example.com", "user");
    bob.post(&format!("{MEMBERS}/remove"), &[("user", &adas)])
        .await
        .to();
    assert_eq!(ada.get(MEMBERS).await.status, StatusCode::FORBIDDEN);
    let last = bob
        .post(&format!("{MEMBERS}/remove"), &[("user", &row)])
        .await;
    assert_eq!(last.status, StatusCode::CONFLICT);
    assert!(last.text.contains("last one") && last.text.contains("bob@example.com"));

    // An invitation is listed until it is withdrawn.
    let invited = bob
        .post(&format!("{SHOP}/invite"), &[("role", "TRIAGER")])
        .await;
    let path = invited.secret().replace(crate::browser::HOME, "");
    let page = bob.get(SHOP).await;
    let open = page.row_value(">whoever has the link<", "invitation");
    assert_eq!(site.browser().get(&path).await.status, StatusCode::OK);
    bob.post(&format!("{SHOP}/revoke"), &[("invitation", &open)])
        .await
        .to();
    assert_eq!(
        site.browser().get(&path).await.status,
        StatusCode::NOT_FOUND
    );
    // Leaving leads home: the page behind is not there any more.
    let mut carol = site.join(&mut bob, MEMBERS, "carol", "MEMBER").await;
    let carols = carol
        .get(MEMBERS)
        .await
        .row_value("carol@example.com", "user");
    assert_eq!(
        carol
            .post(&format!("{MEMBERS}/remove"), &[("user", &carols)])
            .await
            .to(),
        "/"
    );
}

#[tokio::test]
async fn who_has_an_account_signs_in_to_accept() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    site.shop().await;
    let mut bob = site.join(&mut ada, MEMBERS, "bob", "MEMBER").await;
    ada.get(SHOP).await;
    let fields = [("email", "bob@example.com"), ("role", "DEVELOPER")];
    let path = ada
        .post(&format!("{SHOP}/invite"), &fields)
        .await
        .secret()
        .replace(crate::browser::HOME, "");
    let page = site.browser().get(&path).await;
    assert!(
        page.text.contains(&format!("/sign-in?next={path}"))
            && !page.text.contains("name=\"password\"")
    );
    let other = ada.post(&path, &[]).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    assert!(other.text.contains("another e-mail address"));
    assert!(bob.get(&path).await.text.contains("You are signed in as"));
    assert_eq!(bob.post(&path, &[]).await.to(), "/");
    assert!(bob.get("/").await.text.contains("DEVELOPER"));
}

#[tokio::test]
async fn an_account_shows_a_token_once_and_ends_sessions() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    ada.get("/account").await;
    let fields = [("name", "pipeline"), ("scopes", "upload"), ("days", "30")];
    let made = ada.post("/account/new-token", &fields).await;
    let secret = Secret::new(made.secret());
    let bearer = Credential::Bearer(secret.clone());
    assert!(authenticate(&site.world.ports, &bearer).await.is_ok());
    let page = ada.get("/account").await;
    assert!(page.text.contains("pipeline") && !page.text.contains(secret.expose()));
    let bad = ada
        .post(
            "/account/new-token",
            &[("name", "x"), ("scopes", "upload"), ("days", "999")],
        )
        .await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let id = page.row_value("pipeline", "token");
    assert_eq!(
        ada.post("/account/revoke-token", &[("token", &id)])
            .await
            .to(),
        "/account?done=revoke-token"
    );
    assert!(authenticate(&site.world.ports, &bearer).await.is_err());

    let mut phone = site.browser();
    sign_in(&mut phone, "ada", PASSWORD).await;
    assert_eq!(phone.get("/account").await.status, StatusCode::OK);
    assert_eq!(
        ada.post("/account/end-others", &[]).await.to(),
        "/account?done=end-others"
    );
    assert_eq!(phone.get("/account").await.status, StatusCode::SEE_OTHER);

    let change = [
        ("current", PASSWORD),
        ("password", "a new long password"),
        ("again", "a new long password"),
    ];
    assert_eq!(
        ada.post("/account/password", &change).await.to(),
        "/account?done=password"
    );
    assert_eq!(
        sign_in(&mut phone, "ada", PASSWORD).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        sign_in(&mut phone, "ada", "a new long password").await.to(),
        "/"
    );
}

#[tokio::test]
async fn an_administrator_makes_accounts_and_reset_links() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    ada.get("/users").await;
    let made = ada
        .post(
            "/users/create",
            &[("name", "Bob"), ("email", "bob@example.com")],
        )
        .await;
    let first = made.secret().replace(crate::browser::HOME, "");
    assert!(ada.get("/users").await.text.contains("no password yet"));
    let mut bob = site.browser();
    assert!(bob.get(&first).await.text.contains("bob@example.com"));
    let password = [("password", PASSWORD), ("again", PASSWORD)];
    let different = bob
        .post(&first, &[("password", PASSWORD), ("again", "x")])
        .await;
    assert_eq!(different.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        bob.post(&first, &password).await.to(),
        "/sign-in?done=password"
    );
    assert_eq!(
        bob.post(&first, &password).await.status,
        StatusCode::NOT_FOUND
    );
    sign_in(&mut bob, "bob", PASSWORD).await.to();

    let row = ada.get("/users").await.row_value("bob@example.com", "user");
    let second = ada
        .post("/users/reset", &[("user", &row)])
        .await
        .secret()
        .replace(crate::browser::HOME, "");
    assert_eq!(
        ada.post("/users/disable", &[("user", &row)]).await.to(),
        "/users?done=disable"
    );
    assert_eq!(bob.get("/").await.to(), "/sign-in?next=/");
    assert_eq!(bob.get(&second).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        ada.post("/users/enable", &[("user", &row)]).await.to(),
        "/users?done=enable"
    );
    sign_in(&mut bob, "bob", PASSWORD).await.to();

    let deleted = ada.post("/users/delete", &[("user", &row)]).await;
    assert_eq!(deleted.to(), "/users?done=delete");
    assert_eq!(bob.get("/").await.to(), "/sign-in?next=/");
    let left = ada.get("/users").await;
    assert!(!left.text.contains("bob@example.com"), "{}", left.text);
    let again = ada.post("/users/delete", &[("user", &row)]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_have_no_script_and_say_so_and_names_can_not_bring_any() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    ada.get("/account").await;
    let name = "<script>alert(1)</script>\"'&";
    ada.post("/account/name", &[("name", name)]).await.to();
    let mut nobody = site.browser();
    for path in [
        "/",
        "/account",
        MEMBERS,
        "/users",
        "/sign-in",
        "/claim/00",
        "/reset/00",
        "/invitations/00",
    ] {
        for browser in [&mut ada, &mut nobody] {
            let page = browser.get(path).await;
            assert!(!page.text.contains("<script"), "{path}");
            assert!(
                !page.text.contains(" style=") && !page.text.contains(" onclick="),
                "{path}"
            );
            let security = page.header("content-security-policy");
            assert!(
                security.contains("default-src 'none'")
                    && security.contains("frame-ancestors 'none'"),
                "{path}"
            );
            assert!(!security.contains("unsafe"), "{path}");
            assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
            assert_eq!(page.header("cache-control"), "no-store", "{path}");
            assert!(page.headers.get("access-control-allow-origin").is_none());
        }
    }
    for (path, kind) in [
        ("/static/gna.css", "text/css"),
        ("/static/gna.svg", "image/svg+xml"),
    ] {
        let file = nobody.get(path).await;
        assert!(file.header("content-type").starts_with(kind) && file.text.len() > 100);
    }
}

#[tokio::test]
async fn every_field_has_a_label_and_every_page_a_language_and_one_heading() {
    let site = Site::new().await;
    let claim = site.claim_path().await;
    let mut nobody = site.browser();
    let mut pages = vec![nobody.get(&claim).await, nobody.get("/sign-in").await];
    let mut ada = site.ada().await;
    ada.get(MEMBERS).await;
    let invited = ada
        .post(&format!("{MEMBERS}/invite"), &[("role", "MEMBER")])
        .await;
    pages.push(
        nobody
            .get(&invited.secret().replace(crate::browser::HOME, ""))
            .await,
    );
    pages.push(invited);
    for path in ["/", "/account", "/users"] {
        pages.push(ada.get(path).await);
    }
    for page in pages {
        assert_eq!(page.text.matches("<h1>").count(), 1);
        assert!(page.text.contains("<html lang=\"en\">") && page.text.contains("<title>"));
        for field in page
            .text
            .split("<input ")
            .skip(1)
            .chain(page.text.split("<select ").skip(1))
        {
            let tag = field.split('>').next().expect("ends");
            if tag.contains("type=\"hidden\"") || tag.contains("aria-label=") {
                continue;
            }
            let (_, id) = tag.split_once("id=\"").expect("a field has an id");
            let id = id.split('"').next().expect("ends");
            assert!(
                page.text.contains(&format!("<label for=\"{id}\"")),
                "{id} has no label"
            );
        }
        for table in page.text.split("<table>").skip(1) {
            assert!(table.contains("scope=\"col\""));
        }
    }
}

#[tokio::test]
async fn a_huge_form_and_a_strange_method_are_refused() {
    let site = Site::new().await;
    let mut browser = site.browser();
    let huge = "x".repeat(70_000);
    let answer = browser.post("/sign-in", &[("email", &huge)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let request = browser
        .request(Method::DELETE, "/account")
        .body(Body::empty())
        .expect("a request");
    assert_eq!(
        browser.send(request).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}
