//! Jobs are picked up promptly, and enqueueing never notifies inside its transaction.
//! Proves: JOB-14.

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
    quick,
};
use mywork_queue::{Notifier, RuntimeOptions, admin::JobState, enqueue};
use sqlx::postgres::PgListener;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn a_notification_after_the_commit_wakes_a_worker_that_would_sleep_for_an_hour() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let options = RuntimeOptions { poll: Duration::from_secs(3600), ..quick() };
    let worker = Start { options, ..Start::new(&stage, registry(), Arc::clone(&seen)) }.run();
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'";
    eventually("the worker listens", async || stage.number(listening).await == 1).await;
    let notifier = Notifier::spawn(stage.pool.clone());
    let job = committed(&stage.pool, async |c| enqueue(c, &Other { number: 1 }).await.expect("enqueued").id).await;
    notifier.wake_for::<Other>();
    stage.until_state(job, JobState::Done).await;
    worker.stop().await;
}

#[tokio::test]
async fn notifications_are_coalesced_and_never_sent_by_an_enqueueing_transaction() {
    let stage = Stage::new().await;
    let mut listener = PgListener::connect_with(&stage.pool).await.expect("a listener");
    listener.listen("queue_wake").await.expect("listening");
    for number in 0..50 {
        committed(&stage.pool, async |c| enqueue(c, &Other { number }).await.expect("enqueued")).await;
    }
    let notifier = Notifier::spawn(stage.pool.clone());
    (0..50).for_each(|_| notifier.wake("first"));
    let heard = listener.recv().await.expect("a notification");
    assert_eq!(heard.payload(), "first", "enqueueing itself said nothing");
    notifier.wake("last");
    let mut firsts = 1;
    while listener.recv().await.expect("a notification").payload() == "first" {
        firsts += 1;
    }
    assert!(firsts <= 2, "{firsts} notifications for one burst");
}

#[tokio::test]
async fn work_nobody_notified_of_is_found_all_the_same() {
    let stage = Stage::new().await;
    let worker = Start::new(&stage, registry(), Seen::new()).run();
    for _ in 0..3 {
        let job = committed(&stage.pool, async |c| enqueue(c, &Act::new("job", How::Succeed)).await.expect("enqueued").id).await;
        stage.until_state(job, JobState::Done).await;
    }
    worker.stop().await;
}
