//! Steps that fail, and what people do about it.

use super::floor::{Then, Works, task};
use crate::support::{committed, eventually};
use mywork_queue::{
    JobId, Options, Workflow, WorkflowId, admin,
    admin::{ActError, JobState},
    workflow::{self, FlowError, StepState, WorkflowState},
};

/// Four jobs side by side, then another step. The second and the third of them die.
async fn start(works: &Works) -> WorkflowId {
    works.floor.script("1", Then::Die);
    works.floor.script("2", Then::Die);
    let mut flow = Workflow::new("test.fan");
    let fan = flow.fan_out("fan", &(0..4).map(task).collect::<Vec<_>>());
    flow.after(fan).step("after", &task("after"));
    let id = works.start(flow).await;
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Failed);
    assert_eq!(works.step_state(id, "fan").await, StepState::Failed);
    works.floor.forget();
    id
}

async fn dead(works: &Works) -> Vec<JobId> {
    let ids = sqlx::query_scalar("SELECT id FROM queue.finished_jobs WHERE state = 'dead' ORDER BY id");
    ids.fetch_all(&works.stage.pool).await.expect("the jobs")
}

#[tokio::test]
async fn resuming_runs_the_failed_children_again_and_only_those() {
    let works = Works::new().await;
    let id = start(&works).await;
    works.floor.mend("1");
    let mut c = works.stage.connection().await;
    workflow::resume(&mut c, id).await.expect("resumed");
    works.drain().await;
    assert_eq!((works.floor.runs(), works.state(id).await), (vec!["1".to_owned(), "2".to_owned()], WorkflowState::Failed));

    works.floor.mend("2");
    workflow::resume(&mut c, id).await.expect("resumed");
    works.drain().await;
    assert_eq!(works.floor.runs(), ["1", "2", "2", "after"]);
    assert_eq!(works.state(id).await, WorkflowState::Done);
    assert!(matches!(workflow::resume(&mut c, id).await, Err(FlowError::Finished { .. })));
}

#[tokio::test]
async fn retrying_the_dead_jobs_one_by_one_moves_the_workflow_on_as_well() {
    let works = Works::new().await;
    let id = start(&works).await;
    works.floor.mend("1");
    works.floor.mend("2");
    let mut c = works.stage.connection().await;
    let dead = dead(&works).await;
    admin::retry(&mut c, dead[0]).await.expect("again");
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Failed, "the other one is still dead");
    admin::retry(&mut c, dead[1]).await.expect("again");
    assert_eq!(works.state(id).await, WorkflowState::Running);
    works.drain().await;
    assert_eq!((works.floor.runs().last().map(String::as_str), works.state(id).await), (Some("after"), WorkflowState::Done));
}

#[tokio::test]
async fn what_runs_beside_a_failure_ends_and_what_follows_it_waits_for_the_resumption() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.beside");
    let bad = flow.step("bad", &task("bad"));
    let good = flow.step("good", &task("good"));
    let next = flow.after(good).step("next", &task("next"));
    flow.after([bad, next]).step("last", &task("last"));
    works.floor.script("bad", Then::Die);
    let id = works.start(flow).await;
    works.drain().await;
    assert_eq!(works.floor.runs(), ["bad", "good"]);
    assert_eq!((works.step_state(id, "good").await, works.step_state(id, "next").await), (StepState::Done, StepState::Blocked));
    works.floor.mend("bad");
    let bad = works.step(id, "bad").await.job.expect("its job");
    admin::retry(&mut *works.stage.connection().await, bad).await.expect("again");
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Done);
    assert_eq!(works.floor.sorted_runs(), ["bad", "bad", "good", "last", "next"]);
}

#[tokio::test]
async fn every_way_a_job_ends_moves_its_workflow() {
    let works = Works::new().await;
    let one = async |options: Options| {
        let mut flow = Workflow::new("test.ends");
        flow.step_with("only", &task("only"), options);
        let id = works.start(flow).await;
        (id, works.step(id, "only").await.job.expect("its job"))
    };
    let mut c = works.stage.connection().await;

    let (cancelled, job) = one(Options::default()).await;
    admin::cancel(&mut c, job, "not now").await.expect("cancelled");
    let (discarded, job) = one(Options::default()).await;
    admin::discard(&mut c, job, "not now").await.expect("discarded");
    let soon = mywork_queue::clock::Clock::now(&works.clock) + chrono::Duration::hours(1);
    let (expired, _) = one(Options::default().run_at(soon).expires_at(soon)).await;
    works.clock.advance(chrono::Duration::hours(2));
    works.drain().await;

    for (id, why) in [(cancelled, "cancelled: not now"), (discarded, "cancelled: not now"), (expired, "expired")] {
        assert_eq!(works.state(id).await, WorkflowState::Failed);
        assert_eq!(works.step(id, "only").await.reason.as_deref(), Some(why));
        workflow::resume(&mut c, id).await.expect("resumed");
    }
    works.drain().await;
    for id in [cancelled, discarded, expired] {
        assert_eq!(works.state(id).await, WorkflowState::Done);
    }
}

#[tokio::test]
async fn a_running_job_that_a_person_cancels_fails_its_step_and_one_whose_worker_dies_thrice_too() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.running");
    flow.step_with("first", &task("first"), Options::default().max_attempts(10));
    works.floor.script("first", Then::Wait);
    let id = works.start(flow).await;
    let job = works.step(id, "first").await.job.expect("its job");
    let runs = async |worker: crate::support::Start<super::floor::Floor>, times: usize| {
        let worker = worker.run_apart(works.stage.options.clone()).await;
        eventually("it runs", async || works.floor.runs().len() == times).await;
        worker
    };

    let worker = runs(works.worker(), 1).await;
    committed(&works.stage.pool, async |c| admin::cancel(c, job, "enough").await.expect("asked")).await;
    eventually("its step has failed", async || works.state(id).await == WorkflowState::Failed).await;
    drop(worker);
    assert_eq!(works.step(id, "first").await.reason.as_deref(), Some("cancelled: enough"));

    committed(&works.stage.pool, async |c| workflow::resume(c, id).await.expect("resumed")).await;
    for times in 2..5 {
        runs(works.worker(), times).await.kill();
    }
    let worker = works.worker().run();
    eventually("the job is quarantined", async || works.stage.state(job).await == JobState::Quarantined).await;
    worker.stop().await;
    assert_eq!(works.state(id).await, WorkflowState::Failed);
    assert!(works.step(id, "first").await.reason.expect("a reason").starts_with("quarantined"));
    assert!(matches!(admin::retry(&mut *works.stage.connection().await, job).await, Ok(())));
    assert_eq!(works.state(id).await, WorkflowState::Running);
}

#[tokio::test]
async fn a_job_is_not_run_again_for_a_workflow_that_is_over() {
    let works = Works::new().await;
    let id = start(&works).await;
    let mut c = works.stage.connection().await;
    workflow::cancel(&mut c, id, "given up").await.expect("cancelled");
    let refused = admin::retry(&mut c, dead(&works).await[0]).await.expect_err("refused");
    assert!(matches!(refused, ActError::WorkflowOver { state: WorkflowState::Cancelled, .. }), "{refused}");
}
