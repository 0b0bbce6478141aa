//! Waiting for somebody, and for time.

use super::floor::{Then, Works, task};
use chrono::Duration;
use mywork_queue::{
    Workflow, WorkflowId,
    workflow::{self, Deadline, FlowError, Signal, StepState, WorkflowState, signal, signal_for},
};
use serde_json::json;
use std::time;

const DAY: time::Duration = time::Duration::from_secs(86_400);

/// First, then approval within a week, then release, which reads what came with it.
async fn start(works: &Works, deadline: Deadline) -> WorkflowId {
    let mut flow = Workflow::new("test.approval").unique("one");
    let first = flow.step("first", &task("first"));
    let approval = flow.after(first).event("approval").within(7 * DAY, deadline);
    flow.after(approval).step("release", &task("release"));
    works.floor.script("release", Then::ReadEvent("approval"));
    works.start(flow).await
}

async fn approve(works: &Works, id: WorkflowId) -> Signal {
    signal(&mut *works.stage.connection().await, id, "approval", &json!({ "by": "ann" })).await.expect("told")
}

#[tokio::test]
async fn an_event_releases_who_waits_for_it_and_brings_its_payload() {
    let works = Works::new().await;
    let id = start(&works, Deadline::Fail).await;
    works.drain().await;
    assert_eq!(works.step_state(id, "approval").await, StepState::Waiting);
    assert_eq!(approve(&works, id).await, Signal::Delivered);
    assert_eq!(approve(&works, id).await, Signal::Late, "an event comes once");
    works.drain().await;
    assert_eq!(
        (works.floor.runs(), works.state(id).await),
        (vec!["first".to_owned(), "release".to_owned()], WorkflowState::Done)
    );
    assert_eq!(works.floor.notes(), [r#"Some(Object {"by": String("ann")})"#]);
    assert_eq!(works.step(id, "approval").await.output, Some(json!({ "by": "ann" })));
}

#[tokio::test]
async fn an_event_that_comes_before_anybody_waits_is_kept() {
    let works = Works::new().await;
    let id = start(&works, Deadline::Fail).await;
    let mut c = works.stage.connection().await;
    let told = signal_for(&mut c, "test.approval", "one", "approval", &json!({ "by": "ann" })).await.expect("told");
    assert_eq!(told, Signal::Kept);
    assert_eq!(approve(&works, id).await, Signal::Late, "the first one counts");
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Done);
    assert_eq!(works.floor.notes(), [r#"Some(Object {"by": String("ann")})"#]);
}

#[tokio::test]
async fn an_event_that_comes_too_late_changes_nothing_and_is_told() {
    let works = Works::new().await;
    let id = start(&works, Deadline::Fail).await;
    works.drain().await;
    works.clock.advance(Duration::days(8));
    works.drain().await;
    let approval = works.step(id, "approval").await;
    assert_eq!((approval.state, approval.reason.as_deref()), (StepState::Failed, Some("the event did not come in time")));
    assert_eq!(works.state(id).await, WorkflowState::Failed);
    assert_eq!(approve(&works, id).await, Signal::Late);

    // Resumed, it is waited for once more, for as long as at first.
    workflow::resume(&mut *works.stage.connection().await, id).await.expect("resumed");
    works.drain().await;
    works.clock.advance(Duration::days(6));
    works.drain().await;
    assert_eq!(works.step_state(id, "approval").await, StepState::Waiting);
    assert_eq!(approve(&works, id).await, Signal::Delivered);
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Done);
}

#[tokio::test]
async fn a_deadline_may_also_let_the_workflow_go_on() {
    let works = Works::new().await;
    let id = start(&works, Deadline::GoOn).await;
    works.drain().await;
    works.clock.advance(Duration::days(6));
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Running, "a day too early");
    let wake_at = works.step(id, "approval").await.wake_at.expect("a deadline");
    assert!((wake_at - mywork_queue::clock::Clock::now(&works.clock)).num_hours().abs_diff(24) <= 1);
    works.clock.advance(Duration::days(1));
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Done);
    assert_eq!(works.floor.notes(), ["None"]);
    assert_eq!(approve(&works, id).await, Signal::Late);
}

#[tokio::test]
async fn nobody_knows_a_wrong_event_or_a_wrong_workflow() {
    let works = Works::new().await;
    let id = start(&works, Deadline::Fail).await;
    let mut c = works.stage.connection().await;
    assert!(matches!(signal(&mut c, id, "first", &()).await, Err(FlowError::NoSuchStep { .. })));
    assert!(matches!(signal(&mut c, WorkflowId(404), "approval", &()).await, Err(FlowError::NotFound(_))));
    assert!(matches!(signal_for(&mut c, "test.approval", "two", "approval", &()).await, Err(FlowError::NoneOpen { .. })));
}

#[tokio::test]
async fn a_sleep_lasts_for_days_and_costs_nothing_meanwhile() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.cool_off");
    let first = flow.step("first", &task("first"));
    let cool_off = flow.after(first).sleep("cool_off", 14 * DAY);
    let whenever = flow.after(first).event("whenever").whenever();
    flow.after([cool_off, whenever]).step("second", &task("second"));
    let id = works.start(flow).await;
    works.drain().await;
    works.clock.advance(Duration::days(13));
    works.drain().await;
    assert_eq!(works.step_state(id, "cool_off").await, StepState::Waiting);
    assert_eq!(works.stage.number("SELECT count(*) FROM queue.jobs").await, 0);
    works.clock.advance(Duration::days(1));
    works.drain().await;
    assert_eq!(works.step_state(id, "cool_off").await, StepState::Done);
    works.clock.advance(Duration::days(1_000));
    works.drain().await;
    assert_eq!(works.step_state(id, "whenever").await, StepState::Waiting);
    signal(&mut *works.stage.connection().await, id, "whenever", &()).await.expect("told");
    works.drain().await;
    assert_eq!(works.floor.runs(), ["first", "second"]);
}

#[tokio::test]
async fn a_worker_ends_sleeps_by_itself() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.nap");
    let nap = flow.sleep("nap", time::Duration::from_millis(300));
    flow.after(nap).step("then", &task("then"));
    let id = works.start(flow).await;
    let worker = works.worker().run();
    crate::support::eventually("it wakes up", async || works.state(id).await == WorkflowState::Done).await;
    worker.stop().await;
}
