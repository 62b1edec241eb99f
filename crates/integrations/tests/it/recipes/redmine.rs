//! The story against a real Redmine, as Debian packages it. Where it is not installed the test says
//! so and passes.

use super::*;
use gna_domain::rules::address::{AllowList, TargetPolicy};
use gna_integrations::framework::egress::{EgressConfig, HttpEgress};
use gna_testkit::Redmine;

#[async_trait::async_trait]
impl Person for Redmine {
    async fn issues(&self) -> Vec<(String, String, bool)> {
        Redmine::issues(self).await
    }

    async fn set(&self, issue: &str, closed: bool) {
        Redmine::set(self, issue, closed).await;
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
    let issues = Redmine::issues(&redmine).await;
    assert!(issues.len() >= 3, "{issues:?}");
    // And by hand: close there, reopen here by a scan, close here.
    let (issue, text, _) = issues[0].clone();
    Redmine::set(&redmine, &issue, true).await;
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
        Redmine::issues(&redmine)
            .await
            .iter()
            .all(|(_, _, closed)| *closed),
        "all fixed, all closed"
    );
}
