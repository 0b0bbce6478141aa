//! Taking back what was done.

use super::floor::{Then, Works, task};
use crate::support::eventually;
use mywork_queue::{
    Workflow, WorkflowId, admin,
    workflow::{self, FlowError, OnFailure, StepState, WorkflowState},
};

/// Reserve; charge and, within a workflow, pack; then ship, which cannot be done. All but `note` can be undone.
async fn start(works: &Works, then: OnFailure) -> WorkflowId {
    let mut packing = Workflow::new("test.packing");
    let fold = packing.step("fold", &task("fold"));
    packing.undo(fold, &task("undo fold"));
    let fill = packing.after(fold).fan_out("fill", &[task("fill a"), task("fill b")]);
    packing.undo(fill, &task("undo fill"));
    let mut flow = Workflow::new("test.saga").on_failure(then);
    let reserve = flow.step("reserve", &task("reserve"));
    flow.undo(reserve, &task("undo reserve"));
    let note = flow.after(reserve).step("note", &task("note"));
    let pack = flow.after(note).workflow("pack", packing);
    let charge = flow.after(pack).step("charge", &task("charge"));
    flow.undo(charge, &task("undo charge"));
    let ship = flow.after(charge).step("ship", &task("ship"));
    flow.undo(ship, &task("undo ship"));
    works.floor.script("ship", Then::Die);
    works.start(flow).await
}

const UNDONE: [&str; 4] = ["undo charge", "undo fill", "undo fold", "undo reserve"];

#[tokio::test]
async fn what_was_done_is_undone_the_latest_first() {
    let works = Works::new().await;
    let id = start(&works, OnFailure::Undo).await;
    works.drain().await;
    assert_eq!(works.floor.runs()[..7], ["reserve", "note", "fold", "fill a", "fill b", "charge", "ship"]);
    assert_eq!(works.floor.runs()[7..], UNDONE);
    let flow = works.find(id).await;
    assert_eq!((flow.workflow.state, flow.workflow.reason.as_deref()), (WorkflowState::Undone, Some("ship: ship cannot")));
    let states: Vec<_> = flow.steps.iter().map(|step| (step.name.as_str(), step.state)).collect();
    let expected = [
        ("reserve", StepState::Undone),
        ("note", StepState::Done),
        ("pack", StepState::Done),
        ("charge", StepState::Undone),
        ("ship", StepState::Failed),
    ];
    assert_eq!(states, expected);
    assert!(flow.steps[0].undo_job.is_some());
}

#[tokio::test]
async fn a_person_may_have_it_undone_also_while_it_runs() {
    let works = Works::new().await;
    let id = start(&works, OnFailure::Wait).await;
    works.drain().await;
    assert_eq!(works.state(id).await, WorkflowState::Failed);
    let mut c = works.stage.connection().await;
    workflow::undo(&mut c, id, "a mistake").await.expect("undone");
    assert!(matches!(workflow::undo(&mut c, id, "twice").await, Err(FlowError::Undoing(_))));
    assert!(matches!(workflow::resume(&mut c, id).await, Err(FlowError::NotFailed { .. })));
    works.drain().await;
    assert_eq!(works.floor.runs()[7..], UNDONE);
    assert!(matches!(workflow::undo(&mut c, id, "twice").await, Err(FlowError::Finished { state: WorkflowState::Undone, .. })));
}

#[tokio::test]
async fn an_undo_that_fails_waits_for_a_person_and_goes_on_from_there() {
    for by_retry in [false, true] {
        let works = Works::new().await;
        works.floor.script("undo fill", Then::Die);
        let id = start(&works, OnFailure::Undo).await;
        works.drain().await;
        let failed = works.find(id).await.workflow;
        assert_eq!((failed.state, failed.reason.as_deref()), (WorkflowState::Failed, Some("undoing fill: undo fill cannot")));
        assert_eq!(works.floor.runs()[7..], ["undo charge", "undo fill"]);

        let mut c = works.stage.connection().await;
        let packing = works.step(id, "pack").await.workflow.expect("the workflow within");
        let job = works.step(packing, "fill").await.undo_job.expect("its undo");
        let shipped = works.step(id, "ship").await.job.expect("its job");
        let refused = admin::retry(&mut c, shipped).await.expect_err("nothing goes forwards any more");
        assert!(matches!(refused, admin::ActError::WorkflowOver { state: WorkflowState::Undoing, .. }), "{refused}");
        works.floor.mend("undo fill");
        if by_retry {
            admin::retry(&mut c, job).await.expect("again");
        } else {
            workflow::resume(&mut c, id).await.expect("resumed");
        }
        works.drain().await;
        assert_eq!(works.floor.runs()[7..], ["undo charge", "undo fill", "undo fill", "undo fold", "undo reserve"]);
        assert_eq!(works.state(id).await, WorkflowState::Undone);
    }
}

#[tokio::test]
async fn undoing_waits_for_what_still_runs_and_undoes_that_too() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.busy");
    let first = flow.step("first", &task("first"));
    flow.undo(first, &task("undo first"));
    let pair = flow.fan_out("pair", &[task("quick"), task("slow")]);
    flow.undo(pair, &task("undo pair"));
    flow.after([first, pair]).step("after", &task("after"));
    works.floor.script("slow", Then::Wait);
    let id = works.start(flow).await;
    let worker = works.worker().run();
    eventually("two have run", async || {
        works.stage.number("SELECT count(*) FROM queue.finished_jobs").await == 2 && works.floor.runs().len() == 3
    })
    .await;
    workflow::undo(&mut *works.stage.connection().await, id, "a mistake").await.expect("undone");
    eventually("it is undone", async || works.state(id).await == WorkflowState::Undone).await;
    worker.stop().await;
    let undone: Vec<String> = works.floor.runs().into_iter().skip(3).collect();
    assert_eq!(undone, ["undo pair", "undo first"], "a fan-out that ended half-way has done something");
    assert_eq!(works.step_state(id, "after").await, StepState::Cancelled);
}
