//! The story against a real Redmine, as Debian packages it. Where it is not installed the test says
//! so and passes.

use super::*;
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_integrations::framework::egress::{EgressConfig, HttpEgress};
use gna_testkit::Redmine;

#[async_trait::async_trait]
impl Person for Redmine {
    async fn all(&self) -> Vec<RedmineIssue> {
        Redmine::all(self).await
    }

    async fn set(&self, issue: &str, closed: bool) {
        Redmine::set(self, issue, closed).await;
    }

    async fn write(&self, issue: &str, title: &str, text: &str) {
        Redmine::write(self, issue, title, text).await;
    }

    async fn create(&self, title: &str, text: &str) {
        Redmine::create(self, title, text).await;
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
    story(&mut office, &redmine, 2026, 70, 6).await;
    let issues = Redmine::all(&redmine).await;
    assert!(issues.len() >= 3, "{issues:?}");
    // And by hand: close there, reopen here by a scan, close here.
    Redmine::set(&redmine, &issues[0].id, true).await;
    office.settle().await;
    let id = about(&issues[0]);
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
        Redmine::issues(&redmine)
            .await
            .iter()
            .all(|(_, _, closed)| *closed),
        "all fixed, all closed"
    );
}
