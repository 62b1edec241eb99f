//! The npm package `oidc-provider` as an app to connect accounts with, and a person at a browser who
//! consents there.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::npm;

/// A running provider; ends with the test.
pub struct Provider {
    child: Child,
    said: Receiver<Value>,
    pub url: String,
}

impl Provider {
    /// # Errors
    /// Why the package can't be had.
    pub fn start(redirect: &str, access_seconds: u32) -> Result<Self, String> {
        let folder = npm::installed("oidc-provider", &["oidc-provider@8"])?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/oidc/provider.mjs");
        // Modules are looked for beside the script.
        let copy = folder.join("provider.mjs");
        let text = std::fs::read_to_string(script).expect("the script");
        std::fs::write(&copy, text).expect("written");
        let mut child = Command::new("node")
            .arg(&copy)
            .args([redirect, &access_seconds.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("node can't be started ({error})"))?;
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line)
                    && tell.send(value).is_err()
                {
                    return;
                }
            }
        });
        let mut provider = Self {
            child,
            said,
            url: String::new(),
        };
        let first = provider.next();
        provider.url = first["url"].as_str().expect("an address").to_owned();
        Ok(provider)
    }

    /// What it says next.
    pub fn next(&self) -> Value {
        self.said
            .recv_timeout(Duration::from_secs(30))
            .expect("the provider speaks")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A person's browser: keeps cookies, and follows where it is sent within the provider.
#[derive(Default)]
pub struct Person {
    cookies: BTreeMap<String, String>,
}

struct Page {
    status: u16,
    location: Option<String>,
    body: String,
}

impl Person {
    /// Signs in as `account`, consents, and answers where the provider sends the browser at the end.
    pub fn consent(&mut self, authorize: &str, account: &str) -> String {
        let (origin, _) = split(authorize);
        let mut url = authorize.to_owned();
        let mut form = None::<String>;
        for _ in 0..20 {
            let page = self.ask(&url, form.take().as_deref());
            if let Some(location) = page.location {
                url = if location.starts_with('/') {
                    format!("{origin}{location}")
                } else {
                    location
                };
                if split(&url).0 != origin {
                    return url;
                }
                continue;
            }
            assert_eq!(page.status, 200, "{url}: {}", page.body);
            let action = between(&page.body, "action=\"", "\"").expect("a form");
            let prompt = between(&page.body, "name=\"prompt\" value=\"", "\"").expect("a prompt");
            form = Some(format!("prompt={prompt}&login={account}&password=x"));
            url = if action.starts_with('/') {
                format!("{origin}{action}")
            } else {
                action.to_owned()
            };
        }
        panic!("the provider never sends the browser back");
    }

    fn ask(&mut self, url: &str, form: Option<&str>) -> Page {
        let (origin, path) = split(url);
        let host = origin.trim_start_matches("http://");
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let method = if form.is_some() { "POST" } else { "GET" };
        let body = form.unwrap_or_default();
        let mut stream = TcpStream::connect(host).expect("listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: text/html\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            body.len()
        )
        .expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("answers");
        let answer = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let header = |line: &str, name: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        };
        for cookie in head.lines().filter_map(|line| header(line, "set-cookie")) {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Page {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .expect("a status"),
            location: head.lines().find_map(|line| header(line, "location")),
            body: body.to_owned(),
        }
    }
}

fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let at = rest.find('/').unwrap_or(rest.len());
    url.split_at(url.len() - rest.len() + at)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split(after).next()
}
