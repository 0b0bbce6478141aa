//! Cancelling, waiting or running; and giving waiting jobs other times and arguments.
//! Proves: JOB-09.

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Seen, registry},
};
use chrono::{Duration, Utc};
use mywork_queue::{
    JobId,
    admin::{self, ActError, Cancelled, JobState},
    enqueue,
};
use std::{sync::Arc, time::Instant};

async fn add(stage: &Stage, how: How) -> JobId {
    committed(&stage.pool, async |c| enqueue(c, &Act::new("job", how)).await.expect("enqueued").id).await
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once() {
    let stage = Stage::new().await;
    let job = add(&stage, How::Succeed).await;
    let did = committed(&stage.pool, async |c| admin::cancel(c, job, "changed our mind").await.expect("cancelled")).await;
    assert_eq!(did, Cancelled::Ended);
    let row = stage.job(job).await.job;
    assert_eq!((row.state, row.reason.as_deref()), (JobState::Cancelled, Some("changed our mind")));
    let again = admin::cancel(&mut *stage.connection().await, job, "again").await;
    assert!(matches!(again, Err(ActError::Finished { state: JobState::Cancelled, .. })));
    assert!(matches!(admin::cancel(&mut *stage.connection().await, JobId(404), "").await, Err(ActError::NotFound(_))));
}

#[tokio::test]
async fn a_running_job_notices_within_a_second() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let (polite, stubborn) = (add(&stage, How::Wait).await, add(&stage, How::Sleep(60_000)).await);
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    eventually("both run", async || seen.running() == 2).await;
    for job in [polite, stubborn] {
        let did = committed(&stage.pool, async |c| admin::cancel(c, job, "enough").await.expect("asked")).await;
        assert_eq!(did, Cancelled::Asked);
    }
    let asked = Instant::now();
    eventually("both handlers are gone", async || seen.running() == 0).await;
    assert!(asked.elapsed() < std::time::Duration::from_secs(1), "{:?}", asked.elapsed());
    for job in [polite, stubborn] {
        stage.until_state(job, JobState::Cancelled).await;
        assert_eq!(stage.job(job).await.job.reason.as_deref(), Some("enough"));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_waiting_job_can_be_moved_and_changed_and_a_running_one_cannot() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let job = add(&stage, How::Wait).await;
    let tomorrow = Utc::now() + Duration::days(1);
    let args = serde_json::to_value(Act::new("edited", How::Wait)).expect("JSON");
    committed(&stage.pool, async |c| {
        admin::reschedule(c, job, tomorrow).await.expect("moved");
        admin::edit_args(c, job, &args).await.expect("edited");
    })
    .await;
    assert_eq!(stage.job(job).await.job.run_at.timestamp(), tomorrow.timestamp());
    committed(&stage.pool, async |c| admin::retry(c, job).await.expect("due now")).await;

    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run();
    eventually("it runs", async || seen.names() == ["edited"]).await;
    let mut c = stage.connection().await;
    assert!(matches!(admin::reschedule(&mut c, job, tomorrow).await, Err(ActError::Running(_))));
    assert!(matches!(admin::edit_args(&mut c, job, &args).await, Err(ActError::Running(_))));
    assert!(matches!(admin::retry(&mut c, job).await, Err(ActError::Running(_))));
    seen.gate.notify_one();
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;
}
