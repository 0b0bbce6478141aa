//! Every attempt stays visible after its job has left the hot table, and old days are dropped whole.
//! Proves: JOB-06, JOB-16 (layout and upkeep), JOB-19 (progress).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Seen, registry},
};
use mywork_queue::{
    Context, Job, Outcome, Registry,
    admin::{self, JobState},
    enqueue,
};
use serde::{Deserialize, Serialize};
use sqlx::Row;

#[tokio::test]
async fn a_run_keeps_when_where_and_what() {
    let stage = Stage::new().await;
    let done = committed(&stage.pool, async |c| enqueue(c, &Act::new("done", How::Succeed)).await.expect("enqueued").id).await;
    let failed = committed(&stage.pool, async |c| enqueue(c, &Act::new("failed", How::Fail)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(done, JobState::Done).await;
    stage.until_state(failed, JobState::Scheduled).await;
    worker.stop().await;

    let detail = stage.job(done).await;
    let run = &detail.attempts[0];
    assert_eq!((run.attempt, run.outcome.as_str(), run.release.as_str()), (1, "done", "test"));
    assert!(run.started_at <= run.ended_at && run.worker.is_some() && run.worker_name.is_some());
    assert!(run.log.as_deref().expect("a log").contains("begins done"));
    assert_eq!(detail.job.finished_at, Some(run.ended_at));
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, 1, "what is done has left the hot table");

    let run = &stage.job(failed).await.attempts[0];
    assert_eq!((run.error_class.as_deref(), run.error.as_deref()), (Some("anyhow::Error"), Some("failed is broken")));
    let groups = admin::errors(&mut *stage.connection().await, run.started_at).await.expect("errors");
    assert_eq!((groups.len(), groups[0].runs, groups[0].latest_job), (1, 1, failed));
    assert_eq!(Some(&groups[0].fingerprint), run.fingerprint.as_ref());
}

#[derive(Serialize, Deserialize)]
struct Chatty;

impl Job for Chatty {
    const KIND: &'static str = "test.chatty";
}

#[tokio::test]
async fn a_job_says_how_far_it_is_and_its_log_never_outgrows_its_column() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Chatty).await.expect("enqueued").id).await;
    let mut registry = Registry::new();
    registry.add(|_: Chatty, cx: Context<Seen>| async move {
        for done in 0..=3 {
            cx.progress(done, 3, format!("{done} of 3 files")).await;
        }
        (0..5_000).for_each(|_| cx.log("a line of the log that is long enough \0 to fill it up"));
        Ok(Outcome::Done)
    });
    let worker = Start::new(&stage, registry, Seen::new()).run();
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;
    let detail = stage.job(job).await;
    let progress = detail.progress.expect("progress");
    assert_eq!((progress.done, progress.total, progress.message.as_str()), (3, 3, "3 of 3 files"));
    let log = detail.attempts[0].log.as_deref().expect("a log");
    assert!(log.len() <= 65_536 && log.ends_with("more lines\n"));
}

#[tokio::test]
async fn upkeep_makes_the_days_ahead_and_drops_old_ones_whole() {
    let stage = Stage::new().await;
    let days =
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '(finished_jobs|attempts_ok|attempts_failed)_[0-9]{8}$'";
    assert_eq!(stage.number(days).await, 12, "today and three days ahead, for three tables");

    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("old", How::Succeed)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;

    let in_31_days =
        sqlx::query("SELECT queue.maintain((now() AT TIME ZONE 'UTC')::date + 31)").fetch_one(&stage.pool).await.expect("upkeep");
    assert_eq!(in_31_days.get::<i32, _>(0), 13, "four days made for each table, today's good attempts dropped");
    assert!(stage.outcomes(job).await.is_empty());
    assert_eq!(stage.state(job).await, JobState::Done);

    stage.execute("SELECT queue.maintain((now() AT TIME ZONE 'UTC')::date + 91)").await;
    assert!(admin::find(&mut *stage.connection().await, job).await.expect("the queue").is_none());
    assert_eq!(stage.number("SELECT count(*) FROM queue.summaries WHERE state = 'done'").await, 1, "one line stays for good");
}

#[tokio::test]
async fn a_worker_keeps_house_without_being_asked() {
    const PARTITION: &str =
        "SELECT count(*) FROM pg_class WHERE relname = 'finished_jobs_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')";
    const COUNTS: &str = "SELECT count(*) FROM queue.run_counts WHERE kind = 'of old'";
    let stage = Stage::new().await;
    stage
        .execute("DO $$ BEGIN EXECUTE 'DROP TABLE queue.finished_jobs_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD'); END $$")
        .await;
    stage
        .execute(
            "INSERT INTO queue.run_counts (minute, queue, kind, outcome, release, runs, seconds, waited, slowest)
             VALUES (now() - interval '9 days', 'default', 'of old', 'done', '0', 1, 0, 0, 0)",
        )
        .await;
    assert_eq!((stage.number(PARTITION).await, stage.number(COUNTS).await), (0, 1));
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    eventually("today has its partition again", async || stage.number(PARTITION).await == 1).await;
    eventually("old counts are pruned", async || stage.number(COUNTS).await == 0).await;
    worker.stop().await;
}
