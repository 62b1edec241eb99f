//! How quick search is at a given size: `cargo bench -p gna-storage --bench search`.
//!
//! `GNA_BENCH_GROUPS` groups (20) of 5,000 documents each, and one of `GNA_BENCH_LARGE` (20,000),
//! in an SQLite file in a temporary folder. Prints medians and 99th percentiles, which is what
//! the targets are stated in. For 1.1 million documents: 200 and 100000.

use gna_domain::id::{FindingId, GroupId, TypedId, VulnerabilityId};
use gna_domain::port::search::{
    Condition, Document, FindingText, Operand, Search, SearchRequest, SearchUpdate, Selection, Sort, Value,
};
use gna_domain::time::Timestamp;
use gna_storage::backend::sqlite::{SqliteDb, SqliteOptions};
use gna_storage::search::SqliteSearch;
use std::future::Future;
use std::time::{Duration, Instant};
use uuid::Uuid;

const CHUNK: usize = 1_000;
const GROUP: usize = 5_000;

/// A small generator of numbers that look random (xorshift64*), the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

fn group(number: usize) -> GroupId {
    GroupId::from_uuid(Uuid::from_u128(number as u128))
}

fn keyword(text: impl Into<String>) -> Value {
    Value::Keyword(text.into())
}

fn finding_id(group: usize, number: u64) -> FindingId {
    FindingId::from_uuid(Uuid::from_u128((group as u128) << 64 | u128::from(number)))
}

/// Half of them in packages, half in code, about as scanners report them.
fn document(dice: &mut Dice, group_number: usize, serial: u64, size: usize) -> Document {
    let level = dice.roll(100);
    let (level, severity) = match level {
        0..5 => ("CRITICAL", 90 + dice.roll(11)),
        5..30 => ("HIGH", 70 + dice.roll(20)),
        30..70 => ("MEDIUM", 40 + dice.roll(30)),
        _ => ("LOW", 1 + dice.roll(39)),
    };
    let open = dice.roll(100) < 40;
    let created = 1_700_000_000_000 + serial as i64 * 1_000;
    let finding = dice.roll(size as u64 / 8);
    let mut values = vec![
        ("state", keyword(if open { "OPEN" } else { "CLOSED" })),
        ("level", keyword(level)),
        ("severity", Value::Number(severity as i64)),
        ("asset", keyword(format!("ast_{group_number:08}{:024}", dice.roll(20)))),
        ("on_default_ref", Value::Number(i64::from(dice.roll(10) > 0))),
        ("created", Value::Number(created)),
        ("last_seen", Value::Number(created)),
        ("state_changed", Value::Number(created)),
        ("cwe", Value::Keywords(vec![format!("CWE-{}", 20 + finding % 60)])),
        ("ref", Value::Keywords(vec!["main".into()])),
        ("tag", Value::Keywords((0..dice.roll(3)).map(|_| format!("tag-{}", dice.roll(12))).collect())),
    ];
    if !open {
        values.push(("closed_reason", keyword("FIXED")));
    }
    if finding.is_multiple_of(2) {
        values.extend([
            ("location_kind", keyword("PACKAGE")),
            ("package", keyword(format!("pkg:npm/{}-{}@{}.{}.0", WORDS[(finding % 40) as usize], finding % 300, finding % 5, dice.roll(3)))),
            ("path", keyword(format!("services/{}/package-lock.json", dice.roll(40)))),
            ("identifier", Value::Keywords(vec![format!("CVE-20{}-{}", 15 + finding % 10, 1_000 + finding)])),
            ("tool", Value::Keywords(vec!["trivy".into()])),
        ]);
    } else {
        let file = dice.roll(size as u64 / 6);
        values.extend([
            ("location_kind", keyword("CODE")),
            ("path", keyword(format!("src/{}/{}/{}_{file}.rs", WORDS[(file % 40) as usize], WORDS[(file / 40 % 40) as usize], WORDS[(file / 7 % 40) as usize]))),
            ("identifier", Value::Keywords(vec![format!("rules.security.{}", finding % 400)])),
            ("tool", Value::Keywords(vec!["semgrep".into()])),
        ]);
    }
    Document {
        id: VulnerabilityId::from_uuid(Uuid::from_u128(u128::from(serial) << 64 | u128::from(dice.roll(u64::MAX)))),
        group: group(group_number),
        finding: finding_id(group_number, finding),
        version: 1,
        values: values.into_iter().collect(),
    }
}

const WORDS: [&str; 40] = [
    "main", "http", "parser", "user", "login", "payment", "order", "cart", "search", "index", "store", "cache", "queue", "worker",
    "mail", "report", "export", "import", "config", "admin", "session", "token", "crypto", "hash", "file", "path", "image", "video",
    "stream", "socket", "client", "server", "proxy", "router", "schema", "query", "model", "view", "test", "util",
];

fn texts(dice: &mut Dice, group_number: usize, size: usize) -> Vec<FindingText> {
    let mut sentence = |length: u64| (0..length).map(|_| format!("{}{}", WORDS[dice.roll(40) as usize], dice.roll(60))).collect::<Vec<_>>().join(" ");
    (0..size as u64 / 8)
        .map(|number| FindingText {
            id: finding_id(group_number, number),
            group: group(group_number),
            version: 1,
            title: sentence(6),
            text: sentence(120),
        })
        .collect()
}

