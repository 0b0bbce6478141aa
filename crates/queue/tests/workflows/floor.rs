//! What the stories about workflows run: tasks that do what the story wants of them just then, and what they left.

use crate::support::{Stage, Start, committed};
use chrono::{Duration, Utc};
use mywork_queue::{
    Backoff, Context, Failure, Job, Options, Outcome, Produces, Registry, Unique, Workflow, WorkflowId,
    clock::{Clock, FakeClock},
    testing::{Drained, drain},
    workflow::{self, Started, StepRow, StepState, WorkflowDetail, WorkflowState},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time,
};
use tokio::sync::Notify;

/// A step's work, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub name: String,
}

pub fn task(name: impl ToString) -> Task {
    Task { name: name.to_string() }
}

impl Job for Task {
    const KIND: &'static str = "flow.task";
    const MAX_ATTEMPTS: i16 = 5;
    const BACKOFF: Backoff = Backoff::new(time::Duration::from_millis(1), time::Duration::from_millis(1));
    const REDACT: &'static [&'static str] = &["secret"];
}

impl Produces for Task {
    type Output = Report;
}

/// What a task answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub by: String,
    pub secret: String,
}

/// A task of which there is at most one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnlyOne {
    pub name: String,
}

impl Job for OnlyOne {
    const KIND: &'static str = "flow.only_one";

    fn options(&self) -> Options {
        Options::default().unique(Unique::unfinished(&self.name))
    }
}

