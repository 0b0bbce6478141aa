//! Steps after steps, and what they leave each other.

use super::floor::{OnlyOne, Then, Works, task};
use crate::support::{committed, eventually};
use mywork_queue::{
    Subject, Workflow,
    admin::JobState,
    enqueue,
    workflow::{self, StartError, StepKind, StepState, WorkflowFilter, WorkflowState},
};
use serde_json::json;

#[tokio::test]
async fn a_step_runs_after_the_one_before_it() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.chain");
    let first = flow.step("first", &task("first"));
    let second = flow.after(first).step("second", &task("second"));
    flow.after(second).step("third", &task("third"));
    let id = works.start(flow).await;
    works.drain().await.assert_no_failure();
    assert_eq!(works.floor.runs(), ["first", "second", "third"]);
    assert_eq!(works.state(id).await, WorkflowState::Done);
}

#[tokio::test]
async fn a_diamond_closes_once_both_sides_are_done() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.diamond").subject(Subject::new("product", 7));
    let top = flow.step("top", &task("top"));
    let left = flow.after(top).step("left", &task("left"));
    let right = flow.after([top]).step("right", &task("right"));
    flow.after([left, right, left]).step("bottom", &task("bottom"));
    let id = works.start(flow).await;
    works.floor.script("left", Then::FailOnce);
    works.floor.script("bottom", Then::Read("right"));

    assert_eq!(works.step_state(id, "top").await, StepState::Running);
    assert_eq!(works.step_state(id, "bottom").await, StepState::Blocked);
    works.drain().await;
    assert_eq!(works.floor.runs(), ["top", "left", "right", "left", "bottom"]);
    assert_eq!(works.floor.notes(), ["right"], "a step reads what another answered");

    let flow = works.find(id).await;
    assert_eq!((flow.workflow.state, flow.workflow.steps, flow.workflow.open_steps), (WorkflowState::Done, 4, 0));
    let bottom = &flow.steps[3];
    assert_eq!(
        (bottom.kind, bottom.state, &bottom.needs[..]),
        (StepKind::Job, StepState::Done, &["left".to_owned(), "right".to_owned()][..])
    );
    assert_eq!(bottom.output, Some(json!({ "by": "bottom", "secret": "•••" })), "what a kind hides is hidden");
    let job = works.stage.job(bottom.job.expect("its job")).await.job;
    assert_eq!((job.state, job.subject_kind.as_deref(), job.subject_id.as_deref()), (JobState::Done, Some("product"), Some("7")));
    assert_eq!((bottom.jobs[0].state, bottom.jobs[0].jobs), (JobState::Done, 1));
}

#[tokio::test]
async fn a_unique_workflow_is_there_once_until_it_is_over() {
    let works = Works::new().await;
    let flow = || {
        let mut flow = Workflow::new("test.unique").unique(17);
        flow.step("only", &task("only"));
        flow
    };
    let first = works.try_start(flow()).await;
    let second = works.try_start(flow()).await;
    assert!(first.fresh && !second.fresh);
    assert_eq!(first.id, second.id);
    works.drain().await;
    let third = works.try_start(flow()).await;
    assert!(third.fresh);

    // Many at once: one wins, the others learn which.
    works.drain().await;
    let starts = futures::future::join_all((0..10).map(|_| works.try_start(flow()))).await;
    assert_eq!(starts.iter().filter(|started| started.fresh).count(), 1);
    assert!(starts.iter().all(|started| started.id == starts[0].id));
    works.drain().await;
    assert_eq!(works.floor.runs().len(), 3);
}

#[tokio::test]
async fn a_workflow_exists_exactly_if_its_transaction_commits() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.rolled_back");
    flow.step("only", &task("only"));
    let mut tx = works.stage.pool.begin().await.expect("a transaction");
    flow.start(&mut tx).await.expect("started");
    tx.rollback().await.expect("rolled back");
    works.drain().await;
    assert!(works.floor.runs().is_empty());
    assert_eq!(works.stage.number("SELECT count(*) FROM queue.workflows").await, 0);
}

