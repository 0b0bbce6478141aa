//! What charts and groups of errors say is what happened.
//! Proves: JOB-16 (what the dashboard reads instead of the history), JOB-20 (outcomes and waits by kind).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
};
use chrono::{Duration, Utc};
use mywork_queue::{
    admin::{self, JobState, stats},
    enqueue, enqueue_many,
};
use std::sync::Arc;

#[tokio::test]
async fn after_a_clean_stop_every_run_has_been_counted_once() {
    let stage = Stage::new().await;
    let began = Utc::now() - Duration::minutes(1);
    let others: Vec<Other> = (0..300).map(|number| Other { number }).collect();
    let acts: Vec<Act> = (0..120)
        .map(|n| {
            Act::new(&format!("act {n}"), [How::Succeed, How::Fail, How::Die, How::Snooze(3600), How::Cancel][n % 5].clone())
        })
        .collect();
    committed(&stage.pool, async |c| {
        enqueue_many(c, &others).await.expect("enqueued");
        enqueue_many(c, &acts).await.expect("enqueued");
    })
    .await;
    let seen = Seen::new();
    let workers = [(); 2].map(|()| Start::new(&stage, registry(), Arc::clone(&seen)).run());
    eventually("all have run once", async || {
        stage.number("SELECT count(*) FROM queue.jobs WHERE state IN ('available', 'running')").await == 0
    })
    .await;
    for worker in workers {
        worker.stop().await;
    }

    let differences = "
        SELECT count(*)
        FROM (SELECT kind, queue, outcome, release, count(*) AS runs FROM queue.attempts GROUP BY 1, 2, 3, 4) AS happened
        FULL JOIN (SELECT kind, queue, outcome, release, sum(runs)::bigint AS runs FROM queue.run_counts GROUP BY 1, 2, 3, 4) AS counted
             USING (kind, queue, outcome, release)
        WHERE happened.runs IS DISTINCT FROM counted.runs";
    assert_eq!(stage.number(differences).await, 0);
    assert!(stage.number("SELECT sum(runs)::bigint FROM queue.run_counts").await >= 420, "and they are many");

    let mut c = stage.connection().await;
    let buckets = stats::throughput(&mut c, began, Duration::minutes(5)).await.expect("a chart");
    let of = |kind: &'static str| buckets.iter().filter(move |bucket| bucket.kind == kind);
    assert_eq!(of("test.other").map(|bucket| bucket.done).sum::<i64>(), 300);
    assert_eq!(of("test.act").map(|bucket| bucket.failed).sum::<i64>(), 48, "a failure and a death in each five");
    assert!(of("test.act").all(|bucket| bucket.seconds >= 0.0 && bucket.waited > 0.0 && bucket.slowest <= bucket.seconds));
    let releases = stats::releases(&mut c, began).await.expect("marks");
    assert_eq!(releases.iter().map(|mark| mark.release.as_str()).collect::<Vec<_>>(), ["test"]);
    assert!(stats::releases(&mut c, Utc::now() + Duration::minutes(1)).await.expect("marks").is_empty());

    let overview = admin::overview(&mut c).await.expect("an overview");
    let count = |state| overview.states.iter().find(|row| row.state == state).map(|row| (row.jobs, row.or_more));
    assert_eq!(count(JobState::Dead), Some((24, false)));
    assert_eq!(count(JobState::Scheduled).map(|(jobs, _)| jobs), Some(stage.number("SELECT count(*) FROM queue.jobs").await));
}

