//! Several writers at once: exactly one wins, and the others are told that they lost.

use super::make::{assert_conflict, commit, create, create_all, get, item, put};
use super::{Outcome, Subject};
use crate::kernel::{Backend, Error, Expect, Item};
use futures::future::join_all;
use std::sync::Arc;

/// Two tasks change the same version: one change stands whole, the other is a conflict.
///
/// # Errors
/// A failure.
pub async fn lost_race(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    for round in 0..25 {
        let old = item("p", &round.to_string());
        commit(backend, vec![create(&old)]).await?;
        let change = |who: &str| Item {
            version: 2,
            body: format!("{{\"by\":\"{who}\"}}").into(),
            ..old.clone()
        };
        let (left, right) = (change("left"), change("right"));
        let (first, second) = tokio::join!(
            commit(backend, vec![put(&left, Expect::Version(1))]),
            commit(backend, vec![put(&right, Expect::Version(1))]),
        );
        let (winner, lost) = if first.is_ok() {
            (left, second)
        } else {
            (right, first)
        };
        assert_conflict(lost, 0, &old.key);
        assert_eq!(get(backend, &old.key).await?, Some(winner.bare()));
    }
    Ok(())
}

/// A value is unique by being a key: of many that want it one gets it, with all that came along.
///
/// # Errors
/// A failure.
pub async fn unique_by_primary_key(subject: &Subject) -> Outcome {
    let backend = subject.backend.as_ref();
    let wanted = item("unique/organization/slug", "acme");
    let attempts = (0..8).map(|n| {
        let owner = item("organization", &n.to_string());
        let claim = Item {
            body: format!("{{\"owner\":{n}}}").into(),
            ..wanted.clone()
        };
        let wanted = &wanted;
        async move {
            match commit(backend, vec![create(&owner), create(&claim)]).await {
                Ok(_) => Some((n, claim)),
                lost => {
                    assert_conflict(lost, 1, &wanted.key);
                    None
                }
            }
        }
    });
    let winners: Vec<(i32, Item)> = join_all(attempts).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(
        get(backend, &wanted.key).await?.as_ref(),
        winners.first().map(|(_, claim)| claim)
    );
    for n in 0..8 {
        let owner = get(backend, &item("organization", &n.to_string()).key).await?;
        assert_eq!(
            owner.is_some(),
            winners.iter().any(|(winner, _)| *winner == n),
            "{n}"
        );
    }
    Ok(())
}

/// Workers on several threads take jobs from one list: each job is taken once, none is left.
///
/// # Errors
/// A failure.
pub async fn concurrent_claim(subject: &Subject) -> Outcome {
    let jobs: Vec<Item> = (0..30).map(|n| item("jobs", &format!("{n:02}"))).collect();
    create_all(subject.backend.as_ref(), &jobs).await?;
    let workers = (0..6).map(|worker| {
        let (backend, jobs) = (Arc::clone(&subject.backend), jobs.clone());
        tokio::spawn(async move { claim_all(backend.as_ref(), worker, &jobs).await })
    });
    let mut claims = Vec::new();
    for worker in join_all(workers).await {
        claims.extend(worker.map_err(|error| Error::Unavailable(error.to_string()))??);
    }
    claims.sort_unstable();
    let all: Vec<usize> = (0..jobs.len()).collect();
    assert_eq!(claims, all, "each job once");
    Ok(())
}

/// The numbers of the jobs that this worker got. Workers begin at different places.
async fn claim_all(
    backend: &dyn Backend,
    worker: usize,
    jobs: &[Item],
) -> Result<Vec<usize>, Error> {
    let mut mine = Vec::new();
    for step in 0..jobs.len() {
        let n = (step + worker * 5) % jobs.len();
        let Some(job) = jobs.get(n) else { continue };
        let taken = Item {
            version: 2,
            body: format!("{{\"worker\":{worker}}}").into(),
            ..job.clone()
        };
        match commit(backend, vec![put(&taken, Expect::Version(1))]).await {
            Ok(_) => mine.push(n),
            Err(Error::Conflict { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(mine)
}
