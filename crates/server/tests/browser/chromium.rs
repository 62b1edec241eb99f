//! Chromium and its driver, and what a person does with a page.

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(60);

/// The driver, ended with the test.
pub struct Chromium {
    driver: Child,
    url: String,
}

impl Chromium {
    /// `None`, said loudly, where there is none on this machine.
    pub async fn start() -> Option<Self> {
        let has = |program: &str| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|said| said.status.success())
        };
        if !has("chromium") || !has("chromedriver") {
            eprintln!(
                "SKIPPED: there is no chromium with chromedriver here (Debian: apt-get install chromium chromium-driver)"
            );
            return None;
        }
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let out = BufReader::new(driver.stdout.take().expect("piped"));
        let port = out
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("successfully on port ")?;
                rest.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("says its port");
        Some(Self {
            driver,
            url: format!("http://127.0.0.1:{port}"),
        })
    }

    /// An empty page of a fresh browser that notes what it asks for.
    pub async fn page(&self) -> Client {
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": "/usr/bin/chromium",
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--window-size=1200,800", "--hide-scrollbars", "--lang=en",
                ],
            },
            "goog:loggingPrefs": { "performance": "ALL" },
        });
        let wanted = wanted.as_object().cloned().expect("an object");
        ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted)
            .connect(&self.url)
            .await
            .expect("opens a browser")
    }

    /// Every address that the browser asked for since it was opened, websockets too.
    pub async fn asked(&self, page: &Client) -> Vec<String> {
        let session = page.session_id().await.expect("answers").expect("is open");
        let log: Value = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client")
            .post(format!("{}/session/{session}/se/log", self.url))
            .json(&json!({ "type": "performance" }))
            .send()
            .await
            .expect("answers")
            .json()
            .await
            .expect("JSON");
        let entries = log["value"].as_array().expect("a log").iter();
        entries
            .filter_map(|entry| {
                let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
                let message = &message["message"];
                let url = match message["method"].as_str()? {
                    "Network.requestWillBeSent" => &message["params"]["request"]["url"],
                    "Network.webSocketCreated" => &message["params"]["url"],
                    _ => return None,
                };
                Some(url.as_str()?.to_owned())
            })
            .collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Something on the page, once it is there.
pub async fn css(page: &Client, selector: &str) -> Element {
    page.wait()
        .at_most(PATIENCE)
        .for_element(Locator::Css(selector))
        .await
        .unwrap_or_else(|error| panic!("{selector}: {error}"))
}

pub async fn click(page: &Client, selector: &str) {
    let found = css(page, selector).await;
    found
        .click()
        .await
        .unwrap_or_else(|error| panic!("{selector}: {error}"));
}

/// The text of a part of the page, once it has these words.
pub async fn shown(page: &Client, selector: &str, words: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    let script =
        "const found = document.querySelector(arguments[0]); return found ? found.innerText : '';";
    loop {
        // While a page gives way to the next one there is nothing to read.
        let text = page.execute(script, vec![json!(selector)]).await;
        let text = text.ok().and_then(|text| text.as_str().map(str::to_owned));
        let text = text.unwrap_or_default();
        if text.contains(words) {
            return text;
        }
        assert!(
            Instant::now() < deadline,
            "{selector} never had {words:?}: {text:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
