//! Limits hold over all processes, whoever dies, and nobody waits for a neighbour's thousand jobs; kinds and queues are paused
//! and drained, and a changed group is applied to a worker that runs.
//! Proves: JOB-10, JOB-13, JOB-24 (live changes).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, act, other, registry},
};
use chrono::{DateTime, Utc};
use mywork_queue::{
    Context, Failure, Job, JobId, Options, Outcome, Registry,
    admin::{self, JobState},
    clock::{Clock, FakeClock},
    enqueue, enqueue_with,
    groups::{self, Group},
    testing,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// Writes down from when to when it ran, by the database's clock.
#[derive(Clone, Serialize, Deserialize)]
struct Timed {
    key: String,
    millis: u64,
}

impl Job for Timed {
    const KIND: &'static str = "test.timed";
}

async fn timed(job: Timed, cx: Context<PgPool>) -> mywork_queue::Result {
    let run: i64 =
        sqlx::query_scalar("INSERT INTO runs (key) VALUES ($1) RETURNING id").bind(&job.key).fetch_one(&*cx.state).await?;
    tokio::time::sleep(Duration::from_millis(job.millis)).await;
    sqlx::query("UPDATE runs SET ended_at = clock_timestamp() WHERE id = $1").bind(run).execute(&*cx.state).await?;
    Ok(Outcome::Done)
}

fn timed_registry() -> Registry<PgPool> {
    let mut registry = Registry::new();
    registry.add(timed);
    registry
}

/// Draws from a bucket.
#[derive(Clone, Serialize, Deserialize)]
struct Call {
    number: usize,
}

impl Job for Call {
    const KIND: &'static str = "test.call";
    const RATE: Option<&'static str> = Some("api");
}

/// A provider that says 429 until it is open.
#[derive(Default)]
struct Provider {
    open: AtomicBool,
    seen: Seen,
}

async fn call(job: Call, cx: Context<Provider>) -> mywork_queue::Result {
    cx.state.seen.names.lock().expect("unpoisoned").push(job.number.to_string());
    if cx.state.open.load(SeqCst) {
        Ok(Outcome::Done)
    } else {
        Err(Failure::rate_limited(Duration::from_secs(60), anyhow::anyhow!("429 Too Many Requests")))
    }
}

fn provider(open: bool) -> Arc<Provider> {
    Arc::new(Provider { open: open.into(), ..Provider::default() })
}

fn calls() -> Registry<Provider> {
    let mut registry = Registry::new();
    registry.add(call);
    registry
}

async fn with_runs(stage: &Stage) {
    stage
        .execute(
            "CREATE TABLE runs (
               id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL,
               started_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz
             )",
        )
        .await;
}

/// The most runs of a key at once.
async fn at_once(stage: &Stage, key: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(max((SELECT count(*) FROM runs o
                              WHERE o.key = r.key AND o.started_at <= r.started_at AND coalesce(o.ended_at, 'infinity') > r.started_at)), 0)
         FROM runs r
         WHERE r.key = $1",
    )
    .bind(key)
    .fetch_one(&stage.pool)
    .await
    .expect("the runs")
}

async fn add(stage: &Stage, name: &str, how: How, options: Options) -> JobId {
    committed(&stage.pool, async |c| enqueue_with(c, &Act::new(name, how), options).await.expect("enqueued").id).await
}

async fn nothing_left(stage: &Stage) {
    eventually("all jobs are over", async || stage.number("SELECT count(*) FROM queue.jobs").await == 0).await;
}

