//! A job exists exactly if its transaction commits; a duplicate of a unique job is the job that was there.
//! Proves: JOB-01, JOB-07, JOB-20 (a job carries the trace and names its parent).

use crate::support::{
    Stage, Start, committed,
    jobs::{Act, How, Other, Seen, registry},
};
use chrono::{Duration, Utc};
use mywork_queue::{
    Job, JobId, Options, Registry, Unique,
    admin::{self, JobFilter, JobState},
    enqueue, enqueue_many, enqueue_with, trace,
};
use std::sync::Arc;

fn act(name: &str) -> Act {
    Act::new(name, How::Succeed)
}

async fn unique(stage: &Stage, name: &str, unique: Unique) -> (JobId, bool) {
    committed(&stage.pool, async |c| {
        let enqueued = enqueue_with(c, &act(name), Options::default().unique(unique)).await.expect("enqueued");
        (enqueued.id, enqueued.fresh)
    })
    .await
}

#[tokio::test]
async fn a_job_comes_and_goes_with_its_transaction() {
    let stage = Stage::new().await;
    let mut tx = stage.pool.begin().await.expect("a transaction");
    enqueue(&mut tx, &act("gone")).await.expect("enqueued");
    tx.rollback().await.expect("rolled back");
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, 0);

    let job = committed(&stage.pool, async |c| enqueue(c, &Other { number: 7 }).await.expect("enqueued")).await;
    let row = stage.job(job.id).await.job;
    assert_eq!((row.state, row.queue.as_str(), row.kind.as_str()), (JobState::Available, "other", Other::KIND));
    assert_eq!((row.subject_kind.as_deref(), row.subject_id.as_deref()), (Some("thing"), Some("7")));
    assert_eq!(row.tags, ["other"]);
}

#[tokio::test]
async fn many_jobs_come_back_in_the_order_they_were_given() {
    let stage = Stage::new().await;
    let jobs: Vec<Other> = (0..12_000).map(|number| Other { number }).collect();
    let ids = committed(&stage.pool, async |c| enqueue_many(c, &jobs).await.expect("enqueued")).await;
    assert!(ids.is_sorted_by_key(|job| job.id) && ids.len() == 12_000);
    for index in [0, 4_999, 5_000, 11_999] {
        assert_eq!(stage.job(ids[index].id).await.job.args["number"], index, "job {index}");
    }
}

#[tokio::test]
async fn a_duplicate_is_the_job_that_was_there_and_aborts_nothing() {
    let stage = Stage::new().await;
    let (first, fresh) = unique(&stage, "a", Unique::unfinished("key")).await;
    assert!(fresh);
    committed(&stage.pool, async |c| {
        let options = Options::default().unique(Unique::unfinished("key"));
        let again = enqueue_with(c, &act("b"), options).await.expect("a duplicate is no error");
        assert_eq!((again.id, again.fresh), (first, false));
        enqueue(c, &act("c")).await.expect("the transaction goes on");
    })
    .await;
    assert_eq!(stage.job(first).await.job.args["name"], "a");
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, 2);
}

#[tokio::test]
async fn of_many_callers_at_once_one_wins() {
    let stage = Stage::new().await;
    let kinds: [fn() -> Unique; 4] = [
        || Unique::pending("race"),
        || Unique::unfinished("race"),
        || Unique::per_period("race", std::time::Duration::from_secs(3600)),
        || Unique::forever("race"),
    ];
    for (round, make) in kinds.into_iter().enumerate() {
        stage.execute("TRUNCATE queue.jobs, queue.unique_keys").await;
        let callers = (0..20).map(|_| unique(&stage, "race", make()));
        let answers = futures::future::join_all(callers).await;
        assert_eq!(answers.iter().filter(|(_, fresh)| *fresh).count(), 1, "round {round}: {answers:?}");
        assert!(answers.iter().all(|(id, _)| *id == answers[0].0), "round {round}: {answers:?}");
        assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, 1);
    }
}

