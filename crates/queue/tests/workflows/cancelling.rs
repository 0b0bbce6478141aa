//! Calling a workflow off, wherever it is.

use super::floor::{Then, Works, task};
use crate::support::{committed, eventually};
use chrono::Duration;
use mywork_queue::{
    Workflow, WorkflowId,
    admin::JobState,
    workflow::{self, Deadline, FlowError, StepState, WorkflowState},
};

async fn cancel(works: &Works, id: WorkflowId) -> Result<(), FlowError> {
    workflow::cancel(&mut *works.stage.connection().await, id, "no longer wanted").await
}

async fn is_over(works: &Works, id: WorkflowId) {
    works.clock.advance(Duration::days(100));
    works.drain().await;
    let flow = works.find(id).await;
    assert_eq!((flow.workflow.state, flow.workflow.reason.as_deref()), (WorkflowState::Cancelled, Some("no longer wanted")));
    assert!(flow.workflow.finished_at.is_some());
    let open = [StepState::Blocked, StepState::Running, StepState::Waiting, StepState::Undoing];
    assert!(flow.steps.iter().all(|step| !open.contains(&step.state)), "{:?}", flow.steps);
    assert_eq!(works.stage.number("SELECT count(*) FROM queue.jobs").await, 0);
    assert!(matches!(cancel(works, id).await, Err(FlowError::Finished { state: WorkflowState::Cancelled, .. })));
    assert!(matches!(
        workflow::resume(&mut *works.stage.connection().await, id).await,
        Err(FlowError::Finished { state: WorkflowState::Cancelled, .. })
    ));
}

#[tokio::test]
async fn before_anything_has_run() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cancelled");
    let many = flow.fan_out("many", &(0..1_000).map(task).collect::<Vec<_>>());
    flow.after(many).step("after", &task("after"));
    let id = works.start(flow).await;
    cancel(&works, id).await.expect("cancelled");
    is_over(&works, id).await;
    assert!(works.floor.runs().is_empty());
    let cancelled = "SELECT count(*) FROM queue.finished_jobs WHERE state = 'cancelled' AND reason = 'no longer wanted'";
    assert_eq!(works.stage.number(cancelled).await, 1_000);
}

#[tokio::test]
async fn while_it_waits_for_an_event_or_for_time() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cancelled");
    let event = flow.event("event").within(std::time::Duration::from_secs(60), Deadline::GoOn);
    let sleep = flow.sleep("sleep", std::time::Duration::from_secs(60));
    flow.after([event, sleep]).step("after", &task("after"));
    let id = works.start(flow).await;
    works.drain().await;
    cancel(&works, id).await.expect("cancelled");
    is_over(&works, id).await;
    assert!(works.floor.runs().is_empty());
    let told = workflow::signal(&mut *works.stage.connection().await, id, "event", &()).await.expect("told");
    assert_eq!(told, workflow::Signal::Late);
}

#[tokio::test]
async fn while_a_job_of_it_runs() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cancelled");
    let first = flow.step("first", &task("first"));
    flow.after(first).step("after", &task("after"));
    works.floor.script("first", Then::Wait);
    let id = works.start(flow).await;
    let job = works.step(id, "first").await.job.expect("its job");
    let worker = works.worker().run();
    eventually("it runs", async || works.floor.runs().len() == 1).await;
    committed(&works.stage.pool, async |c| workflow::cancel(c, id, "no longer wanted").await.expect("cancelled")).await;
    works.stage.until_state(job, JobState::Cancelled).await;
    worker.stop().await;
    is_over(&works, id).await;
    assert_eq!(works.floor.runs(), ["first"]);
}

#[tokio::test]
async fn after_it_failed() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cancelled");
    let first = flow.step("first", &task("first"));
    flow.after(first).step("after", &task("after"));
    works.floor.script("first", Then::Die);
    let id = works.start(flow).await;
    works.drain().await;
    cancel(&works, id).await.expect("cancelled");
    is_over(&works, id).await;
    assert_eq!(works.step_state(id, "first").await, StepState::Failed, "what failed is remembered");
}

#[tokio::test]
async fn while_it_is_being_undone() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cancelled");
    let first = flow.step("first", &task("first"));
    flow.undo(first, &task("undo first"));
    flow.after(first).event("never").whenever();
    let id = works.start(flow).await;
    works.drain().await;
    let mut c = works.stage.connection().await;
    workflow::undo(&mut c, id, "a mistake").await.expect("undone");
    assert_eq!(works.state(id).await, WorkflowState::Undoing);
    cancel(&works, id).await.expect("cancelled");
    is_over(&works, id).await;
    assert_eq!(works.floor.runs(), ["first"]);
}

#[tokio::test]
async fn but_not_when_it_is_done() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cancelled");
    flow.step("only", &task("only"));
    let id = works.start(flow).await;
    works.drain().await;
    assert!(matches!(cancel(&works, id).await, Err(FlowError::Finished { state: WorkflowState::Done, .. })));
    assert!(matches!(cancel(&works, WorkflowId(404)).await, Err(FlowError::NotFound(_))));
}

#[tokio::test]
async fn by_a_handler_that_sees_no_use() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cancelled");
    let first = flow.step("first", &task("first"));
    flow.step("beside", &task("beside"));
    flow.after(first).step("after", &task("after"));
    works.floor.script("first", Then::Cancel);
    let id = works.start(flow).await;
    works.drain().await;
    assert_eq!(works.floor.runs(), ["first"], "what waited beside it has ended, too");
    let flow = works.find(id).await;
    assert_eq!((flow.workflow.state, flow.workflow.reason.as_deref()), (WorkflowState::Cancelled, Some("first sees no use")));
    assert!(flow.steps.iter().all(|step| step.state == StepState::Cancelled));
}