#[tokio::test]
async fn a_step_whose_job_is_there_already_is_done_by_that_one() {
    let works = Works::new().await;
    committed(&works.stage.pool, async |c| enqueue(c, &OnlyOne { name: "same".to_owned() }).await.expect("enqueued")).await;
    let mut flow = Workflow::new("test.taken");
    let only = flow.step("only", &OnlyOne { name: "same".to_owned() });
    let many = flow.fan_out("many", &["same", "other"].map(|name| OnlyOne { name: name.to_owned() }));
    flow.after([only, many]).step("then", &task("then"));
    let id = works.start(flow).await;
    assert_eq!(works.step_state(id, "only").await, StepState::Done);
    works.drain().await;
    assert_eq!(works.floor.sorted_runs(), ["other", "same", "then"]);
    assert_eq!(works.state(id).await, WorkflowState::Done);
}

#[tokio::test]
async fn a_faulty_definition_is_told_before_anything_is_stored() {
    let works = Works::new().await;
    let start = async |flow: Workflow| flow.start(&mut *works.stage.connection().await).await.expect_err("a fault");
    assert!(matches!(start(Workflow::new("test.empty")).await, StartError::Empty(_)));

    let mut twice = Workflow::new("test.twice");
    twice.step("same", &task("a"));
    twice.step("same", &task("b"));
    assert!(matches!(start(twice).await, StartError::TwoOfAName { .. }));

    let (mut one, mut other) = (Workflow::new("test.one"), Workflow::new("test.other"));
    let foreign = one.step("a", &task("a"));
    other.after(foreign).step("b", &task("b"));
    assert!(matches!(start(other).await, StartError::StepOfAnother(_)));

    let (mut within, mut around) = (Workflow::new("test.within"), Workflow::new("test.around"));
    within.step("same", &task("a"));
    within.step("same", &task("b"));
    around.workflow("within", within);
    assert!(matches!(start(around).await, StartError::TwoOfAName { .. }));
    assert_eq!(works.stage.number("SELECT count(*) FROM queue.workflows").await, 0);
}

#[tokio::test]
async fn workflows_are_listed_by_what_they_are_about() {
    let works = Works::new().await;
    for number in 0..3 {
        let mut flow = Workflow::new("test.listed").subject(Subject::new("product", number));
        flow.step("only", &task(number));
        works.start(flow).await;
    }
    works.floor.script("1", Then::Die);
    works.drain().await;
    let list =
        async |filter: WorkflowFilter| workflow::list(&mut *works.stage.connection().await, &filter).await.expect("the queue");
    let all = list(WorkflowFilter::default()).await;
    assert_eq!(all.iter().map(|flow| flow.subject_id.as_deref().expect("a subject")).collect::<Vec<_>>(), ["2", "1", "0"]);
    let failed = list(WorkflowFilter { states: vec![WorkflowState::Failed], ..WorkflowFilter::default() }).await;
    assert_eq!((failed.len(), failed[0].reason.as_deref()), (1, Some("only: 1 cannot")));
    let page = list(WorkflowFilter { before: Some(all[1].id), limit: 1, ..WorkflowFilter::default() }).await;
    assert_eq!(page.iter().map(|flow| flow.id).collect::<Vec<_>>(), [all[2].id]);
    let subject = Some(Subject::new("product", 2));
    assert_eq!(list(WorkflowFilter { subject, ..WorkflowFilter::default() }).await.len(), 1);
}

#[tokio::test]
async fn a_worker_that_dies_between_steps_loses_nothing() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.killed");
    let mut last = flow.step("0", &task("0"));
    for number in 1..12 {
        let fan = flow.after(last).fan_out(format!("{number} many"), &[task(format!("{number}a")), task(format!("{number}b"))]);
        last = flow.after(fan).step(number.to_string(), &task(number));
    }
    let id = works.start(flow).await;
    let mut killed = 0;
    while works.state(id).await != WorkflowState::Done {
        let before = works.floor.runs().len();
        let worker = works.worker().run_apart(works.stage.options.clone()).await;
        eventually("something ran", async || {
            works.floor.runs().len() > before + 5 || works.state(id).await == WorkflowState::Done
        })
        .await;
        worker.kill();
        killed += 1;
    }
    assert!(killed > 1, "nobody was killed in the middle");
    let mut distinct = works.floor.sorted_runs();
    distinct.dedup();
    assert_eq!(distinct.len(), 34, "every job ran");
    let ended_twice =
        "SELECT count(*) FROM (SELECT FROM queue.finished_jobs GROUP BY workflow_id, step, child HAVING count(*) > 1) AS x";
    assert_eq!(works.stage.number(ended_twice).await, 0);
}
