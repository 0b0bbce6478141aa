//! Bulk acts: counted first, undone in time, approved by a second person, resumed after a crash, and done to each job once.
//! Proves: spec 6, "Bulk acts by filter, any size, as a job".

use crate::support::{
    Stage, Start, Worker, committed, eventually,
    jobs::{Act as Scripted, How, Seen, registry},
};
use chrono::{Duration, Utc};
use mywork_queue::{
    JobId, Registry,
    admin::{
        self, ArgIs, JobFilter, JobState,
        bulk::{self, Act, Ask, BulkError, BulkRow, BulkState},
    },
    clock::{Clock, FakeClock},
    enqueue,
};
use std::sync::Arc;
use uuid::Uuid;

/// Dead jobs of a kind nobody here can run, so that those that come back stay where they can be counted: numbers 1 to `jobs`.
async fn dead_jobs(stage: &Stage, jobs: i64) {
    let sql = "INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease,
                                                rescues, tags, last_error, created_at, finished_at)
               SELECT n, 'default', CASE WHEN n % 2 = 0 THEN 'gone.even' ELSE 'gone.odd' END, 1,
                      CASE WHEN n % 10 = 0 THEN 'quarantined' ELSE 'dead' END, 0, now(),
                      jsonb_build_object('shop', jsonb_build_object('id', n % 7)), 3, 3, 6, 0, '{}', 'error ' || n % 3, now(), now()
               FROM generate_series(1, $1::bigint) n";
    sqlx::query(sql).bind(jobs).execute(&stage.pool).await.expect("jobs");
    let runs = "INSERT INTO queue.attempts (job_id, lease, attempt, queue, kind, release, started_at, ended_at, outcome, failed, error_class,
                                            fingerprint, error)
                SELECT n, 4 + run, run, 'default', 'gone', 'test', now(), now(), 'retried', true, 'test', 'group ' || n % 3, 'error'
                FROM generate_series(1, $1::bigint) n, generate_series(1, 2) run";
    sqlx::query(runs).bind(jobs).execute(&stage.pool).await.expect("runs");
    let taken = "SELECT setval(pg_get_serial_sequence('queue.jobs', 'id'), $1)";
    sqlx::query(taken).bind(jobs.max(1)).execute(&stage.pool).await.expect("numbers");
}

fn with_bulk() -> Registry<Seen> {
    let mut registry = registry();
    bulk::register(&mut registry);
    registry
}

fn start(stage: &Stage, clock: &FakeClock) -> Worker {
    Start { clock: Arc::new(clock.clone()), ..Start::new(stage, with_bulk(), Seen::new()) }.run()
}

fn asked(act: Act, filter: JobFilter) -> Ask {
    Ask { act, filter, reason: "the provider is back".to_owned(), by: Uuid::from_u128(1), guarded: Vec::new() }
}

async fn ask(stage: &Stage, clock: &FakeClock, asked: &Ask) -> Result<BulkRow, BulkError> {
    bulk::ask(&mut *stage.connection().await, asked, clock.now()).await
}

async fn act(stage: &Stage, id: i64) -> BulkRow {
    bulk::find(&mut *stage.connection().await, id).await.expect("the queue").expect("the act")
}

async fn until_done(stage: &Stage, id: i64) -> BulkRow {
    eventually("the act is done", async || act(stage, id).await.state == BulkState::Done).await;
    act(stage, id).await
}

async fn ids(stage: &Stage, filter: &JobFilter) -> Vec<JobId> {
    let filter = JobFilter { limit: 10_000, ..filter.clone() };
    let mut ids: Vec<JobId> =
        admin::list(&mut *stage.connection().await, &filter).await.expect("a list").into_iter().map(|job| job.id).collect();
    ids.reverse();
    ids
}

