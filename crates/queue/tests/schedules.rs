//! Recurring jobs: each time once, however many schedulers there are.
//! Proves: JOB-12.

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
    pool,
};
use chrono::{DateTime, Duration, TimeZone, Utc};
use mywork_queue::{
    admin::JobState,
    clock::{Clock, FakeClock},
    schedule::{self, CatchUp, Overlap, Plan, ScheduleError, Scheduler},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 30).single().expect("a time")
}

fn plan(cron: &str) -> Plan {
    Plan::new(cron, &Other { number: 1 }).expect("a plan").overlap(Overlap::Queue)
}

async fn install(stage: &Stage, plan: &Plan) {
    committed(&stage.pool, async |c| schedule::install(c, std::slice::from_ref(plan)).await.expect("installed")).await;
}

const OCCURRENCES: &str = "SELECT count(*) FROM queue.occurrences WHERE job_id IS NOT NULL";

#[tokio::test]
async fn many_schedulers_enqueue_each_time_once_even_when_some_are_killed() {
    let stage = Stage::new().await;
    install(&stage, &plan("* * * * *").catch_up(CatchUp::All)).await;
    let clock = FakeClock::at(start());
    Scheduler::tick(&stage.pool, &clock).await.expect("a first look");
    clock.advance(Duration::minutes(3_000));

    let stop = CancellationToken::new();
    let own = pool(stage.options.clone()).await;
    let schedulers: Vec<_> =
        (0..8).map(|_| tokio::spawn(Scheduler::run(own.clone(), Arc::new(clock.clone()), stop.clone()))).collect();
    eventually("some are enqueued", async || stage.number(OCCURRENCES).await > 0).await;
    schedulers[..4].iter().for_each(tokio::task::JoinHandle::abort);
    eventually("all are enqueued", async || stage.number(OCCURRENCES).await >= 3_000).await;
    stop.cancel();
    for scheduler in schedulers {
        let _ = scheduler.await;
    }
    assert_eq!(stage.number(OCCURRENCES).await, 3_000);
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, 3_000);
}

#[tokio::test]
async fn after_a_pause_of_all_schedulers_times_are_made_up_for_as_each_schedule_says() {
    let stage = Stage::new().await;
    for (name, catch_up) in [("none", CatchUp::None), ("one", CatchUp::One), ("all", CatchUp::All)] {
        install(&stage, &plan("0 * * * *").named(name).catch_up(catch_up)).await;
    }
    let clock = FakeClock::at(start());
    Scheduler::tick(&stage.pool, &clock).await.expect("a first look");
    clock.set(start() + Duration::hours(5));
    clock.advance(Duration::minutes(10));
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("enqueued"), 1 + 5);
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("nothing more"), 0);
}

#[tokio::test]
async fn a_time_is_left_out_while_the_job_before_is_at_work() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let slow = Plan::new("0 * * * *", &Act::new("slow", How::Wait)).expect("a plan");
    install(&stage, &slow).await;
    let clock = FakeClock::at(start());
    let worker = Start { clock: Arc::new(clock.clone()), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    let mut enqueued = Vec::new();
    Scheduler::tick(&stage.pool, &clock).await.expect("a first look");
    for hour in 1..=3 {
        clock.set(start() + Duration::hours(hour));
        enqueued.push(Scheduler::tick(&stage.pool, &clock).await.expect("a tick"));
        eventually("it runs", async || seen.running() == 1).await;
    }
    assert_eq!(enqueued, [1, 0, 0]);
    seen.gate.notify_one();
    eventually("it is done", async || stage.number("SELECT count(*) FROM queue.jobs").await == 0).await;
    clock.set(start() + Duration::hours(4));
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("a tick"), 1);
    eventually("it runs again", async || seen.running() == 1).await;
    worker.stop().await;
    let all = schedule::occurrences(&mut *stage.connection().await, "test.act", 10).await.expect("occurrences");
    assert_eq!(all.iter().map(|time| time.job.is_some()).collect::<Vec<_>>(), [true, false, false, true]);
}

#[tokio::test]
async fn people_may_pause_edit_and_run_schedules_and_releases_respect_that() {
    let stage = Stage::new().await;
    let hourly = plan("0 * * * *").named("hourly");
    install(&stage, &hourly).await;
    let clock = FakeClock::at(start());
    Scheduler::tick(&stage.pool, &clock).await.expect("a first look");

    committed(&stage.pool, async |c| schedule::pause(c, "hourly").await.expect("paused")).await;
    clock.advance(Duration::hours(10));
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("a tick"), 0);
    committed(&stage.pool, async |c| schedule::resume(c, "hourly").await.expect("resumed")).await;
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("a tick"), 0, "a pause is not made up for");

    committed(&stage.pool, async |c| schedule::edit(c, "hourly", "30 * * * *", "Europe/Berlin").await.expect("edited")).await;
    install(&stage, &hourly).await;
    clock.advance(Duration::minutes(31));
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("a look"), 0);
    clock.advance(Duration::hours(1));
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("a tick"), 1);

    let by_hand = committed(&stage.pool, async |c| schedule::run_now(c, "hourly", clock.now()).await.expect("enqueued")).await;
    assert_eq!(stage.state(by_hand).await, JobState::Available);
    let row = schedule::list(&mut *stage.connection().await).await.expect("schedules").remove(0);
    assert_eq!((row.cron.as_str(), row.zone.as_str(), row.last_job), ("30 * * * *", "Europe/Berlin", Some(by_hand)));

    let mut c = stage.connection().await;
    assert!(matches!(schedule::edit(&mut c, "hourly", "every day", "UTC").await, Err(ScheduleError::Expression(_))));
    assert!(matches!(schedule::pause(&mut c, "weekly").await, Err(ScheduleError::NotFound(_))));
}

#[tokio::test]
async fn a_schedule_nobody_understands_is_set_aside_and_stops_no_other() {
    let stage = Stage::new().await;
    install(&stage, &plan("0 * * * *").named("bad")).await;
    install(&stage, &plan("0 * * * *").named("good")).await;
    stage.execute("UPDATE queue.schedules SET zone = 'Mars/Olympus' WHERE name = 'bad'").await;
    let clock = FakeClock::at(start());
    Scheduler::tick(&stage.pool, &clock).await.expect("a first look");
    clock.advance(Duration::hours(1));
    assert_eq!(Scheduler::tick(&stage.pool, &clock).await.expect("a tick"), 1);
    let rows = schedule::list(&mut *stage.connection().await).await.expect("schedules");
    assert!(rows[0].fault.as_deref().is_some_and(|fault| fault.contains("Mars/Olympus")), "{rows:?}");
}
