//! Imports and triage, as the index sees them.

use gna_domain::port::search::{Search, SearchUpdate, Value};
use gna_domain::time::Timestamp;
use gna_storage::search::SqliteSearch;
use std::time::{Duration, Instant};

use super::make::{Dice, document, keyword, texts};
use super::report;

const CHUNK: usize = 1_000;
const GROUP: usize = 5_000;

/// What all threads of this process have used, where the system tells.
fn processor() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let used = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(used.sum::<u64>())
}

pub async fn fill(search: &SqliteSearch, groups: usize, large: usize) {
    let mut dice = Dice(42);
    let mut sizes = vec![GROUP; groups];
    sizes.push(large);
    let (mut times, mut text_times, mut serial) = (Vec::new(), Vec::new(), 0u64);
    for (number, size) in sizes.iter().enumerate() {
        for findings in texts(&mut dice, number, *size).chunks(CHUNK) {
            let begun = Instant::now();
            search
                .apply(SearchUpdate {
                    findings: findings.to_vec(),
                    ..SearchUpdate::default()
                })
                .await
                .expect("applies");
            text_times.push(begun.elapsed() * CHUNK as u32 / findings.len() as u32);
        }
    }
    let begun_processor = processor();
    // Groups take turns, as imports do.
    for round in 0..large.max(GROUP).div_ceil(CHUNK) {
        for (number, size) in sizes
            .iter()
            .enumerate()
            .filter(|(_, size)| round * CHUNK < **size)
        {
            let documents: Vec<_> = (0..CHUNK)
                .map(|_| {
                    serial += 1;
                    document(&mut dice, number, serial, *size)
                })
                .collect();
            let begun = Instant::now();
            search
                .apply(SearchUpdate {
                    documents,
                    position: Some(serial.to_string()),
                    ..SearchUpdate::default()
                })
                .await
                .expect("applies");
            times.push(begun.elapsed());
        }
    }
    let rate = |times: &[Duration]| {
        times.len() as f64 * CHUNK as f64 / times.iter().sum::<Duration>().as_secs_f64()
    };
    println!(
        "{serial} documents: {:.0}/s over all, {:.0}/s in the last tenth",
        rate(&times),
        rate(&times[times.len() * 9 / 10..])
    );
    println!(
        "{:.1} microseconds of processor time for each",
        (processor() - begun_processor).as_secs_f64() * 1e6 / serial as f64
    );
    report("apply 1,000 new documents", &mut times);
    report("apply 1,000 finding texts of 126 words", &mut text_times);
}

pub async fn update(search: &SqliteSearch, large: usize, groups: usize) {
    let mut dice = Dice(7);
    let (mut again, mut closing, mut touching) = (Vec::new(), Vec::new(), Vec::new());
    for version in 2..12u64 {
        let mut documents: Vec<_> = (0..CHUNK as u64)
            .map(|serial| document(&mut dice, groups, 90_000_000 + serial, large))
            .collect();
        search
            .apply(SearchUpdate {
                documents: documents.clone(),
                ..SearchUpdate::default()
            })
            .await
            .expect("applies");
        let begun = Instant::now();
        search
            .apply(SearchUpdate {
                documents: documents.clone(),
                ..SearchUpdate::default()
            })
            .await
            .expect("applies");
        again.push(begun.elapsed());
        for document in &mut documents {
            document.version = version;
            document.values.insert(
                "state",
                keyword(if version % 2 == 0 {
                    "SUBMITTED"
                } else {
                    "REJECTED"
                }),
            );
            document
                .values
                .insert("state_changed", Value::Number(version as i64));
        }
        let ids: Vec<_> = documents.iter().map(|document| document.id).collect();
        let begun = Instant::now();
        search
            .apply(SearchUpdate {
                documents,
                ..SearchUpdate::default()
            })
            .await
            .expect("applies");
        closing.push(begun.elapsed());
        let begun = Instant::now();
        search
            .touch(
                &ids,
                Timestamp::from_millis(1_900_000_000_000 + version as i64),
            )
            .await
            .expect("touches");
        touching.push(begun.elapsed());
        search
            .apply(SearchUpdate {
                removed: ids.into_iter().map(Into::into).collect(),
                ..SearchUpdate::default()
            })
            .await
            .expect("applies");
    }
    report("apply 1,000 that are there already", &mut again);
    report("change the state of 1,000", &mut closing);
    report("touch 1,000", &mut touching);
}
