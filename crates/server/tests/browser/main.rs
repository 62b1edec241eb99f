//! A person at a real browser: Chromium, driven over WebDriver, against a real `gna serve`.
//!
//! Where no Chromium is installed the tests say so and check nothing. A target of its own, so that
//! the other tests of the binary do not wait for it.

mod chromium;
#[path = "../it/run.rs"]
#[expect(dead_code, reason = "shared with the other tests of the binary")]
mod run;
#[path = "../it/server.rs"]
#[expect(dead_code, reason = "shared with the other tests of the binary")]
mod server;

use chromium::Chromium;
use fantoccini::Client;
use server::Server;
use std::path::{Path, PathBuf};

const PASSWORD: &str = "correct horse battery";

async fn fill(page: &Client, fields: &[(&str, &str)]) {
    for (name, text) in fields {
        let field = chromium::css(page, &format!("main [name={name}]")).await;
        field.clear().await.expect("is a field");
        field.send_keys(text).await.expect("takes text");
    }
}

async fn sign_in(page: &Client, url: &str, email: &str, password: &str) {
    page.goto(&format!("{url}/sign-in")).await.expect("opens");
    fill(page, &[("email", email), ("password", password)]).await;
    chromium::click(page, "main form button").await;
    chromium::css(page, "nav form button").await;
}

/// Opens GraphiQL and runs the query it begins with; answers what is shown beside it.
async fn ask_graphiql(page: &Client, url: &str) -> String {
    page.goto(&format!("{url}/api")).await.expect("opens");
    chromium::click(page, "button.graphiql-execute-button").await;
    chromium::shown(page, ".graphiql-response", "actor").await
}

#[tokio::test]
async fn a_person_does_the_first_things_and_nothing_leaves_the_server() {
    let Some(chromium) = Chromium::start().await else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let url = server.url().to_owned();
    let page = chromium.page().await;

    let link = server.first["claim_link"].as_str().expect("a link");
    page.goto(link).await.expect("opens");
    let person = [
        ("name", "Ada Lovelace"),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
        ("again", PASSWORD),
        ("organization", "Acme"),
    ];
    fill(&page, &person).await;
    chromium::click(&page, "main form button").await;
    chromium::shown(&page, "nav", "Ada Lovelace").await;

    chromium::click(&page, "nav form button").await;
    chromium::shown(&page, "h1", "Sign in").await;
    sign_in(&page, &url, "ada@example.com", PASSWORD).await;

    page.goto(&format!("{url}/organizations/acme/members"))
        .await
        .expect("opens");
    chromium::shown(&page, "main table", "ada@example.com").await;

    page.goto(&format!("{url}/account")).await.expect("opens");
    chromium::click(&page, "details.card summary").await;
    chromium::css(&page, "#token-name")
        .await
        .send_keys("laptop")
        .await
        .expect("takes text");
    chromium::click(&page, "details.card button").await;
    let token = chromium::shown(&page, "code.secret", "gna_").await;
    let bearer = format!("Bearer {}", token.trim());
    let (status, answer) = server.send("GET", "/api/v2/formats", &[("Authorization", &bearer)], "");
    assert_eq!(
        status, 200,
        "the token that was shown opens the API: {answer}"
    );

    let answer = ask_graphiql(&page, &url).await;
    assert!(
        answer.contains("usr_") && answer.contains("acme"),
        "{answer}"
    );

    page.goto(&url).await.expect("opens");
    chromium::click(&page, "nav form button").await;
    chromium::shown(&page, "h1", "Sign in").await;
    page.goto(&format!("{url}/account")).await.expect("opens");
    chromium::shown(&page, "h1", "Sign in").await;

    let asked = chromium.asked(&page).await;
    assert!(asked.len() > 10, "{asked:?}");
    let outside: Vec<&String> = asked
        .iter()
        .filter(|address| {
            let ours = address.starts_with(&format!("{url}/")) || **address == url;
            !ours && !address.starts_with("data:") && !address.starts_with("blob:")
        })
        .collect();
    assert!(outside.is_empty(), "left the server: {outside:?}");
    page.close().await.expect("closes");
    assert_eq!(server.stop(), Some(0));
}

/// Largest picture of the documentation, in bytes.
const PICTURE_BYTES: usize = 150_000;

/// `scripts/screenshots` runs this with the folder of the pictures in `GNA_SCREENSHOTS`; otherwise
/// they are looked at and thrown away.
#[tokio::test]
async fn the_pictures_of_the_documentation_can_be_taken() {
    let Some(chromium) = Chromium::start().await else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let to =
        std::env::var_os("GNA_SCREENSHOTS").map_or_else(|| folder.path().to_owned(), PathBuf::from);
    let data = folder.path().join("server");
    std::fs::create_dir(&data).expect("a folder");
    let server = Server::start(&data, &["--demo"]);
    let url = server.url().to_owned();
    let text = |field: &str| server.first[field].as_str().expect("a text").to_owned();
    let page = chromium.page().await;
    sign_in(&page, &url, &text("email"), &text("password")).await;

    page.goto(&format!("{url}/organizations/demo/members"))
        .await
        .expect("opens");
    chromium::shown(&page, "main table", "demo@gna.example").await;
    picture(&page, &to.join("members.png")).await;

    page.goto(&format!("{url}/account")).await.expect("opens");
    chromium::shown(&page, "main", "API tokens").await;
    picture(&page, &to.join("account.png")).await;

    let answer = ask_graphiql(&page, &url).await;
    assert!(answer.contains("shop"), "{answer}");
    picture(&page, &to.join("graphiql.png")).await;
    page.close().await.expect("closes");
    assert_eq!(server.stop(), Some(0));
}

async fn picture(page: &Client, to: &Path) {
    let png = page.screenshot().await.expect("is taken");
    assert!(png.starts_with(b"\x89PNG"), "{}", to.display());
    assert!(
        png.len() < PICTURE_BYTES,
        "{}: {} bytes",
        to.display(),
        png.len()
    );
    std::fs::write(to, png).expect("is written");
}
