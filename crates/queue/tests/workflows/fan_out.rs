//! Many jobs at once, and the step that comes after all of them.

use super::floor::{Then, Works, task};
use crate::support::{committed, eventually};
use mywork_queue::{
    RuntimeOptions, Workflow,
    admin::JobState,
    groups::Group,
    workflow::{self, StepState, WorkflowState},
};
use std::time::{Duration, Instant};

const CHILDREN: i64 = 10_000;

#[tokio::test]
async fn ten_thousand_children_end_once_and_release_what_follows_once() {
    let works = Works::new().await;
    works
        .stage
        .execute(
            "CREATE TABLE public.updates (of text NOT NULL);
             CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO public.updates VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
             CREATE TRIGGER note AFTER UPDATE ON queue.steps FOR EACH ROW EXECUTE FUNCTION public.note();
             CREATE TRIGGER note AFTER UPDATE ON queue.workflows FOR EACH ROW EXECUTE FUNCTION public.note();
             CREATE TRIGGER note AFTER UPDATE ON queue.fan_out_shards FOR EACH ROW EXECUTE FUNCTION public.note();",
        )
        .await;
    let mut flow = Workflow::new("test.wide");
    let jobs: Vec<_> = (0..CHILDREN).map(task).collect();
    let wide = flow.fan_out("wide", &jobs);
    flow.after(wide).step("after", &task("after"));
    works.floor.script("after", Then::ReadAll("wide"));
    let id = works.start(flow).await;

    let began = Instant::now();
    let options = RuntimeOptions { heartbeat: Duration::from_secs(1), lease: Duration::from_secs(30), ..crate::support::quick() };
    let group = || Group::new("wide", ["default"], 50);
    let workers = [(); 2].map(|()| {
        let start = works.worker();
        crate::support::Start { group: group(), options: options.clone(), ..start }.run()
    });
    let deadline = Instant::now() + Duration::from_secs(180);
    while works.state(id).await != WorkflowState::Done {
        assert!(Instant::now() < deadline, "the fan-in was never released");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    for worker in workers {
        worker.stop().await;
    }

    assert_eq!(works.floor.runs().len() as i64, CHILDREN + 1, "every child ran once, and so did what follows");
    let finished = "SELECT count(*) FROM queue.finished_jobs WHERE state = 'done'";
    assert_eq!(works.stage.number(finished).await, CHILDREN + 1);
    let read = works.floor.notes();
    let in_order: Vec<String> = (0..CHILDREN).map(|number| number.to_string()).collect();
    assert_eq!(read, [in_order.join(",")], "it reads what all of them answered, in their order");

    let shards = works.stage.number("SELECT count(*) FROM queue.fan_out_shards").await;
    let of_steps = works.stage.number("SELECT count(*) FROM public.updates WHERE of = 'steps'").await;
    let of_workflows = works.stage.number("SELECT count(*) FROM public.updates WHERE of = 'workflows'").await;
    let of_shards = works.stage.number("SELECT count(*) FROM public.updates WHERE of = 'fan_out_shards'").await;
    println!(
        "{CHILDREN} children in {took:.1?}; updates: {of_steps} of steps, {of_workflows} of workflows, {of_shards} of {shards} shards"
    );
    assert!(of_steps <= shards + 10, "{of_steps} updates of steps");
    assert!(of_workflows <= 3, "{of_workflows} updates of the workflow");
}

#[tokio::test]
async fn a_handler_fills_a_fan_out_once_however_often_it_runs() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.planned");
    let plan = flow.step("plan", &task("plan"));
    let pay = flow.after(plan).fan_out_later::<super::floor::Task>("pay");
    flow.after(pay).step("settle", &task("settle"));
    let id = works.start(flow).await;
    works.floor.script("plan", Then::SpawnAndFail("pay", vec!["ann".to_owned(), "bob".to_owned()]));
    works.drain().await;
    assert_eq!(works.floor.runs(), ["plan", "plan", "ann", "bob", "settle"]);
    assert_eq!(works.floor.notes(), ["spawned, fresh: true", "spawned, fresh: false"]);
    assert_eq!(works.state(id).await, WorkflowState::Done);
    assert_eq!(works.stage.number("SELECT count(*) FROM queue.fan_outs").await, 0);
}

#[tokio::test]
async fn an_empty_fan_out_is_done_at_once() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.empty_handed");
    let none = flow.fan_out::<super::floor::Task>("none", &[]);
    let plan = flow.after(none).step("plan", &task("plan"));
    let later = flow.after(plan).fan_out_later::<super::floor::Task>("later");
    flow.after(later).step("after", &task("after"));
    let id = works.start(flow).await;
    works.floor.script("plan", Then::Spawn("later", Vec::new()));
    works.drain().await;
    assert_eq!(works.floor.runs(), ["plan", "after"]);
    assert_eq!(works.state(id).await, WorkflowState::Done);
}

#[tokio::test]
async fn a_fan_out_that_nobody_filled_fails_and_can_be_filled_after_all() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.forgotten");
    let plan = flow.step("plan", &task("plan"));
    let pay = flow.after(plan).fan_out_later::<super::floor::Task>("pay");
    flow.after(pay).step("settle", &task("settle"));
    let id = works.start(flow).await;
    works.drain().await;
    let step = works.step(id, "pay").await;
    assert_eq!(step.state, StepState::Failed);
    assert!(step.reason.expect("a reason").contains("`spawn`"));

    // The handler is mended, and its job, though done, run again by a person.
    works.floor.script("plan", Then::Spawn("pay", vec!["ann".to_owned()]));
    let plan = works.step(id, "plan").await.job.expect("its job");
    let mut c = works.stage.connection().await;
    mywork_queue::admin::retry(&mut c, plan).await.expect("it runs again");
    works.drain().await;
    workflow::resume(&mut c, id).await.expect("resumed");
    works.drain().await;
    assert_eq!(works.floor.runs(), ["plan", "plan", "ann", "settle"]);
    assert_eq!(works.state(id).await, WorkflowState::Done);
}

#[tokio::test]
async fn a_child_run_again_after_it_was_done_is_not_counted_twice() {
    let works = Works::new().await;
    let mut flow = Workflow::new("test.twice");
    let pair = flow.fan_out("pair", &[task("one"), task("two")]);
    flow.after(pair).step("after", &task("after"));
    works.floor.script("two", Then::Die);
    let id = works.start(flow).await;
    works.drain().await;
    let one: i64 = works.stage.number("SELECT id FROM queue.finished_jobs WHERE child = 0").await;
    committed(&works.stage.pool, async |c| mywork_queue::admin::retry(c, mywork_queue::JobId(one)).await.expect("again")).await;
    works.drain().await;
    assert_eq!(works.floor.runs(), ["one", "two", "one"]);
    let pair = works.step(id, "pair").await;
    assert_eq!(pair.state, StepState::Failed, "one of them is still to be done");
    assert!(pair.jobs.iter().any(|count| count.state == JobState::Dead && count.jobs == 1));
    eventually("the child that died is done in the end", async || {
        works.floor.mend("two");
        let mut c = works.stage.connection().await;
        if works.state(id).await == WorkflowState::Failed {
            workflow::resume(&mut c, id).await.expect("resumed");
        }
        works.drain().await;
        works.state(id).await == WorkflowState::Done
    })
    .await;
    assert_eq!(works.floor.runs(), ["one", "two", "one", "two", "after"]);
}
