//! A worker that lost a job writes nothing about it any more, whatever it believes.
//! Proves: JOB-02.

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
    quick,
};
use mywork_queue::{RuntimeOptions, admin::JobState, enqueue, enqueue_many, groups::Group};
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn a_worker_others_gave_up_changes_nothing_when_it_finishes_after_all() {
    assert_eq!(overtaken(How::Wait).await, (JobState::Done, vec!["lost".to_owned(), "done".to_owned()]));
}

#[tokio::test]
async fn nor_when_it_fails() {
    assert_eq!(overtaken(How::WaitAndFail).await, (JobState::Scheduled, vec!["lost".to_owned(), "retried".to_owned()]));
}

/// A job runs on a worker that is given up and runs on another; the first one ends its run before the second does.
async fn overtaken(how: How) -> (JobState, Vec<String>) {
    let stage = Stage::new().await;
    let (slow, quick_one) = (Seen::new(), Seen::new());
    let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("job", how)).await.expect("enqueued").id).await;

    // Its heart beats too seldom for the lease that others go by.
    let silent = RuntimeOptions { heartbeat: Duration::from_secs(60), ..quick() };
    let stale = Start { options: silent, ..Start::new(&stage, registry(), Arc::clone(&slow)) }.run();
    eventually("the first worker has it", async || slow.running() == 1).await;

    let heir = Start::new(&stage, registry(), Arc::clone(&quick_one)).run();
    eventually("the second worker has it", async || quick_one.running() == 1).await;
    slow.gate.notify_one();
    eventually("the first believes its run is over", async || slow.running() == 0).await;
    stale.stop().await; // everything it had to say has been said
    assert_eq!(stage.state(job).await, JobState::Running);
    assert_eq!(stage.outcomes(job).await, ["lost"]);

    quick_one.gate.notify_one();
    eventually("the second has ended its run", async || stage.outcomes(job).await.len() == 2).await;
    heir.stop().await;
    (stage.state(job).await, stage.outcomes(job).await)
}

#[tokio::test]
async fn workers_that_keep_losing_their_jobs_never_finish_one_twice() {
    let stage = Stage::new().await;
    let jobs: Vec<Act> = (0..200).map(|number| Act::new(&number.to_string(), How::Sleep(number % 40))).collect();
    committed(&stage.pool, async |c| enqueue_many(c, &jobs).await.expect("enqueued")).await;

    // Leases so short, and hearts so slow, that everybody is given up again and again.
    let options = RuntimeOptions { heartbeat: Duration::from_millis(30), lease: Duration::from_millis(15), ..quick() };
    let seen = Seen::new();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let start = Start::new(&stage, registry(), Arc::clone(&seen));
            Start { options: options.clone(), group: Group::new("racers", ["default"], 8), ..start }.run()
        })
        .collect();
    eventually("every job is over", async || stage.number("SELECT count(*) FROM queue.jobs").await == 0).await;
    for worker in workers {
        worker.stop().await;
    }

    let finished = "SELECT count(*) FROM queue.finished_jobs";
    let finished_once = "SELECT count(DISTINCT id) FROM queue.finished_jobs";
    assert_eq!((stage.number(finished).await, stage.number(finished_once).await), (200, 200));
    assert_eq!(
        stage
            .number("SELECT count(*) FROM (SELECT FROM queue.attempts GROUP BY job_id, lease HAVING count(*) > 1) AS twice")
            .await,
        0
    );
    let ended_twice = "SELECT count(*) FROM (SELECT FROM queue.attempts WHERE outcome IN ('done', 'dead') GROUP BY job_id HAVING count(*) > 1) AS x";
    assert_eq!(stage.number(ended_twice).await, 0);
    assert!(stage.number("SELECT count(*) FROM queue.attempts WHERE outcome = 'lost'").await > 0, "nothing was raced");
}

#[tokio::test]
async fn jobs_longer_than_the_lease_run_once_while_their_worker_lives() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let mut jobs: Vec<Act> = (0..10).map(|number| Act::new(&number.to_string(), How::Sleep(1_500))).collect();
    jobs.sort_by_key(|job| job.name.clone());
    committed(&stage.pool, async |c| enqueue_many(c, &jobs).await.expect("enqueued")).await;
    let workers = [(); 2].map(|()| Start::new(&stage, registry(), Arc::clone(&seen)).run());
    // A stream of other jobs keeps both busy meanwhile.
    let others: Vec<Other> = (0..500).map(|number| Other { number }).collect();
    committed(&stage.pool, async |c| enqueue_many(c, &others).await.expect("enqueued")).await;
    eventually("every job is over", async || stage.number("SELECT count(*) FROM queue.jobs").await == 0).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(seen.count(), 510);
}
