//! A real Redmine, as Debian packages it, on loopback with SQLite.
//!
//! Its server needs root or the rights of the package's user, since it writes logs and a cache. Where
//! it is not installed there is none; `.ci/run` installs it.

use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOME: &str = "/usr/share/redmine";
/// Where the package keeps the database that it made when it was installed.
const DATABASE: &str = "/var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default";

const PREPARE: &str = r#"
Setting.rest_api_enabled = "1"
admin = User.find_by_login("admin")
admin.update_columns(status: 1, must_change_passwd: false)
Redmine::DefaultData::Loader.load("en") if Redmine::DefaultData::Loader.no_data?
Project.create!(name: "Gna", identifier: "gna", trackers: Tracker.all) unless Project.find_by_identifier("gna")
puts "key=#{admin.api_key}"
"#;

const SERVE: &str = r#"
require "webrick"
require "/usr/share/redmine/config/environment"
require "rack/handler/webrick"
Rack::Handler::WEBrick.run(Rails.application, Host: "127.0.0.1", Port: ARGV[0].to_i, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
"#;

/// An issue as somebody sees it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedmineIssue {
    pub id: String,
    pub title: String,
    pub text: String,
    pub closed: bool,
}

/// With one project, `gna`, and the API of its administrator; ended with this.
pub struct Redmine {
    server: Child,
    pub url: String,
    /// Of the administrator.
    pub key: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Redmine {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn ruby(database: &Path) -> Command {
    let mut ruby = Command::new("ruby");
    ruby.current_dir(HOME)
        .env("RAILS_ENV", "production")
        .env("REDMINE_INSTANCE", "default")
        .env("DATABASE_URL", format!("sqlite3:{}", database.display()));
    ruby
}

impl Redmine {
    /// `None` where there is none that can be started, which it says.
    ///
    /// # Panics
    /// Where there is one and it does not start.
    pub async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("redmine.sqlite3");
        if let Err(error) = std::fs::copy(DATABASE, &database) {
            eprintln!(
                "SKIPPED: no Redmine of Debian with SQLite at hand ({error}); install the packages redmine and redmine-sqlite"
            );
            return None;
        }
        let prepared = ruby(&database)
            .args(["bin/rails", "runner", PREPARE])
            .output()
            .expect("ruby runs");
        let told = String::from_utf8_lossy(&prepared.stdout).into_owned();
        let key = told
            .lines()
            .find_map(|line| line.strip_prefix("key="))
            .map(str::to_owned);
        let key = key.unwrap_or_else(|| {
            panic!(
                "Redmine could not be prepared: {}",
                String::from_utf8_lossy(&prepared.stderr)
            )
        });
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .local_addr()
            .expect("an address")
            .port();
        let server = ruby(&database)
            .args(["-e", SERVE, &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ruby runs");
        let redmine = Self {
            server,
            url: format!("http://127.0.0.1:{port}"),
            key,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            _folder: folder,
        };
        let until = Instant::now() + Duration::from_secs(120);
        while redmine.get("/users/current.json").await.is_none() {
            assert!(
                Instant::now() < until,
                "Redmine did not answer in two minutes"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Some(redmine)
    }

    /// What an address answers; `None` for everything but success.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let request = self
            .http
            .get(format!("{}{path}", self.url))
            .header("X-Redmine-API-Key", &self.key);
        let answer = request.send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }

    /// Every issue, in the order in which they were made.
    ///
    /// # Panics
    /// Where it can't be asked.
    pub async fn all(&self) -> Vec<RedmineIssue> {
        let path = "/issues.json?project_id=gna&status_id=*&limit=100&sort=id";
        // On SQLite it refuses now and then while another request writes.
        let until = Instant::now() + Duration::from_secs(60);
        let found = loop {
            if let Some(found) = self.get(path).await {
                break found;
            }
            assert!(Instant::now() < until, "Redmine does not list its issues");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let issues = found["issues"].as_array().cloned().expect("a list");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        issues
            .iter()
            .map(|issue| RedmineIssue {
                id: issue["id"].to_string(),
                title: text(&issue["subject"]),
                text: text(&issue["description"]),
                closed: !issue["closed_on"].is_null() && issue["status"]["name"] == "Closed",
            })
            .collect()
    }

    /// Id, text and whether it is closed, of every issue.
    ///
    /// # Panics
    /// Where it can't be asked.
    pub async fn issues(&self) -> Vec<(String, String, bool)> {
        let all = self.all().await.into_iter();
        all.map(|issue| (issue.id, issue.text, issue.closed))
            .collect()
    }

    /// Closes an issue, or opens it again.
    ///
    /// # Panics
    /// Where it refuses.
    pub async fn set(&self, issue: &str, closed: bool) {
        let status = if closed { 5 } else { 1 };
        self.change(issue, json!({ "status_id": status })).await;
    }

    /// Gives an issue another title and text.
    ///
    /// # Panics
    /// Where it refuses.
    pub async fn write(&self, issue: &str, title: &str, text: &str) {
        self.change(issue, json!({ "subject": title, "description": text }))
            .await;
    }

    /// Makes an issue.
    ///
    /// # Panics
    /// Where it refuses.
    pub async fn create(&self, title: &str, text: &str) {
        let address = format!("{}/issues.json", self.url);
        let issue = json!({ "project_id": "gna", "subject": title, "description": text });
        self.sent(self.http.post(address), issue).await;
    }

    async fn change(&self, issue: &str, change: Value) {
        let address = format!("{}/issues/{issue}.json", self.url);
        self.sent(self.http.put(address), change).await;
    }

    async fn sent(&self, request: reqwest::RequestBuilder, issue: Value) {
        let answer = request
            .header("X-Redmine-API-Key", &self.key)
            .header("Content-Type", "application/json")
            .body(json!({ "issue": issue }).to_string())
            .send()
            .await
            .expect("answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}
