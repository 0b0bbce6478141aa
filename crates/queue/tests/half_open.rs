//! Connections fall silent: whatever is sent gets lost and nobody is told, as when a firewall forgets a connection or the
//! machine at the other end loses its power. Waiting for TCP to notice would take a quarter of an hour.
//! Proves: JOB-17 (half-open sockets).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
    pool,
    proxy::Proxy,
    quick,
};
use chrono::{TimeZone, Utc};
use mywork_queue::{
    JobId, Notifier, RuntimeOptions,
    admin::{self, JobState},
    clock::FakeClock,
    enqueue,
    groups::Group,
    schedule::{self, CatchUp, Overlap, Plan, Scheduler},
};
use sqlx::PgPool;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// The promise, and a little for the machine.
const HEALED: Duration = Duration::from_millis(10_500);

async fn add(stage: &Stage, name: &str, how: How) -> JobId {
    committed(&stage.pool, async |c| enqueue(c, &Act::new(name, how)).await.expect("enqueued").id).await
}

/// A pool on which connections lie idle, as in a process that had more to do a while ago.
async fn pool_with_idle_connections(wire: &Proxy) -> PgPool {
    let own = pool(wire.options.clone()).await;
    let busy = futures::future::join_all((0..8).map(|_| own.acquire())).await;
    assert!(busy.iter().all(Result::is_ok));
    drop(busy);
    eventually("they lie idle", async || own.num_idle() >= 8).await;
    own
}

#[tokio::test]
async fn a_worker_is_at_work_again_within_ten_seconds_and_keeps_its_jobs() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let wire = Proxy::to(&stage.options).await;
    let options = RuntimeOptions { release: "test".to_owned(), ..RuntimeOptions::default() };
    let start = Start { options: options.clone(), ..Start::new(&stage, registry(), Arc::clone(&seen)) };
    let worker = Start { pool: pool_with_idle_connections(&wire).await, ..start }.run();
    // Another process would rescue the first one's job, should that be silent for longer than a lease.
    let start = Start { options, group: Group::new("others", ["other"], 1), ..Start::new(&stage, registry(), Seen::new()) };
    let other = start.run();
    let held = add(&stage, "held", How::Wait).await;
    eventually("it runs", async || seen.running() == 1).await;

    wire.silence();
    let silent = Instant::now();
    let next = add(&stage, "next", How::Succeed).await;
    stage.until_state(next, JobState::Done).await;
    assert!(silent.elapsed() < HEALED, "healed after {:?}", silent.elapsed());
    seen.gate.notify_one();
    stage.until_state(held, JobState::Done).await;
    assert_eq!(stage.outcomes(held).await, ["done"]);
    let workers = admin::workers(&mut *stage.connection().await).await.expect("workers");
    assert!(workers.iter().all(|worker| worker.lost_at.is_none()), "{workers:#?}");
    worker.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_leaves_no_job_behind() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let wire = Proxy::to(&stage.options).await;
    let own = pool(wire.options.clone()).await;
    let worker = Start { pool: own, ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    let before = add(&stage, "before", How::Succeed).await;
    stage.until_state(before, JobState::Done).await;

    // The claim commits, and its worker never learns of it.
    wire.silence_answer("never heard of");
    let unheard = add(&stage, "never heard of", How::Succeed).await;
    eventually("it is claimed", async || wire.sprung()).await;
    stage.until_state(unheard, JobState::Done).await;
    worker.stop().await;
    assert_eq!(seen.names(), ["before", "never heard of"]);
    let detail = stage.job(unheard).await;
    assert_eq!((detail.job.attempt, detail.job.rescues), (1, 0), "it cost the job nothing");
}

#[tokio::test]
async fn a_claim_does_not_take_back_what_its_worker_is_running() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    let long = add(&stage, "long", How::Sleep(3_000)).await; // several leases
    stage.until_state(long, JobState::Done).await;
    worker.stop().await;
    assert_eq!(stage.outcomes(long).await, ["done"]);
    assert_eq!(seen.count(), 1);
}

