//! Twenty schedulers that are killed again and again enqueue ten thousand times exactly once each. `bin/chaos queue` does
//! the same to processes.
//! Proves: JOB-12.

use crate::support::{Stage, committed, jobs::Other, pool};
use chrono::{DateTime, Duration, TimeZone, Utc};
use mywork_queue::{
    clock::{Clock, FakeClock},
    schedule::{self, CatchUp, Overlap, Plan, Scheduler},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::PgPool;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SCHEDULERS: usize = 20;
const SCHEDULES: i64 = 5;
const MINUTES: i64 = 2_000;

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 28, 0, 0, 30).single().expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_schedulers_enqueue_ten_thousand_times_once_each_while_they_are_killed() {
    let stage = Stage::new().await;
    for number in 0..SCHEDULES {
        let plan = Plan::new("* * * * *", &Other { number }).expect("a plan").named(&format!("every minute {number}"));
        let plan = plan.zone("Europe/Berlin").overlap(Overlap::Queue).catch_up(CatchUp::All);
        committed(&stage.pool, async |c| schedule::install(c, &[plan]).await.expect("installed")).await;
    }
    let clock = FakeClock::at(start());
    Scheduler::tick(&stage.pool, &clock).await.expect("a first look");

    let mut dice = StdRng::seed_from_u64(20);
    let stop = CancellationToken::new();
    let own = pool(stage.options.clone()).await;
    let mut schedulers: Vec<_> = (0..SCHEDULERS).map(|_| scheduler(&own, &clock, &stop)).collect();
    let mut killed = 0;
    while stage.number(OCCURRENCES).await < SCHEDULES * MINUTES {
        if clock.now() < start() + Duration::minutes(MINUTES) {
            clock.advance(Duration::minutes(20));
        }
        let unlucky = &mut schedulers[dice.random_range(0..SCHEDULERS)];
        std::mem::replace(unlucky, scheduler(&own, &clock, &stop)).abort();
        killed += 1;
        tokio::time::sleep(std::time::Duration::from_millis(dice.random_range(1..30))).await;
        assert!(killed < 5_000, "never came: all times; there are {}", stage.number(OCCURRENCES).await);
    }
    assert_eq!(clock.now(), start() + Duration::minutes(MINUTES));
    Scheduler::tick(&stage.pool, &clock).await.expect("nothing more");
    stop.cancel();
    for scheduler in schedulers {
        let _ = scheduler.await;
    }

    assert_eq!(stage.number(OCCURRENCES).await, SCHEDULES * MINUTES);
    assert_eq!(stage.number("SELECT count(DISTINCT (schedule, occurrence)) FROM queue.occurrences").await, SCHEDULES * MINUTES);
    let with_its_own_job = "SELECT count(DISTINCT j.id) FROM queue.occurrences o JOIN queue.jobs j ON j.id = o.job_id";
    assert_eq!(stage.number(with_its_own_job).await, SCHEDULES * MINUTES);
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, SCHEDULES * MINUTES);
    let as_said = "SELECT count(*) FROM queue.occurrences WHERE occurrence = date_trunc('minute', occurrence)
                   AND occurrence > '2026-03-28T00:00:30Z' AND occurrence <= '2026-03-28T00:00:30Z'::timestamptz + interval '2000 minutes'";
    assert_eq!(stage.number(as_said).await, SCHEDULES * MINUTES);
}

const OCCURRENCES: &str = "SELECT count(*) FROM queue.occurrences";

fn scheduler(pool: &PgPool, clock: &FakeClock, stop: &CancellationToken) -> JoinHandle<()> {
    tokio::spawn(Scheduler::run(pool.clone(), Arc::new(clock.clone()), stop.clone()))
}
