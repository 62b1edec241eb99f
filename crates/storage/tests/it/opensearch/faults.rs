//! A server that is killed again and again while it is fed: what was acknowledged is there, and who feeds
//! it gets to the end.

use gna_domain::error::Result;
use gna_domain::port::search::{Search, SearchUpdate, Value};
use gna_storage::conformance::opensearch::{Engine, Place};
use gna_storage::search::OpenSearch;
use gna_storage::search::conformance::{finding_text, vulnerability};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{count, everything, position, saying};

/// How far the feed goes, and how many of its entries are taken at once.
const END: u128 = 3_000;
const AT_ONCE: u128 = 20;
const KILLS: u64 = 3;

/// Takes one step from where the index says it is; answers where it is then.
async fn step(search: &OpenSearch) -> Result<u128> {
    let from = search.position().await?.unwrap_or_else(|| "0".into());
    let at: u128 = from.parse().expect("a number");
    let to = (at + AT_ONCE).min(END);
    let one = |number| {
        let path = Value::Keyword(format!("src/{number}.rs"));
        vulnerability(number, &[("path", path)])
    };
    let update = SearchUpdate {
        documents: (at + 1..=to).map(one).collect(),
        findings: (at + 1..=to)
            .map(|number| finding_text(number, "told", ""))
            .collect(),
        position: Some(to.to_string()),
        after: (at > 0).then_some(from),
        ..SearchUpdate::default()
    };
    search.apply(update).await?;
    Ok(to)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_while_it_is_fed_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut engine) = Engine::start_in(folder.path()) else {
        return;
    };
    engine.ready().await;
    let place = Place::on(&engine.url());
    let search = Arc::new(place.open().await);
    let (reached, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let feeding = {
        let (search, reached, failed) = (search.clone(), reached.clone(), failed.clone());
        tokio::spawn(async move {
            loop {
                match step(&search).await {
                    Ok(END) => return,
                    Ok(to) => reached.store(u64::try_from(to).expect("small"), Ordering::SeqCst),
                    Err(error) => {
                        assert!(
                            ["search.unavailable", "search.moved"].contains(&error.code()),
                            "not one to try again after: {error}"
                        );
                        failed.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        })
    };
    for kill in 1..=KILLS {
        let until = u64::try_from(END).expect("small") * kill / (KILLS + 2);
        while reached.load(Ordering::SeqCst) < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        engine.kill();
        let before = reached.load(Ordering::SeqCst);
        let failures = failed.load(Ordering::SeqCst);
        while failed.load(Ordering::SeqCst) == failures {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        engine.start();
        engine.ready().await;
        let there = position(search.as_ref()).await.expect("a position");
        let there: u64 = there.parse().expect("a number");
        assert!(there >= before, "{there} after {before} was acknowledged");
    }
    feeding.await.expect("gets to the end");
    assert_eq!(position(search.as_ref()).await, Some(END.to_string()));
    let all = u64::try_from(END).expect("small");
    assert_eq!(count(search.as_ref(), everything()).await, all);
    assert_eq!(
        saying(search.as_ref(), everything(), Some("told")).await,
        all
    );
    assert!(failed.load(Ordering::SeqCst) >= KILLS, "it was felt");
}
