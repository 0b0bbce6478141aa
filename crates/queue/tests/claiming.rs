//! Who runs what, and in which order.
//! Proves: JOB-08, JOB-13 (queues), JOB-18, JOB-24 (the operator's limits hold).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, act, other, registry},
};
use chrono::{Duration, TimeZone, Utc};
use mywork_queue::{
    Context, Job, Options, Outcome, Registry,
    admin::{self, JobState},
    clock::FakeClock,
    enqueue, enqueue_with,
    groups::{self, Group},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

async fn add(stage: &Stage, name: &str, options: Options) -> mywork_queue::JobId {
    committed(&stage.pool, async |c| enqueue_with(c, &Act::new(name, How::Succeed), options).await.expect("enqueued").id).await
}

#[tokio::test]
async fn urgent_jobs_run_first_and_the_rest_in_the_order_they_came() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    for (name, priority) in [("b1", 0), ("c", -5), ("b2", 0), ("a", 9), ("b3", 0)] {
        add(&stage, name, Options::default().priority(priority)).await;
    }
    let worker = Start { group: Group::new("one", ["default"], 1), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    eventually("all ran", async || seen.count() == 5).await;
    worker.stop().await;
    assert_eq!(seen.names(), ["a", "b1", "b2", "b3", "c"]);
}

#[tokio::test]
async fn a_delayed_job_waits_for_the_workers_clock_and_a_late_one_expires() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let start = Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).single().expect("a time");
    let clock = FakeClock::at(start);
    let tomorrow = add(&stage, "tomorrow", Options::default().run_at(start + Duration::days(1))).await;
    let late =
        add(&stage, "late", Options::default().run_at(start + Duration::days(2)).expires_at(start + Duration::days(1))).await;
    let now = add(&stage, "now", Options::default()).await;

    let worker = Start { clock: Arc::new(clock.clone()), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    stage.until_state(now, JobState::Done).await;
    assert_eq!(stage.state(tomorrow).await, JobState::Scheduled);
    clock.advance(Duration::days(1));
    stage.until_state(tomorrow, JobState::Done).await;
    stage.until_state(late, JobState::Expired).await;
    worker.stop().await;
    assert_eq!(seen.names(), ["now", "tomorrow"]);
}

/// Version 2 of what another program version calls the same kind.
#[derive(Serialize, Deserialize)]
struct Newer {
    title: String,
}

impl Job for Newer {
    const KIND: &'static str = "test.newer";
    const VERSION: i16 = 2;

    fn upgrade(from: i16, mut args: serde_json::Value) -> Result<serde_json::Value, String> {
        let name = args.get_mut("name").map(serde_json::Value::take).ok_or(format!("version {from} without a name"))?;
        Ok(serde_json::json!({ "title": name }))
    }
}

#[derive(Serialize, Deserialize)]
struct Older {
    name: String,
}

impl Job for Older {
    const KIND: &'static str = "test.newer";
}

#[tokio::test]
async fn what_a_worker_does_not_know_is_left_for_one_that_does() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let unknown = committed(&stage.pool, async |c| enqueue(c, &Newer { title: "new".into() }).await.expect("enqueued").id).await;
    let old = committed(&stage.pool, async |c| enqueue(c, &Older { name: "old".into() }).await.expect("enqueued").id).await;
    let known = add(&stage, "known", Options::default()).await;

    let mut older = Registry::new();
    older.add(act).add(|_: Older, _: Context<Seen>| async { Ok(Outcome::Done) });
    let worker = Start::new(&stage, older, Arc::clone(&seen)).run();
    stage.until_state(known, JobState::Done).await;
    stage.until_state(old, JobState::Done).await;
    worker.stop().await;
    let left = stage.job(unknown).await;
    assert_eq!((left.job.state, left.job.attempt, left.attempts.len()), (JobState::Available, 0, 0));

    let mut newer = Registry::new();
    newer.add(|job: Newer, _: Context<Seen>| async move {
        if job.title.is_empty() { Err(anyhow::anyhow!("no title").into()) } else { Ok(Outcome::Done) }
    });
    let old = committed(&stage.pool, async |c| enqueue(c, &Older { name: "old".into() }).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, newer, seen).run();
    stage.until_state(unknown, JobState::Done).await;
    stage.until_state(old, JobState::Done).await; // by way of `upgrade`
    worker.stop().await;
}

#[tokio::test]
async fn a_paused_queue_rests_everywhere_until_it_is_resumed() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    committed(&stage.pool, async |c| admin::pause(c, "other", "maintenance").await.expect("paused")).await;
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    let paused = committed(&stage.pool, async |c| enqueue(c, &Other { number: 1 }).await.expect("enqueued").id).await;
    let open = add(&stage, "open", Options::default()).await;
    stage.until_state(open, JobState::Done).await;
    assert_eq!(stage.state(paused).await, JobState::Available);
    assert!(committed(&stage.pool, async |c| admin::resume(c, "other").await.expect("resumed")).await);
    stage.until_state(paused, JobState::Done).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_operators_file_sets_the_limits_of_a_kind() {
    let stage = Stage::new().await;
    let mut registry = Registry::new();
    registry.add(act).add(other);
    let file = "[group.all]\nqueues = [\"default\", \"other\"]\nconcurrency = 2\n[kind.\"test.act\"]\nmax_attempts = 1\ntimeout = \"100ms\"\n";
    let groups = groups::load(file, &registry.kinds()).expect("a good file");
    let slow =
        committed(&stage.pool, async |c| enqueue(c, &Act::new("slow", How::Sleep(60_000))).await.expect("enqueued").id).await;
    let own = Options::default().max_attempts(2);
    let own =
        committed(&stage.pool, async |c| enqueue_with(c, &Act::new("own", How::Fail), own).await.expect("enqueued").id).await;

    let group = groups.get("all").expect("the group").clone();
    let worker = Start { group, ..Start::new(&stage, registry, Seen::new()) }.run();
    stage.until_state(slow, JobState::Dead).await;
    stage.until_state(own, JobState::Scheduled).await; // a job enqueued with its own limit keeps it
    worker.stop().await;
    assert!(stage.job(slow).await.job.last_error.expect("an error").contains("longer than 100ms"));
}

#[tokio::test]
async fn a_process_never_holds_more_jobs_than_it_has_slots() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    for number in 0..12 {
        committed(&stage.pool, async |c| enqueue(c, &Act::new(&number.to_string(), How::Wait)).await.expect("enqueued")).await;
    }
    let worker =
        Start { group: Group::new("few", ["default", "other"], 3), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    eventually("all are done", async || {
        assert!(seen.running() <= 3);
        seen.gate.notify_one();
        stage.number("SELECT count(*) FROM queue.jobs").await == 0
    })
    .await;
    worker.stop().await;
}