#[tokio::test]
async fn what_the_dry_run_counts_is_what_is_done() {
    let stage = Stage::new().await;
    let clock = FakeClock::at(Utc::now());
    let worker = start(&stage, &clock);
    let shop = |id: i64| Some(ArgIs { path: "shop.id".to_owned(), value: id.to_string() });
    let filters = [
        JobFilter { kind: Some("gone.odd".to_owned()), arg: shop(3), ..Default::default() },
        JobFilter {
            states: vec![JobState::Quarantined, JobState::Dead],
            error: Some("ERROR 2".to_owned()),
            ..Default::default()
        },
        JobFilter { ids: [1, 5, 10, 4_000].map(JobId).into(), ..Default::default() },
        JobFilter { states: vec![JobState::Quarantined], ..Default::default() },
        JobFilter { fingerprint: Some("group 1".to_owned()), kind: Some("gone.odd".to_owned()), ..Default::default() },
        JobFilter::default(),
    ];
    for filter in filters {
        stage.execute("TRUNCATE queue.finished_jobs, queue.attempts, queue.jobs").await;
        dead_jobs(&stage, 1_000).await;
        for deed in [Act::Retry, Act::Reschedule { run_at: clock.now() + Duration::days(1) }, Act::Cancel] {
            let count = bulk::count(&mut *stage.connection().await, &deed, &filter).await.expect("a count");
            if deed == Act::Retry {
                let retried: Vec<JobId> = ids(&stage, &filter).await;
                assert_eq!(retried.len() as i64, count.jobs, "{filter:?}");
                let row = ask(&stage, &clock, &asked(deed, filter.clone())).await.expect("asked");
                assert_eq!((row.state, row.matched), (BulkState::Waiting, count.jobs));
                clock.advance(Duration::seconds(31));
                let row = until_done(&stage, row.id).await;
                assert_eq!((row.done, row.refused), (count.jobs, 0), "{filter:?}");
                let back = JobFilter { states: vec![JobState::Available], ..Default::default() };
                assert_eq!(ids(&stage, &back).await, retried, "these and no others: {filter:?}");
            } else {
                // What came back waits now: by its number it can be moved, and then ended.
                let filter = JobFilter { states: vec![JobState::Available, JobState::Scheduled], ..filter.clone() };
                let matched = bulk::count(&mut *stage.connection().await, &deed, &filter).await.expect("a count").jobs;
                if matched == 0 {
                    continue; // what it was found by, it has no more
                }
                let row = ask(&stage, &clock, &asked(deed, filter.clone())).await.expect("asked");
                clock.advance(Duration::seconds(31));
                assert_eq!(until_done(&stage, row.id).await.done, matched, "{filter:?}");
            }
        }
    }
    worker.stop().await;
    assert_eq!(
        stage.number("SELECT count(*) FROM queue.jobs WHERE kind LIKE 'gone.%'").await,
        0,
        "all were cancelled in the end"
    );
    let reasons = "SELECT count(*) FROM queue.finished_jobs WHERE kind LIKE 'gone.%' AND state = 'cancelled' AND reason = 'the provider is back'";
    assert_eq!(stage.number(reasons).await, 1_000);
}

#[tokio::test]
async fn an_act_can_be_undone_for_half_a_minute_and_not_after() {
    let stage = Stage::new().await;
    dead_jobs(&stage, 20).await;
    let clock = FakeClock::at(Utc::now());
    let first = ask(&stage, &clock, &asked(Act::Retry, JobFilter::default())).await.expect("asked");
    let odd = JobFilter { kind: Some("gone.odd".to_owned()), ..Default::default() };
    let second = ask(&stage, &clock, &asked(Act::Discard, odd)).await.expect("asked");
    clock.advance(Duration::seconds(29));
    let undone = bulk::undo(&mut *stage.connection().await, first.id, clock.now()).await.expect("undone");
    assert_eq!((undone.state, undone.done), (BulkState::Undone, 0));
    assert_eq!(stage.state(undone.job.expect("a job")).await, JobState::Cancelled);
    clock.advance(Duration::seconds(2));
    let late = bulk::undo(&mut *stage.connection().await, second.id, clock.now()).await;
    assert!(matches!(late, Err(BulkError::TooLate { state: BulkState::Waiting, .. })), "{late:?}");

    let worker = start(&stage, &clock);
    assert_eq!(until_done(&stage, second.id).await.done, 10);
    worker.stop().await;
    assert_eq!(act(&stage, first.id).await.state, BulkState::Undone);
    assert_eq!(
        stage.number("SELECT count(*) FROM queue.finished_jobs WHERE kind = 'gone.even' AND state <> 'cancelled'").await,
        10
    );
    let over = bulk::stop(&mut *stage.connection().await, second.id, clock.now()).await;
    assert!(matches!(over, Err(BulkError::TooLate { state: BulkState::Done, .. })));
}

