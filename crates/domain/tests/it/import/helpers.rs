//! What the import tests share: one asset in one group, and short ways to ask what is there.

use gna_domain::Ctx;
use gna_domain::model::{Counter, Group, HistoryEntry, Report, Tally, Vulnerability};
use gna_domain::page::PageRequest;
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::port::repo;
use gna_domain::rules::lifecycle::replay;
use gna_domain::service::metrics;
use gna_domain::service::report::UploadReport;
use gna_testkit::{Stores, World};

pub struct Scene {
    pub world: World,
    pub group: Group,
    pub ci: Ctx,
}

impl Scene {
    pub async fn on(stores: Stores) -> Self {
        let world = World::on(stores).await;
        let organization = world.organization("acme").await;
        let group = world.group(&organization, "shop").await;
        let ci = world.member(&group, Role::Ci);
        Self { world, group, ci }
    }

    /// Imports into the asset `checkout`, a minute after whatever came before.
    pub async fn import(&self, report: Vec<u8>) -> Stored<Report> {
        self.import_as(UploadReport::default(), report).await
    }

    pub async fn import_as(&self, upload: UploadReport, report: Vec<u8>) -> Stored<Report> {
        self.world.clock.advance_millis(60_000);
        let upload = UploadReport {
            asset: "checkout".to_owned(),
            file_name: "report.json".to_owned(),
            ..upload
        };
        let report = self
            .world
            .import(&self.ci, &self.group, upload, report)
            .await;
        assert!(report.counts.add_up(), "{:?}", report.counts);
        report
    }

    /// All vulnerabilities, merged ones included, in the order they were made.
    pub async fn vulnerabilities(&self) -> Vec<Stored<Vulnerability>> {
        let page = self
            .world
            .ports
            .store
            .scan("vulnerability", &PageRequest::first(1_000))
            .await
            .expect("scans");
        repo::typed_page::<Vulnerability>(page)
            .expect("reads")
            .items
    }

    /// One line for each vulnerability that is not merged away: `STATE place sources`.
    pub async fn summary(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .vulnerabilities()
            .await
            .iter()
            .filter(|vulnerability| vulnerability.merged_into.is_none())
            .map(|vulnerability| line(vulnerability))
            .collect();
        lines.sort();
        lines
    }

    /// Holds for every world at any time: history replays to the current value, counters are what a
    /// recount gives, the feed tells of nothing that is not there.
    pub async fn check(&self) {
        let store = self.world.ports.store.as_ref();
        for vulnerability in self.vulnerabilities().await {
            let history = repo::all_children::<HistoryEntry>(store, &vulnerability.id.to_string())
                .await
                .expect("reads");
            if vulnerability.version == 1 && vulnerability.rules.is_empty() {
                assert!(history.is_empty(), "what never changed has no history rows");
                continue;
            }
            let versions: Vec<u64> = history.iter().map(|entry| entry.version_of()).collect();
            assert_eq!(versions, (1..=vulnerability.version).collect::<Vec<_>>());
            let events = history.iter().flat_map(|entry| {
                entry
                    .value
                    .events
                    .iter()
                    .map(|event| (event, entry.value.at))
            });
            assert_eq!(replay(events).as_ref(), Some(&vulnerability.value));
        }
        let counters = repo::all_children::<Counter>(store, &self.group.id.to_string())
            .await
            .expect("reads");
        let kept = counters
            .iter()
            .fold(Tally::default(), |sum, counter| sum.plus(&counter.tally));
        let recount = metrics::recount(&self.world.system())
            .await
            .expect("counts")
            .into_iter()
            .filter(|((group, _), _)| *group == self.group.id)
            .fold(Tally::default(), |sum, (_, tally)| sum.plus(&tally));
        assert_eq!(kept, recount, "counters equal a recount");
    }
}

trait Version {
    fn version_of(&self) -> u64;
}

impl Version for Stored<HistoryEntry> {
    fn version_of(&self) -> u64 {
        self.value.version
    }
}

pub fn line(vulnerability: &Vulnerability) -> String {
    let place = match &vulnerability.location {
        gna_domain::model::Location::Code(code) => {
            format!("{}:{}", code.path, code.line.unwrap_or(0))
        }
        gna_domain::model::Location::Package(package) => format!(
            "{}@{}",
            package.name,
            package.version.as_deref().unwrap_or("?")
        ),
        other => other.kind().to_owned(),
    };
    let state = match vulnerability.state.closed_reason() {
        Some(reason) => reason.as_str(),
        None => vulnerability.state.as_str(),
    };
    let sources: Vec<String> = vulnerability
        .sources
        .iter()
        .map(|source| {
            format!(
                "{}:{}{}",
                source.tool,
                source.rule,
                if source.is_present() { "" } else { "(gone)" }
            )
        })
        .collect();
    format!("{state} {place} {}", sources.join(","))
}
