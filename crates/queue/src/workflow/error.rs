//! Why something asked of a workflow was refused.

use crate::{
    enqueue::EnqueueError,
    workflow::{WorkflowId, WorkflowState},
};

/// Why a workflow could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It has no steps.
    #[error("workflow {0} has no steps; add one before it is started")]
    Empty(String),
    /// Two of its steps have one name.
    #[error("workflow {workflow} has two steps named {step:?}; steps are told apart by their names")]
    TwoOfAName {
        /// The workflow.
        workflow: String,
        /// The name.
        step: String,
    },
    /// A handle came from another workflow.
    #[error("workflow {0} was given a step of another workflow; put that one into a step of its own with `workflow`")]
    StepOfAnother(String),
    /// Its unique key changed hands under every try.
    #[error("workflow {workflow} could not be started: its unique key {key:?} changes hands faster than it can be read")]
    Contended {
        /// The workflow.
        workflow: String,
        /// The key.
        key: String,
    },
    /// A job of it cannot be enqueued.
    #[error(transparent)]
    Job(#[from] EnqueueError),
    /// The database refused.
    #[error("workflow could not be started: {0}")]
    Database(#[from] sqlx::Error),
}

/// Why an act on a workflow was refused.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// There is no such workflow, or its history has been dropped.
    #[error("there is no workflow {0}")]
    NotFound(WorkflowId),
    /// No open workflow has this name and key.
    #[error("no unfinished workflow {name} has the key {key:?}")]
    NoneOpen {
        /// The name.
        name: String,
        /// The key.
        key: String,
    },
    /// It has no such step.
    #[error("workflow {workflow} has no {what} named {step:?}")]
    NoSuchStep {
        /// The workflow.
        workflow: WorkflowId,
        /// `event` or `fan-out`.
        what: &'static str,
        /// The name.
        step: String,
    },
    /// It is over.
    #[error("workflow {id} is over: {state}")]
    Finished {
        /// The workflow.
        id: WorkflowId,
        /// How it ended.
        state: WorkflowState,
    },
    /// Only a failed workflow can be resumed.
    #[error("workflow {id} is {state}; only a failed one can be resumed")]
    NotFailed {
        /// The workflow.
        id: WorkflowId,
        /// Where it is in its life.
        state: WorkflowState,
    },
    /// It is being undone already.
    #[error("workflow {0} is being undone; wait for that, or cancel it")]
    Undoing(WorkflowId),
    /// It is a step of another.
    #[error("workflow {id} is a step of workflow {root}; ask it of that one")]
    Within {
        /// The workflow.
        id: WorkflowId,
        /// The outermost one.
        root: WorkflowId,
    },
    /// The jobs to run again are no longer known.
    #[error(
        "workflow {workflow} cannot be resumed: the failed jobs of step {step:?} have been dropped from history, or wait to be retried under a unique key another job has taken; cancel it and start it anew"
    )]
    JobsGone {
        /// The workflow.
        workflow: WorkflowId,
        /// The step.
        step: String,
    },
    /// The fan-out has begun, or is not this job's to fill.
    #[error("step {step:?} of workflow {workflow} cannot be filled: {why}")]
    NotToBeFilled {
        /// The workflow.
        workflow: WorkflowId,
        /// The step.
        step: String,
        /// What is in the way.
        why: String,
    },
    /// The step left nothing to read.
    #[error("step {step:?} has no output of kind {kind}: {why}")]
    NoOutput {
        /// The step.
        step: String,
        /// The kind of job asked for.
        kind: &'static str,
        /// What is in the way.
        why: String,
    },
    /// The job that asks is not part of a workflow.
    #[error("this job is not part of a workflow, so it has no {0}")]
    NoWorkflow(&'static str),
    /// What was handed over cannot be written as JSON.
    #[error("this cannot be written as JSON: {0}")]
    Unserialisable(#[from] serde_json::Error),
    /// A job cannot be enqueued.
    #[error(transparent)]
    Job(#[from] EnqueueError),
    /// The database refused.
    #[error("the workflow cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
}