#[tokio::test]
async fn an_act_whose_worker_was_killed_goes_on_and_does_to_each_job_once() {
    const JOBS: i64 = 2_000;
    let stage = Stage::new().await;
    dead_jobs(&stage, JOBS).await;
    let clock = FakeClock::at(Utc::now());
    let row = ask(&stage, &clock, &asked(Act::Retry, JobFilter::default())).await.expect("asked");
    clock.advance(Duration::seconds(31));
    let doomed = Start { clock: Arc::new(clock.clone()), ..Start::new(&stage, with_bulk(), Seen::new()) };
    let doomed = doomed.run_apart(stage.options.clone()).await;
    eventually("it is under way", async || act(&stage, row.id).await.done >= 200).await;
    doomed.kill();
    let half = act(&stage, row.id).await;
    assert!(half.state == BulkState::Running && half.done < JOBS, "killed in the midst, after {} jobs", half.done);

    let worker = start(&stage, &clock);
    let row = until_done(&stage, row.id).await;
    worker.stop().await;
    assert_eq!((row.done, row.refused), (JOBS, 0));
    assert_eq!(stage.outcomes(row.job.expect("a job")).await, ["lost", "done"]);
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs WHERE kind LIKE 'gone.%' AND lease = 7").await, JOBS, "once each");
}

