//! What programs that enqueue test with.
//! Proves: JOB-22.

use crate::support::{
    Stage, committed,
    jobs::{Act, How, Other, Seen, registry},
};
use chrono::{Duration, Utc};
use futures::FutureExt;
use mywork_queue::{
    Options, Outcome,
    clock::{FakeClock, SystemClock},
    enqueue, enqueue_with,
    testing::{assert_enqueued, assert_nothing_left, drain, enqueued, perform},
};
use std::{panic::AssertUnwindSafe, sync::Arc};

#[tokio::test]
async fn one_handler_runs_by_itself() {
    let registry = registry();
    let run = async |how| perform(&registry, Seen::new(), Arc::new(SystemClock), &Act::new("one", how)).await;
    assert_eq!(run(How::Succeed).await.expect("done"), Outcome::Done);
    assert!(run(How::Die).await.expect_err("a failure").is_dead());
}

#[tokio::test]
async fn draining_runs_what_is_due_and_days_can_pass() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let (registry, clock) = (Arc::new(registry()), FakeClock::at(Utc::now() - Duration::days(400)));
    let next_week = Options::default().run_at(mywork_queue::clock::Clock::now(&clock) + Duration::days(7));
    committed(&stage.pool, async |c| {
        enqueue(c, &Act::new("fails once", How::FailOnce)).await.expect("enqueued");
        enqueue(c, &Other { number: 1 }).await.expect("enqueued");
        enqueue_with(c, &Other { number: 2 }, next_week).await.expect("enqueued");
    })
    .await;
    let drained = async || drain(&stage.pool, &registry, Arc::clone(&seen), Arc::new(clock.clone())).await.expect("drained");

    let first = drained().await;
    assert_eq!((first.count("test.act", "retried"), first.count("test.other", "done"), first.runs.len()), (1, 1, 2), "{first}");
    assert!(drained().await.runs.is_empty());
    clock.advance(Duration::days(8));
    let second = drained().await;
    assert_eq!((second.count("test.act", "done"), second.count("test.other", "done")), (1, 1), "{second}");
    second.assert_no_failure();
    assert_nothing_left(&mut *stage.connection().await, &[]).await;
}

#[tokio::test]
async fn a_test_sees_what_was_enqueued_and_fails_on_what_it_did_not_expect() {
    let stage = Stage::new().await;
    committed(&stage.pool, async |c| enqueue(c, &Other { number: 5 }).await.expect("enqueued")).await;
    let mut c = stage.connection().await;
    assert_eq!(enqueued::<Other>(&mut c).await.expect("jobs"), [Other { number: 5 }]);
    assert_eq!(assert_enqueued(&mut c, |job: &Other| job.number == 5).await, Other { number: 5 });
    assert_nothing_left(&mut c, &["test.other"]).await;
    let unexpected = AssertUnwindSafe(assert_nothing_left(&mut c, &[])).catch_unwind().await;
    assert!(unexpected.is_err());
    let missing = AssertUnwindSafe(assert_enqueued(&mut c, |job: &Other| job.number == 6)).catch_unwind().await;
    assert!(missing.is_err());
}
