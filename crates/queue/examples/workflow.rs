//! A workflow that waits for a person: a package is checked, its pictures are drawn side by side, an admin approves, it is released.
//! Should the release fail, the pictures are withdrawn.
//!
//! `DATABASE_URL=postgres://… cargo run -p mywork-queue --example workflow`, on an empty database.

use mywork_queue::{
    Context, Job, Outcome, Produces, Registry, Runtime, RuntimeOptions, Workflow,
    clock::SystemClock,
    groups::Group,
    migrate,
    workflow::{self, Deadline, OnFailure, Signal, WorkflowState},
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

#[derive(Serialize, Deserialize)]
struct Check {
    package: String,
}

/// What the check finds, for the steps after it.
#[derive(Serialize, Deserialize)]
struct Checked {
    pictures: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Draw {
    picture: String,
}

#[derive(Serialize, Deserialize)]
struct Withdraw {
    package: String,
}

#[derive(Serialize, Deserialize)]
struct Release {
    package: String,
}

/// What comes with the approval.
#[derive(Serialize, Deserialize)]
struct Approval {
    by: String,
}

impl Job for Check {
    const KIND: &'static str = "example.check";
}

impl Produces for Check {
    type Output = Checked;
}

impl Job for Draw {
    const KIND: &'static str = "example.draw";
}

impl Job for Withdraw {
    const KIND: &'static str = "example.withdraw";
}

impl Job for Release {
    const KIND: &'static str = "example.release";
}

/// How a package is published.
fn publish(package: &str) -> Workflow {
    let package = package.to_owned();
    let week = Duration::from_secs(7 * 24 * 60 * 60);

    let mut flow = Workflow::new("example.publish").unique(&package).on_failure(OnFailure::Undo);
    let check = flow.step("check", &Check { package: package.clone() });
    let pictures = flow.after(check).fan_out_later::<Draw>("pictures"); // the check will know which
    flow.undo(pictures, &Withdraw { package: package.clone() });
    let approval = flow.after([check, pictures]).event("approval").within(week, Deadline::Fail);
    flow.after(approval).step("release", &Release { package });
    flow
}

async fn check(job: Check, cx: Context<PgPool>) -> mywork_queue::Result {
    let pictures = vec!["front.png".to_owned(), "back.png".to_owned()];
    let jobs: Vec<Draw> = pictures.iter().map(|picture| Draw { picture: picture.clone() }).collect();

    let mut tx = cx.state.begin().await?;
    cx.spawn(&mut tx, "pictures", &jobs).await?; // once, however often this runs
    tx.commit().await?;
    println!("{} is fine, and has {} pictures", job.package, pictures.len());
    Outcome::output(&Checked { pictures })
}

async fn release(job: Release, cx: Context<PgPool>) -> mywork_queue::Result {
    let checked = cx.output::<Check>("check").await?;
    let approval: Option<Approval> = cx.event("approval").await?;
    let by = approval.map_or_else(|| "nobody".to_owned(), |approval| approval.by);
    println!("{} is released with {}, approved by {by}", job.package, checked.pictures.join(" and "));
    Ok(Outcome::Done)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    migrate(&pool).await?;

    let mut tx = pool.begin().await?;
    let started = publish("hat-1.2.0").start(&mut tx).await?;
    tx.commit().await?; // the workflow exists from here on, or not at all
    println!("workflow {} has begun", started.id);

    let mut registry = Registry::new();
    registry
        .add(check)
        .add(release)
        .add(|job: Draw, _: Context<PgPool>| async move {
            println!("{} is drawn", job.picture);
            Ok(Outcome::Done)
        })
        .add(|job: Withdraw, _: Context<PgPool>| async move {
            println!("the pictures of {} are withdrawn", job.package);
            Ok(Outcome::Done)
        });
    let (shutdown, group) = (CancellationToken::new(), Group::new("default", ["default"], 4));
    let (registry, state, clock) = (Arc::new(registry), Arc::new(pool.clone()), Arc::new(SystemClock));
    let worker = Runtime::new(pool.clone(), registry, state, group, clock, RuntimeOptions::default()).run(shutdown.clone());
    let worker = tokio::spawn(worker);

    // Somewhere else an admin approves: before, while, or long after the workflow waits for it.
    let approval = Approval { by: "Ann".to_owned() };
    let told = workflow::signal_for(&mut *pool.acquire().await?, "example.publish", "hat-1.2.0", "approval", &approval).await?;
    println!("{}", if told == Signal::Kept { "the approval is kept until it is waited for" } else { "it was waited for" });

    loop {
        let found = workflow::find(&mut *pool.acquire().await?, started.id).await?;
        let Some(found) = found.filter(|found| found.workflow.state == WorkflowState::Running) else { break };
        let waits: Vec<_> = found.steps.iter().map(|step| format!("{} {}", step.name, step.state)).collect();
        println!("  … {}", waits.join(", "));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    shutdown.cancel();
    worker.await?;
    Ok(())
}
