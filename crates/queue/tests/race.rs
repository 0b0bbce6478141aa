//! Twenty thousand runs, each with several who say how it ended; one of them counts. `bin/chaos race` does a million.
//! Proves: JOB-02.

use crate::support::{Stage, contest::fight};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_say_how_a_run_ended_exactly_one_counts() {
    let stage = Stage::new().await;
    let contest = fight(&stage.pool, 20_000, 8, 1).await.expect("a fair fight");
    println!("{contest}");
    assert!(contest.violations.is_empty(), "{contest}\n{:#?}", contest.violations);
    assert!(contest.stale > contest.counted / 4 && contest.rescued > 1_000, "nothing was raced: {contest}");
}