/// How a task behaves. One that nobody scripted answers a report.
#[derive(Clone, Debug)]
pub enum Then {
    Die,
    FailOnce,
    Cancel,
    /// Waits at the gate, or until it is told to stop.
    Wait,
    /// Fills the fan-out with tasks of these names, …
    Spawn(&'static str, Vec<String>),
    /// … and is killed after its commit, the first time.
    SpawnAndFail(&'static str, Vec<String>),
    /// Notes who answered the step.
    Read(&'static str),
    /// Notes who answered the fan-out.
    ReadAll(&'static str),
    /// Notes what came with the event.
    ReadEvent(&'static str),
}

/// What tasks share.
pub struct Floor {
    pool: PgPool,
    runs: Mutex<Vec<String>>,
    scripts: Mutex<HashMap<String, Then>>,
    notes: Mutex<Vec<String>>,
    pub gate: Notify,
}

impl Floor {
    pub fn new(pool: PgPool) -> Arc<Self> {
        let (runs, scripts, notes) = Default::default();
        Arc::new(Self { pool, runs, scripts, notes, gate: Notify::new() })
    }

    /// Names of tasks in the order they ran.
    pub fn runs(&self) -> Vec<String> {
        self.runs.lock().expect("unpoisoned").clone()
    }

    /// The same, by name.
    pub fn sorted_runs(&self) -> Vec<String> {
        let mut runs = self.runs();
        runs.sort();
        runs
    }

    pub fn forget(&self) {
        self.runs.lock().expect("unpoisoned").clear();
    }

    pub fn script(&self, name: &str, then: Then) {
        self.scripts.lock().expect("unpoisoned").insert(name.to_owned(), then);
    }

    pub fn mend(&self, name: &str) {
        self.scripts.lock().expect("unpoisoned").remove(name);
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().expect("unpoisoned").clone()
    }

    fn note(&self, line: impl Into<String>) {
        self.notes.lock().expect("unpoisoned").push(line.into());
    }
}

async fn run(job: Task, cx: Context<Floor>) -> mywork_queue::Result {
    cx.state.runs.lock().expect("unpoisoned").push(job.name.clone());
    let then = cx.state.scripts.lock().expect("unpoisoned").get(&job.name).cloned();
    match then {
        None => {}
        Some(Then::Die) => return Err(Failure::dead(format!("{} cannot", job.name))),
        Some(Then::FailOnce) if cx.attempt == 1 => return Err(anyhow::anyhow!("not at first").into()),
        Some(Then::FailOnce) => {}
        Some(Then::Cancel) => return Ok(Outcome::Cancel(format!("{} sees no use", job.name))),
        Some(Then::Wait) => {
            tokio::select! {
                () = cx.state.gate.notified() => {}
                () = cx.cancelled.cancelled() => return Err(anyhow::anyhow!("told to stop").into()),
            }
        }
        Some(Then::Spawn(step, names)) => spawn(&cx, step, &names).await?,
        Some(Then::SpawnAndFail(step, names)) => {
            spawn(&cx, step, &names).await?;
            if cx.attempt == 1 {
                return Err(anyhow::anyhow!("killed after its commit").into());
            }
        }
        Some(Then::Read(step)) => cx.state.note(cx.output::<Task>(step).await?.by),
        Some(Then::ReadAll(step)) => {
            let by: Vec<String> = cx.outputs::<Task>(step).await?.into_iter().map(|report| report.by).collect();
            cx.state.note(by.join(","));
        }
        Some(Then::ReadEvent(event)) => cx.state.note(format!("{:?}", cx.event::<Value>(event).await?)),
    }
    Outcome::output(&Report { by: job.name, secret: "s3cret".to_owned() })
}

async fn spawn(cx: &Context<Floor>, step: &str, names: &[String]) -> Result<(), Failure> {
    let jobs: Vec<Task> = names.iter().map(task).collect();
    let mut tx = cx.state.pool.begin().await?;
    let spawned = cx.spawn(&mut tx, step, &jobs).await?;
    cx.state.note(format!("spawned, fresh: {}", spawned.fresh));
    Ok(tx.commit().await?)
}

pub fn registry() -> Registry<Floor> {
    let mut registry = Registry::new();
    registry.add(run).add(|job: OnlyOne, cx: Context<Floor>| async move {
        cx.state.runs.lock().expect("unpoisoned").push(job.name);
        Ok(Outcome::Done)
    });
    registry
}

/// A stage with a floor on it, where time passes when the story says so.
pub struct Works {
    pub stage: Stage,
    pub floor: Arc<Floor>,
    pub clock: FakeClock,
    registry: Arc<Registry<Floor>>,
}

impl Works {
    pub async fn new() -> Self {
        let stage = Stage::new().await;
        let floor = Floor::new(stage.pool.clone());
        // Far from the database's own time, so that a story would notice whoever goes by that.
        let clock = FakeClock::at(Utc::now() + Duration::days(400));
        Self { stage, floor, clock, registry: Arc::new(registry()) }
    }

    pub async fn start(&self, flow: Workflow) -> WorkflowId {
        self.try_start(flow).await.id
    }

    pub async fn try_start(&self, flow: Workflow) -> Started {
        committed(&self.stage.pool, async |c| flow.start(c).await.expect("started")).await
    }

    /// Runs all that is due, until nothing is.
    pub async fn drain(&self) -> Drained {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let mut drained = Drained::default();
        loop {
            let some = drain(&self.stage.pool, &self.registry, Arc::clone(&self.floor), Arc::clone(&clock)).await;
            let some = some.expect("drained");
            if some.runs.is_empty() {
                return drained;
            }
            drained.runs.extend(some.runs);
            self.clock.advance(Duration::seconds(1)); // retries are due
        }
    }

    pub async fn find(&self, id: WorkflowId) -> WorkflowDetail {
        workflow::find(&mut *self.stage.connection().await, id).await.expect("the queue").expect("the workflow")
    }

    pub async fn state(&self, id: WorkflowId) -> WorkflowState {
        self.find(id).await.workflow.state
    }

    pub async fn step(&self, id: WorkflowId, name: &str) -> StepRow {
        self.find(id).await.steps.into_iter().find(|step| step.name == name).expect("the step")
    }

    pub async fn step_state(&self, id: WorkflowId, name: &str) -> StepState {
        self.step(id, name).await.state
    }

    /// A worker, to be run.
    pub fn worker(&self) -> Start<Floor> {
        Start::new(&self.stage, registry(), Arc::clone(&self.floor))
    }
}