#[tokio::test]
async fn a_guarded_kind_takes_two_people() {
    let stage = Stage::new().await;
    dead_jobs(&stage, 10).await;
    let clock = FakeClock::at(Utc::now());
    let ask_for = |kind: &str| Ask {
        guarded: vec!["gone.even".to_owned()],
        ..asked(Act::Retry, JobFilter { kind: Some(kind.to_owned()), ..Default::default() })
    };
    let (asker, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let proposed = ask(&stage, &clock, &ask_for("gone.even")).await.expect("asked");
    assert_eq!((proposed.state, proposed.needs_second, proposed.job), (BulkState::Proposed, true, None));
    let free = ask(&stage, &clock, &ask_for("gone.odd")).await.expect("asked");
    assert_eq!((free.state, free.needs_second), (BulkState::Waiting, false));

    let worker = start(&stage, &clock);
    clock.advance(Duration::hours(1));
    until_done(&stage, free.id).await;
    assert_eq!(act(&stage, proposed.id).await.state, BulkState::Proposed, "nothing begins it");
    let own = bulk::approve(&mut *stage.connection().await, proposed.id, asker, clock.now()).await;
    assert!(matches!(own, Err(BulkError::SamePerson(_))), "{own:?}");
    let approved = bulk::approve(&mut *stage.connection().await, proposed.id, other, clock.now()).await.expect("approved");
    assert_eq!((approved.state, approved.approved_by), (BulkState::Waiting, Some(other)));
    let twice = bulk::approve(&mut *stage.connection().await, proposed.id, other, clock.now()).await;
    assert!(matches!(twice, Err(BulkError::TooLate { .. })), "{twice:?}");
    clock.advance(Duration::seconds(31));
    assert_eq!(until_done(&stage, proposed.id).await.done, 5);
    worker.stop().await;
}

#[tokio::test]
async fn a_guarded_job_does_not_slip_into_an_act_of_one_person() {
    let stage = Stage::new().await;
    dead_jobs(&stage, 10).await;
    stage.execute("UPDATE queue.finished_jobs SET state = 'done' WHERE kind = 'gone.even'").await;
    let clock = FakeClock::at(Utc::now());
    let dead = JobFilter { states: vec![JobState::Dead], ..Default::default() };
    let row =
        ask(&stage, &clock, &Ask { guarded: vec!["gone.even".to_owned()], ..asked(Act::Retry, dead) }).await.expect("asked");
    assert_eq!((row.state, row.matched), (BulkState::Waiting, 5));
    stage.execute("UPDATE queue.finished_jobs SET state = 'dead' WHERE kind = 'gone.even'").await;
    clock.advance(Duration::seconds(31));
    let worker = start(&stage, &clock);
    assert_eq!(until_done(&stage, row.id).await.done, 5);
    worker.stop().await;
    assert_eq!(stage.number("SELECT count(*) FROM queue.finished_jobs WHERE kind = 'gone.even' AND state = 'dead'").await, 5);
}

#[tokio::test]
async fn jobs_enqueued_after_it_was_asked_for_are_left_alone() {
    let stage = Stage::new().await;
    let clock = FakeClock::at(Utc::now());
    let add = async |name: &str| {
        let (job, later) =
            (Scripted::new(name, How::Succeed), mywork_queue::Options::default().run_at(clock.now() + Duration::days(9)));
        committed(&stage.pool, async |c| mywork_queue::enqueue_with(c, &job, later).await.expect("enqueued").id).await
    };
    let before = add("before").await;
    let filter = JobFilter { kind: Some("test.act".to_owned()), ..Default::default() };
    let row = ask(&stage, &clock, &asked(Act::Cancel, filter)).await.expect("asked");
    let after = add("after").await;
    let worker = start(&stage, &clock);
    clock.advance(Duration::seconds(31));
    assert_eq!(until_done(&stage, row.id).await.done, 1);
    worker.stop().await;
    assert_eq!((stage.state(before).await, stage.state(after).await), (JobState::Cancelled, JobState::Scheduled));
}

#[tokio::test]
async fn an_act_without_a_reason_or_without_jobs_is_refused() {
    let stage = Stage::new().await;
    let clock = FakeClock::at(Utc::now());
    let none = ask(&stage, &clock, &asked(Act::Retry, JobFilter::default())).await;
    assert!(matches!(none, Err(BulkError::NothingMatches)), "{none:?}");
    committed(&stage.pool, async |c| enqueue(c, &Scripted::new("job", How::Succeed)).await.expect("enqueued")).await;
    let pointless = JobFilter { states: vec![JobState::Available], ..Default::default() };
    let none = ask(&stage, &clock, &asked(Act::Retry, pointless)).await;
    assert!(matches!(none, Err(BulkError::NothingMatches)), "what is in line needs no retry: {none:?}");
    let mut unsaid = asked(Act::Cancel, JobFilter::default());
    unsaid.reason = "  ".to_owned();
    assert!(matches!(ask(&stage, &clock, &unsaid).await, Err(BulkError::NoReason)));
}

#[tokio::test]
async fn a_job_that_cannot_be_acted_on_is_counted_and_named_in_the_log() {
    let stage = Stage::new().await;
    dead_jobs(&stage, 4).await;
    stage.execute("UPDATE queue.finished_jobs SET unique_key = 'key', unique_while = 'unfinished' WHERE kind = 'gone.odd'").await;
    let clock = FakeClock::at(Utc::now());
    let row = ask(&stage, &clock, &asked(Act::Retry, JobFilter::default())).await.expect("asked");
    clock.advance(Duration::seconds(31));
    let worker = start(&stage, &clock);
    let row = until_done(&stage, row.id).await;
    worker.stop().await;
    assert_eq!((row.done, row.refused), (3, 1), "two jobs had the key of which one may wait");
    let run = &stage.job(row.job.expect("a job")).await.attempts[0];
    assert!(
        run.log.as_deref().is_some_and(|log| log.contains("job 3 was left as it is") && log.contains("unique key")),
        "{run:?}"
    );
}
