//! Many at once at the same workflows.

use super::floor::{Works, registry, task};
use crate::support::{eventually, quick};
use mywork_queue::{
    JobId, Outcome, Workflow, WorkflowId,
    clock::SystemClock,
    testing::Worker,
    workflow::{self, WorkflowState},
};
use std::sync::Arc;

const SIDE_BY_SIDE: usize = 40;

/// Two workflows, each with many steps side by side and a wide fan-out, and one step after all of them.
async fn start(works: &Works) -> [WorkflowId; 2] {
    let start = async |name: &str| {
        let mut flow = Workflow::new(name);
        let mut all: Vec<_> = (0..SIDE_BY_SIDE).map(|n| flow.step(n.to_string(), &task(format!("{name} {n}")))).collect();
        all.push(flow.fan_out("fan", &(0..600).map(|n| task(format!("{name} child {n}"))).collect::<Vec<_>>()));
        flow.after(all).step("last", &task(format!("{name} last")));
        works.start(flow).await
    };
    [start("test.one").await, start("test.two").await]
}

#[tokio::test]
async fn many_finishers_of_the_same_two_workflows_never_wait_for_each_other_in_a_circle() {
    let works = Works::new().await;
    let flows = start(&works).await;
    let kinds = registry().kinds();
    let mut finishers = Vec::new();
    let mut held = Vec::new();
    for _ in 0..8 {
        finishers.push(Worker::register(works.stage.pool.clone(), kinds.clone(), Arc::new(SystemClock)).await.expect("a worker"));
        held.push(Vec::new());
    }
    // Each of them gets some of everything, in another order.
    let mut turn = 0;
    loop {
        let who = turn % finishers.len();
        let claimed = finishers[who].claim("default", 3 + turn % 5).await.expect("claimed");
        if claimed.is_empty() {
            break;
        }
        held[who].extend(claimed);
        turn += 1;
    }
    for (number, jobs) in held.iter_mut().enumerate() {
        jobs.sort_by_key(|held| (held.job.0 * 7_919 * (number as i64 + 1)) % 10_007);
    }
    assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 2 * (SIDE_BY_SIDE + 600));

    let finish = |(worker, held): (Worker, Vec<_>)| async move {
        let mut ended = 0;
        for some in held.chunks(11) {
            let runs: Vec<_> = some.iter().map(|held: &mywork_queue::testing::Held| (held.clone(), Ok(Outcome::Done))).collect();
            ended += worker.settle(runs).await.expect("no deadlock").len();
        }
        ended
    };
    let ended: usize = futures::future::join_all(finishers.into_iter().zip(held).map(finish)).await.into_iter().sum();
    assert_eq!(ended, 2 * (SIDE_BY_SIDE + 600));
    let deadlocks = works.stage.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(deadlocks, 0);
    let released = "SELECT count(*) FROM queue.jobs WHERE step = 'last'";
    assert_eq!(works.stage.number(released).await, 2);
    works.drain().await;
    for id in flows {
        assert_eq!(works.state(id).await, WorkflowState::Done);
    }
}

#[tokio::test]
async fn workflows_cancelled_under_the_hands_of_workers_leave_nothing_behind() {
    let works = Works::new().await;
    let flows = start(&works).await;
    let workers = [(); 2].map(|()| works.worker().run());
    eventually("they are at work", async || works.floor.runs().len() > 50).await;
    for id in flows {
        workflow::cancel(&mut *works.stage.connection().await, id, "enough").await.expect("cancelled");
    }
    eventually("nothing runs", async || works.stage.number("SELECT count(*) FROM queue.jobs").await == 0).await;
    for worker in workers {
        worker.stop().await;
    }
    for id in flows {
        assert_eq!(works.state(id).await, WorkflowState::Cancelled);
    }
    assert!(!works.floor.runs().iter().any(|name| name.ends_with("last")));
}

#[tokio::test]
async fn a_verdict_about_a_run_that_was_taken_away_moves_nothing() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.stale");
    let pair = flow.fan_out("pair", &[task("a"), task("b")]);
    flow.after(pair).step("after", &task("after"));
    let id = works.start(flow).await;
    let kinds = registry().kinds();
    let mut slow = Worker::register(works.stage.pool.clone(), kinds.clone(), Arc::new(SystemClock)).await.expect("a worker");
    let held = slow.claim("default", 2).await.expect("claimed");
    let both = || held.iter().map(|held| (held.clone(), Ok(Outcome::Done)));
    tokio::time::sleep(quick().lease).await; // it is not heard of meanwhile
    let heir = Worker::register(works.stage.pool.clone(), kinds.clone(), Arc::new(SystemClock)).await.expect("a worker");
    assert_eq!(heir.rescue(quick().lease).await.expect("rescued").len(), 2);
    assert_eq!(slow.settle(both()).await.expect("settled"), Vec::<JobId>::new());
    assert_eq!(works.state(id).await, WorkflowState::Running);
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Done);
    assert_eq!(works.floor.runs(), ["a", "b", "after"]);
}