fn report(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| times.get(((times.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!("{name:<58} p50 {:>8.2} ms   p99 {:>8.2} ms", at(0.5), at(0.99));
}

async fn measure<F: Future<Output = usize>>(name: &str, rounds: usize, mut run: impl FnMut(usize) -> F) {
    let (mut times, mut found) = (Vec::with_capacity(rounds), 0);
    for round in 0..rounds {
        let begun = Instant::now();
        found = found.max(run(round).await);
        times.push(begun.elapsed());
    }
    report(&format!("{name} [{found}]"), &mut times);
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn fill(search: &SqliteSearch, groups: usize, large: usize) {
    let mut dice = Dice(42);
    let mut sizes = vec![GROUP; groups];
    sizes.push(large);
    let (mut times, mut text_times, mut serial) = (Vec::new(), Vec::new(), 0u64);
    for (number, size) in sizes.iter().enumerate() {
        for findings in texts(&mut dice, number, *size).chunks(CHUNK) {
            let begun = Instant::now();
            search.apply(SearchUpdate { findings: findings.to_vec(), ..SearchUpdate::default() }).await.expect("applies");
            text_times.push(begun.elapsed() * CHUNK as u32 / findings.len() as u32);
        }
    }
    // Groups take turns, as imports do.
    for round in 0..large.max(GROUP).div_ceil(CHUNK) {
        for (number, size) in sizes.iter().enumerate().filter(|(_, size)| round * CHUNK < **size) {
            let documents: Vec<_> = (0..CHUNK).map(|_| { serial += 1; document(&mut dice, number, serial, *size) }).collect();
            let begun = Instant::now();
            search.apply(SearchUpdate { documents, position: Some(serial.to_string()), ..SearchUpdate::default() }).await.expect("applies");
            times.push(begun.elapsed());
        }
    }
    let rate = |times: &[Duration]| times.len() as f64 * CHUNK as f64 / times.iter().sum::<Duration>().as_secs_f64();
    println!("{serial} documents: {:.0}/s over all, {:.0}/s in the last tenth", rate(&times), rate(&times[times.len() * 9 / 10..]));
    report("apply 1,000 new documents", &mut times);
    report("apply 1,000 finding texts of 126 words", &mut text_times);
}

async fn update(search: &SqliteSearch, large: usize, groups: usize) {
    let mut dice = Dice(7);
    let (mut again, mut closing, mut touching) = (Vec::new(), Vec::new(), Vec::new());
    for version in 2..12u64 {
        let mut documents: Vec<_> = (0..CHUNK as u64).map(|serial| document(&mut dice, groups, 90_000_000 + serial, large)).collect();
        search.apply(SearchUpdate { documents: documents.clone(), ..SearchUpdate::default() }).await.expect("applies");
        let begun = Instant::now();
        search.apply(SearchUpdate { documents: documents.clone(), ..SearchUpdate::default() }).await.expect("applies");
        again.push(begun.elapsed());
        for document in &mut documents {
            document.version = version;
            document.values.insert("state", keyword(if version % 2 == 0 { "SUBMITTED" } else { "REJECTED" }));
            document.values.insert("state_changed", Value::Number(version as i64));
        }
        let ids: Vec<_> = documents.iter().map(|document| document.id).collect();
        let begun = Instant::now();
        search.apply(SearchUpdate { documents, ..SearchUpdate::default() }).await.expect("applies");
        closing.push(begun.elapsed());
        let begun = Instant::now();
        search.touch(&ids, Timestamp::from_millis(1_900_000_000_000 + version as i64)).await.expect("touches");
        touching.push(begun.elapsed());
        search.apply(SearchUpdate { removed: ids, ..SearchUpdate::default() }).await.expect("applies");
    }
    report("apply 1,000 that are there already", &mut again);
    report("change the state of 1,000", &mut closing);
    report("touch 1,000", &mut touching);
}

fn is(field: &'static str, values: &[&str]) -> Condition {
    Condition::In(field, values.iter().map(|value| Operand::Keyword((*value).to_owned())).collect())
}

async fn questions(search: &SqliteSearch, who: &str, groups: &dyn Fn(usize) -> Vec<GroupId>, rounds: usize) {
    let usual = || vec![is("state", &["OPEN"]), Condition::In("on_default_ref", vec![Operand::Number(1)])];
    let with = |more: Condition| Condition::All(usual().into_iter().chain([more]).collect());
    let by = |field, descending| Sort { field, descending };
    let asset = |round: usize| format!("ast_{:08}{:024}", round % 10, round % 20);
    type Ask<'a> = (&'a str, Box<dyn Fn(usize) -> (Condition, Option<String>)>, Sort);
    let fixed = |condition: Condition| -> Box<dyn Fn(usize) -> (Condition, Option<String>)> { Box::new(move |_| (condition.clone(), None)) };
    let text = |words: &'static [&'static str]| -> Box<dyn Fn(usize) -> (Condition, Option<String>)> {
        let condition = Condition::All(usual());
        Box::new(move |round| (condition.clone(), Some(words[round % words.len()].to_owned())))
    };
    let asks: Vec<Ask<'_>> = vec![
        ("everything by severity", fixed(Condition::All(vec![])), by("severity", true)),
        ("open, default ref, by severity", fixed(Condition::All(usual())), by("severity", true)),
        ("open, default ref, by created", fixed(Condition::All(usual())), by("created", true)),
        ("open, default ref, by last seen, oldest first", fixed(Condition::All(usual())), by("last_seen", false)),
        ("+ level critical or high, by created", fixed(with(is("level", &["CRITICAL", "HIGH"]))), by("created", true)),
        ("+ severity of at least 90, by created", fixed(with(Condition::Between("severity", Some(90), None))), by("created", true)),
        ("+ tag, by severity", fixed(with(is("tag", &["tag-3"]))), by("severity", true)),
        ("+ asset, by severity", Box::new(move |round| (Condition::All(vec![is("state", &["OPEN"]), is("asset", &[&asset(round)])]), None)), by("severity", true)),
        ("+ one identifier, by severity", fixed(with(is("identifier", &["CVE-2015-1000", "rules.security.7"]))), by("severity", true)),
        ("+ not a tool, not a tag, by severity", fixed(with(Condition::Not(Box::new(Condition::Any(vec![is("tool", &["trivy"]), is("tag", &["tag-1"])]))))), by("severity", true)),
        ("+ path prefix, by severity", fixed(with(Condition::Prefix("path", "src/http/".into()))), by("severity", true)),
        ("+ path contains, by severity", fixed(with(Condition::Contains("path", "Token_1".into()))), by("severity", true)),
        ("nothing matches", fixed(is("state", &["SUBMITTED"])), by("severity", true)),
        ("text: one word of paths", text(&["login", "payment", "crypto", "socket"]), by("severity", true)),
        ("text: two words, last one begun", text(&["src logi", "http pars", "services packa", "cve 2019"]), by("severity", true)),
        ("text: a word of findings", text(&["login17", "payment3", "crypto55", "socket40"]), by("severity", true)),
        ("text: an identifier", text(&["CVE-2016-1003", "CVE-2018-1014", "CVE-2015-1100"]), by("severity", true)),
        ("text: one letter", text(&["s", "m", "p"]), by("severity", true)),
    ];
    for (name, ask, sort) in &asks {
        measure(&format!("{who}: {name}"), rounds, |round| {
            let (condition, text) = ask(round);
            let request = SearchRequest { selection: Selection { groups: groups(round), condition, text }, sort: *sort, limit: 50, after: None };
            async move { search.query(&request).await.expect("answers").hits.len() }
        })
        .await;
    }
    measure(&format!("{who}: tenth page"), rounds.min(50), |round| {
        let groups = groups(round);
        let condition = Condition::All(usual());
        async move {
            let mut request = SearchRequest { selection: Selection { groups, condition, text: None }, sort: by("severity", true), limit: 50, after: None };
            for _ in 0..9 {
                let page = search.query(&request).await.expect("answers");
                request.after = page.hits.last().map(|hit| hit.cursor.clone());
            }
            search.query(&request).await.expect("answers").hits.len()
        }
    })
    .await;
    for (name, condition) in [("all", Condition::All(vec![])), ("open, default ref", Condition::All(usual())), ("severity of at least 70", Condition::Between("severity", Some(70), None))] {
        let selection = |round| Selection { groups: groups(round), condition: condition.clone(), text: None };
        measure(&format!("{who}: count {name}, up to 10,000"), rounds, |round| {
            let selection = selection(round);
            async move { search.count(&selection, 10_000).await.expect("counts").value() as usize }
        })
        .await;
        for fields in [&["state", "level", "on_default_ref"][..], &["state", "closed_reason", "level", "asset", "location_kind", "package", "tool", "cwe", "tag", "ref"]] {
            measure(&format!("{who}: {} facets, {name}", fields.len()), rounds.min(20), |round| {
                let selection = selection(round);
                async move { search.facets(&selection, fields, 20).await.expect("counts").iter().map(|facet| facet.values.len()).sum() }
            })
            .await;
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (groups, large) = (setting("GNA_BENCH_GROUPS", 20), setting("GNA_BENCH_LARGE", 20_000));
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("search.db");
        let db = SqliteDb::open(&path, &SqliteOptions::default()).expect("opens");
        let search = SqliteSearch::open(db).await.expect("opens the index");
        fill(&search, groups, large).await;
        println!("{} MB on disk", std::fs::metadata(&path).map_or(0, |file| file.len() / 1_000_000));
        update(&search, large, groups).await;
        questions(&search, "a group", &|round| vec![group(round * 7 % groups)], 200).await;
        questions(&search, "the large group", &|_| vec![group(groups)], 100).await;
        questions(&search, "all groups", &|_| (0..=groups).map(group).collect(), 40).await;
        if let Some(memory) = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
            status.lines().find(|line| line.starts_with("VmHWM")).map(str::to_owned)
        }) {
            println!("{memory}");
        }
    });
}