#[tokio::test]
async fn keys_are_taken_for_as_long_as_they_say() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let (waiting, _) = unique(&stage, "pending", Unique::pending("p")).await;
    let (unfinished, _) = unique(&stage, "unfinished", Unique::unfinished("u")).await;
    let (forever, _) = unique(&stage, "forever", Unique::forever("f")).await;
    let (period, _) = unique(&stage, "period", Unique::per_period("d", std::time::Duration::from_secs(3600))).await;
    let worker = Start::new(&stage, registry(), seen).run();
    for job in [waiting, unfinished, forever, period] {
        stage.until_state(job, JobState::Done).await;
    }
    worker.stop().await;

    assert!(unique(&stage, "pending", Unique::pending("p")).await.1);
    assert!(unique(&stage, "unfinished", Unique::unfinished("u")).await.1);
    assert_eq!(unique(&stage, "forever", Unique::forever("f")).await, (forever, false));
    assert_eq!(unique(&stage, "period", Unique::per_period("d", std::time::Duration::from_secs(3600))).await, (period, false));
    stage.execute("UPDATE queue.unique_keys SET until = now() - interval '1 s' WHERE until IS NOT NULL").await;
    assert!(unique(&stage, "period", Unique::per_period("d", std::time::Duration::from_secs(3600))).await.1);
}

#[tokio::test]
async fn while_a_pending_unique_job_runs_another_may_wait() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let options = || Options::default().unique(Unique::pending("sync"));
    let running =
        committed(&stage.pool, async |c| enqueue_with(c, &Act::new("1", How::Wait), options()).await.expect("enqueued")).await;
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    stage.until_state(running.id, JobState::Running).await;
    worker.stop().await; // handed back: it waits again, beside the one that came meanwhile
    let next = committed(&stage.pool, async |c| enqueue_with(c, &act("2"), options()).await.expect("enqueued")).await;
    assert!(next.fresh);
    let dup = committed(&stage.pool, async |c| enqueue_with(c, &act("3"), options()).await.expect("enqueued")).await;
    assert_eq!((dup.id, dup.fresh), (next.id, false));
}

#[tokio::test]
async fn a_duplicate_may_replace_or_put_off_the_waiting_job() {
    let stage = Stage::new().await;
    let (replaced, _) = unique(&stage, "old", Unique::pending("r").replace()).await;
    unique(&stage, "new", Unique::pending("r").replace()).await;
    assert_eq!(stage.job(replaced).await.job.args["name"], "new");

    let at = |minutes| Utc::now() + Duration::minutes(minutes);
    let later = at(20);
    for (name, run_at) in [("first", at(10)), ("last", later)] {
        let options = Options::default().run_at(run_at).unique(Unique::pending("d").debounce());
        committed(&stage.pool, async |c| enqueue_with(c, &act(name), options).await.expect("enqueued")).await;
    }
    let waiting =
        admin::list(&mut *stage.connection().await, &JobFilter { states: vec![JobState::Scheduled], ..Default::default() })
            .await
            .expect("a list");
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].args["name"], "last");
    assert_eq!(waiting[0].run_at.timestamp_millis(), later.timestamp_millis());
}

#[tokio::test]
async fn a_job_carries_the_trace_of_its_cause_and_names_its_parent() {
    let stage = Stage::new().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut registry = Registry::<sqlx::PgPool>::new();
    registry.add(|_: Act, cx: mywork_queue::Context<sqlx::PgPool>| async move {
        let mut c = cx.state.acquire().await?;
        enqueue(&mut c, &Other { number: 1 }).await?;
        Ok(mywork_queue::Outcome::Done)
    });
    let parent =
        trace::with(traceparent, None, committed(&stage.pool, async |c| enqueue(c, &act("parent")).await.expect("enqueued")))
            .await;
    let state = Arc::new(stage.pool.clone());
    let ran =
        mywork_queue::testing::drain(&stage.pool, &Arc::new(registry), state, Arc::new(mywork_queue::clock::SystemClock)).await;
    ran.expect("drained").assert_no_failure();

    let filter = JobFilter { kind: Some(Other::KIND.to_owned()), ..JobFilter::default() };
    let child = admin::list(&mut *stage.connection().await, &filter).await.expect("a list").remove(0);
    assert_eq!((child.trace.as_deref(), child.parent), (Some(traceparent), Some(parent.id)));
}