#[tokio::test]
async fn errors_are_grouped_by_what_they_have_in_common_and_lead_to_their_jobs() {
    let stage = Stage::new().await;
    let since = Utc::now();
    let failing: Vec<Act> = (0..5).map(|n| Act::new(&format!("order-{n}"), How::Fail)).collect();
    let jobs = committed(&stage.pool, async |c| enqueue_many(c, &failing).await.expect("enqueued")).await;
    let dead = committed(&stage.pool, async |c| enqueue(c, &Act::new("x", How::Die)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    eventually("all have failed", async || stage.number("SELECT count(*) FROM queue.attempts").await == 6).await;
    worker.stop().await;

    let mut c = stage.connection().await;
    let groups = admin::errors(&mut c, since).await.expect("groups");
    assert_eq!(groups.iter().map(|group| group.runs).collect::<Vec<_>>(), [5, 1], "{groups:?}");
    assert_eq!(groups[1].latest_job, dead);
    assert_eq!(groups[1].latest_error.as_deref(), Some("hopeless"));
    assert!(groups[0].first_at >= since && groups[0].last_at >= groups[0].first_at);
    let filter = admin::JobFilter { fingerprint: Some(groups[0].fingerprint.clone()), ..Default::default() };
    let mut found: Vec<_> = admin::list(&mut c, &filter).await.expect("a list").into_iter().map(|job| job.id).collect();
    found.reverse();
    assert_eq!(found, jobs.iter().map(|job| job.id).collect::<Vec<_>>());
    assert!(admin::errors(&mut c, Utc::now() + Duration::hours(1)).await.expect("groups").is_empty());
}

#[tokio::test]
async fn a_run_whose_worker_died_is_counted_as_lost() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("lost", How::Wait)).await.expect("enqueued").id).await;
    let (seen, after) = (Seen::new(), Seen::new());
    let doomed = Start::new(&stage, registry(), Arc::clone(&seen)).run_apart(stage.options.clone()).await;
    eventually("it runs", async || seen.running() == 1).await;
    doomed.kill();
    let rescuer = Start::new(&stage, registry(), Arc::clone(&after)).run();
    eventually("it runs again", async || after.running() == 1).await;
    after.gate.notify_one();
    stage.until_state(job, JobState::Done).await;
    rescuer.stop().await;
    let lost = "SELECT coalesce(sum(runs), 0)::bigint FROM queue.run_counts WHERE outcome = 'lost' AND release = 'test'";
    assert_eq!(stage.number(lost).await, 1);
    let groups = admin::errors(&mut *stage.connection().await, Utc::now() - Duration::minutes(5)).await.expect("groups");
    assert_eq!(groups.iter().map(|group| group.error_class.as_deref()).collect::<Vec<_>>(), [Some("worker lost")]);
    assert_eq!(Some(&groups[0].fingerprint), stage.job(job).await.attempts[0].fingerprint.as_ref());
}

#[tokio::test]
async fn old_counts_are_added_up_and_charts_stay_as_they_were() {
    let stage = Stage::new().await;
    stage
        .execute(
            "INSERT INTO queue.run_counts (minute, queue, kind, outcome, release, runs, seconds, waited, slowest)
             SELECT date_trunc('minute', now()) - make_interval(mins => m), 'default', 'a.' || m % 2, 'done', 'r1', m, 1, 2, m
             FROM generate_series(0, 9 * 1440) m",
        )
        .await;
    stage.execute("DELETE FROM queue.run_counts WHERE minute < now() - interval '8 days'").await;
    let now = Utc::now();
    let chart = async |hours, minutes| {
        let (since, step) = (now - Duration::hours(hours), Duration::minutes(minutes));
        stats::throughput(&mut *stage.connection().await, since, step).await.expect("a chart")
    };
    let before = (chart(1, 1).await, chart(24, 15).await, chart(24 * 6, 120).await);
    assert!(before.0.len() >= 60 && before.1.len() >= 190, "{} and {}", before.0.len(), before.1.len());
    for _ in 0..2 {
        stage.execute("SELECT queue.prune()").await;
        assert_eq!((chart(1, 1).await, chart(24, 15).await, chart(24 * 6, 120).await), before);
    }
    let rows = stage.number("SELECT count(*) FROM queue.run_counts").await;
    assert!(rows < 1_000, "{rows} rows where eight days of minutes were");
}
