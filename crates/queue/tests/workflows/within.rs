//! Workflows that are steps of others.

use super::floor::{Then, Works, task};
use mywork_queue::{
    Workflow, WorkflowId,
    workflow::{self, FlowError, StepKind, StepState, WorkflowState},
};

/// Before; a workflow of two steps, the second of which is another workflow; after.
async fn start(works: &Works) -> (WorkflowId, WorkflowId) {
    let mut deep = Workflow::new("test.deep");
    deep.step("inmost", &task("inmost"));
    let mut inner = Workflow::new("test.inner");
    let one = inner.step("one", &task("one"));
    inner.after(one).workflow("two", deep);
    let mut outer = Workflow::new("test.outer");
    let before = outer.step("before", &task("before"));
    let middle = outer.after(before).workflow("middle", inner);
    outer.after(middle).step("after", &task("after"));
    let outer = works.start(outer).await;
    let inner = works.step(outer, "middle").await.workflow.expect("the workflow within");
    (outer, inner)
}

#[tokio::test]
async fn a_workflow_within_begins_with_its_step_and_ends_it() {
    let works = Works::new().await;
    let (outer, inner) = start(&works).await;
    assert_eq!(works.state(inner).await, WorkflowState::Held);
    let listed = workflow::list(&mut *works.stage.connection().await, &Default::default()).await.expect("the queue");
    assert_eq!(listed.iter().map(|flow| flow.id).collect::<Vec<_>>(), [outer]);
    works.drain().await;
    assert_eq!(works.floor.runs(), ["before", "one", "inmost", "after"]);
    assert_eq!((works.state(outer).await, works.state(inner).await), (WorkflowState::Done, WorkflowState::Done));
    let middle = works.step(outer, "middle").await;
    assert_eq!((middle.kind, middle.state), (StepKind::Workflow, StepState::Done));
}

#[tokio::test]
async fn what_fails_deep_within_fails_all_around_it_and_is_resumed_from_there() {
    for from_within in [false, true] {
        let works = Works::new().await;
        let (outer, inner) = start(&works).await;
        works.floor.script("inmost", Then::Die);
        works.drain().await;
        assert_eq!((works.state(outer).await, works.state(inner).await), (WorkflowState::Failed, WorkflowState::Failed));
        let reason = works.find(outer).await.workflow.reason.expect("a reason");
        assert_eq!(reason, "middle: two: inmost: inmost cannot");

        works.floor.mend("inmost");
        let from = if from_within { inner } else { outer };
        workflow::resume(&mut *works.stage.connection().await, from).await.expect("resumed");
        works.drain().await;
        assert_eq!(works.floor.runs(), ["before", "one", "inmost", "inmost", "after"]);
        assert_eq!((works.state(outer).await, works.state(inner).await), (WorkflowState::Done, WorkflowState::Done));
    }
}

#[tokio::test]
async fn a_workflow_within_is_cancelled_with_the_one_around_it_and_not_alone() {
    let works = Works::new().await;
    let (outer, inner) = start(&works).await;
    let mut c = works.stage.connection().await;
    assert!(matches!(workflow::cancel(&mut c, inner, "no").await, Err(FlowError::Within { root, .. }) if root == outer));
    workflow::cancel(&mut c, outer, "no longer wanted").await.expect("cancelled");
    assert_eq!(works.state(inner).await, WorkflowState::Cancelled);
    works.drain().await;
    assert!(works.floor.runs().is_empty());
}

#[tokio::test]
async fn a_handler_within_calls_the_whole_workflow_off() {
    let works = Works::new().await;
    let (outer, inner) = start(&works).await;
    works.floor.script("inmost", Then::Cancel);
    works.drain().await;
    assert_eq!(works.floor.runs(), ["before", "one", "inmost"]);
    assert_eq!((works.state(outer).await, works.state(inner).await), (WorkflowState::Cancelled, WorkflowState::Cancelled));
    assert_eq!(works.find(outer).await.workflow.reason.as_deref(), Some("inmost sees no use"));
}
