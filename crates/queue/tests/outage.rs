//! The database goes away and comes back, or takes a row and not another; no loop ends, no result is lost, nothing needs a
//! restart.
//! Proves: JOB-17 (outage and killed backends).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Seen, registry},
    pool,
    proxy::Proxy,
    quick,
};
use mywork_queue::{RuntimeOptions, admin::JobState, clock::SystemClock, enqueue, schedule::Scheduler};
use sqlx::{AssertSqlSafe, Executor};
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

#[tokio::test]
async fn a_worker_that_starts_during_an_outage_does_not_give_up_those_that_live_through_it() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let wire = Proxy::to(&stage.options).await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("through", How::Wait)).await.expect("enqueued").id).await;
    let options = RuntimeOptions { heartbeat: Duration::from_millis(500), ..quick() };
    let start = Start { options, ..Start::new(&stage, registry(), Arc::clone(&seen)) };
    let old = Start { pool: pool(wire.options.clone()).await, ..start }.run();
    eventually("it runs", async || seen.running() == 1).await;
    let own = pool(wire.options.clone()).await;
    wire.cut();
    tokio::time::sleep(Duration::from_millis(1_500)).await; // longer than the lease
    let late = Seen::new();
    let new = Start { pool: own, ..Start::new(&stage, registry(), Arc::clone(&late)) }.run();
    tokio::time::sleep(Duration::from_millis(100)).await; // the new one meets the outage
    wire.mend();

    let next = committed(&stage.pool, async |c| enqueue(c, &Act::new("next", How::Succeed)).await.expect("enqueued").id).await;
    stage.until_state(next, JobState::Done).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await; // it has had time to judge
    seen.gate.notify_one();
    stage.until_state(job, JobState::Done).await;
    assert_eq!(stage.outcomes(job).await, ["done"]);
    assert!(!late.names().contains(&"through".to_owned()));
    old.stop().await;
    new.stop().await;
}

#[tokio::test]
async fn a_verdict_that_was_refused_as_a_row_is_tried_again_through_an_outage() {
    let stage = Stage::new().await;
    // The first write is refused because of its row, three more because of the database: the run keeps its details.
    stage.execute("CREATE SEQUENCE writes").await;
    refuses(&stage, "CASE nextval('writes') WHEN 1 THEN '23514' WHEN 2 THEN '57014' WHEN 3 THEN '57014' WHEN 4 THEN '57014' END")
        .await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("odd", How::Fail)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(job, JobState::Scheduled).await;
    worker.stop().await;
    let run = stage.job(job).await.attempts.remove(0);
    assert_eq!((run.outcome.as_str(), run.error.as_deref()), ("retried", Some("odd is broken")));
    assert!(run.log.expect("a log").contains("begins odd"));
}

#[tokio::test]
async fn a_verdict_that_can_never_be_stored_leaves_a_dead_job_and_none_that_runs_for_ever() {
    let stage = Stage::new().await;
    refuses(&stage, "CASE WHEN NEW.outcome <> 'dead' THEN '22003' END").await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("odd", How::Fail)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(job, JobState::Dead).await;
    worker.stop().await;
    assert_eq!(stage.job(job).await.attempts[0].error_class.as_deref(), Some("unstorable"));
}

/// The history of runs refuses a row with this error, or takes it where there is none.
async fn refuses(stage: &Stage, error: &'static str) {
    let function = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE code text := {error};
         BEGIN
           IF code IS NOT NULL THEN RAISE EXCEPTION 'refused' USING ERRCODE = code; END IF;
           RETURN NEW;
         END $$"
    );
    stage.pool.execute(AssertSqlSafe(function)).await.expect("a function");
    stage.execute("CREATE TRIGGER refuse BEFORE INSERT ON queue.attempts FOR EACH ROW EXECUTE FUNCTION refuse()").await;
}
