//! Steps after steps.

use super::floor::{Works, task};
use mywork_queue::Workflow;

#[tokio::test]
async fn a_step_runs_after_the_one_before_it() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.chain");
    let first = flow.step("first", &task("first"));
    let second = flow.after(first).step("second", &task("second"));
    flow.after(second).step("third", &task("third"));
    works.start(flow).await;
    works.drain().await.assert_no_failure();
    assert_eq!(works.floor.runs(), ["first", "second", "third"]);
    let done = "SELECT count(*) FROM queue.workflows WHERE state = 'done' AND open_steps = 0";
    assert_eq!(works.stage.number(done).await, 1);
}
