//! What becomes of a run that does not end well.
//! Proves: JOB-04, JOB-09 (snooze, timeouts).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, Hasty, How, Seen, registry},
};
use chrono::{Duration, Utc};
use mywork_queue::{
    JobId,
    admin::JobState,
    clock::{Clock, FakeClock},
    enqueue,
    groups::Group,
};
use std::sync::Arc;

async fn add(stage: &Stage, how: How) -> JobId {
    committed(&stage.pool, async |c| enqueue(c, &Act::new("job", how)).await.expect("enqueued").id).await
}

#[tokio::test]
async fn a_failure_waits_for_its_backoff_which_is_stored() {
    let stage = Stage::new().await;
    let clock = FakeClock::at(Utc::now());
    let job = add(&stage, How::FailOnce).await;
    let start = || Start { clock: Arc::new(clock.clone()), ..Start::new(&stage, registry(), Seen::new()) };
    let worker = start().run();
    stage.until_state(job, JobState::Scheduled).await;
    worker.stop().await;

    let row = stage.job(job).await.job;
    let wait = (row.run_at - clock.now()).num_milliseconds();
    assert!((44_990..75_010).contains(&wait), "a minute, a quarter more or less: {wait} ms");
    assert_eq!((row.attempt, row.last_error.as_deref()), (1, Some("not at first")));

    clock.advance(Duration::seconds(80));
    let worker = start().run(); // another process: the wait was not in anybody's memory
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;
    assert_eq!(stage.outcomes(job).await, ["retried", "done"]);
}

#[tokio::test]
async fn a_job_is_dead_when_its_attempts_are_used_up() {
    let stage = Stage::new().await;
    let (clock, seen) = (FakeClock::at(Utc::now()), Seen::new());
    let job = add(&stage, How::Fail).await;
    let worker = Start { clock: Arc::new(clock.clone()), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    for attempt in 1..=3 {
        eventually("the next attempt ran", async || stage.outcomes(job).await.len() == attempt).await;
        clock.advance(Duration::days(1));
    }
    stage.until_state(job, JobState::Dead).await;
    worker.stop().await;
    assert_eq!(stage.outcomes(job).await, ["retried", "retried", "dead"]);
    assert_eq!(seen.count(), 3);
}

#[tokio::test]
async fn every_other_way_to_end_is_kept_to_the_word() {
    let stage = Stage::new().await;
    let clock = FakeClock::at(Utc::now());
    let (dead, later, cancelled) =
        (add(&stage, How::Die).await, add(&stage, How::RetryIn(777)).await, add(&stage, How::Cancel).await);
    let worker = Start { clock: Arc::new(clock.clone()), ..Start::new(&stage, registry(), Seen::new()) }.run();
    stage.until_state(dead, JobState::Dead).await;
    stage.until_state(cancelled, JobState::Cancelled).await;
    stage.until_state(later, JobState::Scheduled).await;
    worker.stop().await;
    assert_eq!(stage.job(cancelled).await.job.reason.as_deref(), Some("nothing to do"));
    let wait = stage.job(later).await.job.run_at - clock.now();
    assert!((wait - Duration::seconds(777)).num_milliseconds().abs() <= 1, "{wait}"); // Postgres keeps microseconds
}

#[tokio::test]
async fn a_snooze_costs_no_attempt() {
    let stage = Stage::new().await;
    let clock = FakeClock::at(Utc::now());
    let job = add(&stage, How::Snooze(60)).await;
    let worker = Start { clock: Arc::new(clock.clone()), ..Start::new(&stage, registry(), Seen::new()) }.run();
    stage.until_state(job, JobState::Scheduled).await;
    assert_eq!(stage.job(job).await.job.attempt, 0);
    clock.advance(Duration::seconds(61));
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;
    assert_eq!(stage.outcomes(job).await, ["snoozed", "done"]);
}

#[tokio::test]
async fn a_panic_is_a_failure_and_disturbs_nobody() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let neighbour = add(&stage, How::Wait).await;
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    eventually("the neighbour runs", async || seen.running() == 1).await;
    let panics = add(&stage, How::Panic).await;
    stage.until_state(panics, JobState::Scheduled).await;
    assert_eq!(stage.state(neighbour).await, JobState::Running);
    seen.gate.notify_one();
    stage.until_state(neighbour, JobState::Done).await;
    worker.stop().await;
    let run = stage.job(panics).await.attempts.remove(0);
    assert_eq!((run.outcome.as_str(), run.error_class.as_deref()), ("retried", Some("panic")));
    assert!(run.error.expect("an error").contains("oh no"));
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_a_failure() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Hasty).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    eventually("it failed", async || !stage.outcomes(job).await.is_empty()).await;
    worker.stop().await;
    let run = stage.job(job).await.attempts.remove(0);
    assert_eq!((run.outcome.as_str(), run.error_class.as_deref()), ("retried", Some("timeout")));
}

#[tokio::test]
async fn arguments_nobody_can_read_are_dead_and_end_no_worker() {
    let stage = Stage::new().await;
    let job = add(&stage, How::Succeed).await;
    stage.execute("UPDATE queue.jobs SET args = '{\"nonsense\": true}'").await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(job, JobState::Dead).await;
    let next = add(&stage, How::Succeed).await;
    stage.until_state(next, JobState::Done).await;
    worker.stop().await;
    assert_eq!(stage.job(job).await.attempts[0].error_class.as_deref(), Some("undecodable"));
}

#[tokio::test]
async fn a_failing_job_never_overtakes_healthy_ones() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    committed(&stage.pool, async |c| enqueue(c, &Act::new("poison", How::RetryIn(0))).await.expect("enqueued")).await;
    for number in 0..5 {
        committed(&stage.pool, async |c| enqueue(c, &Act::new(&number.to_string(), How::Succeed)).await.expect("enqueued")).await;
    }
    let worker = Start { group: Group::new("one", ["default"], 1), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    eventually("all healthy ones ran", async || seen.names().contains(&"4".to_owned())).await;
    worker.stop().await;
    assert_eq!(seen.names()[..6], ["poison", "0", "1", "2", "3", "4"]);
}
