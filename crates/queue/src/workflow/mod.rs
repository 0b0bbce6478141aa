//! Workflows: jobs that wait for each other, for events, for time, and for other workflows (JOB-11).
//!
//! A [`Workflow`] is written down step by step and started on the caller's transaction. From then on it lives in the tables:
//! whoever ends a job moves its workflow in the same transaction, so that between two steps there is nothing a crash could
//! lose. No process is in charge of a workflow, and none keeps anything of it in memory.
//!
//! A workflow:
//!
//! ```text
//!                                             a step fails
//!  (within another)             ┌──────────────────────────────┐      resume, or a retry of the job
//!   held ──its step begins──▶ running ◀─────────────────────────┼──── failed ◀──────┐
//!                               │ │                             └──────▶ │          │ an undo fails;
//!      all steps are done ──────┘ │ cancel, or a handler's               │ undo     │ resume goes on
//!               │                 │ `Outcome::Cancel`                    ▼          ▼
//!               ▼                 ▼           on_failure: undo ──────▶ undoing ─────┘
//!             done            cancelled ◀──── cancel ──────────────────── │
//!                                                                         └──▶ undone   everything done is undone
//! ```
//!
//! A step:
//!
//! ```text
//!             all its needs are done, and the workflow runs
//!   blocked ──┬── a job, jobs, a workflow ──▶ running ──┬── done so ──────────▶ done ──▶ undoing ──▶ undone
//!             └── an event, a sleep ────────▶ waiting ──┤                        what it did is undone
//!                                              ▲   ▲    ├── dead, expired, quarantined, cancelled by a person,
//!                                 resumed ─────┴───┴────┼── or too late ──────▶ failed
//!                                                       └── the workflow is cancelled ──▶ cancelled
//! ```
//!
//! Who moves a workflow locks in this order, and each kind in the order of its key: shards of fan-outs, rows of outermost
//! workflows, jobs. The row of the outermost workflow stands for everything within it, steps and sub-workflows alike, so no two
//! transactions can wait for each other. A child of a fan-out that is not the last of its shard locks the shard only.

mod acts;
mod advance;
mod build;
mod context;
mod error;
mod lock;
mod release;
mod show;
mod signal;
mod start;
mod tick;
mod undo;

pub use acts::{cancel, resume, undo};
pub use build::{After, Deadline, EventStep, OnFailure, Step, Steps, Workflow};
pub use context::Spawned;
pub use error::{FlowError, StartError};
pub use show::{JobCount, StepRow, WorkflowDetail, WorkflowFilter, WorkflowRow, find, list};
pub use signal::{Signal, signal, signal_for};
pub use start::{Started, open};

pub(crate) use acts::{before_retry, reopen};
pub(crate) use advance::{Ended, How, Moves, advance};
pub(crate) use lock::{close, lock_for, lock_free, lock_of};
pub(crate) use tick::tick;

use crate::job::Job;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, str::FromStr};

/// A kind of job whose handlers answer with something that later steps read: [`Outcome::output`](crate::Outcome::output) here,
/// [`Context::output`](crate::Context::output) there.
pub trait Produces: Job {
    /// What it answers.
    type Output: Serialize + DeserializeOwned + Send;
}

/// A workflow's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct WorkflowId(pub i64);

impl fmt::Display for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WorkflowId {
    type Err = std::num::ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

/// Where a workflow is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum WorkflowState {
    /// Part of another, whose step has not begun.
    Held,
    /// Moves by itself.
    Running,
    /// A step failed: a person must look. What runs ends; nothing new begins.
    Failed,
    /// What was done is being undone.
    Undoing,
    /// All its steps are done.
    Done,
    /// Nobody wants it any more.
    Cancelled,
    /// What was done has been undone.
    Undone,
}

impl WorkflowState {
    /// All states, in the order of a workflow's life.
    pub const ALL: [Self; 7] =
        [Self::Held, Self::Running, Self::Failed, Self::Undoing, Self::Done, Self::Cancelled, Self::Undone];

    /// As the database and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Undone => "undone",
        }
    }

    /// Whether it is over.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Undone)
    }
}

impl fmt::Display for WorkflowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for WorkflowState {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let all = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|state| state.as_str() == s).ok_or_else(|| format!("no state {s:?}; there are {}", all()))
    }
}

/// Where a step is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum StepState {
    /// Waits for other steps.
    Blocked,
    /// Its jobs, or its workflow, are at work.
    Running,
    /// Waits for its event or its time.
    Waiting,
    /// Did what it should.
    Done,
    /// Did not, and will not by itself.
    Failed,
    /// Given up with its workflow.
    Cancelled,
    /// The job that undoes it is at work.
    Undoing,
    /// What it did has been undone.
    Undone,
}

impl StepState {
    /// As the database and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a step consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum StepKind {
    /// One job.
    Job,
    /// Many jobs of one kind.
    FanOut,
    /// Something that somebody outside says.
    Event,
    /// Time.
    Sleep,
    /// Another workflow.
    Workflow,
}

impl StepKind {
    /// As the database and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::FanOut => "fan_out",
            Self::Event => "event",
            Self::Sleep => "sleep",
            Self::Workflow => "workflow",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
