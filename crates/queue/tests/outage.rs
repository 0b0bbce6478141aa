//! The database goes away and comes back; no loop ends, no result is lost, nothing needs a restart.
//! Proves: JOB-17 (outage and killed backends).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Seen, registry},
    pool,
    proxy::Proxy,
};
use mywork_queue::{admin::JobState, clock::SystemClock, enqueue, schedule::Scheduler};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn results_of_jobs_that_ended_during_an_outage_are_written_when_it_is_over() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let wire = Proxy::to(&stage.options).await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("during", How::Wait)).await.expect("enqueued").id).await;
    let start = Start::new(&stage, registry(), Arc::clone(&seen));
    let own = pool(wire.options.clone()).await;
    let worker = Start { pool: own.clone(), ..start }.run();
    let stop = CancellationToken::new();
    let scheduler = tokio::spawn(Scheduler::run(own, Arc::new(SystemClock), stop.clone()));
    eventually("it runs", async || seen.running() == 1).await;

    wire.cut();
    seen.gate.notify_one();
    eventually("it ended", async || seen.running() == 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await; // longer than the lease
    assert_eq!(stage.state(job).await, JobState::Running);
    wire.mend();

    stage.until_state(job, JobState::Done).await;
    assert_eq!(seen.count(), 1, "it was not run again");
    let next = committed(&stage.pool, async |c| enqueue(c, &Act::new("after", How::Succeed)).await.expect("enqueued").id).await;
    stage.until_state(next, JobState::Done).await;
    assert!(!scheduler.is_finished());
    stop.cancel();
    scheduler.await.expect("the scheduler ends well");
    worker.stop().await;
}

#[tokio::test]
async fn killed_backends_end_no_worker() {
    let stage = Stage::new().await;
    let own = pool(stage.options.clone().application_name("victim")).await;
    let worker = Start { pool: own, ..Start::new(&stage, registry(), Seen::new()) }.run();
    for round in 0..5 {
        let name = round.to_string();
        let job =
            committed(&stage.pool, async |c| enqueue(c, &Act::new(&name, How::Sleep(20))).await.expect("enqueued").id).await;
        stage.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim' AND datname = current_database()").await;
        stage.until_state(job, JobState::Done).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_starts_before_its_database_waits_for_it() {
    let stage = Stage::new().await;
    let wire = Proxy::to(&stage.options).await;
    let own = pool(wire.options.clone()).await;
    wire.cut();
    let worker = Start { pool: own, ..Start::new(&stage, registry(), Seen::new()) }.run();
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("early", How::Succeed)).await.expect("enqueued").id).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.mend();
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;
}
