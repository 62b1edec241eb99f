//! What time alone does, noted once, by a job that waits for it.

use gna_domain::model::{HistoryEntry, Job, PolicyChange, Queue};
use gna_domain::page::PageRequest;
use gna_domain::port::repo;
use gna_domain::rules::desk::{Command, Rating};
use gna_domain::rules::treatment::Command as T;
use gna_domain::service::{sweep, vulnerability};
use gna_testkit::Stores;

use super::{Desk, set};

impl Desk {
    /// So many days later, after everything that is due was done (and done again, which must not matter).
    pub async fn later(&self, days: i64) {
        self.scene.world.clock.advance_days(days);
        for _ in 0..3 {
            self.scene.world.run_jobs().await.expect("sweeps");
        }
    }

    /// What happened to the vulnerability, by name, after its creation; what reports do left out.
    async fn happened(&self) -> Vec<&'static str> {
        let store = self.scene.world.ports.store.as_ref();
        let history = repo::all_children::<HistoryEntry>(store, &self.id.to_string())
            .await
            .expect("reads");
        history
            .iter()
            .flat_map(|entry| {
                entry
                    .events
                    .iter()
                    .map(gna_domain::model::VulnerabilityEvent::name)
            })
            .filter(|name| !["created", "seen", "gone"].contains(name))
            .collect()
    }

    /// When the sweeps that wait are due, in days from now.
    async fn waiting(&self) -> Vec<i64> {
        let store = self.scene.world.ports.store.as_ref();
        let jobs = store
            .scan("job", &PageRequest::first(1_000))
            .await
            .expect("scans");
        let now = self.scene.world.ports.clock.now();
        repo::typed_page::<Job>(jobs)
            .expect("reads")
            .items
            .iter()
            .filter(|job| job.kind == sweep::KIND && job.queue == Some(Queue::Ready))
            .map(|job| job.due.days_since(now))
            .collect()
    }
}

#[tokio::test]
async fn a_due_date_is_announced_once_and_its_breach_once() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        assert_eq!(
            desk.waiting().await,
            [0; 0],
            "nothing waits where nothing can happen"
        );
        desk.policy(PolicyChange {
            sla_days_high: set(10),
            sla_soon_days: set(3),
            ..PolicyChange::default()
        })
        .await;
        desk.later(0).await;
        assert_eq!(desk.waiting().await, [7]);
        desk.later(6).await;
        assert_eq!(desk.happened().await, [""; 0]);
        desk.later(1).await;
        assert_eq!(desk.happened().await, ["due_soon"]);
        assert_eq!(desk.waiting().await, [3]);
        desk.later(3).await;
        assert_eq!(desk.happened().await, ["due_soon", "sla_breached"]);
        desk.later(30).await;
        assert_eq!(desk.happened().await, ["due_soon", "sla_breached"]);
        assert_eq!(
            desk.waiting().await,
            [0; 0],
            "one job at most, and none without need"
        );
        // Another severity has another term: that one is announced for itself.
        desk.policy(PolicyChange {
            sla_days_low: set(60),
            ..PolicyChange::default()
        })
        .await;
        let low = Command::Rate(Some(Rating::Score(2.0)));
        desk.act(&desk.triager, low).await.expect("is rated");
        desk.later(0).await;
        assert_eq!(desk.waiting().await, [17]);
        desk.later(21).await;
        let expected = [
            "due_soon",
            "sla_breached",
            "severity_rated",
            "severity_changed",
            "sla_breached",
        ];
        assert!(desk.happened().await.starts_with(&expected[..4]));
        assert_eq!(desk.happened().await.last(), Some(&"sla_breached"));
        desk.scene.check().await;
    }
}

#[tokio::test]
async fn acceptances_end_by_themselves_and_requests_lapse() {
    for stores in Stores::ALL {
        let desk = Desk::on(stores).await;
        desk.policy(PolicyChange {
            sla_days_high: set(2),
            sla_soon_days: set(0),
            acceptance_request_days: set(5),
            ..PolicyChange::default()
        })
        .await;
        let until = desk.in_days(4);
        let accept = Command::Treatment(T::Accept { until });
        let accepted = desk
            .act(&desk.developer, accept)
            .await
            .expect("is accepted");
        assert!(accepted.triage.treatment.is_acceptance_at(desk.in_days(3)));
        assert!(
            !accepted.triage.treatment.is_acceptance_at(until),
            "also before the sweep"
        );
        desk.later(3).await;
        assert_eq!(
            desk.happened().await,
            ["treatment_changed"],
            "what is accepted is not announced"
        );
        desk.later(1).await;
        let ended = ["treatment_changed", "acceptance_expired", "sla_breached"];
        assert_eq!(desk.happened().await, ended);
        let value = vulnerability::require(&desk.triager, desk.id)
            .await
            .expect("is there");
        assert_eq!(value.triage.treatment.as_str(), "UNTREATED");
        assert_eq!(value.triage.acceptances, 1, "it still counts");

        desk.act(&desk.developer, Command::Treatment(T::Request))
            .await
            .expect("asks");
        desk.later(4).await;
        assert_eq!(desk.happened().await.len(), 4);
        desk.later(1).await;
        assert_eq!(desk.happened().await.last(), Some(&"acceptance_lapsed"));
        desk.later(9).await;
        assert_eq!(desk.happened().await.len(), 5);
        desk.scene.check().await;
    }
}
