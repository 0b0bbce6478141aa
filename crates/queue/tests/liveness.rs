//! Workers die, stop and come back; their jobs do not get lost and do not pay for it.
//! Proves: JOB-03, JOB-05.

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Seen, registry},
    quick,
};
use mywork_queue::{
    RuntimeOptions,
    admin::{self, JobState},
    enqueue, enqueue_many,
    groups::Group,
};
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn the_jobs_of_a_killed_worker_run_again() {
    let stage = Stage::new().await;
    let (killed, heir) = (Seen::new(), Seen::new());
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("job", How::Wait)).await.expect("enqueued").id).await;
    // The same name after a restart is another worker.
    let options = RuntimeOptions { name: "the-same-name".to_owned(), ..quick() };
    let start = Start { options: options.clone(), ..Start::new(&stage, registry(), Arc::clone(&killed)) };
    let first = start.run_apart(stage.options.clone()).await;
    eventually("it runs", async || killed.running() == 1).await;
    first.kill();

    let second = Start { options, ..Start::new(&stage, registry(), Arc::clone(&heir)) }.run();
    eventually("it runs again", async || heir.running() == 1).await;
    heir.gate.notify_one();
    stage.until_state(job, JobState::Done).await;
    second.stop().await;
    assert_eq!(stage.outcomes(job).await, ["lost", "done"]);
    let workers = admin::workers(&mut *stage.connection().await).await.expect("workers");
    assert_eq!(workers.iter().filter(|worker| worker.lost_at.is_some()).count(), 1);
}

#[tokio::test]
async fn a_stopping_worker_hands_its_jobs_back_within_a_second_at_no_cost() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let stubborn =
        committed(&stage.pool, async |c| enqueue(c, &Act::new("stubborn", How::Sleep(60_000))).await.expect("enqueued").id).await;
    let polite = committed(&stage.pool, async |c| enqueue(c, &Act::new("polite", How::Wait)).await.expect("enqueued").id).await;
    let options = RuntimeOptions { stop_grace: RuntimeOptions::default().stop_grace, ..quick() };
    let worker = Start { options, ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    eventually("both run", async || seen.running() == 2).await;
    let took = worker.stop().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(seen.running(), 0, "no handler outlives its worker");

    for job in [stubborn, polite] {
        let detail = stage.job(job).await;
        assert_eq!((detail.job.state, detail.job.attempt, detail.job.rescues), (JobState::Available, 0, 0));
        assert_eq!(detail.attempts[0].outcome, "handed_back");
    }
}

#[tokio::test]
async fn a_stop_in_the_midst_of_a_backlog_loses_and_repeats_nothing() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let jobs: Vec<Act> = (0..3_000).map(|number| Act::new(&number.to_string(), How::Succeed)).collect();
    committed(&stage.pool, async |c| enqueue_many(c, &jobs).await.expect("enqueued")).await;
    while stage.number("SELECT count(*) FROM queue.jobs").await > 0 {
        let before = seen.count();
        let start = Start::new(&stage, registry(), Arc::clone(&seen));
        let worker = Start { group: Group::new("wide", ["default"], 100), ..start }.run();
        eventually("some ran", async || seen.count() >= (before + 400).min(3_000)).await;
        worker.stop().await;
        assert_eq!(stage.number("SELECT count(*) FROM queue.jobs WHERE state = 'running'").await, 0);
    }
    assert_eq!(seen.count(), 3_000);
    assert_eq!(stage.number("SELECT count(*) FROM queue.finished_jobs WHERE state = 'done' AND attempt = 1").await, 3_000);
}

#[tokio::test]
async fn a_job_that_kills_its_worker_three_times_is_quarantined() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| {
        let options = mywork_queue::Options::default().max_attempts(25);
        mywork_queue::enqueue_with(c, &Act::new("poison", How::Wait), options).await.expect("enqueued").id
    })
    .await;
    for _ in 0..3 {
        let seen = Seen::new();
        let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run_apart(stage.options.clone()).await;
        eventually("it runs", async || seen.running() == 1).await;
        worker.kill();
    }
    let bystander = Seen::new();
    let survivor = Start::new(&stage, registry(), Arc::clone(&bystander)).run();
    stage.until_state(job, JobState::Quarantined).await;
    survivor.stop().await;
    assert_eq!(stage.outcomes(job).await, ["lost", "lost", "lost"]);
    assert_eq!(bystander.count(), 0, "it never ran again");
}

#[tokio::test]
async fn a_rescue_respects_the_number_of_attempts() {
    let stage = Stage::new().await;
    let once = mywork_queue::Options::default().max_attempts(1);
    let job = committed(&stage.pool, async |c| {
        mywork_queue::enqueue_with(c, &Act::new("once", How::Wait), once).await.expect("enqueued").id
    })
    .await;
    let seen = Seen::new();
    let worker = Start::new(&stage, registry(), Arc::clone(&seen)).run_apart(stage.options.clone()).await;
    eventually("it runs", async || seen.running() == 1).await;
    worker.kill();
    let survivor = Start::new(&stage, registry(), Seen::new()).run();
    stage.until_state(job, JobState::Dead).await;
    survivor.stop().await;
}
