//! The story against a real Redmine, as Debian packages it, on loopback with SQLite.
//!
//! Its server needs root or the rights of the package's user, since it writes logs and a cache. Where
//! it is not installed the test says so and passes; `.ci/run` installs it.

use super::*;
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_integrations::framework::egress::{EgressConfig, HttpEgress};
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

struct Redmine {
    server: Child,
    url: String,
    key: String,
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
    /// `None` where there is none that can be started.
    async fn start() -> Option<Self> {
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

    async fn get(&self, path: &str) -> Option<Value> {
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
}

#[async_trait::async_trait]
impl Person for Redmine {
    async fn issues(&self) -> Vec<(String, String, bool)> {
        let found = self
            .get("/issues.json?project_id=gna&status_id=*&limit=100&sort=id")
            .await
            .expect("lists");
        let issues = found["issues"].as_array().cloned().expect("a list");
        issues
            .iter()
            .map(|issue| {
                let closed = !issue["closed_on"].is_null() && issue["status"]["name"] == "Closed";
                (
                    issue["id"].to_string(),
                    issue["description"].as_str().unwrap_or_default().to_owned(),
                    closed,
                )
            })
            .collect()
    }

    async fn set(&self, issue: &str, closed: bool) {
        let status = if closed { 5 } else { 1 };
        let body = json!({"issue": {"status_id": status}}).to_string();
        let answer = self
            .http
            .put(format!("{}/issues/{issue}.json", self.url))
            .header("X-Redmine-API-Key", &self.key)
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await
            .expect("answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_real_redmine_agree_in_the_end_whatever_fails() {
    let Some(redmine) = Redmine::start().await else {
        return;
    };
    let config = EgressConfig {
        target: TargetPolicy {
            allowed: AllowList::parse(&["127.0.0.0/8"]).expect("a network"),
            ports: Vec::new(),
            http_anywhere: false,
        },
        proxy: None,
    };
    let egress: Arc<dyn Egress> = Arc::new(HttpEgress::new(config).expect("a way out"));
    let mut office = Office::new(Stores::Sqlite, Some(egress), &redmine.url, &redmine.key).await;
    story(&mut office, &redmine, 2026, 40, 6).await;
    let issues = redmine.issues().await;
    assert!(issues.len() >= 3, "{issues:?}");
    // And by hand: close there, reopen here by a scan, close here.
    let (issue, text, _) = issues[0].clone();
    redmine.set(&issue, true).await;
    office.settle().await;
    let id: VulnerabilityId = text
        .lines()
        .find_map(|line| line.strip_prefix("Gna: "))
        .expect("a marker")
        .trim()
        .parse()
        .expect("an id");
    assert_eq!(
        office.vulnerabilities().await.get(&id),
        Some(&false),
        "closed there, closed here"
    );
    office.scan(&[0, 1, 2, 3]).await;
    office.settle().await;
    office.assert_agreement(&redmine).await;
    assert!(
        office.vulnerabilities().await.values().all(|open| *open),
        "seen again, open again"
    );
    office.scan(&[]).await;
    office.settle().await;
    assert!(
        redmine.issues().await.iter().all(|(_, _, closed)| *closed),
        "all fixed, all closed"
    );
}