#[tokio::test]
async fn notifications_are_heard_again_within_ten_seconds() {
    let stage = Stage::new().await;
    let wire = Proxy::to(&stage.options).await;
    // It looks for work by itself so seldom that only a notification can be what wakes it.
    let options = RuntimeOptions { poll: Duration::from_secs(60), ..quick() };
    let own = pool_with_idle_connections(&wire).await;
    let worker = Start { pool: own, options, ..Start::new(&stage, registry(), Seen::new()) }.run();
    let notifier = Notifier::spawn(pool_with_idle_connections(&wire).await);
    let heard = async |name: &str| {
        let job = add(&stage, name, How::Succeed).await;
        notifier.wake_for::<Act>();
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline && stage.state(job).await != JobState::Done {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stage.state(job).await == JobState::Done
    };
    eventually("it listens", async || heard("before").await).await;

    wire.silence();
    let silent = Instant::now();
    eventually("it listens again", async || heard("after").await).await;
    assert!(silent.elapsed() < HEALED, "healed after {:?}", silent.elapsed());
    worker.stop().await;
}

/// A schedule with a time to come, and a clock.
async fn minutely(stage: &Stage) -> FakeClock {
    let plan = Plan::new("* * * * *", &Other { number: 1 }).expect("a plan");
    let plan = plan.overlap(Overlap::Queue).catch_up(CatchUp::All);
    committed(&stage.pool, async |c| schedule::install(c, &[plan]).await.expect("installed")).await;
    let clock = FakeClock::at(Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 30).single().expect("a time"));
    Scheduler::tick(&stage.pool, &clock).await.expect("a first look");
    clock
}

const OCCURRENCES: &str = "SELECT count(*) FROM queue.occurrences WHERE job_id IS NOT NULL";

#[tokio::test]
async fn a_scheduler_looks_again_within_ten_seconds() {
    let stage = Stage::new().await;
    let wire = Proxy::to(&stage.options).await;
    let clock = minutely(&stage).await;
    let stop = CancellationToken::new();
    let own = pool_with_idle_connections(&wire).await;
    let scheduler = tokio::spawn(Scheduler::run(own, Arc::new(clock.clone()), stop.clone()));
    clock.advance(chrono::Duration::minutes(1));
    eventually("the first time", async || stage.number(OCCURRENCES).await == 1).await;

    wire.silence();
    let silent = Instant::now();
    clock.advance(chrono::Duration::minutes(1));
    eventually("the second time", async || stage.number(OCCURRENCES).await == 2).await;
    assert!(silent.elapsed() < HEALED, "healed after {:?}", silent.elapsed());
    stop.cancel();
    scheduler.await.expect("the scheduler ends well");
}

#[tokio::test]
async fn a_scheduler_that_falls_silent_in_the_midst_of_its_work_holds_up_no_other() {
    let stage = Stage::new().await;
    let wire = Proxy::to(&stage.options).await;
    let clock = minutely(&stage).await;
    clock.advance(chrono::Duration::minutes(3));

    // It has locked the schedule when its machine is gone; the database still believes in it.
    wire.silence_question("INSERT INTO queue.occurrences");
    let own = pool(wire.options.clone()).await;
    let gone = {
        let clock = clock.clone();
        tokio::spawn(async move { Scheduler::tick(&own, &clock).await })
    };
    eventually("it holds the schedule", async || wire.sprung()).await;
    gone.abort();

    let silent = Instant::now();
    let stop = CancellationToken::new();
    let heir = tokio::spawn(Scheduler::run(stage.pool.clone(), Arc::new(clock.clone()), stop.clone()));
    eventually("all times", async || stage.number(OCCURRENCES).await == 3).await;
    assert!(silent.elapsed() < HEALED, "healed after {:?}", silent.elapsed());
    stop.cancel();
    heir.await.expect("the scheduler ends well");
}
