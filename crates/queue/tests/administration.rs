//! What the command line and the dashboard can see and do.
//! Proves: JOB-23 (what the commands call).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
};
use mywork_queue::{
    JobId, Options, Subject, Unique,
    admin::{self, ActError, JobFilter, JobState},
    enqueue, enqueue_many, enqueue_with,
};

async fn ids(stage: &Stage, filter: JobFilter) -> Vec<JobId> {
    let jobs = admin::list(&mut *stage.connection().await, &filter).await.expect("a list");
    jobs.into_iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn jobs_are_found_by_what_is_known_about_them() {
    let stage = Stage::new().await;
    let others: Vec<Other> = (0..7).map(|number| Other { number }).collect();
    let others = committed(&stage.pool, async |c| enqueue_many(c, &others).await.expect("enqueued")).await;
    let dead = committed(&stage.pool, async |c| enqueue(c, &Act::new("100%_broken", How::Die)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    eventually("all ran", async || stage.number("SELECT count(*) FROM queue.jobs").await == 0).await;
    worker.stop().await;
    let waiting = committed(&stage.pool, async |c| enqueue(c, &Other { number: 3 }).await.expect("enqueued").id).await;

    assert_eq!(
        ids(&stage, JobFilter { states: vec![JobState::Dead, JobState::Available], ..Default::default() }).await,
        [waiting, dead]
    );
    assert_eq!(ids(&stage, JobFilter { error: Some("HOPELESS".into()), ..Default::default() }).await, [dead]);
    assert!(ids(&stage, JobFilter { error: Some("h%s".into()), ..Default::default() }).await.is_empty(), "no wildcards");
    assert_eq!(
        ids(&stage, JobFilter { subject: Some(Subject::new("thing", 3)), ..Default::default() }).await,
        [waiting, others[3].id]
    );
    assert_eq!(
        ids(&stage, JobFilter { tag: Some("other".into()), queue: Some("other".into()), ..Default::default() }).await.len(),
        8
    );

    let page = |before| JobFilter { kind: Some("test.other".into()), limit: 3, before, ..Default::default() };
    let first = ids(&stage, page(None)).await;
    assert_eq!(first, [waiting, others[6].id, others[5].id]);
    assert_eq!(ids(&stage, page(first.last().copied())).await, [others[4].id, others[3].id, others[2].id]);

    let overview = admin::overview(&mut *stage.connection().await).await.expect("an overview");
    let count = |state| overview.states.iter().find(|row| row.state == state).map(|row| row.jobs);
    assert_eq!((count(JobState::Done), count(JobState::Dead), count(JobState::Available)), (Some(7), Some(1), Some(1)));
    let other = overview.kinds.iter().find(|kind| kind.kind == "test.other").expect("the kind");
    assert_eq!((other.unfinished, other.done, other.failed), (1, 7, 0));
    let queue = overview.queues.iter().find(|queue| queue.name == "other").expect("the queue");
    assert!(queue.available == 1 && queue.oldest_available_at.is_some());
}

#[tokio::test]
async fn a_dead_job_comes_back_under_its_number_with_its_attempts_behind_it() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("job", How::Die)).await.expect("enqueued").id).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(job, JobState::Dead).await;
    committed(&stage.pool, async |c| admin::retry(c, job).await.expect("retried")).await;
    eventually("it ran again", async || stage.outcomes(job).await == ["dead", "dead"]).await;
    stage.until_state(job, JobState::Dead).await;
    worker.stop().await;

    committed(&stage.pool, async |c| admin::discard(c, job, "not worth it").await.expect("discarded")).await;
    let row = stage.job(job).await.job;
    assert_eq!((row.state, row.reason.as_deref()), (JobState::Cancelled, Some("not worth it")));
    assert!(matches!(admin::discard(&mut *stage.connection().await, job, "").await, Err(ActError::Finished { .. })));
}

#[tokio::test]
async fn a_job_whose_key_is_taken_stays_where_it_is() {
    let stage = Stage::new().await;
    let options = || Options::default().unique(Unique::unfinished("key"));
    let add = async |how| {
        committed(&stage.pool, async |c| enqueue_with(c, &Act::new("job", how), options()).await.expect("enqueued").id).await
    };
    let dead = add(How::Die).await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(dead, JobState::Dead).await;
    worker.stop().await;
    add(How::Succeed).await;
    let refused = admin::retry(&mut *stage.connection().await, dead).await;
    assert!(matches!(refused, Err(ActError::KeyTaken { .. })), "{refused:?}");
    assert_eq!(stage.state(dead).await, JobState::Dead);
}

#[tokio::test]
async fn a_job_can_be_enqueued_by_the_name_of_its_kind() {
    let stage = Stage::new().await;
    let registry = registry();
    let kind = registry.kind("test.other").expect("the kind").clone();
    let args = serde_json::json!({ "number": 5 });
    let job =
        committed(&stage.pool, async |c| admin::enqueue_raw(c, &kind, &args, Options::default()).await.expect("enqueued").id)
            .await;
    let worker = Start::new(&stage, registry, Seen::new()).run();
    stage.until_state(job, JobState::Done).await;
    let workers = admin::workers(&mut *stage.connection().await).await.expect("workers");
    assert_eq!((workers.len(), workers[0].capacity, workers[0].queues.join(" ")), (1, 8, "default other".to_owned()));
    assert!(workers[0].stopped_at.is_none());
    worker.stop().await;
    assert!(admin::workers(&mut *stage.connection().await).await.expect("workers")[0].stopped_at.is_some());
}