async fn index_of(names: &[String], name: &str) -> usize {
    names.iter().position(|other| other == name).unwrap_or_else(|| panic!("{name} ran"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_runs_more_jobs_at_once_than_it_may_over_all_processes() {
    let stage = Stage::new().await;
    with_runs(&stage).await;
    committed(&stage.pool, async |c| {
        for number in 0..180_u32 {
            let at_most = 1 + number % 3;
            let key = format!("key {at_most}");
            let job = Timed { key: key.clone(), millis: 3 + u64::from(number % 7) };
            enqueue_with(c, &job, Options::default().concurrency(key, i16::try_from(at_most).expect("small")))
                .await
                .expect("enqueued");
        }
    })
    .await;
    let start = || Start::new(&stage, timed_registry(), Arc::new(stage.pool.clone())).run();
    let workers = [start(), start(), start()];
    nothing_left(&stage).await;
    for worker in workers {
        worker.stop().await;
    }
    for at_most in 1..=3 {
        assert_eq!(at_once(&stage, &format!("key {at_most}")).await, at_most, "the limit is reached and never exceeded");
    }
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 180);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_a_limit_keeps_it_over_all_processes_and_both_ways_of_waiting() {
    let stage = Stage::new().await;
    with_runs(&stage).await;
    committed(&stage.pool, async |c| {
        for number in 0..160 {
            let options = Options::default();
            let options = if number % 2 == 0 { options } else { options.concurrency(format!("key {}", number % 20), 5) };
            enqueue_with(c, &Timed { key: "queue".to_owned(), millis: 4 }, options).await.expect("enqueued");
        }
    })
    .await;
    let start = || {
        let group = Group::new("default", ["default"], 8).max_running("default", 4);
        Start { group, ..Start::new(&stage, timed_registry(), Arc::new(stage.pool.clone())) }.run()
    };
    let workers = [start(), start(), start()];
    nothing_left(&stage).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(at_once(&stage, "queue").await, 4);
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_leaks_no_capacity() {
    let stage = Stage::new().await;
    let (killed, heir) = (Seen::new(), Seen::new());
    let two = || Options::default().concurrency("account", 2);
    let mut jobs = Vec::new();
    for name in ["a", "b", "c"] {
        jobs.push(add(&stage, name, How::Wait, two()).await);
    }
    let first = Start::new(&stage, registry(), Arc::clone(&killed)).run_apart(stage.options.clone()).await;
    eventually("two run", async || killed.running() == 2).await;
    first.kill();

    let second = Start::new(&stage, registry(), Arc::clone(&heir)).run();
    eventually("the two run again", async || heir.running() == 2).await;
    assert_eq!(stage.state(jobs[2]).await, JobState::Available, "the third waits for one of them");
    for _ in &jobs {
        heir.gate.notify_one();
    }
    for job in jobs {
        stage.until_state(job, JobState::Done).await;
    }
    second.stop().await;
    let mut ran = heir.names();
    ran.sort_unstable(); // two at once begin in any order
    assert_eq!(ran, ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_never_drawn_from_faster_than_its_rate_over_any_time() {
    let stage = Stage::new().await;
    committed(&stage.pool, async |c| {
        for number in 0..150 {
            let own = Options::default().rate_key("own");
            let options = if number % 5 == 0 { own } else { Options::default() };
            enqueue_with(c, &Call { number }, options).await.expect("enqueued");
        }
    })
    .await;
    let open = provider(true);
    let start = || {
        let group = Group::new("default", ["default"], 8).rate("api", 60, Duration::from_secs(1), 10);
        Start { group, ..Start::new(&stage, calls(), Arc::clone(&open)) }.run()
    };
    let workers = [start(), start(), start()];
    nothing_left(&stage).await;
    for worker in workers {
        worker.stop().await;
    }
    // Over every window from one start to another: a full bucket, and what came in meanwhile.
    stage
        .execute(
            "CREATE VIEW starts AS
             SELECT f.rate_key, a.started_at, row_number() OVER (PARTITION BY f.rate_key ORDER BY a.started_at) AS place
             FROM queue.attempts a JOIN queue.finished_jobs f ON f.id = a.job_id",
        )
        .await;
    assert_eq!(stage.number("SELECT count(*) FROM starts WHERE rate_key = 'api'").await, 120);
    assert_eq!(stage.number("SELECT count(*) FROM starts WHERE rate_key = 'api:own'").await, 30);
    let windows: Vec<(String, f64)> = sqlx::query_as(
        "SELECT r.rate_key, max(o.place - r.place + 1 - (10 + 60 * extract(epoch FROM o.started_at - r.started_at)))::float8
         FROM starts r
         JOIN starts o ON o.rate_key = r.rate_key AND o.place >= r.place
         GROUP BY r.rate_key",
    )
    .fetch_all(&stage.pool)
    .await
    .expect("the windows");
    assert!(windows.iter().all(|(_, excess)| *excess <= 0.001), "too many runs began within some time: {windows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_thousand_jobs_delays_no_other_beyond_its_next_turn() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let of = |key: &str| Options::default().concurrency(key, 4);
    committed(&stage.pool, async |c| {
        for number in 0..1_000 {
            enqueue_with(c, &Act::new(&number.to_string(), How::Sleep(1)), of("many")).await.expect("enqueued");
        }
        enqueue_with(c, &Act::new("one", How::Succeed), of("one")).await.expect("enqueued");
    })
    .await;
    let worker = Start { group: Group::new("four", ["default"], 4), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    eventually("the other ran", async || seen.names().contains(&"one".to_owned())).await;
    assert!(index_of(&seen.names(), "one").await < 8, "{:?}", &seen.names()[..16]);

    let (jobs, late) = (1_000, add(&stage, "late", How::Succeed, of("a third")).await);
    let before = seen.count();
    stage.until_state(late, JobState::Done).await;
    let place = index_of(&seen.names(), "late").await;
    worker.stop().await;
    assert!(before < jobs, "the many still ran");
    assert!(place <= before + 12, "{place} is more than a round after {before}");
}

#[tokio::test]
async fn jobs_of_a_lane_run_in_the_order_of_their_priority() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    for (name, priority) in [("b1", 0), ("c", -5), ("b2", 0), ("a", 9)] {
        add(&stage, name, How::Succeed, Options::default().concurrency("key", 1).priority(priority)).await;
    }
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    eventually("all ran", async || seen.count() == 4).await;
    worker.stop().await;
    assert_eq!(seen.names(), ["a", "b1", "b2", "c"]);
}

#[tokio::test]
async fn limited_jobs_and_the_others_share_the_slots() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    committed(&stage.pool, async |c| {
        for number in 0..100 {
            enqueue(c, &Act::new("plain", How::Succeed)).await.expect("enqueued");
            let limited = Options::default().concurrency(format!("key {}", number % 10), 3);
            enqueue_with(c, &Act::new("limited", How::Succeed), limited).await.expect("enqueued");
        }
    })
    .await;
    let worker = Start { group: Group::new("one", ["default"], 1), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    nothing_left(&stage).await;
    worker.stop().await;
    let first: Vec<_> = seen.names().into_iter().take(100).collect();
    let limited = first.iter().filter(|name| *name == "limited").count();
    assert!((40..=60).contains(&limited), "{limited} of the first 100 were limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_says_429_is_left_alone_by_all_until_it_said_and_no_attempt_is_lost() {
    let stage = Stage::new().await;
    let (clock, shut) = (FakeClock::at(Utc::now()), provider(false));
    let mut jobs = Vec::new();
    for number in 0..6 {
        jobs.push(committed(&stage.pool, async |c| enqueue(c, &Call { number }).await.expect("enqueued").id).await);
    }
    let start = || {
        let group = Group::new("one", ["default"], 1).rate("api", 1_000, Duration::from_secs(1), 1_000);
        Start { group, clock: Arc::new(clock.clone()), ..Start::new(&stage, calls(), Arc::clone(&shut)) }.run()
    };
    let workers = [start(), start()];
    eventually("the bucket is paused", async || {
        stage.number("SELECT count(*) FROM queue.buckets WHERE paused_until IS NOT NULL").await == 1
    })
    .await;
    eventually("nothing runs", async || stage.number("SELECT count(*) FROM queue.jobs WHERE state = 'running'").await == 0).await;
    let asked = shut.seen.count();
    assert!(asked <= 4, "{asked} runs began before the first answer was written down");
    let first = jobs[0];
    let row = stage.job(first).await.job;
    assert_eq!((row.state, row.attempt, row.last_error.as_deref()), (JobState::Available, 0, Some("429 Too Many Requests")));

    let begun = Instant::now();
    clock.advance(chrono::Duration::seconds(59));
    eventually("workers have looked a few times", async || begun.elapsed() > Duration::from_millis(400)).await;
    assert_eq!(shut.seen.count(), asked, "nobody asked again before the time");

    shut.open.store(true, SeqCst);
    clock.advance(chrono::Duration::seconds(2));
    for &job in &jobs {
        stage.until_state(job, JobState::Done).await;
    }
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(stage.number("SELECT max(attempt)::bigint FROM queue.finished_jobs").await, 1, "being throttled costs no attempt");
    assert_eq!(stage.outcomes(first).await, ["throttled", "done"]);
    assert_eq!(stage.number("SELECT count(*) FROM queue.attempts WHERE failed").await, 0);
}

/// Asks a provider, and has no rate.
#[derive(Serialize, Deserialize)]
struct Ask;

impl Job for Ask {
    const KIND: &'static str = "test.ask";
}

#[tokio::test]
async fn a_job_without_a_rate_waits_out_a_429_by_itself() {
    let stage = Stage::new().await;
    let clock = FakeClock::at(Utc::now());
    let mut asks = Registry::<Seen>::new();
    asks.add(|_: Ask, _| async { Err(Failure::rate_limited(Duration::from_secs(60), anyhow::anyhow!("429"))) });
    let job = committed(&stage.pool, async |c| enqueue(c, &Ask).await.expect("enqueued").id).await;
    let drained = testing::drain(&stage.pool, &Arc::new(asks), Seen::new(), Arc::new(clock.clone())).await.expect("drained");
    assert_eq!(drained.count("test.ask", "throttled"), 1);
    let row = stage.job(job).await.job;
    assert_eq!((row.state, row.attempt), (JobState::Scheduled, 0));
    assert!((59_999..=60_000).contains(&(row.run_at - clock.now()).num_milliseconds()), "{}", row.run_at);
}

#[tokio::test]
async fn draining_in_a_test_keeps_to_the_limits_by_the_tests_clock() {
    let stage = Stage::new().await;
    let (clock, open) = (FakeClock::at(Utc::now() - chrono::Duration::days(100)), provider(true));
    let text = "[group.all]\nqueues = [\"default\"]\nconcurrency = 1\n[rate.api]\npermits = 2\nper = \"1m\"\n[queue.default]\nmax_running = 1\n";
    let groups = groups::load(text, &calls().kinds()).expect("a good file");
    let worker =
        Start { group: groups.get("all").expect("the group").clone(), ..Start::new(&stage, calls(), Arc::clone(&open)) }.run();
    eventually("the rate is known", async || stage.number("SELECT count(*) FROM queue.rates").await == 1).await;
    worker.stop().await;
    for number in 0..5 {
        committed(&stage.pool, async |c| enqueue(c, &Call { number }).await.expect("enqueued")).await;
    }
    let registry = Arc::new(calls());
    let drained = async || {
        testing::drain(&stage.pool, &registry, Arc::clone(&open), Arc::new(clock.clone())).await.expect("drained").runs.len()
    };
    assert_eq!(drained().await, 2, "the bucket was full");
    clock.advance(chrono::Duration::seconds(30));
    assert_eq!(drained().await, 1);
    clock.advance(chrono::Duration::days(1));
    assert_eq!(drained().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_kind_stops_within_a_second_and_goes_on_where_it_was() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    for number in 0..120 {
        let options = Options::default();
        let options = if number % 2 == 0 { options } else { options.concurrency("key", 2) };
        add(&stage, &number.to_string(), How::Sleep(5), options).await;
    }
    let start =
        || Start { group: Group::new("two", ["default", "other"], 2), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    let workers = [start(), start()];
    eventually("some ran", async || seen.count() > 8).await;
    let draining =
        committed(&stage.pool, async |c| admin::drain_kind(c, Act::KIND, "a bad release").await.expect("paused")).await;
    assert!(!draining.over);
    eventually("it is drained", async || {
        admin::draining_kind(&mut *stage.connection().await, Act::KIND).await.expect("the queue").over
    })
    .await;
    let late =
        "SELECT count(*) FROM queue.attempts a, queue.paused_kinds p WHERE a.started_at > p.paused_at + interval '1 second'";
    assert_eq!(stage.number(late).await, 0);
    let ran = seen.count();
    assert!(ran < 120);

    eventually("its jobs are held", async || {
        stage.number("SELECT count(*) FROM queue.jobs WHERE state = 'available'").await == 0
    })
    .await;
    let another = committed(&stage.pool, async |c| enqueue(c, &Other { number: 1 }).await.expect("enqueued").id).await;
    stage.until_state(another, JobState::Done).await;
    let held = add(&stage, "120", How::Succeed, Options::default()).await;
    stage.until_state(held, JobState::Held).await;
    assert_eq!(seen.count(), ran + 1, "only the other kind ran");
    let paused = admin::paused_kinds(&mut *stage.connection().await).await.expect("the kinds");
    assert_eq!((paused.len(), paused[0].kind.as_str(), paused[0].pause_reason.as_str()), (1, Act::KIND, "a bad release"));

    let began = Instant::now();
    assert!(committed(&stage.pool, async |c| admin::resume_kind(c, Act::KIND).await.expect("resumed")).await);
    eventually("it goes on", async || seen.count() > ran + 1).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    nothing_left(&stage).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(seen.count(), 122);
}

#[tokio::test]
async fn a_draining_queue_says_when_nothing_runs_any_more() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    let runs = add(&stage, "runs", How::Wait, Options::default()).await;
    eventually("it runs", async || seen.running() == 1).await;
    let draining = committed(&stage.pool, async |c| admin::drain(c, "default", "a new database").await.expect("paused")).await;
    assert_eq!((draining.running, draining.over), (1, false));
    let waits = add(&stage, "waits", How::Succeed, Options::default()).await;
    seen.gate.notify_one();
    stage.until_state(runs, JobState::Done).await;
    let over = async || admin::draining(&mut *stage.connection().await, "default").await.expect("the queue").over;
    eventually("it is drained", over).await;
    assert_eq!(stage.state(waits).await, JobState::Available);
    assert!(committed(&stage.pool, async |c| admin::resume(c, "default").await.expect("resumed")).await);
    assert!(!over().await);
    stage.until_state(waits, JobState::Done).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_changed_group_is_applied_while_the_worker_runs() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    for number in 0..12 {
        add(&stage, &number.to_string(), How::Wait, Options::default()).await;
    }
    let group = |slots| Group::new("group", ["default", "other"], slots);
    let worker = Start { group: group(2), ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    eventually("two run", async || seen.running() == 2).await;

    assert!(worker.handle.apply(group(5)).await.expect("applied").is_empty());
    eventually("five run", async || seen.running() == 5).await;
    assert_eq!(stage.number("SELECT capacity::bigint FROM queue.workers").await, 5);

    worker.handle.apply(group(3)).await.expect("applied");
    assert_eq!(seen.running(), 5, "none is cut short");
    for left in [4, 3] {
        seen.gate.notify_one();
        eventually("one ended", async || seen.running() == left).await;
    }
    for ran in 6..=8 {
        seen.gate.notify_one();
        eventually("another took its place", async || seen.count() == ran && seen.running() == 3).await;
    }

    let limited = group(3).rate("api", 7, Duration::from_secs(60), 3).max_running("other", 2);
    worker.handle.apply(limited).await.expect("applied");
    assert_eq!(stage.number("SELECT permits::bigint FROM queue.rates WHERE name = 'api'").await, 7);
    assert_eq!(stage.number("SELECT max_running::bigint FROM queue.queues WHERE name = 'other'").await, 2);

    let left = worker.handle.apply(Group::new("group", ["default", "mail"], 3)).await.expect("applied");
    assert_eq!(left, ["restart this worker to make it work on mail", "restart this worker to make it leave other"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_quiet_worker_finishes_what_it_has_and_takes_nothing_new() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    let has = add(&stage, "has", How::Wait, Options::default()).await;
    eventually("it runs", async || seen.running() == 1).await;
    worker.handle.quiet(true);
    // A claim that had begun may still bring something; the one after it does not.
    let probes = [
        add(&stage, "probe", How::Succeed, Options::default()).await,
        add(&stage, "new", How::Succeed, Options::default()).await,
    ];
    seen.gate.notify_one();
    stage.until_state(has, JobState::Done).await;
    let began = Instant::now();
    eventually("time went by", async || began.elapsed() > Duration::from_millis(300)).await;
    assert_eq!(stage.state(probes[1]).await, JobState::Available);
    worker.handle.quiet(false);
    stage.until_state(probes[1], JobState::Done).await;

    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM queue.workers").fetch_one(&stage.pool).await.expect("the worker");
    assert!(committed(&stage.pool, async |c| admin::quiet(c, id, true).await.expect("asked")).await);
    let told = Instant::now();
    eventually("the pulse told it", async || told.elapsed() > Duration::from_millis(500)).await;
    let later = add(&stage, "later", How::Succeed, Options::default()).await;
    eventually("time went by", async || told.elapsed() > Duration::from_millis(800)).await;
    assert_eq!(stage.state(later).await, JobState::Available);
    committed(&stage.pool, async |c| admin::quiet(c, id, false).await.expect("asked")).await;
    stage.until_state(later, JobState::Done).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_shut_bucket_holds_up_no_job_under_the_same_key_that_draws_from_another() {
    let stage = Stage::new().await;
    let open = provider(true);
    let under = |key: &str| Options::default().concurrency("seller", 1).rate_key(key);
    stage
        .execute("INSERT INTO queue.buckets (key, tokens, refilled_at, paused_until) VALUES ('api:shut', 0, now(), now() + interval '1 hour')")
        .await;
    let shut =
        committed(&stage.pool, async |c| enqueue_with(c, &Call { number: 1 }, under("shut")).await.expect("enqueued").id).await;
    let free =
        committed(&stage.pool, async |c| enqueue_with(c, &Call { number: 2 }, under("free")).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, calls(), Arc::clone(&open)).run();
    stage.until_state(free, JobState::Done).await;
    assert_eq!(stage.state(shut).await, JobState::Available);
    let buckets = admin::buckets(&mut *stage.connection().await).await.expect("the buckets");
    assert_eq!(buckets.iter().map(|bucket| bucket.key.as_str()).collect::<Vec<_>>(), ["api:shut"]);
    assert!(buckets[0].opens_at > DateTime::<Utc>::from(std::time::SystemTime::now()));
    assert!(committed(&stage.pool, async |c| admin::open_bucket(c, "api:shut").await.expect("opened")).await);
    stage.until_state(shut, JobState::Done).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_a_worker_does_not_know_holds_up_no_lane() {
    let stage = Stage::new().await;
    let key = || Options::default().concurrency("key", 1);
    let unknown =
        committed(&stage.pool, async |c| enqueue_with(c, &Other { number: 1 }, key()).await.expect("enqueued").id).await;
    stage.execute("UPDATE queue.jobs SET queue = 'default'").await;
    let known = add(&stage, "known", How::Succeed, key()).await;
    let mut only = Registry::new();
    only.add(act);
    let worker = Start::new(&stage, only, Seen::new()).run();
    stage.until_state(known, JobState::Done).await;
    assert_eq!(stage.state(unknown).await, JobState::Available);
    worker.stop().await;
    let mut both = Registry::new();
    both.add(act).add(other);
    let worker = Start::new(&stage, both, Seen::new()).run();
    stage.until_state(unknown, JobState::Done).await;
    worker.stop().await;
}
