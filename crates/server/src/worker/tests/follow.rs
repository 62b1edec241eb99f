//! Steps that follow the feed: how often they are called.

use super::super::follow;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_follower_takes_all_commits_of_a_step_together_and_repeats_what_failed() {
    let (commits, seen) = tokio::sync::watch::channel(0_u64);
    let calls = Arc::new(AtomicUsize::new(0));
    let stop = CancellationToken::new();
    let counted = Arc::clone(&calls);
    let following = tokio::spawn(follow(
        "test",
        Duration::ZERO,
        seen,
        stop.clone(),
        move || {
            let call = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match call {
                    0 => Err(Error::unavailable("test.failed", "try again")),
                    _ => Ok(()),
                }
            }
        },
    ));
    // The first fails, the second comes a second later, and then nothing until a commit.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    for _ in 0..5 {
        commits.send_modify(|count| *count += 1);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let after = calls.load(Ordering::SeqCst);
    assert!((3..=4).contains(&after), "{after}");
    stop.cancel();
    following.await.expect("ends");
}

#[tokio::test(start_paused = true)]
async fn a_follower_gathers_what_comes_within_a_moment() {
    let (commits, seen) = tokio::sync::watch::channel(0_u64);
    let calls = Arc::new(AtomicUsize::new(0));
    let stop = CancellationToken::new();
    let counted = Arc::clone(&calls);
    let gather = Duration::from_millis(5);
    let following = tokio::spawn(follow("test", gather, seen, stop.clone(), move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(()) }
    }));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(
        calls.load(Ordering::SeqCst),
        1,
        "what was there at the start"
    );
    // One a millisecond, for 30 ms.
    for _ in 0..30 {
        commits.send_modify(|count| *count += 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let after = calls.load(Ordering::SeqCst);
    assert!((6..=8).contains(&after), "{after}");
    stop.cancel();
    following.await.expect("ends");
}
